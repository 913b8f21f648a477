"""Mobile numbers: their form, the ways people write them, and their masked form."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples.strategies import dressed, mobiles, people

from emay_voice_async.model.numbers import are_numbers, is_number, mask, normalised, plain

MOBILE = "13812345678"
SCIENTIFIC = "in scientific notation, which has lost digits"


class TestMask:
    """The masked form of a number for logs."""

    @given(mobiles)
    def test_the_middle_is_hidden(self, mobile: str) -> None:
        """Three digits, four stars and four digits are left of a number."""
        assert mask(mobile) == mobile[:3] + "****" + mobile[7:]

    @given(st.text(max_size=10))
    def test_short_texts_are_hidden_whole(self, text: str) -> None:
        """A text that is too short for a mask is hidden whole."""
        assert mask(text) == "****"

    @given(st.text(min_size=11))
    def test_never_more_than_seven_characters(self, text: str) -> None:
        """At most seven characters are shown, for any length."""
        assert mask(text) == f"{text[:3]}****{text[-4:]}"


class TestNormalised:
    """Numbers as people write them."""

    @given(mobiles.flatmap(lambda mobile: st.tuples(st.just(mobile), dressed(mobile))))
    def test_a_number_dressed_in_any_way_is_itself(self, both: tuple[str, str]) -> None:
        """Blanks, dashes, dots, parentheses, country codes and full-width digits come off."""
        mobile, text = both
        assert normalised(text) == mobile

    @pytest.mark.parametrize(
        "text",
        [
            "13812345678",
            " 13812345678\r\n",
            "\u3000\u00a013812345678\t",
            "\ufeff13812345678",
            "\u202d138 1234 5678\u202c",
            "138\u200b12345678",
            "１３８１２３４５６７８",
            "＋８６１３８１２３４５６７８",
            "+8613812345678",
            "+ 86 138 1234 5678",
            "008613812345678",
            "8613812345678",
            "86-138-1234-5678",
            "(+86)13812345678",
            "（0086）13812345678",
            "(138)1234-5678",
            "(138) 1234 5678",
            "138-1234-5678",
            "138‑1234‑5678",
            "138–1234–5678",
            "138——1234——5678",
            "138−1234－5678",
            "1381 2345 678",
            "138.1234.5678",
            "138·1234·5678",
            "13812345678.0",
            "13812345678.00",
            "13812345678.",
            "'13812345678",
            "’13812345678",
            "'+86 13812345678",
            '="13812345678"',
            '"13812345678"',
            '="13812345678.0"',
            '" 13812345678 "',
            "13812345678" + " " * 53,
        ],
        ids=ascii,
    )
    def test_what_people_write(self, text: str) -> None:
        """Each of these is the same number."""
        assert normalised(text) == MOBILE

    @pytest.mark.parametrize(
        "dash", "-\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2500\ufe58\ufe63\uff0d", ids=ascii
    )
    def test_every_dash(self, dash: str) -> None:
        """Every dash may stand between groups, once or twice, and at no other place."""
        assert normalised(f"138{dash}1234{dash}{dash}5678") == MOBILE
        assert not is_number(normalised(f"{dash}13812345678"))

    @pytest.mark.parametrize(
        "blank", [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Zs"], ids=ascii
    )
    def test_every_blank(self, blank: str) -> None:
        """Every blank of Unicode may stand around a number and between the groups."""
        assert normalised(f"{blank}138{blank}1234{blank}5678{blank}") == MOBILE

    @pytest.mark.parametrize(
        "code",
        [
            0xAD,
            0x61C,
            0x180E,
            *range(0x200B, 0x2010),
            *range(0x202A, 0x202F),
            *range(0x2060, 0x2065),
            *range(0x2066, 0x206A),
            0xFEFF,
        ],
        ids=hex,
    )
    def test_every_invisible_character(self, code: int) -> None:
        """Invisible characters, such as marks of the writing direction, are no part of a number."""
        assert normalised(f"{chr(code)}1{chr(code)}3812345678{chr(code)}") == MOBILE

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            ".",
            "'",
            '="',
            "1381234567",
            "138123456789",
            "23812345678",
            "013812345678",
            "+13812345678",
            "+1 381 234 5678",
            "1-381-234-5678",
            "1 (381) 234-5678",
            "0013812345678",
            "8613812345678 86",
            "86138123456",
            "868613812345678",
            "1381234567.0",
            "138123456.78",
            "138123456.00",
            "+86 138123456.78",
            "1381234.5678",
            "13812345678.5",
            "1381234567(8)",
            "1381234567-8",
            "138 1234 567 8",
            "138/1234/5678",
            "13,812,345,678",
            "13812345678,",
            "13812345678;13812345679",
            "13812345678 13812345679",
            "138---1234---5678",
            "-13812345678",
            "138-1234-5678-",
            "(13812345678",
            "138)12345678",
            "138\n12345678",
            '="13812345678',
            '13812345678"',
            "13812345678x",
            "1381234567l",
            "1٣٨١٢٣٤٥٦٧٨",
            "1३८12345678",
            "1381234567²",
            "1381234567\ud800",
            "13812345678" + " " * 64,
        ],
        ids=ascii,
    )
    def test_ambiguous_texts(self, text: str) -> None:
        """Any other text is returned unchanged and refused later: no digit is guessed, added or removed."""
        assert normalised(text) == text
        assert not is_number(text)

    @given(st.text(max_size=40) | st.text("0123456789 +-.()'\"=８６１３\u200b", max_size=24))
    def test_any_text(self, text: str) -> None:
        """The result is a number or the same text, and a second call changes no result."""
        result = normalised(text)
        assert result == text or re.fullmatch("1[0-9]{10}", result)
        assert normalised(result) == result

    @given(st.text("0123456789", min_size=1, max_size=14), st.text("0123456789", min_size=1, max_size=14))
    @example("1381234567", "0")
    @example("138123456", "78")
    def test_a_decimal_point_joins_no_digits(self, whole: str, fraction: str) -> None:
        """The digits behind a decimal point never become part of a number."""
        text = f"{whole}.{fraction}"
        assert normalised(text) in (text, normalised(whole))
        assert (normalised(text) == text) or not fraction.strip("0")

    @given(st.text(max_size=20))
    def test_plain_texts_stay_plain(self, text: str) -> None:
        """Full-width digits, blanks and dashes become ASCII, and outer invisible characters are removed."""
        assert plain(text) == plain(f"\u3000\ufeff{text}\u200b ")
        assert plain("ａ＋８６\u2014１\u3000２") == "ａ+86-1 2"


class TestAreNumbers:
    """Many numbers at once."""

    @given(
        st.lists(mobiles | st.text("1\u0661,90 ", min_size=10, max_size=12) | st.none() | people, max_size=4)
    )
    @example([MOBILE, "1381234567\u0668"])
    @example([f"{MOBILE},{MOBILE}", ""])
    @example([MOBILE[:-1], f"{MOBILE}1"])
    @example([MOBILE, "23812345678"])
    @example([MOBILE[:-1], f"21{MOBILE[1:]}"])
    @example([f"{MOBILE[:5]},{MOBILE[6:]}"])
    @example([f"{MOBILE[:10]}\ud800"])
    @example([MOBILE[:10]])
    def test_it_agrees_with_single_checks(self, items: list[object]) -> None:
        """True exactly if the sequence is not empty and every item is a number."""
        assert are_numbers(items) is (bool(items) and all(map(is_number, items)))

    def test_a_text_of_another_class(self) -> None:
        """A subclass of str may override methods, so that the items are checked singly."""

        class Loud(str):
            """Not just a text."""

            __slots__ = ()

        assert not are_numbers([MOBILE, Loud(MOBILE)])
