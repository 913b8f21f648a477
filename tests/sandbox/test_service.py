"""The rules of the service, with given instants."""

from decimal import Decimal

import pytest

from emay_voice_async.model.endpoints import Product
from emay_voice_async.sandbox.accounts import Account
from emay_voice_async.sandbox.outcomes import ANSWERED, Callees, listed_outcome
from emay_voice_async.sandbox.requests import FormRequest
from emay_voice_async.sandbox.service import ReportReadyError, Service
from emay_voice_async.sandbox.speed import Limit, Limits
from sandbox.by_hand import (
    ENDPOINT,
    MOBILE,
    NOW,
    REPORTS,
    SENDS,
    account,
    data,
    form,
    form_of,
    request,
    service,
)

UNLIMITED = Limits(None, None, None)


def unlimited(*, report_delay: float = 0.0, clock_offset: float = 0.0) -> Service:
    """Make the rules of an account without speed limits."""
    customer = account()
    customer.rate_limits = UNLIMITED
    rules = service(customer)
    rules.report_delay, rules.clock_offset = report_delay, clock_offset
    return rules


def reports(
    rules: Service, now: float = NOW, *, path: str = "/voice/getReport", number: str | None = None
) -> list[object]:
    """Take reports; return their mobiles."""
    fields = form_of(account(), path, now + rules.clock_offset, number=number)
    return [
        entry["mobile"]
        for entry in data(rules.answer(FormRequest(ENDPOINT[path], fields, "127.0.0.1"), now).document)
    ]


def send(rules: Service, *mobiles: str, now: float = NOW) -> None:
    """Send a notice."""
    fields = form_of(account(), "/voice/send", now, mobiles=",".join(mobiles))
    assert rules.answer(FormRequest(ENDPOINT["/voice/send"], fields, "127.0.0.1"), now).code == "SUCCESS"


class TestSend:
    """Accepted sends."""

    @pytest.mark.parametrize(
        ("path", "names"),
        [
            ("/voice/send", ("mobiles", "customVoiceIds", "voiceId", "customVoiceId")),
            ("/voice/sendVFCode", ("mobile", "customVoiceId", "voiceId", "customVoiceId")),
            ("/voice/sendCTCode", ("mobiles", "customVoiceIds", "voiceId", "customVoiceId")),
            ("/join/send", ("mobiles", "customJoinIds", "joinId", "customJoinId")),
        ],
    )
    def test_the_answer_names_each_call(self, path: str, names: tuple[str, str, str, str]) -> None:
        """The reply has an entry for each number with two ids, under the names of the endpoint."""
        mobiles, custom_ids, message_id, custom_id = names
        changes = {mobiles: MOBILE, custom_ids: "mine"}
        rules = service()
        [entry] = data(rules.answer(request(path, **changes), NOW).document)
        [call] = rules.calls
        assert entry == {"mobile": MOBILE, message_id: call.message_id, custom_id: "mine"}

    def test_each_call_is_remembered(self) -> None:
        """A call is recorded with number, ids, time, path, product and content."""
        rules = service()
        rules.answer(request("/join/send", mobiles=f"{MOBILE},13800000001", customJoinIds="a,b"), NOW)
        first, second = rules.calls
        assert (first.mobile, first.custom_id, second.mobile, second.custom_id) == (
            MOBILE,
            "a",
            "13800000001",
            "b",
        )
        assert (first.at, first.path, first.product, first.content) == (
            NOW,
            "/join/send",
            Product.JOIN,
            "请按一",
        )
        assert first.message_id != second.message_id
        assert len(first.message_id) == 20

    def test_without_custom_ids(self) -> None:
        """The message id stands in, in the answer and in the report."""
        rules = service()
        [entry] = data(rules.answer(request("/voice/send"), NOW).document)
        [report] = data(rules.answer(request("/voice/getReport"), NOW).document)
        assert entry["customVoiceId"] == entry["voiceId"] == report["customVoiceId"] == report["voiceId"]
        assert rules.calls[0].custom_id is None

    def test_each_number_costs(self) -> None:
        """The price is charged for each number, good or bad, without losing a cent."""
        customer = account()
        customer.balance, customer.price = Decimal(1), Decimal("0.1")
        service(customer).answer(request("/voice/send", mobiles=f"{MOBILE},bad,{MOBILE}"), NOW)
        assert customer.balance == Decimal("0.7")

    def test_a_repeated_send_is_a_new_send(self) -> None:
        """The same request twice makes two calls and two charges, even with custom ids."""
        customer = account()
        rules = service(customer)
        again = request("/voice/send", customVoiceIds="same")
        entries = [data(rules.answer(again, NOW).document)[0]["voiceId"] for _ in range(2)]
        assert len(set(entries)) == len(rules.calls) == 2
        assert customer.balance == Decimal("9999.8")


class TestSpeed:
    """The windows of an account."""

    def test_kinds_are_counted_apart(self) -> None:
        """Ten requests of each kind pass at once, over both products; the eleventh is refused."""
        rules = service()
        for paths in (SENDS[:1] + SENDS[3:], REPORTS, ("/voice/getBalance", "/join/getBalance")):
            codes = [rules.answer(request(paths[turn % 2]), NOW).code for turn in range(11)]
            assert codes == ["SUCCESS"] * 10 + ["ERROR_OVER_SPEED"]

    def test_accounts_are_counted_apart(self) -> None:
        """The requests of an account do not count for another account."""
        other = Account(app_id="OTHER", secret_key="0123456789ABCDEF")
        rules = service(account(), other)
        for _ in range(11):
            rules.answer(request("/voice/getBalance"), NOW)
        fields = form_of(other, "/voice/getBalance", NOW)
        assert (
            rules.answer(FormRequest(ENDPOINT["/voice/getBalance"], fields, "127.0.0.1"), NOW).code
            == "SUCCESS"
        )

    def test_refusals_for_other_reasons_count(self) -> None:
        """A request with a wrong signature counts like a valid request."""
        rules = service()
        codes = [rules.answer(request("/voice/getBalance", sign="x"), NOW).code for _ in range(11)]
        assert codes == ["ERROR_SIGN"] * 10 + ["ERROR_OVER_SPEED"]

    def test_without_a_limit(self) -> None:
        """Without a limit all requests pass."""
        rules = unlimited()
        assert {rules.answer(request("/voice/getBalance"), NOW).code for _ in range(50)} == {"SUCCESS"}

    def test_the_offset_of_the_clock_does_not_matter(self) -> None:
        """A clock that is set back does not close the window."""
        rules = unlimited()
        rules.accounts[account().app_id].rate_limits = Limits()
        for _ in range(10):
            rules.answer(request("/voice/getBalance"), NOW)
        rules.clock_offset = -3600.0
        assert rules.answer(request("/voice/getBalance"), NOW + 1.1).code == "SUCCESS"


class TestReports:
    """Status reports."""

    def test_they_are_handed_out_once(self) -> None:
        """Reports that were handed out are removed."""
        rules = unlimited()
        send(rules, MOBILE, "13800000001")
        assert reports(rules) == [MOBILE, "13800000001"]
        assert reports(rules) == []

    def test_they_take_their_time(self) -> None:
        """A report is ready when the delay has passed, and not before."""
        rules = unlimited(report_delay=5.0)
        send(rules, MOBILE)
        assert reports(rules, NOW + 4.999) == []
        assert rules.reports_waiting == 1
        assert reports(rules, NOW + 5.0) == [MOBILE]
        assert rules.reports_waiting == 0

    def test_the_one_that_is_ready_first_comes_first(self) -> None:
        """The order is that of becoming ready, then that of the calls."""
        rules = unlimited(report_delay=5.0)
        send(rules, "13800000001", "13800000002")
        rules.report_delay = 1.0
        send(rules, "13800000003")
        assert reports(rules, NOW + 9) == ["13800000003", "13800000001", "13800000002"]

    @pytest.mark.parametrize(
        ("number", "taken"),
        [
            (None, 200),
            ("", 200),
            ("1", 1),
            ("999", 999),
            ("1000", 1000),
            ("1001", 1000),
            ("0", 1000),
            ("-1", 1000),
        ],
    )
    def test_how_many(self, number: str | None, taken: int) -> None:
        """The default is 200; a number out of bounds counts as 1,000."""
        rules = unlimited()
        for _ in range(3):
            send(rules, *[MOBILE] * 500)
        assert len(reports(rules, number=number)) == taken
        assert rules.reports_waiting == 1500 - taken

    def test_products_have_their_own(self) -> None:
        """Voice SMS are reported under /join only."""
        rules = unlimited()
        rules.answer(request("/join/send"), NOW)
        send(rules, "13800000001")
        assert reports(rules, path="/join/getReport") == [MOBILE]
        assert reports(rules) == ["13800000001"]

    def test_accounts_have_their_own(self) -> None:
        """An account does not get the reports of another account."""
        other = Account(app_id="OTHER", secret_key="0123456789ABCDEF")
        rules = service(account(), other)
        send(rules, MOBILE)
        fields = form_of(other, "/voice/getReport", NOW)
        asked = FormRequest(ENDPOINT["/voice/getReport"], fields, "127.0.0.1")
        assert data(rules.answer(asked, NOW).document) == []
        assert reports(rules) == [MOBILE]

    def test_some_never_come(self) -> None:
        """The call to 0013 is made and never reported."""
        rules = unlimited()
        send(rules, "13800000013", MOBILE)
        assert len(rules.calls) == 2
        assert reports(rules, NOW + 10**6) == [MOBILE]

    def test_times_are_those_of_the_service(self) -> None:
        """The time of a call is by the clock that clients see."""
        rules = unlimited()
        send(rules, MOBILE)
        rules.clock_offset = 90.0
        fields = form_of(account(), "/voice/getReport", NOW + 90)
        [report] = data(
            rules.answer(FormRequest(ENDPOINT["/voice/getReport"], fields, "127.0.0.1"), NOW).document
        )
        assert report["callingTime"] == "2023-11-15 06:14:50"

    def test_reports_put_back_keep_their_order(self) -> None:
        """Reports that were put back come again, before reports that became ready later."""
        rules = unlimited()
        send(rules, "13800000001", "13800000002", "13800000003")
        taken = rules.take(account().app_id, Product.VOICE, 2, NOW)
        assert [one.call.mobile for one in taken] == ["13800000001", "13800000002"]
        rules.put_back(account().app_id, Product.VOICE, taken)
        assert reports(rules) == ["13800000001", "13800000002", "13800000003"]


class TestClock:
    """The clock that clients see."""

    def test_it_may_be_off(self) -> None:
        """With an offset, only timestamps by the service's clock are right."""
        rules = unlimited(clock_offset=600.0)
        wrong = rules.answer(request("/voice/getReport"), NOW).code
        fields = form_of(account(), "/voice/getReport", NOW + 600)
        right = rules.answer(FormRequest(ENDPOINT["/voice/getReport"], fields, "127.0.0.1"), NOW).code
        assert (wrong, right) == ("ERROR_TIMESTAMP", "SUCCESS")


def test_a_balance_is_what_is_left() -> None:
    """Both products report the same balance."""
    rules = service()
    rules.answer(request("/voice/send"), NOW)
    assert rules.answer(request("/voice/getBalance"), NOW).document["balance"] == "9999.9"
    assert rules.answer(request("/join/getBalance"), NOW).document["data"] == "9999.9"


def test_a_record_shows_no_secrets() -> None:
    """Neither accounts nor requests show a key or a signature."""
    shown = repr(account()) + repr(request("/voice/send"))
    assert account().secret_key not in shown
    assert form("/voice/send")["sign"] not in shown


class TestDecisions:
    """What a called person does instead."""

    def test_before_the_report(self) -> None:
        """The outcome is replaced, and the report is ready at its time or earlier."""
        rules = unlimited(report_delay=10)
        send(rules, "13800000001", "13800000002")
        first, second = rules.calls
        rules.decide(first, listed_outcome("SUCCESS", key="3"), NOW + 1, report_in=2)
        rules.decide(second, listed_outcome("TIMEOUT"), NOW + 1)
        assert reports(rules, NOW + 2.9) == []
        assert reports(rules, NOW + 3) == ["13800000001"]
        assert reports(rules, NOW + 10) == ["13800000002"]
        assert (rules.reports_waiting, +rules.outcomes) == (0, {"SUCCESS": 1, "TIMEOUT": 1})

    def test_a_later_report(self) -> None:
        """A report can be put off; it is taken once."""
        rules = unlimited(report_delay=1)
        send(rules, MOBILE)
        [call] = rules.calls
        for seconds in (5, 1, 20):
            rules.decide(call, ANSWERED, NOW, report_in=seconds)
        assert reports(rules, NOW + 19) == []
        assert rules.reports_waiting == 1
        assert reports(rules, NOW + 20) == [MOBILE]
        assert (reports(rules, NOW + 99), rules.reports_waiting) == ([], 0)

    def test_twice_at_the_same_time(self) -> None:
        """A report that returns to an earlier time is taken once, also after it was put back."""
        rules = unlimited(report_delay=1)
        send(rules, MOBILE)
        [call] = rules.calls
        rules.decide(call, ANSWERED, NOW, report_in=5)
        rules.decide(call, ANSWERED, NOW, report_in=1)
        taken = rules.take(account().app_id, Product.VOICE, 9, NOW + 1)
        assert len(taken) == 1
        rules.put_back(account().app_id, Product.VOICE, taken)
        assert reports(rules, NOW + 9) == [MOBILE]
        assert rules.reports_waiting == 0

    def test_a_silent_call(self) -> None:
        """A call without a report gets one when its person decides."""
        rules = unlimited(report_delay=2)
        send(rules, "13900000013", "13900000013")
        first, second = rules.calls
        assert (rules.reports_waiting, rules.outcomes) == (0, {"NO_REPORT": 2})
        rules.decide(first, ANSWERED, NOW + 5)
        rules.decide(second, ANSWERED, NOW + 5, report_in=0)
        assert rules.reports_waiting == 2
        assert len(reports(rules, NOW + 5)) == 1
        assert len(reports(rules, NOW + 7)) == 1

    @pytest.mark.parametrize("take", [True, False])
    def test_too_late(self, take: bool) -> None:
        """A report that is ready or taken does not change."""
        rules = unlimited(report_delay=2)
        send(rules, MOBILE)
        if take:
            reports(rules, NOW + 2)
        with pytest.raises(ReportReadyError, match="ready"):
            rules.decide(rules.calls[0], listed_outcome("TIMEOUT"), NOW + 2)
        assert rules.outcomes == {"SUCCESS": 1}

    def test_calls_by_id(self) -> None:
        """A recorded call is found by its id; a call that is not recorded any more is unknown."""
        rules = unlimited()
        rules.keep = 2
        send(rules, "13800000001", "13800000002", "13800000003")
        ids = [f"2018042700000000000{place}" for place in range(5)]
        assert [rules.call(one).mobile for one in ids[2:4]] == ["13800000002", "13800000003"]
        assert rules.place(rules.calls[-1]) == rules.made == 3
        for unknown in (ids[0], ids[1], ids[4], "", "x" * 20, "1", "-2018042700000000002"):
            with pytest.raises(LookupError):
                rules.call(unknown)

    def test_after_a_reset(self) -> None:
        """Reports that a push holds while the service is reset are dropped."""
        rules = unlimited()
        send(rules, MOBILE)
        taken = rules.take(account().app_id, Product.VOICE, 9, NOW)
        rules.reset()
        rules.put_back(account().app_id, Product.VOICE, taken)
        assert (rules.reports_waiting, reports(rules, NOW)) == (0, [])

    def test_the_next_report(self) -> None:
        """The time of the next report is known, without reports that were moved."""
        rules = unlimited(report_delay=4)
        app_id = account().app_id
        assert rules.next_report(app_id, Product.VOICE) is None
        send(rules, MOBILE)
        rules.decide(rules.calls[0], ANSWERED, NOW, report_in=9)
        assert rules.next_report(app_id, Product.VOICE) == NOW + 9
        reports(rules, NOW + 9)
        assert rules.next_report(app_id, Product.VOICE) is None


class TestLimits:
    """Limits that change while the service runs."""

    def test_counted_requests_stay_counted(self) -> None:
        """A new limit holds at once, and requests before it count."""
        customer = account()
        rules = service(customer)
        for _ in range(3):
            rules.answer(request("/voice/getBalance"), NOW)
        rules.limit(customer, Limits(balance=Limit(4)))
        codes = [rules.answer(request("/voice/getBalance"), NOW).code for _ in range(2)]
        assert codes == ["SUCCESS", "ERROR_OVER_SPEED"]
        rules.limit(customer, UNLIMITED)
        assert {rules.answer(request("/voice/getBalance"), NOW).code for _ in range(20)} == {"SUCCESS"}


class TestPeople:
    """People whose number is not magic."""

    def test_shares(self) -> None:
        """The shares of the callees decide; magic numbers stay as they are."""
        rules = unlimited()
        rules.callees = Callees(answer_rate=0.5)
        send(rules, *[f"138{number:08}" for number in range(1000, 1100)], "13900000004")
        assert rules.outcomes == {"SUCCESS": 50, "FAIL_CALL": 50, "TIMEOUT": 1}
