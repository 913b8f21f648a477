"""Whom to call: numbers and custom ids, and the checks of both."""

import re
from collections.abc import Iterable

from attrs import define, frozen

from emay_voice_async.endpoints import MAX_CUSTOM_ID
from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.messages import check_text

__all__ = ["Recipient", "check_all", "check_recipient", "identified", "mask", "recipient"]

_MOBILE = re.compile("1[0-9]{10}")


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


def check_recipient(one: Recipient, position: int) -> None:
    """Raise :class:`InvalidRequestError` unless the number and the custom id can be sent."""
    mobile, custom_id = one.mobile, one.custom_id
    if not (isinstance(mobile, str) and _MOBILE.fullmatch(mobile)):
        found = f"{len(mobile)} characters" if isinstance(mobile, str) else type(mobile).__name__
        raise InvalidRequestError("mobile", "must be 11 digits and begin with 1", 11, found, position)
    if custom_id is not None:
        check_text("custom_id", custom_id, MAX_CUSTOM_ID, position)
        if "," in custom_id:
            place = f"one in place {custom_id.index(',')}"
            raise InvalidRequestError("custom_id", "must not contain a comma", None, place, position)


def check_all(items: Iterable[object]) -> None:
    """Check a whole list: every recipient, and that no custom id occurs twice."""
    seen: dict[str, int] = {}
    for position, item in enumerate(items):
        one = recipient(item)
        check_recipient(one, position)
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


def identified(batch: Iterable[Recipient], token: str) -> tuple[Recipient, ...]:
    """Give those without a custom id one that is made of ``token`` and the place in the batch."""
    return tuple(
        [
            one if one.custom_id is not None else _made(one.mobile, f"{token}-{place}")
            for place, one in enumerate(batch)
        ]
    )


def _made(mobile: str, custom_id: str | None = None) -> Recipient:
    """Make a recipient at half the price of ``Recipient(...)``: frozen by changing its class."""
    made = _RecipientFields(mobile, custom_id)
    made.__class__ = Recipient
    return made  # type: ignore[return-value]
