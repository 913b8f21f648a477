"""Metrics of a receiver, made out of events."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from emay_voice_async.events.values import DuplicatesSkipped, Event, PushAnswered, PushRejected
from emay_voice_async.telemetry import attributes as names
from emay_voice_async.telemetry.instruments import Instruments
from emay_voice_async.telemetry.request_metrics import UNREADABLE

__all__ = ["PushMetrics"]


@define(eq=False)
class PushMetrics:
    """A handler of the events of a receiver that makes metrics."""

    _instruments: Instruments
    _by_kind: Mapping[type[Event], Callable[[Any], None]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._by_kind = {
            PushAnswered: self._count_push,
            PushRejected: self._count_broken,
            DuplicatesSkipped: self._count_duplicates,
        }

    def __call__(self, event: Event) -> None:
        """Record an event."""
        handle = self._by_kind.get(type(event))
        if handle is not None:
            handle(event)

    def _count_push(self, event: PushAnswered) -> None:
        found = _account(event.app_id)
        for state, number in event.states.items():
            attributes = {**found, names.SOURCE: "push", names.STATE: state.value}
            self._instruments.reports.add(number, attributes)
        if event.status is not None:
            found[names.STATUS] = event.status
        if event.error:
            found[names.ERROR_TYPE] = event.error
        self._instruments.pushes.add(1, found)

    def _count_broken(self, event: PushRejected) -> None:
        if event.broken:
            attributes = {**_account(event.app_id), names.SOURCE: "push", names.STATE: UNREADABLE}
            self._instruments.reports.add(event.broken, attributes)

    def _count_duplicates(self, event: DuplicatesSkipped) -> None:
        self._instruments.duplicates.add(event.reports, _account(event.app_id))


def _account(app_id: str) -> dict[str, Any]:
    return {names.APP_ID: app_id} if app_id else {}
