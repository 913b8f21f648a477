"""Which process made a claim, and whether it is gone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve

import emay_voice_async.journal.processes as module
from emay_voice_async.journal.processes import Owner

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not say so")


@contextmanager
def another_process() -> Iterator[Owner]:
    """Run a process that waits; give it as an owner."""
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        yield Owner(module._place(), child.pid, module._status(child.pid)[1])
        child.kill()


def test_this_process_is_there() -> None:
    """The process itself is alive, and is the same each time that it is asked."""
    assert Owner.current() == Owner.current()
    assert Owner.current().pid == os.getpid()
    assert Owner.current().is_gone() is False


def test_another_process_while_it_lives_and_after() -> None:
    """Another process is there until it has ended, and then it is gone."""
    with another_process() as owner:
        assert owner.is_gone() is False
    assert owner.is_gone() is True


@on_linux
def test_a_process_that_nobody_has_asked_for_its_end() -> None:
    """One that has ended is gone, though its parent has not taken note of that."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        owner = Owner(module._place(), child.pid, "")
        # Waits for its end, and leaves it as it is.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert owner.is_gone() is True


@on_linux
def test_a_later_process_with_the_same_number() -> None:
    """Whoever has its number now and was born at another time is not that process."""
    assert evolve(Owner.current(), born="1").is_gone() is True


@on_linux
def test_a_process_is_born_once() -> None:
    """Two processes of one host differ in number or in birth, and the birth does not change."""
    with another_process() as owner:
        assert owner.born.isdecimal()
        assert owner.born == module._status(owner.pid)[1]
        assert owner != Owner.current()


def test_elsewhere_nothing_is_known() -> None:
    """Of a process on another host, boot or namespace nothing can be said."""
    assert evolve(Owner.current(), place="elsewhere").is_gone() is None


def test_a_system_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where asking could end the process, it is not asked."""
    monkeypatch.setattr(module, "_CAN_ASK", False)
    assert Owner.current().is_gone() is None


@on_linux
def test_a_process_that_is_somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may not be asked is there; but born at another time, it has only inherited the number."""

    def forbid(_: int, __: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbid)
    assert Owner.current().is_gone() is False
    assert evolve(Owner.current(), born="1").is_gone() is True


@pytest.mark.parametrize("ask", ["kill", "forbidden"])
def test_a_system_that_does_not_say_when(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ask: str) -> None:
    """Where the births of processes cannot be read, a process with the number is taken to be the one."""

    def forbid(_: int, __: int) -> None:
        raise PermissionError

    owner = Owner.current()
    monkeypatch.setattr(module, "_PROC", tmp_path)
    if ask == "forbidden":
        monkeypatch.setattr(os, "kill", forbid)
    assert Owner.current().born == ""
    assert Owner.current().is_gone() is False
    assert evolve(owner, place=module._place()).is_gone() is False


def test_a_birth_that_was_not_known() -> None:
    """An owner that could not say when it was born is not gone while somebody has its number."""
    assert evolve(Owner.current(), born="").is_gone() is False


def test_the_place_has_host_boot_and_namespace() -> None:
    """Three things make the place on Linux, so that numbers are compared only where they mean the same."""
    assert len(module._place().split(" ")) == (3 if sys.platform == "linux" else 1)


@on_linux
def test_a_name_with_parentheses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The birth is found behind a process name that holds blanks, parentheses and odd bytes."""
    (tmp_path / "7").mkdir()
    fields = " ".join(str(number) for number in range(3, 53))
    (tmp_path / "7/stat").write_bytes(b"7 (a) b (\xff) " + fields.encode())
    monkeypatch.setattr(module, "_PROC", tmp_path)
    assert module._status(7) == ("3", "22")
    (tmp_path / "7/stat").write_text("7 (short) S 1")
    assert module._status(7) == ("", "")
