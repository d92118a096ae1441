"""The board's page and its live stream: what a person sees of the figures, and with which words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import altair as alt
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.stats.api.figures import LiveReader, Reader
from services.stats.domain.board import BoardFigures
from services.stats.releasing import sees_all
from services.stats.views import AGES, SEXES
from services.stats.watching import Board, View, view_of
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.identity import Permission, Principal
from shared.reference.disclosure import Disclosure
from shared.reference.terms import Terms
from shared.web.charts import Chart, chart, sparkline
from shared.web.i18n import format_number
from shared.web.pages import Pages, language_of

RISKS = ("high", "medium", "low", "unassessed")
_BAR = 24  # pixels
_FEW = 5
_RISK_COLOURS = ("#d55e00", "#e69f00", "#0072b2", "#999999")
_SEX_COLOURS = ("#cc79a7", "#0072b2", "#999999")
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
        if not sees_all(principal, Disclosure.load().on(datetime.now(UTC))):
            return self._pages.render(request, "stats/released.html")
        view = self._view(request, principal, unit, kind, sex, age)
        figures = await self._board.figures(view)
        quality = await self._board.quality(view)
        query = {name: getattr(view, name) for name in ("unit", "kind", "sex", "age") if getattr(view, name)}
        return self._pages.render(
            request,
            "stats/board.html",
            board=figures,
            view=view,
            quality=quality,
            trend=sparkline(quality.scores, low=0, high=100) if quality and len(quality.scores) > 1 else None,
            may_mend=principal.may(Permission.SEE_CHILDREN),
            filtered=bool(query),
            may_report=principal.may(Permission.REPORT_CONCERN),
            live_path="/stats/live" + (f"?{urlencode(query)}" if query else ""),
            charts=[] if figures.empty else self._charts(request, figures),
            units=self._choices_of_units(principal),
            kinds=[(code, self._term(request, "case-kinds", code)) for code in Terms.load("case-kinds").codes()],
            sexes=[(code, self._pages.text(request, name)) for code, name in SEXES.items()],
            ages=[(code, self._age(request, code)) for code in AGES],
            UNCLASSIFIED=UNCLASSIFIED,
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

    def _choices_of_units(self, principal: Principal) -> list[tuple[str, str]]:
        codes = [code for code in self._units if principal.may_see(code)]
        return sorted(((code, self._pages.unit_name(code)) for code in codes), key=lambda pair: pair[1])

    def _term(self, request: Request, terms: str, code: str) -> str:
        return Terms.load(terms).label(code, language_of(request))

    def _age(self, request: Request, code: str) -> str:
        if code == "unknown":
            return self._pages.text(request, "Chưa rõ")
        return self._pages.text(request, "%(ages)s tuổi", ages=code.replace("-", "–"))

    def _charts(self, request: Request, figures: BoardFigures) -> list[Chart]:
        def said(text: str) -> str:
            return self._pages.text(request, text)

        kinds = {code: self._term(request, "case-kinds", code) for code in Terms.load("case-kinds").codes()}
        risks = {code: self._term(request, "risk-levels", code) for code in RISKS}
        ages = {code: self._age(request, code) for code in AGES}
        sexes = {code: said(name) for code, name in SEXES.items()}
        sectors = {code: self._term(request, "sectors", code) for code in Terms.load("sectors").codes()}
        by_sector = {(sector, ""): n for sector, n in figures.by_sector.items()}
        language = language_of(request)
        drawn = [
            _stacked(
                "chart-kinds",
                said("Vụ việc đang mở theo hình thức và mức nguy cơ"),
                figures.by_kind,
                (said("Hình thức"), kinds),
                (said("Nguy cơ"), risks, _RISK_COLOURS),
                language,
            ),
            _stacked(
                "chart-ages",
                said("Tin báo theo tuổi và giới tính"),
                figures.by_age,
                (said("Tuổi"), ages),
                (said("Giới tính"), sexes, _SEX_COLOURS),
                language,
            ),
            _stacked(
                "chart-sectors",
                said("Tin báo theo ngành gửi"),
                by_sector,
                (said("Ngành"), sectors),
                (said("Số tin báo"), {"": said("Số tin báo")}, ("#0b5d62",)),
                language,
            ),
        ]
        # Of nothing there is no picture.
        return [one for one in drawn if one.rows]


def _stacked(
    chart_id: str,
    title: str,
    counts: dict[tuple[str, str], int],
    rows: tuple[str, dict[str, str]],
    parts: tuple[str, dict[str, str], Sequence[str]],
    language: Any,
) -> Chart:
    """Bars of a breakdown by two, and the same as a table: rows that have something, all parts."""
    row_title, row_names = rows
    part_title, part_names, colours = parts
    used = [code for code in row_names if any(counts.get((code, part)) for part in part_names)]
    values = [
        {"row": row_names[code], "part": part_names[part], "n": counts.get((code, part), 0), "order": at}
        for code in used
        for at, part in enumerate(part_names)
        if counts.get((code, part))
    ]
    names = list(part_names.values())
    colour = alt.Color(
        "part:N",
        title=None,
        sort=names,
        scale=alt.Scale(domain=names, range=list(colours)),
        legend=alt.Legend(columns=2, labelLimit=220) if len(names) > 1 else None,
    )
    most = max((sum(counts.get((code, part), 0) for part in part_names) for code in used), default=0)
    # Left to itself, an axis that ends at one has ticks between whole numbers, and writes them as if they were whole.
    ticks = list(range(most + 1)) if most <= _FEW else alt.Undefined
    spec = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(stroke="#ffffff", strokeWidth=1, size=_BAR)
        .encode(
            y=alt.Y("row:N", title=None, sort=[row_names[code] for code in used], axis=alt.Axis(labelLimit=150)),
            x=alt.X("n:Q", title=None, axis=alt.Axis(tickMinStep=1, format="d", values=ticks)),
            color=colour,
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("row:N", title=row_title),
                alt.Tooltip("part:N", title=part_title),
                alt.Tooltip("n:Q", title="n"),
            ],
        )
    )
    table = [
        [row_names[code], *(format_number(language, counts.get((code, part), 0)) for part in part_names)]
        for code in used
    ]
    columns: list[str | tuple[str, str]] = [row_title, *((name, "number") for name in names)]
    return chart(chart_id, title, spec, columns, table)
