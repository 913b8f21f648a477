"""Outcomes counted by number of calls."""

from emay_voice_async import Accepted, Recipient
from emay_voice_async.cli.campaign.tally import Tally


class TestTally:
    """Counts and exit codes."""

    def test_earlier_outcomes(self) -> None:
        """Outcomes of earlier runs are no progress of this run."""
        tally = Tally()
        one = (Recipient("13800000000", "a"),)
        tally.add(Accepted(0, one, (), recorded=True))
        assert (tally.completed, tally.accepted_before) == (0, 1)
