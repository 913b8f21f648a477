"""The plan of a send: made, and shown before anything is sent."""

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from decimal import Decimal
from itertools import count
from typing import Final

from attrs import evolve, frozen
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from emay_voice_async.cli.campaign.lists import Problems
from emay_voice_async.cli.campaign.order import Order
from emay_voice_async.cli.terminal.exit_codes import CommandError, Ending
from emay_voice_async.cli.terminal.formatting import calls, duration, entries, kind_of, money, requests
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.errors import (
    AccountError,
    BalanceError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)
from emay_voice_async.sending.plan import Plan

__all__ = ["Planned", "check_plan", "make_plan", "show_plan"]

_READING: Final = "Reading the lists and the journal:"
_OFTEN: Final = 5000


@frozen
class Planned:
    """A plan, and the entries of the lists that cannot be sent to."""

    plan: Plan
    problems: Problems
    duplicates_are_called: bool = False
    balance_trouble: str = ""

    @property
    def total(self) -> int:
        """How many entries the lists have."""
        plan = self.plan
        repeats = 0 if self.duplicates_are_called else plan.duplicates
        known = repeats + plan.accepted_before + plan.unknown_before + plan.over_max_calls
        return plan.numbers + known + self.problems.count


async def make_plan(session: Session, order: Order) -> Planned:
    """Read the lists, look into the journal and ask for the balance; send nothing."""
    problems, bounds = Problems(), order.bounds
    arguments = bounds.arguments()
    async with AsyncExitStack() as stack:
        voice = await stack.enter_async_context(session.settings.client())
        tell = stack.enter_context(session.screen.waiting(_READING))
        plan = await voice.plan(
            order.message,
            order.lists.recipients(problems.add, _counting(tell)),
            price=bounds.price,
            ask_balance=False,
            **arguments,
        )
        _add_found_later(order, plan, problems)
        try:
            balance = await voice.get_balance(product=order.message.endpoint.product)
        except (AccountError, BalanceError, NotSentError):
            raise
        except (RefusedError, OutcomeUnknownError) as error:
            return Planned(plan, problems, arguments["journal"] is None, str(error))
    return Planned(evolve(plan, balance=balance), problems, arguments["journal"] is None)


def _counting(tell: Callable[[str], object]) -> Callable[[str], object]:
    """Return what tells now and then how many good entries there were."""
    numbers = count(1)

    def counted(_: str) -> None:
        number = next(numbers)
        if not number % _OFTEN:
            tell(f"{_READING} {number:,}")

    return counted


def _add_found_later(order: Order, plan: Plan, problems: Problems) -> None:
    """Add what is wrong with entries that are good by themselves, such as a custom id that comes twice."""
    if not plan.invalid_count:
        return
    positions = [error.position or 0 for error in plan.invalid]
    places = order.lists.places(positions)
    for error, position in zip(plan.invalid, positions, strict=True):
        problems.add(places[position], error)
    problems.count += plan.invalid_count - len(plan.invalid)


def check_plan(planned: Planned, order: Order) -> None:
    """Raise :class:`CommandError` for a plan that must not be carried out."""
    plan, problems = planned.plan, planned.problems
    if not planned.total:
        raise CommandError(f"there are no numbers in {', '.join(order.lists.names)}")
    if problems.count and not order.bounds.skip_invalid:
        raise CommandError(f"{entries(problems.count)} cannot be sent to; --skip-invalid leaves them out")
    if plan.enough is False:
        cost = "" if plan.cost is None else f" of {money(plan.cost)}"
        raise CommandError(
            f"the balance of {money(plan.balance or Decimal(0))} is not enough for {calls(plan.numbers)}{cost}",
            Ending.ACCOUNT,
        )


def show_plan(session: Session, order: Order, planned: Planned) -> None:
    """Print the whole plan."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value, style in _rows(session, order, planned):
        table.add_row(name, Text(value, style=style))
    session.screen.show(Text(f"The plan: a {kind_of(order.message)}", style="bold"))
    session.screen.show(Padding(table, (0, 0, 0, 2), expand=False))
    for line in planned.problems.lines():
        session.screen.item(line, "red")


def _rows(session: Session, order: Order, planned: Planned) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and style of everything that there is to say."""
    plan, bounds, settings = planned.plan, order.bounds, session.settings
    yield from _said(order)
    yield "Account", f"{settings.app_id} at {settings.base_url}", ""
    yield "Lists", f"{', '.join(order.lists.names)}: {entries(planned.total)}", ""
    yield "To call", f"{calls(plan.numbers)} in {requests(plan.requests)}", "bold green"
    yield from _left_out(order, planned)
    limit = settings.limit
    speed = "without a limit" if limit is None else f"{requests(limit.requests)} in {limit.period:g} s"
    yield "Takes", f"{duration(plan.seconds)} at least, at {speed}", ""
    if bounds.hours is not None:
        yield "Hours", str(bounds.hours), ""
    yield "Balance", *_balance(planned)
    if plan.cost is not None:
        yield "Cost", f"{money(plan.cost)} at {bounds.price} a call", "red" if plan.enough is False else ""
    if bounds.journal is not None:
        yield "Journal", str(bounds.journal), ""
    else:
        yield "Journal", "none: were it interrupted, it could not be resumed (--journal)", "yellow"


def _said(order: Order) -> Iterator[tuple[str, str, str]]:
    message = order.message
    yield "Content", message.content, ""
    if message.interactive_content is not None:
        yield "Asks for a key", message.interactive_content, ""
    if message.voicemail_content is not None:
        yield "Takes a message", message.voicemail_content, ""
    if sms := getattr(message, "sms_content", None):
        yield "Text message", sms, ""
    if trigger := getattr(message, "trigger", None):
        key = getattr(trigger, "key", None)
        yield "Is sent", f"after {trigger.seconds} seconds" if key is None else f"on key {key}", ""


def _left_out(order: Order, planned: Planned) -> Iterator[tuple[str, str, str]]:
    plan = planned.plan
    if plan.accepted_before:
        yield "Done before", f"{calls(plan.accepted_before)}, as the journal says", ""
    if plan.unknown_before and order.bounds.resend_unknown:
        yield "Unknown", f"{calls(plan.unknown_before)}: another run may be sending them", "yellow"
    elif plan.unknown_before:
        yield "Unknown", f"{calls(plan.unknown_before)} perhaps made before: not sent again", "yellow"
    if plan.duplicates:
        again = "called again" if planned.duplicates_are_called else "left out: called once"
        yield "Duplicates", f"{entries(plan.duplicates)}, {again}", ""
    if plan.over_max_calls:
        yield "Over the cap", f"{calls(plan.over_max_calls)} left out by --max-calls", "yellow"
    if planned.problems.count:
        fate = "left out" if order.bounds.skip_invalid else "see below"
        yield "Cannot be sent", f"{entries(planned.problems.count)}, {fate}", "red"


def _balance(planned: Planned) -> tuple[str, str]:
    plan = planned.plan
    if plan.balance is None:
        return f"not known: {planned.balance_trouble}", "yellow"
    return money(plan.balance), "red" if plan.enough is False else ""
