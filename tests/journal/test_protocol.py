"""The values of the journal contract."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.journal.protocol import Claim, Key, Purpose, State
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.messages import (
    Marketing,
    Message,
    Notice,
    OnConnected,
    OnKey,
    VerificationCode,
    VoiceSms,
)

SALT = b"0123456789abcdef"
MESSAGES: list[Message] = [
    Notice("一"),
    Notice("二"),
    Notice("一", interactive=True),
    Notice("一", interactive_content="请按1"),
    Marketing("一"),
    VerificationCode("1234"),
    VerificationCode("123456"),
    VoiceSms("一", trigger=OnKey("1")),
    VoiceSms("一", trigger=OnConnected(10)),
    VoiceSms("一", trigger=OnKey("1"), sms_content="三"),
]


@pytest.mark.parametrize("state", State)
def test_which_states_are_free(state: State) -> None:
    """A call is free after a refusal, and when it was not sent; in each other state it may have been made."""
    assert state.is_free is (state.value in ("refused", "not sent"))


def test_fingerprints_differ_as_the_messages_do() -> None:
    """Another message, kind, option or account has another fingerprint; equal purposes have equal fingerprints."""
    purposes = [Purpose(app_id, message) for message in MESSAGES for app_id in ("a", "b")]
    prints = [purpose.fingerprint(SALT) for purpose in purposes]
    assert len(set(prints)) == len(prints)
    assert prints == [evolve(purpose).fingerprint(SALT) for purpose in purposes]
    assert all(len(found) == 32 and int(found, 16) >= 0 for found in prints)


@given(st.binary(max_size=16), st.binary(max_size=16))
def test_the_salt_makes_a_fingerprint_its_own(salt: bytes, other: bytes) -> None:
    """Another salt gives another fingerprint, so that fingerprints cannot be looked up."""
    purpose = Purpose("app", VerificationCode("1234"))
    same = purpose.fingerprint(salt) == purpose.fingerprint(other)
    # A shorter salt is padded with zeros.
    assert same is (salt.ljust(16, b"\0") == other.ljust(16, b"\0"))


def test_what_a_purpose_names() -> None:
    """A purpose names the class of its message and the product of its reports, and hides a code."""
    assert Purpose("app", VerificationCode("471100")).kind == "VerificationCode"
    assert Purpose("app", Notice("...")).product is Product.VOICE
    assert Purpose("app", VoiceSms("...", trigger=OnKey("1"))).product is Product.JOIN
    assert "471100" not in repr(Purpose("app", VerificationCode("471100")))


def test_whole_numbers_are_not_shown() -> None:
    """The repr of a key or a claim shows no whole number; a key is still a tuple of its three parts."""
    key = Key("13812345678", "mine", 2)
    for text in (repr(key), str(key), f"{key}", repr(Claim("token", (key,), ("mine",), 65.0))):
        assert "13812345678" not in text
        assert "138****5678" in text
    assert key == ("13812345678", "mine", 2)
    assert Key("13812345678") == ("13812345678", "", 0)
