"""The identity of the process that made a claim, and whether the process has ended."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve

import emay_voice_async.journal.processes as module
from emay_voice_async.journal.processes import ProcessIdentity

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not say so")


@contextmanager
def another_process() -> Iterator[ProcessIdentity]:
    """Run a process that waits; yield the identity of the process."""
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        yield ProcessIdentity(module._place(), child.pid, module._status(child.pid)[1])
        child.kill()


def test_this_process_is_there() -> None:
    """This process is alive, with a constant identity."""
    assert ProcessIdentity.current() == ProcessIdentity.current()
    assert ProcessIdentity.current().pid == os.getpid()
    assert ProcessIdentity.current().has_ended() is False


def test_another_process_while_it_lives_and_after() -> None:
    """Another process is alive until it has ended."""
    with another_process() as process:
        assert process.has_ended() is False
    assert process.has_ended() is True


@on_linux
def test_a_process_that_nobody_has_asked_for_its_end() -> None:
    """A zombie has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        process = ProcessIdentity(module._place(), child.pid, "")
        # Wait for the exit, without reading the exit code.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process.has_ended() is True


@on_linux
def test_a_later_process_with_the_same_number() -> None:
    """A later process with a reused pid is another process."""
    assert evolve(ProcessIdentity.current(), born="1").has_ended() is True


@on_linux
def test_a_process_is_born_once() -> None:
    """Two processes of one host differ in pid or start time, and the start time does not change."""
    with another_process() as process:
        assert process.born.isdecimal()
        assert process.born == module._status(process.pid)[1]
        assert process != ProcessIdentity.current()


def test_elsewhere_nothing_is_known() -> None:
    """Of a process on another host, boot or namespace it is unknown whether it has ended."""
    assert evolve(ProcessIdentity.current(), place="elsewhere").has_ended() is None


def test_a_system_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No signal is sent on a system where a signal could end the process."""
    monkeypatch.setattr(module, "_HAS_SIGNAL_0", False)
    assert ProcessIdentity.current().has_ended() is None


@on_linux
def test_a_process_that_is_somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may not be signalled is alive, unless the start time shows a reused pid."""

    def forbid(_: int, __: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbid)
    assert ProcessIdentity.current().has_ended() is False
    assert evolve(ProcessIdentity.current(), born="1").has_ended() is True


@pytest.mark.parametrize("ask", ["kill", "forbidden"])
def test_a_system_that_does_not_say_when(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ask: str) -> None:
    """Without start times, a process with the pid counts as alive."""

    def forbid(_: int, __: int) -> None:
        raise PermissionError

    process = ProcessIdentity.current()
    monkeypatch.setattr(module, "_PROC", tmp_path)
    if ask == "forbidden":
        monkeypatch.setattr(os, "kill", forbid)
    assert ProcessIdentity.current().born == ""
    assert ProcessIdentity.current().has_ended() is False
    assert evolve(process, place=module._place()).has_ended() is False


def test_a_birth_that_was_not_known() -> None:
    """A process whose start time is unknown counts as alive while the pid is in use."""
    assert evolve(ProcessIdentity.current(), born="").has_ended() is False


def test_the_place_has_host_boot_and_namespace() -> None:
    """On Linux the place has host, boot and namespace, so that pids are compared within one namespace only."""
    assert len(module._place().split(" ")) == (3 if sys.platform == "linux" else 1)


@on_linux
def test_a_name_with_parentheses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The start time is found after a process name with blanks, parentheses and odd bytes."""
    (tmp_path / "7").mkdir()
    fields = " ".join(str(number) for number in range(3, 53))
    (tmp_path / "7/stat").write_bytes(b"7 (a) b (\xff) " + fields.encode())
    monkeypatch.setattr(module, "_PROC", tmp_path)
    assert module._status(7) == ("3", "22")
    (tmp_path / "7/stat").write_text("7 (short) S 1")
    assert module._status(7) == ("", "")
