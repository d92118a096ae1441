"""The desk's work on a case: what people do, what the registry answers, and what time does by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.cases import store
from services.cases.desk.files import CaseFiles, not_found
from services.cases.desk.tasks import reassigned
from services.cases.domain import acts, cases, ending, identifying, planning, team
from services.cases.domain.model import SYSTEM, Actor, Case, refuse
from services.cases.domain.rules import require
from shared.messaging.router import Scope


class CaseDesk:
    """Changes cases.

    Args:
        files: where cases and reports are kept.
    """

    def __init__(self, files: CaseFiles) -> None:
        self.files = files

    async def act(self, scope: Scope, case_id: str, act: acts.Act, actor: Actor, version: int) -> Case:
        """An act of a person on a case whose version they saw. Raises `Rejected` (version-changed, and the rules')."""
        if isinstance(act, acts.Merge):
            return await self._merge(scope, case_id, act, actor, version)
        case = await self.files.seen(scope, case_id, version)
        if isinstance(act, acts.ReassignTask):
            return await self.files.save(scope, case, await reassigned(self.files, scope, case, act, actor), actor)
        if isinstance(act, acts.ChooseChild):
            file = await store.find_concern(scope.connection, case.concern_id)
            child = (await self.files.reader.report(scope.connection, file)).child if file else None
            merged = {act.child_id: await store.resolved(scope.connection, act.child_id)}
            return await self.files.save(scope, case, identifying.choose_child(case, act, actor, child, merged), actor)
        if isinstance(act, acts.ApprovePlan):
            require(case, act.act, actor)
            said = await self._planned(scope, case)
            return await self.files.save(
                scope, case, planning.approve(case, act, self.files.world(scope.now), said), actor
            )
        return await self.files.save(scope, case, cases.decide(case, act, actor, self.files.world(scope.now)), actor)

    async def identified(
        self, scope: Scope, case_id: str, child_id: str | None, candidates: list[dict[str, Any]]
    ) -> None:
        """The registry's answer about a case's child."""
        case = await store.lock_case(scope.connection, case_id)
        if case is None:
            return
        if child_id is not None:
            child_id = await store.resolved(scope.connection, child_id)
        await self.files.save(scope, case, identifying.identified(case, child_id, candidates), SYSTEM, seen=False)

    async def child_merged(self, scope: Scope, merged_id: str, child_id: str) -> None:
        """Two children were one: their cases follow."""
        await store.add_alias(scope.connection, merged_id, child_id)
        for case_id in await store.cases_of_child(scope.connection, merged_id):
            case = await store.lock_case(scope.connection, case_id)
            if case is not None:
                await self.files.save(scope, case, identifying.identified(case, child_id, ()), SYSTEM, seen=False)

    async def tick(self, scope: Scope, limit: int) -> list[datetime]:
        """Tell what fell due. Out: when, for each case that was looked at; fewer than `limit`: nothing more is due."""
        return await self._tell(scope, await store.due_cases(scope.connection, scope.now, limit))

    async def tick_one(self, scope: Scope, case_id: str) -> list[datetime]:
        """Tell what fell due of one case; nothing where it is due no more, or another replica has it in hand."""
        return await self._tell(scope, await store.due_case(scope.connection, case_id, scope.now))

    async def _tell(self, scope: Scope, due: Sequence[Case]) -> list[datetime]:
        world = self.files.world(scope.now)
        decided = [(case, cases.tick(case, world)) for case in due]
        await self.files.save_all(scope, decided, SYSTEM, seen=False)
        # Written when other rules said when to look: what they say now is when the ticker looks again.
        if early := [(case, case) for case, decision in decided if not decision.happenings]:
            await store.save_cases(scope.connection, early, [])
        return [case.next_moment() or scope.now for case in due]

    async def _merge(self, scope: Scope, case_id: str, act: acts.Merge, actor: Actor, version: int) -> Case:
        target_found = await store.find_case(scope.connection, act.into.strip().upper())
        if target_found is None or not team.by_role(target_found, actor):
            raise refuse(
                "into",
                "case-unknown",
                "Không có vụ việc đang mở mang mã này ở địa bàn của anh chị.",
                "There is no open case with this code in your area.",
            )
        moving = await store.concerns_of(scope.connection, case_id, lock=True)
        for locked in sorted({case_id, target_found.id}):
            await store.lock_case(scope.connection, locked)
        case = await self.files.seen(scope, case_id, version)
        target = await store.lock_case(scope.connection, target_found.id)
        if target is None:
            raise not_found()
        asked = await self._asked(scope, case)
        gone, on = ending.merge(case, target, act, actor, self.files.world(scope.now), asked)
        await self.files.save(scope, case, gone, actor)
        survivor = await self.files.save(scope, target, on, actor)
        for file in moving:
            await self.files.save_concern(
                scope, replace(file, concern=replace(file.concern, status="linked", case_id=target.id))
            )
        return survivor

    async def _planned(self, scope: Scope, case: Case) -> dict[str, str]:
        """What the plan that waits says of each of its services, by the service's id: what for, by whom, with what."""
        for line in await store.timeline(scope.connection, case.id):
            if line.kind == "plan.drafted":
                rows = (await self.files.reader.words(scope.connection, line)).get("services", [])
                said = [
                    "\n".join(filter(None, (row.get(name) for name in ("what-for", "who", "resources"))))
                    for row in rows
                ]
                planned = zip(line.data.get("services", ()), said, strict=False)
                return {service: words for service, words in planned if words}
        return {}

    async def _asked(self, scope: Scope, case: Case) -> dict[str, str]:
        """The words with which a case's open tasks were asked, by task id."""
        waiting = {task.id for task in case.tasks if task.is_open}
        asked: dict[str, str] = {}
        for line in await store.timeline(scope.connection, case.id) if waiting else ():
            task_id = line.data.get("task_id")
            if line.kind == "task.requested" and task_id in waiting:
                asked[task_id] = (await self.files.reader.words(scope.connection, line)).get("instructions", "")
        return asked
