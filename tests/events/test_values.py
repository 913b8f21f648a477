"""The values of events."""

import copy
import pickle
from typing import Any

import attrs
import pytest

from emay_voice_async import events
from emay_voice_async.events import Event, ReportsTaken, SlotWaited, values
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import Call, Product

CLASSES = [
    kind
    for kind in (getattr(events, name) for name in events.__all__)
    if isinstance(kind, type) and issubclass(kind, Event)
]
VALUES: dict[str, Any] = {
    "product": Product.VOICE,
    "call": Call.SEND,
    "states": {CallState.SUCCESS: 2},
    "outcome": "accepted",
}


def example(kind: type[Any]) -> Event:
    """Make an event of a class."""
    event = kind(**{one.name: VALUES.get(one.name, 1) for one in attrs.fields(kind)})
    assert isinstance(event, Event)
    return event


def test_all_classes_are_found() -> None:
    """The face of the package lists all public classes of the module of the values."""
    public = {
        name
        for name, value in vars(values).items()
        if isinstance(value, type) and value.__module__ == values.__name__
    }
    assert public == {kind.__name__ for kind in CLASSES}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
class TestEachClass:
    """Every class of events."""

    def test_frozen_values(self, kind: type[Any]) -> None:
        """An event is a frozen, hashable value, equal to its copies, by keywords only."""
        event = example(kind)
        assert event == copy.copy(event) == pickle.loads(pickle.dumps(event))  # noqa: S301 - our own
        assert hash(event) == hash(copy.copy(event))
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            event.request_id = "2"  # type: ignore[misc]
        with pytest.raises(TypeError):
            kind("1")

    def test_no_field_for_people(self, kind: type[Any]) -> None:
        """No field is meant for a number, a custom id, a message id, content or a secret."""
        names = {one.name for one in attrs.fields(kind)}
        allowed = {
            "accepted", "app_id", "attempt", "broken", "call", "cause", "code", "complete", "error", "not_sent",
            "numbers", "outcome", "path", "pause", "product", "recorded", "refused", "reports", "request_id",
            "seconds", "send_id", "stage", "states", "status", "unknown",
        }  # fmt: skip
        assert names <= allowed


def test_a_pattern() -> None:
    """Events are taken apart by patterns."""
    match example(SlotWaited):
        case SlotWaited(seconds=seconds):
            assert seconds == 1
        case _:
            raise AssertionError
    assert example(ReportsTaken) != example(SlotWaited)


def test_an_unknown_name() -> None:
    """The face has no other names."""
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = events.nothing
    assert {"log_fields", "SlotWaited"} <= set(dir(events))
