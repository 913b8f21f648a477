"""The ledger of a process: which changes are sent, when, and again after a loss."""

import math

from emay_voice_async.model.limits import RateLimit
from emay_voice_async.redis.ledger import Ledger
from emay_voice_async.redis.protocol import SyncRequest, SyncResponse, terms

TERMS = terms(RateLimit(4, 1.0), longest=20.0, grace=0.5)
HOLD = TERMS.hold / 1e6


def ledger() -> Ledger:
    """Make an empty ledger."""
    return Ledger("p", TERMS)


def response(
    request: SyncRequest, granted: int = 0, epoch: str = "e", wait: float | None = None
) -> SyncResponse:
    """Answer a request."""
    return SyncResponse(request.sequence, epoch, granted, wait, 4, 4, 1.0, 0)


def synced(own: Ledger, now: float, wanted: int = 0, granted: int = 0) -> list[int]:
    """Sync with success; return the granted leases."""
    request = own.next_request(now, wanted)
    return own.answered(request, response(request, granted), now)


def test_an_idle_process_has_no_request_due() -> None:
    """Without leases and waiters no request is due; with a waiter a request is due at once."""
    own = ledger()
    assert own.due(5.0, 0) == math.inf
    assert own.due(5.0, 1) == 5.0


def test_no_more_slots_are_asked_for_than_the_limit_has() -> None:
    """Lost requests return the slots by number, so that a request asks for a limit's worth at most."""
    request = ledger().next_request(5.0, 1000)
    assert (request.wanted, request.first) == (4, 1)


def test_ended_leases_wait_for_others_and_are_sent_together() -> None:
    """The end of a lease is due a little later; the request has the time since the end."""
    own = ledger()
    numbers = synced(own, 5.0, 2, 2)
    assert numbers == [1, 2]
    own.end(1, 5.1, 5.1)
    assert 5.1 < own.due(5.1, 0) <= 5.15
    assert own.due(5.1, 0, closing=True) == 5.1
    own.end(2, 5.11, 5.11)
    request = own.next_request(5.6, 0)
    assert request.ended == ((1, -500_000), (2, -490_000))


def test_a_returned_slot_is_sent_at_once() -> None:
    """Other processes may wait for a slot that was not used."""
    own = ledger()
    synced(own, 5.0, 1, 1)
    own.give_back(1, 5.1)
    assert own.due(5.1, 0) == 5.1
    assert own.next_request(5.1, 0).returned == (1,)


def test_a_lost_request_is_sent_again_and_its_slots_are_returned() -> None:
    """After a loss, the next request repeats all changes and returns the slots that were asked for."""
    own = ledger()
    synced(own, 5.0, 1, 1)
    own.end(1, 5.5, 5.5, over_speed=True)
    lost = own.next_request(6.0, 2)
    own.lost(lost, 7.0)
    again = own.next_request(7.5, 0)
    assert (again.returned, again.over_speed, again.sequence) == ((2, 3), True, lost.sequence + 1)
    assert [number for number, _ in again.ended] == [1]


def test_a_new_state_is_told_of_every_lease_before_slots_are_granted() -> None:
    """A response with another epoch grants no slot; the next request registers all leases."""
    own = ledger()
    synced(own, 5.0, 2, 2)
    request = own.next_request(6.0, 1)
    assert own.answered(request, response(request, 0, "another"), 6.0) == []
    assert own.due(6.0, 1) == 6.0
    again = own.next_request(6.0, 1)
    assert again.epoch == "another"
    assert [number for number, _ in again.registered] == [1, 2]


def test_open_leases_are_renewed_before_the_server_ends_them() -> None:
    """A lease that is open for half of ``longest`` is registered for another ``longest``."""
    own = ledger()
    synced(own, 5.0, 1, 1)
    assert own.next_request(14.0, 0).registered == ()
    assert own.next_request(5.0 + TERMS.longest / 2e6, 0).registered == ((1, TERMS.longest),)


def test_a_process_with_a_request_in_flight_syncs_more_than_once_per_hold() -> None:
    """A server that lost its state is told of the request before a hold is over."""
    own = ledger()
    synced(own, 5.0, 1, 1)
    assert own.unconfirmed
    assert own.due(5.0, 0) == 5.0 + own.pause
    assert own.pause <= HOLD / 2
    own.end(1, 5.2, 5.2)
    synced(own, 5.3)
    assert not own.unconfirmed
    assert own.due(5.3, 0) == math.inf


def test_discarded_changes_are_not_sent() -> None:
    """After a permanent error at the end, no request is due."""
    own = ledger()
    synced(own, 5.0, 2, 2)
    own.end(1, 5.1, 5.1, over_speed=True)
    own.give_back(2, 5.1)
    own.discard_changes()
    assert own.due(6.0, 0, closing=True) == math.inf
