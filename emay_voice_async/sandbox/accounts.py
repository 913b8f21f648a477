"""The accounts of the service."""

from collections.abc import Collection
from decimal import Decimal
from enum import Enum

from attrs import define, field

from emay_voice_async.model.endpoints import JOIN_SEND, VOICE_SEND, VOICE_SEND_CODE, VOICE_SEND_MARKETING
from emay_voice_async.sandbox.speed import DEFAULT_LIMITS, AnyLimits

__all__ = ["Account", "ServiceType"]


class ServiceType(Enum):
    """The service types of an appId; the value is the endpoint for sends of that type."""

    NOTICE = VOICE_SEND
    CODE = VOICE_SEND_CODE
    MARKETING = VOICE_SEND_MARKETING
    VOICE_SMS = JOIN_SEND


@define(kw_only=True, eq=False)
class Account:
    """An account: ``app_id`` and ``secret_key``, the ``balance``, and the kinds of calls in ``services``.

    All fields except ``app_id`` and ``rate_limits`` can be changed while the service runs. ``price`` is
    charged for each number of an accepted send. ``allowed_ips`` are the accepted client addresses;
    None accepts all. At the real service an appId has a single service type; here all four by default.
    """

    app_id: str
    secret_key: str = field(repr=False)
    services: Collection[ServiceType] = frozenset(ServiceType)
    balance: Decimal = Decimal(10000)
    price: Decimal = Decimal("0.1")
    rate_limits: AnyLimits = DEFAULT_LIMITS
    allowed_ips: Collection[str] | None = None
