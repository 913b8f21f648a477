"""Objects that are filled as plain ones and frozen afterwards: much cheaper to make, and no less frozen.

A frozen class of attrs is three times as dear to make as a plain one, and there are 500 tickets to a
send, 1,000 reports to an answer. So the fields stand in a plain class with the same slots, and an
object that was filled as one of those is frozen by changing its class.
"""

from collections.abc import Iterable
from typing import TypeVar

__all__ = ["frozen_as"]

_Frozen = TypeVar("_Frozen")


def frozen_as(kind: type[_Frozen], filled: Iterable[object]) -> tuple[_Frozen, ...]:
    """Make frozen objects of what was filled as the class that ``kind`` has its slots from."""
    made = tuple(filled)
    for one in made:
        one.__class__ = kind
    return made  # type: ignore[return-value]
