"""The URL of a database: what is refused at once, and that no password is shown."""

import importlib
import sys
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.sql.journal import SqlJournal
from emay_voice_async.sql.urls import checked_url, database_file, shown

PARTS = ("pa", "ss", "w", "rd", "tail")


def refusal(database: object) -> InvalidRequestError:
    """Return the error of a journal in a database that cannot be used."""
    with pytest.raises(InvalidRequestError) as caught:
        SqlJournal(database, "spring")  # type: ignore[arg-type]
    assert caught.value.field == "database"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize(
    "password",
    [
        "xpa@xss:xw@xrd",
        "xpa@xss",
        "xpa/xss@xw",
        "xpa:xss@xw/xrd",
        "@xpa",
        "xpa@",
        "xpa#xss@xw",
        "xpa@xss?xw",
        "xpa@[xss",
    ],
)
def test_a_password_that_is_not_encoded(password: str) -> None:
    """A password with reserved characters is refused without any part of it, and with the hint to percent-encode."""
    for kind in ("postgresql+asyncpg", "mysql+aiomysql"):
        error = refusal(f"{kind}://u:{password}@host/db")
        assert "percent-encode" in str(error)
        for part in ("xpa", "xss", "xw", "xrd"):
            assert part not in f"{error} {error!r} {error.args}"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=20))
@example("aaaaaaaaaaaa@bbbbbbbbbbbb")
@example("00000000@/00")
def test_no_password_is_shown(password: str) -> None:
    """Whether a URL is accepted or refused, no end of the password of four or more characters is shown."""
    assume(password[-4:] not in what_is_shown("x") + what_is_shown("@@"))
    for size in (len(password), 4):
        assert password[-size:] not in what_is_shown(password)


def what_is_shown(password: str) -> str:
    """Return the text of a journal with this password, or of the refusal."""
    try:
        return repr(SqlJournal(f"postgresql+asyncpg://user:{password}@host/db", "spring"))
    except InvalidRequestError as error:
        return f"{error} {error!r}"


def test_an_encoded_password_is_accepted() -> None:
    """A percent-encoded password reaches the driver unchanged, and is hidden in the repr."""
    url = checked_url("postgresql+asyncpg://u:pa%40ss%3Aw%40rd@host/db")
    assert url.password == "pa@ss:w@rd"
    assert shown(url) == "postgresql+asyncpg://u:***@host/db"
    object_ = URL.create("postgresql+asyncpg", "u", "pa@ss", "host", None, "db")
    assert checked_url(object_).password == "pa@ss"
    assert "pa@ss" not in repr(SqlJournal(object_, "spring"))
    for host in ("[::1]", "127.0.0.1", "db.example.com", "db_1"):
        assert checked_url(f"postgresql+asyncpg://u:p@{host}:5432/db").port == 5432


@pytest.mark.parametrize(
    ("database", "reason"),
    [
        ("postgresql+psycopg2://u:tail@host/db", "the driver is not installed: pip install psycopg2"),
        ("mysql+asyncmy://u:tail@host/db", "the driver is not installed: pip install asyncmy"),
        ("mysql+pymysql://u:tail@host/db", "needs an asyncio driver, such as mysql+aiomysql"),
        ("sqlite:///run.db", "needs an asyncio driver, such as sqlite+aiosqlite"),
        ("postgresql+nonsense://u:tail@host/db", "needs an asyncio driver, such as postgresql+asyncpg"),
        ("postgresql+asyncpg://u:tail@host/db?sslmode=require", "asyncpg has no sslmode: write ?ssl=require"),
        ("oracle+oracledb://u:tail@host/db", "must be one of postgresql, mysql, mariadb, sqlite"),
        ("", "must be a URL"),
        (None, "must be a URL"),
        (b"sqlite+aiosqlite://", "must be a URL"),
    ],
)
def test_what_is_refused_at_once(database: object, reason: str) -> None:
    """A missing or synchronous driver, an unknown parameter and another database are refused by the constructor."""
    error = refusal(database)
    assert reason in str(error)
    assert "tail" not in str(error)


def test_a_given_engine_is_not_checked() -> None:
    """An engine that the caller made is used as it is."""
    engine = create_async_engine("sqlite+aiosqlite://")
    assert checked_url(engine) == engine.url


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite+aiosqlite:////a/b.db", Path("/a/b.db")),
        ("sqlite+aiosqlite:///b.db?timeout=3", Path("b.db").absolute()),
        ("sqlite+aiosqlite://", None),
        ("sqlite+aiosqlite:///:memory:", None),
        ("sqlite+aiosqlite:///file:b.db?uri=true", None),
        ("postgresql+asyncpg://host/db", None),
    ],
)
def test_the_file_of_a_database(url: str, file: Path | None) -> None:
    """Only an SQLite database that is not in memory is a file."""
    assert database_file(make_url(url)) == file


def test_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without SQLAlchemy the import names the extra, with a command for a clone as well."""
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.delitem(sys.modules, "emay_voice_async.sql")
    with pytest.raises(ImportError, match="sqlalchemy is missing") as caught:
        importlib.import_module("emay_voice_async.sql")
    assert 'pip install "emay_voice_async[sql]"' in str(caught.value)
    assert 'pip install ".[sql]"' in str(caught.value)
