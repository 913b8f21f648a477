"""Random histories of a journal, compared with a simple model after each step."""

import random
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from attrs import define, field, frozen

from emay_voice_async.journal.protocol import Claim, Journal, JournalRun, Key, Standing, State
from emay_voice_async.testing.journal.places import JournalPlace, JournalRules
from emay_voice_async.testing.journal.values import CLOSED, PURPOSE, all_lines, claim, keys, report_of
from emay_voice_async.testing.rules import rule, same

__all__ = ["ACTIONS", "CALLS", "HistoryRules", "HistoryStep", "play_history", "random_history"]

CALLS: Final = keys(*range(6))
"""The calls of a history."""
ACTIONS: Final = ("start", "begin", "close", "end", "abandon", "record")
_LENGTH: Final = 25
_REPORTED: Final = ("SUCCESS", "FAIL_CALL", "odd")


@frozen
class HistoryStep:
    """A step: one of :data:`ACTIONS`, and the numbers that choose run, claim, calls, state and journal."""

    action: str
    run: int = 0
    choice: int = 0
    calls: tuple[int, ...] = (0,)
    resend: bool = False


def random_history(seed: int) -> list[HistoryStep]:
    """Make a history, always the same for a seed."""
    # Not for secrets: a history can be played again.
    chance = random.Random(seed)  # noqa: S311
    return [
        HistoryStep(
            chance.choice((*ACTIONS, "begin", "begin", "close", "close", "record")),
            run=chance.randrange(100),
            choice=chance.randrange(100),
            calls=tuple(chance.sample(range(len(CALLS)), chance.randint(1, 4))),
            resend=chance.random() < 0.5,
        )
        for _ in range(_LENGTH)
    ]


class HistoryRules(JournalRules):
    """All promises of a journal together."""

    histories: ClassVar[int] = 15
    """The number of random histories."""

    @rule
    async def test_any_history_agrees_with_the_model(self) -> None:
        """Any history of claims, closes, late closes, ends, deaths and reports agrees with a simple model."""
        for seed in range(self.histories):
            async with self.place() as place:
                await play_history(place, random_history(seed))


async def play_history(place: JournalPlace, steps: Iterable[HistoryStep]) -> None:
    """Play a history on a new journal and on a model; the error of a difference lists the steps until then."""
    history = _History(place)
    played: list[HistoryStep] = []
    try:
        await history.begin_all()
        for step in steps:
            played.append(step)
            await history.play(step)
            await history.compare()
    except AssertionError as error:
        raise AssertionError(f"{error} After the steps {played}.") from error
    finally:
        for journal in history.journals:
            await journal.aclose()


@define
class _Call:
    """A call in the model."""

    claim: Claim
    custom_id: str
    state: State = State.UNDER_WAY
    message_id: str = ""
    reason: str = ""
    reported: str = ""


@define
class _Run:
    """A run in the model, with claims."""

    run: JournalRun
    claims: dict[str, tuple[Claim, State]] = field(factory=dict)
    ended: bool = False


class _History:
    """Plays steps on a journal and on a dict."""

    def __init__(self, place: JournalPlace) -> None:
        self._place = place
        self.journals: list[Journal] = [place.open() for _ in range(2)]
        self._observers: list[JournalRun] = []
        self._runs: list[_Run] = []
        self._calls: dict[Key, _Call] = {}

    async def begin_all(self) -> None:
        """Start the first runs."""
        self._observers.append(await self.journals[0].start(PURPOSE))
        self._runs += [await self._started(0), await self._started(1)]

    async def play(self, step: HistoryStep) -> None:
        """Play a step."""
        run = self._runs[step.run % len(self._runs)]
        if step.action == "start":
            self._runs.append(await self._started(step.choice % 2))
        elif step.action == "close":
            await self._close(run, step.choice)
        elif step.action == "record":
            await self._record(step)
        elif not run.ended:
            await self._play_on(run, step)

    async def _play_on(self, run: _Run, step: HistoryStep) -> None:
        """Play a step that a run which has ended cannot take."""
        if step.action == "begin":
            await self._begin(run, [CALLS[number] for number in step.calls], step.resend)
            return
        if step.action == "end":
            await run.run.end()
            run.ended = True
        else:
            await self._place.abandon(run.run)
            self._runs.remove(run)
            self._runs.append(await self._started(0))
        self._lose(run)

    async def _started(self, journal: int) -> _Run:
        return _Run(await self.journals[journal].start(PURPOSE))

    async def _begin(self, run: _Run, of: Sequence[Key], resend: bool) -> None:
        batch = claim(of, resend=resend)
        states_of = [self._calls[key].state for key in of if key in self._calls]
        can = all(state.is_free or (resend and state is State.UNKNOWN) for state in states_of)
        same(await run.run.begin(batch), can, f"a claim of calls that were {states_of}")
        run.claims[batch.token] = batch, State.UNDER_WAY
        for key, custom_id in zip(of, batch.custom_ids, strict=True) if can else ():
            # Updated in place, because the order of the first claims stays.
            self._calls[key] = _Call(batch, custom_id)

    async def _close(self, run: _Run, choice: int) -> None:
        """Close a claim; an unknown claim may be closed again."""
        can = [batch for batch, was in run.claims.values() if was in (State.UNDER_WAY, State.UNKNOWN)]
        if not can:
            return
        batch, state = can[choice % len(can)], CLOSED[choice % len(CLOSED)]
        accepted = state is State.ACCEPTED
        ids = [f"m-{custom_id}" for custom_id in batch.custom_ids] if accepted else None
        reason = "" if accepted else f"reason {choice}"
        await run.run.close(batch, state, reason=reason, message_ids=ids)
        run.claims[batch.token] = batch, state
        for place, call in self._calls_of(batch):
            if call.state is not State.ACCEPTED:
                call.state, call.reason = state, reason
            if ids and not call.message_id:
                call.message_id = ids[place]

    def _calls_of(self, batch: Claim) -> list[tuple[int, _Call]]:
        """List the calls that still belong to a claim, with their places in the claim."""
        found = [(place, self._calls.get(key)) for place, key in enumerate(batch.keys)]
        return [(place, call) for place, call in found if call is not None and call.claim is batch]

    def _lose(self, run: _Run) -> None:
        """Make the open claims of a run unknown."""
        for batch, state in list(run.claims.values()):
            if state is State.UNDER_WAY:
                run.claims[batch.token] = batch, State.UNKNOWN
                for _, call in self._calls_of(batch):
                    if call.state is State.UNDER_WAY:
                        call.state = State.UNKNOWN

    async def _record(self, step: HistoryStep) -> None:
        """Record reports of calls, and of calls that were never made."""
        state, reports = _REPORTED[step.choice % len(_REPORTED)], []
        for key in (CALLS[number] for number in step.calls):
            call = self._calls.get(key)
            if call is not None and call.state.is_free:
                continue
            custom_id = call.custom_id if call else "another"
            reports.append(report_of(key, message_id=f"m-{custom_id}", custom_id=custom_id, state=state))
            if call is not None:
                call.state, call.reported, call.message_id = State.ACCEPTED, state, f"m-{custom_id}"
                call.reason = ""
        known = sum(report.custom_id != "another" for report in reports)
        same(await self.journals[step.run % 2].record(reports), known, "recorded reports")

    async def compare(self) -> None:
        """Compare the standings of all calls, the lines and the counts."""
        for run in (*self._observers, self._runs[-1].run):
            for key, standing in zip(CALLS, await run.look(CALLS), strict=True):
                call = self._calls.get(key)
                same(standing, call and Standing(call.state, call.custom_id, call.message_id), key)
        lines = await all_lines(self.journals[1])
        same([line.mobile for line in lines], [key.mobile for key in self._calls], "the order of the lines")
        for line, call in zip(lines, self._calls.values(), strict=True):
            found = line.custom_id, line.message_id, line.state, line.report_state
            same(found, (call.custom_id, call.message_id, call.state, call.reported), "a line")
            # The reason of an open claim is in the words of the journal.
            if call.reason or call.state is not State.UNKNOWN:
                same(line.reason, call.reason, "the reason in a line")
        counted = {
            state: number for state, number in (await self.journals[0].summary()).states.items() if number
        }
        states_of = [call.state for call in self._calls.values()]
        same(counted, {state: states_of.count(state) for state in set(states_of)}, "the summary")
