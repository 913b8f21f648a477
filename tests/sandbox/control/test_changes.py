"""The changes of the control API."""

import asyncio
from decimal import Decimal

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from emay_voice_async import AsyncEmayVoice, Notice
from emay_voice_async.sandbox import Account, Fault, Limit, Limits, Sandbox, ServiceType
from sandbox.by_hand import KEY
from sandbox.control.asking import ask, call, error, post, still


class TestCalls:
    """``POST calls/{message_id}``."""

    def test_press_a_key(self) -> None:
        """A person answers, presses a key and leaves a recording; the client reads it in the report."""

        async def main() -> None:
            local = Sandbox(report_delay=600)
            async with (
                local.serve() as url,
                AsyncEmayVoice(url, app_id=local.app_id, secret_key=local.secret_key) as voice,
                httpx.AsyncClient(base_url=url, trust_env=False) as http,
            ):
                [ticket] = (await voice.send(Notice("请按1"), "13800001234")).tickets
                fields = {"key": "7", "duration": 4, "recording": "YWJj", "report_in": 0}
                response = await http.post(f"/_sandbox/calls/{ticket.message_id}", json=fields)
                assert (response.json()["phase"], response.json()["outcome"]["key"]) == ("ready", "7")
                report = await voice.wait_for_report(ticket, timeout=10)
            assert (report.key_pressed, report.duration, report.recording) == ("7", 4.0, b"abc")

        asyncio.run(main())

    @pytest.mark.parametrize("state", ["FAIL_CALL", "TIMEOUT", "FAIL_APPID"])
    def test_other_states(self, state: str) -> None:
        """A call can end in any state of the document."""
        local = still(report_delay=5)
        [message_id] = call(local)
        response = post(local.app, f"calls/{message_id}", {"state": state})
        assert (response.json()["outcome"]["state"], response.json()["phase"]) == (state, "ringing")
        assert ask(local.app, "GET", "state").json()["counts"]["outcomes"] == {state: 1}

    def test_a_ready_report(self) -> None:
        """A call whose report is ready does not change."""
        local = still()
        [message_id] = call(local)
        assert error(post(local.app, f"calls/{message_id}", {}))[:2] == (409, "message_id")

    @pytest.mark.parametrize(
        "message_id", ["1", "20180427000000000002", "x", "²" * 20, "20180427000000000000"]
    )
    def test_unknown_calls(self, message_id: str) -> None:
        """An unknown id gets 404."""
        local = still(report_delay=5)
        call(local)
        assert error(post(local.app, f"calls/{message_id}", {}))[:2] == (404, "message_id")

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"state": "ASLEEP"}, "state"),
            ({"key": "#"}, "key"),
            ({"key": 1}, "key"),
            ({"duration": -1}, "duration"),
            ({"recording": "?"}, "recording"),
            ({"recording": "abc"}, "recording"),
            ({"report_in": 1e9}, "report_in"),
        ],
    )
    def test_bad_fields(self, fields: dict[str, object], field: str) -> None:
        """A wrong field is refused; the call is as before."""
        local = still(report_delay=5)
        [message_id] = call(local)
        assert error(post(local.app, f"calls/{message_id}", fields))[:2] == (422, field)
        assert local.calls[0].result.outcome is not None
        assert local.calls[0].result.outcome.key is None


class TestFaults:
    """``POST faults`` and ``DELETE faults``."""

    def test_plan_and_clear(self) -> None:
        """A fault is planned with its place; all are dropped."""
        local = still()
        fields = {"on": "send", "fault": {"kind": "code", "code": "ERROR_SIGN"}, "skip": 1, "times": None}
        response = post(local.app, "faults", fields)
        assert (response.status_code, response.json()["faults"][0]["name"]) == (201, "code ERROR_SIGN")
        assert [(one.on and str(one.on), one.skip, one.times) for one in local.faults] == [
            ("Call.SEND", 1, None)
        ]
        assert ask(local.app, "DELETE", "faults").json() == {"faults": []}
        assert len(local.faults) == 0

    def test_defaults(self) -> None:
        """By default the next request of any kind fails."""
        local = still()
        post(local.app, "faults", {"fault": {"kind": "html"}})
        assert [(one.on, one.skip, one.times) for one in local.faults] == [(None, 0, 1)]


class TestPush:
    """``POST push``."""

    def test_deliveries(self) -> None:
        """Ready reports are pushed; the deliveries say what the receiver answered."""

        async def receive(http: Request) -> PlainTextResponse:
            assert http.headers["appid"]
            return PlainTextResponse("success" if b"reports=" in await http.body() else "no")

        async def main() -> None:
            local, receiver = Sandbox(), Sandbox()
            receiver.app.control = Starlette(routes=[Route("/_sandbox/push", receive, methods=["POST"])])
            async with (
                local.serve() as url,
                receiver.serve() as target,
                AsyncEmayVoice(url, app_id=local.app_id, secret_key=local.secret_key) as voice,
                httpx.AsyncClient(base_url=url, trust_env=False) as http,
            ):
                await voice.send(Notice("hello"), "13800001234")
                fields = {"url": f"{target}/_sandbox/push", "mode": "json"}
                [failed] = (await http.post("/_sandbox/push", json=fields)).json()["deliveries"]
                assert (failed["delivered"], failed["status"], failed["body"]) == (False, 200, "no")
                [done] = (await http.post("/_sandbox/push", json=fields | {"mode": "form"})).json()[
                    "deliveries"
                ]
                assert (done["delivered"], done["reports"], done["app_id"]) == (True, 1, local.app_id)
                assert (await http.post("/_sandbox/push", json=fields)).json() == {"deliveries": []}

        asyncio.run(main())

    @pytest.mark.parametrize(
        "url", ["", "nothing", "ftp://here", "http://", "http:// x", "http://[", "http://a:b"]
    )
    def test_bad_urls(self, url: str) -> None:
        """A URL that cannot be requested is refused."""
        assert error(post(still().app, "push", {"url": url}))[:2] == (422, "url")

    def test_no_receiver(self) -> None:
        """A receiver that does not answer is a delivery without a status; the reports stay."""
        local = still()
        call(local)
        [delivery] = post(local.app, "push", {"url": "http://127.0.0.1:1/"}).json()["deliveries"]
        assert (delivery["status"], delivery["delivered"], local.reports_waiting) == (None, False, 1)
        assert "ConnectError" in delivery["body"]


class TestAccount:
    """``PATCH account``."""

    def test_changes(self) -> None:
        """Balance, price, services, limits and addresses change; absent fields stay."""
        local = still()
        fields = {
            "balance": "12.50",
            "price": 0.25,
            "services": ["code"],
            "rate_limits": {"send": {"requests": 3}, "reports": None},
            "allowed_ips": ["10.0.0.7"],
        }
        response = post(local.app, "account", fields, "PATCH")
        account = local.account
        assert (account.balance, account.price) == (Decimal("12.50"), Decimal("0.25"))
        assert (account.services, account.allowed_ips) == (
            frozenset({ServiceType.CODE}),
            frozenset({"10.0.0.7"}),
        )
        assert account.rate_limits == Limits(send=Limit(3, 1.0), reports=None, balance=Limit(10, 1.0))
        assert response.json()["balance"] == "12.50"
        post(local.app, "account", {"allowed_ips": None}, "PATCH")
        assert (account.allowed_ips, account.balance) == (None, Decimal("12.50"))

    def test_another_account(self) -> None:
        """An account is named by its appId."""
        other = Account(app_id="B", secret_key=KEY)
        local = still(accounts=(other,))
        post(local.app, "account", {"app_id": "B", "balance": 1}, "PATCH")
        assert (other.balance, local.balance) == (Decimal(1), Decimal(10000))
        assert error(post(local.app, "account", {"app_id": "C", "balance": 1}, "PATCH"))[:2] == (
            404,
            "app_id",
        )

    @pytest.mark.parametrize("balance", [-1, "-1", "", "1e9", "NaN", 1e-7, 10**12, None, "١"])
    def test_bad_balances(self, balance: object) -> None:
        """A negative balance, and one that is no amount, is refused."""
        local = still()
        assert error(post(local.app, "account", {"balance": balance}, "PATCH"))[:2] == (422, "balance")
        assert local.balance == 10000

    def test_one_bad_field(self) -> None:
        """A request with one bad field changes no other field."""
        local = still()
        post(local.app, "account", {"balance": 1, "price": 1e-7}, "PATCH")
        assert local.balance == 10000


class TestSettings:
    """``PATCH settings``."""

    def test_changes(self) -> None:
        """Delay, clock, latency and people change; absent settings stay."""
        local = still(report_delay=1)
        fields = {"clock_offset": 300, "latency": 0.25, "answer_rate": 0.5, "keys": {"1": 0.5}}
        settings = post(local.app, "settings", fields, "PATCH").json()
        assert settings == {**fields, "report_delay": 1.0}
        assert (local.clock_offset, local.report_delay) == (300.0, 1.0)
        assert post(local.app, "settings", {"latency": 0}, "PATCH").json()["latency"] == 0.0
        assert local.app.latency is None
        assert post(local.app, "settings", {"report_delay": 2}, "PATCH").json()["keys"] == {"1": 0.5}

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"keys": {"1": 0.6, "2": 0.6}}, "keys"),
            ({"keys": {"*": 1}}, "keys"),
            ({"latency": -1}, "latency"),
            ({}, "body"),
        ],
    )
    def test_bad_settings(self, fields: dict[str, object], field: str) -> None:
        """A wrong setting is refused."""
        assert error(post(still().app, "settings", fields, "PATCH"))[:2] == (422, field)


class TestReset:
    """``POST reset``."""

    def test_the_start(self) -> None:
        """A reset brings the state of the start back, and the ids go on."""
        local = still(report_delay=2, balance=Decimal(7))
        call(local)
        local.fail_next(Fault.reset())
        post(local.app, "account", {"balance": 5, "rate_limits": {"send": {"requests": 1}}}, "PATCH")
        post(local.app, "settings", {"report_delay": 9, "latency": 1, "answer_rate": 0}, "PATCH")
        counts = post(local.app, "reset", {}).json()["counts"]
        assert (counts["calls_recorded"], counts["reports_waiting"], counts["outcomes"]) == (0, 0, {})
        assert (local.balance, local.report_delay, len(local.faults)) == (Decimal(7), 2, 0)
        assert local.received == []
        assert (local.app.latency, local.account.rate_limits) == (None, Limits())
        assert call(local) == ["20180427000000000002"]

    def test_records_only(self) -> None:
        """Only the records are cleared on demand."""
        local = still()
        call(local)
        post(local.app, "reset", {"records_only": True})
        assert (local.received, local.calls, local.reports_waiting) == ([], [], 1)
