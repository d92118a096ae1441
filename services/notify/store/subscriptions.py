"""Who wants to hear what: subscriptions, each of which leads to an endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import Happening, candidates, is_internal


@dataclass(frozen=True, slots=True)
class Subscription:
    """What an endpoint is to hear of."""

    id: str
    endpoint_id: str
    patterns: list[str]
    units: list[str] | None
    sector: str | None
    created_at: datetime


async def add(connection: AsyncConnection, row: Mapping[str, Any]) -> None:
    """Keep a new subscription."""
    await connection.execute(
        text(
            """
            INSERT INTO subscription (id, endpoint_id, patterns, units, sector, created_at)
            VALUES (CAST(:id AS uuid), CAST(:endpoint_id AS uuid), CAST(:patterns AS text[]), CAST(:units AS text[]),
                    :sector, :now)
            """
        ),
        row,
    )


async def of_endpoints(connection: AsyncConnection, endpoint_ids: Sequence[str]) -> list[Subscription]:
    """What endpoints are to hear of, oldest first."""
    rows = await connection.execute(
        text(
            """
            SELECT id::text, endpoint_id::text, patterns, units, sector, created_at FROM subscription
            WHERE endpoint_id = ANY (CAST(:ids AS uuid[])) ORDER BY created_at, id
            """
        ),
        {"ids": list(endpoint_ids)},
    )
    return [Subscription(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Wish:
    """That a happening is wanted at an endpoint, and by which subscription."""

    happening_id: str
    subscription_id: str
    endpoint_id: str


# Paused and disabled endpoints queue too: what is said to a partner waits for them.
_WISHES = text(
    """
    WITH said AS (
        SELECT * FROM jsonb_to_recordset(CAST(:said AS jsonb))
                      AS said (id uuid, unit text, sector text, patterns text[])
    )
    SELECT DISTINCT ON (said.id, endpoint.id) said.id::text, subscription.id::text, endpoint.id::text
    FROM said JOIN subscription ON subscription.patterns && said.patterns
        AND (units IS NULL OR said.unit = ANY (units))
        AND (subscription.sector IS NULL OR said.sector IS NULL OR subscription.sector = said.sector)
    JOIN endpoint ON endpoint.id = endpoint_id AND endpoint.state <> 'deleted'
    ORDER BY said.id, endpoint.id, subscription.created_at, subscription.id
    """
)


async def wishes(connection: AsyncConnection, happenings: Sequence[Happening]) -> list[Wish]:
    """Which endpoints want to hear of which happenings, each once."""
    said = [
        {
            "id": happening.id,
            "unit": happening.unit,
            "sector": happening.sector,
            "patterns": candidates(happening.event_type),
        }
        for happening in happenings
        if not is_internal(happening.event_type)
    ]
    rows = await connection.execute(_WISHES, {"said": orjson.dumps(said).decode()}) if said else ()
    return [Wish(*row) for row in rows]
