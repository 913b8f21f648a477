"""The conformance suite of a journal: each sentence of :mod:`emay_voice_async.journal.protocol`, as a test.

A test module subclasses :class:`JournalConformance` and provides journals in :meth:`~JournalConformance.place`. The
tests use the protocol only.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, ClassVar, Protocol

import pytest
from attrs import define, evolve, field
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import Claim, Journal, JournalRun, Key, Line, Standing, State
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.messages import (
    Marketing,
    Message,
    Notice,
    OnConnected,
    VerificationCode,
    VoiceSms,
)
from emay_voice_async.model.results import Report

PURPOSE = Purpose("app", Notice("您的快递已到"))
FREE = (State.REFUSED, State.NOT_SENT)
CLOSED = (State.ACCEPTED, State.REFUSED, State.NOT_SENT, State.UNKNOWN)
BEIJING = timedelta(hours=8)
_serial = count()


class Place(Protocol):
    """The place of a journal that was never started."""

    def open(self) -> Journal:
        """Return another object on the same journal, as another process would have it."""
        ...

    async def abandon(self, run: JournalRun) -> None:
        """Make it look as if the process of the run had been killed, and the time of its claims were over."""
        ...


def scenario(
    test: Callable[["JournalConformance", Place], Coroutine[Any, Any, None]],
) -> Callable[["JournalConformance"], None]:
    """Run a test in a new event loop, on a new journal."""

    def play(self: "JournalConformance") -> None:
        async def main() -> None:
            async with self.place() as place:
                await test(self, place)

        asyncio.run(main())

    play.__name__, play.__doc__ = test.__name__, test.__doc__
    return play


def keys(*numbers: int) -> tuple[Key, ...]:
    """Make the keys of calls without duplicates."""
    return tuple(Key(f"138{number:08}") for number in numbers)


def claim(
    of: Sequence[Key], *, custom_ids: Iterable[str] = (), resend: bool = False, lasts: float = 3600.0
) -> Claim:
    """Make a claim with a new token, and new custom ids unless given."""
    serial = next(_serial)
    given = tuple(custom_ids) or tuple(f"c{serial}-{place}" for place in range(len(of)))
    return Claim(f"token-{serial}", tuple(of), given, lasts, resend)


def report_of(key: Key, *, message_id: str = "", custom_id: str = "", state: str = "SUCCESS") -> Report:
    """Make a report of a call."""
    listed = CallState._value2member_map_.get(state, CallState.OTHER)
    assert isinstance(listed, CallState)
    return Report(
        Product.VOICE,
        app_id="app",
        message_id=message_id,
        custom_id=custom_id,
        mobile=key.mobile,
        state=listed,
        raw_state=state,
    )


async def states(run: JournalRun, of: Sequence[Key]) -> list[State | None]:
    """Look at calls, and return their states."""
    return [None if standing is None else standing.state for standing in await run.look(of)]


async def begun(run: JournalRun, of: Sequence[Key], *, resend: bool = False) -> Claim:
    """Claim calls that can be claimed."""
    batch = claim(of, resend=resend)
    assert await run.begin(batch)
    return batch


async def settled(run: JournalRun, of: Sequence[Key], state: State, *, reason: str = "") -> Claim:
    """Claim calls and close the claim; message ids of accepted calls follow from the custom ids."""
    batch = await begun(run, of)
    ids = [f"m-{custom_id}" for custom_id in batch.custom_ids] if state is State.ACCEPTED else None
    await run.close(batch, state, reason=reason, message_ids=ids)
    return batch


async def all_lines(journal: Journal) -> list[Line]:
    """Read every line of a journal."""
    return [line async for line in journal.lines()]


class JournalConformance:
    """The promises of a journal; subclass it as ``Test...`` and implement :meth:`place`."""

    examples: ClassVar[int] = 15
    """The number of random histories."""

    def place(self) -> AbstractAsyncContextManager[Place]:
        """Provide a journal that does not exist yet, and remove it at the end."""
        raise NotImplementedError

    # -- starting ----------------------------------------------------------------------------------------

    @scenario
    async def test_start_makes_a_journal(self, place: Place) -> None:
        """The first start creates the journal, which is empty."""
        journal = place.open()
        run = await journal.start(PURPOSE)
        assert list(await run.look(keys(1, 2))) == [None, None]
        assert (await journal.summary()).states in ({}, dict.fromkeys(State, 0))
        assert await all_lines(journal) == []
        await journal.aclose()

    @scenario
    async def test_a_journal_that_was_never_started_cannot_be_read(self, place: Place) -> None:
        """Before the first start, reading and recording raise a JournalError."""
        journal = place.open()
        with pytest.raises(JournalError):
            await journal.summary()
        with pytest.raises(JournalError):
            await all_lines(journal)
        with pytest.raises(JournalError):
            await journal.record([report_of(Key("13800000000"), custom_id="c")])
        await journal.aclose()

    @scenario
    async def test_start_again_for_the_same_purpose(self, place: Place) -> None:
        """An equal purpose is the same purpose, for any number of runs."""
        journal = place.open()
        first = await journal.start(PURPOSE)
        await settled(first, keys(1), State.ACCEPTED)
        await first.end()
        for again in (journal, place.open()):
            run = await again.start(Purpose("app", Notice("您的快递已到")))
            assert await states(run, keys(1)) == [State.ACCEPTED]
            await run.end()
            await again.aclose()

    @scenario
    async def test_start_for_another_purpose_is_refused(self, place: Place) -> None:
        """Another account, text, kind of message, or allow_duplicates raises a JournalError, and changes no call."""
        journal = place.open()
        run = await journal.start(PURPOSE)
        await settled(run, keys(1), State.ACCEPTED)
        before = await journal.summary()
        others: list[Purpose] = [
            evolve(PURPOSE, app_id="other"),
            evolve(PURPOSE, app_id="App"),
            evolve(PURPOSE, message=Notice("您的快递已到", interactive=True)),
            evolve(PURPOSE, allow_duplicates=True),
        ]
        messages: list[Message] = [
            Notice("您的快递已到。"),
            Marketing("您的快递已到"),
            VoiceSms("您的快递已到", trigger=OnConnected(10)),
            VerificationCode("1234"),
        ]
        for purpose in [*others, *(evolve(PURPOSE, message=message) for message in messages)]:
            for another in (journal, place.open()):
                with pytest.raises(JournalError):
                    await another.start(purpose)
                await another.aclose()
        assert await journal.summary() == before
        assert await states(await journal.start(PURPOSE), keys(1)) == [State.ACCEPTED]
        await journal.aclose()

    @scenario
    async def test_many_start_at_once(self, place: Place) -> None:
        """Several processes may start a journal that does not exist yet at once: it is created once."""
        journals = [place.open() for _ in range(6)]
        runs = await asyncio.gather(*(journal.start(PURPOSE) for journal in journals))
        await begun(runs[0], keys(1))
        for run in runs:
            assert await states(run, keys(1)) == [State.UNDER_WAY]
        for journal in journals:
            await journal.aclose()

    # -- looking -----------------------------------------------------------------------------------------

    @scenario
    async def test_look_answers_in_the_order_of_the_keys(self, place: Place) -> None:
        """Look returns one standing for each key, in the order of the keys."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            await settled(run, keys(3, 1), State.ACCEPTED)
            await settled(run, keys(2), State.REFUSED)
            assert await states(run, keys(1, 2, 4, 3)) == [
                State.ACCEPTED,
                State.REFUSED,
                None,
                State.ACCEPTED,
            ]
            assert await states(run, keys(3, 4, 3)) == [State.ACCEPTED, None, State.ACCEPTED]
            assert list(await run.look([])) == []

    @scenario
    async def test_look_tells_the_ids(self, place: Place) -> None:
        """The custom ids are of the last claim; the message ids come with the acceptance."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = claim(keys(2, 1), custom_ids=["second", "first"])
            assert await run.begin(batch)
            assert list(await run.look(keys(1, 2))) == [
                Standing(State.UNDER_WAY, "first"),
                Standing(State.UNDER_WAY, "second"),
            ]
            await run.close(batch, State.REFUSED, reason="ERROR_SIGN")
            again = claim(keys(1, 2), custom_ids=["uno", "due"])
            assert await run.begin(again)
            await run.close(again, State.ACCEPTED, message_ids=["m1", ""])
            assert list(await run.look(keys(1, 2))) == [
                Standing(State.ACCEPTED, "uno", "m1"),
                Standing(State.ACCEPTED, "due"),
            ]

    @scenario
    async def test_keys_are_told_apart_exactly(self, place: Place) -> None:
        """Number, custom id and occurrence are compared exactly: case, blanks and forms of accents."""
        mobile = "13800000000"
        ids = [
            "",
            "a",
            "A",
            "a ",
            " a",
            "\u00e9",
            "e\u0301",
            "ß",
            "ss",
            "📞" * 64,
            "📞" * 63,
            "号码",
            "a\0",
            "a\\",
            "%_'\"",
        ]
        of = [Key(mobile, custom_id) for custom_id in ids]
        of += [Key(mobile, "", 1), Key(mobile, "a", 1), Key(mobile, "", 12345), Key("19999999999", "a")]
        async with place.open() as journal:
            run = await journal.start(evolve(PURPOSE, allow_duplicates=True))
            for number, key in enumerate(of):
                assert await states(run, of[number:]) == [None] * (len(of) - number)
                batch = claim([key], custom_ids=[key.custom_id or "made"])
                assert await run.begin(batch)
                await run.close(batch, State.ACCEPTED, message_ids=[f"m{number}"])
            assert [standing and standing.message_id for standing in await run.look(of)] == [
                f"m{number}" for number in range(len(of))
            ]
            assert [line.custom_id for line in await all_lines(journal)] == [
                key.custom_id or "made" for key in of
            ]

    @scenario
    async def test_a_batch_of_500(self, place: Place) -> None:
        """A full batch of 500 is claimed, closed and looked at."""
        of = keys(*range(500))
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            await settled(run, of[:250], State.NOT_SENT)
            batch = await begun(run, of[::-1])
            await run.close(batch, State.ACCEPTED, message_ids=[f"m{key.mobile}" for key in batch.keys])
            assert list(await run.look(of)) == [
                Standing(State.ACCEPTED, custom_id, f"m{key.mobile}")
                for key, custom_id in zip(of, batch.custom_ids[::-1], strict=True)
            ]

    # -- claiming ----------------------------------------------------------------------------------------

    @scenario
    async def test_what_can_be_claimed(self, place: Place) -> None:
        """New and free calls can be claimed, unknown calls with resend_unknown, accepted calls never."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            for number, state in enumerate(CLOSED):
                for resend in (False, True):
                    of = keys(2 * number + resend)
                    await settled(run, of, state)
                    can = state in FREE or (resend and state is State.UNKNOWN)
                    assert await run.begin(claim(of, resend=resend)) is can, (state, resend)
                    assert await states(run, of) == [State.UNDER_WAY if can else state]

    @scenario
    async def test_what_is_under_way_cannot_be_claimed(self, place: Place) -> None:
        """A call under way cannot be claimed: not by its run, by another run or process, or with resend_unknown."""
        journal, another = place.open(), place.open()
        run = await journal.start(PURPOSE)
        batch = await begun(run, keys(1))
        for rival in (run, await journal.start(PURPOSE), await another.start(PURPOSE)):
            for resend in (False, True):
                assert await states(rival, keys(1)) == [State.UNDER_WAY]
                assert not await rival.begin(claim(keys(1), resend=resend))
        assert list(await run.look(keys(1))) == [Standing(State.UNDER_WAY, batch.custom_ids[0])]
        await another.aclose()
        await journal.aclose()

    @scenario
    async def test_a_batch_is_claimed_whole_or_not_at_all(self, place: Place) -> None:
        """A call that cannot be claimed leaves all other calls of its batch unchanged."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            await settled(run, keys(1), State.ACCEPTED)
            refused = await settled(run, keys(2), State.REFUSED, reason="ERROR_SIGN")
            for of in (keys(3, 1, 2), keys(1, 2, 3), keys(2, 3, 1)):
                assert not await run.begin(claim(of, resend=True))
                assert await states(run, keys(1, 2, 3)) == [State.ACCEPTED, State.REFUSED, None]
            assert (await run.look(keys(2)))[0] == Standing(State.REFUSED, refused.custom_ids[0])
            assert len(await all_lines(journal)) == 2
            assert await run.begin(claim(keys(2, 3)))

    @scenario
    async def test_one_of_many_is_quicker(self, place: Place) -> None:
        """When many runs claim overlapping batches at once, each call goes to one of them, and no batch is split."""
        journals = [place.open() for _ in range(4)]
        runs = [await journal.start(PURPOSE) for journal in journals for _ in range(2)]
        claims = [claim(keys(*range(start, start + 20))) for start in range(0, 80, 10) for _ in runs]
        got = await asyncio.gather(
            *(runs[number % len(runs)].begin(batch) for number, batch in enumerate(claims))
        )
        won = [batch for batch, ours in zip(claims, got, strict=True) if ours]
        called = [key for batch in won for key in batch.keys]
        assert won
        assert len(called) == len(set(called))
        custom_ids = {
            key: custom for batch in won for key, custom in zip(batch.keys, batch.custom_ids, strict=True)
        }
        every = keys(*range(100))
        for key, standing in zip(every, await runs[0].look(every), strict=True):
            assert standing == (Standing(State.UNDER_WAY, custom_ids[key]) if key in custom_ids else None)
        for journal in journals:
            await journal.aclose()

    @scenario
    async def test_a_claim_outlives_its_process(self, place: Place) -> None:
        """After the end of the process, an open claim is unknown; a closed claim keeps its state."""
        journal = place.open()
        run = await journal.start(PURPOSE)
        await settled(run, keys(1), State.ACCEPTED)
        await settled(run, keys(2), State.REFUSED)
        batch = await begun(run, keys(3, 4))
        await place.abandon(run)
        async with place.open() as another:
            later = await another.start(PURPOSE)
            assert await states(later, keys(1, 2, 3, 4)) == [
                State.ACCEPTED,
                State.REFUSED,
                State.UNKNOWN,
                State.UNKNOWN,
            ]
            assert (await later.look(keys(4)))[0] == Standing(State.UNKNOWN, batch.custom_ids[1])
            assert not await later.begin(claim(keys(3, 5)))
            assert await later.begin(claim(keys(3, 5), resend=True))
            assert await states(later, keys(3, 4, 5)) == [State.UNDER_WAY, State.UNKNOWN, State.UNDER_WAY]
        await journal.aclose()

    @scenario
    async def test_one_process_is_gone_and_the_others_are_not(self, place: Place) -> None:
        """The claims of a live run stay under way when another run dies."""
        journals = [place.open(), place.open()]
        alive, dead = [await journal.start(PURPOSE) for journal in journals]
        await begun(alive, keys(1))
        await begun(dead, keys(2))
        await place.abandon(dead)
        third = await journals[0].start(PURPOSE)
        assert await states(third, keys(1, 2)) == [State.UNDER_WAY, State.UNKNOWN]
        for journal in journals:
            await journal.aclose()

    # -- closing -----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("state", CLOSED)
    def test_close_says_what_became_of_it(self, state: State) -> None:
        """Each call of a closed claim has the state and the reason, in every process."""

        async def main() -> None:
            async with self.place() as place, place.open() as journal, place.open() as another:
                run = await journal.start(PURPOSE)
                await settled(run, keys(1, 2), state, reason="why" if state is not State.ACCEPTED else "")
                assert await states(await another.start(PURPOSE), keys(1, 2)) == [state, state]
                [batch, _] = await all_lines(another)
                assert (batch.state, batch.reason) == (state, "" if state is State.ACCEPTED else "why")

        asyncio.run(main())

    @pytest.mark.parametrize("state", CLOSED)
    @pytest.mark.parametrize("ended", [False, True])
    def test_an_answer_that_comes_late(self, state: State, ended: bool) -> None:
        """A claim closed as unknown may be closed once more, after the end of the run as well."""

        async def main() -> None:
            async with self.place() as place, place.open() as journal:
                run = await journal.start(PURPOSE)
                batch = await settled(run, keys(1, 2), State.UNKNOWN, reason="no answer")
                if ended:
                    await run.end()
                ids = ["m1", "m2"] if state is State.ACCEPTED else None
                await run.close(batch, state, reason="" if ids else "late", message_ids=ids)
                looked = await (await journal.start(PURPOSE)).look(keys(2, 1))
                assert [standing and standing.state for standing in looked] == [state, state]
                assert [standing and standing.message_id for standing in looked] == (
                    ["m2", "m1"] if ids else ["", ""]
                )
                assert {line.reason for line in await all_lines(journal)} == {"" if ids else "late"}

        asyncio.run(main())

    @scenario
    async def test_calls_that_were_claimed_anew_are_left_alone(self, place: Place) -> None:
        """A late response is not written to calls that were claimed again."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            late = await settled(run, keys(1, 2, 3), State.UNKNOWN, reason="no answer")
            anew = await begun(run, keys(2), resend=True)
            await run.close(late, State.ACCEPTED, message_ids=["m1", "m2", "m3"])
            assert list(await run.look(keys(1, 2, 3))) == [
                Standing(State.ACCEPTED, late.custom_ids[0], "m1"),
                Standing(State.UNDER_WAY, anew.custom_ids[0]),
                Standing(State.ACCEPTED, late.custom_ids[2], "m3"),
            ]
            await run.close(anew, State.REFUSED, reason="ERROR_SIGN")
            await run.close(late, State.UNKNOWN, reason="again")
            assert (await run.look(keys(2)))[0] == Standing(State.REFUSED, anew.custom_ids[0])

    @scenario
    async def test_a_claim_that_was_not_given_closes_nothing(self, place: Place) -> None:
        """Closing a claim whose begin returned False changes no call."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            accepted = await settled(run, keys(1), State.ACCEPTED)
            open_ = await begun(run, keys(2))
            lost = claim(keys(1, 2, 3))
            assert not await run.begin(lost)
            for state in CLOSED:
                await run.close(lost, state, reason="why")
            assert list(await run.look(keys(1, 2, 3))) == [
                Standing(State.ACCEPTED, accepted.custom_ids[0], f"m-{accepted.custom_ids[0]}"),
                Standing(State.UNDER_WAY, open_.custom_ids[0]),
                None,
            ]

    @scenario
    async def test_accepted_without_message_ids(self, place: Place) -> None:
        """An acceptance counts, whether or not its message ids are known."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await begun(run, keys(1, 2))
            await run.close(batch, State.ACCEPTED)
            assert await states(run, keys(1, 2)) == [State.ACCEPTED, State.ACCEPTED]
            assert not await run.begin(claim(keys(2), resend=True))

    # -- ending ------------------------------------------------------------------------------------------

    @scenario
    async def test_end_makes_unknown_what_was_not_closed(self, place: Place) -> None:
        """At the end of a run the open claims are unknown; the claims of other runs are not."""
        journal, another = place.open(), place.open()
        run, neighbour, other = (
            await journal.start(PURPOSE),
            await journal.start(PURPOSE),
            await another.start(PURPOSE),
        )
        await begun(run, keys(1, 2))
        await settled(run, keys(3), State.REFUSED)
        await settled(run, keys(4), State.ACCEPTED)
        await begun(neighbour, keys(5))
        await begun(other, keys(6))
        await run.end()
        after = [
            State.UNKNOWN,
            State.UNKNOWN,
            State.REFUSED,
            State.ACCEPTED,
            State.UNDER_WAY,
            State.UNDER_WAY,
        ]
        for looks in (neighbour, other, await journal.start(PURPOSE)):
            assert await states(looks, keys(1, 2, 3, 4, 5, 6)) == after
        assert not await other.begin(claim(keys(1)))
        assert await other.begin(claim(keys(1), resend=True))
        await another.aclose()
        await journal.aclose()

    @scenario
    async def test_late_answers_after_the_end(self, place: Place) -> None:
        """A claim that was open at the end of the run is closed by a late response."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            first, second = await begun(run, keys(1, 2)), await begun(run, keys(3))
            await run.end()
            later = await journal.start(PURPOSE)
            anew = await begun(later, keys(2), resend=True)
            await run.close(first, State.ACCEPTED, message_ids=["m1", "m2"])
            await run.close(second, State.NOT_SENT, reason="no connection")
            assert list(await later.look(keys(1, 2, 3))) == [
                Standing(State.ACCEPTED, first.custom_ids[0], "m1"),
                Standing(State.UNDER_WAY, anew.custom_ids[0]),
                Standing(State.NOT_SENT, second.custom_ids[0]),
            ]

    # -- reports -----------------------------------------------------------------------------------------

    @scenario
    async def test_a_report_proves_that_a_call_was_made(self, place: Place) -> None:
        """A report makes an unknown call accepted, by the custom id; the call is never sent again."""
        journal = place.open()
        run = await journal.start(PURPOSE)
        batch = await settled(run, keys(1, 2), State.UNKNOWN, reason="no answer")
        report = report_of(keys(2)[0], message_id="m2", custom_id=batch.custom_ids[1])
        async with place.open() as another:
            assert await another.record([report]) == 1
        assert list(await run.look(keys(1, 2))) == [
            Standing(State.UNKNOWN, batch.custom_ids[0]),
            Standing(State.ACCEPTED, batch.custom_ids[1], "m2"),
        ]
        assert not await run.begin(claim(keys(2), resend=True))
        await journal.aclose()

    @scenario
    async def test_a_report_of_a_call_whose_process_is_gone(self, place: Place) -> None:
        """A report settles a call of an open claim; the other calls stay unknown."""
        journal = place.open()
        run = await journal.start(PURPOSE)
        batch = await begun(run, keys(1, 2))
        await place.abandon(run)
        async with place.open() as another:
            assert await another.record(
                [report_of(keys(1)[0], message_id="m1", custom_id=batch.custom_ids[0])]
            )
            later = await another.start(PURPOSE)
            assert await states(later, keys(1, 2)) == [State.ACCEPTED, State.UNKNOWN]
        await journal.aclose()

    @pytest.mark.parametrize("state", [State.REFUSED, State.NOT_SENT, State.UNKNOWN])
    def test_calls_that_a_report_has_shown_are_left_alone(self, state: State) -> None:
        """A call with a report stays accepted, however the claim is closed."""

        async def main() -> None:
            async with self.place() as place, place.open() as journal:
                run = await journal.start(PURPOSE)
                batch = await begun(run, keys(1, 2))
                assert await journal.record(
                    [report_of(keys(1)[0], message_id="m1", custom_id=batch.custom_ids[0])]
                )
                assert await states(run, keys(1, 2)) == [State.ACCEPTED, State.UNDER_WAY]
                await run.close(batch, state, reason="why")
                assert list(await run.look(keys(1, 2))) == [
                    Standing(State.ACCEPTED, batch.custom_ids[0], "m1"),
                    Standing(state, batch.custom_ids[1]),
                ]
                await run.end()
                assert await states(run, keys(1)) == [State.ACCEPTED]

        asyncio.run(main())

    @scenario
    async def test_an_acceptance_after_the_report(self, place: Place) -> None:
        """A response after the report adds the message ids."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await begun(run, keys(1, 2))
            assert await journal.record([report_of(keys(1)[0], custom_id=batch.custom_ids[0])]) == 1
            await run.close(batch, State.ACCEPTED, message_ids=["m1", "m2"])
            assert [standing and standing.message_id for standing in await run.look(keys(1, 2))] == [
                "m1",
                "m2",
            ]

    @scenario
    async def test_reports_are_known_by_either_id(self, place: Place) -> None:
        """A report belongs to a call by message id or by custom id."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(1, 2, 3), State.ACCEPTED)
            ids = [f"m-{custom_id}" for custom_id in batch.custom_ids]
            reports = [
                report_of(keys(1)[0], message_id=ids[0]),
                report_of(keys(2)[0], custom_id=batch.custom_ids[1], state="FAIL_CALL"),
                report_of(keys(3)[0], message_id=ids[2], custom_id=batch.custom_ids[2], state="odd"),
            ]
            assert await journal.record(iter(reports)) == 3
            assert [line.report_state for line in await all_lines(journal)] == ["SUCCESS", "FAIL_CALL", "odd"]
            assert [line.message_id for line in await all_lines(journal)] == ids

    @scenario
    async def test_reports_of_strangers(self, place: Place) -> None:
        """Reports of other calls, accounts and products are ignored and not counted."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(1), State.UNKNOWN)
            [custom_id] = batch.custom_ids
            mine = report_of(keys(1)[0], message_id="m1", custom_id=custom_id)
            strangers = [
                evolve(mine, custom_id="another", message_id="m9"),
                evolve(mine, custom_id=custom_id.upper(), message_id="m9"),
                evolve(mine, custom_id="", message_id=""),
                evolve(mine, app_id="another"),
                evolve(mine, product=Product.JOIN),
                evolve(mine, mobile="13999999999"),
            ]
            assert await journal.record(strangers) == 0
            assert await journal.record([]) == 0
            assert await states(run, keys(1)) == [State.UNKNOWN]
            assert [line.report_state for line in await all_lines(journal)] == [""]
            assert await journal.record([strangers[0], mine]) == 1

    @scenario
    async def test_a_custom_id_that_was_used_before(self, place: Place) -> None:
        """A report of an earlier call with the same custom id does not belong to a call with another message id."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(1), State.ACCEPTED)
            earlier = report_of(
                keys(1)[0], message_id="earlier", custom_id=batch.custom_ids[0], state="FAIL_CALL"
            )
            assert await journal.record([earlier]) == 0
            assert [line.report_state for line in await all_lines(journal)] == [""]

    @scenario
    async def test_recording_again_is_safe(self, place: Place) -> None:
        """Recording the same reports again counts them again, and changes no call."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(1, 2), State.UNKNOWN, reason="no answer")
            reports = [
                report_of(key, message_id=f"m{custom_id}", custom_id=custom_id)
                for key, custom_id in zip(batch.keys, batch.custom_ids, strict=True)
            ]
            assert await journal.record(reports) == 2
            before = await all_lines(journal), await journal.summary()
            assert await journal.record(reports) == 2
            assert (await all_lines(journal), await journal.summary()) == before

    @scenario
    async def test_the_last_report_stands(self, place: Place) -> None:
        """The last recorded report of a call is kept."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(1), State.ACCEPTED)
            reports = [
                report_of(keys(1)[0], message_id=f"m-{batch.custom_ids[0]}", state=state)
                for state in ("TIMEOUT", "FAIL_CALL", "SUCCESS")
            ]
            assert await journal.record(reports[:2]) == 2
            assert [line.report_state for line in await all_lines(journal)] == ["FAIL_CALL"]
            assert await journal.record(reports[2:]) == 1
            assert [line.report_state for line in await all_lines(journal)] == ["SUCCESS"]
            assert (await journal.summary()).reported == {"SUCCESS": 1}

    @scenario
    async def test_a_thousand_reports(self, place: Place) -> None:
        """More reports than a page of a generator are recorded, each counted."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            claims = [await begun(run, keys(*range(start, start + 500))) for start in (0, 500, 1000)]
            reports = [
                report_of(key, message_id=f"m{custom_id}", custom_id=custom_id)
                for batch in claims[:2]
                for key, custom_id in zip(batch.keys, batch.custom_ids, strict=True)
            ]
            assert await journal.record(report for report in [*reports, *reports[:500]]) == 1500
            summary = await journal.summary()
            assert (summary.states[State.ACCEPTED], summary.states[State.UNDER_WAY]) == (1000, 500)

    @scenario
    async def test_reports_of_any_text(self, place: Place) -> None:
        """Any text in a report is stored and read back unchanged."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(1), State.UNKNOWN)
            odd = "成功\0\ud800 '\"\\ 📞" * 50
            report = evolve(
                report_of(keys(1)[0], message_id="m📞", custom_id=batch.custom_ids[0], state="奇怪"),
                description=odd,
                key_pressed="1#*",
            )
            assert await journal.record([report]) == 1
            [line] = await all_lines(journal)
            assert (line.message_id, line.report_state) == ("m📞", "奇怪")
            assert (line.report_description, line.key_pressed) == (odd, "1#*")

    # -- summary and lines -------------------------------------------------------------------------------

    @scenario
    async def test_summary_counts_by_state(self, place: Place) -> None:
        """The summary has the purpose, and counts the calls and the reports, the most frequent state first."""
        journal = place.open()
        began = datetime.now(UTC) - timedelta(minutes=1)
        run, dead = await journal.start(PURPOSE), await place.open().start(PURPOSE)
        await settled(run, keys(*range(5)), State.ACCEPTED)
        await settled(run, keys(5, 6), State.REFUSED)
        await settled(run, keys(7, 8, 9), State.NOT_SENT)
        lost = await settled(run, keys(10, 11, 12, 13), State.UNKNOWN)
        await begun(run, keys(14, 15, 16, 17, 18, 19))
        await begun(dead, keys(20))
        await place.abandon(dead)
        states_of = ["odd", "SUCCESS", "SUCCESS"]
        assert await journal.record(
            report_of(lost.keys[place], custom_id=lost.custom_ids[place], state=state)
            for place, state in enumerate(states_of)
        )
        summary = await journal.summary()
        assert (summary.app_id, summary.kind, summary.allow_duplicates) == ("app", "Notice", False)
        assert {state: number for state, number in summary.states.items() if number} == {
            State.ACCEPTED: 8,
            State.REFUSED: 2,
            State.NOT_SENT: 3,
            State.UNKNOWN: 2,
            State.UNDER_WAY: 6,
        }
        assert list(summary.reported.items()) == [("SUCCESS", 2), ("odd", 1)]
        assert summary.made_at.utcoffset() == BEIJING
        assert began < summary.made_at < datetime.now(UTC) + timedelta(minutes=1)
        await journal.aclose()

    @scenario
    async def test_the_reason_of_unknown_calls(self, place: Place) -> None:
        """Look, lines and summary give the reason of unknown calls and the time of the claim, and of no others."""
        journal = place.open()
        run, dead = await journal.start(PURPOSE), await place.open().start(PURPOSE)
        before = datetime.now(UTC) - timedelta(minutes=1)
        await settled(run, keys(1, 2, 3), State.UNKNOWN, reason="no response within 30 s")
        lost = await settled(run, keys(4), State.UNKNOWN, reason="HTTP 502")
        await settled(run, keys(5), State.REFUSED, reason="ERROR_SIGN")
        await begun(dead, keys(6, 7))
        await place.abandon(dead)
        await begun(run, keys(8))
        looked = await run.look(keys(1, 4, 5, 6, 8))
        assert [standing and standing.reason for standing in looked[:3]] == [
            "no response within 30 s",
            "HTTP 502",
            "",
        ]
        for standing in (looked[0], looked[1]):
            assert standing is not None
            assert standing.begun_at is not None
            assert before < standing.begun_at < datetime.now(UTC) + timedelta(minutes=1)
        assert looked[3] is not None
        assert "ended before the answer came" in looked[3].reason
        assert looked[4] == Standing(State.UNDER_WAY, looked[4].custom_id if looked[4] else "")
        summary = await journal.summary()
        assert summary.reasons == {"no response within 30 s": 3, looked[3].reason: 2, "HTTP 502": 1}
        assert list(summary.reasons.values()) == [3, 2, 1]
        assert await journal.record([report_of(keys(4)[0], custom_id=lost.custom_ids[0])]) == 1
        assert list((await journal.summary()).reasons.values()) == [3, 2]
        assert [line.reason for line in await all_lines(journal)][:5] == [
            *["no response within 30 s"] * 3,
            "",
            "ERROR_SIGN",
        ]
        await journal.aclose()

    @scenario
    async def test_a_line_tells_everything(self, place: Place) -> None:
        """A line has the last claim, its outcome, the reason unless it was accepted, and the last report."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            await settled(run, keys(1), State.REFUSED, reason="ERROR_SIGN")
            [first] = await all_lines(journal)
            assert (first.state, first.reason, first.message_id) == (State.REFUSED, "ERROR_SIGN", "")
            assert first.begun_at.utcoffset() == BEIJING
            batch = await begun(run, keys(1))
            [second] = await all_lines(journal)
            assert second.state is State.UNDER_WAY
            assert second.begun_at >= first.begun_at
            await run.close(batch, State.ACCEPTED, message_ids=["m1"])
            called_at = datetime(2017, 3, 15, 12, 0, 0, tzinfo=first.begun_at.tzinfo)
            report = evolve(
                report_of(keys(1)[0], message_id="m1"),
                description="成功",
                called_at=called_at,
                duration=68.02,
                key_pressed="1",
                recording=b"RIFF",
            )
            assert await journal.record([report]) == 1
            assert await all_lines(journal) == [
                Line(
                    mobile="13800000001",
                    custom_id=batch.custom_ids[0],
                    message_id="m1",
                    state=State.ACCEPTED,
                    reason="",
                    begun_at=second.begun_at,
                    report_state="SUCCESS",
                    report_description="成功",
                    called_at=called_at,
                    duration=68.02,
                    key_pressed="1",
                )
            ]

    @scenario
    async def test_lines_come_in_the_order_of_the_first_claims(self, place: Place) -> None:
        """Every call has one line, in the order of the first claims, even if it was claimed again."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batches = [keys(*range(start, start - 500, -1)) for start in (2999, 999, 3999, 1999)]
            for of in batches:
                await settled(run, of, State.NOT_SENT)
            await settled(run, keys(5000), State.REFUSED)
            await settled(run, batches[2][:10][::-1], State.ACCEPTED)
            order = [key.mobile for of in batches for key in of] + ["13800005000"]
            assert [line.mobile for line in await all_lines(journal)] == order
            assert [line.state for line in await all_lines(journal)].count(State.ACCEPTED) == 10

    @scenario
    async def test_lines_may_be_left_and_written_to(self, place: Place) -> None:
        """Claims go on while lines are read, and reading may stop at any line."""
        async with place.open() as journal, place.open() as another:
            run, other = await journal.start(PURPOSE), await another.start(PURPOSE)
            await settled(run, keys(*range(500)), State.NOT_SENT)
            lines = journal.lines()
            first = await anext(lines)
            await settled(run, keys(1), State.ACCEPTED)
            await settled(other, keys(1000), State.ACCEPTED)
            assert first.mobile == keys(0)[0].mobile
            assert [line.mobile async for line in lines][:499] == [key.mobile for key in keys(*range(1, 500))]
            async for _ in journal.lines():
                break
            assert await states(other, keys(1, 1000)) == [State.ACCEPTED, State.ACCEPTED]

    # -- letting go --------------------------------------------------------------------------------------

    @scenario
    async def test_a_journal_can_be_used_after_it_was_closed(self, place: Place) -> None:
        """A closed journal is opened again at the next use, with all its data."""
        journal = place.open()
        run = await journal.start(PURPOSE)
        await settled(run, keys(1), State.ACCEPTED)
        await run.end()
        await journal.aclose()
        await journal.aclose()
        async with journal:
            assert (await journal.summary()).states[State.ACCEPTED] == 1
        assert len(await all_lines(journal)) == 1
        again = await journal.start(PURPOSE)
        assert await states(again, keys(1)) == [State.ACCEPTED]
        await again.end()
        await journal.aclose()

    # -- cancellation ------------------------------------------------------------------------------------

    @scenario
    async def test_a_begin_that_is_cancelled_is_whole_or_nothing(self, place: Place) -> None:
        """A begin that is cancelled at any step has claimed the whole batch or no call of it."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            for turns in more_and_more():
                of = keys(*range(100 * turns, 100 * turns + 40))
                await settled(run, of[20:], State.NOT_SENT)
                batch = claim(of)
                finished = await cancelled_after(turns, run.begin(batch))
                fresh, again = set(await states(run, of[:20])), set(await states(run, of[20:]))
                whole = {State.UNDER_WAY}
                assert (fresh, again) in ((whole, whole), ({None}, {State.NOT_SENT})), turns
                if finished:
                    assert finished == [True]
                    break
                # The request did not leave, so the claim is closed as not sent.
                await run.close(batch, State.NOT_SENT, reason="cancelled")
                assert await run.begin(claim(of)), turns
            assert turns > 0

    @scenario
    async def test_a_close_that_is_cancelled_can_be_repeated(self, place: Place) -> None:
        """A close that is cancelled at any step has closed all calls or none, and a repeat closes them."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            for turns in more_and_more():
                batch = await begun(run, keys(*range(100 * turns, 100 * turns + 20)))
                ids = [f"m{place}" for place in range(20)]
                closing = run.close(batch, State.ACCEPTED, message_ids=ids)
                finished = await cancelled_after(turns, closing)
                assert set(await states(run, batch.keys)) in ({State.UNDER_WAY}, {State.ACCEPTED}), turns
                await run.close(batch, State.ACCEPTED, message_ids=ids)
                assert [standing and standing.message_id for standing in await run.look(batch.keys)] == ids
                if finished:
                    break
            assert turns > 0

    @scenario
    async def test_everything_may_be_cancelled(self, place: Place) -> None:
        """A cancelled look, summary, record, start or end does not change later results."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(*range(20)), State.UNKNOWN)
            reports = [
                report_of(key, custom_id=custom_id)
                for key, custom_id in zip(batch.keys, batch.custom_ids, strict=True)
            ]
            for turns in range(0, 40, 4):
                await cancelled_after(turns, run.look(batch.keys))
                await cancelled_after(turns, journal.summary())
                await cancelled_after(turns, journal.record(reports))
                await cancelled_after(turns, (await journal.start(PURPOSE)).end())
                await cancelled_after(turns, journal.start(PURPOSE))
                assert len(await all_lines(journal)) == 20
            assert await journal.record(reports) == 20
            assert set(await states(run, batch.keys)) == {State.ACCEPTED}

    # -- all of it together ------------------------------------------------------------------------------

    def test_any_history(self) -> None:
        """Any history of claims, closes, late closes, ends, deaths and reports agrees with a simple model."""

        class History(_History):
            where = staticmethod(self.place)

        run_state_machine_as_test(
            History,
            settings=settings(
                max_examples=self.examples,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


async def _looked(run: JournalRun) -> Sequence[Standing | None]:
    return await run.look(_UNIVERSE)


def more_and_more() -> Iterator[int]:
    """Count up by one, later in growing steps, because a thread or a server takes many turns of the loop."""
    turns = 0
    while True:
        yield turns
        turns += 1 + turns // 5


async def cancelled_after(turns: int, work: Coroutine[Any, Any, Any]) -> list[Any]:
    """Cancel ``work`` after so many turns of the loop; return a list with the result, if any."""
    task = asyncio.create_task(work)
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        return [await task]
    return []


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

    journal: Journal
    run: JournalRun
    claims: dict[str, tuple[Claim, State]] = field(factory=dict)
    ended: bool = False


_UNIVERSE = keys(*range(6))
_SOME = st.lists(st.sampled_from(_UNIVERSE), min_size=1, max_size=4, unique=True)
_ANY = st.integers(min_value=0)


class _History(RuleBasedStateMachine):
    """Plays a history on a journal and on a dict, and compares the two after every step."""

    where: ClassVar[Callable[[], AbstractAsyncContextManager[Place]]]

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._stack = contextlib.AsyncExitStack()
        try:
            self._place = self._do(self._stack.enter_async_context(type(self).where()))
        except BaseException:
            # Without a place for the journal, the test is skipped.
            self._runner.close()
            raise
        self._journals = [self._place.open() for _ in range(2)]
        self._observer = self._do(self._journals[0].start(PURPOSE))
        self._runs = [self._started(0), self._started(1)]
        self._calls: dict[Key, _Call] = {}

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    def _started(self, journal: int) -> _Run:
        chosen = self._journals[journal]
        return _Run(chosen, self._do(chosen.start(PURPOSE)))

    def _mine(self, claim: Claim) -> list[tuple[int, _Call]]:
        """List the calls that still belong to a claim, with their places in the claim."""
        found = [(place, self._calls.get(key)) for place, key in enumerate(claim.keys)]
        return [(place, call) for place, call in found if call is not None and call.claim is claim]

    @rule(journal=st.integers(0, 1))
    def start(self, journal: int) -> None:
        """Begin another run."""
        self._runs.append(self._started(journal))

    @rule(number=_ANY, of=_SOME, resend=st.booleans())
    def begin(self, number: int, of: list[Key], resend: bool) -> None:
        """Claim a batch; the model tells whether that succeeds."""
        run = self._runs[number % len(self._runs)]
        if run.ended:
            return
        batch = claim(of, resend=resend)
        states_of = [self._calls[key].state for key in of if key in self._calls]
        can = all(state.is_free or (resend and state is State.UNKNOWN) for state in states_of)
        assert self._do(run.run.begin(batch)) is can
        run.claims[batch.token] = batch, State.UNDER_WAY
        for key, custom_id in zip(of, batch.custom_ids, strict=True) if can else ():
            # Updated in place, because the order of the first claims stays.
            self._calls[key] = _Call(batch, custom_id)

    @rule(number=_ANY, which=_ANY, state=st.sampled_from(CLOSED))
    def close(self, number: int, which: int, state: State) -> None:
        """Close a claim; an unknown claim may be closed again."""
        run = self._runs[number % len(self._runs)]
        can = [batch for batch, was in run.claims.values() if was in (State.UNDER_WAY, State.UNKNOWN)]
        if not can:
            return
        batch = can[which % len(can)]
        accepted = state is State.ACCEPTED
        ids = [f"m-{custom_id}" for custom_id in batch.custom_ids] if accepted else None
        reason = "" if accepted else f"why {which}"
        self._do(run.run.close(batch, state, reason=reason, message_ids=ids))
        run.claims[batch.token] = batch, state
        for place, call in self._mine(batch):
            if call.state is not State.ACCEPTED:
                call.state, call.reason = state, reason
            if ids and not call.message_id:
                call.message_id = ids[place]

    @rule(number=_ANY)
    def end(self, number: int) -> None:
        """End a run: open claims are unknown."""
        run = self._runs[number % len(self._runs)]
        if not run.ended:
            self._do(run.run.end())
            run.ended = True
            self._lose(run)

    @rule(number=_ANY)
    def die(self, number: int) -> None:
        """Kill a run: open claims are unknown, and the run is not used again."""
        run = self._runs[number % len(self._runs)]
        if not run.ended:
            self._do(self._place.abandon(run.run))
            self._lose(run)
            self._runs.remove(run)
            self._runs.append(self._started(0))

    def _lose(self, run: _Run) -> None:
        for batch, state in list(run.claims.values()):
            if state is State.UNDER_WAY:
                run.claims[batch.token] = batch, State.UNKNOWN
                for _, call in self._mine(batch):
                    if call.state is State.UNDER_WAY:
                        call.state = State.UNKNOWN

    @rule(of=_SOME, state=st.sampled_from(["SUCCESS", "FAIL_CALL", "odd"]), journal=st.integers(0, 1))
    def record(self, of: list[Key], state: str, journal: int) -> None:
        """Record reports of calls, and of calls that were never made."""
        reports = []
        for key in of:
            call = self._calls.get(key)
            if call is not None and call.state.is_free:
                continue
            custom_id = call.custom_id if call else "stranger"
            reports.append(report_of(key, message_id=f"m-{custom_id}", custom_id=custom_id, state=state))
            if call is not None:
                call.state, call.reported, call.message_id = State.ACCEPTED, state, f"m-{custom_id}"
                call.reason = ""
        assert self._do(self._journals[journal].record(reports)) == sum(
            report.custom_id != "stranger" for report in reports
        )

    @rule(number=_ANY)
    def look(self, number: int) -> None:
        """Look at every call through any run."""
        self._compare(self._runs[number % len(self._runs)].run)

    @invariant()
    def agree(self) -> None:
        """Compare the standings of all calls, the lines and the counts."""
        self._compare(self._observer)
        journal = self._journals[1]
        lines: list[Line] = self._do(all_lines(journal))
        assert [line.mobile for line in lines] == [key.mobile for key in self._calls]
        for line, call in zip(lines, self._calls.values(), strict=True):
            assert (line.custom_id, line.message_id) == (call.custom_id, call.message_id)
            assert (line.state, line.report_state) == (call.state, call.reported)
            # The reason of an open claim is in the words of the journal.
            assert line.reason == call.reason or (call.state is State.UNKNOWN and not call.reason)
        counted = {state: number for state, number in self._do(journal.summary()).states.items() if number}
        found = [call.state for call in self._calls.values()]
        assert counted == {state: found.count(state) for state in set(found)}

    def _compare(self, run: JournalRun) -> None:
        looked = self._do(_looked(run))
        for key, standing in zip(_UNIVERSE, looked, strict=True):
            call = self._calls.get(key)
            expected = call and Standing(call.state, call.custom_id, call.message_id)
            assert standing == expected, key

    def teardown(self) -> None:
        """Release the journals and the place."""
        for journal in self._journals:
            self._do(journal.aclose())
        self._do(self._stack.aclose())
        self._runner.close()
