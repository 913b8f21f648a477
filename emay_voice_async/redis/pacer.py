"""The rate limit of an account for all processes on all machines: leases on a Redis server."""

import hashlib
from types import TracebackType
from typing import Final, Self

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.checks import check_text
from emay_voice_async.model.endpoints import Call
from emay_voice_async.model.limits import RateLimit, RateLimits
from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.pacing.protocol import Lease
from emay_voice_async.redis.backoff import UnavailableError
from emay_voice_async.redis.connection import Client, Connection, check_prefix, check_wait, described
from emay_voice_async.redis.protocol import SyncRequest, SyncResponse, decode, encode, longest_silence, terms
from emay_voice_async.redis.queue import SharedQueue
from emay_voice_async.redis.scripts import SYNC

__all__ = ["RedisPacer"]

_GRACE: Final = 0.5
"""Seconds that a waiting process may be late and still find the slot that was kept."""


class RedisPacer:
    """The pacer of all processes of an account: ``AsyncEmayVoice(pacer=RedisPacer(...))``.

    ::

        async with (
            RedisPacer("redis://localhost", app_id=app_id) as pacer,
            AsyncEmayVoice(base_url, app_id=app_id, secret_key=secret_key, pacer=pacer) as voice,
        ):
            ...

    A slot is a lease on the Redis server, by the server's clock: taken before a request is sent, and
    free a period and a tolerance after the response. Slots are dealt to the processes in turn.

    - ``client_or_url``: a ``redis.asyncio`` client (or cluster), which is never closed, or a URL.
      Redis 6.2 or newer, or Valkey. The server must not evict these keys when memory is short.
    - ``app_id``: the account; the keys contain only a hash of the appId. ``rate_limits``: the limits of
      the account, the same in all processes. Where processes differ, the strictest limit used within
      the last minute holds for all, with a warning in the log.
    - ``on_outage``: the fallback limit of this process, so that the fallback limits of all processes
      together stay within the limit; applied from 1 second + period + tolerance after the first
      failure of Redis, until Redis answers. None: requests wait for Redis until their deadlines.
    - ``longest``: seconds from the grant of a slot to the last instant at which the service can count
      the request, in case this process dies: at least three times the client's ``timeout``. The slots
      of a killed process are missing for that long.
    - ``timeout``: seconds that a command may take. ``prefix``: the beginning of all keys.

    A new state (of an account never used before, unused for a day, or lost by the server) counts as
    used up for a period and the longest silence of a process (2 timeouts and up to a period): other
    processes may have requests in flight that the new state does not know yet. The constructor does no
    I/O and needs no event loop; the first request binds the pacer to the running loop. Close the pacer
    after its clients. A wrong password, a bad certificate and a read-only server fail requests at once,
    with :class:`~emay_voice_async.errors.NotSentError`.

    What happens, and whether ERROR_OVER_SPEED is possible:

    - Redis does not answer: requests wait, or the fallback limit applies. No.
    - Redis restarts empty, or an empty server takes over the address: a new state. No, unless a process
      died with requests in flight, or the ``timeout`` differs between processes.
    - The clock of the server steps forward: the next sync of a process that synced before it begins a new
      state. Possible until then, if a process syncs for the first time in that moment.
    - The clock of the server is set back: requests go on by the old clock. No.
    - A failover to a replica that lags: possible, for the leases of the last moments. A step between the
      clocks of the two servers is noticed as above.
    - A cluster moves the slot of the keys: requests wait for the move. No.
    - A master of a cluster is killed: requests wait, or the fallback limit applies, until a replica takes over (see
      failover) or the master is back (see restart).
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
            rule = "must be RateLimits, such as RateLimits(send=RateLimit(10, 1.0))"
            raise InvalidRequestError("rate_limits", rule, None, described(rate_limits))
        if not isinstance(on_outage, RateLimit | RateLimits | None):
            rule = "must be a RateLimit such as RateLimit(3, 1.0), RateLimits or None"
            raise InvalidRequestError("on_outage", rule, None, described(on_outage))
        self._connection = Connection(client_or_url, timeout)
        self._unlimited = LocalPacer(RateLimits(None, None, None))
        self._queues: dict[Call, SharedQueue] = {}
        for call in Call:
            if (limit := rate_limits.of(call)) is not None:
                server = _RedisServer(self._connection, _key(prefix, app_id, call), limit, longest)
                fallback = on_outage.of(call) if isinstance(on_outage, RateLimits) else on_outage
                self._queues[call] = SharedQueue(server, limit, fallback)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Wait for a slot in order of arrival; a cancelled call leaves no slot taken."""
        queue = self._queues.get(call)
        return await (self._unlimited.acquire(call) if queue is None else queue.acquire(again=again))

    def limit(self, call: Call) -> RateLimit | None:
        """Return the limit in force when Redis last answered."""
        queue = self._queues.get(call)
        return None if queue is None else queue.limit

    async def aclose(self) -> None:
        """Send the pending changes, for two timeouts at most, and close the client made from a URL."""
        for queue in self._queues.values():
            await queue.aclose()
        await self._connection.aclose()


class _RedisServer:
    """The state of an account for one kind of call on a Redis server, under keys of that name."""

    def __init__(self, connection: Connection, key: str, limit: RateLimit, longest: float) -> None:
        self.timeout = connection.timeout
        # A grant may be in flight to this process for as long as a command may take.
        silence = longest_silence(limit, connection.timeout)
        self.terms = terms(limit, longest=longest + connection.timeout, grace=_GRACE, silence=silence)
        self._connection = connection
        self._key = key

    async def sync(self, request: SyncRequest) -> SyncResponse:
        """Execute a request."""
        names = ("leases", "state", "queue", "waiting", f"process:{request.process}")
        keys = [f"{self._key}:{name}" for name in names]
        text = await self._connection.run(SYNC, keys, encode(request, self.terms))
        if text is None:
            raise UnavailableError("a later command came first")
        response = decode(text)
        if response.sequence != request.sequence:
            raise UnavailableError("this is the response to another command")
        return response


def _key(prefix: str, app_id: str, call: Call) -> str:
    """Return the beginning of the keys; the braces keep them on the same node of a cluster."""
    account = hashlib.blake2b(app_id.encode(), digest_size=16).hexdigest()
    return f"{prefix}:{{{account}:{call.value}}}"
