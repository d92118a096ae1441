"""One indicator: its figure against its target, its course, its parts, each commune; what it is and by which law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.api.figures import Reader
from services.stats.definitions import definition
from services.stats.domain.disclosure import Shown
from services.stats.domain.periods import Period
from services.stats.domain.reading import Reading, by_unit, goal_of
from services.stats.drawing import charts
from services.stats.drawing.charts import Drawing, Picture
from services.stats.figures.comparing import base_of, value_of_base
from services.stats.pages.commune_lines import communes_of, needy
from services.stats.pages.grid import grid_of
from services.stats.pages.looking import Asked, Looking, Sight, picture_of
from services.stats.pages.records import records_of, records_of_communes
from shared.reference.indicators import Indicator, Target
from shared.web.pages import Pages

_YEARS: Final = 5
_SMALL: Final = 12


class IndicatorPages:
    """Route `/stats/indicators/{code}`."""

    def __init__(self, looking: Looking, pages: Pages) -> None:
        self._looking = looking
        self._pages = pages
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/indicators/{code}", self.show, methods=["GET"])
        self.router.add_api_route("/indicators/{code}/picture", self.picture, methods=["GET"])

    async def show(
        self,
        request: Request,
        principal: Reader,
        code: str,
        period: Asked = "",
        place: Asked = "",
        known: Asked = "",
        by: Asked = "",
    ) -> Response:
        """The indicator. Raises HTTPException 404 where there is none of that code."""
        indicator = self._looking.indicator(code)
        sight = await self._looking.sight(request, principal, period, place, known)
        dimension = by if by in indicator.by else next(iter(indicator.by), "")
        async with self._looking.snapshot() as connection:
            [(reading, course)] = await self._looking.readings(connection, sight, [indicator])
            drawings = await self._drawings(connection, sight, reading, course)
            parts = await self._parts(connection, sight, indicator, dimension) if dimension else []
            figures, small = await self._communes(connection, sight, indicator)
            late = await self._looking.late(connection, sight)
            known_at = await self._looking.known_at(connection, sight, indicator)
        goal = goal_of(indicator, sight.period, "commune")
        known_parts = [one for one in parts if one.value is not None]
        several = len(figures) > 1
        drawn_at = f"/stats/indicators/{indicator.code}/picture{sight.query(by=dimension)}"
        records = records_of(sight, indicator)
        breakdown = charts.breakdown(sight.words, indicator, dimension, parts).at(drawn_at) if known_parts else None
        if breakdown is not None and records:
            breakdown = _opening(breakdown, charts.ranked(indicator, dimension, parts), records, dimension)
        return self._pages.render(
            request,
            "stats/indicator.html",
            sight=sight,
            words=sight.words,
            indicator=indicator,
            reading=reading,
            records=records if reading.known else "",
            of_communes=records_of_communes(sight, indicator),
            known_at=known_at,
            late=late,
            place=self._looking.place_name(sight),
            periods=self._looking.periods(sight),
            places=self._looking.places(sight),
            dimensions=[(name, sight.words.dimension(name)) for name in indicator.by],
            dimension=dimension,
            parts_hidden=next((one.hidden for one in parts if one.hidden), None),
            charts=[one.at(drawn_at) for one in drawings],
            breakdown=breakdown,
            small=small.at(drawn_at) if small else None,
            grid=grid_of(sight.words, indicator, figures, goal, sight.today) if several else None,
            communes=communes_of(sight, indicator, figures, goal) if several else [],
            definition=definition(sight.words, indicator),
            source=indicator.source(sight.words.language),
            note=indicator.note(sight.words.language),
        )

    async def picture(
        self,
        request: Request,
        principal: Reader,
        code: str,
        chart: Asked = "",
        period: Asked = "",
        place: Asked = "",
        known: Asked = "",
        by: Asked = "",
        narrow: bool = False,
    ) -> Response:
        """One of the page's charts, as the page of the same address has its figures. Raises HTTPException 404."""
        indicator = self._looking.indicator(code)
        sight = await self._looking.sight(request, principal, period, place, known)
        async with self._looking.snapshot() as connection:
            drawing = await self._drawing(connection, sight, indicator, chart, by if by in indicator.by else "")
        if drawing is None:
            raise HTTPException(404)
        return picture_of(await drawing.drawn(narrow=narrow))

    async def _drawing(
        self, connection: AsyncConnection, sight: Sight, indicator: Indicator, chart: str, dimension: str
    ) -> Drawing | None:
        if chart == "chart-multiples":
            _, small = await self._communes(connection, sight, indicator)
            return small
        if chart in {"chart-trend", "chart-path"}:
            [(reading, course)] = await self._looking.readings(connection, sight, [indicator])
            drawings = await self._drawings(connection, sight, reading, course)
            return next((one for one in drawings if one.id == chart), None)
        parts = await self._parts(connection, sight, indicator, dimension) if dimension else []
        if not any(one.value is not None for one in parts):
            return None
        return charts.breakdown(sight.words, indicator, dimension, parts)

    async def _drawings(
        self, connection: AsyncConnection, sight: Sight, reading: Reading, course: Sequence[Shown]
    ) -> list[Drawing]:
        indicator, words = reading.indicator, sight.words
        found = []
        if sum(one.value is not None for one in course) > 1:
            span = course[-1].period
            goal = goal_of(indicator, span, sight.level)
            unfinished = span if span.last >= sight.reached else None
            found.append(charts.trend(words, indicator, course, goal=goal, unfinished=unfinished))
        targets = [one for one in indicator.targets if one.level == sight.level and one.effective_to is None]
        if targets:
            years = [
                one
                for one in Period.containing(min(sight.period.last, sight.reached), "year").before(_YEARS)
                if one.first <= sight.reached
            ]
            by_year = [one.comparable for one in await self._looking.figures(connection, sight, indicator, years)]
            known = {one.period: one for one in by_year}
            found.append(charts.path(words, indicator, by_year, [_set(indicator, one, known) for one in targets]))
        return found

    async def _parts(
        self, connection: AsyncConnection, sight: Sight, indicator: Indicator, dimension: str
    ) -> list[Shown]:
        return await self._looking.figures(connection, sight, indicator, [sight.period], by=(dimension,))

    async def _communes(
        self, connection: AsyncConnection, sight: Sight, indicator: Indicator
    ) -> tuple[dict[str, Shown], Drawing | None]:
        """The period's figure of each commune, and those that need it most over time: all in one question."""
        course = self._looking.of_communes(sight, indicator) if len(self._looking.own(sight)) > 1 else []
        if indicator.adds_up:
            course = [one for one in course if one.last < sight.reached] or course
        periods = list(dict.fromkeys((sight.period, *course)))
        shown = await self._looking.figures(connection, sight, indicator, periods, by=("unit",))
        by_period: dict[Period, list[Shown]] = {}
        for one in shown:
            by_period.setdefault(one.period, []).append(one)
        figures = self._looking.by_unit(sight, indicator, by_period.get(sight.period, ()))
        found = [(one, by_unit(indicator, one, by_period.get(one, ()), figures)) for one in course]
        return figures, _small(sight, indicator, figures, found)


def _small(
    sight: Sight,
    indicator: Indicator,
    figures: Mapping[str, Shown],
    course: Sequence[tuple[Period, Mapping[str, Shown]]],
) -> Drawing | None:
    """The communes that need it most over time; of nothing there is no picture."""
    # Where more is better, nothing at all is what needs it most; else there is nothing to draw.
    known = (code for code, one in figures.items() if one.value or (one.value == 0 and indicator.better == "higher"))
    ranked = sorted(known, key=lambda code: needy(indicator, figures[code]))[:_SMALL]
    if len(ranked) < 2:
        return None
    lines = [
        charts.Line(sight.words.unit(code), [found.get(code, Shown(one, (code,))) for one, found in course])
        for code in ranked
    ]
    if not any(one.value for line in lines for one in line.shown[:-1]):
        return None
    goal = goal_of(indicator, course[-1][0], "commune")
    return charts.multiples(sight.words, indicator, lines, goal)


def _opening(breakdown: Picture, ranked: Sequence[Shown], records: str, dimension: str) -> Picture:
    """A breakdown's table of which each figure opens to its records."""
    rows = []
    for row, one in zip(breakdown.rows, ranked, strict=True):
        value = row[1]
        if one.numerator:
            address = f"{records}&{urlencode({dimension: one.keys[0]})}"
            value = Markup('<a href="{}">{}</a>').format(address, value)
        rows.append([row[0], value, *row[2:]])
    return replace(breakdown, rows=rows)


def _set(indicator: Indicator, target: Target, years: Mapping[Period, Shown]) -> Target:
    """A target with the value that it comes to, where what it is set against is among the years."""
    base = base_of(target, Period.parse(f"{target.year:04d}"))
    if base is None:
        return target
    return target.against_base(value_of_base(indicator, target, base, years.get(base)))
