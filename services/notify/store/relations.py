"""How people and sectors stand to a case, as its events have said: accounts, sectors and tasks, nothing of the
child.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import Relations
from shared.contracts.base import Contract
from shared.contracts.cases import (
    CaseAssigned,
    CaseMerged,
    TaskCancelled,
    TaskDeclined,
    TaskDone,
    TaskRequested,
    TeamJoined,
    TeamLeft,
)
from shared.database.statements import text

# What changes a relation.
CHANGING = (
    CaseAssigned,
    CaseMerged,
    TaskCancelled,
    TaskDeclined,
    TaskDone,
    TaskRequested,
    TeamJoined,
    TeamLeft,
)
_Row = tuple[str, str, str]


@dataclass(slots=True)
class Book:
    """The relations of some cases within one transaction: what was read, and what events made of it since."""

    known: dict[str, set[_Row]] = field(default_factory=dict)
    read: dict[str, frozenset[_Row]] = field(default_factory=dict)

    def of(self, case_id: str | None) -> Relations:
        """How people stand to a case now."""
        rows = self.known.get(case_id or "", set())
        return Relations(
            responsible=next((who for kind, _, who in rows if kind == "responsible"), None),
            team=frozenset(who for kind, _, who in rows if kind == "team"),
            asked=frozenset(who for kind, _, who in rows if kind == "asked"),
        )

    def hear(self, data: Contract) -> None:
        """Take over what an event changes."""
        if not isinstance(data, CHANGING):
            return
        rows = self.known.setdefault(data.case_id, set())
        match data:
            case CaseAssigned():
                rows -= {row for row in rows if row[0] == "responsible"}
                rows.add(("responsible", "", data.worker))
            case TeamJoined():
                rows.add(("team", "", data.person))
            case TeamLeft():
                rows -= {("team", "", data.person), ("responsible", "", data.person)}
            case TaskRequested():
                rows.add(("asked", data.task_id, data.task_sector))
            case TaskCancelled() | TaskDeclined() | TaskDone():
                rows.discard(("asked", data.task_id, data.task_sector))
            case CaseMerged():
                rows.clear()


async def read(connection: AsyncConnection, cases: Collection[str]) -> Book:
    """The relations of some cases."""
    book = Book()
    if not cases:
        return book
    rows = await connection.execute(
        text("SELECT case_id, kind, ref, who FROM case_relation WHERE case_id = ANY (CAST(:cases AS text[]))"),
        {"cases": sorted(cases)},
    )
    for row in rows:
        book.known.setdefault(row.case_id, set()).add((row.kind, row.ref, row.who))
    book.read = {case_id: frozenset(found) for case_id, found in book.known.items()}
    return book


async def write(connection: AsyncConnection, book: Book) -> None:
    """Keep what events have changed."""
    gone: list[tuple[str, _Row]] = []
    new: list[tuple[str, _Row]] = []
    for case_id, rows in book.known.items():
        before = book.read.get(case_id, frozenset())
        gone += ((case_id, row) for row in before - rows)
        new += ((case_id, row) for row in rows - before)
    if gone:
        await connection.execute(text(f"DELETE FROM case_relation USING ({_ROWS}) AS r WHERE {_SAME}"), _columns(gone))
    if new:
        await connection.execute(
            text(f"INSERT INTO case_relation (case_id, kind, ref, who) {_ROWS} ON CONFLICT DO NOTHING"), _columns(new)
        )


_ROWS = """SELECT * FROM unnest(CAST(:cases AS text[]), CAST(:kinds AS text[]), CAST(:refs AS text[]),
                                CAST(:whos AS text[])) AS r (case_id, kind, ref, who)"""
_SAME = """case_relation.case_id = r.case_id AND case_relation.kind = r.kind AND case_relation.ref = r.ref
           AND case_relation.who = r.who"""


def _columns(rows: Iterable[tuple[str, _Row]]) -> dict[str, list[str]]:
    # Sorted, so that two replicas cannot deadlock on each other's rows.
    ordered = sorted(rows)
    return {
        "cases": [case_id for case_id, _ in ordered],
        "kinds": [kind for _, (kind, _, _) in ordered],
        "refs": [ref for _, (_, ref, _) in ordered],
        "whos": [who for _, (_, _, who) in ordered],
    }
