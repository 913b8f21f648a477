"""The address of the service, and the proxy settings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.exchange.addresses import (
    PROXY_VARIABLES,
    checked_base_url,
    is_loopback,
    proxy_variable,
    shown_address,
)
from emay_voice_async.model.endpoints import ENDPOINTS, Endpoint


class TestBaseUrl:
    """The address of the service."""

    @pytest.mark.parametrize(
        ("base_url", "found"),
        [
            ("", "no scheme"),
            ("service:8080", "another scheme"),
            ("//service", "no scheme"),
            ("ftp://service", "another scheme"),
            ("http://", "no host"),
            ("http:///voice", "no host"),
            ("http://service:0", "no host"),
            ("http://service:99999", "something unreadable"),
            ("http://[::1", "something unreadable"),
            ("http://service/?a=1", "a user, a query or a fragment"),
            ("http://service/#a", "a user, a query or a fragment"),
            ("http://service?", "a user, a query or a fragment"),
            ("http://service/p#", "a user, a query or a fragment"),
            ("http://user:password@service", "a user, a query or a fragment"),
            ("http://ser vice", "white space"),
            (" http://service", "white space"),
            (None, "NoneType"),
        ],
    )
    def test_what_is_refused(self, base_url: Any, found: str) -> None:
        """An unusable base URL is refused; the error states the rule and hides the value."""
        with pytest.raises(InvalidRequestError) as caught:
            checked_base_url(base_url)
        assert caught.value.field == "base_url"
        assert caught.value.actual == found
        assert "password" not in str(caught.value)

    @pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
    @pytest.mark.parametrize("prefix", ["", "/emay/v3"])
    @pytest.mark.parametrize("end", ["", "/", "//"])
    def test_a_complete_url_of_the_document(self, endpoint: Endpoint, prefix: str, end: str) -> None:
        """A URL with the path of an endpoint is refused, and the sentence has the right base URL."""
        with pytest.raises(InvalidRequestError) as caught:
            checked_base_url(f"http://service:8080{prefix}{endpoint.path}{end}")
        assert caught.value.rule.endswith(f": http://service:8080{prefix}")
        assert caught.value.actual == f"the path {endpoint.path} at the end"

    @pytest.mark.parametrize("url", ["https://SERVICE/VOICE/SEND", "http://service/voice//Voice/GetReport"])
    def test_a_complete_url_in_other_letters(self, url: str) -> None:
        """The path of an endpoint is recognised in capital letters, too."""
        with pytest.raises(InvalidRequestError, match="must end before the path"):
            checked_base_url(url)

    @pytest.mark.parametrize("url", ["http://service/voice", "http://service/voice/sender", "http://voice"])
    def test_a_prefix_like_an_endpoint(self, url: str) -> None:
        """A prefix that only resembles the path of an endpoint is accepted."""
        assert checked_base_url(url) == url

    @pytest.mark.parametrize("url", ["HTTP://service:8080/Voice", "Https://SERVICE"])
    def test_a_scheme_in_other_letters(self, url: str) -> None:
        """The scheme becomes lower-case; host and path are kept."""
        scheme, _, rest = url.partition("://")
        assert checked_base_url(f"{url}/") == f"{scheme.lower()}://{rest}"


class TestIsLoopback:
    """Addresses of this host."""

    @pytest.mark.parametrize(
        "host",
        [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "emay.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "0.0.0.0",  # noqa: S104
            "[::]",
            "[::ffff:127.0.0.1]",
        ],
    )
    def test_this_host(self, host: str) -> None:
        """Names and addresses of the loopback interface are recognised, with and without a port."""
        assert is_loopback(f"http://{host}")
        assert is_loopback(f"https://{host}:8443/prefix")

    @pytest.mark.parametrize(
        "host", ["service", "localhost.example", "128.0.0.1", "10.0.0.1", "[fe80::1]", "mylocalhost"]
    )
    def test_other_hosts(self, host: str) -> None:
        """Every other host is reached through the proxies of the environment."""
        assert not is_loopback(f"http://{host}:8080")


class TestProxyVariable:
    """The variable with a proxy."""

    @pytest.mark.parametrize("name", PROXY_VARIABLES)
    @pytest.mark.parametrize(
        ("value", "port"),
        [
            ("http://10.0.0.1:3128", 3128),
            ("http://user:secret@10.0.0.1:3128/", 3128),
            ("10.0.0.1:3128", 3128),
            ("http://10.0.0.1", 80),
            ("https://10.0.0.1", 443),
            ("socks5://10.0.0.1", 1080),
        ],
    )
    def test_found(self, name: str, value: str, port: int) -> None:
        """The variable with the same host and port is found, with user, password and default port."""
        assert proxy_variable({"PATH": "/bin", name: value}, "10.0.0.1", port) == name

    @pytest.mark.parametrize(
        "value", ["", "http://10.0.0.2:3128", "http://10.0.0.1:3129", "http://[::1", "http://x:port"]
    )
    def test_not_found(self, value: str) -> None:
        """Other proxies, and unreadable values, are skipped."""
        assert proxy_variable({"ALL_PROXY": value}, "10.0.0.1", 3128) is None

    @given(st.text(), st.text())
    def test_any_value(self, value: str, host: str) -> None:
        """Any value of a variable is compared without an exception."""
        assert proxy_variable({"HTTP_PROXY": value}, host, 1) in (None, "HTTP_PROXY")


class TestShownAddress:
    """Host and port in a sentence."""

    def test_as_in_a_url(self) -> None:
        """An IPv6 address has brackets."""
        assert shown_address("service", 80) == "service:80"
        assert shown_address("::1", 8080) == "[::1]:8080"
