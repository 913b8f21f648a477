"""The main job from end to end against the local service, shown while it happens."""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from attrs import frozen

from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import MAX_REPORTS, Product
from emay_voice_async.model.messages import Marketing, Message, Notice, OnKey, VerificationCode, VoiceSms
from emay_voice_async.model.results import Accepted, Report
from emay_voice_async.model.stats import Stats
from emay_voice_async.sandbox import Sandbox
from emay_voice_async.sandbox.outcomes import outcome_of

try:
    from rich import box
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Table
except ImportError as _error:
    raise ImportError('the demo needs an extra: python -m pip install "emay_voice_async[demo]"') from _error

__all__ = ["Facts", "complaints", "show"]

LATENCY: Final = (0.02, 0.12)
"""Seconds that the local service takes to answer, to be like a network."""
REPORT_DELAY: Final = 1.0
PATIENCE: Final = 10.0
"""Seconds to wait for the last report."""

_SENDS: Final[tuple[tuple[str, Message, Sequence[str]], ...]] = (
    (
        "Voice notification",
        Notice("您好，您的快递已到小区门口，请及时领取。"),
        [f"138{number:08}" for number in range(1234)],
    ),
    ("Verification code", VerificationCode("471100"), ["13900009000"]),
    ("Marketing call", Marketing("新品上市。", interactive_content="了解详情请按1。"), ["13900000010"]),
    (
        "Voice SMS",
        VoiceSms("您的账单已出。", trigger=OnKey("1"), sms_content="账单见附件。"),
        ["13900000011"],
    ),
)
"""What is sent to whom; the last digits of a number decide how the local service ends its call."""


@frozen
class Facts:
    """What the tour did, as both sides saw it."""

    sent: int
    """Numbers that were to be called."""
    accepted: int
    called: Counter[str]
    """How often the service called each number."""
    silent: int
    """Calls of which the service will never report."""
    reports: Sequence[Report]
    before: Decimal
    after: Decimal
    price: Decimal
    over_speed: int
    """ERROR_OVER_SPEED answers by the service's own count."""
    stats: Stats
    seconds: float


def complaints(facts: Facts) -> Iterator[str]:
    """Yield a sentence for everything that is not as it must be."""
    if facts.accepted != facts.sent:
        yield f"{facts.sent} numbers were to be called, but {facts.accepted} were accepted"
    if len(facts.called) != facts.sent or facts.called.total() != facts.sent:
        yield f"the service made {facts.called.total()} calls to {len(facts.called)} numbers"
    if len(facts.reports) != facts.sent - facts.silent:
        yield f"{len(facts.reports)} reports came instead of {facts.sent - facts.silent}"
    if facts.before - facts.after != facts.price * facts.sent:
        yield f"the balance went down by {facts.before - facts.after}"
    if facts.over_speed:
        yield f"the service answered ERROR_OVER_SPEED {facts.over_speed} times"


async def show(console: Console | None = None) -> bool:
    """Run the tour, print it, and return whether all was well."""
    console = console or Console()
    console.print("[bold]emay_voice_async[/]: a tour of the main job. Nobody is called.\n")
    chance = random.Random()  # noqa: S311 - a network's moods, no secret
    sandbox = Sandbox(report_delay=REPORT_DELAY, latency=lambda: chance.uniform(*LATENCY))
    async with sandbox.serve() as url:
        console.print(f"A local Emay service listens on {url}\nand allows 10 requests a second.\n")
        async with AsyncEmayVoice(url, app_id=sandbox.app_id, secret_key=sandbox.secret_key) as voice:
            facts = await _tour(voice, sandbox, console)
    console.print()
    console.print(_table(facts))
    console.print(_sums(facts))
    found = list(complaints(facts))
    for complaint in found:
        console.print(f"[bold red]Something is off:[/] {complaint}.")
    if not found:
        console.print(
            f"[bold green]All is well:[/] each of the {facts.sent:,} numbers was called exactly once."
        )
    console.print(
        "\nNext: README.rst shows how to call from your own code. For something to call,"
        "\nstart the local service, and give your code what it prints:"
        "\n\n    [bold]python -m emay_voice_async sandbox[/]"
    )
    return not found


async def _tour(voice: AsyncEmayVoice, sandbox: Sandbox, console: Console) -> Facts:
    began = time.perf_counter()
    before = await voice.get_balance()
    accepted = 0
    with _progress(console) as progress:
        for name, message, numbers in _SENDS:
            bar = progress.add_task(name, total=len(numbers))
            async for outcome in voice.send_batches(message, numbers):
                accepted += len(outcome.tickets) if isinstance(outcome, Accepted) else 0
                progress.advance(bar, len(outcome.recipients))
        silent = sum(outcome_of(call.mobile, call.content) is None for call in sandbox.calls)
        bar = progress.add_task("Status reports", total=accepted - silent)
        reports: list[Report] = []
        give_up = time.perf_counter() + PATIENCE
        while len(reports) < accepted - silent and time.perf_counter() < give_up:
            for product in Product:
                page = await voice.take_reports(MAX_REPORTS, product=product)
                reports += page
                progress.advance(bar, len(page))
    return Facts(
        sent=sum(len(numbers) for _, _, numbers in _SENDS),
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


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<19}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _table(facts: Facts) -> Table:
    table = Table(title="How the calls ended", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("State")
    table.add_column("Meaning")
    table.add_column("Voice", justify="right")
    table.add_column("Voice SMS", justify="right")
    states = Counter((report.state, report.product) for report in facts.reports)
    for state in CallState:
        counts = [states[state, product] for product in Product]
        if any(counts):
            table.add_row(state.name, state.english, *(f"{count:,}" if count else "" for count in counts))
    table.add_row("(no report)", "the service never tells", f"{facts.silent:,}", "")
    return table


def _sums(facts: Facts) -> Table:
    sums = Table.grid(padding=(0, 3))
    sums.add_column()
    sums.add_column(justify="right")
    sums.add_row("Balance before", f"{facts.before:,.2f}")
    sums.add_row("Balance after", f"{facts.after:,.2f}")
    sums.add_row("Requests sent", f"{facts.stats.requests:,}")
    sums.add_row("Over-speed answers", f"{facts.over_speed:,}")
    sums.add_row("Waited for slots", f"{facts.stats.waited:.2f} s")
    sums.add_row("Time", f"{facts.seconds:.2f} s")
    return sums
