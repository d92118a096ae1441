"""A province's history of three years, as versions: made up here, copied into the database, summed by the service.

Every version is what an event would have made of it (`services.stats.handlers.versions`); nobody is in it.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.cells import Kind
from services.stats.domain.measures import Count, HistoryCell, Measure, Version
from services.stats.store.chronicle import Chronicle, HistoryCells
from shared.contracts.vocabulary import age_band
from shared.database import Database
from shared.reference.indicators import Indicators
from shared.reference.terms import Terms
from shared.reference.units import Units
from shared.web.i18n import ZONE

_DAYS: Final = 3 * 365
_COPIED: Final = 50_000
_SEXES: Final = ("female", "male", "male", "female", "unknown")
_RISKS: Final = ("high", "medium", "medium", "low", "low", "low", "unassessed")
_SECTORS: Final = ("hotline", "education", "health", "police", "dolisa")
_CHANNELS: Final = ("hotline-111", "line-18008080", "in-person", "online")
_CLOCKS: Final = ("emergency-12h", "initial-assessment", "plan-approval", "detailed-assessment-5wd")
_STATES: Final = ("met", "met", "met", "met", "met-late", "missed", "lapsed")
_TASKS: Final = ("examine", "investigate", "support", "enrol")
_HARMERS: Final = ("", "parent", "peer", "stranger")
_PLACES: Final = ("", "family", "school", "public", "online")
_REQUESTS: Final = ("protection", "protection", "counselling", "information", "prevention")
_CIRCUMSTANCES: Final = ("01", "02", "04", "05", "06", "09", "12", "at-risk", "poor", "near-poor")


@dataclass(frozen=True, slots=True)
class Made:
    """How much there is. `cells`: combinations of dimensions that anything is counted in."""

    versions: int
    cells: int


async def make(database: Database, now: datetime, wanted: int) -> Made:
    """Fill an empty history with about so many versions."""
    cells = HistoryCells(remembered=10_000_000)
    world = _World(random.Random(7), now, wanted)
    count, numbers = 0, 0
    async with database.transaction() as connection:
        for chunk in _chunks(world.versions()):
            ids = cells.ids({one.cell for version in chunk for one in version.counts})
            stored = await cells.store(connection, ids)
            cells.remember(stored)
            numbers += len(stored)
            await _copy(connection, "version", _rows(chunk, ids))
            count += len(chunk)
        await _copy(connection, "figure", list(world.figures()))
        await Chronicle().derive(connection)
        await connection.execute(
            text("""INSERT INTO history_progress VALUES ('cases.cases.v1', 0, :n, :now)"""), {"n": count, "now": now}
        )
    async with database.engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text("VACUUM ANALYZE"))
    return Made(count, numbers)


def _chunks(versions: Iterator[Version]) -> Iterator[list[Version]]:
    while chunk := list(islice(versions, _COPIED)):
        yield chunk


def _rows(chunk: Sequence[Version], ids: dict[HistoryCell, int]) -> list[tuple[Any, ...]]:
    return [
        (
            version.kind,
            version.key,
            version.sequence,
            version.at,
            [ids[one.cell] for one in version.counts],
            [one.day for one in version.counts],
            None if all(one.n == 1 for one in version.counts) else [one.n for one in version.counts],
        )
        for version in chunk
    ]


async def _copy(connection: AsyncConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    raw = await connection.get_raw_connection()
    assert raw.driver_connection is not None
    await raw.driver_connection.copy_records_to_table(table, records=rows)


class _World:
    """What a province did, as far as statistics know of it.

    Args:
        chance: of everything. now: its last moment. wanted: about so many versions.
    """

    def __init__(self, chance: random.Random, now: datetime, wanted: int) -> None:
        self._chance = chance
        self._now = now
        self._wanted = wanted
        self._begin = now - timedelta(days=_DAYS)
        codes = list(Units.load().codes())
        # Communes are of different sizes.
        self._units = [code for at, code in enumerate(codes) for _ in range(1 + at % 5)]
        self._kinds = list(Terms.load("case-kinds").codes())
        self._services = list(Terms.load("service-kinds").codes())
        self._causes = list(Terms.load("incident-causes").codes())
        self._results = list(Terms.load("incident-results").codes())
        self._outcomes = list(Terms.load("case-outcomes").codes())

    def versions(self) -> Iterator[Version]:
        """All of them, each thing's in their order."""
        share = self._wanted / 1_000_000
        for _ in range(int(300_000 * share)):
            yield from self._child()
        for _ in range(int(70_000 * share)):
            yield from self._report()
        for _ in range(int(40_000 * share)):
            yield from self._case()
        for _ in range(int(37_000 * share)):
            yield self._incident()
        for _ in range(int(5_000 * share)):
            yield self._activity()

    def figures(self) -> Iterator[tuple[Any, ...]]:
        """What is handed in: each such indicator's figure of a year, and the registry's score of every commune and day
        of the last year."""
        for indicator in Indicators.load():
            for year in range(self._begin.year, self._now.year) if indicator.shape == "reported" else ():
                days = (date(year, 1, 1), date(year, 12, 31))
                value = float(self._chance.randrange(100))
                key = uuid.UUID(int=self._chance.getrandbits(128))
                yield key, 1, self._now, indicator.code, "", f"{year}", *days, value, 0, "health"
        for back in range(365 if self._wanted > 100_000 else 30):
            day = (self._now - timedelta(days=back)).date()
            for unit in sorted(set(self._units)):
                key = uuid.UUID(int=self._chance.getrandbits(128))
                score = float(self._chance.randrange(60, 100))
                yield key, 1, self._now, "record-quality", unit, f"{day}", day, day, score, 900, "registry"

    def key(self) -> str:
        """An id that nothing else has."""
        return str(uuid.UUID(int=self._chance.getrandbits(128)))

    def unit(self) -> str:
        """Some commune."""
        return self._any(self._units)

    def _any(self, words: Sequence[str]) -> str:
        return words[int(self._chance.random() * len(words))]

    def _moment(self) -> datetime:
        return self._begin + timedelta(seconds=self._chance.randrange(_DAYS * 86_400))

    def _who(self) -> tuple[str, str, str]:
        return self._any(self._units), self._any(_SEXES), age_band(self._chance.randrange(17))

    def _child(self) -> Iterator[Version]:
        chance = self._chance
        key, at = self.key(), self._begin if chance.random() < 0.6 else self._moment()
        who = (
            self._any(self._units),
            self._any(_SEXES),
            f"{chance.randrange(2009, 2026)}-{chance.randrange(1, 13):02d}",
        )
        for sequence in range(1, 2 + (chance.random() < 0.2)):
            several = chance.sample(_CIRCUMSTANCES, 1 + (chance.random() < 0.1)) if chance.random() < 0.12 else []
            values = (
                *who,
                "+".join(sorted(several)),
                self._any(("kinh", "kinh", "kinh", "tay", "nung", "")),
                "yes" if chance.random() < 0.03 else "no",
                self._any(("verified", "verified", "collected")),
                "yes" if several and chance.random() < 0.6 else "no",
            )
            yield Version(Kind.CHILD, key, sequence, at, (Count(HistoryCell(Measure.CHILDREN, values)),))
            at += (self._now - at) * chance.random()

    def _report(self) -> Iterator[Version]:
        key, at = self.key(), self._moment()
        said = (*self._who(), self._any(self._kinds), self._any(_REQUESTS), self._any(("yes", "no", "no")))
        came = (self._any(_SECTORS), self._any(_CHANNELS))
        for sequence, status in enumerate(("received", "opened")[: 1 + (self._chance.random() < 0.8)], 1):
            count = Count(HistoryCell(Measure.REPORTS, (*said, *came, status)), _day(at))
            yield Version(Kind.CONCERN, key, sequence, at + timedelta(hours=sequence), (count,))

    def _case(self) -> Iterator[Version]:
        chance = self._chance
        key, began = self.key(), self._moment()
        who, kind, risk = self._who(), self._any(self._kinds), self._any(_RISKS)
        came, harm = (self._any(_SECTORS), self._any(_CHANNELS)), (self._any(_PLACES), self._any(_HARMERS))
        matter = (*who, kind, risk)
        ends: dict[str, datetime] = {}
        steps = (
            ("intake", ""),
            ("assessment", "report-assessment"),
            ("plan", "report-plan"),
            ("carrying-out", "report-service"),
            ("closed", "report-closure"),
        )
        at = began
        for sequence, (step, span) in enumerate(steps[: 3 + int(chance.random() * 2.9)], 1):
            if span:
                ends[span] = at
            status = "closed" if step == "closed" else "open"
            counts = [
                Count(HistoryCell(Measure.CASES, (*matter, status, step, *came, *harm))),
                Count(HistoryCell(Measure.OPENINGS, (*matter, *came, *harm)), _day(began)),
            ]
            if step == "closed":
                closing = HistoryCell(Measure.CLOSINGS, (*matter, *came, self._any(self._outcomes)))
                counts.append(Count(closing, _day(at)))
            counts += [
                Count(HistoryCell(Measure.SPANS, (*matter, came[0], name, _hours(began, ended))), _day(ended))
                for name, ended in ends.items()
            ]
            yield Version(Kind.CASE, key, sequence, at, tuple(counts))
            at += timedelta(hours=chance.random() * 24 * 3**sequence / 2)
            if at > self._now:
                break
        yield from self._around(matter, came, began)

    def _around(self, matter: tuple[str, ...], came: tuple[str, ...], began: datetime) -> Iterator[Version]:
        """A case's clocks, its task and its service."""
        chance = self._chance
        for clock in chance.sample(_CLOCKS, 2):
            key, due = self.key(), began + timedelta(hours=12 + chance.random() * 100)
            for sequence, state in enumerate(("running", self._any(_STATES)), 1):
                if sequence == 1 or due < self._now:
                    count = Count(HistoryCell(Measure.CLOCKS, (*matter, *came, clock, state)), _day(due))
                    yield Version(Kind.DEADLINE, key, sequence, began if sequence == 1 else due, (count,))
        key, task, sector, at = self.key(), self._any(_TASKS), self._any(_SECTORS), began + timedelta(hours=20)
        for sequence, state in enumerate(("requested", self._any(("done", "done", "done", "overdue"))), 1):
            counts = [Count(HistoryCell(Measure.TASKS, (*matter, sector, task, state)))]
            if state == "done":
                span = HistoryCell(Measure.SPANS, (*matter, sector, "task-answer", _hours(began, at)))
                counts.append(Count(span, _day(at)))
            yield Version(Kind.TASK, key, sequence, at, tuple(counts))
            at += timedelta(hours=chance.random() * 300)
        values = (*matter, self._any(_SECTORS), self._any(self._services))
        count = Count(HistoryCell(Measure.SERVICES, values), _day(at))
        yield Version(Kind.SERVICE, self.key(), 1, at, (count,))

    def _incident(self) -> Version:
        at = self._moment()
        what = (self._any(self._causes), self._any(self._results), self._any(("", "home", "road", "river", "school")))
        count = Count(HistoryCell(Measure.INCIDENTS, (*self._who(), *what, self._any(_SECTORS))), _day(at))
        return Version(Kind.INCIDENT, self.key(), 1, at, (count,))

    def _activity(self) -> Version:
        at = self._moment()
        values = (self._any(self._units), self._any(_SECTORS), "campaign", self._any(("children", "parents")))
        held = Count(HistoryCell(Measure.ACTIVITIES, values), _day(at))
        reached = Count(HistoryCell(Measure.PEOPLE_REACHED, values), _day(at), self._chance.randrange(10, 200))
        return Version(Kind.ACTIVITY, self.key(), 1, at, (held, reached))


def _day(at: datetime) -> date:
    return at.astimezone(ZONE).date()


def _hours(began: datetime, ended: datetime) -> str:
    return f"{(ended - began) / timedelta(hours=1):.1f}"


class Happening:
    """Lets things happen in a history that is made, and records them as the service does.

    Args:
        database: of the history. now: its last moment.
    """

    def __init__(self, database: Database, now: datetime) -> None:
        self._database = database
        self._world = _World(random.Random(11), now, 0)
        self._now = now
        self._cells = HistoryCells()
        self._chronicle = Chronicle()

    async def happen(self, number: int) -> None:
        """A report and a child, of this moment."""
        at = self._now - timedelta(minutes=1)
        report = (
            self._any_unit(),
            "female",
            "6-10",
            "violence",
            "protection",
            "no",
            "police",
            "hotline-111",
            "received",
        )
        child = (self._any_unit(), "male", "2017-03", "", "kinh", "no", "verified", "no")
        versions = [
            Version(Kind.CONCERN, self._world.key(), 1, at, (Count(HistoryCell(Measure.REPORTS, report), _day(at)),)),
            Version(Kind.CHILD, self._world.key(), 1, at, (Count(HistoryCell(Measure.CHILDREN, child)),)),
        ]
        if number % 2:
            matter = (self._any_unit(), "female", "6-10", "violence", "high")
            opened = HistoryCell(Measure.OPENINGS, (*matter, "police", "hotline-111", "family", "parent"))
            stands = HistoryCell(
                Measure.CASES, (*matter, "open", "intake", "police", "hotline-111", "family", "parent")
            )
            counts = (Count(stands), Count(opened, _day(at)))
            versions.append(Version(Kind.CASE, self._world.key(), 1, at, counts))
        ids = self._cells.ids({one.cell for version in versions for one in version.counts})
        async with self._database.transaction() as connection:
            stored = await self._cells.store(connection, ids)
            await self._chronicle.record(connection, versions, ids)
        self._cells.remember(stored)

    def _any_unit(self) -> str:
        return self._world.unit()
