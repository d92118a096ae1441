"""What every page of indicators asks for: who looks, at which period and place, as known when; and the figures of it.

Every figure comes through `figures.releasing`. It must never be asked for a place that is not the reader's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Final, cast

from fastapi import HTTPException, Query, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.beginnings import first_day
from services.stats.domain.disclosure import Shown
from services.stats.domain.periods import Period, Span
from services.stats.domain.reading import Reading, by_unit, course_of, goal_of, reached
from services.stats.figures.comparing import base_of, compared_with, value_of_base
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.lateness import Late, lateness
from services.stats.figures.releasing import Releasing, sees_all
from services.stats.store.answers import see_one_moment
from services.stats.store.history import answered_as_of
from services.stats.store.questions import MeasureError
from services.stats.views import SPANS, Words
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import UNCLASSIFIED, in_calendar
from shared.database import Database
from shared.identity import ALL_UNITS, Principal
from shared.messaging.router import Clock
from shared.reference.calendar import end_of, local_day, start_of
from shared.reference.disclosure import Disclosure, Rule
from shared.reference.indicators import Indicator, Level
from shared.web.i18n import place_key
from shared.web.pages import Pages, language_of

Asked = Annotated[str, Query(max_length=40)]
Choice = tuple[str, str]
Group = tuple[str, list[Choice]]
# How many of each span one may choose from, the newest first.
_CHOICES: Final[tuple[tuple[Span, int], ...]] = (
    ("year", 5),
    ("quarter", 6),
    ("month", 13),
    ("half-year", 4),
    ("school-year", 3),
    ("week", 6),
    ("day", 8),
)
# Of so short a time nothing is released: it is offered to whoever sees figures as they are.
_SHORT: Final = frozenset({"week", "day"})


@dataclass(frozen=True, slots=True)
class Sight:
    """One reader's look: who, in which language, at which period and place, as it was known when (None: now).

    `units`: the communes that are asked for; None: the whole province. `place`: the code of what was chosen.
    `threshold`: who sees released figures only sees none between 0 and this.
    """

    principal: Principal
    words: Words
    now: datetime
    period: Period
    exact: bool
    units: frozenset[str] | None
    place: str
    known: date | None
    threshold: int

    @property
    def today(self) -> date:
        """The day here."""
        return local_day(self.now)

    @property
    def reached(self) -> date:
        """The day up to which something can be known of the period."""
        return reached(self.period, self.today, self.known)

    @property
    def over(self) -> bool:
        """Whether the period is, as far as is known."""
        return self.period.last < self.reached

    @property
    def level(self) -> Level | None:
        """Whose targets apply; None: nobody's, of several communes."""
        if self.units is None:
            return "province"
        return "commune" if len(self.units) == 1 else None

    @property
    def wide(self) -> bool:
        """Whether the reader sees the whole province."""
        return self.principal.units == ALL_UNITS

    @property
    def as_of(self) -> datetime | None:
        """The last moment of the day as of which figures are asked for."""
        return None if self.known is None else end_of(self.known)

    def query(self, **changed: str) -> str:
        """The address's part that keeps the look, some of it changed; beginning with `?` where there is any."""
        kept = {
            "period": self.period.code,
            "place": self.place,
            "known": self.known.isoformat() if self.known else "",
            **changed,
        }
        said = "&".join(f"{name}={value}" for name, value in kept.items() if value)
        return f"?{said}" if said else ""

    def widest(self, indicator: Indicator) -> Choice:
        """Where an indicator is told least finely: of all that the reader sees, of a year. Out: address and words."""
        year = Period.containing(self.period.last, "year")
        place = self.words("Toàn tỉnh") if self.wide else self.words("Địa bàn của anh chị")
        address = f"/stats/indicators/{indicator.code}{self.query(period=year.code, place='', known='')}"
        return address, f"{place}, {self.words.period(year)}"


class Looking:
    """Makes looks, and asks for the figures of them.

    Args:
        database: statistics' own. releasing: the one door. evaluator: knows indicators and units.
        pages: knows the language. clock: now, aware UTC.
    """

    def __init__(
        self, database: Database, releasing: Releasing, evaluator: Evaluator, pages: Pages, clock: Clock
    ) -> None:
        self._database = database
        self.pages = pages
        self._evaluator = evaluator
        self.indicators = evaluator.indicators
        self.units = evaluator.units
        self._releasing = releasing
        self._clock = clock

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one moment: the figures of a page agree with each other."""
        async with self._database.transaction() as connection:
            await see_one_moment(connection)
            yield connection

    def indicator(self, code: str) -> Indicator:
        """By its code. Raises HTTPException 404."""
        found = self.indicators.get(code)
        if found is None:
            raise HTTPException(404)
        return found

    async def sight(
        self, request: Request, principal: Principal, period: str = "", place: str = "", known: str = ""
    ) -> Sight:
        """A look from what stands in an address. What is no period, no place of the reader's, or no past day is as if
        it were not there; without a period, whoever sees released figures only begins with the last one that is."""
        now = self._clock()
        today = local_day(now)
        rule = Disclosure.load().on(now)
        exact = sees_all(principal, rule)
        units = self._units(principal, place)
        day = _day(known)
        return Sight(
            principal,
            Words(self.pages.texts, language_of(request)),
            now,
            _period(period, today)
            or (None if exact else await self._released(now))
            or Period.containing(today, "year"),
            exact,
            units,
            place if units is not None and units != principal.units else "",
            day if day is not None and day < today else None,
            rule.threshold,
        )

    async def figures(
        self,
        connection: AsyncConnection,
        sight: Sight,
        indicator: Indicator,
        periods: Sequence[Period],
        *,
        by: Sequence[str] = (),
        units: frozenset[str] | None = None,
    ) -> list[Shown]:
        """What one may see of an indicator. An indicator that is not counted by a dimension has no figures by it."""
        try:
            return await self._releasing.release(
                connection,
                sight.principal,
                indicator,
                periods,
                by=by,
                units=sight.units if units is None else units,
                as_of=sight.as_of,
                now=sight.now,
            )
        except MeasureError:
            return []

    async def prepare(
        self, connection: AsyncConnection, sight: Sight, wanted: Sequence[tuple[Indicator, Sequence[Period]]]
    ) -> None:
        """Ask at once for the figures of several indicators, where they are seen as they are; what is released is
        decided apart."""
        if sight.exact:
            await self._evaluator.prepare(connection, wanted, units=sight.units, as_of=sight.as_of)

    @staticmethod
    async def late(connection: AsyncConnection, sight: Sight) -> Late | None:
        """How late the figures are, to whoever sees them as they are; what was released waits for nothing."""
        return await lateness(connection, sight.now) if sight.exact and sight.known is None else None

    async def early(self, connection: AsyncConnection, sight: Sight) -> bool:
        """Whether the period was over before the first event: why there is nothing of it."""
        return sight.period.last < (first_day(await self._evaluator.beginnings(connection)) or sight.today)

    async def known_at(self, connection: AsyncConnection, sight: Sight, indicator: Indicator) -> datetime | None:
        """As of which moment an indicator is answered, where what was known at the asked one is no longer kept."""
        if not sight.exact or indicator.numerator is None:
            return None
        return await answered_as_of(connection, indicator.numerator.over, sight.period, sight.as_of)

    async def readings(
        self, connection: AsyncConnection, sight: Sight, indicators: Iterable[Indicator], *, courses: bool = True
    ) -> list[tuple[Reading, list[Shown]]]:
        """Each indicator's figure with what it is compared with, and its course in time where that is wanted."""
        asked = [
            (indicator, self.course(sight, indicator) if courses else [], self._base(sight, indicator))
            for indicator in indicators
        ]
        wanted = [
            (one, list(dict.fromkeys((sight.period, *self.compared(sight, one), *course, *([base] if base else [])))))
            for one, course, base in asked
        ]
        await self.prepare(connection, sight, wanted)
        found = []
        for (indicator, course, base), (_, periods) in zip(asked, wanted, strict=True):
            by_period = {one.period: one for one in await self.figures(connection, sight, indicator, periods)}
            reading = self.reading(sight, indicator, by_period, base)
            found.append((reading, [by_period[one] for one in course if one in by_period]))
        return found

    @staticmethod
    def _base(sight: Sight, indicator: Indicator) -> Period | None:
        """The year that an indicator's target is set against, if any."""
        target = goal_of(indicator, sight.period, sight.level)
        return base_of(target, sight.period) if target else None

    def reading(self, sight: Sight, indicator: Indicator, figures: dict[Period, Shown], base: Period | None) -> Reading:
        """A figure among those of several periods, with what it is compared with. `base`: the year that its target is
        set against, if any."""
        target = goal_of(indicator, sight.period, sight.level)
        if target is not None and base is not None:
            target = target.against_base(value_of_base(indicator, target, base, figures.get(base)))
        beside = [figures.get(one) for one in self.compared(sight, indicator)]
        before, year_before = [None if one is None else one.comparable for one in beside]
        return Reading(indicator, sight.period, figures.get(sight.period), before, year_before, target, sight.over)

    @staticmethod
    def compared(sight: Sight, indicator: Indicator) -> tuple[Period, Period]:
        """The period before and the same one of the year before; of what adds up, as far as this one has come."""
        return compared_with(indicator, sight.period, sight.reached, exact=sight.exact)

    def course(self, sight: Sight, indicator: Indicator) -> list[Period]:
        """The periods of an indicator's line: months and the like; of what is released by longer times only, those."""
        if indicator.shape != "reported" and (sight.exact or indicator.code in self._rule(sight).monthly):
            return course_of(sight.period, sight.reached)
        return sight.period.before(5) if sight.period.span == "year" else self.bases(sight, indicator, 5)

    def of_communes(self, sight: Sight, indicator: Indicator) -> list[Period]:
        """The periods of a commune's line: a year of months, or the times by which tables are released."""
        if sight.exact and indicator.shape != "reported":
            return self.course(sight, indicator)[-13:]
        return self.bases(sight, indicator, 5)

    def bases(self, sight: Sight, indicator: Indicator, count: int) -> list[Period]:
        """The last times by which an indicator's tables are released."""
        part = indicator.numerator
        base = cast(Span, self._rule(sight).base(part.measure)) if part else "year"
        last = min(sight.period.last, sight.today)
        return Period.containing(last, base).before(count)

    def in_force(self, sight: Sight) -> list[Indicator]:
        """The indicators that are asked in the period."""
        return list(self.indicators.on(min(sight.period.last, sight.today)))

    def choices(self, sight: Sight) -> list[Group]:
        """The indicators to choose from, by theme."""
        language = sight.words.language
        known = self.in_force(sight)
        return [
            (
                self.indicators.theme(code, language),
                [(one.code, one.label(language)) for one in known if one.theme == code],
            )
            for code in self.indicators.themes
        ]

    def periods(self, sight: Sight) -> list[Group]:
        """The periods to choose from, by span; the chosen one among them."""
        said = sight.words
        groups: list[Group] = []
        for span, count in _CHOICES:
            if span in _SHORT and not sight.exact and sight.period.span != span:
                continue
            periods = Period.containing(sight.today, span).before(count)[::-1]
            if sight.period.span == span and sight.period not in periods:
                periods.append(sight.period)
            groups.append((said(SPANS[span]), [(one.code, said.period(one)) for one in periods]))
        plan = Period.parse(_plan(sight.today))
        plans = [plan, plan.previous]
        if sight.period.span == "plan" and sight.period not in plans:
            plans.append(sight.period)
        groups.append((said(SPANS["plan"]), [(one.code, said.period(one)) for one in plans]))
        return groups

    def places(self, sight: Sight) -> list[Group]:
        """The places to choose from: the old districts and communes that are the reader's; none where there is one."""
        said = sight.words
        own = [code for code in self.units.codes() if sight.principal.may_see(code)]
        if len(own) < 2:
            return []
        communes = sorted(((code, said.unit(code)) for code in own), key=lambda one: place_key(one[1]))
        if not sight.wide:
            return [(said("Xã, phường"), communes)]
        districts = sorted(
            (
                (area.code, area.label(said.language))
                for area in self.units.areas()
                if area.kind == "district" and self.units.in_district(area.code)
            ),
            key=lambda one: place_key(one[1]),
        )
        return [(said("Huyện, thành phố cũ"), districts), (said("Xã, phường"), communes)]

    def place_name(self, sight: Sight) -> str:
        """What is looked at, in words."""
        if sight.place:
            area = next((area for area in self.units.areas() if area.code == sight.place), None)
            return area.label(sight.words.language) if area else sight.words.unit(sight.place)
        if sight.wide:
            return sight.words("Toàn tỉnh")
        names = [sight.words.unit(code) for code in sorted(sight.units or ())]
        return ", ".join(names)

    def own(self, sight: Sight) -> list[str]:
        """The communes that are looked at, by name."""
        codes = [code for code in self.units.codes() if sight.units is None or code in sight.units]
        return sorted(codes, key=lambda code: place_key(sight.words.unit(code)))

    def by_unit(self, sight: Sight, indicator: Indicator, shown: Iterable[Shown]) -> dict[str, Shown]:
        """The period's figure of each commune that is looked at; of the province, what lies in none, too."""
        listed = list(shown)
        found = by_unit(indicator, sight.period, listed, self.own(sight))
        if sight.units is None:
            nowhere = [one for one in listed if one.keys == (UNCLASSIFIED,) and one.period == sight.period]
            found |= {one.keys[0]: one for one in nowhere}
        return found

    def _units(self, principal: Principal, place: str) -> frozenset[str] | None:
        own = principal.area
        wanted: frozenset[str] = frozenset()
        if place in self.units.codes():
            wanted = frozenset({place})
        elif any(area.code == place and area.kind == "district" for area in self.units.areas()):
            wanted = self.units.in_district(place)
        if own is None:
            return wanted or None
        return wanted & own or own

    @staticmethod
    def _rule(sight: Sight) -> Rule:
        return Disclosure.load().on(start_of(sight.period.first))

    async def _released(self, now: datetime) -> Period | None:
        async with self.snapshot() as connection:
            return await self._releasing.latest(connection, now)


def _period(code: str, today: date) -> Period | None:
    try:
        found = Period.parse(code)
    except Rejected:
        return None
    return found if found.first <= today else None


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if in_calendar(day) else None


def _plan(today: date) -> str:
    # Five years, as plans of the state run: 2021-2025, 2026-2030.
    first = today.year - (today.year - 1) % 5
    return f"{first}..{first + 4}"


def picture_of(svg: str) -> Response:
    """A chart as an answer. It is its reader's: nothing on the way keeps it."""
    return Response(svg, headers={"Cache-Control": "private, no-cache", "Vary": "Cookie"}, media_type="image/svg+xml")
