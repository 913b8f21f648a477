"""Texts with placeholders such as ``{name}``, parsed once and filled many times.

Nothing else of Python's format strings is known: a pair of braces holds the name of a field. ``{{`` and ``}}`` are
braces.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Final, NamedTuple

from emay_voice_async.errors import InvalidRequestError

__all__ = ["ParsedText", "Values", "parse_text", "values_of"]

_BRACES: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_FORMAT_SIGNS: Final = re.compile(r"[.\[\]!:]")


Values = Callable[[Mapping[str, str]], tuple[str, ...]]


class ParsedText(NamedTuple):
    """A parsed text: ``pattern`` in printf style, the names of the fields for each place, and their values."""

    pattern: str
    names: tuple[str, ...]
    values: Values

    def filled(self, fields: Mapping[str, str]) -> str:
        """Return the text with the fields in the place of the placeholders."""
        return self.pattern % self.values(fields)


def parse_text(argument: str, text: str) -> ParsedText:
    """Parse a text; raise :class:`InvalidRequestError` for ``argument`` with the place of the first fault.

    Places count characters from 0.
    """
    names: list[str] = []
    parts: list[str] = []
    end = 0
    for match in _BRACES.finditer(text):
        parts.append(text[end : match.start()].replace("%", "%%"))
        end = match.end()
        if match[1] is None:
            parts.append(_brace(argument, match))
        else:
            names.append(_checked_name(argument, match[1], match.start()))
            parts.append("%s")
    parts.append(text[end:].replace("%", "%%"))
    return ParsedText("".join(parts), tuple(names), values_of(names))


def values_of(names: Sequence[str]) -> Values:
    """Return a function from fields to the values of these names; it raises KeyError for a missing field."""
    # More than one name at the speed of C (benchmark: templates).
    return itemgetter(*names) if len(names) > 1 else partial(_values, tuple(names))


def _values(names: tuple[str, ...], fields: Mapping[str, str]) -> tuple[str, ...]:
    return tuple([fields[name] for name in names])


def _brace(argument: str, match: re.Match[str]) -> str:
    if len(match[0]) == 1:
        fault = "an unclosed brace" if match[0] == "{" else "a closing brace alone"
        rule = "must have a pair of braces around each field, and two braces for a brace that is spoken"
        raise InvalidRequestError(argument, rule, None, f"{fault} in place {match.start()}")
    return match[0][0]


def _checked_name(argument: str, name: str, place: int) -> str:
    fault = None
    if not name.strip():
        fault = "no name"
    elif name != name.strip():
        fault = "a blank beside the name"
    elif name.isdigit():
        fault = "a position"
    elif sign := _FORMAT_SIGNS.search(name):
        fault = f"the sign {sign[0]}"
    if fault is not None:
        rule = "must have the name of a field in each pair of braces, and nothing else"
        raise InvalidRequestError(argument, rule, None, f"{fault} in the braces in place {place}")
    return name
