"""What notify says of emergencies: kept once, and in the timeline of their case as soon as there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_KEEP = text(
    """INSERT INTO called (ladder_id, sequence, concern_id, case_id, at, kind, who, data)
       VALUES (:ladder_id, :sequence, :concern_id, :case_id, :at, :kind, :who, CAST(:data AS jsonb))
       ON CONFLICT DO NOTHING"""
)
# What is told of a report whose case is not opened yet waits here; told in the order in which it happened.
_TELL = text(
    """
    WITH waiting AS (
        UPDATE called SET told = true, case_id = :case_id
        WHERE NOT told AND (concern_id = :concern_id OR case_id = :case_id) RETURNING at, kind, who, data, sequence
    )
    INSERT INTO entry (case_id, at, kind, sector, who, who_name, data, words, version)
    SELECT :case_id, at, kind, NULL, who, '', data, NULL,
           COALESCE((SELECT version FROM cases WHERE id = :case_id), 0)
    FROM waiting ORDER BY at, sequence
    """
)


@dataclass(frozen=True, slots=True)
class Called:
    """One thing that happened on a ladder: codes, an account, times."""

    ladder_id: str
    sequence: int
    concern_id: str | None
    case_id: str | None
    at: datetime
    kind: str
    who: str
    data: Mapping[str, Any]


async def keep_call(connection: AsyncConnection, called: Called) -> None:
    """Keep what was said; the same again changes nothing."""
    await connection.execute(
        _KEEP,
        {
            "ladder_id": called.ladder_id,
            "sequence": called.sequence,
            "concern_id": called.concern_id,
            "case_id": called.case_id,
            "at": called.at,
            "kind": called.kind,
            "who": called.who,
            "data": orjson.dumps(dict(called.data)).decode(),
        },
    )


async def tell_calls(connection: AsyncConnection, cases: Sequence[tuple[str, str | None]]) -> None:
    """Put into cases' timelines what was kept for them. In: each case with the report that it was opened from, or
    joined by, for which something may have been kept, too."""
    if cases:
        asked = [{"case_id": case_id, "concern_id": concern_id} for case_id, concern_id in cases]
        await connection.execute(_TELL, asked)


async def case_of_call(connection: AsyncConnection, called: Called) -> str | None:
    """The case that a call is about: as it says, else the one that its report has come to; None: there is none yet."""
    rows = await connection.execute(
        text(
            """SELECT id FROM cases WHERE id = :case_id
               UNION ALL SELECT case_id FROM concern WHERE id = :concern_id AND case_id IS NOT NULL LIMIT 1"""
        ),
        {"case_id": called.case_id, "concern_id": called.concern_id},
    )
    found: str | None = rows.scalar_one_or_none()
    return found
