"""Rate limits of an account."""

from typing import Final

from attrs import frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.checks import check_count, check_seconds
from emay_voice_async.model.endpoints import Call

__all__ = ["RateLimit", "RateLimits"]

_LONGEST_PERIOD: Final = 86_400


@frozen
class RateLimit:
    """At most ``requests`` requests in any ``period`` seconds."""

    requests: int
    period: float

    def __attrs_post_init__(self) -> None:
        check_count("rate limit requests", self.requests)
        check_seconds("rate limit period", self.period, _LONGEST_PERIOD)


@frozen
class RateLimits:
    """The limits of one account, by kind of call: ``send``, ``reports`` and ``balance``; None is unlimited.

    The API document names no figures. The defaults are the limits of the vendor's related products.
    Sends may be allowed more: ask the vendor.
    """

    send: RateLimit | None = RateLimit(10, 1.0)
    reports: RateLimit | None = RateLimit(10, 1.0)
    balance: RateLimit | None = RateLimit(10, 1.0)

    def __attrs_post_init__(self) -> None:
        for name, limit in (("send", self.send), ("reports", self.reports), ("balance", self.balance)):
            if not isinstance(limit, RateLimit | None):
                rule = "must be a RateLimit such as RateLimit(10, 1.0), or None for no limit"
                raise InvalidRequestError(f"rate limit {name}", rule, None, type(limit).__name__)

    def of(self, call: Call) -> RateLimit | None:
        """Return the limit of a kind of request."""
        return {Call.SEND: self.send, Call.REPORTS: self.reports, Call.BALANCE: self.balance}[call]
