"""The customers of the service."""

from collections.abc import Collection
from decimal import Decimal
from enum import Enum

from attrs import define, field

from emay_voice_async.model.endpoints import JOIN_SEND, VOICE_SEND, VOICE_SEND_CODE, VOICE_SEND_MARKETING
from emay_voice_async.sandbox.speed import DEFAULT_LIMITS, AnyLimits

__all__ = ["Account", "ServiceType"]


class ServiceType(Enum):
    """What an appId may be for; the value is the endpoint that it may send with."""

    NOTICE = VOICE_SEND
    CODE = VOICE_SEND_CODE
    MARKETING = VOICE_SEND_MARKETING
    VOICE_SMS = JOIN_SEND


@define(kw_only=True, eq=False)
class Account:
    """One customer: an appId and its secretKey, with money and rights.

    Everything but ``app_id`` and ``rate_limits`` can be changed while the service runs. ``price`` is
    charged for each number of an accepted send. ``allowed_ips`` are the client addresses that are
    let in; None lets in all of them. The real service gives an appId one service type; here it has
    all four unless told otherwise.
    """

    app_id: str
    secret_key: str = field(repr=False)
    services: Collection[ServiceType] = frozenset(ServiceType)
    balance: Decimal = Decimal(10000)
    price: Decimal = Decimal("0.1")
    rate_limits: AnyLimits = DEFAULT_LIMITS
    allowed_ips: Collection[str] | None = None
