"""The main commands in Chinese: what people read is Chinese, what machines read is unchanged."""

import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from support.cli_runner import CommandResult, Program, notice

from cli.test_app import commands
from emay_voice_async.cli.campaign import campaign_reports
from emay_voice_async.sandbox import Fault

KEPT = re.compile(
    r"""
    EUCP[\w-]+ | https?://\S+ | \S*\.(db|csv|txt|jsonl)\S* | --?[a-z-]+ | ERROR_\w+ | FAIL_?\w* | SUCCESS | TIMEOUT
    | emay-voice[^：，。]* | emay_voice_async | python\ -m.* | /(voice|join)/\w+ | \[y/N\] | HTTP | ID | Ctrl-C
    | standard\ input | AppId | APPID | \S*/\S*
    """,
    re.VERBOSE,
)
"""Words that are the same in both languages."""


def english_in(text: str) -> list[str]:
    """Return the English words in a text."""
    return re.findall("[A-Za-z]{3,}", KEPT.sub("", text))


@pytest.fixture
def chinese(program: Program, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Run the command line in a Chinese locale."""
    monkeypatch.delenv("EMAY_VOICE_LANG")
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    monkeypatch.setattr(campaign_reports, "INTERVAL", 0.01)
    return program


def checked(result: CommandResult) -> CommandResult:
    """Return a result whose text for people has no English word."""
    assert english_in(result.err) == []
    assert re.search("[\u4e00-\u9fff]", result.err)
    return result


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_help(chinese: Program, path: tuple[str, ...]) -> None:
    """A help page is Chinese and fits 80 columns."""
    result = chinese(*path, "--help")
    assert result.code == 0
    lines = result.out.splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert "用法:" in result.out
    assert not re.search("Options|Commands|default|required|env var|Show this|Example", result.out)


class TestSend:
    """A campaign."""

    def test_campaign(self, chinese: Program, people: Path, tmp_path: Path) -> None:
        """Plan, question, progress, sum and next step are Chinese; the JSON is that of the English run."""
        path = tmp_path / "run.db"
        people.write_text("\n".join(f"138{number:08}" for number in range(100, 700)))
        plan = checked(chinese(*notice(people, "--plan", "--hours", "00:00-24:00", "--price", "0.1")))
        assert "待拨打    600 通，分 2 次请求提交" in plan.err
        arguments = notice(people, "--journal", path, "--collect", "1")
        result = checked(chinese(*arguments, terminal=True, input=b"\xe6\x98\xaf\n"))
        assert result.code == 0
        assert "确认拨打 600 通？" in result.err
        assert "600  提交成功" in result.err
        assert "状态报告：成功" in result.err
        rows = chinese(*arguments, "--yes").rows
        assert {row["outcome"] for row in rows} == {"accepted"}

    def test_problems(self, chinese: Program, tmp_path: Path) -> None:
        """Invalid entries and refusals are Chinese, with the meaning of the result code."""
        path = tmp_path / "people.txt"
        path.write_text("13800000000\n12\n13800000000\n")
        result = checked(chinese(*notice(path, "--yes")))
        assert result.code == 2
        assert "第 2 行：手机号码必须是 1 开头的 11 位数字（实际为 2 个字符）" in result.text.replace(
            " ：", "："
        )
        chinese.sandbox.fail_next(Fault.code("ERROR_CONTENT_EMPTY"), on="send")
        result = checked(chinese(*notice(path, "--yes", "--skip-invalid")))
        assert result.code == 1
        assert "ERROR_CONTENT_EMPTY（语音内容为空）" in result.err
        chinese.sandbox.fail_next(Fault.status(500), on="send")
        assert "结果未知：可能已经拨打" in chinese(*notice(path, "--yes", "--skip-invalid")).err

    def test_account(self, chinese: Program, people: Path) -> None:
        """A refused account, and a balance that is not enough, are Chinese."""
        chinese.sandbox.fail_next(Fault.code("ERROR_SIGN"), on="balance")
        assert "签名错误" in checked(chinese(*notice(people, "--plan"))).error_line
        assert "不够拨打 600 通" in checked(chinese(*notice(people, "--plan", "--price", "99999"))).error_line


class TestOthers:
    """Other commands."""

    def test_reports(self, chinese: Program, journal: Path) -> None:
        """Reports and the journal."""
        assert (
            checked(chinese("reports", "--journal", journal)).text
            == "0 条报告，其中 0 条属于任务日志里的电话。"
        )
        page = chinese("journal", "show", journal).out
        assert "语音通知，账号" in page
        assert english_in(page) == []
        assert checked(chinese("journal", "export", journal, "--output", journal.with_suffix(".csv"))).text

    def test_code(self, chinese: Program) -> None:
        """A verification code."""
        assert "正在拨打 138****0000" in chinese("code", "13800000000", input=b"4711").err

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["dance"], "没有命令 'dance'"),
            ([], "缺少命令（用法见 emay-voice --help）"),
            (["send", "notice"], "缺少选项 '--to'"),
            (["balance", "--dance"], "没有选项"),
            (["balance", "dance"], "多余的参数（dance）"),
            (["--limit"], "--limit"),
            (["sandbox", "--port", "65536"], "超出范围"),
            (["--limit", "often", "balance"], "'--limit' 的值无效：必须是 次数/秒数"),
            (["decode-push", "none"], "none：文件或目录不存在"),
            (["--lang", "en", "dance"], "No such command"),
            (["--lang=zh", "dance"], "没有命令"),
            (["--dance", "--lang", "en"], "没有选项"),
        ],
    )
    def test_wrong_arguments(self, chinese: Program, arguments: list[str], words: str) -> None:
        """Errors of click, too, are Chinese; --lang wins over the locale."""
        result = chinese(*arguments)
        assert result.code == 2
        assert words in result.error_line
