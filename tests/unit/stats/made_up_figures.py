"""A small made-up province whose every record is known, and history and evaluating over it, for tests of disclosure."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

from services.stats.domain.disclosure import Lack
from services.stats.domain.measures import MEASURES
from services.stats.domain.periods import Period
from services.stats.domain.releases import Counted, Tabled, Taken
from services.stats.figures.releasing import Releasing
from services.stats.figures.taking import Taking
from shared.identity import ALL_UNITS
from shared.identity.principal import Principal, Role
from shared.reference.disclosure import Disclosure, Rule
from shared.reference.indicators import Indicator, Indicators, Part
from shared.reference.units import Units
from shared.web.i18n import ZONE

UNITS = ("05443", "05446", "05449", "05452", "05455", "05458", "05461", "05464")
SEXES = ("female", "male")
KINDS = ("violence", "neglect", "school-violence", "trafficking")
RISKS = ("high", "low")
STATISTICIAN = Principal("s", "S", Role.STATISTICIAN, ALL_UNITS)
COORDINATOR = Principal("c", "C", Role.COORDINATOR, ALL_UNITS)
LATER = datetime(2030, 1, 1, tzinfo=ZONE)


@dataclass(frozen=True)
class Record:
    """One thing that happened, or one child; `known`: since when statistics know of it."""

    measure: str
    day: date
    known: datetime
    values: dict[str, Any] = field(hash=False)
    until: date = date.max


class Row(NamedTuple):
    keys: tuple[str, ...]
    n: int


class Value(NamedTuple):
    period: Period
    keys: tuple[str, ...]
    value: float | None
    numerator: int | None
    denominator: int | None
    lack: Lack | None = None
    early: bool = False


class Province:
    """History and evaluator at once."""

    units = Units.load()

    def __init__(self, records: Sequence[Record], begun: datetime = datetime(2020, 1, 1, tzinfo=ZONE)) -> None:
        self.records = list(records)
        self.begun = begun

    async def beginnings(self, connection: Any) -> dict[str, datetime]:
        return dict.fromkeys(MEASURES, self.begun)

    async def prepare(self, connection: Any, wanted: Any, **more: Any) -> None:
        """Nothing is faster here."""

    def today(self, code: str) -> str:
        return code

    def found(self, part: Part, period: Period, units: Any, as_of: datetime | None) -> Iterator[Record]:
        for record in self.records:
            if record.measure != part.measure or (as_of is not None and record.known > as_of):
                continue
            if part.over == "period" and not period.first <= record.day <= period.last:
                continue
            if part.over == "state" and not record.day <= period.last < record.until:
                continue
            if units is not None and record.values["unit"] not in units:
                continue
            if all(_has(record, dimension, wanted) for dimension, wanted in part.where.items()):
                yield record

    async def count(
        self,
        connection: Any,
        part: Part,
        *,
        period: Period,
        by: Sequence[str],
        units: frozenset[str] | None,
        as_of: datetime | None = None,
    ) -> list[Row]:
        sums: Counter[tuple[str, ...]] = Counter()
        for record in self.found(part, period, units, as_of):
            said = [value if isinstance(value := record.values[name], tuple) else (value,) for name in by]
            for keys in product(*said):
                sums[keys] += 1
        return [Row(keys, n) for keys, n in sums.items()]

    async def values(
        self,
        connection: Any,
        indicator: Indicator,
        periods: Sequence[Period],
        *,
        by: Sequence[str] = (),
        units: frozenset[str] | None = None,
        as_of: datetime | None = None,
    ) -> list[Value]:
        found = []
        for period in periods:
            if indicator.shape == "reported":
                found.append(Value(period, (), None, None, None))
                continue
            parts = [part for part in (indicator.numerator, indicator.denominator) if part]
            counts = [
                {
                    row.keys: row.n
                    for row in await self.count(None, part, period=period, by=by, units=units, as_of=as_of)
                }
                for part in parts
            ]
            for keys in sorted(set().union(*counts)) if by else [()]:
                n = [one.get(keys, 0) for one in counts]
                value = float(n[0]) if len(n) == 1 else n[0] / n[1] * indicator.scale if n[1] else None
                found.append(Value(period, keys, value, n[0], n[1] if len(n) > 1 else None))
        return found


def _has(record: Record, dimension: str, wanted: tuple[str, ...]) -> bool:
    value = record.values[dimension]
    return any(one in wanted for one in value) if isinstance(value, tuple) else value in wanted


def indicator(code: str, numerator: Part, denominator: Part | None = None, **more: Any) -> Indicator:
    """One of a few words."""
    shape = more.pop("shape", "ratio" if denominator else "count")
    return Indicator(
        code=code,
        theme="t",
        shape=shape,
        unit="percent" if denominator else "number",
        better="neither",
        vi=code,
        en=code,
        legal_source_vi="s",
        legal_source_en="s",
        effective_from=date.min,
        numerator=numerator,
        denominator=denominator,
        **more,
    )


OPENINGS = Part("openings", "period", {})
ABUSE = Part("openings", "period", {"kind": ("violence", "neglect")})
SCHOOL = Part("openings", "period", {"kind": ("school-violence",)})
CHILDREN = Part("children", "state", {"age": ("0-5", "6-15")})
SPECIAL = Part("children", "state", {"age": ("0-5", "6-15"), "circumstance": ("01", "02", "03")})
POOR = Part("children", "state", {"age": ("0-5", "6-15"), "circumstance": ("poor",)})
SUPPORTED = Part("children", "state", {**SPECIAL.where, "supported": ("yes",)})
INDICATORS = Indicators(
    [
        indicator("opened", OPENINGS, by=("sex", "kind", "risk")),
        indicator("abused", ABUSE, by=("sex", "kind", "risk")),
        indicator("school", SCHOOL, by=("sex", "risk")),
        indicator("abused-share", ABUSE, OPENINGS, by=("sex", "risk")),
        indicator("children", CHILDREN, by=("sex", "age")),
        indicator("special", SPECIAL, by=("circumstance", "sex", "age")),
        indicator("poor", POOR, by=("sex", "age")),
        indicator("supported", SUPPORTED, SPECIAL, by=("circumstance", "sex")),
    ],
    {"t": ("T", "T")},
)


def disclosure(**more: Any) -> Disclosure:
    """The shipped rule for these indicators."""
    row: dict[str, Any] = {
        "effective_from": date(2020, 1, 1),
        "legal_source_vi": "s",
        "legal_source_en": "s",
        "threshold": 5,
        "settle_days": 15,
        "first_year": 2025,
        "exact_roles": ["worker", "chair", "coordinator"],
        "open_measures": ["activities"],
        "monthly": ["opened", "children"],
        "measures": {"openings": {"base": "year"}, "children": {"base": "year"}},
        **more,
    }
    return Disclosure([Rule(**row)])


def openings(seed: int, count: int, years: Sequence[int] = (2026,)) -> list[Record]:
    """Cases as they come: few in most communes, kinds and months, none in some."""
    chance = random.Random(seed)
    busy = [chance.choice((0.05, 0.2, 1, 3)) for _ in UNITS]
    often = [chance.choice((0.1, 1, 4)) for _ in KINDS]
    found = []
    for _ in range(count):
        day = date(chance.choice(years), 1, 1) + timedelta(chance.randrange(365))
        known = datetime(day.year, day.month, day.day, tzinfo=ZONE) + timedelta(chance.choice((0, 0, 1, 3, 90)))
        values = {
            "unit": chance.choices(UNITS, busy)[0],
            "kind": chance.choices(KINDS, often)[0],
            "sex": chance.choices(SEXES, (3, 1))[0],
            "risk": chance.choices(RISKS, (1, 6))[0],
        }
        found.append(Record("openings", day, known, values))
    return found


def children(seed: int, count: int) -> list[Record]:
    """Children who are there from some day on, some of them in one circumstance or two."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        circumstances = tuple(sorted({one for one in ("01", "02", "03", "poor") if chance.random() < 0.06}))
        born = date(2025, 1, 1) + timedelta(chance.choice((0, 0, 0, chance.randrange(700))))
        values = {
            "unit": chance.choices(UNITS, (1, 1, 2, 3, 4, 4, 5, 5))[0],
            "sex": chance.choice(SEXES),
            "age": chance.choice(("0-5", "6-15", "6-15", "16+")),
            "circumstance": circumstances or ("",),
            "supported": chance.choice(("yes", "yes", "no")),
        }
        found.append(Record("children", born, datetime(2025, 1, 1, tzinfo=ZONE), values))
    return found


class Everything(frozenset[str]):
    """As if every period were written down that is asked for."""

    def __contains__(self, period: object) -> bool:
        return True


class Ledger:
    """What is released, written down as it is asked for, and kept: several doors may share it, as replicas share a
    database. Whoever asks first decides what was counted."""

    def __init__(self, taking: Taking) -> None:
        self.taking = taking
        self._taken: dict[str, Taken] = {}

    async def _of(self, connection: Any, period: str) -> Taken:
        if period not in self._taken:
            self._taken[period] = await self.taking.take(connection, Period.parse(period))
        return self._taken[period]

    async def periods(self, connection: Any) -> frozenset[str]:
        return Everything()

    async def tables(
        self, connection: Any, measure: str, periods: Sequence[str]
    ) -> dict[str, dict[Tabled, tuple[str, ...]]]:
        return {
            period: {
                tabled: counted.hub
                for tabled, counted in (await self._of(connection, period)).counts.items()
                if tabled.measure == measure
            }
            for period in periods
        }

    async def counts(self, connection: Any, tabled: Tabled, periods: Sequence[str]) -> dict[str, Counted]:
        taken = {period: await self._of(connection, period) for period in periods}
        return {period: one.counts[tabled] for period, one in taken.items() if tabled in one.counts}

    async def figure(self, connection: Any, indicator: str, period: str) -> tuple[float | None] | None:
        parsed = Period.parse(period)
        release = parsed if parsed.span == "school-year" else Period.containing(parsed.last, "month")
        figures = (await self._of(connection, release.code)).figures
        return (figures[indicator, period],) if (indicator, period) in figures else None


def taking(province: Province, indicators: Indicators | None = None, **rule: Any) -> Taking:
    """What is counted of a province when a period is released."""
    return Taking(province.count, province, indicators or INDICATORS, disclosure(**rule))


def releasing(province: Province, ledger: Ledger | None = None, **rule: Any) -> Releasing:
    """The door to a province. `ledger`: what is written down already; else nothing is."""
    return Releasing(ledger or Ledger(taking(province, **rule)), province, INDICATORS, disclosure(**rule))
