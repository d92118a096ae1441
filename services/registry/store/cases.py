"""What the registry remembers of cases and services for a child's page: coarse facts that cases publish, no words.

Who may see them is for the page to say, and for the case's own page when it is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.store.children import ONE_CHILD
from shared.contracts.cases import CaseFacts
from shared.database.statements import text
from shared.reference.calendar import local_day


@dataclass(frozen=True, slots=True)
class Service:
    """A service that was given in a case."""

    kind: str
    provided_on: date
    sector: str | None


@dataclass(frozen=True, slots=True)
class CaseSeen:
    """A case of a child."""

    id: str
    unit: str
    kind: str
    status: str
    opened_on: date
    services: tuple[Service, ...] = ()


async def follow(
    connection: AsyncConnection, case_id: str, sequence: int, facts: CaseFacts, on: date
) -> frozenset[str]:
    """A case as its latest event, of a day, has it; an older event that comes late changes nothing.

    Out: the children whom it is about from now or was until now, where those are not the same.
    """
    changed = await connection.execute(
        text(
            """INSERT INTO child_case AS c (case_id, sequence, child_id, unit, kind, status, opened_on, changed_on)
               VALUES (:case_id, :sequence, CAST(:child_id AS uuid), :unit, :kind, :status, :opened_on, :on)
               ON CONFLICT (case_id) DO UPDATE SET sequence = excluded.sequence, child_id = excluded.child_id,
                   unit = excluded.unit, kind = excluded.kind, status = excluded.status,
                   changed_on = CASE WHEN c.status = excluded.status THEN c.changed_on ELSE excluded.changed_on END
               WHERE excluded.sequence > c.sequence
               RETURNING old.child_id AS before, new.child_id AS after"""
        ),
        {
            "case_id": case_id,
            "sequence": sequence,
            "child_id": facts.child_id,
            "unit": facts.unit,
            "kind": facts.kind,
            "status": facts.status,
            "opened_on": local_day(facts.opened_at),
            "on": on,
        },
    )
    row = changed.one_or_none()
    if row is None or row.before == row.after:
        return frozenset()
    return frozenset(str(child_id) for child_id in row if child_id is not None)


async def last_service(connection: AsyncConnection, child_id: str) -> date | None:
    """The day of the last service in a case of a child, of those of records merged into it too."""
    rows = await connection.execute(
        text(
            """WITH RECURSIVE one AS (
                   SELECT CAST(:id AS uuid) AS id
                   UNION SELECT child.id FROM child JOIN one ON child.merged_into = one.id)
               SELECT max(s.provided_on) FROM one JOIN child_case c ON c.child_id = one.id
               JOIN child_service s USING (case_id) WHERE s.given"""
        ),
        {"id": child_id},
    )
    found: date | None = rows.scalar_one()
    return found


async def put_service(
    connection: AsyncConnection, service_id: str, case_id: str, sequence: int, service: Service, *, given: bool
) -> None:
    """A service that was given, or was not after all; told again, it is the same one. The latest word stands."""
    await connection.execute(
        text(
            """INSERT INTO child_service AS s (service_id, case_id, sequence, given, kind, provided_on, sector)
               VALUES (:service_id, :case_id, :sequence, :given, :kind, :provided_on, :sector)
               ON CONFLICT (service_id) DO UPDATE SET case_id = excluded.case_id, sequence = excluded.sequence,
                   given = excluded.given, kind = excluded.kind, provided_on = excluded.provided_on,
                   sector = excluded.sector
               WHERE excluded.sequence > s.sequence"""
        ),
        {
            "service_id": service_id,
            "case_id": case_id,
            "sequence": sequence,
            "given": given,
            "kind": service.kind,
            "provided_on": service.provided_on,
            "sector": service.sector,
        },
    )


async def of_child(connection: AsyncConnection, child_id: str) -> Sequence[CaseSeen]:
    """A child's cases with their services, the newest first; those of records merged into it too."""
    rows = await connection.execute(
        text(
            f"""{ONE_CHILD}
               SELECT c.case_id, c.unit, c.kind, c.status, c.opened_on,
                      coalesce((SELECT jsonb_agg(jsonb_build_array(s.kind, s.provided_on, s.sector)
                                                 ORDER BY s.provided_on DESC)
                                FROM child_service s WHERE s.case_id = c.case_id AND s.given), '[]') AS services
               FROM one JOIN child_case c ON c.child_id = one.id ORDER BY c.opened_on DESC, c.case_id LIMIT 100"""
        ),
        {"id": child_id},
    )
    return [
        CaseSeen(
            row.case_id,
            row.unit,
            row.kind,
            row.status,
            row.opened_on,
            tuple(Service(kind, date.fromisoformat(on), sector) for kind, on, sector in row.services),
        )
        for row in rows
    ]
