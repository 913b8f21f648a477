"""The columns of a picture over time: quarters of an hour, or longer spans if there are too many."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen

from emay_voice_async.cli.report.results import QUARTER, Quarter
from emay_voice_async.model.beijing import BEIJING

__all__ = ["MAX_SPANS", "Span", "spans_of", "time_labels"]

MAX_SPANS: Final = 96
_LENGTHS: Final = tuple(timedelta(hours=hours) for hours in (0.25, 1, 4, 24, 24 * 7, 24 * 28, 24 * 365))
_STEPS: Final = (1, 2, 4, 8, 12, 16, 24, 48, 96)
_LONGEST_GAP: Final = 3
_DAY: Final = timedelta(days=1)


@frozen
class Span:
    """The calls of a span of time; ``at`` is None for a gap of many spans without calls."""

    at: datetime | None
    calls: Quarter = field(factory=Quarter)


def spans_of(quarters: Mapping[datetime, Quarter]) -> tuple[timedelta, list[Span]]:
    """Return the length of a span, and the spans in order: at most :data:`MAX_SPANS`.

    Up to three spans without calls are shown; a longer pause, such as a night, is one gap. With too many spans even
    of the longest length, the first ones are left out.
    """
    length, spans = QUARTER, list[Span]()
    for length in _LENGTHS:
        spans = _without_pauses(_summed(quarters, length), length)
        if len(spans) <= MAX_SPANS:
            break
    return length, spans[-MAX_SPANS:]


def time_labels(length: timedelta, spans: Sequence[Span], most: int) -> list[str]:
    """Return a label for each span, many of them empty: about ``most`` have a time or, of a new day, a date."""
    step = next(step for step in _STEPS if len(spans) <= step * most)
    labels, last, day = list[str](), -step, None
    several = len({span.at.date() for span in spans if span.at is not None}) > 1
    for place, span in enumerate(spans):
        at, label = span.at, ""
        if at is None:
            label = "…"
        elif several and length < _DAY and at.date() != day and place - last >= step:
            label = f"{at:%m-%d}"
        elif length >= _DAY:
            label = f"{at:%m-%d}" if place - last >= step else ""
        elif _begin(at, length * step) == at and place - last >= step:
            label = f"{at:%H:%M}"
        if at is not None and label:
            last, day = place, at.date()
        labels.append(label)
    return labels


def _summed(quarters: Mapping[datetime, Quarter], length: timedelta) -> dict[datetime, Quarter]:
    sums: dict[datetime, Quarter] = {}
    for at, calls in quarters.items():
        begun = _begin(at, length)
        before = sums.get(begun, Quarter())
        sums[begun] = Quarter(
            before.answered + calls.answered,
            before.failed + calls.failed,
            before.unreported + calls.unreported,
        )
    return dict(sorted(sums.items()))


def _begin(at: datetime, length: timedelta) -> datetime:
    """Return the begin of the span with an instant; days begin at midnight in Beijing."""
    # Beijing has had no change of clocks since 1991.
    local = at.astimezone(BEIJING).replace(tzinfo=None)
    since = local - datetime(1970, 1, 1)  # noqa: DTZ001 - local time
    return (local - since % length).replace(tzinfo=BEIJING)


def _without_pauses(sums: Mapping[datetime, Quarter], length: timedelta) -> list[Span]:
    spans: list[Span] = []
    last: datetime | None = None
    for at, calls in sums.items():
        if last is not None:
            missing = (at - last) // length - 1
            if missing > _LONGEST_GAP:
                spans.append(Span(None))
            else:
                spans.extend(Span(last + length * step) for step in range(1, missing + 1))
        spans.append(Span(at, calls))
        last = at
    return spans
