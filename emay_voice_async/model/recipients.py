"""Whom to call: numbers and custom ids, and the checks of both."""

import re
from collections.abc import Callable, Sequence
from typing import Final, cast

from attrs import define, frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.endpoints import MAX_BATCH, MAX_CUSTOM_ID
from emay_voice_async.model.freezing import frozen_as
from emay_voice_async.model.messages import check_text

__all__ = [
    "Recipient",
    "are_numbers",
    "check_all",
    "check_recipient",
    "identified",
    "is_number",
    "mask",
    "normalised",
    "plain",
    "recipient",
]

_MOBILE = re.compile("1[0-9]{10}")
_DIGITS: Final = 11
_PLACES: Final = tuple(f"-{place}" for place in range(MAX_BATCH))
"""Where in its batch a recipient stands, as it ends a custom id."""
_INVISIBLE: Final = (
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
_ASCII: Final = {
    "": _INVISIBLE,
    " ": "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2500\ufe58\ufe63\uff0d",
    ".": "\u00b7\u2022\u30fb\uff0e",
    "(": "\uff08",
    ")": "\uff09",
    "+": "\uff0b",
    "'": "\u2018\u2019\uff07",
    **{str(digit): chr(0xFF10 + digit) for digit in range(10)},
}
_TO_ASCII: Final = {ord(char): ascii_char for ascii_char, chars in _ASCII.items() for char in chars}
_QUOTED = re.compile('=?"(.*)"')
"""="..." is how a CSV keeps Excel from reading a number."""
_LONGEST_WRITTEN: Final = 64
_BETWEEN = r"(?: *(?:--?|\.) *| +)"
_WRITTEN = re.compile(
    rf"(?:(?:\((?:\+ ?|00)?86\)|(?:\+ ?|00)?86){_BETWEEN}?)?"
    # A first group of one digit is the country code of North America, not a mobile number.
    rf"((?:1[0-9]{{2,}}|\(1[0-9]{{2,}}\){_BETWEEN}?[0-9]{{2,}})(?:{_BETWEEN}[0-9]{{2,}})*)"
)
_SCIENTIFIC = re.compile(r"[0-9]+(?:\.[0-9]*)?[eE][+-]?[0-9]+")


def mask(mobile: str) -> str:
    """Hide the middle of a mobile number (138****0000), and the whole of anything shorter."""
    return f"{mobile[:3]}****{mobile[-4:]}" if len(mobile) >= 11 else "****"


@define(eq=False, repr=False)
class _RecipientFields:
    mobile: str
    custom_id: str | None = None


@frozen(repr=False)
class Recipient(_RecipientFields):
    """One number to call, and the caller's own id for that call.

    ``mobile`` has 11 digits and begins with 1. ``custom_id`` has 64 characters at most and no
    comma; it comes back in the ticket and in the report. None: a unique one is made before the
    request leaves, so that the call can be found even when the answer to its send is lost.

    A recipient is checked when it is sent to, not when it is made: so one bad row in a stream of
    a million becomes an outcome of its own rather than an exception in the middle.
    """

    def __repr__(self) -> str:
        return f"Recipient({mask(str(self.mobile))!r}, custom_id={self.custom_id!r})"


def recipient(item: object) -> Recipient:
    """Take a :class:`Recipient` as it is and a mobile number as one without a custom id."""
    if isinstance(item, Recipient):
        return item
    # A wrong type is kept, and refused by check_recipient, which can name its position.
    return _made(item)  # type: ignore[arg-type]


def plain(text: str) -> str:
    """Write full-width digits, dashes and blanks in ASCII, without what is invisible or around it."""
    return text.translate(_TO_ASCII).strip().removeprefix("'").strip()


def normalised(text: str) -> str:
    """Return the 11 digits of a mobile number that is written as people write it.

    Taken away are blanks and invisible characters around it, +86, 0086 or 86 in front of it, blanks,
    dashes, dots and parentheses between its groups of digits, and what spreadsheets add: a leading
    apostrophe, ="..." around it, .0 behind it. Full-width digits become ASCII; the digits of other
    scripts do not. A text that is no mobile number, or may be something else, is returned as it is,
    for :func:`check_recipient` to refuse: so one of a million never ends a stream.
    """
    if _MOBILE.fullmatch(text) or len(text) > _LONGEST_WRITTEN:
        return text
    whole = plain(text)
    if quoted := _QUOTED.fullmatch(whole):
        whole = quoted[1].strip()
    if whole.count(".") == 1:
        # One dot is a decimal point: 138000000.05 must not become a number by losing it.
        whole, _, fraction = whole.partition(".")
        if fraction.strip("0"):
            return text
    written = _WRITTEN.fullmatch(whole)
    digits = "" if written is None else re.sub("[^0-9]", "", written[1])
    return digits if _MOBILE.fullmatch(digits) else text


def check_recipient(one: Recipient, position: int | None = None) -> None:
    """Raise :class:`InvalidRequestError` unless the number and the custom id can be sent."""
    mobile, custom_id = one.mobile, one.custom_id
    if not (isinstance(mobile, str) and _MOBILE.fullmatch(mobile)):
        raise InvalidRequestError(
            "mobile", "must be 11 digits and begin with 1", 11, _described(mobile), position
        )
    if custom_id is not None:
        check_text("custom_id", custom_id, MAX_CUSTOM_ID, position)
        if "," in custom_id:
            place = f"one in place {custom_id.index(',')}"
            raise InvalidRequestError("custom_id", "must not contain a comma", None, place, position)


def _described(mobile: object) -> str:
    """Tell what is known of a number that is none, without showing it."""
    if not isinstance(mobile, str):
        return type(mobile).__name__
    found = f"{len(mobile)} characters"
    if _SCIENTIFIC.fullmatch(plain(mobile)):
        return f"{found} in scientific notation, which has lost digits"
    return found


def is_number(item: object) -> bool:
    """Tell whether it is a mobile number, in a plain str, that can be sent to as it is."""
    return type(item) is str and _MOBILE.fullmatch(item) is not None


def are_numbers(items: Sequence[object]) -> bool:
    """Tell whether each one is a number as :func:`is_number` says, in a third of the time of asking it of each."""
    if set(map(type, items)) != {str} or set(map(len, cast("Sequence[str]", items))) != {_DIGITS}:
        return False
    together = "".join(cast("Sequence[str]", items))
    return together.isascii() and together.isdecimal() and set(together[::_DIGITS]) == {"1"}


def check_all(items: Sequence[object], check: Callable[[Recipient, int], None] = check_recipient) -> None:
    """Check a whole list: every recipient, and that no custom id occurs twice."""
    seen: dict[str, int] = {}
    for start in range(0, len(items), MAX_BATCH):
        part = items[start : start + MAX_BATCH]
        if check is check_recipient and are_numbers(part):
            continue
        for position, item in enumerate(part, start):
            one = recipient(item)
            check(one, position)
            check_fresh(one, position, seen)


def check_fresh(one: Recipient, position: int, seen: dict[str, int]) -> None:
    """Raise unless the custom id is not yet in ``seen`` (id -> position), and put it there."""
    if one.custom_id is None:
        return
    first = seen.setdefault(one.custom_id, position)
    if first != position:
        raise InvalidRequestError(
            "custom_id", "must not be repeated", None, f"the one at position {first} again", position
        )


def identified(batch: Sequence[str | Recipient], token: str) -> tuple[Recipient, ...]:
    """Give those without a custom id one that is made of ``token`` and the place in the batch."""
    # Up to the service's 500 the ends of the ids are there already: a sixth off the whole.
    places = _PLACES[: len(batch)] if len(batch) <= MAX_BATCH else map("-{}".format, range(len(batch)))
    custom_ids = [token + place for place in places]
    if set(map(type, batch)) == {str}:
        # Nearly always; together they take half of the time.
        return frozen_as(Recipient, map(_RecipientFields, cast("Sequence[str]", batch), custom_ids))
    return tuple(
        [
            one
            if isinstance(one, Recipient) and one.custom_id is not None
            else _made(one if isinstance(one, str) else one.mobile, custom_id)
            for one, custom_id in zip(batch, custom_ids, strict=True)
        ]
    )


def _made(mobile: str, custom_id: str | None = None) -> Recipient:
    """Make a recipient at half the price of ``Recipient(...)``: frozen by changing its class."""
    made = _RecipientFields(mobile, custom_id)
    made.__class__ = Recipient
    return made  # type: ignore[return-value]
