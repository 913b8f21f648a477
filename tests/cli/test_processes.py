"""The program as a process: through pipes and on a terminal, with the local service on a socket."""

import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from support.cli_runner import served, start

from emay_voice_async.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


PATIENCE = 60.0
ACCEPTED = r"[1-9][0-9,]* accepted"


class Terminal:
    """A process on a pseudo-terminal."""

    def __init__(self, arguments: list[str], env: dict[str, str]) -> None:
        self.text = ""
        self._master, slave = os.openpty()
        env = {**env, "COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color"}
        self.process = start(arguments, env, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)

    def wait_for(self, pattern: str) -> None:
        """Read until a text of the pattern is on the screen."""
        self._read(lambda: re.search(pattern, self.text) is not None)
        assert re.search(pattern, self.text), self.text[-1000:]

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def interrupt(self) -> None:
        """Send SIGINT, as the terminal does for Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Close the terminal, as a dropped connection does."""
        os.close(self._master)

    def end(self) -> int:
        """Read until the process ends; return its exit code."""
        self._read(lambda: False)
        self.close()
        return self.process.wait(PATIENCE)

    def _read(self, enough: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while not enough() and time.monotonic() < until:
            if not select.select([self._master], [], [], 1.0)[0]:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:
                # The terminal is gone with the last process on it.
                return
            if not data:
                return
            self.text += data.decode("utf-8", "replace")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Make a list of 10,000 numbers: 20 requests."""
    path = tmp_path / "people.txt"
    path.write_text("\n".join(f"138{number:08}" for number in range(10_000)))
    return path


def notice(path: Path, *more: object) -> list[str]:
    """Return the arguments of a notice."""
    return ["send", "notice", "--to", str(path), "--content", "您好", *map(str, more)]


def test_interrupt_and_resume(people: Path, tmp_path: Path) -> None:
    """Ctrl-C stops a send in order, and the printed command calls each of the other numbers once."""
    sandbox = Sandbox(balance=Decimal(10**6), answer_latency=lambda: 0.3)
    journal = tmp_path / "the run.db"
    with served(sandbox) as env:
        terminal = Terminal(["--concurrency", "2", *notice(people, "--journal", journal)], env)
        terminal.wait_for(r"Make 10,000 calls\? \[y/N\]")
        assert sandbox.calls == []
        terminal.type("y\n")
        terminal.wait_for(ACCEPTED)
        assert "\x1b[?25l" in terminal.text
        terminal.interrupt()
        assert terminal.end() == 130
        # The cursor is there again, and the bar is gone.
        assert terminal.text.rindex("\x1b[?25h") > terminal.text.rindex("\x1b[?25l")
        before = len(sandbox.calls)
        assert 500 <= before < 10_000
        plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.text)
        [command] = re.findall(r"^  (\S+ -m emay_voice_async .*?)\r?$", plain, re.MULTILINE)
        words = shlex.split(command)
        assert words[3:] == ["--concurrency", "2", *notice(people, "--journal", journal)]
        with start(["--limit", "off", *words[5:], "--yes"], env) as again:
            out, err = again.communicate(timeout=PATIENCE)
        assert again.returncode == 0
        assert out.count(b'"recorded": false') == 10_000 - before
        # Not on a terminal: no colour, and nothing that moves.
        assert b"\x1b" not in out + err
    assert Counter(call.mobile for call in sandbox.calls) == Counter(people.read_text().split())


def test_typed_ahead(people: Path) -> None:
    """Keys that were pressed before the question confirm nothing."""
    sandbox = Sandbox(balance=Decimal(10**6))
    with served(sandbox) as env:
        terminal = Terminal(notice(people), env)
        terminal.type("y\n")
        terminal.wait_for(r"\[y/N\]")
        terminal.type("n\n")
        assert terminal.end() == 6
    assert sandbox.calls == []


def test_second_interrupt(people: Path, tmp_path: Path) -> None:
    """The second Ctrl-C ends the process at once; the journal knows the unknown numbers."""
    sandbox = Sandbox(
        balance=Decimal(10**6), answer_latency=lambda: 0.0 if len(sandbox.received) == 1 else 1e6
    )
    journal = tmp_path / "run.db"
    with served(sandbox) as env:
        terminal = Terminal(["--concurrency", "2", *notice(people, "--journal", journal, "--yes")], env)
        terminal.wait_for("1 request\\b")
        terminal.interrupt()
        terminal.wait_for("Stopping")
        terminal.interrupt()
        assert terminal.end() == 130, terminal.text[-600:]
        assert "Ended at once" in terminal.text
        assert "Traceback" not in terminal.text
        with start(["journal", "show", journal, "--json"], env) as shown:
            out, _ = shown.communicate(timeout=PATIENCE)
    assert b'"unknown": 500' in out


def test_broken_pipe(people: Path, tmp_path: Path) -> None:
    """A reader like ``head -1`` ends the send with 141, and the journal is complete."""
    sandbox = Sandbox(balance=Decimal(10**6))
    with served(sandbox) as env:
        arguments = notice(people, "--journal", tmp_path / "run.db", "--yes")
        with start(["--concurrency", "2", *arguments], env) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert b'"accepted"' in process.stdout.readline()
            process.stdout.close()
            err = process.stderr.read().decode()
        assert process.returncode == 141
        assert "Traceback" not in err
        assert "BrokenPipe" not in err
        called = len(sandbox.calls)
        assert called < 10_000
        with start(["--limit", "off", *arguments], env) as again:
            again.communicate(timeout=PATIENCE)
        assert again.returncode == 0
    assert Counter(call.mobile for call in sandbox.calls) == Counter(people.read_text().split())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_full_disk() -> None:
    """A full disk is one error line, also when Python flushes at exit."""
    with Path("/dev/full").open("wb") as full, start(["--help"], dict(os.environ), stdout=full) as process:
        _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (7, b"emay-voice: standard output: No space left on device\n")


def test_journal_on_full_disk(people: Path, tmp_path: Path) -> None:
    """No number is sent that the journal could not record."""
    sandbox = Sandbox(balance=Decimal(10**6))
    limited = (
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    with served(sandbox) as env:
        arguments = [
            "--limit",
            "off",
            "--concurrency",
            "1",
            *notice(people, "--journal", tmp_path / "run.db"),
        ]
        with start([*arguments, "--yes"], env, before=("-c", limited)) as process:
            out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 5
    assert b"Traceback" not in err
    accepted = [line for line in out.splitlines() if b'"outcome": "accepted"' in line]
    assert 0 < len(sandbox.calls) < 10_000
    assert len(accepted) == len(sandbox.calls)


def test_sandbox() -> None:
    """The sandbox takes a free port, answers, and ends by Ctrl-C with 0."""
    with start(["sandbox", "--port", "0"], dict(os.environ)) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().decode().strip() for _ in range(5)]
        url = lines[2].removeprefix("export EMAY_VOICE_BASE_URL=")
        assert httpx.post(f"{url}/voice/getBalance", trust_env=False).json()["responseCode"] == "ERROR_APPID"
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, rest, errors) == (0, b"", b"")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_completion_in_bash(tmp_path: Path) -> None:
    """The completion script of the help page works in bash."""
    program = tmp_path / "emay-voice"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m emay_voice_async "$@"\n')
    program.chmod(0o700)
    script = """
    eval "$(_EMAY_VOICE_COMPLETE=bash_source emay-voice)"
    COMP_WORDS=(emay-voice send vo) COMP_CWORD=2
    _emay_voice_completion emay-voice vo send
    echo "${COMPREPLY[@]}"
    """
    env = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=False)  # noqa: S607
    assert done.stdout.split() == ["voice-sms"], done.stderr


def run_shell(line: str, env: dict[str, str]) -> "subprocess.CompletedProcess[bytes]":
    """Run a line of shell in which ``emay-voice`` is this program."""
    program = f"{shlex.quote(sys.executable)} -m emay_voice_async"
    line = line.replace("emay-voice", program)
    return subprocess.run(
        ["/bin/sh", "-c", line], env=env, capture_output=True, timeout=PATIENCE, check=False
    )


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("emay-voice balance >&-", b"emay-voice: standard output is closed\n"),
        ("emay-voice --version >&-", b"emay-voice: standard output is closed\n"),
        ("emay-voice send notice --to x --content y --plan >&-", b"emay-voice: standard output is closed\n"),
        ("emay-voice balance 2>&-", b"emay-voice: standard error is closed\n"),
        ("emay-voice --help 2>&-", b"emay-voice: standard error is closed\n"),
        ("emay-voice journal show x >&- 2>&-", b""),
        (
            "TMPDIR=/none emay-voice send notice --to - --content y --yes < /dev/null",
            b"No usable temporary directory found",
        ),
    ],
)
def test_closed_streams(line: str, sentence: bytes, tmp_path: Path) -> None:
    """A closed stream, or no folder for temporary files, is one sentence and exit code 7."""
    env = {key: value for key, value in os.environ.items() if key not in ("TEMP", "TMP", "TMPDIR")}
    env |= {
        "EMAY_VOICE_BASE_URL": "http://127.0.0.1:1",
        "EMAY_VOICE_APP_ID": "a",
        "EMAY_VOICE_SECRET_KEY": "b" * 16,
    }
    if "TMPDIR" in line:
        # Python tries further folders: all of them must be unusable.
        code = (
            "import sys, tempfile; tempfile._candidate_tempdir_list = lambda: ['/none']; "
            "from emay_voice_async.cli import main; sys.exit(main())"
        )
        line = line.replace("emay-voice", f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}")
    done = run_shell(line, env)
    text = done.stdout + done.stderr
    assert done.returncode == 7, text
    assert sentence in text
    assert text.count(b"\n") == (1 if sentence else 0)
    assert b"Traceback" not in text


@pytest.mark.parametrize(
    "line", ["code 13800000000", "decode-push - --plain", "send notice --to - --content x"]
)
def test_closed_standard_input(line: str, tmp_path: Path) -> None:
    """A closed standard input is one sentence and exit code 2."""
    with served(Sandbox()) as env:
        done = run_shell(f"emay-voice {line} <&-", env)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"emay-voice: standard input is closed\n"


def test_hangup(people: Path, tmp_path: Path) -> None:
    """SIGHUP stops a send in order: no number is unknown, and the same command sends the rest."""
    sandbox = Sandbox(balance=Decimal(10**6), answer_latency=lambda: 0.3)
    arguments = notice(people, "--journal", tmp_path / "run.db", "--yes")
    with served(sandbox) as env:
        terminal = Terminal(["--concurrency", "1", *arguments], env)
        terminal.wait_for(ACCEPTED)
        terminal.process.send_signal(signal.SIGHUP)
        terminal.close()
        assert terminal.process.wait(PATIENCE) == 130
        with start(["journal", "show", tmp_path / "run.db", "--json"], env) as shown:
            out, _ = shown.communicate(timeout=PATIENCE)
        assert b'"unknown": 0' in out
        assert b'"under way": 0' in out
        assert 500 <= len(sandbox.calls) < 10_000
        with start(["--limit", "off", *arguments], env) as again:
            again.communicate(timeout=PATIENCE)
        assert again.returncode == 0
    assert Counter(call.mobile for call in sandbox.calls) == Counter(people.read_text().split())


def test_nohup(tmp_path: Path) -> None:
    """Under nohup, SIGHUP is ignored and stays ignored."""
    people = tmp_path / "people.txt"
    people.write_text("\n".join(f"138{number:08}" for number in range(2_000)))
    sandbox = Sandbox(balance=Decimal(10**6), answer_latency=lambda: 0.2)
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    with served(sandbox) as env:
        arguments = ["--concurrency", "1", *notice(people, "--yes")]
        with start(arguments, env, before=("-c", ignoring)) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGHUP)
            process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert len(sandbox.calls) == 2_000


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_head() -> None:
    """``demo | head -1`` exits with 141 and prints no error."""
    line = f"{shlex.quote(sys.executable)} -m emay_voice_async demo | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line],  # noqa: S607
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (141, b"")
    assert done.stdout.count(b"\n") == 1


class TestCollecting:
    """``send --collect`` as a process that is killed."""

    def test_killed(self, tmp_path: Path) -> None:
        """Killed at any moment, a send calls nobody twice, and the file has each report that the journal has, once.

        A response that was not on the disk when the process was killed is lost: the service has removed its reports.
        """
        numbers = [f"138{number:08}" for number in range(100, 3100) if number % 10_000 > 12]
        people, journal = tmp_path / "people.txt", tmp_path / "run.db"
        reports = tmp_path / "run.db.reports.jsonl"
        people.write_text("\n".join(numbers))
        arguments = ["send", "notice", "--to", people, "--content", "您好", "--yes"]
        arguments += ["--journal", journal, "--collect", "0.1"]
        moments: list[Callable[[], bool]] = [
            journal.exists,
            (tmp_path / "run.db.spool").exists,
            reports.exists,
            lambda: reports.exists() and reports.stat().st_size > 500_000,
        ]
        sandbox = Sandbox(balance=Decimal(10_000), latency=lambda: 0.02)
        with served(sandbox) as env:
            for moment in moments:
                with start(["--limit", "5/1", *arguments], env, stdout=subprocess.DEVNULL) as process:
                    while not moment() and process.poll() is None:
                        time.sleep(0.001)
                    process.kill()
            with start(arguments, env, stdout=subprocess.DEVNULL) as process:
                process.communicate(timeout=PATIENCE)
            assert process.returncode in (0, 3)
        rows, torn = [], 0
        for line in reports.read_text("utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                torn += 1
        assert torn <= len(moments)
        assert max(Counter(row["message_id"] for row in rows).values()) == 1
        called = Counter(call.mobile for call in sandbox.calls)
        assert {row["mobile"] for row in rows} <= set(called)
        exported = run_shell(f"emay-voice journal export {journal} --format jsonl", dict(os.environ))
        reported = [json.loads(line) for line in exported.stdout.splitlines()]
        assert {one["mobile"] for one in reported if one["report_state"]} <= {row["mobile"] for row in rows}
        assert set(called.values()) == {1}
        states = {one["mobile"]: one["state"] for one in reported}
        assert {states[mobile] for mobile in called} <= {"accepted", "unknown"}
        # A kill between the claim and the request leaves numbers uncalled: to the journal they are unknown.
        assert {states[mobile] for mobile in numbers if mobile not in called} <= {"unknown"}
        assert rows
