"""The program as a whole: help, mistakes, missing extras, completion, and the local service."""

import importlib
import io
import logging
import re
import signal
import socket
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path

import click
import pytest
from support.cli_runner import Program, Unwritable

from emay_voice_async import cli, errors
from emay_voice_async.cli import app
from emay_voice_async.cli.terminal import exit_codes as endings
from emay_voice_async.cli.terminal.exit_codes import Ending, ending_of, worst
from emay_voice_async.sandbox import Fault, Sandbox


def commands(
    command: click.Command = app.emay_voice, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Yield the way to every command and group."""
    yield path
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, (*path, name))


class TestHelp:
    """Every page of help."""

    @pytest.mark.parametrize("path", list(commands()), ids=" ".join)
    def test_a_page(self, program: Program, path: tuple[str, ...]) -> None:
        """It fits 80 columns, has an example where something can be done, and needs no environment."""
        ended = program(*path, "--help")
        assert (ended.code, ended.err) == (0, "")
        assert max(map(len, ended.out.splitlines())) <= 80
        assert "..." not in re.sub(r'"\.\.\."|ARGS\]\.\.\.|号\.\.\.|8900 \.\.\.|send \.\.\.', "", ended.out)
        if path not in (("send",), ("journal",)):
            assert re.search("^ *Examples?", ended.out, re.MULTILINE)

    def test_the_exit_codes(self, program: Program) -> None:
        """The page, the module and the code agree on them, and on which of several wins."""
        order = [int(one) for one in endings._BY_CARE] + [Ending.MISTAKE]
        page = [int(code) for code in re.findall(r"^ +(\d+)  ", program("--help").out, re.MULTILINE)]
        module = [int(code) for code in re.findall(r"^(\d+) ", str(cli.__doc__), re.MULTILINE)]
        assert sorted(page) == sorted(module) == sorted(order) == sorted(Ending)
        order = [code for code in order if code != Ending.MISTAKE]
        for codes in (page, module):
            assert [code for code in codes if code != Ending.MISTAKE] == order

    def test_the_version(self, program: Program) -> None:
        """--version prints name and version."""
        assert re.fullmatch(r"emay-voice \d+\.\d+\.\d+\S*\n", program("--version").out)


class TestEndings:
    """Errors and exit codes."""

    def test_every_error_has_one(self) -> None:
        """No error of the package is a mistake of the program."""
        mistakes = set()
        for name in errors.__all__:
            kind = getattr(errors, name)
            error = kind.__new__(kind)
            if ending_of(error) is Ending.MISTAKE:
                mistakes.add(name)
        # These never come out of what the program calls.
        assert mistakes == {"EmayVoiceError", "SendError"}

    def test_of_several(self) -> None:
        """The one that needs most care wins; of none, all is well."""
        assert worst(()) is Ending.DONE
        assert worst([Ending.NOT_SENT, Ending.UNKNOWN, Ending.INTERRUPTED]) is Ending.UNKNOWN
        assert worst([Ending.DONE, Ending.NOT_SENT, Ending.ACCOUNT]) is Ending.ACCOUNT


class TestTrouble:
    """Whatever goes wrong is one line on standard error."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ([], "Missing command (see emay-voice --help)"),
            (["send"], "Missing command (see emay-voice send --help)"),
            (["dance"], "No such command 'dance'"),
            (["send", "notice"], "Missing option '--to'"),
            (["send", "notice", "--to", "x"], "one of --content and --content-file"),
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
        """They exit with 2, and the line says what is wrong."""
        monkeypatch.chdir(tmp_path)
        ended = program(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert words in ended.complaint
        assert len(ended.err.splitlines()) == 1

    @pytest.mark.parametrize("name", ["BASE_URL", "APP_ID", "SECRET_KEY"])
    def test_a_missing_variable(self, program: Program, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """It is named, with the option that could stand in for it."""
        monkeypatch.setenv(f"EMAY_VOICE_{name}", "")
        ended = program("balance")
        assert ended.code == 2
        assert f"EMAY_VOICE_{name} must be set" in ended.complaint

    def test_a_content_that_is_no_text(self, program: Program, tmp_path: Path) -> None:
        """A content file must be UTF-8."""
        (tmp_path / "content").write_bytes("您好".encode("gb18030"))
        ended = program("send", "notice", "--to", "x", "--content-file", tmp_path / "content")
        assert "content: must be text in UTF-8" in ended.complaint

    def test_a_mistake_of_ours(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is one line with an exit code of its own; -vv tells the traceback as well."""

        def fail(*_: object) -> None:
            raise ZeroDivisionError("by zero")

        monkeypatch.setattr("emay_voice_async.cli.commands.balance.Product", fail)
        ended = program("balance")
        assert ended.code == 70
        assert ended.err == "emay-voice: ZeroDivisionError: by zero; run again with -vv for the traceback\n"
        assert "Traceback" in program("-vv", "balance").err

    def test_a_service_that_is_not_there(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """No connection is told as such."""
        monkeypatch.undo()
        environment = {"BASE_URL": "http://127.0.0.1:1", "APP_ID": "a", "SECRET_KEY": "s"}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(f"EMAY_VOICE_{name}", value)
            patch.setenv("NO_PROXY", "*")
            ended = program("balance")
        assert ended.code == 6
        assert "was not sent" in ended.complaint

    def test_an_interrupt_anywhere(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C that comes out of the event loop is an exit code, not a traceback."""

        def interrupted(main: Coroutine[object, object, object]) -> None:
            main.close()
            raise KeyboardInterrupt

        monkeypatch.setattr("asyncio.run", interrupted)
        ended = program("demo")
        assert (ended.code, ended.complaint) == (130, "emay-voice: interrupted")

    def test_nobody_reads_the_help(self, program: Program) -> None:
        """A broken pipe says nothing, a full disk says so; both have their exit code."""
        ended = program("--help", stdout=Unwritable(BrokenPipeError(32, "Broken pipe")))
        assert (ended.code, ended.err) == (141, "")
        ended = program("--help", stdout=Unwritable(OSError(28, "No space left on device")))
        assert (ended.code, ended.complaint) == (7, "emay-voice: standard output: No space left on device")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_an_output_that_was_given_up(program: Program) -> None:
    """What could not be written is not tried again when the output is closed."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = program("balance", "--json", stdout=full)
        assert (ended.code, ended.complaint) == (7, "emay-voice: standard output: No space left on device")


class TestExtras:
    """What is not installed is named, with the command that installs it."""

    @pytest.mark.parametrize("name", ["click", "rich"])
    def test_without_the_extra(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        """Without click or rich there is one line, and exit code 2."""
        for module in ("emay_voice_async.cli.app", "emay_voice_async.cli.terminal.console", "rich.console"):
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setitem(sys.modules, name, None)
        assert cli.main(["--help"]) == 2
        line = f'emay-voice: {name} is missing: python -m pip install "emay_voice_async[cli]"\n'
        assert capsys.readouterr().err == line

    def test_another_module_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What no extra would bring is not hidden."""
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
    def test_without_another_extra(
        self,
        program: Program,
        monkeypatch: pytest.MonkeyPatch,
        arguments: list[str],
        missing: str,
        module: str,
        words: str,
    ) -> None:
        """A command that needs more says which."""
        for name in [
            one for one in sys.modules if one.startswith((module, "emay_voice_async.cli.commands.demo"))
        ]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, missing, None)
        ended = program(*arguments)
        assert ended.code == 2
        assert words in ended.complaint


class TestCompletion:
    """The shell completes commands and options."""

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
        """What begins like the word is offered, without any environment."""
        monkeypatch.setenv("_EMAY_VOICE_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        monkeypatch.delenv("EMAY_VOICE_SECRET_KEY")
        ended = program()
        assert ended.code == 0
        assert f"plain,{expected}" in ended.out.splitlines()

    @pytest.mark.parametrize("shell", ["zsh", "fish"])
    def test_the_scripts(self, program: Program, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
        """The script that the help page names is there."""
        monkeypatch.setenv("_EMAY_VOICE_COMPLETE", f"{shell}_source")
        ended = program()
        assert ended.code == 0
        assert f"_EMAY_VOICE_COMPLETE={shell}_complete" in ended.out


class TestLog:
    """-v shows the log, and the log is left as it was found."""

    def test_levels(self, program: Program, tmp_path: Path) -> None:
        """Repeats of a request are told with -v only; warnings always, unless -q."""
        logger = logging.getLogger("emay_voice_async")
        before = logger.level, list(logger.handlers), logger.propagate
        for options, told in (((), False), (("-v",), True), (("-q",), False)):
            program.sandbox.fail_next(Fault.status(503), on="balance")
            ended = program(*options, "balance")
            assert ended.code == 0
            assert ("is sent again" in ended.err) is told
        assert before == (logger.level, list(logger.handlers), logger.propagate)


class _Interrupting(io.TextIOWrapper):
    """A terminal whose user presses Ctrl-C when a word appears."""

    def __init__(self, word: str) -> None:
        super().__init__(io.BytesIO(), "utf-8", write_through=True)
        self.text = ""
        self._word = word

    def write(self, text: str) -> int:
        self.text += text
        if self._word in text:
            signal.raise_signal(signal.SIGINT)
        return len(text)


class TestLocal:
    """``sandbox`` and ``demo``."""

    def test_the_demo(self, capsys: pytest.CaptureFixture[str]) -> None:
        """``demo`` exits with 0 when all is well."""
        assert cli.main(["demo"]) == 0
        assert "All is well" in capsys.readouterr().out

    def test_a_demo_that_goes_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """``demo`` exits with 1 when something is off."""
        monkeypatch.setattr("emay_voice_async.cli.commands.demo.PATIENCE", 0.0)
        monkeypatch.setattr("emay_voice_async.cli.commands.demo.REPORT_DELAY", 60.0)
        assert cli.main(["demo"]) == 1

    def test_an_interrupted_demo(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C in the middle of the demo exits with 130, and leaves nothing behind."""
        monkeypatch.setattr(sys, "stdout", _Interrupting("listens on"))
        assert cli.main(["demo"]) == 130

    def test_the_sandbox_prints_what_a_client_needs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Address, appId and secret are printed ready for a shell, and Ctrl-C ends the service well."""
        terminal = _Interrupting("SECRET_KEY")
        monkeypatch.setattr(sys, "stdout", terminal)
        assert cli.main(["sandbox", "--port", "0", "--report-delay", "1.5"]) == 0
        lines = terminal.text.splitlines()
        assert re.fullmatch(r"export EMAY_VOICE_BASE_URL=http://127\.0\.0\.1:\d+", lines[1])
        assert lines[2:] == [
            f"export EMAY_VOICE_APP_ID={Sandbox().app_id}",
            f"export EMAY_VOICE_SECRET_KEY={Sandbox().secret_key}",
        ]

    def test_a_sandbox_whose_address_is_taken(self, program: Program) -> None:
        """It says which."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            ended = program("sandbox", "--port", port)
        assert ended.code == 2
        assert f"cannot listen on 127.0.0.1:{port}: " in ended.complaint

    def test_a_sandbox_that_nobody_reads(self, program: Program) -> None:
        """It ends like any other command."""
        ended = program("sandbox", "--port", 0, stdout=Unwritable(BrokenPipeError(32, "Broken pipe")))
        assert (ended.code, ended.err) == (141, "")


def test_the_module_is_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``python -m emay_voice_async`` is the command line."""
    monkeypatch.setattr(sys, "argv", ["emay_voice_async", "--help"])
    with pytest.raises(SystemExit) as caught:
        importlib.import_module("emay_voice_async.__main__")
    assert caught.value.code == 0
    assert "sandbox" in capsys.readouterr().out
