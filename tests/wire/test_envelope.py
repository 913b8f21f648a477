"""Responses: the document's examples, variants, and responses outside the document."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import assume, example, given
from hypothesis import strategies as st
from samples import DOCUMENTED, answer, blob, cases, table
from samples.strategies import JSON, raw_reports
from support.batches import read_tickets

from emay_voice_async.errors import (
    AccountError,
    AnswerError,
    BalanceError,
    ContentError,
    NotSentError,
    OverSpeedError,
    RefusedError,
)
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import CallState, ResultCode
from emay_voice_async.model.endpoints import (
    ENDPOINTS,
    JOIN_BALANCE,
    JOIN_REPORTS,
    JOIN_SEND,
    VOICE_BALANCE,
    VOICE_REPORTS,
    VOICE_SEND,
    Call,
    Endpoint,
    Product,
)
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Report
from emay_voice_async.wire.damaged_json import without_surrogates
from emay_voice_async.wire.envelope import REFUSALS, HttpResponse, read_balance, read_reports, refusal
from emay_voice_async.wire.status_reports import structure_reports
from emay_voice_async.wire.statuses import NOT_ACTED_ON

ONE = (Recipient("15538850000", "20170392833833891100"),)
READERS: dict[Call, Callable[[Endpoint, HttpResponse], object]] = {
    Call.SEND: lambda endpoint, got: read_tickets(endpoint, got, ONE),
    Call.REPORTS: read_reports,
    Call.BALANCE: read_balance,
}
JOIN_REPORT = Report(
    product=Product.JOIN,
    app_id="EUCP - EMY - DDDD - 3EEEE",
    message_id="20170392833833891100",
    custom_id="1553885000011111",
    mobile="18566666666",
    state=CallState.SUCCESS,
    raw_state="4",
    description="success",
    key_pressed="12",
)

pytestmark = pytest.mark.usefixtures("json_reader")
FAILED_JOIN_REPORT = Report(
    product=Product.JOIN,
    app_id="EUCP - EMY - DDDD - 3EEEE",
    message_id="20170392833833891100",
    custom_id="1553885000011111",
    mobile="18566666666",
    state=CallState.FAIL,
    raw_state="2",
    description="fail",
    key_pressed="12",
)
each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)


def read(endpoint: Endpoint, got: HttpResponse) -> object:
    """Read a response with the reader for the endpoint's kind of request."""
    return READERS[endpoint.call](endpoint, got)


def accepted(data: object, **more: object) -> HttpResponse:
    """Make a response with the code SUCCESS."""
    return HttpResponse(200, json.dumps({"code": "SUCCESS", "data": data, **more}).encode())


def of_case(case: str) -> Endpoint:
    """Return the endpoint of a recorded case."""
    if "balance" in case:
        return JOIN_BALANCE if "join" in case else VOICE_BALANCE
    if "reports" in case:
        return JOIN_REPORTS if "join" in case else VOICE_REPORTS
    return JOIN_SEND if "join" in case else VOICE_SEND


class TestAnswer:
    """An HTTP response."""

    def test_no_body_in_its_repr(self) -> None:
        """The repr shows no body and no phone number."""
        got = answer("send-data-object")
        assert "body" not in repr(got)
        assert "15538850000" not in repr(got)


class TestReadReports:
    """The response to a getReport."""

    @pytest.mark.parametrize("case", cases("document-2.?.2.2-reports"))
    def test_the_examples(self, case: str) -> None:
        """The document's examples have the same report twice; the state is read without the blanks."""
        assert read_reports(VOICE_REPORTS, answer(case)) == ((DOCUMENTED, DOCUMENTED), ())

    def test_the_example_of_voice_sms(self) -> None:
        """The document's voice SMS reports are a success and a failure, with a key and no recording."""
        expected = (JOIN_REPORT, FAILED_JOIN_REPORT)
        assert read_reports(JOIN_REPORTS, answer("document-2.4.2.2-reports-join")) == (expected, ())

    @pytest.mark.parametrize("case", ["reports-null-fields", "reports-empty-fields"])
    def test_null_and_empty_fields(self, case: str) -> None:
        """Null and empty fields are read as missing."""
        assert read_reports(VOICE_REPORTS, answer(case)) == ((Report(Product.VOICE, message_id="1"),), ())

    def test_unknown_fields(self) -> None:
        """Unlisted fields are ignored, also with names of Report's attributes."""
        expected = Report(
            Product.VOICE,
            message_id="1",
            state=CallState.FAIL_CALL,
            raw_state="FAIL_CALL",
            description="呼叫失败",
        )
        assert read_reports(VOICE_REPORTS, answer("reports-extra-fields")) == ((expected,), ())

    def test_numbers_for_texts(self) -> None:
        """A number in place of a text, and a text in place of a number, are read."""
        expected = Report(
            product=Product.VOICE,
            app_id="1",
            message_id="20170392833833891100",
            custom_id="10001",
            mobile="18566666666",
            state=CallState.SUCCESS,
            raw_state="SUCCESS",
            description="0",
            called_at=datetime(2017, 3, 15, 12, tzinfo=BEIJING),
            duration=68.02,
            key_pressed="12",
        )
        assert read_reports(VOICE_REPORTS, answer("reports-swapped-kinds")) == ((expected,), ())

    def test_numbers_for_texts_of_voice_sms(self) -> None:
        """A state as a number is recognised, and a key of 0 is kept."""
        [report], broken = read_reports(JOIN_REPORTS, answer("reports-swapped-kinds-join"))
        assert not broken
        assert (report.state, report.raw_state, report.key_pressed) == (CallState.TIMEOUT, "3", "0")
        assert (report.message_id, report.duration) == ("7", 68.0)

    def test_an_unknown_state(self) -> None:
        """An unlisted state is OTHER, and the report keeps its text."""
        [report], _ = read_reports(VOICE_REPORTS, answer("reports-unknown-state"))
        assert (report.state, report.raw_state) == (CallState.OTHER, "FAIL_SOMETHING_NEW")
        assert not report.succeeded

    def test_recordings(self) -> None:
        """The three ways in which Java writes bytes are the same 256 bytes."""
        reports, broken = read_reports(VOICE_REPORTS, answer("reports-recordings"))
        assert not broken
        assert [report.recording for report in reports] == [bytes(range(256))] * 3

    def test_unreadable_reports_are_kept(self) -> None:
        """Unreadable reports are returned as raw value and reason; the other reports are read."""
        reports, broken = read_reports(VOICE_REPORTS, answer("reports-broken"))
        assert [report.message_id for report in reports] == ["1", "5"]
        assert [raw for raw, _ in broken] == [
            {"voiceId": {}, "callingTime": "yesterday"},
            None,
            {"customVoiceId": [4], "voiceSign": [128, -129]},
        ]
        assert all(reason for _, reason in broken)

    @pytest.mark.parametrize(
        "body", [blob("reports-none"), b'{"code":"SUCCESS","data":null}', b'{"code":"SUCCESS"}']
    )
    def test_none(self, body: bytes) -> None:
        """A response without reports gives an empty tuple."""
        assert read_reports(VOICE_REPORTS, HttpResponse(200, body)) == ((), ())

    def test_a_single_object(self) -> None:
        """A single report may be an object in place of a list."""
        [report], _ = read_reports(JOIN_REPORTS, accepted({"joinId": "1"}))
        assert report == Report(Product.JOIN, message_id="1")

    @pytest.mark.parametrize("data", ["", "x", 0, 7, True, 1.5], ids=repr)
    def test_other_shapes(self, data: object) -> None:
        """Data of another type is an AnswerError with the whole body."""
        got = accepted(data)
        with pytest.raises(AnswerError, match="values of the wrong type") as caught:
            read_reports(JOIN_REPORTS, got)
        assert (caught.value.path, caught.value.body) == ("/join/getReport", got.body)

    @pytest.mark.slow
    @given(st.lists(raw_reports, max_size=4), st.sampled_from([VOICE_REPORTS, JOIN_REPORTS]))
    def test_raw_reports(self, raw: list[dict[str, object]], endpoint: Endpoint) -> None:
        """Every JSON reader gives the same reports."""
        data = json.dumps({"code": "SUCCESS", "data": raw}).encode()
        reports, broken = read_reports(endpoint, HttpResponse(200, data))
        expected, unreadable = structure_reports(without_surrogates(raw), endpoint.product)
        assert reports == expected
        assert repr(broken) == repr(unreadable)

    @pytest.mark.parametrize(
        "body",
        [
            '{"code":"SUCCESS","data":[{"voiceId":"1","message":"成功"}]}'.encode("gbk"),
            b'{"code":"SUCCESS","data":[{"voiceId":"1","message":"a\nb"},]}',
            b'{"code":"SUCCESS","data":[{"voiceId":"1"}]}\0\0',
        ],
    )
    def test_a_damaged_response(self, body: bytes) -> None:
        """The reports of a damaged response are read, because the service hands them out once."""
        [report], broken = read_reports(VOICE_REPORTS, HttpResponse(200, body))
        assert (report.message_id, broken) == ("1", ())

    def test_text_after_the_json(self) -> None:
        """Text after the JSON of a response is kept beside the reports."""
        reports, broken = read_reports(
            VOICE_REPORTS, HttpResponse(200, blob("reports-extra-fields") + b"<!-- -->")
        )
        assert [report.message_id for report in reports] == ["1"]
        assert [raw for raw, _ in broken] == ["<!-- -->"]

    @pytest.mark.parametrize(
        "body", [b'{"code":"SUCCESS",}', '{"code":"SUCCESS","message":"成功"}'.encode("gbk")], ids=repr
    )
    def test_damage_in_other_responses(self, body: bytes) -> None:
        """The response to a send or a balance query must be sound JSON."""
        assert read_reports(VOICE_REPORTS, HttpResponse(200, body)) == ((), ())
        for endpoint in (VOICE_SEND, JOIN_SEND, VOICE_BALANCE):
            with pytest.raises(AnswerError) as caught:
                read(endpoint, HttpResponse(200, body))
            assert caught.value.body == body

    @pytest.mark.parametrize("code", ["ERROR_APPID", None, "x", 1])
    def test_reports_with_another_code(self, code: object) -> None:
        """Reports beside another code than SUCCESS are not read."""
        data = json.dumps({"code": code, "data": [{"voiceId": "1"}]}).encode()
        with pytest.raises(RefusedError if code == "ERROR_APPID" else AnswerError):
            read_reports(VOICE_REPORTS, HttpResponse(200, data))


class TestReadBalance:
    """The response to a getBalance."""

    @pytest.mark.parametrize("case", cases("document-2.?.3.2-balance*"))
    def test_the_examples(self, case: str) -> None:
        """The document's examples give the exact amount."""
        amount = read_balance(of_case(case), answer(case))
        assert str(amount) == "128.50"

    @pytest.mark.parametrize("case", cases("balance-*-*"))
    def test_three_shapes(self, case: str) -> None:
        """In each shape the amount may be a text or a number, and keeps every digit."""
        amount = read_balance(of_case(case), answer(case))
        assert type(amount) is Decimal
        assert str(amount) == ("1024" if case.endswith("-whole") else "1024.10")

    @pytest.mark.parametrize("endpoint", [VOICE_BALANCE, JOIN_BALANCE])
    @given(st.decimals(allow_nan=False, allow_infinity=False), st.booleans(), st.integers(0, 2))
    def test_any_amount(self, endpoint: Endpoint, amount: Decimal, quoted: bool, shape: int) -> None:
        """Every digit of an amount is kept."""
        written = f'"{amount}"' if quoted else str(amount)
        body = (
            f'{{"balance":{written},"responseCode":"SUCCESS"}}',
            f'{{"data":{written},"code":"SUCCESS"}}',
            f'{{"data":{{"balance":{written}}},"code":"SUCCESS"}}',
        )[shape]
        read_back = read_balance(endpoint, HttpResponse(200, body.encode()))
        assert read_back == amount
        assert read_back.as_tuple().exponent == amount.as_tuple().exponent

    def test_null_is_as_good_as_absent(self) -> None:
        """A response with the fields of both shapes, half of them null, is read."""
        assert read_balance(VOICE_BALANCE, answer("balance-both-codes")) == Decimal("1024.10")

    @pytest.mark.parametrize(
        "body",
        [
            b'{"code":"SUCCESS"}',
            b'{"code":"SUCCESS","data":null}',
            b'{"code":"SUCCESS","data":""}',
            b'{"code":"SUCCESS","data":"xxx"}',
            b'{"code":"SUCCESS","data":[1]}',
            b'{"code":"SUCCESS","data":{}}',
            b'{"code":"SUCCESS","data":{"balance":{"balance":1}}}',
            b'{"code":"SUCCESS","data":true}',
            b'{"code":"SUCCESS","data":NaN}',
            b'{"code":"SUCCESS","data":-Infinity}',
            b'{"code":"SUCCESS","data":"Infinity"}',
            b'{"responseCode":"SUCCESS","balance":"1e9999999999999999999"}',
        ],
    )
    def test_no_amount(self, body: bytes) -> None:
        """A balance that is no finite number is an AnswerError with the whole body."""
        with pytest.raises(AnswerError, match="has no balance") as caught:
            read_balance(VOICE_BALANCE, HttpResponse(200, body))
        assert caught.value.body == body

    def test_a_number_beyond_reading(self) -> None:
        """A JSON number outside Decimal's range is an AnswerError."""
        with pytest.raises(AnswerError):
            read_balance(VOICE_BALANCE, HttpResponse(200, b'{"code":"SUCCESS","data":1e9999999999999999999}'))


class TestRefusals:
    """Result codes other than SUCCESS."""

    BY_CLASS: dict[type[RefusedError], set[str]] = {  # noqa: RUF012
        OverSpeedError: {"ERROR_OVER_SPEED"},
        AccountError: {
            "ERROR_APPID",
            "ERROR_SIGN",
            "ERROR_TIMESTAMP",
            "ERROR_CLIENT_IP",
            "ERROR_MESSAGE_TYPE",
        },
        BalanceError: {"ERROR_NEEDMORE_BALANCE", "ERROR_NEEDMORE_BLANCE"},
        ContentError: {"ERROR_CONTENT_EMPTY", "ERROR_LONG_CONTENT", "ERROR_VERIFICATION_CODE_CONTENT"},
    }

    @pytest.mark.parametrize("code", [code for code in ResultCode if code is not ResultCode.SUCCESS])
    def test_every_code_has_its_class(self, code: ResultCode) -> None:
        """Each listed code gives the error class of its group, with meaning and path."""
        kind = next((kind for kind, group in self.BY_CLASS.items() if code in group), RefusedError)
        meaning = next(
            told for text, told in table("3.2-voice-codes") + table("3.4-join-codes") if text == code
        )
        for endpoint in ENDPOINTS:
            with pytest.raises(RefusedError) as caught:
                read(endpoint, HttpResponse(200, json.dumps({"code": code, "data": None}).encode()))
            assert type(caught.value) is kind
            assert caught.value.code is code
            assert caught.value.meaning == f"{meaning}: {code.english}"
            assert caught.value.path == endpoint.path

    def test_the_table_is_whole(self) -> None:
        """The table has exactly these codes."""
        listed = {code: kind for kind, group in self.BY_CLASS.items() for code in group}
        assert {str(code): kind for code, kind in REFUSALS.items()} == listed

    @pytest.mark.parametrize(
        ("case", "kind", "code"),
        [
            ("refused", AccountError, ResultCode.ERROR_SIGN),
            ("refused-null-data", RefusedError, ResultCode.ERROR_MOBILE_ERROR),
            ("refused-blance", BalanceError, ResultCode.ERROR_NEEDMORE_BLANCE),
            ("refused-balance-query", AccountError, ResultCode.ERROR_APPID),
            ("refused-unknown-code", RefusedError, "ERROR_SOMETHING_NEW"),
        ],
    )
    @each_endpoint
    def test_variants(self, case: str, kind: type[RefusedError], code: str, endpoint: Endpoint) -> None:
        """A refusal is read with data, null or no data, and under either name of the code."""
        with pytest.raises(RefusedError) as caught:
            read(endpoint, answer(case))
        assert type(caught.value) is kind
        assert caught.value.code == code
        assert isinstance(caught.value.code, ResultCode) == (code in set(ResultCode))

    @given(st.from_regex(r"ERROR_[A-Z_]{1,30}", fullmatch=True))
    def test_unknown_codes(self, code: str) -> None:
        """An unlisted code is a plain RefusedError with the code's text and no meaning."""
        assume(code not in set(ResultCode))
        error = refusal(code, "/voice/send")
        assert type(error) is RefusedError
        assert (error.code, error.meaning) == (code, "")
        with pytest.raises(RefusedError, match=code):
            read(VOICE_SEND, HttpResponse(200, json.dumps({"code": code}).encode()))

    @pytest.mark.parametrize("code", ["ERROR", "ERROR1", "ERRORS_X", " ERROR_X ", "ERROR_" + "X" * 59])
    def test_codes_like_error_codes(self, code: str) -> None:
        """Every unlisted code of the document's pattern is a certain refusal."""
        for endpoint in ENDPOINTS:
            with pytest.raises(RefusedError) as caught:
                read(endpoint, HttpResponse(200, json.dumps({"code": code}).encode()))
            assert caught.value.code == code.strip()

    @pytest.mark.parametrize(
        "code",
        [
            "OK",
            "SUCCEED",
            "SUCCESS_PARTLY",
            "PROCESSING",
            "FAIL_CALL",
            "TIMEOUT",
            "0",
            "200",
            "success",
            "error_sign",
            "Error_SIGN",
            "ERR_SIGN",
            "SYSTEM_ERROR",
            "ERROR-SIGN",
            "ERROR SIGN",
            "ERROR_" + "X" * 500,
            "错误",
        ],
    )
    def test_codes_unlike_error_codes(self, code: str) -> None:
        """Any other unlisted code leaves the outcome unknown: perhaps the service acted on the request."""
        for endpoint in ENDPOINTS:
            with pytest.raises(AnswerError, match="neither SUCCESS nor an ERROR code") as caught:
                read(endpoint, HttpResponse(200, json.dumps({"code": code, "data": []}).encode()))
            assert (f" {code} " in caught.value.reason) == (re.fullmatch("[A-Z0-9_]{1,60}", code) is not None)

    @pytest.mark.parametrize("code", ["SUCCESS", " SUCCESS ", "SUCCESS\\n"])
    def test_blanks_around_success(self, code: str) -> None:
        """Blanks around a code change nothing."""
        assert read_reports(VOICE_REPORTS, HttpResponse(200, f'{{"code":"{code}"}}'.encode())) == ((), ())

    @pytest.mark.parametrize("code", ["null", '""', '" "', "[]", "{}", "true", "1.5", '["SUCCESS"]'])
    def test_no_code(self, code: str) -> None:
        """Without a result code the outcome is unknown."""
        for endpoint in ENDPOINTS:
            with pytest.raises(AnswerError, match="no result code"):
                read(endpoint, HttpResponse(200, f'{{"code":{code},"data":[]}}'.encode()))


class TestOutsideTheDocument:
    """Responses outside the document."""

    def test_only_status_200_is_read(self) -> None:
        """With a status that leaves the outcome open, a body as documented is not trusted."""
        for status in {*range(100, 600)} - {200, *NOT_ACTED_ON}:
            for body in (blob("reports-none"), blob("refused")):
                with pytest.raises(AnswerError, match="status is not 200") as caught:
                    read(VOICE_REPORTS, HttpResponse(status, body))
                assert (caught.value.status, caught.value.body) == (status, body)

    @pytest.mark.slow
    @pytest.mark.parametrize("status", sorted(NOT_ACTED_ON))
    def test_statuses_of_requests_that_were_not_acted_on(self, status: int) -> None:
        """A redirect, or a status of "not acted on", is a NotSentError with status, body and advice."""
        for endpoint in ENDPOINTS:
            for body in (b"", b"<html>", b"{}", b'{"code":"NOT_FOUND"}', b'{"code":404}', b"[" * 100_000):
                with pytest.raises(NotSentError) as caught:
                    read(endpoint, HttpResponse(status, body, location="https://service/voice/send"))
                error = caught.value
                assert (error.path, error.status, error.body) == (endpoint.path, status, body)
                assert error.permanent == (status != 429)
                assert str(error) == (
                    f"{endpoint.path} was not acted on: {error.reason} (HTTP {status}, {len(body)} bytes)"
                )
                assert ("https://service/voice/send" in error.reason) == (300 <= status < 400)

    @pytest.mark.parametrize("status", sorted(NOT_ACTED_ON))
    def test_documented_bodies_with_such_a_status(self, status: int) -> None:
        """A documented refusal is a refusal with any of these statuses; SUCCESS is a contradiction."""
        with pytest.raises(RefusedError, match="ERROR_SIGN"):
            read(VOICE_SEND, HttpResponse(status, blob("refused")))
        with pytest.raises(AnswerError, match="contradicts"):
            read(VOICE_SEND, HttpResponse(status, blob("reports-none")))

    @pytest.mark.parametrize("case", ["gateway-page", "portal-page", "accepted-with-503"])
    @each_endpoint
    def test_pages(self, case: str, endpoint: Endpoint) -> None:
        """A page of a gateway is kept whole, with its status, and is not part of the texts."""
        got = answer(case)
        with pytest.raises(AnswerError) as caught:
            read(endpoint, got)
        error = caught.value
        assert (error.path, error.status, error.body) == (endpoint.path, got.status, got.body)
        assert got.body.decode() not in str(error) + repr(error)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "case", cases("document-*") + cases("send-*") + cases("reports-*") + cases("refused*")
    )
    def test_truncated_at_every_byte(self, case: str) -> None:
        """Every strict prefix of a response is an AnswerError with that prefix as the body."""
        endpoint, whole = of_case(case), blob(case).strip()
        for length in range(len(whole)):
            with pytest.raises(AnswerError) as caught:
                read(endpoint, HttpResponse(200, whole[:length]))
            assert caught.value.body == whole[:length]

    @each_endpoint
    def test_an_incomplete_response(self, endpoint: Endpoint) -> None:
        """A body that is no JSON, and may be cut off, is kept, and the sentence has the reason."""
        for body in (b"", blob("reports-none").strip()[:-1], b"\x1f\x8b"):
            with pytest.raises(AnswerError) as caught:
                read(endpoint, HttpResponse(200, body, incomplete="the body is incomplete (ReadError)"))
            assert caught.value.reason == "the response is not JSON: the body is incomplete (ReadError)"
            assert (caught.value.status, caught.value.body) == (200, body)

    @pytest.mark.parametrize("case", cases("document-*.2-*"))
    def test_whole_json_of_an_incomplete_transfer(self, case: str) -> None:
        """Whole JSON is read, although the transfer ended with an error."""
        got = evolve(answer(case), incomplete="the body is incomplete (RemoteProtocolError)")
        endpoint = of_case(case)
        assert read(endpoint, got) == read(endpoint, answer(case))

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b" ",
            b"null",
            b"7",
            b'"SUCCESS"',
            b"[]",
            b'[{"code":"SUCCESS"}]',
            b"SUCCESS",
            b"{'code':'SUCCESS'}",
            b'{"code":"SUCCESS"}{"code":"SUCCESS"}',
            b"\xff\xfe\x00",
            b"\x1f\x8b\x08\x00",
            b"[" * 100_000,
            b'{"code":' * 100_000,
            b'{"code":"SUCCESS","data":' + b"[" * 100_000,
            b'{"code":"SUCCESS","data":' + b"9" * 5000 + b"}",
        ],
        ids=lambda body: repr(body[:24]),
    )
    def test_other_bodies(self, body: bytes) -> None:
        """A body that is no JSON object of the document is kept whole, at any depth and length."""
        for endpoint in ENDPOINTS:
            with pytest.raises(AnswerError) as caught:
                read(endpoint, HttpResponse(200, body))
            assert caught.value.body == body

    def test_a_byte_order_mark(self) -> None:
        """A byte order mark before the JSON is skipped."""
        assert read_reports(VOICE_REPORTS, HttpResponse(200, b"\xef\xbb\xbf" + blob("reports-none"))) == (
            (),
            (),
        )

    @given(st.binary(max_size=60), st.integers(100, 599), st.sampled_from(ENDPOINTS))
    @example(b'{"code":"SUCCESS"}', 200, JOIN_SEND)
    def test_any_bytes(self, body: bytes, status: int, endpoint: Endpoint) -> None:
        """Any bytes with any status are read, or raise one of the three errors with status and body."""
        got = HttpResponse(status, body)
        try:
            read(endpoint, got)
        except (AnswerError, NotSentError) as error:
            kept = (error.status, error.body)
            assert kept == (status, body)
            assert isinstance(error, AnswerError) or status in NOT_ACTED_ON  # noqa: PT017
        except RefusedError:
            assert status == 200 or status in NOT_ACTED_ON
        else:
            assert json.loads(body)["code"] == "SUCCESS"

    @given(st.sampled_from(ENDPOINTS), JSON, JSON, JSON)
    def test_any_json(self, endpoint: Endpoint, document: object, data: object, entry: object) -> None:
        """Any JSON is read, or raises AnswerError or RefusedError."""
        for value in (
            document,
            {"code": "SUCCESS", "data": data},
            {"code": "SUCCESS", "data": [entry, {"mobile": data, "voiceId": entry, "joinId": 1}]},
            {"code": document, "responseCode": data, "balance": entry},
        ):
            try:
                read(endpoint, HttpResponse(200, json.dumps(value).encode()))
            except AnswerError as error:
                shown = str(error)
                assert shown.startswith(f"the outcome of {endpoint.path} is unknown: ")
            except RefusedError as error:
                assert error.code != "SUCCESS"  # noqa: PT017
            else:
                assert isinstance(value, dict)
