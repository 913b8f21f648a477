"""The purpose of a journal, and the check that a send has the same purpose."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.purpose import Purpose, StoredPurpose
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
from emay_voice_async.model.templates import Template

SALT = b"0123456789abcdef"


MESSAGES: list[Message | Template] = [
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
    Template(Notice, "一"),
    Template(Notice, "{a}一"),
    Template(Notice, "{b}一"),
    Notice("x一"),
    Template(Notice, "{a}一", interactive_content="{a}"),
    Template(Notice, "{a}一", interactive_content="{b}"),
    Template(Notice, "{a}一", interactive=True),
    Template(Marketing, "{a}一"),
    Template(VoiceSms, "{a}一", trigger=OnKey("1")),
    Template(VoiceSms, "{a}一", trigger=OnKey("2")),
]


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
    """A purpose names the class of the message and the product of the reports, and hides a code."""
    assert Purpose("app", VerificationCode("471100")).kind == "VerificationCode"
    assert Purpose("app", Notice("...")).product is Product.VOICE
    assert Purpose("app", Template(Marketing, "{a}")).kind == "Marketing"
    assert Purpose("app", Template(VoiceSms, "{a}", trigger=OnKey("1"))).product is Product.JOIN
    assert Purpose("app", VoiceSms("...", trigger=OnKey("1"))).product is Product.JOIN
    assert "471100" not in repr(Purpose("app", VerificationCode("471100")))


def test_a_stored_purpose_checks_each_part() -> None:
    """A stored purpose accepts an equal purpose, and names the first part that differs, without the message."""
    purpose = Purpose("app", VerificationCode("471100"))
    stored = StoredPurpose.of(purpose)
    stored.check(evolve(purpose))
    assert stored.salt != StoredPurpose.of(purpose).salt
    assert "471100" not in repr(stored)
    for other, reason in (
        (evolve(purpose, app_id="other"), "another account (app)"),
        (evolve(purpose, message=VerificationCode("471101")), "another message (a VerificationCode)"),
        (evolve(purpose, allow_duplicates=True), "allow_duplicates=False"),
    ):
        with pytest.raises(JournalError) as caught:
            stored.check(other)
        assert reason in caught.value.reason
        assert "471100" not in caught.value.reason
