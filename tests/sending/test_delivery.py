"""Batches to their outcomes with a journal and calling hours: nobody twice, nobody lost, whatever happens."""

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
from support.journal_conformance import PURPOSE, claim, keys
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
from emay_voice_async.model.results import Outcome
from emay_voice_async.sending.hours import CallingHours


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
        # A loop that was torn down may leave its journal to the garbage collector.
        gc.collect()
    for thread in left:
        thread.join(10)
        assert not thread.is_alive()


class TestResumption:
    """The same call again."""

    def test_accepted_numbers_are_never_sent_again(self, path: Path) -> None:
        """A second run posts nothing, and its outcomes hold the tickets of the first."""
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
        """What was refused, and what certainly did not arrive, is sent by the next run, and nothing else."""
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
        """Numbers are known wherever they stand: new ones are called, removed ones are not missed."""
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

    def test_what_was_under_way_when_the_process_died(self, path: Path) -> None:
        """It comes out as unknown with its custom ids, and is sent again when that is asked, under the same."""
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
        # Nobody cancels anything and nothing is cleaned up, as if the process were killed.
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
        """A custom id that the caller gives is the one that is sent and stored, also when it is a new one."""
        script = Script(code("ERROR_MOBILE_ERROR"), accepts())
        sending(script, [Recipient("13800000000", "mine"), "13800000001"], SqliteJournal(path))
        made = ids_of(script.requests[0])["13800000001"]
        sending(script, ["13800000000", Recipient("13800000001", "new")], SqliteJournal(path))
        assert ids_of(script.requests[1]) == {"13800000000": "mine", "13800000001": "new"}
        assert made != "new"
        assert stored(path)["13800000001"] == ("accepted", "new")

    @pytest.mark.parametrize("size", [1, 500])
    def test_duplicates_are_called_once(self, path: Path, size: int) -> None:
        """A number that comes again in one input is called once, and says where it came again."""
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

    def test_repeats_are_allowed(self, path: Path) -> None:
        """Each entry is called once: the same entry again, the same number under another id, over all runs."""
        to = ["13800000000", "13800000000", Recipient("13800000000", "a"), "13800000001"]
        script = Script(accepts())
        sending(script, to, SqliteJournal(path), allow_duplicates=True)
        assert posted(script) == Counter({"13800000000": 3, "13800000001": 1})
        again = Script(accepts())
        sending(again, [*to[::-1], "13800000000"], SqliteJournal(path), allow_duplicates=True)
        assert posted(again) == Counter({"13800000000": 1})

    def test_repeats_do_not_make_a_send_fail(self, path: Path) -> None:
        """``send`` returns when everybody else was accepted; the repeated one is in the result."""

        async def main(voice: AsyncEmayVoice) -> SendResult:
            return await voice.send(MESSAGE, ["13800000000"] * 2, journal=SqliteJournal(path))

        result = with_voice(Script(accepts()), main)
        assert len(result.tickets) == 1
        assert len(result.not_sent) == 1

    def test_an_unknown_one_makes_a_send_fail(self, path: Path) -> None:
        """``send`` raises for what an earlier run left unknown, and the result tells which."""
        sending(Script(raises(httpx.ReadError("..."))), mobiles(1), SqliteJournal(path))

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(SendError) as caught:
                await voice.send(MESSAGE, mobiles(2), journal=SqliteJournal(path))
            [unknown] = caught.value.result.unknown
            assert unknown.recorded
            assert caught.value.__cause__ is unknown.error
            assert len(caught.value.result.tickets) == 1

        with_voice(Script(accepts()), main)

    def test_what_was_recorded_is_not_counted(self, path: Path) -> None:
        """The statistics count what this client has done, not what an earlier one did."""
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
    """End what a crash has left in this process, which goes on."""
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.run_until_complete(journal.aclose())
    loop.close()


class TestClaims:
    """What is on the disk, and when."""

    def test_the_claim_is_on_the_disk_before_the_request(self, path: Path) -> None:
        """At the moment of posting, whoever reads the file finds the batch claimed under its custom ids."""
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
        """When an outcome comes out, by iteration or by ``on_outcome``, a killed process would not lose it."""
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
        """It is logged, and it harms nobody: the numbers remain unknown."""
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
    def test_what_is_posted_again_is_claimed_again(self, path: Path, step: Step) -> None:
        """Before each repeat the batch is claimed anew, so that the claim covers the time of the new request."""
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
        """What somebody else claimed while a batch was free, waiting to be repeated, is not posted again."""
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

    def test_a_fatal_refusal_leaves_the_rest_unclaimed(self, path: Path) -> None:
        """After a refusal of the account nothing more is claimed, and a next run sends all of it."""
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
    """Several runs on one journal."""

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
        """What another run has under way comes out as unknown, and not even ``resend_unknown`` sends it."""
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
    """A journal that fails, at each of its steps."""

    @pytest.mark.parametrize("error", [JournalError("broken"), OSError("odd")], ids=["ours", "odd"])
    def test_at_the_start(self, path: Path, error: Exception) -> None:
        """The error comes out on the first iteration, as it is, and nothing is sent."""
        script = Script(accepts())
        with pytest.raises(type(error)):
            sending(script, mobiles(10), Watched(SqliteJournal(path), failing("start", error)))
        assert not script.requests

    @pytest.mark.parametrize("error", [JournalError("broken"), OSError("odd")], ids=["ours", "odd"])
    @pytest.mark.parametrize("sized", [False, True])
    def test_when_it_is_looked_into(self, path: Path, error: Exception, sized: bool) -> None:
        """Every entry that was read comes out once, nothing more is sent, and the error comes at the end."""
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

    @pytest.mark.parametrize("error", [JournalError("broken"), OSError("odd")], ids=["ours", "odd"])
    def test_when_a_batch_is_claimed(self, path: Path, error: Exception) -> None:
        """Nothing of that batch leaves, the run stops, and the outcomes say why."""
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
        """Everything is written by then: it is logged, and the outcomes are complete."""
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

    @pytest.mark.parametrize("early", [False, True])
    def test_a_fault_of_our_own(self, path: Path, early: bool) -> None:
        """A fault in the client before a claim is not sent, and one after it is unknown, to the journal, too."""
        readings = 0

        def broken_clock() -> float:
            nonlocal readings
            readings += 1
            if readings == 1:
                raise ZeroDivisionError
            return clock()

        async def main(voice: AsyncEmayVoice) -> None:
            # The hours are looked at before the claim, the stamp is made after it.
            hours = CallingHours("00:00-24:00") if early else None
            [outcome] = await outcomes_of(voice, mobiles(3), SqliteJournal(path), hours=hours)
            assert isinstance(outcome, NotSent if early else Unknown)
            assert {state for state, _ in stored(path).values()} == (set() if early else {"unknown"})

        with_voice(Script(accepts()), main, clock=broken_clock)


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
    """Whoever leaves, at whatever moment."""

    @pytest.mark.parametrize("by", ["send", "batches"])
    def test_cancelled_at_every_turn(self, by: str) -> None:
        """Wherever a send is cancelled, the next one completes it: nobody is called twice, nobody is lost."""

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
        """What is under way when its loop is torn down is unknown, also when the send was left before."""
        script = Script(hangs if posted_first else accepts(), hangs)

        async def main() -> None:
            voice = voice_over(script, script.client())
            batches = voice.send_batches(MESSAGE, mobiles(500), journal=SqliteJournal(path))
            going = asyncio.ensure_future(anext(batches))
            await asyncio.sleep(1)
            going.cancel()
            await asyncio.wait([going])
            # Nobody closes the client: the end of the loop cancels whatever it finds.

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(main())
        again = Script(accepts())
        [outcome] = sending(again, mobiles(500), SqliteJournal(path))
        assert kinds([outcome]) == [(Unknown if posted_first else Accepted, 500, True)]
        assert not again.requests

    @pytest.mark.parametrize("first", [False, True])
    def test_torn_down_under_way(self, path: Path, first: bool) -> None:
        """When everything is cancelled, in whatever order, no task and no open journal is left."""

        async def watch(what: str) -> None:
            if what == "end":
                await asyncio.sleep(5)

        async def main() -> None:
            voice = voice_over(Script(hangs), Script(hangs).client())
            journal = Watched(SqliteJournal(path), watch)
            going = asyncio.ensure_future(outcomes_of(voice, mobiles(1000), journal))
            await asyncio.sleep(1)
            others = asyncio.all_tasks() - {asyncio.current_task(), going}
            # As the end of a loop does, which waits for no task that is made later.
            for task in [going, *others] if first else [*others, going]:
                task.cancel()
            await asyncio.wait([going, *others])
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert sorted(one.name for one in path.parent.iterdir()) == ["run.db"]

        run(main())
        again = sending(Script(accepts()), mobiles(1000), SqliteJournal(path))
        assert kinds(again) == [(Unknown, 500, True)] * 2

    def test_torn_down_while_it_is_claimed(self, path: Path) -> None:
        """A batch whose claim was being written when the loop was torn down never left, and is free."""
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
        """A send that stops while a batch is being claimed takes the claim back: nothing of it leaves."""
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

    def test_a_generator_that_nobody_iterates(self, path: Path) -> None:
        """A send that is not iterated makes no journal, no task and no request."""

        async def main(voice: AsyncEmayVoice) -> None:
            voice.send_batches(MESSAGE, mobiles(3), journal=SqliteJournal(path))
            await asyncio.sleep(1)

        script = Script(accepts())
        with_voice(script, main)
        gc.collect()
        assert not path.exists()
        assert not script.requests

    def test_a_generator_that_nobody_closes(self, path: Path) -> None:
        """A loop that is left without closing lets go of the journal when its event loop ends."""
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
        """Closed, out of time or left while the journal is at work: what has not left does not leave then."""
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
        """What is under way is written down, what had no slot is free, and nothing is left open."""
        script = Script(accepts(2))

        async def main(voice: AsyncEmayVoice) -> None:
            going = asyncio.ensure_future(outcomes_of(voice, mobiles(2000), SqliteJournal(path)))
            await asyncio.sleep(1)
            await voice.aclose()
            assert Counter(state for state, _ in stored(path).values()) == {"accepted": 500}
            assert [type(one) for one in await going] == [Accepted] + [NotSent] * 3

        with_voice(script, main, rate_limits=RateLimits(send=RateLimit(1, 100.0)))
        with closing(sqlite3.connect(path)) as last:
            # Whoever closes a database last clears up, unless it only reads, as the look at it above.
            last.execute("SELECT * FROM calls")
        assert sorted(one.name for one in path.parent.iterdir()) == ["run.db"]

    def test_no_slot_is_lost(self, path: Path) -> None:
        """Whatever fails with the slot in hand gives it back."""
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
        """Nothing leaves before; then everything does, and the log says once for when it waits."""
        script = Script(accepts(1))

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            result = await voice.send(MESSAGE, mobiles(1000), hours=CallingHours("09:30-20:00"))
            assert len(result.tickets) == 1000
            assert script.at == [began + 5400] * 2
            assert now() == began + 5401

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
        """When the hours end while a batch is being claimed, it is taken back, and claimed the next day."""
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
        """Closing the client ends the wait of every batch at once, also of those that were not read yet."""
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
        """At the deadline what waits is not sent."""

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            with pytest.raises(SendError) as caught:
                await voice.send(MESSAGE, mobiles(number), hours=CallingHours("20:00-21:00"), deadline=100)
            assert now() == began + 100
            assert {type(one.error) for one in caught.value.result.not_sent} == {NotSentError}

        with_voice(Script(accepts()), main)

    def test_leaving_ends_the_wait(self) -> None:
        """Cancelling the send ends the wait, and nothing is left."""

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
        """Whatever the hours, the latencies, the limit and the repeats: nothing is posted outside of them."""
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
"""What may become of a request."""
RINGS = {"accepted", "late"}
"""Those of which the service is certain to have acted."""
MAYBE = {"lost", "never"}
UNIVERSE = mobiles(8)
ENTRY = st.sampled_from([*UNIVERSE, "bad", "1380000000x"])
CRASH = st.one_of(st.none(), st.integers(1, 60))
"""The turn of its loop at which a run is cut off, if it is."""


class _Service:
    """Does with one request after another what is told, and remembers whose phone rang, or may have rung."""

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

    # A loop that was torn down leaves what it had open to the garbage collector, of which Python 3.13 tells.
    @pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
    # Everything is drawn beforehand: how many requests there will be depends on the journal's thread.
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
            # What is certain not to have been called, is called in the end.
            service.fates = cycle(["accepted"])
            _check_outcomes(_one_run(service.script, path, message, UNIVERSE, None) or [], UNIVERSE, service)
            for mobile, (state, _) in stored(path).items():
                # What a run that was cut off had under way is for its reports to settle.
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
    """Play a program's run; None if it was cut off at some turn of its loop: nothing is written after that."""
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
    # What the loop's end has left open, the end of its process would have closed.
    asyncio.run(file.aclose())
    return outcomes
