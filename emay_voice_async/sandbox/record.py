"""The records for tests: requests that arrived, and calls that were made."""

from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen

from emay_voice_async.model.endpoints import Endpoint, Product

__all__ = ["MadeCall", "Received", "keep_last"]


@frozen(eq=False)
class MadeCall:
    """A call that was accepted, charged, and made.

    ``at``: the time of acceptance, in seconds of the sandbox's clock. ``custom_id``: None when the
    request had no custom id; the service then uses the message id.
    """

    at: float
    app_id: str
    endpoint: Endpoint
    mobile: str
    message_id: str
    custom_id: str | None
    content: str

    @property
    def path(self) -> str:
        """The path of the send."""
        return self.endpoint.path

    @property
    def product(self) -> Product:
        """The product of the call."""
        return self.endpoint.product


@define(eq=False)
class Received:
    """A request that arrived.

    - ``at``: the time of arrival, in seconds of the sandbox's clock.
    - ``fault``: the name of the fault, None without a fault.
    - ``acted``: the service acted on the request, by accepting or refusing.
    - ``code``: the result code in the response, None without a code.
    - ``status``: the HTTP status, None when no response was begun.
    """

    at: float
    method: str
    path: str
    client: str
    fields: Mapping[str, str] = field(repr=False)
    fault: str | None = None
    acted: bool = False
    code: str | None = None
    status: int | None = None


def keep_last(records: list[Any], keep: int | None) -> None:
    """Drop the oldest records beyond ``keep``; None keeps all."""
    if keep is not None and len(records) > keep:
        del records[: len(records) - keep]
