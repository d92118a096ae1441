"""What sectors are asked, as JSON, and their answers."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from services.cases import store
from services.cases.domain.acts import MaybeWords
from services.cases.office import Office
from services.cases.reading import actor_of
from shared.contracts.vocabulary import Moment
from shared.identity import NotAllowedError, Permission, SignedIn

_PAGE = 100


class AnswerRequest(BaseModel):
    """A sector's answer to a task."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    answer: Literal["accepted", "declined", "done", "new-date"]
    reason: MaybeWords = None
    summary: MaybeWords = None
    new_date: Moment | None = None


def add_routes(api: APIRouter, office: Office) -> None:
    """The routes of this part."""

    @api.get("/tasks")
    async def tasks(principal: SignedIn, answered: bool = False) -> dict[str, Any]:
        """What is asked of the caller's sector."""
        if not principal.may(Permission.ANSWER_TASKS) or principal.sector is None:
            raise NotAllowedError("The role answers no tasks")
        async with office.scope() as scope:
            rows = await store.tasks_of_sector(
                scope.connection, principal.sector, principal.units, answered=answered, limit=_PAGE
            )
        hidden = {"answer_id", "risk"}
        return {"tasks": [{name: row[name] for name in row if name not in hidden} for row in rows]}

    @api.post("/tasks/{task_id}/answers")
    async def answer(task_id: str, request: AnswerRequest, principal: SignedIn) -> dict[str, Any]:
        """Answer a task: the sector that was asked, or the case's commune on its behalf."""
        actor = actor_of(principal)
        if not principal.may(Permission.ANSWER_TASKS) and actor.role not in ("worker", "chair"):
            raise NotAllowedError("The role answers no tasks")
        async with office.scope() as scope:
            after = await office.desk.tasks.answer(
                scope,
                task_id,
                actor,
                request.answer,
                reason=request.reason,
                summary=request.summary,
                new_date=request.new_date,
            )
        task = next(task for task in after.tasks if task.id == task_id)
        return {"task_id": task.id, "state": task.state, "due": task.due}
