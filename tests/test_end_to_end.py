"""The client against the local service: outcomes are compared with the records of the service."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import evolve
from fastapi import FastAPI
from support.virtual_time import CancellingLoop, cancel_everywhere, now, run

from emay_voice_async import (
    Accepted,
    AccountError,
    AsyncEmayVoice,
    BalanceError,
    CallState,
    ContentError,
    EmayVoiceError,
    Marketing,
    Notice,
    NotSent,
    OnConnected,
    OnKey,
    OverSpeedError,
    Product,
    RateLimit,
    RateLimits,
    Recipient,
    Refused,
    RefusedError,
    Report,
    ResultCode,
    SendError,
    Unknown,
    VerificationCode,
    VoiceSms,
)
from emay_voice_async.journal.protocol import State
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.codes import JOIN_RESULT_CODES, VOICE_RESULT_CODES
from emay_voice_async.model.endpoints import Call
from emay_voice_async.model.messages import Message
from emay_voice_async.model.results import Outcome
from emay_voice_async.receiver import PushReceiver, RecentReports
from emay_voice_async.sandbox import Fault, Sandbox, ServiceType
from emay_voice_async.sandbox.pushing import PushMode
from emay_voice_async.sandbox.replies import Recordings
from emay_voice_async.sandbox.server import serve
from emay_voice_async.wire.envelope import REFUSALS

MESSAGES: list[Message] = [
    Notice("您的快递已到"),
    Marketing("新品上市", interactive_content="了解请按1", voicemail_content="请留言"),
    VerificationCode("471100"),
    VoiceSms("账单已出", trigger=OnKey("1"), sms_content="见附件"),
]
EPOCH = 1_600_000_000.0
UNLIMITED = RateLimits(send=None, reports=None, balance=None)


def kind(thing: object) -> str:
    """Name a case by the type."""
    return type(thing).__name__


def mobiles(number: int) -> list[str]:
    """Make ``number`` different numbers whose calls are all answered."""
    return [f"1{50 + one // 9000:02}{one % 9000:04}1000" for one in range(number)]


@asynccontextmanager
async def in_process(sandbox: Sandbox, **options: Any) -> AsyncIterator[AsyncEmayVoice]:
    """Make a client of the local service, without a socket, on the clock of the virtual loop."""
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(sandbox.app)) as http_client,
        AsyncEmayVoice(
            "http://service",
            http_client=http_client,
            clock=virtual_clock,
            **{"app_id": sandbox.app_id, "secret_key": sandbox.secret_key, **options},
        ) as voice,
    ):
        yield voice


@asynccontextmanager
async def over_socket(sandbox: Sandbox, **options: Any) -> AsyncIterator[AsyncEmayVoice]:
    """Make a client of the local service over a real socket."""
    async with (
        sandbox.serve() as url,
        AsyncEmayVoice(url, app_id=sandbox.app_id, secret_key=sandbox.secret_key, **options) as voice,
    ):
        yield voice


def virtual_clock() -> float:
    """POSIX seconds of the virtual loop."""
    return EPOCH + now()


def virtual(**options: Any) -> Sandbox:
    """Make a local service that lives in virtual time."""
    return Sandbox(clock=virtual_clock, **options)


class TestExactlyOnce:
    """Every number is called exactly once."""

    @pytest.mark.parametrize("number", [1234, 100_000])
    @pytest.mark.parametrize("streamed", [False, True])
    def test_over_a_socket(self, number: int, streamed: bool) -> None:
        """Each number reaches the service once, in batches of 500, with a custom id."""
        sandbox = Sandbox(rate_limits=UNLIMITED, balance=Decimal(number), price=Decimal(1))
        numbers = mobiles(number)

        async def main() -> None:
            async with over_socket(sandbox, rate_limits=UNLIMITED) as voice:
                to = iter(numbers) if streamed else numbers
                outcomes = [one async for one in voice.send_batches(Notice("..."), to)]
                assert [one for one in outcomes if not isinstance(one, Accepted)] == []
                assert await voice.get_balance() == 0
            tickets = [ticket for one in outcomes if isinstance(one, Accepted) for ticket in one.tickets]
            calls = {call.message_id: (call.mobile, call.custom_id) for call in sandbox.calls}
            assert [ticket.mobile for ticket in tickets] == numbers
            assert len({ticket.custom_id for ticket in tickets}) == number
            assert calls == {one.message_id: (one.mobile, one.custom_id) for one in tickets}
            assert len(sandbox.calls) == number
            sizes = [
                len(one.fields["mobiles"].split(",")) for one in sandbox.received if "mobiles" in one.fields
            ]
            assert max(sizes) <= 500
            assert len(sizes) == -(-number // 500)

        asyncio.run(main())

    @pytest.mark.parametrize("message", MESSAGES, ids=kind)
    def test_every_field_comes_back(self, message: Message) -> None:
        """Ticket and report of each kind of message carry the caller's own id."""
        sandbox = virtual()

        async def main() -> None:
            async with in_process(sandbox) as voice:
                [ticket] = (await voice.send(message, Recipient("13800000010", "订单-7"))).tickets
                assert (ticket.mobile, ticket.custom_id) == ("13800000010", "订单-7")
                product = message.endpoint.product
                [report] = await voice.take_reports(product=product)
                assert report.message_id == ticket.message_id
                assert report.custom_id == "订单-7"
                assert report.product is product
                assert report.succeeded
                assert report.key_pressed == "1"
                assert report.recording is not None
                assert report.recording.startswith(b"RIFF")
                assert await voice.take_reports(product=product) == []

        run(main())

    def test_outcomes_by_number(self) -> None:
        """The states of the reports are the states of the magic numbers, for both products."""

        async def states(message: Message) -> list[tuple[str, CallState]]:
            async with in_process(virtual()) as voice:
                await voice.send(message, [f"1380000{one:04}" for one in range(14)])
                reports = await voice.take_reports(1000, product=message.endpoint.product)
                return [(report.raw_state, report.state) for report in reports]

        voice_states = run(states(Notice("...")))
        assert len(voice_states) == 13
        assert [state for _, state in voice_states[:10]] == [
            CallState.SUCCESS,
            CallState.FAIL_CALL,
            CallState.FAIL_ERROR_VOICE,
            CallState.FAIL_UNKNOWN,
            CallState.TIMEOUT,
            CallState.FAIL_NEEDMORE_BALANCE,
            CallState.FAIL_MOBILE,
            CallState.FAIL_BLACKDICTIONARY,
            CallState.FAIL_AUDITINGFAIL,
            CallState.FAIL_APPID,
        ]
        assert voice_states[12] == ("FAIL_LINE_BUSY", CallState.OTHER)
        join_states = run(states(VoiceSms("...", trigger=OnConnected(6))))
        assert {state for _, state in join_states} == {
            CallState.SUCCESS,
            CallState.TIMEOUT,
            CallState.FAIL,
            CallState.OTHER,
        }


async def caught_by(awaitable: Awaitable[Any]) -> EmayVoiceError:
    """Return the refusal that a call ends with, in or out of a SendError."""
    with pytest.raises(EmayVoiceError) as caught:
        await awaitable
    error = caught.value
    if isinstance(error, SendError):
        [outcome] = error.result.outcomes
        assert isinstance(outcome, Refused)
        error = outcome.error
    return error


class TestRefusals:
    """Every result code becomes the right error."""

    @pytest.mark.parametrize("message", MESSAGES, ids=kind)
    @pytest.mark.parametrize(
        "code", sorted({*VOICE_RESULT_CODES, *JOIN_RESULT_CODES, "ERROR_2031"} - {"SUCCESS"})
    )
    def test_each_code(self, code: str, message: Message) -> None:
        """Each code of the tables, and an unlisted code, has a class, a meaning and the path."""
        sandbox = virtual()
        sandbox.fail_next(Fault.code(code), times=None)

        async def main() -> EmayVoiceError:
            async with in_process(sandbox) as voice:
                return await caught_by(voice.send(message, "13800000000"))

        error = run(main())
        assert isinstance(error, RefusedError)
        assert type(error) is REFUSALS.get(code, RefusedError)
        assert (error.code, error.path) == (code, message.endpoint.path)
        assert isinstance(error.code, ResultCode) == (code != "ERROR_2031")
        assert bool(error.meaning) == (code != "ERROR_2031")
        assert not sandbox.calls

    @pytest.mark.parametrize(
        ("service", "client", "kind", "code"),
        [
            ({}, {"app_id": "unknown"}, AccountError, "ERROR_APPID"),
            ({}, {"secret_key": "wrong"}, AccountError, "ERROR_SIGN"),
            ({"allowed_ips": ["10.0.0.1"]}, {}, AccountError, "ERROR_CLIENT_IP"),
            ({"services": [ServiceType.VOICE_SMS]}, {}, AccountError, "ERROR_MESSAGE_TYPE"),
            ({"balance": Decimal(0)}, {}, BalanceError, "ERROR_NEEDMORE_BALANCE"),
        ],
    )
    def test_refusals_of_real_requests(
        self, service: dict[str, Any], client: dict[str, Any], kind: type[EmayVoiceError], code: str
    ) -> None:
        """The service's own checks, met by a request of the client."""

        async def main() -> None:
            async with in_process(virtual(**service), **client) as voice:
                error = await caught_by(voice.send(Notice("..."), "13800000000"))
                assert type(error) is kind
                assert isinstance(error, RefusedError)
                assert error.code == code

        run(main())

    def test_the_other_product_spells_it_otherwise(self) -> None:
        """ERROR_NEEDMORE_BLANCE means the same as ERROR_NEEDMORE_BALANCE."""

        async def main() -> None:
            async with in_process(virtual(balance=Decimal(0))) as voice:
                error = await caught_by(voice.send(MESSAGES[3], "13800000000"))
                assert type(error) is BalanceError

        run(main())

    def test_content_that_is_too_long_for_the_service(self) -> None:
        """A refusal of the content is a ContentError, and leaves other batches alone."""
        sandbox = virtual()
        sandbox.fail_next(Fault.code("ERROR_LONG_CONTENT"), skip=1)

        async def main() -> None:
            async with in_process(sandbox, max_concurrency=1) as voice:
                with pytest.raises(SendError) as caught:
                    await voice.send(Notice("..."), mobiles(1500))
                kinds = [type(one) for one in caught.value.result.outcomes]
                assert kinds == [Accepted, Refused, Accepted]
                assert type(caught.value.result.refused[0].error) is ContentError

        run(main())

    @pytest.mark.parametrize("offset", [-3600.0, -61.0, 0.0, 59.0, 3600.0])
    def test_a_clock_that_is_off(self, offset: float) -> None:
        """A wrong host clock is corrected by the service's Date, and every call works."""
        sandbox = virtual(clock_offset=offset)

        async def main() -> None:
            async with in_process(sandbox) as voice:
                await voice.send(Notice("..."), mobiles(1))
                await voice.take_reports()
                assert abs(voice.clock_offset.total_seconds() - offset) <= (60 if abs(offset) < 60 else 2)

        run(main())
        refused = [one for one in sandbox.received if one.code == "ERROR_TIMESTAMP"]
        assert len(refused) == (abs(offset) > 60)
        assert len(sandbox.calls) == 1


FAULTS: dict[str, Fault] = {
    "reset before": Fault.reset(),
    "reset after": Fault.reset(acts=True),
    "reset late": evolve(Fault.reset(acts=True), before=1.0, after=1.0),
    "cut": Fault.cut(),
    "truncated": Fault.truncated(),
    "html": Fault.html(),
    "html after": Fault.html(acts=True),
    "empty": Fault.empty(),
    "empty after": Fault.empty(acts=True),
    **{f"{status}": Fault.status(status) for status in (302, 400, 404, 405, 429, 500, 502, 503, 504)},
    **{f"{status} after": Fault.status(status, acts=True) for status in (201, 400, 408, 500, 502, 503, 504)},
    "gzipped": Fault.gzipped(),
    "content type": Fault.content_type(),
    "slow": Fault.delay(before=1.0, after=1.0),
    "too slow": Fault.delay(before=0.5, after=6.0),
    "too slow to act": Fault.delay(before=6.0),
    "never": Fault.delay(before=100.0),
    "over speed": Fault.code("ERROR_OVER_SPEED"),
    "content": Fault.code("ERROR_LONG_CONTENT"),
    "account": Fault.code("ERROR_SIGN"),
    "balance": Fault.code("ERROR_NEEDMORE_BALANCE"),
    "unlisted": Fault.code("ERROR_2031"),
}
REFUSED = {"content", "account", "balance", "unlisted"}
FINE = {"gzipped", "content type", "slow", "over speed", "429"}
NOT_ACTED_ON = {"302", "404", "405"}


def check_truth(sandbox: Sandbox, numbers: Sequence[str], outcomes: Sequence[Outcome], fault: Fault) -> None:
    """Compare the client's outcome of each number with the service's record."""
    called = Counter(call.mobile for call in sandbox.calls)
    assert not called or max(called.values()) == 1, "somebody was called twice"
    assert Counter(one.mobile for outcome in outcomes for one in outcome.recipients) == Counter(numbers)
    for outcome in outcomes:
        calls = {called[one.mobile] for one in outcome.recipients}
        match outcome:
            case Accepted():
                assert calls == {1}
            case Refused() | NotSent():
                assert calls == {0}
            case Unknown():
                # In process, a client that closes the connection ends the work of the service.
                assert calls == {int(fault.acts and fault.before < 2 * 5.0)}


class TestFaultMatrix:
    """Every fault, every kind of message, in the first, a middle and the last batch."""

    @staticmethod
    async def send(voice: AsyncEmayVoice, message: Message) -> tuple[list[str], list[Outcome]]:
        """Send three batches."""
        numbers = mobiles(2 * message.endpoint.max_batch + 1)
        return numbers, [outcome async for outcome in voice.send_batches(message, numbers)]

    @staticmethod
    def expected(name: str) -> type[Outcome]:
        """Return the outcome of the batch that met the fault."""
        if name in FINE:
            return Accepted
        if name in NOT_ACTED_ON:
            return NotSent
        return Refused if name in REFUSED else Unknown

    @pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "middle", "last"])
    @pytest.mark.parametrize("message", MESSAGES, ids=kind)
    @pytest.mark.parametrize("name", FAULTS)
    def test_in_process(self, name: str, message: Message, place: int) -> None:
        """No number is called twice, every number has an outcome, and each outcome is the true one."""
        sandbox = virtual()
        sandbox.fail_next(FAULTS[name], on=Call.SEND, skip=place)

        async def main() -> None:
            async with in_process(sandbox, timeout=5.0, max_concurrency=2) as voice:
                numbers, outcomes = await self.send(voice, message)
            check_truth(sandbox, numbers, outcomes, FAULTS[name])
            hit = [type(outcome) for outcome in outcomes]
            assert hit[place] is self.expected(name)
            # No usable response to the first request, or a fatal refusal, stops the run.
            stops = name in ("account", "balance") or (place == 0 and name not in REFUSED | FINE)
            later = NotSent if stops else Accepted
            assert set(hit[:place]) <= {Accepted}
            # With two requests in flight, the batch after a fatal refusal may be in flight already.
            assert set(hit[place + 1 :]) <= {later, Accepted}
            assert set(hit[place + 2 :]) <= {later}

        run(main())

    @pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "middle", "last"])
    @pytest.mark.parametrize(
        "name", [name for name, fault in FAULTS.items() if fault.before + fault.after == 0]
    )
    def test_over_a_socket(self, name: str, place: int) -> None:
        """The same with real resets and a real HTTP client."""
        sandbox = Sandbox(rate_limits=UNLIMITED)
        sandbox.fail_next(FAULTS[name], on=Call.SEND, skip=place)

        async def main() -> None:
            async with over_socket(sandbox, rate_limits=UNLIMITED, max_concurrency=1) as voice:
                numbers, outcomes = await self.send(voice, MESSAGES[0])
            check_truth(sandbox, numbers, outcomes, FAULTS[name])
            assert type(outcomes[place]) is self.expected(name)

        asyncio.run(main())


class TestSpeed:
    """The service never answers ERROR_OVER_SPEED."""

    def test_over_a_socket_with_random_delays(self) -> None:
        """Sends, reports and balance queries at once over a jittery network: none comes too fast."""
        chance = random.Random(11)
        limit = RateLimit(10, 0.25)
        limits = RateLimits(send=limit, reports=limit, balance=limit)
        sandbox = Sandbox(
            rate_limits=limits,
            latency=lambda: chance.uniform(0, 0.08),
            answer_latency=lambda: chance.uniform(0, 0.08),
        )

        async def main() -> None:
            async with over_socket(sandbox, rate_limits=limits, max_concurrency=64) as voice:
                sends = voice.send(VerificationCode("4711"), mobiles(120))
                balances = [voice.get_balance() for _ in range(60)]
                reports = [self.ask(voice, product, times=30) for product in Product]
                await asyncio.gather(sends, *balances, *reports)
                assert voice.stats.over_speed == 0
                assert voice.stats.requests == len(sandbox.received) == 240

        asyncio.run(main())
        assert sandbox.over_speed == 0
        assert len(sandbox.calls) == 120

    @staticmethod
    async def ask(voice: AsyncEmayVoice, product: Product, *, times: int) -> None:
        """Ask for reports over and over."""
        for _ in range(times):
            await voice.take_reports(1000, product=product)

    def test_another_process_on_the_account(self) -> None:
        """A second client on the same account: both send all batches, and no number is called twice."""
        sandbox = virtual(latency=lambda: 0.02)

        async def main() -> None:
            async with in_process(sandbox) as one, in_process(sandbox) as other:
                halves = mobiles(300)[:150], mobiles(300)[150:]
                await asyncio.gather(
                    one.send(VerificationCode("4711"), halves[0]),
                    other.send(VerificationCode("4711"), halves[1]),
                )
                assert one.stats.over_speed + other.stats.over_speed == sandbox.over_speed > 0

        run(main())
        assert Counter(call.mobile for call in sandbox.calls) == Counter(mobiles(300))

    def test_a_service_that_refuses_for_good(self) -> None:
        """Retries are capped: in the end the batch is refused, and no number was called."""
        sandbox = virtual()
        sandbox.fail_next(Fault.code("ERROR_OVER_SPEED"), times=None)

        async def main() -> None:
            async with in_process(sandbox) as voice:
                error = await caught_by(voice.send(Notice("..."), "13800000000"))
                assert type(error) is OverSpeedError

        run(main())
        assert not sandbox.calls


class TestCancellation:
    """Cancelling at any moment at all."""

    def test_a_send_is_cancelled_at_every_turn(self) -> None:
        """A send that is cancelled at any moment: each batch read has one true outcome, and no slot is lost."""

        def scenario() -> Callable[[CancellingLoop], Awaitable[None]]:
            sandbox = virtual(latency=lambda: 0.05, answer_latency=lambda: 0.05)
            limits = RateLimits(send=RateLimit(2, 1.0))
            seen: list[Outcome] = []

            async def play(loop: CancellingLoop) -> None:
                async with in_process(sandbox, rate_limits=limits, max_concurrency=3) as voice:
                    loop.victim = asyncio.ensure_future(
                        voice.send(Notice("..."), mobiles(2300), on_outcome=seen.append)
                    )
                    await asyncio.wait([loop.victim])
                    # Requests in flight end in their own time; then the limiter is as good as new.
                    await asyncio.sleep(5)
                    began = now()
                    await voice.send(Notice("..."), ["13911111111"] * 1000)
                    assert now() - began < 0.2
                    assert voice.stats.accepted == len(sandbox.calls)
                assert asyncio.all_tasks() == {asyncio.current_task()}
                assert sandbox.over_speed == 0
                sandbox_calls = Counter(call.mobile for call in sandbox.calls)
                del sandbox_calls["13911111111"]
                assert not sandbox_calls or max(sandbox_calls.values()) == 1
                told = Counter(one.mobile for outcome in seen for one in outcome.recipients)
                assert not told or max(told.values()) == 1
                accepted = {
                    one.mobile
                    for outcome in seen
                    if isinstance(outcome, Accepted)
                    for one in outcome.recipients
                }
                assert accepted == set(sandbox_calls)
                assert {type(outcome) for outcome in seen} <= {Accepted, NotSent}

            return play

        assert cancel_everywhere(scenario) > 40

    def test_reports_are_taken_and_cancelled_at_every_turn(self) -> None:
        """A getReport that is cancelled at any moment: each report comes exactly once, in order."""

        def scenario() -> Callable[[CancellingLoop], Awaitable[None]]:
            sandbox = virtual(latency=lambda: 0.05, answer_latency=lambda: 0.05)

            async def play(loop: CancellingLoop) -> None:
                got: list[Report] = []

                async def drain() -> None:
                    while page := await voice.take_reports(5):
                        got.extend(page)

                async with in_process(sandbox) as voice:
                    tickets = (await voice.send(Notice("..."), mobiles(17))).tickets
                    loop.victim = asyncio.ensure_future(drain())
                    await asyncio.wait([loop.victim])
                    await asyncio.sleep(1)
                    await drain()
                assert [report.message_id for report in got] == [ticket.message_id for ticket in tickets]

            return play

        assert cancel_everywhere(scenario) > 20


_CAMPAIGN = """
import asyncio, sys
from emay_voice_async import AsyncEmayVoice, Notice, RateLimit, RateLimits
from emay_voice_async.journal.sqlite import SqliteJournal

async def main(url, app_id, secret_key, path, resend):
    limits = RateLimits(send=RateLimit(50, 1.0))
    async with AsyncEmayVoice(url, app_id=app_id, secret_key=secret_key, rate_limits=limits) as voice:
        to = (f"1{50 + one // 9000:02}{one % 9000:04}1000" for one in range(20_000))
        journal = SqliteJournal(path)
        sending = voice.send_batches(Notice("..."), to, journal=journal, resend_unknown=resend == "resend")
        async for outcome in sending:
            print(type(outcome).__name__, len(outcome.recipients), getattr(outcome, "recorded", False), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


class TestCampaigns:
    """Real processes with the same journal, against the local service over a socket."""

    async def _begun(
        self, sandbox: Sandbox, url: str, path: Path, how: str = ""
    ) -> asyncio.subprocess.Process:
        """Begin a program that sends to all numbers."""
        arguments = [url, sandbox.app_id, sandbox.secret_key, str(path), how]
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CAMPAIGN, *arguments, stdout=asyncio.subprocess.PIPE
        )

    def test_two_processes_at_once(self, tmp_path: Path) -> None:
        """Two programs with the same journal and the same input: every number is called once."""
        sandbox = Sandbox(rate_limits=UNLIMITED, answer_latency=lambda: 0.05)

        async def main() -> None:
            async with sandbox.serve() as url:
                both = [await self._begun(sandbox, url, tmp_path / "run.db") for _ in range(2)]
                for one in both:
                    output, _ = await one.communicate()
                    told = [line.split() for line in output.decode().splitlines()]
                    assert sum(int(number) for _, number, _ in told) == 20_000
                # Batches that both programs wanted at the same moment are left for a third run.
                last = await self._begun(sandbox, url, tmp_path / "run.db")
                await last.communicate()
            assert Counter(call.mobile for call in sandbox.calls) == Counter(mobiles(20_000))

        asyncio.run(main())

    def test_a_process_that_is_killed(self, tmp_path: Path) -> None:
        """Killed twice in the middle, settled by the reports and sent again: every number is called once."""
        path = tmp_path / "run.db"
        sandbox = Sandbox(rate_limits=UNLIMITED, answer_latency=lambda: 0.2)

        async def main() -> None:
            async with sandbox.serve() as url:
                for lines in (3, 5):
                    program = await self._begun(sandbox, url, path)
                    assert program.stdout is not None
                    for _ in range(lines):
                        await program.stdout.readline()
                    program.kill()
                    await program.communicate()
                    assert len(sandbox.calls) < 20_000
                last = await self._begun(sandbox, url, path)
                output, _ = await last.communicate()
                assert b"Unknown" in output
                assert max(Counter(call.mobile for call in sandbox.calls).values()) == 1
                async with (
                    AsyncEmayVoice(url, app_id=sandbox.app_id, secret_key=sandbox.secret_key) as voice,
                    SqliteJournal(path) as journal,
                ):
                    while reports := await voice.take_reports(1000):
                        assert await journal.record(reports) == len(reports)
                again = await self._begun(sandbox, url, path, "resend")
                await again.communicate()
                assert Counter(call.mobile for call in sandbox.calls) == Counter(mobiles(20_000))
                states = (await SqliteJournal(path).summary()).states
                assert states == dict.fromkeys(State, 0) | {State.ACCEPTED: 20_000}

        asyncio.run(main())


class TestPushes:
    """The local service pushes over real HTTP to a receiver that is mounted in a web application."""

    @pytest.mark.parametrize("mode", ["encrypted", "json", "form"])
    @pytest.mark.parametrize("bare", [False, True])
    @pytest.mark.parametrize("recordings", ["base64", "signed"])
    @pytest.mark.parametrize("message", [MESSAGES[0], MESSAGES[3]], ids=kind)
    def test_every_shape_arrives(
        self, mode: PushMode, bare: bool, recordings: Recordings, message: Message
    ) -> None:
        """Encrypted or plain, in each shape: every report arrives once, whole, and reaches a waiting caller."""
        sandbox = Sandbox(recordings=recordings)
        product = message.endpoint.product
        got: list[Report] = []

        async def on_reports(reports: list[Report]) -> None:
            got.extend(reports)
            app.state.voice.feed(reports)

        receiver = PushReceiver(
            {sandbox.app_id: sandbox.secret_key},
            on_reports,
            allow_plain=True,
            plain_networks=["127.0.0.1/32"],
        )
        app = FastAPI()
        app.mount("/emay", receiver)

        async def main() -> None:
            async with serve(app) as own_url, over_socket(sandbox) as voice:
                app.state.voice = voice
                tickets = (await voice.send(message, [f"1380000{one:04}" for one in range(12)])).tickets
                # A waiting caller asks the service, too; here the push is to be first.
                sandbox.fail_next(Fault.code("ERROR_OVER_SPEED"), on=Call.REPORTS, times=None)
                waiting = asyncio.ensure_future(voice.wait_for_report(tickets[10], timeout=20))
                deliveries = await sandbox.push(f"{own_url}/emay/", mode=mode, bare=bare, product=product)
                assert [delivery.delivered for delivery in deliveries] == [True]
                report = await waiting
                assert (report.message_id, report.key_pressed) == (tickets[10].message_id, "1")
                assert report.recording is not None
                assert report.recording.startswith(b"RIFF")
                assert [one.message_id for one in got] == [ticket.message_id for ticket in tickets]
                assert sandbox.reports_waiting == 0

        asyncio.run(main())

    def test_an_unhandled_push_comes_again(self) -> None:
        """A handler that fails is not taken for a success: the service keeps the reports and repeats them."""
        sandbox = Sandbox()
        got: list[Report] = []

        async def on_reports(reports: list[Report]) -> None:
            got.extend(reports)
            if len(got) == 1:
                raise ZeroDivisionError

        receiver = PushReceiver({sandbox.app_id: sandbox.secret_key}, on_reports, deduplicate=RecentReports())

        async def main() -> None:
            async with serve(receiver) as own_url, over_socket(sandbox) as voice:
                await voice.send(Notice("..."), "13800000000")
                [first] = await sandbox.push(f"{own_url}/")
                assert (first.delivered, sandbox.reports_waiting) == (False, 1)
                [plain] = await sandbox.push(f"{own_url}/", mode="json")
                assert (plain.delivered, sandbox.reports_waiting) == (False, 1)
                [second] = await sandbox.push(f"{own_url}/")
                assert (second.delivered, sandbox.reports_waiting) == (True, 0)
                assert len(got) == 2

        asyncio.run(main())
