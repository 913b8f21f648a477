"""Addresses to listen on: IPv4, IPv6 and host names."""

import socket

from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.cli.terminal.library_sentences import sentence

__all__ = ["address", "listening_error", "listening_socket", "plain_host"]

_BACKLOG = 2048


def plain_host(host: str) -> str:
    """Return a host without the brackets of an IPv6 address in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def address(host: str, port: int) -> str:
    """Format host and port as in a URL."""
    host = plain_host(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listening_error(host: str, port: int, error: Exception) -> CommandError:
    """Make the error of an address that cannot be listened on, with the reason."""
    reason = getattr(error, "strerror", None) or str(error)
    return CommandError(
        gettext("cannot listen on {address}: {reason}", address=address(host, port), reason=sentence(reason))
    )


def listening_socket(host: str, port: int) -> socket.socket:
    """Open a socket on an address; raise :class:`CommandError` with the address and the reason."""
    try:
        [(family, _, _, _, place), *_] = socket.getaddrinfo(
            plain_host(host), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return socket.create_server((str(place[0]), port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        raise listening_error(host, port, error) from None
