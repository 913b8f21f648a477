"""Checks of arguments: accepted values, and the error of each refused value."""

import inspect
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.checks import (
    LONGEST,
    check_callback,
    check_count,
    check_flag,
    check_seconds,
    check_text,
    field_named,
)


def refused(check: Callable[[], None]) -> InvalidRequestError:
    """Return the error of a check."""
    with pytest.raises(InvalidRequestError) as caught:
        check()
    return caught.value


class TestCheckText:
    """A non-blank text."""

    @given(st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"]), min_size=1, max_size=20))
    def test_accepted(self, text: str) -> None:
        """Any encodable text that is not blank passes, up to the limit inclusive."""
        check_text("content", text)
        check_text("content", text, len(text))

    @given(st.integers(1, 50))
    def test_too_long(self, limit: int) -> None:
        """A text above the limit is refused with its length."""
        error = refused(lambda: check_text("content", "x" * (limit + 1), limit, 3))
        assert (error.limit, error.actual, error.position) == (limit, f"{limit + 1} characters", 3)

    @pytest.mark.parametrize("value", [None, 1, b"x", ["x"]], ids=repr)
    def test_another_type(self, value: object) -> None:
        """A value of another type is refused with the name of the type."""
        error = refused(lambda: check_text("content", value))
        assert str(error) == f"content: must be a str (found {type(value).__name__})"

    @pytest.mark.parametrize("value", ["", " ", "\n\t", "\u3000"], ids=repr)
    def test_blank(self, value: str) -> None:
        """A blank text is refused with its length."""
        error = refused(lambda: check_text("content", value, position=1))
        assert (
            str(error) == f"content at position 1: must not be empty or blank (found {len(value)} characters)"
        )

    def test_a_lone_surrogate(self) -> None:
        """A text that cannot be encoded is refused, and the error hides the text."""
        error = refused(lambda: check_text("secret_key", "ab\ud800"))
        assert str(error) == "secret_key: must be encodable as UTF-8 (found a lone surrogate in place 2)"
        assert error.__suppress_context__


class TestCheckFlag:
    """A bool."""

    def test_accepted(self) -> None:
        """True and False pass."""
        check_flag("interactive", True)
        check_flag("interactive", False)

    @pytest.mark.parametrize("value", [None, 0, 1, "no", "True"], ids=repr)
    def test_refused(self, value: object) -> None:
        """Every other value is refused."""
        error = refused(lambda: check_flag("interactive", value))
        assert str(error) == f"interactive: must be True or False (found {type(value).__name__})"


class TestCheckCount:
    """A whole number of at least 1."""

    @given(st.integers(1))
    def test_accepted(self, value: int) -> None:
        """Any whole number from 1 passes."""
        check_count("max_calls", value)

    @given(st.integers(max_value=0))
    def test_too_small(self, value: int) -> None:
        """0 and below are refused with the number."""
        error = refused(lambda: check_count("max_size", value, " of bytes"))
        assert (error.rule, error.limit, error.actual) == (
            "must be a whole number of bytes, at least 1",
            1,
            value,
        )

    @pytest.mark.parametrize("value", [None, True, 1.0, "1", math.inf], ids=repr)
    def test_another_type(self, value: object) -> None:
        """A value of another type, bool included, is refused with the name of the type."""
        assert refused(lambda: check_count("max_calls", value)).actual == type(value).__name__


class TestCheckSeconds:
    """A number of seconds."""

    @given(st.floats(0, LONGEST, exclude_min=True) | st.integers(1, LONGEST))
    def test_accepted(self, value: float) -> None:
        """Any finite number above 0 passes, up to the bound inclusive."""
        check_seconds("timeout", value)

    @pytest.mark.parametrize("value", [0, -1, LONGEST + 1, math.inf, -math.inf, math.nan, 10**400], ids=repr)
    def test_out_of_range(self, value: float) -> None:
        """A number out of range, or not a number, is refused with the rule."""
        error = refused(lambda: check_seconds("timeout", value))
        assert error.rule == f"must be a number of seconds above 0, up to {LONGEST}"

    @pytest.mark.parametrize("value", [None, True, "1", b"1"], ids=repr)
    def test_another_type(self, value: object) -> None:
        """A value of another type, bool included, is refused with the name of the type."""
        assert refused(lambda: check_seconds("timeout", value)).actual == type(value).__name__


def test_the_name_of_a_field() -> None:
    """A field is named in quotes, on a single line."""
    assert field_named("name") == "field 'name'"
    assert field_named("a\nb") == "field 'a\\nb'"


class TestCheckCallback:
    """A plain function of one argument."""

    def test_a_function_without_a_signature(self) -> None:
        """A builtin whose arguments Python cannot tell is taken as a callback that fits."""
        with pytest.raises(ValueError, match="signature"):
            inspect.signature(max)
        check_callback("on_event", max, "the event")

    def test_accepted(self) -> None:
        """A function with a single argument without default passes."""
        check_callback("on_event", lambda event, more=1: more, "the event")
        check_callback("on_event", print, "the event")

    @pytest.mark.parametrize("value", [None, 1, "print", int, lambda: 1, lambda one, two: 1])
    def test_refused(self, value: object) -> None:
        """Everything else is refused with the name of the argument."""
        error = refused(lambda: check_callback("on_event", value, "the event"))
        assert error.field == "on_event"
        assert "one argument, the event" in error.rule

    def test_async(self) -> None:
        """An async function is refused."""

        async def function(event: object) -> None: ...

        error = refused(lambda: check_callback("on_event", function, "the event"))
        assert error.rule == "must be a plain function, not an async one"
