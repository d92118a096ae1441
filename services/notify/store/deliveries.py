"""Deliveries from durable to settled, each statement whole; what comes in numbers is one statement.

A delivery is leased for a time: a worker that dies gives it back by doing nothing. Those that wait are a small table,
so a lease costs the same however long the history is. These statements go to the driver itself: thousands of rows a
second pass through them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import Addressed, Attempt, ChannelName, Message, Verdict, believable, timed_id
from services.notify.signing import Signer
from services.notify.store import order
from shared.database.copying import driver
from shared.messaging.outbox import OutboxRow
from shared.reference.delivering import Priority
from shared.web.i18n import Language

_MOMENT = timedelta(microseconds=1)
# As the column `urgency` has them.
PRIORITIES: Final[Mapping[Priority, int]] = {"emergency": 0, "normal": 1, "digest": 2}


@dataclass(frozen=True, slots=True)
class Queued:
    """A delivery that has become durable."""

    id: str
    message_id: str
    endpoint_id: str
    subscription_id: str | None
    channel: ChannelName


@dataclass(slots=True)
class Delivery:
    """One that a worker may attempt until its lease ends."""

    id: str
    endpoint_id: str
    subscription_id: str | None
    message_id: str
    message_at: datetime
    lease: int
    attempts: int
    sequence: int
    urgent: bool
    order_key: str | None
    expires_at: datetime | None
    event_type: str
    unit: str | None
    case_id: str | None
    case_code: str | None
    due: datetime | None
    body: bytes
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Target:
    """Where an endpoint's deliveries go, opened from its seals; lives in memory only.

    `signers`: of its secret, and of the old one while that is being changed. `active_since`: when it was made or last
    brought back, as far as the worker knew. `plain_sms`: as its person chose.
    """

    endpoint_id: str
    address: str
    signers: tuple[Signer, ...]
    language: Language
    org: str | None
    active_since: datetime
    plain_sms: bool = True

    def __repr__(self) -> str:
        return f"Target({self.endpoint_id})"  # the address must not reach a log


@dataclass(frozen=True, slots=True)
class Result:
    """An attempt that was made, and what follows from it."""

    delivery: Delivery
    target: Target
    channel: ChannelName
    at: datetime
    attempt: Attempt
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Settled:
    """A delivery whose result was taken over."""

    id: str
    attempts: int
    sequence: int


# Making durable

_KEEP_MESSAGES = """
INSERT INTO message (id, at, event_type, unit, case_id, case_code, due, body, traceparent)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
                     $8::bytea[], $9::text[])
ON CONFLICT DO NOTHING RETURNING id::text AS id
"""
_COLUMNS = (
    "id",
    "endpoint_id",
    "subscription_id",
    "message_id",
    "message_at",
    "urgency",
    "order_key",
    "blocked",
    "created_at",
    "due_at",
    "expires_at",
    "body",
)
# Of a message that was known before: what was queued for it then is not queued again, also where it is settled by now.
_QUEUE_MORE = f"""
INSERT INTO delivery_pending ({", ".join(_COLUMNS)})
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::smallint[], $7::text[],
                     $8::boolean[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::bytea[])
              AS more (id)
WHERE NOT EXISTS (SELECT FROM delivery_settled WHERE delivery_settled.id = more.id)
ON CONFLICT DO NOTHING RETURNING id::text AS id
"""
_WAITING_KEYS = """
SELECT DISTINCT d.endpoint_id::text AS endpoint_id, d.order_key
FROM unnest($1::uuid[], $2::text[]) AS wanted (endpoint_id, order_key)
JOIN delivery_pending d USING (endpoint_id, order_key)
"""


async def keep_messages(connection: AsyncConnection, messages: Sequence[Message], now: datetime) -> set[str]:
    """Make messages durable. Out: the ids of those that were not known before."""
    known = {message.id: message for message in messages}
    rows = list(known.values())
    happenings = [row.happening for row in rows]
    raw = await driver(connection)
    fresh = await raw.fetch(
        _KEEP_MESSAGES,
        [row.id for row in rows],
        [believable(item.time, now) for item in happenings],
        [item.event_type for item in happenings],
        [item.unit for item in happenings],
        [item.case_id for item in happenings],
        [item.case_code for item in happenings],
        [item.due for item in happenings],
        [row.body for row in rows],
        [row.traceparent for row in rows],
    )
    return {row["id"] for row in fresh}


@dataclass(frozen=True, slots=True)
class Placed:
    """A delivery on its way into the table: all that is known when it is queued."""

    addressed: Addressed
    id: str
    happened: datetime
    due_at: datetime
    expires_at: datetime | None
    order_key: str | None


def delivery_id(addressed: Addressed, happened: datetime) -> str:
    """Follows from message and endpoint, so that the same again is the same delivery."""
    return timed_id(happened, "delivery", addressed.message_id, addressed.endpoint_id, addressed.again)


async def queue(connection: AsyncConnection, placed: Sequence[Placed], fresh: set[str], now: datetime) -> list[Placed]:
    """Make deliveries durable. In: `fresh`, the messages that were not known before. Out: those that are new."""
    raw = await driver(connection)
    blocked = await _blocked(raw, placed)
    new: list[tuple[Placed, tuple[object, ...]]] = []
    more: list[tuple[Placed, tuple[object, ...]]] = []
    for number, (item, waits) in enumerate(zip(placed, blocked, strict=True)):
        # No two of them at the same moment: the log goes on where a page of it ended.
        row = _row(item, waits, now, now + number * _MOMENT)
        (new if item.addressed.message_id in fresh else more).append((item, row))
    if new:
        await raw.copy_records_to_table("delivery_pending", records=[row for _, row in new], columns=list(_COLUMNS))
    added: set[str] = set()
    if more:
        columns = [list(column) for column in zip(*(row for _, row in more), strict=True)]
        added = {row["id"] for row in await raw.fetch(_QUEUE_MORE, *columns)}
    return [item for item, _ in new] + [item for item, _ in more if item.id in added]


def _row(item: Placed, waits: bool, now: datetime, created_at: datetime) -> tuple[object, ...]:
    said = item.addressed
    return (
        item.id,
        said.endpoint_id,
        said.subscription_id,
        said.message_id,
        believable(item.happened, now),
        PRIORITIES[said.priority],
        item.order_key,
        waits,
        created_at,
        item.due_at,
        item.expires_at,
        said.body,
    )


async def _blocked(raw: asyncpg.Connection, placed: Sequence[Placed]) -> list[bool]:
    """Which ones wait for an earlier one of their key: one that is in the table, or comes before them in this batch, or
    may be on its way back into the table: `order.unblock` lets those go that wait for none."""
    ordered = [item for item in placed if item.order_key is not None]
    waiting: set[tuple[str, str | None]] = set()
    shared: set[str] = set()
    if ordered:
        endpoints = [item.addressed.endpoint_id for item in ordered]
        # A statement of its own, before: the next sees what was put back until then.
        shared = await order.queue_in(raw, endpoints)
        rows = await raw.fetch(_WAITING_KEYS, endpoints, [item.order_key for item in ordered])
        waiting = {(row["endpoint_id"], row["order_key"]) for row in rows}
    blocked = []
    for item in placed:
        key = (item.addressed.endpoint_id, item.order_key)
        blocked.append(item.order_key is not None and (key in waiting or item.addressed.endpoint_id not in shared))
        if item.order_key is not None:
            waiting.add(key)
    return blocked


# Leasing

# A lease that ends in a far future was given before a clock was set back: it is none.
_FREE = "(leased_until IS NULL OR leased_until <= $3 OR leased_until > $3 + 10 * ($4 - $3))"
# Emergencies of any endpoint first. Then one index probe an endpoint: a backlog of one is never waded through to find
# the others' deliveries.
_LEASE = f"""
WITH urgent AS (
    SELECT id FROM delivery_pending
    WHERE urgency = 0 AND NOT blocked AND due_at <= $3 AND {_FREE} AND endpoint_id = ANY ($6::uuid[])
    ORDER BY due_at LIMIT $5 FOR UPDATE SKIP LOCKED
), others AS (
    SELECT due.id FROM unnest($1::uuid[], $2::integer[]) AS wanted (endpoint_id, room)
    CROSS JOIN LATERAL (
        SELECT id FROM delivery_pending
        WHERE endpoint_id = wanted.endpoint_id AND urgency > 0 AND NOT blocked AND due_at <= $3 AND {_FREE}
        ORDER BY due_at LIMIT wanted.room FOR UPDATE SKIP LOCKED
    ) AS due
    LIMIT $5
), leased AS (
    UPDATE delivery_pending SET leased_until = $4, lease = lease + 1
    WHERE id = ANY (ARRAY(SELECT id FROM urgent UNION ALL SELECT id FROM others))
    RETURNING id, endpoint_id, subscription_id, message_id, message_at, lease, attempts, sequence, urgency, order_key,
              expires_at, due_at, position, body
)
SELECT leased.id::text, endpoint_id::text, subscription_id::text, message_id::text, message_at, lease, attempts,
       sequence, urgency = 0, order_key, expires_at, event_type, unit, case_id, case_code, message.due,
       COALESCE(leased.body, message.body), traceparent
FROM leased JOIN message ON message.id = leased.message_id AND message.at = leased.message_at
ORDER BY urgency, due_at, position
"""


async def lease(
    raw: asyncpg.Connection,
    rooms: Mapping[str, int],
    urgent: Sequence[str],
    most: int,
    now: datetime,
    lasts: timedelta,
) -> list[Delivery]:
    """Take due deliveries: at most `most`, `rooms[endpoint]` of each, and as many emergencies of the endpoints in
    `urgent`. Nobody else gets them while the lease lasts. Out: emergencies first, then what was due first."""
    rows = await raw.fetch(_LEASE, list(rooms), list(rooms.values()), now, now + lasts, most, list(urgent))
    return [Delivery(*row) for row in rows]


_GIVE_BACK = """
UPDATE delivery_pending SET leased_until = NULL FROM unnest($1::uuid[], $2::integer[]) AS held (id, lease)
WHERE delivery_pending.id = held.id AND delivery_pending.lease = held.lease
"""


async def give_back(connection: AsyncConnection, held: Sequence[Delivery]) -> None:
    """End leases early: what was not even tried is due again at once."""
    await (await driver(connection)).execute(_GIVE_BACK, [one.id for one in held], [one.lease for one in held])


async def end_leases(connection: AsyncConnection) -> int:
    """End all leases: called when it is certain that no worker lives. Out: how many there were."""
    raw = await driver(connection)
    done = await raw.execute("UPDATE delivery_pending SET leased_until = NULL WHERE leased_until IS NOT NULL")
    return int(done.split()[-1])


# Settling

# A success counts even when the lease was lost meanwhile; any other result only while the lease is ours.
_SETTLE = """
WITH result AS (
    SELECT * FROM unnest($2::uuid[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::integer[],
                         $9::text[]) AS r (id, lease, state, reason, outcome, status, duration_ms, response)
), gone AS (
    DELETE FROM delivery_pending d USING result r WHERE d.id = r.id AND (d.lease = r.lease OR r.state = 'succeeded')
    RETURNING d.id, d.endpoint_id, d.subscription_id, d.message_id, d.message_at, d.urgency, d.order_key, d.position,
              d.attempts, d.sequence, d.lease, d.created_at, d.due_at, d.expires_at, d.body,
              r.state, r.reason, r.outcome, r.status, r.duration_ms, r.response
)
INSERT INTO delivery_settled (id, endpoint_id, subscription_id, message_id, message_at, state, urgency, order_key,
    position, attempts, sequence, lease, created_at, due_at, expires_at, body, settled_at, outcome, status, duration_ms,
    response, reason)
SELECT id, endpoint_id, subscription_id, message_id, message_at, state, urgency, order_key, position,
       attempts + CASE WHEN outcome = 'expired' THEN 0 ELSE 1 END, sequence + 1, lease, created_at, due_at, expires_at,
       body, $1, outcome, status, duration_ms, response, reason
FROM gone
ON CONFLICT (id, message_at) DO UPDATE SET state = excluded.state, settled_at = excluded.settled_at,
    attempts = excluded.attempts, sequence = excluded.sequence
RETURNING id::text, attempts, sequence
"""
# What programs have taken, and the one event that tells it, in one statement: nearly all results are of this kind.
_TAKEN = """
WITH result AS (
    SELECT * FROM unnest($2::uuid[], $3::integer[], $4::integer[], $5::text[], $6::text[])
           AS r (id, status, duration_ms, response, said)
), gone AS (
    DELETE FROM delivery_pending d USING result r WHERE d.id = r.id
    RETURNING d.id, d.endpoint_id, d.subscription_id, d.message_id, d.message_at, d.urgency, d.order_key, d.position,
              d.attempts, d.sequence, d.lease, d.created_at, d.due_at, d.expires_at, d.body,
              r.status, r.duration_ms, r.response
), settled AS (
    INSERT INTO delivery_settled (id, endpoint_id, subscription_id, message_id, message_at, state, urgency, order_key,
        position, attempts, sequence, lease, created_at, due_at, expires_at, body, settled_at, outcome, status,
        duration_ms, response)
    SELECT id, endpoint_id, subscription_id, message_id, message_at, 'succeeded', urgency, order_key, position,
           attempts + 1, sequence + 1, lease, created_at, due_at, expires_at, body, $1, 'taken', status, duration_ms,
           response
    FROM gone
    ON CONFLICT (id, message_at) DO UPDATE SET state = excluded.state, settled_at = excluded.settled_at,
        attempts = excluded.attempts, sequence = excluded.sequence
    RETURNING id, attempts
), told AS (
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers)
    SELECT $7, $8, $9, $10, convert_to('{"deliveries":[' || string_agg(said || attempts || '}', ',') || ']}', 'UTF8'),
           $11::text::jsonb
    FROM settled JOIN result USING (id) HAVING count(*) > 0
)
SELECT CASE WHEN count(*) < cardinality($2::uuid[]) THEN COALESCE(array_agg(id), '{}') END FROM settled
"""
# What had failed when its success was told: it was on its way when it was stopped, and has arrived. The attempt that
# had settled it goes to the others.
_LATE = """
WITH late AS (
    SELECT d.id, d.message_at, d.attempts, d.settled_at, d.outcome, d.status, d.duration_ms, d.response, d.reason,
           r.status AS late_status, r.duration_ms AS late_ms, r.response AS late_response
    FROM unnest($2::uuid[], $3::timestamptz[], $4::integer[], $5::integer[], $6::text[])
         AS r (id, message_at, status, duration_ms, response)
    JOIN delivery_settled d USING (id, message_at) WHERE d.state = 'failed' ORDER BY d.id FOR UPDATE OF d
), logged AS (
    INSERT INTO attempt (delivery_id, message_at, number, at, outcome, status, duration_ms, response, reason)
    SELECT id, message_at, attempts, settled_at, outcome, status, duration_ms, response, reason
    FROM late WHERE outcome IS NOT NULL AND outcome <> 'expired'
)
UPDATE delivery_settled d SET state = 'succeeded', settled_at = $1, attempts = d.attempts + 1,
    sequence = d.sequence + 1, outcome = 'taken', status = late_status, duration_ms = late_ms,
    response = late_response, reason = NULL
FROM late WHERE d.id = late.id AND d.message_at = late.message_at
RETURNING d.id::text, d.attempts, d.sequence
"""
_AGAIN = """
WITH result AS (
    SELECT * FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[],
                         $7::integer[], $8::integer[], $9::text[])
           AS r (id, lease, due_at, at, reason, outcome, status, duration_ms, response)
), noted AS (
    UPDATE delivery_pending d SET due_at = r.due_at, attempts = d.attempts + 1, leased_until = NULL, reason = r.reason
    FROM result r WHERE d.id = r.id AND d.lease = r.lease
    RETURNING d.id, d.message_at, d.attempts, d.sequence
), logged AS (
    INSERT INTO attempt (delivery_id, message_at, number, at, outcome, status, duration_ms, response, reason)
    SELECT noted.id, noted.message_at, noted.attempts, r.at, r.outcome, r.status, r.duration_ms, r.response, r.reason
    FROM noted JOIN result r USING (id)
)
SELECT id::text, attempts, sequence FROM noted
"""
# The next of each key that something arrived of, or that was given up.
_RELEASE = """
UPDATE delivery_pending SET blocked = false
WHERE id = ANY (ARRAY(
    SELECT next.id FROM unnest($1::uuid[], $2::text[]) AS key (endpoint_id, order_key)
    CROSS JOIN LATERAL (
        SELECT id, blocked FROM delivery_pending d
        WHERE d.endpoint_id = key.endpoint_id AND d.order_key = key.order_key ORDER BY position LIMIT 1
    ) AS next WHERE next.blocked
))
"""


async def settle(connection: AsyncConnection, results: Sequence[Result], now: datetime) -> dict[str, Settled]:
    """Take results over and log the attempts. Out: those that counted, by delivery."""
    raw = await driver(connection)
    # The same order everywhere, so that two replicas cannot deadlock on each other's rows.
    ordered = sorted(results, key=lambda result: result.delivery.id)
    done = [result for result in ordered if result.verdict.due_at is None]
    again = [result for result in ordered if result.verdict.due_at is not None]
    rows = await _settle(raw, done, now) if done else []
    if again:
        rows += await _try_again(raw, again)
    settled = {row[0]: Settled(*row) for row in rows}
    keys = {
        (result.delivery.endpoint_id, result.delivery.order_key)
        for result in done
        if result.delivery.order_key is not None and result.delivery.id in settled
    }
    await release(connection, sorted(keys))
    return settled


async def _settle(raw: asyncpg.Connection, done: Sequence[Result], now: datetime) -> list[asyncpg.Record]:
    attempts = [result.attempt for result in done]
    rows: list[asyncpg.Record] = await raw.fetch(
        _SETTLE,
        now,
        [result.delivery.id for result in done],
        [result.delivery.lease for result in done],
        [result.verdict.state for result in done],
        [attempt.reason for attempt in attempts],
        [attempt.outcome for attempt in attempts],
        [attempt.status for attempt in attempts],
        [attempt.duration_ms for attempt in attempts],
        [attempt.response for attempt in attempts],
    )
    return rows


async def _try_again(raw: asyncpg.Connection, again: Sequence[Result]) -> list[asyncpg.Record]:
    attempts = [result.attempt for result in again]
    rows: list[asyncpg.Record] = await raw.fetch(
        _AGAIN,
        [result.delivery.id for result in again],
        [result.delivery.lease for result in again],
        [result.verdict.due_at for result in again],
        [result.at for result in again],
        [attempt.reason for attempt in attempts],
        [attempt.outcome for attempt in attempts],
        [attempt.status for attempt in attempts],
        [attempt.duration_ms for attempt in attempts],
        [attempt.response for attempt in attempts],
    )
    return rows


async def settle_late(connection: AsyncConnection, results: Sequence[Result], now: datetime) -> dict[str, Settled]:
    """Take over successes of deliveries that did not wait any more when they were told: what had failed meanwhile has
    arrived all the same. Out: those that counted, by delivery."""
    raw = await driver(connection)
    ordered = sorted(results, key=lambda result: result.delivery.id)
    rows = await raw.fetch(
        _LATE,
        now,
        [result.delivery.id for result in ordered],
        [result.delivery.message_at for result in ordered],
        [result.attempt.status for result in ordered],
        [result.attempt.duration_ms for result in ordered],
        [result.attempt.response for result in ordered],
    )
    settled = {row[0]: Settled(*row) for row in rows}
    # What was put back in that very moment waits again, and need not. Settled ones first, as who puts them back does.
    left = [result for result in ordered if result.delivery.id not in settled]
    return settled | (await settle(connection, left, now) if left else {})


async def settle_taken(
    raw: asyncpg.Connection, results: Sequence[Result], told: OutboxRow, now: datetime
) -> list[Result]:
    """Take over deliveries that programs have taken, which nothing waits behind. In: `told`, the event that tells it,
    whose data are made of those that counted. Out: those that did not: they waited no more."""
    ordered = sorted(results, key=lambda result: result.delivery.id)
    attempts = [result.attempt for result in ordered]
    of = [result.delivery for result in ordered]
    counted = await raw.fetchval(
        _TAKEN,
        now,
        [one.id for one in of],
        [attempt.status for attempt in attempts],
        [attempt.duration_ms for attempt in attempts],
        [attempt.response for attempt in attempts],
        [_said(result) for result in ordered],
        told.id,
        told.topic,
        told.key,
        told.type,
        orjson.dumps(dict(told.headers)).decode(),
    )
    if counted is None:
        return []
    settled = {str(one) for one in counted}
    return [result for result in ordered if result.delivery.id not in settled]


def _said(result: Result) -> str:
    """What the event says of one of them, as JSON up to the number of attempts, which the table knows: put together
    there, it would cost as much as moving the row."""
    one = result.delivery
    facts = {
        "delivery_id": one.id,
        "endpoint_id": one.endpoint_id,
        "channel": result.channel,
        "event_type": one.event_type,
    }
    if one.case_id is not None:
        facts["case_id"] = one.case_id
    return orjson.dumps(facts).decode()[:-1] + ',"attempts":'


async def release(connection: AsyncConnection, keys: Sequence[tuple[str, str | None]]) -> None:
    """Let the next delivery of each (endpoint, key) go, where it waited for one that is settled."""
    if keys:
        raw = await driver(connection)
        await raw.execute(_RELEASE, [endpoint for endpoint, _ in keys], [key for _, key in keys])


# Two statements: the first waits for whoever settles one of them just now, the second sees whom that has let go.
_BEHIND = """
SELECT d.id FROM unnest($1::uuid[], $2::text[]) AS key (endpoint_id, order_key)
JOIN delivery_pending d USING (endpoint_id, order_key)
WHERE NOT d.blocked AND EXISTS (
    SELECT FROM delivery_pending earlier
    WHERE earlier.endpoint_id = d.endpoint_id AND earlier.order_key = d.order_key AND earlier.position < d.position)
ORDER BY d.id FOR UPDATE OF d
"""
_HOLD_BACK = f"UPDATE delivery_pending SET blocked = true WHERE id = ANY (ARRAY({_BEHIND}))"


async def come_before(connection: AsyncConnection, keys: Sequence[tuple[str, str | None]]) -> None:
    """Let the first delivery of each (endpoint, key) go, where one was put back before others, and nothing behind it:
    what was let go when that was settled waits again. What a worker is sending right now cannot be called back."""
    if keys:
        raw = await driver(connection)
        for statement in (_RELEASE, _BEHIND, _HOLD_BACK):
            await raw.execute(statement, [endpoint for endpoint, _ in keys], [key for _, key in keys])
