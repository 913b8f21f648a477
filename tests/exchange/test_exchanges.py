"""Requests through the pacer: each one's end accounted for, repeated only when that is safe."""

import asyncio
import logging
from datetime import timedelta
from email.utils import formatdate
from itertools import pairwise

import httpx
import pytest
from support.exchange_world import BALANCE, EPOCH, SUCCESS, TIMEOUT, World, in_world, no_retry, read
from support.http_transport import Step, answers, code, fields_of, hangs, raises
from support.virtual_time import now, run

from emay_voice_async.errors import (
    AccountError,
    AnswerError,
    EmayVoiceError,
    NotSentError,
    OutcomeUnknownError,
    OverSpeedError,
    RefusedError,
)
from emay_voice_async.exchange.attempts import CallStep, Credentials, InFlight
from emay_voice_async.exchange.exchanges import MAX_RETRIES, MAX_RETRY_TIME
from emay_voice_async.exchange.retries import Retry
from emay_voice_async.model.endpoints import VOICE_BALANCE, VOICE_REPORTS, VOICE_SEND, Endpoint
from emay_voice_async.model.limits import RateLimit


class TestRepeats:
    """Retries: which requests are sent again."""

    @pytest.mark.parametrize("endpoint", [VOICE_SEND, VOICE_REPORTS], ids=lambda end: end.call.value)
    @pytest.mark.parametrize(
        ("step", "error"),
        [
            (raises(httpx.ReadTimeout("...")), OutcomeUnknownError),
            (raises(httpx.ReadError("...")), OutcomeUnknownError),
            (raises(httpx.WriteError("...")), OutcomeUnknownError),
            (raises(httpx.RemoteProtocolError("...")), OutcomeUnknownError),
            (raises(RuntimeError("...")), OutcomeUnknownError),
            (answers(b"", status=500), AnswerError),
            (answers(SUCCESS, status=502), AnswerError),
            (answers(b"<html>"), AnswerError),
            (answers(b'{"code":'), AnswerError),
            (code("ERROR_SIGN"), AccountError),
            (code("ERROR_TIMESTAMP"), AccountError),
            (code("ERROR_NEW"), RefusedError),
        ],
    )
    def test_never_once_it_may_have_been_acted_on(
        self, endpoint: Endpoint, step: Step, error: type[EmayVoiceError]
    ) -> None:
        """A send or a getReport that may have reached the service, or was refused, goes out once."""

        async def main(world: World) -> None:
            with pytest.raises(error):
                await world.call(endpoint)
            assert len(world.script.requests) == 1

        in_world(World(step), main)

    @pytest.mark.parametrize("endpoint", [VOICE_SEND, VOICE_REPORTS, VOICE_BALANCE], ids=lambda end: end.path)
    def test_no_connection(self, endpoint: Endpoint) -> None:
        """Without a connection the request is retried after a growing pause, at most twice."""

        async def main(world: World) -> None:
            with pytest.raises(NotSentError):
                await world.call(endpoint)
            assert len(world.script.requests) == 1 + MAX_RETRIES[Retry.AFTER_PAUSE]
            first, second = (later - at for at, later in pairwise(world.script.at))
            assert 0.1 <= first <= 0.2 <= second <= 0.4

        in_world(World(raises(httpx.ConnectError("..."))), main)

    def test_a_connection_at_last(self) -> None:
        """A repeat that succeeds is a success."""

        async def main(world: World) -> None:
            assert await world.call() == ()
            assert world.exchanges.stats.requests == 2

        in_world(World(raises(httpx.ConnectTimeout("...")), answers(SUCCESS)), main)

    @pytest.mark.parametrize(
        "step",
        [raises(httpx.ReadError("...")), answers(b"", status=500), answers(b"<html>"), answers(SUCCESS)],
    )
    def test_a_balance_query_is_repeated_after_any_failure(self, step: Step) -> None:
        """Asking for the balance twice does no harm."""

        async def main(world: World) -> None:
            assert str(await world.call(VOICE_BALANCE)) == "12.50"
            assert len(world.script.requests) == 3

        in_world(World(step, step, answers(BALANCE)), main)

    @pytest.mark.parametrize("endpoint", [VOICE_SEND, VOICE_REPORTS, VOICE_BALANCE], ids=lambda end: end.path)
    def test_over_speed(self, endpoint: Endpoint) -> None:
        """A request that was refused for speed is retried with a new slot, and is counted."""

        async def main(world: World) -> None:
            await world.call(endpoint)
            assert len(world.script.requests) == 3
            assert world.exchanges.stats.over_speed == 2
            pauses = [later - at for at, later in pairwise(world.script.at)]
            assert all(pause > (0.05 if endpoint is VOICE_BALANCE else 1.0) for pause in pauses)

        success = BALANCE if endpoint is VOICE_BALANCE else SUCCESS
        in_world(World(code("ERROR_OVER_SPEED"), code("ERROR_OVER_SPEED"), answers(success)), main)

    def test_over_speed_for_ever(self) -> None:
        """Retries are capped: in the end the call is refused."""

        async def main(world: World) -> None:
            with pytest.raises(OverSpeedError):
                await world.call()
            assert len(world.script.requests) == 1 + MAX_RETRIES[Retry.AFTER_SLOT]

        in_world(World(code("ERROR_OVER_SPEED")), main)

    def test_over_speed_for_long(self) -> None:
        """The time of repeats is capped as well."""

        async def main(world: World) -> None:
            with pytest.raises(OverSpeedError):
                await world.call()
            assert len(world.script.requests) == 3
            assert world.script.at[-1] - world.script.at[0] < MAX_RETRY_TIME

        in_world(World(code("ERROR_OVER_SPEED", after=25.0)), main)

    def test_a_refused_batch_goes_back_to_its_place(self) -> None:
        """A retry after ERROR_OVER_SPEED is not overtaken by later requests."""

        async def main(world: World) -> None:
            await asyncio.gather(
                world.exchanges.call(VOICE_SEND, b"n=1", read(VOICE_SEND)),
                world.exchanges.call(VOICE_SEND, b"n=2", read(VOICE_SEND)),
            )
            assert [fields_of(request)["n"] for request in world.script.requests] == ["1", "1", "2"]

        in_world(World(code("ERROR_OVER_SPEED"), answers(SUCCESS)), main)

    def test_the_last_attempt(self) -> None:
        """A call that was told to be the last is not repeated."""

        async def main(world: World) -> None:
            with pytest.raises(OverSpeedError):
                await world.call(observe=no_retry)
            assert len(world.script.requests) == 1

        in_world(World(code("ERROR_OVER_SPEED")), main)


def dated(seconds: float) -> dict[str, str]:
    """Make a Date header so many seconds after the beginning of the virtual time."""
    return {"date": formatdate(EPOCH + 1000 + seconds, usegmt=True)}


class TestClock:
    """ERROR_TIMESTAMP, and the Date header."""

    @pytest.mark.parametrize("error", [-7200.0, -90.0, 90.0, 86400.0])
    def test_a_wrong_clock_is_corrected_once(self, error: float, caplog: pytest.LogCaptureFixture) -> None:
        """The offset is learned, the request signed again, and the offset kept for the next."""

        async def main(world: World) -> None:
            world.clock_error = error
            await world.call()
            await world.call()
            stamps = [fields_of(request)["timestamp"] for request in world.script.requests]
            assert len(stamps) == 3
            assert stamps[1][:10] == "2020091320"  # the service's Beijing time
            assert world.exchanges.clock.offset == pytest.approx(
                timedelta(seconds=-error), abs=timedelta(seconds=3)
            )
            assert len({fields_of(request)["sign"] for request in world.script.requests}) == 3

        refused = answers({"code": "ERROR_TIMESTAMP"}, headers=dated(0))
        with caplog.at_level(logging.WARNING, "emay_voice_async"):
            in_world(World(refused, answers(SUCCESS)), main)
        assert len(caplog.messages) == 1

    def test_a_date_with_a_zone(self) -> None:
        """A Date that names another zone than GMT means that zone."""

        async def main(world: World) -> None:
            world.clock_error = 7200
            await world.call()
            assert world.exchanges.clock.offset == pytest.approx(
                timedelta(hours=-2), abs=timedelta(seconds=3)
            )

        date = "Sun, 13 Sep 2020 20:43:20 +0800"
        refused = answers({"code": "ERROR_TIMESTAMP"}, headers={"date": date})
        in_world(World(refused, answers(SUCCESS)), main)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"date": "yesterday"},
            dated(1),
            {"date": "Fri, 31 Dec 9999 23:59:59 GMT"},
            {"date": "Mon, 01 Jan 99999999999 00:00:00 GMT"},
        ],
    )
    def test_no_correction(self, headers: dict[str, str]) -> None:
        """Without a usable Date, or with a Date that agrees with this host, the request is not retried."""

        async def main(world: World) -> None:
            with pytest.raises(AccountError):
                await world.call()
            assert len(world.script.requests) == 1
            assert world.exchanges.clock.offset == timedelta()

        in_world(World(answers({"code": "ERROR_TIMESTAMP"}, headers=headers)), main)

    @pytest.mark.parametrize("days", [-18_000, -2, 2, 36_500])
    def test_a_date_that_is_days_off(self, days: int) -> None:
        """A Date that is more than a day off is not believed: no retry, and the error says so."""

        async def main(world: World) -> None:
            with pytest.raises(
                AccountError, match=f"is {abs(days)} days (ahead of|behind) the clock"
            ) as caught:
                await world.call()
            assert caught.value.code == "ERROR_TIMESTAMP"
            assert len(world.script.requests) == 1
            assert world.exchanges.clock.offset == timedelta()

        refused = answers(
            {"code": "ERROR_TIMESTAMP"}, headers=dated(days * 86_400 + (30 if days > 0 else -30))
        )
        in_world(World(refused), main)

    def test_only_once(self) -> None:
        """A service that goes on refusing the corrected stamp is believed."""

        async def main(world: World) -> None:
            with pytest.raises(AccountError):
                await world.call()
            assert len(world.script.requests) == 2

        steps = [answers({"code": "ERROR_TIMESTAMP"}, headers=dated(hours * 3600)) for hours in (1, 2)]
        in_world(World(*steps), main)

    def test_two_at_once(self) -> None:
        """Requests that were stamped before the correction are all repeated with the corrected clock."""

        async def main(world: World) -> None:
            world.clock_error = 7200
            await asyncio.gather(world.call(), world.call())
            assert len(world.script.requests) == 4

        refused = answers({"code": "ERROR_TIMESTAMP"}, headers=dated(0), after=0.5)
        in_world(World(refused, refused, answers(SUCCESS), limit=RateLimit(2, 1.0)), main)

    def test_the_stamp_is_made_when_the_request_leaves(self) -> None:
        """Waiting for a slot does not age the signature."""

        async def main(world: World) -> None:
            await asyncio.gather(*(world.call() for _ in range(3)))
            stamps = [fields_of(request)["timestamp"] for request in world.script.requests]
            assert stamps == ["20200913204320", "20200913204340", "20200913204400"]

        in_world(World(answers(SUCCESS), limit=RateLimit(1, 20.0)), main)


class TestDeadline:
    """``deadline`` bounds waiting, retries and network together."""

    def test_no_slot_in_time(self) -> None:
        """A request without a slot at the deadline is not sent."""

        async def main(world: World) -> None:
            await world.call()
            with pytest.raises(NotSentError, match="deadline"):
                await world.call(deadline=now() + 0.5)
            assert len(world.script.requests) == 1

        in_world(World(answers(SUCCESS)), main)

    def test_a_deadline_that_has_passed(self) -> None:
        """After the deadline no request is sent, even if a slot is free; the slot stays free."""

        async def main(world: World) -> None:
            with pytest.raises(NotSentError, match="deadline"):
                await world.call(deadline=now() - 1)
            assert not world.script.requests
            assert await world.seconds_until_a_slot() == 0

        in_world(World(answers(SUCCESS)), main)

    def test_no_answer_in_time(self) -> None:
        """A deadline before the timeout ends the waiting for the answer: unknown."""

        async def main(world: World) -> None:
            began = now()
            with pytest.raises(OutcomeUnknownError):
                await world.call(deadline=now() + 3)
            assert now() - began == 3

        in_world(World(answers(SUCCESS, after=10)), main)

    def test_no_repeat_after_it(self) -> None:
        """A repeat that could not begin before the deadline is not waited for."""

        async def main(world: World) -> None:
            began = now()
            with pytest.raises(NotSentError, match="ConnectError"):
                await world.call(deadline=now() + 0.05)
            assert now() - began < 0.05

        in_world(World(raises(httpx.ConnectError("..."))), main)


class TestPrepare:
    """The preparation just before posting."""

    def test_each_time_with_the_slot_in_hand(self) -> None:
        """``prepare`` is awaited in each attempt, after the slot and before posting."""
        at: list[float] = []

        async def prepare() -> None:
            at.append(now())
            steps.append("prepared")
            await asyncio.sleep(0.25)

        steps: list[object] = []

        def observe(step: CallStep) -> bool:
            steps.append(step)
            return True

        async def main(world: World) -> None:
            await world.call(prepare=prepare, observe=observe)
            assert world.script.at == [one + 0.25 for one in at]
            assert at[0] == 1000
            assert at[1] > world.script.at[0] + 1
            attempt = [CallStep.SLOT, "prepared", CallStep.POSTED]
            assert steps == [*attempt, CallStep.RETRY, *attempt]

        in_world(World(code("ERROR_OVER_SPEED"), answers(SUCCESS)), main)

    def test_it_fails(self) -> None:
        """An error of ``prepare`` is raised; the request is neither posted nor retried, and the slot is free."""

        async def prepare() -> None:
            await asyncio.sleep(1)
            raise ZeroDivisionError

        request = InFlight()

        async def main(world: World) -> None:
            with pytest.raises(ZeroDivisionError):
                await world.call(prepare=prepare, observe=request)
            assert not world.script.requests
            assert not request.in_flight
            assert await world.seconds_until_a_slot() == 0

        in_world(World(answers(SUCCESS)), main)

    @pytest.mark.parametrize("how", ["cancelled", "closed", "late"])
    def test_too_late_by_then(self, how: str) -> None:
        """Cancelled, closed or out of time during the preparation: no request is posted, and the slot is free."""

        async def prepare() -> None:
            await asyncio.sleep(10)

        request = InFlight()

        async def main() -> None:
            world = World(answers(SUCCESS))
            async with world:
                deadline = now() + 5 if how == "late" else None
                task = asyncio.ensure_future(world.call(prepare=prepare, deadline=deadline, observe=request))
                await asyncio.sleep(1)
                assert not request.in_flight
                if how == "cancelled":
                    task.cancel()
                if how == "closed":
                    await world.exchanges.aclose()
                with pytest.raises((NotSentError, asyncio.CancelledError)) as caught:
                    await task
                assert how == "cancelled" or ("closed" if how == "closed" else "deadline") in str(
                    caught.value
                )
                assert not request.in_flight
                assert await world.seconds_until_a_slot() == 0
                assert not world.script.requests

        run(main())


class TestPause:
    """Pauses before a request."""

    def test_it_takes_its_time(self) -> None:
        """A pause takes the given seconds."""

        async def main(world: World) -> None:
            await world.exchanges.tasks.pause(asyncio.sleep(5), "/", None)
            await world.exchanges.tasks.pause(asyncio.sleep(5), "/", now() + 6)
            assert now() == 1010

        in_world(World(answers(SUCCESS)), main)

    def test_the_deadline(self) -> None:
        """At the deadline a pause is a NotSentError."""

        async def main(world: World) -> None:
            with pytest.raises(NotSentError, match="deadline"):
                await world.exchanges.tasks.pause(asyncio.sleep(5), "/", now() + 4)
            assert now() == 1004

        in_world(World(answers(SUCCESS)), main)

    def test_closing(self) -> None:
        """Closing ends a pause at once, and refuses later pauses."""

        async def main() -> None:
            world = World(answers(SUCCESS))
            async with world:
                task = asyncio.ensure_future(world.exchanges.tasks.pause(asyncio.sleep(5), "/", None))
                await asyncio.sleep(1)
            for pause in (task, world.exchanges.tasks.pause(asyncio.sleep(5), "/", None)):
                with pytest.raises(NotSentError, match="closed"):
                    await pause
            assert now() == 1001

        run(main())

    def test_cancelling(self) -> None:
        """A cancellation during a pause is raised."""

        async def main(world: World) -> None:
            task = asyncio.ensure_future(world.exchanges.tasks.pause(asyncio.sleep(5), "/", None))
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        in_world(World(answers(SUCCESS)), main)


class TestCancellation:
    """Cancelling the caller at any moment."""

    @pytest.mark.parametrize(
        ("at", "posted", "slot"),
        [
            (0.5, 0, 0.0),  # connecting
            (1.5, 1, 2.5),  # awaiting the answer, which comes at 3
        ],
    )
    def test_in_flight(self, at: float, posted: int, slot: float) -> None:
        """Cancelled while connecting, the request is not sent; cancelled later, the response is read."""

        async def main(world: World) -> None:
            task = asyncio.ensure_future(world.call())
            await asyncio.sleep(at)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await world.seconds_until_a_slot() == pytest.approx(slot, abs=0.01)
            assert len(world.script.requests) == posted
            assert world.script.ended == posted

        in_world(World(answers(SUCCESS, after=2), traced=True, connecting=1), main)

    def test_while_waiting_for_a_slot(self) -> None:
        """A request cancelled in the queue is not sent, and the queue goes on."""

        async def main(world: World) -> None:
            tasks = [asyncio.ensure_future(world.call()) for _ in range(3)]
            await asyncio.sleep(0.5)
            tasks[1].cancel()
            await asyncio.wait(tasks)
            assert tasks[1].cancelled()
            assert tasks[2].result() == ()
            assert len(world.script.requests) == 2

        in_world(World(answers(SUCCESS)), main)

    def test_in_the_pause_before_a_repeat(self) -> None:
        """A call cancelled between two attempts makes no second attempt."""

        async def main(world: World) -> None:
            task = asyncio.ensure_future(world.call())
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len(world.script.requests) == 1

        in_world(World(raises(httpx.ConnectError("..."))), main)

    def test_every_task_is_cancelled(self) -> None:
        """When the loop is torn down, the task of the request ends, and the slot is released."""

        async def main(world: World) -> None:
            task = asyncio.ensure_future(world.call())
            await asyncio.sleep(1)
            for other in asyncio.all_tasks() - {asyncio.current_task()}:
                other.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert TIMEOUT + 1 < await world.seconds_until_a_slot() < TIMEOUT + 1.01

        in_world(World(hangs), main)


class TestStats:
    """The statistics."""

    def test_waiting_is_added_up(self) -> None:
        """The seconds that requests waited for slots are counted, all of them together."""

        async def main(world: World) -> None:
            await asyncio.gather(*(world.call() for _ in range(3)))
            assert world.exchanges.stats.waited == pytest.approx(1 + 2, abs=0.01)
            assert world.exchanges.stats.requests == 3

        in_world(World(answers(SUCCESS)), main)

    def test_the_secret_is_in_no_repr(self) -> None:
        """Credentials show the account without the secret."""
        assert repr(Credentials("app", "secret-key")) == "Credentials(app_id='app')"
