"""The error tree: the drawing, copies with all fields, and texts without secrets."""

import ast
import copy
import inspect
import logging
import pickle
import re
import traceback
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async import errors
from emay_voice_async.errors import (
    AccountError,
    AnswerError,
    BalanceError,
    ContentError,
    DuplicateError,
    EmayVoiceError,
    InvalidRequestError,
    JournalError,
    NotSentError,
    OutcomeUnknownError,
    OverSpeedError,
    PushError,
    RefusedError,
    ReportTimeoutError,
    SendError,
    TooManyReportsError,
    UsageError,
)
from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Accepted, NotSent, Outcome, Refused, SendResult, Ticket, Unknown

MOBILE = "13812345678"
BODY = f'{{"code":"SUCCESS","data":[{{"mobile":"{MOBILE}"}}]'.encode()
TO = (Recipient(MOBILE, "order-1"),)
RESULT = SendResult(
    (
        Accepted(0, TO, (Ticket(MOBILE, "20170392833833891100", "order-1"),)),
        Refused(1, TO, BalanceError(ResultCode.ERROR_NEEDMORE_BALANCE, "余额不足", "/voice/send")),
        Unknown(2, TO, AnswerError("the response is not JSON", "/voice/send", 200, BODY)),
        NotSent(3, TO, NotSentError("ConnectError", "/voice/send")),
    )
)
EXAMPLES: tuple[EmayVoiceError, ...] = (
    EmayVoiceError("something"),
    InvalidRequestError("content", "must have at most 200 characters", 200, "201 characters", 7),
    InvalidRequestError("client", "is wrong"),
    UsageError("client", "is closed; make a new one"),
    RefusedError("ERROR_SOMETHING_NEW", "", "/voice/send"),
    OverSpeedError(ResultCode.ERROR_OVER_SPEED, "请求超速", "/voice/send"),
    AccountError(ResultCode.ERROR_SIGN, "签名错误", "/voice/getBalance"),
    BalanceError(ResultCode.ERROR_NEEDMORE_BLANCE, "余额不足", "/join/send"),
    ContentError(ResultCode.ERROR_LONG_CONTENT, "语音内容过长", "/voice/send"),
    NotSentError("ConnectError", "/voice/send"),
    NotSentError("the send was stopped"),
    NotSentError("the server does not know this path", "/voice/send", True, 404, BODY),
    OutcomeUnknownError("ReadTimeout", "/voice/send"),
    OutcomeUnknownError("ReadTimeout"),
    AnswerError("the response is not JSON", "/voice/send", 200, BODY),
    SendError(RESULT),
    ReportTimeoutError(30.5),
    PushError("decrypt", "the body is not encrypted with this account's key"),
    PushError("decode", "some reports cannot be read", (), (({"mobile": MOBILE}, "no"),)),
    JournalError("it is not a journal", "run.db"),
    JournalError("the disk is full"),
    DuplicateError("mobile", "must not be repeated", position=3),
    SendError(SendResult(RESULT.outcomes[:1]), "the input failed (ValueError)"),
    TooManyReportsError(100_000),
)
each_example = pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)


def _drawn() -> dict[str, tuple[str, str]]:
    """Read the tree in the module's docstring: name -> (name of the parent, description)."""
    drawing = (errors.__doc__ or "").split("::\n\n")[1].split("\n\n")[0]
    tree: dict[str, tuple[str, str]] = {}
    above: list[str] = []
    for line in inspect.cleandoc(drawing).splitlines():
        found = re.fullmatch(r"((?:[|`]?[ -]  ?)*)(?:[|`]- )?(\w+)( .*)?", line)
        assert found, line
        depth = line.index(found[2]) // 3
        del above[depth:]
        tree[found[2]] = (above[-1] if above else "Exception", (found[3] or "").strip())
        above.append(found[2])
    return tree


def _classes() -> list[type[EmayVoiceError]]:
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, EmayVoiceError)
    ]


class TestTree:
    """The drawing and the classes."""

    def test_the_drawing_shows_every_class_under_its_parent(self) -> None:
        """The tree in the module's docstring equals the tree of the classes."""
        assert {name: parent for name, (parent, _) in _drawn().items()} == {
            kind.__name__: kind.__bases__[0].__name__ for kind in _classes()
        }

    def test_the_drawing_names_the_other_bases(self) -> None:
        """A class with a second base of Python's own is drawn with that base."""
        for kind in _classes():
            others = [base.__name__ for base in kind.__bases__[1:]]
            assert re.findall(r"also an? (\w+)", _drawn()[kind.__name__][1]) == others

    def test_the_module_offers_the_tree(self) -> None:
        """``__all__`` is the tree, sorted."""
        assert errors.__all__ == sorted(_drawn())

    def test_every_class_is_explained(self) -> None:
        """Each class has its own docstring with at least one sentence."""
        for kind in _classes():
            assert "." in vars(kind)["__doc__"]

    def test_the_examples_here_cover_the_tree(self) -> None:
        """The examples cover every class."""
        assert {type(error) for error in EXAMPLES} == set(_classes())


class TestCopies:
    """Errors are pickled by worker pools."""

    @each_example
    @pytest.mark.parametrize(
        "duplicate",
        [copy.copy, copy.deepcopy, *(lambda e, p=p: pickle.loads(pickle.dumps(e, p)) for p in range(2, 6))],  # noqa: S301
        ids=["copy", "deepcopy", "pickle 2", "pickle 3", "pickle 4", "pickle 5"],
    )
    def test_a_copy_keeps_every_field(
        self, error: EmayVoiceError, duplicate: Callable[[EmayVoiceError], EmayVoiceError]
    ) -> None:
        """Copying, and pickling by any protocol, keep class, fields and texts."""
        twin = duplicate(error)
        assert twin is not error
        assert type(twin) is type(error)
        assert (str(twin), repr(twin)) == (str(error), repr(error))
        assert vars(twin).keys() == vars(error).keys()
        if not isinstance(error, SendError):  # its outcomes hold errors, and errors compare by identity
            assert vars(twin) == vars(error)
            assert twin.args == error.args

    def test_a_copied_send_keeps_its_outcomes(self) -> None:
        """The outcomes of a pickled SendError have their recipients, tickets and errors."""
        twin = pickle.loads(pickle.dumps(SendError(RESULT)))  # noqa: S301
        assert twin.result.tickets == RESULT.tickets
        assert [one.recipients for one in twin.result.outcomes] == [TO] * 4
        assert twin.result.unknown[0].error.body == BODY
        assert twin.result.refused[0].error.code is ResultCode.ERROR_NEEDMORE_BALANCE

    def test_fields_are_arguments(self) -> None:
        """Each field is an argument of the constructor and is found in ``args`` in the same order."""
        for error in EXAMPLES[1:]:
            names = list(inspect.signature(type(error).__init__).parameters)[1:]
            assert tuple(getattr(error, name) for name in names) == error.args


class TestTexts:
    """The texts of an error."""

    @each_example
    def test_neither_numbers_nor_bodies_are_shown(self, error: EmayVoiceError) -> None:
        """``str``, ``repr``, tracebacks and log lines have no whole phone number and no body."""
        shown = [
            str(error),
            repr(error),
            "".join(traceback.format_exception(error)),
            logging.Formatter().formatException((type(error), error, None)),
            f"{error!s} {error!r} {error}",
        ]
        for text in shown:
            assert text
            assert MOBILE not in text
            assert '"data"' not in text
            assert "order-1" not in text

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (EXAMPLES[1], "content at position 7: must have at most 200 characters (found 201 characters)"),
            (EXAMPLES[2], "client: is wrong"),
            (EXAMPLES[4], "/voice/send was refused: ERROR_SOMETHING_NEW"),
            (EXAMPLES[5], "/voice/send was refused: ERROR_OVER_SPEED (请求超速)"),
            (EXAMPLES[9], "/voice/send was not sent: ConnectError"),
            (EXAMPLES[10], "not sent: the send was stopped"),
            (
                EXAMPLES[11],
                f"/voice/send was not acted on: the server does not know this path (HTTP 404, {len(BODY)} bytes)",
            ),
            (EXAMPLES[12], "the outcome of /voice/send is unknown: ReadTimeout"),
            (EXAMPLES[13], "the outcome is unknown: ReadTimeout"),
            (
                EXAMPLES[14],
                f"the outcome of /voice/send is unknown: the response is not JSON (HTTP 200, {len(BODY)} bytes)",
            ),
            (
                EXAMPLES[15],
                ", ".join(
                    f"{name}: 1 number in 1 batch" for name in ("accepted", "refused", "unknown", "not sent")
                )
                + "; ERROR_NEEDMORE_BALANCE 余额不足",
            ),
            (EXAMPLES[16], "no report came within 30.5 seconds"),
            (EXAMPLES[17], "decrypt: the body is not encrypted with this account's key"),
            (EXAMPLES[19], "the journal run.db: it is not a journal"),
            (EXAMPLES[20], "the journal: the disk is full"),
        ],
    )
    def test_the_text_says_what_happened(self, error: EmayVoiceError, text: str) -> None:
        """``str`` is the sentence, and ``repr`` the class name around the sentence."""
        assert str(error) == text
        assert repr(error) == f"{type(error).__name__}({text!r})"

    @given(body=st.binary(min_size=8).map(lambda body: body.hex().encode()), status=st.integers(100, 599))
    def test_a_body_is_counted_only(self, body: bytes, status: int) -> None:
        """The text shows status and length of a response body, and no byte of the body."""
        error = AnswerError("the response is not JSON", "/voice/send", status, body)
        assert error.body == body
        assert body.decode() not in str(error) + repr(error)
        assert f"(HTTP {status}, {len(body)} bytes)" in str(error)

    def test_a_code_is_its_text(self) -> None:
        """A listed code is shown as on the wire, not as an enum member."""
        assert "ResultCode" not in repr(EXAMPLES[5])

    def test_errors_can_be_told_apart_from_values(self) -> None:
        """Errors with a base of Python's own are caught by that base."""
        assert isinstance(EXAMPLES[1], ValueError)
        assert isinstance(EXAMPLES[3], RuntimeError)
        assert isinstance(EXAMPLES[16], TimeoutError)
        assert not isinstance(EXAMPLES[4], ValueError)


class TestSendError:
    """The text of a SendError ends with the first reason."""

    @pytest.mark.parametrize(
        ("outcomes", "end"),
        [
            (
                (
                    Refused(
                        0, TO, AccountError(ResultCode.ERROR_SIGN, "签名错误: wrong signature", "/voice/send")
                    ),
                ),
                "refused: 1 number in 1 batch; ERROR_SIGN 签名错误",
            ),
            ((Refused(0, TO, RefusedError("ERROR_NEW", "", "/voice/send")),), "; ERROR_NEW"),
            ((RESULT.outcomes[2], RESULT.outcomes[1]), f"; {RESULT.outcomes[2].error}"),  # type: ignore[union-attr]
            (
                (
                    NotSent(
                        0, TO, InvalidRequestError("mobile", "must have 11 digits", None, "3 characters", 7)
                    ),
                ),
                "not sent: 1 number in 1 batch; mobile at position 7: must have 11 digits (found 3 characters)",
            ),
            (
                (
                    NotSent(0, TO, DuplicateError("mobile", "must not be repeated", position=3)),
                    NotSent(1, TO * 2, NotSentError("the http_client is closed", "/voice/send")),
                ),
                "not sent: 3 numbers in 2 batches; /voice/send was not sent: the http_client is closed",
            ),
            (
                (NotSent(0, TO, DuplicateError("mobile", "must not be repeated")),),
                "not sent: 1 number in 1 batch",
            ),
        ],
    )
    def test_the_first_reason(self, outcomes: tuple[Outcome, ...], end: str) -> None:
        """The reason is that of the first outcome that is neither accepted nor a duplicate."""
        assert str(SendError(SendResult(outcomes))).endswith(end)

    def test_a_failed_input(self) -> None:
        """The failure of the input is the reason, also beside a refused batch."""
        error = SendError(RESULT, "the input failed (ValueError)")
        assert str(error).endswith("not sent: 1 number in 1 batch; the input failed (ValueError)")
        assert pickle.loads(pickle.dumps(error)).reason == error.reason  # noqa: S301


class TestStub:
    """The types of the module, in a stub beside the module."""

    @staticmethod
    def classes(path: Path) -> dict[str, tuple[list[str], list[tuple[str, str | None]]]]:
        """Return bases and constructor arguments (with defaults) of each class of a file."""
        found = {}
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                makers = [item for item in node.body if getattr(item, "name", "") == "__init__"]
                arguments = [item.args for item in makers if isinstance(item, ast.FunctionDef)]
                pairs = [
                    (argument.arg, None if default is None else ast.unparse(default))
                    for one in arguments
                    for argument, default in zip_longest(reversed(one.args), reversed(one.defaults))
                ]
                found[node.name] = ([ast.unparse(base) for base in node.bases], pairs)
        return found

    def test_the_stub_is_the_module(self) -> None:
        """Stub and module have the same classes, bases, constructor arguments and defaults."""
        module = Path(errors.__file__)
        stub = module.with_suffix(".pyi")
        assert self.classes(stub) == self.classes(module)

    def test_the_stub_types_every_field(self) -> None:
        """The stub has a type for each field of each error."""
        tree = ast.parse(Path(errors.__file__).with_suffix(".pyi").read_text("utf-8"))
        typed = {
            node.name: [
                item.target.id
                for item in node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            ]
            for node in tree.body
            if isinstance(node, ast.ClassDef)
        }
        for error in EXAMPLES:
            inherited = [name for kind in type(error).__mro__ for name in typed.get(kind.__name__, [])]
            # The id of the request is set later.
            assert {*vars(error), "request_id"} == set(inherited)
