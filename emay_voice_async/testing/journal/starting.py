"""Rules of a journal: starting and closing it."""

import asyncio

from attrs import evolve

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import Key, State
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.model.messages import (
    Marketing,
    Message,
    Notice,
    OnConnected,
    VerificationCode,
    VoiceSms,
)
from emay_voice_async.model.templates import Template
from emay_voice_async.testing.journal.places import JournalPlace, JournalRules, journal_rule
from emay_voice_async.testing.journal.values import (
    PURPOSE,
    all_lines,
    begun,
    claim,
    keys,
    report_of,
    settled,
    states,
)
from emay_voice_async.testing.rules import raises, same, true

__all__ = ["StartingRules"]


class StartingRules(JournalRules):
    """The start of a journal, and calls of a closed journal."""

    @journal_rule
    async def test_the_first_start_creates_the_journal(self, place: JournalPlace) -> None:
        """The first start creates the journal, which is empty."""
        journal = place.open()
        run = await journal.start(PURPOSE)
        same(list(await run.look(keys(1, 2))), [None, None])
        true((await journal.summary()).states in ({}, dict.fromkeys(State, 0)), "a new journal has no calls")
        same(await all_lines(journal), [])
        await journal.aclose()

    @journal_rule
    async def test_a_journal_that_was_never_started_cannot_be_read(self, place: JournalPlace) -> None:
        """Before the first start, reading and recording raise a JournalError."""
        journal = place.open()
        with raises(JournalError, "Reading the summary of a journal that was never started"):
            await journal.summary()
        with raises(JournalError, "Reading the lines of a journal that was never started"):
            await all_lines(journal)
        with raises(JournalError, "Recording in a journal that was never started"):
            await journal.record([report_of(Key("13800000000"), custom_id="c")])
        await journal.aclose()

    @journal_rule
    async def test_a_journal_can_be_started_again(self, place: JournalPlace) -> None:
        """An equal purpose is the same purpose, for any number of runs."""
        journal = place.open()
        first = await journal.start(PURPOSE)
        await settled(first, keys(1), State.ACCEPTED)
        await first.end()
        for again in (journal, place.open()):
            run = await again.start(Purpose("app", Notice("您的快递已到")))
            same(await states(run, keys(1)), [State.ACCEPTED])
            await run.end()
            await again.aclose()

    @journal_rule
    async def test_start_for_another_purpose_is_refused(self, place: JournalPlace) -> None:
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
        messages: list[Message | Template] = [
            Notice("您的快递已到。"),
            Marketing("您的快递已到"),
            VoiceSms("您的快递已到", trigger=OnConnected(10)),
            VerificationCode("1234"),
            Template(Notice, "您的快递已到"),
        ]
        for purpose in [*others, *(evolve(PURPOSE, message=message) for message in messages)]:
            for another in (journal, place.open()):
                with raises(JournalError, "Starting for another purpose"):
                    await another.start(purpose)
                await another.aclose()
        same(await journal.summary(), before)
        same(await states(await journal.start(PURPOSE), keys(1)), [State.ACCEPTED])
        await journal.aclose()

    @journal_rule
    async def test_a_journal_belongs_to_a_template(self, place: JournalPlace) -> None:
        """A journal belongs to the placeholders of a template, not to the texts of a run."""
        purpose = evolve(PURPOSE, message=Template(Notice, "{name}，您的快递已到", interactive=True))
        journal = place.open()
        run = await journal.start(purpose)
        await settled(run, keys(1), State.ACCEPTED)
        await run.end()
        same((await journal.summary()).kind, "Notice")
        for message in (
            Template(Notice, "{title}，您的快递已到", interactive=True),
            Template(Notice, "{name}，您的快递已到"),
            Template(Marketing, "{name}，您的快递已到", interactive=True),
            Notice("x，您的快递已到", interactive=True),
        ):
            with raises(JournalError, "Starting for another template"):
                await journal.start(evolve(PURPOSE, message=message))
        equal = Template(Notice, "{name}，您的快递已到", interactive=True)
        run = await journal.start(evolve(PURPOSE, message=equal))
        same(await states(run, keys(1)), [State.ACCEPTED])
        await run.end()
        await journal.aclose()

    @journal_rule
    async def test_a_dry_run_writes_nothing(self, place: JournalPlace) -> None:
        """A dry run looks, claims no call, creates no journal, and is refused for another purpose."""
        async with place.open() as journal:
            dry = await journal.start(PURPOSE, dry=True)
            same(list(await dry.look(keys(1))), [None])
            await dry.end()
            with raises(JournalError, "Reading the summary of a journal with a dry run only"):
                await journal.summary()
            await settled(await journal.start(PURPOSE), keys(1), State.ACCEPTED)
            dry = await journal.start(PURPOSE, dry=True)
            with raises(JournalError, "Claiming in a dry run"):
                await dry.begin(claim(keys(2)))
            same(await states(dry, keys(1, 2)), [State.ACCEPTED, None])
            await dry.end()
            with raises(JournalError, "A dry run for another purpose"):
                await journal.start(evolve(PURPOSE, app_id="other"), dry=True)

    @journal_rule
    async def test_concurrent_starts_create_one_journal(self, place: JournalPlace) -> None:
        """Several processes may start a journal that does not exist yet at once: it is created once."""
        journals = [place.open() for _ in range(6)]
        runs = await asyncio.gather(*(journal.start(PURPOSE) for journal in journals))
        await begun(runs[0], keys(1))
        for run in runs:
            same(await states(run, keys(1)), [State.UNDER_WAY])
        for journal in journals:
            await journal.aclose()

    @journal_rule
    async def test_a_journal_can_be_used_after_it_was_closed(self, place: JournalPlace) -> None:
        """A closed journal is opened again at the next use, with all its data."""
        journal = place.open()
        run = await journal.start(PURPOSE)
        await settled(run, keys(1), State.ACCEPTED)
        await run.end()
        await journal.aclose()
        await journal.aclose()
        async with journal:
            same((await journal.summary()).states[State.ACCEPTED], 1)
        same(len(await all_lines(journal)), 1)
        again = await journal.start(PURPOSE)
        same(await states(again, keys(1)), [State.ACCEPTED])
        await again.end()
        await journal.aclose()
