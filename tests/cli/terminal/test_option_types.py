"""Types of options beyond text and numbers."""

from decimal import Decimal

import click
import pytest

from emay_voice_async import RateLimit
from emay_voice_async.cli.terminal.option_types import column, hours, limit, price, seconds


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
