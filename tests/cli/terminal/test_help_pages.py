"""Help pages: columns of wide characters, paragraphs, and the language."""

import click
from rich.cells import cell_len

from emay_voice_async.cli.terminal.help_pages import TranslatedCommand, TranslatedGroup
from emay_voice_async.cli.terminal.language import using


def page(command: click.Command, language: str = "en") -> str:
    """Return the help page of a command."""
    with using(language):
        return command.get_help(
            command.context_class(command, info_name="x", max_content_width=50, terminal_width=50)
        )


def test_columns() -> None:
    """The second column is aligned and wrapped by cells; a long term has its description on the next line."""
    options = [
        click.Option(["--a"], help="号码名单文件，一行一个号码，也可以是标准输入。"),
        click.Option(["--very-long-name-of-an-option"], help="长选项。"),
        click.Option(["--b"]),
        click.Option(["--hidden"], hidden=True, help="Nothing."),
    ]
    lines = page(TranslatedCommand("x", params=[*options, click.Argument(["file"])])).splitlines()
    assert max(map(cell_len, lines)) <= 50
    start = next(line for line in lines if line.startswith("  --a")).index("号")
    rest = [line for line in lines if line.startswith(" " * 20)]
    assert len(rest) > 3
    assert all(line[:start].isspace() and not line[start].isspace() for line in rest)
    assert "hidden" not in "".join(lines)


def test_paragraphs() -> None:
    """A paragraph after a backspace keeps its lines; the others are filled."""
    epilog = "\b\nExample:\n  {name}   one\n\nA paragraph\nof two lines.\n"
    text = page(TranslatedCommand("x", help="Do it.", epilog=epilog, epilog_values={"name": "y"}))
    assert "  Example:\n    y   one\n\n  A paragraph of two lines.\n" in f"{text}\n"
    assert "Do it." in text


def test_group() -> None:
    """A group lists its commands with the short help or the help of each."""
    group = TranslatedGroup("x")
    group.command("one", short_help="Short.")(lambda: None)
    group.command("two", help="Long.")(lambda: None)
    text = page(group)
    assert "  one  Short.\n  two  Long." in text
    assert isinstance(group.commands["one"], TranslatedCommand)
