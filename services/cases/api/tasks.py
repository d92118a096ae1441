"""What sectors are asked, as JSON, and their answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import Field
from sqlalchemy import RowMapping

from services.cases import store
from services.cases.domain.acts import MaybeWords
from services.cases.domain.acts.base import Typed
from services.cases.domain.model import Case, Task
from services.cases.office import Office
from services.cases.reading import Reading, actor_of, may_answer, may_read_identity
from services.cases.seeing import seen_task
from services.cases.store import TaskFilter
from shared.contracts.vocabulary import Moment, Sector
from shared.identity import NotAllowedError, SignedIn

_PAGE = 100
_COARSE = (
    "kind",
    "sector",
    "state",
    "asked_at",
    "seen_at",
    "accepted_at",
    "responded_at",
    "answered_at",
    "cancelled_at",
    "due",
    "pending",
    "proposed_due",
    "awaited",
    "waits_since",
    "reminders",
    "reminded_at",
)
_LEADS = ("worker", "chair", "coordinator")


class AnswerRequest(Typed):
    """A sector's answer to a task.

    `declined` needs a `reason`, `question` a `question`, `new-date` a `new_date` (with a time zone); `done` may have a
    `summary`. The present date stands until the commune agrees to a new one.
    """

    answer: Literal["accepted", "declined", "done", "new-date", "question"]
    reason: MaybeWords = None
    summary: MaybeWords = None
    question: MaybeWords = None
    new_date: Annotated[Moment | None, Field(description="the proposed date, with a time zone")] = None


class TaskRoutes:
    """Tasks for machines.

    Args:
        office: does the work, one transaction a request.
    """

    def __init__(self, office: Office) -> None:
        self.office = office

    async def tasks(
        self,
        principal: SignedIn,
        awaited: Annotated[
            Literal["sector", "commune", "nobody"] | None,
            Query(description="who has to do something now; left out: every task that waits for anybody"),
        ] = None,
        sector: Annotated[
            Sector | None, Query(description="for communes and the province; a sector sees its own")
        ] = None,
        state: Literal["requested", "accepted", "declined", "done", "overdue", "cancelled"] | None = None,
        unit: Annotated[str | None, Query(description="commune code, 5 digits")] = None,
        overdue: Annotated[bool, Query(description="only those whose date has passed")] = False,
        page: Annotated[int, Query(ge=1, le=1000)] = 1,
    ) -> dict[str, Any]:
        """Tasks asked of the caller's sector, or those of the caller's communes: the most urgent first, 100 a page.

        Coarse facts only. `total` is counted up to 10 000.
        """
        actor = actor_of(principal)
        own = actor.role in ("sector", "hotline", "agency") and principal.sector is not None
        if not own and actor.role not in _LEADS:
            raise NotAllowedError("The role sees no tasks")
        wanted = TaskFilter(
            awaited=awaited or ("nobody" if state in ("done", "cancelled") else ""),
            sector=principal.sector if own else sector,
            state=state,
            unit=unit,
            overdue=overdue,
            reader=principal.id,
        )
        async with self.office.scope() as scope:
            rows, total = await store.list_tasks(
                scope.connection, principal.units, wanted, scope.now, limit=_PAGE, offset=(page - 1) * _PAGE
            )
        return {"total": total, "page": page, "tasks": [_row_json(row) for row in rows]}

    async def task(self, task_id: str, principal: SignedIn) -> dict[str, Any]:
        """One task with what was said about it. The asked sector's first look makes it `seen`.

        To the asked sector and to the commune; the province sees it without words. 404 for anybody else.
        """
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            case, found = await seen_task(scope.connection, task_id, actor, scope.now)
            if may_answer(actor, found, case):
                case = await self.office.desk.tasks.see(scope, case, task_id, actor)
                found = case.task(task_id) or found
            reads = may_answer(actor, found, case) or may_read_identity(actor, case, scope.now)
            reader = self.office.desk.files.reader
            if reads:
                await reader.remember_task(scope.connection, case, actor, scope.now)
            said = []
            for line in await store.task_lines(scope.connection, case.id, task_id) if reads else ():
                words = await reader.task_words(scope.connection, line, case, found, actor, scope.now)
                said.append({"at": line.at, "what": line.kind, **words})
        return {**_task_json(case, found), "replaced_by": found.replaced_by, "said": said}

    async def child(self, task_id: str, principal: SignedIn) -> dict[str, Any]:
        """What the asked sector needs of the child for this task, while the task is open; remembered."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            case, found = await seen_task(scope.connection, task_id, actor, scope.now)
            if not may_answer(actor, found, case):
                raise NotAllowedError("Only the asked sector needs this")
            await self.office.desk.files.reader.remember_task(scope.connection, case, actor, scope.now)
            reading = await self.office.desk.files.reader.for_task(scope.connection, case, found)
        return {"task_id": found.id, "child": _needed(reading)}

    async def answer(self, task_id: str, request: AnswerRequest, principal: SignedIn) -> dict[str, Any]:
        """Answer a task: the sector that was asked, or the case's commune, which writes down what the sector said.

        A task whose case was merged is answered by the one that took its place: `task_id` in the answer says which.
        422 with field and rule where the answer does not fit. What the commune does about a task (reply, agree to a
        date, remind, ask another, cancel) are acts of its case: `POST /cases/api/cases/{case_id}/acts`.
        """
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            if actor.role not in ("sector", "hotline", "agency", "worker", "chair"):
                raise NotAllowedError("The role answers no tasks")
            after, taker = await self.office.desk.tasks.answer(
                scope,
                task_id,
                actor,
                request.answer,
                reason=request.reason,
                summary=request.summary,
                question=request.question,
                new_date=request.new_date,
            )
        found = after.task(taker)
        if found is None:
            raise HTTPException(404)
        return {"task_id": found.id, "state": found.state, "due": found.due, "awaited": found.awaited}


def add_routes(api: APIRouter, office: Office) -> None:
    """The routes of this part."""
    routes = TaskRoutes(office)
    api.get("/tasks")(routes.tasks)
    api.get("/tasks/{task_id}")(routes.task)
    api.get("/tasks/{task_id}/child")(routes.child)
    api.post("/tasks/{task_id}/answers")(routes.answer)


def _row_json(row: RowMapping) -> dict[str, Any]:
    known = {name: row[name] for name in _COARSE}
    return {"id": row["id"], "case_id": row["case_id"], "code": row["code"], "unit": row["unit"], **known}


def _task_json(case: Case, task: Task) -> dict[str, Any]:
    known = {name: getattr(task, name) for name in _COARSE}
    return {"id": task.id, "case_id": case.id, "code": case.code, "unit": case.unit, **known}


def _needed(reading: Reading | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    child = reading.child.model_dump(mode="json", exclude_defaults=True) if reading.child else {}
    return child | ({"what_happened": reading.what_happened} if reading.what_happened else {})
