"""Types of options beyond text and numbers."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import click

from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.cli.terminal.library_sentences import sentence
from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.limits import RateLimit
from emay_voice_async.sending.hours import CallingHours

__all__ = [
    "FILE",
    "PORT",
    "column",
    "hours",
    "key_shares",
    "limit",
    "minutes",
    "percent",
    "price",
    "seconds",
    "web_address",
]

_LIMIT: Final = re.compile(r"([0-9]{1,9})(?:/([0-9]{1,9}(?:\.[0-9]{1,9})?))?")
_AMOUNT: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_KEY_SHARE: Final = re.compile(r"([0-9])=([0-9]{1,3}(?:\.[0-9]{1,6})?)")
_WHOLE: Final = 100
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


def percent(text: str) -> float:
    """Read a percentage; return the share."""
    if not _AMOUNT.fullmatch(text) or float(text) > _WHOLE:
        raise click.BadParameter(gettext("must be a percentage from 0 to 100"))
    return float(text) / _WHOLE


def key_shares(text: str) -> dict[str, float]:
    """Read keys, each with the percentage of callees who press the key, such as 1=60,2=20."""
    pairs = [_KEY_SHARE.fullmatch(part) for part in text.split(",")]
    shares = {pair[1]: Decimal(pair[2]) for pair in pairs if pair}
    if len(shares) < len(pairs) or sum(shares.values()) > _WHOLE:
        raise click.BadParameter(
            gettext("must be keys with percentages, together at most 100, such as 1=60,2=20")
        )
    return {key: float(share / _WHOLE) for key, share in shares.items()}


def web_address(text: str) -> str:
    """Read an http or https URL."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(map(str.isspace, text)):
        raise click.BadParameter(gettext("must be a URL such as http://127.0.0.1:8000/emay"))
    return text


def _checked(make: Callable[[], _Value]) -> _Value:
    """Make a value; click names the option in front of the broken rule."""
    try:
        return make()
    except InvalidRequestError as error:
        raise click.BadParameter(sentence(error.rule)) from None
