"""The delivery log: what was sent to an endpoint and what it said. And the operators' figures.

Every query is bounded by an index: a long history costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import CircuitState, DeliveryState

_MOST_COUNTED = 100_000
# Of an endpoint `e`: nothing is sent there now, whatever is due.
_HELD = "(e.state <> 'active' OR e.circuit <> 'closed' OR COALESCE(e.retry_at > :now, false))"

# Of what waits, `few`, for an endpoint `e`: it could be sent now.
_DUE = f"(few.due_at <= :now AND NOT few.blocked AND NOT {_HELD})"


@dataclass(frozen=True, slots=True)
class Entry:
    """One delivery with what was last said of it. `blocked`: it waits for an earlier one of its case to arrive."""

    id: str
    event_type: str
    unit: str | None
    case_id: str | None
    state: DeliveryState
    attempts: int
    reason: str | None
    created_at: datetime
    due_at: datetime
    settled_at: datetime | None
    body: bytes
    case_code: str | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class LoggedAttempt:
    """One attempt."""

    at: datetime
    number: int
    outcome: str
    status: int | None
    duration_ms: int
    response: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Figures:
    """How an endpoint has done since a time: attempts that succeeded and failed, what waits, how long they took."""

    succeeded: int
    failed: int
    waiting: int
    slowest_ms: int | None
    typical_ms: int | None


_ENTRY = """d.id::text, m.event_type, m.unit, m.case_id, d.state, d.attempts, d.reason, d.created_at, d.due_at,
            d.settled_at, COALESCE(d.body, m.body), m.case_code, d.blocked"""
_MESSAGE = "JOIN message m ON m.id = d.message_id AND m.at = d.message_at"


@dataclass(frozen=True, slots=True)
class Sought:
    """Which lines of the log somebody wants: of a state, an event type, queued from a moment on and before another."""

    state: DeliveryState | None = None
    event_type: str | None = None
    since: datetime | None = None
    before: datetime | None = None


ANY = Sought()


# A type of which there are no more messages than these is rare: its deliveries are found by them.
_RARE = 2000
_FOUND = """
    endpoint_id = CAST(:id AS uuid)
    AND created_at < COALESCE(CAST(:before AS timestamptz), 'infinity')
    AND created_at >= COALESCE(CAST(:since AS timestamptz), '-infinity')"""
_NEWEST = "ORDER BY d.created_at DESC, d.id"


async def entries(connection: AsyncConnection, endpoint_id: str, sought: Sought = ANY, limit: int = 50) -> list[Entry]:
    """Deliveries of one endpoint, newest first."""
    values: dict[str, object] = {"id": endpoint_id, "before": sought.before, "since": sought.since, "limit": limit}
    found = _FOUND
    if sought.state is not None:  # leaves out the partitions of the other states
        found, values["state"] = f"{found} AND state = :state", sought.state
    if sought.event_type is None:
        # The few lines are found before their messages are looked up.
        few = f"SELECT * FROM delivery AS d WHERE {found} {_NEWEST} LIMIT :limit"
        statement = f"SELECT {_ENTRY} FROM ({few}) AS d {_MESSAGE} {_NEWEST}"
    elif (rare := await _messages_of(connection, sought.event_type)) is not None:
        if not rare:
            return []
        moments = [at for _, at in rare]
        values |= {"messages": [identifier for identifier, _ in rare], "first": min(moments), "last": max(moments)}
        statement = f"""SELECT {_ENTRY} FROM delivery AS d {_MESSAGE}
            WHERE {found} AND d.message_id = ANY (CAST(:messages AS uuid[])) AND d.message_at BETWEEN :first AND :last
            {_NEWEST} LIMIT :limit"""
    else:
        # Line by line, newest first: enough of them are found soon. The offset keeps it so.
        values["event_type"] = sought.event_type
        statement = f"""SELECT {_ENTRY} FROM (SELECT * FROM delivery AS d WHERE {found} {_NEWEST}) AS d
            CROSS JOIN LATERAL (
                SELECT * FROM message WHERE id = d.message_id AND at = d.message_at AND event_type = :event_type
                OFFSET 0
            ) AS m {_NEWEST} LIMIT :limit"""
    rows = await connection.execute(text(statement), values)
    return [Entry(*row) for row in rows]


async def _messages_of(connection: AsyncConnection, event_type: str) -> list[tuple[str, datetime]] | None:
    """The messages of a type; None where there are many."""
    rows = await connection.execute(
        text("SELECT id::text, at FROM message WHERE event_type = :event_type LIMIT :most"),
        {"event_type": event_type, "most": _RARE + 1},
    )
    found = [(row.id, row.at) for row in rows]
    return found if len(found) <= _RARE else None


async def entry(connection: AsyncConnection, delivery_id: str) -> tuple[str, Entry] | None:
    """One delivery and its endpoint's id."""
    rows = await connection.execute(
        text(f"SELECT d.endpoint_id::text, {_ENTRY} FROM delivery d {_MESSAGE} WHERE d.id = CAST(:id AS uuid)"),
        {"id": delivery_id},
    )
    row = rows.first()
    return None if row is None else (row[0], Entry(*row[1:]))


async def attempts(connection: AsyncConnection, delivery_id: str) -> list[LoggedAttempt]:
    """The attempts of one delivery, in order: those that settled nothing, and the one that settled it."""
    rows = await connection.execute(
        text(
            """
            SELECT at, number, outcome, status, duration_ms, response, reason FROM attempt
            WHERE delivery_id = CAST(:id AS uuid)
            UNION ALL
            SELECT settled_at, attempts, outcome, status, duration_ms, response, reason FROM delivery_settled
            WHERE id = CAST(:id AS uuid) AND outcome IS NOT NULL AND outcome <> 'expired'
            ORDER BY 1
            """
        ),
        {"id": delivery_id},
    )
    return [LoggedAttempt(*row) for row in rows]


async def figures(connection: AsyncConnection, endpoint_id: str, now: datetime) -> Figures:
    """The last 24 hours of one endpoint."""
    rows = await connection.execute(
        text(
            f"""
            SELECT COALESCE(sum(succeeded), 0), COALESCE(sum(failed), 0),
                   (SELECT count(*) FROM (SELECT FROM delivery_pending WHERE endpoint_id = CAST(:id AS uuid)
                                          LIMIT {_MOST_COUNTED}) AS waiting),
                   max(slowest_ms), sum(total_ms) / NULLIF(sum(succeeded + failed), 0)
            FROM endpoint_hour WHERE endpoint_id = CAST(:id AS uuid) AND hour > :since
            """
        ),
        {"id": endpoint_id, "since": now - timedelta(hours=24)},
    )
    row = rows.one()
    return Figures(int(row[0]), int(row[1]), row[2], row[3], None if row[4] is None else int(row[4]))


@dataclass(frozen=True, slots=True)
class Hour:
    """How an endpoint did in one hour."""

    hour: datetime
    succeeded: int
    failed: int
    typical_ms: int
    slowest_ms: int


async def hours(connection: AsyncConnection, endpoint_id: str, since: datetime) -> list[Hour]:
    """How an endpoint did since a time, hour by hour, oldest first; an hour without attempts is left out."""
    rows = await connection.execute(
        text(
            """
            SELECT hour, succeeded, failed, (total_ms / GREATEST(succeeded + failed, 1))::integer, slowest_ms
            FROM endpoint_hour WHERE endpoint_id = CAST(:id AS uuid) AND hour >= :since ORDER BY hour
            """
        ),
        {"id": endpoint_id, "since": since},
    )
    return [Hour(*row) for row in rows]


@dataclass(slots=True)
class Tally:
    """Attempts at one endpoint that are not yet in its hours; counted up."""

    endpoint_id: str
    hour: datetime
    succeeded: int = 0
    failed: int = 0
    total_ms: int = 0
    slowest_ms: int = 0


async def tally(connection: AsyncConnection, tallies: list[Tally]) -> None:
    """Add attempts to the hours of their endpoints."""
    ordered = sorted(tallies, key=lambda one: (one.endpoint_id, one.hour))
    await connection.execute(
        text(
            """
            INSERT INTO endpoint_hour AS h (endpoint_id, hour, succeeded, failed, total_ms, slowest_ms)
            SELECT * FROM unnest(CAST(:endpoints AS uuid[]), CAST(:hours AS timestamptz[]),
                                 CAST(:succeeded AS integer[]), CAST(:failed AS integer[]), CAST(:total AS bigint[]),
                                 CAST(:slowest AS integer[]))
            ON CONFLICT (endpoint_id, hour) DO UPDATE SET
                succeeded = h.succeeded + excluded.succeeded, failed = h.failed + excluded.failed,
                total_ms = h.total_ms + excluded.total_ms, slowest_ms = GREATEST(h.slowest_ms, excluded.slowest_ms)
            """
        ),
        {
            "endpoints": [one.endpoint_id for one in ordered],
            "hours": [one.hour for one in ordered],
            "succeeded": [one.succeeded for one in ordered],
            "failed": [one.failed for one in ordered],
            "total": [one.total_ms for one in ordered],
            "slowest": [one.slowest_ms for one in ordered],
        },
    )


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits, for operators; counting stops at 100,000. And attempts of this hour and the one before.

    `due` is what could be sent now; `waiting`, what is tried later, or after an earlier one of its case, with what is
    `held` for an endpoint that is left in peace, paused or switched off.
    """

    due: int
    waiting: int
    held: int
    oldest_due: datetime | None
    succeeded: int
    failed: int


async def queue(connection: AsyncConnection, now: datetime) -> Queue:
    """Depth of the queue now, and how attempts went lately."""
    rows = await connection.execute(
        text(
            f"""
            WITH waiting AS (
                SELECT few.due_at, {_DUE} AS due, {_HELD} AS held
                FROM (SELECT endpoint_id, due_at, blocked FROM delivery_pending LIMIT {_MOST_COUNTED}) AS few
                JOIN endpoint e ON e.id = few.endpoint_id
            )
            SELECT count(*) FILTER (WHERE due), count(*) FILTER (WHERE NOT due), count(*) FILTER (WHERE held),
                   min(due_at) FILTER (WHERE due),
                   (SELECT COALESCE(sum(succeeded), 0) FROM endpoint_hour WHERE hour > :since),
                   (SELECT COALESCE(sum(failed), 0) FROM endpoint_hour WHERE hour > :since)
            FROM waiting
            """
        ),
        {"now": now, "since": now - timedelta(hours=2)},
    )
    row = rows.one()
    return Queue(row[0], row[1], row[2], row[3], int(row[4]), int(row[5]))


@dataclass(frozen=True, slots=True)
class Trouble:
    """An endpoint that fails, is disabled or lags; its address is not the operators' business."""

    id: str
    name: str
    org: str | None
    channel: str
    state: str
    failing_since: datetime | None
    waiting: int
    circuit: CircuitState
    retry_at: datetime | None
    verified_at: datetime | None


async def troubles(connection: AsyncConnection, limit: int = 100) -> list[Trouble]:
    """Failing and disabled endpoints, and those with the longest queues."""
    rows = await connection.execute(
        text(
            """
            WITH waiting AS (
                SELECT endpoint_id, count(*) AS n
                FROM (SELECT endpoint_id FROM delivery_pending LIMIT :most) AS few GROUP BY endpoint_id
            )
            SELECT e.id::text, e.name, e.org, e.channel, e.state, e.failing_since, COALESCE(w.n, 0),
                   e.circuit, e.retry_at, e.verified_at
            FROM endpoint e LEFT JOIN waiting w ON w.endpoint_id = e.id
            WHERE e.state <> 'deleted' AND (e.failing_since IS NOT NULL OR e.state = 'disabled' OR w.n > 0
                                            OR e.circuit <> 'closed')
            ORDER BY (e.state = 'disabled') DESC, e.failing_since NULLS LAST, w.n DESC NULLS LAST LIMIT :limit
            """
        ),
        {"limit": limit, "most": _MOST_COUNTED},
    )
    return [Trouble(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class ChannelQueue:
    """What waits for one channel: what could be sent now, and the rest, what is held for its endpoint too."""

    channel: str
    due: int
    waiting: int
    oldest_due: datetime | None


async def by_channel(connection: AsyncConnection, now: datetime) -> list[ChannelQueue]:
    """What waits for each channel that has endpoints; counting stops at 100,000."""
    rows = await connection.execute(
        text(
            f"""
            SELECT e.channel, COALESCE(sum(w.due), 0)::integer, COALESCE(sum(w.waiting), 0)::integer, min(w.oldest)
            FROM endpoint e LEFT JOIN (
                SELECT few.endpoint_id, count(*) FILTER (WHERE {_DUE}) AS due,
                       count(*) FILTER (WHERE NOT {_DUE}) AS waiting, min(few.due_at) FILTER (WHERE {_DUE}) AS oldest
                FROM (SELECT endpoint_id, due_at, blocked FROM delivery_pending LIMIT {_MOST_COUNTED}) AS few
                JOIN endpoint e ON e.id = few.endpoint_id GROUP BY few.endpoint_id
            ) AS w ON w.endpoint_id = e.id
            WHERE e.state <> 'deleted' GROUP BY e.channel ORDER BY e.channel
            """
        ),
        {"now": now},
    )
    return [ChannelQueue(*row) for row in rows]
