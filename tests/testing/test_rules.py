"""Rules: names, sentences, and what a broken rule says."""

import asyncio
import unittest

import pytest

from emay_voice_async import testing
from emay_voice_async.testing import BrokenRuleError
from emay_voice_async.testing.rules import ConformanceSuite, raises, rule, same, true


class Suite(ConformanceSuite):
    """Rules that hold, or break in each way."""

    patience = 0.01

    @rule
    async def test_it_holds(self) -> None:
        """It holds."""

    @rule
    async def test_values_differ(self) -> None:
        """One is one."""
        same(2, 1)

    @rule
    async def test_values_differ_in_a_case(self) -> None:
        """Ones are ones."""
        same([1] * 1000, [], "many")

    @rule
    async def test_a_condition(self) -> None:
        """It is true."""
        true([], "a list with elements")

    @rule
    async def test_an_exception(self) -> None:
        """No error is raised."""
        raise KeyError("x")

    @rule
    async def test_an_exception_is_missing(self) -> None:
        """An error is raised."""
        with raises(KeyError, "Looking up an unknown key"):
            {"key": 1}["key"]

    @rule
    async def test_an_exception_as_expected(self) -> None:
        """An error is raised."""
        with raises(KeyError, "Looking up an unknown key"):
            {"key": 1}["another"]

    @rule
    async def test_it_hangs(self) -> None:
        """It ends."""
        await asyncio.Event().wait()

    @rule
    async def test_a_timeout(self) -> None:
        """No error is raised."""
        raise TimeoutError("the server is slow")

    @rule
    async def test_a_skip(self) -> None:
        """It holds where there is a server."""
        raise unittest.SkipTest("no server")

    def test_no_rule(self) -> None:
        """A test of the subclass."""


HELD = {"it_holds", "an_exception_as_expected"}
BROKEN = {
    "values_differ": "One is one. Expected 1, found 2.",
    "values_differ_in_a_case": f"Ones are ones. In the case of many: expected [], found {str([1] * 1000)[:400]}....",
    "a_condition": "It is true. Expected: a list with elements.",
    "an_exception": "No error is raised. Raised KeyError: 'x'",
    "an_exception_is_missing": "An error is raised. Looking up an unknown key must raise KeyError.",
    "it_hangs": "It ends. The rule did not end within 0.01 seconds.",
    "a_timeout": "No error is raised. the server is slow",
}


def test_the_names_of_the_rules() -> None:
    """The rules are the tests with the decorator, without ``test_``."""
    assert set(Suite.rules()) == {*BROKEN, *HELD, "a_skip"}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named(name: str) -> None:
    """The error of a broken rule has its name, its sentence and what was found; it is a failure, not an error."""
    with pytest.raises(BrokenRuleError) as caught:
        Suite().check(name)
    assert isinstance(caught.value, AssertionError)
    assert str(caught.value) == f"the rule {name!r} is broken: {BROKEN[name]}"
    assert caught.value.rule == name
    assert caught.value.sentence + " " + caught.value.found == BROKEN[name]


@pytest.mark.parametrize("name", sorted(HELD))
def test_a_rule_that_holds(name: str) -> None:
    """A rule that holds returns."""
    Suite().check(name)


def test_a_skipped_rule() -> None:
    """A rule that cannot be checked here is skipped, by pytest and by unittest."""
    with pytest.raises(unittest.SkipTest):
        Suite().check("a_skip")


def test_the_names_of_the_package() -> None:
    """Each public name is found where it says; another name is an AttributeError."""
    for name in testing.__all__:
        testing.__dict__.pop(name, None)
        assert getattr(testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'JournalSweet'"):
        testing.JournalSweet  # noqa: B018
