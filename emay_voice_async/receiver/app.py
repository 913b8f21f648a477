"""The receiver of pushed status reports (section 2.1.4): an ASGI application, and a function for other frameworks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from attrs import define, field, frozen
from attrs.validators import optional

from emay_voice_async.errors import PushError
from emay_voice_async.model.results import Report
from emay_voice_async.push import decode_plain_push, decode_push
from emay_voice_async.receiver.arguments import (
    check_bytes,
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
from emay_voice_async.receiver.body import Body, read_body
from emay_voice_async.receiver.deduplication import ReportStore, deliver_once
from emay_voice_async.receiver.plain_rule import PlainRule, looks_plain, plain_rule
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
from emay_voice_async.wire.encryption import MAX_SIZE

__all__ = ["PushReceiver", "Rejected"]

_LOG: Final = logging.getLogger(__name__)

# Smaller bodies are decoded on the event loop, because a thread costs more (``benchmarks -- push``).
_DECODED_IN_PLACE: Final = 4 * 1024

SecretKey = str | bytes
Keys = Mapping[str, SecretKey] | Callable[[str], Awaitable[SecretKey | None]]
Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
_Value = TypeVar("_Value")


@frozen
class Rejected:
    """A push that could not be decoded, or not completely.

    ``app_id`` is the account of the push, ``body`` the body as received, ``error`` the reason; ``error.broken``
    holds the unreadable entries if others could be read.
    """

    app_id: str
    body: bytes = field(repr=lambda body: f"<{len(body)} bytes>")
    error: PushError


@define
class _Push:
    """A request: path, headers, and the address of the client."""

    path: str
    headers: Sequence[tuple[str, str]]
    client: str

    def values(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for key, value in self.headers if key == name]


@define(eq=False, repr=False)
class PushReceiver:
    """Receives pushes as an ASGI application, alone or mounted in another; :meth:`handle` serves other frameworks.

    ``keys`` maps each app_id to its secret key; for many accounts, it is an async function that returns the key of
    an app_id, or None. ``on_reports`` is awaited with the reports of a push. When it has returned, the push is
    confirmed: 200, ``success``. After any other response the service may push again: 400 unreadable, 403 unknown
    account, 405 not POST, 408 body slower than ``body_timeout`` seconds, 413 more than ``max_body`` bytes
    (``max_size`` when inflated), 500 a function of the application failed or took longer than ``handler_timeout``
    seconds. None: no timeout.

    - ``on_rejected`` is awaited with a :class:`Rejected` when a push, or a report in it, cannot be decoded. The
      readable reports are handed over before. Then the push is confirmed, or answered 400 if no report in it
      could be read.
    - ``deduplicate`` is a store such as ``RecentReports()``: a report that was handled before is not handed over
      again. Without a store ``on_reports`` gets duplicates. A duplicate that arrives while the first one is being
      handled shares its success, and is handed over if the first one fails.
    - ``allow_plain`` accepts pushes that are not encrypted. They are not authenticated, so they must come from
      ``plain_networks`` (the address in ``scope["client"]``: configure the server for its proxies), or to a path
      that ends in ``/`` and the secret ``plain_token``; both when both are given.
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
    _max_body: int = field(default=16 * 1024 * 1024, kw_only=True, validator=check_bytes, alias="max_body")
    _max_size: int = field(default=MAX_SIZE, kw_only=True, validator=check_bytes, alias="max_size")
    _body_timeout: float | None = field(
        default=30.0, kw_only=True, validator=check_timeout, alias="body_timeout"
    )
    _handler_timeout: float | None = field(
        default=30.0, kw_only=True, validator=check_timeout, alias="handler_timeout"
    )
    _plain: PlainRule | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._plain = plain_rule(self._allow_plain, self._plain_networks, self._plain_token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope: a request, or the server's start and end."""
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
        push = _Push(path, _lower(headers), client or "")
        try:
            response = await self._handle(method, push, body)
        except RefusalError as refusal:
            response = refusal.response
        except ClientGoneError:
            _LOG.info("a push was not confirmed: the client is gone")
            raise
        except Exception:
            _LOG.exception("a push could not be handled")
            response = FAILED
        if response is not SUCCESS:
            _LOG.info("a push was not confirmed: %s", response.text)
        return response

    async def _handle(self, method: str, push: _Push, body: Body) -> PushResponse:
        if method != "POST":
            return NOT_POST
        app_id, key = await self._account(push)
        data = await read_body(
            body,
            push.values("content-length"),
            max_body=self._max_body,
            body_timeout=self._body_timeout,
        )
        reports, error = await self._decode(data, key, push)
        if reports:
            await self._deliver(app_id, reports)
        if error is None:
            return SUCCESS
        await self._reject(Rejected(app_id, data, error))
        if error.broken:
            return SUCCESS
        return TOO_LARGE if error.stage == "size" else UNREADABLE

    async def _account(self, push: _Push) -> tuple[str, SecretKey]:
        """Return the account in the header, and the key of this account."""
        names = push.values("appid")
        if len(names) == 1 and (app_id := names[0]):
            keys = self._keys
            key = keys.get(app_id) if isinstance(keys, Mapping) else await self._bounded(keys(app_id))
            if key is not None:
                return app_id, key
        raise RefusalError(FORBIDDEN)

    async def _decode(
        self, body: bytes, key: SecretKey, push: _Push
    ) -> tuple[Sequence[Report], PushError | None]:
        """Return the readable reports, and the error of the others."""
        try:
            if len(body) <= _DECODED_IN_PLACE:
                return self._decode_either(body, key, push), None
            return await asyncio.to_thread(self._decode_either, body, key, push), None
        except PushError as error:
            return error.reports, error

    def _decode_either(self, body: bytes, key: SecretKey, push: _Push) -> list[Report]:
        try:
            return decode_push(body, key, max_size=self._max_size)
        except PushError as error:
            # A plain body decrypts to a valid padding by chance (1 in 4,096), but then not to gzip.
            if self._plain is None or error.stage not in ("decrypt", "inflate") or not looks_plain(body):
                raise
        if not self._plain.allows(push.client, push.path):
            raise RefusalError(FORBIDDEN)
        return decode_plain_push(body, "".join(push.values("content-type")[:1]))

    async def _deliver(self, app_id: str, reports: Sequence[Report]) -> None:
        if self._deduplicate is None:
            await self._hand_over(list(reports))
        else:
            await deliver_once(
                self._deduplicate, app_id, reports, self._hand_over, patience=self._handler_timeout
            )

    async def _hand_over(self, reports: list[Report]) -> None:
        await self._bounded(self._on_reports(reports))

    async def _reject(self, rejected: Rejected) -> None:
        """Log the number of broken entries, without their content, and hand them over."""
        app_id, error = rejected.app_id, rejected.error
        _LOG.warning(
            "a push to %r cannot be decoded (%s): %d broken entries", app_id, error, len(error.broken)
        )
        if self._on_rejected is not None:
            await self._bounded(self._on_rejected(rejected))

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
