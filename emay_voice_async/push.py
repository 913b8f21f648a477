"""Header and body of a push to reports, as pure functions (section 2.1.4)."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs

from emay_voice_async.errors import PushError
from emay_voice_async.model.hidden import hides_arguments
from emay_voice_async.model.results import Report
from emay_voice_async.wire.encryption import MAX_SIZE, decrypt, gunzip
from emay_voice_async.wire.json_reader import read_json, read_rows
from emay_voice_async.wire.status_reports import REPORT_LAYOUTS, read_report_rows, structure_reports

__all__ = ["decode_plain_push", "decode_push", "decode_reports", "decrypt", "gunzip"]

_FORM: Final = "application/x-www-form-urlencoded"
_FIELD: Final = "reports"
_ENVELOPE: Final = frozenset({"code", "data"})


@hides_arguments
def decode_push(body: bytes, secret_key: str | bytes, *, max_size: int = MAX_SIZE) -> list[Report]:
    """Decode the body of an encrypted push: decrypt, inflate to ``max_size`` bytes at most, read.

    Raises :class:`PushError`, whose ``stage`` says where it failed.
    """
    return decode_reports(gunzip(decrypt(body, secret_key), max_size=max_size))


@hides_arguments
def decode_plain_push(body: bytes, content_type: str = "application/json") -> list[Report]:
    """Decode the body of a plain push: JSON, or a form with the JSON in its field ``reports``.

    Nothing signs a plain push: whoever knows the URL can send one. Raises :class:`PushError`.
    """
    # JSON goes under the name of a form, too: Java's HttpURLConnection says so unless told otherwise.
    if content_type.partition(";")[0].strip().lower() != _FORM or body.lstrip()[:1] in (b"{", b"["):
        return decode_reports(body)
    try:
        [text] = parse_qs(body.decode(), max_num_fields=100)[_FIELD]
    except (ValueError, KeyError):
        raise PushError("decode", "the form has no single field of reports") from None
    return decode_reports(text.encode())


@hides_arguments
def decode_reports(data: bytes) -> list[Report]:
    """Read the JSON of a push: the document's object, or a bare list of reports, or one alone.

    Voice and join reports may stand side by side. When some report cannot be read, the
    :class:`PushError` (stage "decode") carries the others in ``reports``.
    """
    for product, layout in REPORT_LAYOUTS.items():
        found = read_rows(data, layout)
        if found is not None and (alike := read_report_rows(found.rows, product)) is not None:
            return list(alike)
    try:
        document = read_json(data)
    except (ValueError, RecursionError):
        raise PushError("decode", "the data is not JSON") from None
    reports, broken = structure_reports(_entries(document))
    if broken:
        raise PushError("decode", "some reports cannot be read", reports, broken)
    return list(reports)


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
