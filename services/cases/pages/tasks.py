"""A sector's task, and its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from services.cases import forms, store
from services.cases.domain.model import Actor, Case
from services.cases.pages.room import Room, form_of, typed
from services.cases.reading import actor_of, may_read_identity, may_see_case
from shared.contracts.errors import Rejected, Violation
from shared.identity import Principal, SignedIn
from shared.messaging.router import Scope
from shared.web.i18n import format_datetime


class TaskPages:
    """What sectors are asked.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

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
        async with self.room.office.scope() as scope:
            case = await self._case_of(scope, task_id, actor)
            task = next(task for task in case.tasks if task.id == task_id)
            reading, reader = None, self.room.office.desk.files.reader
            if task.is_open:
                reading = await reader.for_task(scope.connection, case, task.sector, actor, scope.now)
            else:
                await reader.remember_task(scope.connection, case, actor, scope.now)
            lines = [
                line for line in await store.timeline(scope.connection, case.id) if line.data.get("task_id") == task_id
            ]
            names = self.room.names(request)
            shown = [names.line(line, await reader.words(scope.connection, line), format_datetime) for line in lines]
            sees_case = may_see_case(actor, case, scope.now)
        return self.room.render(
            request,
            "cases/task.html",
            case=case,
            task=task,
            reading=reading,
            history=shown,
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
                await self._case_of(scope, task_id, actor)
                await self.room.office.desk.tasks.answer(
                    scope,
                    task_id,
                    actor,
                    answer_of(form),
                    reason=form.get("reason") or None,
                    summary=form.get("summary") or None,
                    new_date=forms.local_moment(form.get("new_date", ""), end_of_day=True),
                )
        except Rejected as rejected:
            violations = [
                Violation(known.field.removeprefix("data."), known.rule, known.message_vi, known.message_en)
                for known in rejected.violations
            ]
            return await self.task(request, task_id, principal, form, violations)
        return RedirectResponse(f"/cases/tasks/{task_id}?done=answer", 303)

    async def _case_of(self, scope: Scope, task_id: str, actor: Actor) -> Case:
        case_id = await store.case_of_task(scope.connection, task_id)
        case = await store.find_case(scope.connection, case_id) if case_id else None
        task = next((task for task in case.tasks if task.id == task_id), None) if case else None
        if case is None or task is None:
            raise HTTPException(404)
        asked = actor.role == "sector" and task.sector == actor.sector and actor.covers(case.unit)
        if not asked and not may_read_identity(actor, case, scope.now):
            raise HTTPException(404)
        return case


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = TaskPages(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/tasks/{task_id}")
    async def task(request: Request, task_id: str, principal: SignedIn) -> Response:
        return await pages.task(request, task_id, principal)

    @router.post("/tasks/{task_id}")
    async def answer(request: Request, task_id: str, principal: SignedIn) -> Response:
        return await pages.answer(request, task_id, principal)

    return router


def answer_of(form: Mapping[str, str]) -> Any:
    given = form.get("answer", "")
    if given not in ("accepted", "declined", "done", "new-date"):
        raise Rejected([Violation("answer", "answer-missing", "Chọn một câu trả lời.", "Choose an answer.")])
    return given
