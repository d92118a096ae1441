"""Agencies' incidents as counted. Where one happened is a code; words for it lie here sealed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import SealedBox


@dataclass(frozen=True, slots=True)
class Incident:
    """An agency's incident as counted."""

    id: str
    kind: str
    outcome: str
    place_code: str | None
    unit: str
    sex: str
    age_band: str
    sector: str
    occurred_on: date
    sequence: int
    place_words: SealedBox | None = None


_INCIDENT = tuple(field.name for field in fields(Incident))
_VALUES = ", ".join("CAST(:place_words AS jsonb)" if name == "place_words" else f":{name}" for name in _INCIDENT)
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in _INCIDENT if name not in ("id", "sequence"))
_SAVE = text(
    f"""INSERT INTO incident ({", ".join(_INCIDENT)}) VALUES ({_VALUES})
        ON CONFLICT (id) DO UPDATE SET {_CHANGES}, place = NULL, sequence = incident.sequence + 1
        RETURNING sequence"""
)


async def save_incident(connection: AsyncConnection, incident: Incident) -> int:
    """Write an incident, first or corrected. Out: its sequence."""
    values = {name: getattr(incident, name) for name in _INCIDENT} | {"place_words": _json(incident.place_words)}
    sequence: int = (await connection.execute(_SAVE, values)).scalar_one()
    return sequence


async def find_incident(connection: AsyncConnection, incident_id: str) -> Incident | None:
    """By its id, without the words for where it was: they are sealed."""
    names = [name for name in _INCIDENT if name != "place_words"]
    row = await connection.execute(text(f"SELECT {', '.join(names)} FROM incident WHERE id = :id"), {"id": incident_id})
    found = row.one_or_none()
    return None if found is None else Incident(**found._mapping)


async def places_in_clear(connection: AsyncConnection, limit: int) -> list[tuple[str, str]]:
    """Incidents, locked, whose place still lies here in the sender's words: id and words."""
    rows = await connection.execute(
        text("SELECT id, place FROM incident WHERE place IS NOT NULL LIMIT :limit FOR UPDATE SKIP LOCKED"),
        {"limit": limit},
    )
    return [(row.id, row.place) for row in rows]


async def settle_place(
    connection: AsyncConnection, incident_id: str, code: str | None, words: SealedBox | None
) -> None:
    """A place that lay in clear is a code from now, its words sealed where no code says the same; one that its sender
    said anew meanwhile stays."""
    await connection.execute(
        text(
            """UPDATE incident SET place = NULL, place_code = coalesce(place_code, :code),
               place_words = coalesce(place_words, CAST(:words AS jsonb)) WHERE id = :id"""
        ),
        {"id": incident_id, "code": code, "words": _json(words)},
    )


def _json(box: SealedBox | None) -> str | None:
    return None if box is None else box.model_dump_json()
