"""The local service as users see it."""

import asyncio
import importlib.util
import signal
import sys
from decimal import Decimal

import pytest

from emay_voice_async import sandbox as front
from emay_voice_async.sandbox import Account, Delivery, Fault, Limits, Sandbox, ServiceType
from sandbox.by_hand import MOBILE, NOW, account, data, form_of, in_process


def ask(local: Sandbox, path: str, customer: Account | None = None, **changes: str) -> dict[str, object]:
    """Send a request in process; return the JSON."""

    async def main() -> dict[str, object]:
        async with in_process(local.app) as http:
            fields = form_of(customer or local.account, path, NOW + local.clock_offset, **changes)
            answer: dict[str, object] = (await http.post(path, data=fields)).json()
            return answer

    return asyncio.run(main())


def still(accounts: tuple[Account, ...] = ()) -> Sandbox:
    """Make a service with a clock that stands still."""
    return Sandbox(clock=lambda: NOW, accounts=accounts)


class TestSettings:
    """The settings."""

    def test_the_defaults(self) -> None:
        """The default is an account for all services, with a balance."""
        local = Sandbox()
        assert (local.app_id, local.secret_key) == ("EUCP-EMY-SANDBOX-00001", "0123456789ABCDEF")
        assert (local.balance, local.account.price) == (Decimal(10000), Decimal("0.1"))
        assert set(local.account.services) == set(ServiceType)
        assert (local.report_delay, local.clock_offset) == (0.0, 0.0)

    def test_the_clock_is_the_hosts(self) -> None:
        """The default clock is the host's."""

        async def main() -> None:
            local = Sandbox()
            async with in_process(local.app) as http:
                answer = await http.post("/voice/send", data=form_of(local.account, "/voice/send", NOW))
            assert answer.json() == {"code": "ERROR_TIMESTAMP"}

        asyncio.run(main())

    def test_the_first_account(self) -> None:
        """The settings of the first account are applied."""
        local = Sandbox(
            app_id="A",
            secret_key="K",
            services=[ServiceType.CODE],
            balance=Decimal(1),
            price=Decimal(1),
            rate_limits=Limits(None, None, None),
            allowed_ips=["127.0.0.1"],
            clock=lambda: NOW,
        )
        assert ask(local, "/voice/send") == {"code": "ERROR_MESSAGE_TYPE"}
        assert ask(local, "/voice/sendVFCode")["code"] == "SUCCESS"
        assert ask(local, "/voice/sendVFCode") == {"code": "ERROR_NEEDMORE_BALANCE"}
        assert {str(ask(local, "/voice/getBalance")["balance"]) for _ in range(20)} == {"0"}

    def test_there_may_be_more_accounts(self) -> None:
        """Further accounts are served, each with a balance of its own."""
        other = account()
        local = still((other,))
        assert ask(local, "/voice/send", other)["code"] == "SUCCESS"
        assert (local.balance, other.balance) == (Decimal(10000), Decimal("9999.9"))

    def test_settings_can_change(self) -> None:
        """Balance, delay and clock can be set while the service runs."""
        local = still()
        local.balance = Decimal("0.1")
        local.report_delay = 5.0
        local.clock_offset = 300.0
        assert ask(local, "/voice/send")["code"] == "SUCCESS"
        assert ask(local, "/voice/send")["code"] == "ERROR_NEEDMORE_BALANCE"
        assert ask(local, "/voice/getReport")["data"] == []
        assert (local.balance, local.report_delay, local.clock_offset) == (Decimal(0), 5.0, 300.0)


class TestRecord:
    """The records."""

    def test_the_records_can_be_cleared(self) -> None:
        """Clearing the records keeps the state: reports still come, and the balance stays."""
        local = still()
        local.fail_next(Fault.code("ERROR_OVER_SPEED"), on="balance")
        ask(local, "/voice/send")
        ask(local, "/voice/getBalance")
        assert (len(local.received), len(local.calls), local.over_speed) == (2, 1, 1)
        local.forget()
        assert (len(local.received), len(local.calls), local.over_speed) == (0, 0, 0)
        assert (local.reports_waiting, local.balance) == (1, Decimal("9999.9"))
        ask(local, "/voice/send")
        assert local.calls[0].message_id == "20180427000000000002"

    @pytest.mark.parametrize("keep", [None, 0, 1, 3, 10])
    def test_the_records_are_bounded(self, keep: int | None) -> None:
        """Only the last ``keep`` requests and calls are recorded; the state of the service is whole."""
        local = Sandbox(clock=lambda: NOW, keep=keep)
        for number in range(4):
            ask(local, "/voice/send", mobiles=f"1380000000{number},1390000000{number}")
        kept = slice(0, None) if keep is None else slice(max(0, 4 - keep), None)
        assert [one.fields["mobiles"][:11] for one in local.received] == [
            f"1380000000{number}" for number in range(4)
        ][kept]
        assert len(local.calls) == (8 if keep is None else min(8, keep))
        assert not local.calls or local.calls[-1].mobile == "13900000003"
        assert (local.reports_waiting, local.balance) == (8, Decimal("9999.2"))

    def test_a_negative_number_of_records(self) -> None:
        """A negative ``keep`` is refused."""
        with pytest.raises(ValueError, match="keep must be 0 or more"):
            Sandbox(keep=-1)

    def test_it_shows_no_secret(self) -> None:
        """No repr shows the secretKey."""
        local = still()
        ask(local, "/voice/send")
        assert repr(local) == "<Sandbox EUCP-EMY-SANDBOX-00001: 1 requests, 1 calls>"
        shown = repr([local, local.account, local.app, local.received[0], local.calls[0]])
        assert local.secret_key not in shown
        assert MOBILE in shown

    def test_planned_faults_can_be_dropped(self) -> None:
        """Planned faults can be counted and cleared."""
        local = still()
        local.fail_next(Fault.html(), skip=1, times=None)
        assert len(local.faults) == 1
        local.faults.clear()
        assert ask(local, "/voice/getBalance")["responseCode"] == "SUCCESS"


class TestDecisions:
    """What a called person does instead."""

    def test_a_key(self) -> None:
        """A person presses a key before the report is ready."""
        local = still()
        local.report_delay = 5.0
        ask(local, "/voice/send")
        call = local.decide(local.calls[0].message_id, key="4", recording=b"x", report_in=0)
        [report] = data(ask(local, "/voice/getReport"))
        assert (call.mobile, report["keyContent"], report["voiceSign"]) == (MOBILE, 4, "eA==")

    def test_errors(self) -> None:
        """An unknown call is a LookupError; a state, a key and a time that cannot be are ValueErrors."""
        local = still()
        ask(local, "/voice/send")
        message_id = local.calls[0].message_id
        with pytest.raises(LookupError):
            local.decide("1")
        for state, key in (("X", "1"), ("SUCCESS", "x"), ("SUCCESS", "1")):
            with pytest.raises(ValueError, match=r"must be|is ready"):
                local.decide(message_id, state, key=key)

    def test_reset(self) -> None:
        """A reset is the start again."""
        local = still()
        ask(local, "/voice/send")
        local.reset()
        assert (local.balance, len(local.calls), local.reports_waiting) == (Decimal(10000), 0, 0)


class TestRun:
    """The service until Ctrl-C."""

    def test_pushes(self) -> None:
        """Reports are pushed beside the service, and the pushes end with it."""
        seen: list[tuple[bool, float]] = []

        def note(delivery: Delivery, pause: float) -> None:
            seen.append((delivery.delivered, pause))
            signal.raise_signal(signal.SIGINT)

        async def main() -> None:
            local = still()
            async with in_process(local.app) as http:
                await http.post("/voice/send", data=form_of(local.account, "/voice/send", NOW))
            await local.run(on_ready=lambda _: None, push_to="http://127.0.0.1:1/", on_delivery=note)

        asyncio.run(main())
        assert seen == [(False, 1.0)]

    def test_a_failure(self) -> None:
        """An error of the application's handler of pushes is raised at the end of the service."""

        def fail(*_: object) -> None:
            signal.raise_signal(signal.SIGINT)
            raise RuntimeError("the handler failed")

        async def main() -> None:
            local = still()
            async with in_process(local.app) as http:
                await http.post("/voice/send", data=form_of(local.account, "/voice/send", NOW))
            await local.run(on_ready=lambda _: None, push_to="http://127.0.0.1:1/", on_delivery=fail)

        with pytest.raises(RuntimeError, match="the handler failed"):
            asyncio.run(main())


class TestFront:
    """The package's public names."""

    def test_its_names_are_sorted(self) -> None:
        """All names of ``__all__`` exist, sorted: constants, then classes."""
        assert sorted(front.__all__, key=lambda name: (not name.isupper(), name)) == front.__all__
        assert all(hasattr(front, name) for name in front.__all__)

    @pytest.mark.parametrize("missing", ["fastjsonschema", "starlette", "uvicorn"])
    def test_without_its_extra(self, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the extra, the error names the command to install it."""
        monkeypatch.setitem(sys.modules, missing, None)
        spec = importlib.util.spec_from_file_location("front_again", front.__file__)
        assert spec is not None
        assert spec.loader is not None
        with pytest.raises(ImportError, match=r'pip install "emay_voice_async\[sandbox\]"') as caught:
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        assert missing in str(caught.value)
