"""The language of the terminal: English sentences in the code, Chinese ones in a gettext catalogue.

The names are those of the standard library's gettext: ``gettext`` and ``ngettext`` translate, ``noop`` only marks a
sentence that is translated where it is printed. Help texts of click need no mark.
"""

import gettext as catalogues
import locale
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, LiteralString

__all__ = ["LANGUAGES", "VARIABLE", "current_language", "gettext", "language_of", "ngettext", "noop", "using"]

LANGUAGES: Final = ("zh", "en")
VARIABLE: Final = "EMAY_VOICE_LANG"
DOMAIN: Final = "emay_voice"
FOLDER: Final = Path(__file__).parents[1] / "locale"
_LANGUAGE: Final = "LANGUAGE"
_current: tuple[str, catalogues.NullTranslations] = ("en", catalogues.NullTranslations())


def current_language() -> str:
    """Return "zh" or "en"."""
    return _current[0]


def noop(message: LiteralString) -> LiteralString:
    """Mark a sentence for the catalogue, and return the sentence unchanged."""
    return message


def gettext(message: str, /, **values: object) -> str:
    """Return a sentence in the language of the terminal, its placeholders filled."""
    text = _current[1].gettext(message) if message else message
    return text.format(**values) if values else text


def ngettext(singular: str, plural: str, number: int, /, **values: object) -> str:
    """Return the form of a sentence for a number; the placeholder ``{number}`` is the number."""
    return _current[1].ngettext(singular, plural, number).format(number=number, **values)


def language_of(
    environment: Mapping[str, str], locale_name: str | None = None, encodings: Iterable[str | None] = ()
) -> str:
    """Return the language for an environment: EMAY_VOICE_LANG, else the locale.

    The locale is the first of LC_ALL, LC_MESSAGES and LANG, or LANGUAGE beside one of them, as gettext reads them.
    Without these variables, as on Windows, the locale is ``locale_name``. Any Chinese is "zh", all else "en", and
    so is a Chinese locale if one of the ``encodings`` of the output has no Chinese characters.
    """
    if environment.get(VARIABLE) in LANGUAGES:
        return environment[VARIABLE]
    names = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    name = next(filter(None, names), None)
    if name is None:
        name = locale_name or ""
    elif name.partition(".")[0] not in ("C", "POSIX"):
        name = environment.get(_LANGUAGE) or name
    is_chinese = name.lower().startswith(("zh", "chinese")) and all(map(_has_chinese, encodings))
    return "zh" if is_chinese else "en"


def _has_chinese(encoding: str | None) -> bool:
    try:
        "中".encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def using(language: str | None) -> Iterator[None]:
    """Print in a language, None for that of the environment, while the context lasts.

    The sentences of click come from the global domain of the standard library's gettext, which is bound meanwhile.
    """
    global _current  # noqa: PLW0603 - the language of the process, as gettext's own domain
    encodings = (getattr(stream, "encoding", None) for stream in (sys.stdout, sys.stderr))
    chosen = language or language_of(os.environ, locale.getlocale()[0], encodings)
    before = _current, catalogues.textdomain(), os.environ.get(_LANGUAGE)
    _current = chosen, catalogues.translation(DOMAIN, FOLDER, [chosen], fallback=True)
    catalogues.bindtextdomain(DOMAIN, str(FOLDER))
    catalogues.textdomain(DOMAIN)
    os.environ[_LANGUAGE] = chosen
    try:
        yield
    finally:
        _current, domain, variable = before
        catalogues.textdomain(domain)
        if variable is None:
            del os.environ[_LANGUAGE]
        else:
            os.environ[_LANGUAGE] = variable
