"""Claiming and closing in a single statement, which is a transaction by itself: a round trip instead of four or six.

Only for databases in which a statement can write to several tables (``single_statements`` of the dialect). Many values
go to the database as one text, which is much faster than an array: a line for each value.
"""

from collections.abc import Iterable, Sequence
from typing import Final, cast

from sqlalchemy import BigInteger, Connection, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from emay_voice_async.journal.protocol import Claim, State
from emay_voice_async.sql.campaigns import Campaign
from emay_voice_async.sql.tables import PLACES, Tables, escaped

__all__ = ["begin_new", "close"]

# The keys are inserted in order, so that two senders do not wait for each other. For NOT EXISTS instead of the count,
# PostgreSQL would read the whole table, because it expects to find one of the keys soon.
_BEGIN: Final = """
WITH claimed AS (
    INSERT INTO {claims} (campaign, token, state, reason, begun_at, over_at)
    SELECT :campaign, :token, :state, '', {now}, {now} + :lasts
    WHERE (SELECT count(*) FROM {calls} WHERE key = ANY (string_to_array(:keys, :line))) = 0
    RETURNING id
)
INSERT INTO {calls} (campaign, key, mobile, number, custom_id, claim, place, position)
SELECT :campaign, key, mobile, :first_number + mobile, custom_id, id, place - 1, id * {places} + place - 1
FROM claimed, unnest(
    string_to_array(:keys, :line),
    CAST(string_to_array(:mobiles, :line) AS BIGINT[]),
    string_to_array(:custom_ids, :line)
) WITH ORDINALITY AS call (key, mobile, custom_id, place)
ORDER BY key
"""
_CLOSE: Final = """
WITH closed AS (
    UPDATE {claims} SET state = :state, reason = :reason
    WHERE token = :token AND state = ANY (string_to_array(:before, :line))
    RETURNING id
)
INSERT INTO {tickets} (token, place, message_id)
SELECT :token, place - 1, message_id
FROM closed, unnest(string_to_array(:message_ids, :line)) WITH ORDINALITY AS ticket (message_id, place)
WHERE message_id <> ''
"""
_BIG: Final = ("campaign", "first_number", "lasts")


async def begin_new(db: AsyncConnection, tables: Tables, campaign: Campaign, claim: Claim) -> bool:
    """Claim a batch of calls that were never claimed; False: no call was claimed, for this or for another reason.

    Another claim of one of the calls at the same moment makes one of the two statements fail.
    """
    mobiles = [mobile for mobile, _, _ in claim.keys]
    if not (all(claim.custom_ids) and all(map(campaign.number, mobiles))):
        return False
    done = await db.execute(
        _statement(db, tables, _BEGIN, _BIG),
        {
            "campaign": campaign.id,
            "token": campaign.token(claim),
            "state": State.UNDER_WAY.value,
            "lasts": int(claim.lasts * 1e6),
            "keys": _lines(campaign.keys(claim.keys)),
            "mobiles": _lines(map(str, map(int, mobiles))),
            "custom_ids": _lines(map(escaped, claim.custom_ids)),
            "first_number": campaign.first_number,
            "line": "\n",
        },
    )
    return bool(done.rowcount)


async def close(
    db: AsyncConnection,
    tables: Tables,
    token: str,
    state: State,
    reason: str,
    before: Iterable[str],
    message_ids: Sequence[str],
) -> None:
    """Write the outcome of a claim that has one of the states ``before``."""
    await db.execute(
        _statement(db, tables, _CLOSE, ()),
        {
            "token": token,
            "state": state.value,
            "reason": escaped(reason),
            "before": _lines(before),
            "message_ids": _lines(map(escaped, message_ids)),
            "line": "\n",
        },
    )


def _statement(db: AsyncConnection, tables: Tables, template: str, big: Sequence[str]) -> TextClause:
    # SQLAlchemy translates the schemas of tables (``schema_translate_map`` of a given engine), and none in a text.
    schema = cast("Connection", db.sync_connection).schema_for_object(tables.calls)
    found = tables.statements.get((template, schema))
    if found is None:
        within = "" if schema is None else f"{db.dialect.identifier_preparer.quote_schema(schema)}."
        names = {name: f"{within}{getattr(tables, name).name}" for name in ("calls", "claims", "tickets")}
        found = text(template.format(now=tables.dialect.clock, places=PLACES, **names))
        found = tables.statements[template, schema] = found.bindparams(
            *(bindparam(name, type_=BigInteger()) for name in big)
        )
    return found


def _lines(values: Iterable[str]) -> str:
    # An escaped text has no line break.
    return "\n".join(values)
