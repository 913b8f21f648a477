"""The states of a batch, and the table of transitions."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.model.results import Outcome
from emay_voice_async.sending.state import (
    ENDS,
    TRANSITIONS,
    BatchEvent,
    BatchState,
    IllegalEventError,
    next_state,
)

WALKS = st.lists(st.integers(0, 10**6), max_size=30)


def walked(choices: list[int]) -> list[tuple[BatchState, BatchEvent, BatchState]]:
    """Walk the table from NEW, choosing among the events that each state allows."""
    state = BatchState.NEW
    steps = []
    for choice in choices:
        events = list(TRANSITIONS[state])
        event = events[choice % len(events)]
        following = next_state(state, event)
        steps.append((state, event, following))
        state = following
    return steps


class TestTable:
    """The table as data."""

    def test_every_state_has_a_row(self) -> None:
        """Each state has a row, and each event changes some state."""
        assert set(TRANSITIONS) == set(BatchState)
        assert {event for row in TRANSITIONS.values() for event in row} == set(BatchEvent)

    def test_every_state_can_be_reached(self) -> None:
        """A search from NEW finds each state."""
        reached, fresh = {BatchState.NEW}, {BatchState.NEW}
        while fresh:
            fresh = {following for state in fresh for following in TRANSITIONS[state].values()} - reached
            reached |= fresh
        assert reached == set(BatchState)

    def test_every_kind_of_outcome_has_its_event(self) -> None:
        """The outcome of a batch follows from the last event."""
        assert set(ENDS.values()) == set(get_args(Outcome))
        for event in ENDS:
            ends = {row[event] for row in TRANSITIONS.values() if event in row}
            assert ends == {BatchState[event.name]}

    @pytest.mark.parametrize("state", BatchState)
    def test_other_events_are_faults(self, state: BatchState) -> None:
        """An event that the table does not list raises an error that names state and event."""
        for event in set(BatchEvent) - set(TRANSITIONS[state]):
            with pytest.raises(IllegalEventError, match=f"{event.value} while {state.value}"):
                next_state(state, event)

    @pytest.mark.parametrize("state", BatchState)
    def test_every_state_can_be_called_off(self, state: BatchState) -> None:
        """A run may be stopped at any moment, and more than once."""
        once = next_state(state, BatchEvent.CALLED_OFF)
        assert next_state(once, BatchEvent.CALLED_OFF) is once


class TestWalks:
    """Any walk through the table keeps the promises of a send."""

    @given(WALKS)
    def test_no_request_after_it_was_called_off(self, choices: list[int]) -> None:
        """A batch that was called off never comes into flight (again)."""
        called_off = False
        for state, event, following in walked(choices):
            called_off = called_off or event is BatchEvent.CALLED_OFF
            if called_off:
                assert following is not BatchState.IN_FLIGHT
                assert state is not BatchState.IN_FLIGHT or event is BatchEvent.CALLED_OFF

    @given(WALKS)
    def test_certain_outcomes(self, choices: list[int]) -> None:
        """Only a posted batch is accepted or refused, and a waiting batch is never unknown."""
        for state, event, _ in walked(choices):
            if event in (BatchEvent.ACCEPTED, BatchEvent.REFUSED):
                assert state in (BatchState.IN_FLIGHT, BatchState.LAST)
            if state in (BatchState.WAITING, BatchState.RECALLED):
                assert event is not BatchEvent.UNKNOWN

    @given(WALKS)
    def test_one_outcome(self, choices: list[int]) -> None:
        """A batch ends once: afterwards only a late response changes the state."""
        steps = walked(choices)
        assert sum(event in ENDS for _, event, _ in steps) <= 1
        ended = False
        for state, event, following in steps:
            if ended and following is not state:
                assert (state, event) == (BatchState.UNKNOWN, BatchEvent.LATE)
            ended = ended or event in ENDS or event in (BatchEvent.KNOWN, BatchEvent.CANCELLED)

    @given(WALKS)
    def test_flight_follows_the_events(self, choices: list[int]) -> None:
        """A request is in flight from POSTED until the retry or the end, and at no other time."""
        in_flight = False
        for state, event, following in walked(choices):
            if event is BatchEvent.POSTED and state is BatchState.CLAIMING:
                in_flight = True
            elif (
                event in ENDS
                or event is BatchEvent.CANCELLED
                or (event is BatchEvent.RETRY and state is BatchState.IN_FLIGHT)
            ):
                in_flight = False
            assert (following in (BatchState.IN_FLIGHT, BatchState.LAST)) is in_flight
