"""Deliveries beside a long history: what sending them, and a page of their log, costs with few rows and with many.

The history is made in the database itself, spread over the weeks that are kept, as partitions hold it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import Result
from bench._webhooks import CASE, Partners, Receivers, receivers
from services.notify.store import log, partitions
from shared.reference.delivering import Delivering
from tests.support.platform import parts

NAME = "delivery-growth"
_ENDPOINTS = 20
_WARMING = 200  # messages
_LOOKS = 20
_HISTORY = """
    WITH said AS (
        INSERT INTO message (id, at, event_type, unit, case_id, body)
        SELECT gen_random_uuid(), $1::timestamptz + number * interval '1 millisecond', 'cases.case.opened', '05443', $2,
               convert_to(repeat('x', 400), 'UTF8')
        FROM generate_series(1, $3::integer) AS number RETURNING id, at
    )
    INSERT INTO delivery_settled (id, endpoint_id, message_id, message_at, state, position, attempts, sequence,
                                  created_at, due_at, settled_at, outcome, status, duration_ms, response)
    SELECT gen_random_uuid(), endpoint, said.id, said.at, 'succeeded', 0, 1, 2,
           said.at, said.at, said.at, 'taken', 200, 3, ''
    FROM said CROSS JOIN unnest($4::uuid[]) AS endpoint
"""


async def run(quick: bool) -> list[Result]:
    """The same deliveries and the same page, before and after the history is there."""
    rows, messages = (1_000_000, 500) if quick else (10_000_000, 2500)
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as name:
        async with receivers() as ends, parts(Path(name), ("notify",)) as stack:
            partners = Partners(stack)
            targets = await partners.add(ends.urls(_ENDPOINTS))
            await _deliver(partners, ends, targets, _WARMING)
            few = await _deliver(partners, ends, targets, messages)
            page_few = await _quickest(partners, targets[0])
            await _remember(partners, targets, rows)
            await _deliver(partners, ends, targets, _WARMING)
            many = await _deliver(partners, ends, targets, messages)
            page_many = await _quickest(partners, targets[0])
            await partners.close()
    what = f"{rows:,} settled deliveries"
    return [
        Result(
            NAME,
            f"{messages * _ENDPOINTS:,} deliveries beside {what}",
            many,
            "deliveries/s",
            {"with few": few},
            {"with few": many / few},
            "≥ 0.9×",
            many / few >= 0.9,
        ),
        Result(
            NAME,
            f"a page of the log beside {what}",
            page_many * 1000,
            "ms",
            {"with few": page_few * 1000},
            {"with few": page_few / page_many},
            "≤ 50 ms",
            page_many <= 0.05,
        ),
    ]


async def _deliver(partners: Partners, ends: Receivers, targets: list[str], messages: int) -> float:
    """Queued and received, a second."""
    await ends.report()
    began = time.perf_counter()
    await partners.queue(messages, targets)
    arrived = await ends.until(messages * len(targets))
    return arrived.count / (time.perf_counter() - began)


async def _remember(partners: Partners, targets: list[str], rows: int) -> None:
    limits = Delivering.load().on(datetime.now(UTC))
    weeks = range(1, limits.keep_days // limits.partition_days)
    each = rows // len(targets) // len(weeks)
    for week in weeks:
        at = datetime.now(UTC) - timedelta(days=week * limits.partition_days)
        async with partners.database.transaction() as connection:
            await partitions.ensure(connection, at, limits.partition_days)
            await partitions.ensure(connection, at + timedelta(milliseconds=each), limits.partition_days)
        async with partners.database.transaction() as connection:
            await connection.exec_driver_sql(_HISTORY, (at, CASE, each, targets))
    async with partners.database.transaction() as connection:
        await connection.exec_driver_sql("ANALYZE message, delivery")


async def _quickest(partners: Partners, endpoint: str) -> float:
    """Seconds of the quickest of some looks at a page's queries."""

    async def page() -> None:
        async with partners.database.transaction() as connection:
            found = await log.entries(connection, endpoint, limit=51)
            await log.entries(connection, endpoint, log.Sought("failed"), 51)
            await log.entry(connection, found[0].id)
            await log.figures(connection, endpoint, datetime.now(UTC))

    return min([await _seconds(page) for _ in range(_LOOKS)])


async def _seconds(act: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await act()
    return time.perf_counter() - began
