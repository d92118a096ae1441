"""Ladders of emergencies, whom each called, and which links were used."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.ladder import Ladder
from shared.database.statements import text

_NAMES = tuple(field.name for field in fields(Ladder))
_SELECT = ", ".join(f"{name}::text" if name in {"id", "message_id"} else name for name in _NAMES)
# Replicas' clocks differ by less.
_SOON = timedelta(minutes=1)
_SAVE = text(
    f"""
    INSERT INTO ladder ({", ".join(_NAMES)}, case_code)
    VALUES ({", ".join(f"CAST(:{name} AS uuid)" if name in {"id", "message_id"} else f":{name}" for name in _NAMES)},
            :case_code)
    ON CONFLICT (id) DO UPDATE SET
        {
        ", ".join(
            f"{name} = excluded.{name}" for name in _NAMES if name not in {"id", "code", "message_id", "began_at"}
        )
    }, case_code = COALESCE(excluded.case_code, ladder.case_code)
    """
)


@dataclass(frozen=True, slots=True)
class CallRow:
    """Somebody who was called on a step. `used_at`: when the link that went to them was used."""

    id: str
    ladder_id: str
    step: int
    round: int
    role: str
    person: str
    instead_of: str | None
    channels: tuple[str, ...]
    called_at: datetime
    until: datetime
    used_at: datetime | None = None


async def save(connection: AsyncConnection, ladder: Ladder, case_code: str | None = None) -> None:
    """Keep a ladder as it is now."""
    await connection.execute(_SAVE, {**{name: getattr(ladder, name) for name in _NAMES}, "case_code": case_code})


async def exists(connection: AsyncConnection, identifiers: Collection[str]) -> set[str]:
    """Which of some ladders there are; whoever begins one waits for another that does so at the same time."""
    ordered = sorted(identifiers)
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(id, 13)) FROM unnest(CAST(:ids AS text[])) AS t (id)"),
        {"ids": ordered},
    )
    rows = await connection.execute(
        text("SELECT id::text FROM ladder WHERE id = ANY (CAST(:ids AS uuid[]))"), {"ids": ordered}
    )
    return {row.id for row in rows}


async def find(connection: AsyncConnection, identifier: str, *, lock: bool = False) -> Ladder | None:
    """One ladder, held until the transaction ends where it is to be changed."""
    rows = await connection.execute(
        text(f"SELECT {_SELECT} FROM ladder WHERE id = CAST(:id AS uuid)" + (" FOR UPDATE" if lock else "")),
        {"id": identifier},
    )
    row = rows.first()
    return Ladder(*row) if row else None


async def open_ones(connection: AsyncConnection, identifiers: Collection[str]) -> set[str]:
    """Which of some ladders still wait for somebody to acknowledge."""
    rows = await connection.execute(
        text(
            """SELECT id::text FROM ladder
               WHERE id = ANY (CAST(:ids AS uuid[])) AND state IN ('open', 'exhausted')"""
        ),
        {"ids": sorted(identifiers)},
    )
    return {row.id for row in rows}


async def due(connection: AsyncConnection, now: datetime, limit: int) -> list[Ladder]:
    """Open ladders on which something is to be done now, held; what others hold is left to them."""
    rows = await connection.execute(
        text(
            f"""SELECT {_SELECT} FROM ladder WHERE next_at <= :now ORDER BY next_at LIMIT :limit
                FOR UPDATE SKIP LOCKED"""
        ),
        {"now": now, "limit": limit},
    )
    return [Ladder(*row) for row in rows]


async def believe_clock(connection: AsyncConnection, gaps: Mapping[str, timedelta], now: datetime) -> None:
    """What is to be done later than any step of its ladder waits, for a clock was wrong then, is to be done now."""
    await connection.execute(
        text(
            """UPDATE ladder SET next_at = :now, began_at = LEAST(began_at, :now)
               FROM unnest(CAST(:codes AS text[]), CAST(:latest AS timestamptz[])) AS g (code, latest)
               WHERE ladder.code = g.code AND next_at > g.latest"""
        ),
        {"codes": list(gaps), "latest": [now + gap + _SOON for gap in gaps.values()], "now": now},
    )


async def next_moment(connection: AsyncConnection) -> datetime | None:
    """When something is to be done next."""
    moment: datetime | None = (await connection.execute(text("SELECT min(next_at) FROM ladder"))).scalar_one()
    return moment


async def about(connection: AsyncConnection, cases: Collection[str], concerns: Collection[str]) -> list[Ladder]:
    """Open ladders of some cases and reports, held until the transaction ends."""
    if not cases and not concerns:
        return []
    rows = await connection.execute(
        text(
            f"""SELECT {_SELECT} FROM ladder
                WHERE state IN ('open', 'exhausted') AND (case_id = ANY (CAST(:cases AS text[]))
                                                         OR concern_id = ANY (CAST(:concerns AS text[])))
                ORDER BY id FOR UPDATE"""
        ),
        {"cases": sorted(cases), "concerns": sorted(concerns)},
    )
    return [Ladder(*row) for row in rows]


async def note_calls(connection: AsyncConnection, calls: Sequence[CallRow]) -> None:
    """Keep whom a step called."""
    if calls:
        await connection.execute(
            text(
                """INSERT INTO ladder_call (id, ladder_id, step, round, role, person, instead_of, channels, called_at,
                                            until)
                   VALUES (CAST(:id AS uuid), CAST(:ladder_id AS uuid), :step, :round, :role, :person, :instead_of,
                           CAST(:channels AS text[]), :called_at, :until) ON CONFLICT (id) DO NOTHING"""
            ),
            [
                {
                    **{field.name: getattr(call, field.name) for field in fields(call) if field.name != "used_at"},
                    "channels": list(call.channels),
                }
                for call in calls
            ],
        )


async def calls_of(connection: AsyncConnection, ladder_id: str) -> list[CallRow]:
    """Whom a ladder called, in order."""
    rows = await connection.execute(
        text(f"SELECT {_CALL} FROM ladder_call WHERE ladder_id = CAST(:id AS uuid) ORDER BY called_at, id"),
        {"id": ladder_id},
    )
    return [_call(row) for row in rows]


async def call(connection: AsyncConnection, identifier: str) -> CallRow | None:
    """One call."""
    rows = await connection.execute(
        text(f"SELECT {_CALL} FROM ladder_call WHERE id = CAST(:id AS uuid)"), {"id": identifier}
    )
    row = rows.first()
    return _call(row) if row else None


async def use_call(connection: AsyncConnection, identifier: str, now: datetime) -> bool:
    """A link is used: out: whether it is the first time."""
    rows = await connection.execute(
        text("UPDATE ladder_call SET used_at = :now WHERE id = CAST(:id AS uuid) AND used_at IS NULL RETURNING 1"),
        {"id": identifier, "now": now},
    )
    return rows.first() is not None


async def last_sms_to(connection: AsyncConnection, people: Collection[str], now: datetime) -> CallRow | None:
    """The newest call by SMS to any of some people who share an address: what a reply answers. None where there is
    none, or where that one's ladder has ended."""
    rows = await connection.execute(
        text(
            f"""SELECT {_CALL_OF}, l.state FROM ladder_call AS c JOIN ladder AS l ON l.id = c.ladder_id
                WHERE c.person = ANY (CAST(:people AS text[])) AND c.until > :now AND 'sms' = ANY (c.channels)
                ORDER BY c.called_at DESC LIMIT 1"""
        ),
        {"people": sorted(people), "now": now},
    )
    row = rows.first()
    return _call(row) if row and row.state in {"open", "exhausted"} else None


@dataclass(frozen=True, slots=True)
class Listed:
    """A ladder as it is listed, with what people call its case."""

    ladder: Ladder
    case_code: str | None


async def listed(
    connection: AsyncConnection, *, open_only: bool, units: Collection[str] | None = None, limit: int = 100
) -> list[Listed]:
    """Ladders, of some communes or all; the open ones first, then the newest."""
    rows = await connection.execute(
        text(
            f"""SELECT case_code, {_SELECT} FROM ladder
                WHERE (NOT :open_only OR state IN ('open', 'exhausted'))
                  AND (CAST(:units AS text[]) IS NULL OR unit = ANY (CAST(:units AS text[])))
                ORDER BY (state IN ('open', 'exhausted')) DESC, began_at DESC LIMIT :limit"""
        ),
        {"open_only": open_only, "units": None if units is None else sorted(units), "limit": limit},
    )
    return [Listed(Ladder(*row[1:]), row[0]) for row in rows]


async def forget(connection: AsyncConnection, before: datetime, limit: int = 1000) -> None:
    """Remove ladders that ended before a time; what happened is on the case."""
    await connection.execute(
        text(
            """DELETE FROM ladder WHERE id IN (SELECT id FROM ladder WHERE ended_at < :before
               AND state <> 'exhausted' LIMIT :limit)"""
        ),
        {"before": before, "limit": limit},
    )


_CALL = """id::text AS id, ladder_id::text AS ladder_id, step, round, role, person, instead_of, channels, called_at,
           until, used_at"""
_CALL_OF = """c.id::text AS id, c.ladder_id::text AS ladder_id, c.step, c.round, c.role, c.person, c.instead_of,
              c.channels, c.called_at, c.until, c.used_at"""


def _call(row: Any) -> CallRow:
    return CallRow(
        row.id,
        row.ladder_id,
        row.step,
        row.round,
        row.role,
        row.person,
        row.instead_of,
        tuple(row.channels),
        row.called_at,
        row.until,
        row.used_at,
    )
