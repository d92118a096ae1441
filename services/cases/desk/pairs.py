"""The desk's work on two cases at once: merged, parted again, linked as siblings. Both are locked in one order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from services.cases import store
from services.cases.desk.files import CaseFiles, not_found
from services.cases.domain import acts, ending, siblings, team
from services.cases.domain.model import Actor, Case, refuse
from services.cases.store import ConcernFile
from shared.contracts.errors import Rejected
from shared.messaging.router import Scope

_FAMILY = "family"


class PairDesk:
    """Changes two cases by one decision.

    Args:
        files: where cases and reports are kept.
    """

    def __init__(self, files: CaseFiles) -> None:
        self.files = files

    async def merge(self, scope: Scope, case_id: str, act: acts.Merge, actor: Actor, version: int) -> Case:
        """This case goes into another, with its reports. Out: the one that goes on. Raises `Rejected`."""
        found = await store.find_case(scope.connection, act.into.strip().upper())
        if found is None or not team.by_role(found, actor):
            raise _not_here()
        moving = await store.concerns_of(scope.connection, case_id, lock=True)
        linked = await store.linked_cases(scope.connection, case_id)
        case, target = await self._both(scope, case_id, found.id, version, {row.id for row in linked})
        if not team.by_role(target, actor):  # it moved away, or they were excluded, while its lock was awaited
            raise _not_here()
        asked = await self._asked(scope, case, {task.id for task in case.tasks if task.is_open})
        reports = [_id_of(file) for file in moving]
        world = self.files.world(scope.now)
        gone, on = ending.merge(case, target, act, actor, world, asked, reports)
        await self.files.save(scope, case, gone, actor)
        survivor = await self.files.save(scope, target, on, actor)
        for file in moving:
            await self._belongs_to(scope, file, target)
        for row in linked:
            survivor = await self._sibling_of(scope, survivor, row.id, row.why, actor)
        return survivor

    async def undo_merge(self, scope: Scope, case_id: str, act: acts.UndoMerge, actor: Actor, version: int) -> Case:
        """This case goes on by itself again, with the reports it had. Raises `Rejected`."""
        found = await store.find_case(scope.connection, case_id)
        if found is None or found.merged_into is None:
            raise not_found()
        held = await store.concerns_of(scope.connection, found.merged_into, lock=True)
        case, target = await self._both(scope, case_id, found.merged_into, version)
        if not team.by_role(target, actor):
            raise refuse(
                "act",
                "not-your-commune",
                "Vụ việc nhận nhập thuộc xã, phường khác (Luật Trẻ em 2016, Điều 51).",
                "The case that took this one over belongs to another commune (Law on Children 2016, Art. 51).",
            )
        before = await store.merge_of(scope.connection, case_id)
        asked = await self._asked(scope, case, before.settled if before else ())
        own = next((file for file in held if _id_of(file) == target.concern_id), None)
        child = (await self.files.reader.report(scope.connection, own)).child if own else None
        world = self.files.world(scope.now)
        back, on = ending.undo_merge(case, target, act, actor, world, before, asked, child)
        await self.files.save(scope, target, on, actor)
        after = await self.files.save(scope, case, back, actor)
        for file in held:
            if before is not None and _id_of(file) in before.reports:
                await self._belongs_to(scope, file, after)
        return after

    async def siblings(
        self, scope: Scope, case_id: str, act: acts.LinkSibling | acts.UnlinkSibling, actor: Actor, version: int
    ) -> Case:
        """Two cases are of one family, or not after all; both files and both communes hear of it. Raises `Rejected`."""
        found = await store.find_case(scope.connection, act.other.strip().upper())
        # Who was excluded from it is told nothing of it, not even that it is there.
        if found is None or team.kept_out(found, actor):
            raise _no_other()
        case, other = await self._both(scope, case_id, found.id, version)
        if team.kept_out(other, actor):  # while its lock was awaited
            raise _no_other()
        linked = any(row.id == other.id for row in await store.linked_cases(scope.connection, case.id))
        if isinstance(act, acts.LinkSibling):
            here, there = siblings.link(case, other, act, actor, linked=linked)
            await store.link_cases(scope.connection, case.id, other.id, _FAMILY, scope.now)
        else:
            here, there = siblings.unlink(case, other, act, actor, linked=linked)
            await store.unlink_cases(scope.connection, case.id, other.id)
        await self.files.save(scope, other, there, actor, seen=False)
        return await self.files.save(scope, case, here, actor)

    async def _both(
        self, scope: Scope, case_id: str, other_id: str, version: int, also: Collection[str] = ()
    ) -> tuple[Case, Case]:
        for locked in sorted({case_id, other_id, *also}):
            await store.lock_case(scope.connection, locked)
        case = await self.files.seen(scope, case_id, version)
        other = await store.lock_case(scope.connection, other_id)
        if other is None:
            raise not_found()
        return case, other

    async def _sibling_of(self, scope: Scope, survivor: Case, sibling_id: str, why: str, actor: Actor) -> Case:
        """A sibling of a case that is gone is one of the case that goes on."""
        sibling = await store.lock_case(scope.connection, sibling_id)
        if sibling is None or sibling.id == survivor.id or sibling.status == "merged":
            return survivor
        if not await store.link_cases(scope.connection, survivor.id, sibling.id, why, scope.now):
            return survivor
        here, there = siblings.taken_over(survivor, sibling)
        await self.files.save(scope, sibling, there, actor, seen=False)
        return await self.files.save(scope, survivor, here, actor, seen=False)

    async def _belongs_to(self, scope: Scope, file: ConcernFile, case: Case) -> None:
        status = "opened" if _id_of(file) == case.concern_id else "linked"
        concern = replace(file.concern, status=status, case_id=case.id)  # type: ignore[arg-type]
        await self.files.save_concern(scope, replace(file, concern=concern))

    async def _asked(self, scope: Scope, case: Case, task_ids: Collection[str]) -> dict[str, str]:
        """The words with which tasks of a case were asked, by task id."""
        asked: dict[str, str] = {}
        for line in await store.lines_of(scope.connection, case.id, ("task.requested",)) if task_ids else ():
            task_id = str(line.data.get("task_id"))
            if task_id in task_ids:
                asked[task_id] = (await self.files.reader.words(scope.connection, line)).get("instructions", "")
        return asked


def _not_here() -> Rejected:
    return refuse(
        "into",
        "case-unknown",
        "Không có vụ việc đang mở mang mã này ở địa bàn của anh chị.",
        "There is no open case with this code in your area.",
    )


def _no_other() -> Rejected:
    return refuse("other", "case-unknown", "Không có vụ việc mang mã này.", "There is no case with this code.")


def _id_of(file: ConcernFile) -> str:
    """A report's id, or that of its part about one of its further children."""
    return file.part or file.concern.id
