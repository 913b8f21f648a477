"""Whom to call: numbers and custom ids, and the checks of both."""

import re
from collections.abc import Callable, Sequence
from typing import Final, cast

from attrs import define, frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.checks import check_text
from emay_voice_async.model.endpoints import MAX_BATCH, MAX_CUSTOM_ID
from emay_voice_async.model.freezing import frozen_as, frozen_one
from emay_voice_async.model.numbers import MOBILE, are_numbers, mask, plain

__all__ = [
    "Recipient",
    "check_all",
    "check_recipient",
    "identified",
    "recipient",
]

_PLACES: Final = tuple(f"-{place}" for place in range(MAX_BATCH))
"""Where in its batch a recipient stands, as it ends a custom id."""
_SCIENTIFIC = re.compile(r"[0-9]+(?:\.[0-9]*)?[eE][+-]?[0-9]+")


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


def check_recipient(one: Recipient, position: int | None = None) -> None:
    """Raise :class:`InvalidRequestError` unless the number and the custom id can be sent."""
    mobile, custom_id = one.mobile, one.custom_id
    if not (isinstance(mobile, str) and MOBILE.fullmatch(mobile)):
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
    """Make a recipient without the cost of ``Recipient(...)``."""
    return frozen_one(Recipient, _RecipientFields(mobile, custom_id))
