"""Communes: one indicator in all of them, all indicators of one, and a few beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from services.stats.api.figures import Reader
from services.stats.domain.disclosure import Shown
from services.stats.domain.reading import by_unit, goal_of
from services.stats.drawing import charts
from services.stats.drawing.charts import Drawing
from services.stats.figures.lateness import Late
from services.stats.pages.commune_lines import communes_of
from services.stats.pages.grid import grid_of
from services.stats.pages.looking import Asked, Looking, Sight, picture_of
from services.stats.pages.province import ProvincePages, line_of
from services.stats.pages.records import records_of_communes
from shared.identity import NotAllowedError
from shared.reference.indicators import Indicator
from shared.web.pages import Pages

_USUAL: Final = "cases-opened"
# More lines than these nobody tells apart.
_MOST: Final = 4
Several = Annotated[list[str] | None, Query(max_length=8)]


class CommunePages:
    """Routes `/stats/communes`, `/stats/communes/{code}` and `/stats/compare`."""

    def __init__(self, looking: Looking, pages: Pages, province: ProvincePages) -> None:
        self._looking = looking
        self._pages = pages
        self._province = province
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/communes", self.all, methods=["GET"])
        self.router.add_api_route("/communes/{code}", self.show, methods=["GET"])
        self.router.add_api_route("/compare", self.compare, methods=["GET"])
        self.router.add_api_route("/compare/picture", self.picture, methods=["GET"])

    async def all(
        self, request: Request, principal: Reader, indicator: Asked = "", period: Asked = "", place: Asked = ""
    ) -> Response:
        """One indicator in all communes: as tiles and as a table."""
        sight = await self._looking.sight(request, principal, period, place)
        chosen = self._chosen(indicator)
        async with self._looking.snapshot() as connection:
            shown = await self._looking.figures(connection, sight, chosen, [sight.period], by=("unit",))
            late = await self._looking.late(connection, sight)
        figures = self._looking.by_unit(sight, chosen, shown)
        goal = goal_of(chosen, sight.period, "commune")
        return self._pages.render(
            request,
            "stats/communes.html",
            sight=sight,
            words=sight.words,
            indicator=chosen,
            goal=goal,
            late=late,
            place=self._looking.place_name(sight),
            periods=self._looking.periods(sight),
            places=self._looking.places(sight),
            choices=self._looking.choices(sight),
            grid=grid_of(sight.words, chosen, figures, goal, sight.today),
            communes=communes_of(sight, chosen, figures, goal),
            of_communes=records_of_communes(sight, chosen),
        )

    async def show(self, request: Request, principal: Reader, code: str, period: Asked = "") -> Response:
        """A commune's profile."""
        if code not in self._looking.units.codes() or not principal.may_see(code):
            raise NotAllowedError("The commune is not the reader's")
        sight = await self._looking.sight(request, principal, period, code)
        known = self._looking.in_force(sight)
        async with self._looking.snapshot() as connection:
            lines = [line_of(sight, *found) for found in await self._looking.readings(connection, sight, known)]
            late = await self._looking.late(connection, sight)
            whole: dict[str, Shown] = {}
            if sight.wide:
                everywhere = await self._looking.sight(request, principal, sight.period.code)
                await self._looking.prepare(connection, everywhere, [(one, [sight.period]) for one in known])
                for one in known:
                    for shown in await self._looking.figures(connection, everywhere, one, [sight.period]):
                        whole[one.code] = shown
        units = self._looking.units
        district = units.district(code)
        return self._pages.render(
            request,
            "stats/commune.html",
            sight=sight,
            words=sight.words,
            code=code,
            late=late,
            name=sight.words.unit(code),
            district=next((area.label(sight.words.language) for area in units.areas() if area.code == district), ""),
            predecessors=[unit.label(sight.words.language) for unit in units.predecessors(code)],
            periods=self._looking.periods(sight),
            themes=self._province.by_theme(sight, [line for line in lines if line.reading.known]),
            unknown=[line.reading.indicator for line in lines if not line.reading.known],
            whole=whole,
        )

    async def compare(
        self, request: Request, principal: Reader, indicator: Asked = "", period: Asked = "", unit: Several = None
    ) -> Response:
        """A few communes beside each other, in time and in figures."""
        sight = await self._looking.sight(request, principal, period)
        chosen = self._chosen(indicator)
        codes = self._looking.own(sight)
        wanted = self._wanted(sight, unit)
        drawing, figures, late = await self._compared(sight, chosen, wanted)
        query = "".join(f"&unit={code}" for code in wanted)
        drawn_at = f"/stats/compare/picture?indicator={chosen.code}&period={sight.period.code}{query}"
        return self._pages.render(
            request,
            "stats/compare.html",
            sight=sight,
            words=sight.words,
            indicator=chosen,
            late=late,
            periods=self._looking.periods(sight),
            choices=self._looking.choices(sight),
            units=[(code, sight.words.unit(code)) for code in codes],
            wanted=[*wanted, *[""] * (_MOST - len(wanted))],
            communes=communes_of(sight, chosen, figures, goal_of(chosen, sight.period, "commune")),
            picture=drawing.at(drawn_at) if drawing else None,
        )

    async def picture(
        self,
        request: Request,
        principal: Reader,
        indicator: Asked = "",
        period: Asked = "",
        unit: Several = None,
        narrow: bool = False,
    ) -> Response:
        """The comparison's chart. Raises HTTPException 404 where there is none."""
        sight = await self._looking.sight(request, principal, period)
        drawing, _, _ = await self._compared(sight, self._chosen(indicator), self._wanted(sight, unit))
        if drawing is None:
            raise HTTPException(404)
        return picture_of(await drawing.drawn(narrow=narrow))

    def _wanted(self, sight: Sight, units: Several) -> list[str]:
        """The communes to compare, those of the reader's alone."""
        codes = self._looking.own(sight)
        return [code for code in dict.fromkeys(units or ()) if code in codes][:_MOST]

    async def _compared(
        self, sight: Sight, chosen: Indicator, wanted: Sequence[str]
    ) -> tuple[Drawing | None, dict[str, Shown], Late | None]:
        """The communes' lines, where there is anything to draw, the period's figure of each, and how late they are."""
        if not wanted:
            return None, {}, None
        course = self._looking.of_communes(sight, chosen)
        periods = list(dict.fromkeys((*course, sight.period)))
        async with self._looking.snapshot() as connection:
            shown = await self._looking.figures(connection, sight, chosen, periods, by=("unit",))
            late = await self._looking.late(connection, sight)
        by_period = {one: by_unit(chosen, one, shown, wanted) for one in periods}
        lines = [
            charts.Line(sight.words.unit(code), [by_period[one].get(code, Shown(one, (code,))) for one in course])
            for code in wanted
        ]
        if not any(one.value is not None for line in lines for one in line.shown):
            return None, by_period[sight.period], late
        goal = goal_of(chosen, course[-1], "commune")
        goes_on = chosen.adds_up and course[-1].last >= sight.reached
        drawing = charts.comparison(sight.words, chosen, lines, goal, goes_on=goes_on)
        return drawing, by_period[sight.period], late

    def _chosen(self, code: str) -> Indicator:
        found = self._looking.indicators.get(code) or self._looking.indicators.get(_USUAL)
        return found or next(iter(self._looking.indicators))
