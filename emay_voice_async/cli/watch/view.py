"""What the page of a campaign shows, as JSON; numbers are masked."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from attrs import frozen

from emay_voice_async.cli.watch.watcher import Watcher
from emay_voice_async.journal.protocol import Line, State
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import CallState, ResultCode, call_state, result_code
from emay_voice_async.model.numbers import mask

__all__ = ["Watched", "view"]

_SHORT = 200


@frozen(kw_only=True)
class Watched:
    """What the journal does not know: its name, the size of the list, the price, and the text that is said."""

    name: str
    total: int | None = None
    price: Decimal | None = None
    texts: Sequence[str] = ()
    show_numbers: bool = False


def view(watcher: Watcher, watched: Watched) -> dict[str, Any]:
    """Return the state of a campaign as JSON."""
    summary, results = watcher.summary, watcher.results
    json: dict[str, Any] = {
        "name": watched.name,
        "now": datetime.now(BEIJING).isoformat(timespec="seconds"),
        "texts": list(watched.texts),
        "total": watched.total,
        "error": watcher.error,
    }
    if summary is None:
        return json
    states = summary.states
    settled = sum(states.values()) - states.get(State.UNDER_WAY, 0)
    answered = sum(count for raw, count in summary.reported.items() if call_state(raw) is CallState.SUCCESS)
    reported = sum(summary.reported.values())
    rate = watcher.rates
    accepted = states.get(State.ACCEPTED, 0)
    json |= {
        "kind": summary.kind,
        "app_id": summary.app_id,
        "begun_at": summary.made_at.isoformat(timespec="seconds"),
        "states": {state.name.lower(): states.get(state, 0) for state in State},
        "settled": settled,
        "answered": answered,
        "failed": reported - answered,
        "unreported": max(0, accepted - reported),
        "per_minute": rate.per_minute,
        "seconds_left": None if watched.total is None else rate.seconds_left(watched.total - settled),
        "history": rate.history(),
        "reports": [_report(raw, count) for raw, count in list(summary.reported.items())[:20]],
        "cost": None if watched.price is None else f"{accepted * watched.price:f}",
    }
    if results is not None and watcher.details_at is not None:
        json |= {
            "details_at": watcher.details_at.isoformat(timespec="seconds"),
            "keys": dict(list(results.keys.items())[:20]),
            "failures": [_failure(line, watched.show_numbers) for line in watcher.failures],
        }
    return json


def _report(raw: str, count: int) -> dict[str, Any]:
    state = call_state(raw)
    known = state is not CallState.OTHER
    return {
        "state": raw[:_SHORT],
        "zh": state.meaning if known else "",
        "en": state.english if known else "",
        "count": count,
    }


def _failure(line: Line, show_numbers: bool) -> dict[str, Any]:
    chinese, english = _meanings(line)
    return {
        "mobile": line.mobile if show_numbers else mask(line.mobile),
        "at": (line.called_at or line.begun_at).isoformat(timespec="seconds"),
        "outcome": line.state.name.lower(),
        "reason": (line.report_state or line.reason)[:_SHORT],
        "zh": chinese[:_SHORT],
        "en": english[:_SHORT],
    }


def _meanings(line: Line) -> tuple[str, str]:
    if line.report_state:
        state = call_state(line.report_state)
        return state.meaning or line.report_description, state.english
    code = result_code(line.reason)
    return (code.meaning, code.english) if isinstance(code, ResultCode) else ("", "")
