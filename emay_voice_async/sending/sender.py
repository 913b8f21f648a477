"""The sends of a client: argument checks and results."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, get_args

from emay_voice_async.errors import DuplicateError, EmayVoiceError, InvalidRequestError, SendError
from emay_voice_async.exchange.exchanges import Exchanges
from emay_voice_async.model.checks import check_callback
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.hidden import Hidden, hides_arguments
from emay_voice_async.model.messages import Message
from emay_voice_async.model.results import Accepted, Outcome, SendResult
from emay_voice_async.model.templates import Template
from emay_voice_async.sending.options import Options
from emay_voice_async.sending.reading import RecipientReader, Recipients
from emay_voice_async.sending.run import OnOutcome, SendRun

__all__ = ["Sender"]

_KINDS: Final = ", ".join(kind.__name__ for kind in (*get_args(Message), Template))


class Sender:
    """Sends messages for a client, with up to ``max_concurrency`` requests in flight for each send.

    ``products``: the products of calls that were accepted or may have been.
    """

    def __init__(
        self, exchanges: Exchanges, *, max_concurrency: int, allow_only: frozenset[str] | None
    ) -> None:
        self.products: set[Product] = set()
        self._exchanges = exchanges
        self._max_concurrency = max_concurrency
        self._allow_only = allow_only

    async def send(
        self,
        message: Message | Template,
        to: Hidden[Recipients],
        options: Options,
        on_outcome: OnOutcome | None,
    ) -> SendResult:
        """Send to all recipients; raise :class:`SendError` unless each of them is called."""
        turns = self._exchanges.turns
        with turns:
            # Before the checks: of a thousand sends that begin together, each turn of the event loop has a few.
            await turns.request()
            outcomes, error = await _collected(self.outcomes(message, to.value, options, on_outcome))
        result = SendResult(tuple(outcomes))
        if error is not None:
            raise SendError(result, _reason(error)) from error
        cause = next(filter(None, map(_failure, outcomes)), None)
        if cause is not None:
            raise SendError(result) from cause
        return result

    @hides_arguments
    def outcomes(
        self,
        message: Message | Template,
        to: Recipients,
        options: Options,
        on_outcome: OnOutcome | None = None,
    ) -> AsyncGenerator[Outcome, None]:
        """Check a sized list at once, then send while iterated: outcomes come in the order of ``index``.

        An error of the input is raised at the end, after the outcomes of all earlier entries; an error of the
        journal at the beginning or at the end.
        """
        if on_outcome is not None:
            check_callback("on_outcome", on_outcome, "the outcome")
        reader = self.read(message, to, options)
        most = options.max_calls
        if most is not None and options.journal is None and (reader.length or 0) > most:
            raise InvalidRequestError(
                "to", f"must have at most max_calls = {most} numbers", most, reader.length
            )
        run = SendRun(self._exchanges, self.products, message, reader, options, on_outcome)
        return run.outcomes(self._max_concurrency)

    @hides_arguments
    def read(
        self, message: Message | Template, to: Recipients, options: Options, *, tolerant: bool = False
    ) -> RecipientReader:
        """Begin to read the recipients of a message, checking a sized list at once unless ``tolerant``."""
        if not isinstance(message, Message | Template):
            raise InvalidRequestError(
                "message",
                f'must be one of {_KINDS}, such as Notice("...")',
                None,
                f"the class {message.__name__}" if isinstance(message, type) else type(message).__name__,
            )
        return RecipientReader(
            to,
            message.endpoint.max_batch,
            allow_only=self._allow_only,
            template=message if isinstance(message, Template) else None,
            deadline=options.deadline,
            tolerant=tolerant,
        )


async def _collected(stream: AsyncGenerator[Outcome, None]) -> tuple[list[Outcome], Exception | None]:
    """Return the outcomes, and the error that ended them; raise the error if there is no outcome."""
    outcomes: list[Outcome] = []
    try:
        async with aclosing(stream):
            async for outcome in stream:
                outcomes.append(outcome)  # noqa: PERF401 - kept when the source fails half-way
    except Exception as error:
        if not outcomes:
            raise
        return outcomes, error
    return outcomes, None


def _reason(error: Exception) -> str:
    """Return the reason why a send ended early; the text of a stranger's exception may hold phone numbers."""
    return str(error) if isinstance(error, EmayVoiceError) else f"the input failed ({type(error).__name__})"


def _failure(outcome: Outcome) -> EmayVoiceError | None:
    """Return why the recipients of an outcome are not called; None if an outcome or a duplicate calls them."""
    if isinstance(outcome, Accepted) or isinstance(outcome.error, DuplicateError):
        return None
    return outcome.error
