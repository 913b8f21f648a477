"""Interleaved runs; medians and ratios with the spread."""

import gc
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median, quantiles
from typing import Final

from attrs import frozen

__all__ = ["Ratio", "interleaved", "ratio"]

_FEWEST: Final = 2


@frozen
class Ratio:
    """The ratio of two contestants: the median of the rounds, and the middle half."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f}-{self.high:.2f})"


async def interleaved(
    contestants: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    each: int = 1,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[float]]:
    """Run each contestant once a round, in turn; return the seconds of one of the ``each`` operations.

    A contestant is called, and an awaitable result is awaited. The first round warms up and does not count.
    Each round begins with another contestant.
    """
    names = list(contestants)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-1, rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            # Garbage of one contestant must not be collected in the time of the next.
            gc.collect()
            started = clock()
            result = contestants[name]()
            if inspect.isawaitable(result):
                await result
            seconds = clock() - started
            del result
            if number >= 0:
                samples[name].append(seconds / each)
    return samples


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Compare round by round: load that slows a whole round cancels out."""
    found = [one / other for one, other in zip(ours, theirs, strict=True)]
    if len(found) < _FEWEST:
        return Ratio(found[0], found[0], found[0])
    low, _, high = quantiles(found, n=4, method="inclusive")
    return Ratio(median(found), low, high)
