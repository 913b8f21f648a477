"""Rows for machines: outcomes, reports and the calls of a journal, as JSON values."""

from collections.abc import Iterator
from typing import Final

from emay_voice_async.errors import DuplicateError, EmayVoiceError, RefusedError
from emay_voice_async.journal.protocol import Line
from emay_voice_async.model.results import Accepted, Outcome, Report, Unknown
from emay_voice_async.wire.structuring import unstructure

__all__ = ["CALL_FIELDS", "Row", "row_of_line", "row_of_report", "row_of_unreadable", "rows_of_outcome"]

Row = dict[str, object]
"""One JSON object."""


def rows_of_outcome(outcome: Outcome) -> Iterator[Row]:
    """Yield one row for each number of an outcome."""
    recorded = isinstance(outcome, Accepted | Unknown) and outcome.recorded
    if isinstance(outcome, Accepted):
        for ticket in outcome.tickets:
            yield _row(ticket.mobile, ticket.custom_id, outcome.name, ticket.message_id, None, recorded)
        return
    name = "duplicate" if isinstance(outcome.error, DuplicateError) else outcome.name
    for recipient in outcome.recipients:
        yield _row(recipient.mobile, recipient.custom_id, name, None, outcome.error, recorded)


def _row(
    mobile: str,
    custom_id: str | None,
    outcome: str,
    message_id: str | None,
    error: EmayVoiceError | None,
    recorded: bool,
) -> Row:
    return {
        "mobile": mobile,
        "custom_id": custom_id,
        "outcome": outcome,
        "message_id": message_id,
        "code": str(error.code) if isinstance(error, RefusedError) else None,
        "reason": None if error is None else str(error),
        "recorded": recorded,
    }


def row_of_report(report: Report) -> Row:
    """Return the row of a report, the recording in base64: the service hands a recording out once."""
    row: Row = unstructure(report)
    return row


def row_of_unreadable(raw: object, reason: str) -> Row:
    """Return the row of an unreadable report: its raw value, because the service keeps no copy."""
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    return {"unreadable": text, "reason": reason}


def row_of_line(line: Line) -> Row:
    """Return the row of a call in a journal."""
    return {
        "mobile": line.mobile,
        "custom_id": line.custom_id,
        "message_id": line.message_id,
        "state": line.state.value,
        "reason": line.reason,
        "begun_at": line.begun_at.isoformat(timespec="seconds"),
        "report_state": line.report_state,
        "report_description": line.report_description,
        "called_at": None if line.called_at is None else line.called_at.isoformat(),
        "duration": line.duration,
        "key_pressed": line.key_pressed,
    }


CALL_FIELDS: Final = (
    "mobile",
    "custom_id",
    "message_id",
    "state",
    "reason",
    "begun_at",
    "report_state",
    "report_description",
    "called_at",
    "duration",
    "key_pressed",
)
"""The fields of :func:`row_of_line`, in their order."""
