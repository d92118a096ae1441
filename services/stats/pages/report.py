"""A report of one's own: some indicators of a period and a place on one page, to be read, printed or kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.api.figures import Reader
from services.stats.domain.disclosure import Shown
from services.stats.domain.reading import Reading, goal_of
from services.stats.drawing import charts
from services.stats.drawing.charts import Drawing, Picture
from services.stats.exporting.chosen import Report, Told, paper, workbook
from services.stats.figures.lateness import Late
from services.stats.pages.commune_lines import Commune, communes_of
from services.stats.pages.looking import Asked, Looking, Sight
from shared.documents import write_docx, write_pdf
from shared.files.sheets import XLSX_MEDIA
from shared.identity import Principal
from shared.reference.indicators import Indicator
from shared.reference.plan_report import PlanForms
from shared.reference.terms import Terms
from shared.reference.units import Units
from shared.web.downloads import DOCX_TYPE, PDF_TYPE, headers_for
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
    """Routes `/stats/report` and `/stats/report/{report.docx,report.pdf,report.xlsx}`."""

    def __init__(self, looking: Looking, pages: Pages) -> None:
        self._looking = looking
        self._pages = pages
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/report", self.show, methods=["GET"])
        self.router.add_api_route("/report/{name}", self.file, methods=["GET"])

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
        sight, wanted, told, late = await self._report(request, principal, indicator, period, place, communes)
        # Drawn after the last question: a picture takes longer than they do, and nobody's snapshot waits for it.
        parts = [await self._part(sight, one) for one in told]
        asked = [("indicator", one.code) for one in wanted]
        kept = [("period", sight.period.code), ("place", sight.place), ("communes", communes and "1")]
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
            late=late,
            most=MOST,
            files=[(f"/stats/report/{name}?{_query([*asked, *kept])}", said) for name, (_, said) in _FILES.items()],
        )

    async def file(
        self,
        request: Request,
        principal: Reader,
        name: str,
        indicator: Chosen = None,
        period: Asked = "",
        place: Asked = "",
        communes: Asked = "",
    ) -> Response:
        """The same as a file to take along. Raises HTTPException 404."""
        if name not in _FILES:
            raise HTTPException(404)
        sight, _, told, late = await self._report(request, principal, indicator, period, place, communes)
        report = Report(
            sight.words,
            [
                Told(
                    one.reading,
                    _drawings(sight, one),
                    [(commune.name, commune.shown) for commune in one.communes],
                    one.reading.indicator.source(sight.words.language),
                )
                for one in told
            ],
            self._looking.place_name(sight),
            sight.words.period(sight.period),
            sight.now,
            sight.exact,
            *_office(sight),
            late,
        )
        body = await asyncio.to_thread(_WRITERS[name], report)
        saved = f"vongtay-{sight.period.code}-{name}"
        return Response(body, headers=headers_for(saved, saved), media_type=_FILES[name][0])

    async def _report(
        self, request: Request, principal: Principal, codes: Chosen, period: str, place: str, communes: str
    ) -> tuple[Sight, list[Indicator], list[_Told], Late | None]:
        """What is asked for, what of it is known, and how late that is."""
        sight = await self._looking.sight(request, principal, period, place)
        known = self._looking.in_force(sight)
        wanted = [one for one in known if one.code in set(codes or ())]
        async with self._looking.snapshot() as connection:
            readings = await self._looking.readings(connection, sight, wanted)
            told = [
                await self._told(connection, sight, reading, course, communes=bool(communes))
                for reading, course in readings
            ]
            late = await self._looking.late(connection, sight)
        return sight, wanted, told, late

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
        drawn = {one.id: await one.picture() for one in _drawings(sight, told)}
        trend = drawn.pop("chart-trend", None)
        breakdown = next(iter(drawn.values()), None)
        indicator = told.reading.indicator
        return Part(told.reading, trend, breakdown, told.communes, indicator.source(sight.words.language))

    async def _communes(self, connection: AsyncConnection, sight: Sight, indicator: Indicator) -> list[Commune]:
        shown = await self._looking.figures(connection, sight, indicator, [sight.period], by=("unit",))
        figures = self._looking.by_unit(sight, indicator, shown)
        return communes_of(sight, indicator, figures, goal_of(indicator, sight.period, "commune"))


def _drawings(sight: Sight, told: _Told) -> list[Drawing]:
    """What is drawn of an indicator: its course, and its first breakdown."""
    indicator, course = told.reading.indicator, told.course
    found = []
    if sum(one.value is not None for one in course) > 1:
        span = course[-1].period
        goal = goal_of(indicator, span, sight.level)
        unfinished = span if span.last >= sight.reached else None
        found.append(charts.trend(sight.words, indicator, course, goal=goal, unfinished=unfinished))
    if any(one.value is not None for one in told.by_first):
        found.append(charts.breakdown(sight.words, indicator, indicator.by[0], told.by_first))
    return found


def _office(sight: Sight) -> tuple[tuple[str, ...], str]:
    """Whose paper it is, as the head of an official one names it, in Vietnamese: the commune of who has one alone, the
    sector of who speaks for one, else the office that reports on the plan. Out: its lines, and where it is."""
    form, area, sector = PlanForms.load().on(sight.now), sight.principal.area, sight.principal.sector
    if area is not None and len(area) == 1:
        name = Units.load().name(next(iter(area)))
        return ("ỦY BAN NHÂN DÂN", name.upper()), name
    if sector is not None:
        return (*form.issuer[:1], f"NGÀNH {Terms.load('sectors').label(sector).upper()}"), form.place
    return tuple(form.issuer), form.place


def _query(pairs: Sequence[tuple[str, str]]) -> str:
    return urlencode([(name, value) for name, value in pairs if value])


# Media type, and a msgid.
_FILES: Final = {
    "report.docx": (DOCX_TYPE, "Word"),
    "report.pdf": (PDF_TYPE, "PDF"),
    "report.xlsx": (XLSX_MEDIA, "Excel"),
}
_WRITERS: Final[Mapping[str, Callable[[Report], bytes]]] = {
    "report.docx": lambda report: write_docx([paper(report)]),
    "report.pdf": lambda report: write_pdf([paper(report)]),
    "report.xlsx": workbook,
}
