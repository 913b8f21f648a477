"""The values of the journal contract."""

import pytest

from emay_voice_async import journal
from emay_voice_async.journal.protocol import Claim, Key, State


@pytest.mark.parametrize("state", State)
def test_which_states_are_free(state: State) -> None:
    """A call is free after a refusal, and when it was not sent; in each other state it may have been made."""
    assert state.is_free is (state.value in ("refused", "not sent"))


def test_whole_numbers_are_not_shown() -> None:
    """The repr of a key or a claim shows no whole number; a key is still a tuple of its three parts."""
    key = Key("13812345678", "mine", 2)
    for text in (repr(key), str(key), f"{key}", repr(Claim("token", (key,), ("mine",), 65.0))):
        assert "13812345678" not in text
        assert "138****5678" in text
    assert key == ("13812345678", "mine", 2)
    assert Key("13812345678") == ("13812345678", "", 0)


def test_an_unknown_name_of_the_package() -> None:
    """A name that the package does not have is an AttributeError; ``SqliteJournal`` is imported lazily."""
    with pytest.raises(AttributeError, match="no attribute 'Jornal'"):
        journal.Jornal  # noqa: B018
    assert journal.__getattr__("SqliteJournal") is journal.SqliteJournal
