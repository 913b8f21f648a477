"""What the page of a campaign shows."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cli.watch.campaign import written
from emay_voice_async.cli.watch.view import Watched, view
from emay_voice_async.cli.watch.watcher import Watcher
from emay_voice_async.journal.sqlite import SqliteJournal


async def seen(path: Path, **settings: Any) -> dict[str, Any]:
    """Write a journal, and return its view."""
    await written(SqliteJournal(path))
    watcher = Watcher(SqliteJournal(path))
    await watcher.count()
    await watcher.read_details()
    found: dict[str, Any] = json.loads(json.dumps(view(watcher, Watched(name="run.db", **settings))))
    return found


def test_whole(tmp_path: Path) -> None:
    """The view has progress, states, reports with meanings, keys, failures and the cost."""
    found = asyncio.run(seen(tmp_path / "run.db", total=10, price=Decimal("0.12"), texts=["您的快递已到"]))
    assert found["states"] == {"accepted": 4, "refused": 1, "not_sent": 1, "unknown": 1, "under_way": 0}
    assert (found["settled"], found["total"], found["cost"]) == (7, 10, "0.48")
    assert (found["answered"], found["failed"], found["unreported"]) == (1, 2, 1)
    assert found["reports"][0] == {"state": "FAIL_CALL", "zh": "呼叫失败", "en": "call failed", "count": 1}
    assert (found["keys"], found["texts"], found["per_minute"]) == ({"1": 1}, ["您的快递已到"], None)
    assert (found["seconds_left"], found["error"]) == (None, None)


def test_failures(tmp_path: Path) -> None:
    """Failures have a masked number, the reason, and its meaning in both languages where there is one."""
    found = asyncio.run(seen(tmp_path / "run.db"))
    assert [
        tuple(one[name] for name in ("mobile", "outcome", "reason", "zh", "en")) for one in found["failures"]
    ] == [
        ("138****0006", "unknown", "no answer", "", ""),
        ("138****0005", "not_sent", "the client was closed", "", ""),
        ("138****0004", "refused", "ERROR_MOBILE_ERROR", "手机号码错误", "no valid mobile number"),
        ("138****0002", "accepted", "FAIL_LINE_BUSY", "用户正忙", "not in the API document"),
        ("138****0001", "accepted", "FAIL_CALL", "呼叫失败", "call failed"),
    ]
    assert (found["cost"], found["seconds_left"]) == (None, None)


@pytest.mark.parametrize("show", [True, False])
def test_numbers(tmp_path: Path, show: bool) -> None:
    """No whole number is in the view, unless numbers may be shown."""
    found = asyncio.run(seen(tmp_path / "run.db", show_numbers=show))
    assert ("13800000006" in json.dumps(found)) is show


def test_before_the_first_reading(tmp_path: Path) -> None:
    """Before the first reading, and before the details, the view has what is known."""

    async def main() -> None:
        await written(SqliteJournal(tmp_path / "run.db"))
        watcher = Watcher(SqliteJournal(tmp_path / "run.db"))
        assert "states" not in view(watcher, Watched(name="x"))
        await watcher.count()
        found = view(watcher, Watched(name="x", total=7))
        assert (found["seconds_left"], "keys" in found) == (0.0, False)

    asyncio.run(main())
