"""History's tables, and the one statement that writes them: versions of facts, and what each moved on which day.

Whatever order versions come in, what is stored afterwards is the same: an event that is late corrects what its
neighbours moved. Everything changes in the transaction that took the versions over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Date,
    DateTime,
    Float,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.margins import margins_of
from services.stats.domain.measures import (
    COLUMNS,
    MEASURE_BITS,
    Figure,
    HistoryCell,
    Version,
    columns,
    history_cell_id,
)
from services.stats.store.cube import LIVE, METADATA, Position
from services.stats.store.locks import Lock, wait_for
from services.stats.store.writing import Numbers, array_text
from shared.messaging.waiting import let_others_go

HISTORY_CELL: Final = Table(
    "history_cell",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, Text) for name in COLUMNS),
    Column("margins", ARRAY(BigInteger)),  # the coarser cells that it counts in; nothing: it is one
    Index("history_cell_unit", "unit", "id"),
)
VERSION: Final = Table(
    "version",
    METADATA,
    Column("kind", SmallInteger, nullable=False),
    Column("key", UUID(as_uuid=False), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("cells", ARRAY(BigInteger), nullable=False),
    Column("days", ARRAY(Date), nullable=False),
    Column("amounts", ARRAY(BigInteger)),  # nothing: one of each
    PrimaryKeyConstraint("kind", "key", "sequence"),
    Index("version_cells", "cells", postgresql_using="gin"),
)
MOVEMENT: Final = Table(
    "movement",
    METADATA,
    Column("measure", SmallInteger, nullable=False),
    Column("cell", BigInteger, nullable=False),
    Column("day", Date, nullable=False),  # on which it happened
    Column("at", DateTime(timezone=True), nullable=False),  # from when it was known
    Column("n", BigInteger, nullable=False),
    Index("movement_day", "measure", "day"),
    Index("movement_at", "measure", "at"),
)
STANDING: Final = Table(
    "standing",
    METADATA,
    Column("measure", SmallInteger, nullable=False),
    Column("months", SmallInteger, nullable=False),  # 1: of a month, 12: of a year
    Column("first", Date, nullable=False),  # the month's or year's first day
    Column("cell", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    PrimaryKeyConstraint("measure", "months", "first", "cell"),
)
# Of what is a part of a case, which: a clock, a service. It is opened there.
BELONGING: Final = Table(
    "belonging",
    METADATA,
    Column("kind", SmallInteger, nullable=False),
    Column("key", UUID(as_uuid=False), nullable=False),
    Column("whole", UUID(as_uuid=False), nullable=False),
    PrimaryKeyConstraint("kind", "key"),
)
# Which transaction was the last to change a measure's sums of a month: an answer is still good where none did since.
STANDING_CHANGE: Final = Table(
    "standing_change",
    METADATA,
    Column("measure", SmallInteger, nullable=False),  # 0: figures that are handed in
    Column("first", Date, nullable=False),
    Column("transaction", BigInteger, nullable=False),
    PrimaryKeyConstraint("measure", "first"),
)
FIGURE: Final = Table(
    "figure",
    METADATA,
    Column("key", UUID(as_uuid=False), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("indicator", Text, nullable=False),
    Column("unit", Text, nullable=False),  # empty: the whole province
    Column("period", Text, nullable=False),
    Column("first", Date, nullable=False),
    Column("last", Date, nullable=False),
    Column("value", Float, nullable=False),
    Column("weight", BigInteger, nullable=False),
    Column("sector", Text, nullable=False),
    PrimaryKeyConstraint("key", "sequence"),
    Index("figure_indicator", "indicator", "unit", "last"),
)
HISTORY_PROGRESS: Final = Table(
    "history_progress",
    METADATA,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("time", DateTime(timezone=True)),
    PrimaryKeyConstraint("topic", "partition"),
)
# What a rebuild makes anew; the dictionary of cells is shared, as the board's is.
RECORDED: Final = (VERSION, MOVEMENT, STANDING, STANDING_CHANGE, BELONGING, FIGURE, HISTORY_PROGRESS)

_REMEMBER_CELLS: Final = """
INSERT INTO history_cell SELECT * FROM jsonb_populate_recordset(NULL::history_cell, $1::text::jsonb)
ON CONFLICT DO NOTHING
"""

# A version shows from its moment until that of the first later one. Times may contradict sequences (two servers' clocks
# differ): a version said to be later than one that follows it was never seen, so `since` is the earliest of its own
# and all later moments. `side` holds versions with the sign by which what they move counts.
_MOVED: Final = f"""shown AS (
    SELECT side, kind, key, sequence, cells, days, amounts,
           min(at) OVER (PARTITION BY side, kind, key ORDER BY sequence DESC) AS since
    FROM side
), lasting AS (
    SELECT *, lead(since) OVER (PARTITION BY side, kind, key ORDER BY sequence) AS until FROM shown
), counted AS (
    SELECT side * coalesce(c.amount, 1) AS n, c.cell, c.day, since, until
    FROM lasting, unnest(cells, days, amounts) AS c(cell, day, amount)
    WHERE until IS NULL OR since < until
), change AS (
    SELECT cell, coalesce(day, (since AT TIME ZONE 'Asia/Ho_Chi_Minh')::date) AS day, since AS at, n FROM counted
    UNION ALL
    SELECT cell, coalesce(day, (until AT TIME ZONE 'Asia/Ho_Chi_Minh')::date), until, -n
    FROM counted WHERE until IS NOT NULL
), net AS (
    SELECT (cell >> {MEASURE_BITS})::smallint AS measure, cell, day, at, sum(n)::bigint AS n
    FROM change GROUP BY cell, day, at HAVING sum(n) <> 0
), moved AS (
    INSERT INTO {{schema}}.movement (measure, cell, day, at, n) SELECT * FROM net
), everywhere AS (
    SELECT measure, cell, day, n FROM net
    UNION ALL
    SELECT (margin >> {MEASURE_BITS})::smallint, margin, day, n
    FROM net JOIN {LIVE}.history_cell AS c ON c.id = net.cell, unnest(c.margins) AS margin
), stood AS (
    INSERT INTO {{schema}}.standing AS s (measure, months, first, cell, n)
    SELECT measure, months, date_trunc(unit, day)::date, cell, sum(n)
    FROM everywhere, (VALUES (1, 'month'), (12, 'year')) AS span(months, unit)
    GROUP BY measure, months, unit, date_trunc(unit, day), cell HAVING sum(n) <> 0
    ORDER BY 1, 2, 3, 4
    ON CONFLICT (measure, months, first, cell) DO UPDATE SET n = s.n + excluded.n
), changed AS (
    INSERT INTO {{schema}}.standing_change AS c (measure, first, transaction)
    SELECT DISTINCT measure, date_trunc('month', day)::date, pg_current_xact_id()::text::bigint FROM net
    ON CONFLICT (measure, first) DO UPDATE SET transaction = excluded.transaction
)"""

# What is told of a moment that is no longer kept by itself becomes known at the next one that is.
_ROUNDED: Final = f"""coalesce(CASE WHEN t.at < (SELECT every_moment_from FROM {LIVE}.compaction)
    THEN (SELECT min(k.at) FROM {LIVE}.kept_moment AS k WHERE k.at >= t.at) END, t.at)"""

# What the touched things moved before and after is compared, and only the difference is written. Looked at are the
# versions from the last one on that is before all that is new, by its number and by its moment: what came earlier shows
# as it did. Of an event that comes in its order that is one version, however long the thing's life.
_RECORD: Final = f"""
WITH said AS (
    SELECT t.kind, t.key, t.sequence, {_ROUNDED} AS at, t.cells::bigint[] AS cells, t.days::date[] AS days,
           t.amounts::bigint[] AS amounts
    FROM unnest($1::text::smallint[], $2::text::uuid[], $3::text::integer[], $4::text::timestamptz[],
                $5::text::text[], $6::text::text[], $7::text::text[])
        AS t(kind, key, sequence, at, cells, days, amounts)
), fresh AS (
    SELECT said.* FROM said LEFT JOIN {{schema}}.version AS v USING (kind, key, sequence)
    WHERE v.sequence IS NULL OR said.at < v.at
), touched AS (
    SELECT kind, key, min(sequence) AS sequence, min(at) AS at FROM fresh GROUP BY kind, key
), known AS (
    SELECT v.* FROM touched AS t LEFT JOIN LATERAL (
        SELECT sequence FROM {{schema}}.version AS v
        WHERE v.kind = t.kind AND v.key = t.key AND v.sequence < t.sequence AND v.at <= t.at
        ORDER BY v.sequence DESC LIMIT 1
    ) AS before ON true
    JOIN {{schema}}.version AS v ON v.kind = t.kind AND v.key = t.key AND v.sequence >= coalesce(before.sequence, 0)
), side AS (
    SELECT -1 AS side, known.* FROM known
    UNION ALL
    SELECT 1, fresh.* FROM fresh
    UNION ALL
    SELECT 1, known.* FROM known LEFT JOIN fresh USING (kind, key, sequence) WHERE fresh.sequence IS NULL
), {_MOVED}, kept AS (
    INSERT INTO {{schema}}.version AS v SELECT * FROM fresh
    ON CONFLICT (kind, key, sequence) DO UPDATE SET at = excluded.at
)
SELECT count(*) FROM fresh
"""

# Versions only: for whoever takes over very many, and works out at their end what all of them moved.
_COLLECT: Final = f"""
WITH collected AS (
    INSERT INTO {{schema}}.version AS v
    SELECT t.kind, t.key, t.sequence, {_ROUNDED}, t.cells::bigint[], t.days::date[], t.amounts::bigint[]
    FROM unnest($1::text::smallint[], $2::text::uuid[], $3::text::integer[], $4::text::timestamptz[],
                $5::text::text[], $6::text::text[], $7::text::text[])
        AS t(kind, key, sequence, at, cells, days, amounts)
    ON CONFLICT (kind, key, sequence) DO UPDATE SET at = excluded.at WHERE excluded.at < v.at
    RETURNING 1
)
SELECT count(*) FROM collected
"""

_DERIVE: Final = f"WITH side AS (SELECT 1 AS side, v.* FROM {{schema}}.version AS v), {_MOVED} SELECT count(*) FROM net"

_REPORT: Final = """
WITH changed AS (
    INSERT INTO {schema}.standing_change AS c (measure, first, transaction)
    VALUES (0, '0001-01-01', pg_current_xact_id()::text::bigint)
    ON CONFLICT (measure, first) DO UPDATE SET transaction = excluded.transaction
)
INSERT INTO {schema}.figure AS f
SELECT * FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::date[],
                     $8::date[], $9::float8[], $10::bigint[], $11::text[])
ON CONFLICT (key, sequence) DO UPDATE SET at = least(f.at, excluded.at)
"""

_BELONG: Final = """
INSERT INTO {schema}.belonging (kind, key, whole)
SELECT * FROM unnest($1::text::smallint[], $2::text::uuid[], $3::text::uuid[]) ON CONFLICT DO NOTHING
"""

_ADVANCE: Final = """
INSERT INTO {schema}.history_progress AS p (topic, partition, "offset", time)
SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::timestamptz[])
ON CONFLICT (topic, partition) DO UPDATE SET "offset" = excluded."offset", time = excluded.time
    WHERE p."offset" < excluded."offset"
"""


# Cells made ready without a pause: a few milliseconds.
_SLICE: Final = 100


class HistoryCells(Numbers[HistoryCell]):
    """The numbers of history's cells, and which of them the database is known to hold. One a process."""

    def __init__(self, remembered: int = 200_000) -> None:
        super().__init__(history_cell_id, remembered)

    async def store(self, connection: AsyncConnection, ids: Mapping[HistoryCell, int]) -> frozenset[int]:
        """Store cells that are not known to be there, and the margins they count in. Out: the numbers of all, to
        `remember` once the transaction is in."""
        rows: dict[int, dict[str, object]] = {}
        for place, (cell, number) in enumerate(ids.items(), 1):
            if not place % _SLICE:
                await let_others_go()
            if number in self._stored:
                continue
            margins = margins_of(cell)
            named = dict(zip(columns(cell.measure), cell.values, strict=True))
            rows[number] = {"id": number, **named, "margins": [margin for margin, _ in margins]}
            for margin, kept in margins:
                if margin not in self._stored:
                    rows[margin] = {"id": margin, **kept}
        if rows:
            # In one order, so that nobody waits for anybody who waits for them.
            written = [rows[number] for number in sorted(rows)]
            await connection.exec_driver_sql(_REMEMBER_CELLS, (orjson.dumps(written).decode(),))
        return frozenset(rows)


class Chronicle:
    """History's tables of one schema: the live one, or one being rebuilt beside it.

    `collecting`: versions are only kept, until `derive` works out what they moved.
    """

    def __init__(self, schema: str = LIVE, *, collecting: bool = False) -> None:
        self.schema = schema
        self.collecting = collecting
        self._collect = _COLLECT.format(schema=schema)
        self._lock = Lock.HISTORY if schema == LIVE else Lock.SHADOW_HISTORY
        self._record = _RECORD.format(schema=schema)
        self._derive = _DERIVE.format(schema=schema)
        self._report = _REPORT.format(schema=schema)
        self._belong = _BELONG.format(schema=schema)
        self._advance = _ADVANCE.format(schema=schema)

    async def record(
        self, connection: AsyncConnection, versions: Sequence[Version], ids: Mapping[HistoryCell, int]
    ) -> int:
        """Take versions over, one a thing and sequence. Out: how many were not known before.

        In: the numbers of all their cells, which are stored. Holds the lock of whoever writes history from here to the
        end of the transaction.
        """
        await wait_for(connection, self._lock)
        statement = self._collect if self.collecting else self._record
        result = await connection.exec_driver_sql(statement, _columns_of(versions, ids))
        parts = sorted({(int(version.kind), version.key, version.whole) for version in versions if version.whole})
        if parts:
            await connection.exec_driver_sql(
                self._belong, tuple(array_text(column) for column in zip(*parts, strict=True))
            )
        return int(result.scalar_one())

    async def derive(self, connection: AsyncConnection) -> None:
        """Work out from the versions alone what they moved, where nothing is worked out yet; from then on, as they
        come, once the caller's transaction is in."""
        await connection.exec_driver_sql(self._derive)
        self.collecting = False

    async def report(self, connection: AsyncConnection, figures: Sequence[Figure]) -> None:
        """Take handed-in figures over, one a key and sequence, in their order."""
        await connection.exec_driver_sql(self._report, tuple(list(column) for column in zip(*figures, strict=True)))

    async def advance(self, connection: AsyncConnection, positions: Sequence[Position]) -> None:
        """Note how far partitions are recorded."""
        columns_ = (
            [position.topic for position in positions],
            [position.partition for position in positions],
            [position.offset for position in positions],
            [position.time for position in positions],
        )
        await connection.exec_driver_sql(self._advance, columns_)


def _columns_of(versions: Sequence[Version], ids: Mapping[HistoryCell, int]) -> tuple[str, ...]:
    """Versions as texts of arrays: the driver would look at every element of a list."""
    return (
        array_text(int(version.kind) for version in versions),
        array_text(version.key for version in versions),
        array_text(version.sequence for version in versions),
        array_text(f'"{version.at.isoformat()}"' for version in versions),
        array_text(f'"{array_text(ids[count.cell] for count in version.counts)}"' for version in versions),
        array_text(
            f'"{array_text("NULL" if count.day is None else count.day.isoformat() for count in version.counts)}"'
            for version in versions
        ),
        array_text(_amounts(version) for version in versions),
    )


def _amounts(version: Version) -> str:
    if all(count.n == 1 for count in version.counts):
        return "NULL"
    return f'"{array_text(count.n for count in version.counts)}"'
