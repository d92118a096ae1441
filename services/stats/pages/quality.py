"""How far the figures can be relied on: whether they agree, what could not be classified, who is silent, how good the
records are. Shown to whoever sees figures at all; what tells of single communes and moments only to whoever sees those.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.stats.api.figures import Reader
from services.stats.api.indicators import may_open
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.unplaced import part_of, unplaced
from services.stats.figures.voices import voices
from services.stats.pages.looking import Asked, Looking, Sight
from services.stats.pages.province import line_of
from services.stats.store.quality import quality_by_unit, quality_of
from services.stats.upkeep.checking import Upkeep
from shared.identity import Permission
from shared.reference.thresholds import Thresholds
from shared.web.charts import score_line
from shared.web.pages import Pages

_THEME: Final = "quality"


class QualityPages:
    """Route `/stats/quality`.

    Args:
        evaluator: counts what is not classified, and by whom signs came.
    """

    def __init__(self, looking: Looking, pages: Pages, upkeep: Upkeep, evaluator: Evaluator) -> None:
        self._looking = looking
        self._pages = pages
        self._upkeep = upkeep
        self._evaluator = evaluator
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/quality", self.show, methods=["GET"])

    async def show(self, request: Request, principal: Reader, period: Asked = "") -> Response:
        """The quality board."""
        sight = await self._looking.sight(request, principal, period)
        wanted = [one for one in self._looking.in_force(sight) if one.theme == _THEME]
        checked = await self._upkeep.last_check()
        watch = Thresholds.load().on(sight.now)
        async with self._looking.snapshot() as connection:
            lines = [line_of(sight, *found) for found in await self._looking.readings(connection, sight, wanted)]
            records = await quality_of(connection, sight.units, sight.today) if sight.exact else None
            by_unit = await quality_by_unit(connection, sight.units, sight.today) if sight.exact else []
            nowhere = (
                await unplaced(connection, self._evaluator, sight.period, sight.units if not sight.wide else None)
                if sight.exact
                else []
            )
            late = await self._looking.late(connection, sight)
            heard = await voices(connection, self._evaluator, watch, sight.today) if _hears(sight) else None
        return self._pages.render(
            request,
            "stats/quality.html",
            sight=sight,
            words=sight.words,
            late=late,
            place=self._looking.place_name(sight),
            periods=self._looking.periods(sight),
            lines=lines,
            checked=checked,
            records=records,
            trend=score_line(records.scores) if records else None,
            by_unit=by_unit,
            voices=heard,
            watch=watch,
            unplaced=[one for one in nowhere if any(one.by_field.values())] if sight.exact else None,
            openable={
                one.measure
                for one in nowhere
                if (part := part_of(one.measure, "age")) and may_open(sight.principal, part, sight.now)
            },
        )


def _hears(sight: Sight) -> bool:
    """Whether somebody may know when each sector last said anything: whoever sees the whole province as it is, and
    whoever keeps the platform up."""
    return sight.wide and (sight.exact or sight.principal.may(Permission.OPERATE))
