"""``sandbox``: the local service."""

import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from support.cli_runner import Interrupting, Program, Unwritable

from emay_voice_async import cli
from emay_voice_async.sandbox import Sandbox


class TestSandbox:
    """Start, output and end of the local service."""

    def test_output(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Address, appId and secretKey are printed for a shell, and Ctrl-C exits with 0."""
        terminal = Interrupting("SECRET_KEY")
        monkeypatch.setattr(sys, "stdout", terminal)
        assert cli.main(["sandbox", "--port", "0", "--report-delay", "1.5"]) == 0
        lines = terminal.text.splitlines()
        assert re.fullmatch(r"export EMAY_VOICE_BASE_URL=http://127\.0\.0\.1:\d+", lines[1])
        assert lines[2:] == [
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
            process.stdout.readline()
            url = process.stdout.readline().strip().partition("=")[2]
            headers = [{}, {"Host": "emay:80"}, {"Host": "evil.example"}, {"Origin": "http://evil.example"}]
            with httpx.Client(base_url=url, trust_env=False) as client:
                codes = [client.post("/voice/send", headers=one).status_code for one in headers]
            process.send_signal(signal.SIGINT)
            process.stdout.read()
        assert codes == [200, 200, 403, 403]
        assert process.returncode == 0
