"""``send``: nothing leaves before the plan was seen, and of every number it is told what became of it."""

import asyncio
import io
import os
import re
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from support.cli_runner import Program, Unwritable

from emay_voice_async import Notice
from emay_voice_async.cli.campaign import confirmation as asking
from emay_voice_async.cli.terminal.signals import Stop
from emay_voice_async.journal.protocol import Claim, JournalRun, Key, Purpose
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.sandbox import Fault, Sandbox

NUMBERS = [f"138{number:08}" for number in range(600)]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Make a list of 600 numbers."""
    path = tmp_path / "people.txt"
    path.write_text("\n".join(NUMBERS))
    return path


def notice(path: object, *more: object, content: str = "您好") -> tuple[object, ...]:
    """Return the arguments of a notice."""
    return ("send", "notice", "--to", path, "--content", content, *more)


def called(program: Program) -> list[str]:
    """List whom the service called."""
    return [call.mobile for call in program.sandbox.calls]


class TestOutcomes:
    """A line for each number, and an exit code for all of them."""

    def test_all_accepted(self, program: Program, people: Path) -> None:
        """Each number is called once and has a line of JSON, in the order of the list."""
        ended = program(*notice(people, "--yes"))
        assert ended.code == 0
        assert called(program) == [row["mobile"] for row in ended.rows] == NUMBERS
        assert {(row["outcome"], row["code"], row["reason"], row["recorded"]) for row in ended.rows} == {
            ("accepted", None, None, False)
        }
        assert [row["message_id"] for row in ended.rows] == [c.message_id for c in program.sandbox.calls]
        assert "600  accepted" in ended.err

    @pytest.mark.parametrize(
        ("fault", "code", "outcome", "result_code"),
        [
            (Fault.code("ERROR_CONTENT_EMPTY"), 1, "refused", "ERROR_CONTENT_EMPTY"),
            (Fault.code("ERROR_NEW"), 1, "refused", "ERROR_NEW"),
            (Fault.code("ERROR_CLIENT_IP"), 4, "refused", "ERROR_CLIENT_IP"),
            (Fault.code("ERROR_NEEDMORE_BALANCE"), 4, "refused", "ERROR_NEEDMORE_BALANCE"),
            (Fault.html(acts=True), 3, "unknown", None),
            (Fault.status(500), 3, "unknown", None),
        ],
        ids=lambda value: getattr(value, "name", None),
    )
    def test_a_batch_that_fails(
        self, program: Program, people: Path, fault: Fault, code: int, outcome: str, result_code: str | None
    ) -> None:
        """The exit code says what kind of trouble it was, and each number's line which."""
        program.sandbox.fail_next(fault, on="send")
        ended = program("--concurrency", 1, *notice(people, "--yes"))
        assert ended.code == code
        assert {(row["outcome"], row["code"]) for row in ended.rows[:500]} == {(outcome, result_code)}
        assert all(row["reason"] for row in ended.rows[:500])
        assert len(ended.rows) == 600

    def test_the_one_that_needs_most_care(self, program: Program, people: Path) -> None:
        """When numbers are unknown and others refused, the exit code is that of the unknown ones."""
        program.sandbox.fail_next(Fault.code("ERROR_CONTENT_EMPTY"), on="send")
        program.sandbox.fail_next(Fault.html(acts=True), on="send")
        ended = program("--concurrency", 1, *notice(people, "--yes"))
        assert ended.code == 3
        assert "reports --product voice" in ended.err

    def test_a_repeated_number(self, program: Program, tmp_path: Path) -> None:
        """It is called once, with or without a journal, and is no failure."""
        path = tmp_path / "twice.txt"
        path.write_text("13800000000\n13800000001\n138 0000 0000\n")
        ended = program(*notice(path, "--yes"))
        assert ended.code == 0
        assert called(program) == ["13800000000", "13800000001"]
        assert sorted(row["outcome"] for row in ended.rows) == ["accepted", "accepted", "duplicate"]
        assert "1 entry, left out: called once" in ended.err
        assert program(*notice(path, "--yes", "--journal", tmp_path / "run.db")).code == 0
        assert len(called(program)) == 4

    def test_allowed_repeats(self, program: Program, tmp_path: Path) -> None:
        """With --allow-duplicates it is called as often as it is there."""
        path = tmp_path / "twice.txt"
        path.write_text("13800000000\n13800000000\n")
        ended = program(*notice(path, "--yes", "--allow-duplicates"))
        assert called(program) == ["13800000000"] * 2
        assert "2 calls in 1 request" in ended.words
        assert "called again" in ended.err
        assert "2 entries" in ended.words

    def test_a_cap(self, program: Program, people: Path) -> None:
        """--max-calls sends to so many, and the exit code says that some were not sent."""
        ended = program(*notice(people, "--yes", "--max-calls", 3))
        assert ended.code == 6
        assert called(program) == NUMBERS[:3]
        assert "597 calls left out by --max-calls" in ended.err

    def test_a_cap_with_a_journal(self, program: Program, people: Path, tmp_path: Path) -> None:
        """The same command goes on where the cap ended it."""
        arguments = notice(people, "--yes", "--max-calls", 400, "--journal", tmp_path / "run.db")
        ended = program(*arguments)
        assert "To make the other 200 calls, run it again" in ended.words
        assert program(*arguments).code == 0
        assert called(program) == NUMBERS

    def test_many_reasons(self, program: Program, people: Path) -> None:
        """Only the most frequent reasons are told one by one."""
        people.write_text("\n".join(f"138{number:08}" for number in range(3500)))
        for number in range(7):
            program.sandbox.fail_next(Fault.code(f"ERROR_{number}"), on="send")
        ended = program("--concurrency", 1, "--limit", "off", *notice(people, "--yes"))
        assert ended.code == 1
        assert "500: /voice/send was refused: ERROR_4" in ended.err
        assert "and 2 other reasons" in ended.err

    def test_the_hours(self, program: Program, people: Path) -> None:
        """Outside the calling hours nothing is sent: it says until when it rests, until the deadline."""
        hour = datetime.now(BEIJING).hour
        begins = (hour + 12) % 24
        hours = f"{begins:02}:00-{begins:02}:59"
        ended = program(*notice(people, "--yes", "--hours", hours, "--deadline", "0.2"))
        assert ended.code == 6
        assert re.search(
            rf"Outside the calling hours {hours} .*going on at 20\S+ {begins:02}:00\.", ended.words
        )
        assert "600: /voice/send was not sent: the deadline passed" in ended.words
        assert not called(program)

    def test_quiet(self, program: Program, people: Path) -> None:
        """-q leaves standard error to errors."""
        ended = program("-q", *notice(people, "--yes"))
        assert (ended.code, ended.err) == (0, "")


class TestKinds:
    """Each kind of message, with all its texts."""

    def test_marketing(self, program: Program, people: Path, tmp_path: Path) -> None:
        """The content can come from a file."""
        content = tmp_path / "content.txt"
        content.write_text("\ufeff新品上市。\r\n", "utf-8")
        texts = ("--interactive-content", "请按1", "--voicemail-content", "请留言")
        ended = program(
            "send", "marketing", "--to", people, "--content-file", content, *texts, "--yes", "--max-calls", 1
        )
        assert ended.code == 6
        [request] = [one for one in program.sandbox.received if one.path == "/voice/sendCTCode"]
        assert request.fields["content"] == "新品上市。"
        assert request.fields["interactiveContent"] == "请按1"
        assert all(text in ended.err for text in ("marketing call", "新品上市。", "请按1", "请留言"))

    @pytest.mark.parametrize(
        ("trigger", "words"),
        [(("--on-key", "1"), "on key 1"), (("--on-connected", "10"), "after 10 seconds")],
    )
    def test_voice_sms(self, program: Program, people: Path, trigger: Sequence[str], words: str) -> None:
        """The trigger and the text message are part of the plan and of what is sent."""
        more = (*trigger, "--sms-content", "账单", "--yes", "--max-calls", "1")
        ended = program("send", "voice-sms", "--to", people, "--content", "您好", *more)
        assert ended.code == 6
        assert words in ended.err
        assert "账单" in ended.err
        assert program.sandbox.received[-1].path == "/join/send"

    @pytest.mark.parametrize("trigger", [(), ("--on-key", "1", "--on-connected", "10")])
    def test_a_trigger_must_be_clear(self, program: Program, people: Path, trigger: Sequence[str]) -> None:
        """One of the two triggers must be given."""
        ended = program("send", "voice-sms", "--to", people, "--content", "您好", *trigger)
        assert ended.code == 2
        assert "--on-key and --on-connected" in ended.complaint


class TestPlan:
    """The plan says all that is to come, and nothing is sent before it was confirmed."""

    def test_only_the_plan(self, program: Program, people: Path) -> None:
        """--plan shows the whole of it and ends; nothing is sent."""
        ended = program(*notice(people, "--plan", "--price", "0.1", "--hours", "00:00-24:00"))
        assert (ended.code, ended.out) == (0, "")
        for words in (
            "您好",
            "600 calls in 2 requests",
            "60 at 0.1",
            "1,000,000",
            "00:00-24:00",
            "--journal",
        ):
            assert words in ended.err
        assert not called(program)
        assert max(map(len, ended.err.splitlines())) <= 80

    def test_a_plan_without_a_limit(self, program: Program, people: Path) -> None:
        """The speed is part of the plan."""
        assert "without a limit" in program("--limit", "off", *notice(people, "--plan")).err

    def test_a_terminal_that_says_yes(self, program: Program, people: Path) -> None:
        """On a terminal it asks; yes sends."""
        ended = program(*notice(people), input=b"y\n", terminal=True)
        assert ended.code == 0
        assert "Make 600 calls? [y/N]" in ended.err
        assert called(program) == NUMBERS

    def test_a_system_without_terminals_of_that_kind(
        self, program: Program, people: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It asks there all the same."""
        monkeypatch.setitem(sys.modules, "termios", None)
        assert program(*notice(people, "--max-calls", 1), input=b"y\n", terminal=True).code == 6
        assert called(program) == NUMBERS[:1]

    def test_a_long_list(self, program: Program, people: Path) -> None:
        """On a terminal, how far the reading has come is to be seen."""
        people.write_text("\n".join(f"138{number:08}" for number in range(5000)))
        arguments = notice(people, "--plan")
        assert "Reading the lists and the journal: 5,000" in program(*arguments, terminal=True).words
        assert "Reading" not in program(*arguments).words
        assert "Reading" not in program("-q", *arguments, terminal=True).words

    @pytest.mark.parametrize("answer", [b"n\n", b"\n", b"", b"yep\n"])
    def test_a_terminal_that_says_no(self, program: Program, people: Path, answer: bytes) -> None:
        """Anything else than a clear yes sends nothing."""
        ended = program(*notice(people), input=answer, terminal=True)
        assert ended.code == 6
        assert ended.complaint == "emay-voice: nothing was sent"
        assert not called(program)

    def test_an_interrupt_at_the_question(self, program: Program, people: Path) -> None:
        """Ctrl-C there sends nothing, and says so."""

        class Interrupted(io.TextIOWrapper):
            def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
                raise KeyboardInterrupt

        ended = program(*notice(people), stdin=Interrupted(io.BytesIO()), terminal=True)
        assert (ended.code, ended.complaint) == (130, "emay-voice: interrupted: nothing was sent")
        assert not called(program)

    def test_nobody_to_ask(self, program: Program, people: Path) -> None:
        """Without a terminal and without --yes, nothing is sent."""
        ended = program(*notice(people), input=b"y\n")
        assert ended.code == 2
        assert "no terminal to ask on" in ended.complaint
        assert not called(program)

    def test_a_list_on_standard_input(
        self, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It cannot answer as well, so the answer comes from the terminal itself, or nobody is asked."""
        monkeypatch.setattr(asking, "TERMINAL", tmp_path / "tty")
        ended = program(*notice("-"), input=b"13800000000\n", terminal=True)
        assert ended.code == 2
        assert "no terminal to ask on" in ended.complaint
        (tmp_path / "tty").write_text("yes\n")
        bad = program(*notice("-"), input=b"13800000000\ny\n", terminal=True)
        assert bad.code == 2
        assert "standard input, line 2" in bad.err
        assert not called(program)
        assert program(*notice("-"), input=b"13800000000\n", terminal=True).code == 0
        assert called(program) == ["13800000000"]

    def test_nothing_left_to_ask_about(self, program: Program, people: Path, tmp_path: Path) -> None:
        """When the journal knows everybody, nobody is asked and nobody is called."""
        arguments = notice(people, "--journal", tmp_path / "run.db")
        assert program(*arguments, "--yes").code == 0
        ended = program(*arguments, terminal=True)
        assert ended.code == 0
        assert "600 calls, as the journal says" in ended.err
        assert "600 accepted before" in ended.words
        assert called(program) == NUMBERS

    @pytest.mark.parametrize(("price", "balance"), [("0.5", "299.99"), (None, "0")])
    def test_too_little_money(self, program: Program, people: Path, price: str | None, balance: str) -> None:
        """When the balance is known not to be enough, nothing is sent."""
        program.sandbox.balance = Decimal(balance)
        ended = program(*notice(people, "--yes", *(() if price is None else ("--price", price))))
        assert ended.code == 4
        assert f"the balance of {balance} is not enough for 600 calls" in ended.complaint
        assert not called(program)

    def test_a_balance_that_cannot_be_had(self, program: Program, people: Path) -> None:
        """A service that does not tell the balance is no reason not to send."""
        program.sandbox.fail_next(Fault.html(), on="balance", times=None)
        ended = program(*notice(people, "--yes"))
        assert ended.code == 0
        assert "not known: " in ended.err

    def test_an_account_that_is_wrong(
        self, program: Program, people: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Wrong credentials end it before anything is sent."""
        monkeypatch.setenv("EMAY_VOICE_SECRET_KEY", "x" * 16)
        ended = program(*notice(people, "--yes"))
        assert ended.code == 4
        assert "ERROR_SIGN" in ended.complaint
        assert "x" * 16 not in ended.err
        assert not called(program)


class TestLists:
    """What is in people's files."""

    def test_bad_entries_send_nothing(self, program: Program, tmp_path: Path) -> None:
        """They are told by file and line, twenty of them, never by number; nothing is sent."""
        path = tmp_path / "bad.csv"
        rows = [f"1380000{number}" for number in range(100, 243)]
        path.write_text("name,手机号\n" + "".join(f"x,{row}\n" for row in ["13800000000", *rows]), "utf-8")
        ended = program(*notice(path, "--yes"))
        assert ended.code == 2
        assert "143 entries cannot be sent to; --skip-invalid leaves them out" in ended.complaint
        lines = [line.strip() for line in ended.err.splitlines()]
        what = "mobile must be 11 digits and begin with 1 (found 10 characters)"
        assert [line for line in lines if "bad.csv, line" in line] == [
            f"{path}, line {number}: {what}" for number in range(3, 23)
        ]
        assert "and 123 more" in lines
        assert not any(row in ended.err for row in rows)
        assert not called(program)

    def test_bad_entries_that_are_left_out(self, program: Program, tmp_path: Path) -> None:
        """--skip-invalid sends to the good ones, and leaving out is no failure."""
        path = tmp_path / "bad.txt"
        path.write_bytes("\ufeff１３８００００００００\r\n\r\n12345\r\n+86 138-0000-0001\r\n".encode())
        ended = program(*notice(path, "--skip-invalid", "--yes"))
        assert ended.code == 0
        assert called(program) == ["13800000000", "13800000001"]
        assert "1 entry, left out" in ended.err

    def test_ids_that_come_twice(self, program: Program, tmp_path: Path) -> None:
        """What is wrong only with entries together is told by file and line as well."""
        first, second = tmp_path / "a.csv", tmp_path / "b.jsonl"
        first.write_text("tel;id\n13800000000;a\n\n12345;x\n13800000001;b\n")
        second.write_text('{"tel": 13800000002, "id": "a"}\n')
        arguments = notice(first, "--to", second, "--column", "tel", "--custom-id-column", "id", "--yes")
        ended = program(*arguments)
        assert ended.code == 2
        flat = " ".join(ended.err.split())
        assert "a.csv, line 4: mobile" in flat
        assert "b.jsonl, line 1: custom_id must not be repeated" in flat
        assert program(*arguments, "--skip-invalid").code == 0
        assert called(program) == ["13800000000", "13800000001"]

    def test_more_bad_entries_than_a_plan_holds(self, program: Program, tmp_path: Path) -> None:
        """All are counted."""
        path = tmp_path / "same.csv"
        path.write_text("mobile,id\n" + "".join(f"138{number:08},same\n" for number in range(1502)))
        ended = program(*notice(path, "--custom-id-column", "2", "--yes"))
        assert "1,501 entries" in ended.complaint or "1,499 entries" in ended.complaint

    @pytest.mark.parametrize(
        ("name", "data", "words"),
        [
            ("none.txt", None, "none.txt: No such file or directory"),
            ("empty.txt", b"\n\n", "there are no numbers in"),
            ("a.csv", b"tel\n13800000000\n", "a.csv: column: must be given"),
            ("a.txt", b"\xff13800000000\n", "a.txt: file: must be text in utf-8"),
            ("a.lst", b"13800000000\n", "a.lst: format: must be txt, csv or jsonl"),
        ],
    )
    def test_a_file_that_cannot_be_read(
        self, program: Program, tmp_path: Path, name: str, data: bytes | None, words: str
    ) -> None:
        """One line says which file and why."""
        if data is not None:
            (tmp_path / name).write_bytes(data)
        ended = program(*notice(tmp_path / name, "--yes"))
        assert ended.code == 2
        assert words in ended.complaint
        assert not called(program)

    def test_another_encoding(self, program: Program, tmp_path: Path) -> None:
        """--encoding and --format say what a file does not."""
        path = tmp_path / "export.dat"
        path.write_text("姓名,电话\n张,13800000000\n", "gb18030")
        ended = program(*notice(path, "--format", "csv", "--encoding", "gb18030", "--yes"))
        assert ended.code == 0
        assert called(program) == ["13800000000"]

    def test_a_list_that_changes(
        self, program: Program, people: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was in the plan is what is sent, whatever happens to the file while somebody reads the plan."""

        def answer(*_: object, **__: object) -> bool:
            people.write_text("13900000000\n")
            return True

        monkeypatch.setattr("emay_voice_async.cli.commands.send.confirm", answer)
        assert program(*notice(people)).code == 0
        assert called(program) == NUMBERS

    def test_a_full_disk(self, program: Program, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A list that cannot be copied is told by its name."""

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("shutil.copyfileobj", full)
        ended = program(*notice(people, "--yes"))
        assert ended.code == 2
        assert ended.complaint.endswith("people.txt: No space left on device")


class TestJournal:
    """``--journal``: nobody is called twice, and every trouble with it is one line."""

    def test_running_again(self, program: Program, people: Path, tmp_path: Path) -> None:
        """What was refused is sent again by the command that is printed; the others are not."""
        program.sandbox.fail_next(Fault.code("ERROR_CONTENT_EMPTY"), on="send")
        journal = tmp_path / "the run.db"
        arguments = ("--concurrency", 1, *notice(people, "--journal", journal, "--yes"))
        ended = program(*arguments)
        assert ended.code == 1
        assert len(called(program)) == 100
        assert "To make the other 500 calls, run it again; nobody is called twice:" in ended.err
        assert f"--journal '{journal}' --yes" in ended.err
        again = program(*arguments)
        assert again.code == 0
        assert sorted(called(program)) == NUMBERS
        assert sum(row["recorded"] for row in again.rows) == 100

    def test_what_is_unknown(self, program: Program, people: Path, tmp_path: Path) -> None:
        """It is not sent again unless asked to, and the exit code says that it is open."""
        program.sandbox.fail_next(Fault.html(), on="send")
        journal = tmp_path / "the run.db"
        arguments = ("--concurrency", 1, *notice(people, "--journal", journal, "--yes"))
        first = program(*arguments)
        assert first.code == 3
        assert f"reports --product voice --journal '{journal}'" in first.err
        again = program(*arguments)
        assert again.code == 3
        assert "500 calls perhaps made before: not sent again" in again.err
        assert len(called(program)) == 100
        assert program(*arguments, "--resend-unknown").code == 0
        assert sorted(called(program)) == NUMBERS

    def test_another_run(self, program: Program, tmp_path: Path) -> None:
        """What another run may be sending at this moment is not sent, not even if unknown calls are."""
        journal = SqliteJournal(tmp_path / "run.db")

        async def claim() -> JournalRun:
            run = await journal.start(Purpose(program.sandbox.app_id, Notice("您好")))
            assert await run.begin(Claim("token", (Key("13800000000"),), ("a",), 60.0))
            return run

        run = asyncio.run(claim())
        arguments = notice("-", "--yes", "--journal", journal.path, "--resend-unknown")
        ended = program(*arguments, input=b"13800000000\n13800000001\n")
        assert ended.code == 3
        assert called(program) == ["13800000001"]
        assert "1 call: another run may be sending them" in ended.words
        asyncio.run(run.end())

    def test_resending_needs_a_journal(self, program: Program, people: Path) -> None:
        """Only a journal knows what is unknown."""
        assert "--journal" in program(*notice(people, "--resend-unknown")).complaint

    @pytest.mark.parametrize(
        ("data", "words"),
        [(b"not a database at all" * 9, "not a journal, or damaged"), (None, "made for another")],
    )
    def test_a_journal_that_cannot_be_used(
        self, program: Program, people: Path, tmp_path: Path, data: bytes | None, words: str
    ) -> None:
        """A damaged journal, and that of another message, end it before anything is sent."""
        journal = tmp_path / "run.db"
        if data is None:
            assert program(*notice(people, "--journal", journal, "--yes", content="早")).code == 0
            program.sandbox.forget()
        else:
            journal.write_bytes(data)
        ended = program(*notice(people, "--journal", journal, "--yes"))
        assert ended.code == 5
        assert words in ended.complaint
        assert not called(program)

    def test_a_journal_that_cannot_be_made(self, program: Program, people: Path, tmp_path: Path) -> None:
        """Should it fail only when the send begins, nothing is sent either."""
        ended = program(*notice(people, "--journal", tmp_path / "no" / "run.db", "--yes"))
        assert ended.code == 5
        assert "No such file" in ended.complaint
        assert not called(program)

    def test_a_list_on_standard_input(self, program: Program, tmp_path: Path) -> None:
        """The command that is printed says that it needs the same list."""
        program.sandbox.fail_next(Fault.code("ERROR_CONTENT_EMPTY"), on="send")
        ended = program(*notice("-", "--journal", tmp_path / "run.db", "--yes"), input=b"13800000000\n")
        assert "(with the same list)" in ended.err


class TestStopping:
    """Ctrl-C, SIGTERM, and a standard output that nobody reads any more."""

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot raise SIGTERM for a handler")
    @pytest.mark.parametrize(("number", "journal"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
    def test_a_signal(
        self, program: Program, people: Path, tmp_path: Path, number: int, journal: bool
    ) -> None:
        """What is under way ends, nothing else is sent; with a journal the same command sends the rest."""
        people.write_text("\n".join(f"138{number:08}" for number in range(10_000)))
        sandbox = program.sandbox

        def latency() -> float:
            if len(sandbox.received) == 4:
                signal.raise_signal(number)
            return 0.0

        program.sandbox = Sandbox(balance=Decimal(10**6), latency=latency)
        sandbox = program.sandbox
        arguments = notice(people, "--yes", *(("--journal", tmp_path / "run.db") if journal else ()))
        arguments = ("--concurrency", 3, *arguments)
        before = signal.getsignal(number)
        ended = program(*arguments)
        assert signal.getsignal(number) is before
        assert ended.code == 130
        assert "Stopping" in ended.err
        assert "the client was closed" not in ended.err
        accepted = [row["mobile"] for row in ended.rows if row["outcome"] == "accepted"]
        assert sorted(accepted) == sorted(called(program))
        assert 0 < len(accepted) <= 3000
        assert f"{10_000 - len(accepted):,}  not sent" in ended.err
        # The rest of the list is not even read.
        assert len(ended.rows) <= 5000
        if not journal:
            assert "would call everybody again" in ended.err
            return
        assert f"To make the other {10_000 - len(accepted):,} calls" in ended.err
        assert program("--limit", "off", *arguments).code == 0
        assert sorted(called(program)) == people.read_text().split()

    @pytest.mark.parametrize(
        ("error", "code"), [(BrokenPipeError(32, "Broken pipe"), 141), (OSError(28, "No space left"), 7)]
    )
    def test_an_output_that_fails(
        self, program: Program, people: Path, tmp_path: Path, error: OSError, code: int
    ) -> None:
        """What is under way ends, and the journal has it: the same command sends the rest, nobody twice."""
        people.write_text("\n".join(f"138{number:08}" for number in range(10_000)))
        arguments = notice(people, "--journal", tmp_path / "run.db", "--yes")
        ended = program("--concurrency", 2, *arguments, stdout=Unwritable(error, after=1))
        assert ended.code == code
        assert ("emay-voice: standard output: No space left" in ended.err) is (code == 7)
        assert 500 <= len(called(program)) < 10_000
        assert program("--limit", "off", *arguments).code == 0
        assert sorted(called(program)) == people.read_text().split()

    def test_an_ignored_signal(self) -> None:
        """A signal that is ignored, as for a command in the background, stays so."""
        begun: list[bool] = []

        async def main() -> None:
            with Stop().listening(lambda: begun.append(True)):
                signal.raise_signal(signal.SIGINT)
                await asyncio.sleep(0)

        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            asyncio.run(main())
        finally:
            signal.signal(signal.SIGINT, before)
        assert begun == []

    def test_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The second signal ends the process at once, without waiting for anything."""
        begun: list[bool] = []

        def end(code: int) -> None:
            raise SystemExit(code)

        async def main() -> None:
            with Stop().listening(lambda: begun.append(True)):
                signal.raise_signal(signal.SIGINT)
                with pytest.raises(SystemExit) as caught:
                    signal.raise_signal(signal.SIGINT)
                assert caught.value.code == 130
                await asyncio.sleep(0)

        monkeypatch.setattr(os, "_exit", end)
        asyncio.run(main())
        assert begun == [True]
