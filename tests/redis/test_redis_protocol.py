"""The wire format, and the script on the server against the same rules in Python."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from support import servers
from support.redis_model import ServerModel

from emay_voice_async.model.limits import RateLimit
from emay_voice_async.pacing.window import Window
from emay_voice_async.redis.protocol import SyncRequest, SyncResponse, Terms, decode, encode, terms
from emay_voice_async.redis.scripts import SYNC

BEGIN = 1_700_000_000_000_000
"""Microseconds of a POSIX clock, which is what servers have."""
LIMIT = RateLimit(3, 1.0)
TERMS = terms(LIMIT, longest=20.0, grace=0.5)


def request(process: str = "a", sequence: int = 1, wanted: int = 0, **more: Any) -> SyncRequest:
    """Make a request; the leases that are asked for are numbered by the sequence number."""
    return SyncRequest(
        process, sequence, more.pop("acknowledged", 0), more.pop("epoch", ""), wanted, sequence * 100, **more
    )


class Server:
    """Keys of their own on the real server, at instants that the test names."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.key = f"emay_voice_test:{{{secrets.token_hex(8)}}}"

    def keys(self, process: str) -> list[str]:
        """Return the keys of a process."""
        return [
            f"{self.key}:{name}" for name in ("leases", "state", "queue", "waiting", f"process:{process}")
        ]

    def sync(self, one: SyncRequest, terms: Terms, time: int | None = None) -> SyncResponse | None:
        """Execute a request, by the server's clock unless a time is given."""
        more = {} if time is None else {"now": time}
        text = self.client.eval(SYNC.text, 5, *self.keys(one.process), encode(one, terms, **more))
        return None if text is None else decode(text)

    def names(self) -> list[bytes]:
        """List the existing keys."""
        pattern = self.key.replace("{", "[{]").replace("}", "[}]")
        return list(self.client.scan_iter(f"{pattern}:*", count=10_000))

    def wipe(self) -> None:
        """Delete all keys."""
        if names := self.names():
            self.client.delete(*names)


@pytest.fixture(scope="module")
def client() -> Iterator[redis.Redis]:
    """Connect to the server without this package."""
    with redis.Redis.from_url(servers.url(servers.REDIS)) as one:
        yield one


@pytest.fixture
def server(client: redis.Redis) -> Iterator[Server]:
    """Give the test keys of its own, and delete them."""
    one = Server(client)
    yield one
    one.wipe()


class TestWire:
    """Requests and responses as text."""

    @given(
        limit=st.builds(RateLimit, st.integers(1, 1000), st.floats(0.001, 86_400)),
        longest=st.floats(0.1, 1000),
    )
    def test_times_are_rounded_up(self, limit: RateLimit, longest: float) -> None:
        """No slot is free too early because of the conversion to microseconds."""
        found = terms(limit, longest=longest, grace=0.5)
        assert found.hold >= (limit.period * 1.001 + 0.001) * 1e6
        assert found.hold - limit.period * 1.001e6 < 20_000
        assert found.longest >= longest * 1e6 - 0.001
        assert found.requests == limit.requests
        assert found.keep_ms >= 86_400_000
        assert found.keep_process_ms * 1000 >= found.longest

    def test_a_response_is_read(self) -> None:
        """Each field has its place; a negative wait is None."""
        assert decode('[7,"e",2,1500000,9,10,1000000,8]') == SyncResponse(7, "e", 2, 1.5, 9, 10, 1.0, 8)
        assert decode(b'[7,"e",2,-1,9,10,1000000,8]').wait is None


def both(
    server: Server, model: ServerModel, one: SyncRequest, terms: Terms, time: int
) -> SyncResponse | None:
    """Execute the same request on the server and in the model; the responses must be equal."""
    real, paper = server.sync(one, terms, time), model.sync(one, terms, time)
    assert real == paper
    return real


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [0, 1, 1000, 100_000, 500_000, 1_002_000, 1_010_000, 6_000_000, 20_500_000, 61_000_000, -400_000]
        ),
        st.integers(0, 2),
        st.integers(0, 4),
        st.sampled_from(
            ["end", "end", "end late", "give back", "refused", "mine", "again", "stale", "fill", "stepped"]
        ),
        st.sampled_from(["", "", "", "", "", "", "wiped", "older"]),
    ),
    max_size=40,
)


class TestScript:
    """The script follows the same rules as the model and the window."""

    @settings(max_examples=300)
    @given(
        steps=STEPS,
        other=st.sampled_from([TERMS, terms(RateLimit(2, 1.5), longest=20.0, grace=0.5, silence=2.0)]),
    )
    def test_the_script_does_the_same_as_the_model(
        self, client: redis.Redis, steps: list[tuple[int, int, int, str, str]], other: Terms
    ) -> None:
        """For any history of three processes, script and model respond alike."""
        server, model = Server(client), ServerModel()
        time = BEGIN
        last: dict[str, SyncRequest] = {}
        answers: dict[str, SyncResponse] = {}
        held: dict[str, list[int]] = {"p0": [], "p1": [], "p2": []}
        try:
            for later, who, wanted, what, loss in steps:
                time += later
                name = f"p{who}"
                if loss == "wiped":
                    server.wipe()
                    model = ServerModel()
                elif loss == "older":
                    client.delete(server.keys(name)[-1])
                    model.answered.pop(name, None)
                before, known = last.get(name), answers.get(name)
                some = tuple(held[name][:wanted])
                pairs = tuple((number, 2_000_000 if what == "end late" else -1000) for number in some)
                one = SyncRequest(
                    process=name,
                    sequence=1 if before is None else before.sequence + 1,
                    acknowledged=0 if known is None else known.sequence,
                    epoch="" if known is None else known.epoch,
                    wanted=wanted,
                    first=1 if before is None else before.first + before.wanted,
                    ended=pairs if what.startswith("end") or what == "refused" else (),
                    registered=pairs if what == "mine" else (),
                    returned=some if what == "give back" else (),
                    over_speed=what == "refused",
                    stepped=what == "stepped",
                    fill=700_000 if what == "fill" else 0,
                )
                if before is not None and what in ("again", "stale"):
                    one = evolve(before, sequence=before.sequence - (what == "stale"))
                answer = both(server, model, one, other if who == 2 else TERMS, time)
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
    def test_the_script_does_the_same_as_the_window(
        self, client: redis.Redis, steps: list[tuple[int, str]]
    ) -> None:
        """For one process, script and window grant the same slots and name the same instants."""
        limit = RateLimit(4, 1.0)
        server = Server(client)
        window = Window(limit)
        own = terms(limit, longest=1e6, grace=0.5)
        open_: list[int] = []
        seconds, sequence, epoch = 0.0, 0, ""
        window.fill(seconds)
        try:
            for later, what in [(0, "take"), *steps]:
                seconds += later / 4
                sequence += 1
                one = request(sequence=sequence, epoch=epoch, acknowledged=sequence - 1)
                if what == "take":
                    one = evolve(one, wanted=1)
                elif open_:
                    number, after = open_.pop(0), 2.0 if what == "end late" else 0.0
                    if what == "give back":
                        window.give_back()
                        one = evolve(one, returned=(number,))
                    else:
                        window.end(seconds + after)
                        one = evolve(one, ended=((number, int(after * 1e6)),), over_speed=what == "refused")
                    if what == "refused":
                        window.lower(seconds)
                answer = server.sync(one, own, BEGIN + round(seconds * 1e6))
                assert answer is not None
                epoch = answer.epoch
                assert answer.slots == window.slots(seconds)
                assert answer.granted == (what == "take" and window.take(seconds))
                if answer.granted:
                    open_.append(one.first)
                elif what == "take":
                    assert answer.wait is not None
                    soonest = min(window.next_change() - seconds, own.hold / 1e6)
                    # With fewer slots than leases, the end of the first lease makes no slot free.
                    assert answer.wait > soonest - 1e-5
                    if answer.slots == limit.requests:
                        assert answer.wait < soonest + 1e-5
        finally:
            server.wipe()


class TestServer:
    """Properties that only a real server shows."""

    def test_the_clock_is_the_servers(self, server: Server) -> None:
        """Without a time in the request, the server's clock is used."""
        answer = server.sync(request(wanted=1), TERMS)
        state = server.client.hgetall(server.keys("a")[1])
        seconds, microseconds = server.client.time()
        assert answer is not None
        assert answer.granted == 0
        assert 0 <= seconds * 1_000_000 + microseconds - int(state[b"latest"]) < 60_000_000

    def test_all_keys_expire(self, server: Server) -> None:
        """Each key has an expiry, the key of a process the shortest."""
        server.sync(request(wanted=1), TERMS)
        names = server.names()
        assert len(names) == 5
        for name in names:
            left = server.client.pttl(name)
            most = TERMS.keep_process_ms if b":process:" in name else TERMS.keep_ms
            assert 0.9 * most < left <= most

    @pytest.mark.parametrize("key", [0, 1])
    def test_a_partly_evicted_state_is_lost(self, server: Server, key: int) -> None:
        """If the server evicted one of the keys, the state counts as new: all slots are used."""
        first = server.sync(request(sequence=1), TERMS, BEGIN)
        assert first is not None
        again = server.sync(
            request(sequence=2, wanted=1, acknowledged=1, epoch=first.epoch), TERMS, BEGIN + 2_000_000
        )
        assert again is not None
        assert (again.granted, again.epoch) == (1, first.epoch)
        server.client.delete(server.keys("a")[key])
        lost = server.sync(request("b", wanted=1), TERMS, BEGIN + 2_000_000)
        assert lost is not None
        assert lost.granted == 0
        assert lost.epoch != first.epoch

    def test_an_open_lease_ends_by_itself_in_time(self, server: Server) -> None:
        """A lease holds its slot for as long as the request may take, and a hold more."""
        first = server.sync(request(sequence=1), TERMS, BEGIN)
        assert first is not None
        granted = server.sync(
            request(sequence=2, wanted=1, acknowledged=1, epoch=first.epoch), TERMS, BEGIN + 2_000_000
        )
        assert granted is not None
        assert granted.granted == 1
        free = server.client.zscore(server.keys("a")[0], "a:200")
        assert free == BEGIN + 2_000_000 + TERMS.longest + TERMS.hold

    def test_a_process_that_was_served_goes_behind_the_others(self, server: Server) -> None:
        """Of two processes that wanted two slots each, the first gets one, then queues behind the second."""
        one = terms(RateLimit(1, 1.0), longest=20.0, grace=0.5)
        first = server.sync(request("a"), one, BEGIN)
        assert first is not None
        later = BEGIN + one.hold
        for process, time in (("a", BEGIN), ("b", BEGIN + 1), ("a", later)):
            answer = server.sync(request(process, 2 + time - BEGIN, 2, epoch=first.epoch), one, time)
            assert answer is not None
            assert answer.granted == (time == later)
        assert server.client.zrange(server.keys("a")[2], 0, -1) == [b"b", b"a"]

    def test_the_slots_are_halved_once_a_period(self, server: Server) -> None:
        """Any number of refusals within one period halves the slots once."""
        one = terms(RateLimit(8, 1.0), longest=20.0, grace=0.5)
        epoch, slots = "", []
        for sequence, after in enumerate([0, 1, one.hold - 1, one.hold, one.hold + 1], start=1):
            refused = request("a", sequence, epoch=epoch, over_speed=True)
            answer = server.sync(refused, one, BEGIN + after)
            assert answer is not None
            epoch = answer.epoch
            slots.append(answer.slots)
        assert slots == [4, 4, 4, 2, 2]
