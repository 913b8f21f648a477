"""``demo``: shows the main job from end to end with the local service."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Final

import click
from attrs import frozen
from rich import progress
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from emay_voice_async.cli.terminal.console import SafeConsole, rendered
from emay_voice_async.cli.terminal.exit_codes import ExitCode
from emay_voice_async.cli.terminal.formatting import duration, meaning_of, money, requests
from emay_voice_async.cli.terminal.help_pages import TranslatedCommand
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.cli.terminal.program import commands_of_shell
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import MAX_REPORTS, Product
from emay_voice_async.model.messages import Marketing, Message, Notice, OnKey, VerificationCode, VoiceSms
from emay_voice_async.model.numbers import mask
from emay_voice_async.model.results import Accepted, Report
from emay_voice_async.model.stats import Stats
from emay_voice_async.sandbox import Sandbox
from emay_voice_async.sandbox.outcomes import outcome_of

__all__ = ["Facts", "complaints", "demo", "show"]

LATENCY: Final = (0.02, 0.12)
"""Seconds from request to response, chosen at random between these two."""
REPORT_DELAY: Final = 1.0
PATIENCE: Final = 10.0
"""Seconds to wait for the last report."""

_INTERACTIVE: Final = "13900000010"
_SENDS: Final[tuple[tuple[Message, Sequence[str]], ...]] = (
    (Notice("您好，您的快递已到小区门口，请及时领取。"), [f"138{number:08}" for number in range(1234)]),
    (VerificationCode("471100"), ["13900009000"]),
    (Marketing("新品上市。", interactive_content="了解详情请按1。"), [_INTERACTIVE]),
    (VoiceSms("您的账单已出。", trigger=OnKey("1"), sms_content="账单见附件。"), ["13900000011"]),
)
"""Message and numbers of each send; the last digits of a number decide how its call ends."""


@click.command(
    cls=TranslatedCommand,
    epilog="""\b
Example:
  emay-voice demo
""",
)
@click.pass_obj
def demo(session: Session) -> ExitCode:
    """Call 1,237 numbers with a local service, read the reports, and show the result."""
    return ExitCode.DONE if asyncio.run(show(program=session.program)) else ExitCode.REFUSED


@frozen
class Facts:
    """The result of the demo, as client and service counted it."""

    sent: int
    """Numbers to call."""
    accepted: int
    called: Counter[str]
    """Calls by number, counted by the service."""
    silent: int
    """Calls without a report."""
    reports: Sequence[Report]
    before: Decimal
    after: Decimal
    price: Decimal
    over_speed: int
    """ERROR_OVER_SPEED responses, counted by the service."""
    stats: Stats
    seconds: float


def complaints(facts: Facts) -> Iterator[str]:
    """Yield a sentence for each wrong result."""
    if facts.accepted != facts.sent:
        yield gettext(
            "{sent} numbers were sent, but {accepted} were accepted", sent=facts.sent, accepted=facts.accepted
        )
    if len(facts.called) != facts.sent or facts.called.total() != facts.sent:
        yield gettext(
            "the service made {calls} calls to {numbers} numbers",
            calls=facts.called.total(),
            numbers=len(facts.called),
        )
    if len(facts.reports) != facts.sent - facts.silent:
        yield gettext(
            "{reports} reports came instead of {expected}",
            reports=len(facts.reports),
            expected=facts.sent - facts.silent,
        )
    if facts.before - facts.after != facts.price * facts.sent:
        yield gettext(
            "the balance went down by {amount} instead of {expected}",
            amount=facts.before - facts.after,
            expected=facts.price * facts.sent,
        )
    if facts.over_speed:
        yield gettext("the service answered ERROR_OVER_SPEED {number} times", number=facts.over_speed)


async def show(console: Console | None = None, program: str = "emay-voice") -> bool:
    """Run the demo and print it; return False for a wrong result. ``program`` starts the next command."""
    console = console or SafeConsole()
    console.print(gettext("emay_voice_async: a demo with a local service. Nobody is called."), style="bold")
    chance = random.Random()  # noqa: S311 - latency is no secret
    sandbox = Sandbox(report_delay=REPORT_DELAY, latency=lambda: chance.uniform(*LATENCY))
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(sandbox.serve())
        client = AsyncEmayVoice(url, app_id=sandbox.app_id, secret_key=sandbox.secret_key)
        facts = await _run(await stack.enter_async_context(client), sandbox, console)
    console.print(f"\n{gettext('How the calls ended')}")
    console.print(rendered(_table(facts), is_terminal=False))
    for line in _totals(facts):
        console.print(line)
    found = list(complaints(facts))
    for complaint in found:
        console.print(gettext("Wrong result: {reason}.", reason=complaint), style="bold red")
    if not found:
        correct = gettext(
            "Correct: each of the {number:,} numbers was called exactly once.", number=facts.sent
        )
        console.print(correct, style="bold green")
    console.print(gettext("Next: start the local service for your own code:"))
    for command in commands_of_shell(program, "sandbox"):
        console.print(f"  {command}", style="bold", soft_wrap=True)
    return not found


async def _run(voice: AsyncEmayVoice, sandbox: Sandbox, console: Console) -> Facts:
    began = time.perf_counter()
    before = await voice.get_balance()
    accepted = 0
    with _progress(console) as bars:
        bar = bars.add_task(gettext("Calls"), total=sum(len(numbers) for _, numbers in _SENDS))
        for message, numbers in _SENDS:
            async for outcome in voice.send_batches(message, numbers):
                accepted += len(outcome.tickets) if isinstance(outcome, Accepted) else 0
                bars.advance(bar, len(outcome.recipients))
        silent = sum(outcome_of(call.mobile, call.content) is None for call in sandbox.calls)
        bar = bars.add_task(gettext("Reports"), total=accepted - silent)
        reports: list[Report] = []
        give_up = time.perf_counter() + PATIENCE
        while len(reports) < accepted - silent and time.perf_counter() < give_up:
            for product in Product:
                page = await voice.take_reports(MAX_REPORTS, product=product)
                reports += page
                bars.advance(bar, len(page))
    return Facts(
        sent=sum(len(numbers) for _, numbers in _SENDS),
        accepted=accepted,
        called=Counter(call.mobile for call in sandbox.calls),
        silent=silent,
        reports=reports,
        before=before,
        after=await voice.get_balance(),
        price=sandbox.account.price,
        over_speed=sandbox.over_speed,
        stats=voice.stats,
        seconds=time.perf_counter() - began,
    )


def _progress(console: Console) -> progress.Progress:
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=40, complete_style="cyan", finished_style="green"),
        progress.TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        progress.TextColumn("{task.elapsed:.1f} s"),
        console=console,
    )


def _table(facts: Facts) -> Padding:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    states = Counter(report.state for report in facts.reports)
    answered = states.pop(CallState.SUCCESS, 0)
    table.add_row(f"{answered:,}", gettext("answered"))
    for report in facts.reports:
        if report.key_pressed and report.mobile == _INTERACTIVE:
            table.add_row(
                "1",
                gettext(
                    "of them pressed a key: {number} pressed {key}",
                    number=mask(report.mobile),
                    key=report.key_pressed,
                ),
            )
    if len(states) > 1:
        meanings = [meaning_of(state) for state in CallState if states[state]]
        reasons = gettext("{first}, {second} ...", first=meanings[0], second=meanings[1])
        table.add_row(f"{states.total():,}", gettext("not answered: {reasons}", reasons=reasons))
    table.add_row(f"{facts.silent:,}", gettext("without a report: the service sends none"))
    return Padding(table, (0, 0, 0, 2), expand=False)


def _totals(facts: Facts) -> Iterator[str]:
    yield gettext(
        "{requests} in {duration}, {number} refused as too fast; balance {before} -> {after}.",
        requests=requests(facts.stats.requests),
        duration=duration(facts.seconds),
        number=facts.over_speed,
        before=money(facts.before),
        after=money(facts.after),
    )
