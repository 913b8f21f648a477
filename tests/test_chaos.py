"""The proxy that disturbs connections, and campaigns through it against the local service."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from support.chaos import run_campaigns
from support.chaos_proxy import ChaosProxy, Fault, Kind, Link, Place, chaos_proxy

from emay_voice_async.sandbox import Sandbox

BODY = b"number=5" + b"0" * 2000


def each(fault: Fault | None) -> Callable[[random.Random, Link], Fault | None]:
    """Decide for the same fault every time."""
    return lambda _, __: fault


@asynccontextmanager
async def disturbed(
    fault: Fault | None, sandbox: Sandbox | None = None
) -> AsyncIterator[tuple[ChaosProxy, httpx.AsyncClient]]:
    """Run the local service behind a proxy, and a client of the proxy."""
    async with (
        (sandbox or Sandbox()).serve() as url,
        chaos_proxy(url, each(fault)) as proxy,
        httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=5) as client,
    ):
        yield proxy, client


async def ask(client: httpx.AsyncClient) -> httpx.Response:
    """Make a request that the service answers with a page."""
    return await client.post("/nowhere", content=BODY)


def play(main: Callable[[], Awaitable[Any]]) -> Any:
    """Run a test in a loop of its own."""

    async def bounded() -> Any:
        async with asyncio.timeout(20):
            return await main()

    return asyncio.run(bounded())


class TestProxy:
    """Each fault does what its name says."""

    def test_no_fault(self) -> None:
        """Without a fault the proxy passes all bytes on, keeps the connection, and records the exchanges."""

        async def main() -> None:
            async with disturbed(None) as (proxy, client):
                assert [(await ask(client)).status_code for _ in range(3)] == [404] * 3
            assert (proxy.connections, len(proxy.exchanges), proxy.lost) == (1, 3, 0)
            assert [exchange.path for exchange in proxy.exchanges] == ["/nowhere"] * 3
            assert not proxy.faults

        play(main)

    @pytest.mark.parametrize("kind", [Kind.DELAY, Kind.STALL, Kind.DRIP])
    @pytest.mark.parametrize("place", Place)
    def test_slow(self, kind: Kind, place: Place) -> None:
        """A slow exchange takes the seconds of the fault, and arrives whole."""

        async def main() -> None:
            fault = Fault(kind, place, 0.0 if kind is Kind.DELAY else 0.5, 0.2)
            async with disturbed(fault) as (proxy, client):
                began = time.monotonic()
                assert (await ask(client)).status_code == 404
                assert time.monotonic() - began > 0.19
            assert (proxy.lost, proxy.faults) == (0, {f"{kind.value} of {place.value}": 1})

        play(main)

    @pytest.mark.parametrize("kind", [Kind.RESET, Kind.FINISH, Kind.HALF_CLOSE])
    @pytest.mark.parametrize("at", [0.0, 0.01, 0.5, 0.9])
    def test_a_cut_request(self, kind: Kind, at: float) -> None:
        """A request that is cut never arrives, and the client gets no response."""

        async def main() -> None:
            sandbox = Sandbox()
            async with disturbed(Fault(kind, Place.REQUEST, at, 0.05), sandbox) as (proxy, client):
                with pytest.raises(httpx.NetworkError if kind is Kind.RESET else httpx.TransportError):
                    await ask(client)
                await proxy.quiet()
                assert (proxy.lost, proxy.faults) == (1, {f"{kind.value} of request": 1})
                [exchange] = proxy.exchanges
                assert exchange.sent == pytest.approx(at * (len(BODY) + 200), abs=100)
            assert not sandbox.received

        play(main)

    @pytest.mark.parametrize("kind", [Kind.RESET, Kind.FINISH, Kind.HALF_CLOSE])
    @pytest.mark.parametrize("at", [0.0, 0.3, 0.95])
    def test_a_cut_response(self, kind: Kind, at: float) -> None:
        """A response that is cut does not reach the client whole, although the service acted."""

        async def main() -> None:
            sandbox = Sandbox()
            async with disturbed(Fault(kind, Place.RESPONSE, at, 0.05), sandbox) as (proxy, client):
                with pytest.raises(httpx.ReadError if kind is Kind.RESET else httpx.RemoteProtocolError):
                    await ask(client)
                await proxy.quiet()
                assert (proxy.lost, proxy.faults) == (1, {f"{kind.value} of response": 1})
            assert len(sandbox.received) == 1

        play(main)

    def test_closed_behind_the_response(self) -> None:
        """A connection that is closed behind a whole response is no loss, and is not used again."""

        async def main() -> None:
            async with disturbed(Fault(Kind.FINISH, Place.RESPONSE, 1.0)) as (proxy, client):
                for _ in range(2):
                    assert (await ask(client)).status_code == 404
                    await proxy.quiet()
                    await asyncio.sleep(0.05)
            assert (proxy.connections, proxy.lost) == (2, 0)

        play(main)

    def test_a_stale_connection(self) -> None:
        """A connection is reset when it is used again: the first exchange is good, and the second one fails."""

        async def main() -> None:
            sandbox = Sandbox()
            async with disturbed(Fault(Kind.STALE), sandbox) as (proxy, client):
                assert (await ask(client)).status_code == 404
                with pytest.raises(httpx.TransportError):
                    await ask(client)
                assert (await ask(client)).status_code == 404
            assert (proxy.connections, proxy.lost, proxy.faults) == (2, 1, {"stale": 1})
            assert len(sandbox.received) == 2

        play(main)

    def test_refused(self) -> None:
        """In a phase of refusals no connection can be made; afterwards the same port accepts again."""

        async def main() -> None:
            async with disturbed(None) as (proxy, client):
                proxy.refuse()
                with pytest.raises(httpx.ConnectError):
                    await ask(client)
                await proxy.listen()
                assert (await ask(client)).status_code == 404
            assert proxy.refusals == 1

        play(main)

    def test_the_same_seed(self) -> None:
        """The same seed makes the same decisions for each connection and exchange."""

        def decide(dice: random.Random, link: Link) -> Fault:
            return Fault(Kind.FINISH, Place.RESPONSE, 1.0, dice.random() / 1000)

        async def faults(seed: int) -> list[Fault | None]:
            async with Sandbox().serve() as url, chaos_proxy(url, decide, seed) as proxy:
                for _ in range(3):
                    async with httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client:
                        await ask(client)
                return [exchange.fault for exchange in proxy.exchanges]

        async def main() -> None:
            assert await faults(1) == await faults(1) != await faults(2)

        play(main)


@pytest.mark.slow
class TestCampaigns:
    """Campaigns through the disturbed network; ``nox -s chaos`` runs many more."""

    def test_no_number_is_called_twice_or_forgotten(self) -> None:
        """Every outcome, journal and report agrees with the record of the service."""
        totals = asyncio.run(run_campaigns(7, numbers=range(12), at_once=6))
        assert not totals.violations, "\n".join(totals.violations)
        assert totals.campaigns == 12
        assert totals.runs > 12
        assert totals.lost_responses > 0
        assert totals.faults.total() > 100
