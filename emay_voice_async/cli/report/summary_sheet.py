"""The rows of a workbook's summary sheet."""

from collections.abc import Iterator, Mapping, Sequence

from emay_voice_async.cli.report.results import CampaignResults
from emay_voice_async.cli.report.wording import STATES, failure_text, state_text
from emay_voice_async.cli.terminal.formatting import kind_named
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.model.beijing import BEIJING

__all__ = ["summary_rows"]

SummaryRow = Sequence[str | int]


def summary_rows(results: CampaignResults, texts: Sequence[tuple[str, str]] = ()) -> Iterator[SummaryRow]:
    """Yield the rows: a heading has one cell, a count a name and a number."""
    yield (gettext("Results of a voice campaign"),)
    account = gettext("{kind}, account {account}", kind=kind_named(results.kind), account=results.app_id)
    yield account, ""
    begun = results.begun_at.astimezone(BEIJING)
    yield gettext("begun on {time:%Y-%m-%d at %H:%M}", time=begun), ""
    yield from ((name, text) for name, text in texts)
    yield from _counts(
        gettext("How the calls ended"),
        {
            gettext("answered"): results.answered,
            gettext("failed"): results.failed,
            gettext("called, no report yet"): results.unreported,
        }
        | {gettext(name): results.states.get(state, 0) for state, name in STATES.items()},
    )
    yield from _counts(gettext("Keys pressed"), results.keys)
    yield from _counts(
        gettext("Why calls failed"),
        {failure_text(*failure): number for failure, number in results.failures.items()},
    )
    yield from _counts(
        gettext("Why numbers were not called, or perhaps not"),
        {state_text(*reason): number for reason, number in results.reasons.items()},
    )


def _counts(title: str, counts: Mapping[str, int]) -> Iterator[SummaryRow]:
    rows = [(name, number) for name, number in counts.items() if number]
    if rows:
        yield "", ""
        yield (title,)
        yield from rows
