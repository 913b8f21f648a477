"""The plan of a send: made, shown and checked before the confirmation."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Final

from attrs import evolve, frozen
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from emay_voice_async.cli.campaign.lists import Problems
from emay_voice_async.cli.campaign.message_rows import message_rows
from emay_voice_async.cli.campaign.order import Order
from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.formatting import (
    calls,
    duration,
    entries,
    escaped,
    hours_of,
    kind_of,
    money,
    requests,
)
from emay_voice_async.cli.terminal.language import gettext, ngettext, noop
from emay_voice_async.cli.terminal.library_sentences import sentence
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.errors import (
    AccountError,
    AnswerError,
    BalanceError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)
from emay_voice_async.journal.protocol import SETTLED_AFTER
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.limits import RateLimit
from emay_voice_async.sending.plan import Plan

__all__ = ["CampaignPlan", "check_plan", "make_plan", "show_plan"]

_READING: Final = noop("Reading the lists and the journal:")
_SETTLE: Final = noop(
    'Record their reports with "reports --journal": reports show which were called. Without a report '
    "{hours:g} h later, --resend-unknown calls them again."
)
_NO_REASON: Final = noop("no reason recorded")
_PROGRESS_STEP: Final = 5000


@frozen
class CampaignPlan:
    """A plan, and the invalid entries of the lists."""

    plan: Plan
    problems: Problems
    calls_duplicates: bool = False
    balance_error: str = ""

    @property
    def total(self) -> int:
        """The number of entries in the lists."""
        plan = self.plan
        duplicates = 0 if self.calls_duplicates else plan.duplicates
        left_out = duplicates + plan.accepted_before + plan.unknown_before + plan.over_max_calls
        return plan.numbers + left_out + self.problems.count


async def make_plan(session: Session, order: Order) -> CampaignPlan:
    """Read the lists and the journal, and ask for the balance; send nothing."""
    problems = Problems()
    arguments = order.arguments()
    calls_duplicates = arguments["journal"] is None
    async with session.settings.client() as voice:
        with session.console.waiting(gettext(_READING)) as show:
            plan = await voice.plan(
                order.message,
                order.lists.recipients(problems.add, _counter(show)),
                price=order.options.price,
                ask_balance=False,
                **arguments,
            )
            _add_later_problems(order, plan, problems)
            show(gettext("Asking for the balance"))
            try:
                balance = await voice.get_balance(product=order.message.endpoint.product)
            except (AccountError, BalanceError):
                raise
            except RefusedError as error:
                return CampaignPlan(plan, problems, calls_duplicates, sentence(error))
            except (NotSentError, OutcomeUnknownError) as error:
                raise _unproved(session, error) from error
    return CampaignPlan(evolve(plan, balance=balance), problems, calls_duplicates)


def _unproved(session: Session, error: NotSentError | OutcomeUnknownError) -> CommandError:
    """Return the error for an address that has not answered the balance query as documented."""
    # A response outside the document comes from another server: the address is a setting of the account.
    code = ExitCode.ACCOUNT if isinstance(error, AnswerError) else ExitCode.NOT_SENT
    return CommandError(
        gettext(
            "nothing was sent: the balance query to {url} failed: {error}",
            url=session.settings.base_url,
            error=sentence(error),
        ),
        code,
    )


def _counter(show: Callable[[str], object]) -> Callable[[str], object]:
    """Return a function that counts valid entries and shows the count now and then."""
    numbers = count(1)

    def add(_: str) -> None:
        number = next(numbers)
        if not number % _PROGRESS_STEP:
            show(f"{gettext(_READING)} {number:,}")

    return add


def _add_later_problems(order: Order, plan: Plan, problems: Problems) -> None:
    """Add entries that are invalid only together, such as two with the same custom id."""
    if not plan.invalid_count:
        return
    positions = [error.position or 0 for error in plan.invalid]
    places = order.lists.places(positions)
    for error, position in zip(plan.invalid, positions, strict=True):
        problems.add(places[position], error)
    problems.count += plan.invalid_count - len(plan.invalid)


def check_plan(planned: CampaignPlan, order: Order) -> None:
    """Raise :class:`CommandError` for a plan that must not be sent."""
    plan, problems = planned.plan, planned.problems
    if not planned.total:
        raise CommandError(gettext("no numbers in {lists}", lists=", ".join(order.lists.names)))
    if problems.count and not order.options.skip_invalid:
        raise CommandError(
            ngettext(
                "{number:,} entry cannot be sent to; --skip-invalid leaves it out",
                "{number:,} entries cannot be sent to; --skip-invalid leaves them out",
                problems.count,
            )
        )
    if plan.enough is False:
        values = {"balance": money(plan.balance or Decimal(0)), "calls": calls(plan.numbers)}
        if plan.cost is None:
            sentence = gettext("the balance of {balance} is not enough for {calls}", **values)
        else:
            sentence = gettext(
                "the balance of {balance} is not enough for {calls}, which cost {cost}",
                cost=money(plan.cost),
                **values,
            )
        raise CommandError(sentence, ExitCode.ACCOUNT)


def show_plan(session: Session, order: Order, planned: CampaignPlan) -> None:
    """Print the whole plan."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value, style in _rows(session, order, planned):
        table.add_row(name, Text(escaped(value), style=style))
    session.console.show(Text(gettext("Plan: {kind}", kind=kind_of(order.message)), style="bold"))
    session.console.show(Padding(table, (0, 0, 0, 2), expand=False))
    for line in planned.problems.lines():
        session.console.item(line, "red")


def _rows(session: Session, order: Order, planned: CampaignPlan) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and style of each row of the plan."""
    plan, options, settings, now = planned.plan, order.options, session.settings, time.time()
    yield from message_rows(order.message, plan)
    yield (
        gettext("Account"),
        gettext("{account} at {url}", account=settings.app_id, url=settings.base_url),
        "",
    )
    yield (
        gettext("Lists"),
        gettext("{lists}: {entries}", lists=order.lists.described, entries=entries(planned.total)),
        "",
    )
    yield (
        gettext("To call"),
        gettext("{calls} in {requests}", calls=calls(plan.numbers), requests=requests(plan.requests)),
        "bold green",
    )
    yield from _left_out_rows(order, planned)
    yield gettext("Duration"), _duration(plan, settings.limit), ""
    if options.hours is not None:
        yield gettext("Hours"), hours_of(options.hours), ""
        begin = now + options.hours.wait(now)
        yield (
            "",
            gettext(
                "begins {begin}, ends about {end}",
                begin=_moment(begin),
                end=_moment(now + plan.seconds),
            ),
            "",
        )
    yield gettext("Balance"), *_balance(planned)
    if plan.cost is not None:
        cost = gettext("{cost} at {price} a call", cost=money(plan.cost), price=options.price)
        yield gettext("Cost"), cost, "red" if plan.enough is False else ""
    if options.journal is not None:
        yield gettext("Journal"), str(options.journal), ""
    else:
        yield (
            gettext("Journal"),
            gettext("none: an interrupted send cannot be resumed (--journal)"),
            "yellow",
        )


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, BEIJING):%Y-%m-%d %H:%M}"


def _duration(plan: Plan, limit: RateLimit | None) -> str:
    if limit is None:
        speed = gettext("without a limit")
    elif limit.period == 1:
        speed = gettext("{requests} a second", requests=requests(limit.requests))
    else:
        speed = gettext(
            "{requests} in {seconds:g} s", requests=requests(limit.requests), seconds=limit.period
        )
    if plan.requests > 1 and plan.seconds >= 1:
        return gettext("at least {duration}, at {speed}", duration=duration(plan.seconds), speed=speed)
    return gettext("{duration}, at {speed}", duration=duration(plan.seconds), speed=speed)


def _left_out_rows(order: Order, planned: CampaignPlan) -> Iterator[tuple[str, str, str]]:
    plan = planned.plan
    if plan.accepted_before:
        yield (
            gettext("Done before"),
            gettext("{calls}, according to the journal", calls=calls(plan.accepted_before)),
            "",
        )
    if plan.unknown_before and order.options.resend_unknown:
        yield (
            gettext("Unknown"),
            gettext("{calls}: another run may be sending them", calls=calls(plan.unknown_before)),
            "yellow",
        )
    elif plan.unknown_before:
        yield (
            gettext("Unknown"),
            gettext(
                "{calls} perhaps made by an earlier run: not sent again", calls=calls(plan.unknown_before)
            ),
            "yellow",
        )
        for reason, number in plan.unknown_reasons.items():
            yield "", f"{number:,}: {sentence(reason) or gettext(_NO_REASON)}", "dim"
        yield "", gettext(_SETTLE, hours=SETTLED_AFTER.total_seconds() / 3600), ""
    if plan.duplicates:
        if planned.calls_duplicates:
            value = gettext("{entries}, called again", entries=entries(plan.duplicates))
        else:
            value = gettext(
                "{entries}, left out: each number is called once", entries=entries(plan.duplicates)
            )
        yield gettext("Duplicates"), value, ""
    if plan.over_max_calls:
        yield (
            gettext("Over the cap"),
            gettext("{calls} left out by --max-calls", calls=calls(plan.over_max_calls)),
            "yellow",
        )
    yield from _invalid_rows(order, planned)


def _invalid_rows(order: Order, planned: CampaignPlan) -> Iterator[tuple[str, str, str]]:
    if order.lists.unassigned:
        found = entries(order.lists.unassigned)
        value = gettext(
            "{entries} with numbers that begin with 10, 11 or 12: no operator has them", entries=found
        )
        yield gettext("Warning"), value, "yellow"
    if planned.problems.count:
        invalid = entries(planned.problems.count)
        if order.options.skip_invalid:
            value = gettext("{entries}, left out", entries=invalid)
        else:
            value = gettext("{entries}, see below", entries=invalid)
        yield gettext("Invalid"), value, "red"


def _balance(planned: CampaignPlan) -> tuple[str, str]:
    plan = planned.plan
    if plan.balance is None:
        return gettext("not known: {reason}", reason=planned.balance_error), "yellow"
    return money(plan.balance), "red" if plan.enough is False else ""
