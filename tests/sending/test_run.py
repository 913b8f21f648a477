"""Runs: batches are read, sent and handed out, and each has one true outcome."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.http_transport import Script, Step, accepts, answers, code, fields_of, hangs, raises
from support.send_scenarios import mobiles, sent, stream_of, with_voice
from support.virtual_time import now

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
    Unknown,
    VerificationCode,
)
from emay_voice_async.model.endpoints import Call
from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.pacing.protocol import Lease
from emay_voice_async.sending.proof import MAX_FAILURES


class TestSendBatches:
    """``send_batches``: outcomes as they happen, flat memory, and a clean stop at any time."""

    def test_a_bad_entry_of_a_stream(self) -> None:
        """An invalid entry becomes a NotSent with the position; all other entries are called."""
        script = Script(accepts())
        to: list[Any] = mobiles(1000)
        to[3] = "12"
        to[600] = Recipient("13911111111", "a,b")
        to[700] = 13800000000

        async def main(voice: AsyncEmayVoice) -> list[Any]:
            return [outcome async for outcome in voice.send_batches(Notice("..."), iter(to))]

        outcomes = with_voice(script, main)
        bad = [outcome for outcome in outcomes if isinstance(outcome, NotSent)]
        assert [outcome.error.args[::4] for outcome in bad] == [
            ("mobile", 3),
            ("custom_id", 600),
            ("mobile", 700),
        ]
        assert [outcome.index for outcome in outcomes] == list(range(len(outcomes)))
        assert sum(len(batch) for batch in sent(script)) == 997
        assert [len(batch) for batch in sent(script)] == [500, 497]

    def test_a_repeated_id_within_a_batch_of_a_stream(self) -> None:
        """The second entry with the same custom id is not sent."""
        to: list[str | Recipient] = [
            Recipient("13800000000", "a"),
            Recipient("13800000001", "a"),
            "13800000002",
        ]

        async def main(voice: AsyncEmayVoice) -> list[Any]:
            return [outcome async for outcome in voice.send_batches(Notice("..."), iter(to))]

        bad, good = with_voice(Script(accepts()), main)
        assert isinstance(bad, NotSent)
        assert [ticket.mobile for ticket in good.tickets] == ["13800000000", "13800000002"]

    @pytest.mark.slow
    @pytest.mark.parametrize("source", [iter, stream_of])
    def test_no_further_ahead_than_the_batches_in_flight(self, source: Any) -> None:
        """The source is read no further ahead than the batches in flight, and waits for the consumer."""
        script = Script(accepts(after=1))
        read = 0

        def rows() -> Iterator[str]:
            nonlocal read
            for mobile in mobiles(20_000):
                read += 1
                yield mobile

        async def main(voice: AsyncEmayVoice) -> None:
            taken = 0
            async for outcome in voice.send_batches(Notice("..."), source(rows())):
                taken += len(outcome.recipients)
                await asyncio.sleep(5)
                assert read - taken <= 4 * 500

        with_voice(script, main, max_concurrency=4)
        assert read == 20_000

    def test_slow_and_early_in_a_stream(self) -> None:
        """An outcome comes out at once, even while the source is slow."""
        script = Script(accepts())

        async def main(voice: AsyncEmayVoice) -> list[float]:
            began = now()
            stream = stream_of(mobiles(3), gap=10)
            return [now() - began async for _ in voice.send_batches(VerificationCode("1234"), stream)]

        assert with_voice(script, main) == [10, 20, 30]

    @pytest.mark.slow
    @pytest.mark.parametrize("concurrency", [1, 3, 16])
    def test_as_many_in_flight_as_allowed(self, concurrency: int) -> None:
        """So many requests are under way at once, and never more."""
        under_way, most = 0, 0
        accept = accepts(after=1)

        async def step(request: httpx.Request) -> httpx.Response:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            response = await accept(request)
            under_way -= 1
            return response

        with_voice(
            Script(step),
            lambda voice: voice.send(Notice("..."), mobiles(20_000)),
            max_concurrency=concurrency,
        )
        assert most == concurrency

    @pytest.mark.parametrize("refusal", ["ERROR_SIGN", "ERROR_NEEDMORE_BALANCE", "ERROR_NEEDMORE_BLANCE"])
    def test_a_fatal_refusal_stops_the_rest(self, refusal: str) -> None:
        """After a refusal of account or balance, waiting batches are not sent, and have outcomes."""
        script = Script(accepts(after=1), code(refusal, after=1), accepts(after=1))

        async def main(voice: AsyncEmayVoice) -> list[Any]:
            return [outcome async for outcome in voice.send_batches(Notice("..."), iter(mobiles(5000)))]

        outcomes = with_voice(script, main, max_concurrency=4, limits=RateLimits(send=RateLimit(2, 60.0)))
        assert [type(outcome) for outcome in outcomes] == [Accepted, Refused] + [NotSent] * 8
        assert refusal in str(outcomes[-1].error)
        assert isinstance(outcomes[-1].error, NotSentError)
        assert len(script.requests) == 2
        assert Counter(one.mobile for outcome in outcomes for one in outcome.recipients) == Counter(
            mobiles(5000)
        )

    def test_a_refusal_of_one_batch_does_not_stop_the_rest(self) -> None:
        """Other refusals concern a single batch."""
        script = Script(code("ERROR_MOBILE_ERROR"), accepts())
        with pytest.raises(SendError) as caught:
            with_voice(script, lambda voice: voice.send(Notice("..."), mobiles(1000)), max_concurrency=1)
        assert [type(outcome) for outcome in caught.value.result.outcomes] == [Refused, Accepted]

    @pytest.mark.slow
    @pytest.mark.parametrize("leave", ["break", "raise", "aclose"])
    def test_leaving_the_loop_early(self, leave: str) -> None:
        """Leaving stops waiting batches; batches in flight end in their own time, and are counted."""
        script = Script(accepts(after=1), accepts(after=2))

        async def main(voice: AsyncEmayVoice) -> None:
            batches = voice.send_batches(Notice("..."), iter(mobiles(50_000)))
            try:
                async for _ in batches:
                    if leave == "break":
                        break
                    if leave == "raise":
                        raise ZeroDivisionError
                    await batches.aclose()
            except ZeroDivisionError:
                pass
            await batches.aclose()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            under_way = len(script.requests) - script.ended
            assert under_way == 2
            assert voice.stats.accepted == 500
            await voice.aclose()
            assert script.ended == len(script.requests) == 3
            assert voice.stats.accepted == 1500

        with_voice(script, main, max_concurrency=8, limits=RateLimits(send=RateLimit(3, 60.0)))

    def test_leaving_before_the_first_request(self) -> None:
        """A run that is closed while waiting for the first number sends no request and leaves no task."""
        script = Script(accepts())

        async def endless() -> AsyncIterator[str]:
            await asyncio.Event().wait()
            yield ""

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    async for _ in voice.send_batches(Notice("..."), endless()):
                        pytest.fail("nothing can come")

        with_voice(script, main)
        assert not script.requests

    def test_batches_that_never_ran_are_called_off(self) -> None:
        """Batches whose tasks have not begun when the run stops are not sent."""
        script = Script(code("ERROR_SIGN"))

        async def main(voice: AsyncEmayVoice) -> list[Any]:
            return [outcome async for outcome in voice.send_batches(VerificationCode("1234"), mobiles(40))]

        outcomes = with_voice(script, main)
        assert {type(outcome) for outcome in outcomes} == {Refused, NotSent}
        assert len(outcomes) == 40

    def test_a_batch_that_is_cancelled_from_outside(self) -> None:
        """A cancellation that did not come from the run itself is passed on, not made an outcome."""

        async def main(voice: AsyncEmayVoice) -> None:
            before = asyncio.all_tasks()
            sending = asyncio.ensure_future(voice.send(Notice("..."), "13800000000"))
            await asyncio.sleep(1)
            [batch] = [task for task in asyncio.all_tasks() - before if "_finish" in repr(task.get_coro())]
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending

        with_voice(Script(accepts(after=2)), main)

    def test_every_task_is_cancelled(self) -> None:
        """When the loop is torn down around a send, the cancellation is not swallowed."""

        async def main(voice: AsyncEmayVoice) -> None:
            sending = asyncio.ensure_future(voice.send(Notice("..."), "13800000000"))
            await asyncio.sleep(1)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending

        with_voice(Script(hangs), main)


class TestTrouble:
    """Faults and unusual inputs."""

    def test_a_pacer_that_fails(self) -> None:
        """An error of a pacer concerns a single batch: not sent; the other batches have outcomes."""

        class Failing(LocalPacer):
            count = 0

            async def acquire(self, call: Call, *, again: bool = False) -> Lease:
                self.count += 1
                if self.count == 2:
                    raise ConnectionError("the store is gone")
                return await super().acquire(call, again=again)

        script = Script(accepts(after=1))
        with pytest.raises(SendError) as caught:
            with_voice(
                script,
                lambda voice: voice.send(Notice("..."), mobiles(2500)),
                pacer=Failing(RateLimits(send=None)),
            )
        kinds = [type(outcome) for outcome in caught.value.result.outcomes]
        assert kinds == [Accepted, NotSent, Accepted, Accepted, Accepted]
        assert "pacer failed" in str(caught.value.result.not_sent[0].error)

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_a_fault_before_the_first_byte(self, place: int) -> None:
        """A fault in the client before the first byte makes a single batch not sent, and costs no slot."""
        readings = 0

        def clock() -> float:
            nonlocal readings
            readings += 1
            if place < readings <= place + 3:
                raise ZeroDivisionError
            return 1_600_000_000.0

        with pytest.raises(SendError) as caught:
            with_voice(
                Script(accepts()),
                lambda voice: voice.send(Notice("..."), mobiles(1500)),
                clock=clock,
                max_concurrency=1,
                limits=RateLimits(send=RateLimit(1, 1.0)),
            )
        kinds: list[type] = [Accepted] * 3
        kinds[place] = NotSent
        assert [type(outcome) for outcome in caught.value.result.outcomes] == kinds
        assert "ZeroDivisionError before the request was written" in str(
            caught.value.result.not_sent[0].error
        )

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_a_fault_after_the_first_byte(self, place: int, caplog: pytest.LogCaptureFixture) -> None:
        """A fault in the client after the first byte makes a single batch unknown; the run goes on."""

        class Failing(LocalPacer):
            ends = 0

            async def acquire(self, call: Call, *, again: bool = False) -> Lease:
                return self

            def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
                self.ends += 1
                if self.ends == place + 1:
                    raise ZeroDivisionError

            def give_back(self) -> None:
                pytest.fail("every request is posted")

        with pytest.raises(SendError) as caught:
            with_voice(
                Script(accepts()),
                lambda voice: voice.send(Notice("..."), mobiles(1500)),
                pacer=Failing(RateLimits(send=None)),
                max_concurrency=1,
            )
        kinds: list[type] = [Accepted] * 3
        kinds[place] = Unknown
        assert [type(outcome) for outcome in caught.value.result.outcomes] == kinds
        assert "a batch failed" in caplog.text

    def test_closing_in_the_middle(self) -> None:
        """Closing the client ends a send: batches in flight have outcomes, the rest is not sent."""
        script = Script(accepts(after=2))

        async def main(voice: AsyncEmayVoice) -> None:
            sending = asyncio.ensure_future(voice.send(Notice("..."), mobiles(2000)))
            await asyncio.sleep(1)
            began = now()
            await voice.aclose()
            assert now() - began == 1
            with pytest.raises(SendError) as caught:
                await sending
            kinds = [type(outcome) for outcome in caught.value.result.outcomes]
            assert kinds == [Accepted, NotSent, NotSent, NotSent]

        with_voice(script, main, limits=RateLimits(send=RateLimit(1, 100.0)))

    def test_an_error_of_our_own_before_the_request(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A fault before the request is made is not sent."""
        monkeypatch.setattr("asyncio.timeout_at", None)
        with pytest.raises(SendError) as caught:
            with_voice(Script(accepts()), lambda voice: voice.send(Notice("..."), "13800000000"))
        assert [type(outcome) for outcome in caught.value.result.outcomes] == [NotSent]

    def test_a_stream_is_read_in_one_task(self) -> None:
        """An async generator may keep a context open over several yields."""
        variable: ContextVar[int] = ContextVar("variable")
        tasks = set()

        async def stream() -> AsyncIterator[str]:
            token = variable.set(1)
            async with asyncio.timeout(60):
                for mobile in mobiles(40):
                    tasks.add(asyncio.current_task())
                    await asyncio.sleep(0.1)
                    yield mobile
            variable.reset(token)

        result = with_voice(Script(accepts()), lambda voice: voice.send(VerificationCode("4711"), stream()))
        assert len(result.tickets) == 40
        assert len(tasks) == 1

    def test_a_timeout_of_the_stream_itself(self) -> None:
        """A stream that times out by itself is a source that fails, not a deadline."""

        async def stream() -> AsyncIterator[str]:
            yield "13800000000"
            raise TimeoutError("mine")

        with pytest.raises(SendError) as caught:
            with_voice(Script(accepts()), lambda voice: voice.send(Notice("..."), stream(), deadline=60))
        assert str(caught.value.__cause__) == "mine"
        assert len(caught.value.result.tickets) == 1

    def test_one_slow_answer_does_not_hold_up_the_others(self) -> None:
        """While the first response is awaited, later batches use the whole limit."""
        script = Script(hangs, accepts())

        async def main(voice: AsyncEmayVoice) -> float:
            began = now()
            outcomes = [one async for one in voice.send_batches(VerificationCode("4711"), mobiles(250))]
            assert [outcome.index for outcome in outcomes] == list(range(250))
            return now() - began

        took = with_voice(script, main, limits=RateLimits(send=RateLimit(10, 1.0)))
        assert took < 32

    def test_a_silent_stream_and_a_deadline(self) -> None:
        """A silent stream is left at the deadline; the entries before have outcomes."""

        async def stream() -> AsyncIterator[str]:
            yield "13800000000"
            await asyncio.Event().wait()

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            with pytest.raises(SendError) as caught:
                await voice.send(VerificationCode("4711"), stream(), deadline=5)
            assert now() - began == 5
            assert len(caught.value.result.tickets) == 1
            assert "before all recipients were read" in str(caught.value.__cause__)

        with_voice(Script(accepts()), main)


FAULTS: dict[str, tuple[Step, type]] = {
    "accepted": (accepts(0.5), Accepted),
    "slow": (accepts(29), Accepted),
    "late": (accepts(35), Unknown),
    "never": (hangs, Unknown),
    "reset": (raises(httpx.ReadError("..."), 1), Unknown),
    "broken": (answers(b'{"code":'), Unknown),
    "page": (answers(b"<html>", status=502), Unknown),
    "refused": (code("ERROR_LONG_CONTENT"), Refused),
    "no connection": (raises(httpx.ConnectError("...")), NotSent),
}


def expected(fates: list[str]) -> list[type]:
    """Return the outcomes of a run with one request in flight, by the rules of the address proof."""
    found: list[type] = []
    proven, failures = False, 0
    for fate in fates:
        kind = FAULTS[fate][1]
        found.append(kind)
        if kind in (Accepted, Refused):
            proven, failures = True, 0
        elif kind is Unknown or not proven:
            failures += 1
        if (kind is Unknown and not proven) or failures >= MAX_FAILURES:
            return found + [NotSent] * (len(fates) - len(found))
    return found


class TestProperties:
    """Any fate for any batch."""

    @pytest.mark.slow
    @settings(max_examples=150, deadline=None)
    @given(
        fates=st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=8),
        concurrency=st.integers(1, 5),
        streamed=st.booleans(),
    )
    def test_each_number_has_one_true_outcome(
        self, fates: list[str], concurrency: int, streamed: bool
    ) -> None:
        """Every number has exactly one outcome, the true one, and only unsent numbers are posted twice."""
        numbers = mobiles(500 * len(fates) - 7)

        async def step(request: httpx.Request) -> httpx.Response:
            batch = int(fields_of(request)["mobiles"].split(",")[0][3:]) // 500
            return await FAULTS[fates[batch]][0](request)

        async def main(voice: AsyncEmayVoice) -> list[Any]:
            to = iter(numbers) if streamed else numbers
            return [outcome async for outcome in voice.send_batches(Notice("..."), to)]

        script = Script(step)
        outcomes = with_voice(
            script, main, limits=RateLimits(send=RateLimit(2, 1.0)), max_concurrency=concurrency
        )
        kinds = [type(outcome) for outcome in outcomes]
        # A late response proves the address again, at a moment that the reference does not know.
        assert kinds == expected(fates) or concurrency > 1 or "late" in fates[:-1]
        for kind, fate in zip(kinds, fates, strict=True):
            assert kind in (FAULTS[fate][1], NotSent)
        assert [one.mobile for outcome in outcomes for one in outcome.recipients] == numbers
        posted = Counter(int(batch[0][3:]) // 500 for batch in sent(script))
        for batch, outcome in enumerate(outcomes):
            assert (
                posted[batch] == (0 if isinstance(outcome, NotSent) else 1) or fates[batch] == "no connection"
            )
