"""Forms, byte by byte against another language's, and read back by the standard library."""

from urllib.parse import parse_qsl, unquote, unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import blob, table
from samples.strategies import CHARACTERS, messages, mobiles, people
from support.batches import send_form

from emay_voice_async.model.endpoints import ENDPOINTS, VOICE_BALANCE, VOICE_REPORTS, Call, Endpoint
from emay_voice_async.model.messages import (
    Marketing,
    Message,
    Notice,
    OnConnected,
    OnKey,
    VerificationCode,
    VoiceSms,
)
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.wire.forms import CONTENT_TYPE, reports_form, signed
from emay_voice_async.wire.signing import sign, stamp

ASK = "请问还有其他可以帮助您的吗"
APP_ID, SECRET_KEY, AT = "EUCP-EMY-DDDD-3EEEE", "0123456789abcdef", 1483243200.0
ONE = (Recipient("18001098901", "10001"),)
TWO = (Recipient("18001098901", "10001"), Recipient("18001098902", "10002"))
ODD = (Recipient("18001098901", "订单+1 & 50%=/~*"), Recipient("18001098902", "b-._"))
ROWS = {path: asked.split(" ") for _, path, asked, _ in table("endpoints")}
ACCOUNT = {"appId", "timestamp", "sign"}
OPTIONAL = {"interactiveContent", "acousticSignContent", "smsContent", "keyContent", "connectTime"}


def fields(body: bytes) -> dict[str, str]:
    """Read a form strictly: no field twice, no empty name, nothing that is not a pair."""
    pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict")
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


class TestSendForm:
    """What is said to whom."""

    @pytest.mark.parametrize(
        ("case", "message", "recipients"),
        [
            ("notice", Notice("您好"), ONE),
            (
                "notice-full",
                Notice(
                    "尊敬的客户：a+b=c & 50% off?/#;,*~'\"() 100%25 🔔",
                    interactive_content="按 1\n确认",
                    voicemail_content=ASK,
                ),
                ODD,
            ),
            ("marketing", Marketing("hello", interactive_content="1234", voicemail_content=ASK), ONE),
            ("code", VerificationCode("1234"), ONE),
            (
                "join-on-key",
                VoiceSms(
                    "1234",
                    trigger=OnKey("1"),
                    interactive_content="1234",
                    voicemail_content="nihao",
                    sms_content="退订回T",
                ),
                ONE,
            ),
            ("join-connected", VoiceSms("您好 world", trigger=OnConnected(10)), TWO),
        ],
    )
    def test_vectors(self, case: str, message: Message, recipients: tuple[Recipient, ...]) -> None:
        """Each kind of message has the bytes that another language makes of its fields."""
        assert send_form(message, recipients) == blob(f"form-{case}")

    @given(messages, st.lists(people, min_size=1, max_size=5))
    def test_what_is_said_can_be_read(self, message: Message, recipients: list[Recipient]) -> None:
        """A reader of forms gets every text, number and id back, character by character."""
        read = fields(send_form(message, recipients))
        endpoint = message.endpoint
        assert read.pop(endpoint.mobiles).split(",") == [one.mobile for one in recipients]
        assert read.pop(endpoint.custom_ids).split(",") == [one.custom_id for one in recipients]
        assert read == expected(message)

    @given(messages)
    def test_only_documented_fields(self, message: Message) -> None:
        """Each field of a form is in the document's table, and all that must be there are."""
        asked = set(ROWS[message.endpoint.path]) - ACCOUNT
        assert asked - OPTIONAL <= fields(send_form(message, ONE)).keys() <= asked

    @given(messages, st.lists(people, min_size=1, max_size=3))
    def test_encoded_once_and_plainly(self, message: Message, recipients: list[Recipient]) -> None:
        """Hex digits are upper case, and readers of forms and of plain percent-encoding read the same."""
        text = send_form(message, recipients).decode("ascii")
        assert "+" not in text
        assert " " not in text
        for part in text.split("%")[1:]:
            assert part[:2] == part[:2].upper()
            int(part[:2], 16)
        values = [pair.partition("=")[2] for pair in text.split("&")]
        assert [unquote(value) for value in values] == [unquote_plus(value) for value in values]

    @given(st.lists(st.text(CHARACTERS, min_size=1, max_size=8), min_size=1, max_size=8))
    def test_lists_are_quoted_like_texts(self, texts: list[str]) -> None:
        """The lists of ids, which are encoded in one go, are encoded as any text is."""
        custom_ids = [text.replace(",", ";") for text in texts]
        form = send_form(Notice("x"), [Recipient("18001098901", one) for one in custom_ids])
        alone = send_form(Notice("x"), [Recipient("18001098901", custom_ids[0])])
        assert fields(form)["customVoiceIds"] == ",".join(custom_ids)
        assert form.split(b"customVoiceIds=")[1].split(b"%2C")[0] == alone.split(b"customVoiceIds=")[1]

    def test_five_hundred_at_once(self) -> None:
        """A full batch of the longest ids is one form."""
        batch = [Recipient(f"1{place:010}", f"{place:0>3}{'订' * 61}") for place in range(500)]
        read = fields(send_form(Notice("x"), batch))
        assert read["mobiles"].count(",") == read["customVoiceIds"].count(",") == 499

    @pytest.mark.parametrize("trigger", [OnKey("0"), OnConnected(60)])
    def test_what_is_not_given_is_absent(self, trigger: OnKey | OnConnected) -> None:
        """A text that is None has no field, and a trigger has only the field of its kind."""
        read = fields(send_form(VoiceSms("x", trigger=trigger), ONE))
        assert OPTIONAL & read.keys() == {"keyContent" if isinstance(trigger, OnKey) else "connectTime"}
        assert not OPTIONAL & fields(send_form(Notice("x"), ONE)).keys()

    @pytest.mark.parametrize("flag", [True, False])
    def test_flags_decide(self, flag: bool) -> None:
        """A flag that is given is sent as it is, whatever texts there are."""
        message = VoiceSms(
            "x",
            trigger=OnKey("1"),
            interactive=flag,
            voicemail=flag,
            interactive_content="y" if not flag else None,
            voicemail_content="z" if not flag else None,
        )
        read = fields(send_form(message, ONE))
        assert read["isInteractive"] == read["isAcousticSign"] == ("1" if flag else "0")


def expected(message: Message) -> dict[str, str]:
    """Write down the fields of a message as the document's tables have them."""
    if isinstance(message, VerificationCode):
        return {"content": message.code}
    read = {"isInteractive": "1" if message.is_interactive else "0"}
    if message.interactive_content is not None:
        read["interactiveContent"] = message.interactive_content
    if message.voicemail_content is not None:
        read["acousticSignContent"] = message.voicemail_content
    if not isinstance(message, VoiceSms):
        return read | {"content": message.content}
    if message.sms_content is not None:
        read["smsContent"] = message.sms_content
    if isinstance(message.trigger, OnKey):
        read |= {"triggerConditions": "3", "keyContent": message.trigger.key}
    else:
        read |= {"triggerConditions": "4", "connectTime": str(message.trigger.seconds)}
    return read | {"voiceContent": message.content, "isAcousticSign": "1" if message.is_voicemail else "0"}


class TestReportsForm:
    """How many reports are asked for."""

    def test_vector(self) -> None:
        """The number is the only field."""
        assert reports_form(200) == blob("form-reports") == b"number=200"

    @given(st.integers(1, 1000))
    def test_any_number(self, number: int) -> None:
        """Any number is written in decimal digits."""
        assert fields(reports_form(number)) == {"number": str(number)}


class TestSigned:
    """The account's fields."""

    def test_vectors(self) -> None:
        """A stamped request and one without a timestamp have the bytes of another language."""
        assert signed(VOICE_REPORTS, APP_ID, SECRET_KEY, AT, reports_form(200)) == blob("form-signed")
        assert signed(VOICE_BALANCE, APP_ID, SECRET_KEY, AT) == blob("form-signed-balance")

    @pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
    def test_only_documented_fields(self, endpoint: Endpoint) -> None:
        """The fields of the account are those of the document's table, for each endpoint."""
        assert fields(signed(endpoint, APP_ID, SECRET_KEY, AT)).keys() == ACCOUNT & set(ROWS[endpoint.path])

    @settings(max_examples=50)
    @given(
        st.sampled_from(ENDPOINTS),
        st.text(CHARACTERS),
        st.text(CHARACTERS, min_size=16),
        st.floats(0, 4e9),
        st.binary(max_size=20).map(lambda raw: b"rest=" + raw.hex().encode()) | st.just(b""),
    )
    def test_any_account(
        self, endpoint: Endpoint, app_id: str, secret_key: str, at: float, rest: bytes
    ) -> None:
        """The signature fits the fields before it, the rest follows untouched, the key is not among them."""
        body = signed(endpoint, app_id, secret_key, at, rest)
        assert body.endswith(rest)
        read = fields(body)
        timestamp = stamp(at) if endpoint.call is not Call.BALANCE else ""
        assert read.pop("rest", "") == rest.partition(b"=")[2].decode()
        assert read == {
            "appId": app_id,
            **({"timestamp": timestamp} if timestamp else {}),
            "sign": sign(app_id, secret_key, timestamp),
        }


class TestContentType:
    """How a form is announced."""

    def test_charset(self) -> None:
        """The content type is that of forms, in the only character set that the service takes."""
        assert CONTENT_TYPE == "application/x-www-form-urlencoded;charset=UTF-8"

    @given(mobiles)
    def test_forms_are_ascii(self, mobile: str) -> None:
        """A form is ASCII, so that no reader's character set matters."""
        assert send_form(Notice("您好"), [Recipient(mobile, "订单")]).isascii()
