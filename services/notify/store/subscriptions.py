"""Who wants to hear what: subscriptions, each of which leads to an endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import CircuitState, EndpointState, Happening, candidates, is_internal
from shared.reference.calendar import local_day


@dataclass(frozen=True, slots=True)
class Subscription:
    """What an endpoint is to hear of."""

    id: str
    endpoint_id: str
    patterns: list[str]
    units: list[str] | None
    sector: str | None
    created_at: datetime
    agreement_id: str | None = None


async def add(connection: AsyncConnection, row: Mapping[str, Any]) -> None:
    """Keep a new subscription."""
    await connection.execute(
        text(
            """
            INSERT INTO subscription (id, endpoint_id, patterns, units, sector, agreement_id, created_at)
            VALUES (CAST(:id AS uuid), CAST(:endpoint_id AS uuid), CAST(:patterns AS text[]), CAST(:units AS text[]),
                    :sector, CAST(:agreement_id AS uuid), :now)
            """
        ),
        {"agreement_id": None, **row},
    )


async def of_endpoints(connection: AsyncConnection, endpoint_ids: Sequence[str]) -> list[Subscription]:
    """What endpoints are to hear of, oldest first."""
    rows = await connection.execute(
        text(
            """
            SELECT id::text, endpoint_id::text, patterns, units, sector, created_at, agreement_id::text FROM
            subscription WHERE endpoint_id = ANY (CAST(:ids AS uuid[])) ORDER BY created_at, id
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


# Paused and disabled endpoints queue too: what is said to a partner waits for them. Within an agreement nothing is said
# outside it; how people are called is decided by what they chose (`people.contacts`).
_WISHES = text(
    """
    WITH said AS (
        SELECT * FROM jsonb_to_recordset(CAST(:said AS jsonb))
                      AS said (id uuid, unit text, everywhere boolean, places text[], sector text, patterns text[])
    )
    SELECT DISTINCT ON (said.id, endpoint.id) said.id::text, subscription.id::text, endpoint.id::text
    FROM said JOIN subscription ON subscription.patterns && said.patterns
        AND (subscription.units IS NULL OR said.unit = ANY (subscription.units) OR said.everywhere
             OR said.places && subscription.units)
        AND (subscription.sector IS NULL OR said.sector IS NULL OR subscription.sector = said.sector)
    JOIN endpoint ON endpoint.id = endpoint_id AND endpoint.state <> 'deleted' AND endpoint.person IS NULL
    LEFT JOIN agreement ON agreement.id = subscription.agreement_id
    WHERE agreement.id IS NULL OR (
        agreement.state = 'active' AND CAST(:today AS date) BETWEEN agreement.valid_from AND agreement.valid_until
        AND agreement.event_types && said.patterns AND (
            agreement.units IS NULL OR said.unit = ANY (agreement.units) OR said.everywhere
            OR said.places && agreement.units))
    ORDER BY said.id, endpoint.id, subscription.created_at, subscription.id
    """
)


async def wishes(connection: AsyncConnection, happenings: Sequence[Happening], now: datetime) -> list[Wish]:
    """Which endpoints of organisations want, and may, hear of which happenings, each once."""
    said = [
        {
            "id": happening.id,
            "unit": happening.unit,
            "everywhere": happening.places is None,
            "places": list(happening.places or ()),
            "sector": happening.sector,
            "patterns": candidates(happening.event_type),
        }
        for happening in happenings
        if not is_internal(happening.event_type)
    ]
    if not said:
        return []
    rows = await connection.execute(_WISHES, {"said": orjson.dumps(said).decode(), "today": local_day(now)})
    return [Wish(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class OfOrganisation:
    """A subscription of an organisation, with its endpoint and how that does."""

    id: str
    org: str
    channel: str
    endpoint_id: str
    name: str
    state: EndpointState
    circuit: CircuitState
    proven: bool
    patterns: tuple[str, ...]
    units: tuple[str, ...] | None
    sector: str | None
    agreement_id: str | None


async def of_organisations(connection: AsyncConnection) -> list[OfOrganisation]:
    """All that organisations have, whoever would be told by them."""
    rows = await connection.execute(
        text(
            """SELECT s.id::text, e.org, e.channel, e.id::text, e.name, e.state, e.circuit,
                      e.verified_at IS NOT NULL, s.patterns, s.units, s.sector, s.agreement_id::text
               FROM subscription s JOIN endpoint e ON e.id = s.endpoint_id
               WHERE e.org IS NOT NULL AND e.state <> 'deleted' ORDER BY e.org, s.id"""
        )
    )
    return [_of_organisation(row) for row in rows]


def _of_organisation(row: Any) -> OfOrganisation:
    identifier, org, channel, endpoint, name, state, circuit, proven, patterns, units, sector, agreement = row
    wanted = None if units is None else tuple(units)
    return OfOrganisation(
        identifier, org, channel, endpoint, name, state, circuit, proven, tuple(patterns), wanted, sector, agreement
    )
