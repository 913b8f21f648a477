"""``send``: notices, marketing calls and voice SMS to lists of any size."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import click

from emay_voice_async.cli.campaign.confirmation import confirm
from emay_voice_async.cli.campaign.lists import Layout, Lists
from emay_voice_async.cli.campaign.messages import content_of, spoken, trigger_of
from emay_voice_async.cli.campaign.options import EPILOG, with_options
from emay_voice_async.cli.campaign.order import Bounds, Order
from emay_voice_async.cli.campaign.plan import check_plan, make_plan, show_plan
from emay_voice_async.cli.campaign.run import Run
from emay_voice_async.cli.campaign.summary import sum_up
from emay_voice_async.cli.terminal.exit_codes import CommandError, Ending
from emay_voice_async.cli.terminal.formatting import calls
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.model.messages import VoiceSms

__all__ = ["send"]


@click.group(no_args_is_help=False, short_help="Call many people, after a plan and a question.")
def send() -> None:
    """Call many people: shows the plan, asks, and tells of every number what became of it."""


@send.command(epilog=EPILOG.format(kind="notice", more=""))
@with_options
@click.pass_obj
def notice(session: Session, /, **options: Any) -> Ending:
    """Send a voice notification."""
    return _send_spoken("notice", session, **options)


@send.command(epilog=EPILOG.format(kind="marketing", more=""))
@with_options
@click.pass_obj
def marketing(session: Session, /, **options: Any) -> Ending:
    """Make marketing calls."""
    return _send_spoken("marketing", session, **options)


def _send_spoken(
    kind: str,
    session: Session,
    *,
    content: str | None,
    content_file: Path | None,
    interactive_content: str | None,
    voicemail_content: str | None,
    **options: Any,
) -> Ending:
    text = content_of(content, content_file)
    return _send(session, spoken(kind, text, interactive_content, voicemail_content), **options)


@send.command("voice-sms", epilog=EPILOG.format(kind="voice-sms", more=" --on-key 1"))
@click.option("--on-key", metavar="KEY", help="Send the text message when this key is pressed.")
@click.option("--on-connected", type=int, metavar="SECONDS", help="Send it after 6 to 60 s of connection.")
@click.option("--sms-content", help="The text message.")
@with_options
@click.pass_obj
def voice_sms(
    session: Session,
    /,
    *,
    on_key: str | None,
    on_connected: int | None,
    sms_content: str | None,
    content: str | None,
    content_file: Path | None,
    interactive_content: str | None,
    voicemail_content: str | None,
    **options: Any,
) -> Ending:
    """Make calls that trigger a text message."""
    message = VoiceSms(
        content_of(content, content_file),
        trigger=trigger_of(on_key, on_connected),
        sms_content=sms_content,
        interactive_content=interactive_content,
        voicemail_content=voicemail_content,
    )
    return _send(session, message, **options)


def _send(
    session: Session,
    message: Any,
    *,
    paths: tuple[Path, ...],
    format: str | None,  # noqa: A002 - the option's name
    column: str | int | None,
    custom_id_column: str | int | None,
    encoding: str | None,
    only_plan: bool,
    yes: bool,
    as_json: bool,
    **bounds: Any,
) -> Ending:
    with Lists(paths, Layout(format, column, custom_id_column, encoding)) as lists:
        order = Order(message, lists, Bounds(**bounds))
        planned = asyncio.run(make_plan(session, order))
        if only_plan or not yes or not session.screen.is_quiet:
            show_plan(session, order, planned)
        check_plan(planned, order)
        if only_plan:
            return Ending.DONE
        if not yes and planned.plan.numbers:
            question = f"Make {calls(planned.plan.numbers)}?"
            if not confirm(question, session.screen, uses_standard_input=lists.uses_standard_input):
                raise CommandError("nothing was sent", Ending.NOT_SENT)
        to_terminal = sys.stdout.isatty()
        run = Run(
            session,
            order,
            planned,
            Output() if as_json or not to_terminal else None,
            shows_board=_shows_board(session, as_json and to_terminal),
        )
        began = time.monotonic()
        asyncio.run(run.carry_out())
        return sum_up(run, time.monotonic() - began)


def _shows_board(session: Session, prints_to_terminal: bool) -> bool:
    screen = session.screen
    return screen.is_terminal and not screen.is_quiet and not prints_to_terminal
