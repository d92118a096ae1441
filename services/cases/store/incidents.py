"""Agencies' incidents as counted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Incident:
    """An agency's incident as counted."""

    id: str
    kind: str
    outcome: str
    place: str | None
    unit: str
    sex: str
    age_band: str
    sector: str
    occurred_on: date
    sequence: int


async def save_incident(connection: AsyncConnection, incident: Incident) -> int:
    """Write an incident, first or corrected. Out: its sequence."""
    values = asdict(incident)
    names = ", ".join(values)
    changes = ", ".join(f"{name} = excluded.{name}" for name in values if name not in ("id", "sequence"))
    found = await connection.execute(
        text(
            f"""INSERT INTO incident ({names}) VALUES ({", ".join(f":{name}" for name in values)})
                ON CONFLICT (id) DO UPDATE SET {changes}, sequence = incident.sequence + 1 RETURNING sequence"""
        ),
        values,
    )
    sequence: int = found.scalar_one()
    return sequence
