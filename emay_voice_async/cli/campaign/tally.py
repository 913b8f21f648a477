"""The outcomes of a send by number of calls, and the resulting exit code."""

from attrs import define, field

from emay_voice_async.cli.terminal.exit_codes import ExitCode, exit_code_of, worst
from emay_voice_async.errors import DuplicateError, InvalidRequestError
from emay_voice_async.model.results import Accepted, NotSent, Outcome, Unknown

__all__ = ["Tally"]


@define
class Tally:
    """Numbers by outcome; ``accepted_before`` and ``unknown_before`` are outcomes of earlier runs."""

    accepted: int = 0
    refused: int = 0
    unknown: int = 0
    not_sent: int = 0
    duplicates: int = 0
    accepted_before: int = 0
    unknown_before: int = 0
    reasons: dict[str, int] = field(factory=dict)
    """Reasons for outcomes other than accepted, each with its number of calls."""
    exit_codes: set[ExitCode] = field(factory=set)

    @property
    def completed(self) -> int:
        """The numbers that this run is done with."""
        return self.accepted + self.refused + self.unknown + self.not_sent

    @property
    def exit_code(self) -> ExitCode:
        """The most severe exit code."""
        return worst(self.exit_codes)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        number = len(outcome.recipients)
        name = self._name(outcome)
        setattr(self, name, getattr(self, name) + number)
        if isinstance(outcome, Accepted) or isinstance(outcome.error, InvalidRequestError):
            # Duplicates, and invalid entries that --skip-invalid leaves out, are no failure.
            return
        reason = str(outcome.error)
        self.reasons[reason] = self.reasons.get(reason, 0) + number
        self.exit_codes.add(exit_code_of(outcome.error))

    def _name(self, outcome: Outcome) -> str:
        if isinstance(outcome, NotSent) and isinstance(outcome.error, DuplicateError):
            return "duplicates"
        if isinstance(outcome, Accepted | Unknown) and outcome.recorded:
            return "accepted_before" if isinstance(outcome, Accepted) else "unknown_before"
        return outcome.name.replace(" ", "_")
