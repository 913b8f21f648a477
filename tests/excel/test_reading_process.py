"""A workbook that is read in a process of its own: what becomes of the process, and of its end."""

import asyncio
import importlib
import io
import json
import os
import random
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.excel import reading_program
from emay_voice_async.excel.reading import SheetRows, open_sheet
from emay_voice_async.excel.reading_process import ProcessRows, sheet_rows
from emay_voice_async.lists.reading import read_recipients

LISTS = Path(__file__).parent.parent / "samples" / "lists"
PEOPLE = (LISTS / "people-libreoffice.xlsx").read_bytes()
LOST = "must be a workbook of Excel (.xlsx or .xls) (found a damaged workbook, or one that needs more memory"
READY = "echo '[\"ready\", null]'"
SHEET = 'echo \'["sheet", ["people", []]]\''
ROWS = 'echo \'["rows", [[1, ["mobile"]], [2, ["13800000001"]]]]\''


def rows_of(data: bytes, sheet: str | int | None = None) -> list[tuple[int, list[str]]]:
    """Read the rows of a sheet."""
    with sheet_rows(io.BytesIO(data), sheet, lambda _: None) as rows:
        return list(rows)


def large(rows: int, last: tuple[int, int] = (0, 0)) -> bytes:
    """Write a workbook with rows, and with a cell in the last place."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("people")
        for row in range(rows):
            sheet.write_row(row, 0, [row, f"name {row}", None, row / 4])
        sheet.write(*last, "x")
    return file.getvalue()


Become = Callable[[str], None]


@pytest.fixture
def become(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Become:
    """Return a function that makes a program of the shell the interpreter."""

    def change(program: str) -> None:
        path = tmp_path / "python3"
        path.write_text(f"#!/bin/sh\n{program}\n")
        path.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(path))

    return change


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Bound the memory that this process, and those it starts, can ask for."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (64 << 30, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


class TestRows:
    """The rows that come from the process."""

    @pytest.mark.parametrize("data", [PEOPLE, (LISTS / "people-libreoffice.xls").read_bytes(), large(1201)])
    def test_same(self, data: bytes) -> None:
        """The rows, the name and the merged cells are those of a reading in place."""
        sheet = open_sheet(io.BytesIO(data), None)
        with sheet_rows(io.BytesIO(data), 1, lambda _: None) as rows:
            assert isinstance(rows, ProcessRows)
            assert rows.name == sheet.name
            assert list(rows) == list(sheet)
            assert [tuple(map(tuple, one)) for one in rows.merged] == list(sheet.merged)

    def test_refused(self) -> None:
        """A refusal is the error of a reading in place, with all its parts."""
        for data, sheet in ((b"", None), (b"x" * 200_000, None), (PEOPLE, 7), (PEOPLE, "no")):
            with pytest.raises(InvalidRequestError) as there:
                open_sheet(io.BytesIO(data), sheet)
            with pytest.raises(InvalidRequestError) as here:
                rows_of(data, sheet)
            assert here.value.args == there.value.args

    def test_text(self) -> None:
        """A file that reads text is refused."""
        with (
            pytest.raises(InvalidRequestError, match="must read bytes for a workbook"),
            sheet_rows(io.StringIO("x"), None, lambda _: None),
        ):
            pass

    def test_program(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The program reads the standard input, and leaves no core file behind."""
        limits = resource.getrlimit(resource.RLIMIT_CORE)
        target = io.BytesIO()
        monkeypatch.setattr(sys, "argv", ["-c", "/a/path", json.dumps("People")])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PEOPLE)))
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(target))
        try:
            reading_program.main()
            assert resource.getrlimit(resource.RLIMIT_CORE) == (0, limits[1])
        finally:
            resource.setrlimit(resource.RLIMIT_CORE, limits)
        words = [json.loads(line)[0] for line in target.getvalue().splitlines()]
        assert words == ["ready", "refused"]
        target = io.BytesIO()
        reading_program.write_rows(io.BytesIO(large(501)), target, None)
        words = [json.loads(line)[0] for line in target.getvalue().splitlines()]
        assert words == ["ready", "sheet", "rows", "rows", "end"]

    def test_long_cells(self) -> None:
        """A line has a few long cells only: the whole line is in the memory of the process that asked."""
        file, target = io.BytesIO(), io.BytesIO()
        with xlsxwriter.Workbook(file) as book:
            sheet = book.add_worksheet("people")
            for row in range(100):
                sheet.write_row(row, 0, ["x" * 32_767] * 10)
        reading_program.write_rows(io.BytesIO(file.getvalue()), target, None)
        lines = target.getvalue().splitlines()
        assert max(map(len, lines)) < 2_000_000
        rows = [row for word, value in map(json.loads, lines) if word == "rows" for row in value]
        assert [number for number, _ in rows] == list(range(1, 101))

    def test_a_source_that_fails(self) -> None:
        """An error of the source is the caller's, also the one that a process that has ended gives."""

        class Cut(io.BytesIO):
            def read(self, _: int | None = -1, /) -> bytes:
                raise BrokenPipeError

        with pytest.raises(BrokenPipeError), sheet_rows(Cut(), None, lambda _: None):
            pass

    def test_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where processes have no limits of resources, a workbook is read, too."""
        monkeypatch.setitem(sys.modules, "resource", None)
        target = io.BytesIO()
        monkeypatch.setattr(sys, "argv", ["-c", "1"])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PEOPLE)))
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(target))
        importlib.reload(reading_program).main()
        assert target.getvalue().endswith(b'["end", null]\n')


class TestEnds:
    """A process that ends too early."""

    @pytest.mark.usefixtures("little_memory")
    def test_memory(self) -> None:
        """A sheet that needs more memory than there is ends only the process that reads it."""
        with pytest.raises(InvalidRequestError) as caught:
            rows_of(large(2, (1_048_575, 16_383)))
        assert LOST in str(caught.value)
        assert caught.value.field == "file"

    def test_damage(self) -> None:
        """A damaged workbook of the old format is read or refused; no other error comes."""
        data, chance = (LISTS / "people-libreoffice.xls").read_bytes(), random.Random(1)
        fields = set[str]()
        for _ in range(20):
            damaged = bytearray(data)
            for _ in range(chance.randrange(1, 20)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            try:
                assert all(isinstance(cell, str) for _, cells in rows_of(bytes(damaged)) for cell in cells)
            except InvalidRequestError as error:
                fields.add(error.field)
        assert fields <= {"file", "sheet"}

    @pytest.mark.parametrize(
        "program",
        [
            READY,
            f"{READY}; kill -ABRT $$",
            f'{READY}; printf \'["sheet", ["peo\'',
            f"{READY}; cat >/dev/null",
        ],
    )
    def test_no_sheet(self, become: Become, program: str) -> None:
        """The end of the process is a damaged workbook, also before the process has read all of the workbook."""
        become(program)
        with pytest.raises(InvalidRequestError) as caught:
            rows_of(PEOPLE * 100)
        assert LOST in str(caught.value)

    @pytest.mark.parametrize("rest", ["exit 0", "printf '[\"rows\", [[3, '", "kill -KILL $$"])
    def test_some_rows(self, become: Become, rest: str) -> None:
        """Rows without the last line are a damaged workbook, after the rows before."""
        become(f"{READY}; cat >/dev/null; {SHEET}; {ROWS}; {rest}")
        entries, found = read_recipients(io.BytesIO(PEOPLE), format="xlsx"), list[str]()
        with pytest.raises(InvalidRequestError) as caught:
            found.extend(entry.recipient.mobile for entry in entries)
        assert LOST in str(caught.value)
        with sheet_rows(io.BytesIO(PEOPLE), None, lambda _: None) as rows:
            assert next(iter(rows)) == (1, ["mobile"])

    def test_killed(self) -> None:
        """A process that was killed before it was ready is no reason to read in place."""
        with (
            pytest.raises(InvalidRequestError) as caught,
            sheet_rows(io.BytesIO(PEOPLE), None, lambda stop: stop()),
        ):
            pass
        assert LOST in str(caught.value)


class TestInPlace:
    """Programs without an interpreter to start."""

    def check(self) -> None:
        """Check that the workbook is read in place."""
        with sheet_rows(io.BytesIO(PEOPLE), None, lambda _: None) as rows:
            assert isinstance(rows, SheetRows)
            assert len(list(rows)) == 5

    @pytest.mark.parametrize("executable", ["", None, "/usr/bin/uwsgi", "/no/such/folder/python3"])
    def test_other_programs(self, monkeypatch: pytest.MonkeyPatch, executable: str | None) -> None:
        """A program that embeds Python is not started."""
        monkeypatch.setattr(sys, "executable", executable)
        self.check()

    def test_frozen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A program of PyInstaller would start itself."""
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        self.check()

    @pytest.mark.parametrize("program", ["exit 1", "echo usage"])
    def test_other_interpreter(self, become: Become, program: str) -> None:
        """An interpreter that cannot run the program is not used."""
        become(program)
        self.check()


class Told(io.BytesIO):
    """A workbook that tells when it is read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.is_read = threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        """Set the event."""
        self.is_read.set()
        return super().read(size)


class Slow(os.PathLike[str]):
    """A path that can be held back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def __fspath__(self) -> str:
        """Wait."""
        self.begun.set()
        self.go_on.wait()
        return str(self.path)


class TestClosing:
    """Entries that are closed early."""

    @staticmethod
    def is_gone(pid: int) -> bool:
        """Tell whether a process has ended and was awaited."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    def check_cancelled(self, source: Any, begun: threading.Event, go_on: threading.Event) -> None:
        """Cancel a task that reads once it has begun; check that its thread ends."""

        async def read() -> None:
            async for _ in read_recipients(source, format="xlsx"):
                pass

        async def cancel() -> None:
            task = asyncio.create_task(read())
            await asyncio.to_thread(begun.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go_on.set()
            await asyncio.get_running_loop().shutdown_default_executor()

        asyncio.run(cancel())

    def test_cancelled(self, become: Become, tmp_path: Path) -> None:
        """A task that is cancelled while the process reads ends the process, and does not wait for it."""
        become(f"echo $$ > {tmp_path}/pid; {READY}; cat > /dev/null; exec sleep 1000")
        file = Told(PEOPLE)
        self.check_cancelled(file, file.is_read, threading.Event())
        assert self.is_gone(int((tmp_path / "pid").read_text()))

    def test_cancelled_before(self, become: Become, tmp_path: Path) -> None:
        """A process that starts after the task was cancelled ends at once."""
        become(f"{READY}; cat > /dev/null; exec sleep 1000")
        path = Slow(tmp_path / "people.xlsx")
        path.path.write_bytes(PEOPLE)
        self.check_cancelled(path, path.begun, path.go_on)

    def test_closed(self, become: Become, tmp_path: Path) -> None:
        """Entries that are closed, or forgotten, after some rows end the process."""
        rows = json.dumps(["rows", [[1, ["mobile"]], *([line, ["13800000001"]] for line in range(2, 30))]])
        become(f"echo $$ > {tmp_path}/pid; {READY}; cat > /dev/null; {SHEET}; echo '{rows}'; exec sleep 1000")
        for is_closed in (True, False):
            entries = read_recipients(io.BytesIO(PEOPLE), format="xlsx")
            assert next(entries).line == 2
            pid = int((tmp_path / "pid").read_text())
            assert not self.is_gone(pid)
            if is_closed:
                entries.close()
            else:
                del entries
            assert self.is_gone(pid)
