"""The outcome of calls in words: states, reasons of failures, reasons of refusals."""

from typing import Final

from emay_voice_async.cli.terminal.formatting import escaped, meaning_of
from emay_voice_async.cli.terminal.language import gettext, noop
from emay_voice_async.cli.terminal.library_sentences import sentence
from emay_voice_async.journal.protocol import State
from emay_voice_async.model.codes import CallState, ResultCode, call_state, result_code

__all__ = ["STATES", "cut", "failure_text", "reason_text", "state_text"]

STATES: Final = {
    State.REFUSED: noop("refused by the service, not called"),
    State.NOT_SENT: noop("not sent, not called"),
    State.UNKNOWN: noop("unknown, perhaps called"),
    State.UNDER_WAY: noop("being sent"),
}
"""The states of calls that were not accepted, in words to be translated."""
_LONGEST: Final = 300


def cut(text: str, longest: int = _LONGEST) -> str:
    """Return the begin of a text that is too long."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def reason_text(reason: str) -> str:
    """Return the meaning of a result code, or the reason itself."""
    code = result_code(reason)
    if isinstance(code, ResultCode):
        return meaning_of(code)
    return sentence(reason) or gettext("no reason recorded")


def failure_text(raw: str, description: str) -> str:
    """Return the meaning of a report's state, with its description if that says more."""
    state = call_state(raw)
    meaning = raw if state is CallState.OTHER else meaning_of(state)
    parts = [meaning] if description in ("", raw, meaning, state.meaning) else [meaning, description]
    return cut(escaped(": ".join(parts)))


def state_text(state: State, reason: str) -> str:
    """Return a state with its reason."""
    return cut(escaped(f"{gettext(STATES[state])}: {reason_text(reason)}"))
