"""The whole public API in use, for the type checker; never executed."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack, assert_type

import httpx
import httpx2
import redis.asyncio
from sqlalchemy import MetaData

from emay_voice_async import (
    Accepted,
    AccountError,
    AnswerError,
    AsyncEmayVoice,
    BalanceError,
    Call,
    CallingHours,
    CallState,
    ContentError,
    EmayVoiceError,
    InvalidRequestError,
    Journal,
    Lease,
    Marketing,
    Notice,
    NotSent,
    NotSentError,
    OnConnected,
    OnKey,
    OutcomeUnknownError,
    OverSpeedError,
    Pacer,
    Plan,
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
    Template,
    Ticket,
    Unknown,
    VerificationCode,
    VoiceSms,
    __version__,
    unstructure,
)
from emay_voice_async.client import ClientOptions
from emay_voice_async.errors import DuplicateError, JournalError, TooManyReportsError, UsageError
from emay_voice_async.events import (
    BatchEnded,
    DuplicatesSkipped,
    Event,
    EventHandlers,
    LateAnswer,
    OnEvent,
    OutcomeName,
    PushAnswered,
    PushReceived,
    PushRejected,
    ReportsTaken,
    RequestAnswered,
    RequestNotSent,
    RequestRefused,
    RequestRetried,
    RequestSent,
    RequestUnknown,
    SendEnded,
    SendStarted,
    SlotWaited,
    log_fields,
)
from emay_voice_async.journal import (
    Claim,
    JournalRun,
    Key,
    Line,
    Purpose,
    SqliteJournal,
    Standing,
    State,
    StoredPurpose,
    Summary,
)
from emay_voice_async.lists import (
    FORMATS,
    Entries,
    Entry,
    Recipients,
    normalised,
    read_recipients,
    recipients_of,
)
from emay_voice_async.pacing import LocalPacer
from emay_voice_async.push import decode_plain_push, decode_push, decode_reports, decrypt, gunzip
from emay_voice_async.receiver import (
    ClaimResult,
    PushReceiver,
    PushResponse,
    Receive,
    RecentReports,
    Rejected,
    ReportStore,
    Scope,
    Send,
)
from emay_voice_async.redis import RedisPacer, RedisReports
from emay_voice_async.sandbox import (
    MAGIC_NUMBERS,
    Account,
    Callees,
    CallResult,
    Delivery,
    Fault,
    Faults,
    Limit,
    Limits,
    MadeCall,
    Outcome,
    Received,
    Sandbox,
    ServiceType,
)
from emay_voice_async.sql import SqlJournal, metadata
from emay_voice_async.telemetry import instrument, uninstrument
from emay_voice_async.testing import BrokenRuleError, JournalPlace, JournalSuite, PacerSuite, ReportStoreSuite


class MyPacer:
    """A pacer of an application."""

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        raise NotImplementedError

    def limit(self, call: Call) -> RateLimit | None:
        return None


class MyStore:
    """A store of handled reports of an application."""

    async def claim(self, keys: Sequence[str]) -> Sequence[ClaimResult]:
        return [ClaimResult.CLAIMED for _ in keys]

    async def settle(self, keys: Sequence[str], *, handled: bool) -> None:
        raise NotImplementedError

    async def wait(self, key: str) -> None:
        raise NotImplementedError


class MyRun:
    """A journal of an application, opened for one send."""

    async def look(self, keys: Sequence[Key]) -> Sequence[Standing | None]:
        return [Standing(State.ACCEPTED, "custom", "message") for _ in keys]

    async def begin(self, claim: Claim) -> bool:
        assert_type(claim.keys, tuple[Key, ...])
        return claim.resend_unknown

    async def close(
        self, claim: Claim, state: State, *, reason: str = "", message_ids: Sequence[str] | None = None
    ) -> None:
        raise NotImplementedError

    async def end(self) -> None:
        raise NotImplementedError


class MyJournal:
    """A journal of an application."""

    async def start(self, purpose: Purpose, *, dry: bool = False) -> JournalRun:
        assert_type(purpose.product, Product)
        stored = StoredPurpose.of(purpose)
        stored.check(purpose)
        return MyRun()

    async def record(self, reports: Iterable[Report]) -> int:
        raise NotImplementedError

    async def summary(self) -> Summary:
        raise NotImplementedError

    async def lines(self) -> AsyncIterator[Line]:
        raise NotImplementedError
        yield

    async def aclose(self) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError


class MyPacerRules(PacerSuite):
    """The conformance suite of a pacer."""

    @asynccontextmanager
    async def pacers(self, limits: RateLimits) -> AsyncGenerator[Callable[[], Pacer], None]:
        pacer = LocalPacer(limits)
        yield lambda: pacer


class MyStoreRules(ReportStoreSuite):
    """The conformance suite of a report store."""

    @asynccontextmanager
    async def stores(self) -> AsyncGenerator[Callable[[], ReportStore], None]:
        store = RecentReports()
        yield lambda: store


class MyPlace:
    """The place of a journal under test."""

    def open(self) -> Journal:
        return MyJournal()

    async def abandon(self, run: JournalRun) -> None:
        await run.end()


class MyJournalRules(JournalSuite):
    """The conformance suite of a journal."""

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[JournalPlace, None]:
        yield MyPlace()


def check_rules() -> None:
    """Check each rule by its name."""
    for suite in (MyPacerRules(), MyStoreRules(), MyJournalRules()):
        for rule in suite.rules():
            try:
                suite.check(rule)
            except BrokenRuleError as error:
                assert_type(error.rule, str)


def made_by(**options: Unpack[ClientOptions]) -> AsyncEmayVoice:
    """Pass the options of a client on."""
    return AsyncEmayVoice.from_env(**options)


async def make_clients(http_client: httpx.AsyncClient, http_client2: httpx2.AsyncClient) -> None:
    """Each way to make a client."""
    AsyncEmayVoice("http://host:port", app_id="...", secret_key="...")
    AsyncEmayVoice("http://host:port", app_id="...", secret_key="...", http_client=http_client2)
    assert_type(AsyncEmayVoice.from_env(), AsyncEmayVoice)
    AsyncEmayVoice.from_env(timeout=5, pacer=MyPacer(), allow_only=["13800000000"])
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
        await use_client(voice)
    await voice.aclose()


async def use_client(voice: AsyncEmayVoice) -> None:
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
    except (DuplicateError, UsageError):
        raise
    except InvalidRequestError as error:
        assert_type(error.position, int | None)
    except JournalError as error:
        assert_type(error.where, str)
    except TooManyReportsError as error:
        assert_type(error.limit, int)
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
    assert_type([reason for _, reason in voice.broken_reports], list[str])


def reports(report: Report) -> None:
    """Every field of a report."""
    assert_type(report.product, Product)
    assert_type(report.state, CallState)
    assert_type(report.called_at, datetime | None)
    assert_type(report.duration, float | None)
    assert_type(report.key_pressed, str | None)
    assert_type(report.recording, bytes | None)
    assert_type(report.succeeded, bool)
    assert unstructure(report)
    assert_type(__version__, str)
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
    """A receiver of pushes, for an account and for many."""

    async def on_reports(reports: list[Report]) -> None:
        assert_type(reports[0].succeeded, bool)

    async def on_rejected(rejected: Rejected) -> None:
        assert_type(rejected.error, PushError)

    async def key_of(app_id: str) -> str | None:
        return None

    stores: list[ReportStore] = [RecentReports(), MyStore()]
    receiver = PushReceiver({"app_id": "secret_key"}, on_reports, allow_plain=False, deduplicate=stores[0])
    assert_type(await receiver.handle("POST", "/", {}, b"...", None), PushResponse)
    PushReceiver(
        key_of,
        on_reports,
        allow_plain=True,
        plain_networks=["203.0.113.0/24"],
        plain_token="...",
        on_rejected=on_rejected,
        deduplicate=RecentReports(),
    )


async def application(receiver: PushReceiver, scope: Scope, receive: Receive, send: Send) -> None:
    """The receiver as an ASGI application."""
    await receiver(scope, receive, send)


async def shared(client: redis.asyncio.Redis) -> None:
    """Several processes on an account, and receivers on many machines."""

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
    assert_type(FORMATS["csv"], tuple[str, ...])
    assert_type(normalised("+86 138-0000-0000"), str)
    assert_type(metadata("emay_voice_"), MetaData)
    entries = read_recipients("people.txt")
    assert_type(entries, Entries)
    assert_type(recipients_of(read_recipients("people.txt")), Recipients)
    for entry in entries:
        assert_type(entry, Entry)
        assert_type(entry.problem, InvalidRequestError | None)
    journals: list[Journal] = [
        MyJournal(),
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


async def templates(voice: AsyncEmayVoice) -> None:
    """Other words for each recipient."""
    template = Template(Notice, "{name}", interactive_content="{code}", interactive=True)
    sms = Template(VoiceSms, "{name}", trigger=OnKey("1"), sms_content="{code}", voicemail=False)
    assert_type(template.fields, tuple[str, ...])
    assert_type(sms.render({"name": "...", "code": "1"}), Notice | Marketing | VoiceSms)
    person = Recipient("13800000000", fields={"name": "...", "code": "1"})
    assert_type(person.fields, Mapping[str, str])
    assert_type(await voice.send(template, [person]), SendResult)
    people = recipients_of(read_recipients("people.csv", fields=template.fields))
    assert_type(read_recipients("people.xlsx", sheet="名单").sheet, str | None)
    plan = await voice.plan(template, people)
    assert_type(plan.texts, int)
    assert_type(plan.samples, tuple[Notice | Marketing | VoiceSms, ...])
    assert_type(plan.longest, Notice | Marketing | VoiceSms | None)
    async for outcome in voice.send_batches(sms, recipients_of(read_recipients("people.csv", fields=True))):
        assert_type(outcome, Accepted | Refused | Unknown | NotSent)


async def sandbox() -> None:
    """The local service, in process and over a socket."""
    local = Sandbox(
        accounts=[Account(app_id="app", secret_key="0123456789ABCDEF", services={ServiceType.NOTICE})],
        rate_limits=Limits(send=Limit(10, 1.0)),
        callees=Callees(answer_rate=0.9, keys={"1": 0.5}),
        show_numbers=False,
    )
    httpx.ASGITransport(app=local.app)
    local.fail_next(Fault.reset(acts=True), on="send", skip=1)
    assert_type(local.faults, Faults)
    async with local.serve() as url:
        assert_type(url, str)
        assert_type(await local.push(url), list[Delivery])
    assert_type(local.received, Sequence[Received])
    assert_type(local.calls, Sequence[MadeCall])
    call = local.decide(local.calls[0].message_id, key="1", report_in=0)
    assert_type(call, MadeCall)
    assert_type(call.result, CallResult)
    local.reset()
    assert_type(MAGIC_NUMBERS["0000"], Outcome | None)


async def paced() -> None:
    """The limit of several clients in a process."""
    pacers: list[Pacer] = [LocalPacer(RateLimits(), cold_start=True), MyPacer()]
    for pacer in pacers:
        lease = await pacer.acquire(Call.SEND, again=True)
        assert_type(lease, Lease)
        lease.end(after=30.0, over_speed=True)
        lease.give_back()


def on_event(event: Event) -> None:
    """Every event."""
    assert_type(event.request_id, str)
    assert_type(log_fields(event)["emay_event"], Any)
    match event:
        case SendStarted(numbers=length, path=path):
            assert_type((length, path), tuple[int | None, str])
        case SendEnded(accepted=accepted, seconds=seconds, error=error):
            assert_type((accepted, seconds, error), tuple[int, float, str])
        case BatchEnded(numbers=numbers, outcome=outcome, recorded=recorded):
            name: OutcomeName = outcome
            assert_type((numbers, recorded, name), tuple[int, bool, OutcomeName])
        case SlotWaited(seconds=seconds, call=call, product=product):
            assert_type((seconds, call, product), tuple[float, Call, Product])
        case RequestRetried(pause=pause, code=code) | RequestRefused(code=code, seconds=pause):
            assert_type((pause, code), tuple[float, str])
        case RequestUnknown(cause=cause, status=status) | RequestNotSent(cause=cause, status=status):
            assert_type((cause, status), tuple[str, int | None])
        case (
            RequestSent(attempt=attempt, send_id=send_id) | RequestAnswered(attempt=attempt, send_id=send_id)
        ):
            assert_type((attempt, send_id), tuple[int, str])
        case LateAnswer(outcome=late):
            assert_type(late == "accepted", bool)
        case ReportsTaken(states=states) | PushAnswered(states=states):
            assert_type(states, Mapping[CallState, int])
        case PushReceived(app_id=app_id) | PushRejected(app_id=app_id) | DuplicatesSkipped(app_id=app_id):
            assert_type(app_id, str)
        case _:
            pass


def observed(receiver: PushReceiver) -> None:
    """Handlers of events, and OpenTelemetry."""
    voice = AsyncEmayVoice.from_env(on_event=on_event)
    assert_type(voice.event_handlers, EventHandlers)
    voice.event_handlers.add(on_event)
    voice.event_handlers.remove(on_event)
    handlers: tuple[OnEvent, ...] = voice.event_handlers.functions
    assert_type((len(handlers), voice.app_id, voice.base_url), tuple[int, str, str])
    for target in (voice, receiver):
        instrument(target)
        instrument(target, tracer_provider=None, meter_provider=None)
        uninstrument(target)
    seen: list[Event] = []
    PushReceiver({"app_id": "secret_key"}, receiver_handler, on_event=seen.append)


async def receiver_handler(reports: list[Report]) -> None:
    """Handle reports."""
