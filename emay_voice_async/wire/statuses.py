"""HTTP statuses other than 200, as data: the certainty of the request, and advice for the user.

RFC 9110 says of some statuses that the server did not act on the request. The others leave the outcome
unknown: a 502 comes from a gateway, behind which the service may have received the request.
"""

from typing import Final
from urllib.parse import urlsplit

__all__ = ["GATEWAY", "NOT_ACTED_ON", "PASSING", "advice_for"]

_ADDRESS: Final = "check host, port and path of base_url"

NOT_ACTED_ON: Final = {
    **dict.fromkeys(range(300, 400), f"the server redirects to another address; {_ADDRESS}"),
    401: f"the server asks for credentials; {_ADDRESS}",
    403: "the server forbids the request; check base_url, and the addresses allowed for this account",
    404: f"the server does not know this path; {_ADDRESS}",
    405: f"the server does not accept POST at this path; {_ADDRESS}",
    407: "the proxy asks for credentials; check user and password in the proxy setting",
    411: "the server or a proxy asks for a Content-Length; check the http_client",
    413: "the request is too large for the server or a proxy; send fewer numbers or shorter contents",
    414: f"the address is too long for the server; {_ADDRESS}",
    415: f"the server does not accept forms at this path; {_ADDRESS}",
    421: f"the server is not responsible for this host; {_ADDRESS}",
    426: "the server asks for another protocol; check http or https in base_url",
    429: "the server or a proxy limits the rate of requests; send more slowly",
}
"""Statuses of requests that were not acted on, with advice."""

PASSING: Final = frozenset({429})
"""Statuses of NOT_ACTED_ON that may change without a change of settings."""

GATEWAY: Final = frozenset({502, 503, 504})
"""Statuses of a gateway: the service may receive the request later."""

_LONGEST: Final = 200


def advice_for(status: int, location: str | None = None) -> str:
    """Return the advice for a status of NOT_ACTED_ON; ``location`` is the header of a redirect."""
    advice = NOT_ACTED_ON[status]
    target = _target(location or "")
    return advice.replace("another address", target) if target else advice


def _target(location: str) -> str:
    """Return scheme, host, port and path of an absolute URL; "" for other texts and strange characters."""
    try:
        parts = urlsplit(location)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    shown = f"[{host}]" if ":" in host else host
    target = f"{parts.scheme}://{shown}{'' if port is None else f':{port}'}{parts.path}"
    return target if target.isascii() and target.isprintable() and len(target) <= _LONGEST else ""
