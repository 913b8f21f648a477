"""The fields of events in log records, and the texts that may stand in events."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from attrs import fields

from emay_voice_async.events.values import Event

__all__ = ["error_names", "log_fields", "shown_code"]

_PREFIX: Final = "emay_"
_UNLISTED: Final = "unlisted"
_CODE: Final = re.compile(r"(?!.*\d{7})[\w.-]{1,64}", re.ASCII)


def log_fields(event: Event) -> dict[str, Any]:
    """Return the fields of an event for ``extra=`` of a log call, with ``emay_`` before each name.

    ``emay_event`` is the name of the class. Values are those of JSON: names in place of enums, dicts of states. The
    prefix keeps the names apart from those of other packages: logging raises for a name that is set already.
    """
    found = {f"{_PREFIX}{one.name}": _plain(getattr(event, one.name)) for one in fields(type(event))}
    return {f"{_PREFIX}event": type(event).__name__, **found}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_plain(key): number for key, number in value.items()}
    return value.value if isinstance(value, Enum) else value


def shown_code(code: str) -> str:
    """Return a result code for an event; a text that does not look like a code becomes "unlisted"."""
    return str(code) if _CODE.fullmatch(code) else _UNLISTED


def error_names(error: BaseException) -> tuple[str, str]:
    """Return the names of the class of an error, and of the class of its cause ("" without a cause)."""
    cause = error.__cause__
    return type(error).__name__, "" if cause is None else type(cause).__name__
