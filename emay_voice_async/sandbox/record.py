"""The records for tests: requests that arrived, and calls that were made."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import define, field, frozen

from emay_voice_async.model.endpoints import Endpoint, Product
from emay_voice_async.sandbox.outcomes import Outcome

__all__ = ["CallResult", "MadeCall", "Received", "keep_last"]

_NO_TEXTS: Final[Mapping[str, str]] = MappingProxyType({})


@define(eq=False)
class CallResult:
    """What comes of a call, and its report.

    - ``outcome``: None when no report ever comes.
    - ``ready_at``: when the report is ready, in seconds of the sandbox's clock; None when no report ever comes.
    - ``taken``: the report was handed out, by getReport or by a push that was confirmed.
    """

    outcome: Outcome | None = None
    ready_at: float | None = None
    taken: bool = False


@frozen(eq=False)
class MadeCall:
    """A call that was accepted, charged, and made.

    ``app_id``, ``endpoint``, ``mobile`` and ``content`` are those of the send, ``message_id`` is the id of the call,
    ``result`` the end of the call. ``at``: the time of acceptance, in seconds of the sandbox's clock. ``custom_id``:
    None when the request had no custom id; the service then uses the message id. ``texts``: the other texts of the
    send, by "interactive", "voicemail" and "sms".
    """

    at: float
    app_id: str
    endpoint: Endpoint
    mobile: str
    message_id: str
    custom_id: str | None
    content: str
    texts: Mapping[str, str] = _NO_TEXTS
    result: CallResult = field(factory=CallResult, repr=False)

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
    - ``method``, ``path``: of the request; ``client``: the address of the sender; ``fields``: the fields of the form.
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
