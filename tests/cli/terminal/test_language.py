"""The language: which one is chosen, and how a sentence is filled."""

import gettext as catalogues
import os

import pytest

from emay_voice_async.cli.terminal.language import current_language, gettext, language_of, ngettext, using


class TestChoice:
    """The variable, else the locale, decides."""

    @pytest.mark.parametrize(
        ("environment", "expected"),
        [
            ({}, "en"),
            ({"LANG": "zh_CN.UTF-8"}, "zh"),
            ({"LANG": "zh_TW.UTF-8"}, "zh"),
            ({"LANG": "fr_FR.UTF-8"}, "en"),
            ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
            ({"LANG": "en_US", "LC_MESSAGES": "en_US", "LC_ALL": "zh_CN.GB18030"}, "zh"),
            ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
            ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
            ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en_US:en"}, "en"),
            ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh"),
            ({"LANG": "C", "LANGUAGE": "zh_CN"}, "en"),
            ({"LANG": "zh_CN.UTF-8", "EMAY_VOICE_LANG": "en"}, "en"),
            ({"LANG": "C", "EMAY_VOICE_LANG": "zh"}, "zh"),
            ({"LANG": "zh_CN.UTF-8", "EMAY_VOICE_LANG": "klingon"}, "zh"),
        ],
    )
    def test_environment(self, environment: dict[str, str], expected: str) -> None:
        """EMAY_VOICE_LANG wins, then LANGUAGE, LC_ALL, LC_MESSAGES and LANG as gettext reads them."""
        assert language_of(environment, "zh_CN") == (expected if environment else "zh")

    @pytest.mark.parametrize(
        ("name", "expected"),
        [(None, "en"), ("en_US", "en"), ("zh_CN", "zh"), ("Chinese (Simplified)_China", "zh")],
    )
    def test_locale(self, name: str | None, expected: str) -> None:
        """Without variables, as on Windows, the locale decides."""
        assert language_of({}, name) == expected

    @pytest.mark.parametrize(
        ("encodings", "expected"),
        [(["utf-8", None], "zh"), (["gb18030"], "zh"), (["utf-8", "ascii"], "en"), (["cp1252"], "en")],
    )
    def test_encoding(self, encodings: list[str | None], expected: str) -> None:
        """A Chinese locale whose output cannot have Chinese characters gets English."""
        assert language_of({"LANG": "zh_CN"}, None, encodings) == expected


class TestUse:
    """The language in use."""

    def test_restored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The language, and what the standard library's gettext has for the process, are restored."""
        for variable in (None, "de"):
            monkeypatch.delenv("LANGUAGE", raising=False)
            if variable:
                monkeypatch.setenv("LANGUAGE", variable)
            before = current_language(), catalogues.textdomain(), os.environ.get("LANGUAGE")
            with using("zh"):
                assert (current_language(), os.environ["LANGUAGE"]) == ("zh", "zh")
            assert (current_language(), catalogues.textdomain(), os.environ.get("LANGUAGE")) == before

    def test_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """None is the language of the environment."""
        for language in ("zh", "en"):
            monkeypatch.setenv("EMAY_VOICE_LANG", language)
            with using(None):
                assert current_language() == language

    def test_filled(self) -> None:
        """Placeholders are filled; a text without values keeps its braces, and an empty text stays empty."""
        assert gettext("{name} is closed", name="{x}") == "{x} is closed"
        assert gettext("{x} {{") == "{x} {{"
        with using("zh"):
            assert gettext("") == ""
        assert ngettext("{number:,} call", "{number:,} calls", 1) == "1 call"
        assert ngettext("{number:,} call", "{number:,} calls", 1200) == "1,200 calls"
