"""The desk's answers: what sectors say of what they were asked, by their own event or on a page."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.cases import store
from services.cases.desk.files import CaseFiles
from services.cases.desk.intake import Origin
from services.cases.domain import acts, coordinating, tasks, team
from services.cases.domain.attachments import speaks_for
from services.cases.domain.model import SYSTEM, Actor, Case, Decision
from services.cases.domain.rules import require
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

    async def take_answer(
        self, scope: Scope, data: TaskAnswered, origin: Origin, *, said_at: datetime, correction: bool
    ) -> None:
        """A sector's answer by event. In: `said_at`, when its sender says that it was given.

        Raises: `Rejected` (task-unknown, task-closed, task-of-another-sector, answer-late, …).
        """
        words = {
            name: None if box is None else await self.files.open(scope, box, str)
            for name, box in (("reason", data.reason), ("summary", data.summary), ("question", data.question))
        }
        case, task_id = await self._answering(scope, data.task_id)
        decision = tasks.answer(
            case,
            self.files.world(scope.now),
            task_id,
            origin.sector,
            data.answer,
            **words,
            new_date=data.new_date,
            answer_id=stable_id("answer", origin.source, origin.id),
            said_at=said_at,
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
        question: str | None = None,
        new_date: datetime | None = None,
    ) -> tuple[Case, str]:
        """A person's answer: the sector's own officer, or the commune that writes down what the sector said.

        Out: the case, and the task that took the answer: the one asked, or what took its place in a merge.
        Raises: `Rejected` (as `domain.tasks.answer`).
        """
        case, taker = await self._answering(scope, task_id)
        if actor.role in ("worker", "chair"):
            if not team.by_role(case, actor):
                raise tasks.task_unknown()
            sector = None
        else:
            task = case.task(taker)
            # Another sector's task is not there for them: whether there is one at all is no answer's to say.
            if task is None or not speaks_for(actor, task, case):
                raise tasks.task_unknown()
            sector = task.sector
        decision = tasks.answer(
            case,
            self.files.world(scope.now),
            taker,
            sector,
            given,
            reason=reason,
            summary=summary,
            question=question,
            new_date=new_date,
        )
        return await self.files.save(scope, case, decision, actor), taker

    async def see(self, scope: Scope, case: Case, task_id: str, actor: Actor) -> Case:
        """An officer or a program of the sector opened the task; out: the case with that known."""
        task = case.task(task_id)
        if task is None or task.seen_at is not None or not task.is_open or task.sector != actor.sector:
            return case
        locked = await store.lock_case(scope.connection, case.id)
        if locked is None:
            return case
        # It makes no form stale: somebody only looked.
        decision = tasks.see(locked, self.files.world(scope.now), task_id)
        return await self.files.save(scope, locked, decision, actor, seen=False)

    async def _answering(self, scope: Scope, task_id: str) -> tuple[Case, str]:
        """The case, locked, and the task that answers now for the one that was asked."""
        place = await store.place_of_task(scope.connection, task_id)
        while place is not None:
            taker, case_id = place
            case = await store.lock_case(scope.connection, case_id)
            # While the lock was awaited the case may have been merged: then the task has its place elsewhere.
            place = await store.place_of_task(scope.connection, task_id)
            if case is not None and place == (taker, case_id):
                return case, taker
        raise tasks.task_unknown()


async def reassigned(files: CaseFiles, scope: Scope, case: Case, act: acts.ReassignTask, actor: Actor) -> Decision:
    """A task asked again, of somebody else or until another day, with the words of the first asking and new ones."""
    require(case, act.act, actor)
    said = await store.last_said(scope.connection, case.id, {act.task_id: "task.requested"})
    first = said.get(act.task_id)
    asked = (await files.reader.words(scope.connection, first)).get("instructions") if first else None
    return coordinating.reassign(case, act, files.world(scope.now), asked)
