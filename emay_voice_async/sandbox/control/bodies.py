"""Request bodies of the control API: JSON that fits its schema, or an error that names field and rule."""

import json
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import fastjsonschema
from starlette.requests import Request

from emay_voice_async.sandbox.access import MAX_BODY, read_body
from emay_voice_async.sandbox.control.errors import ControlError
from emay_voice_async.sandbox.control.schemas import Schema

__all__ = ["checked", "json_body"]

_JSON: Final = "application/json"


async def json_body(http: Request, schema: Schema) -> dict[str, Any]:
    """Read a body that fits ``schema``; a missing body is ``{}``. Raises :class:`ControlError`.

    The content type must be JSON: a form of another web page cannot send that.
    """
    kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _JSON:
        raise ControlError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type must be {_JSON}", "Content-Type")
    body = await read_body(http)
    if isinstance(body, HTTPStatus):
        raise ControlError(body, f"the body may have {MAX_BODY:,} bytes")
    return checked(_parsed(body) if body.strip() else {}, schema)


def checked(value: object, schema: Schema, name: str = "body") -> dict[str, Any]:
    """Return a value that fits ``schema``. Raises :class:`ControlError` with the field and the rule."""
    try:
        result: dict[str, Any] = _validator(json.dumps(schema))(value)
    except fastjsonschema.JsonSchemaValueException as error:
        field = ".".join(map(str, error.path[1:])) or name
        message = f"{field} {_rule(error)}"[:500]
        raise ControlError(HTTPStatus.UNPROCESSABLE_ENTITY, message, field) from None
    return result


def _rule(error: fastjsonschema.JsonSchemaValueException) -> str:
    """Say the rule that is broken, without the value: it may be long, or a phone number."""
    definition, value = error.definition or {}, error.value
    match error.rule:
        case "pattern":
            return f"must be {definition['title']}"
        case "minProperties":
            return "must name at least one field"
        case "additionalProperties" if isinstance(value, dict):
            unknown = sorted(map(str, set(value) - set(definition["properties"])))
            return f"has an unknown field: {unknown[0]!r}"
        case _:
            return error.message.removeprefix(str(error.name)).strip()


def _parsed(body: bytes) -> object:
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant, parse_float=_finite)
        # A lone surrogate can be written in JSON, and cannot be sent or shown.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        reason = "too deeply nested" if isinstance(error, RecursionError) else str(error)
        raise ControlError(HTTPStatus.BAD_REQUEST, f"the body is no JSON in UTF-8: {reason[:200]}") from None
    return value


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return number


@cache
def _validator(schema: str) -> Callable[[object], Any]:
    compiled: Callable[[object], Any] = fastjsonschema.compile(json.loads(schema), use_default=False)
    return compiled
