"""Single JSON values to tickets, reports and amounts, and values of the package to JSON values."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import fields
from hypothesis import given
from hypothesis import strategies as st
from samples.strategies import JSON, raw_reports

import emay_voice_async
from emay_voice_async import unstructure
from emay_voice_async.errors import (
    BalanceError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import CallState, ResultCode
from emay_voice_async.model.endpoints import Call, Product
from emay_voice_async.model.limits import RateLimits
from emay_voice_async.model.messages import OnKey, VoiceSms
from emay_voice_async.model.raw_fields import RawFields
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import (
    Accepted,
    NotSent,
    Refused,
    Report,
    SendResult,
    Ticket,
    Unknown,
)
from emay_voice_async.model.stats import Stats
from emay_voice_async.wire.structuring import structure_balance, structure_report, structure_ticket

NAMES = [
    *("appId", "voiceId", "joinId", "customVoiceId", "customJoinId", "mobile", "state", "message", "desc"),
    *("callingTime", "callingDuration", "keyContent", "voiceSign", "code", "data"),
]
TO = (Recipient("13800000000", "c"),)
ERROR = {"code": None, "meaning": None}
products = st.none() | st.sampled_from(Product)


class TestStructureTicket:
    """One entry of the response to a send."""

    def test_both_products(self) -> None:
        """Each product has names of its own for the two ids."""
        raw = {"mobile": "1", "voiceId": "2", "customVoiceId": "a", "joinId": "3", "customJoinId": "b"}
        assert structure_ticket(raw, Product.VOICE) == Ticket("1", "2", "a")
        assert structure_ticket(raw, Product.JOIN) == Ticket("1", "3", "b")

    @pytest.mark.parametrize("product", Product)
    @pytest.mark.parametrize(
        "raw", [{}, {"mobile": None, "voiceId": None, "joinId": None, "more": 1}], ids=repr
    )
    def test_missing_fields(self, raw: dict[str, object], product: Product) -> None:
        """A field that is missing or null is blank; an unknown field is ignored."""
        assert structure_ticket(raw, product) == Ticket("", "", "")

    @given(st.integers(0, 10**25))
    def test_numbers(self, number: int) -> None:
        """An id that comes as a number keeps all digits."""
        raw = {"mobile": number, "voiceId": number, "customVoiceId": number}
        assert structure_ticket(raw, Product.VOICE) == Ticket(str(number), str(number), str(number))

    @pytest.mark.parametrize(
        "raw", [None, [], "x", 1, True, {"voiceId": []}, {"mobile": True}, {"voiceId": {}}], ids=repr
    )
    def test_other_values(self, raw: object) -> None:
        """A value that is not an object of texts is no ticket."""
        with pytest.raises(ValueError, match="was expected"):
            structure_ticket(raw, Product.VOICE)


class TestProducts:
    """The product of a report."""

    @given(st.sampled_from(Product))
    def test_the_caller_knows(self, product: Product) -> None:
        """With a product, the names of the product are read, also beside the names of the other."""
        raw = {
            "voiceId": "v",
            "customVoiceId": "cv",
            "message": "m",
            "joinId": "j",
            "customJoinId": "cj",
            "desc": "d",
        }
        read = structure_report(raw, product)
        expected = ("v", "cv", "m") if product is Product.VOICE else ("j", "cj", "d")
        assert (read.message_id, read.custom_id, read.description) == expected
        assert read.product is product

    @pytest.mark.parametrize(
        ("raw", "product"),
        [
            ({"voiceId": "1"}, Product.VOICE),
            ({"joinId": "1"}, Product.JOIN),
            ({"customVoiceId": "1"}, Product.VOICE),
            ({"customJoinId": "1"}, Product.JOIN),
            ({"voiceId": "1", "joinId": None}, Product.VOICE),
            ({"joinId": "1", "voiceId": None, "customVoiceId": None}, Product.JOIN),
            ({"joinId": None, "mobile": "1"}, Product.JOIN),
            ({"voiceId": None, "mobile": "1"}, Product.VOICE),
            ({"mobile": "1"}, Product.VOICE),
        ],
        ids=repr,
    )
    def test_the_report_tells(self, raw: dict[str, object], product: Product) -> None:
        """Without a product, the id fields that are not null tell the product, or else the present id fields."""
        assert structure_report(raw).product is product

    def test_a_field_of_that_name(self) -> None:
        """A field ``product`` of the JSON is ignored."""
        assert structure_report({"voiceId": "1", "product": "join"}).product is Product.VOICE


class TestStructureReport:
    """One status report."""

    @given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=9), JSON, max_size=6), products)
    def test_any_object(self, raw: dict[str, object], product: Product | None) -> None:
        """An object is a report if an id or the number can be read, and then each field is read or kept."""
        try:
            report = structure_report(raw, product)
        except ValueError:
            return
        assert report.message_id or report.custom_id or report.mobile
        assert report.called_at is None or report.called_at.utcoffset() == timedelta(hours=8)
        assert report.recording != b""
        assert report.unreadable.keys() <= raw.keys()
        assert all(report.unreadable[name] is raw[name] for name in report.unreadable)
        assert report == structure_report(raw, report.product)

    @pytest.mark.parametrize(
        ("name", "value", "attribute", "blank"),
        [
            ("callingTime", "0000-00-00 00:00:00", "called_at", None),
            ("callingTime", "0001-01-01 00:00:00", "called_at", None),
            ("callingTime", "9999-12-31 23:59:59", "called_at", None),
            ("callingTime", ["x"], "called_at", None),
            ("callingDuration", "long", "duration", None),
            ("callingDuration", float("inf"), "duration", None),
            ("keyContent", {"key": 1}, "key_pressed", None),
            ("voiceSign", "https://example.com/1.wav", "recording", None),
            ("voiceSign", {"url": "x"}, "recording", None),
            ("message", ["成功"], "description", ""),
            ("mobile", {}, "mobile", ""),
            ("appId", True, "app_id", ""),
            ("customVoiceId", [], "custom_id", ""),
            ("state", {}, "raw_state", ""),
            ("state", {}, "state", CallState.OTHER),
        ],
    )
    def test_an_unreadable_field(self, name: str, value: object, attribute: str, blank: object) -> None:
        """A field that cannot be read is blank, its raw value is kept, and no other field changes."""
        usual = {
            "appId": "a", "voiceId": "1", "customVoiceId": "c", "mobile": "13800000000", "state": "SUCCESS",
            "message": "成功", "callingTime": "2026-03-02 08:00:00", "callingDuration": 1.5, "keyContent": "1",
            "voiceSign": "YWJj",
        }  # fmt: skip
        report, expected = structure_report(usual | {name: value}), structure_report(usual)
        assert report.unreadable == {name: value}
        assert getattr(report, attribute) == blank
        changed = {"raw_state", "state"} if name == "state" else {attribute}
        for field in fields(Report):
            if field.name not in {*changed, "unreadable"}:
                assert getattr(report, field.name) == getattr(expected, field.name)

    def test_many_unreadable_fields(self) -> None:
        """Each field that cannot be read is kept, and the id is enough for a report."""
        odd = {"callingTime": "x", "callingDuration": "x", "state": [], "mobile": {}, "voiceSign": "x"}
        report = structure_report({"voiceId": "1", **odd})
        assert report.message_id == "1"
        assert report.unreadable == odd

    @pytest.mark.parametrize(
        "raw",
        [
            {},
            {"state": "SUCCESS"},
            {"smsId": "1"},
            {"voiceId": None, "mobile": ""},
            {"voiceId": {}, "mobile": []},
        ],
        ids=repr,
    )
    def test_no_id_and_no_number(self, raw: dict[str, object]) -> None:
        """A report that names no call is no report, because its raw value says more."""
        with pytest.raises(ValueError, match="does not name its call"):
            structure_report(raw)

    @given(JSON.filter(lambda value: not isinstance(value, dict)), products)
    def test_other_values(self, raw: object, product: Product | None) -> None:
        """A value that is no object is no report."""
        with pytest.raises(ValueError, match="an object was expected"):
            structure_report(raw, product)

    def test_unknown_fields(self) -> None:
        """Fields beyond the document are ignored, also with the names of our attributes."""
        extra = {
            "message_id": "x",
            "called_at": "x",
            "duration": [],
            "unreadable": 1,
            "raw_state": {},
            "new": 1,
        }
        assert structure_report({"voiceId": "1", **extra}) == structure_report({"voiceId": "1"})


class TestStructureBalance:
    """An amount of money."""

    @given(
        st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12)
    )
    def test_exact(self, amount: Decimal) -> None:
        """An amount is exact to the last digit, as a text or as a number, integral or not."""
        text = str(amount)
        assert str(structure_balance(text)) == text
        assert structure_balance(f" {text} ") == amount
        assert structure_balance(json.loads(text, parse_float=Decimal)) == amount
        assert structure_balance(int(amount)) == int(amount)

    @pytest.mark.parametrize(
        "value",
        [
            None,
            "",
            " ",
            "xxx",
            "1,000.00",
            "￥1",
            True,
            [],
            {},
            float("nan"),
            float("inf"),
            "NaN",
            "sNaN",
            "-Infinity",
            Decimal("NaN"),
            Decimal("sNaN"),
            Decimal("Infinity"),
            "1e99999999999999999999",
        ],
        ids=repr,
    )
    def test_other_values(self, value: object) -> None:
        """A value that is no finite number is no balance."""
        with pytest.raises(ValueError, match="was expected"):
            structure_balance(value)

    @given(JSON)
    def test_any_value(self, value: object) -> None:
        """Any JSON value is a finite Decimal or unreadable."""
        try:
            amount = structure_balance(value)
        except ValueError:
            assert not isinstance(value, int) or isinstance(value, bool)
        else:
            assert type(amount) is Decimal
            assert amount.is_finite()


class TestUnstructure:
    """Plain JSON values."""

    def test_a_report(self) -> None:
        """A report is an object of all fields: base64, ISO 8601, values of enums, raw values."""
        report = Report(
            Product.JOIN, "a", "m", "c", "13800000000", CallState.SUCCESS, "4", "成功",
            datetime(2026, 3, 2, 8, tzinfo=BEIJING), 1.5, "1", b"abc", RawFields({"x": [float("nan")]}),
        )  # fmt: skip
        assert unstructure(report) == {
            "product": "join", "app_id": "a", "message_id": "m", "custom_id": "c", "mobile": "13800000000",
            "state": "SUCCESS", "raw_state": "4", "description": "成功", "called_at": "2026-03-02T08:00:00+08:00",
            "duration": 1.5, "key_pressed": "1", "recording": "YWJj", "unreadable": {"x": ["nan"]},
        }  # fmt: skip

    def test_outcomes(self) -> None:
        """A result is the list of its outcomes, each with the name of the outcome."""
        ticket = Ticket("13800000000", "m", "c")
        refused = BalanceError(ResultCode.ERROR_NEEDMORE_BALANCE, "余额不足", "/voice/send")
        result = SendResult(
            (
                Accepted(0, TO, (ticket,)),
                Refused(1, TO, refused),
                Unknown(2, TO, OutcomeUnknownError("ReadTimeout")),
                NotSent(3, TO, NotSentError("ConnectError")),
            )
        )
        to = [{"mobile": "13800000000", "custom_id": "c", "fields": {}}]
        accepted, *others = unstructure(result)["outcomes"]
        assert accepted == {
            "outcome": "accepted",
            "index": 0,
            "recipients": to,
            "tickets": [{"mobile": "13800000000", "message_id": "m", "custom_id": "c"}],
            "recorded": False,
        }
        assert [(one["outcome"], one["index"], one["recipients"]) for one in others] == [
            ("refused", 1, to),
            ("unknown", 2, to),
            ("not sent", 3, to),
        ]
        assert [one["error"] for one in others] == [
            {
                "type": "BalanceError",
                "code": "ERROR_NEEDMORE_BALANCE",
                "meaning": "余额不足",
                "text": str(refused),
            },
            {
                "type": "OutcomeUnknownError",
                "code": None,
                "meaning": None,
                "text": "the outcome is unknown: ReadTimeout",
            },
            {"type": "NotSentError", "code": None, "meaning": None, "text": "not sent: ConnectError"},
        ]

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (Decimal("128.50"), "128.50"),
            (ResultCode.SUCCESS, "SUCCESS"),
            (Call.SEND, "send"),
            ({Product.VOICE: (1, b"a")}, {"voice": [1, "YQ=="]}),
            ([Ticket("1", "2", "3")], [{"mobile": "1", "message_id": "2", "custom_id": "3"}]),
            (RateLimits(send=None).send, None),
            (
                RefusedError("ERROR_NEW", "", "/x"),
                {
                    "type": "RefusedError",
                    "code": "ERROR_NEW",
                    "meaning": "",
                    "text": "/x was refused: ERROR_NEW",
                },
            ),
            ({"a"}, ["a"]),
            *((None, None), (True, True), (1, 1), (1.5, 1.5), ("x", "x"), ([], []), ({}, {})),
        ],
        ids=repr,
    )  # fmt: skip
    def test_other_values(self, value: object, expected: object) -> None:
        """Amounts are text, enums their values, tuples lists; plain values stay as they are."""
        found = unstructure(value)
        assert found == expected
        assert type(found) is type(expected)

    @pytest.mark.parametrize(
        "value",
        [
            Stats(),
            RateLimits(),
            emay_voice_async.Plan(
                1, 2, 3.0, (InvalidRequestError("mobile", "must be text"),), cost=Decimal("0.10")
            ),
            VoiceSms("您好", trigger=OnKey("1")),
            Recipient("13800000000"),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_each_field(self, value: Any) -> None:
        """A value of the package becomes an object with each of its fields."""
        found = json.loads(json.dumps(unstructure(value), allow_nan=False))
        assert list(found) == [field.alias for field in fields(type(value))]

    @given(raw_reports)
    def test_any_report(self, raw: dict[str, object]) -> None:
        """The JSON of a report holds whatever was read, and json.dumps accepts it without NaN."""
        try:
            report = structure_report(raw)
        except ValueError:
            return
        found = json.loads(json.dumps(unstructure(report), allow_nan=False))
        assert (found["message_id"], found["mobile"]) == (report.message_id, report.mobile)

    @pytest.mark.parametrize(
        "value", [object(), 1j, print, [object()]], ids=["object", "complex", "function", "list"]
    )
    def test_other_classes(self, value: object) -> None:
        """A value of a class without plain JSON values is a TypeError that names the class."""
        with pytest.raises(TypeError, match="has no plain JSON values"):
            unstructure(value)
