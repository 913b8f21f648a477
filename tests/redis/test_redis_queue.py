"""The shared queues of several processes, in virtual time: no refusal, no leak, no starvation."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pacing.test_local import Service
from support.redis_model import Fate, ModelServer, ServerModel
from support.virtual_time import CancellingLoop, cancel_everywhere, now, run

from emay_voice_async.errors import UsageError
from emay_voice_async.model.limits import RateLimit
from emay_voice_async.pacing.protocol import Lease
from emay_voice_async.pacing.window import tolerance
from emay_voice_async.redis.protocol import SyncRequest, longest_silence, terms
from emay_voice_async.redis.queue import SharedQueue

N, W = 10, 1.0
HOLD = W + tolerance(W)
LONGEST = 8.0


def well(_: SyncRequest) -> str:
    """Execute every request."""
    return "well"


def queue(
    model: ServerModel,
    requests: int = N,
    period: float = W,
    *,
    fallback: RateLimit | None = None,
    delay: float = 0.0,
    fate: Fate = well,
    longest: float = LONGEST,
    silence: float = 0.0,
) -> SharedQueue:
    """Make the queue of one process."""
    limit = RateLimit(requests, period)
    server = ModelServer(
        model, terms(limit, longest=longest, grace=0.5, silence=silence), delay=delay, fate=fate
    )
    return SharedQueue(server, limit, fallback)


def server_of(one: SharedQueue) -> ModelServer:
    """Return the server of a queue."""
    assert isinstance(one._server, ModelServer)
    return one._server


async def warm(model: ServerModel, one: SharedQueue) -> None:
    """Wait until the first period of a new state is over."""
    (await one.acquire(again=False)).give_back()
    await asyncio.sleep(0.1)
    assert not model.leases


async def kill(one: SharedQueue) -> None:
    """End a process without notice, as far as the queue is concerned."""
    one._closed = True
    assert one._task is not None
    one._task.cancel()
    await asyncio.wait({one._task})


async def exchange(one: SharedQueue, service: Service, up: float, down: float) -> float:
    """Wait for a slot, send, and end the lease as the client does; return the time of arrival."""
    lease = await one.acquire(again=False)
    await asyncio.sleep(up)
    arrived = now()
    counted = service.arrive(arrived)
    await asyncio.sleep(down)
    lease.end(over_speed=not counted)
    return arrived


class Downtimes:
    """A network that is down at certain times: requests are lost on the way there, or back."""

    def __init__(self, spans: Sequence[tuple[float, float]], back: bool = False) -> None:
        self.spans = spans
        self.back = back

    def __call__(self, _: SyncRequest) -> str:
        """Decide the fate of a request that begins now."""
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
    """Three processes that share a model server and send to one service."""

    def __init__(self, requests: int, period: float, fates: Callable[[int], Fate], delay: float) -> None:
        self.service = Service(requests, period)
        self.model = ServerModel()
        self.queues = [
            queue(self.model, requests, period, fate=fates(one), delay=delay, longest=100.0)
            for one in range(3)
        ]
        self.flying: set[asyncio.Task[None]] = set()

    async def send(self, process: int, begins: float, up: float, down: float, fate: str) -> None:
        """Play one request and its caller."""
        await asyncio.sleep(begins)
        task = asyncio.ensure_future(self._send(self.queues[process], up, down, fate))
        if fate == "cancel early":
            await asyncio.sleep(up)
            task.cancel()
        await asyncio.wait([task])

    async def _send(self, one: SharedQueue, up: float, down: float, fate: str) -> None:
        lease = await one.acquire(again=False)
        # From here on the request belongs to the client, which reads on when the caller is cancelled.
        task = asyncio.ensure_future(self._travel(lease, up, down, fate))
        self.flying.add(task)
        await asyncio.shield(task)

    async def _travel(self, lease: Lease, up: float, down: float, fate: str) -> None:
        if fate == "not written":
            await asyncio.sleep(up)
            lease.give_back()
            return
        if fate == "give up":
            # The client gives up at once, while the request is still in flight.
            lease.end(after=up)
        await asyncio.sleep(up)
        self.service.arrive(now())
        await asyncio.sleep(down)
        if fate != "give up":
            lease.end()

    async def play(self, trips: Sequence[tuple[int, float, float, float, str]]) -> None:
        """Send all requests, then check that no lease and no waiter is left."""
        await asyncio.gather(*(self.send(*trip) for trip in trips))
        if self.flying:
            await asyncio.wait(self.flying)
        # Until the last change was sent; before that, no lease has ended by itself.
        began = now()
        for one in self.queues:
            if one._task is not None:
                await one._task
        assert now() - began < 60
        await asyncio.sleep(self.queues[0]._ledger.hold + 2)
        moment = round(now() * 1e6)
        assert not [name for name, free in self.model.leases.items() if free > moment]
        assert self.service.refused == 0
        assert not any(one._waiters for one in self.queues)


class TestWorlds:
    """In any history the service refuses no request, and no slot is lost."""

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
        """Lost requests and responses: no refusal, and no slot is missing afterwards."""

        def fates(process: int) -> Fate:
            left = iter(losses[process])
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
        # Counted between two syncs of the process, and over at the second.
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
        """A state lost again and again: requests in flight are registered before a slot is granted."""
        world = World(requests, period, lambda _: well, 0.001)

        async def forget() -> None:
            for after in losses:
                await asyncio.sleep(after)
                for name in (
                    "epoch",
                    "leases",
                    "limits",
                    "queue",
                    "answered",
                    "hold",
                    "slots",
                    "recovers",
                    "lowers",
                ):
                    setattr(world.model, name, getattr(ServerModel(), name))

        async def main() -> None:
            forgetting = asyncio.ensure_future(forget())
            await world.play(trips)
            await forgetting

        run(main())


class TestSharing:
    """Several processes."""

    @pytest.mark.slow
    @pytest.mark.parametrize("processes", [1, 2, 4, 12])
    def test_full_speed_in_fair_shares_for_few_commands(self, processes: int) -> None:
        """Together they use all that is safely possible, in equal shares, with few commands per request."""
        model, service = ServerModel(), Service(N, W)
        chance = random.Random(7)
        queues = [queue(model, delay=0.0005) for _ in range(processes)]
        each = 1200 // processes
        served: list[tuple[float, int]] = []
        trips: list[float] = []

        async def one(process: int) -> None:
            up, down = chance.uniform(0.005, 0.06), chance.uniform(0.005, 0.06)
            served.append((await exchange(queues[process], service, up, down), process))
            trips.append(up + down)

        async def main() -> None:
            await asyncio.gather(*(one(process) for _ in range(each) for process in range(processes)))
            for process in queues:
                await process.aclose()

        run(main())
        served.sort()
        assert service.refused == 0
        took = served[-1][0] - served[0][0]
        assert len(served) / took >= 0.97 * N / (W + sum(trips) / len(trips))
        half = Counter(process for _, process in served[: len(served) // 2])
        assert min(half.values()) >= 0.8 * each / 2
        commands = sum(len(server_of(process).requests) for process in queues)
        assert commands <= 2 * len(served) + processes * took / HOLD

    def test_a_single_waiter_is_not_starved_by_many(self) -> None:
        """A process with one waiter gets a slot each period, beside a process with thousands of waiters."""
        model, service = ServerModel(), Service(N, W)
        crowd, single = queue(model), queue(model)

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
        """Slots go to the waiters in order of arrival; a retry after a refusal goes to the front."""
        model = ServerModel()
        one = queue(model, 2)
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
        # Slots that were asked for may be lost, and are then returned: never request for more than the limit.
        assert max(request.wanted for request in server_of(one).requests) == 2

    def test_many_slots_are_taken_in_one_command(self) -> None:
        """A hundred free slots for a hundred waiters cost one command, and the ends another."""
        model = ServerModel()
        one = queue(model, 100)

        async def main() -> None:
            await warm(model, one)
            before = len(server_of(one).requests)
            leases = await asyncio.gather(*(one.acquire(again=False) for _ in range(100)))
            assert len(server_of(one).requests) == before + 1
            for lease in leases:
                await asyncio.sleep(0.0004)
                lease.end()
            await asyncio.sleep(0.2)
            assert len(server_of(one).requests) == before + 2
            await one.aclose()

        run(main())

    def test_a_slot_given_back_wakes_the_next_at_once(self) -> None:
        """The next waiter of the same process has the slot in the same moment."""
        model = ServerModel()
        one = queue(model, 1)

        async def main() -> None:
            await warm(model, one)
            lease = await one.acquire(again=False)
            waiting = asyncio.ensure_future(one.acquire(again=False))
            await asyncio.sleep(0.3)
            lease.give_back()
            began = now()
            (await waiting).end()
            assert now() == began
            await one.aclose()

        run(main())

    def test_an_idle_process_sends_no_command(self) -> None:
        """An idle process is silent, and a waiting process does not sync before the announced time."""
        model = ServerModel()
        one, other = queue(model, 1), queue(model, 1)

        async def main() -> None:
            await warm(model, one)
            (await one.acquire(again=False)).end()
            await asyncio.sleep(0.2)
            before = len(server_of(one).requests)
            waiting = asyncio.ensure_future(other.acquire(again=False))
            await asyncio.sleep(0.7)
            assert len(server_of(other).requests) == 1
            lease = await waiting
            assert len(server_of(other).requests) == 2
            assert len(server_of(one).requests) == before
            lease.end()
            await one.aclose()
            await other.aclose()

        run(main())

    def test_a_process_that_dies_in_the_queue_delays_the_others_once(self) -> None:
        """The others wait half a second, once, and go on without the dead process."""
        model = ServerModel()
        dead, alive = queue(model, 1), queue(model, 1)

        async def main() -> None:
            await warm(model, alive)
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
        """They end when the last request can have been counted a period ago."""
        model = ServerModel()
        dead, alive = queue(model, 2), queue(model, 2)

        async def main() -> None:
            await warm(model, alive)
            for _ in range(2):
                await dead.acquire(again=False)
            began = now()
            await kill(dead)
            lease = await alive.acquire(again=False)
            assert now() - began == pytest.approx(LONGEST + HOLD, abs=1e-3)
            lease.end()
            await alive.aclose()

        run(main())

    def test_a_request_longer_than_longest_keeps_its_slot(self) -> None:
        """The lease of a live process is renewed."""
        model = ServerModel()
        slow, other = queue(model, 1), queue(model, 1)

        async def main() -> None:
            await warm(model, slow)
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
        """Of two limits for an account the lower holds, both processes log that, and a minute later the higher."""
        model = ServerModel()
        wide, narrow = queue(model, 10), queue(model, 3)

        async def main() -> None:
            await warm(model, wide)
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
        assert [text.split()[7] for text in caplog.messages if "strictest" in text] == ["3", "10"]


class TestCancelling:
    """Cancelled waiters."""

    def test_at_any_moment_nothing_is_lost(self) -> None:
        """Cancelling one of three at any turn of the loop leaves the others their slots and no lease taken."""

        def scenario() -> Callable[[CancellingLoop], Awaitable[None]]:
            async def play(loop: CancellingLoop) -> None:
                model = ServerModel()
                one = queue(model, 1, delay=0.001)
                await warm(model, one)

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
                assert not model.leases
                assert not model.queue

            return play

        assert cancel_everywhere(scenario) > 10

    def test_slots_granted_after_the_waiters_left_are_returned(self) -> None:
        """All waiters are cancelled while the command is in flight: the slots are free again at once."""
        model = ServerModel()
        one = queue(model, 5, delay=0.1)

        async def main() -> None:
            (await one.acquire(again=False)).give_back()
            await asyncio.sleep(1)
            waiting = [asyncio.ensure_future(one.acquire(again=False)) for _ in range(5)]
            await asyncio.sleep(0.15)
            assert len(model.leases) == 5
            for task in waiting:
                task.cancel()
            await asyncio.sleep(0.3)
            assert not model.leases
            await one.aclose()

        run(main())

    def test_the_queue_is_left_at_once(self) -> None:
        """When the last waiter of a process is cancelled, other processes do not wait for that process."""
        model = ServerModel()
        one, other = queue(model, 1), queue(model, 1)

        async def main() -> None:
            await warm(model, one)
            lease = await other.acquire(again=False)
            waiting = asyncio.ensure_future(one.acquire(again=False))
            await asyncio.sleep(0.1)
            assert len(model.queue) == 1
            waiting.cancel()
            await asyncio.sleep(0.01)
            assert not model.queue
            lease.end()
            await one.aclose()
            await other.aclose()

        run(main())


class TestClosing:
    """Closing a queue."""

    def test_pending_changes_are_sent(self) -> None:
        """Closing sends the ended leases without waiting for more of them."""
        model = ServerModel()
        one = queue(model)

        async def main() -> None:
            await warm(model, one)
            leases = [await one.acquire(again=False) for _ in range(3)]
            leases[0].end()
            leases[1].give_back()
            began = now()
            await one.aclose()
            assert now() == began
            assert len(model.leases) == 2
            # A lease still open ends by itself on the server.
            leases[2].end()
            await one.aclose()

        run(main())
        assert len(model.leases) == 2

    def test_waiters_fail(self) -> None:
        """The waiters of a closed pacer fail, and new ones are refused."""
        model = ServerModel()
        one = queue(model, 1)

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
            assert not model.queue

        run(main())

    def test_a_queue_that_was_never_used(self) -> None:
        """Closing an unused queue sends no command."""
        one = queue(ServerModel())
        run(one.aclose())
        assert not server_of(one).requests

    def test_another_event_loop(self) -> None:
        """A queue belongs to the first event loop that used it."""
        one = queue(ServerModel())

        async def use() -> None:
            (await one.acquire(again=False)).give_back()
            await asyncio.sleep(0.1)

        run(use())
        with pytest.raises(UsageError, match="another event loop"):
            run(use())


class TestUnavailable:
    """A Redis server that does not answer."""

    @pytest.mark.parametrize("back", [False, True])
    def test_requests_wait_and_go_on(self, caplog: pytest.LogCaptureFixture, back: bool) -> None:
        """After three seconds without Redis all requests go on, without a refusal, with two log queues each."""
        model, service = ServerModel(), Service(N, W)
        queues = [queue(model, fate=Downtimes([(1003, 1006)], back)) for _ in range(2)]
        arrived: list[float] = []

        async def one(process: SharedQueue) -> None:
            arrived.append(await exchange(process, service, 0.02, 0.02))

        async def main() -> None:
            await asyncio.gather(*(one(process) for process in queues for _ in range(50)))
            assert now() < 1000 + HOLD + 100 / N * (HOLD + 0.04) + 3 + 3
            for process in queues:
                await process.aclose()

        with caplog.at_level(logging.WARNING, "emay_voice_async"):
            run(main())
        assert service.refused == 0
        assert not [moment for moment in arrived if 1003.1 < moment < 1006]
        assert len([text for text in caplog.messages if "cannot be used" in text]) == 2
        assert len([text for text in caplog.messages if "is back" in text]) == 2
        assert len(caplog.messages) == 4

    def test_leases_that_ended_meanwhile_are_sent_with_their_time(self) -> None:
        """A lease that ended two seconds before Redis is back is free at once."""
        model = ServerModel()
        one = queue(model, 1, fate=Downtimes([(1002, 1005)]))

        async def main() -> None:
            await warm(model, one)
            lease = await one.acquire(again=False)
            await asyncio.sleep(1002.5 - now())
            lease.end()
            (await one.acquire(again=False)).end()
            assert 1005 <= now() < 1006.6
            await one.aclose()

        run(main())

    def test_an_expired_record_of_a_process_is_no_lost_state(self) -> None:
        """After a long pause a process does not expect the server to remember its last request."""
        model = ServerModel()
        one = queue(model)

        async def main() -> None:
            await warm(model, one)
            await asyncio.sleep(LONGEST)
            model.answered.clear()
            began = now()
            (await one.acquire(again=False)).give_back()
            assert now() == began
            await one.aclose()

        run(main())

    def test_a_late_request_is_ignored(self) -> None:
        """A request that is executed after a later request grants no slot, so none is lost."""
        model = ServerModel()
        one = queue(model, 2)
        late: list[SyncRequest] = []

        def fate(request: SyncRequest) -> str:
            if not late and request.wanted and request.sequence > 2:
                late.append(request)
                return "lost there"
            return "well"

        async def main() -> None:
            await warm(model, one)
            server_of(one).fate = fate
            lease = await one.acquire(again=False)
            assert model.sync(late[0], server_of(one).terms, round(now() * 1e6)) is None
            assert len(model.leases) == 1
            lease.end()
            await one.aclose()

        run(main())

    def test_a_permanent_error_is_raised(self) -> None:
        """All waiters fail, and the next request tries again."""
        model = ServerModel()
        one = queue(model)

        def fate(_: SyncRequest) -> str:
            raise PermissionError("wrong password")

        async def main() -> None:
            server_of(one).fate = fate
            for _ in range(2):
                waiting = [asyncio.ensure_future(one.acquire(again=False)) for _ in range(3)]
                await asyncio.wait(waiting)
                assert all(isinstance(task.exception(), PermissionError) for task in waiting)
            server_of(one).fate = well
            (await one.acquire(again=False)).end()
            await one.aclose()

        run(main())

    def test_a_waiter_cancelled_as_it_fails(self) -> None:
        """An error that reaches a waiter in the moment of cancellation leaves no trace."""
        model = ServerModel()
        one = queue(model)

        def fate(_: SyncRequest) -> str:
            # After the waiter has failed, and before the task runs again.
            asyncio.get_running_loop().call_soon(waiting[0].cancel)
            raise PermissionError("wrong password")

        async def main() -> None:
            server_of(one).fate = fate
            waiting.append(asyncio.ensure_future(one.acquire(again=False)))
            await asyncio.wait(waiting)
            assert waiting[0].cancelled()
            await one.aclose()

        waiting: list[asyncio.Future[Lease]] = []
        run(main())

    def test_outdated_changes_are_discarded(self) -> None:
        """A server that is gone for good is tried with growing pauses, and in the end no more."""
        model = ServerModel()
        one = queue(model)

        async def main() -> None:
            await warm(model, one)
            lease = await one.acquire(again=False)
            await asyncio.sleep(0.01)
            server_of(one).fate = lambda _: "lost there"
            before = len(server_of(one).requests)
            lease.end()
            await asyncio.sleep(1000)
            assert 5 < len(server_of(one).requests) - before < 40
            assert one._task is not None
            assert one._task.done()
            await one.aclose()

        run(main())

    def test_a_new_request_does_not_wait_for_a_long_backoff(self) -> None:
        """A new request finds a server that is back, without waiting for the end of the backoff."""
        model = ServerModel()
        one = queue(model, longest=100.0)

        async def main() -> None:
            await warm(model, one)
            lease = await one.acquire(again=False)
            server_of(one).fate = lambda _: "lost there"
            lease.end()
            await asyncio.sleep(100)
            before = len(server_of(one).requests)
            await asyncio.sleep(6.5)
            server_of(one).fate = well
            assert len(server_of(one).requests) - before <= 2
            began = now()
            (await one.acquire(again=False)).end()
            assert now() - began <= 1.0 + HOLD / 2
            await one.aclose()

        run(main())

    def test_closing_is_bounded(self) -> None:
        """Closing takes two timeouts at most: the leases end by themselves."""
        model = ServerModel()
        one = queue(model)

        async def main() -> None:
            await warm(model, one)
            lease = await one.acquire(again=False)
            server_of(one).fate = lambda _: "lost there"
            lease.end()
            began = now()
            await one.aclose()
            assert now() - began <= 2.0

        run(main())

    def test_a_replica_that_lags(self, caplog: pytest.LogCaptureFixture) -> None:
        """A replica that knows less than this process is sent all leases, and requests wait one period."""
        model = ServerModel()
        one, other = queue(model, 1), queue(model, 1)

        async def main() -> None:
            await warm(model, one)
            lease = await one.acquire(again=False)
            await asyncio.sleep(0.1)
            # The state from before the grant.
            model.leases.clear()
            seq, answer = model.answered[one._ledger.process]
            model.answered[one._ledger.process] = seq - 1, answer
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

    def test_registering_is_retried(self) -> None:
        """A new state knows the leases of a process in the end, even if requests are lost on the way."""
        model = ServerModel()
        one, other = queue(model, 1), queue(model, 1)
        losses = iter(["lost there", "lost there"])

        async def main() -> None:
            await warm(model, one)
            lease = await one.acquire(again=False)
            server_of(one).fate = lambda request: next(losses, "well") if request.registered else "well"
            for name in ("epoch", "leases", "answered"):
                setattr(model, name, getattr(ServerModel(), name))
            await asyncio.sleep(5)
            assert len(model.leases) == 1
            waiting = asyncio.ensure_future(other.acquire(again=False))
            await asyncio.sleep(2)
            assert not waiting.done()
            lease.end()
            (await waiting).end()
            await one.aclose()
            await other.aclose()

        run(main())


class Moved:
    """A process's way to a server that vanishes: open connections hang, later ones reach the new server."""

    def __init__(self, server: ModelServer, vanishes: float, new: ServerModel) -> None:
        self._server, self._vanishes, self._new = server, vanishes, new
        self._hung = False

    def __call__(self, _: SyncRequest) -> str:
        """Lose the first request after the server has vanished, then go to the new server."""
        if now() < self._vanishes:
            return "well"
        if not self._hung:
            self._hung = True
            return "lost there"
        self._server.model = self._new
        return "well"


class TestNewState:
    """A state that replaces another without a word."""

    @pytest.mark.parametrize("period", [0.1, 0.5, 1.0, 3.0])
    @pytest.mark.parametrize("begins", [0.0, 0.3, 0.6, 0.9])
    def test_an_empty_server_takes_over_the_address(self, period: float, begins: float) -> None:
        """A new process at the empty server waits until the others, whose connections hang, have come."""
        old, new, service = ServerModel(), ServerModel(), Service(N, period)
        silence = longest_silence(RateLimit(N, period), 1.0)
        queues = [queue(old, N, period, silence=silence) for _ in range(2)]
        joining = queue(new, N, period, silence=silence)
        vanishes = 1010.0 + begins
        for own in queues:
            server_of(own).fate = Moved(server_of(own), vanishes, new)

        async def main() -> None:
            sending = [
                asyncio.ensure_future(exchange(own, service, 0.3, 0.02)) for own in queues for _ in range(150)
            ]
            await asyncio.sleep(vanishes - now())
            sending += [asyncio.ensure_future(exchange(joining, service, 0.0, 0.02)) for _ in range(50)]
            await asyncio.gather(*sending)
            for own in (*queues, joining):
                await own.aclose()

        run(main())
        assert service.refused == 0
        assert len(service.accepted) == 350

    @pytest.mark.parametrize("step", [0.01, 0.5, 1.0, 5.0, 3600.0])
    @pytest.mark.parametrize("begins", [0.0, 0.3, 0.6, 0.9])
    def test_the_clock_steps_forward(
        self, step: float, begins: float, caplog: pytest.LogCaptureFixture
    ) -> None:
        """After a step of the server's clock, slots that are granted too early are returned unused."""
        model, service = ServerModel(), Service(N, W)
        queues = [queue(model, silence=longest_silence(RateLimit(N, W), 1.0)) for _ in range(3)]

        async def main() -> None:
            sending = [
                asyncio.ensure_future(exchange(own, service, 0.02, 0.02)) for own in queues for _ in range(60)
            ]
            await asyncio.sleep(10 + begins)
            model.offset += round(step * 1e6)
            await asyncio.gather(*sending)
            for own in queues:
                await own.aclose()

        with caplog.at_level(logging.WARNING, "emay_voice_async"):
            run(main())
        assert service.refused == 0
        assert len(service.accepted) == 180
        assert [text for text in caplog.messages if "its clock stepped" in text]

    @pytest.mark.parametrize("rate", [-0.0009, 0.0009])
    def test_a_clock_that_drifts_does_not_step(self, rate: float, caplog: pytest.LogCaptureFixture) -> None:
        """Clocks within the drift of the tolerance begin no new state, also after a long pause."""
        model = ServerModel()
        one = queue(model)

        async def main() -> None:
            for pause in (0.0, 1.0, 60.0, 3600.0, 86_000.0):
                await asyncio.sleep(pause)
                model.offset = round((now() - 1000) * rate * 1e6)
                (await one.acquire(again=False)).end()
            await one.aclose()

        with caplog.at_level(logging.WARNING, "emay_voice_async"):
            run(main())
        assert caplog.messages == []


class TestFallback:
    """The fallback limit while Redis does not answer."""

    @pytest.mark.parametrize("back", [False, True])
    def test_it_applies_until_redis_is_back(self, back: bool) -> None:
        """Two processes go on with their fallback limits, without a refusal, and reach full speed again."""
        model, service = ServerModel(), Service(N, W)
        network = Downtimes([(1005, 1025)], back)
        queues = [queue(model, fallback=RateLimit(5, W), fate=network) for _ in range(2)]
        arrived: list[float] = []

        async def one(process: SharedQueue) -> None:
            arrived.append(await exchange(process, service, 0.02, 0.02))

        async def main() -> None:
            await asyncio.gather(*(one(process) for process in queues for _ in range(200)))
            for process in queues:
                await process.aclose()

        run(main())
        assert service.refused == 0
        without = [moment for moment in arrived if 1005.1 < moment < 1025]
        assert len(without) > 0.9 * 10 / (W + 0.04) * (20 - 1 - 2 * HOLD)
        # The first lost request begins then, and times out after a second.
        assert min(without) >= 1005 + 1 + 1 + HOLD
        after = [moment for moment in arrived if 1030 < moment < 1034]
        assert len(after) > 28

    def test_open_leases_count_against_the_fallback_limit(self) -> None:
        """Leases from before count against the fallback limit until their requests are answered."""
        model = ServerModel()
        one = queue(model, 4, fallback=RateLimit(2, W))

        async def main() -> None:
            await warm(model, one)
            leases = [await one.acquire(again=False) for _ in range(3)]
            server_of(one).fate = lambda _: "lost there"
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

    def test_a_refusal_halves_it(self) -> None:
        """A refusal for speed halves the fallback limit."""
        model = ServerModel()
        one = queue(model, fallback=RateLimit(4, W), fate=lambda _: "lost there")

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

    def test_fallback_leases_are_registered_when_redis_is_back(self) -> None:
        """Slots taken without Redis count there as well until they are free."""
        model = ServerModel()
        one = queue(model, 2, fallback=RateLimit(2, W))
        other = queue(model, 2)

        async def main() -> None:
            server_of(one).fate = lambda _: "lost there"
            leases = [await one.acquire(again=False) for _ in range(2)]
            server_of(one).fate = well
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
    """Another program uses the account as well."""

    def test_all_processes_go_slower_together_and_recover(self, caplog: pytest.LogCaptureFixture) -> None:
        """A refusal halves the slots of all; five calm periods give a slot back; each process logs the refusal once."""
        model = ServerModel()
        one, other = queue(model, 4), queue(model, 4)

        async def main() -> None:
            await warm(model, one)
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
        assert [text.split(";")[1] for text in caplog.messages] == [" continuing with 2 slots"] * 2

    def test_a_refusal_is_sent_again_when_the_request_was_lost(self) -> None:
        """A lost request does not lose the refusal: the slots are halved."""
        model = ServerModel()
        one = queue(model, 4)
        losses = iter(["lost there"])

        async def main() -> None:
            await warm(model, one)
            lease = await one.acquire(again=False)
            server_of(one).fate = lambda _: next(losses, "well")
            lease.end(over_speed=True)
            await asyncio.sleep(2)
            assert model.slots == 2
            assert one.limit == RateLimit(2, W)
            await one.aclose()

        run(main())
