"""Deliveries and the statements on them, each whole and named; what comes in numbers is one statement.

A delivery is leased by moving its due time: a worker that dies gives it back by doing nothing. Nothing personal is here
in clear: addresses and secrets lie sealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import ChannelName, Happening, Sent, Verdict, candidates, is_internal
from shared.reference.calendar import local_day
from shared.web.i18n import Language


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be said of a happening: its body, and the path of ours where one looks."""

    happening: Happening
    body: bytes
    path: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Queued:
    """A delivery that has become durable."""

    id: str
    message_id: str
    subscription_id: str
    channel: ChannelName


@dataclass(frozen=True, slots=True)
class Leased:
    """A delivery that this worker may try until the lease ends."""

    id: str
    subscription_id: str
    lease: int
    attempts: int
    event_type: str
    unit: str | None
    case_id: str | None
    due: datetime | None
    body: bytes
    until: datetime
    traceparent: str | None = None
    case_code: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a subscription's deliveries go, opened from its seals; lives in memory only."""

    subscription_id: str
    address: str
    keys: tuple[bytes, ...]
    language: Language
    org: str | None

    def __repr__(self) -> str:
        return f"Target({self.subscription_id})"  # the address must not reach a log


@dataclass(frozen=True, slots=True)
class Result:
    """An attempt that was made, to whom, and what follows from it."""

    job: Leased
    target: Target
    channel: ChannelName
    was_failing: bool
    at: datetime
    sent: Sent
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Settled:
    """A delivery whose result was taken over."""

    id: str
    attempts: int
    sequence: int


# One statement from what happened to durable deliveries. Their ids follow from message and subscription: the same event
# again adds nothing. A message that nobody wants is not kept.
_QUEUE = """
WITH said AS (
    SELECT * FROM jsonb_to_recordset(CAST(:messages AS jsonb)) AS said (
        id uuid, event_type text, unit text, case_id text, due timestamptz, occurred_at timestamptz, sector text,
        patterns text[], body text, traceparent text, case_code text)
), wanted AS ({wanted}),
kept AS (
    INSERT INTO message (id, event_type, unit, case_id, due, occurred_at, body, created_at, traceparent, case_code)
    SELECT id, event_type, unit, case_id, due, occurred_at, convert_to(body, 'UTF8'), :now, traceparent, case_code
    FROM said WHERE id IN (SELECT message_id FROM wanted)
    ON CONFLICT (id) DO NOTHING
), created AS (
    INSERT INTO delivery (id, subscription_id, message_id, due_at, created_at)
    SELECT CAST(encode(substring(sha256(convert_to(message_id || '/' || id, 'UTF8')) FOR 16), 'hex') AS uuid),
           id, message_id, due_at, :now
    FROM wanted
    ON CONFLICT (id) DO NOTHING RETURNING id, subscription_id, message_id
)
SELECT created.id::text, created.message_id::text, wanted.id::text, wanted.channel
FROM created JOIN wanted ON wanted.id = created.subscription_id AND wanted.message_id = created.message_id
"""
# Paused and disabled endpoints queue too: what is said to a partner waits for them. Within an agreement, it is said
# nothing outside it; a person is called when and as they chose, which is decided elsewhere.
_TO_ALL_WHO_WANT_IT = text(
    _QUEUE.format(
        wanted="""
        SELECT said.id AS message_id, subscription.id, channel, CAST(:now AS timestamptz) AS due_at
        FROM said JOIN subscription ON subscription.state <> 'deleted' AND subscription.person IS NULL
            AND subscription.patterns && said.patterns
            AND (subscription.units IS NULL OR said.unit = ANY (subscription.units))
            AND (subscription.sector IS NULL OR said.sector IS NULL OR subscription.sector = said.sector)
        LEFT JOIN agreement ON agreement.id = subscription.agreement_id
        WHERE agreement.id IS NULL
            OR (agreement.state = 'active' AND CAST(:today AS date) BETWEEN agreement.valid_from AND
            agreement.valid_until
                AND agreement.event_types && said.patterns
                AND (agreement.units IS NULL OR said.unit = ANY (agreement.units)))
        """
    )
)
_TO_THESE = text(
    _QUEUE.format(
        wanted="""
        SELECT said.id AS message_id, subscription.id, channel, place.at AS due_at
        FROM said JOIN jsonb_to_recordset(CAST(:places AS jsonb)) AS place (
            message_id uuid, subscription_id uuid, at timestamptz) ON place.message_id = said.id
        JOIN subscription ON subscription.id = place.subscription_id
        """
    )
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message goes, whatever the subscription wants otherwise, and from when on."""

    message_id: str
    subscription_id: str
    at: datetime


async def queue(connection: AsyncConnection, messages: Sequence[Message], now: datetime) -> list[Queued]:
    """Make messages durable, and a delivery to each organisation's subscription that wants them. Out: the new ones."""
    values = {"messages": _as_rows(messages), "now": now, "today": local_day(now)}
    return [Queued(*row) for row in await connection.execute(_TO_ALL_WHO_WANT_IT, values)]


async def queue_to(
    connection: AsyncConnection, messages: Sequence[Message], places: Sequence[Place], now: datetime
) -> list[Queued]:
    """Make messages durable, and their deliveries to these places. Out: the new ones."""
    if not places:
        return []
    to = [
        {"message_id": place.message_id, "subscription_id": place.subscription_id, "at": place.at} for place in places
    ]
    values = {"messages": _as_rows(messages), "places": orjson.dumps(to).decode(), "now": now}
    return [Queued(*row) for row in await connection.execute(_TO_THESE, values)]


def _as_rows(messages: Sequence[Message]) -> str:
    return orjson.dumps([_as_row(message) for message in messages]).decode()


def _as_row(message: Message) -> dict[str, Any]:
    happening = message.happening
    return {
        "id": happening.id,
        "event_type": happening.event_type,
        "unit": happening.unit,
        "case_id": happening.case_id,
        "due": happening.due,
        "occurred_at": happening.time,
        "sector": happening.sector,
        "patterns": [] if is_internal(happening.event_type) else candidates(happening.event_type),
        "body": message.body.decode(),
        "traceparent": message.traceparent,
        "case_code": happening.case_code,
    }


# One index probe a subscription: a backlog of one endpoint is never waded through to find the others' deliveries.
_LEASE = text(
    """
    WITH picked AS (
        SELECT due.id FROM unnest(CAST(:subscriptions AS uuid[]), CAST(:rooms AS integer[])) AS wanted (id, room)
        CROSS JOIN LATERAL (
            SELECT id FROM delivery
            WHERE subscription_id = wanted.id AND state = 'pending' AND due_at <= :now
            ORDER BY due_at LIMIT wanted.room FOR UPDATE SKIP LOCKED
        ) AS due
        LIMIT :most
    )
    UPDATE delivery SET due_at = :until, lease = lease + 1
    FROM picked, message
    WHERE delivery.id = picked.id AND message.id = delivery.message_id
    RETURNING delivery.id::text, delivery.subscription_id::text, delivery.lease, delivery.attempts,
              message.event_type, message.unit, message.case_id, message.due, message.body,
              CAST(:until AS timestamptz), message.traceparent, message.case_code
    """
)


async def lease(
    connection: AsyncConnection, rooms: Mapping[str, int], most: int, now: datetime, until: datetime
) -> list[Leased]:
    """Take at most `most` due deliveries, `rooms[subscription]` of each; nobody else gets them before `until`."""
    rows = await connection.execute(
        _LEASE, {"subscriptions": list(rooms), "rooms": list(rooms.values()), "most": most, "now": now, "until": until}
    )
    return [Leased(*row) for row in rows]


async def give_back(connection: AsyncConnection, jobs: Sequence[Leased], now: datetime) -> None:
    """End leases early: what a stopping worker has not tried is due again at once."""
    await connection.execute(
        text(
            """
            UPDATE delivery SET due_at = :now FROM unnest(CAST(:ids AS uuid[]), CAST(:leases AS integer[]))
                   AS held (id, lease)
            WHERE delivery.id = held.id AND delivery.lease = held.lease AND state = 'pending'
            """
        ),
        {"now": now, "ids": [job.id for job in jobs], "leases": [job.lease for job in jobs]},
    )


# A success counts even when the lease was lost meanwhile; any other result only while the lease is ours.
_SETTLE = text(
    """
    WITH result AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:leases AS integer[]), CAST(:states AS text[]),
                             CAST(:due AS timestamptz[]), CAST(:reasons AS text[]), CAST(:at AS timestamptz[]),
                             CAST(:outcomes AS text[]), CAST(:statuses AS integer[]), CAST(:durations AS integer[]),
                             CAST(:responses AS text[]))
             AS r (id, lease, state, due_at, reason, at, outcome, status, duration_ms, response)
    ), settled AS (
        UPDATE delivery SET
            state = r.state, due_at = COALESCE(r.due_at, delivery.due_at), attempts = delivery.attempts + 1,
            reason = r.reason, settled_at = CASE WHEN r.state = 'pending' THEN NULL ELSE CAST(:now AS timestamptz) END,
            sequence = delivery.sequence + CASE WHEN r.state = 'pending' THEN 0 ELSE 1 END
        FROM result r
        WHERE delivery.id = r.id AND delivery.state = 'pending' AND (delivery.lease = r.lease OR r.state = 'succeeded')
        RETURNING delivery.id, delivery.attempts, delivery.sequence
    ), logged AS (
        INSERT INTO attempt (delivery_id, at, number, outcome, status, duration_ms, response, reason)
        SELECT r.id, r.at, settled.attempts, r.outcome, r.status, r.duration_ms, r.response, r.reason
        FROM result r JOIN settled ON settled.id = r.id
    )
    SELECT id::text, attempts, sequence FROM settled
    """
)


async def settle(connection: AsyncConnection, results: Sequence[Result], now: datetime) -> dict[str, Settled]:
    """Take results over and log the attempts. Out: those that counted, by delivery."""
    # The same order everywhere, so that two replicas cannot deadlock on each other's rows.
    ordered = sorted(results, key=lambda result: result.job.id)
    rows = await connection.execute(
        _SETTLE,
        {
            "now": now,
            "ids": [result.job.id for result in ordered],
            "leases": [result.job.lease for result in ordered],
            "states": [result.verdict.state for result in ordered],
            "due": [result.verdict.due_at for result in ordered],
            "reasons": [result.sent.reason for result in ordered],
            "at": [result.at for result in ordered],
            "outcomes": [result.sent.outcome for result in ordered],
            "statuses": [result.sent.status for result in ordered],
            "durations": [result.sent.duration_ms for result in ordered],
            "responses": [result.sent.response for result in ordered],
        },
    )
    return {row.id: Settled(*row) for row in rows}
