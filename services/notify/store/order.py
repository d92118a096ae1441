"""The order of an endpoint, for those who send again and those who queue beside them: of what is put back and what is
queued, and neither committed, none would wait for the other.

It must never keep whoever queues waiting: there are people to call in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.copying import driver

# The order of an endpoint: whoever puts something back holds it alone, whoever queues or lets go shares it. By its
# hash, and several in one order: nobody stands in another's way.
_HOLD_ORDER = """
SELECT pg_advisory_xact_lock{shared}(14, place) FROM (
    SELECT DISTINCT hashtext(id) AS place FROM unnest($1::text[]) AS endpoint (id) ORDER BY place) AS ordered
"""
_PUTS_BACK, _LETS_GO = _HOLD_ORDER.format(shared=""), _HOLD_ORDER.format(shared="_shared")
# Whoever queues has people to call in the same transaction, and waits for nobody.
_QUEUES_IN_ORDER = """
SELECT id FROM unnest($1::text[]) AS endpoint (id) WHERE pg_try_advisory_xact_lock_shared(14, hashtext(id))
"""


async def put_back_alone(connection: AsyncConnection, endpoints: Collection[str]) -> None:
    """Until the transaction ends, whatever is queued in its order for these endpoints waits at first: of what is queued
    beside what is put back, and of neither committed, none would wait for the other. To be called once in a
    transaction, before it holds any row that others want: those who queue share this until they have all of theirs."""
    await (await driver(connection)).execute(_PUTS_BACK, list(endpoints))


async def queue_in(raw: asyncpg.Connection, endpoints: Collection[str]) -> set[str]:
    """Share the order of those of some endpoints for which nobody puts anything back just now. Out: these."""
    return {row["id"] for row in await raw.fetch(_QUEUES_IN_ORDER, sorted(set(endpoints)))}


# One that was queued in the moment in which the last before it was settled sees it still waiting, and is not seen by
# its settling: nobody would let it go. Nor one that was queued while something might have been put back before it.
_STUCK = """
blocked AND created_at >= $1 AND NOT EXISTS (
    SELECT FROM delivery_pending earlier
    WHERE earlier.endpoint_id = d.endpoint_id AND earlier.order_key = d.order_key AND earlier.position < d.position)
"""
_OF_STUCK = f"SELECT DISTINCT endpoint_id::text AS id FROM delivery_pending d WHERE {_STUCK}"
_UNBLOCK = f"UPDATE delivery_pending d SET blocked = false WHERE endpoint_id = ANY ($2::uuid[]) AND {_STUCK}"


async def unblock(connection: AsyncConnection, since: datetime) -> int:
    """Let those go that wait for nothing, of those queued since a time. Out: how many."""
    raw = await driver(connection)
    endpoints = [row["id"] for row in await raw.fetch(_OF_STUCK, since)]
    if not endpoints:
        return 0
    # What is being put back just now is waited for, and then seen.
    await raw.execute(_LETS_GO, endpoints)
    return int((await raw.execute(_UNBLOCK, since, endpoints)).split()[-1])
