"""A handler that keeps all events, and the rules that every sequence of events must keep."""

from collections import Counter, defaultdict
from typing import Any

from emay_voice_async.events import (
    BatchEnded,
    Event,
    LateAnswer,
    PushAnswered,
    PushEvent,
    PushReceived,
    RequestAnswered,
    RequestNotSent,
    RequestRefused,
    RequestRetried,
    RequestSent,
    RequestUnknown,
    SendEnded,
    SendStarted,
)

ENDS = (RequestAnswered, RequestRefused, RequestUnknown, RequestNotSent)


class EventLog(list[Event]):
    """All events in order."""

    def __call__(self, event: Event) -> None:
        """Keep an event."""
        self.append(event)

    def of(self, *kinds: type[Any]) -> list[Any]:
        """List the events of these classes."""
        return [event for event in self if isinstance(event, kinds)]

    def names(self) -> list[str]:
        """List the names of the classes."""
        return [type(event).__name__ for event in self]

    def check(self) -> None:
        """Fail unless every request, send and push has a single end, at the right place."""
        self._check_requests()
        self._check_sends()
        self._check_pushes()

    def _check_requests(self) -> None:
        """Check that each attempt has a single end, and each request a single end, as the last event."""
        running: dict[str, int] = {}
        ended: Counter[str] = Counter()
        unknown: set[str] = set()
        for event in self:
            key = event.request_id
            if isinstance(event, RequestSent):
                assert key not in {*running, *ended}, event
                running[key] = event.attempt
            elif isinstance(event, RequestRetried):
                assert running.pop(key) == event.attempt
                assert event.seconds >= 0
            elif isinstance(event, ENDS):
                ended[key] += 1
                assert ended[key] == 1, event
                if isinstance(event, RequestNotSent) and event.seconds is None:
                    assert key not in running
                else:
                    assert running.pop(key) == event.attempt
                    assert event.seconds is not None
                    assert event.seconds >= 0
                if isinstance(event, RequestUnknown):
                    unknown.add(key)
            elif isinstance(event, LateAnswer):
                unknown.remove(key)
        assert not running

    def _check_sends(self) -> None:
        """Check that a send begins and ends once, counts each number once, and that no event comes after its end."""
        places: dict[str, list[int]] = defaultdict(list)
        for place, event in enumerate(self):
            if not isinstance(event, LateAnswer):
                places[getattr(event, "send_id", "") or event.request_id].append(place)
        starts = {event.request_id: event for event in self.of(SendStarted)}
        ends: dict[str, Any] = {event.request_id: event for event in self.of(SendEnded)}
        assert starts.keys() == ends.keys()
        assert len(self.of(SendStarted, SendEnded)) == 2 * len(starts)
        for key, end in ends.items():
            assert self[places[key][0]] is starts[key]
            assert self.index(end) == places[key][-1]
            batches = [event for event in self.of(BatchEnded) if event.send_id == key]
            assert len({batch.request_id for batch in batches}) == len(batches)
            counts = Counter[str]()
            for batch in batches:
                counts[batch.outcome] += batch.numbers
            assert counts == +Counter(
                accepted=end.accepted, refused=end.refused, unknown=end.unknown, not_sent=end.not_sent
            )

    def _check_pushes(self) -> None:
        """Check that the events of a push begin with its arrival and end with the answer."""
        pushes: dict[str, list[Event]] = defaultdict(list)
        for event in self.of(PushEvent):
            pushes[event.request_id].append(event)
        for events in pushes.values():
            assert isinstance(events[0], PushReceived)
            assert isinstance(events[-1], PushAnswered)
            assert len([event for event in events if isinstance(event, PushReceived | PushAnswered)]) == 2
            assert {event.app_id for event in events[1:]} == {events[-1].app_id}  # type: ignore[attr-defined]


def numbers_of(log: EventLog) -> int:
    """Count the numbers of all batches."""
    return sum(event.numbers for event in log.of(BatchEnded))
