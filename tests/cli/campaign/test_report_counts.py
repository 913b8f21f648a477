"""Counts of a journal while reports come in."""

import pytest

from emay_voice_async.cli.campaign.report_counts import state_of
from emay_voice_async.model.codes import CallState


@pytest.mark.parametrize(
    ("raw", "state"),
    [("SUCCESS", CallState.SUCCESS), ("4", CallState.SUCCESS), ("2", CallState.FAIL), ("?", CallState.OTHER)],
)
def test_state(raw: str, state: CallState) -> None:
    """A state is that of either product, or one outside of the API document."""
    assert state_of(raw) is state
