"""What the page of a campaign says: titles, numbers, tables and pictures; the template places them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from attrs import field, frozen
from markupsafe import Markup

from emay_voice_async.cli.report.pictures import bars, columns
from emay_voice_async.cli.report.results import CampaignResults
from emay_voice_async.cli.report.time_spans import spans_of, time_labels
from emay_voice_async.cli.report.wording import STATES, cut, failure_text, state_text
from emay_voice_async.cli.terminal.formatting import duration, escaped, escaped_lines, kind_named
from emay_voice_async.cli.terminal.language import current_language, gettext, ngettext
from emay_voice_async.journal.protocol import Line, State
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.numbers import mask

__all__ = ["PageCard", "PageContent", "PageRow", "PageSection", "PageTable", "page_of"]

_WIDE: Final = 900
_NARROW: Final = 400
_SHOWN_REASONS: Final = 20
_SHOWN_KEYS: Final = 20
_LONGEST_TEXT: Final = 5000
_DAY: Final = timedelta(days=1)


@frozen
class PageCard:
    """One number with its name."""

    name: str
    value: str
    remark: str = ""


@frozen
class PageRow:
    """A row of a table; ``kind`` colors it."""

    cells: tuple[str, ...]
    kind: str = ""


@frozen
class PageTable:
    """A table; ``numbers`` and ``shorts`` are the positions of columns of numbers, and of cells that do not break."""

    head: tuple[str, ...]
    rows: list[PageRow]
    numbers: tuple[int, ...] = (1, 2)
    shorts: tuple[int, ...] = ()


@frozen
class PageSection:
    """A part of the page; a picture has a ``narrow`` form for a phone."""

    title: str
    tables: list[PageTable] = field(factory=list)
    legend: list[tuple[str, str]] = field(factory=list)
    wide: Markup = field(factory=Markup)
    narrow: Markup = field(factory=Markup)
    notes: list[str] = field(factory=list)
    is_long: bool = False


@frozen
class PageContent:
    """The content of a page, in one language."""

    language: str
    title: str
    lines: list[str]
    cards: list[PageCard]
    texts_title: str
    texts: list[tuple[str, str]]
    sections: list[PageSection]
    footer: list[str]


def page_of(
    results: CampaignResults, *, made_at: datetime, texts: Sequence[tuple[str, str]], show_numbers: bool
) -> PageContent:
    """Make the content of a page; foreign text is shown with its control characters escaped, and cut if long."""
    return PageContent(
        language="zh-CN" if current_language() == "zh" else "en",
        title=gettext("Results of a voice campaign"),
        lines=list(_head(results)),
        cards=list(_cards(results)),
        texts_title=gettext("What was said"),
        texts=[(cut(escaped(name)), escaped_lines(cut(text, _LONGEST_TEXT))) for name, text in texts],
        sections=list(_sections(results, show_numbers=show_numbers)),
        footer=[
            gettext(
                "Made on {time:%Y-%m-%d at %H:%M}. All times are Beijing time.",
                time=made_at.astimezone(BEIJING),
            ),
            gettext("A call counts as answered or failed when its status report has arrived."),
        ],
    )


def _head(results: CampaignResults) -> Iterator[str]:
    yield gettext(
        "{kind}, account {account}", kind=kind_named(results.kind), account=cut(escaped(results.app_id))
    )
    begun = results.begun_at.astimezone(BEIJING)
    if results.ended_at is None:
        yield gettext("begun on {time:%Y-%m-%d at %H:%M}", time=begun)
    else:
        yield gettext(
            "from {begun:%Y-%m-%d %H:%M} to {ended:%Y-%m-%d %H:%M}",
            begun=begun,
            ended=max(results.ended_at.astimezone(BEIJING), begun),
        )


def _cards(results: CampaignResults) -> Iterator[PageCard]:
    states, reported = results.states, results.answered + results.failed
    yield PageCard(
        gettext("Called"),
        f"{results.accepted:,}",
        gettext("of {number:,} in the journal", number=results.total),
    )
    yield PageCard(gettext("Answered"), f"{results.answered:,}", _of_reported(results.answered, reported))
    yield PageCard(gettext("Failed"), f"{results.failed:,}", _of_reported(results.failed, reported))
    yield PageCard(gettext("No report yet"), f"{results.unreported:,}")
    not_called = states.get(State.REFUSED, 0) + states.get(State.NOT_SENT, 0)
    if not_called:
        yield PageCard(gettext("Not called"), f"{not_called:,}")
    unknown = states.get(State.UNKNOWN, 0) + states.get(State.UNDER_WAY, 0)
    if unknown:
        yield PageCard(gettext("Unknown"), f"{unknown:,}", gettext("perhaps called"))
    pressed = sum(results.keys.values())
    if pressed:
        share = _share(pressed, results.answered)
        yield PageCard(
            gettext("Pressed a key"), f"{pressed:,}", gettext("{share} of the answered", share=share)
        )
    if results.timed:
        mean = duration(results.talk_seconds / results.timed)
        yield PageCard(gettext("Time on the phone"), mean, gettext("on average"))


def _of_reported(number: int, reported: int) -> str:
    if not reported:
        return ""
    return gettext("{share} of the calls with a report", share=_share(number, reported))


def _sections(results: CampaignResults, *, show_numbers: bool) -> Iterator[PageSection]:
    yield _outcome(results)
    if results.quarters:
        yield _over_time(results)
    if results.keys:
        yield _keys(results.keys)
    if results.failures:
        yield _failures(results)
    if results.reasons:
        yield _reasons(results)
    if results.notable:
        yield _notable(results.notable, show_numbers=show_numbers)


def _outcome(results: CampaignResults) -> PageSection:
    rows = [
        (gettext("answered"), results.answered, "answered"),
        (gettext("failed"), results.failed, "failed"),
        (gettext("called, no report yet"), results.unreported, "unreported"),
    ]
    rows += [(gettext(name), results.states.get(state, 0), "") for state, name in STATES.items()]
    return PageSection(
        gettext("How the calls ended"),
        [_counted(gettext("outcome"), [row for row in rows if row[1]], results.total)],
    )


def _counted(name: str, rows: Sequence[tuple[str, int, str]], total: int) -> PageTable:
    return PageTable(
        (name, gettext("calls"), gettext("share")),
        [PageRow((text, f"{number:,}", _share(number, total)), kind) for text, number, kind in rows],
    )


def _over_time(results: CampaignResults) -> PageSection:
    length, spans = spans_of(results.quarters)
    if length < timedelta(hours=1):
        title = gettext("Calls per quarter of an hour")
    elif length < _DAY:
        title = ngettext("Calls per hour", "Calls per {number} hours", length // timedelta(hours=1))
    else:
        title = ngettext("Calls per day", "Calls per {number} days", length // _DAY)
    series = [
        [span.calls.answered for span in spans],
        [span.calls.failed for span in spans],
        [span.calls.unreported for span in spans],
    ]
    names = [
        ("answered", gettext("answered")),
        ("failed", gettext("failed")),
        ("unreported", gettext("no report yet")),
    ]
    notes = [gettext("… is a pause without calls.")] if any(span.at is None for span in spans) else []
    return PageSection(
        title,
        legend=names,
        wide=columns(time_labels(length, spans, 12), series, width=_WIDE, title=title),
        narrow=columns(time_labels(length, spans, 5), series, width=_NARROW, title=title),
        notes=notes,
    )


def _keys(keys: Mapping[str, int]) -> PageSection:
    ordered = sorted(keys.items(), key=lambda pair: -pair[1])
    shown = [(escaped(cut(key, 12)) or "…", number) for key, number in ordered[:_SHOWN_KEYS]]
    title = gettext("Keys pressed")
    labels = [f"{key}: {number:,}" for key, number in shown]
    values = [number for _, number in shown]
    notes = _rest(len(ordered) - len(shown))
    return PageSection(
        title,
        wide=bars(labels, values, width=_WIDE, title=title),
        narrow=bars(labels, values, width=_NARROW, title=title),
        notes=notes,
    )


def _rest(number: int) -> list[str]:
    return [gettext("and {number:,} more", number=number)] if number > 0 else []


def _failures(results: CampaignResults) -> PageSection:
    rows = [
        (failure_text(*failure), number, "")
        for failure, number in islice(results.failures.items(), _SHOWN_REASONS)
    ]
    return PageSection(
        gettext("Why calls failed"),
        [_counted(gettext("reason"), rows, results.failed)],
        notes=_rest(len(results.failures) - len(rows)),
    )


def _reasons(results: CampaignResults) -> PageSection:
    found = list(islice(results.reasons.items(), _SHOWN_REASONS))
    rows = [(state_text(state, reason), number, "") for (state, reason), number in found]
    total = sum(results.reasons.values())
    return PageSection(
        gettext("Why numbers were not called, or perhaps not"),
        [_counted(gettext("reason"), rows, total)],
        notes=_rest(len(results.reasons) - len(rows)),
    )


def _notable(calls: Sequence[Line], *, show_numbers: bool) -> PageSection:
    rows = [
        PageRow(
            (
                call.mobile if show_numbers else mask(call.mobile),
                f"{(call.called_at or call.begun_at).astimezone(BEIJING):%m-%d %H:%M}",
                failure_text(call.report_state, call.report_description)
                if call.state is State.ACCEPTED
                else state_text(call.state, call.reason),
            )
        )
        for call in calls
    ]
    head = gettext("number"), gettext("time"), gettext("outcome")
    return PageSection(
        gettext("Calls to look at"),
        [PageTable(head, rows, numbers=(), shorts=(0, 1))],
        notes=[
            ngettext(
                "The only one; the exports as CSV and Excel have all calls.",
                "The first {number:,}; the exports as CSV and Excel have all calls.",
                len(rows),
            )
        ],
        is_long=True,
    )


def _share(number: int, total: int) -> str:
    return f"{number / total:.1%}" if total else "–"
