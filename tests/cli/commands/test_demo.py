"""``demo``: the main job from end to end, and wrong results."""

import asyncio
import io
import sys
from collections import Counter
from decimal import Decimal

import pytest
from attrs import evolve
from rich.console import Console
from support.cli_runner import Interrupting, Program, Unwritable

from emay_voice_async import CallState, Product, Report, cli
from emay_voice_async.cli.commands.demo import Facts, complaints, show
from emay_voice_async.model.stats import Stats

GOOD = Facts(
    sent=3,
    accepted=3,
    called=Counter(["13800000000", "13800000001", "13800000013"]),
    silent=1,
    reports=[Report(Product.VOICE, state=CallState.SUCCESS)] * 2,
    before=Decimal(10),
    after=Decimal("9.7"),
    price=Decimal("0.1"),
    over_speed=0,
    stats=Stats(),
    seconds=1.0,
)


@pytest.mark.slow
def test_demo() -> None:
    """Over a real socket, 1,237 numbers are called once each, and the output fits a screen."""
    output = io.StringIO()
    assert asyncio.run(show(Console(file=output, width=80)))
    text = output.getvalue()
    assert "each of the 1,237 numbers was called exactly once" in text
    assert "1,237/1,237" in text
    assert "1,236/1,236" in text
    assert "1/1 " not in text
    assert "of them pressed a key: 139****0010 pressed 1" in text
    # With the lines that nox prints around the demo, the whole is on a screen of 80 x 24.
    assert len(text.splitlines()) <= 14
    assert max(map(len, text.splitlines())) <= 80
    assert all(line == line.rstrip() for line in text.splitlines())


class TestComplaints:
    """A sentence for each wrong result."""

    def test_correct(self) -> None:
        """A correct result has no complaints."""
        assert list(complaints(GOOD)) == []

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"accepted": 2}, "2 were accepted"),
            ({"called": Counter(["1", "2", "2"])}, "3 calls to 2 numbers"),
            ({"called": Counter(["1", "2", "3", "3"])}, "4 calls to 3 numbers"),
            ({"reports": []}, "0 reports came instead of 2"),
            ({"after": Decimal(9)}, "went down by 1"),
            ({"over_speed": 1}, "ERROR_OVER_SPEED 1 times"),
        ],
    )
    def test_each_complaint(self, change: dict[str, object], word: str) -> None:
        """Each wrong figure has a sentence."""
        [complaint] = complaints(evolve(GOOD, **change))  # type: ignore[arg-type]
        assert word in complaint


def test_wrong_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong result is printed, and the demo returns False."""
    monkeypatch.setattr("emay_voice_async.cli.commands.demo.PATIENCE", 0.0)
    monkeypatch.setattr("emay_voice_async.cli.commands.demo.REPORT_DELAY", 60.0)
    output = io.StringIO()
    assert not asyncio.run(show(Console(file=output, width=80)))
    assert "Wrong result: 0 reports came instead of 1236." in output.getvalue()
    assert "Correct" not in output.getvalue()


class TestCommand:
    """The command and its exit codes."""

    @pytest.mark.slow
    def test_success(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A correct demo exits with 0."""
        assert cli.main(["demo"]) == 0
        assert "Correct" in capsys.readouterr().out

    def test_failure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A wrong result exits with 1."""
        monkeypatch.setattr("emay_voice_async.cli.commands.demo.PATIENCE", 0.0)
        monkeypatch.setattr("emay_voice_async.cli.commands.demo.REPORT_DELAY", 60.0)
        assert cli.main(["demo"]) == 1

    def test_interrupt(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C in the middle of the demo exits with 130."""
        monkeypatch.setattr(sys, "stdout", Interrupting("Nobody is called"))
        assert cli.main(["demo"]) == 130

    def test_broken_pipe(self, program: Program) -> None:
        """A broken pipe exits with 141 and prints no error."""
        result = program("demo", stdout=Unwritable(BrokenPipeError(32, "Broken pipe")))
        assert (result.code, result.err) == (141, "")

    @pytest.mark.slow
    def test_proxies(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """Proxies of the environment have no effect on the local service."""
        monkeypatch.undo()
        with pytest.MonkeyPatch.context() as patch:
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                patch.setenv(name, "socks://127.0.0.1:1/")
            patch.setenv("SSL_CERT_FILE", "/gone.pem")
            assert program("demo").code == 0
