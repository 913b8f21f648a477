"""What one process knows of its own leases, and what of that it has yet to tell the server.

Arithmetic only: instants are seconds of the event loop's clock, and nothing here waits or sends.
An answer that is lost leaves open whether slots were granted, and whether the news arrived. So the
slots that were asked for are given back by number, and the news is told again: both can be done
twice. A state that is new to the process is told every lease before a slot is asked for.
"""

import math

from attrs import define, field

from emay_voice_async.redis.protocol import Answer, Ask, Terms, microseconds

__all__ = ["Ledger"]


@define
class _Lease:
    """``since``: when it was granted. ``last``: the last moment at which its request can be counted."""

    since: float
    last: float = math.inf


@define
class Ledger:
    """The leases of one process at one line; what it has to say, and when at the latest."""

    process: str
    terms: Terms
    epoch: str = ""
    planned: float | None = None
    """When it said it would come again to wait for its slots; None: it is not in the queue."""
    _leases: dict[int, _Lease] = field(factory=dict)
    _news: dict[int, float] = field(factory=dict)
    """Leases whose end is to be told, and since when."""
    _backs: dict[int, float] = field(factory=dict)
    """Leases that are to be given back, and since when."""
    _told: tuple[dict[int, float], dict[int, float]] = field(factory=lambda: ({}, {}))
    """The news and the leases to give back that are on their way."""
    _over_speed: bool = False
    _register: bool = False
    _fill: float = 0.0
    _next: int = 1
    _seq: int = 0
    _acked: int = 0
    _asked_at: float = -math.inf
    _told_at: float = -math.inf
    """When the last turn began that was answered."""

    @property
    def hold(self) -> float:
        """Seconds from the last moment at which a request can be counted until its slot is free."""
        return self.terms.hold / 1e6

    @property
    def pause(self) -> float:
        """Seconds that the server may not hear of a process that has a request under way."""
        return min(2.0, max(0.05, self.hold / 2))

    def grant(self, now: float) -> int:
        """Write down a lease that the server knows nothing of yet; return its number."""
        number = self._next
        self._next += 1
        self._leases[number] = _Lease(now)
        return number

    def end(self, number: int, last: float, now: float, *, over_speed: bool = False) -> None:
        """End a lease: ``last`` is the last moment at which its request can be counted."""
        self._leases[number].last = last
        self._news[number] = now
        self._over_speed |= over_speed

    def give_back(self, number: int, now: float) -> None:
        """End a lease whose request was certainly not written."""
        del self._leases[number]
        self._backs[number] = now

    @property
    def watched(self) -> bool:
        """Tell whether any request can have been counted after the server was heard of last.

        Until then a server that has lost its state has to be told of it before a period is over.
        """
        return any(lease.last > self._told_at for lease in self._leases.values())

    def held(self, now: float, hold: float) -> int:
        """Count the leases whose slots are not free ``hold`` seconds after they were counted."""
        return sum(lease.last + hold > now for lease in self._leases.values())

    def next_free(self, now: float, hold: float) -> float:
        """Return when the next slot of those is free; infinity: when another lease has ended."""
        frees = (lease.last + hold for lease in self._leases.values())
        return min((free for free in frees if free > now), default=math.inf)

    def return_with(self, fill: float) -> None:
        """After slots were taken without the server: tell it of them, and of those of others unheard."""
        self._register, self._fill = True, fill

    def due(self, now: float, want: int, *, closing: bool = False) -> float:
        """Return when it has something to say; infinity: nothing until something happens."""
        if self._urgent(want):
            return now
        at = math.inf if self.planned is None else self.planned
        if self._news:
            at = min(at, next(iter(self._news.values())) + (0.0 if closing else self._delay()))
        if not closing and self.watched:
            at = min(at, self._told_at + self.pause)
        return at

    def _urgent(self, want: int) -> bool:
        """Slots to give back free others' way at once; so does leaving the queue."""
        news = self._backs or self._over_speed or self._register
        return bool(news) or (want > 0) != (self.planned is not None)

    def _delay(self) -> float:
        # The slot is not free before a period has passed; until then, others may end, too.
        return min(0.05, self.hold / 10)

    def ask(self, now: float, want: int) -> Ask:
        """Say everything; what becomes of it is for :meth:`answered` or :meth:`lost`."""
        self._forget(now)
        self._asked_at = now
        self._seq += 1
        want = min(want, self.terms.requests)
        first, self._next = self._next, self._next + want
        if now - self._told_at > self.terms.longest / 2e6:
            # The server forgets the turns of a process, too.
            self._acked = 0
        ask = Ask(
            process=self.process,
            seq=self._seq,
            acked=self._acked,
            epoch=self.epoch,
            want=want,
            first=first,
            ends=tuple(self._pair(number, now) for number in self._news),
            mine=tuple(self._pair(number, now) for number in self._to_register(now)),
            backs=tuple(sorted(self._backs)),
            over_speed=self._over_speed,
            fill=microseconds(self._fill),
        )
        self._told = self._news, self._backs
        self._news, self._backs, self._over_speed, self._register = {}, {}, False, False
        return ask

    def _to_register(self, now: float) -> list[int]:
        """Choose all leases for a server that may not know them, or those that it would soon forget."""
        if self._register:
            return list(self._leases)
        old = now - self.terms.longest / 2e6
        found = [
            number for number, lease in self._leases.items() if lease.last == math.inf and lease.since <= old
        ]
        for number in found:
            self._leases[number].since = now
        return found

    def _pair(self, number: int, now: float) -> tuple[int, int]:
        lease = self._leases[number]
        last = lease.last if lease.last < math.inf else lease.since + self.terms.longest / 1e6
        return number, microseconds(last - now)

    def _forget(self, now: float) -> None:
        # By then the server has ended a lease by itself, whatever it was told of it last.
        old = now - 2 * self.terms.longest / 1e6 - self.hold
        self._news = {number: since for number, since in self._news.items() if since > old}
        self._backs = {number: since for number, since in self._backs.items() if since > old}
        # Whatever state is lost from here on: the new one counts every slot as used for a period.
        known = max(self._told_at, old)
        gone = {number for number, lease in self._leases.items() if lease.last <= known}
        for number in gone - self._news.keys():
            del self._leases[number]

    def answered(self, ask: Ask, answer: Answer, now: float) -> list[int]:
        """Take in an answer; return the numbers of the leases that were granted."""
        self._acked = ask.seq
        if ask.epoch not in ("", answer.epoch):
            self.epoch, self._register = answer.epoch, True
            self._restore(ask)
            return []
        self.epoch, self._fill, self._told_at = answer.epoch, 0.0, self._asked_at
        self.planned = None if answer.wait is None else now + answer.wait
        numbers = list(range(ask.first, ask.first + answer.granted))
        self._leases |= {number: _Lease(now) for number in numbers}
        return numbers

    def lost(self, ask: Ask, now: float) -> None:
        """No answer came: the turn may have happened, or may still."""
        self._restore(ask)
        self._backs |= dict.fromkeys(range(ask.first, ask.first + ask.want), now)
        self._register |= bool(ask.mine)
        self.planned = None

    def _restore(self, ask: Ask) -> None:
        news, backs = self._told
        self._news, self._backs = news | self._news, backs | self._backs
        self._over_speed |= ask.over_speed

    def drop_news(self) -> None:
        """Leave what was to be told untold: the leases end by themselves."""
        self._news, self._backs, self._over_speed, self._register = {}, {}, False, False
