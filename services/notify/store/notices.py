"""The in-app inbox: what a person is told, and what of it they have read.

It never shows a notice to somebody outside its audience.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import Message, believable, path_for
from services.notify.domain.matters import HowSettled, asked_by
from services.notify.store.matters import HOW_SETTLED, OF_LINE
from services.notify.store.waking import NOTICED
from shared.database.statements import text


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice as one person sees it. `read_at`: when they read it; of what lies below their mark, when
    that was last moved. `settled`: how what was to be done by `due` was settled since; of one that speaks of several,
    once each of its lines is: "done" where any was done."""

    id: str
    event_type: str
    unit: str | None
    case_id: str | None
    due: datetime | None
    path: str
    urgent: bool
    created_at: datetime
    read_at: datetime | None
    case_code: str | None = None
    count: int = 1
    ladder_id: str | None = None
    rule: str | None = None
    settled: HowSettled | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which notices somebody wants to see. `about`: a publisher (`cases`). `pressing`: only those that are urgent,
    unread, and neither settled nor, of an emergency, acknowledged meanwhile; or all others."""

    unread: bool = False
    urgent: bool = False
    about: str | None = None
    unit: str | None = None
    case_code: str | None = None
    pressing: bool | None = None

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return self != Filter()


EVERYTHING = Filter()
MOST_COUNTED = 1000
# Of each audience that somebody belongs to, until when they have read it all (`read_mark`).
_MINE = """
    mine AS MATERIALIZED (
        SELECT belongs.audience, COALESCE(mark.until, '-infinity') AS until, mark.marked_at
        FROM unnest(CAST(:audiences AS text[])) AS belongs (audience)
        LEFT JOIN read_mark mark ON mark.person = :person AND mark.audience = belongs.audience
    )"""
_UNREAD_AFTER = """
    SELECT n.* FROM notice n WHERE n.audience = mine.audience AND n.created_at > mine.until {where}
      AND NOT EXISTS (SELECT FROM notice_read r WHERE r.notice_id = n.id AND r.person = :person)"""
_UNREAD_BEFORE = """
    SELECT n.* FROM notice_unread u JOIN notice n ON n.id = u.notice_id
    WHERE u.person = :person AND n.audience = mine.audience AND n.created_at <= mine.until {where}"""
# Only what is unread is looked at, however much somebody has read.
_UNREAD = f"""SELECT * FROM ({_UNREAD_AFTER} UNION ALL {_UNREAD_BEFORE}) AS unread"""
# It presses while it is urgent and waits for somebody: an emergency until it is acknowledged.
_PRESSES = f"""(n.urgent AND CASE WHEN n.ladder_id IS NULL THEN ({HOW_SETTLED}) IS NULL
    ELSE EXISTS (SELECT FROM ladder WHERE id = n.ladder_id AND state IN ('open', 'exhausted')) END)"""
_ANY = "SELECT n.* FROM notice n WHERE n.audience = mine.audience {where}"
_CALM = f"""{_ANY} AND NOT ({_PRESSES} AND NOT EXISTS (
    SELECT FROM notice_read r WHERE r.notice_id = n.id AND r.person = :person
) AND (n.created_at > mine.until
       OR EXISTS (SELECT FROM notice_unread u WHERE u.notice_id = n.id AND u.person = :person)))"""
_READ_AT = (
    """COALESCE(r.read_at, CASE WHEN n.created_at <= mine.until AND u.notice_id IS NULL THEN mine.marked_at END)"""
)
_SHOWN = f"""
    n.id::text, n.event_type, n.unit, n.case_id, n.due, n.path, n.urgent, n.created_at, {_READ_AT}, n.case_code,
    n.count, n.ladder_id::text, n.rule, {HOW_SETTLED}"""
_HOW_IT_STANDS = """
    LEFT JOIN notice_read r ON r.notice_id = n.id AND r.person = :person
    LEFT JOIN notice_unread u ON u.notice_id = n.id AND u.person = :person"""


async def notices(
    connection: AsyncConnection,
    person: str,
    audiences: Sequence[str],
    wanted: Filter = EVERYTHING,
    *,
    before: datetime | None = None,
    limit: int = 50,
) -> list[Notice]:
    """Newest first; `before` goes on where a page ended."""
    # The newest of each audience by its index, then the newest of those.
    of_one = _UNREAD if wanted.unread or wanted.pressing else _ANY if wanted.pressing is None else _CALM
    statement = f"""
        WITH {_MINE}
        SELECT {_SHOWN}
        FROM mine CROSS JOIN LATERAL (
            {of_one.format(where=_where(wanted, before))} ORDER BY created_at DESC LIMIT :limit
        ) AS n {_HOW_IT_STANDS}
        ORDER BY n.created_at DESC, n.id LIMIT :limit
    """
    values = {"before": before, "about": wanted.about, "unit": wanted.unit, "case_code": wanted.case_code}
    rows = await connection.execute(
        text(statement),
        {"person": person, "audiences": list(audiences), "limit": limit}
        | {name: value for name, value in values.items() if value is not None},
    )
    return [Notice(*row) for row in rows]


def _where(wanted: Filter, before: datetime | None) -> str:
    said = {
        "n.created_at < :before": before is not None,
        "n.urgent": wanted.urgent,
        _PRESSES: bool(wanted.pressing),
        "starts_with(n.event_type, :about || '.')": wanted.about is not None,
        "n.unit = :unit": wanted.unit is not None,
        "upper(n.case_code) = upper(:case_code)": wanted.case_code is not None,
        # Of all that is unread.
        f"NOT {_PRESSES}": wanted.unread and wanted.pressing is False,
    }
    return " ".join(f"AND {condition}" for condition, holds in said.items() if holds)


async def unread_count(connection: AsyncConnection, person: str, audiences: Sequence[str]) -> int:
    """How many notices a person has not read; counting stops at `MOST_COUNTED`."""
    rows = await connection.execute(
        text(
            f"""
            WITH {_MINE}
            SELECT count(*) FROM (
                SELECT 1 FROM mine CROSS JOIN LATERAL ({_UNREAD.format(where="")}) AS n LIMIT {MOST_COUNTED}
            ) AS unread
            """
        ),
        {"person": person, "audiences": list(audiences)},
    )
    return int(rows.scalar_one())


# What was written so lately may have been decided in a transaction that ends after one that reads: it is not covered
# by a mark, but read by itself.
_SETTLED = timedelta(minutes=5)
# One act of a person at a time: while the mark moves, none of their others may note what it has not seen.
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:person, 29))")
# So many exceptions are looked through with each page; where there are more, the mark moves on.
_MOST_EXCEPTIONS = 500


# Of a notice `n`: it was there when somebody was shown the list, and has said nothing more since.
_WAS_SHOWN = """n.created_at <= :seen
    AND NOT EXISTS (SELECT FROM notice_line l WHERE l.notice_id = n.id AND l.at > :seen)"""


async def mark_read(
    connection: AsyncConnection, person: str, audiences: Sequence[str], some: Sequence[str], now: datetime
) -> None:
    """Mark some notices as read by a person; others in the audience still see theirs as unread."""
    values = {"person": person, "audiences": list(audiences), "now": now, "until": now - _SETTLED}
    await connection.execute(_ALONE, values)
    await connection.execute(_READ_SOME, values | {"some": list(some)})
    await connection.execute(_NOT_UNREAD, {"person": person, "some": list(some)})
    await _fold(connection, values)


async def mark_all_read(
    connection: AsyncConnection, person: str, audiences: Sequence[str], now: datetime, seen: datetime | None = None
) -> None:
    """As `mark_read`, of all that a person was shown. In: `seen`: when that was; what came since stays unread. None:
    all there is."""
    seen = min(seen or now, now)
    values = {"person": person, "audiences": list(audiences), "now": now, "seen": seen}
    values["until"] = min(now - _SETTLED, seen)
    for statement in (_ALONE, _HOLD_MINE, _NOTHING_UNREAD, _STAYS_UNREAD):
        await connection.execute(statement, values)
    await _move_marks(connection, values)
    await connection.execute(_READ_ALL, values)


# Whoever lets a notice speak of more holds them too, and is done before a mark moves past it, or sees where it stands.
_HOLD_MINE = text(
    "SELECT 1 FROM read_mark WHERE person = :person AND audience = ANY (:audiences) ORDER BY audience FOR UPDATE"
)
_READ = f"""
    WITH {_MINE}
    INSERT INTO notice_read (notice_id, person, read_at)
    SELECT n.id, :person, :now FROM mine JOIN notice n USING (audience)
    WHERE n.created_at > mine.until AND {{which}} ON CONFLICT DO NOTHING"""
_READ_SOME = text(_READ.format(which="n.id = ANY (CAST(:some AS uuid[]))"))
_READ_ALL = text(_READ.format(which=_WAS_SHOWN))
# Only where the person belongs now: who comes back to another commune has not read what they had not read there.
_NOTHING_UNREAD = text(
    f"""DELETE FROM notice_unread u USING notice n
        WHERE u.person = :person AND n.id = u.notice_id AND n.audience = ANY (CAST(:audiences AS text[]))
          AND {_WAS_SHOWN}"""
)
_STAYS_UNREAD = text(
    f"""WITH {_MINE}
        INSERT INTO notice_unread (person, notice_id)
        SELECT :person, n.id FROM mine CROSS JOIN LATERAL (
            {_UNREAD_AFTER.format(where=f"AND n.created_at <= :until AND NOT ({_WAS_SHOWN})")}
        ) AS n ON CONFLICT DO NOTHING"""
)
_NOT_UNREAD = text("DELETE FROM notice_unread WHERE person = :person AND notice_id = ANY (CAST(:some AS uuid[]))")


async def _move_marks(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """All until then is read, but what stands in `notice_unread`."""
    await connection.execute(
        text(
            """
            INSERT INTO read_mark AS mark (person, audience, until, marked_at)
            SELECT :person, audience, :until, :now FROM unnest(CAST(:audiences AS text[])) AS mine (audience)
            ON CONFLICT (person, audience) DO UPDATE SET until = excluded.until, marked_at = excluded.marked_at
            WHERE mark.until < excluded.until
            """
        ),
        values,
    )
    await connection.execute(
        text(
            """
            DELETE FROM notice_read r USING notice n, read_mark mark
            WHERE r.person = :person AND n.id = r.notice_id AND mark.person = :person AND mark.audience = n.audience
              AND n.created_at <= mark.until
            """
        ),
        values,
    )


async def _fold(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Where much was read one by one and little of it was not, the mark moves on, and what was not read is noted."""
    read = await connection.execute(
        text("SELECT count(*) FROM (SELECT 1 FROM notice_read WHERE person = :person LIMIT :most + 1) AS few"),
        {"person": values["person"], "most": _MOST_EXCEPTIONS},
    )
    if int(read.scalar_one()) <= _MOST_EXCEPTIONS:
        return
    await connection.execute(_HOLD_MINE, values)
    unread = await connection.execute(
        text(
            f"""WITH {_MINE}
                SELECT n.id::text FROM mine
                CROSS JOIN LATERAL ({_UNREAD_AFTER.format(where="AND n.created_at <= :until")}) AS n LIMIT :most + 1"""
        ),
        {**values, "most": _MOST_EXCEPTIONS},
    )
    left = list(unread.scalars())
    if len(left) > _MOST_EXCEPTIONS:
        return
    await connection.execute(
        text(
            """INSERT INTO notice_unread (person, notice_id)
               SELECT :person, id FROM unnest(CAST(:left AS uuid[])) AS left_out (id) ON CONFLICT DO NOTHING"""
        ),
        {"person": values["person"], "left": left},
    )
    await _move_marks(connection, values)


async def mark_unread(connection: AsyncConnection, person: str, some: Sequence[str]) -> None:
    """Undo `mark_read` of some notices."""
    values = {"person": person, "some": list(some)}
    await connection.execute(_ALONE, values)
    await connection.execute(
        text("DELETE FROM notice_read WHERE person = :person AND notice_id = ANY (CAST(:some AS uuid[]))"), values
    )
    await connection.execute(
        text(
            """INSERT INTO notice_unread (person, notice_id)
               SELECT :person, n.id FROM notice n
               JOIN read_mark mark ON mark.person = :person AND mark.audience = n.audience
               WHERE n.id = ANY (CAST(:some AS uuid[])) AND n.created_at <= mark.until ON CONFLICT DO NOTHING"""
        ),
        values,
    )


async def withdraw(connection: AsyncConnection, audience: str, event_type: str, path: str) -> None:
    """Take back the notices by which an audience was asked for something that lies behind a path."""
    await connection.execute(
        text("DELETE FROM notice WHERE audience = :audience AND event_type = :event_type AND path = :path"),
        {"audience": audience, "event_type": event_type, "path": path},
    )


async def path_of(connection: AsyncConnection, audiences: Sequence[str], identifier: str) -> str | None:
    """Where a notice leads, None where it is not for these audiences."""
    rows = await connection.execute(
        text("SELECT path FROM notice WHERE id = CAST(:id AS uuid) AND audience = ANY (CAST(:audiences AS text[]))"),
        {"id": identifier, "audiences": list(audiences)},
    )
    row = rows.first()
    return str(row.path) if row else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A notice to be written. `count`: of how many it speaks; `ladder_id`: what is to be acknowledged."""

    id: str
    audience: str
    message: Message
    path: str
    urgent: bool
    due: datetime | None
    rule: str | None = None
    count: int = 1
    ladder_id: str | None = None


# A line that speaks of several is the same row with a higher number: whoever had read it has something new to read.
_NOTICE = text(
    """
    WITH put AS (
        INSERT INTO notice (id, audience, event_type, unit, case_id, due, path, urgent, created_at, case_code, rule,
                            count, ladder_id, matter, happened_at)
        SELECT id, audience, event_type, unit, case_id, due, path, urgent, :now, case_code, rule, count, ladder_id,
               matter, happened_at
        FROM jsonb_to_recordset(CAST(:notices AS jsonb)) AS wanted (
            id uuid, audience text, event_type text, unit text, case_id text, due timestamptz, path text, urgent
            boolean, case_code text, rule text, count integer, ladder_id uuid, matter text, happened_at timestamptz)
        ON CONFLICT (id) DO UPDATE SET count = excluded.count, due = excluded.due, matter = excluded.matter
            WHERE excluded.count > notice.count
        RETURNING id, audience, created_at, xmax = 0 AS fresh
    )
    SELECT id::text AS id, fresh, CASE WHEN NOT fresh THEN pg_notify(:noticed, audience) END AS woken FROM put
    """
)
# By themselves, after the rows are written and the marks of who may have read them are held: what somebody marks as
# read at the same moment is over by then, or waits.
_HOLD_MARKS = text("SELECT 1 FROM read_mark WHERE audience = ANY (:audiences) ORDER BY audience, person FOR SHARE")
_READ_NO_MORE = text(
    "DELETE FROM notice_read WHERE notice_id = ANY (CAST(:ids AS uuid[])) RETURNING person, notice_id::text"
)
_NEWS = text(
    """
    INSERT INTO notice_unread (person, notice_id)
    SELECT * FROM unnest(CAST(:people AS text[]), CAST(:read AS uuid[]))
    UNION
    SELECT mark.person, n.id FROM notice n JOIN read_mark mark USING (audience)
    WHERE n.id = ANY (CAST(:ids AS uuid[])) AND n.created_at <= mark.until
    ON CONFLICT DO NOTHING
    """
)


async def put_notices(connection: AsyncConnection, wanted: Sequence[Wanted], now: datetime) -> list[Wanted]:
    """In-app notices, one an audience; the row is the delivery. Out: the new ones, in their order."""
    by_id = {notice.id: notice for notice in wanted}
    if not by_id:
        return []
    rows = [_row(notice, now) for notice in by_id.values()]
    lines = [_line(notice, now) for notice in wanted if notice.count > 1]
    kept = await connection.execute(_NOTICE, {"notices": orjson.dumps(rows).decode(), "now": now, "noticed": NOTICED})
    written = kept.all()
    fresh = {row.id for row in written if row.fresh}
    if len(written) > len(fresh):
        await _say_again(
            connection, [row.id for row in written if not row.fresh], list({one.audience for one in wanted})
        )
    if lines:
        await connection.execute(_ADD_LINES, {"lines": orjson.dumps(lines).decode(), "now": now})
    return [notice for notice in by_id.values() if notice.id in fresh]


async def _say_again(connection: AsyncConnection, ids: Sequence[str], audiences: Sequence[str]) -> None:
    """What these notices say is new to whoever had read them."""
    await connection.execute(_HOLD_MARKS, {"audiences": audiences})
    had_read = (await connection.execute(_READ_NO_MORE, {"ids": ids})).all()
    people, read = [row.person for row in had_read], [row.notice_id for row in had_read]
    await connection.execute(_NEWS, {"ids": ids, "people": people, "read": read})


def _row(notice: Wanted, now: datetime) -> dict[str, Any]:
    happening = notice.message.happening
    return {
        "id": notice.id,
        "audience": notice.audience,
        "event_type": happening.event_type,
        "unit": happening.unit,
        "case_id": happening.case_id if notice.count == 1 else None,
        "due": notice.due if notice.count == 1 else None,
        "path": _path(notice) if notice.count == 1 else f"/notify/lines/{notice.id}",
        "urgent": notice.urgent,
        "case_code": happening.case_code if notice.count == 1 else None,
        "rule": notice.rule,
        "count": notice.count,
        "ladder_id": notice.ladder_id,
        "matter": asked_by(happening) if notice.count == 1 else None,
        "happened_at": believable(happening.time, now),
    }


def _path(notice: Wanted) -> str:
    return path_for(notice.audience, notice.message.happening, notice.path)


# What one line speaks of

_ADD_LINES = text(
    """
    INSERT INTO notice_line (notice_id, message_id, case_id, case_code, due, path, at, matter, happened_at)
    SELECT notice_id, message_id, case_id, case_code, due, path, :now, matter, happened_at
    FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS line (
        notice_id uuid, message_id uuid, case_id text, case_code text, due timestamptz, path text, matter text,
        happened_at timestamptz)
    ON CONFLICT DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class Line:
    """One of the things of which a notice speaks together. `settled`: as of a notice."""

    message_id: str
    case_id: str | None
    case_code: str | None
    due: datetime | None
    path: str
    at: datetime
    settled: HowSettled | None


async def find(connection: AsyncConnection, person: str, audiences: Sequence[str], identifier: str) -> Notice | None:
    """One notice; None where there is none for these audiences."""
    rows = await connection.execute(
        text(
            f"""WITH {_MINE}
                SELECT {_SHOWN} FROM mine JOIN notice n USING (audience) {_HOW_IT_STANDS}
                WHERE n.id = CAST(:id AS uuid)"""
        ),
        {"id": identifier, "person": person, "audiences": list(audiences)},
    )
    row = rows.first()
    return Notice(*row) if row else None


async def lines(connection: AsyncConnection, identifier: str, limit: int, after: int = 0) -> list[Line]:
    """What a notice speaks of together, the most pressing first: what is settled comes last."""
    rows = await connection.execute(
        text(
            f"""SELECT l.message_id::text, l.case_id, l.case_code, l.due, l.path, l.at, one.how
                FROM notice_line l LEFT JOIN LATERAL ({OF_LINE}) AS one ON true
                WHERE l.notice_id = CAST(:id AS uuid)
                ORDER BY one.how IS NOT NULL, l.due NULLS LAST, l.at, l.case_code, l.message_id
                LIMIT :limit OFFSET :after"""
        ),
        {"id": identifier, "limit": limit, "after": after},
    )
    return [Line(*row) for row in rows]


def _line(notice: Wanted, now: datetime) -> dict[str, Any]:
    happening = notice.message.happening
    return {
        "notice_id": notice.id,
        "message_id": happening.id,
        "case_id": happening.case_id,
        "case_code": happening.case_code,
        "due": happening.due,
        "path": _path(notice),
        "matter": asked_by(happening),
        "happened_at": believable(happening.time, now),
    }
