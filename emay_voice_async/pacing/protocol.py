"""The protocol of pacers: a lease for each request."""

from typing import Protocol

from emay_voice_async.model.endpoints import Call
from emay_voice_async.model.limits import RateLimit

__all__ = ["Lease", "Pacer"]


class Lease(Protocol):
    """The right to have one request under way. Exactly one of its methods is called, once."""

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """Say that the request was counted by now at the latest, or ``after`` seconds from now.

        ``over_speed``: the service answered that it came too fast, so others use the account too.
        """
        ...

    def give_back(self) -> None:
        """Say that nothing of the request was written, so that its slot is free at once."""
        ...


class Pacer(Protocol):
    """Whatever holds requests back: in one process, or shared by several."""

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Wait for a slot in order of arrival; ``again`` puts a refused request at the front."""
        ...

    def limit(self, call: Call) -> RateLimit | None:
        """Return the limit in force at this moment, which may be lower than the one agreed."""
        ...
