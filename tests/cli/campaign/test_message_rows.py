"""The rows of a plan that show what is said."""

from pathlib import Path
from typing import Any

import pytest
from support.cli_runner import Program

from emay_voice_async.cli.campaign.message_rows import message_rows
from emay_voice_async.model.messages import Notice, OnConnected, OnKey, VoiceSms
from emay_voice_async.model.templates import Template
from emay_voice_async.sending.plan import Plan

PLAN = Plan(3, 2, 0.0)
ROWS = "姓名,手机,取件码\n张三,13800000001,8-1\n李小四,13800000002,8-2\n张三,13800000003,8-1\n"
CONTENT = "{姓名}您好，取件码{取件码}。"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Write a list with columns."""
    path = tmp_path / "people.csv"
    path.write_text(ROWS, "utf-8")
    return path


def test_a_message() -> None:
    """Each text of a message is a row, and the trigger of a voice SMS."""
    message = VoiceSms(
        "a", interactive_content="b", voicemail_content="c", sms_content="d", trigger=OnKey("1")
    )
    assert [row[:2] for row in message_rows(message, PLAN)] == [
        ("Content", "a"),
        ("Asks for a key", "b"),
        ("Takes a message", "c"),
        ("Text message", "d"),
        ("Text is sent", "on key 1"),
    ]
    assert list(message_rows(Notice("a"), PLAN)) == [("Content", "a", "")]


def test_a_template() -> None:
    """A template shows its texts, then the filled ones: how many, the first three, and the longest."""
    template = Template(VoiceSms, "您好", sms_content="{a}码", trigger=OnConnected(7))
    plan = Plan(
        3,
        2,
        0.0,
        texts=2,
        samples=(template.render({"a": "一"}), template.render({"a": "二二"})),
        longest=template.render({"a": "二二"}),
    )
    assert [row[:2] for row in message_rows(template, plan)] == [
        ("Content", "您好"),
        ("Text message", "{a}码"),
        ("Text is sent", "after 7 seconds"),
        ("Texts", "2 different texts"),
        ("Samples", "一码"),
        ("", "二二码"),
        ("Longest", "3 characters: 二二码"),
    ]
    fixed = Template(Notice, "您好")
    plan = Plan(1, 1, 0.0, texts=1, samples=(Notice("您好"),), longest=Notice("您好"))
    assert [row[:2] for row in message_rows(fixed, plan)] == [
        ("Content", "您好"),
        ("Texts", "1 text"),
        ("Samples", "您好"),
    ]


@pytest.mark.parametrize(
    ("content", "warned"), [("{a}", True), ("您好{}", True), ("{a", False), ("a}", False), ("}{", False)]
)
def test_braces_without_a_template(content: str, warned: bool) -> None:
    """Braces in a text that is no template are warned of."""
    rows = list(message_rows(Notice("a", interactive_content=content), PLAN))
    assert [row[2] for row in rows[2:]] == (["yellow"] if warned else [])


class TestProgram:
    """``--template`` at the command line."""

    def test_a_send(self, program: Program, rows: Path) -> None:
        """Each number hears the words of its row, and the plan shows samples of them."""
        result = program("send", "notice", "--to", rows, "--template", "--content", CONTENT, "--yes")
        assert result.code == 0
        assert {call.mobile: call.content for call in program.sandbox.calls} == {
            "13800000001": "张三您好，取件码8-1。",
            "13800000002": "李小四您好，取件码8-2。",
            "13800000003": "张三您好，取件码8-1。",
        }
        assert sum(one.path == "/voice/send" for one in program.sandbox.received) == 2
        for words in (
            "3 calls in 2 requests",
            "2 different texts",
            "张三您好，取件码8-1。",
            "13 characters: 李小四",
        ):
            assert words in result.text

    def test_json_lines(self, program: Program, tmp_path: Path) -> None:
        """Fields of JSON lines fill a template, too, numbers included."""
        path = tmp_path / "people.jsonl"
        path.write_text('{"mobile": 13800000001, "amount": 10.50}\n')
        arguments: list[Any] = ["--template", "--content", "{amount}元", "--yes"]
        assert program("send", "marketing", "--to", path, *arguments).code == 0
        assert [call.content for call in program.sandbox.calls] == ["10.50元"]

    def test_in_chinese(self, program: Program, rows: Path) -> None:
        """The rows speak Chinese."""
        arguments = ["--to", rows, "--template", "--content", CONTENT, "--plan"]
        result = program("--lang", "zh", "send", "notice", *arguments)
        for words in ("不同内容", "2 种", "填好的样例", "最长的一条", "13 个字符"):
            assert words in result.text

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (
                "{姓名",
                "content: must have a pair of braces around each field, and two braces for a brace that is spoken",
            ),
            ("{名}", "people.csv: field '名': must be the name of one column"),
            ("{0}", "(found a position in the braces in place 0)"),
        ],
    )
    def test_wrong_templates(self, program: Program, rows: Path, content: str, words: str) -> None:
        """A fault in the braces, or a column that the list has not, ends the command with one sentence."""
        result = program("send", "notice", "--to", rows, "--template", "--content", content, "--yes")
        assert result.code == 2
        assert words in result.error_line
        assert not program.called

    def test_wrong_fields(self, program: Program, rows: Path) -> None:
        """A row with an empty or long cell is named by its line, and left out with --skip-invalid."""
        rows.write_text(ROWS + f",13800000004,8-4\n{'长' * 300},13800000005,8-5\n", "utf-8")
        arguments = ["send", "notice", "--to", rows, "--template", "--content", CONTENT]
        result = program(*arguments, "--yes")
        assert result.code == 2
        assert "line 5: field '姓名' must not be empty or blank (found 0 characters)" in result.text
        assert "line 6: content must have at most 200 characters (found 310 characters)" in result.text
        assert not program.called
        result = program(*arguments, "--skip-invalid", "--yes")
        assert len(program.called) == 3

    @pytest.mark.parametrize("to", ["13800000001", "numbers.txt"])
    def test_lists_without_columns(self, program: Program, tmp_path: Path, to: str) -> None:
        """A number, or a file of numbers, cannot fill a template."""
        if to.endswith("txt"):
            (tmp_path / to).write_text("13800000001\n")
            to = str(tmp_path / to)
        result = program("send", "notice", "--to", to, "--template", "--content", "{a}", "--yes")
        assert result.code == 2
        assert "has no columns for --template: give CSV, JSON lines or Excel" in result.error_line

    def test_resumed(self, program: Program, rows: Path, tmp_path: Path) -> None:
        """With a journal, a row that was changed and whose number was called is not called again."""
        arguments = [
            "--to",
            rows,
            "--template",
            "--content",
            CONTENT,
            "--journal",
            tmp_path / "run.db",
            "--yes",
        ]
        assert program("send", "notice", *arguments).code == 0
        rows.write_text(ROWS.replace("张三", "王五") + "赵六,13800000004,8-4\n", "utf-8")
        assert program("send", "notice", *arguments).code == 0
        assert [call.content for call in program.sandbox.calls][3:] == ["赵六您好，取件码8-4。"]

    def test_braces(self, program: Program, rows: Path) -> None:
        """Without --template the plan warns of braces, and speaks them."""
        result = program("send", "notice", "--to", rows, "--content", CONTENT, "--yes")
        assert "--template fills them from the lists" in result.text
        assert {call.content for call in program.sandbox.calls} == {CONTENT}
