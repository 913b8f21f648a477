"""The server's half of a line in Python, with a network in front that loses what it is told to.

:class:`Office` keeps to the same rules as ``turn.lua``; a property test holds the two together.
"""

import asyncio
import math
from collections.abc import Callable

from attrs import define, field

from emay_voice_async.redis.backoff import OutageError
from emay_voice_async.redis.protocol import Answer, Ask, Terms, encode
from support.virtual_time import now

INFINITY = math.inf


@define
class Waiting:
    """A process in the queue."""

    want: int
    comes: int


@define
class Place:
    """A process as slots are dealt."""

    name: str
    want: int
    here: bool
    until: float
    got: int = 0


@define
class Office:
    """One line's state, in microseconds."""

    epoch: str = ""
    leases: dict[str, float] = field(factory=dict)
    limits: dict[tuple[int, int, int], int] = field(factory=dict)
    queue: dict[str, Waiting] = field(factory=dict)
    turns: dict[str, tuple[int, Answer]] = field(factory=dict)
    hold: int = 0
    slots: int = 0
    recovers: float = INFINITY
    lowers: float = 0
    latest: int = 0
    skew: int = 0

    def turn(self, ask: Ask, terms: Terms, time: int) -> Answer | None:
        """Do what the script does."""
        seq, answer = self.turns.get(ask.process, (0, None))
        if ask.seq <= seq:
            return answer if ask.seq == seq else None
        self.skew += max(0, self.latest - time - self.skew)
        now = self.latest = time + self.skew
        fresh = not self.epoch or (ask.epoch == self.epoch and seq < ask.acked)
        if fresh:
            self.epoch = f"epoch:{ask.process}:{ask.seq}"
        requests, period = self._agree(terms, now, fresh=fresh)
        if ask.fill:
            self._fill(requests, now + self.hold + ask.fill)
        self._adapt(requests, now, lower=ask.over_speed)
        self._settle(ask, now)
        granted, wait = 0, 0
        if ask.epoch in ("", self.epoch):
            granted, wait = self._deal(ask, terms, now)
        found = Answer(
            ask.seq,
            self.epoch,
            granted,
            None if wait < 0 else wait / 1e6,
            self.slots,
            requests,
            period / 1e6,
        )
        self.turns[ask.process] = ask.seq, found
        return found

    def _agree(self, terms: Terms, now: int, *, fresh: bool) -> tuple[int, int]:
        self.limits[terms.requests, terms.period, terms.hold] = now
        self.limits = {
            one: seen for one, seen in self.limits.items() if now - seen <= max(60_000_000, 2 * one[2])
        }
        requests = min(one[0] for one in self.limits)
        hold = max(one[2] for one in self.limits)
        stricter, self.hold = hold > self.hold, hold
        if fresh or stricter:
            self._fill(requests, now + hold)
        return requests, max(one[1] for one in self.limits)

    def _fill(self, requests: int, till: int) -> None:
        for one in range(requests):
            self.leases[f"fill:{one}"] = max(till, self.leases.get(f"fill:{one}", 0))

    def _adapt(self, requests: int, now: int, *, lower: bool) -> None:
        self.slots = requests if self.recovers == INFINITY else min(requests, self.slots)
        while now >= self.recovers:
            self.slots = min(requests, self.slots + 1)
            self.recovers = INFINITY if self.slots == requests else self.recovers + 5 * self.hold
        if lower and now >= self.lowers:
            self.lowers = now + self.hold
            self.slots = max(1, self.slots // 2)
            self.recovers = now + 5 * self.hold

    def _settle(self, ask: Ask, now: int) -> None:
        for number, last in ask.mine:
            self.leases[f"{ask.process}:{number}"] = now + last + self.hold
        for number, last in ask.ends:
            if f"{ask.process}:{number}" in self.leases:
                self.leases[f"{ask.process}:{number}"] = now + last + self.hold
        for number in ask.backs:
            self.leases.pop(f"{ask.process}:{number}", None)
        self.leases = {name: free for name, free in self.leases.items() if free > now}

    def _deal(self, ask: Ask, terms: Terms, now: int) -> tuple[int, int]:
        me = ask.process
        self.queue = {
            name: one for name, one in self.queue.items() if name == me or now <= one.comes + terms.grace
        }
        queued = me in self.queue
        line = [
            Place(name, one.want, now >= one.comes, one.comes + terms.grace)
            for name, one in self.queue.items()
        ]
        if not queued:
            line.append(Place(me, ask.want, here=True, until=INFINITY))
        mine = next(one for one in line if one.name == me)
        mine.want, mine.here = ask.want, True
        free = self.slots - len(self.leases)
        while free > 0 and (open_ := [one for one in line if one.here and one.got < one.want]):
            for one in open_[:free]:
                one.got += 1
            free -= min(free, len(open_))
        taken = len(self.leases)
        for number in range(ask.first, ask.first + mine.got):
            self.leases[f"{me}:{number}"] = now + terms.longest + self.hold
        if mine.got == ask.want:
            self.queue.pop(me, None)
            return mine.got, -1
        others = [one for one in line if one is not mine]
        ahead = others if mine.got else line[: line.index(mine)]
        index = max(0, taken + mine.got - self.slots) + sum(one.got == 0 for one in ahead)
        frees = [*sorted(self.leases.values()), *[INFINITY] * (index + 1)]
        kept = min((one.until + 1 for one in others if one.got), default=INFINITY)
        comes = int(max(now + 1000, min(frees[index], now + self.hold, self.recovers, kept)))
        if mine.got:
            self.queue.pop(me, None)
        self.queue[me] = Waiting(ask.want - mine.got, comes)
        return mine.got, comes - now


Fate = Callable[[Ask], str]
"""What becomes of a turn: it goes "well", or either way is "lost there" or "lost back"."""


class PaperDesk:
    """One process's way to the office: ``delay`` seconds there and as many back, in virtual time."""

    def __init__(
        self, office: Office, terms: Terms, *, delay: float = 0.0, fate: Fate = lambda _: "well"
    ) -> None:
        self.office = office
        self.terms = terms
        self.delay = delay
        self.fate = fate
        self.timeout = 1.0
        self.asked: list[Ask] = []

    async def turn(self, ask: Ask) -> Answer:
        """Have a turn."""
        self.asked.append(ask)
        fate = self.fate(ask)
        if fate == "lost there":
            await asyncio.sleep(self.timeout)
            raise OutageError("nothing came back")
        await asyncio.sleep(self.delay)
        assert encode(ask, self.terms)
        answer = self.office.turn(ask, self.terms, round(now() * 1e6))
        if fate == "lost back":
            await asyncio.sleep(self.timeout)
            raise OutageError("nothing came back")
        await asyncio.sleep(self.delay)
        assert answer is not None
        return answer
