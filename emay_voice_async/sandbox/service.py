"""The rules of the service as a state machine: requests and instants in, replies out.

This module reads no clock and no socket: each method takes the time as an argument, in POSIX seconds.
"""

from collections.abc import Sequence
from heapq import heappop, heappush

from attrs import Factory, define, field, frozen

from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import MAX_REPORTS, Call, Product
from emay_voice_async.sandbox import replies
from emay_voice_async.sandbox.accounts import Account
from emay_voice_async.sandbox.checks import Case, refusal_code
from emay_voice_async.sandbox.outcomes import Outcome, outcome_of
from emay_voice_async.sandbox.record import MadeCall, keep_last
from emay_voice_async.sandbox.replies import Recordings, Reply
from emay_voice_async.sandbox.requests import FormRequest
from emay_voice_async.sandbox.speed import SpeedWindow, limit_of

__all__ = ["DEFAULT_REPORTS", "Service", "Waiting"]

DEFAULT_REPORTS = 200
"""Reports in the response to a getReport without a number."""
_FIRST_ID = 20_180_427_000_000_000_000


@frozen(order=True)
class Waiting:
    """A report that was not taken yet; ordered by the time at which it is ready."""

    ready_at: float
    place: int
    call: MadeCall = field(eq=False)
    outcome: Outcome = field(eq=False)


@define(eq=False, kw_only=True)
class Service:
    """The state of the service: accounts, speed windows, and waiting reports.

    A report is ready ``report_delay`` seconds after the call was accepted. ``clock_offset`` seconds are
    added to the clock wherever clients can see it: timestamps, and the times in reports. An accepted
    send is never compared with earlier sends: a repeated send calls and charges twice.
    """

    accounts: dict[str, Account]
    report_delay: float = 0.0
    clock_offset: float = 0.0
    recordings: Recordings = "base64"
    keep: int | None = None
    calls: list[MadeCall] = Factory(list)
    _made: int = 0
    _windows: dict[tuple[str, Call], SpeedWindow | None] = Factory(dict)
    _waiting: dict[tuple[str, Product], list[Waiting]] = Factory(dict)

    def answer(self, request: FormRequest, now: float) -> Reply:
        """Answer a request that arrives at ``now``: check appId, speed and the rest, then act."""
        account = self.accounts.get(request.app_id)
        if account is None:
            return replies.refusal(request.endpoint, ResultCode.ERROR_APPID)
        if not self._in_time(account, request.endpoint.call, now):
            return replies.refusal(request.endpoint, ResultCode.ERROR_OVER_SPEED)
        code = refusal_code(Case(request, account, now + self.clock_offset))
        if code is not None:
            return replies.refusal(request.endpoint, code)
        if request.endpoint.call is Call.SEND:
            return self._accept(request, account, now)
        if request.endpoint.call is Call.REPORTS:
            return self._hand_out(request, account, now)
        return replies.balance(request.endpoint, account.balance)

    def take(self, app_id: str, product: Product, most: int, now: float) -> list[Waiting]:
        """Remove and return up to ``most`` ready reports, in the order of readiness."""
        queue = self._waiting.get((app_id, product), [])
        taken: list[Waiting] = []
        while queue and queue[0].ready_at <= now and len(taken) < most:
            taken.append(heappop(queue))
        return taken

    def put_back(self, app_id: str, product: Product, taken: Sequence[Waiting]) -> None:
        """Put reports back, as if they had not been taken."""
        for waiting in taken:
            heappush(self._waiting[app_id, product], waiting)

    def write(self, taken: Sequence[Waiting]) -> list[dict[str, object]]:
        """Write reports in the document's shape."""
        return [
            replies.report(
                waiting.call, waiting.outcome, waiting.call.at + self.clock_offset, self.recordings
            )
            for waiting in taken
        ]

    @property
    def reports_waiting(self) -> int:
        """The number of reports, ready or not, that were not taken yet."""
        return sum(map(len, self._waiting.values()))

    def _in_time(self, account: Account, call: Call, now: float) -> bool:
        key = account.app_id, call
        if key not in self._windows:
            limit = limit_of(account.rate_limits, call)
            self._windows[key] = None if limit is None else SpeedWindow(limit)
        window = self._windows[key]
        return window is None or window.admit(now)

    def _accept(self, request: FormRequest, account: Account, now: float) -> Reply:
        mobiles = request.mobiles
        ids: Sequence[str | None] = request.custom_ids or [None] * len(mobiles)
        account.balance -= account.price * len(mobiles)
        content = request.content
        made = [
            self._make(account.app_id, request, mobile, custom_id, content, now)
            for mobile, custom_id in zip(mobiles, ids, strict=True)
        ]
        keep_last(self.calls, self.keep)
        return replies.tickets(request.endpoint, made)

    def _make(
        self, app_id: str, request: FormRequest, mobile: str, custom_id: str | None, content: str, now: float
    ) -> MadeCall:
        self._made += 1
        message_id = str(_FIRST_ID + self._made)
        call = MadeCall(now, app_id, request.endpoint, mobile, message_id, custom_id, content)
        self.calls.append(call)
        outcome = outcome_of(mobile, content)
        if outcome is not None:
            queue = self._waiting.setdefault((app_id, call.product), [])
            heappush(queue, Waiting(now + self.report_delay, self._made, call, outcome))
        return call

    def _hand_out(self, request: FormRequest, account: Account, now: float) -> Reply:
        most = int(request.text("number") or DEFAULT_REPORTS)
        most = most if 0 < most <= MAX_REPORTS else MAX_REPORTS
        taken = self.take(account.app_id, request.endpoint.product, most, now)
        return replies.reports(self.write(taken))
