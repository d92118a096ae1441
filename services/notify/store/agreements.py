"""Data-sharing agreements, every act on them, and what they stop when they end."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.agreements import Agreement, AgreementAct, AgreementState, Terms, closed_because
from services.notify.store import order, replays
from services.notify.store.retention import GivenUp, giving_up, settle_given_up
from services.notify.store.waking import CHANGED, wake
from shared.reference.calendar import local_day

_STOP = giving_up("JOIN subscription s ON s.id = d.subscription_id WHERE s.agreement_id = CAST(:id AS uuid)")
_COLUMNS = """id::text AS id, org, state, purpose, legal_basis, event_types, units, fields, valid_from, valid_until,
              reference, public_key, proposed_by, accepted_by, reason, changed_at, sequence"""


@dataclass(frozen=True, slots=True)
class Act:
    """One line of an agreement's history: who did what, when, why."""

    at: datetime
    act: str
    actor: str
    reason: str | None


async def save(connection: AsyncConnection, agreement: Agreement, act: AgreementAct, actor: str, now: datetime) -> None:
    """Keep an agreement after an act, and the act."""
    terms = agreement.terms
    await connection.execute(
        text(
            """
            INSERT INTO agreement (id, org, state, purpose, legal_basis, event_types, units, fields, valid_from,
                                   valid_until, reference, public_key, proposed_by, accepted_by, reason, changed_at,
                                   created_at, sequence)
            VALUES (CAST(:id AS uuid), :org, :state, :purpose, :legal_basis, CAST(:event_types AS text[]),
                    CAST(:units AS text[]), CAST(:fields AS text[]), :valid_from, :valid_until, :reference, :public_key,
                    :proposed_by, :accepted_by, :reason, :changed_at, :now, :sequence)
            ON CONFLICT (id) DO UPDATE SET state = excluded.state, public_key = excluded.public_key,
                accepted_by = excluded.accepted_by, reason = excluded.reason, changed_at = excluded.changed_at,
                sequence = excluded.sequence
            """
        ),
        {
            "id": agreement.id,
            "org": agreement.org,
            "state": agreement.state,
            "purpose": terms.purpose,
            "legal_basis": terms.legal_basis,
            "event_types": list(terms.event_types),
            "units": None if terms.units is None else list(terms.units),
            "fields": list(terms.fields),
            "valid_from": terms.valid_from,
            "valid_until": terms.valid_until,
            "reference": terms.reference,
            "public_key": agreement.public_key,
            "proposed_by": agreement.proposed_by,
            "accepted_by": agreement.accepted_by,
            "reason": agreement.reason,
            "changed_at": agreement.changed_at,
            "now": now,
            "sequence": agreement.sequence,
        },
    )
    await connection.execute(
        text(
            """INSERT INTO agreement_act (agreement_id, at, act, actor, reason, sequence)
               VALUES (CAST(:id AS uuid), :now, :act, :actor, :reason, :sequence)"""
        ),
        {
            "id": agreement.id,
            "now": now,
            "act": act,
            "actor": actor,
            "reason": agreement.reason,
            "sequence": agreement.sequence,
        },
    )
    await wake(connection, CHANGED)


async def find(
    connection: AsyncConnection, identifier: str, *, lock: bool = False, share: bool = False
) -> Agreement | None:
    """One agreement; held until the transaction ends where it is to be changed (`lock`), or must not change while
    something is queued within it (`share`)."""
    held = " FOR UPDATE" if lock else " FOR SHARE" if share else ""
    rows = await connection.execute(
        text(f"SELECT {_COLUMNS} FROM agreement WHERE id = CAST(:id AS uuid){held}"), {"id": identifier}
    )
    row = rows.first()
    return _agreement(row) if row else None


async def of(connection: AsyncConnection, org: str | None = None, limit: int = 200) -> list[Agreement]:
    """An organisation's agreements, or all of them, the last changed first."""
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS} FROM agreement WHERE CAST(:org AS text) IS NULL OR org = :org
                ORDER BY changed_at DESC, id LIMIT :limit"""
        ),
        {"org": org, "limit": limit},
    )
    return [_agreement(row) for row in rows]


async def over(connection: AsyncConnection, today: date, bases: Collection[str], limit: int = 50) -> list[Agreement]:
    """Agreements that have not ended, though their last day has passed or their legal ground is not among `bases`; held
    until the transaction ends."""
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS} FROM agreement
                WHERE state <> 'ended' AND (valid_until < :today OR legal_basis <> ALL (CAST(:bases AS text[])))
                ORDER BY valid_until LIMIT :limit FOR UPDATE SKIP LOCKED"""
        ),
        {"today": today, "bases": list(bases), "limit": limit},
    )
    return [_agreement(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Whether, and from which day to which, something may be told within an agreement."""

    state: AgreementState
    valid_from: date
    valid_until: date

    def closed(self, now: datetime) -> str | None:
        """Why nothing may be told now, as the log of deliveries has it; None: it may."""
        if self.state != "active":
            return closed_because(self.state)
        day = local_day(now)
        if day > self.valid_until:
            return closed_because("ended")
        return closed_because("not-yet") if day < self.valid_from else None


async def bounds(connection: AsyncConnection, now: datetime) -> dict[str, Bounds]:
    """Subscriptions within agreements that are not in force, or that begin or end within a day."""
    day = local_day(now)
    rows = await connection.execute(
        text(
            """SELECT s.id::text, a.state, a.valid_from, a.valid_until
               FROM agreement a JOIN subscription s ON s.agreement_id = a.id
               JOIN endpoint e ON e.id = s.endpoint_id AND e.state <> 'deleted'
               WHERE a.state <> 'active' OR a.valid_until <= :soon OR a.valid_from > :day"""
        ),
        {"soon": day + timedelta(days=1), "day": day},
    )
    return {row[0]: Bounds(*row[1:]) for row in rows}


async def bounds_held(connection: AsyncConnection, subscriptions: Collection[str]) -> dict[str, Bounds]:
    """The bounds of these subscriptions, of those within agreements; until the transaction ends nobody resumes or ends
    one of these."""
    rows = await connection.execute(
        # In one order, so that two replicas cannot deadlock on them.
        text(
            """SELECT s.id::text, a.state, a.valid_from, a.valid_until
               FROM agreement a JOIN subscription s ON s.agreement_id = a.id
               WHERE s.id = ANY (CAST(:ids AS uuid[])) ORDER BY a.id FOR SHARE OF a"""
        ),
        {"ids": sorted(subscriptions)},
    )
    return {row[0]: Bounds(*row[1:]) for row in rows}


async def history(connection: AsyncConnection, identifier: str) -> list[Act]:
    """What was done with an agreement, in order."""
    rows = await connection.execute(
        text(
            """SELECT at, act, actor, reason FROM agreement_act
               WHERE agreement_id = CAST(:id AS uuid) ORDER BY sequence"""
        ),
        {"id": identifier},
    )
    return [Act(*row) for row in rows]


async def endpoints_of(connection: AsyncConnection, identifier: str) -> list[str]:
    """The endpoints that were told something within an agreement, and are not deleted."""
    rows = await connection.execute(
        text(
            """SELECT DISTINCT e.id::text AS id FROM subscription s JOIN endpoint e ON e.id = s.endpoint_id
               WHERE s.agreement_id = CAST(:id AS uuid) AND e.state <> 'deleted' ORDER BY id"""
        ),
        {"id": identifier},
    )
    return [row.id for row in rows]


async def stop_deliveries(connection: AsyncConnection, identifier: str, reason: str, now: datetime) -> list[GivenUp]:
    """Fail what waits to be delivered within an agreement, and end what replays would send again. What a worker is
    sending right now cannot be called back."""
    await replays.end(connection, identifier, now)  # first: what a portion puts back meanwhile waits afterwards
    rows = await connection.execute(_STOP, {"id": identifier, "reason": reason, "now": now})
    return await settle_given_up(connection, rows.all())


async def hold_order(connection: AsyncConnection, identifier: str) -> None:
    """Hold the order of all endpoints within an agreement, before the agreement itself: whoever queues shares the one
    and may ask for the other. While it is suspended no endpoint comes to it."""
    rows = await connection.execute(
        text("SELECT endpoint_id::text FROM subscription WHERE agreement_id = CAST(:id AS uuid)"), {"id": identifier}
    )
    await order.put_back_alone(connection, list(rows.scalars()))


async def resume_deliveries(
    connection: AsyncConnection, identifier: str, reason: str, now: datetime, kept: datetime
) -> int:
    """Send what a suspension had stopped; `hold_order` was called before. Out: how many."""
    return await replays.stopped(connection, identifier, reason, now, kept)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a partner was told within an agreement, in numbers. `more`: there may be more than was counted."""

    count: int
    first: datetime | None
    last: datetime | None
    more: bool = False


async def delivered(connection: AsyncConnection, identifier: str) -> Delivered:
    """How much was delivered within an agreement, as far as the log goes back: exactly, by looking at all of it."""
    # By its endpoints, for the log is found by them: other partners' deliveries are not looked at.
    rows = await connection.execute(
        text(
            """SELECT count(*), min(d.created_at), max(d.created_at) FROM delivery_settled d
               JOIN subscription s ON s.endpoint_id = d.endpoint_id AND s.id = d.subscription_id
               WHERE s.agreement_id = CAST(:id AS uuid) AND d.state = 'succeeded'"""
        ),
        {"id": identifier},
    )
    return Delivered(*rows.one())


# The newest of each endpoint, and of its log both ends: so many, however long it is.
_LOOKED_AT, _OF_EACH_END = 10_000, 100
_GLANCE = text(
    """
    WITH own AS MATERIALIZED (
        SELECT id, endpoint_id FROM subscription WHERE agreement_id = CAST(:id AS uuid)
    ), counted AS MATERIALIZED (
        SELECT d.told, d.created_at FROM own CROSS JOIN LATERAL (
            SELECT state = 'succeeded' AND subscription_id = own.id AS told, created_at FROM delivery_settled
            WHERE endpoint_id = own.endpoint_id ORDER BY created_at DESC LIMIT :most) AS d
        LIMIT :most
    ), ends AS (
        SELECT d.told, d.created_at FROM own CROSS JOIN LATERAL (
            (SELECT state = 'succeeded' AND subscription_id = own.id AS told, created_at FROM delivery_settled
             WHERE endpoint_id = own.endpoint_id ORDER BY created_at DESC LIMIT :few)
            UNION ALL
            (SELECT state = 'succeeded' AND subscription_id = own.id AS told, created_at FROM delivery_settled
             WHERE endpoint_id = own.endpoint_id ORDER BY created_at LIMIT :few)) AS d
    )
    SELECT (SELECT count(*) FROM counted WHERE told), min(created_at), max(created_at),
           (SELECT count(*) = :most FROM counted)
    FROM (SELECT * FROM counted UNION ALL SELECT * FROM ends) AS found WHERE told
    """
)


async def glance(connection: AsyncConnection, identifier: str) -> Delivered:
    """How much was delivered within an agreement, for whoever looks at it: quick however long the log is, and at least
    so much where it is long. The first and last are those of what was looked at."""
    rows = await connection.execute(_GLANCE, {"id": identifier, "most": _LOOKED_AT, "few": _OF_EACH_END})
    return Delivered(*rows.one())


async def in_force_of(connection: AsyncConnection, org: str, today: date) -> list[Agreement]:
    """The agreements of an organisation within which it may be told something today; none of them ends before the
    transaction does."""
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS} FROM agreement
                WHERE org = :org AND state = 'active' AND valid_from <= :today AND valid_until >= :today
                ORDER BY valid_until DESC, id FOR SHARE"""
        ),
        {"org": org, "today": today},
    )
    return [_agreement(row) for row in rows]


def _agreement(row: Any) -> Agreement:
    terms = Terms(
        row.purpose,
        row.legal_basis,
        tuple(row.event_types),
        None if row.units is None else tuple(row.units),
        tuple(row.fields),
        row.valid_from,
        row.valid_until,
        row.reference,
    )
    return Agreement(
        row.id,
        row.org,
        terms,
        row.state,
        row.changed_at,
        row.proposed_by,
        row.accepted_by,
        row.public_key,
        row.reason,
        row.sequence,
    )
