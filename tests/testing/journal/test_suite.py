"""The suite of a journal: the journal of the examples keeps each rule, and the suite names a rule that is broken."""

from contextlib import AbstractAsyncContextManager

import pytest
from support.broken_journals import BROKEN, Twin, broken
from support.own_journals import new_log

from emay_voice_async.errors import JournalError
from emay_voice_async.testing import BrokenRuleError, JournalPlace, JournalSuite


class TestLogJournal(JournalSuite):
    """The journal of the examples keeps all promises."""

    def place(self) -> AbstractAsyncContextManager[JournalPlace]:
        """Provide a log."""
        return new_log()


class BrokenSuite(JournalSuite):
    """The suite on a broken journal."""

    def __init__(self, twin: type[Twin]) -> None:
        self._twin = twin

    def place(self) -> AbstractAsyncContextManager[JournalPlace]:
        """Provide a broken journal."""
        return broken(self._twin)


@pytest.mark.parametrize("rule", JournalSuite.rules())
def test_a_broken_rule_is_named(rule: str) -> None:
    """A journal that breaks a rule fails this rule, by name; a twin with no change keeps it."""
    with pytest.raises(BrokenRuleError) as caught:
        BrokenSuite(BROKEN[rule]).check(rule)
    assert caught.value.rule == rule
    assert isinstance(caught.value.__cause__, AssertionError | JournalError)
    BrokenSuite(Twin).check(rule)


def test_each_broken_journal_breaks_a_rule_of_the_suite() -> None:
    """The table of broken journals has the rules of the suite, and no other."""
    assert sorted(BROKEN) == JournalSuite.rules()
    with pytest.raises(NotImplementedError, match="JournalPlace"):
        JournalSuite().place()
