"""Pushes to a receiver: bodies, requests driven by hand, and handlers of an application."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from attrs import field, frozen

from emay_voice_async import Report
from emay_voice_async.receiver import PushReceiver, Rejected
from emay_voice_async.wire.compression import compress
from emay_voice_async.wire.encryption import encrypt

APP_ID, KEY = "EMAY-APP-1", "1234567890abcdef"
OTHER_ID, OTHER_KEY = "EMAY-APP-2", "fedcba0987654321"
KEYS = {APP_ID: KEY, OTHER_ID: OTHER_KEY}
MOBILE = "13812345678"
INSIDE, OUTSIDE = "203.0.113.9", "198.51.100.7"
NETWORKS = ["203.0.113.0/24"]
TOKEN = "a-long-secret-token"
Message = dict[str, Any]


def entry(message_id: str = "m1", state: str = "SUCCESS", **values: object) -> dict[str, object]:
    """Write a report as the service does."""
    return {"appId": APP_ID, "voiceId": message_id, "mobile": MOBILE, "state": state, **values}


def text_of(*entries: object) -> bytes:
    """Write the JSON of a push."""
    return json.dumps({"code": "SUCCESS", "data": list(entries)}).encode()


def seal(data: bytes, key: str = KEY) -> bytes:
    """Make the body of an encrypted push."""
    return encrypt(compress(data), key)


PUSH = seal(text_of(entry()))


@frozen
class Answer:
    """The response of the application."""

    status: int
    body: bytes
    headers: dict[bytes, bytes] = field(repr=False)


SUCCESS = (200, b"success")


class Exchange:
    """A request driven by hand, with the messages that the application reads and sends."""

    def __init__(
        self,
        *chunks: bytes,
        app_ids: Sequence[str] = (APP_ID,),
        client: tuple[str, int] | None = (INSIDE, 50_000),
        headers: Sequence[tuple[bytes, bytes]] = (),
        http_version: str = "1.1",
        method: str = "POST",
        path: str = "/push",
        source: AsyncIterator[Message] | None = None,
    ) -> None:
        names = [(b"appid", one.encode()) for one in app_ids]
        self.scope: Message = {
            "type": "http",
            "http_version": http_version,
            "method": method,
            "path": path,
            "headers": [(b"host", b"localhost"), *names, *headers],
            "client": client,
        }
        self._source = source or self._all(chunks or (PUSH,))
        self.reads = 0
        self.sent: list[Message] = []

    @staticmethod
    async def _all(chunks: Sequence[bytes]) -> AsyncIterator[Message]:
        for place, chunk in enumerate(chunks, 1):
            yield {"type": "http.request", "body": chunk, "more_body": place < len(chunks)}

    async def receive(self) -> Message:
        """Give the application the next message of the request."""
        self.reads += 1
        return await anext(self._source)

    async def send(self, message: Any) -> None:
        """Take a message of the application."""
        self.sent.append(message)

    async def play(self, app: PushReceiver) -> Answer | None:
        """Run the application; return the response, or None without a response."""
        await app(self.scope, self.receive, self.send)
        if not self.sent:
            return None
        start, body = self.sent
        assert start["type"] == "http.response.start"
        assert body["type"] == "http.response.body"
        headers = dict(start["headers"])
        assert headers[b"content-length"] == str(len(body["body"])).encode()
        assert headers[b"content-type"].startswith(b"text/plain")
        return Answer(start["status"], body["body"], headers)


async def push(app: PushReceiver, *chunks: bytes, **options: Any) -> tuple[int, bytes] | None:
    """Push once, and return the status and the body of the answer."""
    answer = await Exchange(*chunks, **options).play(app)
    return None if answer is None else (answer.status, answer.body)


async def status(app: PushReceiver, *chunks: bytes, **options: Any) -> int:
    """Push once, and return the status of the answer."""
    answer = await push(app, *chunks, **options)
    assert answer is not None
    return answer[0]


class Handler:
    """A handler of the application: runs the next step of the script, then keeps the reports."""

    def __init__(self, *script: Callable[[], Awaitable[object]]) -> None:
        self._script: Iterator[Callable[[], Awaitable[object]]] = iter(script)
        self.begun: list[list[str]] = []
        self.done: list[list[str]] = []
        self.reports: list[Report] = []

    async def __call__(self, reports: list[Report]) -> None:
        """Take the reports of a push."""
        ids = [report.message_id for report in reports]
        self.begun.append(ids)
        if (step := next(self._script, None)) is not None:
            await step()
        self.done.append(ids)
        self.reports += reports


class Rejections:
    """An ``on_rejected`` of the application that keeps rejected pushes."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = iter(errors)
        self.kept: list[Rejected] = []

    async def __call__(self, rejected: Rejected) -> None:
        """Keep the push, and fail if told to."""
        self.kept.append(rejected)
        if (error := next(self._errors, None)) is not None:
            raise error


async def fail() -> None:
    """Fail as a database does."""
    raise ConnectionError("no database")


async def hang() -> None:
    """Never end."""
    await asyncio.Event().wait()


async def swallow() -> None:
    """Never end, and suppress the cancellation."""
    with suppress(asyncio.CancelledError):
        await hang()
    await asyncio.sleep(0)
