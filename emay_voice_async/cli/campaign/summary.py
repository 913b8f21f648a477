"""The summary of a send: the outcomes, and the next step."""

import shlex
from collections.abc import Iterator
from typing import Final

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from emay_voice_async.cli.campaign.campaign_reports import CampaignReports
from emay_voice_async.cli.campaign.report_counts import ReportCounts
from emay_voice_async.cli.campaign.report_file import file_beside, spool_beside
from emay_voice_async.cli.campaign.run import CampaignRun
from emay_voice_async.cli.terminal.exit_codes import ExitCode
from emay_voice_async.cli.terminal.formatting import calls, duration, escaped, meaning_of
from emay_voice_async.cli.terminal.language import gettext, ngettext
from emay_voice_async.cli.terminal.library_sentences import sentence
from emay_voice_async.model.endpoints import Product

__all__ = ["show_summary"]

SHOWN: Final = 5
"""The most reasons, and the most states of reports, that are printed."""


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


def _show_reports(run: CampaignRun, reports: CampaignReports) -> None:
    """Say where the collected reports are, how to collect the others, and how to export the result."""
    console, journal = run.session.console, shlex.quote(str(reports.path))
    if reports.unreadable:
        console.complain(
            ngettext(
                '{number:,} report is unreadable: see the lines with "unreadable" in {file}',
                '{number:,} reports are unreadable: see the lines with "unreadable" in {file}',
                reports.unreadable,
                file=file_beside(reports.path),
            )
        )
    if reports.counts.missing:
        spool = shlex.quote(str(spool_beside(reports.path)))
        product = "" if reports.product is Product.VOICE else f" --product {reports.product.value}"
        console.say(gettext("To collect the other reports:"))
        console.say(
            f"  {run.session.program} reports --follow{product} --journal {journal} --spool {spool}",
            wrap=False,
        )
    console.say(gettext("To export every call with its report:"))
    output = shlex.quote(f"{reports.path}.csv")
    console.say(f"  {run.session.program} journal export {journal} --output {output}", wrap=False)


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
    if cost := run.spending.sentence(tally.accepted):
        table.add_row("", Text(cost))
    if run.reports is not None:
        for number, meaning in _reported(run.reports.counts):
            table.add_row(f"{number:,}", Text(meaning))
    return table


def _reported(counts: ReportCounts) -> Iterator[tuple[int, str]]:
    """Yield the calls of the journal by the state of their report, the most frequent first."""
    states = list(counts.states.items())
    for state, number in states[:SHOWN]:
        yield number, gettext("reports: {meaning}", meaning=meaning_of(state))
    if rest := sum(number for _, number in states[SHOWN:]):
        yield rest, gettext("reports: other results")
    if counts.missing:
        yield counts.missing, gettext("calls without a report so far")


def _reasons(run: CampaignRun) -> Iterator[str]:
    """Yield the most frequent reasons for outcomes other than accepted; a requested stop is no reason."""
    reasons = sorted(run.tally.reasons.items(), key=lambda pair: -pair[1])
    if run.stop.requested:
        reasons = [(reason, number) for reason, number in reasons if "the client was closed" not in reason]
    yield from (f"{number:,}: {sentence(reason)}" for reason, number in reasons[:SHOWN])
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
    if run.reports is not None:
        _show_reports(run, run.reports)
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
