"""The state of the service at its start, for a reset."""

from collections.abc import Mapping
from typing import Any, Self

from attrs import asdict, field, frozen

from emay_voice_async.sandbox.accounts import Account
from emay_voice_async.sandbox.app import App, Latency
from emay_voice_async.sandbox.outcomes import Callees

__all__ = ["InitialState"]


@frozen(eq=False, kw_only=True)
class InitialState:
    """The accounts and settings with which a service began."""

    accounts: Mapping[str, Mapping[str, Any]] = field(repr=False)
    report_delay: float
    clock_offset: float
    latency: Latency | None
    callees: Callees | None

    @classmethod
    def of(cls, app: App) -> Self:
        """Note the accounts and settings of a service."""
        service = app.service
        return cls(
            accounts={app_id: asdict(account, recurse=False) for app_id, account in service.accounts.items()},
            report_delay=service.report_delay,
            clock_offset=service.clock_offset,
            latency=app.latency,
            callees=service.callees,
        )

    def restore(self, app: App) -> None:
        """Bring accounts and settings back; clear records, reports, speed windows and faults."""
        service = app.service
        for app_id, fields in self.accounts.items():
            _assign(service.accounts[app_id], fields)
        service.report_delay = self.report_delay
        service.clock_offset = self.clock_offset
        service.callees = self.callees
        app.latency = self.latency
        app.faults.clear()
        app.forget()
        service.reset()


def _assign(account: Account, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        setattr(account, name, value)
