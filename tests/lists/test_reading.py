"""Recipients from files: whole files, arguments, closing, and memory."""

import asyncio
import codecs
import gzip
import io
import os
import re
import threading
import tracemalloc
from collections.abc import Iterable
from contextlib import aclosing, closing
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.strategies import CHARACTERS, dressed, mobiles
from support.http_transport import Script, accepts, fields_of
from support.virtual_time import run

from emay_voice_async import Accepted, AsyncEmayVoice, Notice, NotSent
from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.reading import FORMATS, Entry, read_recipients, recipients_of
from emay_voice_async.model.numbers import normalised
from emay_voice_async.model.recipients import Recipient

LISTS = Path(__file__).parent.parent / "samples" / "lists"
TEXTS = ["txt", "csv", "jsonl"]
ONE, TWO, THREE = "13800000001", "13800000002", "13800000003"
SHORT = "must be 11 digits and begin with 1"


def told(source: Any, **options: Any) -> list[tuple[int, str]]:
    """List each entry as the line with the number, or with the problem."""
    return [
        (one.line, one.recipient.mobile if one.problem is None else str(one.problem))
        for one in read_recipients(source, **options)
    ]


def refused(source: Any, **options: Any) -> InvalidRequestError:
    """Return the error of bad arguments, which is raised before reading."""
    with pytest.raises(InvalidRequestError) as caught:
        read_recipients(source, **options)
    return caught.value


class TestFields:
    """Columns that become fields of the recipients."""

    @pytest.mark.parametrize("fields", [True, ["name"], ("name",), {"name": 1}.keys()], ids=repr)
    def test_of_a_file(self, fields: Any) -> None:
        """Fields are read with all columns, or with the chosen columns."""
        file = io.StringIO(f"mobile,name\n{ONE},Li\n")
        [entry] = read_recipients(file, format="csv", fields=fields)
        assert entry.recipient.fields["name"] == "Li"
        assert len(entry.recipient.fields) == (2 if fields is True else 1)

    def test_none(self) -> None:
        """Without the argument a recipient has no fields."""
        [entry] = read_recipients(io.StringIO(f"mobile,name\n{ONE},Li\n"), format="csv")
        assert entry.recipient == Recipient(ONE)

    @pytest.mark.parametrize("fields", [None, "name", 7, [1], [None], b"name"], ids=repr)
    def test_of_another_type(self, fields: Any) -> None:
        """A single text is refused like any other type: its characters would be taken for names."""
        error = refused("a.csv", fields=fields)
        assert error.field == "fields"
        assert error.actual == type(fields).__name__

    @pytest.mark.parametrize("fields", [True, ["name"]], ids=repr)
    def test_of_a_text(self, fields: Any) -> None:
        """A file with one number a line has no columns."""
        assert refused("a.txt", fields=fields).rule == "must be left out for txt, which has one number a line"
        assert read_recipients("a.txt", fields=[]) is not None


class TestSamples:
    """Files as common programs write them."""

    def test_a_chinese_spreadsheet(self) -> None:
        """CSV of Excel in China is read as GB18030, named or not; the last row, without text, is skipped."""
        path = LISTS / "excel-gbk.csv"
        entries = read_recipients(path)
        assert entries.encoding is None
        assert len(list(entries)) == 4
        assert entries.encoding == "gb18030"
        assert told(path) == told(path, encoding="gb18030")
        assert told(path, encoding="gb18030") == [
            (2, ONE),
            (3, TWO),
            (5, f"mobile: {SHORT} (found 8 characters in scientific notation, which has lost digits)"),
            (6, "13800000004"),
        ]
        with pytest.raises(InvalidRequestError, match=r"must be text in utf-8; .* other bytes in line 1\)"):
            told(path, encoding="utf-8")

    def test_a_spreadsheet_in_utf_8(self) -> None:
        """A byte order mark is not part of the first column's name."""
        path = LISTS / "excel-utf-8-bom.csv"
        assert told(path) == [(2, ONE), (3, TWO), (4, f"mobile: {SHORT} (found 0 characters)")]
        ids = [one.recipient.custom_id for one in read_recipients(path, custom_id_column="订单号")]
        assert ids == ["A-1", "A-2", "A-3"]
        assert told(path, column="姓名")[0] == (2, f"mobile: {SHORT} (found 3 characters)")

    def test_unicode_text(self) -> None:
        """UTF-16 with tabs needs only the format, as the name ends in txt."""
        assert told(LISTS / "excel-unicode-text.txt", format="csv") == [(2, ONE), (3, TWO)]

    def test_semicolons(self) -> None:
        """A semicolon is found as the delimiter; a semicolon in quotes is text."""
        assert told(LISTS / "european.csv") == [(2, ONE), (3, TWO)]
        assert told(LISTS / "european.csv", column=2) == [(2, ONE), (3, TWO)]

    def test_full_width(self) -> None:
        """Numbers typed with a Chinese keyboard are the same numbers."""
        assert told(str(LISTS / "full-width.txt")) == [
            (3, ONE),
            (4, TWO),
            (5, THREE),
            (6, f"mobile: {SHORT} (found 8 characters)"),
        ]

    def test_plain_files(self) -> None:
        """A last line without a newline is a line, and CR ends lines."""
        assert told(LISTS / "notepad-gb18030.txt", encoding="gb18030") == [(2, ONE), (3, TWO)]
        assert told(LISTS / "old-mac.txt") == [(1, ONE), (2, TWO)]

    def test_an_export(self) -> None:
        """Broken, empty or shortened JSON rows are problems of their lines."""
        assert told(LISTS / "export.jsonl") == [
            (1, ONE),
            (2, TWO),
            (3, "mobile: must be a field of every row"),
            (4, f"mobile: {SHORT} (found 8 characters in scientific notation, which has lost digits)"),
            (5, "mobile: must be a text or a number (found NoneType)"),
            (6, "row: must be JSON (found an error in place 19)"),
            (7, "13800000007"),
        ]

    def test_a_file_cut_short(self) -> None:
        """No row is lost silently where quotes are broken."""
        assert told(LISTS / "cut-short.csv") == [
            (2, "row: must be CSV (found ',' expected after '\"', in lines 2 to 4)"),
            (5, "13800000004"),
            (6, "row: must be CSV (found unexpected end of data)"),
        ]


class TestArguments:
    """Arguments, checked before reading."""

    @pytest.mark.parametrize("ending", [ending for name in TEXTS for ending in FORMATS[name]])
    def test_the_ending_tells_the_format(self, ending: str, tmp_path: Path) -> None:
        """A known ending needs no format, in any case, for paths and open files."""
        path = tmp_path / f"list.{ending.upper()}"
        path.write_text('"mobile"\n"13800000001"\n')
        [*_, last] = read_recipients(path)
        with path.open("rb") as file:
            assert [*read_recipients(file)][-1] == last
        assert last.line == 2
        assert last.recipient == Recipient(ONE)

    @pytest.mark.parametrize("name", ["list", "list.pdf", "list.json", "txt", ".csv", "csv.list"])
    def test_other_endings(self, name: str, tmp_path: Path) -> None:
        """With another ending, the format must be given."""
        error = refused(name)
        assert str(error) == "format: must be txt, csv, jsonl or xlsx: the file's name does not tell"
        (tmp_path / name).write_text(ONE)
        assert told(tmp_path / name, format="txt") == [(1, ONE)]

    @pytest.mark.parametrize("name", [None, 0, "<stdin>", b"list.txt"])
    def test_files_without_a_name(self, name: object) -> None:
        """Standard input and other files without a name need a format."""
        file: Any = io.BytesIO(ONE.encode())
        file.name = name
        assert refused(file).field == "format"
        assert refused(io.StringIO()).field == "format"
        assert told(file, format="txt") == [(1, ONE)]

    @pytest.mark.parametrize("source", [None, 0, b"list.txt", [ONE]], ids=repr)
    def test_the_source(self, source: object) -> None:
        """A source is a path or an open file."""
        error = refused(source, format="txt")
        assert str(error) == f"source: must be a path or an open file (found {type(source).__name__})"

    def test_formats_and_columns(self) -> None:
        """CSV has columns by name and position, JSON lines by name, and text has no columns."""
        assert str(refused("list.txt", format="pdf")) == "format: must be txt, csv, jsonl or xlsx"
        for options in ({"column": "a"}, {"column": 1}, {"custom_id_column": "a"}):
            assert (
                refused("list.txt", **options).rule == "must be left out for txt, which has one number a line"
            )
        for options in ({"column": 1}, {"custom_id_column": 1}):
            assert refused("list.jsonl", **options).rule.startswith("must be a name in jsonl")

    def test_the_encoding(self) -> None:
        """An encoding that Python does not know is refused at once."""
        assert refused("list.txt", encoding="gb18031").field == "encoding"


class TestReading:
    """Files, opened late and closed in time."""

    @given(
        st.lists(mobiles.flatmap(dressed) | st.text(CHARACTERS, max_size=12), max_size=8),
        st.sampled_from(["\r\n", "\r", "\n"]),
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
        st.booleans(),
    )
    def test_any_file(self, lines: list[str], newline: str, encoding: str, ended: bool) -> None:
        """In any encoding and with any newlines, numbers come with their lines."""
        lines = ["13800000000", *(line.replace("\r", " ").replace("\n", " ") for line in lines)]
        body = newline.join(lines) + (newline if ended else "")
        named = encoding if encoding == "gb18030" else None
        expected = [
            (place, Recipient(normalised(line)))
            for place, line in enumerate(lines, 1)
            if re.fullmatch("1[0-9]{10}", normalised(line))
        ]
        files: list[IO[Any]] = [io.BytesIO(body.encode(encoding))]
        if named is None:
            files.append(io.StringIO(body, newline=""))
        for file in files:
            entries = read_recipients(file, format="txt", encoding=named if file is files[0] else None)
            assert [(one.line, one.recipient) for one in entries if one.problem is None] == expected

    def test_files_of_others_stay_open(self, tmp_path: Path) -> None:
        """An open file is read to the end and not closed."""
        with gzip.open(tmp_path / "list.gz", "wb") as packed:
            packed.write(f"{ONE}\n{TWO}\n".encode())
        with gzip.open(tmp_path / "list.gz") as file:
            assert told(file, format="txt") == [(1, ONE), (2, TWO)]
            assert not file.closed

    def test_a_path_is_opened_late_and_closed_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A path is open from the first entry until the end, an error, or the closing of the stream."""
        opened: list[IO[bytes]] = []
        real = Path.open

        def keep(self: Path, *args: Any, **options: Any) -> Any:
            opened.append(real(self, *args, **options))
            return opened[-1]

        monkeypatch.setattr(Path, "open", keep)
        entries = read_recipients(LISTS / "old-mac.txt")
        assert opened == []
        next(entries)
        assert not opened[0].closed
        assert next(entries).line == 2
        assert next(entries, None) is None
        assert opened[0].closed
        with closing(read_recipients(LISTS / "old-mac.txt")) as left:
            next(left)
            assert not opened[1].closed
        assert opened[1].closed
        through = recipients_of(read_recipients(LISTS / "old-mac.txt"))
        next(through)
        del through
        assert opened[2].closed
        with pytest.raises(InvalidRequestError):
            told(LISTS / "excel-gbk.csv", encoding="utf-8")
        assert opened[3].closed

    def test_errors_of_the_system_are_those_of_the_system(self, tmp_path: Path) -> None:
        """A missing file or a folder is an OSError when the first entry is asked for."""
        with pytest.raises(FileNotFoundError):
            next(read_recipients(tmp_path / "missing.txt"))
        with pytest.raises(OSError, match=r"directory|Permission"):
            next(read_recipients(tmp_path, format="txt"))

    @pytest.mark.parametrize("format", TEXTS)
    def test_an_empty_file(self, format: str) -> None:  # noqa: A002
        """An empty file is an empty list."""
        assert told(io.BytesIO(), format=format) == []
        assert told(io.StringIO("\ufeff\r\n"), format=format) == []

    @pytest.mark.parametrize(
        ("format", "row"),
        [
            ("txt", "+86 138-%04d-0000"),
            ("txt", "unknown %04d"),
            ("csv", '"a\nb",138%04d0000'),
            ("csv", '"a"b,138%04d0000'),
            ("jsonl", '{"mobile": "138%04d0000"}'),
            ("jsonl", '{"mobile": %d'),
        ],
    )
    def test_memory_is_flat(self, format: str, row: str) -> None:  # noqa: A002
        """100,000 good or bad rows take no more memory than a piece of the file."""

        class Endless(io.RawIOBase):
            rows = 100_000

            def read(self, _: int = -1, /) -> bytes:
                if self.rows == 0:
                    return b""
                self.rows -= 1000
                head = "name,mobile\n" if format == "csv" and self.rows == 99_000 else ""
                return (head + "".join(f"{row % place}\n" for place in range(1000))).encode()

        file = Endless()
        tracemalloc.start()
        try:
            number = sum(1 for _ in read_recipients(file, format=format))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert number == 100_000
        assert peak < 600_000


WORDS = (
    "mobile|手机|13800000000|1.3812345678E10|1e999|+86|0086|,|;|\t|\"|\n|\r|\r\n|\0|#| |{|}|[|]|:|\\u|null|、|=|'"
    '|{"mobile":"13800000000"}'
)
OTHER_BYTES = ("手机号".encode("gbk"), codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"\xff", b"\x81")
ENCODINGS = ["gb18030", "utf-16", "utf-8", "big5", "latin-1", "utf-7", "idna", "punycode", "cp037"]
PIECES = st.sampled_from([*map(str.encode, WORDS.split("|")), *OTHER_BYTES])


class TestFuzz:
    """Any bytes, in any format."""

    @pytest.mark.slow
    @settings(max_examples=300)
    @given(
        st.lists(PIECES | st.binary(max_size=6), max_size=25).map(b"".join),
        st.sampled_from(TEXTS),
        st.none() | st.sampled_from(["mobile", "手机", "", 1, 2, 0, -1, 10**9]),
        st.none() | st.sampled_from(["id", 1, 2, 99]),
        st.none()
        | st.sampled_from(
            ["gb18030", "utf-16", "utf-8", "big5", "latin-1", "utf-7", "idna", "punycode", "cp037"]
        ),
    )
    def test_only_documented_errors(
        self,
        body: bytes,
        format: str,  # noqa: A002
        column: Any,
        custom_id_column: Any,
        encoding: str | None,
    ) -> None:
        """Any file gives entries, good or bad, or an InvalidRequestError; nothing else."""
        options = {"column": column, "custom_id_column": custom_id_column}
        options = {name: value for name, value in options.items() if format != "txt"}
        last, field = 0, "file"
        try:
            for entry in read_recipients(io.BytesIO(body), format=format, encoding=encoding, **options):
                assert entry.line > last
                last = entry.line
                if entry.problem is None:
                    assert re.fullmatch("1[0-9]{10}", entry.recipient.mobile)
        except InvalidRequestError as error:
            field = error.field
        assert field in {"file", "column", "custom_id_column"}


class TestAsync:
    """Reading in an event loop."""

    @pytest.mark.slow
    def test_all_entries_come_and_the_loop_goes_on(self) -> None:
        """``async for`` gives the same entries as ``for``, and other tasks run in between."""
        body = "".join(f"138{number:08}\n" for number in range(20_000)).encode()
        turns = 0

        async def main() -> list[Entry]:
            async def count() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            counting = asyncio.ensure_future(count())
            found = [entry async for entry in read_recipients(io.BytesIO(body), format="txt")]
            counting.cancel()
            return found

        assert asyncio.run(main()) == list(read_recipients(io.BytesIO(body), format="txt"))
        assert turns >= 40

    @pytest.mark.parametrize("good", [0, 3, 499, 500, 501, 1234])
    def test_entries_before_an_error_come_first(self, good: int) -> None:
        """An error is raised after all entries before the error, and the file is closed then."""
        body = b"13800000000\n" * good + b"1" * 70_000
        entries = read_recipients(io.BytesIO(body), format="txt")
        found: list[Entry] = []

        async def main() -> None:
            async for entry in entries:
                found.append(entry)  # noqa: PERF401 - the entries before the error count

        with pytest.raises(InvalidRequestError, match="lines of at most"):
            asyncio.run(main())
        assert len(found) == good
        assert next(entries, None) is None

    def test_a_file_is_closed_in_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Leaving the loop, or cancelling it while a thread reads, closes the file."""
        path = tmp_path / "list.txt"
        path.write_text(f"{ONE}\n" * 5000)
        opened: list[IO[bytes]] = []
        real = Path.open

        def keep(self: Path, *args: Any, **options: Any) -> Any:
            opened.append(real(self, *args, **options))
            return opened[-1]

        monkeypatch.setattr(Path, "open", keep)

        async def leave() -> None:
            async with aclosing(aiter(read_recipients(path))) as entries:
                async for entry in entries:
                    assert entry.line == 1
                    break

        async def read() -> None:
            async for _ in read_recipients(path):
                pass

        async def cancel() -> None:
            reading = asyncio.ensure_future(read())
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait({reading})

        asyncio.run(leave())
        assert opened[0].closed
        asyncio.run(cancel())
        assert all(file.closed for file in opened)

    def test_a_cancelled_read_does_not_keep_the_loop(self) -> None:
        """A task that waits for an empty pipe can be cancelled; the thread ends the stream later."""
        reading, writing = os.pipe()

        async def main() -> None:
            loop, begun = asyncio.get_running_loop(), asyncio.Event()

            class Pipe:
                def read(self, size: int, /) -> bytes:
                    loop.call_soon_threadsafe(begun.set)
                    return os.read(reading, size)

            async def read() -> None:
                async for _ in entries:
                    pass

            entries = read_recipients(Pipe(), format="txt")
            task = asyncio.ensure_future(read())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            os.write(writing, f"{ONE}\n".encode() * 2000)
            os.close(writing)
            await loop.shutdown_default_executor()
            assert next(entries, None) is None

        asyncio.run(main())
        os.close(reading)

    def test_problems_are_handled_in_the_loop(self) -> None:
        """``on_problem`` is called in the thread of the event loop, for any kind of entries."""
        threads: list[int] = []
        body = f"{ONE}\nx\n{TWO}\n".encode()

        async def main() -> list[list[str]]:
            sources: list[Iterable[Entry]] = [
                read_recipients(io.BytesIO(body), format="txt"),
                list(read_recipients(io.BytesIO(body), format="txt")),
            ]
            return [
                [
                    one.mobile
                    async for one in recipients_of(
                        source, on_problem=lambda _: threads.append(threading.get_ident())
                    )
                ]
                for source in sources
            ]

        assert asyncio.run(main()) == [[ONE, TWO]] * 2
        assert threads == [threading.get_ident()] * 2

    def test_a_list_of_entries_lets_the_loop_go_on(self) -> None:
        """Entries in memory are handed out with pauses."""
        entries = [Entry(1, Recipient(ONE))] * 5000
        turns = 0

        async def main() -> int:
            async def count() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            counting = asyncio.ensure_future(count())
            found = sum([1 async for _ in recipients_of(entries)])
            counting.cancel()
            return found

        assert asyncio.run(main()) == 5000
        assert turns >= 10


class TestRecipientsOf:
    """From entries to recipients."""

    BAD = Entry(2, Recipient("138"), InvalidRequestError("mobile", SHORT, 11, "3 characters"))
    GOOD = (Entry(1, Recipient(ONE)), Entry(3, Recipient(TWO, "b")))

    def test_problems_go_where_they_are_wanted(self) -> None:
        """With ``on_problem`` bad entries are skipped, without it they are yielded."""
        entries = [self.GOOD[0], self.BAD, self.GOOD[1]]
        problems: list[Entry] = []
        assert list(recipients_of(entries, on_problem=problems.append)) == [
            Recipient(ONE),
            Recipient(TWO, "b"),
        ]
        assert problems == [self.BAD]
        assert list(recipients_of(entries)) == [one.recipient for one in entries]

    def test_a_function_may_end_it(self) -> None:
        """An exception of ``on_problem`` is raised in place of the entry."""

        def stop(entry: Entry) -> None:
            raise LookupError(entry.line)

        stream = recipients_of([self.GOOD[0], self.BAD, self.GOOD[1]], on_problem=stop)
        assert next(stream) == Recipient(ONE)
        with pytest.raises(LookupError):
            next(stream)

    def test_a_file_is_sent_to(self) -> None:
        """Sending a file calls the good rows; bad rows are outcomes, or go to ``on_problem``."""
        script = Script(accepts())

        async def send(**options: Any) -> list[Any]:
            async with (
                script.client() as client,
                AsyncEmayVoice("http://service", app_id="a", secret_key="s", http_client=client) as voice,
            ):
                people = recipients_of(read_recipients(LISTS / "export.jsonl"), **options)
                return [outcome async for outcome in voice.send_batches(Notice("..."), people)]

        problems: list[int] = []
        [accepted] = run(send(on_problem=lambda entry: problems.append(entry.line)))
        assert isinstance(accepted, Accepted)
        assert problems == [3, 4, 5, 6]
        assert fields_of(script.requests[0])["mobiles"] == f"{ONE},{TWO},13800000007"
        outcomes = run(send())
        assert [str(one.error)[:20] for one in outcomes if isinstance(one, NotSent)] == [
            f"mobile at position {place}" for place in (2, 3, 4, 5)
        ]
        assert [len(one.recipients) for one in outcomes if isinstance(one, Accepted)] == [3]
        assert "lost digits" in str(outcomes[1].error)
