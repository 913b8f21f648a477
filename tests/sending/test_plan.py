"""Plans, and sends that do as planned."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from support.campaigns import EPOCH, MESSAGE, clock, posted, with_voice
from support.http_transport import Script, accepts, code, fields_of, raises
from support.virtual_time import now, run

from emay_voice_async import (
    Accepted,
    AsyncEmayVoice,
    Notice,
    NotSent,
    NotSentError,
    RateLimit,
    RateLimits,
    Recipient,
    Template,
    Unknown,
    VerificationCode,
)
from emay_voice_async.errors import DuplicateError, InvalidRequestError
from emay_voice_async.journal.null_journal import NullRun
from emay_voice_async.journal.session import Sorter
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.pacing.window import tolerance
from emay_voice_async.sending.hours import CallingHours
from emay_voice_async.sending.plan import SHOWN, Count, count, plan_of
from emay_voice_async.sending.reading import RecipientReader


def planned(found: Count, **options: Any) -> Any:
    """Make a plan of a count."""
    return plan_of(
        found,
        **{
            "size": 500,
            "duplicates_are_sent": False,
            "max_calls": None,
            "limit": None,
            "hours": None,
            "now": 0.0,
            "balance": None,
            "price": None,
            **options,
        },
    )


class TestPlanOf:
    """A count becomes a plan."""

    @pytest.mark.parametrize(("fresh", "requests"), [(0, 0), (1, 1), (500, 1), (501, 2), (10**9, 2 * 10**6)])
    def test_requests(self, fresh: int, requests: int) -> None:
        """As many requests as full batches take, and the rest."""
        plan = planned(Count(fresh=fresh))
        assert (plan.numbers, plan.requests, plan.seconds) == (fresh, requests, 0.0)

    @pytest.mark.parametrize(
        ("most", "numbers", "over"), [(None, 10, 0), (9, 9, 1), (10, 10, 0), (11, 10, 0)]
    )
    def test_max_calls(self, most: int | None, numbers: int, over: int) -> None:
        """Numbers beyond the bound are left out, and cost no money."""
        plan = planned(Count(fresh=10), max_calls=most, price=Decimal("0.1"))
        assert (plan.numbers, plan.over_max_calls, plan.cost) == (numbers, over, Decimal(numbers) / 10)

    def test_duplicates(self) -> None:
        """Duplicates are sent without a journal, and not sent with a journal."""
        assert planned(Count(fresh=3, duplicates=2)).numbers == 3
        assert planned(Count(fresh=3, duplicates=2), duplicates_are_sent=True).numbers == 5

    def test_time(self) -> None:
        """The limit takes time, the calling hours take more; an empty send takes no time."""
        limit, hours = RateLimit(1, 60.0), CallingHours("08:00-20:00")
        period = 60 + tolerance(60)
        found = Count(fresh=1500)
        assert planned(found, limit=limit).seconds == 2 * period
        assert planned(found, limit=limit, hours=hours, now=-3600.0).seconds == pytest.approx(
            3600 + 2 * period
        )
        assert planned(Count(), limit=limit, hours=hours, now=-3600.0).seconds == 0

    def test_texts(self) -> None:
        """Of a template, the plan has the different texts, the first three and the longest, and shows none."""
        template = Template(Notice, "{name}")
        names = ["a", "b", "a", "ccc", "d", "b", "ee"]
        to = [Recipient(f"138{place:08}", fields={"name": name}) for place, name in enumerate(names)]

        async def main(voice: AsyncEmayVoice) -> None:
            plan = await voice.plan(template, to, ask_balance=False)
            assert (plan.numbers, plan.texts, plan.requests) == (7, 5, 5)
            assert [one.content for one in plan.samples] == ["a", "b", "ccc"]
            assert plan.longest == Notice("ccc")
            assert "ccc" not in repr(plan)
            assert "samples=<3>" in repr(plan)
            capped = await voice.plan(template, to, ask_balance=False, max_calls=3)
            assert (capped.numbers, capped.texts, capped.requests, capped.over_max_calls) == (3, 2, 2, 4)
            assert capped.longest == Notice("a")
            empty = await voice.plan(template, [], ask_balance=False)
            assert (empty.texts, empty.requests, empty.samples, empty.longest) == (0, 0, (), None)

        with_voice(Script(accepts()), main)

    def test_only_so_many_errors_are_held(self) -> None:
        """Of a file of wrong lines the first are shown, and all are counted."""

        async def main() -> Count:
            sorter = Sorter(NullRun().look, allow_duplicates=False, resend_unknown=False)
            found = await count(RecipientReader(iter(["bad"] * (SHOWN + 5)), 500, tolerant=True), sorter)
            sorter.close()
            return found

        found = run(main())
        assert found.invalid_count == SHOWN + 5
        assert [error.position for error in found.invalid] == list(range(SHOWN))


MOBILE = st.integers(0, 7).map(lambda number: f"138{number:08}")
FIELDS = st.sampled_from([None, {}, {"name": "张三"}, {"name": "李四", "more": ""}, {"name": "\n"}])
ENTRY = st.one_of(
    MOBILE,
    MOBILE,
    st.just("bad"),
    st.builds(Recipient, MOBILE, st.sampled_from(["a", "b", "a,b", "c" * 65]), FIELDS),
)
TEMPLATE = Template(Notice, "{name}，您的快递已到")
STEPS = [accepts(), code("ERROR_MOBILE_ERROR"), raises(httpx.ReadError("..."))]


class TestAgreement:
    """A plan, and the same send afterwards."""

    @settings(max_examples=120)
    @given(data=st.data(), message=st.sampled_from([MESSAGE, VerificationCode("4711"), TEMPLATE]))
    def test_the_send_does_what_was_planned(self, data: st.DataObject, message: Any) -> None:
        """For any input and journal the send has the planned numbers, and planning writes no file."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "run.db"
            options: dict[str, Any] = {"max_calls": data.draw(st.one_of(st.none(), st.integers(1, 9)))}
            with_journal = data.draw(st.booleans())
            repeats = data.draw(st.booleans())
            if with_journal:
                before = data.draw(st.lists(ENTRY, max_size=8))
                steps = data.draw(st.permutations(STEPS))

                async def earlier(voice: AsyncEmayVoice) -> None:
                    journal = SqliteJournal(path)
                    async for _ in voice.send_batches(
                        message, iter(before), journal=journal, allow_duplicates=repeats
                    ):
                        pass

                if before:
                    with_voice(Script(*steps), earlier)
                options |= {"journal": SqliteJournal(path), "resend_unknown": data.draw(st.booleans())}
            options["allow_duplicates"] = repeats
            to = data.draw(st.lists(ENTRY, max_size=12))
            allowed = data.draw(st.one_of(st.none(), st.sets(MOBILE, max_size=8)))
            script = Script(accepts())

            async def main(voice: AsyncEmayVoice) -> None:
                content = path.read_bytes() if path.exists() else None
                plan = await voice.plan(message, iter(to), ask_balance=False, **options)
                assert [one.name for one in Path(folder).iterdir()] == (["run.db"] if content else [])
                assert content is None or path.read_bytes() == content
                assert not script.requests
                if allowed is None:
                    # A list is found the same in as a stream.
                    stricter = Counter(one.custom_id for one in to if isinstance(one, Recipient))
                    if max(stricter.values(), default=0) <= 1:
                        of_list = await voice.plan(message, to, ask_balance=False, **options)
                        assert evolve(of_list, invalid=()) == evolve(plan, invalid=())
                        assert list(map(str, of_list.invalid)) == list(map(str, plan.invalid))
                outcomes = [one async for one in voice.send_batches(message, iter(to), **options)]
                told = Counter[str]()
                for outcome in outcomes:
                    told[_name(outcome)] += len(outcome.recipients)
                numbers = sum(posted(script).values())
                assert plan.numbers == numbers == told["sent"]
                assert plan.requests == len(script.requests)
                assert plan.invalid_count == len(plan.invalid) == told["invalid"]
                if with_journal or not repeats:
                    assert plan.duplicates == told["repeated"]
                assert plan.accepted_before == told["accepted before"]
                assert plan.unknown_before == told["unknown before"]
                assert plan.over_max_calls == told["over"]
                contents = {fields_of(request)["content"] for request in script.requests}
                assert plan.texts == len(contents)
                assert {one.content for one in plan.samples} <= contents
                assert len(plan.samples) == (min(len(contents), 3) if message is TEMPLATE else 0)

            with_voice(script, main, allow_only=allowed)

    @settings(max_examples=40)
    @given(number=st.integers(0, 40), limit=st.builds(RateLimit, st.integers(1, 9), st.floats(0.5, 100)))
    def test_the_time_that_it_takes(self, number: int, limit: RateLimit) -> None:
        """When answers take no time, the last request leaves as planned."""
        script = Script(accepts())
        to = [f"138{one:08}" for one in range(number)]

        async def main(voice: AsyncEmayVoice) -> None:
            plan = await voice.plan(VerificationCode("4711"), to, ask_balance=False)
            began = now()
            async for _ in voice.send_batches(VerificationCode("4711"), to):
                pass
            last = script.at[-1] if script.at else began
            assert last - began == pytest.approx(plan.seconds, abs=0.01)

        with_voice(script, main, rate_limits=RateLimits(send=limit))

    @pytest.mark.parametrize(
        ("hours", "wait"), [("07:00-20:00", 0), ("09:00-20:00", 3600), ("20:00-07:59", 43200)]
    )
    def test_it_begins_when_people_may_be_called(self, hours: str, wait: int) -> None:
        """The time until the calling hours begin is part of the plan."""
        script = Script(accepts())

        async def main(voice: AsyncEmayVoice) -> None:
            options: dict[str, Any] = {"hours": CallingHours(hours)}
            plan = await voice.plan(MESSAGE, ["13800000000"], ask_balance=False, **options)
            began = now()
            await voice.send(MESSAGE, ["13800000000"], **options)
            assert script.at[-1] - began == plan.seconds == wait

        with_voice(script, main, clock=clock)
        assert EPOCH % 86_400 == 86_400 - 1000


def _name(outcome: Any) -> str:
    if getattr(outcome, "recorded", False):
        return {Accepted: "accepted before", Unknown: "unknown before"}[type(outcome)]
    if not isinstance(outcome, NotSent):
        return "sent"
    if isinstance(outcome.error, DuplicateError):
        return "repeated"
    if isinstance(outcome.error, InvalidRequestError):
        return "invalid"
    assert isinstance(outcome.error, NotSentError)
    return "over"
