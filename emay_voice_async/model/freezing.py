"""Frozen objects at the price of plain ones, for tickets, reports and recipients.

A frozen class of attrs sets each field through ``object.__setattr__``, and a response can hold 1,000 reports.
So the fields stand in a plain class with slots, the frozen class adds no slot to them, and a filled object
becomes frozen by a change of its class (benchmarks: send, push). This module alone does that.
"""

from collections.abc import Iterable
from typing import TypeVar

__all__ = ["frozen_as"]

_Frozen = TypeVar("_Frozen")


def frozen_as(kind: type[_Frozen], filled: Iterable[object]) -> tuple[_Frozen, ...]:
    """Freeze filled objects as ``kind``, a subclass of their class without slots of its own."""
    made = tuple(filled)
    for instance in made:
        instance.__class__ = kind
    return made  # type: ignore[return-value]
