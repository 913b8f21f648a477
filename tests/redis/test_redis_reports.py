"""RedisReports, the report store of receivers on many machines, over a real server."""

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
from emay_voice_async.redis.backoff import UnavailableError

YOURS, HELD, HANDLED = ClaimResult.CLAIMED, ClaimResult.HELD, ClaimResult.HANDLED


class Keys:
    """Keys used by one test only, on a server that others may use."""

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
        """Delete the keys; return their names."""
        with redis.Redis.from_url(self.url, decode_responses=True) as client:
            names = [str(name) for name in client.scan_iter(f"{self.prefix}:*", count=10_000)]
            for name in names:
                client.delete(name)
        return names


@pytest.fixture
def keys() -> Iterator[Keys]:
    """Give the test keys of its own, and delete them."""
    one = Keys(servers.url(servers.REDIS))
    yield one
    one.wipe()


def between(
    keys: Keys, play: Callable[[RedisReports, RedisReports], Awaitable[None]], *, claimed_for: float = 60.0
) -> None:
    """Play with the stores of two machines; ``claimed_for`` is the first one's."""

    async def main() -> None:
        async with keys.store(claimed_for=claimed_for) as one, keys.store() as other:
            await play(one, other)

    asyncio.run(main())


class TestClaims:
    """Claims of reports."""

    def test_it_is_a_report_store(self) -> None:
        """RedisReports follows the protocol that a receiver asks for; making one does no I/O."""
        assert isinstance(RedisReports("redis://nobody.invalid"), ReportStore)

    def test_each_key_has_one_owner(self, keys: Keys) -> None:
        """Of many concurrent claims on two machines exactly one succeeds."""

        async def play(one: RedisReports, other: RedisReports) -> None:
            keys = [f"{number:032}" for number in range(100)]
            claims = await asyncio.gather(*(store.claim(keys) for _ in range(4) for store in (one, other)))
            for each in zip(*claims, strict=True):
                assert sorted(claim.value for claim in each) == ["claimed"] + ["held"] * 7

        between(keys, play)

    def test_handled_reports_stay_handled(self, keys: Keys) -> None:
        """All machines see a handled report; a failed report can be claimed again."""

        async def play(one: RedisReports, other: RedisReports) -> None:
            assert await one.claim(["a", "b", "c"]) == [YOURS, YOURS, YOURS]
            await one.settle(["a", "b"], handled=True)
            await one.settle(["c"], handled=False)
            assert await other.claim(["c", "b", "a", "d"]) == [YOURS, HANDLED, HANDLED, YOURS]
            assert await one.claim(["a", "c", "d"]) == [HANDLED, HELD, HELD]

        between(keys, play)

    def test_a_key_given_twice(self, keys: Keys) -> None:
        """Only the first of equal keys is claimed, as in RecentReports; no keys need no command."""

        async def play(one: RedisReports, other: RedisReports) -> None:
            assert await one.claim(["a", "a"]) == [YOURS, HELD]
            await one.settle(["a"], handled=True)
            assert await other.claim(["a", "a"]) == [HANDLED, HANDLED]
            assert await other.claim([]) == []

        between(keys, play)

    @pytest.mark.slow
    def test_a_claim_ends_by_itself(self, keys: Keys) -> None:
        """A machine that died holds a report for ``claimed_for`` seconds and no longer."""

        async def play(one: RedisReports, other: RedisReports) -> None:
            assert await one.claim(["a"]) == [YOURS]
            assert await other.claim(["a"]) == [HELD]
            await other.wait("a")
            assert await other.claim(["a"]) == [YOURS]
            # The first owner was only slow: the claim now belongs to the other machine.
            await one.settle(["a"], handled=False)
            assert await one.claim(["a"]) == [HELD]
            await one.settle(["a"], handled=True)
            assert await one.claim(["a"]) == [HELD]

        between(keys, play, claimed_for=1.0)

    def test_a_late_owner_without_a_successor(self, keys: Keys) -> None:
        """A report handled after the end of a claim is remembered, unless another machine has claimed it."""

        async def play(one: RedisReports, other: RedisReports) -> None:
            await one.claim(["a"])
            await other.wait("a")
            await one.settle(["a"], handled=True)
            assert await other.claim(["a"]) == [HANDLED]

        between(keys, play, claimed_for=0.1)

    def test_keys_expire(self, keys: Keys) -> None:
        """Claims and handled reports expire on the server after the given seconds."""

        async def main() -> None:
            async with Redis.from_url(keys.url) as client:
                store = keys.store(client, claimed_for=100, remembered_for=200)
                await store.claim(["a", "b"])
                await store.settle(["a"], handled=True)
                left = [await client.pttl(f"{keys.prefix}:{{reports}}:{key}") for key in ("a", "b")]
            assert 190_000 < left[0] <= 200_000
            assert 90_000 < left[1] <= 100_000

        asyncio.run(main())

    @pytest.mark.slow
    @settings(max_examples=50)
    @given(
        steps=st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from(["claim", "claim", "handled", "failed"])),
            max_size=20,
        )
    )
    def test_it_does_the_same_as_the_store_of_one_process(self, steps: list[tuple[str, str]]) -> None:
        """For any history of claims and settlements, both stores give the same results."""
        place = Keys(servers.url(servers.REDIS))

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
    """Waiting for another owner."""

    @pytest.mark.parametrize("handled", [True, False])
    @pytest.mark.parametrize("same", [True, False])
    @pytest.mark.parametrize("decoded", [True, False])
    def test_a_waiter_goes_on_when_the_claim_has_ended(
        self, keys: Keys, handled: bool, same: bool, decoded: bool
    ) -> None:
        """A waiter on any machine goes on when the claim has ended in any way, and not before."""

        async def main() -> None:
            async with Redis.from_url(keys.url, decode_responses=decoded) as client:
                one, other = keys.store(client), keys.store(client)
                await one.claim(["a"])
                waiting = asyncio.ensure_future((one if same else other).wait("a"))
                await asyncio.sleep(0.1)
                assert not waiting.done()
                await one.settle(["a"], handled=handled)
                await waiting
                await one.aclose()
                assert await client.ping()

        asyncio.run(main())

    def test_without_an_owner(self, keys: Keys) -> None:
        """Waiting for an unclaimed report ends at once."""

        async def play(one: RedisReports, _: RedisReports) -> None:
            await one.wait("a")

        between(keys, play)


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
    """The store as the receiver uses it."""

    def test_two_machines_hand_over_each_report_once(self, keys: Keys) -> None:
        """Equal pushes at two machines, with handlers that fail: each report is handled once."""
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

        between(keys, play)
        assert sorted(handled) == ["a", "b", "c", "d"]


class TestFailure:
    """A server that does not answer."""

    def test_a_lost_answer_does_not_lose_the_claim(self) -> None:
        """A machine that did not hear of its claim can claim again; other machines cannot."""

        async def main(server: servers.Temporary, url: str) -> None:
            keys = Keys(url)
            async with keys.store(timeout=0.2) as one, keys.store() as other:
                await one.claim(["before"])
                server.pause()
                for _ in range(2):
                    with pytest.raises(UnavailableError):
                        await one.claim(["a", "before"])
                with pytest.raises(UnavailableError):
                    await one.settle(["before"], handled=True)
                server.resume()
                # The claim is visible once the command that timed out was executed.
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
        """The error of a bad argument names the argument."""
        with pytest.raises(InvalidRequestError) as found:
            RedisReports(**{"client_or_url": "redis://host", **arguments})
        assert found.value.field == field
