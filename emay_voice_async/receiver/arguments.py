"""Checks of the receiver's arguments, as validators of attrs."""

import math
from collections.abc import Mapping
from inspect import iscoroutinefunction, signature
from typing import Any, Final

from attrs import Attribute

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.checks import check_count, check_text
from emay_voice_async.model.hidden import hides_arguments
from emay_voice_async.receiver.deduplication import ReportStore
from emay_voice_async.wire.encryption import encrypt

__all__ = ["check_bound", "check_function", "check_keys", "check_store", "check_timeout"]

_FORMS: Final = {
    "keys": "async def find_key(app_id): ..., or a mapping of app_ids to secret keys",
    "on_reports": "async def on_reports(reports): ...",
    "on_rejected": "async def on_rejected(rejected): ...",
}


def check_function(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Check for an async function of one argument."""
    name = _name(attribute)
    form = _FORMS[name]
    if not callable(value) or isinstance(value, type):
        found = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise InvalidRequestError(name, f"must be an async function, such as: {form}", None, found)
    if not (iscoroutinefunction(value) or iscoroutinefunction(type(value).__call__)):
        rule = f"must be an async function, such as: {form}"
        raise InvalidRequestError(name, rule, None, "a function that is not async")
    try:
        signature(value).bind(None)
    except TypeError:
        rule = f"must be an async function of one argument, such as: {form}"
        raise InvalidRequestError(name, rule, None, "another number of arguments") from None
    except ValueError:
        return  # A compiled function may have no signature.


@hides_arguments
def check_keys(_: object, attribute: "Attribute[Any]", keys: object) -> None:
    """Check for a mapping of app_ids to secret keys, or an async function."""
    if not isinstance(keys, Mapping):
        check_function(_, attribute, keys)
        return
    for app_id, key in keys.items():
        check_text("keys", app_id)
        if not isinstance(key, str | bytes):
            raise InvalidRequestError("keys", "must map app_ids to str or bytes", None, type(key).__name__)
        try:
            encrypt(b"", key)
        except InvalidRequestError as error:
            raise InvalidRequestError("keys", error.rule, error.limit, error.actual) from None


def check_store(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Check for a store of handled reports."""
    rule = "must be a store such as RecentReports(), or None"
    if isinstance(value, type):
        raise InvalidRequestError(_name(attribute), rule, None, f"the class {value.__name__}")
    if not isinstance(value, ReportStore):
        raise InvalidRequestError(_name(attribute), rule, None, type(value).__name__)
    for name in ("claim", "settle", "wait"):
        if not iscoroutinefunction(getattr(value, name)):
            raise InvalidRequestError(_name(attribute), f"must have an async method {name}")


def check_bound(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Check for a whole number of at least 1."""
    check_count(_name(attribute), value)


def check_timeout(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Check for a number of seconds above 0, or None."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and 0 < value < math.inf):  # type: ignore[operator] # a number by then
        rule = "must be a finite number of seconds above 0, or None"
        raise InvalidRequestError(_name(attribute), rule, 0)


def _name(attribute: "Attribute[Any]") -> str:
    return attribute.alias or attribute.name
