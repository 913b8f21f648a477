"""An ASGI application that receives pushes of status reports (section 2.1.4)."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from attrs import Attribute, define, field, frozen
from attrs.validators import optional

from emay_voice_async.errors import InvalidRequestError, PushError
from emay_voice_async.model.checks import check_count, check_text
from emay_voice_async.model.results import Report
from emay_voice_async.push import decode_plain_push, decode_push
from emay_voice_async.receiver.deduplication import RecentReports, ReportStore, deliver_once
from emay_voice_async.receiver.plain_rule import PlainRule, looks_plain, plain_rule
from emay_voice_async.wire.encryption import MAX_SIZE, encrypt

__all__ = ["PushReceiver", "RecentReports", "Rejected", "ReportStore"]

_LOG: Final = logging.getLogger(__name__)

# Measured: 0.35 ms for each KiB of an ordinary encrypted push (100 reports: 4.7 KiB, 1.6 ms), and 0.02 ms
# where it is mostly recordings. A thread costs 0.08 ms, and leaves the loop to others meanwhile.
_DECODED_IN_PLACE: Final = 4 * 1024

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Key = str | bytes
Keys = Mapping[str, Key] | Callable[[str], Awaitable[Key | None]]
_Value = TypeVar("_Value")


@frozen
class Rejected:
    """A push that could not be decoded, or not the whole of it.

    ``app_id`` is the account that it came under, ``body`` the body as it arrived, ``error`` what is
    wrong: with ``error.broken`` the entries that could not be read, where the others could.
    """

    app_id: str
    body: bytes = field(repr=lambda body: f"<{len(body)} bytes>")
    error: PushError


@frozen
class _Answer:
    status: int
    text: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    hang_up: bool = False
    """Whether the rest of the request is not worth reading."""


_SUCCESS: Final = _Answer(200, "success")
_UNREADABLE: Final = _Answer(400, "the push cannot be read")
_FORBIDDEN: Final = _Answer(403, "forbidden")
_NOT_POST: Final = _Answer(405, "only POST is allowed", ((b"allow", b"POST"),))
_TOO_SLOW: Final = _Answer(408, "the body came too slowly", hang_up=True)
_TOO_LARGE: Final = _Answer(413, "the push is too large", hang_up=True)
_FAILED: Final = _Answer(500, "the push could not be handled")
_NOBODY: Final = _Answer(0, "the client is gone")
"""Not sent: there is nobody to send it to."""


class _RefusalError(Exception):
    """Ends the handling of a push with this answer."""

    def __init__(self, answer: _Answer) -> None:
        super().__init__(answer)
        self.answer = answer


def _check_function(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if not callable(value):
        raise InvalidRequestError(_name(attribute), "must be an async function", None, type(value).__name__)


def _check_keys(_: object, attribute: "Attribute[Any]", keys: Keys) -> None:
    if not isinstance(keys, Mapping):
        return _check_function(_, attribute, keys)
    for app_id, key in keys.items():
        check_text("keys", app_id)
        if not isinstance(key, str | bytes):
            raise InvalidRequestError("keys", "must map app_ids to str or bytes", None, type(key).__name__)
        try:
            encrypt(b"", key)
        except InvalidRequestError as error:
            raise InvalidRequestError("keys", error.rule, error.limit, error.actual) from None
    return None


def _check_store(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, ReportStore):
        raise InvalidRequestError(_name(attribute), "must be a store such as RecentReports(), or None")


def _check_size(_: object, attribute: "Attribute[int]", value: int) -> None:
    check_count(_name(attribute), value, " of bytes")


def _check_seconds(_: object, attribute: "Attribute[Any]", value: float | None) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and 0 < value < math.inf):
        rule = "must be a finite number of seconds above 0, or None"
        raise InvalidRequestError(_name(attribute), rule, 0)


def _name(attribute: "Attribute[Any]") -> str:
    return attribute.name.removeprefix("_")


@define(eq=False, repr=False)
class PushReceiver:
    """Receives pushes as an ASGI application: alone, or mounted in any async web application.

    ``keys`` maps each app_id to its secret key; for many accounts, it is an async function that
    returns the key of an app_id, or None. ``on_reports`` is awaited with the reports of a push, and
    only when it has returned is the push confirmed: 200, ``success``. Any other answer lets the
    service push again: 400 unreadable, 403 unknown account, 405 not POST, 408 body slower than
    ``body_timeout`` seconds, 413 more than ``max_body`` bytes (``max_size`` when inflated), 500 a
    function of yours failed or took longer than ``handler_timeout`` seconds. A timeout of None is none.

    - ``on_rejected`` is awaited with a :class:`Rejected` when a push, or some report in it, cannot
      be decoded. The reports that can be read are handed over first, and the rejected part only
      when that succeeded: so it is not handed over again when the push is repeated because the
      handler failed. Then the push is confirmed, or, when nothing in it can be read, answered 400.
    - ``deduplicate`` is a store, such as :class:`RecentReports`: a report that was handled before is
      not handed over again. Without it the handler must bear repeats. A repeat that arrives while
      the first one is being handled shares its success, and takes over when it fails.
    - ``allow_plain`` takes pushes that are not encrypted, too. Nothing signs them, so they must come
      from ``plain_networks`` (as ``scope["client"]`` says: tell the server about its proxies), or
      to a path that ends in ``/`` and the secret ``plain_token``; both when both are given.
    """

    _keys: Keys = field(validator=_check_keys)
    _on_reports: Callable[[list[Report]], Awaitable[None]] = field(validator=_check_function)
    _allow_plain: bool = field(default=False, kw_only=True)
    _plain_networks: Iterable[str] | None = field(default=None, kw_only=True)
    _plain_token: str | None = field(default=None, kw_only=True)
    _on_rejected: Callable[[Rejected], Awaitable[None]] | None = field(
        default=None, kw_only=True, validator=optional(_check_function)
    )
    _deduplicate: ReportStore | None = field(default=None, kw_only=True, validator=optional(_check_store))
    _max_body: int = field(default=16 * 1024 * 1024, kw_only=True, validator=_check_size)
    _max_size: int = field(default=MAX_SIZE, kw_only=True, validator=_check_size)
    _body_timeout: float | None = field(default=30.0, kw_only=True, validator=_check_seconds)
    _handler_timeout: float | None = field(default=30.0, kw_only=True, validator=_check_seconds)
    _plain: PlainRule | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._plain = plain_rule(self._allow_plain, self._plain_networks, self._plain_token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's start and end, as ASGI has it."""
        if scope["type"] == "http":
            await _send(await self._answer(scope, receive), scope, send)
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            raise NotImplementedError(f"there is no answer to the ASGI scope {scope['type']!r}")

    async def _answer(self, scope: Scope, receive: Receive) -> _Answer:
        try:
            answer = await self._handle(scope, receive)
        except _RefusalError as refusal:
            answer = refusal.answer
        except Exception:
            _LOG.exception("a push could not be handled")
            answer = _FAILED
        if answer is not _SUCCESS:
            _LOG.info("a push was not confirmed: %s", answer.text)
        return answer

    async def _handle(self, scope: Scope, receive: Receive) -> _Answer:
        if scope["method"] != "POST":
            return _NOT_POST
        app_id, key = await self._account(scope)
        body = await self._read(scope, receive)
        reports, error = await self._decode(body, key, scope)
        if reports:
            await self._deliver(app_id, reports)
        if error is None:
            return _SUCCESS
        await self._reject(Rejected(app_id, body, error))
        if error.broken:
            return _SUCCESS
        return _TOO_LARGE if error.stage == "size" else _UNREADABLE

    async def _account(self, scope: Scope) -> tuple[str, Key]:
        names = _headers(scope, b"appid")
        if len(names) == 1 and (app_id := names[0]):
            keys = self._keys
            key = keys.get(app_id) if isinstance(keys, Mapping) else await self._bounded(keys(app_id))
            if key is not None:
                return app_id, key
        raise _RefusalError(_FORBIDDEN)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """Read the body, and stop as soon as it is too large, too slow, or nobody's any more."""
        if any(_exceeds(length, self._max_body) for length in _headers(scope, b"content-length")):
            raise _RefusalError(_TOO_LARGE)
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(self._body_timeout):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _RefusalError(_NOBODY)
                    body += message.get("body", b"")
                    if len(body) > self._max_body:
                        raise _RefusalError(_TOO_LARGE)
                    more = message.get("more_body", False)
        except TimeoutError:
            raise _RefusalError(_TOO_SLOW) from None
        return bytes(body)

    async def _decode(self, body: bytes, key: Key, scope: Scope) -> tuple[Sequence[Report], PushError | None]:
        """Return the reports that can be read, and what is wrong with the others."""
        try:
            if len(body) <= _DECODED_IN_PLACE:
                return self._decode_either(body, key, scope), None
            return await asyncio.to_thread(self._decode_either, body, key, scope), None
        except PushError as error:
            return error.reports, error

    def _decode_either(self, body: bytes, key: Key, scope: Scope) -> list[Report]:
        try:
            return decode_push(body, key, max_size=self._max_size)
        except PushError as error:
            # Deciphered, one plain body in 4,096 ends in what looks like a padding; then it is no gzip.
            if self._plain is None or error.stage not in ("decrypt", "inflate") or not looks_plain(body):
                raise
        if not self._plain.allows((scope.get("client") or ("",))[0], scope["path"]):
            raise _RefusalError(_FORBIDDEN)
        return decode_plain_push(body, "".join(_headers(scope, b"content-type")[:1]))

    async def _deliver(self, app_id: str, reports: Sequence[Report]) -> None:
        if self._deduplicate is None:
            await self._hand_over(list(reports))
        else:
            store, patience = self._deduplicate, self._handler_timeout
            await deliver_once(store, app_id, reports, self._hand_over, patience=patience)

    async def _hand_over(self, reports: list[Report]) -> None:
        await self._bounded(self._on_reports(reports))

    async def _reject(self, rejected: Rejected) -> None:
        """Keep what cannot be decoded; the log counts it and tells nothing of what is in it."""
        app_id, error = rejected.app_id, rejected.error
        _LOG.warning(
            "a push to %r cannot be decoded (%s): %d broken entries", app_id, error, len(error.broken)
        )
        if self._on_rejected is not None:
            await self._bounded(self._on_rejected(rejected))

    async def _bounded(self, result: Awaitable[_Value]) -> _Value:
        """Await what belongs to the application, for as long as it may take."""
        async with asyncio.timeout(self._handler_timeout) as limit:
            value = await result
        if limit.expired():
            # It swallowed its cancellation and returned: nobody knows how far it came.
            raise TimeoutError
        return value


async def _send(answer: _Answer, scope: Scope, send: Send) -> None:
    if answer is _NOBODY:
        return
    text = answer.text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(text))]
    if answer.hang_up and scope.get("http_version", "1.1").startswith("1"):  # HTTP/2 forbids the header.
        headers.append((b"connection", b"close"))
    with suppress(OSError):  # The client is gone. What was handled stays handled.
        start = {"type": "http.response.start", "status": answer.status}
        await send(start | {"headers": [*headers, *answer.headers]})
        await send({"type": "http.response.body", "body": text})


async def _live(receive: Receive, send: Send) -> None:
    """Go along with the server's start and end: there is nothing to open or to close."""
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


def _headers(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _exceeds(length: str, limit: int) -> bool:
    # Nineteen digits are too many anyhow, and int() does not take some thousands of them.
    return length.isdecimal() and (len(length) > 18 or int(length) > limit)
