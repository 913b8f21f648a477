"""Commands and groups whose help pages are in the language of the terminal."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from typing import Any

import click
from rich.cells import cell_len

from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.cli.terminal.wrapping import wrapped

__all__ = ["TranslatedCommand", "TranslatedGroup"]

_VERBATIM = "\b\n"


class _Formatter(click.HelpFormatter):
    """Measures text in terminal cells, and breaks lines between Chinese characters."""

    def write_text(self, text: str) -> None:
        """Write paragraphs; a paragraph after a backspace keeps its lines."""
        indent = " " * self.current_indent
        paragraphs = (self._lines(paragraph) for paragraph in text.strip("\n").split("\n\n"))
        self.write(
            "\n".join("".join(f"{indent}{line}".rstrip() + "\n" for line in lines) for lines in paragraphs)
        )

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write terms and their descriptions in two columns."""
        rows = list(rows)
        column = min(max(cell_len(term) for term, _ in rows), col_max) + col_spacing
        indent = " " * self.current_indent
        for term, description in rows:
            first, *lines = [*wrapped(description, max(self.width - column - 2, 10)), ""]
            room = column - cell_len(term)
            gap = " " * room if room >= col_spacing else f"\n{indent}{' ' * column}"
            self.write(f"{indent}{term}{gap}{first}".rstrip() + "\n")
            self.write("".join(f"{indent}{' ' * column}{line}\n" for line in filter(None, lines)))

    def _lines(self, paragraph: str) -> Iterable[str]:
        if paragraph.startswith(_VERBATIM):
            return paragraph.removeprefix(_VERBATIM).split("\n")
        return wrapped(" ".join(paragraph.split()), self.width - self.current_indent)


class _Context(click.Context):
    formatter_class: type[click.HelpFormatter] = _Formatter


class TranslatedCommand(click.Command):
    """A command with a translated help page; ``epilog_values`` fill the placeholders of the epilog."""

    context_class: type[click.Context] = _Context

    def __init__(
        self, *arguments: Any, epilog_values: Mapping[str, object] | None = None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.epilog_values: Mapping[str, object] = epilog_values or {}

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the description."""
        if self.help:
            _write_text(formatter, gettext(inspect.cleandoc(self.help)))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        with formatter.section(gettext("Options")):
            formatter.write_dl(_records(self, ctx))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and notes."""
        if self.epilog:
            _write_text(formatter, gettext(inspect.cleandoc(self.epilog), **self.epilog_values))


class TranslatedGroup(TranslatedCommand, click.Group):
    """A group of commands with a translated help page."""

    command_class: type[click.Command] | None = TranslatedCommand

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, and the commands."""
        TranslatedCommand.format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their short help."""
        with formatter.section(gettext("Commands")):
            formatter.write_dl(
                (name, gettext(inspect.cleandoc(text))) for name, text in self.descriptions(ctx).items()
            )

    def descriptions(self, ctx: click.Context) -> Mapping[str, str]:
        """Return the English short help of the commands, by name."""
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        return {name: command.short_help or command.help or "" for name, command in commands if command}


def _write_text(formatter: click.HelpFormatter, text: str) -> None:
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(text)


def _records(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for param in command.get_params(context):
        if isinstance(param, click.Option):
            option = copy(param)
            # click keeps its own option for the help page in the language of the first page.
            is_help = "--help" in option.opts
            option.help = gettext("Show this message and exit.") if is_help else gettext(option.help or "")
            if record := option.get_help_record(context):
                yield record
