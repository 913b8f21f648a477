"""One account's limit for all its processes, on all its machines: leases on a Redis server."""

import hashlib
from types import TracebackType
from typing import Final, Self

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.checks import check_text
from emay_voice_async.model.endpoints import Call
from emay_voice_async.model.limits import RateLimit, RateLimits
from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.pacing.protocol import Lease
from emay_voice_async.redis.backoff import OutageError
from emay_voice_async.redis.connection import Client, Connection, Script, check_prefix, check_wait
from emay_voice_async.redis.protocol import Answer, Ask, decode, encode, terms
from emay_voice_async.redis.queue import Line

__all__ = ["RedisPacer"]

_TURN: Final = Script("turn.lua")
_GRACE: Final = 0.5
"""Seconds that a process may be late and still find its slot."""


class RedisPacer:
    """The pacer of all processes of one account: ``AsyncEmayVoice(pacer=RedisPacer(...))``.

    ::

        async with (
            RedisPacer("redis://localhost", app_id=app_id) as pacer,
            AsyncEmayVoice(base_url, app_id=app_id, secret_key=secret_key, pacer=pacer) as voice,
        ):
            ...

    A slot is a lease on the Redis server, by the server's clock: taken before a request is sent, and
    free a period and a tolerance after the answer. Slots go to the processes in turn.

    - ``client_or_url``: a ``redis.asyncio`` client (or cluster), which is never closed, or a URL.
      Redis 6.2 or newer, or Valkey; its keys must not be evicted while memory is short.
    - ``app_id``: the account; only a hash of it is in the keys. ``rate_limits``: its limits, the same
      in all its processes. Where they differ, the strictest of those that were used within the last
      minute holds for all, and that is logged.
    - ``on_outage``: this process's own share of each limit, so that all shares together are within
      it: used from a moment and a period after Redis was found gone, until it is back. None: requests
      wait for Redis, each for as long as its deadline lets it.
    - ``longest``: seconds from the grant of a slot to the last moment at which the service can count
      its request, should this process die: at least three times the client's ``timeout``. It is how
      long the slots of a process that was killed are missing.
    - ``timeout``: seconds that one command may take. ``prefix``: what the keys begin with.

    A state that is new (of an account never used before, unused for a day, or lost by the server)
    counts as used up: the first request waits one period. The constructor does no I/O and needs no
    event loop; the first request binds the pacer to the running one. Close it after its clients.
    """

    def __init__(
        self,
        client_or_url: Client | str,
        *,
        app_id: str,
        rate_limits: RateLimits = RateLimits(),  # noqa: B008 - frozen
        on_outage: RateLimit | RateLimits | None = None,
        longest: float = 90.0,
        timeout: float = 1.0,
        prefix: str = "emay_voice",
    ) -> None:
        check_text("app_id", app_id)
        check_prefix(prefix)
        check_wait("longest", longest)
        if not isinstance(rate_limits, RateLimits):
            raise InvalidRequestError("rate_limits", "must be RateLimits", None, type(rate_limits).__name__)
        if not isinstance(on_outage, RateLimit | RateLimits | None):
            rule = "must be a RateLimit, RateLimits or None"
            raise InvalidRequestError("on_outage", rule, None, type(on_outage).__name__)
        self._connection = Connection(client_or_url, timeout)
        self._unlimited = LocalPacer(RateLimits(None, None, None))
        self._lines: dict[Call, Line] = {}
        for call in Call:
            if (limit := rate_limits.of(call)) is not None:
                desk = _Desk(self._connection, _line(prefix, app_id, call), limit, longest)
                share = on_outage.of(call) if isinstance(on_outage, RateLimits) else on_outage
                self._lines[call] = Line(desk, limit, share)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Wait for a slot in order of arrival; cancelling leaves no trace."""
        line = self._lines.get(call)
        return await (self._unlimited.acquire(call) if line is None else line.acquire(again=again))

    def limit(self, call: Call) -> RateLimit | None:
        """Return the limit in force when Redis was last asked."""
        line = self._lines.get(call)
        return None if line is None else line.limit

    async def aclose(self) -> None:
        """Tell Redis what has ended, for two timeouts at most, and close the client if it is our own."""
        for line in self._lines.values():
            await line.aclose()
        await self._connection.aclose()


class _Desk:
    """One line's turns on the server."""

    def __init__(self, connection: Connection, line: str, limit: RateLimit, longest: float) -> None:
        self.timeout = connection.timeout
        # A grant may be on its way here for as long as a command may take.
        self.terms = terms(limit, longest=longest + connection.timeout, grace=_GRACE)
        self._connection = connection
        self._line = line

    async def turn(self, ask: Ask) -> Answer:
        """Have a turn."""
        names = ("leases", "state", "queue", "waiting", f"process:{ask.process}")
        keys = [f"{self._line}:{name}" for name in names]
        told = await self._connection.run(_TURN, keys, encode(ask, self.terms))
        if told is None:
            raise OutageError("a later command came first")
        answer = decode(told)
        if answer.seq != ask.seq:
            raise OutageError("this is the answer to another command")
        return answer


def _line(prefix: str, app_id: str, call: Call) -> str:
    """Return what the keys of a line begin with; the braces keep them on one node of a cluster."""
    account = hashlib.blake2b(app_id.encode(), digest_size=16).hexdigest()
    return f"{prefix}:{{{account}:{call.value}}}"
