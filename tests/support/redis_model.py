"""The rules of ``sync.lua`` in Python, and a network in front of them that loses requests on demand.

:class:`ServerModel` follows the same rules as the script; a property test holds the two together.
"""

import asyncio
import math
from collections.abc import Callable

from attrs import define, field

from emay_voice_async.redis.backoff import UnavailableError
from emay_voice_async.redis.protocol import SyncRequest, SyncResponse, Terms, encode
from support.virtual_time import now

INFINITY = math.inf


@define
class Waiting:
    """A process in the queue."""

    wanted: int
    comes: int


@define
class Place:
    """A process while slots are dealt."""

    name: str
    wanted: int
    here: bool
    until: float
    granted: int = 0


@define
class ServerModel:
    """The state of an account for one kind of call; times are in microseconds."""

    epoch: str = ""
    leases: dict[str, float] = field(factory=dict)
    limits: dict[tuple[int, int, int], int] = field(factory=dict)
    queue: dict[str, Waiting] = field(factory=dict)
    answered: dict[str, tuple[int, SyncResponse]] = field(factory=dict)
    hold: int = 0
    slots: int = 0
    recovers: float = INFINITY
    lowers: float = 0
    latest: int = 0
    skew: int = 0
    offset: int = 0
    """Steps of the wall clock."""

    def sync(self, request: SyncRequest, terms: Terms, time: int) -> SyncResponse | None:
        """Do the same as the script."""
        sequence, earlier = self.answered.get(request.process, (0, None))
        if request.sequence <= sequence:
            return earlier if request.sequence == sequence else None
        self.skew += max(0, self.latest - time - self.skew)
        now = self.latest = time + self.skew
        older = request.stepped or sequence < request.acknowledged
        fresh = not self.epoch or (request.epoch == self.epoch and older)
        if fresh:
            self.epoch = f"epoch:{request.process}:{request.sequence}"
        requests, period = self._agree(terms, now, fresh=fresh)
        if request.fill:
            self._fill(requests, now + self.hold + request.fill)
        self._adapt(requests, now, lower=request.over_speed)
        self._settle(request, now)
        granted, wait = 0, 0
        if request.epoch in ("", self.epoch):
            granted, wait = self._deal(request, terms, now)
        response = SyncResponse(
            request.sequence,
            self.epoch,
            granted,
            None if wait < 0 else wait / 1e6,
            self.slots,
            requests,
            period / 1e6,
            now,
        )
        self.answered[request.process] = request.sequence, response
        return response

    def _agree(self, terms: Terms, now: int, *, fresh: bool) -> tuple[int, int]:
        self.limits[terms.requests, terms.period, terms.hold] = now
        self.limits = {
            limit: seen for limit, seen in self.limits.items() if now - seen <= max(60_000_000, 2 * limit[2])
        }
        requests = min(limit[0] for limit in self.limits)
        hold = max(limit[2] for limit in self.limits)
        stricter, self.hold = hold > self.hold, hold
        if fresh:
            self._fill(requests, now + hold + terms.silence)
        elif stricter:
            self._fill(requests, now + hold)
        return requests, max(limit[1] for limit in self.limits)

    def _fill(self, requests: int, till: int) -> None:
        for place in range(requests):
            self.leases[f"fill:{place}"] = max(till, self.leases.get(f"fill:{place}", 0))

    def _adapt(self, requests: int, now: int, *, lower: bool) -> None:
        self.slots = requests if self.recovers == INFINITY else min(requests, self.slots)
        while now >= self.recovers:
            self.slots = min(requests, self.slots + 1)
            self.recovers = INFINITY if self.slots == requests else self.recovers + 5 * self.hold
        if lower and now >= self.lowers:
            self.lowers = now + self.hold
            self.slots = max(1, self.slots // 2)
            self.recovers = now + 5 * self.hold

    def _settle(self, request: SyncRequest, now: int) -> None:
        for number, last in request.registered:
            self.leases[f"{request.process}:{number}"] = now + last + self.hold
        for number, last in request.ended:
            if f"{request.process}:{number}" in self.leases:
                self.leases[f"{request.process}:{number}"] = now + last + self.hold
        for number in request.returned:
            self.leases.pop(f"{request.process}:{number}", None)
        self.leases = {name: free for name, free in self.leases.items() if free > now}

    def _deal(self, request: SyncRequest, terms: Terms, now: int) -> tuple[int, int]:
        me = request.process
        self.queue = {
            name: waiting
            for name, waiting in self.queue.items()
            if name == me or now <= waiting.comes + terms.grace
        }
        queued = me in self.queue
        places = [
            Place(name, waiting.wanted, now >= waiting.comes, waiting.comes + terms.grace)
            for name, waiting in self.queue.items()
        ]
        if not queued:
            places.append(Place(me, request.wanted, here=True, until=INFINITY))
        mine = next(place for place in places if place.name == me)
        mine.wanted, mine.here = request.wanted, True
        free = self.slots - len(self.leases)
        while free > 0 and (open_ := [p for p in places if p.here and p.granted < p.wanted]):
            for place in open_[:free]:
                place.granted += 1
            free -= min(free, len(open_))
        taken = len(self.leases)
        for number in range(request.first, request.first + mine.granted):
            self.leases[f"{me}:{number}"] = now + terms.longest + self.hold
        if mine.granted == request.wanted:
            self.queue.pop(me, None)
            return mine.granted, -1
        others = [place for place in places if place is not mine]
        ahead = others if mine.granted else places[: places.index(mine)]
        index = max(0, taken + mine.granted - self.slots) + sum(place.granted == 0 for place in ahead)
        frees = [*sorted(self.leases.values()), *[INFINITY] * (index + 1)]
        kept = min((place.until + 1 for place in others if place.granted), default=INFINITY)
        comes = int(max(now + 1000, min(frees[index], now + self.hold, self.recovers, kept)))
        if mine.granted:
            self.queue.pop(me, None)
        self.queue[me] = Waiting(request.wanted - mine.granted, comes)
        return mine.granted, comes - now


Fate = Callable[[SyncRequest], str]
"""Decides a request's way: "well", "lost there" (never executed) or "lost back" (executed)."""


class ModelServer:
    """The way of one process to the model: ``delay`` seconds each way, in virtual time."""

    def __init__(
        self, model: ServerModel, terms: Terms, *, delay: float = 0.0, fate: Fate = lambda _: "well"
    ) -> None:
        self.model = model
        self.terms = terms
        self.delay = delay
        self.fate = fate
        self.timeout = 1.0
        self.requests: list[SyncRequest] = []

    async def sync(self, request: SyncRequest) -> SyncResponse:
        """Execute a request, or lose it."""
        self.requests.append(request)
        fate = self.fate(request)
        if fate == "lost there":
            await asyncio.sleep(self.timeout)
            raise UnavailableError("no response came")
        await asyncio.sleep(self.delay)
        assert encode(request, self.terms)
        response = self.model.sync(request, self.terms, round(now() * 1e6) + self.model.offset)
        if fate == "lost back":
            await asyncio.sleep(self.timeout)
            raise UnavailableError("no response came")
        await asyncio.sleep(self.delay)
        assert response is not None
        return response
