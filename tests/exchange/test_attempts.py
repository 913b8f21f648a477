"""Attempts: signed, posted once and read, and the end of the lease."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from support.exchange_world import EPOCH, SUCCESS, TIMEOUT, World, in_world, no_retry, read
from support.http_transport import Step, answers, code, hangs, raises
from support.virtual_time import now, run

from emay_voice_async.errors import (
    AnswerError,
    NotSentError,
    OutcomeUnknownError,
)
from emay_voice_async.exchange.attempts import Credentials
from emay_voice_async.exchange.exchanges import Exchanges
from emay_voice_async.exchange.transport import Transport
from emay_voice_async.model.endpoints import VOICE_REPORTS, VOICE_SEND, Call
from emay_voice_async.model.limits import RateLimits
from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.wire.envelope import HttpResponse


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
            # A gateway gave up; the service may still receive the request.
            (answers(b"", status=504), TIMEOUT + 1, TIMEOUT + 1.01),
            (answers(b"", status=502), TIMEOUT + 1, TIMEOUT + 1.01),
            (answers(b"", status=503), TIMEOUT + 1, TIMEOUT + 1.01),
        ],
    )
    def test_after_an_end_of_each_kind(self, step: Step, least: float, most: float) -> None:
        """A slot is held for a period after the last moment at which the request can have counted."""

        async def main(world: World) -> None:
            await asyncio.gather(world.call(observe=no_retry), return_exceptions=True)
            assert least < await world.seconds_until_a_slot() < most

        in_world(World(step), main)

    def test_no_byte_was_written(self) -> None:
        """Without a connection the slot is free at once."""

        async def main(world: World) -> None:
            with pytest.raises(NotSentError):
                await world.call(observe=no_retry)
            assert await world.seconds_until_a_slot() == 0

        in_world(World(raises(httpx.ConnectError("..."))), main)

    def test_a_connection_that_cannot_even_be_closed(self) -> None:
        """A response that breaks off and cannot be closed ends the lease all the same."""

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
        """A fault while reading a response releases the slot."""

        def broken(_: HttpResponse) -> None:
            raise ZeroDivisionError

        async def main(world: World) -> None:
            with pytest.raises(ZeroDivisionError):
                await world.exchanges.call(VOICE_SEND, b"", broken)
            assert 1 < await world.seconds_until_a_slot() < 1.01

        in_world(World(answers(SUCCESS)), main)


class TestTimeout:
    """Every wait is bounded, and late responses are still read."""

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
        """``read`` is called with a response that comes after the caller has left."""
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
        """A late failure is logged, and is no unretrieved exception."""

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

    def test_no_timer_is_left(self) -> None:
        """The timer of an attempt ends with the attempt."""

        async def main(world: World) -> None:
            await world.call()
            loop: Any = asyncio.get_running_loop()
            assert all(timer.cancelled() for timer in loop._scheduled if timer.when() > now() + 2)

        in_world(World(answers(SUCCESS)), main)

    def test_no_connection_in_time(self) -> None:
        """A connection that does not come within the timeout means: not sent, and the slot is free."""

        async def main(world: World) -> None:
            with pytest.raises(NotSentError, match="no connection"):
                await world.call(observe=no_retry)
            assert await world.seconds_until_a_slot() == 0
            assert not world.script.requests

        in_world(World(answers(SUCCESS), traced=True, connecting=1000), main)

    def test_an_answer_that_trickles(self) -> None:
        """An incomplete response is kept as far as received within twice the timeout."""

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
        assert (answer.body, answer.incomplete) == (b" " * 60, "the body is incomplete (TimeoutError)")

    def test_waiting_for_a_connection_of_a_shared_pool(self) -> None:
        """A request that waits in vain for a connection of a shared client is not sent, and raises in time."""

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
                    await exchanges.call(VOICE_SEND, b"", read(VOICE_SEND), observe=no_retry)
                with pytest.raises(OutcomeUnknownError):
                    await first
                await exchanges.aclose()
            await gone.wait()
            server.close()
            await server.wait_closed()

        asyncio.run(main())

    def test_closing_waits_for_requests_in_flight(self) -> None:
        """Closing the client waits for a request whose caller left, so that the response is read."""

        async def main() -> None:
            world = World(answers(SUCCESS, after=40))
            async with world:
                with pytest.raises(OutcomeUnknownError):
                    await world.call()
                left = now()
            assert now() - left == 10
            assert world.script.ended == 1

        run(main())

    def test_closing_refuses_waiting_requests(self) -> None:
        """A request that waits for a slot when the client is closed is not sent."""

        async def main() -> None:
            world = World(answers(SUCCESS, after=5))
            async with world:
                first = asyncio.ensure_future(world.call())
                second = asyncio.ensure_future(world.call())
                await asyncio.sleep(1)
                closed = now()
            # The closing takes no longer than the request in flight; the waiting request is told at once.
            assert now() - closed == 4
            assert second.done()
            assert await first == ()
            with pytest.raises(NotSentError, match="closed"):
                await second
            assert len(world.script.requests) == 1

        run(main())

    def test_a_slot_that_comes_as_the_client_is_closed(self) -> None:
        """A slot that is assigned in the turn of the closing is released, and the request is not sent."""

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

    def test_no_wait_after_closing(self) -> None:
        """After the closing, waiting for a slot or for the calling hours raises at once."""

        async def main() -> None:
            world = World(answers(SUCCESS))
            async with world:
                await world.call()
            closed = now()
            with pytest.raises(NotSentError, match="closed"):
                await world.call()
            with pytest.raises(NotSentError, match="closed"):
                await world.exchanges.tasks.pause(asyncio.sleep(30), "/p", None)
            assert now() == closed
            assert len(world.script.requests) == 1

        run(main())

    def test_no_request_after_closing(self) -> None:
        """Even with a free slot."""

        async def main() -> None:
            world = World(answers(SUCCESS))
            async with world:
                pass
            with pytest.raises(NotSentError, match="closed"):
                await world.call()

        run(main())
