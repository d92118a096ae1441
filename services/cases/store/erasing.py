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

_BEHIND = text(
    """WITH named AS (
           SELECT split_part(name, '/', 1) AS kind, split_part(name, '/', 2) AS id
           FROM unnest(CAST(:names AS text[])) AS name
       ), files AS (
           SELECT id FROM named WHERE kind = 'case'
           UNION SELECT task.case_id FROM task JOIN named ON named.kind = 'task' AND task.id = named.id
           UNION SELECT unnest(ARRAY[concern.file_id, concern.case_id]) FROM concern
                 JOIN named ON named.kind = 'concern' AND concern.id = named.id
           UNION SELECT unnest(ARRAY[part.file_id, part.case_id]) FROM concern_child AS part
                 JOIN named ON named.kind = 'concern' AND part.concern_id = named.id
       )
       SELECT 'case/' || id AS name FROM files WHERE id IS NOT NULL
       UNION SELECT 'child/' || cases.child_id FROM cases JOIN files ON files.id = cases.id
             WHERE cases.child_id IS NOT NULL"""
)


async def related(connection: AsyncConnection, kids: Collection[str]) -> Collection[str]:
    """In: names of erased keys. Out: the names of their reports, cases and tasks, a child's too.

    A report about several children is one record: it is named where one of them was erased.
    """
    return [row.name for row in await connection.execute(_RELATED, {"kids": sorted(kids)})]


async def behind(connection: AsyncConnection, names: Collection[str]) -> Collection[str]:
    """The other way round. In: names of reports, cases and tasks. Out: the keys of their files, and of the children."""
    return [row.name for row in await connection.execute(_BEHIND, {"names": sorted(names)})]
