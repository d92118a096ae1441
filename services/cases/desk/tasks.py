"""The desk's answers: what sectors say of what they were asked, by their own event or on a page."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.cases import store
from services.cases.desk.files import CaseFiles
from services.cases.desk.intake import Origin
from services.cases.domain import tasks, team
from services.cases.domain.model import SYSTEM, Actor, Case
from shared.contracts.agency import TaskAnswered
from shared.messaging.outbox import stable_id
from shared.messaging.router import Scope


class TaskDesk:
    """Takes answers.

    Args:
        files: where cases and reports are kept.
    """

    def __init__(self, files: CaseFiles) -> None:
        self.files = files

    async def take_answer(self, scope: Scope, data: TaskAnswered, origin: Origin, *, correction: bool) -> None:
        """A sector's answer by event. Raises `Rejected` (task-unknown, task-closed, task-of-another-sector, …)."""
        reason = None if data.reason is None else await self.files.open(scope, data.reason, str)
        summary = None if data.summary is None else await self.files.open(scope, data.summary, str)
        case = await self._case_of_task(scope, data.task_id)
        decision = tasks.answer(
            case,
            self.files.world(scope.now),
            data.task_id,
            origin.sector,
            data.answer,
            reason=reason,
            summary=summary,
            new_date=data.new_date,
            answer_id=stable_id("answer", origin.source, origin.id),
            correction=correction,
        )
        await self.files.save(scope, case, decision, replace(SYSTEM, id=f"agency/{origin.sector}"))

    async def answer(
        self,
        scope: Scope,
        task_id: str,
        actor: Actor,
        given: tasks.Answer,
        *,
        reason: str | None = None,
        summary: str | None = None,
        new_date: datetime | None = None,
    ) -> Case:
        """A person's answer: the sector's own officer, or the commune that writes down what the sector said."""
        case = await self._case_of_task(scope, task_id)
        if actor.role in ("worker", "chair"):
            if not team.by_role(case, actor):
                raise tasks.task_unknown()
            sector = None
        else:
            sector = actor.sector or "none"
        decision = tasks.answer(
            case,
            self.files.world(scope.now),
            task_id,
            sector,
            given,
            reason=reason,
            summary=summary,
            new_date=new_date,
        )
        return await self.files.save(scope, case, decision, actor)

    async def _case_of_task(self, scope: Scope, task_id: str) -> Case:
        case_id = await store.case_of_task(scope.connection, task_id)
        case = await store.lock_case(scope.connection, case_id) if case_id else None
        if case is None:
            raise tasks.task_unknown()
        return case
