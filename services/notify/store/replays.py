"""Sending again what has failed or arrived before: single deliveries at once, whole periods in portions.

What is sent again gets the whole schedule, and its id stays: a receiver that has it recognises it. The asked period is
a row, so that a long one goes on after a crash, and never fills the table of what waits.

Whoever calls `one`, `stopped` or `go_on` holds the order of the endpoints (`order.put_back_alone`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.store import deliveries, order
from services.notify.store.contents import REMOVED
from services.notify.store.waking import WAKE, wake

PORTION = 2000
_CARRIED = (
    "id, endpoint_id, subscription_id, message_id, message_at, urgency, order_key, position, sequence, created_at, body"
)
# What was removed, by law or with its agreement, is not there to be sent again.
_KEPT = f"""
    NOT EXISTS (SELECT FROM message m WHERE m.id = delivery_settled.message_id AND m.at = delivery_settled.message_at
                AND m.body = {REMOVED})
"""
# The attempt that settled it goes to the others. Held in the order in which whoever notes late successes takes them.
_AGAIN = f"""
WITH held AS MATERIALIZED (
    SELECT id, message_at FROM delivery_settled WHERE {{which}} ORDER BY id FOR UPDATE
), back AS (
    DELETE FROM delivery_settled WHERE (id, message_at) IN (SELECT id, message_at FROM held)
    RETURNING {_CARRIED}, lease, attempts, settled_at, outcome, status, duration_ms, response, reason
), logged AS (
    INSERT INTO attempt (delivery_id, message_at, number, at, outcome, status, duration_ms, response, reason)
    SELECT id, message_at, attempts, settled_at, outcome, status, duration_ms, response, reason
    FROM back WHERE outcome IS NOT NULL AND outcome <> 'expired'
)
INSERT INTO delivery_pending ({_CARRIED}, lease, due_at, blocked)
SELECT {_CARRIED}, lease + 1, :now, order_key IS NOT NULL FROM back
RETURNING endpoint_id::text, order_key, created_at
"""
_ONE = text(_AGAIN.format(which="id = CAST(:id AS uuid) AND message_at >= :kept AND " + _KEPT))
# What was sent again and is settled anew is not taken a second time.
_PICKED = """
    (id, message_at) IN (
        SELECT id, message_at FROM delivery_settled
        WHERE endpoint_id = CAST(:id AS uuid) AND created_at >= :since AND created_at < :until AND message_at >= :kept
          AND settled_at < :requested_at AND settled_at >= :settled_since AND {kept} {more}
        ORDER BY created_at LIMIT :limit)
"""
_ALL = text(_AGAIN.format(which=_PICKED.format(more="", kept=_KEPT)))
_FAILED = text(_AGAIN.format(which=_PICKED.format(more="AND state = 'failed'", kept=_KEPT)))
_SOONER = text(
    """
    UPDATE delivery_pending SET due_at = :now
    WHERE endpoint_id = CAST(:id AS uuid) AND created_at >= :since AND created_at < :until
      AND attempts > 0 AND due_at > :now
    RETURNING 1
    """
)


async def one(connection: AsyncConnection, delivery_id: str, now: datetime, kept: datetime) -> bool:
    """Send one delivery again, however it ended, or now instead of at its next attempt. `kept`: what happened before is
    about to be forgotten and stays as it is."""
    rows = await connection.execute(_ONE, {"id": delivery_id, "now": now, "kept": kept})
    again = await _released(connection, rows.all())
    sooner = await connection.execute(
        text(
            """UPDATE delivery_pending SET due_at = :now
               WHERE id = CAST(:id AS uuid) AND attempts > 0 AND due_at > :now RETURNING 1"""
        ),
        {"id": delivery_id, "now": now},
    )
    await wake(connection, WAKE)
    return bool(again) or sooner.first() is not None


_STOPPED = text(
    _AGAIN.format(
        which="""message_at >= :kept AND reason = :reason AND state = 'failed' AND (endpoint_id, subscription_id) IN (
                     SELECT endpoint_id, id FROM subscription WHERE agreement_id = CAST(:agreement AS uuid)) AND """
        + _KEPT
    )
)


async def stopped(connection: AsyncConnection, agreement_id: str, reason: str, now: datetime, kept: datetime) -> int:
    """Send again what was failed for a reason within an agreement. `kept`: as for `one`. Out: how many."""
    rows = await connection.execute(_STOPPED, {"agreement": agreement_id, "reason": reason, "now": now, "kept": kept})
    count = await _released(connection, rows.all())
    await wake(connection, WAKE)
    return count


@dataclass(frozen=True, slots=True)
class Replay:
    """A period that somebody asked for, by when deliveries were queued, and what of it was settled since a time.

    `since` moves on as it is done. Until `until`, exclusively.
    """

    id: str
    endpoint_id: str
    since: datetime
    until: datetime
    only_failed: bool
    settled_since: datetime
    requested_at: datetime
    replayed: int
    finished_at: datetime | None


_COLUMNS = "id::text, endpoint_id::text, since, until, only_failed, settled_since, requested_at, replayed, finished_at"


async def add(connection: AsyncConnection, replay: Replay, requested_by: str) -> None:
    """Keep what somebody asked for."""
    await connection.execute(
        text(
            """
            INSERT INTO replay (id, endpoint_id, since, until, only_failed, settled_since, requested_by, requested_at,
                                replayed)
            VALUES (CAST(:id AS uuid), CAST(:endpoint_id AS uuid), :since, :until, :only_failed, :settled_since,
                    :requested_by, :at, 0)
            """
        ),
        {
            "id": replay.id,
            "endpoint_id": replay.endpoint_id,
            "since": replay.since,
            "until": replay.until,
            "only_failed": replay.only_failed,
            "settled_since": replay.settled_since,
            "requested_by": requested_by,
            "at": replay.requested_at,
        },
    )


_GOING = f"""
SELECT {_COLUMNS} FROM replay WHERE finished_at IS NULL AND (
    SELECT count(*) FROM (SELECT FROM delivery_pending p WHERE p.endpoint_id = replay.endpoint_id
                          LIMIT :most) AS waiting) < :most
"""
_UNFINISHED = text(_GOING + "ORDER BY requested_at")
_HELD = text(_GOING + "AND id = CAST(:id AS uuid) FOR UPDATE")


async def unfinished(connection: AsyncConnection, most_waiting: int) -> list[Replay]:
    """Replays that go on, of endpoints for which not too much waits already."""
    rows = await connection.execute(_UNFINISHED, {"most": most_waiting})
    return [Replay(*row) for row in rows]


async def held(connection: AsyncConnection, replay: Replay, most_waiting: int) -> Replay | None:
    """One of `unfinished` as it is now, held until the transaction ends, and the order of its endpoint with it. None:
    somebody else has gone on with it, or it was ended."""
    await order.put_back_alone(connection, [replay.endpoint_id])
    row = (await connection.execute(_HELD, {"id": replay.id, "most": most_waiting})).first()
    return Replay(*row) if row else None


async def end(connection: AsyncConnection, agreement_id: str, now: datetime) -> None:
    """End the replays that go on to the endpoints of an agreement; a portion that is being put back is waited for."""
    await connection.execute(
        text(
            """UPDATE replay SET finished_at = :now WHERE finished_at IS NULL AND endpoint_id IN (
                   SELECT endpoint_id FROM subscription WHERE agreement_id = CAST(:agreement AS uuid))"""
        ),
        {"agreement": agreement_id, "now": now},
    )


async def of_endpoint(connection: AsyncConnection, endpoint_id: str, limit: int = 10) -> list[Replay]:
    """The last replays of an endpoint, newest first."""
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS} FROM replay WHERE endpoint_id = CAST(:id AS uuid)
                ORDER BY requested_at DESC LIMIT :limit"""
        ),
        {"id": endpoint_id, "limit": limit},
    )
    return [Replay(*row) for row in rows]


async def go_on(connection: AsyncConnection, replay: Replay, now: datetime, kept: datetime) -> int:
    """Send the next portion again. Out: how many; fewer than `PORTION` ends it."""
    rows = await connection.execute(
        _FAILED if replay.only_failed else _ALL,
        {
            "id": replay.endpoint_id,
            "since": replay.since,
            "until": replay.until,
            "requested_at": replay.requested_at,
            "settled_since": replay.settled_since,
            "kept": kept,
            "limit": PORTION,
            "now": now,
        },
    )
    again = rows.all()
    await _released(connection, again)
    count = len(again)
    if count < PORTION:
        # What waits for its next attempt need not wait any longer.
        sooner = await connection.execute(
            _SOONER, {"id": replay.endpoint_id, "since": replay.since, "until": replay.until, "now": now}
        )
        count += len(sooner.all())
    await connection.execute(
        text(
            """
            UPDATE replay SET replayed = replayed + :count, since = GREATEST(since, :reached),
                              finished_at = CASE WHEN CAST(:done AS boolean) THEN CAST(:now AS timestamptz) END
            WHERE id = CAST(:id AS uuid)
            """
        ),
        {
            "id": replay.id,
            "count": count,
            "reached": max((row[2] for row in again), default=replay.since),
            "done": len(again) < PORTION,
            "now": now,
        },
    )
    await wake(connection, WAKE)
    return count


async def _released(connection: AsyncConnection, rows: Sequence[Any]) -> int:
    keys = {(row[0], row[1]) for row in rows if row[1] is not None}
    await deliveries.come_before(connection, sorted(keys))
    return len(rows)
