"""The tables of fields, and the readers of single values."""

import math
from base64 import b64encode, encodebytes, urlsafe_b64encode
from decimal import Decimal

import pytest
from attrs import fields
from hypothesis import assume, example, given
from hypothesis import strategies as st
from samples.strategies import JSON

from emay_voice_async.model.codes import JOIN_STATES, VOICE_STATES, CallState
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report, Ticket
from emay_voice_async.wire.fields import (
    REPORT_FIELDS,
    TICKET_FIELDS,
    UNREADABLE,
    Field,
    as_money,
    as_optional_word,
    as_recording,
    as_seconds,
    as_state,
    as_text,
    as_time,
    as_word,
)

MISSING = [None, "", " ", "\n", "null", "NULL", "None", " undefined ", "nil", "-", "无"]
BLANKS = st.text(" \t\r\n\u3000", max_size=3)
ODD_NUMBERS = ["1_000", "1_0.5", "1e1_0", "６_８", "٣", "१२.५", "1٣"]
"""Texts that Python reads as numbers, and no other writer or reader of JSON does."""
NO_NUMBERS = [float("nan"), float("inf"), "-inf", "NaN", 10**400, "1e400"]


class TestTables:
    """The table of each product."""

    @pytest.mark.parametrize(("tables", "kind"), [(TICKET_FIELDS, Ticket), (REPORT_FIELDS, Report)])
    @pytest.mark.parametrize("product", Product)
    def test_order(
        self, tables: dict[Product, tuple[Field, ...]], kind: type[Ticket | Report], product: Product
    ) -> None:
        """A table has the fields of the JSON in the order of the class."""
        of_class = [field.name for field in fields(kind) if field.name not in ("product", "unreadable")]
        assert [field.name for field in tables[product]] == of_class

    def test_names(self) -> None:
        """The products differ in the names of both ids and of the description (sections 2.1.2.2, 2.4.2.2)."""
        voice, join = ({field.name: field.wire for field in REPORT_FIELDS[product]} for product in Product)
        assert {(voice[name], join[name]) for name in voice if voice[name] != join[name]} == {
            ("voiceId", "joinId"),
            ("customVoiceId", "customJoinId"),
            ("message", "desc"),
        }

    @pytest.mark.parametrize("product", Product)
    @given(value=JSON)
    def test_any_value(self, product: Product, value: object) -> None:
        """Each reader reads a JSON value or raises an error of an unreadable value."""
        for field in (*REPORT_FIELDS[product], *TICKET_FIELDS[product]):
            try:
                field.read(value)
            except UNREADABLE:
                assert value is not None, field.name


class TestText:
    """Texts, and numbers in place of texts."""

    @given(st.text())
    def test_texts(self, text: str) -> None:
        """A text stays as it is, and a word loses the blanks around it."""
        assert as_text(text) == text
        assert as_word(text) == text.strip()

    @pytest.mark.parametrize(
        ("value", "text"),
        [(None, ""), (0, "0"), (20170392833833891100, "20170392833833891100"), (4.0, "4"), (-0.0, "0"),
         (1.5, "1.5"), (1e300, "1e+300")],
    )  # fmt: skip
    def test_other_kinds(self, value: object, text: str) -> None:
        """Null is an empty text; a number keeps its digits; a whole float is a whole number."""
        assert as_text(value) == text

    @pytest.mark.parametrize("value", [True, [], {}, float("nan"), float("inf")], ids=repr)
    def test_unreadable(self, value: object) -> None:
        """Other values are no text."""
        with pytest.raises(ValueError, match="a text was expected"):
            as_text(value)

    @pytest.mark.parametrize(
        ("value", "key"), [(12, "12"), ("12", "12"), (0, "0"), (" 0 ", "0"), ("#", "#"), (1.0, "1")]
    )
    def test_keys(self, value: object, key: str) -> None:
        """A pressed key is a text, also if the JSON has a number."""
        assert as_optional_word(value) == key

    @pytest.mark.parametrize("value", MISSING, ids=repr)
    def test_missing_key(self, value: object) -> None:
        """A key that is null, blank or a word for null is None."""
        assert as_optional_word(value) is None


class TestState:
    """The state of a call."""

    @given(BLANKS, st.sampled_from(sorted(VOICE_STATES | JOIN_STATES)), BLANKS)
    def test_blanks(self, before: str, text: str, after: str) -> None:
        """A listed state is found with blanks around it."""
        assert as_state(f"{before}{text}{after}") is (VOICE_STATES | JOIN_STATES)[text]

    @given(st.text())
    @example("success")
    @example("5")
    @example("OTHER")
    @example("FAIL")
    def test_unlisted(self, text: str) -> None:
        """Other texts are OTHER."""
        assume(text.strip() not in VOICE_STATES | JOIN_STATES)
        assert as_state(text) is CallState.OTHER

    @pytest.mark.parametrize("state", [4, 3, 2, 1, 0, -1])
    def test_numbers(self, state: int) -> None:
        """A number, whole or with a zero fraction, is the state of its text."""
        expected = JOIN_STATES.get(str(state), CallState.OTHER)
        assert as_state(state) is as_state(float(state)) is expected


class TestSeconds:
    """The duration of a call."""

    @given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9))
    def test_numbers_and_texts(self, seconds: float) -> None:
        """Seconds are a number or the text of a number."""
        assert as_seconds(seconds) == as_seconds(f" {seconds} ") == seconds

    @pytest.mark.parametrize("value", MISSING, ids=repr)
    def test_missing(self, value: object) -> None:
        """A duration that is null, blank or a word for null is None, and 0 is 0."""
        assert as_seconds(value) is None
        assert as_seconds("0") == 0.0

    def test_full_width_digits(self) -> None:
        """Full-width digits are digits."""
        assert as_seconds(" ６８.5\u3000") == 68.5

    @pytest.mark.parametrize("value", [*NO_NUMBERS, *ODD_NUMBERS, "long", [], {}, True], ids=repr)
    def test_unreadable(self, value: object) -> None:
        """A value that is no finite number is unreadable."""
        with pytest.raises(UNREADABLE):
            as_seconds(value)


class TestRecording:
    """The voice message."""

    @given(st.binary(min_size=1))
    @example(bytes(range(256)))
    def test_each_way_to_write_bytes(self, recording: bytes) -> None:
        """Base64 of either alphabet, with line breaks, as a data URL, and numbers are the same bytes."""
        text = b64encode(recording).decode()
        signed = [byte - 256 if byte > 127 else byte for byte in recording]
        for written in (
            text,
            encodebytes(recording).decode(),
            f" {text}\r\n",
            urlsafe_b64encode(recording).decode(),
            f"data:audio/wav;base64,{text}",
            f"data:audio/x-wav;codecs=1;base64,{text}",
            text.replace("+", " "),
            signed,
            list(recording),
        ):
            # A blank at the end of base64 cannot be told from padding of the text.
            if isinstance(written, list) or not (written.strip() != written and "+" in text):
                assert as_recording(written) == recording

    @pytest.mark.parametrize("value", [*MISSING, []], ids=repr)
    def test_missing(self, value: object) -> None:
        """No bytes, null and words for null are None."""
        assert as_recording(value) is None

    @pytest.mark.parametrize(
        "value",
        ["a", "YQ", "YQ=", "Y*Q=", "é", "YQ==YQ==", "https://example.com/1.wav", "/record/1.wav", "./a.mp3"],
    )
    def test_other_texts(self, value: str) -> None:
        """A text that is not whole base64, such as an address, is unreadable."""
        with pytest.raises(UNREADABLE):
            as_recording(value)

    @pytest.mark.parametrize(
        "value", [[256], [-129], [-256], [1.0], ["1"], [None], [[]], {}, {"url": "x"}, True, 7], ids=repr
    )
    def test_other_values(self, value: object) -> None:
        """A value that is neither a text nor a list of bytes is unreadable."""
        with pytest.raises(UNREADABLE):
            as_recording(value)


class TestMoney:
    """Amounts of money."""

    @pytest.mark.parametrize(("value", "amount"), [(" 1000.50 ", "1000.50"), ("１２.5", "12.5"), (7, "7")])
    def test_texts(self, value: object, amount: str) -> None:
        """An amount is read exactly, blanks around it and full-width digits included."""
        assert as_money(value) == Decimal(amount)

    @pytest.mark.parametrize(
        "value", [None, "", "xxx", "1,000.00", True, [], Decimal("NaN"), math.inf, *ODD_NUMBERS], ids=repr
    )
    def test_unreadable(self, value: object) -> None:
        """A value that is no finite number is no amount."""
        with pytest.raises(UNREADABLE):
            as_money(value)


@pytest.mark.parametrize("value", MISSING, ids=repr)
def test_missing_time(value: object) -> None:
    """A time that is null, blank or a word for null is None."""
    assert as_time(value) is None
