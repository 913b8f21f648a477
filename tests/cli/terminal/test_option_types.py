"""Types of options beyond text and numbers."""

from decimal import Decimal

import click
import pytest

from emay_voice_async import RateLimit
from emay_voice_async.cli.terminal.option_types import (
    column,
    hours,
    key_shares,
    limit,
    percent,
    price,
    seconds,
    web_address,
)


def test_limits() -> None:
    """A limit is requests/seconds, one second by default, or off."""
    assert limit("10/1") == RateLimit(10, 1.0)
    assert limit("5") == RateLimit(5, 1.0)
    assert limit("1/0.5") == RateLimit(1, 0.5)
    assert limit("off") is None


@pytest.mark.parametrize("text", ["", "ten", "0/1", "1/0", "-1", "1/1/1", "1e3"])
def test_wrong_limits(text: str) -> None:
    """Any other text is a wrong option."""
    with pytest.raises(click.BadParameter):
        limit(text)


def test_columns() -> None:
    """Digits are a position; other text is a name."""
    assert (column("2"), column("tel"), column("\u0662")) == (2, "tel", "\u0662")


def test_amounts() -> None:
    """Prices and seconds are plain decimal numbers."""
    assert price("0.12") == Decimal("0.12")
    assert seconds("1.5") == 1.5
    for text in ("-1", "nan", "1e3", ".5", ""):
        for read in (price, seconds):
            with pytest.raises(click.BadParameter):
                read(text)


def test_hours() -> None:
    """Hours are spans of a day; the error names the rule."""
    assert str(hours("09:00-12:00")).startswith("09:00-12:00")
    with pytest.raises(click.BadParameter, match="must be spans"):
        hours("25")


def test_shares() -> None:
    """Percentages are from 0 to 100; keys have one each, together at most 100."""
    assert (percent("70"), percent("0"), percent("100")) == (0.7, 0.0, 1.0)
    assert key_shares("1=60,2=20") == {"1": 0.6, "2": 0.2}
    assert key_shares("0=33.3,1=33.3,2=33.4") == {"0": 0.333, "1": 0.333, "2": 0.334}
    for text in ("100.1", "-1", "nan", "", "50%"):
        with pytest.raises(click.BadParameter, match="percentage"):
            percent(text)
    for text in ("", "1", "1=", "1=60,1=20", "1=60,2=50", "*=5", "1=60;2=20", "1=101", "10=5", "\u0661=5"):
        with pytest.raises(click.BadParameter, match="keys with percentages"):
            key_shares(text)


def test_web_addresses() -> None:
    """A URL has a scheme of the web and a host."""
    for url in ("http://127.0.0.1:8000/emay", "https://host", "http://[::1]:1/"):
        assert web_address(url) == url
    for text in (
        "",
        "host",
        "ftp://host",
        "http://",
        "http://[",
        "http://a:b/",
        "http://a/ b",
        "http://a:99999",
    ):
        with pytest.raises(click.BadParameter, match="must be a URL"):
            web_address(text)
