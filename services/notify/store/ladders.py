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
    }, case_code = COALESCE(excluded.case_code,
                            CASE WHEN ladder.case_id = excluded.case_id THEN ladder.case_code END)
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


async def hold(connection: AsyncConnection, *, reports: Collection[str] = (), cases: Collection[str] = ()) -> None:
    """Wait for whoever hears something of the same matter, until the transaction ends. Reports, and ladders by their
    ids, are held before cases: who begins a ladder learns its case only then."""
    # By their hash: a batch of a thousand events must not fill the database's table of locks.
    for lock, names in ((13, reports), (12, cases)):
        if names:
            await connection.execute(
                text(
                    """SELECT pg_advisory_xact_lock(:lock, place) FROM (
                           SELECT DISTINCT CAST(hashtextextended(name, 13) & 255 AS integer) AS place
                           FROM unnest(CAST(:names AS text[])) AS t (name) ORDER BY place) AS ordered"""
                ),
                {"lock": lock, "names": sorted(names)},
            )


async def exists(connection: AsyncConnection, identifiers: Collection[str]) -> set[str]:
    """Which of some ladders there are."""
    rows = await connection.execute(
        text("SELECT id::text FROM ladder WHERE id = ANY (CAST(:ids AS uuid[]))"), {"ids": sorted(identifiers)}
    )
    return {row.id for row in rows}


@dataclass(frozen=True, slots=True)
class Act:
    """That somebody has acted upon a ladder of a kind (`code`). `about`: its id, or the case of all that are meant.
    `at`: when it happened."""

    about: str
    code: str
    event_type: str
    at: datetime


async def note_acts(connection: AsyncConnection, acts: Collection[Act], now: datetime) -> None:
    """Remember what ends ladders, also those that nobody has begun yet; of each type the last."""
    latest: dict[tuple[str, str, str], datetime] = {}
    for act in acts:
        key, at = (act.about, act.code, act.event_type), min(act.at, now + _SOON)
        latest[key] = max(latest.get(key, at), at)
    if latest:
        await connection.execute(
            text(
                """INSERT INTO ladder_act (about, code, event_type, at)
                   SELECT * FROM unnest(CAST(:abouts AS text[]), CAST(:codes AS text[]), CAST(:types AS text[]),
                                        CAST(:ats AS timestamptz[]))
                   ON CONFLICT (about, code, event_type)
                   DO UPDATE SET at = GREATEST(ladder_act.at, excluded.at)"""
            ),
            {
                "abouts": [about for about, _, _ in sorted(latest)],
                "codes": [code for _, code, _ in sorted(latest)],
                "types": [event_type for _, _, event_type in sorted(latest)],
                "ats": [latest[key] for key in sorted(latest)],
            },
        )


async def acts(connection: AsyncConnection, about: Collection[str]) -> list[Act]:
    """What was heard of some ladders and cases."""
    rows = await connection.execute(
        text("SELECT about, code, event_type, at FROM ladder_act WHERE about = ANY (CAST(:about AS text[]))"),
        {"about": sorted(about)},
    )
    return [Act(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class CaseOf:
    """One of a report's cases. `unit`: the commune that has the case; None: as the report says."""

    unit: str | None = None
    case_code: str | None = None


# By the report's id, then by the case's: a report about several children has a case for each.
CasesOf = Mapping[str, Mapping[str, CaseOf]]


async def note_cases(connection: AsyncConnection, found: CasesOf, moved: Mapping[str, str], now: datetime) -> None:
    """Remember which cases reports have, and which commune has a case now (`moved`, by the case's id). Whoever calls it
    holds the reports and all these cases."""
    rows = [(report, case_id, of) for report in sorted(found) for case_id, of in sorted(found[report].items())]
    if rows:
        await connection.execute(
            text(
                """INSERT INTO concern_case (concern_id, case_id, unit, case_code, at)
                   SELECT *, :now FROM unnest(CAST(:reports AS text[]), CAST(:cases AS text[]), CAST(:units AS text[]),
                                              CAST(:codes AS text[]))
                   ON CONFLICT (concern_id, case_id) DO UPDATE SET at = excluded.at,
                       unit = COALESCE(excluded.unit, concern_case.unit),
                       case_code = COALESCE(excluded.case_code, concern_case.case_code)"""
            ),
            {
                "reports": [report for report, _, _ in rows],
                "cases": [case_id for _, case_id, _ in rows],
                "units": [of.unit for _, _, of in rows],
                "codes": [of.case_code for _, _, of in rows],
                "now": now,
            },
        )
    if moved:
        # After the rows above: a case is opened before it comes to another commune.
        await connection.execute(
            text(
                """WITH held AS (SELECT concern_id, case_id, moved.unit
                                 FROM concern_case JOIN unnest(CAST(:cases AS text[]), CAST(:units AS text[]))
                                                        AS moved (case_id, unit) USING (case_id)
                                 ORDER BY concern_id, case_id FOR UPDATE OF concern_case)
                   UPDATE concern_case SET unit = held.unit FROM held
                   WHERE (concern_case.concern_id, concern_case.case_id) = (held.concern_id, held.case_id)"""
            ),
            {"cases": list(moved), "units": list(moved.values())},
        )


async def cases_of(
    connection: AsyncConnection, reports: Collection[str], cases: Collection[str] = ()
) -> dict[str, dict[str, CaseOf]]:
    """All cases of some reports, and of whatever reports some cases are of, as far as was heard."""
    if not reports and not cases:
        return {}
    rows = await connection.execute(
        text(
            """SELECT concern_id, case_id, unit, case_code FROM concern_case
               WHERE concern_id IN (SELECT unnest(CAST(:reports AS text[])) UNION
                                    SELECT concern_id FROM concern_case WHERE case_id = ANY (CAST(:cases AS text[])))
               ORDER BY concern_id, case_id"""
        ),
        {"reports": sorted(reports), "cases": sorted(cases)},
    )
    found: dict[str, dict[str, CaseOf]] = {}
    for row in rows:
        found.setdefault(row.concern_id, {})[row.case_id] = CaseOf(row.unit, row.case_code)
    return found


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


_FORGET = tuple(
    text(f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {old} LIMIT :limit)")
    for table, key, old in (
        ("ladder", "id", "ended_at < :before AND state <> 'exhausted'"),
        ("ladder_act", "ctid", "at < :before"),
        ("concern_case", "ctid", "at < :before"),
    )
)


async def forget(connection: AsyncConnection, before: datetime, limit: int = 1000) -> None:
    """Remove ladders that ended before a time, and what would have ended others; what happened is on the case."""
    for statement in _FORGET:
        await connection.execute(statement, {"before": before, "limit": limit})


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
