"""The plan: complete, and checked before anything is sent."""

import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from support.cli_runner import Program, notice

from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.sandbox import Fault


class TestPlan:
    """The rows of the plan, and the checks."""

    def test_no_limit(self, program: Program, people: Path) -> None:
        """The plan names the speed."""
        assert "without a limit" in program("--limit", "off", *notice(people, "--plan")).err

    @pytest.mark.parametrize(
        ("limit", "words"), [("10/1", "10 requests a second"), ("10/2", "10 requests in 2 s")]
    )
    def test_limit(self, program: Program, people: Path, limit: str, words: str) -> None:
        """The plan names the limit; a limit for one second is one a second."""
        assert f", at {words}\n" in program("--limit", limit, *notice(people, "--plan")).err

    @pytest.mark.slow
    def test_long_list(self, program: Program, people: Path) -> None:
        """A terminal shows the progress of reading."""
        people.write_text("\n".join(f"138{number:08}" for number in range(40_000)))
        arguments = notice(people, "--plan")
        shown = program(*arguments, terminal=True).text
        assert re.search(r"Reading the lists and the journal: [0-9]+,000", shown)
        assert "Reading" not in program(*arguments).text
        assert "Reading" not in program("-q", *arguments, terminal=True).text

    @pytest.mark.parametrize(("price", "balance"), [("0.5", "299.99"), (None, "0")])
    def test_low_balance(self, program: Program, people: Path, price: str | None, balance: str) -> None:
        """A balance that is too low sends nothing."""
        program.sandbox.balance = Decimal(balance)
        result = program(*notice(people, "--yes", *(() if price is None else ("--price", price))))
        assert result.code == 4
        assert f"the balance of {balance} is not enough for 600 calls" in result.error_line
        assert not program.called

    def test_unknown_balance(self, program: Program, people: Path) -> None:
        """A service that refuses only the balance query does not stop the send."""
        program.sandbox.fail_next(Fault.code("ERROR_NEW"), on="balance", times=None)
        result = program(*notice(people, "--yes"))
        assert result.code == 0
        assert "not known: " in result.err

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            (Fault.html(), 4),
            (Fault.answer(b"{}"), 4),
            (Fault.answer(b""), 4),
            (Fault.answer(b"[]", status=502), 4),
            (Fault.status(503), 4),
            (Fault.status(404), 6),
            (Fault.status(301), 6),
            (Fault.status(407), 6),
        ],
        ids=lambda value: getattr(value, "name", None),
    )
    @pytest.mark.parametrize("options", [("--yes",), ("--plan",), ("--yes", "-journal")])
    def test_unproved_address(
        self,
        program: Program,
        people: Path,
        tmp_path: Path,
        fault: Fault,
        code: int,
        options: tuple[str, ...],
    ) -> None:
        """An address without a documented answer to the balance query gets no send, also with --yes."""
        program.sandbox.fail_next(fault, on="balance", times=None)
        more = ("--journal", tmp_path / "run.db") if len(options) > 1 else ()
        result = program(*notice(people, options[0], *more))
        assert result.code == code
        assert "nothing was sent: the balance query to http://emay.example failed: " in result.error_line
        assert not program.called
        assert not [request for request in program.sandbox.received if "end" in request.path]

    def test_wrong_account(self, program: Program, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Wrong credentials end the command before the first request."""
        monkeypatch.setenv("EMAY_VOICE_SECRET_KEY", "x" * 16)
        result = program(*notice(people, "--yes"))
        assert result.code == 4
        assert "ERROR_SIGN" in result.error_line
        assert "x" * 16 not in result.err
        assert not program.called

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("variable", "value", "word"),
        [
            ("ALL_PROXY", "socks://user:pass-word@127.0.0.1:7890/", "ALL_PROXY"),
            ("http_proxy", "http://user:pass-word@127.0.0.1:1", "http_proxy"),
            ("HTTPS_PROXY", "ftp://127.0.0.1:1", "HTTPS_PROXY"),
            ("all_proxy", "socks5://127.0.0.1:1", "all_proxy"),
            ("SSL_CERT_FILE", "/gone.pem", "SSL_CERT_FILE"),
            ("SSL_CERT_DIR", "/gone", "example.invalid"),
        ],
    )
    def test_environment(
        self,
        program: Program,
        people: Path,
        monkeypatch: pytest.MonkeyPatch,
        variable: str,
        value: str,
        word: str,
    ) -> None:
        """A wrong proxy or certificate setting exits with 6, names the setting, and shows no password."""
        url = "https://example.invalid" if variable != "http_proxy" else "http://example.invalid"
        program.use_network()
        monkeypatch.setenv("EMAY_VOICE_BASE_URL", url)
        monkeypatch.setenv(variable, value)
        for arguments in (notice(people, "--yes"), notice(people, "--plan"), ("balance",), ("reports",)):
            result = program("--timeout", "2", *arguments)
            assert result.code in (4, 6)
            assert word in result.error_line
            assert "pass-word" not in result.err
        assert program("--timeout", "2", "code", "13800000000", input=b"4711\n").code in (4, 6)


def test_hours(program: Program, people: Path) -> None:
    """The plan says when a send with calling hours begins and ends."""
    hour = (datetime.now(BEIJING).hour + 12) % 24
    result = program(*notice(people, "--plan", "--hours", f"{hour:02}:00-{hour:02}:59"))
    assert f"Hours {hour:02}:00-{hour:02}:59 (Beijing time)" in result.text
    assert re.search(rf"begins 20\S+ {hour:02}:00, ends about 20\S+ {hour:02}:00", result.text)
