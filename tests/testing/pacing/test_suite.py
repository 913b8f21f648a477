"""The suite of a pacer: the pacer of the examples keeps each rule, and the suite names a rule that is broken."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.broken_pacers import BROKEN, PacerTwin, makers
from support.own_journals import load
from support.virtual_time import run

from emay_voice_async import Pacer, RateLimit, RateLimits
from emay_voice_async.testing import BrokenRuleError, PacerSuite
from emay_voice_async.testing.pacing.making import CountingService

FilePacer: Any = load("file_pacer").FilePacer


@asynccontextmanager
async def _files(limits: RateLimits) -> AsyncIterator[Callable[[], Pacer]]:
    with TemporaryDirectory() as folder, ExitStack() as made:

        def make() -> Pacer:
            pacer: Pacer = FilePacer(folder, limits)
            made.callback(pacer.close)  # type: ignore[attr-defined] # of FilePacer
            return pacer

        yield make


class TestFilePacer(PacerSuite):
    """The pacer of the examples keeps all promises, in virtual time."""

    def play(self, main: Coroutine[Any, Any, None]) -> None:
        """Run a rule in virtual time."""
        run(main)

    def pacers(self, limits: RateLimits) -> AbstractAsyncContextManager[Callable[[], Pacer]]:
        """Make pacers on the same files."""
        return _files(limits)


class BrokenSuite(PacerSuite):
    """The suite on a broken pacer, in virtual time."""

    def __init__(self, twin: type[PacerTwin], *, shared: bool = True) -> None:
        self._twin = twin
        self._shared = shared

    def play(self, main: Coroutine[Any, Any, None]) -> None:
        """Run a rule in virtual time."""
        run(main)

    @asynccontextmanager
    async def pacers(self, limits: RateLimits) -> AsyncIterator[Callable[[], Pacer]]:
        """Make broken pacers."""
        yield makers(self._twin, limits, shared=self._shared)


@pytest.mark.parametrize("rule", PacerSuite.rules())
def test_a_broken_rule_is_named(rule: str) -> None:
    """A pacer that breaks a rule fails this rule, by name; a twin with no change keeps it."""
    with pytest.raises(BrokenRuleError) as caught:
        BrokenSuite(BROKEN[rule], shared=BROKEN[rule] is not PacerTwin).check(rule)
    assert caught.value.rule == rule
    BrokenSuite(PacerTwin).check(rule)


def test_each_broken_pacer_breaks_a_rule_of_the_suite() -> None:
    """The table of broken pacers has the rules of the suite, and no other."""
    assert sorted(BROKEN) == PacerSuite.rules()
    with pytest.raises(NotImplementedError, match="makes a pacer"):
        PacerSuite().pacers(RateLimits())


@pytest.mark.slow
def test_the_file_pacer_in_real_time() -> None:
    """In real time, one of the rules for the service's window holds on files, too."""

    class RealTime(TestFilePacer):
        def play(self, main: Coroutine[Any, Any, None]) -> None:
            PacerSuite.play(self, main)

    for rule in ("the_service_refuses_no_request", "pacers_of_an_account_share_its_limit"):
        RealTime().check(rule)


def test_a_file_of_another_limit() -> None:
    """A file that was made for another limit is refused."""
    with TemporaryDirectory() as folder:
        FilePacer(folder, RateLimits(send=RateLimit(2, 1.0))).close()
        with pytest.raises(ValueError, match="another limit"):
            FilePacer(folder, RateLimits(send=RateLimit(3, 1.0)))


def test_the_window_of_the_service() -> None:
    """The service counts up to the limit in a period, and refuses more."""

    async def main() -> None:
        service = CountingService(2, 1.0)
        assert [service.arrive() for _ in range(3)] == [True, True, False]
        assert (service.counted, service.refused) == (2, 1)

    run(main())
