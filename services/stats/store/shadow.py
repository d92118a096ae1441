"""The tables of a rebuild: made beside the live ones, compared with them, put in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.cells import KINDS
from services.stats.domain.margins import FIRST as MARGINS
from services.stats.domain.measures import COLUMNS, MEASURE_BITS, Measure
from services.stats.store import compaction
from services.stats.store.answers import see_one_moment
from services.stats.store.cube import CHANNEL, LIVE

SHADOW: Final = "rebuild"
_KIND_WORDS: Final = {int(kind): word for word, kind in KINDS.items()}
_MAX_DIFFERENCES: Final = 500
_NOT_SHOWN: Final = frozenset({"id", "kind", "counted", "rebuilt", "of"})


# What a migration runs whose change has to be filled from events: the service rebuilds as it starts.
ASK: Final = """
INSERT INTO rebuild (id, state, done, total, reason, differences, differing, started_at)
VALUES (true, 'asked', 0, 0, '', '[]', 0, now())
ON CONFLICT (id) DO UPDATE SET state = 'asked', asks = false, answer = '', tries = 0, started_at = now()
"""


async def make(connection: AsyncConnection, tables: Sequence[Table]) -> None:
    """Empty tables like the live ones, whatever a rebuild before left behind."""
    await drop(connection)
    await connection.execute(text(f"CREATE SCHEMA {SHADOW}"))
    for table in tables:
        name = f"{SHADOW}.{table.name}"
        await connection.execute(text(f"CREATE TABLE {name} (LIKE {LIVE}.{table.name} INCLUDING ALL)"))
        # LIKE leaves out how full pages may be.
        found = await connection.execute(
            text("SELECT reloptions FROM pg_class WHERE oid = CAST(:name AS regclass)"),
            {"name": f"{LIVE}.{table.name}"},
        )
        options = found.scalar()
        if options:
            await connection.execute(text(f"ALTER TABLE {name} SET ({', '.join(options)})"))


async def drop(connection: AsyncConnection) -> None:
    """Forget a rebuild."""
    await connection.execute(text(f"DROP SCHEMA IF EXISTS {SHADOW} CASCADE"))


async def copy_figures(connection: AsyncConnection) -> None:
    """Copy the live figures as they are at one moment, to compare with: nobody waits meanwhile. The first thing in its
    transaction, in which `reached` says what they hold."""
    await see_one_moment(connection, writes=True)
    for name, question in _FIGURES.items():
        await connection.execute(text(f"DROP TABLE IF EXISTS {SHADOW}.live_{name}"))
        await connection.execute(text(f"CREATE UNLOGGED TABLE {SHADOW}.live_{name} AS {question.format(schema=LIVE)}"))


async def compare(connection: AsyncConnection) -> tuple[int, list[dict[str, Any]]]:
    """Figures that differ from the copied ones: how many, and the first of each sort in words."""
    total, differences = 0, []
    for name, question in _COMPARED.items():
        statement = question.format(anew=_FIGURES[name].format(schema=SHADOW), live=f"{SHADOW}.live_{name}")
        found = (await connection.execute(text(statement))).mappings().all()
        total += found[0]["of"] if found else 0
        for row in found:
            differences.append({"figure": _words(dict(row)), "counted": row["counted"], "rebuilt": row["rebuilt"]})
    return total, differences[:_MAX_DIFFERENCES]


def _words(row: Mapping[str, Any]) -> str:
    if "first" not in row:
        words = [f"{name}={row[name]}" for name in row if name not in _NOT_SHOWN and row[name]]
        return " ".join([_KIND_WORDS.get(row["kind"], str(row["kind"])), *words])
    words = [f"{name}={row[name]}" for name in COLUMNS if row[name]]
    known = [f"known-in={row['known']:%Y-%m}"] if "known" in row else []
    return " ".join([Measure(row["id"] >> MEASURE_BITS).word, f"month={row['first']:%Y-%m}", *known, *words])


# The board's figures; history's, by the month; and those by the month in which they became known, which is the same
# however finely history is kept.
_FIGURES: Final = {
    "cube": "SELECT cell, n FROM {schema}.cube",
    "standing": f"SELECT first, cell, n FROM {{schema}}.standing WHERE months = 1 AND measure < {MARGINS}",
    "movement": """SELECT date_trunc('month', day)::date AS first,
            date_trunc('month', at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date AS known, cell, sum(n)::bigint AS n
        FROM {schema}.movement GROUP BY 1, 2, 3""",
}
_DIFFERING: Final = """coalesce(live.n, 0) AS counted, coalesce(anew.n, 0) AS rebuilt, count(*) OVER () AS of
    FROM {live} AS live FULL JOIN ({anew}) AS anew"""
_FIRST: Final = f"""WHERE coalesce(live.n, 0) <> coalesce(anew.n, 0)
    ORDER BY abs(coalesce(live.n, 0) - coalesce(anew.n, 0)) DESC, c.id LIMIT {_MAX_DIFFERENCES}"""
_COMPARED: Final = {
    "cube": f"SELECT c.*, {_DIFFERING} USING (cell) JOIN cell AS c ON c.id = cell {_FIRST}",
    "standing": f"SELECT c.*, first, {_DIFFERING} USING (first, cell) JOIN history_cell AS c ON c.id = cell {_FIRST}",
    "movement": f"""SELECT c.*, first, known, {_DIFFERING} USING (first, known, cell)
        JOIN history_cell AS c ON c.id = cell {_FIRST}""",
}


async def hold(connection: AsyncConnection, tables: Sequence[Table]) -> None:
    """Nobody counts, and nobody compacts, from here to the end of the transaction. Raises where that takes too long."""
    await connection.execute(text("SET LOCAL lock_timeout = '2s'"))
    await connection.execute(text("SELECT FROM compaction FOR UPDATE"))
    names = ", ".join(f"{LIVE}.{table.name}" for table in tables)
    await connection.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))


async def swap(connection: AsyncConnection, tables: Sequence[Table]) -> None:
    """Put the tables in the place of the live ones, which are `held`; what listens is woken."""
    for table in tables:
        await connection.execute(text(f"DROP TABLE {LIVE}.{table.name}"))
        await connection.execute(text(f"ALTER TABLE {SHADOW}.{table.name} SET SCHEMA {LIVE}"))
    await drop(connection)
    # They are as fine as their events.
    await connection.execute(text(compaction.AGAIN))
    await connection.execute(text(f"SELECT pg_notify('{CHANNEL}', '')"))
