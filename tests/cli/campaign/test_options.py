"""The options of ``send``: one field for each option."""

import click
import pytest
from attrs import field, fields, frozen
from click.testing import CliRunner

from emay_voice_async.cli.campaign.options import SendOptions, VoiceSmsOptions, takes
from emay_voice_async.cli.commands.send import send
from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.settings import Session


@pytest.mark.parametrize(
    ("name", "kind"), [("notice", SendOptions), ("marketing", SendOptions), ("voice-sms", VoiceSmsOptions)]
)
def test_each_field_is_an_option(name: str, kind: type[SendOptions]) -> None:
    """A command has one option for each field, in the order of the class, and no other parameters."""
    parameters = [parameter.name for parameter in send.commands[name].params]
    inherited = [attribute.name for attribute in fields(kind) if attribute.inherited]
    own = [attribute.name for attribute in fields(kind) if not attribute.inherited]
    assert parameters == own + inherited


def test_a_new_option() -> None:
    """A field with the metadata of an option reaches the command as an attribute."""
    found: list[int] = []

    @frozen(kw_only=True)
    class Options:
        calls: int = field(metadata={"emay_voice_async.option": ("--calls", {"type": int, "default": 3})})

    @click.command
    @takes(Options)
    def command(session: Session, options: Options) -> ExitCode:
        found.append(options.calls)
        return ExitCode.DONE

    for arguments in ([], ["--calls", "5"]):
        assert CliRunner().invoke(command, arguments, obj=object()).exception is None
    assert found == [3, 5]


def test_resend_needs_a_journal() -> None:
    """--resend-unknown without --journal is refused: only a journal holds unknown outcomes."""
    values = {attribute.name: None for attribute in fields(SendOptions)} | {"resend_unknown": True}
    with pytest.raises(CommandError, match="--journal"):
        SendOptions(**values)  # type: ignore[arg-type]
