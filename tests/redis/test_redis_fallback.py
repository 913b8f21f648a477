"""The fallback limit: when it applies, and how many slots it has."""

import math

import pytest

from emay_voice_async.model.limits import RateLimit
from emay_voice_async.pacing.window import tolerance
from emay_voice_async.redis.fallback import MOMENT, Fallback
from emay_voice_async.redis.ledger import Ledger
from emay_voice_async.redis.protocol import terms

LIMIT = RateLimit(4, 1.0)
HOLD = 1.0 + tolerance(1.0)


def ledger() -> Ledger:
    """Make an empty ledger."""
    return Ledger("p", terms(LIMIT, longest=20.0, grace=0.5))


def test_it_applies_a_moment_and_a_hold_after_the_first_failure() -> None:
    """Later failures do not move the beginning; a response of Redis ends the fallback."""
    fallback = Fallback(LIMIT)
    assert fallback.next_change(100.0, ledger()) == math.inf
    fallback.start(100.0)
    fallback.start(101.0)
    begin = 100.0 + MOMENT + HOLD
    assert fallback.next_change(101.0, ledger()) == begin
    assert fallback.free(math.nextafter(begin, 0.0), ledger()) == 0
    assert fallback.free(begin, ledger()) == 4
    fallback.stop()
    assert not fallback.applies(begin + 1000)


def test_leases_count_until_their_slots_are_free() -> None:
    """Open leases and leases that ended less than a hold ago take slots."""
    fallback, own = Fallback(LIMIT), ledger()
    fallback.start(0.0)
    open_, ended = own.grant(9.0), own.grant(9.0)
    own.end(ended, 9.5, 9.5)
    assert fallback.free(10.0, own) == 2
    assert fallback.next_change(10.0, own) == 9.5 + HOLD
    assert fallback.free(9.5 + HOLD, own) == 3
    own.give_back(open_, 11.0)
    assert fallback.free(9.5 + HOLD, own) == 4


@pytest.mark.parametrize(("started", "slots"), [(True, 2), (False, 4)])
def test_a_refusal_halves_it_only_while_it_applies(started: bool, slots: int) -> None:
    """A refusal under the shared limit does not lower the fallback limit."""
    fallback = Fallback(LIMIT)
    if started:
        fallback.start(0.0)
    fallback.lower(10.0)
    fallback.start(0.0)
    assert fallback.free(10.0, ledger()) == slots


def test_without_a_limit_it_never_applies() -> None:
    """None grants no slot, however long Redis is unreachable."""
    fallback = Fallback(None)
    fallback.start(0.0)
    fallback.lower(10.0)
    assert fallback.free(1e6, ledger()) == 0
    assert fallback.next_change(1e6, ledger()) == math.inf
