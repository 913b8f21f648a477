"""Faults out of JSON: each kind of fault that the library has."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from attrs import evolve

from emay_voice_async.sandbox.control.bodies import checked
from emay_voice_async.sandbox.control.errors import ControlError
from emay_voice_async.sandbox.control.schemas import FAULT_KINDS
from emay_voice_async.sandbox.faults import Fault

__all__ = ["decoded", "fault_of"]

_Fields = Mapping[str, Any]
_WITHOUT_BODY: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED})
_STATUSES: Final = frozenset(map(int, HTTPStatus)) - _WITHOUT_BODY


def fault_of(value: _Fields) -> Fault:
    """Make the fault that a JSON object describes. Raises :class:`ControlError`."""
    fields = checked(value, FAULT_KINDS[value["kind"]], "fault")
    if fields.get("status", 200) not in _STATUSES:
        message = "status must be a registered status of a response with a body"
        raise ControlError(HTTPStatus.UNPROCESSABLE_ENTITY, message, "status")
    fault = _MAKERS[fields["kind"]](fields)
    return evolve(fault, before=float(fields.get("before", 0)), after=float(fields.get("after", 0)))


def decoded(text: str, field: str) -> bytes:
    """Decode base64. Raises :class:`ControlError`."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise ControlError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{field} must be base64", field) from None


def _answer(fields: _Fields) -> Fault:
    if "body" in fields and "body_base64" in fields:
        message = "fault must have body or body_base64, not both"
        raise ControlError(HTTPStatus.UNPROCESSABLE_ENTITY, message, "body_base64")
    body = decoded(fields["body_base64"], "body_base64") if "body_base64" in fields else None
    names = {name: fields[name] for name in ("content_type", "acts") if name in fields}
    names["status"] = int(fields.get("status", HTTPStatus.OK))
    return Fault.answer(fields.get("body", "").encode() if body is None else body, **names)


def _acting(make: Callable[..., Fault]) -> Callable[[_Fields], Fault]:
    return lambda fields: make(acts=fields.get("acts", False))


_MAKERS: Final[dict[str, Callable[[_Fields], Fault]]] = {
    "reset": _acting(Fault.reset),
    "cut": lambda _: Fault.cut(),
    "status": lambda fields: Fault.status(int(fields["status"]), acts=fields.get("acts", False)),
    "html": _acting(Fault.html),
    "empty": _acting(Fault.empty),
    "answer": _answer,
    "truncated": lambda _: Fault.truncated(),
    "code": lambda fields: Fault.code(fields["code"]),
    "gzipped": lambda _: Fault.gzipped(),
    "content_type": lambda fields: Fault.content_type(**_content_type(fields)),
    "delay": lambda _: Fault.delay(),
}


def _content_type(fields: _Fields) -> dict[str, str]:
    return {"content_type": fields["content_type"]} if "content_type" in fields else {}
