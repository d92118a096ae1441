"""What sectors are asked: a sector's day, one task and its answer, and who is waiting for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.cases import forms, store
from services.cases.domain.model import COMMUNE, Actor, Task
from services.cases.domain.rules import open_acts
from services.cases.pages.room import Room, page_of, typed
from services.cases.reading import actor_of, may_answer, may_read_identity, may_see_case
from services.cases.seeing import seen_task
from services.cases.store import TaskFilter
from services.cases.views import TASK_STATES
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import SECTORS
from shared.identity import NotAllowedError, Principal, SignedIn
from shared.messaging.router import Scope
from shared.web.forms import form_of
from shared.web.i18n import format_datetime

_PAGE = 40
_SHOWN = 100
_OVER = 30
# How far back the time to the first answer is looked at.
RESPONSE = timedelta(days=90)
_ANSWERS = ("accepted", "declined", "done", "new-date", "question")
_AWAITED = ("sector", "commune", "nobody")


class TaskPages:
    """What sectors are asked.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def tasks(self, request: Request, principal: Principal) -> Response:
        """Who is waiting for whom: for a sector its own day, for the commune and the province what waits."""
        actor = actor_of(principal)
        if actor.role in ("sector", "hotline"):
            return await sector_work(self.room, request, actor)
        if actor.role not in ("worker", "chair", "coordinator"):
            raise NotAllowedError("The role sees no tasks")
        asked = request.query_params
        default = "" if actor.role == "coordinator" else "commune"
        wanted = replace(filter_of(asked, default), reader=actor.id)
        page = page_of(request)
        async with self.room.office.scope() as scope:
            rows, total = await store.list_tasks(
                scope.connection, actor.units, wanted, scope.now, limit=_PAGE, offset=(page - 1) * _PAGE
            )
            figures = await store.sector_figures(scope.connection, actor.units, scope.now, scope.now - RESPONSE)
        return self.room.render(
            request,
            "cases/tasks.html",
            rows=rows,
            total=total,
            counted=store.COUNTED,
            figures=figures,
            days=RESPONSE.days,
            wanted=wanted,
            sectors=(*SECTORS, COMMUNE),
            first=(page - 1) * _PAGE + 1,
            previous=_address(asked, page - 1) if page > 1 else None,
            following=_address(asked, page + 1) if page * _PAGE < total else None,
        )

    async def task(
        self,
        request: Request,
        task_id: str,
        principal: Principal,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        """A sector's task: what is asked, by when, and what of the child it needs while it waits for the answer."""
        actor = actor_of(principal)
        desk = self.room.office.desk
        async with self.room.office.scope() as scope:
            case, task = await seen_task(scope.connection, task_id, actor, scope.now)
            asked = may_answer(actor, task, case)
            if asked:
                case = await desk.tasks.see(scope, case, task_id, actor)
                task = case.task(task_id) or task
            # The province sees how a task stands, without words and without the child.
            inside = may_read_identity(actor, case, scope.now)
            reads = asked or inside
            reader, reading = desk.files.reader, None
            if reads:
                await reader.remember_task(scope.connection, case, actor, scope.now)
                reading = await reader.for_task(scope.connection, case, task)
            lines = await store.task_lines(scope.connection, case.id, task_id)
            names = self.room.names(request)
            words = [
                await reader.task_words(scope.connection, line, case, task, actor, scope.now) if reads else {}
                for line in lines
            ]
            shown = [names.line(line, said, format_datetime) for line, said in zip(lines, words, strict=True)]
            successor = await self._successor(scope, task)
            sees_case = may_see_case(actor, case, scope.now)
        return self.room.render(
            request,
            "cases/task.html",
            case=case,
            task=task,
            reading=reading,
            history=shown,
            asked=asked,
            reads=reads,
            acts=open_acts(case, actor) if inside else [],
            sectors=SECTORS,
            successor=successor,
            sees_case=sees_case,
            values=typed(values),
            violations=violations,
            done=request.query_params.get("done"),
        )

    async def answer(self, request: Request, task_id: str, principal: Principal) -> Response:
        """A sector's answer, by its officer or written down by the commune."""
        form = await form_of(request)
        actor = actor_of(principal)
        try:
            async with self.room.office.scope() as scope:
                case, task = await seen_task(scope.connection, task_id, actor, scope.now)
                if not may_answer(actor, task, case) and not may_read_identity(actor, case, scope.now):
                    raise NotAllowedError("The role answers no tasks")
                given = answer_of(form)
                _, taker = await self.room.office.desk.tasks.answer(
                    scope,
                    task_id,
                    actor,
                    given,
                    **said_with(given, form),
                    new_date=forms.local_moment(form.get("new_date", ""), end_of_day=True),
                )
        except Rejected as rejected:
            violations = [
                Violation(known.field.removeprefix("data."), known.rule, known.message_vi, known.message_en)
                for known in rejected.violations
            ]
            return await self.task(request, task_id, principal, form, violations)
        return RedirectResponse(f"/cases/tasks/{taker}?done=answer", 303)

    async def _successor(self, scope: Scope, task: Task) -> str | None:
        """The task that took this one's place, where the same sector answers it."""
        case_id = await store.case_of_task(scope.connection, task.replaced_by) if task.replaced_by else None
        case = await store.find_case(scope.connection, case_id) if case_id else None
        taker = case.task(task.replaced_by or "") if case else None
        return taker.id if taker is not None and taker.sector == task.sector else None


async def sector_work(room: Room, request: Request, actor: Actor) -> Response:
    """A sector's day: what waits for it, what it waits for, where it is invited, what is over."""
    sector, desk = actor.sector or "", room.office.desk
    async with room.office.scope() as scope:
        waiting, asking, over = [
            await store.tasks_of_sector(scope.connection, sector, actor.units, awaited, actor.id, limit)
            for awaited, limit in (("sector", _SHOWN), ("commune", _SHOWN), ("nobody", _OVER))
        ]
        found = await store.meetings_of_sector(scope.connection, sector, actor.units, actor.id, _OVER)
        calls = await store.calls_of(scope.connection, {row["id"]: row["case_id"] for row in found})
        # Where, and nothing of what about: that is said among those who meet.
        places = await desk.files.reader.places(scope.connection, calls, actor, scope.now)
        meetings = [{**row, "place": places.get(row["id"])} for row in found]
    return room.render(
        request,
        "cases/sector.html",
        waiting=waiting,
        asking=[row for row in asking if row["state"] != "declined"],
        over=[*[row for row in asking if row["state"] == "declined"], *over],
        meetings=meetings,
        sector=sector,
    )


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = TaskPages(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/tasks")
    async def tasks(request: Request, principal: SignedIn) -> Response:
        return await pages.tasks(request, principal)

    @router.get("/tasks/{task_id}")
    async def task(request: Request, task_id: str, principal: SignedIn) -> Response:
        return await pages.task(request, task_id, principal)

    @router.post("/tasks/{task_id}")
    async def answer(request: Request, task_id: str, principal: SignedIn) -> Response:
        return await pages.answer(request, task_id, principal)

    return router


def answer_of(form: Mapping[str, str]) -> Any:
    """The chosen answer. Raises `Rejected` where none is."""
    given = form.get("answer", "")
    if given not in _ANSWERS:
        raise Rejected([Violation("answer", "answer-missing", "Chọn một câu trả lời.", "Choose an answer.")])
    return given


def said_with(given: Any, form: Mapping[str, str]) -> dict[str, str | None]:
    """The words that belong to the chosen answer; those typed for another are left out."""
    fields = {
        "declined": {"reason": "reason"},
        "new-date": {"reason": "date_reason"},
        "done": {"summary": "summary"},
        "question": {"question": "question"},
    }.get(given, {})
    return {name: form.get(field) or None for name, field in fields.items()}


def filter_of(asked: Mapping[str, str], default: str) -> TaskFilter:
    """What the address asks for; what it does not say, or says wrongly, filters nothing. `default`: who is awaited."""
    state = asked.get("state", "")
    awaited = asked.get("awaited", default)
    if state in ("done", "cancelled"):
        awaited = "nobody"
    sector = asked.get("sector", "")
    return TaskFilter(
        awaited=awaited if awaited in _AWAITED else "",
        sector=sector if sector in (*SECTORS, COMMUNE) else None,
        state=state if state in TASK_STATES else None,
        unit=asked.get("unit") or None,
        overdue=asked.get("overdue") == "1",
    )


def _address(asked: Mapping[str, str], page: int) -> str:
    return "/cases/tasks?" + urlencode({**asked, "page": page})
