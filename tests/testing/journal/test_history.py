"""Histories of a journal: any history that hypothesis finds agrees with the model, and a difference names its steps."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal.test_sqlite import new_file

from emay_voice_async.testing.journal.history import (
    ACTIONS,
    CALLS,
    HistoryStep,
    play_history,
    random_history,
)

STEPS = st.builds(
    HistoryStep,
    st.sampled_from(ACTIONS),
    run=st.integers(0, 20),
    choice=st.integers(0, 20),
    calls=st.lists(st.sampled_from(range(len(CALLS))), min_size=1, max_size=4, unique=True).map(tuple),
    resend=st.booleans(),
)


@pytest.mark.slow
@settings(max_examples=30)
@given(st.lists(STEPS, max_size=25))
def test_any_history(steps: list[HistoryStep]) -> None:
    """Any history on an SQLite file agrees with the model."""

    async def main() -> None:
        async with new_file() as place:
            await play_history(place, steps)

    asyncio.run(main())


def test_a_seed_makes_one_history() -> None:
    """A seed always makes the same history; the histories of the first seeds have every action."""
    assert random_history(3) == random_history(3) != random_history(4)
    assert {step.action for seed in range(3) for step in random_history(seed)} == set(ACTIONS)
