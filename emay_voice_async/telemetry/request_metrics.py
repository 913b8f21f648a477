"""Metrics of a client, made out of events: histograms, counters, and gauges of the rate limit."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from attrs import define, field
from opentelemetry.metrics import Observation

from emay_voice_async.events.values import (
    BatchEnded,
    Event,
    LateAnswer,
    ReportsTaken,
    RequestAnswered,
    RequestNotSent,
    RequestRefused,
    RequestRetried,
    RequestSent,
    RequestUnknown,
    SlotWaited,
)
from emay_voice_async.model.endpoints import Call
from emay_voice_async.model.limits import RateLimit, RateLimits
from emay_voice_async.telemetry import attributes as names
from emay_voice_async.telemetry.instruments import Instruments

__all__ = ["UNREADABLE", "RequestMetrics"]

UNREADABLE: Final = "UNREADABLE"
"""The state of reports that could not be read, in the counter of reports."""


@define(eq=False)
class _Slots:
    """The slots of one kind of call: taken by requests in flight, and by requests that ended within the period."""

    limit: RateLimit | None = None
    in_flight: int = 0
    ends: deque[float] = field(factory=deque)

    def in_use(self, now: float) -> int:
        """Count the slots in use."""
        period = 0.0 if self.limit is None else self.limit.period
        # A copy: this method is called by the thread of an exporter.
        return self.in_flight + sum(now - end < period for end in tuple(self.ends))

    def end(self, now: float) -> None:
        """Count a request that ended now, and drop the requests whose slot is free again."""
        self.in_flight -= 1
        if self.limit is not None:
            self.ends.append(now)
            while now - self.ends[0] >= self.limit.period:
                self.ends.popleft()


@define(eq=False)
class RequestMetrics:
    """A handler of the events of a client that makes metrics; ``limits`` returns the limits in force."""

    _instruments: Instruments
    _limits: Callable[[], RateLimits]
    _attributes: Mapping[str, Any]
    _slots: Mapping[Call, _Slots] = field(init=False)
    _in_flight: set[str] = field(factory=set, init=False)
    _clock: Callable[[], float] = field(default=time.monotonic, init=False)
    _by_kind: Mapping[type[Event], Callable[[Any], None]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        limits = self._limits()
        self._slots = {call: _Slots(limits.of(call)) for call in Call}
        self._by_kind = {
            SlotWaited: self._wait,
            RequestSent: self._send,
            RequestRetried: lambda event: self._end(
                event, "retried", event.code or event.cause or event.error
            ),
            RequestAnswered: lambda event: self._end(event, "accepted"),
            RequestRefused: lambda event: self._end(event, "refused", event.code),
            RequestUnknown: lambda event: self._end(event, "unknown", event.cause or event.error),
            RequestNotSent: lambda event: self._end(event, "not_sent", event.cause or event.error),
            LateAnswer: self._count_late,
            BatchEnded: self._count_numbers,
            ReportsTaken: self._count_reports,
        }
        self._instruments.register(self)

    def __call__(self, event: Event) -> None:
        """Record an event."""
        handle = self._by_kind.get(type(event))
        if handle is not None:
            handle(event)

    def limits(self) -> Iterator[Observation]:
        """Yield the limit of each limited kind of call, as of the last request."""
        for call, slots in self._slots.items():
            if (limit := slots.limit) is not None:
                yield Observation(limit.requests, {**self._attributes, names.CALL: call.value})

    def slots_in_use(self) -> Iterator[Observation]:
        """Yield the slots in use of each kind of call."""
        now = self._clock()
        for call, slots in self._slots.items():
            yield Observation(slots.in_use(now), {**self._attributes, names.CALL: call.value})

    def _named(self, event: Any) -> dict[str, Any]:
        return {**self._attributes, names.ENDPOINT: event.path, names.PRODUCT: event.product.value}

    def _wait(self, event: SlotWaited) -> None:
        self._instruments.slot_wait.record(
            event.seconds, {**self._named(event), names.CALL: event.call.value}
        )

    def _send(self, event: RequestSent) -> None:
        self._clock = asyncio.get_running_loop().time
        self._in_flight.add(event.request_id)
        slots = self._slots[event.call]
        slots.in_flight += 1
        slots.limit = self._limits().of(event.call)

    def _end(self, event: Any, outcome: str, error_type: str = "") -> None:
        if event.request_id not in self._in_flight:
            # Never sent, or sent before the client was instrumented.
            return
        self._in_flight.remove(event.request_id)
        self._slots[event.call].end(self._clock())
        found = {**self._named(event), names.CALL: event.call.value, names.OUTCOME: outcome}
        if error_type:
            found[names.ERROR_TYPE] = error_type
        self._instruments.request_duration.record(event.seconds, found)

    def _count_late(self, event: LateAnswer) -> None:
        self._instruments.late_answers.add(1, {**self._named(event), names.OUTCOME: event.outcome})

    def _count_numbers(self, event: BatchEnded) -> None:
        if not event.recorded:
            # Recorded numbers were counted by the run that sent them.
            self._instruments.numbers.add(event.numbers, {**self._named(event), names.OUTCOME: event.outcome})

    def _count_reports(self, event: ReportsTaken) -> None:
        found = {**self._attributes, names.PRODUCT: event.product.value, names.SOURCE: "request"}
        for state, number in event.states.items():
            self._instruments.reports.add(number, {**found, names.STATE: state.value})
        if event.broken:
            self._instruments.reports.add(event.broken, {**found, names.STATE: UNREADABLE})
