"""The checks of arguments."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples.strategies import CHARACTERS, texts

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.checks import check_count, check_flag, check_seconds, check_text

NOT_TEXTS: list[object] = [None, 1, 1.5, b"1234", ["1234"], True, frozenset()]
BLANKS = ["", " ", "\t\r\n", "\u3000", "\u00a0\u2003"]


def refused(make: Callable[..., object], *args: object, **rest: object) -> InvalidRequestError:
    """Return the error of making a message that must not be made."""
    with pytest.raises(InvalidRequestError) as caught:
        make(*args, **rest)
    return caught.value


class TestCheckText:
    """The rules of every text."""

    @given(CHARACTERS, st.integers(1, 600))
    @example("🔔", 200)
    @example("\u0301", 3)
    def test_the_limit_is_exact(self, char: str, limit: int) -> None:
        """A text of exactly the limit passes and a longer text does not, for all characters."""
        text = "x" + char * (limit - 1)
        check_text("content", text, limit)
        error = refused(check_text, "content", text + char, limit, 3)
        assert (error.field, error.limit, error.position) == ("content", limit, 3)
        assert error.rule == f"must have at most {limit} characters"
        assert error.actual == f"{limit + 1} characters"

    @given(texts(300))
    def test_any_text_passes(self, text: str) -> None:
        """Every text that UTF-8 can encode passes, unless blank."""
        assert check_text("content", text) is None  # type: ignore[func-returns-value]

    @pytest.mark.parametrize("blank", BLANKS)
    def test_blank(self, blank: str) -> None:
        """A text of blanks only, Chinese blanks included, is refused."""
        error = refused(check_text, "content", blank)
        assert (error.field, error.actual) == ("content", f"{len(blank)} characters")
        assert error.rule == "must not be empty or blank"

    @pytest.mark.parametrize("value", NOT_TEXTS, ids=repr)
    def test_other_types(self, value: object) -> None:
        """A value that is not a str is refused by the name of the type."""
        error = refused(check_text, "content", value, 200, 0)
        assert (error.rule, error.actual, error.position) == ("must be a str", type(value).__name__, 0)

    @given(st.integers(0, 20), st.integers(0xD800, 0xDFFF))
    def test_lone_surrogates(self, place: int, surrogate: int) -> None:
        """Half a character, which UTF-8 cannot encode, is refused by the place."""
        error = refused(check_text, "content", "x" * place + chr(surrogate) + "x")
        assert error.actual == f"a lone surrogate in place {place}"
        assert error.__cause__ is None
        assert error.__suppress_context__

    @given(st.text(st.sampled_from("密码9173"), min_size=20, max_size=60), st.integers(1, 19))
    def test_the_value_is_never_told(self, value: str, limit: int) -> None:
        """The error shows lengths and places, never the text."""
        error = refused(check_text, "content", value, limit)
        assert value not in str(error) + repr(error) + repr(error.args)


class TestCheckFlag:
    """The rule of every flag."""

    @pytest.mark.parametrize("value", [True, False])
    def test_flags_pass(self, value: bool) -> None:
        """True and False are flags."""
        check_flag("name", value)

    @pytest.mark.parametrize("value", [None, 0, 1, "no", ""])
    def test_other_types(self, value: object) -> None:
        """Any other value is refused by its type: the text "no" would count as true."""
        error = refused(check_flag, "name", value)
        assert (error.field, error.actual) == ("name", type(value).__name__)


class TestCheckCount:
    """The rule of every count."""

    @pytest.mark.parametrize("value", [1, 10**30])
    def test_counts_pass(self, value: int) -> None:
        """A whole number from 1 is a count."""
        check_count("name", value)

    @pytest.mark.parametrize("value", [0, -1, 1.0, True, "1", None])
    def test_other_values(self, value: object) -> None:
        """Zero, negative numbers and other types are refused; the rule names the unit."""
        assert "whole number of slots, at least 1" in refused(check_count, "name", value, " of slots").rule


class TestCheckSeconds:
    """The rule of every number of seconds."""

    @pytest.mark.parametrize("value", [1, 0.001, 10**9])
    def test_seconds_pass(self, value: float) -> None:
        """Numbers above 0, up to the bound, pass."""
        check_seconds("name", value)

    @pytest.mark.parametrize("value", [0, -1, 10**9 + 1, float("inf"), float("nan"), True, "1", None])
    def test_other_values(self, value: object) -> None:
        """Other numbers and other types are refused."""
        assert "above 0, up to 1000000000" in refused(check_seconds, "name", value).rule

    def test_another_bound(self) -> None:
        """The bound can be lower."""
        check_seconds("name", 60, 60)
        assert "up to 60" in refused(check_seconds, "name", 61, 60).rule
