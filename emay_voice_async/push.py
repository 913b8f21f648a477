"""Header and body of a push to reports, as pure functions (section 2.1.4)."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs

from emay_voice_async.errors import PushError
from emay_voice_async.model.checks import check_count
from emay_voice_async.model.hidden import hides_arguments
from emay_voice_async.model.results import Report
from emay_voice_async.wire.compression import MAX_SIZE, gunzip
from emay_voice_async.wire.damaged_json import read_damaged_json
from emay_voice_async.wire.encryption import decrypt
from emay_voice_async.wire.json_reader import read_json, read_rows
from emay_voice_async.wire.report_rows import PUSH_LAYOUTS
from emay_voice_async.wire.status_reports import (
    Broken,
    read_report_rows,
    structure_reports,
)

__all__ = ["decode_plain_push", "decode_push", "decode_reports", "decrypt", "gunzip"]

MAX_REPORTS: Final = 10_000
"""The most entries of a push, unless told otherwise; the service sends 1,000."""
_KEPT: Final = 100
"""Broken entries that an error holds; the others are counted."""
_BRACKETS: Final = 10
"""Opening brackets for each entry, on average, beyond which a push is refused before it is parsed."""
_CHUNK: Final = 1 << 19
_FORM: Final = "application/x-www-form-urlencoded"
_FIELD: Final = "reports"
_ENVELOPE: Final = frozenset({"code", "data"})


@hides_arguments
def decode_push(
    body: bytes, secret_key: str | bytes, *, max_size: int = MAX_SIZE, max_reports: int = MAX_REPORTS
) -> list[Report]:
    """Decode the body of an encrypted push: decrypt, inflate to ``max_size`` bytes at most, read.

    Raises :class:`PushError`; ``stage`` names the failed step. See :func:`decode_reports`.
    """
    return decode_reports(gunzip(decrypt(body, secret_key), max_size=max_size), max_reports=max_reports)


@hides_arguments
def decode_plain_push(
    body: bytes, content_type: str = "application/json", *, max_reports: int = MAX_REPORTS
) -> list[Report]:
    """Decode the body of a plain push: JSON, or a form with the JSON in the field ``reports``.

    Plain pushes are not authenticated; accept them by source network or secret path only. Raises
    :class:`PushError`. See :func:`decode_reports`.
    """
    # JSON can come under the content type of a form: Java's HttpURLConnection says so by default.
    if content_type.partition(";")[0].strip().lower() == _FORM and body.lstrip()[:1] not in (b"{", b"["):
        body = _field_of(body)
    return decode_reports(body, max_reports=max_reports)


@hides_arguments
def decode_reports(data: bytes, *, max_reports: int = MAX_REPORTS) -> list[Report]:
    """Read the JSON of a push: the document's object, a bare list of reports, or a single report.

    Voice and join reports may stand side by side. A damaged text, such as GBK or with a raw line break in a
    string, is read too, with U+FFFD for what is not UTF-8. A field that cannot be read is None, with its raw
    value in ``unreadable`` of the report.

    Raises :class:`PushError` (stage "decode"): more than ``max_reports`` entries; no JSON; or an entry that is
    no report, and then ``reports`` holds the others, ``broken`` the first 100 broken entries with reasons and
    ``broken_count`` their number.
    """
    check_count("max_reports", max_reports)
    _check_brackets(data, max_reports)
    for product, layout in PUSH_LAYOUTS:
        found = read_rows(data, layout)
        if found is not None:
            _check_number(found.count, max_reports)
            if (alike := read_report_rows(found.rows, product)) is not None:
                return list(alike)
    entries, rest = _read(data)
    _check_number(len(entries), max_reports)
    reports, broken = structure_reports(entries)
    _check_broken(reports, (*broken, *rest))
    return list(reports)


def _read(data: bytes) -> tuple[Sequence[object], tuple[Broken, ...]]:
    """Return the entries of a text, and the text that follows the JSON of a damaged one."""
    try:
        return _entries(read_json(data)), ()
    except (ValueError, RecursionError):
        pass
    try:
        documents, rest = read_damaged_json(data)
    except (ValueError, RecursionError):
        raise PushError("decode", "the data is not JSON") from None
    entries = [entry for document in documents for entry in _entries(document)]
    return entries, ((rest, "the text after the JSON is not JSON"),) if rest else ()


def _entries(document: object) -> Sequence[object]:
    if isinstance(document, dict):
        if _ENVELOPE.isdisjoint(document):
            return (document,)
        document = document.get("data")
        if document is None:
            return ()
        if isinstance(document, dict):
            return (document,)
    if not isinstance(document, list):
        raise PushError("decode", "the JSON holds no list of reports")
    return document


def _check_brackets(data: bytes, max_reports: int) -> None:
    """Refuse a large text of many small values before they are objects in memory."""
    if len(data) < _CHUNK:
        return
    most, found = _BRACKETS * max_reports + 1000, 0
    for start in range(0, len(data), _CHUNK):
        end = start + _CHUNK
        found += data.count(b"[", start, end) + data.count(b"{", start, end)
        if found > most:
            raise PushError("decode", "the push has too many entries")


def _check_number(count: int, max_reports: int) -> None:
    if count > max_reports:
        raise PushError("decode", "the push has too many entries")


def _check_broken(reports: tuple[Report, ...], broken: tuple[Broken, ...]) -> None:
    if broken:
        reason = "some reports cannot be read"
        raise PushError("decode", reason, reports, broken[:_KEPT], len(broken))


def _field_of(form: bytes) -> bytes:
    """Return the bytes of the single field ``reports`` of a form, in whatever encoding they are."""
    try:
        [text] = parse_qs(form.decode("latin-1"), max_num_fields=100, encoding="latin-1")[_FIELD]
    except (ValueError, KeyError):
        raise PushError("decode", "the form has no single field of reports") from None
    return text.encode("latin-1")
