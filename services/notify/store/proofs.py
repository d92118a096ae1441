"""Proofs that are asked for, and which endpoints have been proven."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.proving import Asked, Proof
from services.notify.store.waking import CHANGED, wake

_DAY = timedelta(days=1)


async def last(connection: AsyncConnection, endpoint_id: str, *, lock: bool = False) -> Proof | None:
    """The last request for an endpoint; None where there was none. `lock`: nobody else tries a code meanwhile."""
    rows = await connection.execute(
        text(
            f"""SELECT number, sent_at, until, wrong FROM proof WHERE endpoint_id = CAST(:id AS uuid)
                {"FOR UPDATE" if lock else ""}"""
        ),
        {"id": endpoint_id},
    )
    row = rows.first()
    return Proof(*row) if row else None


async def asked(connection: AsyncConnection, owner: str, address_key: str, now: datetime) -> Asked:
    """How often proofs were asked for within the last day. One of an owner at a time: two at once do not both count
    themselves as the last that is allowed."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 7))"), {"key": address_key})
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 8))"), {"key": owner})
    rows = await connection.execute(
        text(
            """SELECT (SELECT count(*) FROM proof_sent WHERE address_key = :address AND at > :since),
                      (SELECT count(*) FROM proof_sent WHERE owner = :owner AND at > :since)"""
        ),
        {"address": address_key, "owner": owner, "since": now - _DAY},
    )
    return Asked(*rows.one())


async def ask(
    connection: AsyncConnection, endpoint_id: str, owner: str, address_key: str, now: datetime, until: datetime
) -> int:
    """Note that a proof is asked for; the one before holds no more. Out: its number."""
    await connection.execute(
        text("INSERT INTO proof_sent (owner, address_key, at) VALUES (:owner, :address, :now)"),
        {"owner": owner, "address": address_key, "now": now},
    )
    rows = await connection.execute(
        text(
            """INSERT INTO proof (endpoint_id, number, sent_at, until) VALUES (CAST(:id AS uuid), 1, :now, :until)
               ON CONFLICT (endpoint_id) DO UPDATE SET number = proof.number + 1, sent_at = excluded.sent_at,
                   until = excluded.until, wrong = 0
               RETURNING number"""
        ),
        {"id": endpoint_id, "now": now, "until": until},
    )
    return int(rows.scalar_one())


async def note_wrong(connection: AsyncConnection, endpoint_id: str) -> None:
    """Somebody typed another code."""
    await connection.execute(
        text("UPDATE proof SET wrong = wrong + 1 WHERE endpoint_id = CAST(:id AS uuid)"), {"id": endpoint_id}
    )


async def prove(connection: AsyncConnection, endpoint_ids: Sequence[str], now: datetime) -> None:
    """These are their owners'. From now on they are told."""
    await connection.execute(
        text(
            """UPDATE endpoint SET verified_at = :now
               WHERE id = ANY (CAST(:ids AS uuid[])) AND verified_at IS NULL"""
        ),
        {"ids": sorted(endpoint_ids), "now": now},
    )
    await connection.execute(
        text("DELETE FROM proof WHERE endpoint_id = ANY (CAST(:ids AS uuid[]))"), {"ids": sorted(endpoint_ids)}
    )
    await wake(connection, CHANGED)


async def forget(connection: AsyncConnection, now: datetime) -> None:
    """Remove what the limits no longer look at."""
    await connection.execute(text("DELETE FROM proof_sent WHERE at < :day"), {"day": now - _DAY})
