"""The order of a send: message, lists and options, as the client takes them."""

from typing import TypedDict

from attrs import field, frozen

from emay_voice_async.cli.campaign.lists import Lists
from emay_voice_async.cli.campaign.options import SendOptions
from emay_voice_async.journal.null_journal import NullJournal
from emay_voice_async.journal.protocol import Journal
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.templates import Spoken, Template
from emay_voice_async.sending.hours import CallingHours

__all__ = ["Order", "SendArguments"]


class SendArguments(TypedDict):
    """The arguments that ``plan`` and ``send_batches`` share."""

    journal: Journal | None
    resend_unknown: bool
    allow_duplicates: bool
    max_calls: int | None
    hours: CallingHours | None


@frozen
class Order:
    """One send, as the user ordered it."""

    message: Spoken | Template
    lists: Lists = field(repr=False)
    options: SendOptions

    def arguments(self) -> SendArguments:
        """Return the arguments of a plan or a send."""
        options = self.options
        return {
            "journal": self._journal(),
            "resend_unknown": options.resend_unknown,
            "allow_duplicates": options.allow_duplicates,
            "max_calls": options.max_calls,
            "hours": options.hours,
        }

    def _journal(self) -> Journal | None:
        if self.options.journal is not None:
            return SqliteJournal(self.options.journal)
        # The client calls a number once only when it has a journal.
        return None if self.options.allow_duplicates else NullJournal()
