"""Proof of the address: a run begins with a single request in flight, and stops on unusable responses."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.campaigns import MESSAGE, mobiles, outcomes_of, posted, stored, voice_over, with_voice
from support.http_transport import Script, Step, accepts, answers, code, hangs, raises
from support.journal_spy import Watched
from support.virtual_time import run

from emay_voice_async import Accepted, AsyncEmayVoice, NotSent, Refused, Unknown, VerificationCode
from emay_voice_async.errors import (
    AnswerError,
    EmayVoiceError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)
from emay_voice_async.journal import SqliteJournal
from emay_voice_async.sending.proof import MAX_FAILURES, AddressProof, Trust

A, B, C, D, E = range(5)
NO_CONNECTION = NotSentError("ConnectError", "/p")
UNUSABLE: dict[str, Step] = {
    "redirect": answers(b"", status=301, headers={"location": "http://elsewhere/"}),
    "not found": answers(b"<html>", status=404),
    "unavailable": answers(b"<html>", status=503),
    "bad request": answers(b"", status=400),
    "page": answers(b"<html>"),
    "empty": answers(b""),
    "other json": answers({"status": "ok"}),
    "list": answers([]),
    "half": answers(b'{"code":"SUC'),
    "never": hangs,
    "reset": raises(httpx.ReadError("...")),
    "closed": raises(httpx.RemoteProtocolError("...")),
}
"""Responses of a wrong address."""


class TestAddressProof:
    """The rules as a table."""

    def test_one_at_a_time_until_proven(self) -> None:
        """Only the first batch may be posted, the next when it has left, all of them once proven."""
        proof = AddressProof()
        assert proof.may_post(A)
        assert not proof.may_post(B)
        assert proof.may_post(A)
        proof.posted(A)
        proof.left(A)
        assert proof.may_post(B)
        proof.documented()
        assert proof.may_post(A)
        assert proof.may_post(C)

    def test_waiting_in_order(self) -> None:
        """Waiting batches get their turn in order of arrival; a cancelled one is passed over."""

        async def main() -> None:
            proof = AddressProof()
            assert proof.may_post(A)
            waiting = {name: asyncio.ensure_future(proof.wait(name)) for name in (B, C, D, E)}
            await asyncio.sleep(0)
            waiting[B].cancel()
            await asyncio.sleep(0)
            proof.left(A)
            await asyncio.wait([waiting[C]])
            assert proof.may_post(C)
            assert not waiting[D].done()
            proof.documented()
            await asyncio.gather(waiting[D], waiting[E])

        run(main())

    def test_doubt_waits_for_the_requests_in_flight(self) -> None:
        """After an unusable response no further request is posted until those in flight have returned."""
        proof = AddressProof()
        proof.documented()
        for name in (A, B):
            assert proof.may_post(name)
            proof.posted(name)
        proof.failed(AnswerError("page", "/p", 502, b""))
        proof.left(A)
        assert proof.trust is Trust.DOUBTED
        assert not proof.may_post(C)
        proof.returned(B)
        assert proof.may_post(C)
        assert not proof.may_post(D)

    @pytest.mark.parametrize(
        ("error", "unproven", "proven"),
        [
            (AnswerError("page", "/p", 502, b""), 1, MAX_FAILURES),
            (OutcomeUnknownError("no answer came", "/p"), 1, MAX_FAILURES),
            (ZeroDivisionError(), 1, MAX_FAILURES),
            (NO_CONNECTION, MAX_FAILURES, None),
            (RefusedError("ERROR_X", "", "/p"), None, None),
        ],
    )
    def test_failures_in_a_row(self, error: Exception, unproven: int | None, proven: int | None) -> None:
        """So many failures in a row stop a run; a documented response in between begins anew."""
        for is_proven, limit in ((False, unproven), (True, proven)):
            proof = AddressProof()
            if is_proven:
                proof.documented()
            for number in range(1, 20):
                proof.failed(error)
                assert (proof.stop_reason is not None) is (limit is not None and number >= limit)
            assert not proof.stop_reason or str(error) in proof.stop_reason
        proof = AddressProof()
        for _ in range(10):
            proof.documented()
            for _ in range(MAX_FAILURES - 1):
                proof.failed(error)
        assert proof.stop_reason is None

    @given(st.lists(st.sampled_from(["post", "documented", "failed", "left"]), max_size=60), st.data())
    def test_never_two_in_flight_without_proof(self, events: list[str], data: st.DataObject) -> None:
        """In any order of events: a request is posted beside another one only when the address is proven."""
        proof, in_flight, waiting = AddressProof(), set[int](), iter(range(100))
        for event in events:
            if event == "post":
                batch = next(waiting)
                if proof.may_post(batch):
                    assert not in_flight or proof.trust is Trust.PROVEN
                    proof.posted(batch)
                    in_flight.add(batch)
            elif in_flight:
                batch = data.draw(st.sampled_from(sorted(in_flight)))
                if event == "documented":
                    proof.documented()
                elif event == "failed":
                    proof.failed(OutcomeUnknownError("lost", "/p"))
                proof.left(batch)
                in_flight.discard(batch)


def sent(script: Script, to: Any, **options: Any) -> list[Any]:
    """Send, and list the outcomes."""
    own = {name: options.pop(name) for name in ("max_concurrency",) if name in options}

    async def main(voice: AsyncEmayVoice) -> list[Any]:
        return [outcome async for outcome in voice.send_batches(MESSAGE, to, **options)]

    return list(with_voice(script, main, **own))


class TestWrongAddress:
    """An address that never answered properly."""

    @pytest.mark.slow
    @pytest.mark.parametrize("name", UNUSABLE)
    @pytest.mark.parametrize("source", [list, iter])
    @pytest.mark.parametrize("journalled", [False, True])
    def test_one_batch_at_most(
        self, name: str, source: Callable[[Any], Any], journalled: bool, tmp_path: Path
    ) -> None:
        """Of 20 batches one request is posted, one batch at most is unknown, and the rest is not sent."""
        script = Script(UNUSABLE[name])
        journal = SqliteJournal(tmp_path / "run.db") if journalled else None
        outcomes = sent(script, source(mobiles(10_000)), journal=journal)
        assert len(script.requests) == 1
        assert isinstance(outcomes[0], Unknown | NotSent)
        assert {type(outcome) for outcome in outcomes[1:]} == {NotSent}
        assert sum(len(outcome.recipients) for outcome in outcomes) == 10_000
        assert "the service has not answered as documented before" in str(outcomes[-1].error)
        if journalled:
            assert len(stored(tmp_path / "run.db")) == 500

    @pytest.mark.slow
    def test_the_next_run_sends_the_rest(self, tmp_path: Path) -> None:
        """With the right address the same send calls all but the first batch."""
        path = tmp_path / "run.db"
        sent(Script(answers(b"<html>")), mobiles(10_000), journal=SqliteJournal(path))
        again = Script(accepts())
        sent(again, mobiles(10_000), journal=SqliteJournal(path))
        assert posted(again) == Counter(mobiles(9500, 500))

    def test_an_address_without_a_service(self) -> None:
        """Five batches without a connection stop the run; certainly no number was called."""
        script = Script(raises(httpx.ConnectError("...")))
        outcomes = sent(script, mobiles(10_000))
        assert {type(outcome) for outcome in outcomes} == {NotSent}
        assert len(script.requests) == 3 * MAX_FAILURES
        assert "5 batches in a row had no connection" in str(outcomes[-1].error)

    def test_a_single_batch(self) -> None:
        """A single batch, and a single number, have their own outcome."""
        assert [type(outcome) for outcome in sent(Script(answers(b"<html>")), mobiles(3))] == [Unknown]

    @pytest.mark.slow
    @pytest.mark.parametrize("first", [accepts(), code("ERROR_MOBILE_ERROR"), code("ERROR_OVER_SPEED")])
    def test_a_refusal_is_a_proof(self, first: Step) -> None:
        """A documented refusal proves the address as a success does: then all requests are in flight at once."""
        script = Script(first, accepts(1))
        outcomes = sent(script, mobiles(5000), max_concurrency=16)
        assert all(isinstance(outcome, Accepted | Refused) for outcome in outcomes)
        assert len(set(script.at[1:10])) == 1


class TestLater:
    """An address that has answered as documented before."""

    @pytest.mark.slow
    @pytest.mark.parametrize("name", UNUSABLE)
    def test_one_costs_its_own_batch(self, name: str) -> None:
        """One unusable response costs its own batch, and the run goes on."""
        script = Script(accepts(), accepts(), UNUSABLE[name], accepts())
        outcomes = sent(script, mobiles(10_000), max_concurrency=1)
        assert [type(outcome) for outcome in outcomes[:2]] == [Accepted] * 2
        assert isinstance(outcomes[2], Unknown | NotSent)
        assert {type(outcome) for outcome in outcomes[3:]} == {Accepted}

    @pytest.mark.slow
    @pytest.mark.parametrize("name", UNUSABLE)
    @pytest.mark.parametrize("concurrency", [1, 4, 16])
    def test_five_in_a_row(self, name: str, concurrency: int) -> None:
        """Five unusable responses in a row stop the run; requests in flight have outcomes of their own."""
        script = Script(accepts(), UNUSABLE[name])
        outcomes = sent(script, mobiles(20_000), max_concurrency=concurrency)
        kinds = [type(outcome) for outcome in outcomes]
        assert kinds[0] is Accepted
        # Immediate responses stop the run before the last one that may be in flight is read.
        assert 0 <= 1 + max(MAX_FAILURES, concurrency) - len(script.requests) <= (concurrency > MAX_FAILURES)
        assert set(kinds[6 if concurrency == 1 else 17 :]) == {NotSent}
        assert "5 batches in a row had no usable response" in str(outcomes[-1].error)

    @pytest.mark.slow
    def test_four_in_a_row(self) -> None:
        """Four in a row, a documented response, and four again do not stop a run."""
        bad = [UNUSABLE["page"]] * 4
        script = Script(accepts(), *bad, accepts(), *bad, accepts())
        outcomes = sent(script, mobiles(10_000), max_concurrency=1)
        assert Counter(map(type, outcomes)) == {Accepted: 12, Unknown: 8}

    def test_one_at_a_time_after_it(self) -> None:
        """After an unusable response one request is in flight, until a documented one; then all again."""
        page = answers(b"<html>", status=502, after=1)
        script = Script(accepts(1), page, page, accepts(1), accepts(1))
        sent(script, mobiles(5000), max_concurrency=2)
        # One; two (both fail); one; then two at a time.
        assert script.at == [1000, 1001, 1001, 1002, *[1003] * 2, *[1004] * 2, *[1005] * 2]

    def test_a_batch_that_waits_for_its_slot_is_put_back(self, tmp_path: Path) -> None:
        """A batch that was claimed when the doubt began is released, waits, and is claimed again."""
        path = tmp_path / "run.db"
        script = Script(accepts(), answers(b"<html>", after=1), accepts(5), accepts(1))
        steps: list[str] = []

        async def watch(step: str) -> None:
            steps.append(step)
            if step == "began" and steps.count("began") == 3:
                await asyncio.sleep(3)

        async def main(voice: AsyncEmayVoice) -> list[Any]:
            return await outcomes_of(voice, mobiles(2500), Watched(SqliteJournal(path), watch))

        outcomes = with_voice(script, main, max_concurrency=3)
        assert [type(outcome) for outcome in outcomes] == [Accepted, Unknown, Accepted, Accepted, Accepted]
        assert max(posted(script).values()) == 1

    def test_waiting_batches_have_the_deadline(self) -> None:
        """Batches that wait for the proof of the address are not sent at the deadline."""
        outcomes = sent(Script(accepts(20)), mobiles(2000), deadline=10)
        assert [type(outcome) for outcome in outcomes] == [Unknown, NotSent, NotSent, NotSent]

    def test_closing_ends_the_wait(self) -> None:
        """Closing the client ends the wait for the proof of the address at once."""
        script = Script(accepts(20))

        async def main() -> None:
            async with script.client() as http_client:
                voice = voice_over(script, http_client)
                going = asyncio.ensure_future(
                    outcomes_of(voice, mobiles(3), None, message=VerificationCode("4711"))  # type: ignore[arg-type]
                )
                await asyncio.sleep(1)
                await voice.aclose()
                assert [type(outcome) for outcome in await going] == [Accepted, NotSent, NotSent]

        run(main())

    def test_a_late_response_proves_as_well(self) -> None:
        """A documented response that comes after the timeout proves the address for the batches after it."""
        script = Script(accepts(), accepts(40), UNUSABLE["page"], accepts(5))

        async def main(voice: AsyncEmayVoice) -> list[Any]:
            return [outcome async for outcome in voice.send_batches(MESSAGE, mobiles(5000))]

        outcomes = with_voice(script, main, max_concurrency=2)
        assert Counter(map(type, outcomes)) == {Accepted: 8, Unknown: 2}


def test_errors_keep_their_path() -> None:
    """The outcomes of a stopped run name the path and the reason."""
    outcomes = sent(Script(answers(b"<html>")), mobiles(1000))
    error: EmayVoiceError = outcomes[-1].error
    assert isinstance(error, NotSentError)
    assert error.path == "/voice/send"
    assert error.reason.startswith(
        "the send was stopped: the service has not answered as documented before: "
    )


@pytest.mark.parametrize("event", ["left", "documented"])
def test_a_cancelled_batch_is_passed_over(event: str) -> None:
    """A batch that is cancelled in the turn of an event gets no turn; the batch behind gets one."""

    async def main() -> None:
        proof = AddressProof()
        assert proof.may_post(A)
        cancelled, following = (asyncio.ensure_future(proof.wait(batch)) for batch in (B, C))
        await asyncio.sleep(0)
        cancelled.cancel()
        proof.left(A) if event == "left" else proof.documented()
        await following
        assert proof.may_post(C)
        assert cancelled.cancelled()

    run(main())
