"""Finding one child among a million by a name that was slipped on and one more fact, beside ILIKE and plain pg_trgm.

Everybody asks the same: the names and slips of `_many_children`, as a coordinator who sees the whole province, and as a
worker who sees one commune. Recall is told of all, and of those who can be told apart at all: where more than ten
children bear the very name with the same fact, no ten lines can hold them, and the page counts by commune and year.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench import Result
from bench._many_children import SLIPS, Child, Slipped, children, fill, slipped
from local.postgres import EmbeddedPostgres
from services.registry import app
from services.registry.domain.names import fold
from services.registry.domain.searching import Wanted
from services.registry.store import finding
from shared.database import Database

NAME = "registry-search"
_MIGRATIONS = Path(app.__file__).parent / "migrations"
_AIM = 25.0
_RECALL = 0.98
_SHOWN = 10
_WARMING = 10
# The others need a second and more for a question: so many tell how long that takes, and whom they find.
_PATIENCE = 60
_GREAT_PATIENCE = 15
_TRGM = "CREATE INDEX plain_trgm ON child USING gin (name_folded gin_trgm_ops) WHERE merged_into IS NULL"


@dataclass(frozen=True, slots=True)
class Asked:
    """A child, how its name was typed, and what else was said of it: for us, and as a condition of SQL."""

    child: Child
    typed: Slipped
    wanted: Wanted
    condition: str
    values: Mapping[str, Any]


@dataclass(slots=True)
class Told:
    """How long each answer took, in milliseconds, and whether the child was among the first ten."""

    waits: list[float] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)

    @property
    def p95(self) -> float:
        """Of the answers after the first few."""
        return statistics.quantiles(self.waits[_WARMING if len(self.waits) > 2 * _WARMING else 0 :], n=20)[18]

    def recall(self, among: Sequence[bool] | None = None) -> float:
        """The share of children found, of all or of those marked."""
        found = [hit for hit, counts in zip(self.found, among or [True] * len(self.found), strict=False) if counts]
        return sum(found) / len(found) if found else 0.0


def _by_year(child: Child, typed: Slipped) -> Asked:
    year = child.birth_date.year
    return Asked(child, typed, Wanted(name=typed.name, birth_year=year), "birth_year = :year", {"year": year})


def _by_commune(child: Child, typed: Slipped) -> Asked:
    return Asked(child, typed, Wanted(name=typed.name, units=[child.unit]), "unit = :unit", {"unit": child.unit})


def _by_mother(child: Child, typed: Slipped) -> Asked | None:
    if child.mother is None:
        return None
    said = {"mother": fold(child.mother)}
    wanted = Wanted(name=typed.name, carer=child.mother)
    return Asked(child, typed, wanted, "strpos(carers_folded, :mother) > 0", said)


def _by_date(child: Child, typed: Slipped) -> Asked | None:
    wanted = Wanted(name=typed.name, birth_date=typed.birth_date)
    said = {"born": child.birth_date}
    return None if child.birth_precision else Asked(child, typed, wanted, "birth_date = :born", said)


def _at_home(child: Child, typed: Slipped) -> Asked:
    year = child.birth_date.year
    wanted = Wanted(name=typed.name, units=[child.unit], birth_year=year)
    return Asked(child, typed, wanted, "unit = :unit AND birth_year = :year", {"unit": child.unit, "year": year})


_FACTS: Mapping[str, Callable[[Child, Slipped], Asked | None]] = {
    "birth year": _by_year,
    "commune": _by_commune,
    "mother": _by_mother,
    "birth date": _by_date,
    "birth year, within one's commune": _at_home,
}


async def run(quick: bool) -> list[Result]:
    """Milliseconds until the first page with its counts is there, and who is on it."""
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres", services=("registry",), durable=False)
        await asyncio.to_thread(postgres.start)
        database = Database(postgres.admin_url)
        try:
            await database.migrate(_MIGRATIONS)
            count = 20_000 if quick else 1_000_000
            await fill(database, count)
            async with database.engine.connect() as connection:
                return await _measured(connection, count, 60 if quick else 650)
        finally:
            await database.close()
            await asyncio.to_thread(postgres.stop)


async def _measured(connection: AsyncConnection, count: int, times: int) -> list[Result]:
    random = Random(7)
    among = [child for at, child in enumerate(children(count)) if at % (count // times) == 0]
    ours: dict[str, tuple[list[Asked], Told]] = {}
    for what, said in _FACTS.items():
        asked = [one for one in (said(child, typed) for child, typed in _slips(random, among, what)) if one is not None]
        ours[what] = asked, await _told(connection, asked, _ours)
    await _read_plans(connection, [asked[0].wanted for asked, _ in ours.values()])
    results = await _alone(connection, among, count)
    await connection.execute(text(_TRGM))
    await connection.execute(text("ANALYZE child"))
    await connection.commit()
    for what, (asked, told) in ours.items():
        trgm = await _told(connection, asked[:_PATIENCE], _trgm)
        ilike = await _told(connection, asked[:_GREAT_PATIENCE], _ilike)
        clear = [await _can_be_told(connection, one) for one in asked]
        results += _lines(f"slipped name and {what}, among {count:,}", told, trgm, ilike, clear)
    return results


def _slips(random: Random, among: Sequence[Child], what: str) -> list[tuple[Child, Slipped]]:
    """Each child with one slip, all kinds in turn; a day for a month only where a date is said."""
    kinds = [kind for kind in SLIPS if what == "birth date" or kind != SLIPS[-1]]
    pairs = ((child, slipped(random, child, kinds[at % len(kinds)])) for at, child in enumerate(among))
    return [(child, typed) for child, typed in pairs if typed is not None]


Answer = Callable[[AsyncConnection, Asked], Any]


async def _told(connection: AsyncConnection, asked: Sequence[Asked], answer: Answer) -> Told:
    told = Told()
    for one in asked:
        began = time.perf_counter()
        ids = await answer(connection, one)
        told.waits.append((time.perf_counter() - began) * 1000)
        told.found.append(one.child.id in ids)
    return told


async def _ours(connection: AsyncConnection, asked: Asked) -> list[str]:
    found = await finding.search(connection, asked.wanted)
    return [row.id for row in found.rows[:_SHOWN]]


async def _trgm(connection: AsyncConnection, asked: Asked) -> list[str]:
    rows = await connection.execute(
        text(
            f"""SELECT id FROM child WHERE merged_into IS NULL AND name_folded % :name AND {asked.condition}
                ORDER BY similarity(name_folded, :name) DESC LIMIT {_SHOWN}"""
        ),
        {**asked.values, "name": fold(asked.typed.name)},
    )
    return [str(row.id) for row in rows]


async def _ilike(connection: AsyncConnection, asked: Asked) -> list[str]:
    rows = await connection.execute(
        text(
            f"""SELECT id FROM child WHERE merged_into IS NULL AND description->>'name' ILIKE :name
                AND {asked.condition} LIMIT {_SHOWN}"""
        ),
        {**asked.values, "name": f"%{asked.typed.name}%"},
    )
    return [str(row.id) for row in rows]


async def _can_be_told(connection: AsyncConnection, asked: Asked) -> bool:
    """Whether no more than ten children fit what was meant: the name (of one with a word dropped: all who have the
    other words) and the fact."""
    dropped = asked.typed.kind == "middle name dropped"
    meant = asked.typed.name if dropped else asked.child.name
    words = [f"n:{word}" for word in fold(meant).split()]
    counted = await connection.execute(
        text(
            f"""SELECT count(*) FROM (SELECT 1 FROM child WHERE merged_into IS NULL AND {finding.WORDS} @> :words
                AND (:dropped OR name_folded = :name) AND {asked.condition} LIMIT {_SHOWN + 1}) AS fitting"""
        ),
        {**asked.values, "words": words, "dropped": dropped, "name": fold(meant)},
    )
    return int(counted.scalar_one()) <= _SHOWN


def _lines(what: str, ours: Told, trgm: Told, ilike: Told, clear: Sequence[bool]) -> list[Result]:
    # Fewer questions were put to the others: their figures are of the first of ours, and say of how many.
    plain, like = (f"{name}, {len(told.waits)} asked" for name, told in (("plain pg_trgm", trgm), ("ILIKE", ilike)))
    beside = {plain: trgm.p95, like: ilike.p95}
    recall = ours.recall(clear)
    share = sum(clear) / len(clear)
    return [
        Result(
            NAME,
            f"{what}, p95",
            ours.p95,
            "ms",
            beside,
            {name: value / ours.p95 for name, value in beside.items()},
            f"≤ {_AIM:.0f} ms",
            met=ours.p95 <= _AIM,
        ),
        Result(
            NAME,
            f"{what}, recall@10 of the {share:.0%} who can be told apart",
            recall,
            "",
            {plain: trgm.recall(clear), like: ilike.recall(clear)},
            aim=f"≥ {_RECALL}",
            met=recall >= _RECALL,
        ),
        Result(NAME, f"{what}, recall@10 of all", ours.recall(), "", {plain: trgm.recall()}),
    ]


async def _alone(connection: AsyncConnection, among: Sequence[Child], count: int) -> list[Result]:
    """What needs no second fact, and what has none: a number, a household; a bare name, with its counts."""
    searches = {
        "a number's end": [Wanted(number=child.number[-6:]) for child in among if child.number],
        "household": [Wanted(household=child.household) for child in among],
        "bare name, within one's commune": [Wanted(name=child.name, units=[child.unit]) for child in among],
        "bare name, whole province": [Wanted(name=child.name) for child in among],
    }
    results = []
    for what, wanted in searches.items():
        told = Told()
        for one in islice(wanted, 300):
            began = time.perf_counter()
            await finding.search(connection, one)
            told.waits.append((time.perf_counter() - began) * 1000)
        results.append(Result(NAME, f"{what}, among {count:,}, p95", told.p95, "ms"))
    return results


async def _read_plans(connection: AsyncConnection, searches: Sequence[Wanted]) -> None:
    """Raises AssertionError where a question would read the whole table."""
    for wanted in searches:
        for statement, values in finding.questions(wanted):
            plan = "\n".join(await connection.scalars(text(f"EXPLAIN {statement}"), values))
            if "Seq Scan on child" in plan:
                raise AssertionError(f"a search reads the whole table:\n{plan}")
