"""The JSON schemas of the request bodies: they check the input, and they are the description of it."""

from typing import Any, Final

from emay_voice_async.model.codes import VOICE_STATES
from emay_voice_async.model.endpoints import ENDPOINTS, MAX_CONTENT, Call, Product
from emay_voice_async.sandbox.accounts import ServiceType
from emay_voice_async.sandbox.outcomes import KEYS

__all__ = [
    "ACCOUNT",
    "CALL",
    "FAULT",
    "FAULT_KINDS",
    "MAX_PERIOD",
    "PUSH",
    "RESET",
    "SETTINGS",
    "Schema",
]

Schema = dict[str, Any]

MAX_PERIOD: Final = 86_400.0
"""Seconds; the longest delay, latency and period."""
_SECONDS: Final[Schema] = {"type": "number", "minimum": 0, "maximum": MAX_PERIOD}
_SHARE: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
_BASE64: Final[Schema] = {
    "type": "string",
    "title": "base64",
    "pattern": "^[A-Za-z0-9+/]*={0,2}$",
    "maxLength": 1_000_000,
}
_HEADER: Final[Schema] = {
    "type": "string",
    "title": "a content type of printable ASCII",
    "pattern": "^[!-~]([ -~]*[!-~])?$",
    "maxLength": 200,
}
_MONEY: Final[Schema] = {
    "type": ["string", "number"],
    "pattern": "^[0-9]{1,12}([.][0-9]{1,6})?$",
    "minimum": 0,
    "maximum": 999_999_999_999,
    "title": "an amount of 0 or more, with up to 6 decimal places, such as 12.50",
    "description": "Text keeps all digits.",
}
_LIMIT: Final[Schema] = {
    "type": ["object", "null"],
    "description": "At most so many requests in any period of so many seconds; null: unlimited.",
    "additionalProperties": False,
    "required": ["requests"],
    "properties": {
        "requests": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
        "period": {"type": "number", "minimum": 0.001, "maximum": MAX_PERIOD, "default": 1.0},
    },
}


def _object(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return schema | ({"required": list(required)} if required else {})


def _fault(kind: str, required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    shown = {"kind": {"const": kind}, **properties, "before": _SECONDS, "after": _SECONDS}
    return _object(("kind", *required), **shown)


_ACTS: Final[Schema] = {
    "type": "boolean",
    "default": False,
    "description": "The service acts on the request.",
}
_STATUS: Final[Schema] = {
    "type": "integer",
    "minimum": 200,
    "maximum": 599,
    "description": "A registered status of a response with a body.",
}

FAULT_KINDS: Final[dict[str, Schema]] = {
    "reset": _fault("reset", acts=_ACTS),
    "cut": _fault("cut"),
    "status": _fault("status", ("status",), status=_STATUS, acts=_ACTS),
    "html": _fault("html", acts=_ACTS),
    "empty": _fault("empty", acts=_ACTS),
    "answer": _fault(
        "answer",
        body={"type": "string", "maxLength": 200_000, "default": ""},
        body_base64=_BASE64,
        status=_STATUS,
        content_type=_HEADER,
        acts=_ACTS,
    ),
    "truncated": _fault("truncated"),
    "code": _fault("code", ("code",), code={"type": "string", "minLength": 1, "maxLength": 200}),
    "gzipped": _fault("gzipped"),
    "content_type": _fault("content_type", content_type=_HEADER),
    "delay": _fault("delay"),
}
"""The schema of each kind of fault."""

FAULT: Final = _object(
    ("fault",),
    fault={
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": list(FAULT_KINDS)}},
    },
    on={
        "enum": [None, *(call.value for call in Call), *(endpoint.path for endpoint in ENDPOINTS)],
        "description": "A kind of request, or a path; null: every request.",
    },
    skip={"type": "integer", "minimum": 0, "maximum": 1_000_000, "default": 0},
    times={"type": ["integer", "null"], "minimum": 1, "maximum": 1_000_000, "default": 1},
)
CALL: Final = _object(
    state={"enum": list(VOICE_STATES), "default": "SUCCESS"},
    key={"enum": [None, *sorted(KEYS)], "description": "The key that is pressed."},
    duration={**_SECONDS, "type": ["number", "null"]},
    recording=_BASE64,
    report_in={
        **_SECONDS,
        "type": ["number", "null"],
        "description": "Seconds until the report is ready; null: as planned.",
    },
)
PUSH: Final = _object(
    ("url",),
    url={
        "type": "string",
        "title": "an http or https URL",
        "pattern": "^https?://[^/?#\\s]",
        "maxLength": 2000,
    },
    mode={"enum": ["encrypted", "json", "form"], "default": "encrypted"},
    bare={"type": "boolean", "default": False},
    product={"enum": [product.value for product in Product], "default": Product.VOICE.value},
)
ACCOUNT: Final[Schema] = {
    **_object(
        app_id={"type": "string", "maxLength": 200, "description": "Without it: the first account."},
        balance=_MONEY,
        price=_MONEY,
        services={"type": "array", "items": {"enum": [kind.name.lower() for kind in ServiceType]}},
        rate_limits={
            **_object(**{call.value: _LIMIT for call in Call}),
            "description": "A kind that is absent stays as it is.",
        },
        allowed_ips={
            "type": ["array", "null"],
            "items": {"type": "string", "maxLength": MAX_CONTENT},
            "maxItems": 1000,
        },
    ),
    "minProperties": 1,
}
SETTINGS: Final[Schema] = {
    **_object(
        report_delay=_SECONDS,
        latency=_SECONDS,
        clock_offset={"type": "number", "minimum": -MAX_PERIOD * 365, "maximum": MAX_PERIOD * 365},
        answer_rate=_SHARE,
        keys={
            "type": "object",
            "additionalProperties": False,
            "properties": dict.fromkeys(sorted(KEYS), _SHARE),
        },
    ),
    "minProperties": 1,
}
RESET: Final = _object(
    records_only={
        "type": "boolean",
        "default": False,
        "description": "Clear the records only; balances, reports and faults stay.",
    }
)
