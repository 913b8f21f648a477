"""The rule for plain pushes: they are not authenticated, so they are accepted by source network or secret path only."""

import hmac
from codecs import BOM_UTF8
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Protocol

from attrs import field, frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.checks import check_flag, check_text
from emay_voice_async.model.hidden import hides_arguments

__all__ = ["TOKEN_HEADER", "PlainRule", "looks_plain", "plain_rule"]

TOKEN_HEADER: Final = "x-emay-plain-token"  # noqa: S105 - a name, not a token
"""The header that may hold the token instead of the path: paths stand in access logs."""


class Request(Protocol):
    """The parts of a request that the rule looks at."""

    @property
    def path(self) -> str: ...

    @property
    def client(self) -> str: ...

    def values(self, name: str) -> list[str]: ...


@frozen
class PlainRule:
    """Source networks and secret path of plain pushes; None: that condition does not apply."""

    networks: tuple[IPv4Network | IPv6Network, ...] | None
    token: str | None = field(repr=False)

    def allows(self, request: Request) -> bool:
        """Tell whether client address, path and headers of a plain push satisfy the rule."""
        return self._from_network(request.client) and self._has_token(request)

    def _from_network(self, client: str) -> bool:
        if self.networks is None:
            return True
        try:
            address = ip_address(client)
        except ValueError:
            return False  # A Unix socket has no address, and a test client has any name.
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)

    def _has_token(self, request: Request) -> bool:
        """Tell whether the token is in the one header for it, or at the end of the path."""
        if self.token is None:
            return True
        given = request.values(TOKEN_HEADER) or [request.path.rpartition("/")[2]]
        equal = [
            hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self.token.encode())
            for token in given
        ]
        return equal == [True]


def looks_plain(body: bytes) -> bool:
    """Tell whether a body may be JSON or a form of reports."""
    return body.removeprefix(BOM_UTF8).lstrip()[:1] in (b"{", b"[") or b"reports=" in body


@hides_arguments
def plain_rule(allow: bool, networks: Iterable[str] | None, token: str | None) -> PlainRule | None:
    """Make the rule from the receiver's arguments; None: no plain push is accepted.

    Raises :class:`InvalidRequestError` if plain pushes are allowed without any condition.
    """
    check_flag("allow_plain", allow)
    given = {"plain_networks": networks, "plain_token": token}
    named = [name for name, value in given.items() if value is not None]
    if not allow:
        if named:
            raise InvalidRequestError(named[0], "has no meaning without allow_plain=True")
        return None
    if not named:
        fix = "needs plain_networks=[...] or plain_token=..., because plain pushes are not authenticated"
        raise InvalidRequestError("allow_plain", fix)
    if token is not None:
        check_text("plain_token", token)
        if "/" in token:
            raise InvalidRequestError("plain_token", "must not contain a slash")
    return PlainRule(None if networks is None else _networks(networks), token)


def _networks(networks: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    found: tuple[IPv4Network | IPv6Network, ...] = ()
    with suppress(TypeError, ValueError):
        found = () if isinstance(networks, str) else tuple(ip_network(str(network)) for network in networks)
    if not found:
        raise InvalidRequestError("plain_networks", 'must be networks, such as ["203.0.113.0/24"]')
    return found
