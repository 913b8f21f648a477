"""The whole public API in use, for the type checker; never executed."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import assert_type

import httpx
import httpx2
import redis.asyncio

from emay_voice_async import (
    Accepted,
    AccountError,
    AnswerError,
    AsyncEmayVoice,
    BalanceError,
    CallState,
    ContentError,
    EmayVoiceError,
    InvalidRequestError,
    Marketing,
    Notice,
    NotSent,
    NotSentError,
    OnConnected,
    OnKey,
    OutcomeUnknownError,
    OverSpeedError,
    Product,
    PushError,
    RateLimit,
    RateLimits,
    Recipient,
    Refused,
    RefusedError,
    Report,
    ReportTimeoutError,
    ResultCode,
    SendError,
    SendResult,
    Ticket,
    Unknown,
    VerificationCode,
    VoiceSms,
)
from emay_voice_async.journal import Journal, SqliteJournal
from emay_voice_async.journal.protocol import State
from emay_voice_async.lists import read_recipients, recipients_of
from emay_voice_async.model.endpoints import Call
from emay_voice_async.pacing.protocol import Lease
from emay_voice_async.push import decode_plain_push, decode_push, decode_reports, decrypt, gunzip
from emay_voice_async.receiver import PushReceiver, RecentReports, Rejected
from emay_voice_async.redis import RedisPacer, RedisReports
from emay_voice_async.sandbox import Sandbox
from emay_voice_async.sending.hours import CallingHours
from emay_voice_async.sending.plan import Plan
from emay_voice_async.sql import SqlJournal


class MyPacer:
    """A pacer of the user's own."""

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        raise NotImplementedError

    def limit(self, call: Call) -> RateLimit | None:
        return None


async def clients(http_client: httpx.AsyncClient, http_client2: httpx2.AsyncClient) -> None:
    """Every way to make a client."""
    AsyncEmayVoice("http://host:port", app_id="...", secret_key="...")
    AsyncEmayVoice("http://host:port", app_id="...", secret_key="...", http_client=http_client2)
    AsyncEmayVoice.from_env(timeout=5)
    async with AsyncEmayVoice(
        "http://host:port",
        app_id="...",
        secret_key="...",
        http_client=http_client,
        rate_limits=RateLimits(send=RateLimit(10, 1.0), reports=None, balance=RateLimit(10, 1.0)),
        pacer=MyPacer(),
        timeout=30.0,
        max_concurrency=16,
        max_response_size=1024,
        cold_start=True,
    ) as voice:
        assert_type(voice, AsyncEmayVoice)
        await everything(voice)
    await voice.aclose()


async def everything(voice: AsyncEmayVoice) -> None:
    """Every call."""

    def stream() -> Iterator[str | Recipient]:
        yield "13800000000"
        yield Recipient("13800000001", custom_id="order-1")

    async def async_stream() -> AsyncIterator[str]:
        yield "13800000000"

    seen: list[Accepted | Refused | Unknown | NotSent] = []
    result = await voice.send(Notice("...", interactive_content="..."), "13800000000", on_outcome=seen.append)
    assert_type(result, SendResult)
    assert_type(result.tickets, tuple[Ticket, ...])
    assert_type(result.outcomes, tuple[Accepted | Refused | Unknown | NotSent, ...])
    await voice.send(Marketing("...", voicemail_content="...", interactive=False), ["13800000000"])
    await voice.send(VerificationCode("1234"), Recipient("13800000000"), deadline=10)
    await voice.send(VoiceSms("...", trigger=OnKey("1"), sms_content="...", voicemail=True), stream())
    try:
        async for outcome in voice.send_batches(VoiceSms("...", trigger=OnConnected(10)), async_stream()):
            match outcome:
                case Accepted(index, recipients, tickets):
                    assert_type(index, int)
                    assert_type(recipients, tuple[Recipient, ...])
                    assert_type(tickets, tuple[Ticket, ...])
                case Refused(error=refusal):
                    assert_type(refusal, RefusedError)
                    assert_type(refusal.code, str)
                case Unknown(error=unknown):
                    assert_type(unknown, OutcomeUnknownError)
                case NotSent(error=error):
                    assert_type(error, EmayVoiceError)
    except InvalidRequestError as error:
        assert_type(error.position, int | None)
    except ReportTimeoutError as error:
        assert_type(error.seconds, float)
    except AnswerError as error:
        assert_type(error.body, bytes)
    except NotSentError as error:
        assert_type((error.permanent, error.status, error.body), tuple[bool, int | None, bytes])
    except SendError as error:
        assert_type(error.result, SendResult)
        assert_type(error.reason, str)
    except PushError as error:
        assert_type(error.reports, tuple[Report, ...])
    except (OverSpeedError, AccountError, BalanceError, ContentError):
        raise
    assert_type(await voice.take_reports(200), list[Report])
    assert_type(await voice.take_reports(product=Product.JOIN), list[Report])
    assert_type(await voice.get_balance(product=Product.JOIN, deadline=5.0), Decimal)
    assert_type(voice.clock_offset, timedelta)
    assert_type(voice.stats.limits.send, RateLimit | None)
    async for report in voice.reports(follow=True, poll_interval=5.0, spool="folder"):
        assert_type(report, Report)
    assert_type(await voice.wait_for_report(result.tickets[0], timeout=120), Report)
    assert_type(await voice.settle(result.unknown[0], timeout=120), dict[Recipient, Report | None])
    voice.feed(voice.undelivered_reports)
    assert_type(voice.undelivered_reports, tuple[Report, ...])


def reports(report: Report) -> None:
    """Every field of a report."""
    assert_type(report.product, Product)
    assert_type(report.state, CallState)
    assert_type(report.called_at, datetime | None)
    assert_type(report.duration, float | None)
    assert_type(report.key_pressed, str | None)
    assert_type(report.recording, bytes | None)
    assert_type(report.succeeded, bool)
    assert_type(ResultCode.SUCCESS.meaning, str)


def pushes(body: bytes) -> list[Report]:
    """Every decoder."""
    try:
        decode_reports(gunzip(decrypt(body, "0123456789ABCDEF"), max_size=1000))
        decode_plain_push(body, content_type="application/json")
        return decode_push(body, b"0123456789ABCDEF", max_size=1000)
    except PushError as error:
        assert_type(error.stage, str)
        raise


async def receiving() -> None:
    """A receiver of pushes, for one account and for many."""

    async def on_reports(reports: list[Report]) -> None:
        assert_type(reports[0].succeeded, bool)

    async def on_rejected(rejected: Rejected) -> None:
        assert_type(rejected.error, PushError)

    async def key_of(app_id: str) -> str | None:
        return None

    PushReceiver({"app_id": "secret_key"}, on_reports, allow_plain=False)
    PushReceiver(
        key_of,
        on_reports,
        allow_plain=True,
        plain_networks=["203.0.113.0/24"],
        plain_token="...",
        on_rejected=on_rejected,
        deduplicate=RecentReports(),
    )


async def shared(client: redis.asyncio.Redis) -> None:
    """Several processes on one account, and receivers on many machines."""

    async def on_reports(reports: list[Report]) -> None:
        assert_type(reports[0].succeeded, bool)

    pacer = RedisPacer(
        client,
        app_id="app_id",
        rate_limits=RateLimits(send=RateLimit(10, 1.0), reports=None),
        on_outage=RateLimit(3, 1.0),
        longest=90.0,
        timeout=1.0,
        prefix="emay_voice",
    )
    async with pacer, AsyncEmayVoice("http://host", app_id="app_id", secret_key="...", pacer=pacer) as voice:
        assert_type(await voice.get_balance(), Decimal)
    async with RedisReports("redis://host", claimed_for=60.0, remembered_for=86_400.0, timeout=5.0) as store:
        PushReceiver({"app_id": "secret_key"}, on_reports, deduplicate=store)


async def campaign(voice: AsyncEmayVoice) -> None:
    """A send that may be killed: planned, bounded, with a journal in a file or in a database."""
    journals: list[Journal] = [
        SqliteJournal(Path("run.db")),
        SqlJournal("postgresql+asyncpg://host/database", "spring", create=True),
    ]
    people = recipients_of(read_recipients("people.csv", column="手机号", encoding="gb18030"))
    hours = CallingHours("09:00-12:00,14:00-20:00")
    for journal in journals:
        plan = await voice.plan(Notice("..."), people, journal=journal, hours=hours, price=Decimal("0.1"))
        assert_type(plan, Plan)
        assert_type(plan.enough, bool | None)
        async for outcome in voice.send_batches(
            Notice("..."),
            people,
            journal=journal,
            resend_unknown=True,
            allow_duplicates=True,
            max_calls=1000,
            hours=hours,
        ):
            if isinstance(outcome, Accepted | Unknown):
                assert_type(outcome.recorded, bool)
        async with journal:
            assert_type(await journal.record(await voice.take_reports()), int)
            assert_type((await journal.summary()).states[State.UNKNOWN], int)
            async for line in journal.lines():
                assert_type(line.begun_at, datetime)


async def sandbox() -> None:
    """The local service, in process and over a socket."""
    local = Sandbox()
    httpx.ASGITransport(app=local.app)
    async with local.serve() as url:
        assert_type(url, str)
