"""Entries of lists: the recipient and the problem of a row, and the columns of rows under a header.

An unusable row becomes an entry with ``problem`` set.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Self

from attrs import evolve, field, frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.columns import (
    Column,
    index_of,
    is_header_cell,
    looks_like_number,
    unique_names,
)
from emay_voice_async.model.checks import field_named
from emay_voice_async.model.numbers import DIGITS, MOBILE, normalised, plain
from emay_voice_async.model.recipients import Recipient, check_recipient

__all__ = ["Entry", "FieldChoice", "RowColumns", "bad_entry", "make_entry"]

FieldChoice = bool | Collection[str]
"""The columns that become fields of the recipients: all (True), none (False), or those with these names."""

_LONGEST_CELL: Final = 1000
_SIGNS: Final = re.compile(r"[,;:/|&\\\n\r、，；：／｜＆。或和及与]+|或者|\bor\b|\band\b", re.IGNORECASE)
_SIGNS_AND_BLANKS: Final = re.compile(rf"(?:{_SIGNS.pattern}|\s)+", re.IGNORECASE)
_GAPS: Final = re.compile(r"[\s.()-]")
_MOBILES: Final = re.compile(r"(?:1[3-9][0-9]{9}){2,}")


@frozen
class Entry:
    """A row of a list: the line, the recipient, and the problem, if any.

    ``line`` is the first line of the row, counted from 1. ``recipient.fields`` has the chosen columns of the row, if
    the row could be read. ``problem`` is None exactly when ``recipient`` can be sent to; it names the field, the
    rule and the length found, never the number.
    """

    line: int
    recipient: Recipient
    problem: InvalidRequestError | None = None


@frozen
class RowColumns:
    """The places of the number, the custom id and the fields in rows under a header of ``width`` columns."""

    width: int
    mobile: int
    custom_id: int | None = None
    fields: Mapping[str, int] = field(factory=dict)

    @classmethod
    def under(
        cls,
        header: Sequence[str],
        column: Column | None = None,
        custom_id_column: Column | None = None,
        fields: FieldChoice = False,
    ) -> Self:
        """Find the columns by the names of a header.

        Raises :class:`InvalidRequestError` if one is missing; see :func:`~emay_voice_async.lists.columns.index_of`.
        """
        mobile = index_of(header, column, "column")
        custom_id = (
            None if custom_id_column is None else index_of(header, custom_id_column, "custom_id_column")
        )
        return cls(len(header), mobile, custom_id, _places(header, fields))

    @classmethod
    def of_first_row(
        cls,
        cells: Sequence[str],
        column: Column | None = None,
        custom_id_column: Column | None = None,
        fields: FieldChoice = False,
    ) -> tuple[Self, bool]:
        """Find the columns by the first row, and whether that row is a header.

        With a ``column`` that is a position, the row is a header only if that cell names a column and no cell is a
        mobile number.
        """
        if isinstance(column, int):
            place = index_of(cells, column, "column")
            if not is_header_cell(cells[place]) or any(MOBILE.fullmatch(normalised(cell)) for cell in cells):
                columns = cls.under(cells, column, custom_id_column)
                return evolve(columns, fields=_places([""] * len(cells), fields)), False
        return cls.under(cells, column, custom_id_column, fields), True

    def entry(self, line: int, cells: Sequence[str]) -> Entry:
        """Make the entry of a row of texts; a row that is too short or too long has a problem."""
        needed = self.mobile if self.custom_id is None else max(self.mobile, self.custom_id)
        # A comma too many shifts the cells, and moves another number into the column.
        if len(cells) <= needed or any(map(str.strip, cells[self.width :])):
            rule = "must have the columns of the header"
            return bad_entry(line, InvalidRequestError("row", rule, self.width, f"{len(cells)} columns"))
        custom_id = None if self.custom_id is None else cells[self.custom_id]
        if not self.fields:
            return make_entry(line, cells[self.mobile], custom_id)
        fields = {name: cells[place] if place < len(cells) else "" for name, place in self.fields.items()}
        return make_entry(line, cells[self.mobile], custom_id, fields)


def _places(header: Sequence[str], fields: FieldChoice) -> dict[str, int]:
    if isinstance(fields, bool):
        return {name: place for place, name in enumerate(unique_names(header))} if fields else {}
    return {name: index_of(header, name, field_named(name)) for name in fields}


def make_entry(
    line: int, mobile: str, custom_id: str | None = None, fields: Mapping[str, str] | None = None
) -> Entry:
    """Make the entry of a number as people write numbers."""
    recipient = Recipient(normalised(mobile), custom_id, fields)
    try:
        check_recipient(recipient)
    except InvalidRequestError as error:
        problem = error
        if error.field == "mobile" and (count := _count_numbers(mobile)) > 1:
            rule = "must be one number; give each number a row of its own"
            problem = InvalidRequestError("mobile", rule, None, f"{count} numbers")
        # Without the traceback, which would keep the frames alive.
        return Entry(line, recipient, problem.with_traceback(None))
    return Entry(line, recipient)


def bad_entry(line: int, problem: InvalidRequestError) -> Entry:
    """Make the entry of a row without a recipient; an empty recipient is refused by every check."""
    return Entry(line, Recipient(""), problem.with_traceback(None))


def _count_numbers(text: str) -> int:
    """Count the numbers in a cell, with signs, blanks or no characters between them; 0 if unknown."""
    if len(text) > _LONGEST_CELL:
        return 0
    text = plain(text)
    for separators in (_SIGNS, _SIGNS_AND_BLANKS):
        parts = [part for part in separators.split(text) if part]
        if len(parts) > 1 and all(map(looks_like_number, parts)):
            return len(parts)
    digits = _GAPS.sub("", text)
    return len(digits) // DIGITS if _MOBILES.fullmatch(digits) else 0
