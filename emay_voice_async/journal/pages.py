"""Iterables of any length in pages, in flat memory."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from emay_voice_async.journal.protocol import REPORTS_PAGE

__all__ = ["pages_of"]

_Item = TypeVar("_Item")


def pages_of(items: Iterable[_Item], size: int = REPORTS_PAGE) -> Iterator[list[_Item]]:
    """Yield the items in lists of ``size``; the last list may be shorter, and none is empty."""
    iterator = iter(items)
    while page := list(islice(iterator, size)):
        yield page
