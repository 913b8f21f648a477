"""The summary of a send: the outcomes, and the next step."""

import shlex
from collections.abc import Iterator
from typing import Final

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from emay_voice_async.cli.campaign.run import CampaignRun
from emay_voice_async.cli.terminal.exit_codes import ExitCode
from emay_voice_async.cli.terminal.formatting import calls, duration, escaped
from emay_voice_async.cli.terminal.language import gettext, ngettext

__all__ = ["show_summary"]

SHOWN: Final = 5
"""The most reasons that are printed."""


def show_summary(run: CampaignRun, seconds: float) -> ExitCode:
    """Print the outcomes of a run that took ``seconds``, and the next step; return the exit code."""
    if run.stop.by_signal:
        run.tally.exit_codes.add(ExitCode.INTERRUPTED)
    console = run.session.console
    if run.stop.requested:
        console.say(gettext("Stopped after {duration}:", duration=duration(seconds)), "bold")
    else:
        console.say(gettext("Done in {duration}:", duration=duration(seconds)), "bold")
    if not console.is_quiet:
        console.show(Padding(_table(run), (0, 0, 0, 2), expand=False))
    for text in filter(None, map(str, run.errors)):
        console.complain(text)
    _show_next_step(run)
    return run.tally.exit_code


def _table(run: CampaignRun) -> Table:
    tally = run.tally
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{tally.accepted:,}", Text(gettext("accepted"), style="green"))
    for number, meaning, style in (
        (
            tally.accepted_before,
            gettext("accepted in an earlier run, according to the journal: not sent again"),
            "dim",
        ),
        (tally.refused, gettext("refused: no calls"), "red"),
        (tally.unknown, gettext("unknown: perhaps called"), "yellow"),
        (tally.unknown_before, gettext("unknown from an earlier run: not sent again"), "yellow"),
        (max(tally.not_sent, _not_called(run) - tally.refused), gettext("not sent: no calls"), "red"),
        (tally.duplicates, gettext("duplicates in the lists: each number is called once"), "dim"),
    ):
        if number:
            table.add_row(f"{number:,}", Text(meaning, style=style))
    for reason in _reasons(run):
        table.add_row("", Text(escaped(reason), style="dim"))
    return table


def _reasons(run: CampaignRun) -> Iterator[str]:
    """Yield the most frequent reasons for outcomes other than accepted; a requested stop is no reason."""
    reasons = sorted(run.tally.reasons.items(), key=lambda pair: -pair[1])
    if run.stop.requested:
        reasons = [(reason, number) for reason, number in reasons if "the client was closed" not in reason]
    yield from (f"{number:,}: {reason}" for reason, number in reasons[:SHOWN])
    if len(reasons) > SHOWN:
        number = len(reasons) - SHOWN
        yield ngettext("and {number:,} other reason", "and {number:,} other reasons", number)


def _not_called(run: CampaignRun) -> int:
    """Return how many numbers certainly got no call, including the numbers over the cap."""
    plan = run.planned.plan
    return max(0, plan.numbers + plan.over_max_calls - run.tally.accepted - run.tally.unknown)


def _show_next_step(run: CampaignRun) -> None:
    tally, journal, console = run.tally, run.order.options.journal, run.session.console
    if tally.unknown or tally.unknown_before:
        record = "" if journal is None else f" --journal {shlex.quote(str(journal))}"
        product = run.order.message.endpoint.product.value
        console.say(gettext("Status reports show which of the unknown numbers were called:"))
        console.say(f"  {run.session.program} reports --product {product}{record}", wrap=False)
    left = _not_called(run)
    if left and journal is not None:
        console.say(
            gettext(
                "To make the other {calls}, run the command again; no number is called twice:",
                calls=calls(left),
            )
        )
        again = f"   {gettext('(with the same list)')}" if run.order.lists.uses_standard_input else ""
        console.say(f"  {run.session.command}{again}", wrap=False)
    elif left and run.stop.requested:
        console.say(
            gettext("There is no journal (--journal): the same command would call every number again."),
            "yellow",
        )
