"""Batches to outcomes with a journal and calling hours: no number twice, and no number lost."""

import asyncio
import gc
import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.campaigns import (
    EPOCH,
    MESSAGE,
    clock,
    ids_of,
    kinds,
    mobiles,
    outcomes_of,
    posted,
    sending,
    stored,
    voice_over,
    with_voice,
)
from support.http_transport import Script, Step, accepts, answers, code, hangs, raises
from support.journal_spy import Watched
from support.virtual_time import CancellingLoop, VirtualLoop, cancel_everywhere, now, run

from emay_voice_async import (
    Accepted,
    AsyncEmayVoice,
    Notice,
    NotSent,
    NotSentError,
    RateLimit,
    RateLimits,
    Recipient,
    Refused,
    SendError,
    SendResult,
    Unknown,
    VerificationCode,
)
from emay_voice_async.errors import DuplicateError, JournalError
from emay_voice_async.journal.sqlite import _LIVE, SqliteJournal
from emay_voice_async.model.endpoints import Call
from emay_voice_async.model.results import Outcome
from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.pacing.protocol import Lease
from emay_voice_async.sending.hours import CallingHours
from emay_voice_async.testing.journal.values import PURPOSE, claim, keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal that does not exist yet."""
    return tmp_path / "run.db"


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    if left:
        # A loop that was torn down may leave the journal to the garbage collector.
        gc.collect()
    for thread in left:
        thread.join(10)
        assert not thread.is_alive()


class TestResumption:
    """The same call again."""

    def test_accepted_numbers_are_never_sent_again(self, path: Path) -> None:
        """A second run posts no request, and the outcomes hold the tickets of the first run."""
        script = Script(accepts())
        first = sending(script, mobiles(1234), SqliteJournal(path))
        again = sending(script, mobiles(1234), SqliteJournal(path))
        assert kinds(first) == [(Accepted, 500, False), (Accepted, 500, False), (Accepted, 234, False)]
        assert kinds(again) == [(Accepted, 500, True), (Accepted, 500, True), (Accepted, 234, True)]
        assert [one.tickets for one in again] == [one.tickets for one in first]
        assert [one.index for one in again] == [0, 1, 2]
        assert len(script.requests) == 3

    @pytest.mark.parametrize(
        "message", [MESSAGE, VerificationCode("4711")], ids=["Notice", "VerificationCode"]
    )
    def test_refused_and_unsent_numbers_are_sent(self, path: Path, message: Any) -> None:
        """The next run sends exactly the refused and the unsent numbers."""
        size = message.endpoint.max_batch
        script = Script(
            accepts(), code("ERROR_MOBILE_ERROR"), *[raises(httpx.ConnectError("..."))] * 3, accepts()
        )
        first = sending(script, mobiles(4 * size), SqliteJournal(path), message=message, max_concurrency=1)
        assert [type(one) for one in first] == [Accepted, Refused, NotSent, Accepted]
        again = Script(accepts())
        sending(again, mobiles(4 * size), SqliteJournal(path), message=message)
        assert posted(again) == Counter(mobiles(2 * size, size))
        assert {state for state, _ in stored(path).values()} == {"accepted"}

    def test_an_edited_and_reordered_input(self, path: Path) -> None:
        """Numbers are known at any place of the input: new numbers are called, removed numbers are not missed."""
        script = Script(accepts())
        sending(script, mobiles(600), SqliteJournal(path))
        edited = mobiles(300, 900) + mobiles(500, 100)[::-1]
        again = Script(accepts())
        outcomes = sending(again, iter(edited), SqliteJournal(path))
        assert posted(again) == Counter(mobiles(300, 900))
        assert Counter(one.mobile for outcome in outcomes for one in outcome.recipients) == Counter(edited)
        assert [one.mobile for outcome in outcomes if outcome.recorded for one in outcome.recipients] == (
            mobiles(500, 100)[::-1]
        )

    def test_a_process_that_died_in_flight(self, path: Path) -> None:
        """A batch in flight at the crash is unknown; ``resend_unknown`` sends it under the same custom ids."""
        script = Script(accepts(), hangs)

        async def main() -> None:
            http_client = script.client()
            voice = voice_over(script, http_client)
            outcomes = voice.send_batches(MESSAGE, mobiles(1000), journal=journal)
            assert isinstance(await anext(outcomes), Accepted)
            await asyncio.sleep(1)
            kept.extend([voice, http_client, outcomes, asyncio.all_tasks()])

        kept: list[Any] = []
        journal = SqliteJournal(path)
        loop = VirtualLoop()
        loop.run_until_complete(main())
        # No task is cancelled and no resource is closed, as if the process were killed.
        _LIVE.clear()
        lost = ids_of(script.requests[1])
        assert stored(path)[mobiles(1, 500)[0]] == ("under way", lost[mobiles(1, 500)[0]])
        again = Script(accepts())
        outcomes = sending(again, mobiles(1000), SqliteJournal(path))
        assert kinds(outcomes) == [(Accepted, 500, True), (Unknown, 500, True)]
        assert {one.mobile: one.custom_id for one in outcomes[1].recipients} == lost
        assert "its reports will settle it" in str(outcomes[1].error)
        assert not again.requests
        outcomes = sending(again, mobiles(1000), SqliteJournal(path), resend_unknown=True)
        assert kinds(outcomes) == [(Accepted, 500, True), (Accepted, 500, False)]
        [request] = again.requests
        assert ids_of(request) == lost
        _bury(loop, journal)
        kept.clear()

    def test_the_callers_own_ids(self, path: Path) -> None:
        """The caller's own custom id is sent and stored, a changed id as well."""
        script = Script(code("ERROR_MOBILE_ERROR"), accepts())
        sending(script, [Recipient("13800000000", "mine"), "13800000001"], SqliteJournal(path))
        made = ids_of(script.requests[0])["13800000001"]
        sending(script, ["13800000000", Recipient("13800000001", "new")], SqliteJournal(path))
        assert ids_of(script.requests[1]) == {"13800000000": "mine", "13800000001": "new"}
        assert made != "new"
        assert stored(path)["13800000001"] == ("accepted", "new")

    @pytest.mark.slow
    @pytest.mark.parametrize("size", [1, 500])
    def test_duplicates_are_called_once(self, path: Path, size: int) -> None:
        """A number that comes again in the same input is called once, and the error has the position."""
        message = MESSAGE if size == 500 else VerificationCode("4711")
        to = [*mobiles(3), Recipient("13800000001", "again"), *mobiles(600), "13800000002"]
        script = Script(accepts())
        outcomes = sending(script, to, SqliteJournal(path), message=message)
        assert posted(script) == Counter(mobiles(600))
        repeated = [one for one in outcomes if isinstance(one, NotSent)]
        assert {type(one.error) for one in repeated} == {DuplicateError}
        assert getattr(repeated[0].error, "position", None) == 3
        assert sum(len(one.recipients) for one in repeated) == 5
        given = [getattr(one, "mobile", one) for one in to]
        assert Counter(one.mobile for outcome in outcomes for one in outcome.recipients) == Counter(given)

    def test_duplicates_are_allowed(self, path: Path) -> None:
        """Each entry is called once: the same entry again, the same number under another id, over all runs."""
        to = ["13800000000", "13800000000", Recipient("13800000000", "a"), "13800000001"]
        script = Script(accepts())
        sending(script, to, SqliteJournal(path), allow_duplicates=True)
        assert posted(script) == Counter({"13800000000": 3, "13800000001": 1})
        again = Script(accepts())
        sending(again, [*to[::-1], "13800000000"], SqliteJournal(path), allow_duplicates=True)
        assert posted(again) == Counter({"13800000000": 1})

    def test_duplicates_do_not_make_a_send_fail(self, path: Path) -> None:
        """``send`` returns when all other numbers were accepted; the duplicate is in the result."""

        async def main(voice: AsyncEmayVoice) -> SendResult:
            return await voice.send(MESSAGE, ["13800000000"] * 2, journal=SqliteJournal(path))

        result = with_voice(Script(accepts()), main)
        assert len(result.tickets) == 1
        assert len(result.not_sent) == 1

    def test_an_unknown_one_makes_a_send_fail(self, path: Path) -> None:
        """``send`` raises for a number that an earlier run left unknown, and the result holds the number."""
        sending(Script(raises(httpx.ReadError("..."))), mobiles(1), SqliteJournal(path))

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(SendError) as caught:
                await voice.send(MESSAGE, mobiles(2), journal=SqliteJournal(path))
            [unknown] = caught.value.result.unknown
            assert unknown.recorded
            assert caught.value.__cause__ is unknown.error
            assert len(caught.value.result.tickets) == 1

        with_voice(Script(accepts()), main)

    def test_recorded_calls_are_not_counted(self, path: Path) -> None:
        """The statistics count the calls of this client, not the calls of an earlier run."""
        sending(Script(accepts(), raises(httpx.ReadError("..."))), mobiles(1000), SqliteJournal(path))

        async def main(voice: AsyncEmayVoice) -> None:
            assert len(await outcomes_of(voice, mobiles(1000), SqliteJournal(path))) == 2
            assert (voice.stats.requests, voice.stats.accepted, voice.stats.unknown) == (0, 0, 0)

        with_voice(Script(accepts()), main)

    @pytest.mark.parametrize(
        "options", [{"message": Notice("另一个")}, {"allow_duplicates": True}, {"app_id": "other"}]
    )
    def test_another_campaigns_journal(self, path: Path, options: dict[str, Any]) -> None:
        """A journal of another purpose is refused on the first iteration, before anything is sent."""
        sending(Script(accepts()), mobiles(1), SqliteJournal(path))
        script = Script(accepts())
        own = {"app_id": options.pop("app_id")} if "app_id" in options else {}
        before = stored(path)

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(JournalError):
                await outcomes_of(voice, mobiles(10), SqliteJournal(path), **options)
            with pytest.raises(JournalError):
                await voice.send(
                    options.get("message", MESSAGE),
                    mobiles(10),
                    journal=SqliteJournal(path),
                    **{name: value for name, value in options.items() if name != "message"},
                )

        with_voice(script, main, **own)
        assert not script.requests
        assert stored(path) == before


def _bury(loop: VirtualLoop, journal: SqliteJournal) -> None:
    """End the tasks that a crash has left in this process."""
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.run_until_complete(journal.aclose())
    loop.close()


class TestClaims:
    """The content of the disk at each moment."""

    def test_the_claim_is_on_the_disk_before_the_request(self, path: Path) -> None:
        """At the moment of posting, a reader of the file finds the batch claimed under the custom ids."""
        accept, seen = accepts(0.5), 0

        async def step(request: httpx.Request) -> httpx.Response:
            nonlocal seen
            found = stored(path)
            for mobile, custom_id in ids_of(request).items():
                assert found[mobile] == ("under way", custom_id)
            seen += 1
            return await accept(request)

        outcomes = sending(Script(step), mobiles(1700), SqliteJournal(path), max_concurrency=2)
        assert {type(one) for one in outcomes} == {Accepted}
        assert seen == 4

    def test_the_outcome_is_on_the_disk_before_it_comes_out(self, path: Path) -> None:
        """An outcome is on the disk before the caller gets it, by iteration or by ``on_outcome``."""
        script = Script(accepts(1), code("ERROR_MOBILE_ERROR"), raises(httpx.ReadError("...")), accepts())
        expected = {Accepted: "accepted", Refused: "refused", Unknown: "unknown"}
        checked = Counter[type]()

        def check(outcome: Any) -> None:
            found = stored(path)
            for one in outcome.recipients:
                assert found[one.mobile] == (expected[type(outcome)], one.custom_id)
            checked[type(outcome)] += 1

        async def main(voice: AsyncEmayVoice) -> None:
            async for outcome in voice.send_batches(MESSAGE, mobiles(2000), journal=SqliteJournal(path)):
                check(outcome)
            with pytest.raises(SendError):
                await voice.send(
                    MESSAGE,
                    mobiles(500, 3000),
                    journal=SqliteJournal(path),
                    on_outcome=check,
                    allow_duplicates=False,
                )

        script.steps.insert(4, raises(httpx.ReadError("...")))
        with_voice(script, main)
        assert checked == {Accepted: 2, Refused: 1, Unknown: 2}

    @pytest.mark.parametrize(
        ("late", "state"),
        [
            (accepts(40), "accepted"),
            (code("ERROR_MOBILE_ERROR", after=40), "refused"),
            (answers(b"<html>", after=40), "unknown"),
            (hangs, "unknown"),
        ],
    )
    def test_an_answer_that_comes_late(self, path: Path, late: Step, state: str) -> None:
        """An answer after the timeout is unknown to the caller, and still settles the journal."""

        async def main(voice: AsyncEmayVoice) -> None:
            journal = SqliteJournal(path)
            [outcome] = await outcomes_of(voice, mobiles(3), journal)
            assert isinstance(outcome, Unknown)
            assert {one for one, _ in stored(path).values()} == {"unknown"}

        with_voice(Script(late), main)
        assert {one for one, _ in stored(path).values()} == {state}
        again = Script(accepts())
        sending(again, mobiles(3), SqliteJournal(path))
        assert bool(again.requests) is (state == "refused")

    def test_a_late_answer_that_cannot_be_written(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A late outcome that cannot be written is logged, and the numbers remain unknown."""
        journal = SqliteJournal(path)

        async def main(voice: AsyncEmayVoice) -> None:
            await outcomes_of(voice, mobiles(3), journal)
            path.rename(path.with_name("moved.db"))

        with_voice(Script(accepts(40)), main)
        assert "could not be written down" in caplog.text
        assert "13800000000" not in caplog.text

    @pytest.mark.parametrize(
        "step",
        [code("ERROR_OVER_SPEED", after=1), raises(httpx.ConnectError("..."), 1)],
        ids=["speed", "connect"],
    )
    def test_a_retry_is_claimed_again(self, path: Path, step: Step) -> None:
        """A batch is claimed again before each retry, so that the claim covers the time of the new request."""
        claims: list[tuple[int, int]] = []
        accept = accepts()

        async def watching(request: httpx.Request) -> httpx.Response:
            with closing(sqlite3.connect(path)) as db:
                claims.append(db.execute("SELECT count(*), max(claim) FROM claims").fetchone())
                assert db.execute("SELECT DISTINCT claim, state FROM calls").fetchall() == [
                    (claims[-1][1], 0)
                ]
            return await (step if len(claims) < 3 else accept)(request)

        [outcome] = sending(Script(watching), mobiles(500), SqliteJournal(path))
        assert isinstance(outcome, Accepted)
        assert claims == [(1, 1), (2, 2), (3, 3)]

    def test_another_run_takes_it_between_two_attempts(self, path: Path) -> None:
        """A batch that another run has claimed before the retry is not posted again."""
        script = Script(code("ERROR_OVER_SPEED"), accepts())
        taken: list[bool] = []

        async def main(voice: AsyncEmayVoice) -> None:
            other = await SqliteJournal(path).start(PURPOSE)

            async def watch(what: str) -> None:
                if what == "begin" and script.requests:
                    taken.append(await other.begin(claim(keys(1))))

            [outcome] = await outcomes_of(voice, mobiles(2), Watched(SqliteJournal(path), watch))
            assert isinstance(outcome, Unknown)
            assert "another run of this journal is sending some of these numbers" in str(outcome.error)
            assert stored(path)[mobiles(1)[0]][0] == "not sent"
            await other.end()

        with_voice(script, main)
        assert taken == [True]
        assert len(script.requests) == 1

    @pytest.mark.slow
    def test_a_fatal_refusal_leaves_the_rest_unclaimed(self, path: Path) -> None:
        """After a refusal of the account no further batch is claimed, and the next run sends the rest."""
        script = Script(accepts(1), code("ERROR_SIGN", after=1), accepts(1))
        outcomes = sending(
            script, iter(mobiles(5000)), SqliteJournal(path), rate_limits=RateLimits(send=RateLimit(2, 60.0))
        )
        assert [type(one) for one in outcomes] == [Accepted, Refused] + [NotSent] * 8
        assert len(stored(path)) == 1000
        again = Script(accepts())
        sending(again, mobiles(5000), SqliteJournal(path))
        assert posted(again) == Counter(mobiles(4500, 500))


class TestTogether:
    """Several runs with the same journal."""

    @pytest.mark.slow
    @pytest.mark.parametrize("shared", [False, True])
    def test_two_runs_at_once(self, path: Path, shared: bool) -> None:
        """Two clients with the same input at the same time: each number is posted once."""
        script = Script(accepts(0.3))
        one_journal = SqliteJournal(path)

        async def send(voice: AsyncEmayVoice) -> list[Outcome]:
            return await outcomes_of(voice, mobiles(4000), one_journal if shared else SqliteJournal(path))

        async def main(voice: AsyncEmayVoice) -> None:
            async with script.client() as http_client, voice_over(script, http_client) as other:
                both = await asyncio.gather(send(voice), send(other), send(voice))
            for outcomes in both:
                numbers = Counter(one.mobile for outcome in outcomes for one in outcome.recipients)
                assert numbers == Counter(mobiles(4000))
            assert sum(len(one.recipients) for found in both for one in found if _is_new(one)) == 4000
            assert await outcomes_of(voice, mobiles(4000), SqliteJournal(path))
            assert posted(script) == Counter(mobiles(4000))

        with_voice(script, main, max_concurrency=2)
        assert {state for state, _ in stored(path).values()} == {"accepted"}

    def test_another_run_that_is_alive(self, path: Path) -> None:
        """A batch in flight in another run comes out as unknown, and ``resend_unknown`` does not send it either."""
        script = Script(accepts(10))

        async def main(voice: AsyncEmayVoice) -> None:
            first = asyncio.ensure_future(outcomes_of(voice, mobiles(3), SqliteJournal(path)))
            await asyncio.sleep(1)
            [outcome] = await outcomes_of(voice, mobiles(3), SqliteJournal(path), resend_unknown=True)
            assert kinds([outcome]) == [(Unknown, 3, True)]
            assert "at this moment" in str(outcome.error)  # type: ignore[union-attr]
            assert kinds(await first) == [(Accepted, 3, False)]

        with_voice(script, main)
        assert len(script.requests) == 1


def _is_new(outcome: Outcome) -> bool:
    return isinstance(outcome, Accepted) and not outcome.recorded


class TestTrouble:
    """A journal that fails, at each of the steps."""

    @pytest.mark.parametrize("error", [JournalError("broken"), OSError("odd")], ids=["ours", "odd"])
    def test_at_the_start(self, path: Path, error: Exception) -> None:
        """The error is raised on the first iteration, unchanged, and no request is sent."""
        script = Script(accepts())
        with pytest.raises(type(error)):
            sending(script, mobiles(10), Watched(SqliteJournal(path), failing("start", error)))
        assert not script.requests

    @pytest.mark.parametrize("error", [JournalError("broken"), OSError("odd")], ids=["ours", "odd"])
    @pytest.mark.parametrize("sized", [False, True])
    def test_when_it_is_looked_into(self, path: Path, error: Exception, sized: bool) -> None:
        """Every entry that was read has one outcome, no further request is sent, and the error comes at the end."""
        script = Script(accepts())
        journal = Watched(SqliteJournal(path), failing("look", error, skip=2))
        to = mobiles(250) + mobiles(100) + mobiles(2000, 250)

        async def main(voice: AsyncEmayVoice) -> None:
            outcomes: list[Any] = []
            with pytest.raises(JournalError):
                async for outcome in voice.send_batches(MESSAGE, to if sized else iter(to), journal=journal):
                    outcomes.append(outcome)  # noqa: PERF401 - kept when it fails
            numbers = Counter(one.mobile for outcome in outcomes for one in outcome.recipients)
            assert numbers == Counter(to[:1500])
            assert set(posted(script).values()) <= {1}

        with_voice(script, main)

    @pytest.mark.slow
    @pytest.mark.parametrize("error", [JournalError("broken"), OSError("odd")], ids=["ours", "odd"])
    def test_when_a_batch_is_claimed(self, path: Path, error: Exception) -> None:
        """The batch is not posted, the run stops, and the outcomes hold the reason."""
        script = Script(accepts())
        journal = Watched(SqliteJournal(path), failing("begin", error, skip=1))
        outcomes = sending(script, mobiles(5000), journal, max_concurrency=1)
        assert [type(one) for one in outcomes] == [Accepted] + [NotSent] * 9
        assert isinstance(outcomes[1].error, JournalError)
        assert "the send was stopped: the journal" in str(outcomes[2].error)
        assert posted(script) == Counter(mobiles(500))
        again = Script(accepts())
        sending(again, mobiles(5000), SqliteJournal(path))
        assert posted(again) == Counter(mobiles(4500, 500))

    @pytest.mark.slow
    @pytest.mark.parametrize("error", [JournalError("broken"), OSError("odd")], ids=["ours", "odd"])
    @pytest.mark.parametrize("last", [Accepted, Refused])
    def test_when_an_outcome_is_written(
        self, path: Path, error: Exception, last: type, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The outcome is told all the same, the run stops, and to the next run that batch is unknown."""
        script = Script(accepts() if last is Accepted else code("ERROR_MOBILE_ERROR"), accepts())
        journal = Watched(SqliteJournal(path), failing("close", error))
        outcomes = sending(script, mobiles(2000), journal, max_concurrency=1)
        assert [type(one) for one in outcomes] == [last] + [NotSent] * 3
        assert "could not be written down" in caplog.text
        again = Script(accepts())
        outcomes = sending(again, mobiles(2000), SqliteJournal(path))
        assert kinds(outcomes)[0] == (Unknown, 500, True)
        assert posted(again) == Counter(mobiles(1500, 500))

    def test_when_it_is_let_go(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A failing end of the journal is logged, and the outcomes are complete."""
        journal = Watched(SqliteJournal(path), failing("end", OSError("odd")))
        outcomes = sending(Script(accepts()), mobiles(10), journal)
        assert kinds(outcomes) == [(Accepted, 10, False)]
        assert "could not be closed" in caplog.text

    def test_a_repeat_that_cannot_be_claimed(self, path: Path) -> None:
        """A batch that was refused for speed and cannot be claimed again was not sent: that is certain."""
        script = Script(code("ERROR_OVER_SPEED"), accepts())
        journal = Watched(SqliteJournal(path), failing("close", JournalError("broken"), times=1))
        [outcome] = sending(script, mobiles(10), journal)
        assert isinstance(outcome, NotSent)
        assert isinstance(outcome.error, JournalError)
        assert {state for state, _ in stored(path).values()} == {"not sent"}

    @pytest.mark.parametrize(
        ("moment", "state"), [("hours", None), ("stamp", "not sent"), ("end", "unknown")]
    )
    def test_a_fault_of_our_own(self, path: Path, moment: str, state: str | None) -> None:
        """A fault in the client is not sent before the first byte and unknown after it, in the journal as well."""
        readings = 0

        def broken_clock() -> float:
            nonlocal readings
            readings += 1
            if readings <= {"hours": 1, "stamp": 3, "end": 0}[moment]:
                raise ZeroDivisionError
            return clock()

        class Failing(LocalPacer):
            async def acquire(self, call: Call, *, again: bool = False) -> Lease:
                return self

            def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
                if moment == "end":
                    raise ZeroDivisionError

            def give_back(self) -> None:
                pass

        async def main(voice: AsyncEmayVoice) -> None:
            # The hours are checked before the claim, the stamp is made after the claim.
            hours = CallingHours("00:00-24:00") if moment == "hours" else None
            [outcome] = await outcomes_of(voice, mobiles(3), SqliteJournal(path), hours=hours)
            assert isinstance(outcome, Unknown if moment == "end" else NotSent)
            assert {found for found, _ in stored(path).values()} == {state} - {None}

        with_voice(Script(accepts()), main, clock=broken_clock, pacer=Failing(RateLimits(send=None)))


def failing(
    what: str, error: Exception, *, skip: int = 0, times: int = 10**9
) -> Callable[[str], Awaitable[None]]:
    """Fail at this step, but for the first so many times."""
    count = 0

    async def watch(step: str) -> None:
        nonlocal count
        if step == what:
            count += 1
            if skip < count <= skip + times:
                raise error

    return watch


class TestLeaving:
    """Callers that leave, at any moment."""

    @pytest.mark.parametrize("by", ["send", "batches"])
    def test_cancelled_at_every_turn(self, by: str) -> None:
        """A send that is cancelled at any turn is completed by the next send: no number twice, and no number lost."""

        def scenario() -> Callable[[CancellingLoop], Awaitable[None]]:
            folder, message = TemporaryDirectory(), VerificationCode("4711")
            path = Path(folder.name) / "run.db"
            script = Script(
                accepts(0.05), code("ERROR_OVER_SPEED"), raises(httpx.ConnectError("...")), accepts(0.05)
            )

            async def first(voice: AsyncEmayVoice) -> None:
                to = mobiles(5)
                if by == "send":
                    await voice.send(message, to, journal=SqliteJournal(path))
                else:
                    async with aclosing(
                        voice.send_batches(message, to, journal=SqliteJournal(path))
                    ) as found:
                        async for _ in found:
                            pass

            async def play(loop: CancellingLoop) -> None:
                limits = RateLimits(send=RateLimit(2, 0.1))
                async with script.client() as http_client:
                    options: dict[str, Any] = {"rate_limits": limits, "max_concurrency": 2}
                    async with voice_over(script, http_client, **options) as voice:
                        loop.victim = asyncio.ensure_future(first(voice))
                        await asyncio.wait([loop.victim])
                        if loop.victim.cancelled():
                            # While some of the first is still under way, and after that.
                            await outcomes_of(voice, mobiles(5), SqliteJournal(path), message=message)
                    async with voice_over(script, http_client, **options) as voice:
                        result = await voice.send(message, mobiles(5), journal=SqliteJournal(path))
                assert sorted(ticket.mobile for ticket in result.tickets) == mobiles(5)
                assert sorted(one.name for one in path.parent.iterdir()) == ["run.db"]
                assert {state for state, _ in stored(path).values()} == {"accepted"}
                taken = [ids_of(one) for place, one in enumerate(script.requests) if place not in (1, 2)]
                assert Counter(mobile for ids in taken for mobile in ids) == Counter(mobiles(5))
                left = asyncio.all_tasks() - {asyncio.current_task()}
                assert not left
                folder.cleanup()

            return play

        assert cancel_everywhere(scenario) > 30

    @pytest.mark.parametrize("posted_first", [False, True])
    def test_torn_down_while_it_is_called_off(self, path: Path, posted_first: bool) -> None:
        """A request in flight when the loop is torn down is unknown, even if the caller had left before."""
        script = Script(hangs if posted_first else accepts(), hangs)

        async def main() -> None:
            voice = voice_over(script, script.client())
            batches = voice.send_batches(MESSAGE, mobiles(500), journal=SqliteJournal(path))
            going = asyncio.ensure_future(anext(batches))
            await asyncio.sleep(1)
            going.cancel()
            await asyncio.wait([going])
            # The client is not closed: the end of the loop cancels every task.

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(main())
        again = Script(accepts())
        [outcome] = sending(again, mobiles(500), SqliteJournal(path))
        assert kinds([outcome]) == [(Unknown if posted_first else Accepted, 500, True)]
        assert not again.requests

    @pytest.mark.parametrize("first", [False, True])
    def test_torn_down_under_way(self, path: Path, first: bool) -> None:
        """When every task is cancelled, in any order, no task and no open journal is left."""

        async def watch(what: str) -> None:
            if what == "end":
                await asyncio.sleep(5)

        async def main() -> None:
            voice = voice_over(Script(hangs), Script(accepts(), hangs).client())
            journal = Watched(SqliteJournal(path), watch)
            going = asyncio.ensure_future(outcomes_of(voice, mobiles(1500), journal))
            await asyncio.sleep(1)
            others = asyncio.all_tasks() - {asyncio.current_task(), going}
            # As the end of a loop does, which waits for no task that is made later.
            for task in [going, *others] if first else [*others, going]:
                task.cancel()
            await asyncio.wait([going, *others])
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert sorted(one.name for one in path.parent.iterdir()) == ["run.db"]

        run(main())
        again = sending(Script(accepts()), mobiles(1500), SqliteJournal(path))
        assert kinds(again) == [(Accepted, 500, True), (Unknown, 500, True), (Unknown, 500, True)]

    def test_torn_down_while_it_is_claimed(self, path: Path) -> None:
        """A batch that was being claimed when the loop was torn down was not sent, and is free."""
        script = Script(accepts())
        journal: list[str] = []

        async def watch(what: str) -> None:
            journal.append(what)
            if what == "began":
                await asyncio.Event().wait()

        async def main() -> None:
            voice = voice_over(script, script.client())
            going = asyncio.ensure_future(
                outcomes_of(voice, mobiles(500), Watched(SqliteJournal(path), watch))
            )
            await asyncio.sleep(1)
            assert not going.done()

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(main())
        assert not script.requests
        assert {state for state, _ in stored(path).values()} == {"not sent"}
        outcomes = sending(script, mobiles(500), SqliteJournal(path))
        assert kinds(outcomes) == [(Accepted, 500, False)]

    def test_a_claim_that_cannot_be_taken_back(self, path: Path) -> None:
        """When that fails as well, the cancellation goes on, and the batch is unknown to the next run."""

        async def watch(what: str) -> None:
            if what == "began":
                await asyncio.Event().wait()
            if what == "close":
                raise JournalError("broken")

        async def main() -> None:
            voice = voice_over(Script(accepts()), Script(accepts()).client())
            going = asyncio.ensure_future(outcomes_of(voice, mobiles(5), Watched(SqliteJournal(path), watch)))
            await asyncio.sleep(1)
            assert not going.done()

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(main())
        assert kinds(sending(Script(accepts()), mobiles(5), SqliteJournal(path))) == [(Unknown, 5, True)]

    def test_stopped_while_it_is_claimed(self, path: Path) -> None:
        """A send that stops while a batch is being claimed takes the claim back, and the batch is not sent."""
        held = 0

        async def watch(what: str) -> None:
            nonlocal held
            if what == "began":
                held += 1
                if held == 2:
                    await asyncio.sleep(5)

        script = Script(code("ERROR_SIGN", after=1))
        journal = Watched(SqliteJournal(path), watch)
        outcomes = sending(script, mobiles(1000), journal, max_concurrency=2)
        assert [type(one) for one in outcomes] == [Refused, NotSent]
        assert len(script.requests) == 1
        assert Counter(state for state, _ in stored(path).values()) == {"refused": 500, "not sent": 500}

    def test_a_generator_without_iteration(self, path: Path) -> None:
        """A send that is not iterated makes no journal, no task and no request."""

        async def main(voice: AsyncEmayVoice) -> None:
            voice.send_batches(MESSAGE, mobiles(3), journal=SqliteJournal(path))
            await asyncio.sleep(1)

        script = Script(accepts())
        with_voice(script, main)
        gc.collect()
        assert not path.exists()
        assert not script.requests

    def test_a_generator_without_closing(self, path: Path) -> None:
        """A loop that is left without closing releases the journal when the event loop ends."""
        script = Script(accepts(1))

        async def main(voice: AsyncEmayVoice) -> None:
            async for _ in voice.send_batches(MESSAGE, mobiles(2000), journal=SqliteJournal(path)):
                break

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:

            async def living() -> None:
                async with script.client() as http_client, voice_over(script, http_client) as voice:
                    await main(voice)

            runner.run(living())
        assert sorted(one.name for one in path.parent.iterdir()) == ["run.db"]
        again = Script(accepts())
        sending(again, mobiles(2000), SqliteJournal(path))
        assert posted(again) + posted(script) == Counter(mobiles(2000))

    @pytest.mark.parametrize("moment", ["start", "look", "begin", "began", "close"])
    @pytest.mark.parametrize("how", ["close", "deadline", "leave"])
    def test_at_each_step_of_the_journal(self, path: Path, moment: str, how: str) -> None:
        """Closed, out of time or left while the journal is at work: no further request is sent."""
        reached = asyncio.Event()

        async def watch(what: str) -> None:
            if what == moment:
                reached.set()
                await asyncio.sleep(10)

        script = Script(accepts())
        journal = Watched(SqliteJournal(path), watch)

        async def main(voice: AsyncEmayVoice) -> None:
            nonlocal reached
            reached = asyncio.Event()
            options = {"deadline": 5} if how == "deadline" else {}
            going = asyncio.ensure_future(outcomes_of(voice, mobiles(500), journal, **options))
            await reached.wait()
            at = len(script.requests)
            if how == "close":
                await voice.aclose()
            elif how == "leave":
                going.cancel()
            await asyncio.wait([going])
            assert len(script.requests) == at
            if not going.cancelled():
                assert [type(one) for one in going.result()] == [Accepted if moment == "close" else NotSent]

        with_voice(script, main)
        outcomes = sending(script, mobiles(500), SqliteJournal(path))
        assert {type(one) for one in outcomes} == {Accepted}
        assert posted(script) == Counter(mobiles(500))

    def test_a_client_that_is_closed_in_the_middle(self, path: Path) -> None:
        """Batches in flight are recorded, waiting batches are free, and no resource is left open."""
        script = Script(accepts(2))

        async def main(voice: AsyncEmayVoice) -> None:
            going = asyncio.ensure_future(outcomes_of(voice, mobiles(2000), SqliteJournal(path)))
            await asyncio.sleep(1)
            await voice.aclose()
            assert Counter(state for state, _ in stored(path).values()) == {"accepted": 500}
            assert [type(one) for one in await going] == [Accepted] + [NotSent] * 3

        with_voice(script, main, rate_limits=RateLimits(send=RateLimit(1, 100.0)))
        with closing(sqlite3.connect(path)) as last:
            # The last connection of a database cleans up, unless it only reads, as the check above.
            last.execute("SELECT * FROM calls")
        assert sorted(one.name for one in path.parent.iterdir()) == ["run.db"]

    def test_no_slot_is_lost(self, path: Path) -> None:
        """Every failure with the slot acquired releases the slot."""
        script = Script(accepts())

        async def main(voice: AsyncEmayVoice) -> None:
            for _ in range(5):
                journal = Watched(SqliteJournal(path), failing("begin", JournalError("broken")))
                await outcomes_of(voice, mobiles(5), journal)
            began = now()
            await outcomes_of(voice, mobiles(5), SqliteJournal(path))
            assert now() == began

        with_voice(script, main, rate_limits=RateLimits(send=RateLimit(2, 60.0)))


class TestHours:
    """Batches wait for the calling hours."""

    def test_they_wait_until_it_opens(self, caplog: pytest.LogCaptureFixture) -> None:
        """No request leaves before the hours; then all do, and the log names the time once."""
        script = Script(accepts(1))

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            result = await voice.send(MESSAGE, mobiles(1000), hours=CallingHours("09:30-20:00"))
            assert len(result.tickets) == 1000
            assert script.at == [began + 5400, began + 5401]
            assert now() == began + 5402

        with caplog.at_level(logging.INFO, "emay_voice_async"):
            with_voice(script, main)
        [message] = [one for one in caplog.messages if "calling hours" in one]
        assert "09:30-20:00 (Beijing time)" in message
        assert "2024-03-01 09:30:00+08:00" in message

    def test_a_slot_that_comes_too_late(self, path: Path) -> None:
        """A slot after closing time is given back; the batch is not claimed, and goes on the next day."""
        script = Script(accepts())
        limits = RateLimits(send=RateLimit(1, 1800.0))

        async def main(voice: AsyncEmayVoice) -> None:
            going = asyncio.ensure_future(
                outcomes_of(voice, mobiles(2500), SqliteJournal(path), hours=CallingHours("08:00-09:00"))
            )
            await asyncio.sleep(7200)
            assert len(script.requests) == 2
            assert len(stored(path)) == 1000
            assert {type(one) for one in await going} == {Accepted}
            assert [(at - 1000) // 86_400 for at in script.at] == [0, 0, 1, 1, 2]

        with_voice(script, main, rate_limits=limits)

    def test_a_claim_that_takes_its_time(self, path: Path) -> None:
        """When the hours end while a batch is being claimed, the claim is released, and made again the next day."""
        times = 0

        async def watch(what: str) -> None:
            nonlocal times
            if what == "begin":
                times += 1
                await asyncio.sleep(60 if times == 1 else 0)

        script = Script(accepts())

        async def main(voice: AsyncEmayVoice) -> None:
            going = asyncio.ensure_future(
                outcomes_of(
                    voice, mobiles(3), Watched(SqliteJournal(path), watch), hours=CallingHours("08:00-08:01")
                )
            )
            await asyncio.sleep(600)
            assert {state for state, _ in stored(path).values()} == {"not sent"}
            assert kinds(await going) == [(Accepted, 3, False)]
            assert script.at == [1000 + 86_400]

        with_voice(script, main)

    def test_a_repeat_that_comes_too_late(self, path: Path) -> None:
        """A batch that was refused for speed just before closing time is free during the night."""
        script = Script(code("ERROR_OVER_SPEED", after=59), accepts())

        async def main(voice: AsyncEmayVoice) -> None:
            going = asyncio.ensure_future(
                outcomes_of(voice, mobiles(3), SqliteJournal(path), hours=CallingHours("08:00-08:01"))
            )
            await asyncio.sleep(600)
            assert {state for state, _ in stored(path).values()} == {"not sent"}
            assert kinds(await going) == [(Accepted, 3, False)]
            assert script.at == pytest.approx([1000, 1000 + 86_400])

        with_voice(script, main, rate_limits=RateLimits(send=RateLimit(1, 1.0)), timeout=100)

    @pytest.mark.parametrize("number", [500, 20_000])
    def test_closing_ends_the_wait(self, number: int) -> None:
        """Closing the client ends the wait of every batch at once, and of every entry that was not read yet."""
        script = Script(accepts())

        async def main(voice: AsyncEmayVoice) -> None:
            going = asyncio.ensure_future(
                voice.send(MESSAGE, mobiles(number), hours=CallingHours("20:00-21:00"))
            )
            await asyncio.sleep(45)
            began = now()
            await voice.aclose()
            with pytest.raises(SendError) as caught:
                await going
            assert now() == began
            assert sum(len(one.recipients) for one in caught.value.result.not_sent) == number
            assert "closed" in str(caught.value.result.not_sent[-1].error)

        with_voice(script, main)
        assert not script.requests

    @pytest.mark.parametrize("number", [500, 20_000])
    def test_the_deadline_ends_the_wait(self, number: int) -> None:
        """At the deadline waiting batches are not sent."""

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            with pytest.raises(SendError) as caught:
                await voice.send(MESSAGE, mobiles(number), hours=CallingHours("20:00-21:00"), deadline=100)
            assert now() == began + 100
            assert {type(one.error) for one in caught.value.result.not_sent} == {NotSentError}

        with_voice(Script(accepts()), main)

    def test_leaving_ends_the_wait(self) -> None:
        """Cancelling the send ends the wait, and no task is left."""

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(10):
                    await voice.send(MESSAGE, mobiles(20_000), hours=CallingHours("20:00-21:00"))
            assert now() == began + 10

        with_voice(Script(accepts()), main)

    def test_the_clock_of_the_host_is_set(self) -> None:
        """A clock that jumps while they wait is noticed within half a minute."""
        jump = 0.0
        script = Script(accepts())

        async def main(voice: AsyncEmayVoice) -> None:
            nonlocal jump
            going = asyncio.ensure_future(voice.send(MESSAGE, mobiles(3), hours=CallingHours("20:00-21:00")))
            await asyncio.sleep(100)
            jump = 12 * 3600.0
            changed = now()
            await going
            assert now() - changed <= 30

        with_voice(script, main, clock=lambda: clock() + jump)

    @settings(max_examples=60)
    @given(data=st.data())
    def test_never_outside_of_the_hours(self, data: st.DataObject) -> None:
        """No request is posted outside of the hours, for any hours, latencies, limit and retries."""
        spans = data.draw(st.lists(st.tuples(st.integers(0, 47), st.integers(1, 47)), min_size=1, max_size=2))
        texts = [
            f"{half // 2:02}:{half % 2 * 30:02}-{end // 2:02}:{end % 2 * 30:02}"
            for half, length in spans
            for end in [(half + length) % 48]
        ]
        hours = CallingHours(",".join(texts))
        latency = st.floats(0, 4000)
        steps = data.draw(
            st.lists(
                st.one_of(
                    latency.map(accepts), latency.map(lambda after: code("ERROR_OVER_SPEED", after=after))
                ),
                min_size=1,
                max_size=6,
            )
        )
        limit = RateLimit(data.draw(st.integers(1, 2)), data.draw(st.sampled_from([1.0, 600.0, 5000.0])))
        script = Script(*steps, accepts())

        async def main(voice: AsyncEmayVoice) -> None:
            await voice.send(VerificationCode("4711"), mobiles(4), hours=hours)

        with suppress(SendError):
            with_voice(script, main, rate_limits=RateLimits(send=limit), timeout=10_000, max_concurrency=3)
        assert script.at
        for at in script.at:
            local = datetime.fromtimestamp(EPOCH + at, UTC) + timedelta(hours=8)
            half = (local.hour * 60 + local.minute) // 30
            assert any((half - start) % 48 < length for start, length in spans)


FATES: dict[str, Step] = {
    "accepted": accepts(0.1),
    "refused": code("ERROR_MOBILE_ERROR", after=0.1),
    "speed": code("ERROR_OVER_SPEED", after=0.1),
    "lost": raises(httpx.ReadError("..."), 0.1),
    "late": accepts(40),
    "never": hangs,
    "nothing": raises(httpx.ConnectError("...")),
    "account": code("ERROR_SIGN", after=0.1),
}
"""The ways in which the service treats a request."""
RINGS = {"accepted", "late"}
"""The fates in which the service certainly acted."""
MAYBE = {"lost", "never"}
UNIVERSE = mobiles(8)
ENTRY = st.sampled_from([*UNIVERSE, "bad", "1380000000x"])
CRASH = st.one_of(st.none(), st.integers(1, 60))
"""The turn of the loop at which a run is cut off; None: not cut off."""


class _Service:
    """Treats each request as scripted, and remembers the numbers that rang, or may have rung."""

    def __init__(self, fates: Iterable[str]) -> None:
        self.rang: Counter[str] = Counter()
        self.perhaps: Counter[str] = Counter()
        self.fates = cycle(fates)
        self.script = Script(self._step)

    async def _step(self, request: httpx.Request) -> httpx.Response:
        fate = next(self.fates)
        if fate in RINGS:
            self.rang.update(ids_of(request).keys())
        if fate in RINGS | MAYBE:
            self.perhaps.update(ids_of(request).keys())
        return await FATES[fate](request)


class TestModel:
    """Any campaign: inputs, answers, crashes and edits."""

    # Python 3.13 reports the resources that a torn down loop leaves to the garbage collector.
    @pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
    # All values are drawn before the run: the number of requests depends on the journal's thread.
    @settings(max_examples=80)
    @given(
        runs=st.lists(st.tuples(st.lists(ENTRY, min_size=1, max_size=12), CRASH), min_size=1, max_size=4),
        fates=st.lists(st.sampled_from(sorted(FATES)), min_size=1, max_size=30),
        message=st.sampled_from([MESSAGE, VerificationCode("4711")]),
    )
    def test_each_number_once(
        self, runs: list[tuple[list[str], int | None]], fates: list[str], message: Any
    ) -> None:
        """In each run each entry comes out once; over all runs each number rings once at most."""
        service = _Service(fates)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "run.db"
            for to, crash in runs:
                outcomes = _one_run(service.script, path, message, to, crash)
                if outcomes is not None:
                    _check_outcomes(outcomes, to, service)
                _check_journal(path, service)
            # Numbers that were certainly not called are called in the end.
            service.fates = cycle(["accepted"])
            _check_outcomes(_one_run(service.script, path, message, UNIVERSE, None) or [], UNIVERSE, service)
            for mobile, (state, _) in stored(path).items():
                # Requests in flight of a run that was cut off are settled by reports.
                assert state in ("accepted", "unknown", "under way")
                assert state != "accepted" or service.rang[mobile] == 1
            _check_journal(path, service)
        gc.collect()


def _check_outcomes(outcomes: list[Outcome], to: list[str], service: _Service) -> None:
    assert Counter(one.mobile for outcome in outcomes for one in outcome.recipients) == Counter(to)
    for outcome in outcomes:
        numbers = [one.mobile for one in outcome.recipients]
        if isinstance(outcome, Accepted):
            assert all(service.rang[mobile] for mobile in numbers)
        elif isinstance(outcome, Refused) or isinstance(outcome.error, NotSentError):
            assert not any(service.perhaps[mobile] for mobile in numbers)


def _check_journal(path: Path, service: _Service) -> None:
    assert max(service.perhaps.values(), default=0) <= 1
    # A run that was cut off early may not even have made a journal.
    found = {}
    with suppress(sqlite3.OperationalError):
        found = stored(path)
    for mobile, (state, _) in found.items():
        if state == "accepted":
            assert service.rang[mobile]
        if state in ("refused", "not sent"):
            assert not service.perhaps[mobile]


def _one_run(
    script: Script, path: Path, message: Any, to: list[str], crash: int | None
) -> list[Outcome] | None:
    """Play a run of a program; None if the run was cut off at some turn of the loop, without a later write."""
    off = False
    file = SqliteJournal(path)

    async def watch(what: str) -> None:
        if off and what != "end":
            raise JournalError("there is no power")

    async def main() -> list[Outcome] | None:
        nonlocal off
        limits = RateLimits(send=RateLimit(2, 0.5))
        async with script.client() as http_client:
            voice = voice_over(script, http_client, rate_limits=limits, max_concurrency=3)
            journal = Watched(file, watch)
            loop.victim = asyncio.ensure_future(asyncio.Event().wait())
            going = asyncio.ensure_future(outcomes_of(voice, iter(to), journal, message=message))
            await asyncio.wait([going, loop.victim], return_when=asyncio.FIRST_COMPLETED)
            if going.done():
                loop.victim.cancel()
                await voice.aclose()
                return going.result()
            off = True
            return None

    loop = CancellingLoop()
    loop.cancel_at = crash or 0
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        outcomes = runner.run(main())
    # The end of the process would have closed the resources that the loop's end left open.
    asyncio.run(file.aclose())
    return outcomes
