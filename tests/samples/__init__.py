"""Recorded wire data, one folder a case; README.rst says where each comes from."""

from datetime import datetime
from pathlib import Path

from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report
from emay_voice_async.wire.envelope import HttpResponse

__all__ = ["DOCUMENTED", "answer", "blob", "cases", "table"]

_FOLDER = Path(__file__).parent

DOCUMENTED = Report(
    product=Product.VOICE,
    app_id="EUCP - EMY - DDDD - 3EEEE",
    message_id="20170392833833891100",
    custom_id="1553885000011111",
    mobile="18566666666",
    state=CallState.SUCCESS,
    raw_state="SUCCESS",
    description="成功",
    called_at=datetime(2017, 3, 15, 12, tzinfo=BEIJING),
    duration=68.02,
)
"""The report that the document gives as an example of every pull and push of the voice services."""


def cases(pattern: str) -> list[str]:
    """Return the names of the cases that match a pattern, sorted; there must be some."""
    names = sorted(path.name for path in _FOLDER.glob(pattern) if path.is_dir())
    assert names, f"no case matches {pattern}"
    return names


def blob(case: str, name: str = "body.*") -> bytes:
    """Return the bytes of one file of a case, by default its body."""
    [path] = (_FOLDER / case).glob(name)
    return path.read_bytes()


def answer(case: str) -> HttpResponse:
    """Return a case as an answer: the status that its head tells, 200 without one, and its body."""
    status = int(blob(case, "head.txt").split()[1]) if (_FOLDER / case / "head.txt").exists() else 200
    return HttpResponse(status, blob(case))


def table(name: str) -> list[tuple[str, ...]]:
    """Return the rows of a table of the API document."""
    lines = (_FOLDER / "tables" / f"{name}.tsv").read_text("utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines]
