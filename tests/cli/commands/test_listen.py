"""``listen``: pushes over a socket, confirmed after their reports are written."""

import gzip
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from support.cli_runner import CommandResult, Program, Unwritable

from emay_voice_async.cli.terminal.console import Console
from emay_voice_async.wire.encryption import encrypt

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send SIGINT to one process")


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


HAS_IPV6 = _has_ipv6()
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
                service._threads[-1].start()

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
        self._threads[-1].join(20)
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
        with httpx.Client(trust_env=False, timeout=20) as client:
            # A further request on the connection, and a request that closes it.
            for headers in ({}, {"connection": "close"}):
                assert client.post(f"{url}/else", headers=headers).status_code == 404

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


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("emay", "/emay"),
        ("/emay", "/emay"),
        ("emay/", "/emay"),
        ("a/b", "/a/b"),
        ("", "/"),
        ("/", "/"),
        ("%E7%9F%AD", "/%E7%9F%AD"),
        ("短信", "/%E7%9F%AD%E4%BF%A1"),
        ("a b", None),
        ("https://your.host/emay", None),
        ("/emay?x=1", None),
        ("//host/emay", None),
    ],
)
def test_paths(service: Service, given: str, path: str | None) -> None:
    """The slash in front may be missing; the printed URL is the URL of the pushes."""
    answers: list[tuple[str, int]] = []

    def work(url: str) -> None:
        answers.append((httpx.URL(url).raw_path.decode(), service.push(url, [REPORT]).status_code))

    if path is None:
        result = service.program("listen", "--port", 0, "--path", given)
        assert result.code == 2
        assert "must be a path such as /emay" in result.error_line
        return
    assert service.listen(work, "--path", given).code == 0
    assert answers == [(path, 200)]


def push_plain(url: str, document: object, app_id: str) -> int:
    """Push a document without encryption; return the status."""
    headers = {"appId": app_id, "content-type": "application/json"}
    return httpx.post(url, json=document, headers=headers, trust_env=False, timeout=20).status_code


@pytest.mark.slow
def test_plain_pushes(service: Service, tmp_path: Path) -> None:
    """Plain pushes are accepted from a network, or at the path with the token, and refused otherwise."""
    token = tmp_path / "token"
    token.write_text("secret-token\n")
    app_id = service.program.sandbox.app_id
    statuses: list[int] = []

    def work(url: str) -> None:
        statuses.append(push_plain(url, [REPORT], app_id))
        statuses.append(push_plain(f"{url}/secret-token", [REPORT], app_id))
        statuses.append(push_plain(f"{url}/other", [REPORT], app_id))
        statuses.append(service.push(url, [REPORT]).status_code)

    for options, expected in (
        ((), [400, 404, 404, 200]),
        (("--plain-from", "127.0.0.0/8"), [200, 404, 404, 200]),
        (("--plain-from", "10.0.0.1", "--plain-from", "::1"), [403, 404, 404, 200]),
        (("--plain-token-file", token), [403, 200, 404, 200]),
        (("--plain-token-file", token, "--plain-from", "10.0.0.0/8"), [403, 403, 404, 200]),
    ):
        statuses.clear()
        result = service.listen(work, "--path", "emay", *options)
        assert (result.code, statuses) == (0, expected), options
        assert "secret-token" not in result.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--plain-from", "everywhere"), "--plain-from: must be networks"),
        (("--plain-from", "10.0.0.0/40"), "--plain-from: must be networks"),
        (("--plain-token-file", "slash"), "--plain-token-file: must not contain a slash"),
        (("--plain-token-file", "empty"), "--plain-token-file: empty: is empty"),
        (("--plain-token-file", "none"), "--plain-token-file: none: No such file"),
    ],
)
def test_wrong_plain_options(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, str], words: str
) -> None:
    """The error line names the option, and never the token."""
    monkeypatch.chdir(tmp_path)
    Path("slash").write_text("top/secret")
    Path("empty").write_text(" \n")
    result = program("listen", "--port", 0, *options)
    assert result.code == 2
    assert words in result.error_line
    assert "secret" not in result.error_line


@pytest.mark.skipif(not HAS_IPV6, reason="there is no IPv6")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_ipv6(service: Service, host: str) -> None:
    """An IPv6 address is printed in brackets, and reached by the printed URL."""
    answers: list[int] = []

    def work(url: str) -> None:
        assert url.startswith("http://[::1]:")
        answers.append(service.push(url, [REPORT]).status_code)

    assert service.listen(work, "--host", host, "--path", "emay").code == 0
    assert answers == [200]


@pytest.mark.parametrize("host", ["no such host", "256.0.0.1", "203.0.113.7", "fe80::zz", "x" * 300])
def test_wrong_hosts(program: Program, host: str) -> None:
    """A host that is not of this machine is one error line."""
    result = program("listen", "--port", 0, "--host", host)
    assert result.code == 2
    assert "cannot listen on " in result.error_line


def test_slow_headers(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection without complete headers is closed after the time limit; too long headers are refused."""
    monkeypatch.setattr("emay_voice_async.cli.commands.listen.HEADER_TIMEOUT", 0.2)
    ends: list[bytes] = []

    def work(url: str) -> None:
        host, port = httpx.URL(url).host, httpx.URL(url).port
        for request in (b"", b"POST / HTTP/1.1\r\nhost: x\r\n", b"POST / HTTP/1.1\r\nx: " + b"x" * 70_000):
            with socket.create_connection((host, port), timeout=20) as connection:
                connection.sendall(request)
                try:
                    ends.append(connection.recv(100))
                except ConnectionResetError:
                    ends.append(b"HTTP/1.1 400")
        assert service.push(url, [REPORT]).status_code == 200

    assert service.listen(work).code == 0
    assert ends[:2] == [b"", b""]
    assert ends[2].startswith(b"HTTP/1.1 400")


def test_many_connections(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests beyond the bound of connections get 503, so that the service pushes again."""
    monkeypatch.setattr("emay_voice_async.cli.commands.listen.MAX_CONNECTIONS", 3)
    statuses: list[int] = []

    def work(url: str) -> None:
        host, port = httpx.URL(url).host, httpx.URL(url).port
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(socket.create_connection((host, port), timeout=20)).sendall(b"P")
            statuses.append(service.push(url, [REPORT]).status_code)

    assert service.listen(work).code == 0
    assert statuses == [503]
