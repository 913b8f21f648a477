"""``listen``: pushes over a socket, confirmed after their reports are written."""

import gzip
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from support.cli_runner import CommandResult, Program, Unwritable

from emay_voice_async.cli.terminal.console import Console
from emay_voice_async.wire.encryption import encrypt

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send SIGINT to one process")


REPORT = {"voiceId": "v1", "customVoiceId": "c1", "mobile": "13800000000", "state": "SUCCESS"}


class Service:
    """Pushes to the receiver from another thread, then presses Ctrl-C."""

    def __init__(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        self.program = program
        self.failures: list[BaseException] = []
        self._say = Console.say
        self._work: Callable[[str], object] = str
        self._threads: list[threading.Thread] = []
        service = self

        def say(console: Console, text: str, style: str = "", *, wrap: bool = True) -> None:
            service._say(console, text, style, wrap=wrap)
            if text.startswith("Listening on "):
                service._threads.append(threading.Thread(target=service._run, args=(text.split()[2],)))
                service._threads[0].start()

        monkeypatch.setattr(Console, "say", say)

    def _run(self, url: str) -> None:
        try:
            self._work(url)
        except BaseException as error:
            self.failures.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    def listen(
        self, work: Callable[[str], object], *more: object, stdout: Unwritable | None = None
    ) -> CommandResult:
        """Listen until ``work`` has returned; it gets the receiver's URL."""
        self._work = work
        result = self.program("listen", "--port", 0, *more, stdout=stdout)
        self._threads[0].join(20)
        assert self.failures == []
        return result

    def push(self, url: str, document: object, app_id: str | None = None) -> httpx.Response:
        """Push a document in the way of the service."""
        sandbox = self.program.sandbox
        body = encrypt(gzip.compress(json.dumps(document).encode()), sandbox.secret_key)
        headers = {"appId": app_id or sandbox.app_id}
        return httpx.post(url, content=body, headers=headers, trust_env=False, timeout=20)


@pytest.fixture
def service(program: Program, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Make a service that pushes."""
    return Service(program, monkeypatch)


def test_pushes(service: Service) -> None:
    """Reports are printed once, pushes are confirmed, and Ctrl-C exits with 0."""
    answers: list[tuple[int, str]] = []

    def work(url: str) -> None:
        for document in ([REPORT], [REPORT, "x"]):
            response = service.push(url, document)
            answers.append((response.status_code, response.text))
        answers.append((service.push(url, [REPORT], "another").status_code, ""))
        answers.append((service.push(f"{url}/else", [REPORT]).status_code, ""))

    result = service.listen(work, "--path", "/emay")
    assert result.code == 0
    assert answers == [(200, "success"), (200, "success"), (403, ""), (404, "")]
    assert [row.get("message_id", row.get("unreadable")) for row in result.rows] == ["v1", "x"]


def test_journal(service: Service, tmp_path: Path) -> None:
    """Reports are recorded in the journal of their send."""
    journal = tmp_path / "run.db"
    send = ("send", "notice", "--to", "-", "--content", "您好", "--yes", "--journal", journal)
    [row] = service.program(*send, input=b"13800000000").rows
    report = {**REPORT, "voiceId": row["message_id"], "customVoiceId": row["custom_id"]}
    result = service.listen(lambda url: service.push(url, [report]), "--journal", journal)
    assert result.code == 0
    [shown] = service.program("journal", "show", journal, "--json").rows
    assert shown["reported"] == {"SUCCESS": 1}


@pytest.mark.parametrize(
    ("error", "code"),
    [(BrokenPipeError(32, "Broken pipe"), 141), (OSError(28, "No space left on device"), 7)],
)
def test_failed_output(service: Service, error: OSError, code: int) -> None:
    """A failed output leaves the push unconfirmed, so that the service repeats it, and ends the command."""
    answers: list[int] = []

    def work(url: str) -> None:
        answers.append(service.push(url, [REPORT]).status_code)

    result = service.listen(work, stdout=Unwritable(error))
    assert (result.code, answers) == (code, [500])
    assert ("No space left on device" in result.err) is (code == 7)


def test_address_in_use(program: Program) -> None:
    """The error line names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = program("listen", "--port", port)
    assert result.code == 2
    assert f"cannot listen on 127.0.0.1:{port}: " in result.error_line
