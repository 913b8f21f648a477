"""Requests as the service reads them, without code of the client."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from attrs import field, frozen

from emay_voice_async.model.endpoints import JOIN_SEND, Endpoint

__all__ = ["FormRequest", "read_fields"]

_MAX_FIELDS: Final = 1000
_TEXTS: Final = {"interactive": "interactiveContent", "voicemail": "acousticSignContent", "sms": "smsContent"}


@frozen
class FormRequest:
    """A request to an endpoint: the form fields, and the address of the client."""

    endpoint: Endpoint
    fields: Mapping[str, str] = field(repr=False)
    client: str

    def text(self, name: str) -> str:
        """Return a field, "" when missing."""
        return self.fields.get(name, "")

    @property
    def app_id(self) -> str:
        """The appId in the request, not yet checked."""
        return self.text("appId")

    @property
    def mobiles(self) -> list[str]:
        """The numbers in order, good or bad."""
        return _split(self.text(self.endpoint.mobiles))

    @property
    def custom_ids(self) -> list[str]:
        """The custom ids in order; empty without custom ids."""
        return _split(self.text(self.endpoint.custom_ids))

    @property
    def content(self) -> str:
        """The main content."""
        return self.text("voiceContent" if self.endpoint == JOIN_SEND else "content")

    @property
    def further_contents(self) -> str:
        """The other contents: the interactive and the voicemail content."""
        return self.text("interactiveContent") + self.text("acousticSignContent")

    @property
    def texts(self) -> dict[str, str]:
        """The texts beside the main content, without those that are empty."""
        return {name: self.text(wire) for name, wire in _TEXTS.items() if self.text(wire)}


def read_fields(body: bytes) -> dict[str, str]:
    """Read an ``application/x-www-form-urlencoded`` body; of repeated fields, the first counts.

    Bytes that are not UTF-8 become lone surrogates, which no valid text has. A body with more fields
    than any request has is no form: no field is read.
    """
    if body.count(b"&") >= _MAX_FIELDS:
        return {}
    pairs = parse_qsl(
        body.decode("utf-8", "surrogateescape"), keep_blank_values=True, errors="surrogateescape"
    )
    return dict(reversed(pairs))


def _split(text: str) -> list[str]:
    return text.split(",") if text else []
