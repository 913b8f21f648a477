"""The state as JSON."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.model.codes import CallState, ResultCode
from emay_voice_async.model.endpoints import ENDPOINTS, Call
from emay_voice_async.sandbox import Limits, MadeCall, Received
from emay_voice_async.sandbox.control import views
from emay_voice_async.sandbox.control.files import page_files
from sandbox.by_hand import ENDPOINT, NOW, account, request, service


def made(count: int) -> list[MadeCall]:
    """Make calls; the custom id is the place."""
    return [MadeCall(NOW, "A", ENDPOINT["/voice/send"], "1", "1", str(n + 1), "") for n in range(count)]


def script(name: str) -> str:
    """Return the text of a file of the page."""
    return page_files("emay_voice_async.sandbox.control.page")[name].body.decode()


class TestPages:
    """Pages of records, newest first."""

    @given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 12))
    def test_walking(self, forgotten: int, recorded: int, most: int) -> None:
        """The pages together have each record once, newest first."""
        records = made(forgotten + recorded)[forgotten:]
        seen: list[str | None] = []
        before: int | None = None
        while True:
            page, before = views.page_of(records, forgotten + recorded, before=before, most=most)
            assert all(str(place) == call.custom_id for place, call in page)
            assert len(page) <= most
            seen += [call.custom_id for _, call in page]
            if before is None:
                break
        assert seen == [call.custom_id for call in reversed(records)]

    @pytest.mark.parametrize(("before", "places"), [(1, []), (3, [2, 1]), (99, [4, 3])])
    def test_before(self, before: int, places: list[int]) -> None:
        """A page ends below its place; a place after the last record is the newest page."""
        page, _ = views.page_of(made(4), 4, before=before, most=2)
        assert [place for place, _ in page] == places


class TestKinds:
    """The kinds of send, in the JSON and on the page in the browser."""

    def test_every_send_has_a_kind(self) -> None:
        """Each endpoint of a send has a kind of its own."""
        assert set(views.KINDS) == {endpoint for endpoint in ENDPOINTS if endpoint.call is Call.SEND}
        assert len(set(views.KINDS.values())) == len(views.KINDS)

    def test_the_page_has_every_kind_in_both_languages(self) -> None:
        """The page has a word for each kind, in English and in Chinese."""
        [kinds] = re.findall(r"const KINDS = \{(.*?)\};", script("calls.js"))
        words = dict(re.findall(r"(\w+): \"(\w+)\"", kinds))
        assert set(words) == set(views.KINDS.values())
        for language in script("words.js").split("\n  zh: {"):
            assert {word for word in words.values() if f" {word}: " not in language} == set()

    def test_the_page_offers_every_path_for_a_fault(self) -> None:
        """The form of a fault lists the path of each endpoint."""
        [paths] = re.findall(r"const PATHS = \[(.*?)\];", script("forms.js"), re.DOTALL)
        assert re.findall(r'"(.*?)"', paths) == [endpoint.path for endpoint in ENDPOINTS]


class TestRecords:
    """Calls and requests."""

    def test_a_call(self) -> None:
        """A call has its texts, its phase and what came of it."""
        rules = service()
        rules.report_delay = 5.0
        fields = {
            "voiceContent": "<b>",
            "smsContent": "短信",
            "customJoinIds": "mine",
            "mobiles": "13900000010",
        }
        rules.answer(request("/join/send", **fields), NOW)
        [call] = rules.calls
        json_ = views.call_json(1, call, NOW)
        assert (json_["kind"], json_["product"], json_["content"]) == ("voice_sms", "join", "<b>")
        assert (json_["texts"], json_["custom_id"]) == ({"sms": "短信"}, "mine")
        assert (json_["at"], json_["report_at"]) == (
            "2023-11-14T22:13:20.000+00:00",
            "2023-11-14T22:13:25.000+00:00",
        )
        assert (json_["outcome"]["key"], json_["outcome"]["has_recording"]) == ("1", True)
        assert json_["outcome"]["recording"].startswith("UklGR")
        assert "recording" not in views.call_json(1, call, NOW, whole=False)["outcome"]
        assert [views.call_json(1, call, at)["phase"] for at in (NOW, NOW + 5)] == ["ringing", "ready"]
        rules.answer(request("/join/getReport"), NOW + 5)
        assert views.call_json(1, call, NOW + 5)["phase"] == "taken"

    def test_a_call_without_a_report(self) -> None:
        """A call without a report rings until someone decides."""
        rules = service()
        rules.answer(request("/voice/send", mobiles="13900000013"), NOW)
        json_ = views.call_json(1, rules.calls[0], NOW + 1e6)
        assert (json_["phase"], json_["report_at"], json_["outcome"]) == ("ringing", None, None)

    def test_long_and_broken_values(self) -> None:
        """In a list long values are shortened; a text that is no UTF-8 can be written; a record alone is whole."""
        fields = {"mobiles": "1" * 400, "content": "\udcff好", **{f"x{number}": "" for number in range(40)}}
        received = Received(NOW, "POST", "/voice/send", "127.0.0.1", fields)
        listed, whole = views.request_json(7, received, whole=False), views.request_json(7, received)
        assert (len(listed["fields"]["mobiles"]), listed["fields"]["mobiles"][-1]) == (300, "…")
        assert len(listed["fields"]) == 30
        assert (whole["fields"]["mobiles"], len(whole["fields"])) == ("1" * 400, 42)
        assert whole["fields"]["content"] == "?好"
        json.dumps(whole, ensure_ascii=False).encode()


class TestAccounts:
    """Accounts, windows and meanings."""

    def test_an_account(self) -> None:
        """An account is written without its secretKey."""
        customer = account()
        customer.allowed_ips = {"b", "a"}
        customer.rate_limits = Limits(send=None)
        json_ = views.account_json(customer)
        assert customer.secret_key not in str(json_)
        assert (json_["balance"], json_["allowed_ips"]) == ("10000", ["a", "b"])
        assert json_["rate_limits"]["send"] is None
        assert json_["rate_limits"]["reports"] == {"requests": 10, "period": 1.0}

    def test_speed(self) -> None:
        """A window has the requests that count now, and the refusals; an unlimited kind has none."""
        customer = account()
        customer.rate_limits = Limits(send=None)
        rules = service(customer)
        for _ in range(12):
            rules.answer(request("/voice/getBalance"), NOW)
        windows = {one["kind"]: one for one in views.speed_json(rules, NOW + 0.5)}
        assert set(windows) == {"reports", "balance"}
        assert (windows["balance"]["used"], windows["balance"]["refused"]) == (10, 2)
        assert {one["used"] for one in views.speed_json(rules, NOW + 1.001)} == {0}

    def test_meanings(self) -> None:
        """Each code and state has a meaning in both languages."""
        meanings = views.meanings_json()
        assert set(meanings["codes"]) == {code.value for code in ResultCode}
        assert set(meanings["states"]) == {state.value for state in CallState}
        assert meanings["codes"]["ERROR_SIGN"] == {"zh": "签名错误", "en": "wrong signature"}
