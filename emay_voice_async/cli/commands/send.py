"""``send``: notices, marketing calls and voice SMS to lists of any size."""

import asyncio
import sys
import time

import click

from emay_voice_async.cli.campaign.confirmation import confirm
from emay_voice_async.cli.campaign.lists import Lists
from emay_voice_async.cli.campaign.messages import spoken_message, voice_sms_message
from emay_voice_async.cli.campaign.options import EPILOG, SendOptions, VoiceSmsOptions, takes
from emay_voice_async.cli.campaign.order import Order
from emay_voice_async.cli.campaign.plan import check_plan, make_plan, show_plan
from emay_voice_async.cli.campaign.run import CampaignRun
from emay_voice_async.cli.campaign.summary import show_summary
from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.formatting import calls
from emay_voice_async.cli.terminal.help_pages import TranslatedGroup
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.model.messages import Marketing, Notice
from emay_voice_async.model.templates import Spoken, Template

__all__ = ["send"]


@click.group(cls=TranslatedGroup, no_args_is_help=False)
def send() -> None:
    """Call many people: shows a plan, asks for confirmation, prints the outcome of every number."""


@send.command(epilog=EPILOG, epilog_values={"kind": "notice", "more": ""})
@takes(SendOptions)
def notice(session: Session, options: SendOptions) -> ExitCode:
    """Send a voice notification."""
    return _send(session, spoken_message(Notice, options), options)


@send.command(epilog=EPILOG, epilog_values={"kind": "marketing", "more": ""})
@takes(SendOptions)
def marketing(session: Session, options: SendOptions) -> ExitCode:
    """Make marketing calls."""
    return _send(session, spoken_message(Marketing, options), options)


@send.command("voice-sms", epilog=EPILOG, epilog_values={"kind": "voice-sms", "more": " --on-key 1"})
@takes(VoiceSmsOptions)
def voice_sms(session: Session, options: VoiceSmsOptions) -> ExitCode:
    """Make calls that trigger a text message."""
    return _send(session, voice_sms_message(options), options)


def _send(session: Session, message: Spoken | Template, options: SendOptions) -> ExitCode:
    console = session.console
    fields = message.fields if isinstance(message, Template) else ()
    with Lists(options, fields) as lists:
        order = Order(message, lists, options)
        planned = asyncio.run(make_plan(session, order))
        if options.only_plan or not options.yes or not console.is_quiet:
            show_plan(session, order, planned)
        check_plan(planned, order)
        if options.only_plan:
            return ExitCode.DONE
        if not options.yes and planned.plan.numbers:
            question = gettext("Make {calls}?", calls=calls(planned.plan.numbers))
            if not confirm(question, console, uses_standard_input=lists.uses_standard_input):
                raise CommandError(gettext("nothing was sent"), ExitCode.NOT_SENT)
        to_terminal = sys.stdout.isatty()
        prints_rows = options.as_json or not to_terminal
        run = CampaignRun(
            session,
            order,
            planned,
            Output() if prints_rows else None,
            shows_progress=console.is_terminal and not console.is_quiet and not (to_terminal and prints_rows),
        )
        began = time.monotonic()
        asyncio.run(run.carry_out())
        return show_summary(run, time.monotonic() - began)
