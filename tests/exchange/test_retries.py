"""Certainty and retry for every error and every result code."""

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
from emay_voice_async.exchange import retries
from emay_voice_async.exchange.retries import Certainty, Retry, certainty_of, is_permanent, retry_for
from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import Call
from emay_voice_async.wire.envelope import refusal

ENDS: dict[EmayVoiceError, Certainty] = {
    **{refusal(code, "/x"): Certainty.REFUSED for code in ResultCode if code is not ResultCode.SUCCESS},
    refusal("ERROR_SOMETHING_NEW", "/x"): Certainty.REFUSED,
    NotSentError("ConnectError", "/x"): Certainty.NOT_SENT,
    NotSentError("ALL_PROXY: not a usable proxy", "/x", True): Certainty.NOT_SENT,
    NotSentError("the server does not know this path", "/x", True, 404, b""): Certainty.NOT_SENT,
    NotSentError("the server limits the rate", "/x", False, 429, b""): Certainty.NOT_SENT,
    InvalidRequestError("content", "is wrong"): Certainty.NOT_SENT,
    UsageError("client", "is closed"): Certainty.NOT_SENT,
    DuplicateError("mobile", "must not be repeated"): Certainty.NOT_SENT,
    JournalError("the disk is full", "run.db"): Certainty.NOT_SENT,
    OutcomeUnknownError("ReadTimeout", "/x"): Certainty.UNKNOWN,
    AnswerError("the response is not JSON", "/x", 200, b""): Certainty.UNKNOWN,
    EmayVoiceError("unexpected"): Certainty.UNKNOWN,
}
NOT_OF_AN_EXCHANGE = {"TooManyReportsError", "SendError", "PushError", "ReportTimeoutError"}
each_end = pytest.mark.parametrize(
    ("error", "known"), ENDS.items(), ids=lambda error: getattr(error, "code", None)
)
each_call = pytest.mark.parametrize("call", Call)


class TestCertaintyOf:
    """The certainty of an outcome."""

    def test_no_class_is_forgotten(self) -> None:
        """The examples cover every error class that an exchange can raise."""
        assert {type(error).__name__ for error in ENDS} == set(errors.__all__) - NOT_OF_AN_EXCHANGE

    @each_end
    def test_every_end(self, error: EmayVoiceError, known: Certainty) -> None:
        """Each error has the certainty of its class."""
        assert certainty_of(error) is known

    @pytest.mark.parametrize("name", sorted(NOT_OF_AN_EXCHANGE))
    def test_nothing_is_certain_by_mistake(self, name: str) -> None:
        """An error of another part of the package counts as unknown."""
        kind = getattr(errors, name)
        assert certainty_of(kind.__new__(kind)) is Certainty.UNKNOWN

    def test_a_custom_subclass(self) -> None:
        """A subclass has the certainty of its base."""

        class CustomError(NotSentError):
            """A connection error of a custom proxy."""

        assert certainty_of(CustomError("x")) is Certainty.NOT_SENT


class TestRetryFor:
    """The retry of a request."""

    @each_end
    @each_call
    def test_every_end(self, error: EmayVoiceError, known: Certainty, call: Call) -> None:
        """Only requests without an effect are retried."""
        retry = retry_for(error, call)
        if isinstance(error, OverSpeedError):
            assert retry is Retry.AFTER_SLOT
        elif isinstance(error, RefusedError) and error.code == "ERROR_TIMESTAMP":
            assert retry is Retry.ONCE_CORRECTED
        elif (isinstance(error, NotSentError) and not error.permanent) or (
            known is Certainty.UNKNOWN and call is Call.BALANCE
        ):
            assert retry is Retry.AFTER_PAUSE
        else:
            assert retry is Retry.NEVER

    @pytest.mark.parametrize("error", [error for error, known in ENDS.items() if known is Certainty.UNKNOWN])
    def test_an_unknown_outcome_is_never_retried(self, error: EmayVoiceError) -> None:
        """A send or a getReport with an unknown outcome is never retried."""
        assert retry_for(error, Call.SEND) is Retry.NEVER
        assert retry_for(error, Call.REPORTS) is Retry.NEVER

    @given(st.text(), st.sampled_from(Call))
    def test_unknown_codes(self, code: str, call: Call) -> None:
        """An unlisted code is never retried."""
        error = RefusedError(code, "", "/x")
        expected = {"ERROR_OVER_SPEED": Retry.AFTER_SLOT, "ERROR_TIMESTAMP": Retry.ONCE_CORRECTED}
        assert retry_for(error, call) is expected.get(code, Retry.NEVER)


class TestDocstring:
    """The table in the module's docstring."""

    def test_the_table_is_the_code(self) -> None:
        """Each row of the table agrees with the functions."""
        rows = {}
        for line in (retries.__doc__ or "").splitlines():
            found = re.fullmatch(r"(\S.{24}) (\S.{8})  (yes|never|once|balance).*", line)
            if found:
                rows[found[1].strip()] = (found[2].strip(), found[3])
        assert rows.pop("a response with SUCCESS") == ("accepted", "never")
        examples = {
            "ERROR_OVER_SPEED": refusal(ResultCode.ERROR_OVER_SPEED, "/x"),
            "ERROR_TIMESTAMP": refusal(ResultCode.ERROR_TIMESTAMP, "/x"),
            "another result code": refusal(ResultCode.ERROR_SIGN, "/x"),
            "no connection": NotSentError("ConnectError"),
            "a wrong setting": NotSentError("ALL_PROXY: not a usable proxy", "/x", True),
            'a status "not acted on"': NotSentError("a redirect", "/x", True, 301),
            "HTTP 429": NotSentError("too fast", "/x", False, 429),
            "a failed argument check": UsageError("client", "is closed"),
            "a journal failure": JournalError("the disk is full"),
            "any other failure": OutcomeUnknownError("ReadTimeout"),
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


class TestIsPermanent:
    """Failures that need a correction."""

    @each_end
    def test_every_end(self, error: EmayVoiceError, known: Certainty) -> None:
        """Only a NotSentError that is marked so is permanent, and is never retried."""
        assert is_permanent(error) is getattr(error, "permanent", False)
        if is_permanent(error):
            assert known is Certainty.NOT_SENT
            assert {retry_for(error, call) for call in Call} == {Retry.NEVER}
