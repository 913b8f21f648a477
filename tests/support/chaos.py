"""Campaigns through a disturbed network: the real client, a proxy with faults, and the local service over a socket.

The judge is the service's own record. ``python tests/support/chaos.py --seed 1 --minutes 10`` runs campaigns and prints
the totals; the exit code is 1 after a violation. A campaign depends on the seed and its number (``--only``), apart
from the timing of the machine.
"""

import argparse
import asyncio
import gc
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from emay_voice_async import (
    AsyncEmayVoice,
    Notice,
    NotSent,
    OnKey,
    RateLimit,
    RateLimits,
    VerificationCode,
    VoiceSms,
)
from emay_voice_async.errors import EmayVoiceError
from emay_voice_async.journal.protocol import State
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.endpoints import VOICE_REPORTS, Product
from emay_voice_async.model.messages import Message
from emay_voice_async.model.results import Accepted, Outcome, Refused
from emay_voice_async.sandbox import Sandbox
from support.chaos_proxy import ChaosProxy, Decide, Exchange, Fault, Kind, Link, Place, chaos_proxy
from support.event_log import EventLog

__all__ = ["FLAVOURS", "Totals", "run_campaigns"]

TIMEOUT: Final = 0.6
"""The client's timeout: a response is read for twice as long."""
LIMITS: Final = RateLimits(send=RateLimit(20, 0.2), reports=RateLimit(20, 0.2), balance=RateLimit(20, 0.2))
ENDS: Final = ("complete", "cancel", "leave", "close")
"""How a run of a client is stopped."""
_FORGIVEN: Final = 0.35
_MOST_RUNS: Final = 40
_REPORTS_IN_A_ROW: Final = 20
_TIMES: Final = {
    # Shorter than the timeout; some stalls are longer (see faults).
    Kind.DELAY: (0.01, 0.3),
    Kind.STALL: (0.01, 0.3),
    Kind.DRIP: (0.01, 0.25),
    Kind.RESET: (0.0, 0.01),
    Kind.FINISH: (0.0, 0.01),
    Kind.HALF_CLOSE: (0.0, 0.1),
    Kind.STALE: (0.0, 0.0),
}
_SLOW: Final = (Kind.DELAY, Kind.STALL, Kind.DRIP)
_CUTS: Final = (Kind.RESET, Kind.FINISH, Kind.HALF_CLOSE)

# --- results


@define
class Totals:
    """The counts of campaigns, and a sentence for each violation, with the seed and the number of the campaign."""

    campaigns: int = 0
    runs: int = 0
    numbers: int = 0
    calls: int = 0
    reports: int = 0
    connections: int = 0
    exchanges: int = 0
    refusals: int = 0
    lost_responses: int = 0
    unknown: int = 0
    faults: Counter[str] = field(factory=Counter)
    violations: list[str] = field(factory=list)

    def add(self, proxy: ChaosProxy) -> None:
        """Add the record of a proxy."""
        self.connections += proxy.connections
        self.exchanges += len(proxy.exchanges)
        self.refusals += proxy.refusals
        self.lost_responses += proxy.lost
        self.faults += proxy.faults

    def __str__(self) -> str:
        names = (
            "campaigns", "runs", "numbers", "calls", "reports", "connections", "exchanges", "refusals",
            "lost_responses", "unknown",
        )  # fmt: skip
        lines = [f"  {name:<26} {getattr(self, name):>9,}" for name in names]
        lines += [f"  {name:<26} {count:>9,}" for name, count in sorted(self.faults.items())]
        lines += [f"  faults in all              {self.faults.total():>9,}"]
        lines += [f"  violations                 {len(self.violations):>9,}", *self.violations]
        return "\n".join(lines)


@frozen
class Campaign:
    """What a campaign has: its random numbers, its folder, and the totals."""

    name: str
    dice: random.Random
    folder: Path
    totals: Totals

    def violated(self, rule: str, things: Iterable[object]) -> None:
        """Note a violation of a rule, if there are things that violate it."""
        found = sorted(map(str, things))
        if found:
            shown = ", ".join(found[:5])
            self.totals.violations.append(f"{self.name}: {rule}: {len(found)} ({shown})")


# --- faults


def nothing(_: random.Random, __: Link) -> Fault | None:
    """Decide for no fault."""
    return None


def faults(cuts: float, slow: float) -> Decide:
    """Decide for cuts and slow exchanges with these probabilities."""

    def decide(dice: random.Random, link: Link) -> Fault | None:
        value = dice.random()
        place = dice.choice(list(Place))
        at = dice.choice([0.0, 1.0, dice.random(), dice.random(), dice.random()])
        if value < cuts:
            kind = dice.choice([*_CUTS, Kind.STALE, Kind.STALL])
            seconds = dice.uniform(*_TIMES[kind])
            if kind is Kind.STALL:
                seconds = TIMEOUT * dice.choice([1.2, 1.6, 2.5])
            return Fault(kind, place, at, seconds)
        if value < cuts + slow:
            kind = dice.choice([*_SLOW, Kind.FINISH])
            if kind is Kind.FINISH:
                # Behind a whole response: nothing is lost.
                return Fault(kind, Place.RESPONSE, 1.0, 0.0)
            return Fault(kind, place, 0.0 if kind is Kind.DELAY else at, dice.uniform(*_TIMES[kind]))
        return None

    return decide


@asynccontextmanager
async def refusing(proxy: ChaosProxy, dice: random.Random, share: float) -> AsyncIterator[None]:
    """Refuse connections for a share of the time, in phases."""
    over = asyncio.Event()

    async def passed(seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await over.wait()

    async def phases() -> None:
        while not over.is_set():
            await passed(dice.uniform(0.05, 0.6))
            proxy.refuse()
            await passed(dice.uniform(0.01, 0.5))
            await proxy.listen()

    task = asyncio.get_running_loop().create_task(phases()) if dice.random() < share else None
    try:
        yield
    finally:
        over.set()
        if task is not None:
            # Not cancelled: a listener that was being opened would be lost and stay open.
            await asyncio.wait({task})
            task.result()


# --- clients


def sandbox_of(dice: random.Random) -> Sandbox:
    """Make a local service with small random delays."""
    slowness = dice.choice([0.0, 0.005, 0.02])
    return Sandbox(
        balance=Decimal(10**9),
        rate_limits=LIMITS,
        latency=lambda: dice.random() * slowness,
        answer_latency=lambda: dice.random() * slowness,
    )


@asynccontextmanager
async def client_of(sandbox: Sandbox, url: str, **options: Any) -> AsyncIterator[AsyncEmayVoice]:
    """Make a client of the service at a URL; check the events at the end."""
    log = EventLog()
    chosen = {"rate_limits": LIMITS, "timeout": TIMEOUT, "on_event": log, **options}
    async with AsyncEmayVoice(url, app_id=sandbox.app_id, secret_key=sandbox.secret_key, **chosen) as voice:
        yield voice
    # The callback of the last task comes in the next turn.
    await asyncio.sleep(0)
    log.check()


async def stopped(
    voice: AsyncEmayVoice, run: Callable[[int | None], Any], dice: random.Random, end: str
) -> None:
    """Run until the end, or stop the run at a random moment: cancelled, left, or with the client closed."""
    most = dice.randint(1, 8) if end == "leave" else None
    task = asyncio.get_running_loop().create_task(run(most))
    if end in ("cancel", "close"):
        await asyncio.wait({task}, timeout=dice.choice([0.02, 0.2, 1.0]) * dice.random())
        if end == "close":
            await voice.aclose()
        else:
            task.cancel()
    with suppress(asyncio.CancelledError, EmayVoiceError):
        await task


async def settled(proxy: ChaosProxy) -> None:
    """Wait until no exchange is in progress and the service has acted on all requests."""
    await proxy.quiet()
    await asyncio.sleep(0.15)


# --- sends


def mobiles(number: int) -> list[str]:
    """Make different numbers whose calls are all answered."""
    return [f"1{50 + one // 9000:02}{one % 9000:04}1000" for one in range(number)]


def message_of(dice: random.Random) -> tuple[Message, int]:
    """Choose a message, and how many numbers get it."""
    messages: list[tuple[Message, int]] = [
        (Notice("您的快递已到"), dice.randint(1000, 6000)),
        (VerificationCode("471100"), dice.randint(10, 100)),
        (VerificationCode("4711"), dice.randint(100, 300)),
        (VoiceSms("账单已出", trigger=OnKey("1"), sms_content="见附件"), dice.randint(400, 3000)),
    ]
    return dice.choice(messages)


async def send_campaign(campaign: Campaign) -> None:
    """Send with a journal in several runs until no number is left; compare journal, outcomes and calls."""
    dice, totals = campaign.dice, campaign.totals
    sandbox = sandbox_of(dice)
    message, number = message_of(dice)
    numbers = mobiles(number)
    path = campaign.folder / "run.db"
    disturbed = dice.randint(2, 6)
    decide = faults(dice.choice([0.03, 0.1, 0.25]), dice.choice([0.0, 0.2, 0.4]))
    totals.numbers += number
    async with sandbox.serve() as url, chaos_proxy(url, decide, campaign.name) as proxy:
        for run in range(_MOST_RUNS):
            calm = run >= disturbed
            proxy.decide = nothing if calm else decide
            outcomes: list[Outcome] = []

            async def send(
                most: int | None, voice: AsyncEmayVoice, outcomes: list[Outcome] = outcomes
            ) -> None:
                sending = voice.send_batches(message, numbers, journal=SqliteJournal(path))
                async with aclosing(sending):
                    async for outcome in sending:
                        outcomes.append(outcome)
                        if len(outcomes) == most:
                            return

            end = "complete" if calm else dice.choice(ENDS)
            concurrency = dice.choice([1, 2, 4, 8])
            totals.runs += 1
            async with (
                refusing(proxy, dice, 0.0 if calm else 0.4),
                client_of(sandbox, proxy.url, cold_start=run > 0, max_concurrency=concurrency) as voice,
            ):
                await stopped(voice, lambda most, voice=voice: send(most, voice), dice, end)  # type: ignore[misc]
            await settled(proxy)
            judge_outcomes(campaign, sandbox, outcomes, run)
            if calm and not any(isinstance(one, NotSent | Refused) for one in outcomes):
                break
        await judge_journal(campaign, sandbox, url, path, numbers)
        judge_speed(campaign, sandbox, proxy)
        totals.add(proxy)
    totals.calls += len(sandbox.calls)


def judge_outcomes(campaign: Campaign, sandbox: Sandbox, outcomes: Sequence[Outcome], run: int) -> None:
    """Compare the outcomes of a run with the calls so far."""
    calls = {call.mobile: (call.message_id, call.custom_id) for call in sandbox.calls}
    for outcome in outcomes:
        told = [recipient.mobile for recipient in outcome.recipients]
        name = f"run {run}, {outcome.name}"
        if isinstance(outcome, Accepted):
            campaign.violated(f"{name}, falsely accepted", (one for one in told if one not in calls))
            wrong = (
                ticket.mobile
                for ticket in outcome.tickets
                if calls.get(ticket.mobile, ("", "")) != (ticket.message_id, ticket.custom_id)
            )
            campaign.violated(f"{name}, wrong tickets", wrong)
        elif isinstance(outcome, NotSent | Refused):
            campaign.violated(f"{name}, but called: {outcome.error}", (one for one in told if one in calls))


async def judge_journal(
    campaign: Campaign, sandbox: Sandbox, url: str, path: Path, numbers: Sequence[str]
) -> None:
    """Compare the journal with the calls, before and after the reports were recorded."""
    called = Counter(call.mobile for call in sandbox.calls)
    campaign.violated("called twice", (one for one, times in called.items() if times > 1))
    journal = SqliteJournal(path)
    async with journal:
        states = {line.mobile: line.state async for line in journal.lines()}
        campaign.violated("forgotten", (one for one in numbers if one not in states))
        campaign.violated("called without an entry", (one for one in called if one not in states))
        by_state = {state: [one for one, is_ in states.items() if is_ is state] for state in State}
        campaign.violated("falsely accepted", (one for one in by_state[State.ACCEPTED] if one not in called))
        free = by_state[State.REFUSED] + by_state[State.NOT_SENT]
        campaign.violated("falsely not sent", (one for one in free if one in called))
        campaign.violated("left over", [*free, *by_state[State.UNDER_WAY]])
        campaign.totals.unknown += len(by_state[State.UNKNOWN])
        async with client_of(sandbox, url, cold_start=True, timeout=10) as voice:
            for product in Product:
                while reports := await voice.take_reports(1000, product=product):
                    await journal.record(reports)
        after = {line.mobile: line.state async for line in journal.lines()}
    unsettled = (one for one in by_state[State.UNKNOWN] if (after[one] is State.ACCEPTED) != (one in called))
    campaign.violated("an unknown number is settled wrongly", unsettled)


def judge_speed(campaign: Campaign, sandbox: Sandbox, proxy: ChaosProxy) -> None:
    """Without a lost response the client never exceeds the speed limit."""
    if proxy.lost == 0 and sandbox.over_speed:
        campaign.violated("over speed", [f"{sandbox.over_speed} of {len(proxy.exchanges)} exchanges"])


# --- reports


async def report_campaign(campaign: Campaign) -> None:
    """Read reports with a spool in several runs; each report in a whole response must be handed out."""
    dice, totals = campaign.dice, campaign.totals
    sandbox = sandbox_of(dice)
    decide = faults(dice.choice([0.1, 0.25, 0.4]), dice.choice([0.0, 0.2, 0.4]))
    disturbed = dice.randint(2, 4)
    got: Counter[str] = Counter()
    raw: list[bytes] = []
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(sandbox.serve())
        # Some reports are ready now, others later: each getReport finds a few.
        async with client_of(sandbox, url, timeout=10) as voice:
            numbers = mobiles(dice.randint(200, 1500))
            size = dice.choice([20, 50, 100])
            for start in range(0, len(numbers), size):
                sandbox.report_delay = dice.random() * 3
                await voice.send(Notice("..."), numbers[start : start + size])
        totals.numbers += len(numbers)
        proxy = await stack.enter_async_context(chaos_proxy(url, decide, campaign.name))
        for run in range(disturbed + 1):
            calm = run == disturbed
            proxy.decide = nothing if calm else decide
            end = "complete" if calm else dice.choice(ENDS)
            how = dice.choice(["reports", "pages", "take"])
            totals.runs += 1
            if calm:
                await asyncio.sleep(max(0.0, sandbox.calls[-1].at + 3.1 - time.time()))
            async with (
                refusing(proxy, dice, 0.0 if calm else 0.4),
                client_of(sandbox, proxy.url, cold_start=True) as voice,
            ):

                async def read(most: int | None, voice: AsyncEmayVoice = voice, how: str = how) -> None:
                    limit = None if most is None else most * 30
                    await read_reports(voice, how, campaign.folder / "spool", got, limit)

                while True:
                    before = got.total()
                    await stopped(voice, read, dice, end)
                    if not calm or (got.total() == before and not sandbox.reports_waiting):
                        break
            raw += [one for one, _ in voice.broken_reports if isinstance(one, bytes)]
            await settled(proxy)
        judge_reports(campaign, sandbox, proxy, got, raw)
        judge_speed(campaign, sandbox, proxy)
        totals.add(proxy)
    totals.calls += len(sandbox.calls)
    totals.reports += got.total()


async def read_reports(
    voice: AsyncEmayVoice, how: str, spool: Path, got: Counter[str], most: int | None
) -> None:
    """Read reports in one of the ways, for two seconds, or until so many were read."""
    options: dict[str, Any] = {"follow": True, "poll_interval": 0.05, "spool": spool, "deadline": 2.0}
    count = 0
    if how == "reports":
        async with aclosing(voice.reports(**options)) as stream:
            async for report in stream:
                got[report.message_id] += 1
                count += 1
                if count == most:
                    return
    elif how == "pages":
        async with aclosing(voice.report_pages(**options)) as pages:
            async for page in pages:
                if most is not None and count >= most:
                    # This page is put back.
                    return
                # As a program that stores a page: counted when stored, and stored twice after a stop.
                await asyncio.sleep(0)
                got.update(report.message_id for report in page)
                count += len(page)
    else:
        async with aclosing(voice.reports(**options)) as stream:
            async for report in stream:
                got[report.message_id] += 1
                break
        for _ in range(_REPORTS_IN_A_ROW):
            taken = await voice.take_reports(37, deadline=1.0)
            got.update(report.message_id for report in taken)


def judge_reports(
    campaign: Campaign, sandbox: Sandbox, proxy: ChaosProxy, got: Counter[str], raw: Sequence[bytes]
) -> None:
    """Compare the reports that were handed out by the service with those that the client handed out."""
    made = {call.message_id for call in sandbox.calls}
    campaign.violated("reports of no call", got.keys() - made)
    delivered = [one for one in proxy.exchanges if one.path == VOICE_REPORTS.path and arrived(one)]
    kept = b"".join(raw).decode(errors="replace")
    missing = made - got.keys()
    for exchange in delivered:
        text = exchange.body.decode()
        lost = (one for one in missing if f'"{one}"' in text and one not in kept)
        campaign.violated(f"reports of a whole response were lost ({exchange.fault})", lost)
    if sandbox.reports_waiting:
        campaign.violated("reports are left over", [sandbox.reports_waiting])
    # What is missing was in a response that was cut.
    cut = any(one.path == VOICE_REPORTS.path and not arrived(one) for one in proxy.exchanges)
    if missing and not cut:
        campaign.violated("reports were lost without a cut", missing)


def arrived(exchange: Exchange) -> bool:
    """Tell whether the client certainly had the time to read a whole response."""
    in_time = exchange.ended is not None and exchange.ended - exchange.began < 2 * TIMEOUT - _FORGIVEN
    return exchange.whole and in_time


# --- speed


async def speed_campaign(campaign: Campaign) -> None:
    """Send, ask for reports and for the balance at once over a slow network: no request comes too fast."""
    dice, totals = campaign.dice, campaign.totals
    sandbox = sandbox_of(dice)
    numbers = mobiles(dice.randint(60, 150))
    totals.numbers += len(numbers)
    totals.runs += 1
    async with sandbox.serve() as url, chaos_proxy(url, faults(0.0, 0.6), campaign.name) as proxy:
        async with (
            refusing(proxy, dice, 0.5),
            client_of(sandbox, proxy.url, timeout=20, max_concurrency=dice.choice([4, 16])) as voice,
        ):
            others: list[Awaitable[object]] = [voice.get_balance() for _ in range(40)]
            others += [voice.take_reports(50) for _ in range(10)]
            sending = voice.send_batches(VerificationCode("4711"), numbers)
            outcomes, _ = await asyncio.gather(_listed(sending), _all(others))
        await settled(proxy)
        judge_outcomes(campaign, sandbox, outcomes, 0)
        called = Counter(call.mobile for call in sandbox.calls)
        campaign.violated("called twice", (one for one, times in called.items() if times > 1))
        judge_speed(campaign, sandbox, proxy)
        totals.add(proxy)
    totals.calls += len(sandbox.calls)


async def _all(waiting: Iterable[Awaitable[object]]) -> None:
    """Wait for requests that may fail."""
    await asyncio.gather(*waiting, return_exceptions=True)


async def _listed(outcomes: AsyncIterator[Outcome]) -> list[Outcome]:
    return [one async for one in outcomes]


# --- all campaigns

_KINDS: Final = (
    send_campaign,
    report_campaign,
    send_campaign,
    speed_campaign,
    send_campaign,
    report_campaign,
)


async def run_campaign(seed: int, number: int, totals: Totals) -> None:
    """Run the campaign of a seed and a number."""
    dice = random.Random(f"{seed}/{number}")
    play = _KINDS[number % len(_KINDS)]
    name = f"seed {seed}, campaign {number} ({play.__name__.removesuffix('_campaign')})"
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(name, dice, Path(folder), totals)
        try:
            async with asyncio.timeout(120):
                await play(campaign)
        except Exception as error:
            campaign.violated(f"failed with {type(error).__name__}", [error])
            logging.getLogger(__name__).exception("%s failed", name)
    totals.campaigns += 1


async def run_campaigns(
    seed: int, *, seconds: float | None = None, numbers: Iterable[int] | None = None, at_once: int = 4
) -> Totals:
    """Run campaigns, several at once: those of ``numbers``, or all until the seconds have passed."""
    totals = Totals()
    end = None if seconds is None else time.monotonic() + seconds
    following = iter(range(10**9) if numbers is None else numbers)

    async def work() -> None:
        for number in following:
            if end is not None and time.monotonic() > end:
                return
            await run_campaign(seed, number, totals)

    def unhandled(_: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        totals.violations.append(
            f"seed {seed}: unhandled in the event loop: {context['message']} ({error!r})"
        )

    asyncio.get_running_loop().set_exception_handler(unhandled)
    await asyncio.gather(*(work() for _ in range(at_once)))
    # An exception that nobody retrieved is reported when its task is collected.
    gc.collect()
    return totals


# --- the program


def _plain() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _eager() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - since Python 3.12
    return loop


def _uvloop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = import_module("uvloop").new_event_loop()
    return loop


FLAVOURS: Final = {"plain": _plain, "eager": _eager, "uvloop": _uvloop}
"""The event loops; eager tasks need Python 3.12."""


def available() -> list[str]:
    """List the flavours that this Python has."""
    found = ["plain"]
    if sys.version_info >= (3, 12):
        found.append("eager")
    with suppress(ImportError):
        import_module("uvloop")
        found.append("uvloop")
    return found


def main() -> int:
    """Run campaigns with each flavour, and print the totals."""
    parser = argparse.ArgumentParser(description="Run campaigns through a disturbed network.")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--minutes", type=float, default=10.0, help="for all flavours together")
    parser.add_argument("--only", type=int, nargs="+", help="the numbers of the campaigns to run")
    parser.add_argument("--flavour", choices=FLAVOURS, nargs="+", default=available())
    parser.add_argument("--at-once", type=int, default=4)
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    violations = 0
    for flavour in options.flavour:
        began = time.monotonic()
        seconds = None if options.only else options.minutes * 60 / len(options.flavour)
        with asyncio.Runner(loop_factory=FLAVOURS[flavour]) as runner:
            totals = runner.run(
                run_campaigns(options.seed, seconds=seconds, numbers=options.only, at_once=options.at_once)
            )
        took = time.monotonic() - began
        sys.stdout.write(f"{flavour}, seed {options.seed}, {took:.0f} s:\n{totals}\n")
        sys.stdout.flush()
        violations += len(totals.violations)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
