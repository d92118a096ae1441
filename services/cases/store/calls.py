"""What notify says of emergencies: kept once, and in the timeline of their case as soon as there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.statements import text

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
# Whether anything waits for one of some cases: hardly ever.
WAITS = """SELECT EXISTS (SELECT FROM called WHERE NOT told
                  AND (concern_id = ANY(:told_concerns) OR case_id = ANY(:told_cases)))"""


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


async def keep_calls(connection: AsyncConnection, called: Sequence[Called]) -> None:
    """Keep what was said; the same again changes nothing."""
    rows = [
        {
            "ladder_id": one.ladder_id,
            "sequence": one.sequence,
            "concern_id": one.concern_id,
            "case_id": one.case_id,
            "at": one.at,
            "kind": one.kind,
            "who": one.who,
            "data": orjson.dumps(dict(one.data)).decode(),
        }
        for one in called
    ]
    if rows:
        await connection.execute(_KEEP, rows)


async def tell_calls(connection: AsyncConnection, cases: Sequence[tuple[str, str | None]]) -> None:
    """Put into cases' timelines what was kept for them. In: each case with the report that it was opened from, or
    joined by, for which something may have been kept, too."""
    if cases:
        asked = [{"case_id": case_id, "concern_id": concern_id} for case_id, concern_id in cases]
        await connection.execute(_TELL, asked)


def waiting_for(cases: Sequence[tuple[str, str | None]]) -> dict[str, list[str]]:
    """What `WAITS` is asked for cases, each with the report that it was opened from, or joined by."""
    return {
        "told_cases": [case_id for case_id, _ in cases],
        "told_concerns": [concern_id for _, concern_id in cases if concern_id is not None],
    }


async def cases_of_calls(connection: AsyncConnection, called: Sequence[Called]) -> list[tuple[str, str | None]]:
    """The cases that calls are about, each with the call's report: as the call says, else the one that its report has
    come to. A call of which there is no case yet is not among them.

    Whoever is opening a case of a report, or joining it to one, has its row: what they decide is waited for, for they
    looked for its calls before these were there.
    """
    about = list(dict.fromkeys((one.case_id, one.concern_id) for one in called))
    rows = await connection.execute(
        text(
            """WITH r AS (SELECT id, case_id FROM concern WHERE id = ANY(:concerns) ORDER BY id FOR SHARE)
               SELECT coalesce(c.id, r.case_id) AS case_id, about.concern_id
               FROM unnest(CAST(:cases AS text[]), CAST(:concerns AS text[]))
                    WITH ORDINALITY AS about (said, concern_id, place)
               LEFT JOIN cases c ON c.id = about.said LEFT JOIN r ON r.id = about.concern_id
               WHERE coalesce(c.id, r.case_id) IS NOT NULL ORDER BY about.place"""
        ),
        {"cases": [case_id for case_id, _ in about], "concerns": [concern_id for _, concern_id in about]},
    )
    return [(row.case_id, row.concern_id) for row in rows]
