"""Errors of the control API."""

import json
import pickle
from http import HTTPStatus

from emay_voice_async.sandbox.control.errors import ControlError


def test_response() -> None:
    """The response has status, field, message and headers."""
    response = ControlError(HTTPStatus.CONFLICT, "too late", "message_id", {"x": "y"}).response()
    assert (response.status_code, response.headers["x"]) == (409, "y")
    found = {"status": 409, "field": "message_id", "message": "too late"}
    assert json.loads(bytes(response.body)) == {"error": found}


def test_pickle() -> None:
    """An error survives a pickle."""
    again = pickle.loads(pickle.dumps(ControlError(HTTPStatus.CONFLICT, "too late", "id")))  # noqa: S301
    assert (again.status, again.message, again.field) == (409, "too late", "id")
