"""Waiters of several processes at one line, in virtual time: no refusal, no leak, nobody starved."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pacing.test_local import Service
from support.redis_model import Fate, Office, PaperDesk
from support.virtual_time import CancellingLoop, cancel_everywhere, now, run

from emay_voice_async.errors import UsageError
from emay_voice_async.model.limits import RateLimit
from emay_voice_async.pacing.protocol import Lease
from emay_voice_async.pacing.window import tolerance
from emay_voice_async.redis.protocol import Ask, terms
from emay_voice_async.redis.queue import Line

N, W = 10, 1.0
HOLD = W + tolerance(W)
LONGEST = 8.0


def well(_: Ask) -> str:
    """Let every turn go well."""
    return "well"


def line(
    office: Office,
    requests: int = N,
    period: float = W,
    *,
    share: RateLimit | None = None,
    delay: float = 0.0,
    fate: Fate = well,
    longest: float = LONGEST,
) -> Line:
    """Make the line of one process."""
    limit = RateLimit(requests, period)
    desk = PaperDesk(office, terms(limit, longest=longest, grace=0.5), delay=delay, fate=fate)
    return Line(desk, limit, share)


def desk(one: Line) -> PaperDesk:
    """Return the desk of a line."""
    assert isinstance(one._desk, PaperDesk)
    return one._desk


async def warm(office: Office, one: Line) -> None:
    """Have the first period of a new state over."""
    (await one.acquire(again=False)).give_back()
    await asyncio.sleep(0.1)
    assert not office.leases


async def kill(one: Line) -> None:
    """End a process without notice, as far as the line is concerned."""
    one._closed = True
    assert one._task is not None
    one._task.cancel()
    await asyncio.wait({one._task})


async def exchange(one: Line, service: Service, up: float, down: float) -> float:
    """Wait for a slot, travel, and end the lease as the client does; return when it arrived."""
    lease = await one.acquire(again=False)
    await asyncio.sleep(up)
    arrived = now()
    counted = service.arrive(arrived)
    await asyncio.sleep(down)
    lease.end(over_speed=not counted)
    return arrived


class Outages:
    """A network that is down at certain times; a turn that hangs is lost there, or on the way back."""

    def __init__(self, spans: Sequence[tuple[float, float]], back: bool = False) -> None:
        self.spans = spans
        self.back = back

    def __call__(self, _: Ask) -> str:
        """Say what becomes of a turn that begins now."""
        down = any(begin <= now() < end for begin, end in self.spans)
        return ("lost back" if self.back else "lost there") if down else "well"


TRIPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.floats(0, 3, allow_subnormal=False),
        st.floats(0, 2, allow_subnormal=False),
        st.floats(0, 2, allow_subnormal=False),
        st.sampled_from(["stay", "stay", "cancel early", "give up", "not written"]),
    ),
    max_size=40,
)


class World:
    """Three processes that send through one office to one service."""

    def __init__(self, requests: int, period: float, fates: Callable[[int], Fate], delay: float) -> None:
        self.service = Service(requests, period)
        self.office = Office()
        self.lines = [
            line(self.office, requests, period, fate=fates(one), delay=delay, longest=100.0)
            for one in range(3)
        ]
        self.flying: set[asyncio.Task[None]] = set()

    async def send(self, who: int, begins: float, up: float, down: float, fate: str) -> None:
        """Play one request, and what its caller does meanwhile."""
        await asyncio.sleep(begins)
        task = asyncio.ensure_future(self._send(self.lines[who], up, down, fate))
        if fate == "cancel early":
            await asyncio.sleep(up)
            task.cancel()
        await asyncio.wait([task])

    async def _send(self, one: Line, up: float, down: float, fate: str) -> None:
        lease = await one.acquire(again=False)
        # From here on the request belongs to the client, which reads on when its caller leaves.
        task = asyncio.ensure_future(self._travel(lease, up, down, fate))
        self.flying.add(task)
        await asyncio.shield(task)

    async def _travel(self, lease: Lease, up: float, down: float, fate: str) -> None:
        if fate == "not written":
            await asyncio.sleep(up)
            lease.give_back()
            return
        if fate == "give up":
            # Given up at once, while the request is still on its way for so long.
            lease.end(after=up)
        await asyncio.sleep(up)
        self.service.arrive(now())
        await asyncio.sleep(down)
        if fate != "give up":
            lease.end()

    async def play(self, trips: Sequence[tuple[int, float, float, float, str]]) -> None:
        """Send everything, then see that nothing is left of it."""
        await asyncio.gather(*(self.send(*trip) for trip in trips))
        if self.flying:
            await asyncio.wait(self.flying)
        # Until the last news was told; before that, no lease has ended by itself.
        began = now()
        for one in self.lines:
            if one._task is not None:
                await one._task
        assert now() - began < 60
        await asyncio.sleep(self.lines[0]._ledger.hold + 2)
        moment = round(now() * 1e6)
        assert not [name for name, free in self.office.leases.items() if free > moment]
        assert self.service.refused == 0
        assert not any(one._waiters for one in self.lines)


class TestWorlds:
    """Whatever happens, the service refuses nothing, and no slot is lost."""

    @settings(max_examples=300)
    @given(
        requests=st.integers(1, 6),
        period=st.sampled_from([0.1, 0.5, 1.0, 3.0]),
        delay=st.sampled_from([0.0, 0.001, 0.02]),
        trips=TRIPS,
    )
    def test_a_server_that_answers(
        self,
        requests: int,
        period: float,
        delay: float,
        trips: list[tuple[int, float, float, float, str]],
    ) -> None:
        """Any latencies, arrivals and cancellations of three processes: no refusal, no leak."""
        run(World(requests, period, lambda _: well, delay).play(trips))

    @settings(max_examples=300)
    @given(
        requests=st.integers(1, 6),
        period=st.sampled_from([0.1, 1.0, 3.0]),
        losses=st.lists(
            st.lists(st.sampled_from(["well", "well", "lost there", "lost back"])), min_size=3, max_size=3
        ),
        trips=TRIPS,
    )
    def test_a_network_that_loses(
        self,
        requests: int,
        period: float,
        losses: list[list[str]],
        trips: list[tuple[int, float, float, float, str]],
    ) -> None:
        """Turns that are lost, on either way: no refusal, and no slot is missing afterwards."""

        def fates(who: int) -> Fate:
            left = iter(losses[who])
            return lambda _: next(left, "well")

        run(World(requests, period, fates, 0.001).play(trips))

    @settings(max_examples=300)
    @given(
        requests=st.integers(1, 6),
        period=st.sampled_from([0.5, 1.0, 3.0]),
        losses=st.lists(st.floats(0.1, 6), max_size=4),
        trips=TRIPS,
    )
    @example(
        requests=2,
        period=0.5,
        losses=[2.0],
        # Counted between the last turn of its process and the next one, in which it is over.
        trips=[
            (0, 1.0, 0.0, 0.0, "cancel early"),
            (0, 0.5, 1.5, 0.0, "give up"),
            (0, 0.125, 0.0, 1.0, "stay"),
            (1, 1.0, 0.0, 0.0, "stay"),
            (1, 1.0, 0.0, 0.0, "stay"),
        ],
    )
    def test_a_server_that_forgets(
        self,
        requests: int,
        period: float,
        losses: list[float],
        trips: list[tuple[int, float, float, float, str]],
    ) -> None:
        """A state that is lost, over and over: what is under way is told before a slot is granted."""
        world = World(requests, period, lambda _: well, 0.001)

        async def forget() -> None:
            for after in losses:
                await asyncio.sleep(after)
                for name in (
                    "epoch",
                    "leases",
                    "limits",
                    "queue",
                    "turns",
                    "hold",
                    "slots",
                    "recovers",
                    "lowers",
                ):
                    setattr(world.office, name, getattr(Office(), name))

        async def main() -> None:
            forgetting = asyncio.ensure_future(forget())
            await world.play(trips)
            await forgetting

        run(main())


class TestSharing:
    """Several processes."""

    @pytest.mark.parametrize("processes", [1, 2, 4, 12])
    def test_full_speed_in_fair_shares_for_few_commands(self, processes: int) -> None:
        """Together they use what is safely possible, each its share, with few turns a request."""
        office, service = Office(), Service(N, W)
        chance = random.Random(7)
        lines = [line(office, delay=0.0005) for _ in range(processes)]
        each = 1200 // processes
        served: list[tuple[float, int]] = []
        trips: list[float] = []

        async def one(who: int) -> None:
            up, down = chance.uniform(0.005, 0.06), chance.uniform(0.005, 0.06)
            served.append((await exchange(lines[who], service, up, down), who))
            trips.append(up + down)

        async def main() -> None:
            await asyncio.gather(*(one(who) for _ in range(each) for who in range(processes)))
            for who in lines:
                await who.aclose()

        run(main())
        served.sort()
        assert service.refused == 0
        took = served[-1][0] - served[0][0]
        assert len(served) / took >= 0.97 * N / (W + sum(trips) / len(trips))
        half = Counter(who for _, who in served[: len(served) // 2])
        assert min(half.values()) >= 0.8 * each / 2
        turns = sum(len(desk(who).asked) for who in lines)
        assert turns <= 2 * len(served) + processes * took / HOLD

    def test_one_of_many_is_not_starved_by_a_crowd(self) -> None:
        """A process that wants one slot at a time has one each period, beside one that wants thousands."""
        office, service = Office(), Service(N, W)
        crowd, single = line(office), line(office)

        async def main() -> None:
            waiting = [asyncio.ensure_future(exchange(crowd, service, 0.01, 0.01)) for _ in range(5000)]
            await asyncio.sleep(3)
            began = now()
            for _ in range(50):
                await exchange(single, service, 0.01, 0.01)
            assert now() - began < 50 * (HOLD + 0.05)
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
            await crowd.aclose()
            await single.aclose()

        run(main())
        assert service.refused == 0

    def test_first_come_first_served_in_one_process(self) -> None:
        """Slots go to the waiters in the order in which they came; a refused one goes to the front."""
        office = Office()
        one = line(office, 2)
        served: list[int] = []

        async def wait(name: int) -> None:
            lease = await one.acquire(again=name >= 100)
            served.append(name)
            lease.end()

        async def main() -> None:
            await asyncio.gather(*(wait(name) for name in [*range(30), 100]))
            await one.aclose()

        run(main())
        assert served == [100, *range(30)]
        # What is asked for may be lost, and then has to be given back.
        assert max(ask.want for ask in desk(one).asked) == 2

    def test_many_slots_are_taken_in_one_command(self) -> None:
        """A hundred free slots for a hundred waiters cost one turn, and their ends another."""
        office = Office()
        one = line(office, 100)

        async def main() -> None:
            await warm(office, one)
            before = len(desk(one).asked)
            leases = await asyncio.gather(*(one.acquire(again=False) for _ in range(100)))
            assert len(desk(one).asked) == before + 1
            for lease in leases:
                await asyncio.sleep(0.0004)
                lease.end()
            await asyncio.sleep(0.2)
            assert len(desk(one).asked) == before + 2
            await one.aclose()

        run(main())

    def test_a_slot_given_back_wakes_the_next_at_once(self) -> None:
        """Whoever waits in the same process has the slot in the same moment."""
        office = Office()
        one = line(office, 1)

        async def main() -> None:
            await warm(office, one)
            lease = await one.acquire(again=False)
            waiting = asyncio.ensure_future(one.acquire(again=False))
            await asyncio.sleep(0.3)
            lease.give_back()
            began = now()
            (await waiting).end()
            assert now() == began
            await one.aclose()

        run(main())

    def test_nothing_is_asked_while_nobody_wants_anything(self) -> None:
        """A process at rest says nothing, and one that waits does not ask before its time."""
        office = Office()
        one, other = line(office, 1), line(office, 1)

        async def main() -> None:
            await warm(office, one)
            (await one.acquire(again=False)).end()
            await asyncio.sleep(0.2)
            before = len(desk(one).asked)
            waiting = asyncio.ensure_future(other.acquire(again=False))
            await asyncio.sleep(0.7)
            assert len(desk(other).asked) == 1
            lease = await waiting
            assert len(desk(other).asked) == 2
            assert len(desk(one).asked) == before
            lease.end()
            await one.aclose()
            await other.aclose()

        run(main())

    def test_a_process_that_dies_in_the_queue_holds_up_nobody_for_long(self) -> None:
        """The others wait for it half a second once, and go on without it."""
        office = Office()
        dead, alive = line(office, 1), line(office, 1)

        async def main() -> None:
            await warm(office, alive)
            (await alive.acquire(again=False)).end()
            await asyncio.sleep(0.2)
            waiting = asyncio.ensure_future(dead.acquire(again=False))
            await asyncio.sleep(0.1)
            await kill(dead)
            began = now()
            for _ in range(3):
                (await alive.acquire(again=False)).end()
            assert now() - began < 3 * HOLD + 0.6
            waiting.cancel()
            await asyncio.wait({waiting})
            await alive.aclose()

        run(main())

    def test_the_leases_of_a_process_that_died_end_by_themselves(self) -> None:
        """Not before its request can have been counted, a period ago; then they do."""
        office = Office()
        dead, alive = line(office, 2), line(office, 2)

        async def main() -> None:
            await warm(office, alive)
            for _ in range(2):
                await dead.acquire(again=False)
            began = now()
            await kill(dead)
            lease = await alive.acquire(again=False)
            assert now() - began == pytest.approx(LONGEST + HOLD, abs=1e-3)
            lease.end()
            await alive.aclose()

        run(main())

    def test_a_request_that_takes_longer_than_anybody_thought_keeps_its_slot(self) -> None:
        """While its process lives, a lease is renewed."""
        office = Office()
        slow, other = line(office, 1), line(office, 1)

        async def main() -> None:
            await warm(office, slow)
            lease = await slow.acquire(again=False)
            waiting = asyncio.ensure_future(other.acquire(again=False))
            await asyncio.sleep(5 * LONGEST)
            assert not waiting.done()
            lease.end()
            ended = now()
            (await waiting).end()
            assert now() - ended == pytest.approx(HOLD, abs=0.06)
            await slow.aclose()
            await other.aclose()

        run(main())

    def test_the_strictest_limit_holds_for_all_while_it_is_in_use(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Two limits for one account: the lower one wins, both hear of it, and it is forgotten in time."""
        office = Office()
        wide, narrow = line(office, 10), line(office, 3)

        async def main() -> None:
            await warm(office, wide)
            (await narrow.acquire(again=False)).give_back()
            await asyncio.sleep(1)
            leases = [await wide.acquire(again=False) for _ in range(3)]
            began = now()
            for lease in leases:
                lease.end()
            (await wide.acquire(again=False)).end()
            assert now() - began == pytest.approx(HOLD, abs=0.01)
            assert wide.limit == RateLimit(3, W)
            await asyncio.sleep(61)
            for _ in range(10):
                (await wide.acquire(again=False)).end()
            assert wide.limit == RateLimit(10, W)
            await wide.aclose()
            await narrow.aclose()

        with caplog.at_level(logging.WARNING, "emay_voice_async"):
            run(main())
        assert [text.split()[5] for text in caplog.messages if "strictest" in text] == ["3", "10"]


class TestCancelling:
    """Cancelled waiters."""

    def test_at_any_moment_nothing_is_lost(self) -> None:
        """Cancelling one of three at any turn of the loop leaves the others their slots, and no lease."""

        def scenario() -> Callable[[CancellingLoop], Awaitable[None]]:
            async def play(loop: CancellingLoop) -> None:
                office = Office()
                one = line(office, 1, delay=0.001)
                await warm(office, one)

                async def use() -> None:
                    lease = await one.acquire(again=False)
                    await asyncio.sleep(0)
                    lease.give_back()

                async def victim() -> None:
                    lease = await one.acquire(again=False)
                    lease.give_back()

                tasks = [asyncio.ensure_future(use())]
                loop.victim = asyncio.ensure_future(victim())
                tasks.append(asyncio.ensure_future(use()))
                began = now()
                await asyncio.gather(*tasks, loop.victim, return_exceptions=True)
                assert all(task.exception() is None for task in tasks)
                assert now() - began < 0.1
                await one.aclose()
                assert not office.leases
                assert not office.queue

            return play

        assert cancel_everywhere(scenario) > 10

    def test_what_was_granted_to_nobody_is_given_back(self) -> None:
        """All are cancelled while the command is under way: the slots are free again at once."""
        office = Office()
        one = line(office, 5, delay=0.1)

        async def main() -> None:
            (await one.acquire(again=False)).give_back()
            await asyncio.sleep(1)
            waiting = [asyncio.ensure_future(one.acquire(again=False)) for _ in range(5)]
            await asyncio.sleep(0.15)
            assert len(office.leases) == 5
            for task in waiting:
                task.cancel()
            await asyncio.sleep(0.3)
            assert not office.leases
            await one.aclose()

        run(main())

    def test_the_queue_is_left_at_once(self) -> None:
        """When the last waiter of a process is cancelled, the others do not wait for it."""
        office = Office()
        one, other = line(office, 1), line(office, 1)

        async def main() -> None:
            await warm(office, one)
            lease = await other.acquire(again=False)
            waiting = asyncio.ensure_future(one.acquire(again=False))
            await asyncio.sleep(0.1)
            assert len(office.queue) == 1
            waiting.cancel()
            await asyncio.sleep(0.01)
            assert not office.queue
            lease.end()
            await one.aclose()
            await other.aclose()

        run(main())


class TestClosing:
    """The end of a line."""

    def test_what_is_left_is_told(self) -> None:
        """Closing tells what has ended without waiting for more."""
        office = Office()
        one = line(office)

        async def main() -> None:
            await warm(office, one)
            leases = [await one.acquire(again=False) for _ in range(3)]
            leases[0].end()
            leases[1].give_back()
            began = now()
            await one.aclose()
            assert now() == began
            assert len(office.leases) == 2
            # The one that is still under way is on its own.
            leases[2].end()
            await one.aclose()

        run(main())
        assert len(office.leases) == 2

    def test_those_who_wait_are_told(self) -> None:
        """A waiter of a closed pacer is not left hanging, and no new one is taken."""
        office = Office()
        one = line(office, 1)

        async def main() -> None:
            waiting = [asyncio.ensure_future(one.acquire(again=False)) for _ in range(2)]
            await asyncio.sleep(0.1)
            waiting[0].cancel()
            await one.aclose()
            assert waiting[0].cancelled()
            with pytest.raises(UsageError, match="closed while requests wait"):
                await waiting[1]
            with pytest.raises(UsageError, match="is closed"):
                await one.acquire(again=False)
            assert not office.queue

        run(main())

    def test_a_line_that_was_never_used(self) -> None:
        """There is nothing to tell, nor to wait for."""
        one = line(Office())
        run(one.aclose())
        assert not desk(one).asked

    def test_another_event_loop(self) -> None:
        """A line belongs to the loop that used it first."""
        one = line(Office())

        async def use() -> None:
            (await one.acquire(again=False)).give_back()
            await asyncio.sleep(0.1)

        run(use())
        with pytest.raises(UsageError, match="another event loop"):
            run(use())


class TestOutage:
    """A server that is away."""

    @pytest.mark.parametrize("back", [False, True])
    def test_requests_wait_and_go_on(self, caplog: pytest.LogCaptureFixture, back: bool) -> None:
        """After three seconds without the server, all go on, without a refusal or a flood of lines."""
        office, service = Office(), Service(N, W)
        lines = [line(office, fate=Outages([(1003, 1006)], back)) for _ in range(2)]
        arrived: list[float] = []

        async def one(who: Line) -> None:
            arrived.append(await exchange(who, service, 0.02, 0.02))

        async def main() -> None:
            await asyncio.gather(*(one(who) for who in lines for _ in range(50)))
            assert now() < 1000 + HOLD + 100 / N * (HOLD + 0.04) + 3 + 3
            for who in lines:
                await who.aclose()

        with caplog.at_level(logging.WARNING, "emay_voice_async"):
            run(main())
        assert service.refused == 0
        assert not [moment for moment in arrived if 1003.1 < moment < 1006]
        assert len([text for text in caplog.messages if "cannot be used" in text]) == 2
        assert len([text for text in caplog.messages if "is back" in text]) == 2
        assert len(caplog.messages) == 4

    def test_what_ended_meanwhile_is_told_later_with_its_time(self) -> None:
        """A lease that ended two seconds ago when the server is back is free at once."""
        office = Office()
        one = line(office, 1, fate=Outages([(1002, 1005)]))

        async def main() -> None:
            await warm(office, one)
            lease = await one.acquire(again=False)
            await asyncio.sleep(1002.5 - now())
            lease.end()
            (await one.acquire(again=False)).end()
            assert 1005 <= now() < 1006.6
            await one.aclose()

        run(main())

    def test_what_the_server_has_forgotten_in_time_is_no_loss(self) -> None:
        """After a long rest a process does not expect the server to remember its last turn."""
        office = Office()
        one = line(office)

        async def main() -> None:
            await warm(office, one)
            await asyncio.sleep(LONGEST)
            office.turns.clear()
            began = now()
            (await one.acquire(again=False)).give_back()
            assert now() == began
            await one.aclose()

        run(main())

    def test_a_late_turn_is_overtaken(self) -> None:
        """A turn that the server plays after a later one does nothing: its slots are not lost."""
        office = Office()
        one = line(office, 2)
        late: list[Ask] = []

        def fate(ask: Ask) -> str:
            if not late and ask.want and ask.seq > 2:
                late.append(ask)
                return "lost there"
            return "well"

        async def main() -> None:
            await warm(office, one)
            desk(one).fate = fate
            lease = await one.acquire(again=False)
            assert office.turn(late[0], desk(one).terms, round(now() * 1e6)) is None
            assert len(office.leases) == 1
            lease.end()
            await one.aclose()

        run(main())

    def test_an_error_that_will_not_pass_is_raised(self) -> None:
        """Whoever waits is told, nobody hangs, and the next one tries again."""
        office = Office()
        one = line(office)

        def fate(_: Ask) -> str:
            raise PermissionError("wrong password")

        async def main() -> None:
            desk(one).fate = fate
            for _ in range(2):
                waiting = [asyncio.ensure_future(one.acquire(again=False)) for _ in range(3)]
                await asyncio.wait(waiting)
                assert all(isinstance(task.exception(), PermissionError) for task in waiting)
            desk(one).fate = well
            (await one.acquire(again=False)).end()
            await one.aclose()

        run(main())

    def test_a_waiter_that_is_cancelled_as_it_is_told(self) -> None:
        """An error that reaches a waiter in the moment of its cancellation leaves nothing behind."""
        office = Office()
        one = line(office)

        def fate(_: Ask) -> str:
            # After the waiter has been told, and before it runs on.
            asyncio.get_running_loop().call_soon(waiting[0].cancel)
            raise PermissionError("wrong password")

        async def main() -> None:
            desk(one).fate = fate
            waiting.append(asyncio.ensure_future(one.acquire(again=False)))
            await asyncio.wait(waiting)
            assert waiting[0].cancelled()
            await one.aclose()

        waiting: list[asyncio.Future[Lease]] = []
        run(main())

    def test_news_that_nobody_can_use_any_more_is_dropped(self) -> None:
        """A server that is gone for good is tried ever more rarely, and then not at all."""
        office = Office()
        one = line(office)

        async def main() -> None:
            await warm(office, one)
            lease = await one.acquire(again=False)
            await asyncio.sleep(0.01)
            desk(one).fate = lambda _: "lost there"
            before = len(desk(one).asked)
            lease.end()
            await asyncio.sleep(1000)
            assert 5 < len(desk(one).asked) - before < 40
            assert one._task is not None
            assert one._task.done()
            await one.aclose()

        run(main())

    def test_who_comes_while_attempts_are_rare_does_not_wait_for_the_next(self) -> None:
        """A server that is back is found at once by a new request."""
        office = Office()
        one = line(office, longest=100.0)

        async def main() -> None:
            await warm(office, one)
            lease = await one.acquire(again=False)
            desk(one).fate = lambda _: "lost there"
            lease.end()
            await asyncio.sleep(100)
            before = len(desk(one).asked)
            await asyncio.sleep(6.5)
            desk(one).fate = well
            assert len(desk(one).asked) - before <= 2
            began = now()
            (await one.acquire(again=False)).end()
            assert now() - began <= 1.0 + HOLD / 2
            await one.aclose()

        run(main())

    def test_closing_does_not_wait_for_it_for_ever(self) -> None:
        """Two timeouts are enough: the leases end by themselves."""
        office = Office()
        one = line(office)

        async def main() -> None:
            await warm(office, one)
            lease = await one.acquire(again=False)
            desk(one).fate = lambda _: "lost there"
            lease.end()
            began = now()
            await one.aclose()
            assert now() - began <= 2.0

        run(main())

    def test_a_server_that_lost_its_last_seconds(self, caplog: pytest.LogCaptureFixture) -> None:
        """A replica that knows less than this process has heard is told all, and a period is waited."""
        office = Office()
        one, other = line(office, 1), line(office, 1)

        async def main() -> None:
            await warm(office, one)
            lease = await one.acquire(again=False)
            await asyncio.sleep(0.1)
            # As it was before the slot was granted.
            office.leases.clear()
            seq, answer = office.turns[one._ledger.process]
            office.turns[one._ledger.process] = seq - 1, answer
            await asyncio.sleep(1.5)
            waiting = asyncio.ensure_future(other.acquire(again=False))
            await asyncio.sleep(3)
            assert not waiting.done()
            lease.end()
            (await waiting).end()
            await one.aclose()
            await other.aclose()

        with caplog.at_level(logging.WARNING, "emay_voice_async"):
            run(main())
        assert [text for text in caplog.messages if "was lost" in text]

    def test_what_a_new_state_is_told_is_told_again_if_that_was_lost(self) -> None:
        """The leases of a process are known there in the end, whatever is lost on the way."""
        office = Office()
        one, other = line(office, 1), line(office, 1)
        losses = iter(["lost there", "lost there"])

        async def main() -> None:
            await warm(office, one)
            lease = await one.acquire(again=False)
            desk(one).fate = lambda ask: next(losses, "well") if ask.mine else "well"
            for name in ("epoch", "leases", "turns"):
                setattr(office, name, getattr(Office(), name))
            await asyncio.sleep(5)
            assert len(office.leases) == 1
            waiting = asyncio.ensure_future(other.acquire(again=False))
            await asyncio.sleep(2)
            assert not waiting.done()
            lease.end()
            (await waiting).end()
            await one.aclose()
            await other.aclose()

        run(main())


class TestShare:
    """A share of one's own while the server is away."""

    @pytest.mark.parametrize("back", [False, True])
    def test_it_is_used_until_the_server_is_back(self, back: bool) -> None:
        """Both go on with their shares, the service refuses nothing, and full speed is found again."""
        office, service = Office(), Service(N, W)
        network = Outages([(1005, 1025)], back)
        lines = [line(office, share=RateLimit(5, W), fate=network) for _ in range(2)]
        arrived: list[float] = []

        async def one(who: Line) -> None:
            arrived.append(await exchange(who, service, 0.02, 0.02))

        async def main() -> None:
            await asyncio.gather(*(one(who) for who in lines for _ in range(200)))
            for who in lines:
                await who.aclose()

        run(main())
        assert service.refused == 0
        without = [moment for moment in arrived if 1005.1 < moment < 1025]
        assert len(without) > 0.9 * 10 / (W + 0.04) * (20 - 1 - 2 * HOLD)
        # The first turn that is lost begins then, and is given up after its timeout of a second.
        assert min(without) >= 1005 + 1 + 1 + HOLD
        after = [moment for moment in arrived if 1030 < moment < 1034]
        assert len(after) > 28

    def test_what_is_under_way_counts_against_the_share(self) -> None:
        """Leases from before the outage are slots of the share until their requests are answered."""
        office = Office()
        one = line(office, 4, share=RateLimit(2, W))

        async def main() -> None:
            await warm(office, one)
            leases = [await one.acquire(again=False) for _ in range(3)]
            desk(one).fate = lambda _: "lost there"
            waiting = [asyncio.ensure_future(one.acquire(again=False)) for _ in range(2)]
            await asyncio.sleep(20)
            assert not any(task.done() for task in waiting)
            leases[0].end()
            leases[1].end()
            began = now()
            third = await waiting[0]
            assert now() - began == pytest.approx(HOLD)
            third.give_back()
            await asyncio.sleep(0)
            fourth = await waiting[1]
            assert now() - began == pytest.approx(HOLD)
            fourth.end()
            await one.aclose()

        run(main())

    def test_too_much_is_halved(self) -> None:
        """A refusal while the share is used halves it, as it does any limit."""
        office = Office()
        one = line(office, share=RateLimit(4, W), fate=lambda _: "lost there")

        async def main() -> None:
            for lease in [await one.acquire(again=False) for _ in range(4)]:
                lease.end(over_speed=True)
            began = now()
            [first, second, third] = [asyncio.ensure_future(one.acquire(again=False)) for _ in range(3)]
            await asyncio.wait({first, second})
            assert now() - began == pytest.approx(HOLD)
            await asyncio.sleep(2 * HOLD)
            assert not third.done()
            for task in (first, second):
                task.result().end()
            (await third).end()
            await one.aclose()

        run(main())

    def test_leases_taken_alone_are_known_when_the_server_is_back(self) -> None:
        """What was taken without the server counts there, too, until it has ended."""
        office = Office()
        one = line(office, 2, share=RateLimit(2, W))
        other = line(office, 2)

        async def main() -> None:
            desk(one).fate = lambda _: "lost there"
            leases = [await one.acquire(again=False) for _ in range(2)]
            desk(one).fate = well
            waiting = asyncio.ensure_future(one.acquire(again=False))
            await asyncio.sleep(6)
            assert not waiting.done()
            others = asyncio.ensure_future(other.acquire(again=False))
            await asyncio.sleep(6)
            assert not others.done()
            for lease in leases:
                lease.end()
            ended = now()
            for lease in await asyncio.gather(waiting, others):
                lease.end()
            assert now() - ended == pytest.approx(HOLD, abs=0.1)
            await one.aclose()
            await other.aclose()

        run(main())


class TestOverSpeed:
    """Somebody else uses the account, too."""

    def test_all_processes_go_slower_together_and_recover(self, caplog: pytest.LogCaptureFixture) -> None:
        """One refusal halves the slots of all; five calm periods give one back; each logs it once."""
        office = Office()
        one, other = line(office, 4), line(office, 4)

        async def main() -> None:
            await warm(office, one)
            for lease in [await one.acquire(again=False) for _ in range(4)]:
                lease.end(over_speed=True)
            await asyncio.sleep(2 * HOLD)
            leases = [await other.acquire(again=False) for _ in range(2)]
            third = asyncio.ensure_future(other.acquire(again=False))
            await asyncio.sleep(0.5)
            assert (one.limit, other.limit) == (RateLimit(2, W), RateLimit(2, W))
            assert not third.done()
            await asyncio.sleep(3 * HOLD)
            (await third).end()
            assert other.limit == RateLimit(3, W)
            for lease in leases:
                lease.end()
            await one.aclose()
            await other.aclose()

        with caplog.at_level(logging.WARNING, "emay_voice_async"):
            run(main())
        assert [text.split(";")[1] for text in caplog.messages] == [" going on with 2 slots"] * 2

    def test_a_refusal_is_told_again_if_that_was_lost(self) -> None:
        """A turn that is lost takes nothing with it: the slots are halved all the same."""
        office = Office()
        one = line(office, 4)
        losses = iter(["lost there"])

        async def main() -> None:
            await warm(office, one)
            lease = await one.acquire(again=False)
            desk(one).fate = lambda _: next(losses, "well")
            lease.end(over_speed=True)
            await asyncio.sleep(2)
            assert office.slots == 2
            assert one.limit == RateLimit(2, W)
            await one.aclose()

        run(main())
