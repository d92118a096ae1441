"""Statistics' tables and the statements on them, each whole and named so that it can be read and explained.

Every count changes in the transaction and in the statement that moved its fact: a count can never be off by a crash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    CursorResult,
    Date,
    DateTime,
    Float,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.cells import DIMENSIONS, Cell, Fact, Link, Merge, UnitQuality, cell_id
from services.stats.store.locks import Lock, wait_for
from services.stats.store.writing import Numbers, array_text

METADATA: Final = MetaData()
LIVE: Final = "public"
# Heard by boards; sent by the transaction that changed counts, with the numbers of the cells, or with nothing where
# they are too many to say.
CHANNEL: Final = "stats_changed"

CELL: Final = Table(
    "cell",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    *(Column(name, Text, nullable=False) for name in DIMENSIONS),
)
FACT: Final = Table(
    "fact",
    METADATA,
    Column("kind", SmallInteger, nullable=False),
    Column("key", UUID(as_uuid=False), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("cell", BigInteger),
    PrimaryKeyConstraint("kind", "key"),
)
CUBE: Final = Table(
    "cube",
    METADATA,
    Column("cell", BigInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
)
LINK: Final = Table(
    "link",
    METADATA,
    Column("record", UUID(as_uuid=False), primary_key=True),
    Column("child", UUID(as_uuid=False), nullable=False, index=True),
    Column("register", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
)
ALIAS: Final = Table(
    "alias",
    METADATA,
    Column("child", UUID(as_uuid=False), primary_key=True),
    Column("into", UUID(as_uuid=False), nullable=False, index=True),
)
PROGRESS: Final = Table(
    "progress",
    METADATA,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),  # the last record that is counted
    Column("time", DateTime(timezone=True)),  # its event's own time
    PrimaryKeyConstraint("topic", "partition"),
)
HEARD: Final = Table(
    "heard",
    METADATA,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("sector", Text, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    # By partition, so that two replicas never wait for each other's row.
    PrimaryKeyConstraint("topic", "partition", "sector"),
)
QUALITY: Final = Table(
    "quality",
    METADATA,
    Column("unit", Text, nullable=False),
    Column("day", Date, nullable=False, index=True),
    Column("sequence", Integer, nullable=False),
    Column("children", BigInteger, nullable=False),
    Column("verified", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("score", Float, nullable=False),
    Column("measured_at", DateTime(timezone=True)),
    PrimaryKeyConstraint("unit", "day"),
)
INDICATOR: Final = Table(
    "indicator",
    METADATA,
    Column("name", Text, nullable=False),
    Column("unit", Text, nullable=False),  # empty: the whole province
    Column("value", Float, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("name", "unit"),
)
CROSSING: Final = Table(
    "crossing",
    METADATA,
    Column("watch", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("watch", "subject"),
)
# What a rebuild makes anew. The dictionary of cells is shared: a cell's number is the same everywhere.
COUNTED: Final = (FACT, CUBE, LINK, ALIAS, PROGRESS, HEARD, QUALITY)


@dataclass(frozen=True, slots=True)
class Moved:
    """How many facts changed, and how many cells of the cube."""

    facts: int = 0
    cells: int = 0

    def __add__(self, other: Moved) -> Moved:
        return Moved(self.facts + other.facts, self.cells + other.cells)

    def __bool__(self) -> bool:
        return bool(self.facts or self.cells)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a partition is counted, and the time of its last event."""

    topic: str
    partition: int
    offset: int
    time: datetime | None


# From so many changed cells on, whoever listens is told that anything may have changed: a message holds 8,000 bytes.
_TOLD_CELLS: Final = 300

# Everything about a batch in one statement: it is its own transaction, and nobody waits for one answer after another.
# Cells come as one JSON text: as arrays, the driver would look at each of a dozen columns' elements in Python. So do
# facts, each array one text.
# PostgreSQL 18's RETURNING old/new says what moved, from where, to where; the sums follow. The WHERE makes it
# idempotent: a fact that is not newer moves nothing, so it counts nothing.
# All writers take cells, facts, counts and progress in this order, and each of them sorted: two replicas that share
# some wait for each other instead of deadlocking.
_TAKE_OVER: Final = f"""
WITH stored AS (
    INSERT INTO cell (id, kind, {", ".join(DIMENSIONS)})
    SELECT (c->>0)::bigint, (c->>1)::smallint, {", ".join(f"c->>{at}" for at in range(2, 2 + len(DIMENSIONS)))}
    FROM jsonb_array_elements($5::text::jsonb) AS c
    ON CONFLICT DO NOTHING
    RETURNING 1
), event AS (
    SELECT given.*
    FROM (SELECT count(*) FROM stored) AS first_of_all, unnest(
        $1::text::smallint[], $2::text::uuid[], $3::text::integer[], $4::text::bigint[]
    ) AS given(kind, key, sequence, cell)
), moved AS (
    INSERT INTO {{schema}}.fact AS f (kind, key, sequence, cell) SELECT * FROM event
    ON CONFLICT (kind, key) DO UPDATE SET sequence = excluded.sequence, cell = excluded.cell
        WHERE f.sequence < excluded.sequence
    RETURNING old.cell AS was, new.cell AS cell
), advanced AS (
    INSERT INTO {{schema}}.progress AS p (topic, partition, "offset", time)
    SELECT * FROM unnest($6::text[], $7::integer[], $8::bigint[], $9::timestamptz[])
    ON CONFLICT (topic, partition) DO UPDATE SET "offset" = excluded."offset", time = excluded.time
        WHERE p."offset" < excluded."offset"
), heard AS (
    INSERT INTO {{schema}}.heard AS h (topic, partition, sector, time)
    SELECT * FROM unnest($10::text[], $11::integer[], $12::text[], $13::timestamptz[])
    ON CONFLICT (topic, partition, sector) DO UPDATE SET time = excluded.time WHERE h.time < excluded.time
)"""
# What moved becomes the difference of each cell's count.
_SUM_UP: Final = """change AS (
    SELECT cell, 1 AS n FROM moved WHERE cell IS NOT NULL
    UNION ALL
    SELECT was, -1 FROM moved WHERE was IS NOT NULL
), net AS (
    SELECT cell, sum(n) AS n FROM change GROUP BY cell HAVING sum(n) <> 0 ORDER BY cell
), counted AS (
    INSERT INTO {schema}.cube AS c (cell, n) SELECT * FROM net
    ON CONFLICT (cell) DO UPDATE SET n = c.n + excluded.n
    RETURNING c.cell
)"""
_COUNT: Final = f"""{_TAKE_OVER}, {_SUM_UP}
SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM counted),
    CASE WHEN $14::boolean AND EXISTS (SELECT FROM counted) THEN pg_notify('{CHANNEL}', coalesce(
        (SELECT string_agg(cell::text, ',') FROM counted HAVING count(*) <= {_TOLD_CELLS}), '')) END
"""
# While everything is counted anew nobody asks for sums: made once of all facts, they cost half of what each fact does.
_COLLECT: Final = f"""{_TAKE_OVER}
SELECT (SELECT count(*) FROM moved), 0, CASE WHEN $14::boolean THEN NULL END
"""
_DERIVE: Final = """
INSERT INTO {schema}.cube (cell, n)
SELECT cell, count(*) FROM {schema}.fact WHERE cell IS NOT NULL GROUP BY cell ORDER BY cell
"""
_STORED: Final = "SELECT array(SELECT id FROM cell WHERE id > $1 ORDER BY id LIMIT $2)"
_STORED_PIECE: Final = 10_000
_LEAST: Final = -(2**63)

_LINK = """
INSERT INTO {schema}.link AS l (record, child, register, sequence)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[])
ON CONFLICT (record) DO UPDATE SET child = excluded.child, register = excluded.register, sequence = excluded.sequence
    WHERE l.sequence < excluded.sequence
RETURNING old.child AS was, new.child AS child
"""

# A merged record is merged once; should two merges of it ever be said, the same one holds in whatever order they come.
_ALIAS = """
INSERT INTO {schema}.alias AS a (child, "into")
SELECT * FROM unnest($1::uuid[], $2::uuid[])
ON CONFLICT (child) DO UPDATE SET "into" = least(a."into", excluded."into")
RETURNING old."into" AS was
"""

# Who the touched children are now: themselves (a merged one leaves the count) and whom they were merged into.
_TOUCHED = """
WITH RECURSIVE up(child) AS (
    SELECT unnest($1::uuid[])
    UNION
    SELECT a."into" FROM {schema}.alias a JOIN up USING (child)
)
INSERT INTO {schema}.fact AS f (kind, key, sequence, cell)
SELECT $2::smallint, child, 0, NULL FROM (SELECT child FROM up ORDER BY child) AS touched
ON CONFLICT (kind, key) DO UPDATE SET sequence = f.sequence  -- changes nothing, and locks the row
RETURNING f.key
"""

_RECOUNT_MEMBERSHIPS: Final = f"""
WITH RECURSIVE down(root, child) AS (
    SELECT t.child, t.child FROM unnest($1::uuid[]) AS t(child)
    WHERE NOT EXISTS (SELECT FROM {{schema}}.alias a WHERE a.child = t.child)
    UNION
    SELECT down.root, a.child FROM {{schema}}.alias a JOIN down ON a."into" = down.child
), known AS (
    SELECT root, string_agg(DISTINCT register, '+' ORDER BY register) AS registers
    FROM down JOIN {{schema}}.link USING (child)
    WHERE register <> ''  -- a record that was withdrawn
    GROUP BY root
), target AS (
    SELECT t.child AS key, word.cell
    FROM unnest($1::uuid[]) AS t(child)
    LEFT JOIN known ON known.root = t.child
    LEFT JOIN unnest($3::text[], $4::bigint[]) AS word(registers, cell) USING (registers)
), moved AS (
    UPDATE {{schema}}.fact AS f SET cell = target.cell FROM target
    WHERE f.kind = $2 AND f.key = target.key AND f.cell IS DISTINCT FROM target.cell
    RETURNING old.cell AS was, new.cell AS cell
), {_SUM_UP}
SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM counted)
"""

# Of so many days scores are kept: two years to compare with. A day that lies ahead lets go of none.
_QUALITY_DAYS: Final = 800
_MEASURE = f"""
WITH measured AS (
    INSERT INTO {{schema}}.quality AS q (unit, day, sequence, children, verified, due, score, measured_at)
    SELECT * FROM unnest($1::text[], $2::date[], $3::integer[], $4::bigint[], $5::bigint[], $6::bigint[],
                         $7::float8[], $8::timestamptz[])
    ON CONFLICT (unit, day) DO UPDATE SET sequence = excluded.sequence, children = excluded.children,
        verified = excluded.verified, due = excluded.due, score = excluded.score,
        measured_at = excluded.measured_at
        WHERE q.sequence < excluded.sequence
)
DELETE FROM {{schema}}.quality
WHERE day < least((SELECT max(day) FROM {{schema}}.quality), current_date) - {_QUALITY_DAYS}
"""

# Kinds, keys, sequences and cells of facts, each as the text of an array.
Columns = tuple[str, str, str, str]


class Ledger:
    """Facts and cube of one schema: the live one, or one being rebuilt beside it.

    `collecting`: facts are only kept, until `derive` sums them up.
    """

    def __init__(self, schema: str = LIVE, *, collecting: bool = False) -> None:
        self.schema = schema
        self.collecting = collecting
        self._count = _COUNT.format(schema=schema)
        self._collect = _COLLECT.format(schema=schema)
        self._derive = _DERIVE.format(schema=schema)
        self._link = _LINK.format(schema=schema)
        self._alias = _ALIAS.format(schema=schema)
        self._touched = _TOUCHED.format(schema=schema)
        self._recount = _RECOUNT_MEMBERSHIPS.format(schema=schema)
        self._measure = _MEASURE.format(schema=schema)

    async def count(
        self,
        connection: AsyncConnection,
        facts: Columns,
        cells: str,
        positions: Sequence[Position] = (),
        heard: Mapping[tuple[str, int, str], datetime] | None = None,
        *,
        announce: bool = False,
    ) -> Moved:
        """Let facts take effect where they are newer, count the difference, note how far partitions are counted and
        when each sector was last heard.

        Args:
            facts: of `columns_of`. cells: those that may not be stored yet, of `Cells.fresh`.
            announce: tell whoever listens which cells changed.
        """
        ordered = sorted((heard or {}).items())
        arguments = (
            *facts,
            cells,
            [position.topic for position in positions],
            [position.partition for position in positions],
            [position.offset for position in positions],
            [position.time for position in positions],
            [topic for (topic, _, _), _ in ordered],
            [partition for (_, partition, _), _ in ordered],
            [sector for (_, _, sector), _ in ordered],
            [time for _, time in ordered],
            announce,
        )
        statement = self._collect if self.collecting else self._count
        return _moved(await connection.exec_driver_sql(statement, arguments))

    async def derive(self, connection: AsyncConnection) -> None:
        """Sum up all facts; from then on each as it comes, once the caller's transaction is in."""
        await connection.exec_driver_sql(f"TRUNCATE {self.schema}.cube")
        await connection.exec_driver_sql(self._derive)
        self.collecting = False

    async def link(
        self,
        connection: AsyncConnection,
        links: Sequence[Link],
        merges: Sequence[Merge],
        kind: int,
        words: Mapping[str, int],
    ) -> Moved:
        """Say which records belong to which children, and count anew in which registers each touched child stands.

        In: links and merges, one a record or child, in their order; `words`: cell ids of the sets of registers.
        """
        # Two who link may run side by side; a merge changes who anybody is, so it runs alone.
        await wait_for(connection, Lock.MERGES, shared=not merges)
        touched: set[str] = set()
        if links:
            columns = (
                [link.record for link in links],
                [link.child for link in links],
                [link.register for link in links],
                [link.sequence for link in links],
            )
            for row in await connection.exec_driver_sql(self._link, columns):
                touched.update(str(key) for key in row if key is not None)
        if merges:
            pairs = ([merge.child for merge in merges], [merge.into for merge in merges])
            rows = await connection.exec_driver_sql(self._alias, pairs)
            touched.update(str(row[0]) for row in rows if row[0] is not None)
            touched.update(child for column in pairs for child in column)
        if not touched:
            return Moved()
        rows = await connection.exec_driver_sql(self._touched, (sorted(touched), kind))
        children = sorted(str(row[0]) for row in rows)
        arguments = (children, kind, list(words), list(words.values()))
        return _moved(await connection.exec_driver_sql(self._recount, arguments))

    async def measure(self, connection: AsyncConnection, qualities: Sequence[UnitQuality]) -> None:
        """Keep how good communes' records are on days; one a commune and day, in their order."""
        columns = tuple(list(column) for column in zip(*qualities, strict=True))
        await connection.exec_driver_sql(self._measure, columns)


def columns_of(facts: Sequence[Fact], numbers: Sequence[int | None]) -> Columns:
    """Facts (one a key, in the order of `latest`) and the numbers of their cells as `Ledger.count` takes them."""
    return (
        array_text([int(fact.kind) for fact in facts]),
        array_text([fact.key for fact in facts]),
        array_text([fact.sequence for fact in facts]),
        array_text(["NULL" if number is None else number for number in numbers]),
    )


def _moved(result: CursorResult[*tuple[Any, ...]]) -> Moved:
    row = result.one()
    return Moved(row[0], row[1])


class Cells(Numbers[Cell]):
    """The numbers of the cube's cells, and which of them the database is known to hold. One a process."""

    def __init__(self, remembered: int = 500_000) -> None:
        super().__init__(cell_id, remembered)

    async def learn(self, connection: AsyncConnection) -> None:
        """Know what the database holds already, as far as memory goes."""
        last = _LEAST
        while len(self._stored) < self._remembered:
            # In pieces, for others wait for this process, too.
            rows = await connection.exec_driver_sql(_STORED, (last, _STORED_PIECE))
            found: list[int] = rows.scalar_one()
            self._stored.update(found)
            if len(found) < _STORED_PIECE:
                return
            last = found[-1]

    def of(self, facts: Sequence[Fact]) -> tuple[list[int | None], dict[int, Cell]]:
        """The number of each fact's cell, None where it has none; and those cells that are not known to be stored."""
        known, stored, number_of = self.known(), self._stored, self._number_of
        numbers: list[int | None] = []
        new: dict[int, Cell] = {}
        # In a rush nothing is asked more often, and a cell of twelve words is slow to look up: once a fact.
        for fact in facts:
            cell = fact.cell
            if cell is None:
                numbers.append(None)
                continue
            number = known.get(cell)
            if number is None:
                number = known[cell] = number_of(cell)
            if number not in stored:
                new[number] = cell
            numbers.append(number)
        return numbers, new

    def fresh(self, new: Mapping[int, Cell]) -> tuple[str, frozenset[int]]:
        """Which of these are still not known to be stored: as `Ledger.count` takes them, and their numbers, to
        `remember` once the transaction is in."""
        stored = self._stored
        fresh = sorted([(number, cell) for number, cell in new.items() if number not in stored])
        rows = orjson.dumps([(number, *cell) for number, cell in fresh]).decode()
        return rows, frozenset([number for number, _ in fresh])
