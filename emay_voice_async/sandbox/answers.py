"""An answer as HTTP, before it is sent."""

import json
from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from emay_voice_async.sandbox.replies import Reply

__all__ = ["HTML_TYPE", "JSON_TYPE", "TEXT_TYPE", "Answer", "Ending", "encode", "page"]

JSON_TYPE: Final = "application/json;charset=utf-8"
HTML_TYPE: Final = "text/html;charset=utf-8"
TEXT_TYPE: Final = "text/plain;charset=utf-8"


class Ending(Enum):
    """What becomes of an answer on the connection."""

    WHOLE = "whole"
    CUT = "cut"
    """Half of the body is sent, then the connection is closed."""
    RESET = "reset"
    """Nothing is sent; the connection is reset."""


@frozen
class Answer:
    """Status, body and headers; ``code`` is the result code that a client can read in the body."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = JSON_TYPE
    code: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    ending: Ending = Ending.WHOLE


def encode(reply: Reply) -> Answer:
    """Write the service's reply as the service does: always with status 200."""
    body = json.dumps(reply.document, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(HTTPStatus.OK, body, code=reply.code)


def page(status: int, headers: Mapping[str, str] = MappingProxyType({})) -> Answer:
    """Write a status as a small page, the way of proxies and containers."""
    title = f"{status} {HTTPStatus(status).phrase}"
    html = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Answer(status, html.encode(), HTML_TYPE, headers=headers)
