"""The speed limit in virtual time, against a service that counts exactly."""

import math
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

import pytest
from attrs import frozen
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emay_voice_async.model.limits import RateLimit
from emay_voice_async.pacing.window import HOST_TICK, Window, tolerance

N, W = 10, 1.0


class Service:
    """The service's window: an exact log of counted requests, on a clock of milliseconds."""

    def __init__(self, limit: RateLimit) -> None:
        self.requests = limit.requests
        self.period = round(limit.period * 1000)
        self.log: deque[int] = deque()

    def counts(self, at: float) -> bool:
        """Count a request that arrives now, or refuse it for speed."""
        moment = math.floor(at * 1000)
        while self.log and moment - self.log[0] > self.period:
            self.log.popleft()
        if len(self.log) >= self.requests:
            return False
        self.log.append(moment)
        return True


@frozen
class Trip:
    """Seconds to the service and back; None: the response is lost."""

    out: float
    back: float | None


@frozen
class World:
    """Two clocks with a drift, a limit, and the trip of each request."""

    limit: RateLimit
    trips: tuple[Trip, ...]
    tick: float = 0.0
    drift: float = 0.0
    phase: float = 0.0

    def host(self, at: float) -> float:
        """Read our clock, which drifts and ticks."""
        moment = at * (1 + self.drift)
        return moment // self.tick * self.tick if self.tick else moment


PATIENCE = 30.0
"""Seconds after which the client gives up; by then the request has arrived, if ever."""


@frozen
class Played:
    """The arrivals, the end of the last request, and the maximum of slots in use."""

    arrivals: list[float]
    ended: float
    most: int


def play(world: World, ends_at: Callable[[float, float], float] = lambda _, done: done) -> Played:
    """Send as fast as the window allows.

    ``ends_at`` returns the instant that ends a lease, from the instants of sending and response.
    """
    window = Window(world.limit, world.tick)
    hold = world.limit.period + tolerance(world.limit.period, world.tick)
    now, left, most = 1000.0 + world.phase, deque(world.trips), 0
    under_way: list[tuple[float, float]] = []
    held: list[float] = []
    arrivals: list[float] = []
    while left or under_way:
        while under_way and under_way[0][0] <= now:
            done, sent = heappop(under_way)
            window.end(ends_at(world.host(sent), world.host(done)))
            held.append(world.host(done) + hold)
        while left and window.take(world.host(now)):
            trip = left.popleft()
            arrivals.append(now + trip.out)
            heappush(under_way, (now + (PATIENCE if trip.back is None else trip.out + trip.back), now))
            most = max(most, len(under_way) + sum(end > world.host(now) for end in held))
        later = [under_way[0][0]] if under_way else []
        if left and window.next_change() < math.inf:
            # The earliest instant at which our clock shows that a slot is free.
            later.append(max(now, window.next_change() / (1 + world.drift)) + world.tick + 1e-6)
        if later:
            now = min(later)
    return Played(arrivals, now, most)


def refusals(world: World, arrivals: list[float]) -> int:
    """Count what the service refuses of these arrivals."""
    service = Service(world.limit)
    return sum(not service.counts(at) for at in sorted(arrivals))


seconds = st.floats(0, 2, allow_subnormal=False) | st.sampled_from([0.0, 0.0005, 0.001, 0.3, 1.0])
trips = st.builds(Trip, seconds, seconds | st.none())
limits = st.builds(RateLimit, st.integers(1, 6), st.sampled_from([0.001, 0.05, 1, 1.0, 2.5, 60.0]))
worlds = st.builds(
    World,
    limits,
    st.lists(trips, max_size=40).map(tuple),
    st.sampled_from([0.0, 1e-9, 0.001, 0.015625]),
    st.floats(-0.0009, 0.0009),
    st.floats(0, 1),
)
alternating = tuple(Trip(0.3 * (place // N % 2 == 0), 0.0) for place in range(40 * N))


class TestTolerance:
    """The time beyond the period that a slot is held."""

    def test_its_three_parts(self) -> None:
        """A tick of the service's clock, a tick of ours, and a thousandth of the period."""
        assert tolerance(1.0, 0.0156) == pytest.approx(0.001 + 0.0156 + 0.001)
        assert tolerance(60.0, 0.0) == pytest.approx(0.001 + 0.06)

    def test_our_own_clock(self) -> None:
        """By default our tick is the tick of this host's clock."""
        assert tolerance(1.0) == tolerance(1.0, HOST_TICK)
        assert 0 < HOST_TICK < 0.1


class TestNeverTooFast:
    """In any network, the service refuses no request."""

    @pytest.mark.slow
    @settings(max_examples=200, deadline=None)
    @given(worlds)
    @example(World(RateLimit(N, W), (Trip(0.0, 0.0),) * 60, phase=0.9995))
    @example(World(RateLimit(N, W), (Trip(0.3, 0.0), Trip(0.0, 0.0)) * 60))
    @example(World(RateLimit(N, W), alternating))
    @example(World(RateLimit(N, W), alternating, 0.015625, -0.0009, 0.5))
    @example(World(RateLimit(N, W), alternating, 0.001, 0.0009, 0.5))
    @example(World(RateLimit(1, 60.0), (Trip(2.0, 0.0), Trip(0.0, 0.0)) * 5, 0.0, 0.0009))
    def test_nothing_is_refused_in_any_world(self, world: World) -> None:
        """Any latencies, lost responses and clock drifts: 0 refusals."""
        played = play(world)
        assert len(played.arrivals) == len(world.trips)
        assert refusals(world, played.arrivals) == 0
        assert played.most <= world.limit.requests

    def test_the_service_here_does_refuse(self) -> None:
        """Slots timed from the send are refused by the same service."""
        world = World(RateLimit(N, W), alternating)
        arrivals = play(world, lambda sent, _: sent).arrivals
        assert refusals(world, arrivals) > len(arrivals) / 4

    def test_the_tolerance_is_needed(self) -> None:
        """Slots freed exactly a period after the response, without the tolerance, are refused as well."""
        world = World(RateLimit(N, W), (Trip(0.0, 0.0),) * 100)
        arrivals = play(world, lambda _, done: done - tolerance(W, 0.0)).arrivals
        assert refusals(world, arrivals) > 0

    @pytest.mark.parametrize("trip", [0.0, 0.02, 0.5])
    def test_no_slower_than_it_must_be(self, trip: float) -> None:
        """N requests leave in every period, tolerance and round trip, and not fewer."""
        rounds = 20
        ended = play(World(RateLimit(N, W), (Trip(trip / 2, trip / 2),) * (N * rounds))).ended
        assert ended - 1000.0 - trip == pytest.approx((rounds - 1) * (W + tolerance(W, 0.0) + trip), rel=1e-4)


class Model:
    """The rules of a window, written plainly: open leases, and the instants that free slots."""

    def __init__(self, limit: RateLimit, tick: float) -> None:
        self.limit = limit
        self.hold = limit.period + tolerance(limit.period, tick)
        self.open = 0
        self.ends: list[float] = []
        self.slots = limit.requests
        self.steps: list[float] = []
        self.lowered = -math.inf

    def at(self, now: float) -> None:
        """Advance the time."""
        self.ends = [end for end in self.ends if end > now]
        while self.steps and self.steps[0] <= now:
            self.steps.pop(0)
            self.slots = min(self.limit.requests, self.slots + 1)

    def free(self) -> bool:
        """Tell whether a slot is free."""
        return self.open + len(self.ends) < self.slots

    def lower(self, now: float) -> None:
        """Halve the slots, at most once a period, and recover a slot at a time."""
        if now >= self.lowered + self.hold:
            self.lowered = now
            self.slots = max(1, self.slots // 2)
            missing = max(1, self.limit.requests - self.slots)
            self.steps = []
            step = now
            for _ in range(missing):
                step += 5 * self.hold
                self.steps.append(step)


class TestWindow:
    """Each method of a window."""

    @settings(max_examples=200, deadline=None)
    @given(
        st.builds(RateLimit, st.integers(1, 9), st.sampled_from([0.05, 1.0, 60.0])),
        st.lists(
            st.tuples(
                st.sampled_from(["take", "take", "take", "end", "late end", "give back", "lower", "fill"]),
                st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.1, 5.5, 40.0]),
            ),
            max_size=60,
        ),
    )
    def test_any_history(self, limit: RateLimit, steps: list[tuple[str, float]]) -> None:
        """After any history a slot is free exactly if the plain model has a free slot."""
        window, model = Window(limit, 0.001), Model(limit, 0.001)
        now = 5000.0
        for step, pause in steps:
            now += pause * limit.period
            model.at(now)
            assert window.slots(now) == model.slots
            match step:
                case "take":
                    free = model.free()
                    assert window.take(now) is free
                    model.open += free
                case "end" | "late end" if model.open:
                    end = now if step == "end" else now + 30
                    window.end(end)
                    model.open -= 1
                    model.ends.append(end + model.hold)
                case "give back" if model.open:
                    window.give_back()
                    model.open -= 1
                case "lower":
                    full = not model.steps
                    assert window.lower(now) is full
                    model.lower(now)
                case "fill":
                    while model.free():
                        model.ends.append(now + model.hold)
                    window.fill(now)
            assert window.slots(now) == model.slots
            if not window.take(now):
                assert not model.free()
                expected = min([*model.ends, *model.steps[:1]], default=math.inf)
                assert window.next_change() == pytest.approx(expected)
            else:
                window.give_back()

    def test_a_slot_is_held_from_the_answer(self) -> None:
        """A slot is free a period and the tolerance after the end of the lease."""
        window = Window(RateLimit(1, W), 0.0)
        assert window.take(100.0)
        assert not window.take(150.0)
        assert window.next_change() == math.inf
        window.end(200.0)
        free = 200.0 + W + tolerance(W, 0.0)
        assert window.next_change() == free
        assert not window.take(math.nextafter(free, 0.0))
        assert window.take(free)

    def test_leases_may_end_in_any_order(self) -> None:
        """The slot that is free first is taken first, in any order of the leases."""
        window = Window(RateLimit(3, W), 0.0)
        assert [window.take(0.0) for _ in range(4)] == [True, True, True, False]
        for at in (9.0, 3.0, 6.0):
            window.end(at)
        hold = W + tolerance(W, 0.0)
        for at in (3.0, 6.0, 9.0):
            assert window.next_change() == at + hold
            assert window.take(at + hold)
            assert not window.take(at + hold)

    def test_giving_back_frees_at_once(self) -> None:
        """A request that was not written leaves no trace."""
        window = Window(RateLimit(1, W))
        for _ in range(1000):
            assert window.take(0.0)
            window.give_back()

    def test_filling(self) -> None:
        """A filled window has no free slot for a period and the tolerance, then all slots at once."""
        window = Window(RateLimit(N, W), 0.0)
        window.fill(7.0)
        free = 7.0 + W + tolerance(W, 0.0)
        assert not window.take(math.nextafter(free, 0.0))
        assert [window.take(free) for _ in range(N + 1)] == [True] * N + [False]

    def test_a_full_window_stays_full(self) -> None:
        """Filling a window with open leases takes only the free slots."""
        window = Window(RateLimit(2, W), 0.0)
        assert window.take(0.0)
        window.fill(0.0)
        window.end(0.0)
        free = W + tolerance(W, 0.0)
        assert [window.take(free) for _ in range(3)] == [True, True, False]


class TestLower:
    """Another program uses the account as well."""

    @pytest.mark.parametrize(
        ("requests", "steps"),
        [(1, [1, 1]), (2, [1, 1]), (3, [1, 1]), (8, [4, 2, 1, 1]), (9, [4, 2, 1, 1]), (10, [5, 2, 1, 1])],
    )
    def test_halving(self, requests: int, steps: list[int]) -> None:
        """Each refusal in another period halves the slots, down to one."""
        window = Window(RateLimit(requests, W), 0.0)
        hold = W + tolerance(W, 0.0)
        for turn, slots in enumerate(steps):
            now = turn * hold
            window.lower(now)
            assert window.slots(now) == slots
            # Further refusals of the same period change no slot.
            assert not window.lower(now + hold * 0.99)
            assert window.slots(now + hold * 0.99) == slots

    def test_only_the_first_refusal_ends_full_speed(self) -> None:
        """``lower`` is True when all slots were in force before."""
        window = Window(RateLimit(4, W), 0.0)
        hold = W + tolerance(W, 0.0)
        assert window.lower(0.0)
        assert not window.lower(hold)
        recovered = hold + 3 * 5 * hold
        assert window.slots(recovered) == 4
        assert window.lower(recovered)

    def test_recovery(self) -> None:
        """Each five calm periods give a slot back, up to the limit."""
        window = Window(RateLimit(8, W), 0.0)
        hold = W + tolerance(W, 0.0)
        window.lower(0.0)
        for turn in count():
            now = turn * 5 * hold
            assert window.slots(math.nextafter(now, math.inf)) == min(8, 4 + turn)
            assert turn == 0 or window.slots(now * (1 - 1e-12)) >= min(8, 3 + turn)
            if turn > 8:
                break

    def test_a_refusal_puts_recovery_off(self) -> None:
        """The five periods begin again with each refusal that lowers the limit."""
        window = Window(RateLimit(8, W), 0.0)
        hold = W + tolerance(W, 0.0)
        window.lower(0.0)
        window.lower(4 * hold)
        assert window.slots(8.9 * hold) == 2
        assert window.slots(9.1 * hold) == 3

    def test_recovery_is_a_change(self) -> None:
        """``next_change`` names the recovery of a slot, even while every lease is open."""
        window = Window(RateLimit(2, W), 0.0)
        assert window.take(0.0)
        window.lower(0.0)
        assert not window.take(0.0)
        assert window.next_change() == 5 * (W + tolerance(W, 0.0))
        assert window.take(window.next_change())

    def test_leases_outlive_the_lowering(self) -> None:
        """Open leases beyond the lowered limit stay; a slot is free once enough leases have ended."""
        window = Window(RateLimit(4, W), 0.0)
        assert [window.take(0.0) for _ in range(4)] == [True] * 4
        window.lower(0.0)
        for _ in range(4):
            window.end(0.0)
        hold = W + tolerance(W, 0.0)
        assert not window.take(hold * 0.99)
        assert [window.take(hold) for _ in range(3)] == [True, True, False]
