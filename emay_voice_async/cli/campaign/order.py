"""What is to be sent to whom, and within which bounds."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from attrs import field, frozen

from emay_voice_async.cli.campaign.lists import Lists
from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.journal.null_journal import NullJournal
from emay_voice_async.journal.protocol import Journal
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.messages import Marketing, Notice, VoiceSms
from emay_voice_async.sending.hours import CallingHours

__all__ = ["Bounds", "Order"]


@frozen
class Bounds:
    """What holds a send back, as the options say."""

    journal: Path | None = None
    resend_unknown: bool = False
    allow_duplicates: bool = False
    max_calls: int | None = None
    hours: CallingHours | None = None
    price: Decimal | None = None
    deadline: float | None = None
    skip_invalid: bool = False

    def __attrs_post_init__(self) -> None:
        if self.resend_unknown and self.journal is None:
            raise CommandError("--resend-unknown needs --journal, which knows what is unknown")

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that a plan and a send have in common."""
        return {
            "journal": self._journal(),
            "resend_unknown": self.resend_unknown,
            "allow_duplicates": self.allow_duplicates,
            "max_calls": self.max_calls,
            "hours": self.hours,
        }

    def _journal(self) -> Journal | None:
        if self.journal is not None:
            return SqliteJournal(self.journal)
        # Without any, a number that comes twice would be called twice.
        return None if self.allow_duplicates else NullJournal()


@frozen
class Order:
    """One send, as it was asked for."""

    message: Notice | Marketing | VoiceSms
    lists: Lists = field(repr=False)
    bounds: Bounds
