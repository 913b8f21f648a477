"""``sandbox``: the local service."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import IO, ClassVar

import httpx
import pytest
from sandbox.by_hand import form_of
from support.cli_runner import Interrupting, Program, Unwritable

from emay_voice_async import cli
from emay_voice_async.cli.commands.sandbox import _tell_delivery
from emay_voice_async.sandbox import Delivery, Sandbox


class TestSandbox:
    """Start, output and end of the local service."""

    def test_output(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Address, appId and secretKey are printed for a shell, and Ctrl-C exits with 0."""
        terminal = Interrupting("SECRET_KEY")
        monkeypatch.setattr(sys, "stdout", terminal)
        assert cli.main(["sandbox", "--port", "0", "--report-delay", "1.5"]) == 0
        lines = terminal.text.splitlines()
        [url] = re.findall(r"http://127\.0\.0\.1:\d+", lines[0])
        assert lines[1] == f"The calls in the browser: {url}/_sandbox/"
        assert lines[2] == f"export EMAY_VOICE_BASE_URL={url}"
        assert lines[3:] == [
            f"export EMAY_VOICE_APP_ID={Sandbox().app_id}",
            f"export EMAY_VOICE_SECRET_KEY={Sandbox().secret_key}",
        ]

    def test_address_in_use(self, program: Program) -> None:
        """The error line names the address."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            result = program("sandbox", "--port", port)
        assert result.code == 2
        assert f"cannot listen on 127.0.0.1:{port}: " in result.error_line

    def test_broken_pipe(self, program: Program) -> None:
        """A broken pipe exits with 141."""
        result = program("sandbox", "--port", 0, stdout=Unwritable(BrokenPipeError(32, "Broken pipe")))
        assert (result.code, result.err) == (141, "")

    @pytest.mark.slow
    def test_foreign_web_pages(self) -> None:
        """Requests for foreign names and from foreign pages get 403; --allowed-host allows a name."""
        arguments = [
            sys.executable,
            "-m",
            "emay_voice_async",
            "sandbox",
            "--port",
            "0",
            "--allowed-host",
            "emay",
        ]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = _url(process.stdout)
            headers = [{}, {"Host": "emay:80"}, {"Host": "evil.example"}, {"Origin": "http://evil.example"}]
            with httpx.Client(base_url=url, trust_env=False) as client:
                codes = [client.post("/voice/send", headers=one).status_code for one in headers]
            process.send_signal(signal.SIGINT)
            process.stdout.read()
        assert codes == [200, 200, 403, 403]
        assert process.returncode == 0

    @pytest.mark.slow
    def test_options(self) -> None:
        """Balance, delay, latency, limit, people, records, numbers and an IPv6 address are those of the options."""
        options = (
            *(
                "--host",
                "::1",
                "--balance",
                "12.5",
                "--report-delay",
                "3",
                "--latency",
                "0.01",
                "--limit",
                "5/2",
            ),
            *("--answer-rate", "70", "--keys", "1=60,2=20", "--keep", "2", "--show-numbers"),
        )
        with _started(*options) as (process, url):
            assert url.startswith("http://[::1]:")
            with httpx.Client(base_url=url, trust_env=False) as client:
                for _ in range(3):
                    client.get("/")
                state = client.get("/_sandbox/state").json()
            process.send_signal(signal.SIGINT)
        assert state["settings"] == {
            "report_delay": 3.0,
            "clock_offset": 0.0,
            "latency": 0.01,
            "answer_rate": 0.7,
            "keys": {"1": 0.6, "2": 0.2},
        }
        assert (state["accounts"][0]["balance"], state["show_numbers"]) == ("12.5", True)
        assert {one["requests"]: one["period"] for one in state["speed"]} == {5: 2.0}
        assert (state["counts"]["requests"], state["counts"]["requests_recorded"]) == (3, 2)

    @pytest.mark.slow
    def test_defaults(self) -> None:
        """By default numbers are masked on the page, everybody answers, and nobody presses a key."""
        with _started() as (process, url):
            with httpx.Client(base_url=url, trust_env=False) as client:
                state = client.get("/_sandbox/state").json()
            process.send_signal(signal.SIGINT)
        assert (state["show_numbers"], state["settings"]["answer_rate"], state["settings"]["keys"]) == (
            False,
            1.0,
            {},
        )

    @pytest.mark.slow
    def test_pushes(self) -> None:
        """Reports are pushed as they get ready; a receiver that does not confirm gets them again."""

        class Receiver(BaseHTTPRequestHandler):
            bodies: ClassVar[list[bytes]] = []

            def do_POST(self) -> None:
                self.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(503 if len(self.bodies) == 1 else 200)
                self.end_headers()
                self.wfile.write(b"success")

            def log_message(self, *_: object) -> None:
                pass

        with (
            HTTPServer(("127.0.0.1", 0), Receiver) as receiver,
            _started("--push-to", f"http://127.0.0.1:{receiver.server_port}/emay") as (process, url),
        ):
            local = Sandbox()
            with httpx.Client(base_url=url, trust_env=False) as client:
                fields = form_of(local.account, "/voice/send", time.time())
                assert client.post("/voice/send", data=fields).json()["code"] == "SUCCESS"
                for _ in range(2):
                    receiver.handle_request()
                assert process.stderr is not None
                told = [process.stderr.readline().strip() for _ in range(2)]
                state = client.get("/_sandbox/state").json()
            process.send_signal(signal.SIGINT)
        assert Receiver.bodies[0] == Receiver.bodies[1]
        assert told == [
            "1 report not confirmed (HTTP 503); again in 1.0 s",
            "1 report pushed and confirmed",
        ]
        assert state["counts"]["reports_waiting"] == 0

    def test_deliveries(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A push without a response is told with its reason, without control characters."""
        _tell_delivery(Delivery("A", 2, None, "ConnectError: \x1b[31m" + "x" * 900), 4.0)
        _tell_delivery(Delivery("A", 1, 200, "success"), 0.0)
        told, confirmed, _ = capsys.readouterr().err.split("\n")
        assert confirmed == "1 report pushed and confirmed"
        assert told.startswith("2 reports not confirmed (ConnectError: \\x1b[31mx")
        assert told.endswith("x); again in 4.0 s")
        assert len(told) < 300


def _url(output: IO[str]) -> str:
    for line in output:
        if line.startswith("export EMAY_VOICE_BASE_URL="):
            return line.strip().partition("=")[2]
    raise AssertionError("the service did not start")


@contextmanager
def _started(*options: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start the command as a process; yields the process and its URL, and checks that it ended well."""
    command = [sys.executable, "-m", "emay_voice_async", "sandbox", "--port", "0", *options]
    env = {**os.environ, "EMAY_VOICE_LANG": "en"}
    with subprocess.Popen(
        command, text=True, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield process, _url(process.stdout)
        process.stdout.read()
    assert process.returncode == 0
