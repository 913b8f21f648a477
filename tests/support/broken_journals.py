"""Journals that break one promise each: the journal of the examples, with one method changed."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, ClassVar, Self

from attrs import define, evolve, field

from emay_voice_async.errors import JournalError
from emay_voice_async.journal import Claim, Journal, JournalRun, Key, Line, Purpose, Standing, State, Summary
from emay_voice_async.model.results import Report
from emay_voice_async.testing import JournalPlace
from emay_voice_async.testing.journal.values import PURPOSE
from support.own_journals import LogPlace, new_log


class Twin:
    """Does what a journal promises; each subclass changes one method."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.closed: dict[str, State] = {}
        self.runs: list[TwinRun] = []

    async def start(self, journal: Journal, purpose: Purpose, dry: bool) -> JournalRun:
        """Begin a run."""
        return await journal.start(purpose, dry=dry)

    async def look(self, run: JournalRun, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Return the standings."""
        return await run.look(keys)

    async def begin(self, run: JournalRun, claim: Claim) -> bool:
        """Claim a batch."""
        return await run.begin(claim)

    async def close(
        self, run: JournalRun, claim: Claim, state: State, reason: str, ids: Sequence[str] | None
    ) -> None:
        """Close a claim."""
        await run.close(claim, state, reason=reason, message_ids=ids)

    async def end(self, run: JournalRun) -> None:
        """End a run."""
        await run.end()

    async def abandon(self, place: JournalPlace, run: "TwinRun") -> None:
        """Kill a run."""
        await place.abandon(run.inner)

    async def record(self, journal: Journal, reports: Iterable[Report]) -> int:
        """Record reports."""
        return await journal.record(reports)

    async def summary(self, journal: Journal) -> Summary:
        """Count."""
        return await journal.summary()

    async def lines(self, journal: Journal) -> AsyncIterator[Line]:
        """Iterate over the lines."""
        async for line in journal.lines():
            yield line

    async def aclose(self, journal: Journal) -> None:
        """Release the resources."""
        await journal.aclose()


@define(eq=False)
class TwinRun:
    """A run of a broken journal."""

    twin: Twin
    inner: JournalRun
    ended: bool = False
    made: list[Claim] = field(factory=list)

    async def look(self, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Look."""
        return await self.twin.look(self.inner, keys)

    async def begin(self, claim: Claim) -> bool:
        """Claim, and remember the claim."""
        begun = await self.twin.begin(self.inner, claim)
        if begun:
            self.twin.claims.append(claim)
            self.made.append(claim)
        return begun

    async def close(
        self, claim: Claim, state: State, *, reason: str = "", message_ids: Sequence[str] | None = None
    ) -> None:
        """Close, and remember the state."""
        await self.twin.close(self.inner, claim, state, reason, message_ids)
        self.twin.closed[claim.token] = state

    async def end(self) -> None:
        """End."""
        self.ended = True
        await self.twin.end(self.inner)


@define(eq=False)
class TwinJournal:
    """A broken journal."""

    twin: Twin
    inner: Journal

    async def start(self, purpose: Purpose, *, dry: bool = False) -> TwinRun:
        """Begin a run."""
        self.twin.runs.append(TwinRun(self.twin, await self.twin.start(self.inner, purpose, dry)))
        return self.twin.runs[-1]

    async def record(self, reports: Iterable[Report]) -> int:
        """Record."""
        return await self.twin.record(self.inner, reports)

    async def summary(self) -> Summary:
        """Count."""
        return await self.twin.summary(self.inner)

    def lines(self) -> AsyncIterator[Line]:
        """Iterate."""
        return self.twin.lines(self.inner)

    async def aclose(self) -> None:
        """Release."""
        await self.twin.aclose(self.inner)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


@define
class TwinPlace:
    """The place of a broken journal."""

    twin: Twin
    inner: LogPlace

    def open(self) -> Journal:
        """Return another journal."""
        return TwinJournal(self.twin, self.inner.open())

    async def abandon(self, run: JournalRun) -> None:
        """Kill a run."""
        assert isinstance(run, TwinRun)
        await self.twin.abandon(self.inner, run)


@asynccontextmanager
async def broken(twin: type[Twin]) -> AsyncIterator[TwinPlace]:
    """Provide a place of a broken journal."""
    async with new_log() as place:
        yield TwinPlace(twin(), place)


# -- starting ------------------------------------------------------------------------------------------


class KnowsNewCalls(Twin):
    """A call that was never claimed has a standing."""

    async def look(self, run: JournalRun, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Invent standings."""
        return [one or Standing(State.NOT_SENT) for one in await run.look(keys)]


class IsAlwaysThere(Twin):
    """A journal that was never started has an empty summary."""

    async def summary(self, journal: Journal) -> Summary:
        """Invent a summary."""
        try:
            return await journal.summary()
        except JournalError:
            return Summary("", "", False, datetime.now(UTC), {}, {})


class StartsOnce(Twin):
    """A journal cannot be started again."""

    async def start(self, journal: Journal, purpose: Purpose, dry: bool) -> JournalRun:
        """Refuse the second start."""
        if self.runs:
            raise JournalError("it was started before")
        return await journal.start(purpose, dry=dry)


class StartsForAnyPurpose(Twin):
    """A journal takes calls of any message."""

    async def start(self, journal: Journal, purpose: Purpose, dry: bool) -> JournalRun:
        """Ignore the purpose."""
        return await journal.start(PURPOSE, dry=dry)


class StartsDryRuns(Twin):
    """A dry run is a run."""

    async def start(self, journal: Journal, purpose: Purpose, dry: bool) -> JournalRun:
        """Ignore ``dry``."""
        return await journal.start(purpose)


class StartsOneAtATime(Twin):
    """Two starts at once fail."""

    starting = 0

    async def start(self, journal: Journal, purpose: Purpose, dry: bool) -> JournalRun:
        """Refuse a start during another."""
        self.starting += 1
        try:
            if self.starting > 1:
                raise JournalError("the journal is being created")
            return await journal.start(purpose, dry=dry)
        finally:
            self.starting -= 1


class ClosesForGood(Twin):
    """A closed journal cannot be used again."""

    is_closed = False

    async def aclose(self, journal: Journal) -> None:
        """Close for ever."""
        self.is_closed = True

    async def summary(self, journal: Journal) -> Summary:
        """Refuse."""
        if self.is_closed:
            raise JournalError("it is closed")
        return await journal.summary()


# -- looking -------------------------------------------------------------------------------------------


class LooksBackwards(Twin):
    """Standings come in another order."""

    async def look(self, run: JournalRun, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Reverse the standings."""
        return list(await run.look(keys))[::-1]


class HidesMessageIds(Twin):
    """Standings have no message ids."""

    async def look(self, run: JournalRun, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Drop the message ids."""
        return [one and evolve(one, message_id="") for one in await run.look(keys)]


class IgnoresCase(Twin):
    """Custom ids that differ in case are one call."""

    async def look(self, run: JournalRun, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Fold the keys."""
        return await run.look([key._replace(custom_id=key.custom_id.casefold()) for key in keys])

    async def begin(self, run: JournalRun, claim: Claim) -> bool:
        """Fold the keys."""
        keys = tuple(key._replace(custom_id=key.custom_id.casefold()) for key in claim.keys)
        return await run.begin(evolve(claim, keys=keys))


class KnowsAHundred(Twin):
    """Of a batch, the first hundred calls are known."""

    async def look(self, run: JournalRun, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Forget the others."""
        return [*await run.look(keys[:100]), *[None] * len(keys[100:])]


# -- claiming ------------------------------------------------------------------------------------------


class NeverResends(Twin):
    """Unknown calls are never claimed again."""

    async def begin(self, run: JournalRun, claim: Claim) -> bool:
        """Ignore ``resend_unknown``."""
        return await run.begin(evolve(claim, resend_unknown=False))


class ClaimsTwice(Twin):
    """A call under way is claimed again."""

    async def begin(self, run: JournalRun, claim: Claim) -> bool:
        """Ignore what is under way."""
        states = {one and one.state for one in await run.look(claim.keys)}
        return states == {State.UNDER_WAY} or await run.begin(claim)


class ClaimsAPart(Twin):
    """When a batch cannot be claimed, the new calls of it are."""

    async def begin(self, run: JournalRun, claim: Claim) -> bool:
        """Claim the new calls."""
        if await run.begin(claim):
            return True
        new = [place for place, one in enumerate(await run.look(claim.keys)) if one is None]
        keys = tuple(claim.keys[place] for place in new)
        if new:
            ids = tuple(claim.custom_ids[place] for place in new)
            await run.begin(evolve(claim, keys=keys, custom_ids=ids))
        return False


class ClaimsForAll(Twin):
    """Each of several rival claims succeeds."""

    async def begin(self, run: JournalRun, claim: Claim) -> bool:
        """Say True."""
        return await run.begin(claim) or True


class ForgetsTheDead(Twin):
    """The calls of a process that died count as not sent."""

    async def abandon(self, place: JournalPlace, run: TwinRun) -> None:
        """Free the calls."""
        for claim in run.made:
            if claim.token not in self.closed:
                await run.inner.close(claim, State.NOT_SENT)


class BuriesTheLiving(Twin):
    """When a process dies, the claims of all processes are unknown."""

    async def abandon(self, place: JournalPlace, run: TwinRun) -> None:
        """End all runs."""
        for one in self.runs:
            await one.inner.end()


# -- closing and ending --------------------------------------------------------------------------------


class DropsReasons(Twin):
    """Reasons are not kept."""

    async def close(
        self, run: JournalRun, claim: Claim, state: State, reason: str, ids: Sequence[str] | None
    ) -> None:
        """Drop the reason."""
        await run.close(claim, state, message_ids=ids)


class ClosesOnce(Twin):
    """A late response is ignored."""

    async def close(
        self, run: JournalRun, claim: Claim, state: State, reason: str, ids: Sequence[str] | None
    ) -> None:
        """Ignore the second close."""
        if claim.token not in self.closed:
            await run.close(claim, state, reason=reason, message_ids=ids)


class ClosesByNumber(Twin):
    """Closing a claim closes the last claim of each of its numbers."""

    async def close(
        self, run: JournalRun, claim: Claim, state: State, reason: str, ids: Sequence[str] | None
    ) -> None:
        """Close the last claims."""
        last = {key: one for one in self.claims for key in one.keys}
        for token in {last[key].token for key in claim.keys if key in last}:
            one = next(one for one in self.claims if one.token == token)
            await run.close(one, state, reason=reason, message_ids=ids if one is claim else None)


class NeedsMessageIds(Twin):
    """An acceptance without message ids counts as unknown."""

    async def close(
        self, run: JournalRun, claim: Claim, state: State, reason: str, ids: Sequence[str] | None
    ) -> None:
        """Write unknown."""
        lacks = state is State.ACCEPTED and ids is None
        await run.close(claim, State.UNKNOWN if lacks else state, reason=reason, message_ids=ids)


class NeverEnds(Twin):
    """The end of a run leaves its claims under way."""

    async def end(self, run: JournalRun) -> None:
        """Do nothing."""


class ClosesBeforeTheEnd(Twin):
    """After the end of a run no response is written."""

    async def close(
        self, run: JournalRun, claim: Claim, state: State, reason: str, ids: Sequence[str] | None
    ) -> None:
        """Ignore a close after the end."""
        if not any(one.ended for one in self.runs if one.inner is run):
            await run.close(claim, state, reason=reason, message_ids=ids)


class EndsAsNotSent(Twin):
    """At the end of a run its open claims are free."""

    async def end(self, run: JournalRun) -> None:
        """Free the calls."""
        [mine] = [one for one in self.runs if one.inner is run]
        for claim in mine.made:
            if claim.token not in self.closed:
                await run.close(claim, State.NOT_SENT, reason="ended")


# -- reports -------------------------------------------------------------------------------------------


class CountsReports(Twin):
    """Reports are counted and not recorded."""

    async def record(self, journal: Journal, reports: Iterable[Report]) -> int:
        """Count."""
        return len(list(reports))


class RecordsClosedCalls(Twin):
    """Reports of calls whose claim was never closed are ignored."""

    async def record(self, journal: Journal, reports: Iterable[Report]) -> int:
        """Ignore reports of open claims."""
        open_ = {
            custom_id
            for claim in self.claims
            if claim.token not in self.closed
            for custom_id in claim.custom_ids
        }
        return await journal.record([report for report in reports if report.custom_id not in open_])


class BelievesTheClose(Twin):
    """The state of the close counts more than a report."""

    async def look(self, run: JournalRun, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Return the closed states."""
        states = {
            key: self.closed[claim.token]
            for claim in self.claims
            if claim.token in self.closed
            for key in claim.keys
        }
        found = zip(keys, await run.look(keys), strict=True)
        return [one and evolve(one, state=states.get(key, one.state)) for key, one in found]


class StopsAtAReport(Twin):
    """A response after the report is ignored."""

    reported: frozenset[str] = frozenset()

    async def record(self, journal: Journal, reports: Iterable[Report]) -> int:
        """Remember the custom ids."""
        found = list(reports)
        self.reported |= {report.custom_id for report in found}
        return await journal.record(found)

    async def close(
        self, run: JournalRun, claim: Claim, state: State, reason: str, ids: Sequence[str] | None
    ) -> None:
        """Ignore a claim with a report."""
        if not self.reported & set(claim.custom_ids):
            await run.close(claim, state, reason=reason, message_ids=ids)


class ChangesReports(Twin):
    """Reports are recorded with some fields changed."""

    changes: ClassVar[dict[str, Any]]

    async def record(self, journal: Journal, reports: Iterable[Report]) -> int:
        """Change the reports."""
        return await journal.record([evolve(report, **self.changes) for report in reports])


class IgnoresCustomIds(ChangesReports):
    """Reports match by message id only."""

    changes: ClassVar[dict[str, Any]] = {"custom_id": ""}


class TakesAnyAccount(ChangesReports):
    """Reports of other accounts are recorded."""

    changes: ClassVar[dict[str, Any]] = {"app_id": "app"}


class MatchesCustomIdsAlone(ChangesReports):
    """Reports match by custom id, also with another message id."""

    changes: ClassVar[dict[str, Any]] = {"message_id": ""}


class DropsText(ChangesReports):
    """Descriptions are dropped."""

    changes: ClassVar[dict[str, Any]] = {"description": ""}


class RecordsOnce(Twin):
    """A report that comes again is not counted."""

    seen: tuple[Report, ...] = ()

    async def record(self, journal: Journal, reports: Iterable[Report]) -> int:
        """Ignore what was recorded."""
        new = [report for report in reports if report not in self.seen]
        self.seen += tuple(new)
        return await journal.record(new)


class KeepsTheFirst(Twin):
    """The first report of a call is kept."""

    seen: frozenset[str] = frozenset()

    async def record(self, journal: Journal, reports: Iterable[Report]) -> int:
        """Record the first report of each number."""
        count = 0
        for report in reports:
            if report.mobile in self.seen:
                count += 1
            else:
                count += await journal.record([report])
                self.seen |= {report.mobile}
        return count


class RecordsAThousand(Twin):
    """Of many reports, the first thousand are recorded."""

    async def record(self, journal: Journal, reports: Iterable[Report]) -> int:
        """Ignore the others."""
        return await journal.record(list(reports)[:1000])


class RecordsAnyState(Twin):
    """A report makes a call accepted that was certainly not made."""

    async def record(self, journal: Journal, reports: Iterable[Report]) -> int:
        """Accept the calls first."""
        found = list(reports)
        ids = {report.custom_id for report in found}
        for run in self.runs:
            for claim in run.made:
                if ids & set(claim.custom_ids) and self.closed.get(claim.token) is State.REFUSED:
                    await run.inner.close(claim, State.ACCEPTED)
        return await journal.record(found)


# -- summary and lines ---------------------------------------------------------------------------------


class CountsNoOpenCalls(Twin):
    """The summary leaves out what is under way."""

    async def summary(self, journal: Journal) -> Summary:
        """Leave out a state."""
        found = await journal.summary()
        return evolve(found, states={**found.states, State.UNDER_WAY: 0})


class HidesReasons(Twin):
    """Standings have no reasons."""

    async def look(self, run: JournalRun, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Drop the reasons."""
        return [one and evolve(one, reason="") for one in await run.look(keys)]


class CountsNoReasons(Twin):
    """The summary has no reasons."""

    async def summary(self, journal: Journal) -> Summary:
        """Drop the reasons."""
        return evolve(await journal.summary(), reasons={})


class HidesKeys(Twin):
    """Lines have no pressed keys."""

    async def lines(self, journal: Journal) -> AsyncIterator[Line]:
        """Drop the keys."""
        async for line in journal.lines():
            yield evolve(line, key_pressed=None)


class SortsLines(Twin):
    """Lines come in the order of their numbers."""

    async def lines(self, journal: Journal) -> AsyncIterator[Line]:
        """Sort the lines."""
        for line in sorted([line async for line in journal.lines()], key=lambda line: line.mobile):
            yield line


class LocksWhileRead(Twin):
    """While lines are read, no call is claimed."""

    reading = False

    async def lines(self, journal: Journal) -> AsyncIterator[Line]:
        """Lock."""
        self.reading = True
        async for line in journal.lines():
            yield line
        self.reading = False

    async def begin(self, run: JournalRun, claim: Claim) -> bool:
        """Refuse while locked."""
        if self.reading:
            raise JournalError("it is being read")
        return await run.begin(claim)


# -- cancellation --------------------------------------------------------------------------------------


class ClaimsInHalves(Twin):
    """A batch is claimed and closed in two steps."""

    async def begin(self, run: JournalRun, claim: Claim) -> bool:
        """Claim the halves."""
        return all([await run.begin(half) for half in _halves(claim)])

    async def close(
        self, run: JournalRun, claim: Claim, state: State, reason: str, ids: Sequence[str] | None
    ) -> None:
        """Close the halves."""
        middle = len(claim.keys) // 2
        parts = (None, None) if ids is None else (ids[:middle], ids[middle:])
        for half, some in zip(_halves(claim), parts, strict=True):
            await run.close(half, state, reason=reason, message_ids=some)


def _halves(claim: Claim) -> list[Claim]:
    middle = len(claim.keys) // 2
    return [
        evolve(
            claim, token=f"{claim.token}-{place}", keys=claim.keys[part], custom_ids=claim.custom_ids[part]
        )
        for place, part in enumerate((slice(middle), slice(middle, None)))
    ]


class LosesItsConnection(Twin):
    """A cancelled look breaks the journal."""

    lost = False

    async def look(self, run: JournalRun, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Look until the first cancellation."""
        if self.lost:
            raise JournalError("the connection is lost")
        try:
            return await run.look(keys)
        except asyncio.CancelledError:
            self.lost = True
            raise


BROKEN: dict[str, type[Twin]] = {
    "the_first_start_creates_the_journal": KnowsNewCalls,
    "a_journal_that_was_never_started_cannot_be_read": IsAlwaysThere,
    "a_journal_can_be_started_again": StartsOnce,
    "start_for_another_purpose_is_refused": StartsForAnyPurpose,
    "a_journal_belongs_to_a_template": StartsForAnyPurpose,
    "a_dry_run_writes_nothing": StartsDryRuns,
    "concurrent_starts_create_one_journal": StartsOneAtATime,
    "a_journal_can_be_used_after_it_was_closed": ClosesForGood,
    "look_keeps_the_order_of_the_keys": LooksBackwards,
    "look_returns_the_ids": HidesMessageIds,
    "keys_are_told_apart_exactly": IgnoresCase,
    "a_batch_of_500_is_recorded": KnowsAHundred,
    "new_free_and_unknown_calls_can_be_claimed": NeverResends,
    "a_call_under_way_cannot_be_claimed": ClaimsTwice,
    "a_batch_is_claimed_whole_or_not_at_all": ClaimsAPart,
    "rival_claims_of_a_call_have_one_winner": ClaimsForAll,
    "a_claim_outlives_its_process": ForgetsTheDead,
    "a_live_run_keeps_its_claims": BuriesTheLiving,
    "close_sets_state_and_reason": DropsReasons,
    "an_unknown_claim_can_be_closed_again": ClosesOnce,
    "a_late_response_does_not_change_calls_claimed_again": ClosesByNumber,
    "a_refused_claim_closes_no_call": ClosesByNumber,
    "message_ids_are_optional": NeedsMessageIds,
    "end_makes_open_claims_unknown": NeverEnds,
    "a_late_response_is_written_after_the_end": ClosesBeforeTheEnd,
    "a_report_proves_a_call": CountsReports,
    "a_report_settles_an_open_claim": RecordsClosedCalls,
    "a_reported_call_stays_accepted": BelievesTheClose,
    "an_acceptance_after_the_report_adds_message_ids": StopsAtAReport,
    "a_report_matches_by_either_id": IgnoresCustomIds,
    "reports_of_other_calls_are_ignored": TakesAnyAccount,
    "a_reused_custom_id_does_not_match_another_message_id": MatchesCustomIdsAlone,
    "a_report_does_not_change_a_call_that_was_not_made": RecordsAnyState,
    "recording_again_changes_no_call": RecordsOnce,
    "the_last_report_is_kept": KeepsTheFirst,
    "many_reports_are_recorded": RecordsAThousand,
    "any_text_is_stored": DropsText,
    "the_summary_counts_by_state": CountsNoOpenCalls,
    "unknown_calls_have_a_reason": HidesReasons,
    "the_summary_counts_reasons": CountsNoReasons,
    "a_line_has_claim_outcome_and_report": HidesKeys,
    "lines_come_in_the_order_of_the_first_claims": SortsLines,
    "claims_go_on_while_lines_are_read": LocksWhileRead,
    "a_cancelled_begin_is_whole_or_nothing": ClaimsInHalves,
    "a_cancelled_close_can_be_repeated": ClaimsInHalves,
    "cancelled_calls_change_no_later_result": LosesItsConnection,
    "any_history_agrees_with_the_model": EndsAsNotSent,
}
"""By rule, a journal that breaks the rule."""
