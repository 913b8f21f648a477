"""The rules of the service as a state machine: requests and instants in, replies out.

This module reads no clock and no socket: each method takes the time as an argument, in POSIX seconds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from attrs import Factory, define, field, frozen

from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import MAX_REPORTS, Call, Endpoint, Product
from emay_voice_async.sandbox import replies
from emay_voice_async.sandbox.accounts import Account
from emay_voice_async.sandbox.checks import Case, refusal_code
from emay_voice_async.sandbox.outcomes import ANSWERED, Callees, Outcome, outcome_of
from emay_voice_async.sandbox.record import CallResult, MadeCall, keep_last
from emay_voice_async.sandbox.replies import Recordings, Reply
from emay_voice_async.sandbox.requests import FormRequest
from emay_voice_async.sandbox.speed import AnyLimits, SpeedWindow, limit_of

__all__ = ["DEFAULT_REPORTS", "NO_REPORT", "ReportReadyError", "Service", "Waiting"]

DEFAULT_REPORTS = 200
"""Reports in the response to a getReport without a number."""
NO_REPORT = "NO_REPORT"
"""Stands for a state where outcomes are counted: no report ever comes."""
_FIRST_ID = 20_180_427_000_000_000_000
_DIGITS_OF_ID = len(str(_FIRST_ID))


class ReportReadyError(ValueError):
    """The report of a call is ready or taken; what the person did is past."""


@frozen(order=True)
class Waiting:
    """A report that was not taken yet; ordered by the time at which it is ready."""

    ready_at: float
    place: int
    call: MadeCall = field(eq=False)

    @property
    def is_due(self) -> bool:
        """Tell whether the report is still to be taken, and at this time."""
        result = self.call.result
        return not result.taken and result.ready_at == self.ready_at


@define(eq=False, kw_only=True)
class Service:
    """The state of the service: accounts, speed windows, and waiting reports.

    A report is ready ``report_delay`` seconds after the call was accepted. ``clock_offset`` seconds are
    added to the clock wherever clients can see it: timestamps, and the times in reports. An accepted
    send is never compared with earlier sends: a repeated send calls and charges twice.

    ``callees``: what people do whose number is not magic; None: all answer. ``outcomes`` counts the calls by state,
    ``reports_waiting`` the reports, ready or not, that were not taken yet. ``changes`` counts the changes of calls
    after they were made.
    """

    accounts: dict[str, Account]
    report_delay: float = 0.0
    clock_offset: float = 0.0
    recordings: Recordings = "base64"
    keep: int | None = None
    callees: Callees | None = None
    calls: list[MadeCall] = Factory(list)
    outcomes: Counter[str] = Factory(Counter)
    reports_waiting: int = 0
    changes: int = 0
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
            waiting = heappop(queue)
            if waiting.is_due:
                waiting.call.result.taken = True
                taken.append(waiting)
        self._count_taken(len(taken))
        return taken

    def put_back(self, app_id: str, product: Product, taken: Sequence[Waiting]) -> None:
        """Put reports back, as if they had not been taken; after a reset, drop them."""
        queue = self._waiting.get((app_id, product))
        if queue is None:
            return
        for waiting in taken:
            waiting.call.result.taken = False
            heappush(queue, waiting)
        self._count_taken(-len(taken))

    def call(self, message_id: str) -> MadeCall:
        """Return a recorded call. Raises ``LookupError`` for an id that is unknown, or not recorded any more."""
        if message_id.isascii() and message_id.isdecimal() and len(message_id) == _DIGITS_OF_ID:
            place = int(message_id) - _FIRST_ID - 1 - (self._made - len(self.calls))
            if 0 <= place < len(self.calls):
                return self.calls[place]
        raise LookupError("no recorded call has this message id")

    def place(self, call: MadeCall) -> int:
        """Return the place of a call among all calls that were ever made; the first has 1."""
        return int(call.message_id) - _FIRST_ID

    def decide(self, call: MadeCall, outcome: Outcome, now: float, *, report_in: float | None = None) -> None:
        """Replace the outcome of a call whose report is not ready yet: the person does something else.

        ``report_in``: seconds from ``now`` until the report is ready. None: the time of the report stays; a call
        without a report gets its report after ``report_delay``. Raises :class:`ReportReadyError`.
        """
        result = call.result
        if result.taken or (result.ready_at is not None and result.ready_at <= now):
            raise ReportReadyError(
                "the report of this call is ready; only a call before its report can change"
            )
        self.outcomes[_counted_as(result.outcome)] -= 1
        self.outcomes[_counted_as(outcome)] += 1
        self.changes += 1
        was_silent, result.outcome = result.outcome is None, outcome
        if was_silent:
            self.reports_waiting += 1
        if was_silent or report_in is not None:
            self._schedule(call, now + (self.report_delay if report_in is None else report_in))

    def limit(self, account: Account, limits: AnyLimits) -> None:
        """Change the speed limits of an account; requests that were counted stay counted."""
        account.rate_limits = limits
        for kind in Call:
            window, limit = self._windows.get((account.app_id, kind)), limit_of(limits, kind)
            if window is None or limit is None:
                self._windows.pop((account.app_id, kind), None)
            else:
                window.change(limit)

    def window(self, account: Account, kind: Call) -> SpeedWindow | None:
        """Return the speed window of an account for a kind of call; None: unlimited."""
        key = account.app_id, kind
        if key not in self._windows:
            limit = limit_of(account.rate_limits, kind)
            self._windows[key] = None if limit is None else SpeedWindow(limit)
        return self._windows[key]

    def forget(self) -> None:
        """Clear the records of calls; the waiting reports stay."""
        self.calls.clear()
        self.outcomes.clear()
        self.changes += 1

    def reset(self) -> None:
        """Clear the records of calls, the waiting reports, and the speed windows."""
        self.forget()
        self._windows.clear()
        self._waiting.clear()
        self.reports_waiting = 0

    @property
    def made(self) -> int:
        """The number of calls that were ever made, recorded or not."""
        return self._made

    def next_report(self, app_id: str, product: Product) -> float | None:
        """Return when the next report is ready, or was; None when no report waits."""
        queue = self._waiting.get((app_id, product), [])
        while queue and not queue[0].is_due:
            heappop(queue)
        return queue[0].ready_at if queue else None

    def write(self, taken: Sequence[Waiting]) -> list[dict[str, object]]:
        """Write reports in the document's shape."""
        calls = [waiting.call for waiting in taken]
        return [
            replies.report(call, call.result.outcome, call.at + self.clock_offset, self.recordings)
            for call in calls
            if call.result.outcome is not None
        ]

    def _count_taken(self, number: int) -> None:
        self.reports_waiting -= number
        self.changes += bool(number)

    def _schedule(self, call: MadeCall, ready_at: float) -> None:
        call.result.ready_at = ready_at
        queue = self._waiting.setdefault((call.app_id, call.product), [])
        heappush(queue, Waiting(ready_at, self.place(call), call))

    def _in_time(self, account: Account, call: Call, now: float) -> bool:
        window = self.window(account, call)
        return window is None or window.admit(now)

    def _accept(self, request: FormRequest, account: Account, now: float) -> Reply:
        mobiles = request.mobiles
        ids: Sequence[str | None] = request.custom_ids or [None] * len(mobiles)
        account.balance -= account.price * len(mobiles)
        content, texts = request.content, request.texts
        made = [
            self._make(account.app_id, request.endpoint, mobile, custom_id, content, texts, now)
            for mobile, custom_id in zip(mobiles, ids, strict=True)
        ]
        keep_last(self.calls, self.keep)
        return replies.tickets(request.endpoint, made)

    def _make(
        self,
        app_id: str,
        endpoint: Endpoint,
        mobile: str,
        custom_id: str | None,
        content: str,
        texts: Mapping[str, str],
        now: float,
    ) -> MadeCall:
        self._made += 1
        other = ANSWERED if self.callees is None else self.callees.outcome(self._made)
        outcome = outcome_of(mobile, content, other)
        self.outcomes[_counted_as(outcome)] += 1
        message_id = str(_FIRST_ID + self._made)
        result = CallResult(outcome)
        call = MadeCall(now, app_id, endpoint, mobile, message_id, custom_id, content, texts, result)
        self.calls.append(call)
        if outcome is not None:
            self.reports_waiting += 1
            self._schedule(call, now + self.report_delay)
        return call

    def _hand_out(self, request: FormRequest, account: Account, now: float) -> Reply:
        most = int(request.text("number") or DEFAULT_REPORTS)
        most = most if 0 < most <= MAX_REPORTS else MAX_REPORTS
        taken = self.take(account.app_id, request.endpoint.product, most, now)
        return replies.reports(self.write(taken))


def _counted_as(outcome: Outcome | None) -> str:
    return NO_REPORT if outcome is None else outcome.state
