"""The arguments of a client: their types, their checks, and the environment that fills them."""

import os
from collections.abc import Callable, Collection
from typing import Any, Final, TypedDict

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.events.handlers import OnEvent
from emay_voice_async.exchange.transport import HttpClient
from emay_voice_async.model.checks import check_object, check_text
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.limits import RateLimits
from emay_voice_async.model.recipients import Recipient, check_recipient
from emay_voice_async.pacing.protocol import Pacer

__all__ = [
    "ClientOptions",
    "allowed_numbers",
    "check_credential",
    "check_pacing",
    "checked_product",
    "with_environment",
]

_ENVIRONMENT: Final = {
    "base_url": "EMAY_VOICE_BASE_URL",
    "app_id": "EMAY_VOICE_APP_ID",
    "secret_key": "EMAY_VOICE_SECRET_KEY",
}


class ClientOptions(TypedDict, total=False):
    """The arguments of ``AsyncEmayVoice``, for functions that pass them on."""

    base_url: str
    app_id: str
    secret_key: str
    http_client: HttpClient | None
    rate_limits: RateLimits
    pacer: Pacer | None
    timeout: float
    max_concurrency: int
    max_response_size: int
    cold_start: bool
    allow_only: Collection[str] | None
    max_undelivered: int
    clock: Callable[[], float]
    on_event: OnEvent | None


def with_environment(options: ClientOptions) -> dict[str, Any]:
    """Fill missing options from the environment; a missing or empty variable raises with the name."""
    filled: dict[str, Any] = {**options}
    for name, variable in _ENVIRONMENT.items():
        if name not in filled:
            filled[name] = os.environ.get(variable, "")
            if not filled[name]:
                raise InvalidRequestError(variable, "must be set in the environment")
    return filled


def check_credential(name: str, value: object) -> None:
    """Check for a text without white space around it."""
    check_text(name, value)
    if value != str(value).strip():
        raise InvalidRequestError(name, "must not begin or end with white space")


def check_pacing(rate_limits: object, pacer: object) -> None:
    """Check for the classes of both arguments, or None as the pacer."""
    if not isinstance(rate_limits, RateLimits):
        rule = "must be RateLimits, such as RateLimits(send=RateLimit(10, 1.0))"
        raise InvalidRequestError("rate_limits", rule, None, type(rate_limits).__name__)
    if pacer is not None:
        check_object("pacer", pacer, ("acquire", "limit"), "a Pacer such as RedisPacer(...)")


def checked_product(product: Product) -> Product:
    """Return the argument if it is a product."""
    if not isinstance(product, Product):
        raise InvalidRequestError(
            "product", "must be Product.VOICE or Product.JOIN", None, type(product).__name__
        )
    return product


def allowed_numbers(allow_only: Collection[str] | None) -> frozenset[str] | None:
    """Return the only numbers that may be called; None: all numbers may be called."""
    if allow_only is None:
        return None
    if isinstance(allow_only, str | bytes) or not isinstance(allow_only, Collection):
        raise InvalidRequestError(
            "allow_only", "must be a collection of numbers", None, type(allow_only).__name__
        )
    for position, mobile in enumerate(allow_only):
        check_recipient(Recipient(mobile), position)
    return frozenset(allow_only)
