"""``watch``: the page of a campaign."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from support.cli_runner import Interrupting, Program, Unwritable

from cli.watch.campaign import written
from emay_voice_async import cli
from emay_voice_async.cli.commands.watch import _is_loopback
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.sql import SqlJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write a journal."""
    path = tmp_path / "run.db"
    asyncio.run(written(SqliteJournal(path)))
    return path


def served(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    """Run the command until it has printed its address; return the address."""
    terminal = Interrupting("http://")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert cli.main(["watch", *map(str, arguments), "--port", "0"]) == 0
    [url] = re.findall(r"http://\S+", terminal.text)
    return str(url)


class TestPage:
    """The page in the browser."""

    @pytest.mark.slow
    def test_another_process(self, path: Path) -> None:
        """The page of a process shows what another one writes."""
        command = [
            sys.executable,
            "-m",
            "emay_voice_async",
            "watch",
            str(path),
            "--port",
            "0",
            "--total",
            "20",
        ]
        environment = {**os.environ, "EMAY_VOICE_LANG": "en"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            [url] = re.findall(r"http://\S+", process.stdout.readline())
            with httpx.Client(base_url=url, trust_env=False) as client:
                assert "<script" in client.get("/").text
                first = client.get("/data").json()
                asyncio.run(written(SqliteJournal(path.with_name("other.db"))))
                while "keys" not in (last := client.get("/data").json()):
                    pass
            process.send_signal(signal.SIGINT)
        assert process.returncode == 0
        assert (first["settled"], first["total"], last["keys"]) == (7, 20, {"1": 1})

    def test_the_address(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """On this machine the address has no token."""
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", served(monkeypatch, path))

    def test_another_address(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """On another address the page needs a token, which is a new one each time."""
        urls = {served(monkeypatch, path, "--host", "0.0.0.0") for _ in range(2)}  # noqa: S104 - that is the test
        tokens = {url.partition("/?token=")[2] for url in urls}
        assert len(tokens) == 2
        assert min(map(len, tokens)) >= 24

    @pytest.mark.parametrize(
        ("host", "local"),
        [
            ("127.0.0.1", True),
            ("127.1.2.3", True),
            ("::1", True),
            ("Localhost", True),
            ("0.0.0.0", False),  # noqa: S104
            ("::", False),
            ("10.0.0.7", False),
            ("example.com", False),
        ],
    )
    def test_loopback(self, host: str, local: bool) -> None:
        """Only addresses of this machine need no token."""
        assert _is_loopback(host) is local

    def test_address_in_use(self, path: Path, program: Program) -> None:
        """The error line names the address."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            result = program("watch", path, "--port", port)
        assert result.code == 2
        assert f"cannot listen on 127.0.0.1:{port}: " in result.error_line

    def test_broken_pipe(self, path: Path, program: Program) -> None:
        """A broken pipe exits with 141."""
        result = program("watch", path, "--port", 0, stdout=Unwritable(BrokenPipeError(32, "Broken pipe")))
        assert (result.code, result.err) == (141, "")


class TestJournals:
    """Journals that can be watched, and others."""

    def test_no_journal(self, tmp_path: Path, program: Program) -> None:
        """A journal that is not there exits with 5, and is not created."""
        result = program("watch", tmp_path / "nothing.db", "--port", 0)
        assert (result.code, "nothing.db" in result.error_line) == (5, True)
        assert list(tmp_path.iterdir()) == []

    def test_a_damaged_journal(self, tmp_path: Path, program: Program) -> None:
        """A file that is no journal exits with 5."""
        damaged = tmp_path / "run.db"
        damaged.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
        assert program("watch", damaged, "--port", 0).code == 5

    def test_campaigns(self, path: Path, program: Program) -> None:
        """A file has one campaign, and a database needs the name of one."""
        result = program("watch", path, "--campaign", "spring")
        assert (result.code, "--campaign" in result.error_line) == (2, True)
        result = program("watch", "sqlite+aiosqlite:///x.db")
        assert (result.code, "--campaign is missing" in result.error_line) == (2, True)

    @pytest.mark.slow
    def test_a_database(self, tmp_path: Path, program: Program) -> None:
        """The results of a campaign in a database are printed as HTML."""
        url = f"sqlite+aiosqlite:///{tmp_path}/calls.db"

        async def write() -> None:
            async with SqlJournal(url, "spring", create=True) as journal:
                await written(journal)

        asyncio.run(write())
        result = program("watch", url, "--campaign", "spring", "--once", "--content", "<您好>")
        assert result.code == 0
        assert "&lt;您好&gt;" in result.out
        assert "13800000006" not in result.out


def test_once(path: Path, program: Program) -> None:
    """The results are printed as one HTML file; numbers are masked unless they may be shown."""
    masked, shown = program("watch", path, "--once"), program("watch", path, "--once", "--show-numbers")
    assert (masked.code, masked.out.startswith("<!DOCTYPE html>")) == (0, True)
    assert ("13800000006" in masked.out, "13800000006" in shown.out) == (False, True)
    assert json.dumps(masked.out)
