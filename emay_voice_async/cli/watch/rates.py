"""The speed of a campaign, and when it will end."""

from collections import deque
from itertools import pairwise
from typing import Final

from attrs import define, field, frozen

__all__ = ["RateMeter", "RateSample"]

SPAN: Final = 120.0
"""Seconds over which the present rate is measured."""
MOST: Final = 240
"""Samples that are kept; a new sample within the same interval replaces the last one."""
INTERVAL: Final = 5.0
"""Seconds between two samples."""


@frozen
class RateSample:
    """How many numbers were settled at an instant, in seconds of any steady clock."""

    at: float
    settled: int


@define
class RateMeter:
    """Measures how fast numbers are settled; the memory is bounded."""

    _samples: deque[RateSample] = field(factory=lambda: deque(maxlen=MOST))

    def add(self, at: float, settled: int) -> None:
        """Add a count."""
        if len(self._samples) > 1 and at - self._samples[-2].at < INTERVAL:
            self._samples.pop()
        self._samples.append(RateSample(at, settled))

    @property
    def per_minute(self) -> float | None:
        """Return the numbers per minute over the last two minutes; None: not known yet."""
        if len(self._samples) < 2:
            return None
        last = self._samples[-1]
        first = next(one for one in self._samples if last.at - one.at <= SPAN)
        if first is last:
            first = self._samples[-2]
        return (
            max(0.0, (last.settled - first.settled) / (last.at - first.at) * 60)
            if last.at > first.at
            else None
        )

    def seconds_left(self, left: int) -> float | None:
        """Return the seconds until ``left`` more numbers are settled; None: not known."""
        rate = self.per_minute
        if left <= 0:
            return 0.0
        return left / rate * 60 if rate else None

    def history(self) -> list[tuple[float, float]]:
        """Return pairs of seconds before the last sample and numbers per minute, the oldest first."""
        samples = list(self._samples)
        return [
            (
                samples[-1].at - after.at,
                max(0.0, (after.settled - before.settled) / (after.at - before.at) * 60),
            )
            for before, after in pairwise(samples)
            if after.at > before.at
        ]
