"""What is said at the end of a send: how it went, and what to do next."""

import shlex
from collections.abc import Iterator
from typing import Final

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from emay_voice_async.cli.campaign.run import Run
from emay_voice_async.cli.terminal.exit_codes import Ending
from emay_voice_async.cli.terminal.formatting import calls, duration

__all__ = ["sum_up"]

SHOWN: Final = 5
"""Reasons that are told one by one."""


def sum_up(run: Run, seconds: float) -> Ending:
    """Print how it went in so many seconds, and what to do next; return the exit code."""
    if run.stop.came_by_signal:
        run.tally.endings.add(Ending.INTERRUPTED)
    screen = run.session.screen
    screen.say(f"{'Stopped after' if run.stop.is_wanted else 'Done in'} {duration(seconds)}:", "bold")
    if not screen.is_quiet:
        screen.show(Padding(_table(run), (0, 0, 0, 2), expand=False))
    for text in filter(None, map(str, run.troubles)):
        screen.complain(text)
    _advise(run)
    return run.tally.ending


def _table(run: Run) -> Table:
    tally = run.tally
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{tally.accepted:,}", Text("accepted", style="green"))
    for number, meaning, style in (
        (tally.done_before, "accepted before, as the journal says: not sent again", "dim"),
        (tally.refused, "refused: nobody is called", "red"),
        (tally.unknown, "unknown: perhaps called", "yellow"),
        (tally.unknown_before, "unknown from before: not sent again", "yellow"),
        (max(tally.not_sent, _left(run) - tally.refused), "not sent", "red"),
        (tally.duplicates, "duplicates in the lists: each is called once", "dim"),
    ):
        if number:
            table.add_row(f"{number:,}", Text(meaning, style=style))
    for reason in _reasons(run):
        table.add_row("", Text(reason, style="dim"))
    return table


def _reasons(run: Run) -> Iterator[str]:
    """Yield why numbers were not accepted; that a run was stopped is known."""
    reasons = sorted(run.tally.reasons.items(), key=lambda pair: -pair[1])
    if run.stop.is_wanted:
        reasons = [(reason, number) for reason, number in reasons if "the client was closed" not in reason]
    yield from (f"{number:,}: {reason}" for reason, number in reasons[:SHOWN])
    if len(reasons) > SHOWN:
        yield f"and {len(reasons) - SHOWN:,} other reasons"


def _left(run: Run) -> int:
    """Return how many numbers are known not to be called, those over the cap included."""
    plan = run.planned.plan
    return max(0, plan.numbers + plan.over_max_calls - run.tally.accepted - run.tally.unknown)


def _advise(run: Run) -> None:
    tally, journal, screen = run.tally, run.order.bounds.journal, run.session.screen
    if tally.unknown or tally.unknown_before:
        into = "" if journal is None else f" --journal {shlex.quote(str(journal))}"
        product = run.order.message.endpoint.product.value
        screen.say("Their reports tell who of the unknown was called:")
        screen.say(f"  {run.session.program} reports --product {product}{into}", cut=False)
    left = _left(run)
    if left and journal is not None:
        screen.say(f"To make the other {calls(left)}, run it again; nobody is called twice:")
        again = "   (with the same list)" if run.order.lists.uses_standard_input else ""
        screen.say(f"  {run.session.command}{again}", cut=False)
    elif left and run.stop.is_wanted:
        screen.say("Without a journal (--journal), running it again would call everybody again.", "yellow")
