"""Looking up, claiming and closing batches, in a transaction that the caller begins and ends.

Each function may be called again after a failure, even if the failure hid whether the transaction was committed.
"""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final, cast

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

import emay_voice_async.sql.single_statements as single_statements
from emay_voice_async.journal.protocol import Claim, Key, Standing, State
from emay_voice_async.sql.campaigns import Campaign, lock
from emay_voice_async.sql.reading import RUN_ENDED, beijing
from emay_voice_async.sql.tables import PLACES, Tables

__all__ = ["begin", "close", "end", "look"]

_OPEN: Final = (State.UNDER_WAY.value, State.UNKNOWN.value)
_CAN_BE_ACCEPTED: Final = tuple(state.value for state in State if state is not State.ACCEPTED)


async def look(
    db: AsyncConnection, tables: Tables, campaign: Campaign, keys: Sequence[Key]
) -> list[Standing | None]:
    """Return the standing of each call; None: the call was never claimed."""
    digests = campaign.keys(keys)
    calls, reports = tables.calls.c, tables.reports.c
    columns = (
        calls.key,
        tables.state,
        calls.custom_id,
        tables.tickets.c.message_id,
        reports.message_id,
        tables.claims.c.reason,
        tables.claims.c.begun_at,
    )
    found = await db.execute(tables.known(*columns).where(tables.dialect.is_among(calls.key, digests)))
    standings = {
        key: _standing(State(state), custom_id, ticket or reported or "", reason, begun_at)
        for key, state, custom_id, ticket, reported, reason, begun_at in found
    }
    return [standings.get(key) for key in digests]


def _standing(state: State, custom_id: str, message_id: str, reason: str, begun_at: int) -> Standing:
    if state is State.UNKNOWN:
        return Standing(state, custom_id, message_id, reason or RUN_ENDED, beijing(begun_at))
    return Standing(state, custom_id, message_id)


async def begin(
    db: AsyncConnection, tables: Tables, campaign: Campaign, *, claim: Claim, again: bool
) -> bool:
    """Claim a batch whole and return True, or claim no call and return False.

    ``again``: an earlier attempt failed, and may have claimed the batch nevertheless. If the transaction of that
    attempt is still running, the lock waits for its end, or the insertion of the claim does, because a token is unique.
    """
    await lock(db, tables, campaign)
    calls, dialect = tables.calls.c, tables.dialect
    digests = campaign.keys(claim.keys)
    columns = (calls.key, calls.position, tables.state, tables.claims.c.token)
    found = (await db.execute(tables.known(*columns).where(dialect.is_among(calls.key, digests)))).all()
    token = campaign.token(claim)
    if again and any(row.token == token for row in found):
        return True
    free = {state.value for state in State if state.is_free}
    if claim.resend_unknown:
        free.add(State.UNKNOWN.value)
    if not all(row.standing in free for row in found):
        return False
    positions = {row.key: row.position for row in found}
    if positions:
        # A DELETE and an INSERT: faster than an UPDATE of many rows to different values in each database.
        await db.execute(delete(tables.calls).where(dialect.is_among(calls.key, positions)))
    number = await _new_claim(db, tables, campaign, claim)
    rows = [
        {
            "campaign": campaign.id,
            "key": key,
            "mobile": int(mobile),
            "number": campaign.number(mobile),
            "custom_id": custom_id,
            "claim": number,
            "place": place,
            "position": positions.get(key, number * PLACES + place),
        }
        for place, (key, (mobile, _, _), custom_id) in enumerate(
            zip(digests, claim.keys, claim.custom_ids, strict=True)
        )
    ]
    # In the order of the single statements, which take no lock before: two senders do not wait for each other.
    rows.sort(key=itemgetter("key"))
    await dialect.insert_rows(db, tables.calls, rows)
    return True


async def _new_claim(db: AsyncConnection, tables: Tables, campaign: Campaign, claim: Claim) -> int:
    row = insert(tables.claims).values(
        campaign=campaign.id,
        token=campaign.token(claim),
        state=State.UNDER_WAY.value,
        reason="",
        begun_at=tables.now,
        over_at=tables.now + int(claim.lasts * 1e6),
    )
    made = await db.execute(row)
    return cast("tuple[int]", made.inserted_primary_key)[0]


async def close(
    db: AsyncConnection,
    tables: Tables,
    campaign: Campaign,
    claim: Claim,
    state: State,
    reason: str,
    message_ids: Sequence[str] = (),
) -> None:
    """Write the outcome of a claim. A claim that is already certain changes for an acceptance only.

    ``message_ids``: of an accepted claim, in the order of the keys.
    """
    claims = tables.claims.c
    token = campaign.token(claim)
    before = _CAN_BE_ACCEPTED if state is State.ACCEPTED else _OPEN
    if tables.dialect.single_statements:
        await single_statements.close(db, tables, token, state, reason, before, message_ids)
        return
    can = claims.state.in_(before)
    closed = update(tables.claims).values(state=state.value, reason=reason).where(claims.token == token, can)
    changed = (await db.execute(closed)).rowcount
    tickets = [
        {"token": token, "place": place, "message_id": message_id}
        for place, message_id in enumerate(message_ids)
        if message_id
    ]
    if changed and tickets:
        await tables.dialect.insert_rows(db, tables.tickets, tickets)


async def end(
    db: AsyncConnection, tables: Tables, campaign: Campaign, claims: Iterable[Claim], state: State
) -> None:
    """Close claims that are still open."""
    tokens = [campaign.token(claim) for claim in claims]
    columns = tables.claims.c
    still_open = columns.token.in_(tokens) & (columns.state == State.UNDER_WAY.value)
    await db.execute(update(tables.claims).values(state=state.value).where(still_open))
