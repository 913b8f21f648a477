"""JSON values to typed ones, as tolerant as the service is free."""

import json
import math
import time
from base64 import b64encode, encodebytes
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from samples.strategies import JSON, people, usual_reports

from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import JOIN_STATES, VOICE_STATES, CallState
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Report, Ticket
from emay_voice_async.wire.status_reports import REPORT_LAYOUTS, read_report_rows, structure_reports
from emay_voice_async.wire.structuring import structure_balance, structure_report, structure_ticket
from emay_voice_async.wire.tickets import match_tickets, ticket_rows

UNREADABLE = (ValueError, TypeError, OverflowError)
NOTHING = [None, "", " ", "\n"]
NAMES = [
    *("appId", "voiceId", "joinId", "customVoiceId", "customJoinId", "mobile", "state", "message", "desc"),
    *("callingTime", "callingDuration", "keyContent", "voiceSign", "code", "data"),
]
products = st.none() | st.sampled_from(Product)
blanks = st.text(" \t\r\n\u3000", max_size=3)


def report(product: Product | None = None, /, **raw: object) -> Report:
    """Structure a report of a call that has a name."""
    return structure_report({"voiceId": "1", "joinId": "1"} | raw, product)


def ticket(raw: object, product: Product) -> Ticket:
    """Structure one ticket."""
    return structure_ticket(raw, product)


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Shanghai"])
def host_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Put the host into another time zone for one test."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


class TestStructureTickets:
    """One entry of a send's answer."""

    def test_both_products(self) -> None:
        """Each product has its own names for the two ids."""
        raw = {
            "mobile": "15538850000",
            "voiceId": "1",
            "customVoiceId": "a",
            "joinId": "2",
            "customJoinId": "b",
        }
        assert ticket(raw, Product.VOICE) == Ticket("15538850000", "1", "a")
        assert ticket(raw, Product.JOIN) == Ticket("15538850000", "2", "b")

    @pytest.mark.parametrize("product", Product)
    @pytest.mark.parametrize(
        "raw", [{}, {"mobile": None, "voiceId": None, "joinId": None, "more": 1}], ids=repr
    )
    def test_missing_fields(self, raw: dict[str, object], product: Product) -> None:
        """What is missing or null is blank, and what is not known is left out."""
        assert ticket(raw, product) == Ticket("", "", "")

    @given(st.integers(0, 10**25))
    def test_numbers_for_texts(self, number: int) -> None:
        """An id that comes as a number keeps all of its digits."""
        raw = {"mobile": number, "voiceId": number, "customVoiceId": number}
        assert ticket(raw, Product.VOICE) == Ticket(str(number), str(number), str(number))

    @pytest.mark.parametrize(
        "raw", [None, [], "x", 1, True, {"voiceId": []}, {"mobile": True}, {"voiceId": {}}], ids=repr
    )
    def test_other_shapes(self, raw: object) -> None:
        """What is not an object of texts is not a ticket."""
        with pytest.raises(ValueError, match="was expected"):
            ticket(raw, Product.VOICE)


class TestMatchTickets:
    """An answer that names every recipient in its place."""

    @given(st.lists(people, max_size=5), st.sampled_from(Product), st.data())
    def test_the_same_as_one_by_one(
        self, those: list[Recipient], product: Product, data: st.DataObject
    ) -> None:
        """It gives the tickets that reading one by one gives, or none if anything is different."""
        name, custom = (
            ("voiceId", "customVoiceId") if product is Product.VOICE else ("joinId", "customJoinId")
        )
        raw: list[Any] = [
            {"mobile": one.mobile, name: f"m{place}", custom: one.custom_id}
            for place, one in enumerate(those)
        ]
        expected = tuple([structure_ticket(entry, product) for entry in raw])
        assert (match_tickets(ticket_rows(raw, product), those) or ()) == expected
        if not raw:
            return
        damaged = dict(raw[data.draw(st.integers(0, len(raw) - 1))])
        place = raw.index(damaged)
        key = data.draw(st.sampled_from(["mobile", name, custom]))
        values: list[object] = [None, 1, [], {}, "1"]
        damaged[key] = data.draw(st.sampled_from(values))
        if data.draw(st.booleans()):
            del damaged[key]
        raw[place] = damaged
        matched = match_tickets(ticket_rows(raw, product), those)
        if (key, damaged.get(key)) == (name, "1"):
            assert matched == tuple([structure_ticket(entry, product) for entry in raw])
        else:
            assume(damaged.get(key) != getattr(those[place], "mobile" if key == "mobile" else "custom_id"))
            assert matched is None

    @pytest.mark.parametrize(
        "raw",
        [[None], ["x"], [[]], [1], [{}], [], [{"mobile": "1", "voiceId": "1", "customVoiceId": "c"}] * 2],
        ids=repr,
    )
    def test_other_shapes(self, raw: list[Any]) -> None:
        """What is not an entry for each recipient is left to be read one by one."""
        assert match_tickets(ticket_rows(raw, Product.VOICE), [Recipient("1", "c")]) is None

    def test_no_custom_id(self) -> None:
        """Nothing on both sides is no match: a ticket's custom id is a text."""
        raw = [{"mobile": "1", "voiceId": "1", "customVoiceId": None}]
        assert match_tickets(ticket_rows(raw, Product.VOICE), [Recipient("1")]) is None


class TestStates:
    """How a call ended."""

    @given(blanks, st.sampled_from(sorted(VOICE_STATES | JOIN_STATES)), blanks, products)
    def test_blanks_around_a_state(self, before: str, text: str, after: str, product: Product | None) -> None:
        """A listed state is found whatever blanks stand around it, and its text is kept without them."""
        read = report(product, state=f"{before}{text}{after}")
        assert read.state is (VOICE_STATES | JOIN_STATES)[text]
        assert read.raw_state == text

    @given(st.text())
    @example("success")
    @example("5")
    @example("OTHER")
    @example("FAIL")
    def test_unknown_states(self, text: str) -> None:
        """Any other text is OTHER, and is kept."""
        assume(text.strip() not in VOICE_STATES | JOIN_STATES)
        read = report(state=text)
        assert (read.state, read.raw_state) == (CallState.OTHER, text.strip())

    @pytest.mark.parametrize("state", [4, 3, 2, 1, 0, -1])
    def test_numbers(self, state: int) -> None:
        """A state may come as a number."""
        read = report(state=state)
        assert (read.state, read.raw_state) == (JOIN_STATES.get(str(state), CallState.OTHER), str(state))

    @pytest.mark.parametrize("state", NOTHING, ids=repr)
    def test_nothing(self, state: object) -> None:
        """A state that is null or blank is OTHER without a text."""
        read = report(state=state)
        assert (read.state, read.raw_state) == (CallState.OTHER, "")


class TestTimes:
    """When a call went out."""

    @given(st.datetimes(datetime(1000, 1, 1)).map(lambda at: at.replace(microsecond=0)), blanks)  # noqa: DTZ001
    def test_the_documented_form(self, at: datetime, blank: str) -> None:
        """``yyyy-MM-dd HH:mm:ss`` is that moment in Beijing."""
        read = report(callingTime=f"{blank}{at:%Y-%m-%d %H:%M:%S}{blank}").called_at
        assert read == at.replace(tzinfo=BEIJING)
        assert read is not None
        assert read.utcoffset() == timedelta(hours=8)

    def test_the_host_zone_never_matters(self, host_zone: str) -> None:
        """The moment is the same wherever the host thinks that it is."""
        read = report(callingTime="2017-03-15 12:00:00").called_at
        assert read is not None
        assert read.timestamp() == 1489550400, host_zone  # TZ=Asia/Shanghai date -d '2017-03-15 12:00:00' +%s

    @pytest.mark.parametrize("text", ["2017-03-15T12:00:00", "2017-03-15 12:00:00.0", "2017-03-15 12:00"])
    def test_other_writers(self, text: str) -> None:
        """A fraction, a T, or missing seconds do no harm."""
        assert report(callingTime=text).called_at == datetime(2017, 3, 15, 12, tzinfo=BEIJING)

    @pytest.mark.parametrize("text", ["2017-03-15T04:00:00Z", "2017-03-14 23:00:00-05:00"])
    def test_a_zone_of_its_own(self, text: str) -> None:
        """A text that names its zone is that moment, told in Beijing time."""
        read = report(callingTime=text).called_at
        assert read == datetime(2017, 3, 15, 12, tzinfo=BEIJING)
        assert read is not None
        assert read.hour == 12

    @pytest.mark.parametrize("value", NOTHING, ids=repr)
    def test_nothing(self, value: object) -> None:
        """A time that is null or blank is None."""
        assert report(callingTime=value).called_at is None

    @pytest.mark.parametrize(
        "value",
        [
            "yesterday",
            "2017-02-30 12:00:00",
            "2017-03-15 25:00:00",
            "0000-00-00 00:00:00",
            1489550400000,
            1711012310550,
            "20170315",
            "0001-01-01 00:00:00+14:00",
            [],
            True,
        ],
        ids=repr,
    )
    def test_unreadable(self, value: object) -> None:
        """Anything else is unreadable, a count of milliseconds included, and never another moment."""
        with pytest.raises(UNREADABLE):
            report(callingTime=value)


class TestDurations:
    """How long a call was."""

    @given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9))
    def test_numbers_and_their_texts(self, seconds: float) -> None:
        """Seconds are a number or the text of one, integral or not."""
        assert report(callingDuration=seconds).duration == seconds
        assert report(callingDuration=f" {seconds} ").duration == seconds

    @pytest.mark.parametrize("value", NOTHING, ids=repr)
    def test_nothing(self, value: object) -> None:
        """A duration that is null or blank is None, which is not 0."""
        assert report(callingDuration=value).duration is None
        assert report(callingDuration="0").duration == 0.0

    @pytest.mark.parametrize(
        "value", ["long", "1:08", float("nan"), float("inf"), "-inf", 10**400, [], True], ids=repr
    )
    def test_unreadable(self, value: object) -> None:
        """What is no finite number is unreadable."""
        with pytest.raises(UNREADABLE):
            report(callingDuration=value)


class TestKeys:
    """What was pressed."""

    @pytest.mark.parametrize(("value", "key"), [(12, "12"), ("12", "12"), (0, "0"), (" 0 ", "0"), ("#", "#")])
    def test_numbers_and_texts(self, value: object, key: str) -> None:
        """A key is a text, whether it comes as one or as a number."""
        assert report(keyContent=value).key_pressed == key

    @pytest.mark.parametrize("value", NOTHING, ids=repr)
    def test_nothing(self, value: object) -> None:
        """A key that is null or blank is None."""
        assert report(keyContent=value).key_pressed is None


class TestRecordings:
    """The voice message that was left."""

    @given(st.binary(min_size=1))
    @example(bytes(range(256)))
    def test_each_way_of_writing_bytes(self, recording: bytes) -> None:
        """Base64, with line breaks or without, and signed or unsigned numbers are the same bytes."""
        signed = [byte - 256 if byte > 127 else byte for byte in recording]
        for written in (
            b64encode(recording).decode(),
            encodebytes(recording).decode(),
            f" {b64encode(recording).decode()}\r\n",
            signed,
            list(recording),
        ):
            assert report(voiceSign=written).recording == recording

    @pytest.mark.parametrize("value", [*NOTHING, []], ids=repr)
    def test_nothing(self, value: object) -> None:
        """No bytes are no recording."""
        assert report(voiceSign=value).recording is None

    @pytest.mark.parametrize(
        "value",
        [
            "a",
            "YQ",
            "YQ=",
            "Y*Q=",
            "é",
            "YQ==YQ==",
            [256],
            [-129],
            [-256],
            [1.0],
            ["1"],
            [None],
            [[]],
            {},
            True,
        ],
        ids=repr,
    )
    def test_unreadable(self, value: object) -> None:
        """What is neither is unreadable: a recording is whole or not there."""
        with pytest.raises(UNREADABLE):
            report(voiceSign=value)


class TestProducts:
    """Which half of the service a report belongs to."""

    @given(st.sampled_from(Product))
    def test_the_caller_knows(self, product: Product) -> None:
        """With a product, its own names are read whatever else there is."""
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
        """Without a product, the id fields that are filled tell it, or else those that are there."""
        assert structure_report(raw).product is product

    def test_a_field_of_that_name_is_not_it(self) -> None:
        """A field ``product`` of the JSON changes nothing."""
        assert report(Product.VOICE, product="join").product is Product.VOICE


class TestStructureReport:
    """One status report."""

    @given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=9), JSON, max_size=6), products)
    def test_any_object(self, raw: dict[str, object], product: Product | None) -> None:
        """Any object is a report or unreadable, and a report names its call."""
        try:
            read = structure_report(raw, product)
        except UNREADABLE:
            return
        assert read.message_id or read.custom_id or read.mobile
        assert read.called_at is None or read.called_at.utcoffset() == timedelta(hours=8)
        assert read.recording != b""
        assert read == structure_report(raw, read.product)

    @pytest.mark.parametrize(
        "raw", [{}, {"state": "SUCCESS"}, {"smsId": "1"}, {"voiceId": None, "mobile": ""}], ids=repr
    )
    def test_a_report_names_its_call(self, raw: dict[str, object]) -> None:
        """What names no call is unreadable rather than blank, so that it is kept as it came."""
        with pytest.raises(ValueError, match="does not name its call"):
            structure_report(raw)

    @given(JSON.filter(lambda value: not isinstance(value, dict)), products)
    def test_other_shapes(self, raw: object, product: Product | None) -> None:
        """What is no object is no report."""
        with pytest.raises(ValueError, match="an object was expected"):
            structure_report(raw, product)

    def test_unknown_fields(self) -> None:
        """Fields with the names of ours, or of nobody, change nothing."""
        extra = {
            "message_id": "x",
            "called_at": "x",
            "duration": [],
            "recording": 1,
            "raw_state": {},
            "new": 1,
        }
        assert report(**extra) == report()


class TestStructureReports:
    """Many reports."""

    @given(st.lists(JSON | st.fixed_dictionaries({"voiceId": JSON, "mobile": JSON}), max_size=5), products)
    def test_nothing_is_lost(self, raw: list[object], product: Product | None) -> None:
        """Each value is either a report or kept as it came, in order."""
        reports, broken = structure_reports(raw, product)
        assert len(reports) + len(broken) == len(raw)
        left = iter(raw)
        assert all(any(one is value for one in left) for value, _ in broken)
        assert all(reason for _, reason in broken)

    @given(st.lists(usual_reports, max_size=4), products)
    def test_together_as_one_by_one(self, raw: list[dict[str, object]], product: Product | None) -> None:
        """Reports that are nearly as usual are read together as each one is by itself."""
        reports, broken = structure_reports(raw, product)
        expected, unreadable = [], []
        for one in raw:
            try:
                expected.append(structure_report(one, product))
            except UNREADABLE as error:
                unreadable.append((one, str(error)))
        assert reports == tuple(expected)
        assert broken == tuple(unreadable)
        assert {type(one) for one in reports} <= {Report}

    @pytest.mark.parametrize(
        ("odd", "readable"),
        [
            ({"callingTime": "20260302"}, False),
            ({"callingTime": "2026-03-02T08+08:00"}, True),
            ({"voiceId": ""}, True),
            ({"voiceId": "", "customVoiceId": "", "mobile": ""}, False),
            ({"callingDuration": math.inf}, False),
            ({"message": None, "mobile": None}, True),
        ],
        ids=repr,
    )
    def test_an_odd_value_among_usual_ones(self, odd: dict[str, object], readable: bool) -> None:
        """One odd value is read as strictly among usual reports as it is alone."""
        usual: dict[str, object] = dict.fromkeys(
            ("appId", "customVoiceId", "mobile", "message", "voiceId"), "1"
        ) | {
            "state": "SUCCESS",
            "callingTime": "2026-03-02 08:00:00",
            "callingDuration": 1.5,
            "keyContent": None,
            "voiceSign": None,
        }
        reports, broken = structure_reports([usual, usual | odd, usual])
        assert [len(reports), len(broken)] == ([3, 0] if readable else [2, 1])
        assert (reports[1:-1], broken) == structure_reports([usual | odd])

    @pytest.mark.parametrize("odd", [None, [], "x", 1, True], ids=repr)
    @pytest.mark.parametrize("product", [None, *Product])
    def test_one_that_is_no_object(self, odd: object, product: Product | None) -> None:
        """What is no object among usual reports is kept as it came, and the others are read."""
        usual = {"voiceId": "1", "joinId": "1", "mobile": "13800000000"}
        reports, [(value, _)] = structure_reports([usual, odd, usual], product)
        assert reports == (structure_report(usual, product),) * 2
        assert value is odd

    def test_one_bad_report_spoils_no_other(self) -> None:
        """The reports around an unreadable one are read."""
        bad: object = {"voiceId": "2", "callingTime": "0001-01-01T00:00:00+14:00"}
        reports, [(value, _)] = structure_reports([{"voiceId": "1"}, bad, {"voiceId": "3"}])
        assert [one.message_id for one in reports] == ["1", "3"]
        assert value is bad


class TestStructureRows:
    """Reports by the values of their fields."""

    @given(st.lists(usual_reports, max_size=4), st.sampled_from(Product))
    def test_as_from_objects(self, raw: list[dict[str, object]], product: Product) -> None:
        """The values, wherever they come from, give the reports that the objects give, all or none."""
        reports, broken = structure_reports(raw, product)
        rows = [tuple(map(one.get, REPORT_LAYOUTS[product].names)) for one in raw]
        found = read_report_rows(rows, product)
        assert found in (None, reports)
        assert found is None or not broken


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
        """Nothing, no number and no finite number is no balance."""
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
