"""The board: communes beside each other, and the list behind every number. All that is chosen is in the address."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from sqlalchemy import RowMapping
from starlette.responses import Response

from services.cases import store
from services.cases.domain.model import Actor
from services.cases.pages.room import Room
from services.cases.reading import actor_of
from services.cases.store import CaseFilter, Place
from services.cases.views import Names
from shared.contracts.cases import CaseStatus, CaseStep
from shared.contracts.vocabulary import SECTORS, UNCLASSIFIED, RiskLevel
from shared.identity import NotAllowedError, SignedIn
from shared.web.i18n import format_date, format_datetime, place_key

_PAGE: Final = 30
_WAITING: Final = 100
_MOST_DOWNLOADED: Final = 50_000
_LONGEST: Final = 100
# Columns of the board: its name -> what of a filter leads to the list behind it; None: the reports that wait.
COLUMNS: Final[Mapping[str, Mapping[str, str] | None]] = {
    "open": {},
    "high": {"risk": "high"},
    "missed": {"due": "missed"},
    "today": {"due": "today"},
    "waiting": None,
    "approval": {"step": "approval"},
}
# What somebody has to do something about, the most pressing first.
_PRESSING: Final = ("missed", "waiting", "today", "approval")
_CODES: Final[Mapping[str, frozenset[str]]] = {
    "status": frozenset(get_args(CaseStatus)),
    "risk": frozenset(get_args(RiskLevel)),
    "step": frozenset(get_args(CaseStep)),
    "due": frozenset({"missed", "today"}),
    "awaits": frozenset(SECTORS),
}
FILTERS: Final = ("status", "unit", "risk", "step", "due", "kind", "awaits", "worker", "code")


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One commune's figures, by column; None where the filter asks for what a report does not have."""

    unit: str
    name: str
    figures: Mapping[str, int | None]

    def holds(self, columns: Iterable[str]) -> bool:
        """Whether there is anything in one of the columns."""
        return any(self.figures[name] for name in columns)


class BoardPages:
    """The board and the lists behind it.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def board(self, request: Request, actor: Actor) -> Response:
        """Communes beside each other."""
        _see_cases(actor)
        names = self.room.names(request)
        wanted = replace(filter_of(request.query_params, actor), status="open")
        asked = _asked(wanted)
        async with self.room.office.scope() as scope:
            counts = await store.counts_by_unit(scope.connection, actor.units, wanted, scope.now)
            waiting = await store.waiting_by_unit(scope.connection, actor.units, wanted)
            workers = await self._workers(scope.connection, actor, wanted)
        rows = _rows(counts, None if wanted.of_cases_only else waiting, self._units_of(actor, wanted, counts), names)
        sort, rows = _sorted(rows, request.query_params.get("sort", ""))
        shown = rows if wanted.unit else [row for row in rows if row.holds(COLUMNS)]
        first = shown if sort or wanted.unit else [row for row in shown if row.holds(_PRESSING)]
        part = request.query_params.get("part") == "1"
        return self.room.render(
            request,
            "cases/board_figures.html" if part else "cases/board.html",
            first=first,
            calm=[row for row in shown if row not in first],
            empty=[row for row in _by_name(rows) if row not in shown],
            totals=_totals(rows),
            columns=COLUMNS,
            wanted=wanted,
            sort=sort,
            filtered=bool(asked),
            behind={name: _behind(asked, name) for name in COLUMNS},
            board_address=lambda **more: _address("/cases/board", asked, more),
            list_address=_address("/cases/list", asked, {}),
            workers=workers,
        )

    async def cases(self, request: Request, actor: Actor) -> Response:
        """The cases that match, most urgent first or as asked; as a page or a file of coarse facts."""
        _see_cases(actor)
        asked = request.query_params
        wanted = filter_of(asked, actor)
        order = asked.get("order", "")
        if order not in store.ORDERS or (wanted.status not in ("", "open") and order in ("due", "risk")):
            order = "due" if wanted.status == "open" else "opened"
        if asked.get("as") == "csv":
            return await self._download(request, actor, wanted, order)
        after = Place.read(order, asked.get("after", ""))
        async with self.room.office.scope() as scope:
            page = await store.list_cases(
                scope.connection,
                actor.units,
                wanted,
                scope.now,
                limit=_PAGE,
                order=order,
                after=after,
                person=actor.id,
            )
            total = await store.count_open(scope.connection, actor.units, wanted, scope.now)
            workers = await self._workers(scope.connection, actor, wanted)
        chosen = _asked(wanted)
        ordered = chosen if order == ("due" if wanted.status == "open" else "opened") else chosen | {"order": order}
        return self.room.render(
            request,
            "cases/list.html",
            rows=page.rows,
            total=total,
            wanted=wanted,
            order=order,
            filtered=bool(chosen),
            first=after is None,
            start=_address("/cases/list", ordered, {}),
            following=_address("/cases/list", ordered, {"after": str(page.following)}) if page.following else None,
            download=_address("/cases/list", ordered, {"as": "csv"}),
            order_address=lambda name: _address("/cases/list", chosen, {"order": name}),
            board=_address("/cases/board", _only(chosen, *(name for name in FILTERS if name != "status")), {}),
            workers=workers,
        )

    async def waiting(self, request: Request, actor: Actor) -> Response:
        """Reports that wait for triage: those whose danger is unknown first, then the oldest."""
        _see_cases(actor)
        wanted = filter_of(request.query_params, actor)
        units = actor.units
        if wanted.unit:
            units = frozenset({wanted.unit}) if actor.covers(wanted.unit) else frozenset()
        async with self.room.office.scope() as scope:
            files = await store.waiting_concerns(scope.connection, units, _WAITING)
            total = sum((await store.waiting_by_unit(scope.connection, units, CaseFilter())).values())
        return self.room.render(request, "cases/waiting.html", waiting=files, total=total, unit=wanted.unit)

    async def _download(self, request: Request, actor: Actor, wanted: CaseFilter, order: str) -> Response:
        names = self.room.names(request)
        async with self.room.office.scope() as scope:
            page = await store.list_cases(
                scope.connection, actor.units, wanted, scope.now, limit=_MOST_DOWNLOADED, order=order
            )
        return Response(
            await asyncio.to_thread(as_csv, page.rows, names),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="vu-viec.csv"', "Cache-Control": "no-store"},
        )

    async def _workers(self, connection: Any, actor: Actor, wanted: CaseFilter) -> Sequence[tuple[str, str]]:
        """Responsible people to choose from: of one commune, for a province's are too many for a phone."""
        one = wanted.unit or (next(iter(actor.units)) if actor.units != "all" and len(actor.units) == 1 else None)
        known = await store.workers_in(connection, actor.units, one) if one else []
        if wanted.worker not in (None, "none", *dict(known)):
            known = [*known, (wanted.worker or "", wanted.worker or "")]
        return known

    def _units_of(self, actor: Actor, wanted: CaseFilter, counts: Mapping[str, RowMapping]) -> list[str]:
        area = [code for code, _ in self.room.unit_options() if actor.covers(code)]
        every = [*area, *(code for code in counts if code not in area)]
        if actor.units == "all" and UNCLASSIFIED not in every:
            every.append(UNCLASSIFIED)
        return [code for code in every if wanted.unit in (None, code)]


def filter_of(asked: Mapping[str, str], actor: Actor) -> CaseFilter:
    """What an address asks for, as the actor may see it; what is no code of ours is left out."""
    values = {name: known for name, codes in _CODES.items() if (known := asked.get(name, "")) in codes}
    free = {name: _plain(asked.get(name, "")) for name in ("unit", "kind", "worker", "code")}
    values |= {name: value for name, value in free.items() if value}
    if values.get("worker") == "me":
        values["worker"] = actor.id
    if "code" in values:
        return CaseFilter(status="", code=values["code"].upper(), reader=actor.id)
    return CaseFilter(**values, reader=actor.id)


def as_csv(rows: Iterable[RowMapping], names: Names) -> bytes:
    """Coarse facts of cases as a file that spreadsheets open: no name of anybody."""
    out = io.StringIO()
    writer = csv.writer(out)
    titles = (
        "Mã",
        "Xã, phường",
        "Loại",
        "Nguy cơ",
        "Tình trạng",
        "Bước",
        "Mở ngày",
        "Thời hạn gần nhất",
        "Việc phải làm",
    )
    writer.writerow([names.say(title) for title in titles])
    for row in rows:
        writer.writerow(
            [
                row["code"],
                names.unit(row["unit"]),
                names.term("case-kinds", row["kind"]),
                names.term("risk-levels", row["risk"]),
                names.term("case-statuses", row["status"]),
                names.term("case-steps", row["step"]),
                format_date(row["opened_at"]),
                format_datetime(row["next_due"]),
                names.deadline(row["due_kind"]) if row["due_kind"] else "",
            ]
        )
    # With the mark without which Excel takes Vietnamese for something else.
    return out.getvalue().encode("utf-8-sig")


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = BoardPages(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/board")
    async def board(request: Request, principal: SignedIn) -> Response:
        return await pages.board(request, actor_of(principal))

    @router.get("/list")
    async def cases(request: Request, principal: SignedIn) -> Response:
        return await pages.cases(request, actor_of(principal))

    @router.get("/waiting")
    async def waiting(request: Request, principal: SignedIn) -> Response:
        return await pages.waiting(request, actor_of(principal))

    return router


def _see_cases(actor: Actor) -> None:
    if actor.role not in ("worker", "chair", "coordinator"):
        raise NotAllowedError("The role sees no cases")


def _rows(
    counts: Mapping[str, RowMapping], waiting: Mapping[str, int] | None, units: Sequence[str], names: Names
) -> list[BoardRow]:
    rows = []
    for unit in units:
        found = counts.get(unit)
        figures = {name: (found[name] if found else 0) for name in COLUMNS if name != "waiting"}
        figures["waiting"] = None if waiting is None else waiting.get(unit, 0)
        rows.append(BoardRow(unit, names.unit(unit), figures))
    # Where nothing is known of the place there is a line only when something is there.
    return [row for row in rows if row.unit != UNCLASSIFIED or any(row.figures.values())]


def _by_name(rows: Iterable[BoardRow]) -> list[BoardRow]:
    return sorted(rows, key=lambda row: place_key(row.name))


def _sorted(rows: Iterable[BoardRow], asked: str) -> tuple[str, list[BoardRow]]:
    """By a column, the highest first, or by name; unasked: where most presses. The same stand in their names' order."""
    named = _by_name(rows)
    if asked == "name":
        return asked, named
    if asked in COLUMNS:
        return asked, sorted(named, key=lambda row: -(row.figures[asked] or 0))
    order = (*_PRESSING, "high", "open")
    return "", sorted(named, key=lambda row: [-(row.figures[name] or 0) for name in order])


def _totals(rows: Iterable[BoardRow]) -> dict[str, int | None]:
    known = [row.figures for row in rows]
    return {
        name: None if any(row[name] is None for row in known) else sum(row[name] or 0 for row in known)
        for name in COLUMNS
    }


def _asked(wanted: CaseFilter) -> dict[str, str]:
    """A filter as an address says it."""
    values = {name: value for name, value in asdict(wanted).items() if value and name != "reader"}
    if values.get("status") == "open":
        del values["status"]
    return values


def _behind(asked: Mapping[str, str], column: str) -> str:
    """Where a number of a column leads, up to the commune's code: `unit=` stands last, empty for all of them."""
    narrowed = COLUMNS[column]
    if narrowed is None:
        return _address("/cases/waiting", _only(asked, "kind"), {"unit": ""})
    return _address(
        "/cases/list", {name: value for name, value in asked.items() if name != "unit"}, {**narrowed, "unit": ""}
    )


def _only(asked: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: asked[name] for name in names if name in asked}


def _address(path: str, asked: Mapping[str, str], more: Mapping[str, str]) -> str:
    query = urlencode({**asked, **more})
    return f"{path}?{query}" if query else path


def _plain(value: str) -> str | None:
    value = value.strip()
    return value if value.isprintable() and 0 < len(value) <= _LONGEST else None
