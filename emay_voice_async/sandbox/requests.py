"""What arrives: the form of one request, read without the client's help."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from attrs import field, frozen

from emay_voice_async.model.endpoints import JOIN_SEND, Endpoint

__all__ = ["Request", "read_fields"]


@frozen
class Request:
    """One request to an endpoint: its form fields, and the address of the client."""

    endpoint: Endpoint
    fields: Mapping[str, str] = field(repr=False)
    client: str

    def text(self, name: str) -> str:
        """Return a field, "" when it is not there."""
        return self.fields.get(name, "")

    @property
    def app_id(self) -> str:
        """The account that the request claims to be from."""
        return self.text("appId")

    @property
    def mobiles(self) -> list[str]:
        """The numbers in their order, good or bad."""
        return _split(self.text(self.endpoint.mobiles))

    @property
    def custom_ids(self) -> list[str]:
        """The custom ids in their order; empty when there are none."""
        return _split(self.text(self.endpoint.custom_ids))

    @property
    def content(self) -> str:
        """What is said first."""
        return self.text("voiceContent" if self.endpoint == JOIN_SEND else "content")

    @property
    def further_contents(self) -> str:
        """What is said after that: the interactive and the message-taking content."""
        return self.text("interactiveContent") + self.text("acousticSignContent")


def read_fields(body: bytes) -> dict[str, str]:
    """Read an ``application/x-www-form-urlencoded`` body; of repeated fields, the first one counts.

    Bytes that are not UTF-8 become lone surrogates, which no valid text has.
    """
    pairs = parse_qsl(
        body.decode("utf-8", "surrogateescape"), keep_blank_values=True, errors="surrogateescape"
    )
    return dict(reversed(pairs))


def _split(text: str) -> list[str]:
    return text.split(",") if text else []
