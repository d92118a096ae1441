"""Every indicator is what a recount by hand says, of any time, place and dimension, as it was known then.

What is made up here has all that happens to figures: corrections, transfers, merged and split children, merged cases,
erasure, late events, duplicates, communes that are no more.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.stats.domain.periods import Period
from services.stats.figures.evaluating import Evaluator
from shared.contracts import cases, stats
from shared.contracts.vocabulary import age_band
from shared.database import Database
from shared.reference.deadlines import Deadlines
from shared.reference.indicators import Indicator
from shared.reference.terms import Terms
from shared.reference.units import Units
from tests.unit.stats import events as make
from tests.unit.stats.counted import record
from tests.unit.stats.events import Event
from tests.unit.stats.recount_history import Happened
from tests.unit.stats.recount_indicators import handed_in, value_of

NOW = datetime(2026, 10, 31, 5, 0, tzinfo=UTC)
BEGAN = datetime(2025, 2, 1, tzinfo=UTC)
# One whose code nobody bears today, and the one with its land; one that nobody ever knew.
PLACES = ("05443", "05455", "01834", "01840", "unclassified", "99999")
PERIODS = [Period.parse(code) for code in ("2026", "2026-09", "2025", "2026-SY", "2026-10-20")]
SEEDS = (1, 2, 3)
KINDS = (
    "violence",
    "sexual-abuse",
    "domestic-violence",
    "school-violence",
    "child-labour",
    "covid-affected",
    "neglect",
)


class Province:
    """Lets anything happen, a subject's events in their order."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._numbers: dict[str, int] = {}
        self._gone: set[str] = set()
        self._at = BEGAN
        self.history: list[Happened] = []

    def happen(self, count: int) -> list[Happened]:
        """So many more things."""
        before = len(self.history)
        step = (NOW - timedelta(days=1) - self._at) / (2 * count)
        for _ in range(count):
            self._at += step * self._chance.choice([0, 1, 2])
            happens = self._any(
                *(self._concern, self._case, self._clock, self._task, self._service, self._incident),
                *(
                    self._child,
                    self._child,
                    self._child,
                    self._service,
                    self._merge,
                    self._erase,
                    self._activity,
                    self._figure,
                ),
            )
            event = happens()
            if event is not None:
                self.history.append(Happened(event, self._at))
        return self.history[before:]

    def _any(self, *values: Any) -> Any:
        return self._chance.choice(values)

    def _of(self, terms: str) -> str:
        return str(self._chance.choice(list(Terms.load(terms).codes())))

    def _name(self, what: str, most: int = 12) -> str:
        return f"{what}{self._chance.randrange(most)}"

    def _next(self, subject: str) -> int:
        self._numbers[subject] = self._numbers.get(subject, 0) + 1
        return self._numbers[subject]

    def _who(self) -> dict[str, Any]:
        return {
            "unit": self._any(*PLACES),
            "sex": self._any("female", "male", "unknown"),
            "age_band": age_band(self._chance.randrange(18)),
            "kind": self._any(*KINDS),
            "sector": self._any("police", "health", "hotline"),
            "channel": self._any("hotline-111", "in-person"),
        }

    def _before(self, hours: int = 3_000) -> datetime:
        return self._at - timedelta(minutes=self._chance.randrange(hours * 60))

    def _concern(self) -> Event:
        name = self._name("concern", 40)
        said = {"request": self._any("protection", "counselling", "prevention", "information")}
        more = {"danger_now": self._any("yes", "no", "unknown"), "received_at": self._before()}
        return make.concern(name, self._next(name), **self._who(), **said, **more)

    def _facts(self) -> dict[str, Any]:
        began = self._before()

        def later(most: int) -> datetime | None:
            return self._any(None, began + timedelta(minutes=self._chance.randrange(most * 60)))

        status = self._any("open", "open", "closed", "merged")
        ended = {"closed_at": later(2_000) or began, "outcome": self._of("case-outcomes")} if status == "closed" else {}
        return {
            **self._who(),
            "risk": self._any("high", "medium", "low", "unassessed"),
            "status": status,
            "step": "assessment",
            "opened_at": began,
            "received_at": self._any(None, began - timedelta(hours=3)),
            **ended,
            "assessed_at": later(30),
            "planned_at": later(300),
            "first_service_at": later(900),
            "environment": self._any(None, "family", "school"),
            "harmer": self._any(None, "parent"),
        }

    def _case(self) -> Event:
        name = self._name("case")
        return make.case(name, self._next(name), **self._facts())

    def _clock(self) -> Event:
        name, clock = self._name("case"), self._any("emergency-12h", "emergency-12h", *Deadlines.load().kinds())
        state = self._any("running", "met", "met-late", "missed", "lapsed", "paused")
        event = make.deadline(f"{clock}-of-{name}", name, self._next(name), state, **self._facts())
        return replace(event, data=event.data.model_copy(update={"kind": clock, "due": self._before()}))

    def _task(self) -> Event:
        name, model = self._name("case"), self._any(cases.TaskRequested, cases.TaskDone, cases.TaskOverdue)
        event = make.task(f"task-of-{name}", name, self._next(name), model, **self._facts())
        asked = self._before()
        answered = asked + timedelta(minutes=self._chance.randrange(20_000))
        times = {"requested_at": asked, "answered_at": answered} if model is cases.TaskDone else {}
        more = {"task_kind": self._of("task-kinds"), "task_sector": self._any("health", "education")}
        return replace(event, data=event.data.model_copy(update={**more, **times}))

    def _service(self) -> Event:
        name = self._name("case")
        event = make.service(
            f"service{self._chance.randrange(9)}-of-{name}", name, self._next(name), self._of("service-kinds")
        )
        facts = make.case_facts(**self._facts())
        data = event.data.model_copy(update={"provided_on": self._before().date(), "facts": facts})
        if self._chance.random() < 0.2:
            data = cases.CaseServiceWithdrawn(**{**data.model_dump(), "reason": "made-up"})
        return replace(event, data=data)

    def _incident(self) -> Event:
        name, who = self._name("incident", 40), self._who()
        what = {
            "kind": self._any("drowning", self._of("incident-causes")),
            "outcome": self._any("fatal", "minor", "serious"),
        }
        place = {"unit": who["unit"], "occurred_on": self._before().date(), "sector": who["sector"]}
        event = make.incident(name, self._next(name), **what, **place)
        more = {"sex": who["sex"], "age_band": who["age_band"], "place_code": self._any(None, "road", "home")}
        return replace(event, data=event.data.model_copy(update=more))

    def _child(self) -> Event:
        name = self._name("child", 40)
        facts = {
            "unit": self._any(*PLACES[:5], None),
            "sex": self._any("female", "male"),
            "birth_year": self._any(None, *range(2006, 2028)),
            "birth_month": self._any(None, *range(1, 13)),
            "circumstances": self._chance.sample(
                ["01", "04", "10", "12", "at-risk", "poor", "covid-affected"], self._any(0, 1, 2, 3)
            ),
            "ethnicity": self._any(None, "01", "03"),
            "disability": self._any(True, False),
            "state": self._any("collected", "verified"),
            "supported": self._any(True, False),
        }
        status = self._any("active", "active", "active", "deceased", "moved-away", "withdrawn")
        if status == "active":
            return make.child(name, self._next(name), **facts)
        return make.life(name, self._next(name), status, **facts)

    def _merge(self) -> Event | None:
        stays, gone = self._name("child", 40), self._name("child", 40)
        if stays == gone or {stays, gone} & self._gone:
            return None
        if self._chance.random() < 0.4:
            new = f"split{len(self.history)}"
            return make.split(new, stays, self._next(new))
        self._gone.add(gone)
        return make.merge(stays, gone, self._next(stays))

    def _erase(self) -> Event | None:
        name = self._name("child", 40)
        if self._chance.random() < 0.7 or name in self._gone:
            return None
        self._gone.add(name)
        return make.erased(name, self._next(name))

    def _activity(self) -> Event:
        name = self._name("activity", 30)
        data = stats.ActivityRecorded(
            activity_id=name,
            activity=self._of("activities"),
            audience=self._of("audiences"),
            unit=self._any(*PLACES, ""),
            sector="health",
            held_on=self._before().date(),
            participants=self._chance.randrange(200),
        )
        return Event(data, name, self._next(name))

    def _figure(self) -> Event:
        code, year = self._any("swim-safely", "child-marriages", "immunised"), self._any("2025", "2026")
        name, value = f"{code}-{year}", float(self._chance.randrange(100))
        data = stats.FigureRecorded(figure_id=name, indicator=code, unit="", period=year, value=value, sector="health")
        return Event(data, name, self._next(name))


def _told(values: Sequence[Any], period: Period) -> dict[tuple[str, ...], tuple[float | None, int | None]]:
    return {one.keys: (one.value, one.numerator) for one in values if one.period == period}


async def _check(database: Database, evaluator: Evaluator, province: Province, as_of: datetime | None) -> None:
    # Of a period that goes on the ages are today's.
    known = as_of or datetime.now(UTC)
    own = frozenset({"05443", "01840"})
    async with database.transaction() as connection:
        for by, of in (("", None), ("unit", None), ("", own), ("each", None), ("each", own)):
            wanted = [(one, PERIODS) for one in evaluator.indicators]
            if by != "each":
                await evaluator.prepare(connection, wanted, by=(by,) if by else (), units=of, as_of=as_of)
            for indicator in evaluator.indicators:
                if indicator.shape == "reported":
                    continue
                for name in indicator.by if by == "each" else (by,):
                    asked = {"by": (name,) if name else (), "units": of, "as_of": as_of}
                    values = await evaluator.values(connection, indicator, PERIODS, **asked)
                    for period in PERIODS:
                        expected = value_of(indicator, province.history, (period.first, period.last), known, name, of)
                        assert _same(_told(values, period), expected), (indicator.code, name, period.code, of, as_of)
        for indicator in (one for one in evaluator.indicators if one.shape == "reported"):
            years = [Period.parse("2025"), Period.parse("2026")]
            for value in await evaluator.values(connection, indicator, years, as_of=as_of):
                said = handed_in(indicator.code, value.period.code, province.history, known)
                assert value.value == said, (indicator.code, value.period.code)


def _same(told: dict[Any, Any], expected: dict[Any, Any]) -> bool:
    """Whether they are the same; what counts nobody may be told or not, and is none before anything was known."""
    return all(
        (told.get(key, (None, 0))[1] or 0) == expected.get(key, (None, 0))[1]
        and _close(told.get(key, (None, 0))[0], expected.get(key, (None, 0))[0])
        for key in told.keys() | expected.keys()
    )


def _close(one: float | None, other: float | None) -> bool:
    return (one or 0.0) == pytest.approx(other or 0.0)


@pytest.mark.parametrize("seed", SEEDS[:2])
async def test_every_indicator_is_what_a_recount_says_also_after_more_has_happened(
    database: Database, seed: int
) -> None:
    chance, province, evaluator = random.Random(seed), Province(seed), Evaluator()
    # The second time the same evaluator, which remembers: nothing of what it knew may be told for what is true now.
    for turn in range(2):
        fresh = province.happen(220)
        delivered = [event.record(turn * 1_000 + at, time=moment) for at, (event, moment) in enumerate(fresh)]
        delivered += chance.choices(delivered, k=20)
        chance.shuffle(delivered)
        await record(database, [delivered[:90], delivered[90:]])
        await _check(database, evaluator, province, None)
        await _check(database, evaluator, province, BEGAN + timedelta(days=chance.randrange(500)))


def test_a_commune_that_is_no_more_is_counted_where_its_land_lies() -> None:
    assert Units.load().folded(PLACES[2]) == PLACES[3]


def test_what_is_made_up_has_something_of_every_indicator() -> None:
    days = (date(2025, 1, 1), date(2026, 12, 31))
    unknown = {one.code for one in Evaluator().indicators if one.shape != "reported"}
    for seed in SEEDS:
        province = Province(seed)
        province.happen(440)
        for code in list(unknown):
            indicator = Evaluator().indicators.get(code)
            if indicator is not None and _counts(indicator, province.history, days):
                unknown.remove(code)
    assert unknown == set()


def _counts(indicator: Indicator, history: Sequence[Happened], days: tuple[date, date]) -> bool:
    return any(n for _, n in value_of(indicator, history, days, NOW).values())
