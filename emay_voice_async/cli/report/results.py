"""The results of a campaign, counted call by call; the memory does not grow with the calls."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, TypeVar

from attrs import define, field, frozen

from emay_voice_async.journal.protocol import Line, State, Summary
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import CallState, call_state

__all__ = ["QUARTER", "CampaignResults", "CampaignTally", "Quarter"]

QUARTER: Final = timedelta(minutes=15)
_MAX_REASONS: Final = 200
_MAX_NOTABLE: Final = 100
_MAX_QUARTERS: Final = 20_000
_LATEST: Final = timedelta(days=31)
"""A reported time more than this after the request is not that of the call."""
_CLOCKS: Final = timedelta(hours=1)
"""How far the clocks of this machine and of the service may differ."""
_Key = TypeVar("_Key")


@frozen
class Quarter:
    """The accepted calls of a quarter of an hour: answered, failed, and without a report so far."""

    answered: int = 0
    failed: int = 0
    unreported: int = 0


@frozen
class CampaignResults:
    """The results of a campaign.

    ``states`` counts the calls by their state in the journal. ``answered`` and ``failed`` are the calls with a report,
    ``failures`` the failed ones by the report's ``raw_state`` and description, ``reasons`` the refused, unsent and
    unknown calls by state and reason; of more than 200 different ones, the rest is counted under "" and the state.
    ``keys`` counts the pressed keys. ``quarters`` has the calls by quarter of an hour (aware instants, each divisible
    by 15 minutes): by the reported time of a call, else by the time of its request. ``talk_seconds`` is the duration
    of all answered calls that have one (``timed``). ``notable`` has the first unknown, refused and failed calls.
    """

    kind: str
    app_id: str
    begun_at: datetime
    ended_at: datetime | None = None
    states: Mapping[State, int] = field(factory=dict)
    answered: int = 0
    failed: int = 0
    failures: Mapping[tuple[str, str], int] = field(factory=dict)
    reasons: Mapping[tuple[State, str], int] = field(factory=dict)
    keys: Mapping[str, int] = field(factory=dict)
    quarters: Mapping[datetime, Quarter] = field(factory=dict)
    talk_seconds: float = 0.0
    timed: int = 0
    notable: tuple[Line, ...] = ()

    @property
    def total(self) -> int:
        """All calls of the journal, made or not."""
        return sum(self.states.values())

    @property
    def accepted(self) -> int:
        """The calls that the service accepted."""
        return self.states.get(State.ACCEPTED, 0)

    @property
    def unreported(self) -> int:
        """The accepted calls without a report so far."""
        return max(0, self.accepted - self.answered - self.failed)


@define
class CampaignTally:
    """Counts the calls of a journal, call by call."""

    _states: Counter[State] = field(factory=Counter)
    _reported: Counter[bool] = field(factory=Counter)
    _failures: Counter[tuple[str, str]] = field(factory=Counter)
    _reasons: Counter[tuple[State, str]] = field(factory=Counter)
    _keys: Counter[str] = field(factory=Counter)
    _quarters: dict[datetime, list[int]] = field(factory=dict)
    _talk_seconds: float = 0.0
    _timed: int = 0
    _ended_at: datetime | None = None
    _notable: dict[State, list[Line]] = field(factory=lambda: {state: [] for state in State})

    def add(self, call: Line) -> None:
        """Count a call."""
        self._states[call.state] += 1
        if call.state is State.ACCEPTED:
            self._add_accepted(call)
        elif call.state is not State.UNDER_WAY:
            _count(self._reasons, (call.state, call.reason), (call.state, ""))
            self._keep(call)

    def _add_accepted(self, call: Line) -> None:
        place = 2
        if call.report_state:
            is_answered = call_state(call.report_state) is CallState.SUCCESS
            self._reported[is_answered] += 1
            place = 0 if is_answered else 1
            if not is_answered:
                failure = call.report_state, call.report_description
                _count(self._failures, failure, (call.report_state, ""))
                self._keep(call)
            elif call.duration is not None:
                self._talk_seconds += call.duration
                self._timed += 1
            if call.key_pressed:
                _count(self._keys, call.key_pressed, "")
        at = _time_of(call)
        self._ended_at = at if self._ended_at is None else max(self._ended_at, at)
        quarter = _quarter_of(at)
        if quarter in self._quarters or len(self._quarters) < _MAX_QUARTERS:
            self._quarters.setdefault(quarter, [0, 0, 0])[place] += 1

    def _keep(self, call: Line) -> None:
        kept = self._notable[call.state]
        if len(kept) < _MAX_NOTABLE:
            kept.append(call)

    def results(self, summary: Summary) -> CampaignResults:
        """Return the results so far, of the journal with this summary."""
        order = (State.UNKNOWN, State.REFUSED, State.NOT_SENT, State.ACCEPTED)
        notable = [call for state in order for call in self._notable[state]]
        return CampaignResults(
            kind=summary.kind,
            app_id=summary.app_id,
            begun_at=summary.made_at,
            ended_at=self._ended_at,
            states={state: self._states[state] for state in State},
            answered=self._reported[True],
            failed=self._reported[False],
            failures=dict(self._failures.most_common()),
            reasons=dict(self._reasons.most_common()),
            keys=dict(sorted(self._keys.items())),
            quarters={at: Quarter(*counts) for at, counts in sorted(self._quarters.items())},
            talk_seconds=self._talk_seconds,
            timed=self._timed,
            notable=tuple(notable[:_MAX_NOTABLE]),
        )


def _count(counter: Counter[_Key], key: _Key, rest: _Key) -> None:
    counter[key if key in counter or len(counter) < _MAX_REASONS else rest] += 1


def _time_of(call: Line) -> datetime:
    """Return the reported time of a call if it can be true, else the time of the request."""
    reported = call.called_at
    if reported is not None and call.begun_at - _CLOCKS <= reported <= call.begun_at + _LATEST:
        return reported
    return call.begun_at


def _quarter_of(at: datetime) -> datetime:
    seconds = int(at.timestamp())
    return datetime.fromtimestamp(seconds - seconds % QUARTER.seconds, BEIJING)
