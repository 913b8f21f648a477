"""The names of attributes."""

import re

import pytest

from emay_voice_async.telemetry import attributes


@pytest.mark.parametrize(
    ("base_url", "host", "port"),
    [
        ("http://service", "service", 80),
        ("https://service/gateway", "service", 443),
        ("https://203.0.113.9:8443", "203.0.113.9", 8443),
        ("http://[2001:db8::1]:8999", "2001:db8::1", 8999),
    ],
)
def test_the_address(base_url: str, host: str, port: int) -> None:
    """Host and port of the service; the default port of the scheme."""
    assert attributes.address_attributes(base_url) == {"server.address": host, "server.port": port}


def test_names() -> None:
    """A name is one of OpenTelemetry's, or begins with the name of the package."""
    values = [
        value for name, value in vars(attributes).items() if name.isupper() and not name.startswith("_")
    ]
    standard = {value for value in values if not value.startswith("emay_voice.")}
    assert standard == {
        "error.type",
        "http.request.method",
        "http.request.resend_count",
        "http.response.status_code",
        "url.full",
    }
    assert all(re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", value) for value in values)
    assert len(set(values)) == len(values)
