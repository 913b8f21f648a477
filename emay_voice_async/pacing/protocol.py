"""The protocols of pacers and leases, for those who implement a pacer.

The client calls a pacer in this order, for each request and each retry::

    lease = await pacer.acquire(call, again=is_retry)      # before the request is signed
    ...                                                    # the request is sent and answered
    lease.end(after=0.0, over_speed=False)                 # or lease.give_back(); never both

All methods are called in the event loop and thread of the client, from any of its tasks, and by many
tasks at the same time; ``acquire`` runs in a task of the client's own. A pacer may be given to many
clients, of one event loop unless the pacer says otherwise. The client never closes a pacer: the
application does, after its clients. :class:`emay_voice_async.testing.PacerSuite` has each promise of
this module as a rule.
"""

from typing import Protocol

from emay_voice_async.model.endpoints import Call
from emay_voice_async.model.limits import RateLimit

__all__ = ["Lease", "Pacer"]


class Lease(Protocol):
    """The right to have a request in flight.

    The client calls either ``end`` or ``give_back``, a single time, in the event loop, maybe long after
    the caller of the send was cancelled: a request in flight keeps the lease. When a process dies,
    neither method is called. Both must return at once and must not raise: the client has the response
    by then, and an exception would hide the response.
    """

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """Free the slot when the service must have dropped the request from its window.

        The service counted the request at the latest ``after`` seconds from now: 0 once a response
        came, the client's timeout when none came, because the request may still be on its way. The
        slot is free a period and :func:`~emay_voice_async.pacing.window.tolerance` after that
        instant, no sooner. ``over_speed``: the response was ERROR_OVER_SPEED, so other programs use
        the account as well; slow down for a while.
        """
        ...

    def give_back(self) -> None:
        """Free the slot at once: no byte of the request was written."""
        ...


class Pacer(Protocol):
    """Holds requests back, so that the service never answers ERROR_OVER_SPEED."""

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Wait for a slot of this kind of call, in order of arrival, and return the lease.

        Each kind of call has slots of its own. ``again``: the request is sent again, after
        ERROR_OVER_SPEED or another failure with a certain outcome, and goes in front of all other waiters.

        Called once per attempt, before the request is signed; nothing was sent yet. The deadline of
        a request and the closing of the client cancel the call. A cancelled call must leave no slot
        taken: if the slot was granted in the same turn of the loop, give it back, then let
        ``CancelledError`` pass. Any other exception becomes
        :class:`~emay_voice_async.errors.NotSentError` with the exception as the cause; raise only
        for a failure that waiting will not cure, such as a wrong password.
        """
        ...

    def limit(self, call: Call) -> RateLimit | None:
        """Return the limit in force at this moment; None: requests of this kind are unlimited.

        The value may be lower than the limit agreed with the vendor, and has at least 1 request. Called for
        plans, statistics and the decision whether a retry needs a pause in addition to the pacer's wait; also
        before the first ``acquire``. Must neither wait nor raise: an exception would fail the plan or the call
        with its own class.
        """
        ...
