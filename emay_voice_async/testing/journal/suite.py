"""The conformance suite of a journal."""

from typing import ClassVar

from emay_voice_async.testing.journal.cancelling import CancellingRules
from emay_voice_async.testing.journal.claiming import ClaimingRules
from emay_voice_async.testing.journal.history import HistoryRules
from emay_voice_async.testing.journal.lines import LineRules
from emay_voice_async.testing.journal.looking import LookingRules
from emay_voice_async.testing.journal.outcomes import OutcomeRules
from emay_voice_async.testing.journal.reports import ReportRules
from emay_voice_async.testing.journal.starting import StartingRules

__all__ = ["JournalSuite"]


class JournalSuite(
    StartingRules,
    LookingRules,
    ClaimingRules,
    OutcomeRules,
    ReportRules,
    LineRules,
    CancellingRules,
    HistoryRules,
):
    """The promises of :mod:`emay_voice_async.journal.protocol`, each as a rule.

    ::

        class TestMyJournal(JournalSuite):
            def place(self):
                return my_place()       # a context manager of a JournalPlace

    ``histories``: the number of random histories of the last rule.
    """

    patience: ClassVar[float] = 300.0
