"""The journal in an SQL database: the conformance suite on each database, and its arguments."""

import contextlib
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import select
from support.sql_places import SqlPlace, placed, scenario

from emay_voice_async.errors import InvalidRequestError, JournalError
from emay_voice_async.journal.protocol import State
from emay_voice_async.sql.journal import SqlJournal
from emay_voice_async.testing import JournalSuite
from emay_voice_async.testing.journal.values import PURPOSE, claim, keys, settled, states


class TestSqlite(JournalSuite):
    """The conformance suite on SQLite."""

    def place(self) -> contextlib.AbstractAsyncContextManager[SqlPlace]:
        """Create a file."""
        return placed("sqlite")


class TestPostgres(JournalSuite):
    """The conformance suite on PostgreSQL."""

    histories = 10

    def place(self) -> contextlib.AbstractAsyncContextManager[SqlPlace]:
        """Create tables."""
        return placed("postgres")


class TestMySql(JournalSuite):
    """The conformance suite on MySQL or MariaDB."""

    histories = 10

    def place(self) -> contextlib.AbstractAsyncContextManager[SqlPlace]:
        """Create tables."""
        return placed("mysql")


@scenario
async def test_a_run_that_has_ended_claims_nothing(place: SqlPlace) -> None:
    """A run that has ended refuses a claim; ending a run again changes no call."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        await run.end()
        await run.end()
        with pytest.raises(JournalError, match="this run has ended"):
            await run.begin(claim(keys(1)))
        assert await states(run, keys(1)) == [None]


@scenario
async def test_a_dry_run_writes_nothing(place: SqlPlace) -> None:
    """A dry run looks, creates neither tables nor a campaign, and cannot claim."""
    journal = place.open()
    dry = await journal.start(PURPOSE, dry=True)
    assert await states(dry, keys(1, 2)) == [None, None]
    await dry.end()
    with pytest.raises(JournalError, match="no run has begun in it yet"):
        await journal.summary()
    await journal.create_schema()
    assert await states(await journal.start(PURPOSE, dry=True), keys(1)) == [None]
    assert (await place.do(select(place.tables.campaigns))).all() == []
    await settled(await journal.start(PURPOSE), keys(1), State.ACCEPTED)
    dry = await journal.start(PURPOSE, dry=True)
    assert await states(dry, keys(1, 2)) == [State.ACCEPTED, None]
    with pytest.raises(JournalError, match="a dry run claims nothing"):
        await dry.begin(claim(keys(2)))
    with pytest.raises(JournalError, match="another account"):
        await journal.start(evolve(PURPOSE, app_id="other"), dry=True)
    await dry.end()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("campaign", {"campaign": ""}),
        ("campaign", {"campaign": "x" * 201}),
        ("campaign", {"campaign": None}),
        ("prefix", {"prefix": "1st_"}),
        ("prefix", {"prefix": "a; DROP TABLE"}),
        ("prefix", {"prefix": "x" * 41}),
        ("prefix", {"prefix": None}),
        ("timeout", {"timeout": 0}),
        ("timeout", {"timeout": float("inf")}),
        ("timeout", {"timeout": None}),
        ("database", {"database": "no url"}),
        ("database", {"database": 1}),
        ("database", {"database": "oracle+oracledb://host"}),
    ],
)
def test_arguments_are_checked(name: str, arguments: dict[str, Any]) -> None:
    """An argument that cannot be used is refused at once, and the error names the argument."""
    with pytest.raises(InvalidRequestError) as caught:
        SqlJournal(**{"database": "sqlite+aiosqlite://", "campaign": "spring", **arguments})
    assert caught.value.field == name
