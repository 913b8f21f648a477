"""Rows of outcomes, reports and journal lines."""

import json
from datetime import datetime

import pytest

from emay_voice_async import Accepted, NotSent, Product, Recipient, Refused, Report, Ticket, Unknown
from emay_voice_async.cli.terminal.json_rows import (
    CALL_FIELDS,
    row_of_line,
    row_of_report,
    row_of_unreadable,
    rows_of_outcome,
)
from emay_voice_async.errors import DuplicateError, NotSentError, OutcomeUnknownError, RefusedError
from emay_voice_async.journal.protocol import Line, State
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.results import Outcome

RECIPIENTS = (Recipient("13800000000", "a"), Recipient("13800000001", "b"))


@pytest.mark.parametrize(
    ("outcome", "name", "code", "recorded"),
    [
        (Accepted(0, RECIPIENTS, (Ticket("13800000000", "m", "a"),)), "accepted", None, False),
        (Accepted(0, RECIPIENTS, (Ticket("13800000000", "m", "a"),), recorded=True), "accepted", None, True),
        (Refused(0, RECIPIENTS, RefusedError("ERROR_SIGN", "x", "/p")), "refused", "ERROR_SIGN", False),
        (Unknown(0, RECIPIENTS, OutcomeUnknownError("/p", "x")), "unknown", None, False),
        (Unknown(0, RECIPIENTS, OutcomeUnknownError("/p", "x"), recorded=True), "unknown", None, True),
        (NotSent(0, RECIPIENTS, NotSentError("/p", "x")), "not sent", None, False),
        (NotSent(0, RECIPIENTS, DuplicateError("mobile", "must not be repeated")), "duplicate", None, False),
    ],
)
def test_outcomes(outcome: Outcome, name: str, code: str | None, recorded: bool) -> None:
    """Each number has a row with the name of the outcome; only refusals have a code."""
    rows = list(rows_of_outcome(outcome))
    assert [row["mobile"] for row in rows] == ["13800000000", "13800000001"][: len(rows)]
    assert {(row["outcome"], row["code"], row["recorded"]) for row in rows} == {(name, code, recorded)}
    assert all((row["reason"] is None) == (name == "accepted") for row in rows)


def test_fields_of_a_line() -> None:
    """The fields of a call are listed in the order of the row."""
    line = Line("13800000000", "a", "m", State.ACCEPTED, "", datetime(2026, 1, 2, 3, 4, 5, tzinfo=BEIJING))
    row = row_of_line(line)
    assert tuple(row) == CALL_FIELDS
    assert row["begun_at"] == "2026-01-02T03:04:05+08:00"


def test_reports() -> None:
    """A recording is base64, and unreadable bytes are readable text."""
    assert row_of_report(Report(Product.VOICE, recording=b"\x00\xff"))["recording"] == "AP8="
    assert row_of_unreadable(b"a\xff", "why") == {"unreadable": "a\\xff", "reason": "why"}
    assert json.dumps(row_of_report(Report(Product.VOICE)))
