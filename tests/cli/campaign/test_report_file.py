"""The file of collected reports."""

import asyncio
import json
from pathlib import Path

import pytest

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
