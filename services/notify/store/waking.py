"""Channels of PostgreSQL's NOTIFY: who listens learns at commit that there is something to do."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Due deliveries, changed subscriptions, new notices (payload: the audience).
WAKE: Final = "notify_due"
CHANGED: Final = "notify_changed"
NOTICED: Final = "notify_noticed"


async def changed_for(connection: AsyncConnection, audiences: Collection[str]) -> None:
    """Tell replicas at commit that what some audiences see in their inbox has changed, without a new notice."""
    await connection.execute(
        text("SELECT pg_notify(:channel, audience) FROM unnest(CAST(:audiences AS text[])) AS t (audience)"),
        {"channel": NOTICED, "audiences": sorted(audiences)},
    )


async def wake(connection: AsyncConnection, channel: str) -> None:
    """Tell listening replicas at commit. New deliveries and notices do so by themselves, by trigger."""
    await connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": channel})
