"""The client as a whole: construction, life, event loops, and secrets."""

import asyncio
import gc
import inspect
import logging
import warnings
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.campaigns import mobiles
from support.http_transport import Script, accepts, answers, code, fields_of
from support.virtual_time import now, run

from emay_voice_async import (
    Accepted,
    AccountError,
    AsyncEmayVoice,
    EmayVoiceError,
    InvalidRequestError,
    Notice,
    NotSent,
    NotSentError,
    OnKey,
    Product,
    RateLimit,
    RateLimits,
    Report,
    SendError,
    VerificationCode,
    VoiceSms,
)
from emay_voice_async.client import ClientOptions
from emay_voice_async.errors import UsageError
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.endpoints import Call
from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.pacing.protocol import Lease

SECRET = "0123456789ABCDEF"


def make(base_url: str = "http://service", **options: Any) -> AsyncEmayVoice:
    """Make a client."""
    return AsyncEmayVoice(base_url, **{"app_id": "app", "secret_key": SECRET, **options})


class TestConstructor:
    """The constructor checks the arguments, without I/O."""

    def test_no_loop_and_no_io(self) -> None:
        """A client can be made without a running loop and dropped without a trace."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make()
            gc.collect()

    @pytest.mark.parametrize(
        ("options", "field"),
        [
            ({"app_id": ""}, "app_id"),
            ({"app_id": None}, "app_id"),
            ({"secret_key": ""}, "secret_key"),
            ({"secret_key": " \n"}, "secret_key"),
            ({"secret_key": SECRET + "\n"}, "secret_key"),
            ({"secret_key": SECRET.encode()}, "secret_key"),
            ({"timeout": 0}, "timeout"),
            ({"timeout": None}, "timeout"),
            ({"timeout": float("inf")}, "timeout"),
            ({"timeout": True}, "timeout"),
            ({"max_concurrency": 0}, "max_concurrency"),
            ({"max_concurrency": 1.5}, "max_concurrency"),
            ({"max_concurrency": True}, "max_concurrency"),
            ({"max_response_size": 0}, "max_response_size"),
            ({"max_response_size": "64"}, "max_response_size"),
            ({"base_url": "ftp://service"}, "base_url"),
            ({"timeout": 10**400}, "timeout"),
            ({"http_client": httpx.Client()}, "http_client"),
            ({"pacer": "redis://localhost"}, "pacer"),
            ({"pacer": LocalPacer}, "pacer"),
            ({"pacer": RateLimits()}, "pacer"),
            ({"rate_limits": None}, "rate_limits"),
            ({"rate_limits": RateLimit(1, 1.0)}, "rate_limits"),
            ({"allow_only": "13800000000"}, "allow_only"),
            ({"allow_only": b"13800000000"}, "allow_only"),
            ({"allow_only": iter(["13800000000"])}, "allow_only"),
            ({"allow_only": ["13800000000", "1380000000"]}, "mobile"),
            ({"allow_only": [13800000000]}, "mobile"),
        ],
    )
    def test_bad_arguments(self, options: dict[str, Any], field: str) -> None:
        """A bad argument is refused at construction, by name, and the secret is not shown."""
        with pytest.raises(InvalidRequestError) as caught:
            make(**options)
        assert caught.value.field == field
        assert SECRET not in str(caught.value) + repr(caught.value) + repr(caught.value.args)

    def test_the_secret_is_shown_nowhere(self, caplog: pytest.LogCaptureFixture) -> None:
        """Neither repr nor logs nor errors of the client show a secret, code or number."""

        async def main() -> list[str]:
            shown = []
            script = Script(code("ERROR_SIGN"), answers(b"<html>"), code("ERROR_OVER_SPEED"))
            async with script.client() as client, make(http_client=client) as voice:
                for _ in range(3):
                    with pytest.raises(SendError) as caught:
                        await voice.send(VerificationCode("471100"), "13812345678")
                    error: BaseException | None = caught.value
                    while error is not None:
                        shown += [str(error), repr(error)]
                        error = error.__cause__
                    shown += [repr(outcome) for outcome in caught.value.result.outcomes]
                shown += [repr(voice), repr(voice.stats), repr(voice.__dict__)]
            return shown

        with caplog.at_level(logging.DEBUG):
            shown = run(main())
        for text in (*shown, caplog.text):
            assert SECRET not in text
            assert "471100" not in text
            assert "13812345678" not in text


class TestFromEnv:
    """``from_env``."""

    def test_all_three(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Address, appId and secret come from the environment; the rest can be given."""
        monkeypatch.setenv("EMAY_VOICE_BASE_URL", "https://service/emay/")
        monkeypatch.setenv("EMAY_VOICE_APP_ID", "env-app")
        monkeypatch.setenv("EMAY_VOICE_SECRET_KEY", SECRET)
        script = Script(accepts())
        voice = AsyncEmayVoice.from_env(http_client=script.client(), timeout=5)
        assert repr(voice) == "AsyncEmayVoice('https://service/emay', app_id='env-app')"

        async def main() -> None:
            async with voice:
                await voice.send(Notice("..."), "13800000000")

        run(main())
        assert fields_of(script.requests[0])["appId"] == "env-app"
        assert script.requests[0].extensions["timeout"]["connect"] == 5

    def test_the_options_are_the_arguments(self) -> None:
        """The type of the overrides lists exactly the arguments of the constructor."""
        arguments = list(inspect.signature(AsyncEmayVoice).parameters)
        assert list(ClientOptions.__annotations__) == arguments

    def test_overrides_win(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A given argument takes precedence over the environment."""
        for name in ("BASE_URL", "APP_ID", "SECRET_KEY"):
            monkeypatch.delenv(f"EMAY_VOICE_{name}", raising=False)
        voice = AsyncEmayVoice.from_env(base_url="http://service", app_id="given", secret_key=SECRET)
        assert "given" in repr(voice)

    @pytest.mark.parametrize("missing", ["BASE_URL", "APP_ID", "SECRET_KEY"])
    @pytest.mark.parametrize("value", [None, ""])
    def test_a_missing_variable(
        self, missing: str, value: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A variable that is missing or empty is named."""
        for name in ("BASE_URL", "APP_ID", "SECRET_KEY"):
            monkeypatch.setenv(f"EMAY_VOICE_{name}", "http://service")
        monkeypatch.delenv(f"EMAY_VOICE_{missing}")
        if value is not None:
            monkeypatch.setenv(f"EMAY_VOICE_{missing}", value)
        with pytest.raises(InvalidRequestError, match=f"EMAY_VOICE_{missing}"):
            AsyncEmayVoice.from_env()


class TestLife:
    """From the first call to the last."""

    def test_closing_twice(self) -> None:
        """Closing again has no effect, and a shared client stays open."""

        async def main() -> None:
            async with Script(accepts()).client() as client:
                voice = make(http_client=client)
                async with voice:
                    await voice.send(Notice("..."), "13800000000")
                await voice.aclose()
                await asyncio.gather(voice.aclose(), voice.aclose())
                assert not client.is_closed

        run(main())

    def test_feeding_an_unused_client(self) -> None:
        """A client without a call keeps fed reports, without a loop."""
        voice = make()
        report = Report(Product.VOICE, message_id="1")
        voice.feed([report])
        assert voice.undelivered_reports == (report,)

    def test_closing_an_unused_client(self) -> None:
        """A client that made no call can be closed in any loop."""
        voice = make()
        run(voice.aclose())
        run(voice.aclose())

    def test_no_request_after_closing(self) -> None:
        """A closed client sends no request and raises an error of ours that is a RuntimeError, too."""

        async def main() -> None:
            voice = make()
            await voice.aclose()
            for call in (voice.send(Notice("..."), []), voice.take_reports(), voice.get_balance()):
                with pytest.raises(UsageError, match="is closed") as caught:
                    await call
                assert isinstance(caught.value, RuntimeError)
                assert isinstance(caught.value, EmayVoiceError)
            with pytest.raises(UsageError):
                voice.send_batches(Notice("..."), [])
            with pytest.raises(UsageError):
                async with voice:
                    pytest.fail("it is closed")

        run(main())

    def test_a_second_event_loop(self) -> None:
        """A client in two loops raises an error that names the fix, before a request is sent."""
        script = Script(accepts())
        voice = make(http_client=script.client())
        run_one(voice)
        for second in (voice.send(Notice("..."), "13800000000"), voice.get_balance(), voice.aclose()):
            with pytest.raises(UsageError, match="one client for each event loop"):
                run(second)
        assert len(script.requests) == 1

    def test_an_exception_inside(self) -> None:
        """Leaving ``async with`` by an exception closes the client and lets the exception through."""

        async def main() -> None:
            with pytest.raises(ZeroDivisionError):
                async with make() as voice:
                    raise ZeroDivisionError
            with pytest.raises(UsageError):
                await voice.get_balance()

        run(main())

    def test_a_closing_that_is_cancelled(self) -> None:
        """Cancelling the closing closes the connections all the same."""

        async def main() -> None:
            async with Script(accepts(after=60)).client() as client:
                voice = make(http_client=client)
                sending = asyncio.ensure_future(voice.send(Notice("..."), "13800000000"))
                await asyncio.sleep(1)
                closing = asyncio.ensure_future(voice.aclose())
                await asyncio.sleep(1)
                closing.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await closing
                with pytest.raises(SendError):
                    await sending
                await voice.aclose()

        run(main())


def run_one(voice: AsyncEmayVoice) -> None:
    """Use a client in a loop that then ends."""

    async def main() -> None:
        await voice.send(Notice("..."), "13800000000")

    run(main())


class TestBalance:
    """``get_balance``."""

    @pytest.mark.parametrize("product", list(Product))
    def test_each_product(self, product: Product) -> None:
        """The balance is asked at the product's path, without a timestamp, and is exact."""
        script = Script(answers(b'{"code":"SUCCESS","data":{"balance":12.10}}'))

        async def main() -> Decimal:
            async with script.client() as client, make(http_client=client) as voice:
                return await voice.get_balance(product=product)

        assert str(run(main())) == "12.10"
        [request] = script.requests
        assert request.url.path == f"/{product.value}/getBalance"
        assert set(fields_of(request)) == {"appId", "sign"}

    def test_other_products(self) -> None:
        """A text is not a product, in every method."""

        async def main() -> None:
            async with make() as voice:
                for call in (voice.get_balance, voice.take_reports):
                    with pytest.raises(InvalidRequestError, match="product"):
                        await call(product="join")  # type: ignore[arg-type]
                with pytest.raises(InvalidRequestError, match="product"):
                    voice.reports(product="join")  # type: ignore[arg-type]
                with pytest.raises(InvalidRequestError, match="product"):
                    await voice.wait_for_report("c", product="join")  # type: ignore[arg-type]

        run(main())

    @pytest.mark.parametrize("deadline", [0, -1, float("nan"), "5"])
    def test_a_bad_deadline(self, deadline: Any) -> None:
        """A deadline is a finite number of seconds above 0."""

        async def main() -> None:
            async with make() as voice:
                await voice.get_balance(deadline=deadline)

        with pytest.raises(InvalidRequestError, match="deadline"):
            run(main())

    def test_the_deadline_bounds_the_waiting(self) -> None:
        """A deadline ends the waiting for a slot."""

        async def main() -> None:
            script = Script(answers({"code": "SUCCESS", "data": "1"}))
            limits = RateLimits(balance=RateLimit(1, 60.0))
            async with script.client() as client, make(http_client=client, rate_limits=limits) as voice:
                await voice.get_balance()
                began = now()
                with pytest.raises(NotSentError):
                    await voice.get_balance(deadline=5)
                assert now() - began == 5

        run(main())


class TestBounds:
    """Options that limit the cost of a send."""

    @pytest.mark.parametrize(
        ("options", "field"),
        [
            ({"max_calls": 0}, "max_calls"),
            ({"max_calls": -1}, "max_calls"),
            ({"max_calls": True}, "max_calls"),
            ({"max_calls": 1.0}, "max_calls"),
            ({"max_calls": "1"}, "max_calls"),
            ({"hours": "08:00-20:00"}, "hours"),
            ({"journal": "run.db"}, "journal"),
            ({"journal": Path("run.db")}, "journal"),
            ({"resend_unknown": True}, "resend_unknown"),
            ({"resend_unknown": "no"}, "resend_unknown"),
            ({"resend_unknown": 0}, "resend_unknown"),
            ({"resend_unknown": None}, "resend_unknown"),
            ({"allow_duplicates": "no"}, "allow_duplicates"),
            ({"allow_duplicates": 1}, "allow_duplicates"),
        ],
    )
    def test_bad_arguments(self, options: dict[str, Any], field: str) -> None:
        """A bad argument is refused at once, by every way of sending and by a plan, before anything is read."""
        script = Script(accepts())

        def numbers() -> Iterator[str]:
            pytest.fail("nothing is read")
            yield ""

        async def main() -> None:
            async with script.client() as client, make(http_client=client) as voice:
                for use in (voice.send, voice.plan):
                    with pytest.raises(InvalidRequestError) as caught:
                        await use(Notice("..."), numbers(), **options)
                    assert caught.value.field == field
                with pytest.raises(InvalidRequestError):
                    voice.send_batches(Notice("..."), numbers(), **options)

        run(main())
        assert not script.requests

    @pytest.mark.parametrize("price", [1, 0.1, "1", Decimal(-1), Decimal("NaN"), Decimal("inf"), True])
    def test_a_bad_price(self, price: Any) -> None:
        """A price is a finite Decimal of at least 0."""

        async def main() -> None:
            async with make() as voice:
                await voice.plan(Notice("..."), ["13800000000"], price=price, ask_balance=False)

        with pytest.raises(InvalidRequestError, match="price"):
            run(main())

    @pytest.mark.parametrize("most", [1, 2, 3, 10**30])
    @pytest.mark.parametrize("journalled", [False, True])
    def test_max_calls_of_a_list(self, most: int, journalled: bool, tmp_path: Path) -> None:
        """A longer list is refused before a request is sent, unless a journal may know some numbers."""
        script = Script(accepts())
        to = ["13800000000", "13800000001"]

        async def main() -> None:
            async with script.client() as client, make(http_client=client) as voice:
                journal = SqliteJournal(tmp_path / "run.db") if journalled else None
                sending = voice.send(Notice("..."), to, max_calls=most, journal=journal)
                if most >= 2:
                    assert len((await sending).tickets) == 2
                elif journalled:
                    with pytest.raises(SendError) as caught:
                        await sending
                    assert len(caught.value.result.tickets) == 1
                    await voice.send(Notice("..."), to, max_calls=most, journal=journal)
                else:
                    with pytest.raises(InvalidRequestError, match="max_calls = 1 numbers") as refused:
                        await sending
                    assert (refused.value.field, refused.value.limit, refused.value.actual) == ("to", 1, 2)

        run(main())
        called = [one for request in script.requests for one in fields_of(request)["mobiles"].split(",")]
        assert called == (to if most >= 2 or journalled else [])

    def test_max_calls_of_a_stream(self) -> None:
        """Of a stream so many are sent, and the rest comes out as not sent."""
        script = Script(accepts())

        async def main() -> None:
            async with script.client() as client, make(http_client=client) as voice:
                to = (f"138{one:08}" for one in range(1300))
                outcomes = [one async for one in voice.send_batches(Notice("..."), to, max_calls=700)]
                assert [(type(one), len(one.recipients)) for one in outcomes] == [
                    (Accepted, 500),
                    (Accepted, 200),
                    (NotSent, 500),
                    (NotSent, 100),
                ]
                assert voice.stats.not_sent == 600

        run(main())

    def test_allow_only(self) -> None:
        """Other numbers are not called: a list is refused whole, entries of a stream are not sent."""
        script = Script(accepts())
        allowed = ["13800000000"]

        async def main() -> None:
            async with script.client() as client, make(http_client=client, allow_only=allowed) as voice:
                allowed.append("13800000001")
                with pytest.raises(InvalidRequestError, match="allow_only"):
                    await voice.send(Notice("..."), ["13800000000", "13800000001"])
                assert not script.requests
                with pytest.raises(SendError) as caught:
                    await voice.send(Notice("..."), iter(["13800000001", "13800000000"]))
                assert [one.mobile for one in caught.value.result.tickets] == ["13800000000"]
                assert (await voice.plan(Notice("..."), allowed, ask_balance=False)).invalid_count == 1

        run(main())
        assert [fields_of(one)["mobiles"] for one in script.requests] == ["13800000000"]

    def test_a_plan_with_money(self) -> None:
        """The balance is asked of the message's product; the cost is exact."""
        script = Script(answers(b'{"code":"SUCCESS","data":"0.30"}'))

        async def main() -> None:
            async with script.client() as client, make(http_client=client) as voice:
                message = VoiceSms("...", trigger=OnKey("1"))
                plan = await voice.plan(message, [*mobiles(3), *mobiles(2)], price=Decimal("0.1"))
                assert (plan.numbers, plan.duplicates, plan.requests) == (3, 2, 1)
                assert (plan.balance, plan.cost, plan.enough) == (Decimal("0.30"), Decimal("0.3"), True)
                assert not (await voice.plan(message, mobiles(4), price=Decimal("0.1"))).enough
                assert voice.stats.requests == 2

        run(main())
        assert {request.url.path for request in script.requests} == {"/join/getBalance"}

    @pytest.mark.parametrize("bad", ["message", "source", "balance", "closed"])
    def test_a_plan_that_fails(self, bad: str, tmp_path: Path) -> None:
        """A plan that fails releases the journal."""
        script = Script(code("ERROR_SIGN"))
        path = tmp_path / "run.db"
        expected = {
            "message": InvalidRequestError,
            "source": OSError,
            "balance": AccountError,
            "closed": UsageError,
        }

        def rows() -> Iterator[str]:
            yield "13800000000"
            if bad == "source":
                raise OSError("gone")

        async def main() -> None:
            async with script.client() as client, make(http_client=client) as voice:
                journal = SqliteJournal(path)
                await (await journal.start(Purpose("app", Notice("...")))).end()
                if bad == "closed":
                    await voice.aclose()
                message: Any = "..." if bad == "message" else Notice("...")
                with pytest.raises(expected[bad]):
                    await voice.plan(message, rows(), journal=journal)
                assert [one.name for one in tmp_path.iterdir()] == ["run.db"]

        run(main())


class TestPacing:
    """How the client is paced."""

    def test_a_pacer_of_the_users_own(self) -> None:
        """A given pacer decides when requests leave, and knows the limit."""
        asked: list[Call] = []

        class Recording(LocalPacer):
            async def acquire(self, call: Call, *, again: bool = False) -> Lease:
                asked.append(call)
                return await super().acquire(call, again=again)

        async def main() -> None:
            pacer = Recording(RateLimits(send=RateLimit(3, 1.0)))
            async with Script(accepts()).client() as client, make(http_client=client, pacer=pacer) as voice:
                await voice.send(Notice("..."), "13800000000")
                assert voice.stats.limits.send == RateLimit(3, 1.0)

        run(main())
        assert asked == [Call.SEND]

    def test_a_cold_start(self) -> None:
        """With ``cold_start`` a client waits a period first."""

        async def main() -> None:
            async with (
                Script(accepts()).client() as client,
                make(http_client=client, cold_start=True) as voice,
            ):
                began = now()
                await voice.send(Notice("..."), "13800000000")
                assert 1 < now() - began < 1.01

        run(main())

    def test_the_statistics(self) -> None:
        """Requests, numbers by outcome, and the limits in force."""

        async def main() -> None:
            script = Script(
                accepts(), code("ERROR_LONG_CONTENT"), answers(b""), code("ERROR_SIGN"), accepts()
            )
            async with script.client() as client, make(http_client=client, max_concurrency=1) as voice:
                assert voice.stats.limits == RateLimits()
                with pytest.raises(SendError):
                    await voice.send(Notice("..."), [f"138{one:08}" for one in range(2400)])
                stats = voice.stats
            assert (stats.requests, stats.accepted, stats.refused, stats.unknown, stats.not_sent) == (
                4,
                500,
                500 + 500,
                500,
                400,
            )
            assert stats.limits == RateLimits()

        run(main())


def test_the_clock_can_be_given() -> None:
    """Stamps are made from the clock that the client was given, in Beijing time."""
    script = Script(accepts())

    async def main() -> None:
        async with script.client() as client, make(http_client=client, clock=lambda: 0.0) as voice:
            assert voice.clock_offset.total_seconds() == 0
            await voice.send(Notice("..."), "13800000000")

    run(main())
    assert fields_of(script.requests[0])["timestamp"] == "19700101080000"


def test_the_own_http_client_reads_no_certificates_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Httpx's transport, which reads certificates from disk, is made at the first request and not before."""
    made: list[object] = []
    original = httpx.AsyncHTTPTransport.__init__

    def recording(self: httpx.AsyncHTTPTransport, *args: Any, **options: Any) -> None:
        made.append(self)
        original(self, *args, **options)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "__init__", recording)

    async def main() -> None:
        async with make("http://127.0.0.1:9", timeout=1) as voice:
            assert not made
            with pytest.raises(NotSentError):
                await voice.get_balance()
            assert len(made) == 1

    asyncio.run(main())
