"""The file of collected reports."""

import asyncio
import json
from pathlib import Path

import pytest

from emay_voice_async.cli.campaign import report_file
from emay_voice_async.cli.campaign.report_file import ReportFile
from emay_voice_async.cli.terminal.exit_codes import CommandError


@pytest.mark.parametrize(
    ("before", "lines"), [(b"", 0), (b'{"a": 1}\n', 1), (b'{"a": 1}\n{"b', 2), (b"\n", 1), (b"x", 1)]
)
def test_a_part_of_a_line(tmp_path: Path, before: bytes, lines: int) -> None:
    """A row begins on a line of its own, whatever a killed process left behind."""
    path = tmp_path / "reports.jsonl"
    path.write_bytes(before)
    file = ReportFile(path)
    asyncio.run(file.write([{"c": 2}]))
    asyncio.run(file.write([{"d": 3}]))
    written = path.read_bytes().splitlines()
    assert [json.loads(line) for line in written[lines:]] == [{"c": 2}, {"d": 3}]
    assert path.read_bytes().startswith(before)


def test_only_for_the_owner(tmp_path: Path) -> None:
    """The file is made for its owner; a folder in its place is a sentence."""
    path = tmp_path / "reports.jsonl"
    asyncio.run(ReportFile(path).write([{"c": 2}]))
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="Is a directory"):
        asyncio.run(ReportFile(tmp_path).write([{"c": 2}]))


def test_reports_of_a_killed_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows at the end of the file are not written again, but for one that was cut off; others may repeat a row."""
    path = tmp_path / "reports.jsonl"
    rows = [{"id": number, "text": "您好\x85\u2028\r\n"} for number in range(4)]
    asyncio.run(ReportFile(path).write(rows))
    whole = path.read_bytes()
    for cut in (0, 1, 5):
        path.write_bytes(whole[: len(whole) - cut])
        file = ReportFile(path)
        asyncio.run(file.write(rows[1:]))
        asyncio.run(file.write([{"id": 5}]))
        asyncio.run(file.write([{"id": 5}]))
        added = path.read_bytes()[len(whole) - cut :].splitlines()
        assert [json.loads(line)["id"] for line in added if line] == ([3] if cut == 5 else []) + [5, 5]
    for bound, value in (("_TAIL", len(whole) // 2 + 5), ("_ROWS", 2)):
        path.write_bytes(whole)
        with monkeypatch.context() as patch:
            patch.setattr(report_file, bound, value)
            asyncio.run(ReportFile(path).write(rows))
        assert [json.loads(line)["id"] for line in path.read_bytes().splitlines()] == [0, 1, 2, 3, 0, 1]


def test_long_recordings_of_a_killed_process(tmp_path: Path) -> None:
    """Rows with recordings of a whole response are not written again."""
    path = tmp_path / "reports.jsonl"
    rows = [{"id": number, "recording": "A" * 3_000_000} for number in range(4)]
    for _ in range(2):
        asyncio.run(ReportFile(path).write(rows))
    assert [json.loads(line)["id"] for line in path.read_bytes().splitlines()] == [0, 1, 2, 3]


def test_pages_at_the_same_time(tmp_path: Path) -> None:
    """Each row is on a line of its own, also when the reports of both products are written at the same time."""
    rows = [{"id": number, "recording": "A" * 200_000} for number in range(2)]

    async def write(file: ReportFile) -> None:
        for number in range(10):
            await file.write(row | {"page": number} for row in rows)

    async def write_both(file: ReportFile) -> None:
        await asyncio.gather(*[write(file) for _ in range(4)])

    for place in range(6):
        path = tmp_path / f"{place}.jsonl"
        asyncio.run(write_both(ReportFile(path)))
        assert len([json.loads(line) for line in path.read_bytes().splitlines()]) == 80
