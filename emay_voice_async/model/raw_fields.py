"""The raw values of the fields of a report that could not be read."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["NO_FIELDS", "RawFields", "names_of"]


class RawFields(Mapping[str, object]):
    """An immutable mapping from names of the wire to raw values, equal to a dict with the same items.

    Its hash is that of its names, because a raw value can be a list. Its repr shows names only: a raw value
    can be a number or a recording.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> object:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        # The text, because a NaN is not equal to another NaN.
        return self._values == (found := dict(other)) or repr(self._values) == repr(found)

    def __hash__(self) -> int:
        return hash(frozenset(self._values))

    def __repr__(self) -> str:
        return f"RawFields({names_of(self)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return RawFields, (self._values,)


def names_of(fields: Mapping[str, object]) -> str:
    """Write the names of a mapping."""
    return f"<{', '.join(fields)}>"


NO_FIELDS: Final = RawFields()
"""No raw value, as in nearly all reports."""
