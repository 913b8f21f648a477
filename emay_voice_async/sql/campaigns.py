"""The campaigns of a database: each campaign is one journal."""

from collections.abc import Iterable
from hashlib import blake2b
from json.encoder import encode_basestring_ascii

from attrs import frozen
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from emay_voice_async.journal.protocol import Claim, Key
from emay_voice_async.journal.purpose import Purpose, StoredPurpose
from emay_voice_async.sql.tables import Tables, digest

__all__ = ["Campaign", "create_campaign", "find_campaign", "lock"]

_MOBILES = 10**11
"""The number of mobile numbers, which have 11 digits."""


@frozen
class Campaign:
    """A campaign, and the identities of calls and claims in the tables."""

    id: int
    purpose: StoredPurpose
    made_at: int

    def keys(self, keys: Iterable[Key]) -> list[str]:
        """Return the values of ``calls.key`` for calls: those of :func:`digest`, several times as fast."""
        escape = encode_basestring_ascii
        return [
            blake2b(
                f"[{self.id}, {escape(mobile)}, {escape(custom_id)}, {occurrence}]".encode(), digest_size=16
            ).hexdigest()
            for mobile, custom_id, occurrence in keys
        ]

    @property
    def first_number(self) -> int:
        """The value of ``calls.number`` for a mobile number of zeros."""
        return self.id * _MOBILES

    def number(self, mobile: str) -> int:
        """Return the value of ``calls.number`` for a mobile number; 0 for other text."""
        return self.first_number + int(mobile) if mobile.isdecimal() and len(mobile) == 11 else 0

    def token(self, claim: Claim) -> str:
        """Return the value of ``claims.token`` for a claim."""
        return digest(self.id, claim.token)


async def find_campaign(db: AsyncConnection, tables: Tables, name: str) -> Campaign | None:
    """Find a campaign; None: no run of the campaign has begun."""
    campaigns = tables.campaigns.c
    found = await db.execute(select(tables.campaigns).where(campaigns.digest == digest(name)))
    row = found.one_or_none()
    if row is None:
        return None
    purpose = StoredPurpose(
        app_id=row.app_id,
        kind=row.kind,
        product=row.product,
        salt=bytes.fromhex(row.salt),
        fingerprint=row.fingerprint,
        allow_duplicates=row.allow_duplicates,
    )
    return Campaign(row.id, purpose, row.made_at)


async def create_campaign(db: AsyncConnection, tables: Tables, name: str, purpose: Purpose) -> None:
    """Insert a campaign that does not exist."""
    stored = StoredPurpose.of(purpose)
    row = {
        "name": name,
        "app_id": stored.app_id,
        "kind": stored.kind,
        "product": stored.product,
        "allow_duplicates": stored.allow_duplicates,
        "salt": stored.salt.hex(),
        "fingerprint": stored.fingerprint,
    }
    await db.execute(insert(tables.campaigns).values(digest=digest(name), made_at=tables.now, turns=0, **row))


async def lock(db: AsyncConnection, tables: Tables, campaign: Campaign) -> None:
    """Exclude other claims and recordings in this campaign until the end of the transaction.

    This is always the first statement of a transaction. A campaign claims a few batches a second at most, so a queue
    is cheap, and no two transactions lock rows in different orders.
    """
    turns = tables.campaigns.c.turns
    await db.execute(
        update(tables.campaigns).values(turns=turns + 1).where(tables.campaigns.c.id == campaign.id)
    )
