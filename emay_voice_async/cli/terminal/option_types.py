"""Types of options beyond text and numbers."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

import click

from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.limits import RateLimit
from emay_voice_async.sending.hours import CallingHours

__all__ = ["FILE", "PORT", "column", "hours", "limit", "minutes", "price", "seconds"]

_LIMIT: Final = re.compile(r"([0-9]{1,9})(?:/([0-9]{1,9}(?:\.[0-9]{1,9})?))?")
_AMOUNT: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_Value = TypeVar("_Value")
FILE: Final = click.Path(path_type=Path)
PORT: Final = click.IntRange(0, 65535)


def hours(text: str) -> CallingHours:
    """Read calling hours."""
    return _checked(lambda: CallingHours(text))


def limit(text: str) -> RateLimit | None:
    """Read requests/seconds; None means no limit."""
    if text == "off":
        return None
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise click.BadParameter(gettext('must be requests/seconds, such as 10/1, or "off"'))
    return _checked(lambda: RateLimit(int(found[1]), float(found[2] or 1)))


def column(text: str) -> str | int:
    """Read the position (from 1) or the name of a column."""
    return int(text) if text.isascii() and text.isdecimal() else text


def price(text: str) -> Decimal:
    """Read an amount of money."""
    if not _AMOUNT.fullmatch(text):
        raise click.BadParameter(gettext("must be a number such as 0.12"))
    return Decimal(text)


def seconds(text: str) -> float:
    """Read a finite, non-negative number of seconds."""
    if not _AMOUNT.fullmatch(text):
        raise click.BadParameter(gettext("must be a number of seconds, 0 or more"))
    return float(text)


def minutes(text: str) -> float:
    """Read a number of minutes above 0; return seconds."""
    if not _AMOUNT.fullmatch(text) or not float(text):
        raise click.BadParameter(gettext("must be a number of minutes above 0"))
    return float(text) * 60


def _checked(make: Callable[[], _Value]) -> _Value:
    """Make a value; click names the option in front of the broken rule."""
    try:
        return make()
    except InvalidRequestError as error:
        raise click.BadParameter(error.rule) from None
