"""How far the figures can be relied on: whether they agree, what could not be classified, who is silent, how good the
records are. Shown to whoever sees figures at all; what tells of single communes and moments only to whoever sees those.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.stats.api.figures import Reader
from services.stats.pages.looking import Asked, Looking, Sight
from services.stats.pages.province import line_of
from services.stats.store.quality import last_heard, quality_by_unit, quality_of
from services.stats.upkeep.checking import Upkeep
from shared.contracts.vocabulary import SECTORS
from shared.reference.terms import Terms
from shared.web.charts import score_line
from shared.web.pages import Pages

# A sector that says nothing for so long is worth a question; what alarms is said by whoever watches thresholds.
_SILENT: Final = timedelta(days=30)
_THEME: Final = "quality"


@dataclass(frozen=True, slots=True)
class Voice:
    """A sector, and when it last said anything; None: never."""

    name: str
    heard_at: datetime | None
    silent: bool


class QualityPages:
    """Route `/stats/quality`."""

    def __init__(self, looking: Looking, pages: Pages, upkeep: Upkeep) -> None:
        self._looking = looking
        self._pages = pages
        self._upkeep = upkeep
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/quality", self.show, methods=["GET"])

    async def show(self, request: Request, principal: Reader, period: Asked = "") -> Response:
        """The quality board."""
        sight = self._looking.sight(request, principal, period)
        wanted = [one for one in self._looking.in_force(sight) if one.theme == _THEME]
        checked = await self._upkeep.last_check()
        async with self._looking.snapshot() as connection:
            lines = [line_of(sight, *found) for found in await self._looking.readings(connection, sight, wanted)]
            records = await quality_of(connection, sight.units, sight.today) if sight.exact else None
            by_unit = await quality_by_unit(connection, sight.units, sight.today) if sight.exact else []
            heard = await last_heard(connection) if sight.exact and sight.wide else None
        return self._pages.render(
            request,
            "stats/quality.html",
            sight=sight,
            words=sight.words,
            place=self._looking.place_name(sight),
            periods=self._looking.periods(sight),
            lines=lines,
            checked=checked,
            records=records,
            trend=score_line(records.scores) if records else None,
            by_unit=by_unit,
            voices=None if heard is None else _voices(sight, heard),
        )


def _voices(sight: Sight, heard: dict[str, datetime]) -> list[Voice]:
    """Every sector, the longest silent first."""
    sectors = Terms.load("sectors")
    found = [
        Voice(
            sectors.label(sector, sight.words.language),
            heard.get(sector),
            sector not in heard or sight.now - heard[sector] > _SILENT,
        )
        for sector in SECTORS
    ]
    return sorted(found, key=lambda one: (one.heard_at is not None, one.heard_at or sight.now))
