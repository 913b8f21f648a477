"""What the service remembers for the tests that use it: requests and calls."""

from collections.abc import Mapping

from attrs import define, field, frozen

from emay_voice_async.model.endpoints import Endpoint, Product

__all__ = ["MadeCall", "Received"]


@frozen(eq=False)
class MadeCall:
    """One call that was accepted, charged, and made.

    ``at`` is when it was accepted, in seconds of the sandbox's clock. ``custom_id`` is None when
    the request had none; the service then hands out the message id in its place.
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
        """The path that the send came by."""
        return self.endpoint.path

    @property
    def product(self) -> Product:
        """The half of the service that the call belongs to."""
        return self.endpoint.product


@define(eq=False)
class Received:
    """One request that arrived, whatever became of it.

    ``at`` is when it arrived, in seconds of the sandbox's clock. ``code`` is the service's result
    code, None when there is none in the answer; ``status`` the HTTP status, None when no answer
    was begun. ``fault`` is the name of the fault that was due, None for none. ``acted`` says
    whether the service saw the request and acted on it, be it by refusing.
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
