"""Calling hours: the times of a day at which people may be called."""

import math
import re
from datetime import UTC, datetime
from typing import Final

from attrs import field, frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.checks import check_text

__all__ = ["CallingHours"]

_SPAN: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*[-–]\s*([0-9]{1,2}):([0-9]{2})")
_DAY: Final = 86_400
_RULE: Final = 'must be spans such as "08:00-20:00" or "09:00-12:00,14:00-21:00"'


def _spans(hours: str) -> tuple[tuple[int, int], ...]:
    """Read spans of a day as (first second, second after the last), split at midnight."""
    check_text("hours", hours)
    spans: list[tuple[int, int]] = []
    for number, text in enumerate(hours.split(",")):
        found = _SPAN.fullmatch(text.strip())
        if found is None:
            raise InvalidRequestError("hours", _RULE, None, f"{len(text)} characters", number)
        hour, minute, end_hour, end_minute = map(int, found.groups())
        start, end = hour * 60 + minute, end_hour * 60 + end_minute
        if minute > 59 or end_minute > 59 or start >= 1440 or end > 1440 or start == end:
            raise InvalidRequestError(
                "hours", "must be times of a day, from 00:00 to 24:00", None, None, number
            )
        pieces = ((start, end),) if start < end else ((start, 1440), (0, end))
        spans += [(first * 60, last * 60) for first, last in pieces if first < last]
    return _merged(spans)


def _merged(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sort spans, and join spans that overlap or touch."""
    merged: list[tuple[int, int]] = []
    for span in sorted(spans):
        if merged and span[0] <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], span[1])
        else:
            merged.append(span)
    return tuple(merged)


@frozen
class CallingHours:
    """The hours of each day at which people may be called, in Beijing time: ``CallingHours("08:00-20:00")``.

    ``hours`` has one or more spans, separated by commas; in "20:00-08:00" the span runs over midnight.
    """

    hours: str
    _parts: tuple[tuple[int, int], ...] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_parts", _spans(self.hours))

    def __str__(self) -> str:
        return f"{self.hours} (Beijing time)"

    def wait(self, at: float) -> float:
        """Return the seconds from ``at`` (POSIX seconds) until people may be called; 0: at once."""
        second = _second_of_day(at)
        if any(start <= second < end for start, end in self._parts):
            return 0.0
        return min((start - second) % _DAY for start, _ in self._parts)

    def left(self, at: float) -> float:
        """Return the seconds from ``at`` to the end of the current span; 0 outside of the calling hours."""
        second = _second_of_day(at)
        left = 0.0
        # A span that ends at midnight goes on with the span that begins at midnight.
        while left < _DAY and (ends := [e for s, e in self._parts if s <= (second + left) % _DAY < e]):
            left += max(ends) - (second + left) % _DAY
        return min(left, float(_DAY))

    def stretched(self, at: float, seconds: float) -> float:
        """Return the seconds from ``at`` until ``seconds`` of calling hours have passed."""
        # Every day has the same hours, so that whole days are computed. The last day is walked to the end.
        a_day = sum(end - start for start, end in self._parts)
        days = max(0, math.ceil(seconds / a_day) - 1)
        return days * _DAY + self._walked(at, seconds - days * a_day)

    def _walked(self, at: float, seconds: float) -> float:
        took = 0.0
        while True:
            took += self.wait(at + took)
            left = self.left(at + took)
            if seconds <= left or left >= _DAY:
                return took + seconds
            seconds -= left
            took += left


def _second_of_day(at: float) -> float:
    now = datetime.fromtimestamp(at, UTC).astimezone(BEIJING)
    return now.hour * 3600 + now.minute * 60 + now.second + now.microsecond / 1e6
