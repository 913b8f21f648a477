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
    """Send a request; return the result code."""
    return service().answer(request(path, **changes), NOW).code


@pytest.fixture(params=["America/New_York", "Asia/Tokyo"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Put the host into another time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


class TestRefusals:
    """Requests that are refused."""

    @pytest.mark.parametrize("refusal", REFUSALS, ids=name_of)
    def test_it_is_refused(self, refusal: Refusal) -> None:
        """Each fault has its result code; no number is called and no money is charged."""
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
        """A request can lead to every code of a table, except the codes that the module explains."""
        led_to = {refusal.code for refusal in REFUSALS if refusal.path.startswith(paths)}
        assert table - led_to - {"SUCCESS"} == table & UNREACHABLE

    @pytest.mark.parametrize("code", sorted(UNREACHABLE))
    def test_the_exceptions_are_explained(self, code: str) -> None:
        """The docstring of the module names the codes that no request can lead to."""
        assert code in str(checks.__doc__)


class TestOrder:
    """The order of the checks."""

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
    def test_the_first_fault_decides(self, changes: dict[str, str], code: str) -> None:
        """The account is checked first, the content of the send last."""
        assert code_of("/voice/send", **changes) == code

    def test_the_address_comes_after_the_speed(self) -> None:
        """Requests from a wrong address count for the speed limit."""
        customer = account()
        customer.allowed_ips = ["10.0.0.1"]
        rules = service(customer)
        codes = [rules.answer(request("/voice/getBalance"), NOW).code for _ in range(11)]
        assert codes == ["ERROR_CLIENT_IP"] * 10 + ["ERROR_OVER_SPEED"]

    def test_the_address_comes_before_the_rest(self) -> None:
        """A wrong address is refused before the signature is checked."""
        customer = account()
        customer.allowed_ips = ["10.0.0.1"]
        assert service(customer).answer(request("/voice/getBalance", sign="x"), NOW).code == "ERROR_CLIENT_IP"


class TestAcceptance:
    """Requests at the limits that are accepted."""

    @pytest.mark.parametrize("path", [*SENDS, *REPORTS, *BALANCES])
    def test_a_right_request_passes(self, path: str) -> None:
        """Every endpoint accepts a request as documented."""
        assert code_of(path) == "SUCCESS"

    @pytest.mark.parametrize("path", [*SENDS, *REPORTS, *BALANCES])
    def test_a_known_address_passes(self, path: str) -> None:
        """A client address on the account's list is accepted."""
        customer = account()
        customer.allowed_ips = ["127.0.0.1"]
        assert service(customer).answer(request(path), NOW).code == "SUCCESS"

    @given(st.integers(-60, 60))
    def test_a_minute_is_allowed(self, seconds: int) -> None:
        """The timestamp may be off by up to 60 seconds, inclusive."""
        assert service().answer(request("/voice/getReport"), NOW + seconds).code == "SUCCESS"

    def test_the_skew_is_exact(self) -> None:
        """60.1 seconds are refused."""
        assert service().answer(request("/voice/getReport"), NOW + 60.1).code == "ERROR_TIMESTAMP"

    @pytest.mark.parametrize("path", ["/voice/send", "/voice/sendCTCode", "/join/send"])
    def test_lists_may_be_full(self, path: str) -> None:
        """A send may have 500 numbers with ids of 64 characters; a single good number is enough."""
        mobiles = ",".join([MOBILE] + ["bad"] * 499)
        ids = ",".join(["字" * 64] * 500)
        names = {"customJoinIds" if path == "/join/send" else "customVoiceIds": ids, "mobiles": mobiles}
        document = service().answer(request(path, **names), NOW).document
        assert len(data(document)) == 500

    @pytest.mark.parametrize("path", ["/voice/send", "/voice/sendCTCode"])
    def test_contents_may_be_full(self, path: str) -> None:
        """200 characters of content and 300 further characters are accepted, counted as code points."""
        contents = {"content": "😀" * 200, "interactiveContent": "a" * 150, "acousticSignContent": "字" * 150}
        assert code_of(path, **contents) == "SUCCESS"

    def test_the_content_of_a_voice_sms_may_be_longer(self) -> None:
        """For voice SMS only the total is limited."""
        assert code_of("/join/send", voiceContent="字" * 500) == "SUCCESS"

    @pytest.mark.parametrize("code", ["0000", "123456"])
    def test_codes_have_four_or_six_digits(self, code: str) -> None:
        """Both lengths of a verification code are accepted."""
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
        """A key trigger needs the key only, a connection trigger the time only."""
        assert code_of("/join/send", **trigger) == "SUCCESS"

    @pytest.mark.parametrize("number", ["", None, "1", "1000", "0", "-5", "99999"])
    def test_any_number_of_reports_may_be_asked_for(self, number: str | None) -> None:
        """Any number of reports is accepted, also out of bounds."""
        assert code_of("/voice/getReport", number=number) == "SUCCESS"

    def test_money_may_be_used_up(self) -> None:
        """A send that costs the whole balance is accepted, and the next send is refused."""
        customer = account()
        customer.balance = customer.price
        rules = service(customer)
        codes = [rules.answer(request("/voice/send"), NOW).code for _ in range(2)]
        assert codes == ["SUCCESS", "ERROR_NEEDMORE_BALANCE"]
        assert customer.balance == 0

    def test_a_balance_is_signed_without_a_timestamp(self) -> None:
        """The timestamp of a balance query is ignored."""
        assert code_of("/voice/getBalance", timestamp="whenever") == "SUCCESS"

    @pytest.mark.usefixtures("zone")
    def test_the_zone_of_the_host_does_not_matter(self) -> None:
        """Timestamps are in Beijing time in any time zone of the host."""
        assert code_of("/voice/getReport") == "SUCCESS"


def test_the_forms_of_these_tests_are_right() -> None:
    """The timestamp and the signature of these helpers are the document's."""
    fields = form("/voice/getReport")
    assert fields["timestamp"] == "20231115061320"
    assert fields["sign"] == signature("EUCP-EMY-HAND-00001" + "FEDCBA9876543210" + "20231115061320")
    assert fields["sign"] == fields["sign"].lower()
    assert len(fields["sign"]) == 32
