"""Recipients gathered for requests: of a message in input order, of a template by equal texts."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from emay_voice_async.journal.protocol import Key
from emay_voice_async.model.messages import Message
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.templates import Template, Texts

__all__ = [
    "LOOK_AHEAD",
    "Gathered",
    "Gatherer",
    "MessageGatherer",
    "TemplateGatherer",
    "TextGroups",
    "gatherer",
]

LOOK_AHEAD: Final = 50_000
"""Recipients of a template that wait for others with equal texts, at about 1,100 bytes each.

As long as at most 100 different texts are open at a time, each request is full but the last of each text.
"""

_Item = TypeVar("_Item")
_NO_TEXTS: Final[dict[str, str]] = {}


class Gathered(NamedTuple):
    """Recipients of one request, with their keys in the journal; ``message`` None: beyond ``max_calls``."""

    entries: Sequence[str | Recipient]
    keys: Sequence[Key]
    message: Message | None


class Gatherer(Protocol):
    """Gathers recipients for requests."""

    def add(self, entries: Sequence[str | Recipient], keys: Sequence[Key]) -> None:
        """Add the next recipients; ``keys`` is empty without a journal."""
        ...

    def take(self, *, ended: bool) -> Gathered | None:
        """Return the recipients of the next request, or None if more recipients are wanted first.

        ``ended``: no more recipients come.
        """
        ...


def gatherer(message: Message | Template, size: int, max_calls: int | None) -> Gatherer:
    """Return the gatherer of a message, for requests of up to ``size`` recipients."""
    if isinstance(message, Template):
        return TemplateGatherer(message, size, max_calls)
    return MessageGatherer(message, size, max_calls)


class MessageGatherer:
    """Cuts the recipients of one message in input order; after ``max_calls`` recipients the rest is not sent to."""

    def __init__(self, message: Message, size: int, max_calls: int | None) -> None:
        self._message = message
        self._size = size
        self._calls_left = max_calls
        self._entries: list[str | Recipient] = []
        self._keys: list[Key] = []

    def add(self, entries: Sequence[str | Recipient], keys: Sequence[Key]) -> None:
        """Add the next recipients."""
        self._entries += entries
        self._keys += keys

    def take(self, *, ended: bool) -> Gathered | None:
        """Return the next ``size`` recipients, or fewer at the end and at ``max_calls``."""
        if len(self._entries) < (1 if ended else self._size):
            return None
        if self._calls_left == 0:
            return Gathered(*self._cut(self._size), None)
        size = self._size if self._calls_left is None else min(self._size, self._calls_left)
        entries, keys = self._cut(size)
        if self._calls_left is not None:
            self._calls_left -= len(entries)
        return Gathered(entries, keys, self._message)

    def _cut(self, size: int) -> tuple[list[str | Recipient], list[Key]]:
        cut = self._entries[:size], self._keys[:size]
        del self._entries[:size], self._keys[:size]
        return cut


class TextGroups(Generic[_Item]):
    """Items grouped by equal texts, in groups of up to ``size``.

    At most ``look_ahead`` items wait for others, besides those that were added since the last :meth:`take`. Beyond that
    the group that was begun first is taken, although it is not full.
    """

    def __init__(self, size: int, look_ahead: int = LOOK_AHEAD) -> None:
        self._size = size
        self._look_ahead = look_ahead
        # Not a dict, in which each search for the first key passes over all keys that were removed before.
        self._open: OrderedDict[Texts, list[_Item]] = OrderedDict()
        self._waiting = 0
        self._full: deque[tuple[Texts, list[_Item]]] = deque()

    def __len__(self) -> int:
        """Return the number of groups that are still to be taken."""
        return len(self._full) + len(self._open)

    def add(self, texts: Texts, item: _Item) -> None:
        """Add an item to the group of these texts."""
        group = self._open.get(texts)
        if group is None:
            group = self._open[texts] = []
        group.append(item)
        self._waiting += 1
        if len(group) == self._size:
            self._full.append((texts, self._open.pop(texts)))
            self._waiting -= self._size

    def take(self, *, ended: bool) -> tuple[Texts, list[_Item]] | None:
        """Return a full group, or the oldest group if the input has ended or too many items wait; else None."""
        if self._full:
            return self._full.popleft()
        if not self._open or not (ended or self._waiting > self._look_ahead):
            return None
        texts, group = self._open.popitem(last=False)
        self._waiting -= len(group)
        return texts, group


class TemplateGatherer:
    """Gathers recipients with equal texts; of the input, the first ``max_calls`` recipients are sent to."""

    def __init__(
        self, template: Template, size: int, max_calls: int | None, look_ahead: int = LOOK_AHEAD
    ) -> None:
        self._template = template
        self._size = size
        self._calls_left = max_calls
        # Entries, or with a journal pairs of entry and key: all that wait cost time in the garbage collector.
        self._groups: TextGroups[Any] = TextGroups(size, look_ahead)
        self._has_keys = False
        self._rest: deque[Gathered] = deque()

    def add(self, entries: Sequence[str | Recipient], keys: Sequence[Key]) -> None:
        """Add the next recipients, each to the group of the same texts."""
        if self._calls_left is not None:
            rest = Gathered(entries[self._calls_left :], keys[self._calls_left :], None)
            entries, keys = entries[: self._calls_left], keys[: self._calls_left]
            self._calls_left -= len(entries)
            self._rest += [rest] if rest.entries else []
        self._has_keys = self._has_keys or bool(keys)
        items: Iterable[Any] = zip(entries, keys, strict=True) if self._has_keys else entries
        for entry, item in zip(entries, items, strict=True):
            fields = _NO_TEXTS if isinstance(entry, str) else entry.fields
            self._groups.add(self._template.texts(fields), item)

    def take(self, *, ended: bool) -> Gathered | None:
        """Return a full group; or the oldest group, if no recipient can be added or too many wait."""
        if self._rest:
            return self._rest.popleft()
        taken = self._groups.take(ended=ended or self._calls_left == 0)
        if taken is None:
            return None
        texts, group = taken
        entries, keys = zip(*group, strict=True) if self._has_keys else (group, ())
        return Gathered(entries, keys, self._template.message(texts))
