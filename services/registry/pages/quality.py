"""How good records are, on screen: a commune's work by rule, communes compared, one rule's list of children."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from services.registry.inspector import NOWHERE, CommuneLine
from services.registry.pages.room import Room
from services.registry.seeing import NotThereError, Reader
from shared.identity import Permission
from shared.reference.quality import KINDS, Rule
from shared.reference.units import UNCLASSIFIED
from shared.web.charts import score_line
from shared.web.i18n import name_key
from shared.web.pages import language_of

_SORTS: Final[dict[str, Callable[[CommuneLine], Any]]] = {
    "score": lambda line: line.measured.score,
    "change": lambda line: line.change if line.change is not None else 0.0,
    "children": lambda line: -line.measured.children,
    "verified": lambda line: line.verified,
    "doubts": lambda line: -len(line.doubts),
    **{kind: lambda line, kind=kind: -line.by_kind.get(kind, 0) for kind in KINDS},  # type: ignore[misc]
}


class QualityPages:
    """The board and its lists.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def board(self, request: Request, principal: Reader, unit: str = "", sort: str = "score") -> Response:
        """Whoever has one commune sees its work; others compare their communes and choose one."""
        own = self.room.unit_options(principal)
        if not unit and len(own) != 1:
            return await self._province(request, principal, sort)
        wanted = None if unit == NOWHERE else unit or own[0][0]
        try:
            board = await self.room.inspector.board(principal, wanted)
        except NotThereError:
            raise HTTPException(404) from None
        return self.room.render(
            request,
            "registry/quality_commune.html",
            board=board,
            sparkline=score_line([score for _, score in board.trend]),
            place=self._place(request, wanted),
            in_address=unit_in(wanted),
            kinds=KINDS,
            several=len(own) > 1,
        )

    async def _province(self, request: Request, principal: Reader, sort: str) -> Response:
        province = await self.room.inspector.province(principal)
        names = self.room.pages.unit_name
        order = _SORTS.get(sort)
        by_name = sorted(province.communes, key=lambda line: name_key(names(line.measured.unit)))
        communes = by_name if order is None else sorted(by_name, key=order)
        return self.room.render(
            request,
            "registry/quality_province.html",
            province=province,
            communes=communes,
            sort=sort if order is not None else "unit",
            kinds=KINDS,
            NOWHERE=NOWHERE,
        )

    async def work(
        self, request: Request, principal: Reader, rule: str, unit: str = "", hamlet: str = "", after: str = ""
    ) -> Response:
        """One rule's list of a commune."""
        own = self.room.unit_options(principal)
        wanted = None if unit == NOWHERE else unit or (own[0][0] if len(own) == 1 else "")
        try:
            work = await self.room.inspector.work(principal, wanted, rule, hamlet or None, after or None)
        except NotThereError:
            raise HTTPException(404) from None
        address = f"/registry/quality/{rule}?" + urlencode({"unit": unit_in(wanted), "hamlet": work.hamlet or ""})
        edits = principal.may(Permission.EDIT_CHILDREN)
        return self.room.render(
            request,
            "registry/quality_list.html",
            work=work,
            place=self._place(request, wanted),
            in_address=unit_in(wanted),
            next=f"{address}&after={work.more}" if work.more else None,
            first=address if after else None,
            mend=lambda child_id: mend_at(work.rule, child_id, edits=edits, unit=wanted),
            effort=timedelta(minutes=work.rule.minutes * work.children),
        )

    def _place(self, request: Request, unit: str | None) -> str:
        return self.room.pages.unit_name(unit or UNCLASSIFIED, language_of(request))


def unit_in(unit: str | None) -> str:
    """How an address names a commune, or none."""
    return NOWHERE if unit is None else unit


def mend_at(rule: Rule, child_id: str, *, edits: bool, unit: str | None) -> str:
    """Where a record is mended: the form at the wrong field, or the act that is asked for. Who may not mend is shown
    the record."""
    child = f"/registry/children/{child_id}"
    if rule.act == "matches":
        return f"/registry/matches?unit={unit}" if unit else "/registry/matches"
    if not edits:
        return child
    return {
        "correct": f"{child}/correct#f-{rule.field}",
        "verify": f"{child}/life#verify",
        "circumstances": f"{child}#circumstances",
        "contradictions": child,
    }[rule.act]


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = QualityPages(room)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/quality", pages.board, methods=["GET"])
    router.add_api_route("/quality/{rule}", pages.work, methods=["GET"])
    return router
