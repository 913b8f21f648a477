"""The store of receivers on many machines, over a real server."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from support import servers

from emay_voice_async import InvalidRequestError, Report
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import Product
from emay_voice_async.receiver.deduplication import ClaimResult, RecentReports, ReportStore, deliver_once
from emay_voice_async.redis import RedisReports
from emay_voice_async.redis.backoff import OutageError

YOURS, HELD, HANDLED = ClaimResult.CLAIMED, ClaimResult.HELD, ClaimResult.HANDLED


class Shelf:
    """A place of one test's own, on a server that others may use."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.prefix = f"emay_voice_test_{secrets.token_hex(8)}"

    def store(
        self,
        client: Redis | None = None,
        *,
        claimed_for: float = 60.0,
        remembered_for: float = 86_400.0,
        timeout: float = 5.0,
    ) -> RedisReports:
        """Make the store of one machine."""
        return RedisReports(
            client or self.url,
            prefix=self.prefix,
            claimed_for=claimed_for,
            remembered_for=remembered_for,
            timeout=timeout,
        )

    def wipe(self) -> list[str]:
        """Remove what is there; return its names."""
        with redis.Redis.from_url(self.url, decode_responses=True) as client:
            names = [str(name) for name in client.scan_iter(f"{self.prefix}:*", count=10_000)]
            for name in names:
                client.delete(name)
        return names


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """Give the test a place, and remove what it left."""
    one = Shelf(servers.url(servers.REDIS))
    yield one
    one.wipe()


def between(
    shelf: Shelf, play: Callable[[RedisReports, RedisReports], Awaitable[None]], *, claimed_for: float = 60.0
) -> None:
    """Play with the stores of two machines; ``claimed_for`` is the first one's."""

    async def main() -> None:
        async with shelf.store(claimed_for=claimed_for) as one, shelf.store() as other:
            await play(one, other)

    asyncio.run(main())


class TestClaims:
    """Who handles a report."""

    def test_it_is_a_store(self) -> None:
        """A receiver takes it as it is, before any server is asked."""
        assert isinstance(RedisReports("redis://nobody.invalid"), ReportStore)

    def test_each_key_has_one_owner(self, shelf: Shelf) -> None:
        """Of many who claim at once, on two machines, exactly one is told that it is theirs."""

        async def play(one: RedisReports, other: RedisReports) -> None:
            keys = [f"{number:032}" for number in range(100)]
            claims = await asyncio.gather(*(store.claim(keys) for _ in range(4) for store in (one, other)))
            for each in zip(*claims, strict=True):
                assert sorted(claim.value for claim in each) == ["claimed"] + ["held"] * 7

        between(shelf, play)

    def test_what_was_handled_stays_handled(self, shelf: Shelf) -> None:
        """A settled claim is told to all; one that failed is there for the next one."""

        async def play(one: RedisReports, other: RedisReports) -> None:
            assert await one.claim(["a", "b", "c"]) == [YOURS, YOURS, YOURS]
            await one.settle(["a", "b"], handled=True)
            await one.settle(["c"], handled=False)
            assert await other.claim(["c", "b", "a", "d"]) == [YOURS, HANDLED, HANDLED, YOURS]
            assert await one.claim(["a", "c", "d"]) == [HANDLED, HELD, HELD]

        between(shelf, play)

    def test_a_key_that_is_there_twice(self, shelf: Shelf) -> None:
        """Only the first one is claimed, as in the store of one process; none at all is no question."""

        async def play(one: RedisReports, other: RedisReports) -> None:
            assert await one.claim(["a", "a"]) == [YOURS, HELD]
            await one.settle(["a"], handled=True)
            assert await other.claim(["a", "a"]) == [HANDLED, HANDLED]
            assert await other.claim([]) == []

        between(shelf, play)

    def test_a_claim_ends_by_itself(self, shelf: Shelf) -> None:
        """A machine that died holds a report for as long as it was told, and no longer."""

        async def play(one: RedisReports, other: RedisReports) -> None:
            assert await one.claim(["a"]) == [YOURS]
            assert await other.claim(["a"]) == [HELD]
            await other.wait("a")
            assert await other.claim(["a"]) == [YOURS]
            # Its owner was only slow: the claim is not its own any more.
            await one.settle(["a"], handled=False)
            assert await one.claim(["a"]) == [HELD]
            await one.settle(["a"], handled=True)
            assert await one.claim(["a"]) == [HELD]

        between(shelf, play, claimed_for=1.0)

    def test_a_late_owner_whom_nobody_followed(self, shelf: Shelf) -> None:
        """What was handled after its claim had ended is remembered if nobody has claimed it since."""

        async def play(one: RedisReports, other: RedisReports) -> None:
            await one.claim(["a"])
            await other.wait("a")
            await one.settle(["a"], handled=True)
            assert await other.claim(["a"]) == [HANDLED]

        between(shelf, play, claimed_for=0.1)

    def test_it_is_forgotten_in_time(self, shelf: Shelf) -> None:
        """Claims and handled reports have an end on the server, in the seconds that were given."""

        async def main() -> None:
            async with Redis.from_url(shelf.url) as client:
                store = shelf.store(client, claimed_for=100, remembered_for=200)
                await store.claim(["a", "b"])
                await store.settle(["a"], handled=True)
                left = [await client.pttl(f"{shelf.prefix}:{{reports}}:{key}") for key in ("a", "b")]
            assert 190_000 < left[0] <= 200_000
            assert 90_000 < left[1] <= 100_000

        asyncio.run(main())

    @settings(max_examples=50)
    @given(
        steps=st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from(["claim", "claim", "handled", "failed"])),
            max_size=20,
        )
    )
    def test_it_does_what_the_store_of_one_process_does(self, steps: list[tuple[str, str]]) -> None:
        """Whatever is claimed and settled, in whatever order, both stores say the same."""
        place = Shelf(servers.url(servers.REDIS))

        async def main() -> None:
            stores: list[ReportStore] = [RecentReports(), place.store()]
            mine: set[str] = set()
            for key, what in steps:
                if what == "claim":
                    [paper, real] = [list(await store.claim([key, "z"])) for store in stores]
                    assert paper == real
                    mine |= {name for name, claim in zip([key, "z"], paper, strict=True) if claim is YOURS}
                elif key in mine:
                    mine.remove(key)
                    for store in stores:
                        await store.settle([key], handled=what == "handled")
            await stores[1].aclose()  # type: ignore[attr-defined]

        try:
            asyncio.run(main())
        finally:
            place.wipe()


class TestWaiting:
    """Those who wait for somebody else."""

    @pytest.mark.parametrize("handled", [True, False])
    @pytest.mark.parametrize("same", [True, False])
    @pytest.mark.parametrize("decoded", [True, False])
    def test_they_go_on_when_the_claim_has_ended(
        self, shelf: Shelf, handled: bool, same: bool, decoded: bool
    ) -> None:
        """However it ended, on this machine or another, and not before."""

        async def main() -> None:
            async with Redis.from_url(shelf.url, decode_responses=decoded) as client:
                one, other = shelf.store(client), shelf.store(client)
                await one.claim(["a"])
                waiting = asyncio.ensure_future((one if same else other).wait("a"))
                await asyncio.sleep(0.1)
                assert not waiting.done()
                await one.settle(["a"], handled=handled)
                await waiting
                await one.aclose()
                assert await client.ping()

        asyncio.run(main())

    def test_nobody_has_it(self, shelf: Shelf) -> None:
        """There is nothing to wait for."""

        async def play(one: RedisReports, _: RedisReports) -> None:
            await one.wait("a")

        between(shelf, play)


def report(name: str) -> Report:
    """Make a report."""
    return Report(
        product=Product.VOICE,
        app_id="a",
        message_id=name,
        custom_id="",
        mobile="13800000000",
        state=CallState.SUCCESS,
        raw_state="SUCCESS",
        description="",
        called_at=None,
        duration=None,
        key_pressed=None,
        recording=None,
    )


class TestDelivery:
    """As the receiver uses it."""

    def test_two_machines_hand_over_each_report_once(self, shelf: Shelf) -> None:
        """The same pushes at both, again and again, with handlers that fail: each is handled once."""
        handled: list[str] = []
        failures = iter([True, False, True, True])

        async def handler(reports: Sequence[Report]) -> None:
            await asyncio.sleep(0.01)
            if next(failures, False):
                raise ValueError("the database is away")
            handled.extend(one.message_id for one in reports)

        async def push(store: RedisReports, names: str) -> None:
            while True:
                try:
                    await deliver_once(store, "a", [report(name) for name in names], handler, patience=5)
                except ValueError:
                    continue
                return

        async def play(one: RedisReports, other: RedisReports) -> None:
            pushes = ["abc", "bcd", "a", "dab", "abc"]
            await asyncio.gather(*(push(store, names) for names in pushes for store in (one, other)))

        between(shelf, play)
        assert sorted(handled) == ["a", "b", "c", "d"]


class TestFailure:
    """A server that is away."""

    def test_a_lost_answer_does_not_lose_the_claim(self) -> None:
        """Whoever did not hear that the report was theirs can claim it again; others cannot."""

        async def main(server: servers.Temporary, url: str) -> None:
            shelf = Shelf(url)
            async with shelf.store(timeout=0.2) as one, shelf.store() as other:
                await one.claim(["before"])
                server.pause()
                for _ in range(2):
                    with pytest.raises(OutageError):
                        await one.claim(["a", "before"])
                with pytest.raises(OutageError):
                    await one.settle(["before"], handled=True)
                server.resume()
                # Only once the command that timed out was carried out is there anything to see.
                while await other.claim(["a"]) != [HELD]:
                    await other.settle(["a"], handled=False)
                assert await one.claim(["a"]) == [YOURS]

        with servers.own(servers.REDIS) as (server, url):
            asyncio.run(main(server, url))

    @pytest.mark.parametrize(
        ("field", "arguments"),
        [
            ("client_or_url", {"client_or_url": "ftp://host"}),
            ("claimed_for", {"claimed_for": 0}),
            ("remembered_for", {"remembered_for": float("nan")}),
            ("timeout", {"timeout": None}),
            ("prefix", {"prefix": ""}),
        ],
    )
    def test_a_bad_argument_is_named(self, field: str, arguments: dict[str, Any]) -> None:
        """Each bad argument is an error that names it."""
        with pytest.raises(InvalidRequestError) as found:
            RedisReports(**{"client_or_url": "redis://host", **arguments})
        assert found.value.field == field
