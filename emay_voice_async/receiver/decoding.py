"""Decoding of pushes: encrypted or plain, on the event loop or in a thread, for the account of the push only."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from attrs import define, evolve, field

from emay_voice_async.errors import PushError
from emay_voice_async.exchange.tasks import retrieve
from emay_voice_async.model.hidden import Hidden
from emay_voice_async.model.results import Report
from emay_voice_async.push import decode_plain_push, decode_push
from emay_voice_async.receiver.load import Share
from emay_voice_async.receiver.plain_rule import PlainRule, looks_plain
from emay_voice_async.receiver.responses import FORBIDDEN, RefusalError
from emay_voice_async.wire.encryption import opens_gzip
from emay_voice_async.wire.structuring import unstructure

if TYPE_CHECKING:
    from emay_voice_async.receiver.reporting import PushReporter

__all__ = ["Decoded", "Decoder", "Push", "SecretKey"]

SecretKey = str | bytes

# Up to these sizes a thread costs more than the decoding (``benchmarks -- push``).
_BODY_IN_PLACE: Final = 4 * 1024
_SIZE_IN_PLACE: Final = 32 * 1024
_KEPT: Final = 100
"""Broken entries that an error holds; the others are counted."""
_THREADS: Final = 4
"""Pushes that are decoded in threads at once; each may take ``max_size`` bytes and more."""


@define
class Push:
    """A request: path, headers, address of the client, id, the account with the secret key, and who reports events."""

    path: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    client: str
    request_id: str = ""
    app_id: str = ""
    key: SecretKey = field(default="", repr=False)
    reporter: "PushReporter | None" = None

    def values(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for key, value in self.headers if key == name]

    def extra(self) -> dict[str, str]:
        """Return the id and the account for ``extra=`` of a log call, with the names of ``log_fields``."""
        return {"emay_request_id": self.request_id, "emay_app_id": self.app_id}


@define
class Decoded:
    """The readable reports of a push, the error of the others, and whether the push was plain."""

    reports: Sequence[Report]
    error: PushError | None
    plain: bool


@define(eq=False)
class Decoder:
    """Decodes pushes of up to ``max_size`` bytes when inflated, and up to ``max_reports`` reports.

    Decoding in a thread raises :class:`TimeoutError` after ``timeout`` seconds; None: no timeout.
    """

    max_size: int
    max_reports: int
    timeout: float | None
    plain: PlainRule | None
    _threads: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(_THREADS), init=False)

    def is_known(self, push: Push, start: bytes) -> bool:
        """Tell by the first bytes of a body whether the sender knows the key, or may push without.

        Raises :class:`RefusalError` (403) for the beginning of a plain push from elsewhere.
        """
        if opens_gzip(start, push.key):
            return True
        if self.plain is None or not looks_plain(start):
            return self.plain is not None and self.plain.allows(push)
        if not self.plain.allows(push):
            raise RefusalError(FORBIDDEN)
        return True

    async def decode(self, body: bytes, push: Push, share: Share) -> Decoded:
        """Decode a push; raise :class:`RefusalError` (403) for a plain push from elsewhere."""
        content = Hidden(body)
        del body
        if len(content.value) <= _BODY_IN_PLACE:
            decoded = self._decode(content.value, push, min(self.max_size, _SIZE_IN_PLACE))
            if decoded.error is None or decoded.error.stage != "size" or self.max_size <= _SIZE_IN_PLACE:
                return decoded
        async with asyncio.timeout(self.timeout):
            return await self._in_thread(lambda: self._decode(content.value, push, self.max_size), share)

    async def _in_thread(self, decode: Callable[[], Decoded], share: Share) -> Decoded:
        """Decode in a thread. After a cancellation the thread goes on, and keeps its place and its share."""
        await self._threads.acquire()
        try:
            working = asyncio.get_running_loop().run_in_executor(None, decode)
        except BaseException:
            self._threads.release()
            raise
        working.add_done_callback(self._ended)
        share.until(working)
        await asyncio.wait({working})
        return working.result()

    def _ended(self, working: "asyncio.Future[Decoded]") -> None:
        self._threads.release()
        retrieve(working)

    def _decode(self, body: bytes, push: Push, max_size: int) -> Decoded:
        plain = False
        try:
            try:
                reports = decode_push(body, push.key, max_size=max_size, max_reports=self.max_reports)
            except PushError as error:
                # A plain body decrypts to a valid padding by chance (1 in 4,096), but then not to gzip.
                may_be_plain = self.plain is not None and error.stage in ("decrypt", "inflate")
                if not (may_be_plain and looks_plain(body)):
                    raise
                plain = True
            if plain:
                reports = self._decode_plain(body, push)
        except PushError as error:
            # Without the traceback, whose frames hold the body.
            return self._checked(error.reports, error.with_traceback(None), push, plain)
        return self._checked(reports, None, push, plain)

    def _decode_plain(self, body: bytes, push: Push) -> list[Report]:
        if self.plain is None or not self.plain.allows(push):
            raise RefusalError(FORBIDDEN)
        if len(body) > self.max_size:
            raise PushError("size", "the data is too large")
        content_type = "".join(push.values("content-type")[:1])
        return decode_plain_push(body, content_type, max_reports=self.max_reports)

    def _checked(
        self, reports: Sequence[Report], error: PushError | None, push: Push, plain: bool
    ) -> Decoded:
        """Give reports without an account the account of the push; reports of other accounts are broken.

        The key that opened the push proves this account only.
        """
        if {report.app_id for report in reports} <= {push.app_id}:
            return Decoded(reports, error, plain)
        own, foreign = [], []
        for report in reports:
            if report.app_id == push.app_id:
                own.append(report)
            elif report.app_id.strip() in ("", push.app_id):
                own.append(evolve(report, app_id=push.app_id))
            else:
                foreign.append(report)
        if error is None and not foreign:
            return Decoded(own, None, plain)
        reason = "the report names another account than the push"
        broken = () if error is None else error.broken
        count = len(foreign) + (0 if error is None else error.broken_count)
        raw = [(unstructure(report), reason) for report in foreign[: max(0, _KEPT - len(broken))]]
        error = PushError("decode", "some reports cannot be read", tuple(own), (*broken, *raw), count)
        return Decoded(own, error, plain)
