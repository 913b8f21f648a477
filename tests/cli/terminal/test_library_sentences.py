"""The library's sentences in Chinese."""

import ast
import re
from pathlib import Path

import pytest

import emay_voice_async
from emay_voice_async import (
    AccountError,
    AnswerError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    ResultCode,
)
from emay_voice_async.cli.terminal.language import using
from emay_voice_async.cli.terminal.library_sentences import COMPOSED, SENTENCES, sentence
from emay_voice_async.errors import JournalError

PACKAGE = Path(emay_voice_async.__file__).parent


def shape(text: str) -> str:
    """Return a text with all its placeholders alike."""
    return re.sub(r"(\{\})+", "{}", re.sub(r"\{[^{}]*\}|%(\.\d)?[sdf]", "{}", text))


def literals() -> set[str]:
    """Return the shapes of all texts in the code of the library."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if "cli" in path.relative_to(PACKAGE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(shape(node.value))
            elif isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
                found.add(shape("".join(map(str, parts))))
    return found


@pytest.mark.slow
def test_sentences_of_the_library() -> None:
    """Each sentence is in the code of the library, word for word."""
    known = literals()
    assert [text for text in SENTENCES if shape(text) not in known] == []


@pytest.mark.parametrize("template", [*SENTENCES, *COMPOSED])
def test_every_sentence(template: str) -> None:
    """A filled sentence is recognized, and its values are in the Chinese one."""
    names = re.findall(r"\{(\w+)\}", template)
    values = {name: f"«{name}»" for name in names}
    text = template.format(**values)
    with using("zh"):
        chinese = sentence(text)
    assert chinese != text
    assert re.search("[\u4e00-\u9fff]|[（：；]", chinese)
    assert all(value in chinese for value in values.values())
    assert sentence(text) == text


class TestErrors:
    """The errors of the library."""

    @pytest.mark.parametrize(
        ("error", "chinese"),
        [
            (
                NotSentError("host:80 refused the connection (ConnectError)", "/voice/send"),
                "/voice/send 未发送：host:80 拒绝连接（ConnectError）",
            ),
            (
                OutcomeUnknownError("no answer came within 30 seconds", "/voice/send"),
                "/voice/send 结果未知：30 秒内没有收到应答",
            ),
            (
                AnswerError("something new", "/voice/send", 500, b"x"),
                "/voice/send 结果未知：something new（HTTP 500，1 字节）",
            ),
            (
                AccountError(ResultCode.ERROR_SIGN, ResultCode.ERROR_SIGN.meaning, "/voice/send"),
                "/voice/send 被拒绝：ERROR_SIGN（签名错误）",
            ),
            (RefusedError("ERROR_NEW", "新", "/voice/send"), "/voice/send 被拒绝：ERROR_NEW（新）"),
            (
                InvalidRequestError("content", "must have at most 200 characters", 200, "201 characters"),
                "播报内容：最多 200 个字符（实际为 201 个字符）",
            ),
            (
                InvalidRequestError("mobile", "must be 11 digits and begin with 1", position=3),
                "第 3 个号码的手机号码必须是 1 开头的 11 位数字",
            ),
            (JournalError("it does not exist", "run.db"), "任务日志 run.db：不存在"),
            ("a sentence that nobody knows", "a sentence that nobody knows"),
        ],
    )
    def test_chinese(self, error: object, chinese: str) -> None:
        """The text is translated part by part; an unknown part stays as it is."""
        with using("zh"):
            assert sentence(error) == chinese

    def test_english(self) -> None:
        """In English, a text is unchanged but for the meaning of a listed result code."""
        code = ResultCode.ERROR_SIGN
        error = AccountError(code, code.meaning, "/voice/send")
        assert sentence(error) == "/voice/send was refused: ERROR_SIGN (wrong signature)"
        assert sentence(RefusedError("ERROR_NEW", "新", "/x")) == "/x was refused: ERROR_NEW (新)"
