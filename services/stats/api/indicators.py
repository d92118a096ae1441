"""Indicators as JSON: what there is, their values beside what they are compared with, and the records behind them.

Every figure passes `releasing`. Nobody gets more by asking in another way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request

from services.stats.api.figures import Reader
from services.stats.domain.disclosure import Shown
from services.stats.domain.periods import Period
from services.stats.domain.reading import Reading
from services.stats.figures.catalogue import dimensions
from services.stats.figures.comparing import Asking, Comparing
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.releasing import sees_all
from services.stats.store.answers import see_one_moment
from services.stats.store.behind import behind
from services.stats.store.history import answered_as_of
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import in_calendar
from shared.database import Database
from shared.identity import ALL_UNITS, NotAllowedError, Permission, Principal
from shared.messaging.router import Clock
from shared.reference.calendar import end_of, local_day
from shared.reference.disclosure import Disclosure
from shared.reference.indicators import Indicator, Part, Target
from shared.web.i18n import ZONE

_MOST_PERIODS: Final = 60
_MOST_DIMENSIONS: Final = 3
_PAGE: Final = 100
_OWN_QUERY: Final = frozenset({"period", "unit", "district", "as_of", "part", "after", "lang"})
Code = Annotated[str, Query(max_length=40)]
Codes = Annotated[list[str] | None, Query(max_length=100)]


class IndicatorApi:
    """Routes below `/stats/api/indicators`.

    Args:
        database: statistics' own. clock: now, aware UTC. evaluator: what is asked. comparing: what is shown of it.
    """

    def __init__(self, database: Database, clock: Clock, evaluator: Evaluator, comparing: Comparing) -> None:
        self._database = database
        self._clock = clock
        self._evaluator = evaluator
        self._comparing = comparing
        self.router = APIRouter()
        self.router.add_api_route("/api/indicators", self.all_indicators, methods=["GET"])
        self.router.add_api_route("/api/indicators/{code}", self.values, methods=["GET"])
        self.router.add_api_route("/api/indicators/{code}/records", self.records, methods=["GET"])

    async def all_indicators(self, _principal: Reader) -> list[dict[str, Any]]:
        """The indicators that are asked today: what each counts, by what it may be asked, what is aimed at."""
        today = local_day(self._clock())
        return [_described(indicator) for indicator in self._evaluator.indicators.on(today)]

    async def values(
        self,
        principal: Reader,
        code: str,
        period: Code = "",
        by: Codes = None,
        unit: Codes = None,
        district: Code = "",
        as_of: Code = "",
        trend: Annotated[int, Query(ge=0, le=_MOST_PERIODS)] = 0,
    ) -> dict[str, Any]:
        """An indicator in a period (without one: this month), by dimensions, of communes or an old district, as it was
        known at a moment: each figure with the period before, the year before and the target. `trend`: of how many
        periods besides, the asked one last."""
        indicator = self._indicator(code)
        asked = self._period(period)
        asking = Asking(
            principal,
            self._clock(),
            self._dimensions(indicator, by or []),
            self._units(unit or [], district),
            self._moment(as_of),
        )
        async with self._database.transaction() as connection:
            await see_one_moment(connection)
            compared = await self._comparing.compared(connection, asking, indicator, asked)
            before = asked.before(trend) if trend else []
            shown = await self._comparing.released(connection, asking, indicator, before) if before else []
            known_at = None
            if indicator.numerator is not None and sees_all(principal, Disclosure.load().on(asking.now)):
                known_at = await answered_as_of(connection, indicator.numerator.over, asked, asking.as_of)
        return {
            "indicator": _described(indicator),
            "period": asked.code,
            "by": list(asking.by),
            "as_of": (asking.as_of or asking.now).isoformat(timespec="seconds"),
            # Of a moment long past what was known is kept for some moments only: the one that is answered.
            "known_at": known_at and known_at.astimezone(ZONE).isoformat(),
            "values": [_read(one, asking.by) for one in compared],
            "trend": [_shown(one, asking.by) for one in shown],
        }

    async def records(
        self,
        request: Request,
        principal: Reader,
        code: str,
        period: Code = "",
        unit: Codes = None,
        district: Code = "",
        as_of: Code = "",
        part: Annotated[str, Query(pattern="^(numerator|denominator)$")] = "numerator",
        after: UUID | None = None,
    ) -> dict[str, Any]:
        """The records that an indicator counts, for whoever may open them: their ids, and where each is opened. Every
        other parameter says which of its dimensions' values: `kind=violence&sex=female`."""
        indicator = self._indicator(code)
        counted = indicator.numerator if part == "numerator" else indicator.denominator
        now = self._clock()
        _permit(principal, counted, now)
        if counted is None:
            raise HTTPException(404)
        moment = self._moment(as_of)
        narrowed = self._narrowed(indicator, counted, request.query_params.multi_items())
        units = self._units(unit or [], district)
        if principal.units != ALL_UNITS:
            units = principal.units if units is None else units & principal.units
        async with self._database.transaction() as connection:
            await see_one_moment(connection)
            found = await behind(
                connection,
                narrowed,
                self._period(period),
                units=None if units is None else self._evaluator.units.named_as(units),
                as_of=moment if moment is not None and moment < now else None,
                after=str(after or ""),
                limit=_PAGE,
                answers=self._evaluator.answers,
            )
        if found is None:
            raise HTTPException(404)
        following = found.ids[-1] if len(found.ids) == _PAGE else None
        return {
            "total": found.total,
            "records": [{"id": one, "link": link} for one, link in zip(found.ids, found.links, strict=True)],
            "after": following,
        }

    def _indicator(self, code: str) -> Indicator:
        found = self._evaluator.indicators.get(code)
        if found is None:
            raise HTTPException(404)
        return found

    def _period(self, code: str) -> Period:
        """The asked period, without one this month. Raises `Rejected` for one that has not begun: it has no figure."""
        today = local_day(self._clock())
        asked = Period.parse(code) if code else Period.containing(today, "month")
        if asked.first > today:
            vi, en = f"Kỳ {asked.code} chưa bắt đầu.", f"The period {asked.code} has not begun."
            raise Rejected([Violation("period", "period-not-begun", vi, en)])
        return asked

    @staticmethod
    def _dimensions(indicator: Indicator, by: list[str]) -> tuple[str, ...]:
        known = dimensions(indicator)
        if any(name not in known for name in by) or len(set(by)) < len(by) or len(by) > _MOST_DIMENSIONS:
            raise _refused("by", known)
        return tuple(by)

    def _units(self, codes: list[str], district: str) -> frozenset[str] | None:
        units = self._evaluator.units
        known = {*units.codes(), "unclassified"}
        if unknown := set(codes) - known:
            # An old code means the commune of today that holds its land.
            codes = [units.folded(code) if code in unknown else code for code in codes]
            if any(units.folded(code) == "unclassified" for code in unknown):
                raise _refused("unit", units.codes())
        chosen = frozenset(codes) if codes else None
        if not district:
            return chosen
        inside = units.in_district(district)
        if not inside:
            raise _refused("district", [area.code for area in units.areas() if area.kind == "district"])
        return inside if chosen is None else inside & chosen

    @staticmethod
    def _moment(text: str) -> datetime | None:
        """A moment; of a day, its end."""
        if not text:
            return None
        moment: datetime | None = None
        try:
            if len(text) == len("2026-11-25"):
                moment = end_of(date.fromisoformat(text))
            else:
                moment = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            pass
        if moment is None or not in_calendar(moment):
            raise _refused("as_of", ["2026-11-25", "2026-11-25T07:00:00+07:00"])
        return moment if moment.tzinfo else moment.replace(tzinfo=ZONE)

    @staticmethod
    def _narrowed(indicator: Indicator, part: Part, query: Iterable[tuple[str, str]]) -> Part:
        """A part of which only some values of its dimensions count."""
        wanted: dict[str, set[str]] = {}
        for name, value in query:
            if name not in _OWN_QUERY:
                wanted.setdefault(name, set()).add(value)
        if any(name not in indicator.by for name in wanted):
            raise _refused("by", indicator.by)
        where = dict(part.where)
        for name, values in wanted.items():
            known = where.get(name)
            where[name] = tuple(sorted(values if known is None else values & set(known)))
        return replace(part, where=where)


def may_open(principal: Principal, part: Part | None, now: datetime) -> bool:
    """Whether somebody may open the records that a part counts."""
    needed = Permission.SEE_CHILDREN if part is not None and part.measure == "children" else Permission.SEE_CASES
    return sees_all(principal, Disclosure.load().on(now)) and principal.may(needed)


def _permit(principal: Principal, part: Part | None, now: datetime) -> None:
    """Raises NotAllowedError for who may not open the records themselves."""
    if not may_open(principal, part, now):
        raise NotAllowedError("The role sees no records behind figures")


def _refused(field: str, known: Iterable[str]) -> Rejected:
    words = ", ".join(known)
    return Rejected([Violation(field, f"{field}-unknown", f"Chỉ có: {words}.", f"There are only: {words}.")])


def _described(indicator: Indicator) -> dict[str, Any]:
    return {
        "code": indicator.code,
        "theme": indicator.theme,
        "name": {"vi": indicator.vi, "en": indicator.en},
        "note": {"vi": indicator.note_vi, "en": indicator.note_en},
        "legal_source": {"vi": indicator.legal_source_vi, "en": indicator.legal_source_en},
        "shape": indicator.shape,
        "unit": indicator.unit,
        "better": indicator.better,
        "by": list(dimensions(indicator)),
        "reported_by": indicator.reported_by,
        "effective_from": indicator.effective_from.isoformat() if indicator.effective_from > date.min else None,
        "targets": [_target(target) for target in indicator.targets],
    }


def _target(target: Target) -> dict[str, Any]:
    return {
        "year": target.year,
        "level": target.level,
        "value": target.value,
        "change": target.change,
        "against": target.against,
        "yearly": target.yearly,
        "legal_source": {"vi": target.legal_source_vi, "en": target.legal_source_en},
    }


def _shown(shown: Shown, by: tuple[str, ...]) -> dict[str, Any]:
    return {
        "period": shown.period.code,
        # Of what a period is compared with, as far as that has come.
        "last": shown.period.last.isoformat(),
        "keys": dict(zip(by, shown.keys, strict=False)),
        "value": shown.value,
        "numerator": shown.numerator,
        "denominator": shown.denominator,
        "hidden": shown.hidden,
        # Why there is no value, if there is none.
        "reason": shown.reason,
    }


def _read(reading: Reading, by: tuple[str, ...]) -> dict[str, Any]:
    beside: Mapping[str, Shown | None] = {"before": reading.before, "year_before": reading.year_before}
    return {
        **({} if reading.now is None else _shown(reading.now, by)),
        **{name: None if shown is None else _shown(shown, by) for name, shown in beside.items()},
        "change": reading.moved(reading.before),
        "change_in_a_year": reading.moved(reading.year_before),
        "target": None if reading.goal is None else _target(reading.goal),
        "verdict": reading.verdict,
    }
