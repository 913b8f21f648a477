"""The program: help, wrong arguments, errors, missing extras, completion and the log."""

import importlib
import logging
import re
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path

import click
import pytest
from support.cli_runner import Program, Unwritable

from emay_voice_async import cli
from emay_voice_async.cli import app
from emay_voice_async.cli.terminal import exit_codes
from emay_voice_async.cli.terminal.exit_codes import ExitCode
from emay_voice_async.sandbox import Fault


def commands(
    command: click.Command = app.emay_voice, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Yield the path of every command and group."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


class TestHelp:
    """The help pages."""

    @pytest.mark.parametrize("path", list(commands()), ids=" ".join)
    def test_page(self, program: Program, path: tuple[str, ...]) -> None:
        """A page fits 80 columns, has an example, and needs no environment."""
        result = program(*path, "--help")
        assert (result.code, result.err) == (0, "")
        assert max(map(len, result.out.splitlines())) <= 80
        assert "..." not in re.sub(
            r'"\.\.\."|ARGS\]\.\.\.|号\.\.\.|8900 \.\.\.|send \.\.\.|PERCENT,\.\.\.', "", result.out
        )
        if path not in (("send",), ("journal",)):
            assert re.search("^ *Examples?", result.out, re.MULTILINE)

    def test_exit_codes(self, program: Program) -> None:
        """The help page, the module's docstring and the table agree on codes and order."""
        order = [int(one) for one in exit_codes._BY_SEVERITY] + [ExitCode.MISTAKE]
        page = [int(code) for code in re.findall(r"^ +(\d+)  ", program("--help").out, re.MULTILINE)]
        module = [int(code) for code in re.findall(r"^(\d+) ", str(cli.__doc__), re.MULTILINE)]
        assert sorted(page) == sorted(module) == sorted(order) == sorted(ExitCode)
        order = [code for code in order if code != ExitCode.MISTAKE]
        for codes in (page, module):
            assert [code for code in codes if code != ExitCode.MISTAKE] == order

    def test_version(self, program: Program) -> None:
        """--version prints name and version."""
        assert re.fullmatch(r"emay-voice \d+\.\d+\.\d+\S*\n", program("--version").out)


class TestErrors:
    """Each error is one line on standard error, with its exit code."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ([], "Missing command (see emay-voice --help)"),
            (["send"], "Missing command (see emay-voice send --help)"),
            (["dance"], "No such command 'dance'"),
            (["send", "notice"], "Missing option '--to'"),
            (["send", "notice", "--to", "x"], "give either --content or --content-file"),
            (["send", "notice", "--to", "x", "--content-file", "none"], "none: No such file"),
            (["send", "notice", "--to", "x", "--content", "y" * 201], "at most 200 characters (found 201"),
            (["send", "notice", "--to", "x", "--content", "y", "--hours", "25"], "must be spans such as"),
            (["send", "notice", "--to", "x", "--content", "y", "--price", "-1"], "must be a number such as"),
            (["--limit", "1/0", "balance"], "must be a number of seconds above 0"),
            (["--limit", "often", "balance"], "must be requests/seconds"),
            (["--concurrency", "0", "balance"], "max_concurrency"),
            (["--timeout", "nan", "balance"], "timeout: must be a number of seconds"),
            (["--secret-key-file", "none", "balance"], "none: No such file"),
            (["sandbox", "--port", "65536"], "--port"),
            (["sandbox", "--port", "x"], "--port"),
            (["sandbox", "--report-delay", "-1"], "--report-delay"),
            (["sandbox", "--report-delay", "nan"], "--report-delay"),
            (["listen", "--port", "-1"], "--port"),
            (["decode-push", "none"], "none: No such file"),
            (["code", "12345"], "mobile: must be 11 digits"),
            (["code", "13800000000", "--code-file", "none"], "none: No such file"),
            (["reports", "--interval", "0"], "poll_interval"),
        ],
    )
    def test_wrong_arguments(
        self,
        program: Program,
        arguments: list[str],
        words: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Wrong arguments exit with 2, and the error line says what to correct."""
        monkeypatch.chdir(tmp_path)
        result = program(*arguments)
        assert (result.code, result.out) == (2, "")
        assert words in result.error_line
        assert len(result.err.splitlines()) == 1

    def test_bug(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """An unexpected error is one line and exits with 70; -vv adds the traceback."""

        def fail(*_: object) -> None:
            raise ZeroDivisionError("by zero")

        monkeypatch.setattr("emay_voice_async.cli.commands.balance.Product", fail)
        result = program("balance")
        assert result.code == 70
        assert result.err == "emay-voice: ZeroDivisionError: by zero; run again with -vv for the traceback\n"
        assert "Traceback" in program("-vv", "balance").err

    def test_no_connection(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """A refused connection exits with 6."""
        monkeypatch.undo()
        environment = {"BASE_URL": "http://127.0.0.1:1", "APP_ID": "a", "SECRET_KEY": "s"}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(f"EMAY_VOICE_{name}", value)
            patch.setenv("NO_PROXY", "*")
            result = program("balance")
        assert result.code == 6
        assert "was not sent" in result.error_line

    def test_interrupt(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C in the event loop exits with 130 and prints no traceback."""

        def interrupted(main: Coroutine[object, object, object]) -> None:
            main.close()
            raise KeyboardInterrupt

        monkeypatch.setattr("asyncio.run", interrupted)
        result = program("demo")
        assert (result.code, result.error_line) == (130, "emay-voice: interrupted")

    def test_failed_output(self, program: Program) -> None:
        """A broken pipe exits with 141 without a word, a full disk with 7 and an error line."""
        result = program("--help", stdout=Unwritable(BrokenPipeError(32, "Broken pipe")))
        assert (result.code, result.err) == (141, "")
        result = program("--help", stdout=Unwritable(OSError(28, "No space left on device")))
        assert (result.code, result.error_line) == (7, "emay-voice: standard output: No space left on device")


class TestExtras:
    """Missing extras."""

    @pytest.mark.parametrize("name", ["click", "rich"])
    def test_missing_cli_extra(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        """Without click or rich, one line names the extra."""
        for module in ("emay_voice_async.cli.app", "emay_voice_async.cli.terminal.console", "rich.console"):
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setitem(sys.modules, name, None)
        assert cli.main(["--help"]) == 2
        line = capsys.readouterr().err
        assert line.startswith(f'emay-voice: {name} is missing: python -m pip install ".[cli]" in a clone')
        assert line.count("\n") == 1

    def test_other_missing_module(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A missing module of no extra is raised as such."""
        monkeypatch.delitem(sys.modules, "emay_voice_async.cli.app")
        monkeypatch.setitem(sys.modules, "traceback", None)
        with pytest.raises(ModuleNotFoundError):
            cli.main(["--help"])

    @pytest.mark.parametrize(
        ("arguments", "missing", "module", "words"),
        [
            (["demo"], "starlette", "emay_voice_async.sandbox", "[sandbox]"),
            (["sandbox"], "uvicorn", "emay_voice_async.sandbox", "[sandbox]"),
            (["listen", "--port", "0"], "uvicorn", "uvicorn", "[sandbox]"),
        ],
    )
    def test_missing_sandbox_extra(
        self,
        program: Program,
        monkeypatch: pytest.MonkeyPatch,
        arguments: list[str],
        missing: str,
        module: str,
        words: str,
    ) -> None:
        """A command names the extra that it needs."""
        for name in [
            one for one in sys.modules if one.startswith((module, "emay_voice_async.cli.commands."))
        ]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, missing, None)
        result = program(*arguments)
        assert result.code == 2
        assert words in result.error_line


class TestCompletion:
    """Completion in a shell."""

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("emay-voice se", "send"),
            ("emay-voice send vo", "voice-sms"),
            ("emay-voice send notice --journ", "--journal"),
            ("emay-voice journal export --state un", "unknown"),
        ],
    )
    def test_words(
        self, program: Program, monkeypatch: pytest.MonkeyPatch, words: str, expected: str
    ) -> None:
        """Words with the typed prefix are offered, without any environment."""
        monkeypatch.setenv("_EMAY_VOICE_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        monkeypatch.delenv("EMAY_VOICE_SECRET_KEY")
        result = program()
        assert result.code == 0
        assert f"plain,{expected}" in result.out.splitlines()

    def test_missing_extra(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """A command whose extra is missing is not offered, and the others are."""
        monkeypatch.delitem(sys.modules, "emay_voice_async.cli.commands.sandbox", raising=False)
        monkeypatch.setitem(sys.modules, "emay_voice_async.sandbox", None)
        monkeypatch.setenv("_EMAY_VOICE_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", "emay-voice s")
        monkeypatch.setenv("COMP_CWORD", "1")
        assert program().out.splitlines() == ["plain,send"]

    @pytest.mark.parametrize("shell", ["zsh", "fish"])
    def test_scripts(self, program: Program, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
        """Each shell of the help page has a completion script."""
        monkeypatch.setenv("_EMAY_VOICE_COMPLETE", f"{shell}_source")
        result = program()
        assert result.code == 0
        assert f"_EMAY_VOICE_COMPLETE={shell}_complete" in result.out


class TestLog:
    """The log on standard error."""

    def test_levels(self, program: Program, tmp_path: Path) -> None:
        """-v prints retries; -q hides warnings; the logger is restored."""
        logger = logging.getLogger("emay_voice_async")
        before = logger.level, list(logger.handlers), logger.propagate
        for options, told in (((), False), (("-v",), True), (("-q",), False)):
            program.sandbox.fail_next(Fault.status(503), on="balance")
            result = program(*options, "balance")
            assert result.code == 0
            assert ("is sent again" in result.err) is told
        assert before == (logger.level, list(logger.handlers), logger.propagate)


def test_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``python -m emay_voice_async`` is the command line."""
    monkeypatch.setattr(sys, "argv", ["emay_voice_async", "--help"])
    with pytest.raises(SystemExit) as caught:
        importlib.import_module("emay_voice_async.__main__")
    assert caught.value.code == 0
    assert "sandbox" in capsys.readouterr().out
