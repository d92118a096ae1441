"""What an erasure concerns: the reports, cases and tasks of a key, by which records that were put aside are found."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_RELATED = text(
    """WITH erased AS (
           SELECT split_part(kid, '/', 1) AS kind, split_part(kid, '/', 2) AS id
           FROM unnest(CAST(:kids AS text[])) AS kid
       ), files AS (
           SELECT id FROM erased WHERE kind = 'case'
           UNION SELECT cases.id FROM cases JOIN erased ON erased.kind = 'child' AND cases.child_id = erased.id
       ), reports AS (
           SELECT concern.id FROM concern JOIN files ON files.id IN (concern.file_id, concern.case_id)
           UNION SELECT part.concern_id FROM concern_child AS part
                 JOIN files ON files.id IN (part.file_id, part.case_id)
       )
       SELECT 'case/' || id AS name FROM files
       UNION SELECT 'concern/' || id FROM reports
       UNION SELECT 'task/' || task.id FROM task JOIN files ON files.id = task.case_id"""
)


async def related(connection: AsyncConnection, kids: Collection[str]) -> Collection[str]:
    """In: names of erased keys. Out: the names of their reports, cases and tasks, a child's too.

    A report about several children is one record: it is named where one of them was erased.
    """
    return [row.name for row in await connection.execute(_RELATED, {"kids": sorted(kids)})]
