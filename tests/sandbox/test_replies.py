"""The JSON of the replies, and the HTTP response around the JSON."""

from base64 import b64decode
from decimal import Decimal

import pytest

from emay_voice_async.sandbox import replies
from emay_voice_async.sandbox.outcomes import outcome_of
from emay_voice_async.sandbox.record import MadeCall
from emay_voice_async.sandbox.replies import Recordings, encode, page
from sandbox.by_hand import ENDPOINT, NOW


def report(path: str, mobile: str, recordings: Recordings = "base64") -> dict[str, object]:
    """Write the report of a call made at NOW."""
    call = MadeCall(NOW, "A", ENDPOINT[path], mobile, "20180427000000000001", "mine", "hello")
    ending = outcome_of(mobile, "hello")
    assert ending is not None
    return replies.report(call, ending, NOW, recordings)


class TestReport:
    """A status report."""

    def test_a_voice_report(self) -> None:
        """A voice report has the fields of section 2.1.2, with numbers as numbers."""
        assert report("/voice/send", "13900000011") == {
            "appId": "A",
            "customVoiceId": "mine",
            "voiceId": "20180427000000000001",
            "mobile": "13900000011",
            "callingTime": "2023-11-15 06:13:20",
            "callingDuration": 68.02,
            "message": "成功",
            "state": "SUCCESS",
            "keyContent": 2,
            "voiceSign": None,
        }

    def test_a_join_report(self) -> None:
        """A voice SMS report has the fields of section 2.4.2, with text in all of them."""
        assert report("/join/send", "13900000011") == {
            "appId": "A",
            "customJoinId": "mine",
            "joinId": "20180427000000000001",
            "mobile": "13900000011",
            "desc": "成功",
            "state": "4",
            "keyContent": "2",
            "voiceSign": "",
        }

    def test_a_number_that_was_never_called(self) -> None:
        """Without a call, the report has no time of the call."""
        written = report("/voice/send", "13900000007")
        assert (written["callingTime"], written["callingDuration"], written["keyContent"]) == (
            None,
            0.0,
            None,
        )

    @pytest.mark.parametrize("path", ["/voice/send", "/join/send"])
    def test_recordings_as_base64(self, path: str) -> None:
        """A recording is text."""
        text = report(path, "13900000010")["voiceSign"]
        assert isinstance(text, str)
        assert b64decode(text, validate=True).startswith(b"RIFF")

    @pytest.mark.parametrize("path", ["/voice/send", "/join/send"])
    def test_recordings_as_signed_bytes(self, path: str) -> None:
        """A recording is a list of Java's bytes, with the same content."""
        numbers, text = (
            report(path, "13900000010", "signed")["voiceSign"],
            report(path, "13900000010")["voiceSign"],
        )
        assert isinstance(numbers, list)
        assert isinstance(text, str)
        assert min(numbers) < 0 <= max(numbers) <= 127
        assert bytes(number % 256 for number in numbers) == b64decode(text)


class TestReply:
    """Replies around the data."""

    @pytest.mark.parametrize(
        ("path", "document"),
        [("/voice/getBalance", {"responseCode": "ERROR_X"}), ("/join/getBalance", {"code": "ERROR_X"})],
    )
    def test_refusals(self, path: str, document: dict[str, str]) -> None:
        """The code has another name in the balance of the voice services."""
        assert replies.refusal(ENDPOINT[path], "ERROR_X").document == document

    @pytest.mark.parametrize(
        ("path", "document"),
        [
            ("/voice/getBalance", {"balance": "0.00000001", "responseCode": "SUCCESS"}),
            ("/join/getBalance", {"data": "0.00000001", "code": "SUCCESS"}),
        ],
    )
    def test_balances(self, path: str, document: dict[str, str]) -> None:
        """A balance is text without an exponent, even a tiny balance."""
        assert replies.balance(ENDPOINT[path], Decimal("1E-8")).document == document


class TestHttpReply:
    """The HTTP response."""

    def test_a_reply_is_json(self) -> None:
        """A refusal has status 200, like any reply, in UTF-8."""
        answer = encode(replies.refusal(ENDPOINT["/voice/send"], "错误"))
        assert (answer.status, answer.body, answer.code) == (200, '{"code":"错误"}'.encode(), "错误")

    def test_a_page_is_html(self) -> None:
        """A page is HTML with the HTTP status, without a result code."""
        answer = page(502)
        assert (answer.status, answer.content_type, answer.code) == (502, "text/html;charset=utf-8", None)
        assert b"502 Bad Gateway" in answer.body
