"""Answers: the document's own, their variants, and everything that is none."""

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from samples import DOCUMENTED, answer, blob, cases, table
from samples.strategies import JSON, usual_reports

from emay_voice_async.errors import (
    AccountError,
    AnswerError,
    BalanceError,
    ContentError,
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
    VOICE_SEND_CODE,
    VOICE_SEND_MARKETING,
    Call,
    Endpoint,
    Product,
)
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Report, Ticket
from emay_voice_async.wire.envelope import REFUSALS, Answer, read_balance, read_reports, read_tickets, refusal
from emay_voice_async.wire.status_reports import structure_reports

ONE = (Recipient("15538850000", "20170392833833891100"),)
READERS: dict[Call, Callable[[Endpoint, Answer], object]] = {
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


def read(endpoint: Endpoint, got: Answer) -> object:
    """Read an answer with the reader of its kind of call."""
    return READERS[endpoint.call](endpoint, got)


def accepted(data: object, **more: object) -> Answer:
    """Make an answer with the code SUCCESS."""
    return Answer(200, json.dumps({"code": "SUCCESS", "data": data, **more}).encode())


def of_case(case: str) -> Endpoint:
    """Tell the endpoint that a recorded case answers, where it matters."""
    if "balance" in case:
        return JOIN_BALANCE if "join" in case else VOICE_BALANCE
    if "reports" in case:
        return JOIN_REPORTS if "join" in case else VOICE_REPORTS
    return JOIN_SEND if "join" in case else VOICE_SEND


class TestAnswer:
    """What came back over HTTP."""

    def test_no_body_in_its_repr(self) -> None:
        """A repr shows neither the body nor its numbers."""
        got = answer("send-data-object")
        assert "body" not in repr(got)
        assert "15538850000" not in repr(got)


class TestReadTickets:
    """The answer to a send."""

    def test_the_example_of_a_notification(self) -> None:
        """The document's answer to a notification has a ticket for each of its two numbers."""
        to = (Recipient("15538850000", "20170392833833891100"), Recipient("15538850001", "another"))
        assert read_tickets(VOICE_SEND, answer("document-2.1.1.2-send"), to) == (
            Ticket("15538850000", "20170392833833891100", "20170392833833891100"),
            Ticket("15538850001", "20170392833833892100", "another"),
        )

    def test_one_id_for_two_numbers(self) -> None:
        """The document's example repeats an id, and in any order each number gets its own ticket."""
        to = (Recipient("15538850001", "20170392833833891100"), Recipient("15538850000", "another"))
        assert [
            ticket.message_id for ticket in read_tickets(VOICE_SEND, answer("document-2.1.1.2-send"), to)
        ] == ["20170392833833892100", "20170392833833891100"]

    @pytest.mark.parametrize(
        ("endpoint", "case"),
        [
            (VOICE_SEND_CODE, "document-2.2.1.2-send-code"),
            (VOICE_SEND_MARKETING, "document-2.3.1.2-send-marketing"),
            (JOIN_SEND, "document-2.4.1.2-send-join"),
        ],
    )
    def test_the_other_examples(self, endpoint: Endpoint, case: str) -> None:
        """The document's answers to the other sends have one ticket."""
        expected = Ticket("15538850000", "20170392833833891100", "20170392833833891100")
        assert read_tickets(endpoint, answer(case), ONE) == (expected,)

    @pytest.mark.parametrize(
        ("case", "custom_id", "message_id"),
        [
            ("send-data-object", "10001", "20170392833833891100"),
            ("send-swapped-kinds", "10001", "20170392833833891100"),
            ("send-extra-fields", "a", "1"),
            ("send-null-fields", "a", ""),
        ],
    )
    def test_variants(self, case: str, custom_id: str, message_id: str) -> None:
        """An object for a list, numbers for texts, nulls and unknown fields are read."""
        to = (Recipient("15538850000", custom_id),)
        expected = Ticket("15538850000", message_id, custom_id)
        assert read_tickets(VOICE_SEND_CODE, answer(case), to) == (expected,)

    def test_another_order(self) -> None:
        """Tickets stand in the order of the recipients, whatever the order of the answer."""
        to = [Recipient(f"1553885000{place}", custom_id) for place, custom_id in enumerate("abc")]
        tickets = read_tickets(VOICE_SEND, answer("send-other-order"), to)
        assert [ticket.message_id for ticket in tickets] == ["1", "2", "3"]

    @given(st.permutations(range(12)), st.sets(st.integers(0, 11)), st.sampled_from([VOICE_SEND, JOIN_SEND]))
    def test_any_order_and_any_gap(self, order: list[int], missing: set[int], endpoint: Endpoint) -> None:
        """Each recipient has a ticket of its own, without a message id if the answer left it out."""
        # Four numbers, each called three times: only the ids tell the calls apart.
        to = [Recipient(f"1380000000{place % 4}", f"id-{place}") for place in range(12)]
        data = [
            {
                "mobile": to[place].mobile,
                endpoint.message_id: f"m-{place}",
                endpoint.custom_id: to[place].custom_id,
            }
            for place in order
            if place not in missing
        ]
        assert read_tickets(endpoint, accepted(data), to) == tuple(
            Ticket(one.mobile, "" if place in missing else f"m-{place}", f"id-{place}")
            for place, one in enumerate(to)
        )

    @given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
    def test_by_number(self, called: list[int], told: list[int]) -> None:
        """Without ids in the answer, numbers decide: each entry goes to one recipient, first to first."""
        to = [Recipient(f"1380000000{one}", f"id-{place}") for place, one in enumerate(called)]
        data = [{"mobile": f"1380000000{one}", "voiceId": f"m-{place}"} for place, one in enumerate(told)]
        queues = {one: [f"m-{place}" for place, other in enumerate(told) if other == one] for one in range(4)}
        expected = [queues[one].pop(0) if queues[one] else "" for one in called]
        assert [ticket.message_id for ticket in read_tickets(VOICE_SEND, accepted(data), to)] == expected

    @given(
        st.lists(st.tuples(st.sampled_from("012"), st.sampled_from(["a", "b", "c", "", None])), max_size=8),
        st.lists(st.sampled_from("012"), min_size=1, max_size=3),
    )
    def test_any_mixture(self, told: list[tuple[str, str | None]], called: list[str]) -> None:
        """However ids and numbers are mixed up, no entry serves two, and the best match wins."""
        to = [Recipient(f"1380000000{one}", "abc"[place]) for place, one in enumerate(called)]
        data = [
            {"mobile": f"1380000000{one}", "voiceId": f"m-{place}", "customVoiceId": custom_id}
            for place, (one, custom_id) in enumerate(told)
        ]
        tickets = read_tickets(VOICE_SEND, accepted(data), to)
        assert [(one.mobile, one.custom_id) for one in tickets] == [(one.mobile, one.custom_id) for one in to]
        used = [ticket.message_id for ticket in tickets if ticket.message_id]
        assert len(set(used)) == len(used)
        for one, ticket in zip(to, tickets, strict=True):
            exact = [
                entry["voiceId"]
                for entry in data
                if (entry["mobile"], entry["customVoiceId"]) == (one.mobile, one.custom_id)
            ]
            if exact:
                assert ticket.message_id == exact[0]

    def test_recipients_without_ids(self) -> None:
        """Recipients without ids of their own get the tickets of their numbers."""
        to = (Recipient("15538850001"), Recipient("15538850000"))
        assert read_tickets(VOICE_SEND, answer("document-2.1.1.2-send"), to) == (
            Ticket("15538850001", "20170392833833892100", ""),
            Ticket("15538850000", "20170392833833891100", ""),
        )

    @pytest.mark.parametrize("data", [None, [], {}], ids=repr)
    def test_nothing_told(self, data: object) -> None:
        """A send that was accepted without a list has tickets all the same."""
        assert read_tickets(VOICE_SEND, accepted(data), ONE) == (
            Ticket(ONE[0].mobile, "", ONE[0].custom_id or ""),
        )

    @pytest.mark.parametrize(
        "data",
        ["", "x", 7, True, [None], ["x"], [[]], [{"mobile": []}], [{"voiceId": {}}], {"mobile": True}],
        ids=repr,
    )
    def test_other_shapes(self, data: object) -> None:
        """What is no list of tickets makes the outcome unknown, with the whole body."""
        got = accepted(data)
        with pytest.raises(AnswerError, match="values of another kind") as caught:
            read_tickets(VOICE_SEND, got, ONE)
        assert (caught.value.status, caught.value.body) == (200, got.body)

    def test_five_hundred(self) -> None:
        """A whole batch is matched when the answer has it backwards and names nobody's id."""
        to = [Recipient("13800000000", f"id-{place}") for place in range(500)]
        data = [{"mobile": "13800000000", "voiceId": f"{place}"} for place in range(500)]
        tickets = read_tickets(VOICE_SEND, accepted(data), to)
        assert [ticket.message_id for ticket in tickets] == [f"{place}" for place in range(500)]


class TestReadReports:
    """The answer to a getReport."""

    @pytest.mark.parametrize("case", cases("document-2.?.2.2-reports"))
    def test_the_examples(self, case: str) -> None:
        """The document's answers have the same report twice, its state without the blanks."""
        assert read_reports(VOICE_REPORTS, answer(case)) == ((DOCUMENTED, DOCUMENTED), ())

    def test_the_example_of_voice_sms(self) -> None:
        """The document's voice SMS reports are a success and a failure, with a key and no recording."""
        expected = (JOIN_REPORT, FAILED_JOIN_REPORT)
        assert read_reports(JOIN_REPORTS, answer("document-2.4.2.2-reports-join")) == (expected, ())

    @pytest.mark.parametrize("case", ["reports-null-fields", "reports-empty-fields"])
    def test_nothing_said(self, case: str) -> None:
        """Fields that are null or empty say nothing."""
        assert read_reports(VOICE_REPORTS, answer(case)) == ((Report(Product.VOICE, message_id="1"),), ())

    def test_unknown_fields(self) -> None:
        """Fields that the document does not know are left out, even those with names of ours."""
        expected = Report(
            Product.VOICE,
            message_id="1",
            state=CallState.FAIL_CALL,
            raw_state="FAIL_CALL",
            description="呼叫失败",
        )
        assert read_reports(VOICE_REPORTS, answer("reports-extra-fields")) == ((expected,), ())

    def test_numbers_for_texts(self) -> None:
        """Numbers and texts stand for each other."""
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
        """A state that comes as a number is listed, and a key of 0 is a key."""
        [report], broken = read_reports(JOIN_REPORTS, answer("reports-swapped-kinds-join"))
        assert not broken
        assert (report.state, report.raw_state, report.key_pressed) == (CallState.TIMEOUT, "3", "0")
        assert (report.message_id, report.duration) == ("7", 68.0)

    def test_an_unknown_state(self) -> None:
        """A state that is in no table is OTHER, with its text."""
        [report], _ = read_reports(VOICE_REPORTS, answer("reports-unknown-state"))
        assert (report.state, report.raw_state) == (CallState.OTHER, "FAIL_SOMETHING_NEW")
        assert not report.succeeded

    def test_recordings(self) -> None:
        """The three ways in which Java writes bytes are the same 256 bytes."""
        reports, broken = read_reports(VOICE_REPORTS, answer("reports-recordings"))
        assert not broken
        assert [report.recording for report in reports] == [bytes(range(256))] * 3

    def test_broken_ones_are_kept(self) -> None:
        """Reports that cannot be read come with their raw value and a reason, and spoil no others."""
        reports, broken = read_reports(VOICE_REPORTS, answer("reports-broken"))
        assert [report.message_id for report in reports] == ["1", "5"]
        assert [raw for raw, _ in broken] == [
            {"voiceId": "2", "callingTime": "yesterday"},
            None,
            {"voiceId": "4", "voiceSign": [128, -129]},
        ]
        assert all(reason for _, reason in broken)

    @pytest.mark.parametrize(
        "body", [blob("reports-none"), b'{"code":"SUCCESS","data":null}', b'{"code":"SUCCESS"}']
    )
    def test_none(self, body: bytes) -> None:
        """When there are no reports there are none."""
        assert read_reports(VOICE_REPORTS, Answer(200, body)) == ((), ())

    def test_one_alone(self) -> None:
        """One report may come as an object in place of the list."""
        [report], _ = read_reports(JOIN_REPORTS, accepted({"joinId": "1"}))
        assert report == Report(Product.JOIN, message_id="1")

    @pytest.mark.parametrize("data", ["", "x", 0, 7, True, 1.5], ids=repr)
    def test_other_shapes(self, data: object) -> None:
        """What is no list makes the outcome unknown, and whatever came is in the error."""
        got = accepted(data)
        with pytest.raises(AnswerError, match="values of another kind") as caught:
            read_reports(JOIN_REPORTS, got)
        assert (caught.value.path, caught.value.body) == ("/join/getReport", got.body)

    @given(st.lists(usual_reports, max_size=4), st.sampled_from([VOICE_REPORTS, JOIN_REPORTS]))
    def test_usual_reports(self, raw: list[dict[str, object]], endpoint: Endpoint) -> None:
        """Whatever reads the JSON, the reports are those that the objects give."""
        data = json.dumps({"code": "SUCCESS", "data": raw}).encode()
        reports, broken = read_reports(endpoint, Answer(200, data))
        expected, unreadable = structure_reports(raw, endpoint.product)
        assert reports == expected
        assert repr(broken) == repr(unreadable)

    @pytest.mark.parametrize("code", ["ERROR_APPID", None, "x", 1])
    def test_reports_with_another_code(self, code: object) -> None:
        """Reports that come with anything but SUCCESS are none."""
        data = json.dumps({"code": code, "data": [{"voiceId": "1"}]}).encode()
        with pytest.raises(RefusedError if code == "ERROR_APPID" else AnswerError):
            read_reports(VOICE_REPORTS, Answer(200, data))


class TestReadBalance:
    """The answer to a getBalance."""

    @pytest.mark.parametrize("case", cases("document-2.?.3.2-balance*"))
    def test_the_examples(self, case: str) -> None:
        """The document's answers are an exact amount."""
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
        """No digit of an amount is lost on the way, whatever its size."""
        written = f'"{amount}"' if quoted else str(amount)
        body = (
            f'{{"balance":{written},"responseCode":"SUCCESS"}}',
            f'{{"data":{written},"code":"SUCCESS"}}',
            f'{{"data":{{"balance":{written}}},"code":"SUCCESS"}}',
        )[shape]
        read_back = read_balance(endpoint, Answer(200, body.encode()))
        assert read_back == amount
        assert read_back.as_tuple().exponent == amount.as_tuple().exponent

    def test_null_is_as_good_as_absent(self) -> None:
        """An answer with the fields of both shapes, one half of them null, is read."""
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
        """What is no finite number is no balance, and the body is kept."""
        with pytest.raises(AnswerError, match="has no balance") as caught:
            read_balance(VOICE_BALANCE, Answer(200, body))
        assert caught.value.body == body

    def test_a_number_beyond_reading(self) -> None:
        """A JSON number that even Decimal cannot hold is an answer outside the document."""
        with pytest.raises(AnswerError):
            read_balance(VOICE_BALANCE, Answer(200, b'{"code":"SUCCESS","data":1e9999999999999999999}'))


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
        """Each code of the tables is the class for what to do next, with its meaning and its path."""
        kind = next((kind for kind, group in self.BY_CLASS.items() if code in group), RefusedError)
        meaning = next(
            told for text, told in table("3.2-voice-codes") + table("3.4-join-codes") if text == code
        )
        for endpoint in ENDPOINTS:
            with pytest.raises(RefusedError) as caught:
                read(endpoint, Answer(200, json.dumps({"code": code, "data": None}).encode()))
            assert type(caught.value) is kind
            assert caught.value.code is code
            assert caught.value.meaning == f"{meaning}: {code.english}"
            assert caught.value.path == endpoint.path

    def test_the_table_is_whole(self) -> None:
        """The table has these codes and no others."""
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
        """With data, with null or without, under either name of the code: a refusal is a refusal."""
        with pytest.raises(RefusedError) as caught:
            read(endpoint, answer(case))
        assert type(caught.value) is kind
        assert caught.value.code == code
        assert isinstance(caught.value.code, ResultCode) == (code in set(ResultCode))

    @given(st.from_regex(r"ERROR_[A-Z_]{1,30}", fullmatch=True))
    def test_unknown_codes(self, code: str) -> None:
        """A code that is in no table is a plain RefusedError with its text and no meaning."""
        assume(code not in set(ResultCode))
        error = refusal(code, "/voice/send")
        assert type(error) is RefusedError
        assert (error.code, error.meaning) == (code, "")
        with pytest.raises(RefusedError, match=code):
            read(VOICE_SEND, Answer(200, json.dumps({"code": code}).encode()))

    @pytest.mark.parametrize("code", ["SUCCESS", " SUCCESS ", "SUCCESS\\n"])
    def test_blanks_around_success(self, code: str) -> None:
        """Blanks around a code change nothing."""
        assert read_reports(VOICE_REPORTS, Answer(200, f'{{"code":"{code}"}}'.encode())) == ((), ())

    @pytest.mark.parametrize("code", ["null", '""', '" "', "[]", "{}", "true", "1.5", '["SUCCESS"]'])
    def test_no_code(self, code: str) -> None:
        """Without a code that is a word nobody knows what the service did."""
        for endpoint in ENDPOINTS:
            with pytest.raises(AnswerError, match="no result code"):
                read(endpoint, Answer(200, f'{{"code":{code},"data":[]}}'.encode()))


class TestOutsideTheDocument:
    """What did not come from the service as documented."""

    def test_only_200_is_an_answer(self) -> None:
        """Under any status but 200 even an answer that looks right, or a refusal, is none."""
        for status in [*range(100, 200), *range(201, 600)]:
            for body in (blob("reports-none"), blob("refused")):
                with pytest.raises(AnswerError, match="status is not 200") as caught:
                    read(VOICE_REPORTS, Answer(status, body))
                assert (caught.value.status, caught.value.body) == (status, body)

    @pytest.mark.parametrize("case", ["gateway-page", "portal-page", "accepted-with-503"])
    @each_endpoint
    def test_pages(self, case: str, endpoint: Endpoint) -> None:
        """A page of somebody in between is kept whole, with its status, and shown nowhere."""
        got = answer(case)
        with pytest.raises(AnswerError) as caught:
            read(endpoint, got)
        error = caught.value
        assert (error.path, error.status, error.body) == (endpoint.path, got.status, got.body)
        assert got.body.decode() not in str(error) + repr(error)

    @pytest.mark.parametrize(
        "case", cases("document-*") + cases("send-*") + cases("reports-*") + cases("refused*")
    )
    def test_truncated_at_every_byte(self, case: str) -> None:
        """Every strict prefix of an answer is an AnswerError with that prefix, and nothing else."""
        endpoint, whole = of_case(case), blob(case).strip()
        for length in range(len(whole)):
            with pytest.raises(AnswerError) as caught:
                read(endpoint, Answer(200, whole[:length]))
            assert caught.value.body == whole[:length]

    @each_endpoint
    def test_an_answer_that_broke_off(self, endpoint: Endpoint) -> None:
        """An answer that broke off is none, even if what came of it looks whole, and it is kept."""
        for status in (200, 502):
            for body in (b"", blob("reports-none"), blob("refused")):
                with pytest.raises(AnswerError) as caught:
                    read(endpoint, Answer(status, body, broken_off="ReadError"))
                assert "ReadError" in caught.value.reason
                assert (caught.value.status, caught.value.body) == (status, body)

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
            b'{"code":"SUCCESS",}',
            '{"code":"SUCCESS","message":"成功"}'.encode("gbk"),
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
        """What is no JSON object of the document is kept whole, however deep or long it is."""
        for endpoint in ENDPOINTS:
            with pytest.raises(AnswerError) as caught:
                read(endpoint, Answer(200, body))
            assert caught.value.body == body

    def test_a_byte_order_mark(self) -> None:
        """A byte order mark before the JSON does no harm."""
        assert read_reports(VOICE_REPORTS, Answer(200, b"\xef\xbb\xbf" + blob("reports-none"))) == ((), ())

    @given(st.binary(max_size=60), st.integers(100, 599), st.sampled_from(ENDPOINTS))
    @example(b'{"code":"SUCCESS"}', 200, JOIN_SEND)
    def test_any_bytes(self, body: bytes, status: int, endpoint: Endpoint) -> None:
        """Whatever comes under whatever status is read, or is one of the two errors."""
        got = Answer(status, body)
        try:
            read(endpoint, got)
        except AnswerError as error:
            kept = (error.status, error.body)
            assert kept == (status, body)
        except RefusedError:
            assert status == 200
        else:
            assert json.loads(body)["code"] == "SUCCESS"

    @given(st.sampled_from(ENDPOINTS), JSON, JSON, JSON)
    def test_any_json(self, endpoint: Endpoint, document: object, data: object, entry: object) -> None:
        """Whatever JSON comes, only those two errors come out."""
        for value in (
            document,
            {"code": "SUCCESS", "data": data},
            {"code": "SUCCESS", "data": [entry, {"mobile": data, "voiceId": entry, "joinId": 1}]},
            {"code": document, "responseCode": data, "balance": entry},
        ):
            try:
                read(endpoint, Answer(200, json.dumps(value).encode()))
            except AnswerError as error:
                shown = str(error)
                assert shown.startswith(f"the outcome of {endpoint.path} is unknown: ")
            except RefusedError as error:
                assert error.code != "SUCCESS"  # noqa: PT017
            else:
                assert isinstance(value, dict)
