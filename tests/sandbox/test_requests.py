"""Forms as the service reads them."""

import pytest

from emay_voice_async.sandbox.requests import FormRequest, read_fields
from sandbox.by_hand import ENDPOINT


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", {}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=&b", {"a": "", "b": ""}),
        (b"a=1+2%2B3%26", {"a": "1 2+3&"}),
        (b"a=%E4%BD%A0", {"a": "你"}),
        ("a=你".encode(), {"a": "你"}),
        (b"a=1&a=2", {"a": "1"}),
        (b"a=%80", {"a": "\udc80"}),
        (b"a=\x80", {"a": "\udc80"}),
    ],
)
def test_forms_are_read(body: bytes, fields: dict[str, str]) -> None:
    """Fields are decoded once; the first of equal names counts; bad UTF-8 becomes surrogates."""
    assert read_fields(body) == fields


@pytest.mark.parametrize(
    ("path", "mobiles", "custom_ids", "content"),
    [
        ("/voice/send", "mobiles", "customVoiceIds", "content"),
        ("/voice/sendVFCode", "mobile", "customVoiceId", "content"),
        ("/voice/sendCTCode", "mobiles", "customVoiceIds", "content"),
        ("/join/send", "mobiles", "customJoinIds", "voiceContent"),
    ],
)
def test_each_endpoint_has_its_names(path: str, mobiles: str, custom_ids: str, content: str) -> None:
    """The parts of a send are found by the names of the parameter tables."""
    fields = {mobiles: "1,2", custom_ids: "a,b", content: "hello", "appId": "A"}
    request = FormRequest(ENDPOINT[path], fields, "127.0.0.1")
    assert (request.app_id, request.mobiles, request.custom_ids, request.content) == (
        "A",
        ["1", "2"],
        ["a", "b"],
        "hello",
    )


def test_too_many_fields_are_no_form() -> None:
    """A body of a thousand fields or more has no fields, so that reading it is cheap."""
    assert len(read_fields(b"&".join(b"%d=" % number for number in range(1000)))) == 1000
    assert read_fields(b"&".join(b"%d=" % number for number in range(1001))) == {}
    assert read_fields(b"&" * 1_000_000) == {}


def test_missing_fields_are_empty() -> None:
    """A request without fields has no numbers and no ids."""
    request = FormRequest(ENDPOINT["/voice/send"], {}, "127.0.0.1")
    assert (request.app_id, request.mobiles, request.custom_ids, request.content) == ("", [], [], "")


def test_other_texts() -> None:
    """The texts beside the main content are found; empty texts are left out."""
    fields = {
        "content": "hello",
        "interactiveContent": "press 1",
        "acousticSignContent": "",
        "smsContent": "sms",
    }
    request = FormRequest(ENDPOINT["/join/send"], fields, "127.0.0.1")
    assert request.texts == {"interactive": "press 1", "sms": "sms"}
