"""The board's page and its live stream: what a person sees of the figures, and with which words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.stats.api.figures import LiveReader, Reader
from services.stats.domain.orders import AGES
from services.stats.figures.releasing import sees_all
from services.stats.pages.live_board import Board, View, view_of
from services.stats.views import SEXES, Words
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.identity import Permission, Principal
from shared.reference.disclosure import Disclosure
from shared.reference.terms import Terms
from shared.web.charts import score_line
from shared.web.i18n import place_key
from shared.web.pages import Pages, language_of

Filter = Annotated[str, Query(max_length=20)]


class BoardPages:
    """Routes below `/stats` for people.

    Args:
        board: the figures. pages: renders. units: all communes' codes.
    """

    def __init__(self, board: Board, pages: Pages, units: Sequence[str]) -> None:
        self._board = board
        self._pages = pages
        self._units = tuple(units)
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/", self.show, methods=["GET"])
        self.router.add_api_route("/live", self.live, methods=["GET"])

    async def show(
        self,
        request: Request,
        principal: Reader,
        unit: Filter = "",
        kind: Filter = "",
        sex: Filter = "",
        age: Filter = "",
    ) -> Response:
        """The board; to whoever has released figures only, where those are."""
        rule = Disclosure.load().on(self._pages.clock())
        if not sees_all(principal, rule):
            return self._pages.render(
                request, "stats/released.html", threshold=rule.threshold, settle_days=rule.settle_days
            )
        view = self._view(request, principal, unit, kind, sex, age)
        figures = await self._board.figures(view)
        quality = await self._board.quality(view)
        words, kinds = Words(self._pages.texts, view.language), Terms.load("case-kinds")
        query = {name: getattr(view, name) for name in ("unit", "kind", "sex", "age") if getattr(view, name)}
        return self._pages.render(
            request,
            "stats/board.html",
            **self._board.shown(view, figures),
            quality=quality,
            trend=score_line(quality.scores) if quality else None,
            may_mend=principal.may(Permission.SEE_CHILDREN),
            filtered=bool(query),
            may_report=principal.may(Permission.REPORT_CONCERN),
            live_path="/stats/live" + (f"?{urlencode(query)}" if query else ""),
            units=self._choices_of_units(request, principal),
            kinds=[(code, kinds.label(code, view.language)) for code in kinds.codes()],
            sexes=[(code, words(name)) for code, name in SEXES.items()],
            ages=[(code, words.age(code)) for code in AGES],
        )

    async def live(
        self,
        request: Request,
        principal: LiveReader,
        unit: Filter = "",
        kind: Filter = "",
        sex: Filter = "",
        age: Filter = "",
    ) -> Response:
        """The open board's stream: only what the page of the same filters shows this person."""
        return self._board.stream(request, self._view(request, principal, unit, kind, sex, age))

    def _view(self, request: Request, principal: Principal, unit: str, kind: str, sex: str, age: str) -> View:
        return view_of(
            principal,
            language_of(request),
            # Anything that is no word of ours is no filter, so that invented ones cannot multiply views.
            unit=unit if unit in {*self._units, UNCLASSIFIED} else "",
            kind=kind if kind in Terms.load("case-kinds") else "",
            sex=sex if sex in SEXES else "",
            age=age if age in AGES else "",
        )

    def _choices_of_units(self, request: Request, principal: Principal) -> list[tuple[str, str]]:
        language = language_of(request)
        own = [(code, self._pages.unit_name(code, language)) for code in self._units if principal.may_see(code)]
        return sorted(own, key=lambda pair: place_key(pair[1]))
