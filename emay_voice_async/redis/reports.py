"""The report store on a Redis server: which reports were handled, for receivers on many machines."""

import asyncio
import math
import secrets
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from emay_voice_async.receiver.deduplication import ClaimResult
from emay_voice_async.redis.connection import Client, Connection, check_prefix, check_wait
from emay_voice_async.redis.scripts import CLAIM, SETTLE

__all__ = ["RedisReports"]

_CLAIMS: Final = (ClaimResult.CLAIMED, ClaimResult.HELD, ClaimResult.HANDLED)
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.5


class RedisReports:
    """The store of all receivers of an account: ``PushReceiver(..., deduplicate=RedisReports(...))``.

    - ``client_or_url``: a ``redis.asyncio`` client (or cluster), which is never closed, or a URL.
    - ``claimed_for``: seconds after which a report that was claimed and not settled can be claimed
      again: longer than the receiver's ``handler_timeout``. Reports of a process that died wait as long.
    - ``remembered_for``: seconds for which a handled report is remembered.
    - ``timeout``: seconds that a command may take. ``prefix``: the beginning of all keys.

    While Redis cannot be used, the methods raise, so that the receiver does not confirm a push and the
    service pushes again.
    """

    def __init__(
        self,
        client_or_url: Client | str,
        *,
        claimed_for: float = 60.0,
        remembered_for: float = 86_400.0,
        timeout: float = 5.0,
        prefix: str = "emay_voice",
    ) -> None:
        self._claimed_for = _milliseconds("claimed_for", claimed_for)
        self._remembered_for = _milliseconds("remembered_for", remembered_for)
        self._prefix = f"{check_prefix(prefix)}:{{reports}}:"
        self._connection = Connection(client_or_url, timeout)
        self._token = ""
        # Claimed by this process, or being claimed: the server cannot tell tasks of a process apart.
        self._mine: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def claim(self, keys: Sequence[str]) -> Sequence[ClaimResult]:
        """Claim each new key, all in a single command."""
        # Made here, not in the constructor: a forked process must not share the parent's token.
        self._token = self._token or secrets.token_hex(16)
        asked = [key for key in dict.fromkeys(keys) if key not in self._mine]
        self._mine.update(asked)
        claims: dict[str, ClaimResult] = {}
        try:
            if asked:
                codes = await self._connection.run(CLAIM, self._names(asked), self._token, self._claimed_for)
                claims = dict(zip(asked, (_CLAIMS[code] for code in codes), strict=True))
        finally:
            self._mine.difference_update(key for key in asked if claims.get(key) is not ClaimResult.CLAIMED)
        # Of a key that is given twice, only the first is claimed.
        return [_taken(claims, key) for key in keys]

    async def settle(self, keys: Sequence[str], *, handled: bool) -> None:
        """End claims, all in a single command."""
        arguments = (self._token, int(handled), self._remembered_for)
        try:
            await self._connection.run(SETTLE, self._names(keys), *arguments)
        finally:
            self._mine.difference_update(keys)

    async def wait(self, key: str) -> None:
        """Poll with growing pauses until the claim has ended."""
        pause = _FIRST_PAUSE
        while key in self._mine or not await self._has_ended(key):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _has_ended(self, key: str) -> bool:
        holder = await self._connection.command("GET", *self._names([key]))
        return holder in (None, "handled", b"handled")

    async def aclose(self) -> None:
        """Close a client that was made from a URL."""
        await self._connection.aclose()

    def _names(self, keys: Sequence[str]) -> list[str]:
        return [self._prefix + key for key in keys]


def _taken(claims: dict[str, ClaimResult], key: str) -> ClaimResult:
    claim = claims.get(key, ClaimResult.HELD)
    if claim is ClaimResult.CLAIMED:
        claims[key] = ClaimResult.HELD
    return claim


def _milliseconds(name: str, seconds: float) -> int:
    check_wait(name, seconds)
    return math.ceil(seconds * 1000)
