"""The checks of a request, on the bare rules."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.model.codes import JOIN_RESULT_CODES, VOICE_RESULT_CODES, ResultCode
from emay_voice_async.sandbox import checks
from emay_voice_async.sandbox.requests import FormRequest
from sandbox.by_hand import (
    BALANCES,
    ENDPOINT,
    MOBILE,
    NOW,
    REPORTS,
    SENDS,
    account,
    data,
    form,
    request,
    service,
    signature,
)
from sandbox.refusals import REFUSALS, Refusal, name_of

UNREACHABLE = {ResultCode.ERROR_TIMING, ResultCode.ERROR_TIMINGTIME, ResultCode.ERROR_TRIGGER}


def code_of(path: str, /, **changes: str | None) -> str:
    """Ask the service; return the result code."""
    return service().answer(request(path, **changes), NOW).code


@pytest.fixture(params=["America/New_York", "Asia/Tokyo"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the host be in another time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


class TestRefusals:
    """What is refused."""

    @pytest.mark.parametrize("refusal", REFUSALS, ids=name_of)
    def test_it_is_refused(self, refusal: Refusal) -> None:
        """Each thing that can be wrong has its code, and nobody is called or charged."""
        customer = account()
        refusal.prepare(customer)
        rules = service(customer)
        asked = FormRequest(ENDPOINT[refusal.path], refusal.fields, "127.0.0.1")
        for _ in range(refusal.accepted_before):
            assert rules.answer(asked, NOW).code == "SUCCESS"
        calls, balance = len(rules.calls), customer.balance
        assert rules.answer(asked, NOW).code == refusal.code
        assert (len(rules.calls), customer.balance) == (calls, balance)

    @pytest.mark.parametrize(
        ("table", "paths"),
        [(VOICE_RESULT_CODES, "/voice/"), (JOIN_RESULT_CODES, "/join/")],
        ids=["3.2", "3.4"],
    )
    def test_the_tables_are_covered(self, table: frozenset[ResultCode], paths: str) -> None:
        """A request can lead to every code of a table, except those that the module explains."""
        led_to = {refusal.code for refusal in REFUSALS if refusal.path.startswith(paths)}
        assert table - led_to - {"SUCCESS"} == table & UNREACHABLE

    @pytest.mark.parametrize("code", sorted(UNREACHABLE))
    def test_the_exceptions_are_explained(self, code: str) -> None:
        """The module says which codes no request can lead to."""
        assert code in str(checks.__doc__)


class TestOrder:
    """Which of several mistakes is told."""

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"appId": "X", "sign": "", "timestamp": ""}, "ERROR_APPID"),
            ({"sign": "", "timestamp": "x"}, "ERROR_PARAMS"),
            ({"sign": "x", "timestamp": "x"}, "ERROR_TIMESTAMP"),
            ({"sign": "x", "mobiles": ""}, "ERROR_SIGN"),
            ({"mobiles": "", "content": ""}, "ERROR_MOBILE_EMPTY"),
            ({"content": "", "customVoiceIds": "a,b"}, "ERROR_CONTENT_EMPTY"),
            ({"content": "字" * 201, "customVoiceIds": "a,b"}, "ERROR_LONG_CONTENT"),
            ({"customVoiceIds": "a," + "b" * 65}, "ERROR_CUSTOM_VOICE_ID"),
        ],
    )
    def test_the_first_mistake_is_told(self, changes: dict[str, str], code: str) -> None:
        """The account comes first, the content of the send last."""
        assert code_of("/voice/send", **changes) == code

    def test_the_address_comes_after_the_speed(self) -> None:
        """A stranger is counted before the address is looked at."""
        customer = account()
        customer.allowed_ips = ["10.0.0.1"]
        rules = service(customer)
        codes = [rules.answer(request("/voice/getBalance"), NOW).code for _ in range(11)]
        assert codes == ["ERROR_CLIENT_IP"] * 10 + ["ERROR_OVER_SPEED"]

    def test_the_address_comes_before_the_rest(self) -> None:
        """A stranger does not learn whether the signature was right."""
        customer = account()
        customer.allowed_ips = ["10.0.0.1"]
        assert service(customer).answer(request("/voice/getBalance", sign="x"), NOW).code == "ERROR_CLIENT_IP"


class TestAcceptance:
    """What just passes."""

    @pytest.mark.parametrize("path", [*SENDS, *REPORTS, *BALANCES])
    def test_a_right_request_passes(self, path: str) -> None:
        """Every endpoint accepts what the document asks for."""
        assert code_of(path) == "SUCCESS"

    @pytest.mark.parametrize("path", [*SENDS, *REPORTS, *BALANCES])
    def test_a_known_address_passes(self, path: str) -> None:
        """An address on the list of the account is let in."""
        customer = account()
        customer.allowed_ips = ["127.0.0.1"]
        assert service(customer).answer(request(path), NOW).code == "SUCCESS"

    @given(st.integers(-60, 60))
    def test_a_minute_is_allowed(self, seconds: int) -> None:
        """The timestamp may be off by 60 seconds, both included."""
        assert service().answer(request("/voice/getReport"), NOW + seconds).code == "SUCCESS"

    def test_the_skew_is_exact(self) -> None:
        """A tenth of a second more than a minute is too much."""
        assert service().answer(request("/voice/getReport"), NOW + 60.1).code == "ERROR_TIMESTAMP"

    @pytest.mark.parametrize("path", ["/voice/send", "/voice/sendCTCode", "/join/send"])
    def test_lists_may_be_full(self, path: str) -> None:
        """500 numbers with ids of 64 characters are one send; one good number among bad ones is enough."""
        mobiles = ",".join([MOBILE] + ["bad"] * 499)
        ids = ",".join(["字" * 64] * 500)
        names = {"customJoinIds" if path == "/join/send" else "customVoiceIds": ids, "mobiles": mobiles}
        document = service().answer(request(path, **names), NOW).document
        assert len(data(document)) == 500

    @pytest.mark.parametrize("path", ["/voice/send", "/voice/sendCTCode"])
    def test_contents_may_be_full(self, path: str) -> None:
        """200 characters are said first, and 300 more in the end; all kinds of characters count as one."""
        contents = {"content": "😀" * 200, "interactiveContent": "a" * 150, "acousticSignContent": "字" * 150}
        assert code_of(path, **contents) == "SUCCESS"

    def test_the_content_of_a_voice_sms_may_be_longer(self) -> None:
        """For voice SMS only the total is limited."""
        assert code_of("/join/send", voiceContent="字" * 500) == "SUCCESS"

    @pytest.mark.parametrize("code", ["0000", "123456"])
    def test_codes_have_four_or_six_digits(self, code: str) -> None:
        """Both lengths of a verification code pass."""
        assert code_of("/voice/sendVFCode", content=code) == "SUCCESS"

    @pytest.mark.parametrize("flag", ["", "0", "1", None])
    def test_flags_are_optional(self, flag: str | None) -> None:
        """A flag is 0, 1, or left out."""
        assert code_of("/voice/send", isInteractive=flag) == "SUCCESS"
        assert code_of("/join/send", isInteractive=flag, isAcousticSign=flag) == "SUCCESS"

    @pytest.mark.parametrize(
        "trigger",
        [
            {"triggerConditions": "3", "keyContent": "0", "connectTime": "x"},
            {"triggerConditions": "3", "keyContent": "9"},
            {"triggerConditions": "4", "connectTime": "6", "keyContent": None},
            {"triggerConditions": "4", "connectTime": "60", "keyContent": "x"},
        ],
    )
    def test_a_trigger_needs_its_own_field_only(self, trigger: dict[str, str | None]) -> None:
        """A key counts for key presses, a time for the time connected."""
        assert code_of("/join/send", **trigger) == "SUCCESS"

    @pytest.mark.parametrize("number", ["", None, "1", "1000", "0", "-5", "99999"])
    def test_any_number_of_reports_may_be_asked_for(self, number: str | None) -> None:
        """A number that is out of bounds is no mistake."""
        assert code_of("/voice/getReport", number=number) == "SUCCESS"

    def test_money_may_be_used_up(self) -> None:
        """A send that costs all there is passes, and the next one does not."""
        customer = account()
        customer.balance = customer.price
        rules = service(customer)
        codes = [rules.answer(request("/voice/send"), NOW).code for _ in range(2)]
        assert codes == ["SUCCESS", "ERROR_NEEDMORE_BALANCE"]
        assert customer.balance == 0

    def test_a_balance_is_signed_without_a_timestamp(self) -> None:
        """A timestamp that comes with a balance query is not looked at."""
        assert code_of("/voice/getBalance", timestamp="whenever") == "SUCCESS"

    @pytest.mark.usefixtures("zone")
    def test_the_zone_of_the_host_does_not_matter(self) -> None:
        """Timestamps are those of Beijing wherever the service runs."""
        assert code_of("/voice/getReport") == "SUCCESS"


def test_the_forms_of_these_tests_are_right() -> None:
    """The stamp and the signature written by hand are those of the document."""
    fields = form("/voice/getReport")
    assert fields["timestamp"] == "20231115061320"
    assert fields["sign"] == signature("EUCP-EMY-HAND-00001" + "FEDCBA9876543210" + "20231115061320")
    assert fields["sign"] == fields["sign"].lower()
    assert len(fields["sign"]) == 32
