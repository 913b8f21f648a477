"""What the end of an exchange means, for every error and every code."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async import errors
from emay_voice_async.errors import (
    AnswerError,
    DuplicateError,
    EmayVoiceError,
    InvalidRequestError,
    JournalError,
    NotSentError,
    OutcomeUnknownError,
    OverSpeedError,
    RefusedError,
    UsageError,
)
from emay_voice_async.exchange import retries as certainty
from emay_voice_async.exchange.retries import Certainty, Retry, certainty_of, retry_for
from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import Call
from emay_voice_async.wire.envelope import refusal

ENDS: dict[EmayVoiceError, Certainty] = {
    **{refusal(code, "/x"): Certainty.REFUSED for code in ResultCode if code is not ResultCode.SUCCESS},
    refusal("ERROR_SOMETHING_NEW", "/x"): Certainty.REFUSED,
    NotSentError("ConnectError", "/x"): Certainty.NOT_SENT,
    InvalidRequestError("content", "is wrong"): Certainty.NOT_SENT,
    UsageError("client", "is closed"): Certainty.NOT_SENT,
    DuplicateError("mobile", "must not be repeated"): Certainty.NOT_SENT,
    JournalError("the disk is full", "run.db"): Certainty.NOT_SENT,
    OutcomeUnknownError("ReadTimeout", "/x"): Certainty.UNKNOWN,
    AnswerError("the response is not JSON", "/x", 200, b""): Certainty.UNKNOWN,
    EmayVoiceError("whatever"): Certainty.UNKNOWN,
}
NOT_OF_AN_EXCHANGE = {"SendError", "PushError", "ReportTimeoutError"}
each_end = pytest.mark.parametrize(
    ("error", "known"), ENDS.items(), ids=lambda one: getattr(one, "code", None)
)
each_call = pytest.mark.parametrize("call", Call)


class TestCertaintyOf:
    """How certain an outcome is."""

    def test_no_class_is_forgotten(self) -> None:
        """Every class of the tree that an exchange can end with is tested here."""
        assert {type(error).__name__ for error in ENDS} == set(errors.__all__) - NOT_OF_AN_EXCHANGE

    @each_end
    def test_every_end(self, error: EmayVoiceError, known: Certainty) -> None:
        """A refusal is a refusal, what did not leave was not sent, and everything else is unknown."""
        assert certainty_of(error) is known

    @pytest.mark.parametrize("name", sorted(NOT_OF_AN_EXCHANGE))
    def test_nothing_is_certain_by_mistake(self, name: str) -> None:
        """An error that no exchange ends with is not taken for a certainty."""
        kind = getattr(errors, name)
        assert certainty_of(kind.__new__(kind)) is Certainty.UNKNOWN

    def test_a_class_of_somebody_else(self) -> None:
        """A subclass means what its base means."""

        class CustomError(NotSentError):
            """Some proxy's own way of not connecting."""

        assert certainty_of(CustomError("x")) is Certainty.NOT_SENT


class TestRepeatAfter:
    """What may go out again."""

    @each_end
    @each_call
    def test_every_end(self, error: EmayVoiceError, known: Certainty, call: Call) -> None:
        """Only what certainly had no effect, or can have none, is ever repeated."""
        repeat = retry_for(error, call)
        if isinstance(error, OverSpeedError):
            assert repeat is Retry.AFTER_SLOT
        elif isinstance(error, RefusedError) and error.code == "ERROR_TIMESTAMP":
            assert repeat is Retry.ONCE_CORRECTED
        elif isinstance(error, NotSentError) or (known is Certainty.UNKNOWN and call is Call.BALANCE):
            assert repeat is Retry.AFTER_PAUSE
        else:
            assert repeat is Retry.NEVER

    @pytest.mark.parametrize("error", [error for error, known in ENDS.items() if known is Certainty.UNKNOWN])
    def test_what_may_have_rung_is_never_repeated(self, error: EmayVoiceError) -> None:
        """A send or a getReport whose outcome is unknown is not repeated, whatever the error."""
        assert retry_for(error, Call.SEND) is Retry.NEVER
        assert retry_for(error, Call.REPORTS) is Retry.NEVER

    @given(st.text(), st.sampled_from(Call))
    def test_unknown_codes(self, code: str, call: Call) -> None:
        """A code that is in no table is never a reason to repeat."""
        error = RefusedError(code, "", "/x")
        expected = {"ERROR_OVER_SPEED": Retry.AFTER_SLOT, "ERROR_TIMESTAMP": Retry.ONCE_CORRECTED}
        assert retry_for(error, call) is expected.get(code, Retry.NEVER)


class TestDocstring:
    """The table that people read."""

    def test_the_table_is_the_code(self) -> None:
        """Each row of the module's docstring says what the functions return."""
        rows = {}
        for line in (certainty.__doc__ or "").splitlines():
            found = re.fullmatch(r"(\S.{24}) (\S.{8})  (yes|never|once|balance).*", line)
            if found:
                rows[found[1].strip()] = (found[2].strip(), found[3])
        assert rows.pop("an answer with SUCCESS") == ("accepted", "never")
        examples = {
            "ERROR_OVER_SPEED": refusal(ResultCode.ERROR_OVER_SPEED, "/x"),
            "ERROR_TIMESTAMP": refusal(ResultCode.ERROR_TIMESTAMP, "/x"),
            "another result code": refusal(ResultCode.ERROR_SIGN, "/x"),
            "no connection": NotSentError("ConnectError"),
            "our own check": UsageError("client", "is closed"),
            "the journal failed": JournalError("the disk is full"),
            "anything else": OutcomeUnknownError("ReadTimeout"),
        }
        words: dict[tuple[Retry, ...], str] = {
            (Retry.AFTER_SLOT,) * 3: "yes",
            (Retry.AFTER_PAUSE,) * 3: "yes",
            (Retry.ONCE_CORRECTED,) * 3: "once",
            (Retry.NEVER,) * 3: "never",
            (Retry.NEVER, Retry.NEVER, Retry.AFTER_PAUSE): "balance",
        }
        assert rows == {
            name: (
                certainty_of(error).value,
                words[tuple(retry_for(error, call) for call in (Call.SEND, Call.REPORTS, Call.BALANCE))],
            )
            for name, error in examples.items()
        }
