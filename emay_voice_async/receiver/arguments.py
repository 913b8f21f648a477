"""Checks of the receiver's arguments, as validators of attrs."""

import math
from collections.abc import Mapping
from typing import Any

from attrs import Attribute

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.checks import check_count, check_text
from emay_voice_async.receiver.deduplication import ReportStore
from emay_voice_async.wire.encryption import encrypt

__all__ = ["check_bytes", "check_function", "check_keys", "check_store", "check_timeout"]


def check_function(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Check for an async function."""
    if not callable(value):
        raise InvalidRequestError(_name(attribute), "must be an async function", None, type(value).__name__)


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
    if not isinstance(value, ReportStore):
        raise InvalidRequestError(_name(attribute), "must be a store such as RecentReports(), or None")


def check_bytes(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Check for a number of bytes above 0."""
    check_count(_name(attribute), value, " of bytes")


def check_timeout(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Check for a number of seconds above 0, or None."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and 0 < value < math.inf):  # type: ignore[operator] # a number by then
        rule = "must be a finite number of seconds above 0, or None"
        raise InvalidRequestError(_name(attribute), rule, 0)


def _name(attribute: "Attribute[Any]") -> str:
    return attribute.alias or attribute.name
