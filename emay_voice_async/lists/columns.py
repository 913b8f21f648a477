"""Find the column of the numbers in a file: by name, by position, or by a usual name."""

from collections.abc import Sequence
from typing import Final

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.numbers import plain

__all__ = ["USUAL_NAMES", "Column", "place_of"]

Column = str | int
"""The name of a column, or the position, counted from 1."""
USUAL_NAMES: Final = frozenset({"mobile", "phone", "number", "手机", "手机号", "手机号码", "电话"})

_MAX_SHOWN: Final = 20
_MANY_DIGITS: Final = 7


def place_of(names: Sequence[str], wanted: Column | None, argument: str) -> int:
    """Return the index, from 0, of the ``wanted`` column; None: of the column with a usual name.

    An equal name is preferred; otherwise case, width and surrounding blanks are ignored. Raises
    :class:`InvalidRequestError` for the field ``argument``, with a list of the columns.
    """
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(names):
            rule = f"must be a name, or a place from 1 to {len(names)}"
            raise InvalidRequestError(argument, rule, len(names), wanted)
        return wanted - 1
    if wanted is not None and names.count(wanted) == 1:
        return names.index(wanted)
    sought = USUAL_NAMES if wanted is None else {_folded(wanted)}
    found = [place for place, name in enumerate(names) if _folded(name) in sought]
    if len(found) == 1:
        return found[0]
    rule = "must be the name of one column"
    if wanted is None:
        rule = "must be given, unless one column has a usual name such as mobile or 手机号"
    raise InvalidRequestError(argument, rule, None, f"{len(found)} such in {_listed(names)}")


def _folded(name: str) -> str:
    return plain(name).casefold()


def _listed(names: Sequence[str]) -> str:
    shown = [_shown(name) for name in names[:_MAX_SHOWN]]
    return ", ".join([*shown, "..."] if len(names) > _MAX_SHOWN else shown)


def _shown(name: str) -> str:
    """Quote a name, but hide a number: a file without a header has numbers in the place of names."""
    return "****" if sum(map(str.isdigit, name)) >= _MANY_DIGITS else repr(name[:_MAX_SHOWN])
