"""Exceptions of the HTTP libraries: the error, its sentence, and whether a retry makes sense."""

import errno
import os
import socket
import ssl
from types import ModuleType

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.libraries import each_exception, each_library, exceptions_of, make_exception

from emay_voice_async.errors import NotSentError, OutcomeUnknownError
from emay_voice_async.exchange.failures import ERRORS, Place, failure, not_sent

SERVICE = Place(("service", 8080))
PROXIED = Place(("service", 8080), ("10.0.0.1", 3128))
CERTAIN = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "InvalidURL"}


def chained(outer: Exception, cause: BaseException) -> Exception:
    """Give an exception a cause."""
    outer.__cause__ = cause
    return outer


class TestErrors:
    """The table of exceptions."""

    def test_only_these_are_certain(self) -> None:
        """Only these exceptions mean "not sent"; every other exception leaves the outcome unknown."""
        assert {name for name, meaning in ERRORS.items() if meaning.kind is NotSentError} == CERTAIN
        assert {meaning.kind for meaning in ERRORS.values()} == {NotSentError, OutcomeUnknownError}

    def test_the_table_is_complete(self) -> None:
        """The table has every exception of both libraries without subclasses, and no other name."""
        found = {*exceptions_of(httpx), *exceptions_of(httpx2)}
        assert found | {"SSEError"} == set(ERRORS)  # the first versions of httpx2 do not have it

    @each_exception
    def test_each_exception_becomes_the_error_of_its_row(self, library: ModuleType, name: str) -> None:
        """With bytes perhaps written, the table decides; the sentence ends with the exception's name."""
        kind = exceptions_of(library)[name]
        error = failure(make_exception(library, kind), "/voice/send", SERVICE, maybe=True, certainly=False)
        assert type(error) is ERRORS[name].kind
        assert error.path == "/voice/send"
        assert error.reason.endswith(f"({name})")
        assert len(error.reason) > len(name) + 15

    @each_exception
    def test_before_the_first_byte(self, library: ModuleType, name: str) -> None:
        """Without a written byte, every exception means "not sent"."""
        error = make_exception(library, exceptions_of(library)[name])
        assert type(failure(error, "", SERVICE, maybe=False, certainly=False)) is NotSentError

    @each_exception
    def test_after_the_first_byte(self, library: ModuleType, name: str) -> None:
        """With written bytes, no exception means "not sent": a transport may connect a second time."""
        error = make_exception(library, exceptions_of(library)[name])
        assert type(failure(error, "", SERVICE, maybe=True, certainly=True)) is OutcomeUnknownError

    @pytest.mark.parametrize(
        "error", [OSError("..."), RuntimeError("..."), ValueError("..."), KeyError("...")]
    )
    def test_an_unlisted_exception(self, error: Exception) -> None:
        """An unlisted exception leaves the outcome unknown, unless no byte was written."""
        unknown = failure(error, "/p", SERVICE, maybe=True, certainly=False)
        assert type(unknown) is OutcomeUnknownError
        assert unknown.reason == f"the request failed ({type(error).__name__})"
        assert type(failure(error, "/p", SERVICE, maybe=False, certainly=False)) is NotSentError

    @each_library
    def test_a_subclass(self, library: ModuleType) -> None:
        """A subclass of a listed exception is mapped like the listed exception."""
        own = type("OwnConnectError", (library.ConnectError,), {"__module__": "elsewhere"})
        assert type(failure(own("..."), "", SERVICE, maybe=True, certainly=False)) is NotSentError

    def test_the_name_alone_is_not_enough(self) -> None:
        """A class of another library with the name of a listed exception is unlisted."""
        own = type("ConnectError", (Exception,), {"__module__": "elsewhere"})
        assert type(failure(own(), "", SERVICE, maybe=True, certainly=False)) is OutcomeUnknownError

    @each_library
    @pytest.mark.parametrize(("status", "permanent"), [(404, True), (301, True), (407, True), (429, False)])
    def test_an_event_hook_that_refuses_the_status(
        self, library: ModuleType, status: int, permanent: bool
    ) -> None:
        """A hook such as raise_for_status leaves the meaning of the status as it is."""
        raised = make_exception(library, library.HTTPStatusError, status)
        error = failure(raised, "/p", SERVICE, maybe=True, certainly=True)
        assert isinstance(error, NotSentError)
        assert (error.status, error.permanent) == (status, permanent)

    @each_library
    @pytest.mark.parametrize("status", [400, 408, 500, 502, 503])
    def test_an_event_hook_that_refuses_another_status(self, library: ModuleType, status: int) -> None:
        """A status without certainty leaves the outcome unknown."""
        raised = make_exception(library, library.HTTPStatusError, status)
        assert type(failure(raised, "", SERVICE, maybe=True, certainly=True)) is OutcomeUnknownError


class TestSentences:
    """The sentence names the cause, the address and the setting."""

    @pytest.mark.parametrize(
        ("error", "text", "permanent"),
        [
            (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "service:8080 refused the connection", False),
            (OSError(errno.ENETUNREACH, "x"), "the network of service:8080 is unreachable", False),
            (OSError(errno.EHOSTUNREACH, "x"), "service:8080 is unreachable", False),
            (OSError(errno.EMFILE, "x"), "this process has too many open files", False),
            (OSError(errno.EINVAL, "x"), "no connection to service:8080: Invalid argument", False),
            (socket.gaierror(socket.EAI_NONAME, "x"), "the host name of service:8080 is unknown", False),
            (
                socket.gaierror(socket.EAI_AGAIN, "x"),
                "the host name of service:8080 cannot be looked up at the moment",
                False,
            ),
            (
                FileNotFoundError(errno.ENOENT, "x"),
                "a file or folder is missing: No such file or directory",
                True,
            ),
            (UnicodeError("x"), "the host name of service:8080 is not valid", True),
            (ImportError("Install {h2}"), "an error before the request was written: Install {h2}", True),
            (ValueError("secret"), "an error before the request was written", True),
            (OSError("secret"), "an error before the request was written", False),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_errors_of_the_system(self, error: Exception, text: str, permanent: bool) -> None:
        """An error of the operating system has its own sentence; other messages are not shown."""
        found = not_sent(error, "/p", SERVICE)
        assert found.reason == f"{text} ({type(error).__name__})"
        assert found.permanent is permanent

    @each_library
    def test_the_cause_is_searched(self, library: ModuleType) -> None:
        """The error of the system is found in arguments, causes and groups."""
        refused = ConnectionRefusedError(errno.ECONNREFUSED, "x")
        group = ExceptionGroup("...", [OSError("..."), refused])
        for error in (
            chained(library.ConnectError("..."), refused),
            chained(library.ConnectError("..."), chained(OSError("all attempts failed"), group)),
            chained(library.ConnectError("..."), RuntimeError(refused)),
        ):
            assert not_sent(error, "", SERVICE).reason == "service:8080 refused the connection (ConnectError)"

    def test_a_circle_of_causes(self) -> None:
        """Causes that form a circle are searched once."""
        error = ValueError("...")
        error.__cause__ = chained(KeyError("..."), error)
        assert "before the request" in not_sent(error, "", SERVICE).reason

    @each_library
    def test_tls(self, library: ModuleType) -> None:
        """A failed handshake has its reason; a server without TLS has advice."""
        plain = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
        plain.reason = "WRONG_VERSION_NUMBER"
        other = ssl.SSLError(1, "[SSL: TLSV1_ALERT_INTERNAL_ERROR]")
        other.reason = "TLSV1_ALERT_INTERNAL_ERROR"
        found = not_sent(chained(library.ConnectError("..."), plain), "", SERVICE)
        assert "service:8080 does not speak TLS; check http or https in base_url" in found.reason
        assert found.permanent
        found = not_sent(chained(library.ConnectError("..."), other), "", SERVICE)
        assert "the TLS handshake with service:8080 failed: TLSV1_ALERT_INTERNAL_ERROR" in found.reason
        assert not found.permanent

    @pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", None])
    def test_certificates(self, variable: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
        """An untrusted certificate has the reason, and the variables with certificates that are set."""
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            monkeypatch.delenv(name, raising=False)
        if variable:
            monkeypatch.setenv(variable, "/certificates")
        error = ssl.SSLCertVerificationError(1, "...")
        error.verify_message = "self-signed certificate"
        found = not_sent(error, "", SERVICE)
        assert "the certificate of service:8080 is not trusted: self-signed certificate" in found.reason
        assert found.permanent
        assert (variable in found.reason) if variable else ("check" not in found.reason)

    def test_a_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An address other than the target's is a proxy; its variable is named, its password is not."""
        monkeypatch.setenv("ALL_PROXY", "http://user:secret@10.0.0.1:3128")
        refused = ConnectionRefusedError(errno.ECONNREFUSED, "x")
        text = str(not_sent(refused, "/p", PROXIED))
        assert "the proxy 10.0.0.1:3128 (ALL_PROXY) refused the connection" in text
        assert "secret" not in text
        monkeypatch.delenv("ALL_PROXY")
        text = str(not_sent(refused, "/p", PROXIED))
        assert "the proxy 10.0.0.1:3128 (a setting of the http_client) refused the connection" in text

    @each_library
    @pytest.mark.parametrize(
        ("message", "end"),
        [
            ("407 Proxy Authentication Required", ": HTTP 407 (ProxyError)"),
            ("secret", "to the service (ProxyError)"),
        ],
    )
    def test_a_proxy_that_refuses(self, library: ModuleType, message: str, end: str) -> None:
        """The status of a proxy is shown, and no other text of the proxy."""
        text = not_sent(library.ProxyError(message), "", PROXIED).reason
        assert text.startswith("the proxy 10.0.0.1:3128 ")
        assert text.endswith(end)

    @given(st.text(), st.sampled_from([ValueError, RuntimeError, LookupError]))
    def test_messages_of_strangers_are_not_shown(self, message: str, kind: type[Exception]) -> None:
        """The text of an unlisted exception is never part of the sentence."""
        expected = f"an error before the request was written ({kind.__name__})"
        assert not_sent(kind(message), "", SERVICE).reason == expected

    def test_every_number_has_a_text(self) -> None:
        """Every error number of the system becomes a sentence without an exception."""
        for number in errno.errorcode:
            reason = not_sent(OSError(number, os.strerror(number)), "", SERVICE).reason
            assert len(reason) > 20
