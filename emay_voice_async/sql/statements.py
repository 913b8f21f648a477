"""A journal in an SQL database, as statements on a connection, in a transaction that the caller begins and ends.

Each function may be called again after a failure, also after one that hid whether the transaction was committed.
"""

import json
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, cast

from attrs import define, frozen
from sqlalchemy import Row, delete, insert, inspect, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import Claim, Key, Line, Purpose, Standing, State, Summary
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.results import Report
from emay_voice_async.sql.tables import PLACES, VERSION, Tables, digest

__all__ = [
    "PAGE",
    "Campaign",
    "begin",
    "campaign_of",
    "check_purpose",
    "close",
    "create_schema",
    "end",
    "is_there",
    "look",
    "make_campaign",
    "page",
    "record",
    "summary",
]

PAGE: Final = 1000
"""Calls that are read at a time."""
_REPORTS: Final = 500
"""Reports that are joined in at a time."""
_OPEN: Final = (State.UNDER_WAY.value, State.UNKNOWN.value)
_LEFT: Final = "the run that sent it ended before the answer came"


@frozen
class Campaign:
    """A campaign as its row has it."""

    id: int
    name: str
    app_id: str
    kind: str
    product: str
    allow_duplicates: bool
    salt: str
    fingerprint: str
    made_at: int


async def create_schema(db: AsyncConnection, tables: Tables) -> None:
    """Make the tables that are not there; the row with their version comes last."""
    await db.run_sync(tables.metadata.create_all)
    if await db.scalar(select(tables.version.c.number)) is None:
        await db.execute(insert(tables.version).values(number=VERSION))


async def is_there(db: AsyncConnection, tables: Tables) -> bool:
    """Tell whether the tables are there; refuse those of another version."""
    if not await db.run_sync(lambda sync: inspect(sync).has_table(tables.version.name)):
        return False
    found = await db.scalar(select(tables.version.c.number))
    if found not in (None, VERSION):
        raise JournalError(f"its tables have version {found}, and this package uses version {VERSION}")
    return found is not None


async def campaign_of(db: AsyncConnection, tables: Tables, name: str) -> Campaign | None:
    """Find a campaign; None: no run of it has begun."""
    columns = [column for column in tables.campaigns.c if column.name not in ("digest", "turns")]
    found = await db.execute(select(*columns).where(tables.campaigns.c.digest == digest(name)))
    row = found.one_or_none()
    return None if row is None else Campaign(*row)


async def make_campaign(db: AsyncConnection, tables: Tables, name: str, purpose: Purpose) -> None:
    """Enter a campaign that is not there."""
    salt = secrets.token_bytes(16)
    row = {
        "name": name,
        "app_id": purpose.app_id,
        "kind": purpose.kind,
        "product": purpose.product.value,
        "allow_duplicates": purpose.allow_duplicates,
        "salt": salt.hex(),
        "fingerprint": purpose.fingerprint(salt),
    }
    await db.execute(insert(tables.campaigns).values(digest=digest(name), made_at=tables.now, turns=0, **row))


def check_purpose(campaign: Campaign, purpose: Purpose) -> None:
    """Raise unless the campaign was made for this purpose."""
    if campaign.app_id != purpose.app_id:
        raise JournalError(f"it was made for another account ({campaign.app_id})")
    if campaign.fingerprint != purpose.fingerprint(bytes.fromhex(campaign.salt)):
        raise JournalError(f"it was made for another message (a {campaign.kind})")
    if campaign.allow_duplicates is not purpose.allow_duplicates:
        raise JournalError(f"it was made with allow_duplicates={campaign.allow_duplicates}")


def _key(campaign: Campaign, key: Key) -> str:
    return digest(campaign.id, *key)


def _number(campaign: Campaign, mobile: str) -> int:
    """Return what calls to a mobile are found by; 0 for what is none."""
    return campaign.id * 10**11 + int(mobile) if mobile.isdecimal() and len(mobile) == 11 else 0


def _token(campaign: Campaign, claim: Claim) -> str:
    return digest(campaign.id, claim.token)


async def look(
    db: AsyncConnection, tables: Tables, campaign: Campaign, keys: Sequence[Key]
) -> list[Standing | None]:
    """Return what is known of each call; None: it was never claimed."""
    digests = [_key(campaign, key) for key in keys]
    calls, reports = tables.calls.c, tables.reports.c
    columns = (calls.key, tables.state, calls.custom_id, tables.tickets.c.message_id, reports.message_id)
    found = await db.execute(tables.known(*columns).where(calls.key.in_(digests)))
    standings = {
        key: Standing(State(state), custom_id, ticket or reported or "")
        for key, state, custom_id, ticket, reported in found
    }
    return [standings.get(one) for one in digests]


async def _wait_for_turn(db: AsyncConnection, tables: Tables, campaign: Campaign) -> None:
    """Let nobody else claim in this campaign, or record, until this transaction ends.

    It is always the first statement. A campaign claims a few batches a second at most, so waiting in a line
    costs it nothing, and there are no rows that two could lock in different orders.
    """
    turns = tables.campaigns.c.turns
    await db.execute(
        update(tables.campaigns).values(turns=turns + 1).where(tables.campaigns.c.id == campaign.id)
    )


async def begin(
    db: AsyncConnection, tables: Tables, campaign: Campaign, *, claim: Claim, again: bool
) -> bool:
    """Claim a batch, all of it or (False) nothing.

    ``again``: an earlier attempt failed, and may have claimed it all the same. If its transaction should be
    at work still, this one waits for the end of it.
    """
    await _wait_for_turn(db, tables, campaign)
    calls = tables.calls.c
    digests = [_key(campaign, key) for key in claim.keys]
    columns = (calls.key, calls.position, tables.state, tables.claims.c.token)
    found = (await db.execute(tables.known(*columns).where(calls.key.in_(digests)))).all()
    token = _token(campaign, claim)
    if again and any(row.token == token for row in found):
        return True
    free = {state.value for state in State if state.is_free}
    if claim.resend_unknown:
        free.add(State.UNKNOWN.value)
    if not all(row.standing in free for row in found):
        return False
    positions = {row.key: row.position for row in found}
    if positions:
        # Deleted and made anew in one statement each; no database changes many rows differently as fast.
        await db.execute(delete(tables.calls).where(calls.key.in_(list(positions))))
    claimed = await _new_claim(db, tables, campaign, claim)
    rows = [
        {
            "campaign": campaign.id,
            "key": key,
            "mobile": int(mobile),
            "number": _number(campaign, mobile),
            "custom_id": custom_id,
            "claim": claimed,
            "place": place,
            "position": positions.get(key, claimed * PLACES + place),
        }
        for place, (key, (mobile, _, _), custom_id) in enumerate(
            zip(digests, claim.keys, claim.custom_ids, strict=True)
        )
    ]
    await db.execute(insert(tables.calls), rows)
    return True


async def _new_claim(db: AsyncConnection, tables: Tables, campaign: Campaign, claim: Claim) -> int:
    row = insert(tables.claims).values(
        campaign=campaign.id,
        token=_token(campaign, claim),
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
    """Write what became of a claim; nothing but an acceptance where more is known than that it is unknown.

    ``message_ids``: of an accepted one, in the order of its keys.
    """
    claims = tables.claims.c
    token = _token(campaign, claim)
    can = claims.state != State.ACCEPTED.value if state is State.ACCEPTED else claims.state.in_(_OPEN)
    closed = update(tables.claims).values(state=state.value, reason=reason).where(claims.token == token, can)
    changed = (await db.execute(closed)).rowcount
    tickets = [
        {"token": token, "place": place, "message_id": message_id}
        for place, message_id in enumerate(message_ids)
        if message_id
    ]
    if changed and tickets:
        await db.execute(insert(tables.tickets), tickets)


async def end(
    db: AsyncConnection, tables: Tables, campaign: Campaign, claims: Iterable[Claim], state: State
) -> None:
    """Close those of the claims that are still open."""
    tokens = [_token(campaign, claim) for claim in claims]
    columns = tables.claims.c
    still = columns.token.in_(tokens) & (columns.state == State.UNDER_WAY.value)
    await db.execute(update(tables.claims).values(state=state.value).where(still))


@define
class _Candidate:
    """A call that a report may be of."""

    key: str
    custom_id: str
    message_id: str
    reported: bool

    def matches(self, report: Report) -> bool:
        if self.message_id and report.message_id:
            return self.message_id == report.message_id
        return bool(report.custom_id) and self.custom_id == report.custom_id


async def record(db: AsyncConnection, tables: Tables, campaign: Campaign, reports: Sequence[Report]) -> int:
    """Join in reports, and return how many belong to calls of this campaign."""
    await _wait_for_turn(db, tables, campaign)
    mine = [one for one in reports if _is_of(campaign, one)]
    parts = [mine[start : start + _REPORTS] for start in range(0, len(mine), _REPORTS)]
    return sum([await _record(db, tables, campaign, part) for part in parts])


def _is_of(campaign: Campaign, report: Report) -> bool:
    return report.app_id in ("", campaign.app_id) and report.product.value == campaign.product


async def _record(db: AsyncConnection, tables: Tables, campaign: Campaign, reports: Sequence[Report]) -> int:
    numbers = [_number(campaign, one.mobile) for one in reports]
    candidates = await _candidates(db, tables, set(numbers))
    joined: dict[str, dict[str, Any]] = {}
    count = 0
    for number, report in zip(numbers, reports, strict=True):
        found = [one for one in candidates.get(number, ()) if one.matches(report)]
        if found:
            count += 1
            # Of calls with one custom id, the one that this message id is known of, or one without a report.
            one = min(found, key=lambda call: (call.message_id != report.message_id, call.reported))
            one.message_id, one.reported = one.message_id or report.message_id, True
            joined[one.key] = _row_of(campaign, one, report)
    if joined:
        await db.execute(delete(tables.reports).where(tables.reports.c.key.in_(list(joined))))
        await db.execute(insert(tables.reports), list(joined.values()))
    return count


async def _candidates(db: AsyncConnection, tables: Tables, numbers: set[int]) -> dict[int, list[_Candidate]]:
    """Find the calls that were perhaps made, by number."""
    calls, reports = tables.calls.c, tables.reports.c
    columns = (
        calls.key,
        calls.number,
        calls.custom_id,
        tables.tickets.c.message_id,
        reports.message_id,
        tables.state,
    )
    wanted = tables.known(*columns).where(calls.number.in_(list(numbers)))
    found: dict[int, list[_Candidate]] = {}
    for key, number, custom_id, ticket, reported, state in await db.execute(wanted.order_by(calls.position)):
        if not State(state).is_free:
            one = _Candidate(key, custom_id, ticket or reported or "", reported is not None)
            found.setdefault(number, []).append(one)
    return found


def _row_of(campaign: Campaign, call: _Candidate, report: Report) -> dict[str, Any]:
    rest = [
        report.raw_state,
        report.description,
        None if report.called_at is None else report.called_at.timestamp(),
        report.duration,
        report.key_pressed,
    ]
    return {
        "campaign": campaign.id,
        "key": call.key,
        "message_id": call.message_id,
        "state": report.raw_state[:40],
        "rest": json.dumps(rest),
    }


async def page(db: AsyncConnection, tables: Tables, campaign: Campaign, last: int) -> list[tuple[int, Line]]:
    """Return the calls after the position ``last``, each with its position."""
    calls, claims, reports = tables.calls.c, tables.claims.c, tables.reports.c
    columns = (
        calls.position,
        calls.mobile,
        calls.custom_id,
        tables.tickets.c.message_id.label("ticket"),
        tables.state,
        claims.reason,
        claims.begun_at,
        reports.message_id.label("reported"),
        reports.rest,
    )
    wanted = tables.known(*columns).where(calls.campaign == campaign.id, calls.position > last)
    found = await db.execute(wanted.order_by(calls.position).limit(PAGE))
    return [(row.position, _line(row)) for row in found]


def _line(row: Row[Any]) -> Line:
    state = State(row.standing)
    reason = row.reason
    if state is State.UNKNOWN and not reason:
        reason = _LEFT
    report_state, description, called_at, duration, key_pressed = json.loads(
        row.rest or '["", "", null, null, null]'
    )
    return Line(
        mobile=f"{row.mobile:011}",
        custom_id=row.custom_id,
        message_id=row.ticket or row.reported or "",
        state=state,
        reason="" if state is State.ACCEPTED else reason,
        begun_at=_beijing(row.begun_at / 1e6),
        report_state=report_state,
        report_description=description,
        called_at=None if called_at is None else _beijing(called_at),
        duration=duration,
        key_pressed=key_pressed,
    )


async def summary(db: AsyncConnection, tables: Tables, campaign: Campaign) -> Summary:
    """Count the calls by state."""
    states = dict.fromkeys(State, 0)
    for state, number in await db.execute(tables.counts(campaign.id)):
        states[State(state)] = number
    reported = {row[0]: row[1] for row in await db.execute(tables.reported(campaign.id))}
    made_at = _beijing(campaign.made_at / 1e6)
    return Summary(campaign.app_id, campaign.kind, campaign.allow_duplicates, made_at, states, reported)


def _beijing(at: float) -> datetime:
    return datetime.fromtimestamp(at, BEIJING)
