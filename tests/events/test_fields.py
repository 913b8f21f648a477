"""Events in log records, and the texts that may stand in events."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.events import log_fields
from emay_voice_async.events.fields import error_names, shown_code
from emay_voice_async.model.codes import ResultCode

from .test_values import CLASSES, example


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_log_fields(kind: type[Any]) -> None:
    """The fields of any event are JSON, and fit into a log record beside those of other packages."""
    event = example(kind)
    found = log_fields(event)
    assert found["emay_event"] == kind.__name__
    assert found["emay_request_id"] == 1
    assert json.loads(json.dumps(found)) == found
    record = logging.getLogger("x").makeRecord("x", 20, "f", 1, "m", (), None, extra=found)
    assert record.__dict__.items() >= found.items()
    if "emay_states" in found:
        assert found["emay_states"] == {"SUCCESS": 2}


@pytest.mark.parametrize("code", ResultCode)
def test_listed_codes_are_shown(code: ResultCode) -> None:
    """Each code of the API document is shown, as a plain str."""
    assert shown_code(code) == code.value
    assert type(shown_code(code)) is str


@pytest.mark.parametrize("code", ["ERROR_NEW", "7", "-1", "E.404", "1001"])
def test_other_codes_are_shown(code: str) -> None:
    """A code that is not in the document is shown, too."""
    assert shown_code(code) == code


@pytest.mark.parametrize(
    "code", ["", "13812345678", "E13812345678", "1234567", "号码", "no such app", "x" * 65, "a\nb", "a\n"]
)
def test_other_texts_are_not(code: str) -> None:
    """A text that is not like a code, or could hold a number, is not shown."""
    assert shown_code(code) == "unlisted"


@given(st.text(max_size=5), st.from_regex(r"1\d{10}", fullmatch=True), st.text(max_size=5))
def test_no_number_is_shown(before: str, number: str, after: str) -> None:
    """No text with a number in it is shown."""
    assert shown_code(before + number + after) == "unlisted"


def test_names_of_errors() -> None:
    """An error is shown as the names of two classes: of the error and of the cause."""
    error = ValueError("13812345678")
    assert error_names(error) == ("ValueError", "")
    error.__cause__ = OSError("13812345678")
    assert error_names(error) == ("ValueError", "OSError")
