"""Recipients: checks by position, batches, and custom ids."""

import copy
import pickle
import re

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError
from hypothesis import example, given
from hypothesis import strategies as st
from samples.strategies import custom_ids, mobiles, people

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.numbers import mask, normalised
from emay_voice_async.model.recipients import (
    Recipient,
    as_recipient,
    check_all,
    check_recipient,
    check_unique_id,
    identified,
)

MOBILE = "13812345678"
SCIENTIFIC = "in scientific notation, which has lost digits"


def refused(mobile: object, custom_id: object = None, position: int = 0) -> InvalidRequestError:
    """Return the error of checking a recipient that must not be sent to."""
    with pytest.raises(InvalidRequestError) as caught:
        check_recipient(Recipient(mobile, custom_id), position)  # type: ignore[arg-type]
    return caught.value


class TestRecipient:
    """A number and a custom id."""

    @given(people)
    def test_no_number_in_its_repr(self, one: Recipient) -> None:
        """A repr shows the masked number and the custom id, and so does ``str``."""
        assert repr(one) == str(one) == f"Recipient({mask(one.mobile)!r}, custom_id={one.custom_id!r})"
        assert repr(Recipient(one.mobile)) == f"Recipient({mask(one.mobile)!r}, custom_id=None)"

    @pytest.mark.parametrize("mobile", [13812345678, b"13812345678", ["13812345678"], None])
    def test_no_value_of_another_type_in_its_repr(self, mobile: object) -> None:
        """A number of the wrong type is hidden as well."""
        assert MOBILE not in repr(Recipient(mobile))  # type: ignore[arg-type]

    def test_recipients_are_values(self) -> None:
        """Equal recipients are equal and hash alike, and none can be changed."""
        one = Recipient(MOBILE, "a")
        assert one == Recipient(MOBILE, "a") != Recipient(MOBILE)
        assert len({one, Recipient(MOBILE, "a")}) == 1
        with pytest.raises(FrozenInstanceError):
            one.mobile = "13900000000"  # type: ignore[misc]

    def test_fields_are_copied(self) -> None:
        """Fields are copied when the recipient is made, and can be changed neither there nor here."""
        row = {"name": "Li"}
        one = Recipient(MOBILE, fields=row)
        row["name"] = "Wang"
        assert one.fields == {"name": "Li"}
        with pytest.raises(TypeError):
            one.fields["name"] = "Wang"  # type: ignore[index]
        assert Recipient(MOBILE).fields == {}

    @given(people, st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3))
    def test_fields_are_part_of_the_value(self, one: Recipient, fields: dict[str, str]) -> None:
        """Fields count for equality, survive copies and pickles, and are hashed as if they were not there."""
        full = Recipient(one.mobile, one.custom_id, fields)
        assert (full == one) is (not fields)
        assert hash(full) == hash(one)
        copies = [copy.deepcopy(full), copy.copy(full), evolve(full)]
        for same in (*copies, pickle.loads(pickle.dumps(full))):  # noqa: S301
            assert same == full
            assert same.fields == fields

    def test_no_field_in_its_repr(self) -> None:
        """A repr counts the fields, and shows neither names nor values; fields of a wrong type are not counted."""
        one = Recipient(MOBILE, fields={"name": "张三", "code": "8-1-402"})
        assert repr(one) == "Recipient('138****5678', custom_id=None, fields=<2>)"
        wrong = Recipient(MOBILE, fields=7)  # type: ignore[arg-type]
        again = pickle.loads(pickle.dumps(wrong))  # noqa: S301
        assert repr(wrong) == repr(again) == repr(Recipient(MOBILE))

    @given(people, custom_ids)
    def test_another_id(self, one: Recipient, custom_id: str) -> None:
        """With another id, the number and the fields stay."""
        fields = {"name": "Li"}
        found = identified(Recipient(one.mobile, one.custom_id, fields), custom_id)
        assert found == Recipient(one.mobile, custom_id, fields)
        with pytest.raises(FrozenInstanceError):
            found.mobile = MOBILE  # type: ignore[misc]


class TestAsRecipient:
    """Any argument of a caller, as a recipient."""

    @given(people)
    def test_a_recipient_is_taken_as_it_is(self, one: Recipient) -> None:
        """A Recipient is itself."""
        assert as_recipient(one) is one

    @given(mobiles)
    def test_a_number_is_a_recipient_without_id(self, mobile: str) -> None:
        """A text is a number without a custom id."""
        assert as_recipient(mobile) == Recipient(mobile)

    @pytest.mark.parametrize("item", [None, 13812345678, b"13812345678", (MOBILE, "a")])
    def test_other_types_are_kept_for_the_check(self, item: object) -> None:
        """A wrong type is kept for the check, which knows the position."""
        one = as_recipient(item)
        with pytest.raises(InvalidRequestError, match="mobile at position 9"):
            check_recipient(one, 9)


class TestCheckRecipient:
    """The rules of a number and a custom id."""

    @given(people, st.integers(0))
    def test_valid_recipients_pass(self, one: Recipient, position: int) -> None:
        """Eleven digits that begin with 1 pass, with any id of 64 characters without a comma."""
        check_recipient(one, position)
        check_recipient(Recipient(one.mobile), position)

    @given(st.text("0123456789", max_size=14) | st.text(max_size=12))
    @example("1381234567")
    @example("138123456789")
    @example("23812345678")
    @example("03812345678")
    @example("+8613812345678")
    @example("8613812345678")
    @example("138 1234 5678")
    @example("13812345678\n")
    @example(" 13812345678")
    @example("1381234567８")
    @example("１３８１２３４５６７８")
    @example("1٣٨١٢٣٤٥٦٧٨")
    @example("1381234567²")
    @example("13812345678,13812345679")
    @example("1381234567\ud800")
    @example("")
    def test_numbers(self, mobile: str) -> None:
        """Any other text is refused by the length, and never shown."""
        if re.match(r"\A1[0-9]{10}\Z", mobile):
            check_recipient(Recipient(mobile), 0)
            return
        error = refused(mobile, position=12)
        assert (error.field, error.limit, error.position) == ("mobile", 11, 12)
        assert error.rule.startswith(("must be 11 digits and begin with 1", "must be a single number"))
        assert str(error.actual).removesuffix(f" {SCIENTIFIC}") == f"{len(mobile)} characters"
        assert str(error) == f"mobile at position 12: {error.rule} (found {error.actual})"

    @pytest.mark.parametrize(
        "mobile", ["1.38E+10", "1.38e10", "1E+10", "1.380000000E+10", "１.３８E＋１０", "'1.38E+10 "]
    )
    def test_scientific_notation(self, mobile: str) -> None:
        """A number that a spreadsheet has shortened is refused with the reason, and never guessed."""
        assert normalised(mobile) == mobile
        assert refused(mobile).actual == f"{len(mobile)} characters {SCIENTIFIC}"

    @pytest.mark.parametrize("mobile", ["1.38E", "E+10", "1.38F+10", "x1.38E+10", "1.38E+1x", "1e"])
    def test_other_letters_are_no_scientific_notation(self, mobile: str) -> None:
        """The reason is given for scientific notation only."""
        assert refused(mobile).actual == f"{len(mobile)} characters"

    def test_without_a_position(self) -> None:
        """A recipient that stands alone is refused without a position."""
        with pytest.raises(InvalidRequestError, match=r"^mobile: must be 11 digits and begin with 1 "):
            check_recipient(Recipient("138"))

    @pytest.mark.parametrize("mobile", [None, 13812345678, 13812345678.0, b"13812345678", [MOBILE]], ids=repr)
    def test_types_of_numbers(self, mobile: object) -> None:
        """A number that is not a text is refused by the name of the type."""
        error = refused(mobile)
        assert (error.field, error.actual) == ("mobile", type(mobile).__name__)

    @pytest.mark.parametrize("char", ["x", "订", "🔔", "&", "%"])
    def test_the_length_of_an_id(self, char: str) -> None:
        """A custom id has at most 64 characters."""
        check_recipient(Recipient(MOBILE, char * 64), 0)
        error = refused(MOBILE, char * 65, 4)
        assert (error.field, error.limit, error.position) == ("custom_id", 64, 4)
        assert error.actual == "65 characters"

    @given(custom_ids, st.integers(0, 63))
    def test_no_comma_in_an_id(self, custom_id: str, place: int) -> None:
        """A comma separates ids on the wire, and is refused inside an id."""
        broken = f"{custom_id[:place]},{custom_id[place + 1 :]}"
        error = refused(MOBILE, broken)
        assert (error.field, error.rule) == ("custom_id", "must not contain a comma")
        assert error.actual == f"one in place {broken.index(',')}"

    @pytest.mark.parametrize("custom_id", ["", " ", "\n", "\u3000"], ids=ascii)
    def test_no_blank_id(self, custom_id: str) -> None:
        """An id that is empty or blank is not taken for none."""
        assert refused(MOBILE, custom_id).rule == "must not be empty or blank"

    @pytest.mark.parametrize("custom_id", [7, b"a", True, ["a"]], ids=repr)
    def test_types_of_ids(self, custom_id: object) -> None:
        """An id is a text."""
        error = refused(MOBILE, custom_id)
        assert (error.field, error.actual) == ("custom_id", type(custom_id).__name__)

    def test_no_half_characters(self) -> None:
        """An id that UTF-8 cannot encode is refused."""
        assert refused(MOBILE, "a\ud83d").actual == "a lone surrogate in place 1"

    @given(st.text("9173", min_size=12, max_size=70))
    def test_the_value_is_never_told(self, value: str) -> None:
        """Neither a wrong number nor a wrong id is shown by the error."""
        for error in (refused(value), refused(MOBILE, f",{value}")):
            assert value not in str(error) + repr(error) + repr(error.args)


class TestCheckAll:
    """A whole list."""

    @given(st.lists(people | mobiles, max_size=6, unique_by=lambda one: getattr(one, "custom_id", one)))
    def test_good_lists_pass(self, items: list[Recipient | str]) -> None:
        """Numbers and recipients may be mixed, and numbers may be repeated."""
        check_all(items)
        check_all([one for one in items if isinstance(one, str)] * 2)

    @given(st.lists(mobiles, max_size=8), st.data())
    def test_the_position_is_told(self, items: list[str], data: st.DataObject) -> None:
        """The first invalid entry is named by the position, counted from 0."""
        position = data.draw(st.integers(0, len(items)))
        with pytest.raises(InvalidRequestError) as caught:
            check_all([*items[:position], "138", *items[position:], None])
        assert caught.value.position == position

    @given(st.integers(0, 20), st.integers(0, 20))
    def test_an_id_occurs_once(self, before: int, between: int) -> None:
        """A custom id that occurs again is refused, with both positions, without being shown."""
        others = [Recipient(MOBILE, f"id-{place}") for place in range(before + between)]
        twice = Recipient(MOBILE, "order-7")
        with pytest.raises(InvalidRequestError) as caught:
            check_all([*others[:before], twice, *others[before:], twice])
        error = caught.value
        assert (error.field, error.rule) == ("custom_id", "must not be repeated")
        assert error.position == before + between + 1
        assert error.actual == f"the one at position {before} again"
        assert "order-7" not in repr(error.args)

    def test_ids_differ_in_every_character(self) -> None:
        """Ids that only look alike are different ids."""
        check_all([Recipient(MOBILE, custom_id) for custom_id in ("a", "A", "a ", "\u00e9", "e\u0301")])

    def test_a_long_list(self) -> None:
        """A list of 20,000 is checked in a single pass, down to a duplicate id at the end."""
        people = [Recipient(MOBILE, f"id-{place}") for place in range(20_000)]
        check_all(people)
        with pytest.raises(InvalidRequestError, match="position 20000"):
            check_all([*people, people[10_000]])


class TestCheckUniqueId:
    """Ids that were seen before."""

    def test_a_new_id_is_remembered(self) -> None:
        """A new id is remembered with the position; None is not remembered."""
        seen: dict[str, int] = {}
        check_unique_id(Recipient(MOBILE, "a"), 0, seen)
        check_unique_id(Recipient(MOBILE), 1, seen)
        check_unique_id(Recipient(MOBILE), 2, seen)
        check_unique_id(Recipient(MOBILE, "b"), 3, seen)
        assert seen == {"a": 0, "b": 3}
        with pytest.raises(InvalidRequestError, match="custom_id at position 4"):
            check_unique_id(Recipient(MOBILE, "a"), 4, seen)
        assert seen == {"a": 0, "b": 3}
