"""Requests through the pacer: each one's end accounted for, repeated only when that is safe."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from email.utils import formatdate
from itertools import pairwise
from typing import Any, Self

import httpx
import pytest
from support.http_transport import Script, Step, answers, code, fields_of, hangs, raises
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
from emay_voice_async.exchange.exchanges import MAX_RETRIES, MAX_RETRY_TIME, Attempts, Credentials, Exchanges
from emay_voice_async.exchange.retries import Retry
from emay_voice_async.exchange.transport import Transport
from emay_voice_async.model.endpoints import VOICE_BALANCE, VOICE_REPORTS, VOICE_SEND, Call, Endpoint
from emay_voice_async.model.limits import RateLimit, RateLimits
from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.wire.envelope import HttpResponse, read_balance, read_reports
from emay_voice_async.wire.tickets import read_tickets

SUCCESS = {"code": "SUCCESS", "data": []}
BALANCE = {"code": "SUCCESS", "data": "12.50"}
EPOCH = 1_600_000_000.0
TIMEOUT = 30.0


def read(endpoint: Endpoint) -> Callable[[HttpResponse], Any]:
    """Read an answer of this endpoint."""
    return {
        Call.SEND: lambda answer: read_tickets(endpoint, answer, []),
        Call.REPORTS: lambda answer: read_reports(endpoint, answer),
        Call.BALANCE: lambda answer: read_balance(endpoint, answer),
    }[endpoint.call]


class World:
    """One client's exchanges over a script, in virtual time."""

    def __init__(self, *steps: Step, limit: RateLimit | None = None, **options: Any) -> None:
        self.script = Script(*steps, **options)
        self.limit = RateLimit(1, 1.0) if limit is None else limit
        self.clock_error = 0.0

    async def __aenter__(self) -> Self:
        self.client = self.script.client()
        limits = RateLimits(send=self.limit, reports=self.limit, balance=None)
        self.exchanges = Exchanges(
            Transport("http://service", self.client, TIMEOUT),
            LocalPacer(limits),
            Credentials("app", "secret"),
            timeout=TIMEOUT,
            clock=lambda: EPOCH + now() + self.clock_error,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.exchanges.aclose()
        await self.client.aclose()

    async def call(self, endpoint: Endpoint = VOICE_SEND, **options: Any) -> Any:
        """Make one call."""
        return await self.exchanges.call(endpoint, b"a=1", read(endpoint), **options)

    async def seconds_until_a_slot(self) -> float:
        """Take the only slot for sends, and tell how long that took."""
        began = now()
        await self.exchanges._pacer.acquire(Call.SEND)
        return now() - began


def in_world(world: World, main: Callable[[World], Awaitable[None]]) -> None:
    """Run a test in a world of its own, which must close without anything left."""

    async def living() -> None:
        async with world:
            await main(world)

    run(living())


class TestRepeats:
    """What is sent again, and what never is."""

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
        """Without a connection it is tried again after a pause that grows, three times in all."""

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
        """What was refused for speed goes out again with a slot of its own, and is counted."""

        async def main(world: World) -> None:
            await world.call(endpoint)
            assert len(world.script.requests) == 3
            assert world.exchanges.stats.over_speed == 2
            pauses = [later - at for at, later in pairwise(world.script.at)]
            assert all(pause > (0.05 if endpoint is VOICE_BALANCE else 1.0) for pause in pauses)

        success = BALANCE if endpoint is VOICE_BALANCE else SUCCESS
        in_world(World(code("ERROR_OVER_SPEED"), code("ERROR_OVER_SPEED"), answers(success)), main)

    def test_over_speed_for_ever(self) -> None:
        """Attempts are capped: in the end it is a refusal."""

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
        """A repeat after ERROR_OVER_SPEED is not overtaken by those that came later."""

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
                await world.call(attempts=Attempts(last=True))
            assert len(world.script.requests) == 1

        in_world(World(code("ERROR_OVER_SPEED")), main)


def dated(seconds: float) -> dict[str, str]:
    """Make a Date header so many seconds after the beginning of the virtual time."""
    return {"date": formatdate(EPOCH + 1000 + seconds, usegmt=True)}


class TestClock:
    """ERROR_TIMESTAMP, and what the Date header tells."""

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
            assert world.exchanges.clock_offset == pytest.approx(
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
            assert world.exchanges.clock_offset == pytest.approx(
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
    def test_nothing_to_correct(self, headers: dict[str, str]) -> None:
        """Without a usable Date, or with one that agrees with ours, a repeat would fail alike."""

        async def main(world: World) -> None:
            with pytest.raises(AccountError):
                await world.call()
            assert len(world.script.requests) == 1
            assert world.exchanges.clock_offset == timedelta()

        in_world(World(answers({"code": "ERROR_TIMESTAMP"}, headers=headers)), main)

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


class TestLease:
    """When a slot is free again."""

    @pytest.mark.parametrize(
        ("step", "least", "most"),
        [
            (answers(SUCCESS), 1.0, 1.01),
            (code("ERROR_SIGN"), 1.0, 1.01),
            (answers(b"<html>"), 1.0, 1.01),
            (answers(b"", status=500), 1.0, 1.01),
            (raises(httpx.ReadError("...")), 1.0, 1.01),
            (raises(RuntimeError("...")), 1.0, 1.01),
            # A gateway gave up; behind it the service may still get to the request.
            (answers(b"", status=504), TIMEOUT + 1, TIMEOUT + 1.01),
            (answers(b"", status=502), TIMEOUT + 1, TIMEOUT + 1.01),
            (answers(b"", status=503), TIMEOUT + 1, TIMEOUT + 1.01),
        ],
    )
    def test_after_an_end_of_each_kind(self, step: Step, least: float, most: float) -> None:
        """A slot is held for a period after the last moment at which the request can have counted."""

        async def main(world: World) -> None:
            await asyncio.gather(world.call(attempts=Attempts(last=True)), return_exceptions=True)
            assert least < await world.seconds_until_a_slot() < most

        in_world(World(step), main)

    def test_nothing_was_written(self) -> None:
        """Without a connection the slot is free at once."""

        async def main(world: World) -> None:
            with pytest.raises(NotSentError):
                await world.call(attempts=Attempts(last=True))
            assert await world.seconds_until_a_slot() == 0

        in_world(World(raises(httpx.ConnectError("..."))), main)

    def test_a_connection_that_cannot_even_be_closed(self) -> None:
        """An answer that breaks off, and whose closing fails as well, ends its lease all the same."""

        class Broken(httpx.AsyncByteStream):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                yield b"{"
                raise httpx.ReadError("...")

            async def aclose(self) -> None:
                raise httpx.CloseError("...")

        async def step(_: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=Broken())

        async def main(world: World) -> None:
            with pytest.raises(AnswerError) as caught:
                await world.call()
            assert caught.value.body == b"{"
            assert 1 < await world.seconds_until_a_slot() < 1.01

        in_world(World(step), main)

    def test_the_reader_itself_fails(self) -> None:
        """Whatever goes wrong with an answer, its slot comes back."""

        def broken(_: HttpResponse) -> None:
            raise ZeroDivisionError

        async def main(world: World) -> None:
            with pytest.raises(ZeroDivisionError):
                await world.exchanges.call(VOICE_SEND, b"", broken)
            assert 1 < await world.seconds_until_a_slot() < 1.01

        in_world(World(answers(SUCCESS)), main)


class TestTimeout:
    """Nobody waits for ever, and late answers are still read."""

    def test_no_answer_in_time(self) -> None:
        """After the timeout the outcome is unknown, and the answer that comes late ends the lease."""

        async def main(world: World) -> None:
            began = now()
            with pytest.raises(OutcomeUnknownError, match="30 seconds"):
                await world.call()
            assert now() - began == TIMEOUT
            # The answer comes 10 seconds later, and the slot is free a period after that.
            assert 11 < await world.seconds_until_a_slot() < 11.01

        in_world(World(answers(SUCCESS, after=40)), main)

    def test_a_late_answer_is_read_all_the_same(self, caplog: pytest.LogCaptureFixture) -> None:
        """What ``read`` puts away is not lost when its caller has gone."""
        kept: list[bytes] = []

        async def main(world: World) -> None:
            with pytest.raises(OutcomeUnknownError):
                await world.exchanges.call(VOICE_REPORTS, b"", lambda answer: kept.append(answer.body))
            assert not kept

        with caplog.at_level(logging.INFO, "emay_voice_async"):
            in_world(World(answers(b"late", after=40)), main)
        assert kept == [b"late"]
        assert "after its caller left: accepted" in caplog.text

    def test_a_late_refusal_is_not_an_unretrieved_exception(self, caplog: pytest.LogCaptureFixture) -> None:
        """A request that fails when nobody listens any more is logged, and no more."""

        async def main(world: World) -> None:
            with pytest.raises(OutcomeUnknownError):
                await world.call()

        with caplog.at_level(logging.INFO, "emay_voice_async"):
            in_world(World(code("ERROR_SIGN", after=40)), main)
        assert "ERROR_SIGN" in caplog.text
        assert not [record for record in caplog.records if record.name == "asyncio"]

    def test_an_answer_that_never_comes(self) -> None:
        """Reading in the background is bounded; the slot is held as long as the request may arrive."""

        async def main(world: World) -> None:
            with pytest.raises(OutcomeUnknownError):
                await world.call()
            began = now()
            slot = await world.seconds_until_a_slot()
            assert TIMEOUT * 2 + 1 < slot < TIMEOUT * 2 + 1.01
            assert now() - began == slot
            assert world.script.ended == 1

        in_world(World(hangs), main)

    def test_no_connection_in_time(self) -> None:
        """A connection that does not come within the timeout means: not sent, and the slot is free."""

        async def main(world: World) -> None:
            with pytest.raises(NotSentError, match="no connection"):
                await world.call(attempts=Attempts(last=True))
            assert await world.seconds_until_a_slot() == 0
            assert not world.script.requests

        in_world(World(answers(SUCCESS), traced=True, connecting=1000), main)

    def test_an_answer_that_trickles(self) -> None:
        """An answer that is not whole in twice the timeout is kept as far as it came."""

        class Trickle(httpx.AsyncByteStream):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                for _ in range(1000):
                    yield b" "
                    await asyncio.sleep(1)

        async def step(_: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=Trickle())

        seen: list[HttpResponse] = []

        async def main(world: World) -> None:
            with pytest.raises(OutcomeUnknownError):
                await world.exchanges.call(VOICE_REPORTS, b"", seen.append)

        in_world(World(step), main)
        [answer] = seen
        assert (answer.body, answer.incomplete) == (b" " * 60, "TimeoutError")

    def test_waiting_for_a_connection_of_a_shared_pool(self) -> None:
        """What waits in vain for a connection of a shared client is not sent, and says so in time."""

        async def main() -> None:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.read()
                writer.close()
                await writer.wait_closed()
                gone.set()

            gone = asyncio.Event()
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1), trust_env=False) as client:
                exchanges = Exchanges(
                    Transport(url, client, 0.4),
                    LocalPacer(RateLimits(send=None)),
                    Credentials("app", "secret"),
                    timeout=0.4,
                    clock=lambda: EPOCH,
                )
                first = asyncio.ensure_future(exchanges.call(VOICE_SEND, b"", read(VOICE_SEND)))
                await asyncio.sleep(0.05)
                with pytest.raises(NotSentError, match="PoolTimeout"):
                    await exchanges.call(VOICE_SEND, b"", read(VOICE_SEND), attempts=Attempts(last=True))
                with pytest.raises(OutcomeUnknownError):
                    await first
                await exchanges.aclose()
            await gone.wait()
            server.close()
            await server.wait_closed()

        asyncio.run(main())

    def test_closing_waits_for_what_is_under_way(self) -> None:
        """Closing the client lets a request end whose caller left, so that its answer is read."""

        async def main() -> None:
            world = World(answers(SUCCESS, after=40))
            async with world:
                with pytest.raises(OutcomeUnknownError):
                    await world.call()
                left = now()
            assert now() - left == 10
            assert world.script.ended == 1

        run(main())

    def test_closing_keeps_back_what_has_no_slot(self) -> None:
        """What waits for a slot when the client is closed is not sent."""

        async def main() -> None:
            world = World(answers(SUCCESS, after=5))
            async with world:
                first = asyncio.ensure_future(world.call())
                second = asyncio.ensure_future(world.call())
                await asyncio.sleep(1)
                closed = now()
            # Not a moment longer than what is under way; what waits for a slot is told at once.
            assert now() - closed == 4
            assert second.done()
            assert await first == ()
            with pytest.raises(NotSentError, match="closed"):
                await second
            assert len(world.script.requests) == 1

        run(main())

    def test_a_slot_that_comes_as_the_client_is_closed(self) -> None:
        """A slot that is given in the very turn of the closing is given back, and nothing is sent."""

        async def main() -> None:
            world = World(answers(SUCCESS))
            async with world:
                lease = await world.exchanges._pacer.acquire(Call.SEND)
                waiting = asyncio.ensure_future(world.call())
                await asyncio.sleep(0)
                lease.give_back()
            with pytest.raises(NotSentError, match="closed"):
                await waiting
            assert not world.script.requests

        run(main())

    def test_nothing_waits_after_closing(self) -> None:
        """Neither for a slot nor for the calling hours: what comes then is told at once."""

        async def main() -> None:
            world = World(answers(SUCCESS))
            async with world:
                await world.call()
            closed = now()
            with pytest.raises(NotSentError, match="closed"):
                await world.call()
            with pytest.raises(NotSentError, match="closed"):
                await world.exchanges.pause(30, "/p", None)
            assert now() == closed
            assert len(world.script.requests) == 1

        run(main())

    def test_nothing_leaves_after_closing(self) -> None:
        """Even with a free slot."""

        async def main() -> None:
            world = World(answers(SUCCESS))
            async with world:
                pass
            with pytest.raises(NotSentError, match="closed"):
                await world.call()

        run(main())


class TestDeadline:
    """``deadline`` bounds everything together."""

    def test_no_slot_in_time(self) -> None:
        """What had no slot by the deadline is not sent."""

        async def main(world: World) -> None:
            await world.call()
            with pytest.raises(NotSentError, match="deadline"):
                await world.call(deadline=now() + 0.5)
            assert len(world.script.requests) == 1

        in_world(World(answers(SUCCESS)), main)

    def test_a_deadline_that_has_passed(self) -> None:
        """With no time left nothing is sent, even if a slot is free; the slot stays free."""

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
    """What is done just before posting."""

    def test_each_time_with_the_slot_in_hand(self) -> None:
        """It is awaited before each attempt, when there is a slot, and posting waits for it."""
        at: list[float] = []

        async def prepare() -> None:
            at.append(now())
            assert attempts.under_way
            await asyncio.sleep(0.25)

        attempts = Attempts()

        async def main(world: World) -> None:
            await world.call(prepare=prepare, attempts=attempts)
            assert world.script.at == [one + 0.25 for one in at]
            assert at[0] == 1000
            assert at[1] > world.script.at[0] + 1
            assert not attempts.under_way

        in_world(World(code("ERROR_OVER_SPEED"), answers(SUCCESS)), main)

    def test_it_fails(self) -> None:
        """What it raises comes out; nothing is posted, nothing is repeated, and the slot is free."""

        async def prepare() -> None:
            await asyncio.sleep(1)
            raise ZeroDivisionError

        attempts = Attempts()

        async def main(world: World) -> None:
            with pytest.raises(ZeroDivisionError):
                await world.call(prepare=prepare, attempts=attempts)
            assert not world.script.requests
            assert attempts == Attempts()
            assert await world.seconds_until_a_slot() == 0

        in_world(World(answers(SUCCESS)), main)

    @pytest.mark.parametrize("how", ["cancelled", "closed", "late"])
    def test_too_late_by_then(self, how: str) -> None:
        """Cancelled, closed or out of time meanwhile: nothing is posted, and the slot is free."""

        async def prepare() -> None:
            await asyncio.sleep(10)

        attempts = Attempts()

        async def main() -> None:
            world = World(answers(SUCCESS))
            async with world:
                deadline = now() + 5 if how == "late" else None
                task = asyncio.ensure_future(
                    world.call(prepare=prepare, deadline=deadline, attempts=attempts)
                )
                await asyncio.sleep(1)
                assert attempts.under_way
                if how == "cancelled":
                    task.cancel()
                if how == "closed":
                    await world.exchanges.aclose()
                with pytest.raises((NotSentError, asyncio.CancelledError)) as caught:
                    await task
                assert how == "cancelled" or ("closed" if how == "closed" else "deadline") in str(
                    caught.value
                )
                assert not attempts.under_way
                assert not attempts.posted
                assert await world.seconds_until_a_slot() == 0
                assert not world.script.requests

        run(main())


class TestPause:
    """Waiting for something else than a slot."""

    def test_it_takes_its_time(self) -> None:
        """It sleeps so many seconds."""

        async def main(world: World) -> None:
            await world.exchanges.pause(5, "/", None)
            await world.exchanges.pause(5, "/", now() + 6)
            assert now() == 1010

        in_world(World(answers(SUCCESS)), main)

    def test_the_deadline(self) -> None:
        """At the deadline it is not sent."""

        async def main(world: World) -> None:
            with pytest.raises(NotSentError, match="deadline"):
                await world.exchanges.pause(5, "/", now() + 4)
            assert now() == 1004

        in_world(World(answers(SUCCESS)), main)

    def test_closing(self) -> None:
        """Closing ends it at once, and after that there is none."""

        async def main() -> None:
            world = World(answers(SUCCESS))
            async with world:
                task = asyncio.ensure_future(world.exchanges.pause(5, "/", None))
                await asyncio.sleep(1)
            for pause in (task, world.exchanges.pause(5, "/", None)):
                with pytest.raises(NotSentError, match="closed"):
                    await pause
            assert now() == 1001

        run(main())

    def test_cancelling(self) -> None:
        """A cancellation is one."""

        async def main(world: World) -> None:
            task = asyncio.ensure_future(world.exchanges.pause(5, "/", None))
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
    def test_what_was_not_written_never_is(self, at: float, posted: int, slot: float) -> None:
        """Cancelled while connecting: nothing leaves. Cancelled later: read to the end."""

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
        """Cancelled in the queue: nothing leaves, and the queue goes on."""

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
        """Cancelled between two attempts: there is no second one."""

        async def main(world: World) -> None:
            task = asyncio.ensure_future(world.call())
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len(world.script.requests) == 1

        in_world(World(raises(httpx.ConnectError("..."))), main)

    def test_everything_is_cancelled(self) -> None:
        """When the loop itself is torn down, the task of the request ends too, and its slot with it."""

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
    """What has been done so far."""

    def test_waiting_is_added_up(self) -> None:
        """The seconds that requests waited for slots are counted, all of them together."""

        async def main(world: World) -> None:
            await asyncio.gather(*(world.call() for _ in range(3)))
            assert world.exchanges.stats.waited == pytest.approx(1 + 2, abs=0.01)
            assert world.exchanges.stats.requests == 3

        in_world(World(answers(SUCCESS)), main)

    def test_the_secret_is_in_no_repr(self) -> None:
        """Credentials show who signs, and not with what."""
        assert repr(Credentials("app", "secret-key")) == "Credentials(app_id='app')"
