"""The desk's work on who may read: the team, identity opened from outside it, cases handed from worker to worker."""

from __future__ import annotations

from services.cases import store
from services.cases.desk.files import CaseFiles, Scopes, not_found
from services.cases.domain import team
from services.cases.domain.acts.team import TeamAct
from services.cases.domain.model import Actor, Case
from services.cases.store import Reassignment
from shared.contracts.errors import Rejected
from shared.messaging.router import Scope
from shared.privacy import Erased
from shared.reference.access import Access


class AccessDesk:
    """Changes who may read a case. It makes no form of the case page stale.

    Args:
        files: where cases and reports are kept.
    """

    def __init__(self, files: CaseFiles) -> None:
        self.files = files
        self.limits = Access.load()

    async def act(self, scope: Scope, case_id: str, act: TeamAct, actor: Actor, people: team.People) -> Case:
        """An act on the team or on access. In: `people` finds accounts. Raises: `Rejected` (the rules')."""
        case = await store.lock_case(scope.connection, case_id)
        if case is None:
            raise not_found()
        limits = self.limits.on(scope.now)
        decision = team.decide(case, act, actor, self.files.world(scope.now), limits, people)
        return await self.files.save(scope, case, decision, actor, seen=False)

    async def hand_on(self, scopes: Scopes, *, only: str | None = None, most: int = 0) -> int:
        """Hand on the cases that wait for it, each in its own transaction, so that a break loses and repeats nothing.

        In: `only` of one reassignment; `most`: how many, 0: all. Out: how many.
        """
        handed = 0
        while not most or handed < most:
            async with scopes() as scope:
                if await self.reassign_next(scope, only) is None:
                    break
            handed += 1
        return handed

    async def reassign_next(self, scope: Scope, identifier: str | None = None) -> str | None:
        """Hand on one case that waits for it, if it is still the worker's; else it is skipped and shown to a person.

        In: of which reassignment; None: of any. Out: its id; None where nothing waits.
        """
        found = await store.next_reassigned(scope.connection, identifier)
        if found is None:
            return None
        asked, case_id = found
        case = await store.lock_case(scope.connection, case_id)
        done = case is not None and await self._handed_on(scope, case, asked)
        await store.settle_reassigned(scope.connection, asked.id, case_id, "done" if done else "skipped")
        return asked.id

    async def _handed_on(self, scope: Scope, case: Case, asked: Reassignment) -> bool:
        if case.status != "open" or case.unit != asked.unit or case.worker != asked.from_worker:
            return False
        # As the directory knew them when it was asked; the commune alone.
        here = frozenset({asked.unit})
        actor = Actor(asked.who, asked.who_name, asked.who_role, here)
        worker = Actor(asked.to_worker, asked.to_name, "worker", here)
        if team.refusal(case, "assign-worker", actor, scope.now) is not None:
            return False
        try:
            decision = team.assign(case, worker.id, lambda _person: worker, reason=asked.reason)
        except Rejected:
            return False
        try:
            await self.files.keys.key_for(scope.connection, f"case/{case.id}", create=True)
        except Erased:  # nothing can be written into its file any more; looked at before anything is told
            return False
        await self.files.save(scope, case, decision, actor, seen=False)
        return True
