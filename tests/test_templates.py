"""Whole sends with a template: own words for each recipient, each recipient in one outcome, and resumption."""

import asyncio
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import httpx
import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from support.campaigns import clock, mobiles, sending, with_voice
from support.http_transport import Script, accepts, code, fields_of, hangs, raises

from emay_voice_async import (
    Accepted,
    AsyncEmayVoice,
    CallingHours,
    Marketing,
    Notice,
    NotSent,
    OnKey,
    RateLimit,
    RateLimits,
    Recipient,
    SendError,
    Template,
    Unknown,
    VoiceSms,
)
from emay_voice_async.errors import DuplicateError, EmayVoiceError, InvalidRequestError, JournalError
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.endpoints import VOICE_SEND, Endpoint

TEMPLATE = Template(Notice, "尊敬的{name}，您的包裹{code}已到。")


@frozen
class SmallNotice(Notice):
    """A notice of which one request takes three numbers, so that few people fill requests."""

    endpoint: ClassVar[Endpoint] = VOICE_SEND._replace(max_batch=3)


SMALL = Template(SmallNotice, "{name}您好，{{1}}")


def person(place: int, name: str = "张三", code: str = "1") -> Recipient:
    """Make a recipient with the fields of the template."""
    return Recipient(mobiles(1, place)[0], fields={"name": name, "code": code})


def said(script: Script) -> list[tuple[str, list[str]]]:
    """List the content and the numbers of each request."""
    forms = [fields_of(request) for request in script.requests]
    return [(form["content"], form["mobiles"].split(",")) for form in forms]


class TestSend:
    """One send."""

    def test_equal_texts_share_requests(self) -> None:
        """Each number hears the own words, and equal words are one request."""
        script = Script(accepts())
        to = [person(place, "张三" if place % 2 else "李四", str(place % 3)) for place in range(12)]

        async def main(voice: AsyncEmayVoice) -> None:
            result = await voice.send(TEMPLATE, to)
            assert Counter(ticket.mobile for ticket in result.tickets) == Counter(one.mobile for one in to)
            assert [outcome.index for outcome in result.outcomes] == list(range(6))

        with_voice(script, main)
        heard = {mobile: content for content, numbers in said(script) for mobile in numbers}
        assert heard == {
            one.mobile: f"尊敬的{one.fields['name']}，您的包裹{one.fields['code']}已到。" for one in to
        }
        assert len(script.requests) == 6

    def test_outcomes_keep_the_fields(self) -> None:
        """The recipients of an outcome still have their fields, so that they can be sent to again."""
        script = Script(code("ERROR_MOBILE_ERROR"), accepts())
        to = [person(place) for place in range(3)]

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(SendError) as caught:
                await voice.send(TEMPLATE, to)
            [outcome] = caught.value.result.outcomes
            await voice.send(TEMPLATE, outcome.recipients)

        with_voice(script, main)
        assert said(script)[0] == said(script)[1]

    @pytest.mark.parametrize("number", [1, 3])
    def test_one_or_few(self, number: int) -> None:
        """A single recipient, or a few with different words, are sent to with as many requests in flight as allowed."""
        script = Script(accepts(after=1.0))
        to = [person(place, f"张{place}") for place in range(number)]

        async def main(voice: AsyncEmayVoice) -> None:
            assert len((await voice.send(TEMPLATE, to)).tickets) == number

        with_voice(script, main, max_concurrency=1)
        assert [len(numbers) for _, numbers in said(script)] == [1] * number
        assert script.at == [1000.0 + place for place in range(number)]

    def test_other_kinds(self) -> None:
        """Marketing calls and voice SMS are templates, too, with placeholders in each of their texts."""
        script = Script(accepts())

        async def main(voice: AsyncEmayVoice) -> None:
            await voice.send(Template(Marketing, "{name}", voicemail_content="{code}"), [person(0)])
            await voice.send(
                Template(VoiceSms, "请按1", sms_content="取件码{code}", trigger=OnKey("1")),
                [person(1, code="77")],
            )

        with_voice(script, main)
        first, second = map(fields_of, script.requests)
        assert (first["content"], first["acousticSignContent"]) == ("张三", "1")
        assert (second["voiceContent"], second["smsContent"]) == ("请按1", "取件码77")

    def test_a_list_is_checked_whole(self) -> None:
        """A field that cannot be used, at the end of a long list, is refused before the first request."""
        script = Script(accepts())
        to = [*map(person, range(4500)), person(4500, "a\nb")]

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(InvalidRequestError) as caught:
                await voice.send(TEMPLATE, to)
            assert str(caught.value) == (
                "field 'name' at position 4500: must be on one line (found a line break in place 1)"
            )
            with pytest.raises(InvalidRequestError, match="field 'name' at position 0: must be given"):
                voice.send_batches(TEMPLATE, mobiles(3))

        with_voice(script, main)
        assert not script.requests

    def test_a_stream_is_checked_as_it_is_read(self) -> None:
        """Entries of a stream without usable fields are outcomes of their own; all others are called."""
        script = Script(accepts())
        to: list[Any] = [person(0), mobiles(1, 1)[0], person(2, ""), person(3, "x" * 190), person(4)]

        async def main(voice: AsyncEmayVoice) -> list[Any]:
            return [one async for one in voice.send_batches(TEMPLATE, iter(to))]

        outcomes = with_voice(script, main)
        assert [(type(one), len(one.recipients)) for one in outcomes] == [
            (NotSent, 1),
            (NotSent, 1),
            (NotSent, 1),
            (Accepted, 2),
        ]
        assert [str(one.error) for one in outcomes[:3]] == [
            "field 'name' at position 1: must be given, as the template names it",
            "field 'name' at position 2: must not be empty or blank (found 0 characters)",
            "content at position 3: must have at most 200 characters (found 202 characters)",
        ]

    def test_duplicates(self) -> None:
        """A number with other words is a duplicate all the same, unless duplicates are allowed."""
        to = [person(0, "张三"), person(0, "李四")]

        async def main(voice: AsyncEmayVoice) -> None:
            outcomes = [one async for one in voice.send_batches(TEMPLATE, to)]
            assert [type(one) for one in outcomes] == [NotSent, Accepted]
            assert isinstance(outcomes[0].error, DuplicateError)  # type: ignore[union-attr]
            await voice.send(TEMPLATE, to, allow_duplicates=True)

        script = Script(accepts())
        with_voice(script, main)
        assert [content[3:5] for content, _ in said(script)] == ["张三", "张三", "李四"]

    def test_only_allowed_numbers(self) -> None:
        """``allow_only`` refuses other numbers, with a template as with a message."""

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(InvalidRequestError, match="mobile at position 1: must be one of allow_only"):
                voice.send_batches(TEMPLATE, [person(0), person(1)])
            with pytest.raises(InvalidRequestError, match="field 'name' at position 0: must be given"):
                voice.send_batches(TEMPLATE, mobiles(1))

        with_voice(Script(accepts()), main, allow_only=mobiles(1))

    def test_the_loop_goes_on(self) -> None:
        """While a long list of different texts is gathered, other tasks have many turns."""
        script = Script(accepts())
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async def main(voice: AsyncEmayVoice) -> None:
            counting = asyncio.ensure_future(count())
            async with aclosing(voice.send_batches(TEMPLATE, people)) as outcomes:
                await anext(outcomes)
            assert turns > len(people) / 2000 + len(people) / 500
            counting.cancel()

        people = [person(place, str(place)) for place in range(20_000)]
        with_voice(script, main, rate_limits=RateLimits(send=RateLimit(1, 1.0)))


class TestJournal:
    """A journal belongs to the account and the template."""

    def test_changed_fields(self, tmp_path: Path) -> None:
        """An accepted recipient is not called again with other fields; a refused recipient hears the new words."""
        path = tmp_path / "run.db"
        first = Script(accepts(), code("ERROR_MOBILE_ERROR"))
        sending(
            first,
            [person(0, "张"), person(1, "李")],
            SqliteJournal(path),
            message=TEMPLATE,
            max_concurrency=1,
        )
        second = Script(accepts())
        outcomes = sending(second, [person(0, "王"), person(1, "赵")], SqliteJournal(path), message=TEMPLATE)
        assert said(second) == [("尊敬的赵，您的包裹1已到。", mobiles(1, 1))]
        assert [(type(one), one.recorded) for one in outcomes] == [(Accepted, True), (Accepted, False)]
        assert [one.recipients[0].fields["name"] for one in outcomes] == ["王", "赵"]

    def test_unknown_recipients(self, tmp_path: Path) -> None:
        """A recipient of unknown outcome stays unknown, and is sent to with the new words if that is asked for."""
        path = tmp_path / "run.db"
        sending(
            Script(accepts(), raises(httpx.ReadError("..."))),
            [person(0, "张"), person(1, "李")],
            SqliteJournal(path),
            message=TEMPLATE,
            max_concurrency=1,
        )
        to = [person(1, "赵")]
        [outcome] = sending(Script(accepts()), to, SqliteJournal(path), message=TEMPLATE)
        assert (type(outcome), outcome.recipients[0].fields) == (Unknown, to[0].fields)
        again = Script(accepts())
        sending(again, to, SqliteJournal(path), message=TEMPLATE, resend_unknown=True)
        assert said(again) == [("尊敬的赵，您的包裹1已到。", mobiles(1, 1))]

    @pytest.mark.parametrize(
        "other",
        [
            Template(Notice, "尊敬的{name}，您的包裹{code}到了。"),
            Template(Notice, "尊敬的{code}，您的包裹{name}已到。"),
            Template(Marketing, TEMPLATE.content),
            Template(Notice, TEMPLATE.content, interactive=True),
            Notice(TEMPLATE.content),
            Notice("尊敬的x，您的包裹x已到。"),
        ],
        ids=repr,
    )
    def test_another_template(self, tmp_path: Path, other: Any) -> None:
        """Another template, or a message with the same words, cannot use the journal."""
        path = tmp_path / "run.db"
        sending(Script(accepts()), [person(0)], SqliteJournal(path), message=TEMPLATE)
        with pytest.raises(JournalError, match=r"another message \(a Notice\)"):
            sending(Script(accepts()), [person(0)], SqliteJournal(path), message=other)


@frozen
class Run:
    """One run of a campaign: the people, the steps of the service, and the ways in which the run can end."""

    people: list[Recipient]
    script: Script
    max_calls: int | None
    hours: CallingHours | None
    deadline: float | None
    leaves_after: int | None
    closes: bool
    max_concurrency: int
    limit: RateLimit | None

    def told(self, **options: Any) -> list[Any]:
        """Send in virtual time, and list the outcomes that came out."""
        told: list[Any] = []

        async def main(voice: AsyncEmayVoice) -> None:
            limits: dict[str, Any] = {
                "deadline": self.deadline,
                "max_calls": self.max_calls,
                "hours": self.hours,
            }
            async with aclosing(
                voice.send_batches(SMALL, iter(self.people), **limits, **options)
            ) as outcomes:
                while self.leaves_after is None or len(told) < self.leaves_after:
                    outcome = await anext(outcomes, None)
                    if outcome is None:
                        return
                    told.append(outcome)
                    if self.closes and len(told) == 2:
                        await voice.aclose()

        with_voice(
            self.script,
            main,
            clock=clock,
            timeout=5.0,
            max_concurrency=self.max_concurrency,
            rate_limits=RateLimits(send=self.limit),
        )
        return told

    def check(self, told: list[Any]) -> None:
        """Compare the outcomes with the input, and the requests with the words of each recipient."""
        named = Counter(one.mobile for outcome in told for one in outcome.recipients)
        given_ = Counter(one.mobile for one in self.people)
        assert named <= given_
        assert named == given_ or self.leaves_after is not None
        assert [outcome.index for outcome in told] == list(range(len(told)))
        words = {(one.mobile, f"{one.fields.get('name')}您好，{{1}}") for one in self.people}
        # A request that is made again counts once.
        requests = {(content, tuple(numbers)) for content, numbers in said(self.script)}
        for content, numbers in requests:
            assert len(numbers) <= 3
            assert words >= {(number, content) for number in numbers}
        assert self.max_calls is None or sum(len(numbers) for _, numbers in requests) <= self.max_calls


RUNS = st.builds(
    Run,
    people=st.lists(
        st.builds(
            lambda place, name: Recipient(mobiles(1, place)[0], fields={"name": name} if name else None),
            st.integers(0, 11),
            st.sampled_from(["张三", "李四", "王五", "张三", ""]),
        ),
        max_size=16,
    ),
    script=st.lists(
        st.sampled_from(
            [
                accepts(),
                accepts(after=2.0),
                code("ERROR_MOBILE_ERROR", after=1.0),
                code("ERROR_BLANCE"),
                raises(httpx.ConnectError("...")),
                raises(httpx.ReadError("..."), after=1.0),
                hangs,
            ]
        ),
        max_size=6,
    ).map(lambda steps: Script(*steps, accepts())),
    max_calls=st.none() | st.integers(1, 12),
    hours=st.sampled_from([None, CallingHours("08:00-20:00")]),
    deadline=st.sampled_from([None, 1.5, 60.0]),
    leaves_after=st.none() | st.integers(0, 6),
    closes=st.booleans(),
    max_concurrency=st.integers(1, 4),
    limit=st.sampled_from([None, RateLimit(1, 1.0)]),
)


class TestOneOutcome:
    """Each recipient is named in exactly one outcome."""

    @pytest.mark.slow
    @settings(max_examples=150)
    @given(data=st.data(), with_journal=st.booleans(), repeats=st.booleans())
    def test_under_faults(self, data: st.DataObject, with_journal: bool, repeats: bool) -> None:
        """With faults, caps, hours, deadlines, early ends and resumption: one outcome each, and the own words."""
        accepted: Counter[str] = Counter()
        with TemporaryDirectory() as folder:
            for _ in range(data.draw(st.integers(1, 3), "runs")):
                if with_journal:
                    journal = SqliteJournal(Path(folder) / "run.db")
                else:
                    journal = None
                    accepted.clear()
                run = data.draw(RUNS)
                told = run.told(journal=journal, allow_duplicates=repeats)
                for outcome in told:
                    if isinstance(outcome, Accepted) and not outcome.recorded:
                        accepted.update(one.mobile for one in outcome.recipients)
                    elif not isinstance(outcome, Accepted):
                        assert isinstance(outcome.error, EmayVoiceError)
                assert repeats or max(accepted.values(), default=0) <= 1
                run.check(told)
