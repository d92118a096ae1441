"""Finding children for people: by words of names with slips, places, years, numbers; and the log of who looked.

Each question goes by an index alone (`child_words`, `child_number`, `child_household` in schema/search.sql). It must
never find a child outside the communes asked, nor one whose record is hidden from who asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.domain.lifecycle import HIDDEN
from services.registry.domain.names import fold
from services.registry.domain.searching import NUMBER_DIGITS, PAGE, Group, Wanted, code_of, score, steps
from services.registry.store.children import CHILD_COLUMNS, RECORD_COLUMNS, ChildRow, child_of, record_of

# So many of the likeliest are put in order, which is what can be turned over; beyond it one has to say more.
REACH: Final = 120
# So many are counted. A name that more have tells nothing: the page says so.
MOST: Final = 5_000
WORDS: Final = (
    "child_words(name_folded, carers_folded, unit, birth_year, birth_date, state, circumstances, description)"
)
_NUMBER: Final = f"""right(description->>'number', {NUMBER_DIGITS}) = :end
    AND right(description->>'number', length(:number)) = :number"""
_HOUSEHOLD: Final = "regexp_replace(folded(description->>'household'), '[^a-z0-9]+', '', 'g')"
# Each way by itself: of several in one condition the planner looks up what they have in common, and reads the rest.
_WAY: Final = """(SELECT id, unit, birth_year, name_folded, carers_folded FROM child
    WHERE merged_into IS NULL AND status <> ALL(CAST(:hidden AS text[])) AND id <> ALL(CAST(:without AS uuid[]))
      AND {conditions} LIMIT :most)"""
_HIT: Final = """
WITH hit AS MATERIALIZED (SELECT * FROM ({ways}) AS found LIMIT :most)
SELECT (SELECT json_agg(json_build_array(unit, birth_year, n))
        FROM (SELECT unit, birth_year, count(*) AS n FROM hit GROUP BY unit, birth_year) AS counted) AS counts,
       ARRAY(SELECT id FROM hit ORDER BY {order} LIMIT :reach) AS ids"""


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody may not find: records of these statuses, and these children."""

    hidden: Collection[str] = HIDDEN
    without: Collection[str] = ()


@dataclass(slots=True)
class Found:
    """What was found.

    `rows`: the page's, the likeliest first. `loose`: how many of all were not as they were typed. `total`: all, counted
    up to `MOST`; `by_unit` and `by_year`: of these, None where the place or the year is not known.
    """

    rows: list[ChildRow] = field(default_factory=list)
    total: int = 0
    loose: int = 0
    more: bool = False
    by_unit: Counter[str | None] = field(default_factory=Counter)
    by_year: Counter[int | None] = field(default_factory=Counter)

    @property
    def too_many(self) -> bool:
        """Whether there are more than were counted."""
        return self.total > MOST


@dataclass(frozen=True, slots=True)
class _Question:
    ways: Sequence[str]
    values: dict[str, Any]
    loose: bool = False
    below: int | None = PAGE


def questions(wanted: Wanted) -> list[tuple[str, dict[str, Any]]]:
    """The statements of a search in their order, as `search` asks them of the database; for reading their plans."""
    return [_statement(wanted, question, Sight()) for question in _questions(wanted)]


def _questions(wanted: Wanted) -> list[_Question]:
    found: list[_Question] = []
    if len(wanted.number) >= NUMBER_DIGITS:
        found.append(_Question([_NUMBER], {"end": wanted.number[-NUMBER_DIGITS:], "number": wanted.number}))
    if code_of(wanted.household):
        found.append(_Question([f"{_HOUSEHOLD} = :household"], {"household": code_of(wanted.household)}))
    for step in steps(wanted):
        values: dict[str, Any] = {"unlike": step.unlike} if step.unlike else {}
        besides = ["name_folded <> :unlike"] if step.unlike else []
        for at, words in enumerate(step.carers):
            besides.append(f"string_to_array(carers_folded, ' ') && CAST(:carer{at} AS text[])")
            values[f"carer{at}"] = sorted(words)
        ways = [" AND ".join([*_conditions(groups, values), *besides]) for groups in step.ways]
        found.append(_Question(ways, values, step.loose, step.below))
    return found


def _conditions(groups: Iterable[Group], values: dict[str, Any]) -> list[str]:
    """Of each group one word: those that are alone together, the others one by one. Adds the words to `values`."""
    single = sorted(word for group in groups if len(group) == 1 for word in group)
    asked = [("@>", single)] if single else []
    asked += [("&&", sorted(group)) for group in groups if len(group) != 1]
    conditions = []
    for operator, words in asked:
        name = f"words{len(values)}"
        values[name] = words
        conditions.append(f"{WORDS} {operator} CAST(:{name} AS text[])")
    return conditions


def _statement(wanted: Wanted, question: _Question, sight: Sight) -> tuple[str, dict[str, Any]]:
    # Of those who have every word as it was typed the nearest are those who have few others: that is told by length.
    order, values = ["length(name_folded)", "name_folded", "id"], dict(question.values)
    within = ""
    if wanted.units is not None:
        # The words say where already; this makes sure, and must not lead the planner to read a whole commune.
        within = " AND unit || '' = ANY(CAST(:units AS text[]))"
        values["units"] = list(wanted.units)
    measures = [("carer", "word_similarity(:carer, carers_folded) DESC")]
    if question.loose:
        measures.append(("name", "similarity(name_folded, :name) DESC"))
    for key, measure in measures:
        if said := fold(getattr(wanted, key)):
            order.insert(0, measure)
            values[key] = said
    values |= {"hidden": list(sight.hidden), "without": list(sight.without), "most": MOST + 1, "reach": REACH}
    ways = " UNION ".join(_WAY.format(conditions=conditions + within) for conditions in question.ways)
    return _HIT.format(ways=ways, order=", ".join(order)), values


async def search(connection: AsyncConnection, wanted: Wanted, sight: Sight | None = None, *, after: int = 0) -> Found:
    """Children like the one looked for, the likeliest first; none where nothing but the place is given.

    Args:
        sight: what whoever looks may not find. after: how many to pass over.
    """
    found = Found()
    if not wanted.fields:
        return found
    # A word that a quarter of all children have fits whole in memory: else each of their rows is looked at again.
    await connection.execute(text("SELECT set_config('work_mem', '32MB', true)"))
    sight = sight or Sight()
    ranked: list[tuple[bool, float, Row[Any]]] = []
    for question in _questions(wanted):
        if found.total > MOST or (question.below is not None and found.total >= question.below):
            continue
        seen = Sight(sight.hidden, [*sight.without, *(str(row.id) for _, _, row in ranked)])
        statement, values = _statement(wanted, question, seen)
        ids = await _ask(connection, statement, values | {"most": MOST + 1 - found.total}, found, loose=question.loose)
        rows = await _rows(connection, ids)
        ranked += [(question.loose, -score(wanted, row.description, row.birth_year), row) for row in rows]
    # What is as it was typed comes first; the index's own order settles the rest.
    ranked.sort(key=lambda one: one[:2])
    found.rows = [child_of(row) for _, _, row in ranked[after : after + PAGE]]
    found.more = len(ranked) > after + PAGE
    return found


async def _ask(
    connection: AsyncConnection, statement: str, values: dict[str, Any], found: Found, *, loose: bool
) -> list[Any]:
    """Ask one question. Out: the ids of the likeliest; the counts are added to `found`."""
    row = (await connection.execute(text(statement), values)).one()
    for unit, year, count in row.counts or ():
        found.by_unit[unit] += count
        found.by_year[year] += count
        found.total += count
        found.loose += count if loose else 0
    return list(row.ids)


async def _rows(connection: AsyncConnection, ids: Sequence[Any]) -> Sequence[Row[Any]]:
    """The children's rows, in the order of the ids."""
    if not ids:
        return ()
    rows = await connection.execute(
        text(f"SELECT {CHILD_COLUMNS} FROM child WHERE id = ANY(CAST(:ids AS uuid[]))"), {"ids": list(ids)}
    )
    place = {child_id: at for at, child_id in enumerate(ids)}
    return sorted(rows, key=lambda row: place[row.id])


async def looked_at(connection: AsyncConnection, who: str, limit: int) -> list[ChildRow]:
    """The children whose records somebody opened last, each once, the latest first."""
    rows = await connection.execute(
        text(
            f"""WITH looked AS (
                    SELECT child_id, max(at) AS at FROM (
                        SELECT child_id, at FROM access WHERE who = :who AND child_id IS NOT NULL AND act = 'child-page'
                        ORDER BY at DESC LIMIT :most) AS latest
                    GROUP BY child_id ORDER BY at DESC LIMIT :limit)
                SELECT {", ".join(f"child.{name}" for name in CHILD_COLUMNS.split(", "))} FROM looked
                JOIN child ON child.id = looked.child_id WHERE merged_into IS NULL ORDER BY looked.at DESC"""
        ),
        {"who": who, "limit": limit, "most": 10 * limit},
    )
    return [child_of(row) for row in rows]


async def contradicted(
    connection: AsyncConnection, units: Collection[str] | None, passed: int, limit: int
) -> list[ChildRow]:
    """Children whose sources contradict each other, those waiting longest first; none whose record is hidden.

    Args:
        units: None for all.
    """
    where = "" if units is None else "AND unit = ANY(CAST(:units AS text[]))"
    rows = await connection.execute(
        text(
            f"""SELECT {RECORD_COLUMNS} FROM child WHERE conflicts <> '[]' AND merged_into IS NULL
                AND status <> ALL(CAST(:hidden AS text[])) {where}
                ORDER BY changed_at, id LIMIT :limit OFFSET :passed"""
        ),
        {"limit": limit, "passed": passed, "hidden": sorted(HIDDEN)}
        | ({} if units is None else {"units": list(units)}),
    )
    return [record_of(row) for row in rows]


async def log_access(
    connection: AsyncConnection, now: datetime, who: str, act: str, child_id: str | None = None, **detail: object
) -> None:
    """Log that somebody looked: who, what, when; never what they typed."""
    await connection.execute(
        text(
            """INSERT INTO access (at, who, act, child_id, detail)
               VALUES (:now, :who, :act, CAST(:child_id AS uuid), CAST(:detail AS jsonb))"""
        ),
        {"now": now, "who": who, "act": act, "child_id": child_id, "detail": orjson.dumps(detail).decode()},
    )


async def log_children(
    connection: AsyncConnection, now: datetime, who: str, act: str, child_ids: Collection[str], **detail: object
) -> None:
    """The same of many children at once, each by itself."""
    await connection.execute(
        text(
            """INSERT INTO access (at, who, act, child_id, detail)
               SELECT :now, :who, :act, id, CAST(:detail AS jsonb) FROM unnest(CAST(:ids AS uuid[])) AS t(id)"""
        ),
        {"now": now, "who": who, "act": act, "ids": list(child_ids), "detail": orjson.dumps(detail).decode()},
    )


async def accesses(connection: AsyncConnection, child_id: str, limit: int = 20) -> Sequence[Row[Any]]:
    """Rows (at, who, act): who looked at a child's record, the newest first."""
    found = await connection.execute(
        text(
            """SELECT at, who, act FROM access WHERE child_id = CAST(:id AS uuid) ORDER BY at DESC, id DESC
               LIMIT :limit"""
        ),
        {"id": child_id, "limit": limit},
    )
    return found.all()
