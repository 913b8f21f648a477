"""Frozen objects by a change of their class."""

import pytest
from attrs import define, frozen
from attrs.exceptions import FrozenInstanceError

from emay_voice_async.model.freezing import frozen_as


@define(eq=False)
class Draft:
    """The fields."""

    number: int


@frozen
class Value(Draft):
    """The frozen class."""


def test_frozen_as() -> None:
    """Filled drafts become frozen instances: the same objects, in order, that can no longer be changed."""
    drafts = [Draft(1), Draft(2)]
    values = frozen_as(Value, drafts)
    assert values == (Value(1), Value(2))
    assert all(value is draft for value, draft in zip(values, drafts, strict=True))
    with pytest.raises(FrozenInstanceError):
        values[0].number = 3  # type: ignore[misc]


def test_another_class() -> None:
    """A class with slots of its own is refused."""
    with pytest.raises(TypeError):
        frozen_as(int, [Draft(1)])
