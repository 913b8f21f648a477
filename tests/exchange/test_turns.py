"""The share of a client in each turn of the event loop, counted in steps and not in time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.http_transport import Script, accepts
from support.send_scenarios import mobiles
from support.virtual_time import VirtualLoop

from emay_voice_async import AsyncEmayVoice, Notice, RateLimit, RateLimits, VerificationCode
from emay_voice_async.exchange.turns import STEPS_PER_TURN, TurnBudget


class CountingLoop(VirtualLoop):
    """Counts its turns."""

    turn = 0

    def _run_once(self) -> None:
        self.turn += 1
        super()._run_once()  # type: ignore[misc]


@asynccontextmanager
async def client_of(script: Script, limits: RateLimits, **options: Any) -> AsyncIterator[AsyncEmayVoice]:
    """Make a client over a script."""
    async with (
        script.client() as http,
        AsyncEmayVoice(
            "http://service",
            app_id="app",
            secret_key="secret",
            http_client=http,
            rate_limits=limits,
            **options,
        ) as voice,
    ):
        yield voice


def in_turns(main: Any) -> Any:
    """Run a coroutine in a loop that counts its turns."""
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        return runner.run(main)


def this_turn() -> int:
    """Return the number of the running turn."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CountingLoop)
    return loop.turn


async def steps(budget: TurnBudget, number: int) -> list[int]:
    """Take steps in tasks that begin together; return the turn of each step, in the order of the tasks."""
    turns: dict[int, int] = {}

    async def take(place: int) -> None:
        await budget.step()
        turns[place] = this_turn()

    await asyncio.gather(*(take(place) for place in range(number)))
    assert list(turns) == sorted(turns)
    return list(turns.values())


class TestTurnBudget:
    """``step``."""

    def test_a_burst_is_spread(self) -> None:
        """So many steps run in each turn, in order of arrival, and no turn in between is left out."""
        turns = Counter(in_turns(steps(TurnBudget(4), 18)))
        assert list(turns.values()) == [4, 4, 4, 4, 2]
        assert max(turns) - min(turns) <= 5

    def test_single_steps_do_not_wait(self) -> None:
        """A step that comes alone takes no turn, however many came before."""

        async def main() -> None:
            budget = TurnBudget(1)
            for _ in range(3):
                before = this_turn()
                await budget.step()
                assert this_turn() == before
                await asyncio.sleep(0)
                await asyncio.sleep(0)

        in_turns(main())

    def test_late_steps_queue_up(self) -> None:
        """A step that comes while others wait goes behind them."""

        async def main() -> None:
            budget = TurnBudget(2)
            order: list[str] = []

            async def take(name: str) -> None:
                await budget.step()
                order.append(name)

            early = [asyncio.ensure_future(take(f"early {place}")) for place in range(5)]
            await asyncio.sleep(0)
            await take("late")
            await asyncio.wait(early)
            assert order == [*(f"early {place}" for place in range(5)), "late"]

        in_turns(main())

    def test_responses_come_first(self) -> None:
        """A response is read before requests that waited longer: it frees a connection for them."""

        async def main() -> list[str]:
            budget = TurnBudget(2)
            order: list[str] = []

            async def take(name: str) -> None:
                with budget:
                    await asyncio.sleep(0)
                    await (budget.response() if name == "response" else budget.request())
                    order.append(name)
                    await asyncio.sleep(0.001)

            tasks = [asyncio.ensure_future(take("request")) for _ in range(6)]
            await asyncio.sleep(0)
            tasks += [asyncio.ensure_future(take("response")) for _ in range(2)]
            await asyncio.wait(tasks)
            return order

        assert in_turns(main()) == [*["request"] * 4, *["response"] * 2, *["request"] * 2]

    def test_a_cancelled_step(self) -> None:
        """A step that is cancelled while waiting takes no share, and the others go on."""

        async def main() -> None:
            budget = TurnBudget(1)
            tasks = [asyncio.ensure_future(budget.step()) for _ in range(4)]
            await asyncio.sleep(0)
            tasks[1].cancel()
            await asyncio.wait(tasks)
            assert [task.cancelled() for task in tasks] == [False, True, False, False]

        in_turns(main())

    @pytest.mark.parametrize(("users", "most"), [(4, 4), (5, 4), (30, 4)])
    def test_single_steps(self, users: int, most: int) -> None:
        """As many users as steps are not counted, each with a step in this turn; more users take turns."""

        async def main() -> list[int]:
            budget = TurnBudget(4)
            turns: list[int] = []

            async def use(number: int) -> None:
                with budget:
                    await asyncio.sleep(0)
                    await (budget.request() if number % 2 else budget.response())
                    turns.append(this_turn())
                    # Until all have begun.
                    await asyncio.sleep(0)

            await asyncio.gather(*map(use, range(users)))
            assert not budget._users
            return turns

        turns = Counter(in_turns(main()))
        assert turns.total() == users
        assert max(turns.values()) == most

    def test_an_idle_budget_calls_nothing(self) -> None:
        """Without steps nothing is called in the event loop."""

        async def main() -> int:
            await steps(TurnBudget(2), 5)
            loop: Any = asyncio.get_running_loop()
            for _ in range(3):
                await asyncio.sleep(0)
            return len(loop._ready)

        assert in_turns(main()) == 0


class TestClient:
    """The work of a client for each turn of the loop."""

    @pytest.mark.parametrize("slots", [100, None])
    def test_a_stream(self, slots: int | None) -> None:
        """However many slots or responses come together, a turn reads, posts and ends a bounded number of batches."""
        batches = 250
        counts: dict[str, Counter[int]] = {"read": Counter(), "posted": Counter(), "ended": Counter()}
        accept = accepts(0.05)

        def numbers() -> Iterator[str]:
            for place, number in enumerate(mobiles(500 * batches)):
                if place % 500 == 0:
                    counts["read"][this_turn()] += 1
                yield number

        def answer(request: Any) -> Any:
            counts["posted"][this_turn()] += 1
            return accept(request)

        def ended(_: object) -> None:
            counts["ended"][this_turn()] += 1

        limit = None if slots is None else RateLimit(slots, 1.0)
        limits = RateLimits(send=limit, reports=None, balance=None)

        async def main() -> None:
            async with client_of(Script(answer), limits, max_concurrency=100) as voice:
                await voice.send(Notice("..."), numbers(), on_outcome=ended)

        in_turns(main())
        for kind, by_turn in counts.items():
            assert by_turn.total() == batches
            assert max(by_turn.values()) <= 2 * STEPS_PER_TURN, kind

    def test_lists(self) -> None:
        """Of 100 lists that are sent together, a turn checks a bounded number."""
        checked: Counter[int] = Counter()

        class Numbers(list[str]):
            def __iter__(self) -> Iterator[str]:
                checked[this_turn()] += 1
                return super().__iter__()

        async def main() -> None:
            async with client_of(Script(accepts()), RateLimits(send=None)) as voice:
                sends = [voice.send(Notice("..."), Numbers([mobile])) for mobile in mobiles(100)]
                await asyncio.gather(*sends)

        in_turns(main())
        assert checked.total() == 100
        assert max(checked.values()) <= 2 * STEPS_PER_TURN

    def test_codes(self) -> None:
        """Of 500 verification codes that are sent together, a turn posts a bounded number."""
        posted: Counter[int] = Counter()
        accept = accepts()

        def answer(request: Any) -> Any:
            posted[this_turn()] += 1
            return accept(request)

        async def main() -> None:
            async with client_of(Script(answer), RateLimits(send=None)) as voice:
                sends = [voice.send(VerificationCode("1234"), mobile) for mobile in mobiles(500)]
                await asyncio.gather(*sends)

        in_turns(main())
        assert posted.total() == 500
        assert max(posted.values()) <= 2 * STEPS_PER_TURN
