"""Recipients: numbers and custom ids, and the checks of both."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Self, cast

from attrs import define, field, frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.checks import check_text
from emay_voice_async.model.endpoints import MAX_BATCH, MAX_CUSTOM_ID
from emay_voice_async.model.freezing import frozen_as
from emay_voice_async.model.numbers import MOBILE, are_numbers, mask, normalised, plain

__all__ = [
    "Recipient",
    "as_recipient",
    "check_all",
    "check_recipient",
    "check_unique_id",
    "identified",
    "made_recipients",
    "mobiles_of",
    "with_custom_id",
]

_SEPARATORS = re.compile("[,;\\s、，；/|]+")
_SCIENTIFIC = re.compile(r"[0-9]+(?:[.,][0-9]*)?[eE][+-]?[0-9]+")


_NO_FIELDS: Final[Mapping[str, str]] = MappingProxyType({})


@define(eq=False, repr=False)
class _RecipientFields:
    mobile: str
    custom_id: str | None = None
    fields: Mapping[str, str] = field(default=_NO_FIELDS, hash=False)


# Slots are set directly, because a frozen __init__ of attrs is slower (benchmark: send).
_set_mobile, _set_custom_id, _set_fields = (
    cast("Any", getattr(_RecipientFields, name)).__set__ for name in ("mobile", "custom_id", "fields")
)


@frozen(repr=False, init=False)
class Recipient(_RecipientFields):
    """A number to call, the caller's own id for that call, and the fields of a template.

    ``mobile`` has 11 digits and begins with 1. ``custom_id`` has at most 64 characters and no comma, and
    comes back in the ticket and in the report. None: a unique id is made before the request is sent, so that the
    call can be found even if the response is lost. ``fields``: the texts for the placeholders of a template, by
    name; a read-only copy is kept, and no other message uses the fields.

    The check comes with the send, not with the constructor: so an invalid row in a stream of a million becomes a
    separate outcome and does not raise in the middle of the stream.
    """

    def __init__(
        self, mobile: str, custom_id: str | None = None, fields: Mapping[str, str] | None = None
    ) -> None:
        _set_mobile(self, mobile)
        _set_custom_id(self, custom_id)
        _set_fields(self, _NO_FIELDS if fields is None else _copied(fields))

    def __repr__(self) -> str:
        count = len(self.fields) if isinstance(self.fields, Mapping) else 0
        fields = f", fields=<{count}>" if count else ""
        return f"Recipient({mask(str(self.mobile))!r}, custom_id={self.custom_id!r}{fields})"

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        # A read-only mapping cannot be pickled.
        fields = dict(self.fields) if isinstance(self.fields, MappingProxyType) else self.fields
        return type(self), (self.mobile, self.custom_id, fields or None)


def _copied(fields: object) -> object:
    """Return a read-only copy of a mapping; another type is kept for the check, which knows the position."""
    return MappingProxyType(dict(fields)) if isinstance(fields, Mapping) else fields


def as_recipient(item: object) -> Recipient:
    """Return a :class:`Recipient` unchanged, and a mobile number as a recipient without a custom id."""
    if isinstance(item, Recipient):
        return item
    # A wrong type is kept here and refused by check_recipient, which knows the position.
    return Recipient(item)  # type: ignore[arg-type]


def check_recipient(recipient: Recipient, position: int | None = None) -> None:
    """Raise :class:`InvalidRequestError` unless the number and the custom id can be sent."""
    mobile, custom_id = recipient.mobile, recipient.custom_id
    if not (isinstance(mobile, str) and MOBILE.fullmatch(mobile)):
        raise InvalidRequestError("mobile", _rule(mobile), 11, _described(mobile), position)
    if custom_id is not None:
        check_text("custom_id", custom_id, MAX_CUSTOM_ID, position)
        if "," in custom_id:
            place = f"one in place {custom_id.index(',')}"
            raise InvalidRequestError("custom_id", "must not contain a comma", None, place, position)


def _rule(mobile: object) -> str:
    """Return the rule that an invalid number breaks, with the way to mend it."""
    if not isinstance(mobile, str):
        return "must be text, such as str(number)" if _is_number_like(mobile) else "must be text"
    if sum(MOBILE.fullmatch(normalised(part)) is not None for part in _SEPARATORS.split(mobile)) > 1:
        return "must be a single number: give a list, not one string, such as text.split(',')"
    if MOBILE.fullmatch(normalised(mobile)):
        return "must be 11 digits and begin with 1: use normalised(text) from emay_voice_async.lists"
    return "must be 11 digits and begin with 1"


def _is_number_like(value: object) -> bool:
    """Return whether the value is an int or a float, of Python, numpy or pandas."""
    return not isinstance(value, bool) and any(
        hasattr(value, name) for name in ("__index__", "__float__", "__int__")
    )


def _described(mobile: object) -> str:
    """Describe an invalid number without showing the digits."""
    if not isinstance(mobile, str):
        return type(mobile).__name__
    found = f"{len(mobile)} characters"
    if _SCIENTIFIC.fullmatch(plain(mobile)):
        return f"{found} in scientific notation, which has lost digits"
    return found


def check_all(
    items: Sequence[object],
    check: Callable[[Recipient, int], None] = check_recipient,
    *,
    places: range | None = None,
    custom_ids: dict[str, int] | None = None,
) -> bool:
    """Check a list: every recipient, and that no custom id occurs twice; return whether all entries are numbers.

    ``places``: check this part only; ``custom_ids`` then holds the ids of the parts before (id -> position).
    """
    places = range(len(items)) if places is None else places
    custom_ids = {} if custom_ids is None else custom_ids
    all_numbers = True
    for start in range(places.start, places.stop, MAX_BATCH):
        part = items[start : min(start + MAX_BATCH, places.stop)]
        if check is check_recipient and are_numbers(part):
            continue
        all_numbers = False
        for position, item in enumerate(part, start):
            recipient = as_recipient(item)
            check(recipient, position)
            check_unique_id(recipient, position, custom_ids)
    return all_numbers


def check_unique_id(recipient: Recipient, position: int, custom_ids: dict[str, int]) -> None:
    """Raise if the custom id is in ``custom_ids`` (id -> position) already; else add the id."""
    if recipient.custom_id is None:
        return
    first = custom_ids.setdefault(recipient.custom_id, position)
    if first != position:
        raise InvalidRequestError(
            "custom_id", "must not be repeated", None, f"the one at position {first} again", position
        )


def mobiles_of(entries: Sequence[str | Recipient], *, all_numbers: bool = False) -> tuple[str, ...] | None:
    """Return the entries if all are plain numbers, else None; ``all_numbers``: they are known to be numbers."""
    if all_numbers or set(map(type, entries)) <= {str}:
        return cast("tuple[str, ...]", tuple(entries))
    return None


def made_recipients(mobiles: Iterable[str], custom_ids: Iterable[str]) -> tuple[Recipient, ...]:
    """Make many recipients without the cost of ``Recipient(...)`` (benchmark: send)."""
    return frozen_as(Recipient, map(_RecipientFields, mobiles, custom_ids))


def with_custom_id(entry: str | Recipient, custom_id: str) -> Recipient:
    """Return a recipient with ``custom_id``, unless it has an id."""
    if isinstance(entry, str):
        return Recipient(entry, custom_id)
    return entry if entry.custom_id is not None else identified(entry, custom_id)


def identified(recipient: Recipient, custom_id: str | None) -> Recipient:
    """Return the recipient with another custom id."""
    [changed] = frozen_as(Recipient, [_RecipientFields(recipient.mobile, custom_id, recipient.fields)])
    return changed
