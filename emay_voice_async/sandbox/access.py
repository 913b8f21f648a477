"""Which HTTP requests reach the service: the Host and Origin headers, and the size of the body."""

from collections.abc import Collection, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

__all__ = ["MAX_BODY", "is_allowed", "read_body"]

MAX_BODY: Final = 1_048_576
"""Bytes of a request's body; a send to 500 numbers has less than 400,000."""


def is_allowed(headers: Mapping[str, str], allowed_hosts: Collection[str]) -> bool:
    """Tell whether a request is for one of the hosts, and from no foreign web page.

    An IP address is always allowed as the host: a web page can make a browser send foreign names only
    (DNS rebinding). A page of another origin is told by the Origin header.
    """
    host = headers.get("host", "").lower()
    name = _hostname(f"//{host}")
    if name is None or not (name in allowed_hosts or _is_address(name)):
        return False
    origin = headers.get("origin")
    return origin is None or origin.lower().partition("://")[2] == host


async def read_body(http: Request) -> bytes | HTTPStatus:
    """Read the body of a request, or return 413 once it is longer than :data:`MAX_BODY`.

    Raises ``starlette.requests.ClientDisconnect``.
    """
    length = http.headers.get("content-length", "")
    if length.isascii() and length.isdecimal() and len(length) < 20 and int(length) > MAX_BODY:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    body = bytearray()
    async for chunk in http.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return bytes(body)


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
