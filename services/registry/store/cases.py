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


async def follow(connection: AsyncConnection, followed: Sequence[tuple[str, int, CaseFacts, date]]) -> dict[str, str]:
    """Cases as their latest events have them: each case's id and, of its event, the sequence, the facts and the day. No
    two are of one case. An older event that comes late changes nothing.

    Out: the children whom they are about from now or were until now, where those are not the same; each with its case.
    """
    # Sorted, so that two replicas cannot deadlock on each other's rows.
    ordered = sorted(followed, key=lambda one: one[0])
    changed = await connection.execute(
        text(
            """INSERT INTO child_case AS c (case_id, sequence, child_id, unit, kind, status, opened_on, changed_on)
               SELECT * FROM unnest(CAST(:cases AS text[]), CAST(:sequences AS integer[]), CAST(:children AS uuid[]),
                   CAST(:units AS text[]), CAST(:kinds AS text[]), CAST(:statuses AS text[]),
                   CAST(:opened AS date[]), CAST(:days AS date[]))
               ON CONFLICT (case_id) DO UPDATE SET sequence = excluded.sequence, child_id = excluded.child_id,
                   unit = excluded.unit, kind = excluded.kind, status = excluded.status,
                   changed_on = CASE WHEN c.status = excluded.status THEN c.changed_on ELSE excluded.changed_on END
               WHERE excluded.sequence > c.sequence
               RETURNING new.case_id, old.child_id AS before, new.child_id AS after"""
        ),
        {
            "cases": [case_id for case_id, _, _, _ in ordered],
            "sequences": [sequence for _, sequence, _, _ in ordered],
            "children": [facts.child_id for _, _, facts, _ in ordered],
            "units": [facts.unit for _, _, facts, _ in ordered],
            "kinds": [facts.kind for _, _, facts, _ in ordered],
            "statuses": [facts.status for _, _, facts, _ in ordered],
            "opened": [local_day(facts.opened_at) for _, _, facts, _ in ordered],
            "days": [day for _, _, _, day in ordered],
        },
    )
    moved = [row for row in changed if row.before != row.after]
    return {str(child): row.case_id for row in moved for child in (row.before, row.after) if child is not None}


async def last_services(connection: AsyncConnection, child_ids: Sequence[str]) -> dict[str, date]:
    """The day of the last service in a case of each of these children, of those of records merged into it too; whoever
    was given none is left out."""
    rows = await connection.execute(
        text(
            """WITH RECURSIVE one AS (
                   SELECT id AS child_id, id FROM unnest(CAST(:ids AS uuid[])) AS asked (id)
                   UNION SELECT one.child_id, child.id FROM child JOIN one ON child.merged_into = one.id)
               SELECT one.child_id, max(s.provided_on) AS last FROM one JOIN child_case c ON c.child_id = one.id
               JOIN child_service s USING (case_id) WHERE s.given GROUP BY one.child_id"""
        ),
        {"ids": list(child_ids)},
    )
    return {str(row.child_id): row.last for row in rows}


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
