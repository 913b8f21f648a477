"""What options take, beyond texts and numbers."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

import click

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.limits import RateLimit
from emay_voice_async.sending.hours import CallingHours

__all__ = ["FILE", "column", "hours", "limit", "price", "seconds"]

_LIMIT: Final = re.compile(r"([0-9]{1,9})(?:/([0-9]{1,9}(?:\.[0-9]{1,9})?))?")
_AMOUNT: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_Value = TypeVar("_Value")
FILE: Final = click.Path(path_type=Path)


def hours(text: str) -> CallingHours:
    """Read spans of a day."""
    return _told(CallingHours, text)


def limit(text: str) -> RateLimit | None:
    """Read how many requests in how many seconds; None: without a limit."""
    if text == "off":
        return None
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise click.BadParameter('must be requests/seconds, such as 10/1, or "off"')
    return _told(lambda _: RateLimit(int(found[1]), float(found[2] or 1)), text)


def column(text: str) -> str | int:
    """Read the place or else the name of a column."""
    return int(text) if text.isascii() and text.isdecimal() else text


def price(text: str) -> Decimal:
    """Read an amount of money."""
    if not _AMOUNT.fullmatch(text):
        raise click.BadParameter("must be a number such as 0.12")
    return Decimal(text)


def seconds(text: str) -> float:
    """Read a time of 0 or more seconds, and of some end."""
    if not _AMOUNT.fullmatch(text):
        raise click.BadParameter("must be a number of seconds, 0 or more")
    return float(text)


def _told(read: Callable[[str], _Value], text: str) -> _Value:
    """Read a text; what is wrong with it is told in the words of the rule."""
    try:
        return read(text)
    except InvalidRequestError as error:
        raise click.BadParameter(error.rule) from None
