"""The catalogue: every message of the command line is marked, and has Chinese with the same placeholders."""

import ast
import re
import string
from collections.abc import Iterator

import pytest
from support import catalogue
from support.catalogue import CLICK, MO, Translation, in_catalogue, in_code, messages, modules, name_of

MESSAGES = in_catalogue()
TREES = modules()
PRINTS = {
    "BadParameter",
    "ClickException",
    "CommandError",
    "Text",
    "add_row",
    "add_task",
    "complain",
    "confirm",
    "echo",
    "item",
    "print",
    "prompt",
    "say",
    "secho",
    "waiting",
}
"""Functions whose arguments are printed."""
NOT_SHOWN = re.compile(
    r"""
    [a-z_]+(\ [a-z_]+)*                       # a style of rich, or a value
    | [\w.-]+/[\w./-]*                        # a path, or a type of content
    | (emay-voice|python\ -m)[\ :]*.*         # commands
    | .*(\{\w|http://|export\ EMAY).*         # syntax
    """,
    re.VERBOSE,
)
SENTENCE = re.compile(r"[A-Za-z]{2,},? [A-Za-z]{2,}|^[A-Z][a-z]+$")


def placeholders(text: str) -> list[str]:
    """Return the placeholders of a text with their formats, sorted; dates are written in another order."""
    fields = string.Formatter().parse(text)
    named = [
        f"{name}:{form if form and form[:1] != '%' else ''}"
        for _, name, form, _ in fields
        if name is not None
    ]
    return sorted(named + re.findall(r"%\(\w+\)s", text))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.forms[0][:40])
def test_placeholders(message: Translation) -> None:
    """Chinese and English have the same placeholders, with the same formats."""
    expected = placeholders(message.forms[-1])
    assert all(placeholders(form) == expected for form in message.chinese if form)


def test_complete() -> None:
    """Every message of the code is in the catalogue and has Chinese; the catalogue has no other message.

    The remedy is ``python tests/support/catalogue.py``.
    """
    assert {message.forms for message in MESSAGES if message.place != CLICK} == set(in_code())
    assert [message.forms for message in MESSAGES if not message.is_complete] == []


def test_compiled() -> None:
    """The compiled catalogue is that of the text; the remedy is ``python tests/support/catalogue.py``."""
    assert MO.read_bytes() == catalogue.compiled(MESSAGES)


def unmarked(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the texts of a module that are shown to people without a mark."""
    marked = {
        node for _, place in messages(tree) for node in ast.walk(place) if isinstance(node, ast.Constant)
    }
    shown = {
        node
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and name_of(call.func) in PRINTS
        for argument in call.args
        for node in ast.walk(argument)
    }
    statements = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    docstrings = {node for node in statements if isinstance(node, ast.Constant)}
    names = {
        constant
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        for constant in ast.walk(node)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node not in marked | docstrings | names
        ):
            is_word = node in shown and re.search("[A-Za-z]{2,}", node.value)
            if (is_word or SENTENCE.search(node.value)) and not NOT_SHOWN.fullmatch(node.value):
                yield node


@pytest.mark.parametrize("place", TREES)
def test_marked(place: str) -> None:
    """Every text that is shown to people is marked for the catalogue."""
    assert [(node.lineno, node.value) for node in unmarked(TREES[place])] == []
