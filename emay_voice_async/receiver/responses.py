"""The HTTP responses to pushes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

__all__ = [
    "BUSY",
    "FAILED",
    "FORBIDDEN",
    "NOT_POST",
    "SUCCESS",
    "TOO_LARGE",
    "TOO_SLOW",
    "UNREADABLE",
    "PushResponse",
    "RefusalError",
]

_PLAIN_TEXT: Final = {"content-type": "text/plain; charset=utf-8"}


@frozen
class PushResponse:
    """The response to a push, for any framework.

    ``status`` is the HTTP status, ``body`` the whole body. ``headers`` has neither ``content-length`` nor
    ``connection``: most frameworks set them. ``close``: the rest of the request body was not read, so that the
    connection should be closed after the response.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default=MappingProxyType(_PLAIN_TEXT))
    close: bool = False

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


SUCCESS: Final = PushResponse(200, b"success")
UNREADABLE: Final = PushResponse(400, b"the push cannot be read")
FORBIDDEN: Final = PushResponse(403, b"forbidden")
NOT_POST: Final = PushResponse(
    405, b"only POST is allowed", MappingProxyType({**_PLAIN_TEXT, "allow": "POST"})
)
TOO_SLOW: Final = PushResponse(408, b"the body came too slowly", close=True)
TOO_LARGE: Final = PushResponse(413, b"the push is too large", close=True)
BUSY: Final = PushResponse(
    503, b"too many pushes at once", MappingProxyType({**_PLAIN_TEXT, "retry-after": "1"}), close=True
)
FAILED: Final = PushResponse(500, b"the push could not be handled")


class RefusalError(Exception):
    """Ends the handling of a push with this response."""

    def __init__(self, response: PushResponse) -> None:
        super().__init__(response)
        self.response = response
