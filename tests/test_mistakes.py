"""Mistakes that people make: each is refused at once, and the sentence names the right form."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from support.campaigns import mobiles, with_voice
from support.http_transport import Script, accepts

from emay_voice_async import (
    AsyncEmayVoice,
    CallingHours,
    InvalidRequestError,
    Notice,
    RateLimit,
    RateLimits,
    Recipient,
)
from emay_voice_async.journal import SqliteJournal
from emay_voice_async.lists import normalised
from emay_voice_async.pacing.local import LocalPacer

NUMBER = "13812345678"


class Int64:
    """An integer as numpy and pandas have them: no int, but convertible."""

    def __index__(self) -> int:
        return int(NUMBER)

    def __int__(self) -> int:
        return int(NUMBER)


class Float32:
    """A float as numpy has them."""

    def __float__(self) -> float:
        return float(NUMBER)


def refused(to: Any, **options: Any) -> str:
    """Return the sentence of a send that is refused before a request."""
    script = Script(accepts())
    own = {name: options.pop(name) for name in ("pacer", "rate_limits") if name in options}
    message = options.pop("message", Notice("..."))
    with pytest.raises(InvalidRequestError) as caught:
        with_voice(script, lambda voice: voice.send(message, to, **options), **own)
    assert not script.requests
    assert NUMBER not in str(caught.value)
    return str(caught.value)


class TestNumbers:
    """Numbers in other forms."""

    @pytest.mark.parametrize(
        "number",
        [int(NUMBER), float(NUMBER), Int64(), Float32(), Decimal(NUMBER), Fraction(int(NUMBER))],
        ids=lambda number: type(number).__name__,
    )
    @pytest.mark.parametrize("wrap", [lambda number: [number], lambda number: [Recipient(number)]])
    def test_a_number_that_is_no_text(self, number: Any, wrap: Callable[[Any], Any]) -> None:
        """An int, a float, or a number of numpy or pandas must become text."""
        text = refused(wrap(number))
        assert "must be text, such as str(number)" in text
        assert type(number).__name__ in text

    @pytest.mark.parametrize("number", [None, True, b"13812345678", ["13812345678"], object()])
    def test_other_types(self, number: Any) -> None:
        """Any other type must become text, too."""
        assert "must be text" in refused([number])

    @pytest.mark.parametrize(
        "text",
        [
            "+86 138 1234 5678",
            "+8613812345678",
            "86-138-1234-5678",
            " 13812345678",
            "13812345678\n",
            "138 1234 5678",
            "１３８１２３４５６７８",
            "(+86)13812345678",
            "\u200b13812345678",
            "13812345678.0",
        ],
    )
    def test_a_number_as_people_write_it(self, text: str) -> None:
        """The sentence names ``normalised``, which reads the number."""
        assert "use normalised(text) from emay_voice_async.lists" in refused([text])
        assert normalised(text) == NUMBER

    @pytest.mark.parametrize(
        "text",
        [
            "13812345678,13812345679",
            "13812345678, 13812345679, 13812345670",
            "13812345678;13812345679",
            "13812345678、13812345679",
            "13812345678 13812345679",
            "13812345678\n13812345679\n",
            "13812345678，",
            "+8613812345678,+8613812345679",
        ],
    )
    @pytest.mark.parametrize("wrap", [str, lambda text: [text]])
    def test_several_numbers_in_one_string(self, text: str, wrap: Callable[[str], Any]) -> None:
        """The sentence says to give a list, not one string."""
        found = refused(wrap(text))
        assert ("a list, not one string" in found) is (text != "13812345678，")

    @pytest.mark.parametrize(
        "text", ["", "12345", "23812345678", "138123456789", "hello, world", "010-12345678"]
    )
    def test_no_number(self, text: str) -> None:
        """Another text keeps the plain rule."""
        assert "must be 11 digits and begin with 1 (found" in refused([text])


class TestInputs:
    """Inputs of other types."""

    @pytest.mark.parametrize("to", [{NUMBER: "name"}, {"name": NUMBER}, {}])
    def test_a_mapping(self, to: Any) -> None:
        """A mapping may hold the numbers on either side."""
        assert "must be a list, such as list(numbers)" in refused(to)

    @pytest.mark.parametrize("to", [None, b"13812345678", bytearray(b"1"), 13812345678, 1.5, object()])
    def test_no_iterable(self, to: Any) -> None:
        """The type is named."""
        text = refused(to)
        assert text.startswith("to: must be a number, a Recipient, or an iterable of both")
        assert type(to).__name__ in text


class TestOptions:
    """Wrong options."""

    @pytest.mark.parametrize("journal", [SqliteJournal, "run.db", 1, {}, object()])
    def test_a_journal(self, journal: Any) -> None:
        """A class or a path is no journal."""
        text = refused(mobiles(1), journal=journal)
        assert "must be a journal such as SqliteJournal(path)" in text
        assert ("the class SqliteJournal" in text) is (journal is SqliteJournal)

    @pytest.mark.parametrize("pacer", ["redis://localhost", LocalPacer, RateLimits(), 10, RateLimit(10, 1.0)])
    def test_a_pacer(self, pacer: Any) -> None:
        """An address, a class or a limit is no pacer."""
        assert "must be a Pacer such as RedisPacer(...)" in refused(mobiles(1), pacer=pacer)

    @pytest.mark.parametrize("limit", [10, "10/1s", (10, 1.0), RateLimit, 1.5])
    def test_rate_limits(self, limit: Any) -> None:
        """The limits of a client are RateLimit objects."""
        for name in ("send", "reports", "balance"):
            with pytest.raises(
                InvalidRequestError, match=r"must be a RateLimit such as RateLimit\(10, 1.0\)"
            ):
                RateLimits(**{name: limit})
        assert "must be RateLimits, such as" in refused(mobiles(1), rate_limits=limit)

    @pytest.mark.parametrize("on_outcome", [1, "print", [], object()])
    def test_no_function(self, on_outcome: Any) -> None:
        """``on_outcome`` must be a function."""
        assert "must be a function of one argument" in refused(mobiles(1), on_outcome=on_outcome)

    @pytest.mark.parametrize(
        "on_outcome", [lambda: None, lambda outcome, more: None, list, partial(print, file=None).__class__]
    )
    def test_another_function(self, on_outcome: Any) -> None:
        """A function without the argument, and a class, are refused."""
        assert "takes one argument" in refused(mobiles(1), on_outcome=on_outcome)

    def test_an_async_function(self) -> None:
        """An async function, method or callable object would not be awaited."""

        async def function(_: object) -> None:
            pytest.fail("it is not called")

        class Callable_:  # noqa: N801
            async def __call__(self, _: object) -> None:
                pytest.fail("it is not called")

        for on_outcome in (function, Callable_(), partial(function)):
            assert "must be a plain function" in refused(mobiles(1), on_outcome=on_outcome)

    @pytest.mark.parametrize("good", [lambda outcome: None, [].append, print, partial(print, "x"), {}.get])
    def test_functions_that_work(self, good: Any) -> None:
        """Methods, builtins and partial functions are accepted."""

        async def main(voice: AsyncEmayVoice) -> None:
            assert len((await voice.send(Notice("..."), mobiles(1), on_outcome=good)).tickets) == 1

        with_voice(Script(accepts()), main)

    @pytest.mark.parametrize("hours", ["08:00-20:00", (8, 20), CallingHours, 8])
    def test_hours(self, hours: Any) -> None:
        """Calling hours are an object."""
        assert 'such as CallingHours("08:00-20:00")' in refused(mobiles(1), hours=hours)

    @pytest.mark.parametrize("message", [Notice, "text", None, {"content": "text"}])
    def test_a_message(self, message: Any) -> None:
        """A class or a text is no message."""
        text = refused(mobiles(1), message=message)
        assert 'such as Notice("...")' in text
        assert ("the class Notice" in text) is (message is Notice)
