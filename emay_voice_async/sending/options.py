"""The options of one send."""

from attrs import frozen

from emay_voice_async.journal.protocol import Journal
from emay_voice_async.sending.hours import CallingHours

__all__ = ["Options"]


@frozen
class Options:
    """The limits of one send, and its journal; see ``AsyncEmayVoice.send_batches``.

    ``deadline`` is an instant of the event loop's clock.
    """

    deadline: float | None = None
    journal: Journal | None = None
    resend_unknown: bool = False
    allow_duplicates: bool = False
    max_calls: int | None = None
    hours: CallingHours | None = None
