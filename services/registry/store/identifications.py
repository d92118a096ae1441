"""What cases were answered when they asked who their child is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.statements import text


async def put(connection: AsyncConnection, case_id: str, child_id: str | None) -> int:
    """Remember what a case was answered. Out: the number of the answer, from 1."""
    return (await put_all(connection, [(case_id, child_id)]))[0]


async def put_all(connection: AsyncConnection, answers: Sequence[tuple[str, str | None]]) -> list[int]:
    """As `put`, for cases with their children, one after the other. Out: the number of each answer."""
    last = dict(answers)
    times = Counter(case_id for case_id, _ in answers)
    # Sorted, so that two replicas cannot deadlock on each other's rows.
    cases = sorted(last)
    rows = await connection.execute(
        text(
            """INSERT INTO identification AS i (case_id, sequence, child_id)
               SELECT * FROM unnest(CAST(:cases AS text[]), CAST(:times AS integer[]), CAST(:children AS uuid[]))
               ON CONFLICT (case_id) DO UPDATE SET sequence = i.sequence + excluded.sequence,
                   child_id = excluded.child_id
               RETURNING case_id, sequence"""
        ),
        {
            "cases": cases,
            "times": [times[case_id] for case_id in cases],
            "children": [last[case_id] for case_id in cases],
        },
    )
    before = {row.case_id: row.sequence - times[row.case_id] for row in rows}
    numbers = []
    for case_id, _ in answers:
        before[case_id] += 1
        numbers.append(before[case_id])
    return numbers


async def cases_of(connection: AsyncConnection, children: Sequence[str]) -> list[tuple[str, str]]:
    """Cases that were answered by one of the children, each with which."""
    rows = await connection.execute(
        text(
            "SELECT case_id, child_id FROM identification WHERE child_id = ANY(CAST(:ids AS uuid[])) ORDER BY case_id"
        ),
        {"ids": list(children)},
    )
    return [(row.case_id, str(row.child_id)) for row in rows]
