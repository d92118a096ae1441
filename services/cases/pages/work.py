"""My work today, for each role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy import RowMapping
from starlette.responses import Response

from services.cases import store
from services.cases.domain.agenda import clock_of, likely_act
from services.cases.domain.model import EMERGENCY, Actor
from services.cases.pages.board import FILTERS, BoardPages
from services.cases.pages.intake import IntakePages
from services.cases.pages.room import Room
from services.cases.pages.tasks import sector_work
from services.cases.reading import actor_of
from services.cases.store import REASONS, ConcernFile, DraftRow, Whose
from services.cases.views import act_address
from shared.identity import NotAllowedError, Principal, SignedIn
from shared.messaging.router import Scope

# Of each section; the rest is one tap away.
_LINES: Final = 10
_REASONS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "worker": ("missed", "today", "candidates"),
    "chair": ("missed", "today", "approval", "closing"),
}


@dataclass(frozen=True, slots=True)
class RunningClock:
    """A clock of the law: its kind, until when."""

    kind: str
    due: datetime


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case that waits: `act` is what it waits for from the reader, else `waits_for` is the role that it waits for.

    `clock`: of that act; None where the law sets it no time. `sooner`: the case's nearest clock where that is another,
    and `sooner_for` the role that it waits for.
    """

    case: RowMapping
    act: str | None
    waits_for: str | None
    address: str
    late: bool
    clock: RunningClock | None
    sooner: RunningClock | None
    sooner_for: str | None


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A report that waits for triage: how much of the hours that the law gives from receipt has gone."""

    file: ConcernFile
    gone: timedelta
    allowed: timedelta

    @property
    def tone(self) -> str:
        """How urgent."""
        part = self.gone / self.allowed
        return "danger" if part > 1 else "warning" if part > 1 / 2 else "plain"


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A form that the reader began: which, where to go on, since when it lies."""

    form: str
    address: str
    saved_at: datetime

    @classmethod
    def of(cls, row: DraftRow) -> DraftLine:
        """From its key: `report/<id>`, `case/<id>/<act>` or `task/<id>/answer`."""
        what, id_, *_ = row.key.split("/")
        address = {
            "report": f"/cases/report?draft={id_}",
            "case": act_address(id_, row.form),
            "task": f"/cases/tasks/{id_}",
        }.get(what, "/cases/")
        return cls(row.form, address, row.saved_at)


@dataclass(frozen=True, slots=True)
class Today:
    """What waits for somebody, in the order in which it is to be done."""

    missed: Sequence[CaseLine] = ()
    today: Sequence[CaseLine] = ()
    reports: Sequence[ReportLine] = ()
    decisions: Sequence[CaseLine] = ()
    tasks: Sequence[RowMapping] = ()
    askers: Sequence[RowMapping] = ()
    glasses: Sequence[RowMapping] = ()
    handovers: Sequence[CaseLine] = ()
    drafts: Sequence[DraftLine] = ()
    changed: Sequence[RowMapping] = field(default_factory=list)

    @property
    def quiet(self) -> bool:
        """Whether nothing waits at all."""
        return not any((self.missed, self.today, self.reports, self.decisions, self.tasks, self.askers, self.handovers))


class WorkPages:
    """Where each role's day begins.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room
        self._board = BoardPages(room)

    async def work(self, request: Request, principal: Principal) -> Response:
        """Where each role's day begins."""
        actor = actor_of(principal)
        if actor.role == "sector":
            return await sector_work(self.room, request, actor)
        if actor.role == "hotline":
            return await IntakePages(self.room).hotline(request, principal)
        if actor.role not in ("worker", "chair", "coordinator"):
            raise NotAllowedError("The role sees no cases")
        if request.query_params.keys() & set(FILTERS):
            return await self._board.cases(request, actor)
        if actor.role == "coordinator":
            return await self._board.board(request, actor)
        return await self._today(request, actor)

    async def _today(self, request: Request, actor: Actor) -> Response:
        mine = request.query_params.get("mine") == "1"
        whose = Whose(actor.units, actor.id, mine)
        async with self.room.office.scope() as scope:
            counts = await store.case_counts(
                scope.connection, actor.units, scope.now, actor.id if mine else None, actor.id
            )
            cases = await store.cases_waiting(scope.connection, whose, _REASONS_OF[actor.role], scope.now, _LINES)
            waiting = await store.waiting_concerns(scope.connection, actor.units, _LINES)
            waiting_count = await store.count_waiting(scope.connection, actor.units)
            tasks = await store.tasks_waiting(scope.connection, whose, _LINES)
            askers = await store.asked_to_join(scope.connection, actor.units, actor.id, _LINES)
            glasses = await self._glasses(scope, actor) if actor.role == "chair" else []
            handovers = await store.handovers_to(scope.connection, whose, _LINES)
            drafts = await store.drafts_of(scope.connection, actor.id, "", _LINES)
            changed = await store.changed_cases(scope.connection, actor.id, actor.units, _LINES)
        lines = [_line(case, actor, scope.now) for case in cases]
        today = Today(
            missed=[line for line in lines if _reason(line) == "missed"],
            today=[line for line in lines if _reason(line) == "today"],
            reports=[self._report(file, scope.now) for file in waiting],
            decisions=[line for line in lines if _reason(line) not in ("missed", "today")],
            tasks=tasks,
            askers=askers,
            glasses=glasses,
            handovers=[_line(case, actor, scope.now, "accept-handover") for case in handovers],
            drafts=[DraftLine.of(row) for row in drafts],
            changed=changed,
        )
        return self.room.render(
            request,
            "cases/work.html",
            today=today,
            counts=counts,
            waiting_count=waiting_count,
            mine=mine,
            most=_LINES,
        )

    async def _glasses(self, scope: Scope, actor: Actor) -> Sequence[RowMapping]:
        """Openings of identity that nobody has reviewed."""
        return await store.glasses_of_area(scope.connection, actor.units, actor.id, scope.now, _LINES)

    def _report(self, file: ConcernFile, now: datetime) -> ReportLine:
        received = file.concern.received_at
        due = self.room.office.desk.files.deadlines.start(EMERGENCY, received).due
        return ReportLine(file, now - received, due - received)


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = WorkPages(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def work(request: Request, principal: SignedIn) -> Response:
        return await pages.work(request, principal)

    return router


def _line(case: RowMapping, actor: Actor, now: datetime, act: str | None = None) -> CaseLine:
    waits = case["step"], case["identity"], case["verified"], case["clocks"]
    act = act or likely_act(actor.role, *waits)
    other = "worker" if actor.role == "chair" else "chair"
    others = likely_act(other, *waits)
    waits_for = other if act is None and others else None
    running = [RunningClock(kind, due) for kind, due in zip(case["clocks"], case["dues"], strict=True)]
    place = clock_of(act or others or "", case["clocks"])
    first = running[0] if running and place != 0 else None
    first_for = other if first and act and others and clock_of(others, case["clocks"]) == 0 else None
    return CaseLine(
        case,
        act,
        waits_for,
        act_address(case["id"], act),
        any(clock.due < now for clock in running[:1]),
        None if place is None else running[place],
        first,
        first_for,
    )


def _reason(line: CaseLine) -> str:
    reason: str = REASONS[line.case["place"]]
    return reason
