"""The province at a glance: what is on its way, what is not, where. And all indicators in one list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from markupsafe import Markup

from services.stats.api.figures import Reader
from services.stats.domain.disclosure import Shown
from services.stats.domain.reading import Reading, Verdict, goal_of
from services.stats.drawing.axes import scale_of
from services.stats.pages.alerts import alerts_of
from services.stats.pages.commune_lines import Commune, communes_of
from services.stats.pages.grid import grid_of
from services.stats.pages.looking import Asked, Looking, Sight
from shared.web.charts import sparkline
from shared.web.pages import Pages

# What is always at the top, whatever its target: how much comes in, how much is open, whether the law is kept.
_FOREMOST: Final = ("reports-received", "cases-open", "cases-high-risk", "emergency-in-time", "deadlines-in-time")
_OF_COMMUNES: Final = ("cases-opened", "reports-received", "cases-open", "deadlines-in-time", "special-circumstances")
# As many as one takes in at a glance.
_URGENT: Final = 6
_COMMUNES: Final = 8
_COUNTED: Final[tuple[Verdict, ...]] = ("met", "missed", "running", "unknown", "hidden")


@dataclass(frozen=True, slots=True)
class Line:
    """An indicator as one line or card: its reading and its course, drawn small. `cut`: that does not begin at 0."""

    reading: Reading
    course: Markup | None
    said: str
    cut: bool = False


class ProvincePages:
    """Routes `/stats/province` and `/stats/indicators`."""

    def __init__(self, looking: Looking, pages: Pages) -> None:
        self._looking = looking
        self._pages = pages
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/province", self.show, methods=["GET"])
        self.router.add_api_route("/indicators", self.all, methods=["GET"])

    async def show(
        self, request: Request, principal: Reader, period: Asked = "", place: Asked = "", tiles: Asked = ""
    ) -> Response:
        """The province, or the reader's communes, in ten seconds."""
        sight = await self._looking.sight(request, principal, period, place)
        known = self._looking.in_force(sight)
        of_tiles = next((one for one in known if one.code == tiles and one.code in _OF_COMMUNES), None)
        of_tiles = of_tiles or next(one for one in known if one.code == _OF_COMMUNES[0])
        async with self._looking.snapshot() as connection:
            wanted = [one for one in known if one.targets or one.code in _FOREMOST]
            found = await self._looking.readings(connection, sight, wanted, courses=False)
            urgent = sorted((one for one, _ in found if one.pressing), key=lambda one: one.urgency)
            shown = await self._looking.readings(connection, sight, [one.indicator for one in urgent[:_URGENT]])
            late = await self._looking.late(connection, sight)
            early = await self._looking.early(connection, sight)
            alerts = await alerts_of(connection, sight, self._looking.indicators)
            by_commune = await self._looking.figures(connection, sight, of_tiles, [sight.period], by=("unit",))
        aimed = [one for one, _ in found if one.goal is not None]
        counts = {one: sum(reading.verdict == one for reading in aimed) for one in _COUNTED}
        figures = self._looking.by_unit(sight, of_tiles, by_commune)
        goal = goal_of(of_tiles, sight.period, "commune")
        foremost = {one.indicator.code: one for one, _ in found}
        return self._pages.render(
            request,
            "stats/province.html",
            sight=sight,
            words=sight.words,
            late=late,
            early=early,
            place=self._looking.place_name(sight),
            periods=self._looking.periods(sight),
            places=self._looking.places(sight),
            counts=counts,
            aimed=len(aimed),
            judged=len(aimed) - counts["unknown"] - counts["hidden"],
            alerts=alerts,
            missed=[line_of(sight, *one) for one in shown],
            more_missed=len(urgent) - _URGENT,
            foremost=[foremost[code] for code in _FOREMOST if code in foremost],
            grid=grid_of(sight.words, of_tiles, figures, goal, sight.today),
            foremost_communes=_foremost(communes_of(sight, of_tiles, figures, goal)) if len(figures) > 1 else [],
            of_tiles=of_tiles,
            tile_choices=[(one.code, one.label(sight.words.language)) for one in known if one.code in _OF_COMMUNES],
        )

    async def all(self, request: Request, principal: Reader, period: Asked = "", place: Asked = "") -> Response:
        """All indicators by theme: value, target, change, course."""
        sight = await self._looking.sight(request, principal, period, place)
        known = self._looking.in_force(sight)
        async with self._looking.snapshot() as connection:
            lines = [line_of(sight, *found) for found in await self._looking.readings(connection, sight, known)]
            early = await self._looking.early(connection, sight)
        return self._pages.render(
            request,
            "stats/indicators.html",
            sight=sight,
            early=early,
            words=sight.words,
            place=self._looking.place_name(sight),
            periods=self._looking.periods(sight),
            places=self._looking.places(sight),
            themes=self.by_theme(sight, [line for line in lines if line.reading.known]),
            unknown=[line.reading.indicator for line in lines if not line.reading.known],
        )

    def by_theme(self, sight: Sight, lines: Sequence[Line]) -> Sequence[tuple[str, str, Sequence[Line]]]:
        """Lines under their themes, in the order of the data: code, name, lines."""
        found = []
        for code in self._looking.indicators.themes:
            of_theme = [line for line in lines if line.reading.indicator.theme == code]
            if of_theme:
                found.append((code, self._looking.indicators.theme(code, sight.words.language), of_theme))
        return found


def _foremost(communes: Sequence[Commune]) -> Sequence[Commune]:
    """The communes to look at first: none where nothing happened, or nothing can be said."""
    return [one for one in communes if one.shown.value or one.shown.hidden][:_COMMUNES]


def line_of(sight: Sight, reading: Reading, course: Sequence[Shown]) -> Line:
    """A reading with its course as a line as small as a word, and the same in words."""
    # What adds up is less in a period that goes on: at the line's end that would look like a fall.
    over = [one for one in course if one.period.last < sight.reached or not reading.indicator.adds_up]
    values = [one.value for one in over if one.value is not None]
    if len(values) < 2:
        return Line(reading, None, "")
    first, last = (sight.words.amount(reading.indicator, value) for value in (values[0], values[-1]))
    scale = scale_of(reading.indicator, values)
    drawn = sparkline(values, low=scale.low, high=scale.high) if scale else sparkline(values, low=min(0.0, *values))
    said = sight.words("Từ %(first)s đến %(last)s", first=first, last=last)
    return Line(reading, drawn, said, cut=scale is not None)
