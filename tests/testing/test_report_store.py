"""The suite of a report store names a rule that is broken; our own stores run it in their tests."""

import unittest
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.broken_stores import BROKEN
from support.virtual_time import VirtualLoop

from emay_voice_async.receiver import RecentReports, ReportStore
from emay_voice_async.testing import BrokenRuleError, ReportStoreSuite


class BrokenSuite(ReportStoreSuite):
    """The suite on a broken store, in virtual time."""

    def __init__(self, twin: type[RecentReports], *, claims_expire: bool) -> None:
        self._twin = twin
        self.claims_expire = claims_expire  # type: ignore[misc] # differs between the tests

    def play(self, main: Coroutine[Any, Any, None]) -> None:
        """Run a rule in virtual time."""
        loop = VirtualLoop()
        try:
            loop.run_until_complete(main)
        finally:
            loop.close()

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Callable[[], ReportStore]]:
        """Make a broken store."""
        store = self._twin()
        yield lambda: store


@pytest.mark.parametrize("rule", ReportStoreSuite.rules())
def test_a_broken_rule_is_named(rule: str) -> None:
    """A store that breaks a rule fails this rule, by name; the store of the package keeps it."""
    with pytest.raises(BrokenRuleError) as caught:
        BrokenSuite(BROKEN[rule], claims_expire=True).check(rule)
    assert caught.value.rule == rule
    if BROKEN[rule] is not RecentReports:
        BrokenSuite(RecentReports, claims_expire=False).check(rule)


def test_each_broken_store_breaks_a_rule_of_the_suite() -> None:
    """The table of broken stores has the rules of the suite, and no other."""
    assert sorted(BROKEN) == ReportStoreSuite.rules()
    with pytest.raises(NotImplementedError, match="makes a store"):
        ReportStoreSuite().stores()


def test_the_rule_of_expiry_is_skipped() -> None:
    """The rule of expiry is skipped for a store whose claims do not expire."""
    with pytest.raises(unittest.SkipTest):
        BrokenSuite(RecentReports, claims_expire=False).check("the_claim_of_a_dead_process_expires")
