"""Exceptions of an HTTP library to the package's errors, each with a sentence: cause, address, setting.

The exceptions are listed by class name, because httpx and httpx2 have the same names.
"""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from emay_voice_async.errors import EmayVoiceError, NotSentError, OutcomeUnknownError
from emay_voice_async.exchange.addresses import proxy_variable, shown_address
from emay_voice_async.wire.statuses import NOT_ACTED_ON, PASSING, advice_for

__all__ = ["ERRORS", "LIBRARIES", "Meaning", "Place", "failure", "not_sent"]

LIBRARIES: Final = ("httpx", "httpx2")
"""The HTTP libraries with these exceptions."""
CERTIFICATE_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


class Meaning(NamedTuple):
    """The error for an exception of the HTTP library, and its sentence; ``{where}`` is the address."""

    kind: type[NotSentError | OutcomeUnknownError]
    text: str
    permanent: bool = False


ERRORS: Final[Mapping[str, Meaning]] = {
    # No connection was made, or no connection was free: no byte was written.
    "ConnectError": Meaning(NotSentError, "no connection to {where}"),
    "ConnectTimeout": Meaning(NotSentError, "no connection to {where} in time"),
    "PoolTimeout": Meaning(NotSentError, "no connection of the http_client was free in time"),
    "ProxyError": Meaning(NotSentError, "{where} did not open a connection to the service"),
    "UnsupportedProtocol": Meaning(
        NotSentError, "the http_client does not support the scheme of base_url", True
    ),
    "InvalidURL": Meaning(NotSentError, "the http_client does not accept base_url", True),
    # Bytes may have been written: the outcome is unknown.
    "ReadError": Meaning(OutcomeUnknownError, "the connection to {where} broke before the response"),
    "ReadTimeout": Meaning(OutcomeUnknownError, "no response of {where} in time"),
    "WriteError": Meaning(OutcomeUnknownError, "the connection to {where} broke during the request"),
    "WriteTimeout": Meaning(OutcomeUnknownError, "{where} did not accept the whole request in time"),
    "CloseError": Meaning(OutcomeUnknownError, "the connection to {where} could not be closed"),
    "LocalProtocolError": Meaning(OutcomeUnknownError, "the request broke the rules of HTTP"),
    "RemoteProtocolError": Meaning(OutcomeUnknownError, "{where} broke the rules of HTTP"),
    "DecodingError": Meaning(OutcomeUnknownError, "the response of {where} cannot be decoded"),
    "TooManyRedirects": Meaning(OutcomeUnknownError, "too many redirects"),
    # Of httpx2 alone, for another kind of request.
    "SSEError": Meaning(OutcomeUnknownError, "the response of {where} is no stream of events"),
    # Raised by event hooks of a shared client.
    "HTTPStatusError": Meaning(OutcomeUnknownError, "an event hook of the http_client refused the status"),
    # Misuse of a response by event hooks of a shared client.
    "CookieConflict": Meaning(OutcomeUnknownError, "an event hook of the http_client failed"),
    "StreamConsumed": Meaning(OutcomeUnknownError, "an event hook of the http_client read the response"),
    "StreamClosed": Meaning(OutcomeUnknownError, "an event hook of the http_client closed the response"),
    "ResponseNotRead": Meaning(OutcomeUnknownError, "an event hook of the http_client failed"),
    "RequestNotRead": Meaning(OutcomeUnknownError, "an event hook of the http_client failed"),
}
"""Every exception of httpx and httpx2 without subclasses. An unlisted exception leaves the outcome unknown."""

_BY_ERRNO: Final[Mapping[int, str]] = {
    errno.ECONNREFUSED: "{where} refused the connection",
    errno.ECONNRESET: "{where} closed the connection before the request",
    errno.ECONNABORTED: "{where} closed the connection before the request",
    errno.EPIPE: "{where} closed the connection before the request",
    errno.ENETUNREACH: "the network of {where} is unreachable",
    errno.ENETDOWN: "the network is down",
    errno.EHOSTUNREACH: "{where} is unreachable",
    errno.ETIMEDOUT: "no connection to {where} in time",
    errno.EACCES: "this host does not permit a connection to {where}",
    errno.EPERM: "this host does not permit a connection to {where}",
    errno.EADDRNOTAVAIL: "this host has no free port or address for a connection to {where}",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "this host has too many open files",
}
_NO_TLS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"}
)
_LACKS_PACKAGE: Final = "requires installation of"
"""A part of the message of httpcore and httpcore2 for a missing package, in a RuntimeError."""
_STATUS: Final = re.compile(r"[1-5]\d\d\b")


class Place(NamedTuple):
    """The target of a request, and the address of its connection (None: not connected, or not known)."""

    target: tuple[str, int]
    connected: tuple[str, int] | None = None

    def shown(self, environ: Mapping[str, str]) -> str:
        """Return the address for a sentence; an address other than the target is a proxy."""
        if self.connected is None or self.connected == self.target:
            return shown_address(*self.target)
        setting = proxy_variable(environ, *self.connected) or "a setting of the http_client"
        return f"the proxy {shown_address(*self.connected)} ({setting})"


def failure(error: Exception, path: str, place: Place, *, maybe: bool, certainly: bool) -> EmayVoiceError:
    """Return the error for an exception that the HTTP library raised instead of a response.

    ``maybe``: bytes of the request may have been written; if not, the error is a NotSentError for any
    exception. ``certainly``: bytes were written; if so, it never is, because a transport that connects
    again after a failure may fail to connect then.
    """
    meaning = _meaning(error)
    # Without the package there is no connection to write to.
    lacks_package = isinstance(error, RuntimeError) and _LACKS_PACKAGE in str(error)
    if (
        not maybe
        or (lacks_package and not certainly)
        or (meaning is not None and meaning.kind is NotSentError and not certainly)
    ):
        return not_sent(error, path, place)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in NOT_ACTED_ON:
        return NotSentError(advice_for(status), path, status not in PASSING, status)
    text = "the request failed" if meaning is None else meaning.text.format(where=place.shown(os.environ))
    return OutcomeUnknownError(f"{text} ({type(error).__name__})", path)


def not_sent(error: Exception, path: str, place: Place) -> NotSentError:
    """Return the error for an exception before the first byte of a request."""
    text, permanent = _cause(error)
    text = text.format(where=place.shown(os.environ))
    return NotSentError(f"{text} ({type(error).__name__})", path, permanent)


def _meaning(error: Exception) -> Meaning | None:
    for kind in type(error).__mro__:
        if kind.__name__ in ERRORS and kind.__module__.partition(".")[0] in LIBRARIES:
            return ERRORS[kind.__name__]
    return None


def _cause(error: Exception) -> tuple[str, bool]:
    """Return the template of a sentence, and whether a retry fails alike."""
    found = sorted(_system_errors(error), key=_rank)
    if found:
        return _system_cause(found[0])
    meaning = _meaning(error)
    if isinstance(error, UnicodeError):
        return "the host name of {where} is not valid", True
    if meaning is None:
        # A message of the import system or of the HTTP library names the missing package, and no secret.
        named = isinstance(error, ImportError) or _LACKS_PACKAGE in str(error)
        detail = f": {_escaped(error)}" if named else ""
        return f"an error before the request was written{detail}", not isinstance(error, OSError)
    if meaning.kind is not NotSentError:
        return "an error before the request was written", False
    status = _STATUS.match(str(error))
    return (f"{meaning.text}: HTTP {status[0]}" if status else meaning.text), meaning.permanent


def _system_errors(error: BaseException) -> Iterator[OSError]:
    """Yield the errors of the operating system and of TLS in an exception and its causes."""
    seen: set[int] = set()
    queue = [error]
    while queue:
        current = queue.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, OSError) and current.errno is not None:
            yield current
        inner = (*current.args, current.__cause__, *getattr(current, "exceptions", ()))
        queue += [item for item in inner if isinstance(item, BaseException)]


def _rank(error: OSError) -> int:
    return 0 if isinstance(error, ssl.SSLError) else 1 if isinstance(error, socket.gaierror) else 2


def _system_cause(error: OSError) -> tuple[str, bool]:
    if isinstance(error, ssl.SSLCertVerificationError):
        names = [name for name in CERTIFICATE_VARIABLES if os.environ.get(name)]
        setting = f"; check {' and '.join(names)}" if names else ""
        reason = _escaped(error.verify_message)
        return f"the certificate of {{where}} is not trusted: {reason}{setting}", True
    if isinstance(error, ssl.SSLError):
        if error.reason in _NO_TLS:
            return "{where} does not speak TLS; check http or https in base_url", True
        return f"the TLS handshake with {{where}} failed: {_escaped(error.reason or error.strerror)}", False
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return "the host name of {where} cannot be looked up at the moment", False
        return "the host name of {where} is unknown", False
    number = error.errno or 0
    if number in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR):
        return f"a file or folder is missing: {os.strerror(number)}", True
    return _BY_ERRNO.get(number, f"no connection to {{where}}: {os.strerror(number)}"), False


def _escaped(text: object) -> str:
    """Return a text on a single line, with its braces doubled for ``format``."""
    return " ".join(str(text).split()).replace("{", "{{").replace("}", "}}")
