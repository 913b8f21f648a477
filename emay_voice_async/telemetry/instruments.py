"""The instruments of metrics: made once for each meter provider, and shared by all clients and receivers."""

from collections.abc import Iterable
from typing import Final, Protocol
from weakref import WeakKeyDictionary, ref

from opentelemetry.metrics import Counter, Histogram, MeterProvider, Observation

from emay_voice_async.model.version import __version__

__all__ = ["Gauged", "Instruments", "instruments_of"]

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""The buckets of the histograms, in seconds: a wait for a slot may take an hour."""


class Gauged(Protocol):
    """The source of the gauges of one client. Exporters ask in other threads."""

    def limits(self) -> Iterable[Observation]:
        """Return the limits in force."""
        ...

    def slots_in_use(self) -> Iterable[Observation]:
        """Return the number of slots in use."""
        ...


class Instruments:
    """The instruments of one meter provider."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter("emay_voice_async", __version__)
        self.slot_wait: Histogram = meter.create_histogram(
            "emay_voice.slot.wait",
            "s",
            "Time that requests waited for a slot of the rate limit",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.request_duration: Histogram = meter.create_histogram(
            "emay_voice.request.duration",
            "s",
            "Round trip of requests",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.numbers: Counter = meter.create_counter(
            "emay_voice.numbers", "{number}", "Numbers by outcome of their batch"
        )
        self.reports: Counter = meter.create_counter(
            "emay_voice.reports", "{report}", "Status reports by state"
        )
        self.duplicates: Counter = meter.create_counter(
            "emay_voice.reports.duplicates", "{report}", "Pushed reports that were handed over before"
        )
        self.pushes: Counter = meter.create_counter(
            "emay_voice.pushes", "{push}", "Pushes by status of the response"
        )
        self.late_answers: Counter = meter.create_counter(
            "emay_voice.late_answers", "{request}", "Responses after the outcome was unknown"
        )
        meter.create_observable_gauge(
            "emay_voice.rate_limit",
            [lambda _: [one for source in self._alive() for one in source.limits()]],
            "{request}",
            "Requests in a period that the rate limit allows at this moment",
        )
        meter.create_observable_gauge(
            "emay_voice.slots.in_use",
            [lambda _: [one for source in self._alive() for one in source.slots_in_use()]],
            "{request}",
            "Slots of the rate limit that are taken",
        )
        self._sources: tuple[ref[Gauged], ...] = ()

    def register(self, source: Gauged) -> None:
        """Register a source of gauges; it is dropped when it is garbage-collected."""
        self._sources = (*(one for one in self._sources if one() is not None), ref(source))

    def _alive(self) -> list[Gauged]:
        found = [one() for one in self._sources]
        return [one for one in found if one is not None]


_BY_PROVIDER: Final[WeakKeyDictionary[MeterProvider, Instruments]] = WeakKeyDictionary()


def instruments_of(provider: MeterProvider) -> Instruments:
    """Return the instruments of a provider: each name is made once."""
    if provider not in _BY_PROVIDER:
        _BY_PROVIDER[provider] = Instruments(provider)
    return _BY_PROVIDER[provider]
