"""The messages, and the arguments that are refused before a request is sent."""

from collections.abc import Callable

import pytest
from attrs import evolve, fields
from attrs.exceptions import FrozenInstanceError
from hypothesis import example, given
from hypothesis import strategies as st
from samples.strategies import CHARACTERS, codes, messages

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.endpoints import (
    JOIN_SEND,
    VOICE_SEND,
    VOICE_SEND_CODE,
    VOICE_SEND_MARKETING,
    Endpoint,
)
from emay_voice_async.model.messages import (
    Marketing,
    Message,
    Notice,
    OnConnected,
    OnKey,
    VerificationCode,
    VoiceSms,
)

KEY = OnKey("1")
NOT_TEXTS: list[object] = [None, 1, 1.5, b"1234", ["1234"], True, frozenset()]
BLANKS = ["", " ", "\t\r\n", "\u3000", "\u00a0\u2003"]


def sms(content: str, **rest: object) -> VoiceSms:
    """Make a voice SMS with a trigger that does not matter."""
    return VoiceSms(content, trigger=KEY, **rest)  # type: ignore[arg-type]


Spoken = Callable[..., Notice | Marketing | VoiceSms]
each_spoken = pytest.mark.parametrize("make", [Notice, Marketing, sms])


def refused(make: Callable[..., object], *args: object, **rest: object) -> InvalidRequestError:
    """Return the error of making a message that must not be made."""
    with pytest.raises(InvalidRequestError) as caught:
        make(*args, **rest)
    return caught.value


class TestSpoken:
    """The rules that notifications, marketing calls and voice SMS share."""

    @each_spoken
    def test_the_whole_is_limited_exactly(self, make: Spoken) -> None:
        """The three texts have at most 500 characters together, however divided."""
        for first in (1, 100, 200):
            for second in (1, 250, 298):
                third = 500 - first - second
                made = make("甲" * first, interactive_content="乙" * second, voicemail_content="丙" * third)
                assert len(made.content) == first
                error = refused(
                    make,
                    "甲" * first,
                    interactive_content="乙" * second,
                    voicemail_content="丙" * (third + 1),
                )
                assert (error.limit, error.actual) == (500, "501 characters")
                assert error.field == "content, interactive_content and voicemail_content"

    @given(st.integers(1, 400), st.integers(0, 400), st.integers(0, 400))
    def test_the_sum_counts(self, content: int, interactive: int, voicemail: int) -> None:
        """A voice SMS can be made exactly if the given texts have at most 500 characters together."""
        given_texts = {
            name: "x" * length
            for name, length in (("interactive_content", interactive), ("voicemail_content", voicemail))
            if length
        }
        if content + interactive + voicemail <= 500:
            assert sms("x" * content, **given_texts).content == "x" * content
        else:
            assert refused(sms, "x" * content, **given_texts).limit == 500

    @pytest.mark.parametrize("make", [Notice, Marketing])
    @given(CHARACTERS)
    def test_the_content_is_limited_exactly(self, make: Spoken, char: str) -> None:
        """The content of a notification or marketing call has at most 200 characters."""
        text = "x" + char * 199
        assert make(text).content == text
        error = refused(make, text + char)
        assert (error.field, error.limit, error.actual) == ("content", 200, "201 characters")

    def test_the_content_of_a_voice_sms(self) -> None:
        """The content of a voice SMS is limited by the whole alone."""
        assert len(sms("甲" * 500).content) == 500
        assert refused(sms, "甲" * 501).limit == 500

    @each_spoken
    @pytest.mark.parametrize("name", ["interactive_content", "voicemail_content"])
    @pytest.mark.parametrize("value", [*NOT_TEXTS[1:], *BLANKS, "\ud800"], ids=ascii)
    def test_each_text_is_checked(self, make: Spoken, name: str, value: object) -> None:
        """An optional text must be a text, not blank, and encodable; the error has the name."""
        assert refused(make, "x", **{name: value}).field == name

    @each_spoken
    @pytest.mark.parametrize("value", [*NOT_TEXTS, *BLANKS, "\udfff"], ids=ascii)
    def test_the_content_is_checked(self, make: Spoken, value: object) -> None:
        """A content is required."""
        assert refused(make, value).field == "content"

    @each_spoken
    @pytest.mark.parametrize("value", [0, 1, "1", "", "true", frozenset()], ids=repr)
    def test_flags_are_flags(self, make: Spoken, value: object) -> None:
        """A flag is True, False or None; similar values are refused."""
        error = refused(make, "x", interactive=value)
        assert (error.field, error.actual) == ("interactive", type(value).__name__)

    @each_spoken
    @pytest.mark.parametrize("content", [None, "press 1"])
    @pytest.mark.parametrize("flag", [None, True, False])
    def test_the_flag_follows_the_content(self, make: Spoken, content: str | None, flag: bool | None) -> None:
        """A missing flag follows from the interactive content; a given flag decides."""
        made = make("x", interactive_content=content, interactive=flag)
        assert made.is_interactive is ((content is not None) if flag is None else flag)

    @each_spoken
    def test_options_have_names(self, make: Spoken) -> None:
        """All arguments after the content are keyword-only."""
        with pytest.raises(TypeError):
            make("x", "y")


class TestVerificationCode:
    """A code that is read out."""

    @given(codes)
    def test_four_or_six_digits(self, code: str) -> None:
        """Four or six digits are a code."""
        assert VerificationCode(code).code == code

    @given(st.text("0123456789", min_size=1, max_size=12).filter(lambda code: len(code) not in (4, 6)))
    def test_other_lengths(self, code: str) -> None:
        """Digits of any other number are not a code."""
        error = refused(VerificationCode, code)
        assert (error.field, error.rule) == ("code", "must be 4 or 6 digits")
        assert error.actual == f"{len(code)} characters"

    @given(st.text(min_size=4, max_size=4) | st.text(min_size=6, max_size=6))
    @example("１２３４")
    @example("١٢٣٤")
    @example("¹²³⁴")
    @example("123\n")
    @example("1234\n\n")
    @example("12 4")
    @example("-123")
    def test_only_these_digits(self, code: str) -> None:
        """A code has the digits 0 to 9 only, and no others that Unicode calls digits."""
        if set(code) <= set("0123456789"):
            assert VerificationCode(code).code == code
        else:
            assert refused(VerificationCode, code).field == "code"

    @pytest.mark.parametrize("code", ["1234\n", "123456\n", "1234\r", "\n1234", "1234\x00"])
    def test_no_line_end(self, code: str) -> None:
        """A line end after the digits is refused."""
        assert refused(VerificationCode, code).rule == "must be 4 or 6 digits"

    @pytest.mark.parametrize("value", [*NOT_TEXTS, 1234, *BLANKS, "\ud8001234"], ids=ascii)
    def test_other_types(self, value: object) -> None:
        """A number is not a code: leading zeros would be lost."""
        assert refused(VerificationCode, value).field == "code"

    @given(codes)
    def test_the_code_is_shown_nowhere(self, code: str) -> None:
        """No repr and no text of a message has the code."""
        message = VerificationCode(code)
        assert repr(message) == str(message) == f"{message}" == "VerificationCode()"

    @given(st.text("9173", min_size=7, max_size=20))
    def test_a_wrong_code_is_shown_nowhere(self, code: str) -> None:
        """No error about a wrong code shows the code."""
        error = refused(VerificationCode, code)
        assert code not in str(error) + repr(error) + repr(error.args)


class TestOnKey:
    """A trigger by key."""

    @pytest.mark.parametrize("key", "0123456789")
    def test_ten_keys(self, key: str) -> None:
        """Each of the ten digits is a key."""
        assert OnKey(key).key == key

    @pytest.mark.parametrize("key", ["10", "*", "#", "a", "１", "١", "²", "1\n", "-1"])
    def test_no_other_keys(self, key: str) -> None:
        """No other text is a key."""
        error = refused(OnKey, key)
        assert (error.field, error.rule) == ("trigger key", "must be one digit, 0 to 9")
        assert (error.limit, error.actual) == (1, f"{len(key)} characters")

    @pytest.mark.parametrize("key", [*NOT_TEXTS, *BLANKS], ids=repr)
    def test_other_types(self, key: object) -> None:
        """A key is a text, not a number."""
        assert refused(OnKey, key).field == "trigger key"


class TestOnConnected:
    """A trigger by time."""

    @given(st.integers())
    @example(5)
    @example(6)
    @example(60)
    @example(61)
    def test_six_to_sixty(self, seconds: int) -> None:
        """6 to 60 seconds, and the error has the bound that was broken."""
        if 6 <= seconds <= 60:
            assert OnConnected(seconds).seconds == seconds
        else:
            error = refused(OnConnected, seconds)
            assert (error.field, error.actual) == ("trigger seconds", seconds)
            assert error.limit == (6 if seconds < 6 else 60)

    @pytest.mark.parametrize("seconds", [None, 10.0, "10", True, [10]], ids=repr)
    def test_whole_numbers_only(self, seconds: object) -> None:
        """Seconds are a whole number."""
        error = refused(OnConnected, seconds)
        assert error.rule == "must be a whole number of seconds from 6 to 60"
        assert error.actual == type(seconds).__name__


class TestVoiceSms:
    """The fields of a voice SMS beyond the other messages."""

    @pytest.mark.parametrize("trigger", [OnKey("0"), OnConnected(6)])
    def test_triggers(self, trigger: OnKey | OnConnected) -> None:
        """Both triggers are taken as they are."""
        assert VoiceSms("x", trigger=trigger).trigger is trigger

    @pytest.mark.parametrize("trigger", [None, "1", 10, OnKey], ids=repr)
    def test_a_trigger_is_needed(self, trigger: object) -> None:
        """Other types are no trigger."""
        error = refused(VoiceSms, "x", trigger=trigger)
        assert (error.field, error.rule) == ("trigger", "must be OnKey or OnConnected")
        assert error.actual == type(trigger).__name__

    def test_a_trigger_is_not_made_up(self) -> None:
        """The document requires a trigger, so that the argument has no default."""
        with pytest.raises(TypeError):
            VoiceSms("x")  # type: ignore[call-arg]

    @pytest.mark.parametrize("value", [*NOT_TEXTS[1:], *BLANKS, "\ud800"], ids=ascii)
    def test_the_sms_is_checked(self, value: object) -> None:
        """The text message is a text, without a limit in the document."""
        assert refused(sms, "x", sms_content=value).field == "sms_content"
        assert sms("x", sms_content="y" * 1000).sms_content == "y" * 1000

    @pytest.mark.parametrize("content", [None, "leave a message"])
    @pytest.mark.parametrize("flag", [None, True, False])
    def test_the_flag_follows_the_content(self, content: str | None, flag: bool | None) -> None:
        """The voicemail flag follows from the voicemail content, unless given."""
        made = sms("x", voicemail_content=content, voicemail=flag)
        assert made.is_voicemail is ((content is not None) if flag is None else flag)

    @pytest.mark.parametrize("value", [0, 1, "1"], ids=repr)
    def test_flags_are_flags(self, value: object) -> None:
        """The voicemail flag is True, False or None."""
        assert refused(sms, "x", voicemail=value).field == "voicemail"


class TestMessage:
    """The common features of all four messages."""

    @pytest.mark.parametrize(
        ("message", "endpoint"),
        [
            (Notice("x"), VOICE_SEND),
            (VerificationCode("1234"), VOICE_SEND_CODE),
            (Marketing("x"), VOICE_SEND_MARKETING),
            (sms("x"), JOIN_SEND),
        ],
        ids=lambda one: type(one).__name__,
    )
    def test_endpoints(self, message: Message, endpoint: Endpoint) -> None:
        """A message has an endpoint."""
        assert message.endpoint is endpoint

    @given(messages)
    def test_messages_are_values(self, message: Message) -> None:
        """Equal messages are equal and hash alike, and none can be changed."""
        twin = evolve(message)
        assert twin == message
        assert hash(twin) == hash(message)
        name = fields(type(message))[0].name
        with pytest.raises(FrozenInstanceError):
            setattr(message, name, "other")
