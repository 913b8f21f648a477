"""The receiver of pushed status reports (section 2.1.4): an ASGI application, and a function for other frameworks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import define, evolve, field
from attrs.validators import optional

from emay_voice_async.errors import InvalidRequestError, PushError, UsageError
from emay_voice_async.events.handlers import EventHandlers, OnEvent
from emay_voice_async.exchange.labels import Ids
from emay_voice_async.model.hidden import Hidden
from emay_voice_async.model.results import Report
from emay_voice_async.receiver import aiohttp_handler
from emay_voice_async.receiver.arguments import (
    check_bound,
    check_function,
    check_keys,
    check_store,
    check_timeout,
)
from emay_voice_async.receiver.asgi import (
    ClientGoneError,
    Receive,
    Scope,
    Send,
    pieces,
    respond,
    run_lifespan,
)
from emay_voice_async.receiver.body import Body, StrangerError, read_body
from emay_voice_async.receiver.decoding import Decoded, Decoder, Push, SecretKey
from emay_voice_async.receiver.deduplication import ReportStore, deliver_once
from emay_voice_async.receiver.load import Load
from emay_voice_async.receiver.plain_rule import plain_rule
from emay_voice_async.receiver.rejections import KeptRejections, Rejected
from emay_voice_async.receiver.responses import (
    FAILED,
    FORBIDDEN,
    NOT_POST,
    SUCCESS,
    TOO_LARGE,
    UNREADABLE,
    PushResponse,
    RefusalError,
)
from emay_voice_async.wire.compression import MAX_SIZE
from emay_voice_async.wire.json_reader import load_reader
from emay_voice_async.wire.structuring import load_converters

if TYPE_CHECKING:
    from emay_voice_async.receiver.reporting import PushReporter

__all__ = ["PushReceiver"]

_LOG: Final = logging.getLogger(__name__)

Keys = Mapping[str, SecretKey] | Callable[[str], Awaitable[SecretKey | None]]
Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
_Value = TypeVar("_Value")


@define(eq=False, repr=False)
class PushReceiver:
    """Receives pushes as an ASGI application, alone or mounted in another; :meth:`handle` serves other frameworks.

    ``keys`` maps each app_id to its secret key; for many accounts, it is an async function that returns the key of
    an app_id, or None. ``on_reports`` is awaited with the reports of a push, all of the account whose key opened the
    push (``report.app_id``). When it has returned, the push is confirmed: 200, ``success``. After any other response
    the service may push again: 400 unreadable, 403 unknown account, 405 not POST, 408 body slower than
    ``body_timeout`` seconds, 413 too large, 500 decoding or a function of the application failed or took longer than
    ``handler_timeout`` seconds, 503 too many pushes at once. A timeout of None: no timeout.

    - ``on_rejected`` is awaited with a :class:`Rejected` when a push, or a report in it, cannot be decoded. The
      readable reports are handed over before. Then the push is confirmed, or answered 400 if no report in it
      could be read. Without ``on_rejected`` the last rejected pushes are in :attr:`rejected`.
    - ``deduplicate`` is a store such as ``RecentReports()``: a report that was handled before is not handed over
      again. Duplicates are equal in every field. Without a store ``on_reports`` gets duplicates. A duplicate that
      arrives while the first one is being handled shares its success, and is handed over if the first one fails.
    - ``allow_plain`` accepts pushes that are not encrypted. They are not authenticated, so they must come from
      ``plain_networks``, or with the secret ``plain_token``; both when both are given. The address is the client's
      in the ASGI scope: configure the server for its own proxies only, because a server that believes any
      ``X-Forwarded-For`` (uvicorn's ``--forwarded-allow-ips=*``) makes ``plain_networks`` worthless. The token ends
      the path, after a ``/``, or stands in the header ``X-Emay-Plain-Token``: paths are written to access logs.
    - ``on_event`` is called with each event of :mod:`emay_voice_async.events`; a plain function that returns at once.
    - Bounds of a push: ``max_body`` bytes, ``max_size`` bytes when inflated, ``max_reports`` entries. Bounds of all
      pushes together: ``max_requests`` at once and ``max_held`` bytes of bodies. A body in pieces is refused after
      its first block if the sender does not know the key.
    """

    _keys: Keys = field(validator=check_keys, alias="keys")
    _on_reports: Callable[[list[Report]], Awaitable[None]] = field(
        validator=check_function, alias="on_reports"
    )
    _allow_plain: bool = field(default=False, kw_only=True, alias="allow_plain")
    _plain_networks: Iterable[str] | None = field(default=None, kw_only=True, alias="plain_networks")
    _plain_token: str | None = field(default=None, kw_only=True, alias="plain_token")
    _on_rejected: Callable[[Rejected], Awaitable[None]] | None = field(
        default=None, kw_only=True, validator=optional(check_function), alias="on_rejected"
    )
    _deduplicate: ReportStore | None = field(
        default=None, kw_only=True, validator=optional(check_store), alias="deduplicate"
    )
    _max_body: int = field(default=16 * 1024 * 1024, kw_only=True, validator=check_bound, alias="max_body")
    _max_size: int = field(default=MAX_SIZE, kw_only=True, validator=check_bound, alias="max_size")
    _max_reports: int = field(default=10_000, kw_only=True, validator=check_bound, alias="max_reports")
    _max_requests: int = field(default=100, kw_only=True, validator=check_bound, alias="max_requests")
    _max_held: int = field(default=256 * 1024 * 1024, kw_only=True, validator=check_bound, alias="max_held")
    _body_timeout: float | None = field(
        default=30.0, kw_only=True, validator=check_timeout, alias="body_timeout"
    )
    _handler_timeout: float | None = field(
        default=30.0, kw_only=True, validator=check_timeout, alias="handler_timeout"
    )
    _on_event: OnEvent | None = field(default=None, kw_only=True, alias="on_event")
    _event_handlers: EventHandlers = field(init=False)
    _ids: Ids = field(factory=Ids, init=False)
    _decoder: Decoder = field(init=False)
    _load: Load = field(init=False)
    _kept: KeptRejections = field(factory=KeptRejections, init=False)

    def __attrs_post_init__(self) -> None:
        # When the application starts, not at its first push.
        load_reader()
        load_converters()
        self._event_handlers = EventHandlers(self._on_event)
        plain = plain_rule(self._allow_plain, self._plain_networks, self._plain_token)
        self._decoder = Decoder(self._max_size, self._max_reports, self._handler_timeout, plain)
        if self._max_held < self._max_body:
            raise InvalidRequestError("max_held", "must be at least max_body", self._max_body, self._max_held)
        self._load = Load(self._max_requests, self._max_held)

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """Without ``on_rejected``: the last rejected pushes, up to 100, with bodies up to 16 MiB together."""
        return self._kept.rejected

    @property
    def event_handlers(self) -> EventHandlers:
        """The handlers of events: ``on_event``, and those that are added."""
        return self._event_handlers

    def take_rejected(self) -> list[Rejected]:
        """Return the pushes of :attr:`rejected` and forget them."""
        return self._kept.take()

    async def __call__(self, scope: Scope, receive: Receive | None = None, send: Send | None = None) -> Any:
        """Serve one ASGI scope: a request, or the server's start and end.

        As a handler of aiohttp: return the response to a request.
        """
        if receive is None or send is None:
            if aiohttp_handler.is_request(scope):
                return aiohttp_handler.made_response(await self.handle(*aiohttp_handler.parts(scope)))
            fix = (
                "is an ASGI application; elsewhere await receiver.handle(method, path, headers, body, client)"
            )
            raise UsageError("PushReceiver", fix)
        await self._serve(scope, receive, send)
        return None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            client = (scope.get("client") or ("",))[0]
            request = (scope["method"], scope["path"], scope["headers"], pieces(receive), client)
            try:
                response = await self.handle(*request)
            except ClientGoneError:
                return
            await respond(response, scope, send)
        elif scope["type"] == "lifespan":
            await run_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            raise NotImplementedError(f"the ASGI scope {scope['type']!r} is not supported")

    async def handle(
        self, method: str, path: str, headers: Headers, body: Body, client: str | None
    ) -> PushResponse:
        """Serve a request of any framework; failures become responses, not exceptions.

        ``headers``: a mapping, or pairs if a header may come twice. ``body``: the whole body, or an async iterable
        of pieces. ``client``: the address of the client.
        """
        content = Hidden(body)
        del body
        push = Push(path, _lower(headers), client or "", self._ids.new())
        if not self._event_handlers.active:
            return await self._respond(method, push, content)
        reporter = push.reporter = self._reporter(push)
        status: int | None = None
        try:
            response = await self._respond(method, push, content)
            status = response.status
        except BaseException as error:
            reporter.failed(error)
            raise
        finally:
            reporter.ended(status)
        return response

    def _reporter(self, push: Push) -> "PushReporter":
        """Make the object that reports a push as events."""
        from emay_voice_async.receiver.reporting import PushReporter  # noqa: PLC0415 - imported when needed

        return PushReporter(self._event_handlers, push.request_id)

    async def _respond(self, method: str, push: Push, body: Hidden[Body]) -> PushResponse:
        """Handle a push; make a response of each failure."""
        try:
            response = await self._handle(method, push, body)
        except RefusalError as refusal:
            response = refusal.response
        except ClientGoneError:
            _LOG.info("a push was not confirmed: the client is gone", extra=push.extra())
            raise
        except Exception as error:
            _LOG.exception("a push could not be handled", extra=push.extra())
            if push.reporter is not None:
                push.reporter.failed(error)
            response = FAILED
        if response is not SUCCESS:
            _LOG.info("a push was not confirmed: %s", response.text, extra=push.extra())
        return response

    async def _handle(self, method: str, push: Push, body: Hidden[Body]) -> PushResponse:
        if method != "POST":
            return NOT_POST
        with self._load.share() as share:
            await self._find_account(push)
            try:
                data = Hidden(
                    await read_body(
                        body.value,
                        push.values("content-length"),
                        share,
                        partial(self._decoder.is_known, push),
                        max_body=self._max_body,
                        body_timeout=self._body_timeout,
                    )
                )
            except StrangerError as stranger:
                error = PushError("decrypt", "the body is not encrypted with this account's key")
                await self._reject(push, Rejected(push.app_id, stranger.read, error, complete=False))
                return evolve(UNREADABLE, close=True)
            decoded = await self._decoder.decode(data.value, push, share)
            if decoded.reports:
                await self._deliver(push, decoded)
            if (found := decoded.error) is None:
                return SUCCESS
            await self._reject(push, Rejected(push.app_id, data.value, found))
            if found.broken:
                return SUCCESS
            return TOO_LARGE if found.stage == "size" else UNREADABLE

    async def _find_account(self, push: Push) -> None:
        """Set the account of the header, and the key of this account."""
        names = push.values("appid")
        if len(names) == 1 and (app_id := names[0]):
            keys = self._keys
            key = keys.get(app_id) if isinstance(keys, Mapping) else await self._bounded(keys(app_id))
            if key is not None:
                push.app_id, push.key = app_id, key
                if push.reporter is not None:
                    push.reporter.app_id = app_id
                return
        raise RefusalError(FORBIDDEN)

    async def _deliver(self, push: Push, decoded: Decoded) -> None:
        if self._deduplicate is None:
            await self._hand_over(push, list(decoded.reports))
        else:
            await deliver_once(
                self._deduplicate,
                push.app_id,
                decoded.reports,
                partial(self._hand_over, push),
                plain=decoded.plain,
                patience=self._handler_timeout,
            )
        if push.reporter is not None:
            push.reporter.delivered(len(decoded.reports))

    async def _hand_over(self, push: Push, reports: list[Report]) -> None:
        await self._bounded(self._on_reports(reports))
        if push.reporter is not None:
            push.reporter.handed_over(reports)

    async def _reject(self, push: Push, rejected: Rejected) -> None:
        """Log the number of broken entries, without their content, and hand them over or keep them."""
        app_id, error = rejected.app_id, rejected.error
        _LOG.warning(
            "a push to %r cannot be decoded (%s): %d broken entries",
            app_id,
            error,
            error.broken_count,
            extra=push.extra(),
        )
        if push.reporter is not None:
            push.reporter.rejected(rejected)
        if self._on_rejected is not None:
            await self._bounded(self._on_rejected(rejected))
        elif dropped := self._kept.add(rejected):
            _LOG.error(
                "%d older rejected pushes were dropped: set on_rejected, or take_rejected()",
                dropped,
                extra=push.extra(),
            )

    async def _bounded(self, result: Awaitable[_Value]) -> _Value:
        """Await a function of the application for up to ``handler_timeout`` seconds."""
        async with asyncio.timeout(self._handler_timeout) as limit:
            value = await result
        if limit.expired():
            # The function suppressed the cancellation and returned: the work may be incomplete.
            raise TimeoutError
        return value


def _lower(headers: Headers) -> list[tuple[str, str]]:
    """Return the headers as pairs of str, the names in lower case."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(_text(name).lower(), _text(value)) for name, value in pairs]


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
