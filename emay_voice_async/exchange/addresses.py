"""The address of the service, and the proxy settings on the way, as pure functions."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.endpoints import ENDPOINTS

__all__ = ["PROXY_VARIABLES", "checked_base_url", "is_loopback", "proxy_variable", "shown_address"]

PROXY_VARIABLES: Final = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""The environment variables with proxies; lower case takes precedence."""

_RULE: Final = "must be http:// or https:// with a host, an optional port and an optional path"


def checked_base_url(base_url: str) -> str:
    """Return ``base_url`` with a lower-case scheme and without trailing slashes, or raise :class:`InvalidRequestError`.

    A URL that ends in the path of an endpoint is refused: the API document prints complete URLs.
    """
    if not isinstance(base_url, str):
        raise InvalidRequestError("base_url", "must be a str", None, type(base_url).__name__)
    if problem := _problem(base_url):
        raise InvalidRequestError("base_url", _RULE, None, problem)
    scheme, colon, rest = base_url.rstrip("/").partition(":")
    stripped = f"{scheme.lower()}{colon}{rest}"
    for path in (endpoint.path for endpoint in ENDPOINTS):
        if stripped.lower().endswith(path.lower()):
            right = stripped[: -len(path)].rstrip("/")
            rule = f"must end before the path of the endpoint: {right}"
            raise InvalidRequestError("base_url", rule, None, f"the path {path} at the end")
    return stripped


def _problem(base_url: str) -> str | None:
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        return "something unreadable"
    if any(char.isspace() or not char.isprintable() for char in base_url):
        return "white space"
    if parts.scheme not in ("http", "https"):
        return "another scheme" if parts.scheme else "no scheme"
    if not parts.hostname or port == 0:
        return "no host"
    if "?" in base_url or "#" in base_url or "@" in parts.netloc:
        return "a user, a query or a fragment"
    return None


def is_loopback(base_url: str) -> bool:
    """Tell whether a base URL names this host: localhost, 127.0.0.0/8, ::1, or an unspecified address."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified


def shown_address(host: str, port: int) -> str:
    """Return host and port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def proxy_variable(environ: Mapping[str, str], host: str, port: int) -> str | None:
    """Return the name of the environment variable with the proxy at this host and port; None if unset."""
    for name in PROXY_VARIABLES:
        value = environ.get(name, "")
        try:
            parts = urlsplit(value if "://" in value else f"http://{value}")
            found = parts.hostname, parts.port or _default_port(parts)
        except ValueError:
            continue
        if found == (host.lower(), port):
            return name
    return None


def _default_port(parts: SplitResult) -> int:
    return {"http": 80, "https": 443}.get(parts.scheme, 1080)
