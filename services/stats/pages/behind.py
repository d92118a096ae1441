"""The records behind figures that are no indicator's: those of the live board, and what could not be classified. Links
and nothing else, for whoever may open the records; whoever keeps them decides once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from services.stats.api.figures import Reader
from services.stats.api.indicators import may_open
from services.stats.domain.measures import UNIT
from services.stats.domain.periods import Period
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.unplaced import part_of
from services.stats.pages.looking import Asked, Looking, Sight
from services.stats.store.behind import behind
from services.stats.views import LISTS
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.identity import NotAllowedError
from shared.reference.indicators import Part
from shared.web.pages import Pages

_PAGE: Final = 100
# Clocks are looked for by the day on which they are due; those that were missed may be of any year.
_YEARS: Final = 10


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a figure of the board counts: of its day, or of whatever year."""

    part: Part
    ever: bool = False


_ON_BOARD: Final[Mapping[str, _Listed]] = {
    "open": _Listed(Part("cases", "state", {"status": ("open",)})),
    "high": _Listed(Part("cases", "state", {"status": ("open",), "risk": ("high",)})),
    "missed": _Listed(Part("clocks", "period", {"state": ("missed",)}), ever=True),
    "today": _Listed(Part("reports", "period", {})),
    "tasks": _Listed(Part("tasks", "state", {"status": ("requested", "accepted", "overdue")})),
    "overdue": _Listed(Part("tasks", "state", {"status": ("overdue",)})),
}


class BehindPages:
    """Routes `/stats/behind` and `/stats/quality/records`.

    Args:
        looking: knows who looks at which communes. evaluator: has the answers that are kept. pages: renders.
    """

    def __init__(self, looking: Looking, evaluator: Evaluator, pages: Pages) -> None:
        self._looking = looking
        self._evaluator = evaluator
        self._pages = pages
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/behind", self.board, methods=["GET"])
        self.router.add_api_route("/quality/records", self.unplaced, methods=["GET"])

    async def board(
        self,
        request: Request,
        principal: Reader,
        of: Asked = "",
        unit: Asked = "",
        kind: Asked = "",
        sex: Asked = "",
        age: Asked = "",
        after: UUID | None = None,
    ) -> Response:
        """The records behind a figure of the live board, by the board's own filters. Raises HTTPException 404,
        NotAllowedError."""
        listed = _ON_BOARD.get(of)
        if listed is None:
            raise HTTPException(404)
        sight = await self._looking.sight(request, principal, place=unit)
        filters = {name: value for name, value in (("kind", kind), ("sex", sex), ("age", age)) if value}
        nowhere = {UNIT: (UNCLASSIFIED,)} if unit == UNCLASSIFIED else {}
        narrowed = {name: (value,) for name, value in filters.items()}
        part = Part(listed.part.measure, listed.part.over, {**listed.part.where, **narrowed, **nowhere})
        said = sight.words(LISTS[of])
        query = {"of": of, "unit": unit, **filters}
        back = urlencode({name: value for name, value in query.items() if name != "of" and value})
        return await self._list(
            request,
            sight,
            part,
            _ever(sight.today) if listed.ever else Period.containing(sight.today, "day"),
            after,
            query,
            said=said,
            where=sight.words.unit(UNCLASSIFIED) if nowhere else self._looking.place_name(sight),
            tab=("live", sight.words("Trực tiếp"), "/stats" + (f"?{back}" if back else "")),
        )

    async def unplaced(
        self,
        request: Request,
        principal: Reader,
        measure: Asked = "",
        field: Asked = "",
        period: Asked = "",
        after: UUID | None = None,
    ) -> Response:
        """The records of a measure of which a field is not known, so that somebody mends them. Raises HTTPException
        404, NotAllowedError."""
        part = part_of(measure, field)
        if part is None:
            raise HTTPException(404)
        sight = await self._looking.sight(request, principal, period)
        words = sight.words
        name = words.dimension(field)
        return await self._list(
            request,
            sight,
            part,
            sight.period,
            after,
            {"measure": measure, "field": field, "period": sight.period.code},
            said=words("%(what)s, chưa rõ %(field)s", what=words.unplaced(measure), field=name[:1].lower() + name[1:]),
            where=f"{self._looking.place_name(sight)} · {words.period(sight.period)}",
            tab=("quality", words("Chất lượng"), "/stats/quality" + sight.query()),
        )

    async def _list(
        self,
        request: Request,
        sight: Sight,
        part: Part,
        period: Period,
        after: UUID | None,
        query: Mapping[str, str],
        *,
        said: str,
        where: str,
        tab: tuple[str, str, str],
    ) -> Response:
        if not may_open(sight.principal, part, sight.now) or (UNIT in part.where and not sight.wide):
            raise NotAllowedError("The role sees no records behind figures")
        units = None if sight.units is None or UNIT in part.where else self._looking.units.named_as(sight.units)
        async with self._looking.snapshot() as connection:
            found = await behind(
                connection,
                part,
                period,
                units=units,
                as_of=None,
                after=str(after or ""),
                limit=_PAGE,
                answers=self._evaluator.answers,
            )
        if found is None:
            raise HTTPException(404)
        kept = {name: value for name, value in query.items() if value}
        following = None
        if len(found.ids) == _PAGE:
            following = f"{request.url.path}?{urlencode(kept | {'after': found.ids[-1]})}"
        return self._pages.render(
            request,
            "stats/behind.html",
            said=said,
            where=where,
            tab=tab,
            total=found.total,
            records=[{"id": one, "link": link} for one, link in zip(found.ids, found.links, strict=True)],
            following=following,
        )


def _ever(today: date) -> Period:
    return Period.parse(f"{today.year - _YEARS}..{today.year + _YEARS}")
