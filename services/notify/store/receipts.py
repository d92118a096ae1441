"""What a gateway tells later of the messages that it took: noted when it comes, brought together with the delivery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.store.deliveries import Result
from services.notify.store.retention import GivenUp

# SMPP 3.4, 5.2.28: states after which nothing more is told. Of UNKNOWN and ACCEPTD something may follow.
ARRIVED: Final = "DELIVRD"
LOST: Final = ("EXPIRED", "DELETED", "UNDELIV", "REJECTD")

_LOCK: Final = 7_316_035

_EXPECT = text(
    """
    INSERT INTO sms_part (reference, delivery_id, message_at, sent_at)
    SELECT * FROM unnest(CAST(:references AS text[]), CAST(:deliveries AS uuid[]), CAST(:at AS timestamptz[]),
                         CAST(:sent AS timestamptz[]))
    ON CONFLICT (reference) DO UPDATE SET delivery_id = excluded.delivery_id, message_at = excluded.message_at,
        sent_at = excluded.sent_at, state = NULL
    """
)
_STALE = text("DELETE FROM sms_receipt WHERE reference = ANY (CAST(:references AS text[])) AND heard_at < :began")
# Clocks of two replicas may differ by so much.
_APART: Final = timedelta(minutes=1)
# Several receipts of one part: what is final counts, whichever came first.
_TAKE = text(
    """
    WITH heard AS (
        DELETE FROM sms_receipt r USING sms_part p WHERE p.reference = r.reference RETURNING r.reference, r.state
    ), last AS (
        SELECT DISTINCT ON (reference) reference, state FROM heard
        ORDER BY reference, state = :arrived DESC, state = ANY (CAST(:lost AS text[])) DESC
    )
    UPDATE sms_part p SET state = last.state FROM last WHERE p.reference = last.reference
    RETURNING p.delivery_id::text
    """
)
_SETTLED = text(
    """
    SELECT delivery_id::text AS id, message_at, bool_and(COALESCE(state = :arrived, false)) AS arrived,
           min(state) FILTER (WHERE state = ANY (CAST(:lost AS text[]))) AS lost
    FROM sms_part WHERE delivery_id = ANY (CAST(:ids AS uuid[])) GROUP BY delivery_id, message_at
    """
)
_NOTE = text(
    """UPDATE delivery_settled SET response = :arrived
       WHERE id = CAST(:id AS uuid) AND message_at = :at AND state = 'succeeded'"""
)
_FAIL = text(
    """
    WITH failed AS (
        UPDATE delivery_settled SET state = 'failed', reason = :reason, response = :said, sequence = sequence + 1,
               settled_at = :now
        WHERE id = CAST(:id AS uuid) AND message_at = :at AND state = 'succeeded' RETURNING *
    )
    SELECT failed.id::text, endpoint_id::text, channel, event_type, case_id, attempts, failed.sequence, failed.reason
    FROM failed JOIN endpoint ON endpoint.id = endpoint_id
    JOIN message ON message.id = message_id AND message.at = message_at
    """
)
REASON: Final = "sms-undelivered"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is certain by now of one delivery: it has arrived, or it is lost."""

    arrived: bool
    lost: GivenUp | None = None


async def expect(connection: AsyncConnection, results: Sequence[Result], now: datetime) -> None:
    """Remember under which names the gateway will tell of deliveries that it took."""
    rows = [(reference, result.delivery) for result in results for reference in result.attempt.references]
    if rows:
        # Gateways count anew: what was told under a name before it was given again is not of this message.
        await connection.execute(
            _STALE,
            {
                "references": [reference for reference, _ in rows],
                "began": min(result.at for result in results) - _APART,
            },
        )
        await connection.execute(
            _EXPECT,
            {
                "references": [reference for reference, _ in rows],
                "deliveries": [delivery.id for _, delivery in rows],
                "at": [delivery.message_at for _, delivery in rows],
                "sent": [now for _ in rows],
            },
        )


async def hear(connection: AsyncConnection, reference: str, state: str, now: datetime) -> None:
    """Note what was told of one part, whether it is known here yet or not."""
    await connection.execute(
        text(
            """INSERT INTO sms_receipt (reference, state, heard_at) VALUES (:reference, :state, :now)
               ON CONFLICT DO NOTHING"""
        ),
        {"reference": reference, "state": state, "now": now},
    )


async def settle(connection: AsyncConnection, now: datetime) -> list[Outcome]:
    """Bring together what was told with what was sent. Out: deliveries of which it is certain now; a text of which one
    part is lost is lost. None while another replica does it: each of two would see a part of a text, neither all."""
    alone = await connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    if not alone.scalar_one():
        return []
    states = {"arrived": ARRIVED, "lost": list(LOST)}
    touched = {row[0] for row in await connection.execute(_TAKE, states)}
    if not touched:
        return []
    outcomes = []
    rows = await connection.execute(_SETTLED, {**states, "ids": list(touched)})
    for row in rows.all():
        found = {"id": row.id, "at": row.message_at}
        if row.lost is not None:
            failed = await connection.execute(_FAIL, {**found, "reason": REASON, "said": row.lost, "now": now})
            outcomes += [Outcome(False, GivenUp(*one)) for one in failed]
        elif row.arrived:
            await connection.execute(_NOTE, {**found, "arrived": ARRIVED})
            outcomes.append(Outcome(True))
        else:
            continue
        await connection.execute(text("DELETE FROM sms_part WHERE delivery_id = CAST(:id AS uuid)"), {"id": row.id})
    return outcomes


async def people_at(connection: AsyncConnection, address_key: str) -> list[str]:
    """Whose a telephone number is, by its keyed digest: of those who have proven it."""
    rows = await connection.execute(
        text(
            """SELECT DISTINCT person FROM endpoint
               WHERE address_key = :key AND person IS NOT NULL AND verified_at IS NOT NULL
                 AND state IN ('active', 'paused')"""
        ),
        {"key": address_key},
    )
    return [row[0] for row in rows]


async def forget(connection: AsyncConnection, before: datetime) -> None:
    """Remove what was never told, or told of something that is not ours."""
    await connection.execute(text("DELETE FROM sms_part WHERE sent_at < :before"), {"before": before})
    await connection.execute(text("DELETE FROM sms_receipt WHERE heard_at < :before"), {"before": before})
