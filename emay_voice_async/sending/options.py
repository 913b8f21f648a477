"""The options of a send, checked by the constructor."""

from typing import TYPE_CHECKING

from attrs import frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.journal.protocol import Journal
from emay_voice_async.model.checks import check_count, check_flag, check_object

if TYPE_CHECKING:
    from emay_voice_async.sending.hours import CallingHours

__all__ = ["Options"]


@frozen
class Options:
    """The limits of a send, and the journal; see ``AsyncEmayVoice.send_batches``.

    ``deadline`` is an instant of the event loop's clock. A wrong option raises :class:`InvalidRequestError`.
    """

    deadline: float | None = None
    journal: Journal | None = None
    resend_unknown: bool = False
    allow_duplicates: bool = False
    max_calls: int | None = None
    hours: "CallingHours | None" = None

    def __attrs_post_init__(self) -> None:
        check_flag("resend_unknown", self.resend_unknown)
        check_flag("allow_duplicates", self.allow_duplicates)
        if self.journal is not None:
            check_object("journal", self.journal, ("start",), "a journal such as SqliteJournal(path)")
        if self.max_calls is not None:
            check_count("max_calls", self.max_calls)
        if self.hours is not None:
            _check_hours(self.hours)
        if self.resend_unknown and self.journal is None:
            raise InvalidRequestError("resend_unknown", "must have a journal that knows what is unknown")


def _check_hours(hours: object) -> None:
    from emay_voice_async.sending.hours import CallingHours  # noqa: PLC0415 - imported when needed

    if not isinstance(hours, CallingHours):
        rule = 'must be CallingHours, such as CallingHours("08:00-20:00")'
        raise InvalidRequestError("hours", rule, None, type(hours).__name__)
