"""A report of one's own: some indicators of a period and a place on one page, to be read, printed or kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.api.figures import Reader
from services.stats.domain.disclosure import Shown
from services.stats.domain.reading import Reading, goal_of
from services.stats.pages import charts
from services.stats.pages.charts import Picture
from services.stats.pages.commune_lines import Commune, communes_of
from services.stats.pages.looking import Asked, Looking, Sight
from shared.reference.indicators import Indicator
from shared.web.pages import Pages

# More than these is a book, and costs as much.
MOST: Final = 12
Chosen = Annotated[list[str] | None, Query(max_length=MOST)]


@dataclass(frozen=True, slots=True)
class Part:
    """One indicator of the report."""

    reading: Reading
    trend: Picture | None
    breakdown: Picture | None
    communes: Sequence[Commune]
    source: str


@dataclass(frozen=True, slots=True)
class _Told:
    """What is known of one indicator, before anything is drawn."""

    reading: Reading
    course: Sequence[Shown]
    by_first: Sequence[Shown]
    communes: Sequence[Commune]


class ReportPages:
    """Route `/stats/report`."""

    def __init__(self, looking: Looking, pages: Pages) -> None:
        self._looking = looking
        self._pages = pages
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/report", self.show, methods=["GET"])

    async def show(
        self,
        request: Request,
        principal: Reader,
        indicator: Chosen = None,
        period: Asked = "",
        place: Asked = "",
        communes: Asked = "",
    ) -> Response:
        """The report, and what it is put together from."""
        sight = self._looking.sight(request, principal, period, place)
        known = self._looking.in_force(sight)
        wanted = [one for one in known if one.code in set(indicator or ())]
        async with self._looking.snapshot() as connection:
            readings = await self._looking.readings(connection, sight, wanted)
            told = [
                await self._told(connection, sight, reading, course, communes=bool(communes))
                for reading, course in readings
            ]
        # Drawn after the last question: a picture takes longer than they do, and nobody's snapshot waits for it.
        parts = [await self._part(sight, one) for one in told]
        return self._pages.render(
            request,
            "stats/report.html",
            sight=sight,
            words=sight.words,
            place=self._looking.place_name(sight),
            periods=self._looking.periods(sight),
            places=self._looking.places(sight),
            choices=self._looking.choices(sight),
            wanted={one.code for one in wanted},
            communes=bool(communes),
            parts=parts,
            most=MOST,
        )

    async def _told(
        self,
        connection: AsyncConnection,
        sight: Sight,
        reading: Reading,
        course: Sequence[Shown],
        *,
        communes: bool,
    ) -> _Told:
        indicator, by_first = reading.indicator, list[Shown]()
        if indicator.by:
            asked = [sight.period]
            by_first = await self._looking.figures(connection, sight, indicator, asked, by=indicator.by[:1])
        listed = await self._communes(connection, sight, indicator) if communes else []
        return _Told(reading, course, by_first, listed)

    async def _part(self, sight: Sight, told: _Told) -> Part:
        indicator, course = told.reading.indicator, told.course
        trend = breakdown = None
        if sum(one.value is not None for one in course) > 1:
            span = course[-1].period
            drawn = charts.trend(
                sight.words,
                indicator,
                course,
                goal=goal_of(indicator, span, sight.level),
                unfinished=span if span.last >= sight.reached else None,
            )
            trend = await drawn.picture()
        if any(one.value is not None for one in told.by_first):
            breakdown = await charts.breakdown(sight.words, indicator, indicator.by[0], told.by_first).picture()
        return Part(told.reading, trend, breakdown, told.communes, indicator.source(sight.words.language))

    async def _communes(self, connection: AsyncConnection, sight: Sight, indicator: Indicator) -> list[Commune]:
        shown = await self._looking.figures(connection, sight, indicator, [sight.period], by=("unit",))
        figures = self._looking.by_unit(sight, indicator, shown)
        return communes_of(sight, indicator, figures, goal_of(indicator, sight.period, "commune"))
