"""Exit codes of errors, and the most severe of several."""

from emay_voice_async import errors
from emay_voice_async.cli.terminal.exit_codes import ExitCode, exit_code_of, worst


class TestExitCodes:
    """Errors and their exit codes."""

    def test_every_error(self) -> None:
        """Each public error has an exit code other than 70."""
        mistakes = set()
        for name in errors.__all__:
            kind = getattr(errors, name)
            error = kind.__new__(kind)
            if exit_code_of(error) is ExitCode.MISTAKE:
                mistakes.add(name)
        # These never come out of what the program calls.
        assert mistakes == {"EmayVoiceError", "SendError"}

    def test_worst(self) -> None:
        """The most severe code wins; no codes mean success."""
        assert worst(()) is ExitCode.DONE
        assert worst([ExitCode.NOT_SENT, ExitCode.UNKNOWN, ExitCode.INTERRUPTED]) is ExitCode.UNKNOWN
        assert worst([ExitCode.DONE, ExitCode.NOT_SENT, ExitCode.ACCOUNT]) is ExitCode.ACCOUNT
