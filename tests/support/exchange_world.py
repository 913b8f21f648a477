"""A client's exchanges over a scripted transport, in virtual time."""

from collections.abc import Awaitable, Callable
from typing import Any, Self

from emay_voice_async.exchange.attempts import CallStep, Credentials
from emay_voice_async.exchange.exchanges import Exchanges
from emay_voice_async.exchange.transport import Transport
from emay_voice_async.model.endpoints import VOICE_SEND, Call, Endpoint
from emay_voice_async.model.limits import RateLimit, RateLimits
from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.wire.envelope import HttpResponse, read_balance, read_reports
from support.batches import read_tickets
from support.http_transport import Script, Step
from support.virtual_time import now, run

SUCCESS = {"code": "SUCCESS", "data": []}
BALANCE = {"code": "SUCCESS", "data": "12.50"}
EPOCH = 1_600_000_000.0
TIMEOUT = 30.0


def read(endpoint: Endpoint) -> Callable[[HttpResponse], Any]:
    """Read an answer of this endpoint."""
    return {
        Call.SEND: lambda answer: read_tickets(endpoint, answer, []),
        Call.REPORTS: lambda answer: read_reports(endpoint, answer),
        Call.BALANCE: lambda answer: read_balance(endpoint, answer),
    }[endpoint.call]


def no_retry(step: CallStep) -> bool:
    """Let a call go on, but for retries."""
    return step is not CallStep.RETRY


class World:
    """A client's exchanges over a script, in virtual time."""

    def __init__(self, *steps: Step, limit: RateLimit | None = None, **options: Any) -> None:
        self.script = Script(*steps, **options)
        self.limit = RateLimit(1, 1.0) if limit is None else limit
        self.clock_error = 0.0

    async def __aenter__(self) -> Self:
        self.client = self.script.client()
        limits = RateLimits(send=self.limit, reports=self.limit, balance=None)
        self.exchanges = Exchanges(
            Transport("http://service", self.client, TIMEOUT),
            LocalPacer(limits),
            Credentials("app", "secret"),
            timeout=TIMEOUT,
            clock=lambda: EPOCH + now() + self.clock_error,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.exchanges.aclose()
        await self.client.aclose()

    async def call(self, endpoint: Endpoint = VOICE_SEND, **options: Any) -> Any:
        """Make a call."""
        return await self.exchanges.call(endpoint, b"a=1", read(endpoint), **options)

    async def seconds_until_a_slot(self) -> float:
        """Take the only slot for sends, and tell how long that took."""
        began = now()
        await self.exchanges._pacer.acquire(Call.SEND)
        return now() - began


def in_world(world: World, main: Callable[[World], Awaitable[None]]) -> None:
    """Run a test in a fresh world, which must close without leftovers."""

    async def living() -> None:
        async with world:
            await main(world)

    run(living())
