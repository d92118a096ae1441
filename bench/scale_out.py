"""Scale-out: what an event and a board cost with 0.1, 1 and 5 million facts.

Facts are put into the tables at once, then events are counted by the very code of the service, in batches as they come
in a rush: a fifth of new cases, the others of known ones, nine in ten of them recent. Cost is processor time, of Python
and of the database's process for this connection, so that what else the machine does is not measured.

A board is asked for by views of all kinds, each after a few events more, so that nothing of it is at hand.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

import asyncpg
import psutil
from sqlalchemy import text

import services.stats
from bench import Result, quantiles
from bench._many_events import NOW, RISKS, STEPS, Cases
from local.postgres import EmbeddedPostgres
from services.stats.domain.cells import DIMENSIONS, Cell, Kind, cell_id
from services.stats.handlers.counting import Counting
from services.stats.pages.live_board import Board, View
from shared.database import Database
from shared.messaging.processing import Record
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from shared.web.pages import Pages

NAME = "scale-out"
_BATCH = 4_000
_RECENT = 100_000
_FEW = 20
_FLAT = 1.25
_BOARD_MS = 50.0
_SEXES = ("male", "female")
_AGES = ("0-3", "4-5", "6-10", "11-15")
_KINDS = ("violence", "neglect", "sexual-abuse", "exploitation", "trafficking", "other")
_SECTORS = ("hotline", "education", "health")
_KEYS = Keys(bytes(32), PlatformKey(bytes(range(32))))
# Seven of ten are cases, with ids as `case_id` makes them; the others children. Cells are dealt out by turns.
_FACTS = """
INSERT INTO fact (kind, key, sequence, cell)
SELECT {kind}, md5({key})::uuid, 1, cells[1 + number % cardinality(cells)]
FROM (SELECT $1::bigint[] AS cells) AS given, generate_series($2::int, $3::int - 1) AS number
"""
_CUBE = "INSERT INTO cube (cell, n) SELECT cell, count(*) FROM fact GROUP BY cell"


@dataclass(frozen=True)
class Cost:
    """With so many facts: processor time of an event, milliseconds of boards."""

    facts: int
    event_us: float
    boards: Sequence[float]


async def run(quick: bool) -> list[Result]:
    """Count events and open boards at each size. Cost may not grow with what is there already."""
    sizes = (20_000, 100_000) if quick else (100_000, 1_000_000, 5_000_000)
    costs = []
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as name:
        postgres = EmbeddedPostgres(Path(name) / "postgres")
        await asyncio.to_thread(postgres.start)
        try:
            database = Database(postgres.url("stats"), pool_size=1)
            await database.migrate(Path(services.stats.__file__).parent / "migrations")
            for facts in sizes:
                await _fill(postgres, facts)
                costs.append(await _cost(database, postgres.url("stats"), facts, quick))
            await database.close()
        finally:
            await asyncio.to_thread(postgres.stop)
    first, last = costs[0], costs[-1]
    grown = last.event_us / first.event_us
    p50, p99 = quantiles(last.boards)
    beside = {f"with {cost.facts:,}": cost.event_us for cost in costs[:-1]}
    board = f"a board of any view, {last.facts:,} facts, after {_FEW} events more"
    return [
        Result(NAME, f"processor time of an event, {last.facts:,} facts", last.event_us, "µs", beside),
        Result(NAME, f"the same, beside {first.facts:,} facts", grown, "×", aim=f"≤ {_FLAT} ×", met=grown <= _FLAT),
        Result(NAME, f"{board}, p99", p99, "ms", aim=f"≤ {_BOARD_MS:.0f} ms", met=p99 <= _BOARD_MS),
        Result(NAME, f"{board}, p50", p50, "ms"),
    ]


def _cells() -> tuple[list[Cell], list[Cell]]:
    """Every cell of cases that the events can fall into, and those of children born in any month."""
    units = Units.load().codes()
    states = [("unassessed", "open", "intake"), *((risk, "open", step) for risk in RISKS for step in STEPS[1:])]
    cases = [
        Cell(Kind.CASE, unit, sex, age, "", kind, risk, status, sector, "hotline-111", step)
        for unit, sex, age, kind, (risk, status, step), sector in product(
            units, _SEXES, _AGES, _KINDS, states, _SECTORS
        )
    ]
    children = [
        Cell(Kind.CHILD, unit=unit, sex=sex, date=f"{year}-{month:02d}", groups=groups)
        for unit, sex, year, month, groups in product(units, _SEXES, range(2011, 2026), range(1, 13), ("", "01", "04"))
    ]
    return cases, children


async def _fill(postgres: EmbeddedPostgres, facts: int) -> None:
    """Put so many facts in the place of whatever there was."""
    connection = await asyncpg.connect(postgres.url("stats").replace("+asyncpg", ""))
    cases, children = _cells()
    Random(2).shuffle(cases)
    await connection.execute("TRUNCATE cell, fact, cube; ALTER TABLE fact DROP CONSTRAINT fact_pkey")
    rows = [(cell_id(cell), *cell) for cell in (*cases, *children)]
    await connection.copy_records_to_table("cell", records=rows, columns=["id", "kind", *DIMENSIONS])
    many = _cases_of(facts)
    for kind, key, cells, count in (
        (Kind.CASE, "number::text", cases, many),
        (Kind.CHILD, "'child-' || number", children, facts - many),
    ):
        statement = _FACTS.format(kind=int(kind), key=key)
        await connection.execute(statement, list(map(cell_id, cells)), 0, count)
    await connection.execute("ALTER TABLE fact ADD CONSTRAINT fact_pkey PRIMARY KEY (kind, key)")
    await connection.execute(_CUBE)
    await connection.execute("VACUUM ANALYZE cell, fact, cube")
    await connection.close()
    # Each size begins with its pages written.
    admin = await asyncpg.connect(postgres.admin_url.replace("+asyncpg", ""))
    await admin.execute("CHECKPOINT")
    await admin.close()


def _cases_of(facts: int) -> int:
    return facts * 7 // 10


async def _cost(database: Database, url: str, facts: int, quick: bool) -> Cost:
    counting = Counting(database, _KEYS, lambda: NOW)
    events = _Events(_cases_of(facts))
    rounds = 3 if quick else 15
    for _ in range(rounds // 3):
        await counting.count(events.batch(_BATCH))
    async with database.transaction() as connection:
        backend = psutil.Process((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())
    spent = []
    for _ in range(rounds):
        batch = events.batch(_BATCH)
        before = time.process_time() + sum(backend.cpu_times()[:2])
        await counting.count(batch)
        spent.append(time.process_time() + sum(backend.cpu_times()[:2]) - before)
    async with _board(url) as board:
        boards = [await _open(board, counting, events, view) for view in _views(40 if quick else 300)]
    return Cost(facts, statistics.fmean(spent) / _BATCH * 1e6, boards[len(boards) // 10 :])


class _Events:
    """Events of cases beside so many that there are."""

    def __init__(self, cases: int) -> None:
        self._cases = Cases()
        self._chance = Random(3)
        self._there = self._known = cases

    def batch(self, count: int) -> list[Record]:
        """The next ones."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Record:
        if self._chance.random() < 0.2:
            self._known += 1
            return self._cases.next(self._known - 1)
        recent = self._chance.random() < 0.9
        number = self._chance.randrange(max(0, self._known - _RECENT) if recent else 0, self._known)
        return self._cases.next(number, after=number < self._there)


@asynccontextmanager
async def _board(url: str) -> AsyncIterator[Board]:
    """The board as the service runs it: it hears of what changes."""
    units = Units.load()
    database = Database(url)
    pages = Pages("services.stats", unit_names=units.names(), clock=lambda: NOW)
    board = Board(database, pages, lambda: NOW, units.codes())
    stop = asyncio.Event()
    hearing = asyncio.create_task(board.live_board(stop))
    await asyncio.sleep(1)
    yield board
    stop.set()
    await hearing
    await database.close()


async def _open(board: Board, counting: Counting, events: _Events, view: View) -> float:
    """Milliseconds until a view's tiles are there."""
    await counting.count(events.batch(_FEW))
    await asyncio.sleep(0.05)
    began = time.perf_counter()
    board.part("tiles", view, await board.figures(view))
    return (time.perf_counter() - began) * 1000


def _views(count: int) -> list[View]:
    chance = Random(4)
    units = Units.load().codes()
    found = []
    for _ in range(count):
        seen = frozenset(chance.sample(units, chance.choice((1, 5)))) if chance.random() < 0.3 else None
        wanted = [chance.choice(("", *chance.sample(words, 1))) for words in (units, _KINDS, _SEXES, _AGES)]
        found.append(View(seen, "vi", *wanted))
    return found
