"""A turn at a line: its wire, and the script on the server against the arithmetic it must repeat."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from support import servers
from support.redis_model import Office

from emay_voice_async.model.limits import RateLimit
from emay_voice_async.pacing.window import Window
from emay_voice_async.redis.connection import Script
from emay_voice_async.redis.protocol import Answer, Ask, Terms, decode, encode, terms

BEGIN = 1_700_000_000_000_000
"""Microseconds of a POSIX clock, which is what servers have."""
TURN = Script("turn.lua")
LIMIT = RateLimit(3, 1.0)
TERMS = terms(LIMIT, longest=20.0, grace=0.5)


def ask(process: str = "a", seq: int = 1, want: int = 0, **more: Any) -> Ask:
    """Make a turn; the leases that it asks for are numbered by the turn."""
    return Ask(process, seq, more.pop("acked", 0), more.pop("epoch", ""), want, seq * 100, **more)


class Server:
    """A line on the real server, under a name of its own, at instants that the test names."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.line = f"emay_voice_test:{{{secrets.token_hex(8)}}}"

    def keys(self, process: str) -> list[str]:
        """Name the keys of the line."""
        return [
            f"{self.line}:{name}" for name in ("leases", "state", "queue", "waiting", f"process:{process}")
        ]

    def turn(self, one: Ask, terms: Terms, time: int | None = None) -> Answer | None:
        """Have a turn, on the server's own clock if no time is named."""
        more = {} if time is None else {"now": time}
        told = self.client.eval(TURN.text, 5, *self.keys(one.process), encode(one, terms, **more))
        return None if told is None else decode(told)

    def names(self) -> list[bytes]:
        """List what is there of the line."""
        pattern = self.line.replace("{", "[{]").replace("}", "[}]")
        return list(self.client.scan_iter(f"{pattern}:*", count=10_000))

    def wipe(self) -> None:
        """Lose everything."""
        if names := self.names():
            self.client.delete(*names)


@pytest.fixture(scope="module")
def client() -> Iterator[redis.Redis]:
    """Connect to the server, without anything of this package in between."""
    with redis.Redis.from_url(servers.url(servers.REDIS)) as one:
        yield one


@pytest.fixture
def server(client: redis.Redis) -> Iterator[Server]:
    """Have a line that is used by this test alone, and nothing of it left."""
    one = Server(client)
    yield one
    one.wipe()


class TestWire:
    """What is written and read."""

    @given(
        limit=st.builds(RateLimit, st.integers(1, 1000), st.floats(0.001, 86_400)),
        longest=st.floats(0.1, 1000),
    )
    def test_times_are_rounded_up(self, limit: RateLimit, longest: float) -> None:
        """No slot is free too early because a time was written in microseconds."""
        found = terms(limit, longest=longest, grace=0.5)
        assert found.hold >= (limit.period * 1.001 + 0.001) * 1e6
        assert found.hold - limit.period * 1.001e6 < 20_000
        assert found.longest >= longest * 1e6 - 0.001
        assert found.requests == limit.requests
        assert found.keep >= 86_400_000
        assert found.fence * 1000 >= found.longest

    def test_an_answer_is_read(self) -> None:
        """Every field has its place, and nothing to wait for is None."""
        assert decode('[7,"e",2,1500000,9,10,1000000]') == Answer(7, "e", 2, 1.5, 9, 10, 1.0)
        assert decode(b'[7,"e",2,-1,9,10,1000000]').wait is None


def both(server: Server, office: Office, one: Ask, terms: Terms, time: int) -> Answer | None:
    """Have the same turn on the server and on paper; they must answer the same."""
    real, paper = server.turn(one, terms, time), office.turn(one, terms, time)
    assert real == paper
    return real


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [0, 1, 1000, 100_000, 500_000, 1_002_000, 1_010_000, 6_000_000, 20_500_000, 61_000_000, -400_000]
        ),
        st.integers(0, 2),
        st.integers(0, 4),
        st.sampled_from(["end", "end", "end late", "give back", "refused", "mine", "again", "stale", "fill"]),
        st.sampled_from(["", "", "", "", "", "", "wiped", "older"]),
    ),
    max_size=40,
)


class TestScript:
    """The rule on the server is the rule on paper."""

    @settings(max_examples=300)
    @given(steps=STEPS, other=st.sampled_from([TERMS, terms(RateLimit(2, 1.5), longest=20.0, grace=0.5)]))
    def test_the_script_does_what_the_office_does(
        self, client: redis.Redis, steps: list[tuple[int, int, int, str, str]], other: Terms
    ) -> None:
        """Whatever three processes do, in whatever order, script and paper answer alike."""
        server, office = Server(client), Office()
        time = BEGIN
        last: dict[str, Ask] = {}
        answers: dict[str, Answer] = {}
        held: dict[str, list[int]] = {"p0": [], "p1": [], "p2": []}
        try:
            for later, who, want, what, loss in steps:
                time += later
                name = f"p{who}"
                if loss == "wiped":
                    server.wipe()
                    office = Office()
                elif loss == "older":
                    client.delete(server.keys(name)[-1])
                    office.turns.pop(name, None)
                before, known = last.get(name), answers.get(name)
                some = tuple(held[name][:want])
                pairs = tuple((number, 2_000_000 if what == "end late" else -1000) for number in some)
                one = Ask(
                    process=name,
                    seq=1 if before is None else before.seq + 1,
                    acked=0 if known is None else known.seq,
                    epoch="" if known is None else known.epoch,
                    want=want,
                    first=1 if before is None else before.first + before.want,
                    ends=pairs if what.startswith("end") or what == "refused" else (),
                    mine=pairs if what == "mine" else (),
                    backs=some if what == "give back" else (),
                    over_speed=what == "refused",
                    fill=700_000 if what == "fill" else 0,
                )
                if before is not None and what in ("again", "stale"):
                    one = evolve(before, seq=before.seq - (what == "stale"))
                answer = both(server, office, one, other if who == 2 else TERMS, time)
                if answer is not None and what not in ("again", "stale"):
                    last[name], answers[name] = one, answer
                    held[name] += range(one.first, one.first + answer.granted)
        finally:
            server.wipe()

    @settings(max_examples=200)
    @given(
        steps=st.lists(
            st.tuples(
                st.integers(0, 24),
                st.sampled_from(["take", "take", "end", "end late", "give back", "refused"]),
            ),
            max_size=60,
        )
    )
    def test_the_script_does_what_the_window_does(
        self, client: redis.Redis, steps: list[tuple[int, str]]
    ) -> None:
        """For one process, script and window grant the same slots and name the same moments."""
        limit = RateLimit(4, 1.0)
        line = Server(client)
        window = Window(limit)
        own = terms(limit, longest=1e6, grace=0.5)
        open_: list[int] = []
        seconds, seq, epoch = 0.0, 0, ""
        window.fill(seconds)
        try:
            for later, what in [(0, "take"), *steps]:
                seconds += later / 4
                seq += 1
                one = ask(seq=seq, epoch=epoch, acked=seq - 1)
                if what == "take":
                    one = evolve(one, want=1)
                elif open_:
                    number, after = open_.pop(0), 2.0 if what == "end late" else 0.0
                    if what == "give back":
                        window.give_back()
                        one = evolve(one, backs=(number,))
                    else:
                        window.end(seconds + after)
                        one = evolve(one, ends=((number, int(after * 1e6)),), over_speed=what == "refused")
                    if what == "refused":
                        window.lower(seconds)
                answer = line.turn(one, own, BEGIN + round(seconds * 1e6))
                assert answer is not None
                epoch = answer.epoch
                assert answer.slots == window.slots(seconds)
                assert answer.granted == (what == "take" and window.take(seconds))
                if answer.granted:
                    open_.append(one.first)
                elif what == "take":
                    assert answer.wait is not None
                    soonest = min(window.next_change() - seconds, own.hold / 1e6)
                    # With fewer slots than leases, the first one that ends makes room for nobody.
                    assert answer.wait > soonest - 1e-5
                    if answer.slots == limit.requests:
                        assert answer.wait < soonest + 1e-5
        finally:
            line.wipe()


class TestServer:
    """What only a server can show."""

    def test_the_clock_is_the_servers(self, server: Server) -> None:
        """Without a time in the question, the server's own is taken."""
        answer = server.turn(ask(want=1), TERMS)
        state = server.client.hgetall(server.keys("a")[1])
        seconds, microseconds = server.client.time()
        assert answer is not None
        assert answer.granted == 0
        assert 0 <= seconds * 1_000_000 + microseconds - int(state[b"latest"]) < 60_000_000

    def test_everything_expires(self, server: Server) -> None:
        """Whatever is written has an end of its own, the turns of a process the soonest."""
        server.turn(ask(want=1), TERMS)
        names = server.names()
        assert len(names) == 5
        for name in names:
            left = server.client.pttl(name)
            most = TERMS.fence if b":process:" in name else TERMS.keep
            assert 0.9 * most < left <= most

    @pytest.mark.parametrize("key", [0, 1])
    def test_half_a_state_is_none(self, server: Server, key: int) -> None:
        """A state of which the server has evicted a part counts as used up."""
        first = server.turn(ask(seq=1), TERMS, BEGIN)
        assert first is not None
        again = server.turn(ask(seq=2, want=1, acked=1, epoch=first.epoch), TERMS, BEGIN + 2_000_000)
        assert again is not None
        assert (again.granted, again.epoch) == (1, first.epoch)
        server.client.delete(server.keys("a")[key])
        lost = server.turn(ask("b", want=1), TERMS, BEGIN + 2_000_000)
        assert lost is not None
        assert lost.granted == 0
        assert lost.epoch != first.epoch

    def test_an_open_lease_ends_by_itself_in_time(self, server: Server) -> None:
        """It holds its slot for as long as its request may take, and a period more."""
        first = server.turn(ask(seq=1), TERMS, BEGIN)
        assert first is not None
        granted = server.turn(ask(seq=2, want=1, acked=1, epoch=first.epoch), TERMS, BEGIN + 2_000_000)
        assert granted is not None
        assert granted.granted == 1
        free = server.client.zscore(server.keys("a")[0], "a:200")
        assert free == BEGIN + 2_000_000 + TERMS.longest + TERMS.hold

    def test_who_is_served_goes_behind_the_others(self, server: Server) -> None:
        """Of two that want two slots each, the first one has one, and then waits for the other."""
        one = terms(RateLimit(1, 1.0), longest=20.0, grace=0.5)
        first = server.turn(ask("a"), one, BEGIN)
        assert first is not None
        later = BEGIN + one.hold
        for process, time in (("a", BEGIN), ("b", BEGIN + 1), ("a", later)):
            answer = server.turn(ask(process, 2 + time - BEGIN, 2, epoch=first.epoch), one, time)
            assert answer is not None
            assert answer.granted == (time == later)
        assert server.client.zrange(server.keys("a")[2], 0, -1) == [b"b", b"a"]

    def test_the_slots_are_halved_once_a_period(self, server: Server) -> None:
        """However many processes are refused in one period: it is one reason to go slower."""
        one = terms(RateLimit(8, 1.0), longest=20.0, grace=0.5)
        epoch, slots = "", []
        for seq, after in enumerate([0, 1, one.hold - 1, one.hold, one.hold + 1], start=1):
            refused = ask("a", seq, epoch=epoch, over_speed=True)
            answer = server.turn(refused, one, BEGIN + after)
            assert answer is not None
            epoch = answer.epoch
            slots.append(answer.slots)
        assert slots == [4, 4, 4, 2, 2]
