"""The messages of the command line: found in its code, and kept in the Chinese catalogue.

``python tests/support/catalogue.py`` adds the messages of the code to the catalogue, drops messages that the code no
longer has, and compiles the catalogue. It exits with 1 if a message has no Chinese.
"""

import ast
import inspect
import io
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from attrs import frozen
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

CLI: Final = Path(__file__).parents[2] / "emay_voice_async" / "cli"
PO: Final = CLI / "locale" / "zh" / "LC_MESSAGES" / "emay_voice.po"
MO: Final = PO.with_suffix(".mo")
CLICK: Final = "click"
"""The place of a message that click prints."""
HEADER: Final = (
    "Language: zh\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
    "Content-Transfer-Encoding: 8bit\nPlural-Forms: nplurals=1; plural=0;\n"
)
_MO_HEADER: Final = struct.Struct("<7I")
_MARKS: Final = {"gettext": 1, "noop": 1, "ngettext": 2}
"""Functions, and how many of their arguments are messages."""
_HELP: Final = {"help", "short_help", "epilog"}
"""Keyword arguments that are messages."""
_COMMANDS: Final = {"command", "group"}
"""Decorators that take the docstring as help text."""

Forms = tuple[str, ...]
"""A message: one form, or singular and plural."""


@frozen
class Translation:
    """A message of the catalogue."""

    forms: Forms
    chinese: Forms
    place: str
    is_fuzzy: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether the message has Chinese that is meant for it."""
        return all(self.chinese) and not self.is_fuzzy


def name_of(function: ast.expr) -> str:
    """Return the last part of a called name."""
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _texts(nodes: Iterable[ast.expr]) -> Forms:
    texts = (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return tuple(inspect.cleandoc(text) if "\n" in text else text for text in texts)


def messages(tree: ast.AST) -> Iterator[tuple[Forms, ast.AST]]:
    """Yield the messages of a module, each with its place in the code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            number = _MARKS.get(name_of(node.func), 0)
            yield _texts(node.args[:number]), node
            for keyword in node.keywords:
                if keyword.arg in _HELP:
                    yield _texts([keyword.value]), keyword
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            calls = (decorator for decorator in node.decorator_list if isinstance(decorator, ast.Call))
            text = ast.get_docstring(node)
            if text and any(name_of(call.func) in _COMMANDS for call in calls):
                yield (text,), node.body[0]


def modules() -> dict[str, ast.Module]:
    """Return the syntax tree of each module of the command line, by place."""
    return {
        path.relative_to(CLI.parents[1]).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted(CLI.rglob("*.py"))
    }


def in_code() -> dict[Forms, str]:
    """Return the messages of the command line, each with the module that has it first."""
    found: dict[Forms, str] = {}
    for place, tree in modules().items():
        for forms, _ in messages(tree):
            if forms:
                found.setdefault(forms, place)
    return found


def in_catalogue() -> list[Translation]:
    """Return the messages of the Chinese catalogue."""
    # In the file, the backspace of click's verbatim paragraphs is an escape.
    text = PO.read_text("utf-8").replace(r'"\b\n"', '"\b\\n"')
    return [
        Translation(_forms(one.id), _forms(one.string or ""), one.locations[0][0], one.fuzzy)
        for one in read_po(io.StringIO(text), locale="zh")
        if one.id
    ]


def update() -> list[Translation]:
    """Write the catalogue, and return the messages without Chinese."""
    known = {one.forms: one for one in in_catalogue()}
    places = {one.forms: CLICK for one in known.values() if one.place == CLICK} | in_code()
    catalogue = Catalog(locale="zh")
    for forms, place in sorted(places.items(), key=lambda pair: (pair[1], pair[0])):
        chinese = known[forms].chinese if forms in known else ("",)
        catalogue.add(_id(forms), chinese if len(forms) > 1 else chinese[0], locations=[(place, 1)])
    text = io.BytesIO()
    write_po(text, catalogue, width=110, omit_header=True, include_lineno=False)
    PO.write_text(
        f'msgid ""\nmsgstr ""\n{_quoted(HEADER)}\n{text.getvalue().decode()}'.replace("\b", r"\b"), "utf-8"
    )
    MO.write_bytes(compiled(in_catalogue()))
    return [one for one in in_catalogue() if not one.is_complete]


def compiled(catalogue: Iterable[Translation]) -> bytes:
    """Return the catalogue in the binary form of gettext."""
    pairs = {"": HEADER} | {"\0".join(one.forms): one.chinese[0] for one in catalogue if one.is_complete}
    ids, texts = ([text.encode() for text in column] for column in zip(*sorted(pairs.items()), strict=True))
    at = _MO_HEADER.size + 2 * 8 * len(ids)
    places = []
    for text in (*ids, *texts):
        places.append(struct.pack("<II", len(text), at))
        at += len(text) + 1
    start = _MO_HEADER.size
    head = _MO_HEADER.pack(0x950412DE, 0, len(ids), start, start + 8 * len(ids), 0, at)
    return head + b"".join(places) + b"".join(text + b"\0" for text in (*ids, *texts))


def _forms(text: str | tuple[str, ...] | list[str]) -> Forms:
    return (text,) if isinstance(text, str) else tuple(text)


def _id(forms: Forms) -> str | Forms:
    return forms if len(forms) > 1 else forms[0]


def _quoted(text: str) -> str:
    return "".join(f'"{line}\\n"\n' for line in text.splitlines())


if __name__ == "__main__":
    missing = update()
    for one in missing:
        print(f"{one.place}: no Chinese: {one.forms[0]!r}")
    sys.exit(bool(missing))
