"""The table of HTTP statuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.wire.statuses import GATEWAY, NOT_ACTED_ON, PASSING, advice_for


class TestStatuses:
    """The certainty of a status."""

    def test_only_these_are_certain(self) -> None:
        """Redirects, and the statuses by which HTTP says "not acted on", are certain; no other status is."""
        certain = {401, 403, 404, 405, 407, 411, 413, 414, 415, 421, 426, 429, *range(300, 400)}
        assert set(NOT_ACTED_ON) == certain
        assert not certain & {*range(100, 300), 400, 408, 409, 410, *range(500, 600)}

    def test_statuses_worth_a_retry(self) -> None:
        """Only "too many requests" may pass without a change of settings."""
        assert {429} == PASSING

    def test_gateways(self) -> None:
        """The statuses of gateways are not certain."""
        assert not GATEWAY & set(NOT_ACTED_ON)

    @pytest.mark.parametrize("status", sorted(NOT_ACTED_ON))
    def test_each_has_advice(self, status: int) -> None:
        """Each status has a sentence with a cause and a next step."""
        advice = advice_for(status)
        assert "; " in advice
        assert advice.isascii()


class TestLocation:
    """The target of a redirect."""

    @pytest.mark.parametrize(
        ("location", "shown"),
        [
            ("https://service/voice/send", "https://service/voice/send"),
            ("HTTPS://Service:8443/a?token=secret#x", "https://service:8443/a"),
            ("http://user:secret@service/a", "http://service/a"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
        ],
    )
    def test_shown(self, location: str, shown: str) -> None:
        """Scheme, host, port and path are shown; user, query and fragment are not."""
        assert advice_for(301, location) == (
            f"the server redirects to {shown}; check host, port and path of base_url"
        )

    @pytest.mark.parametrize(
        "location",
        [
            None,
            "",
            "/voice/send",
            "javascript:alert(1)",
            "http://",
            "http://[::1",
            "http://x:port/",
            "http://x/\x1b[2J",
            "http://x/\u202e",
            "http://x/" + "a" * 500,
        ],
        ids=repr,
    )
    def test_not_shown(self, location: str | None) -> None:
        """A relative, unreadable, long or unprintable target is not shown."""
        assert advice_for(302, location) == advice_for(302)

    @given(st.text())
    def test_any_header(self, location: str) -> None:
        """Any header gives a printable sentence on a single line."""
        assert advice_for(307, "https://x/" + location).isprintable()
