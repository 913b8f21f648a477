"""What became of the numbers of a send, counted, and which exit code that makes."""

from attrs import define, field

from emay_voice_async.cli.terminal.exit_codes import Ending, ending_of, worst
from emay_voice_async.errors import DuplicateError, InvalidRequestError
from emay_voice_async.model.results import Accepted, NotSent, Outcome, Unknown

__all__ = ["Tally"]


@define
class Tally:
    """Numbers by outcome. ``done_before`` and ``unknown_before`` are those that the journal knew already."""

    accepted: int = 0
    refused: int = 0
    unknown: int = 0
    not_sent: int = 0
    duplicates: int = 0
    done_before: int = 0
    unknown_before: int = 0
    reasons: dict[str, int] = field(factory=dict)
    """Why numbers were not accepted, and how many for each reason."""
    endings: set[Ending] = field(factory=set)

    @property
    def had_turn(self) -> int:
        """How many numbers were sent, or would have been."""
        return self.accepted + self.refused + self.unknown + self.not_sent

    @property
    def ending(self) -> Ending:
        """The exit code."""
        return worst(self.endings)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        number = len(outcome.recipients)
        name = self._name(outcome)
        setattr(self, name, getattr(self, name) + number)
        if isinstance(outcome, Accepted) or isinstance(outcome.error, InvalidRequestError):
            # Repeated, or left out by --skip-invalid: else it would not have come so far.
            return
        reason = str(outcome.error)
        self.reasons[reason] = self.reasons.get(reason, 0) + number
        self.endings.add(ending_of(outcome.error))

    def _name(self, outcome: Outcome) -> str:
        if isinstance(outcome, NotSent) and isinstance(outcome.error, DuplicateError):
            return "duplicates"
        if isinstance(outcome, Accepted | Unknown) and outcome.recorded:
            return "done_before" if isinstance(outcome, Accepted) else "unknown_before"
        return outcome.name.replace(" ", "_")
