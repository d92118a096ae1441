"""The desk's work on a case: what people do, what the registry answers, and what time does by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.cases import store
from services.cases.desk.files import CaseFiles
from services.cases.desk.pairs import PairDesk
from services.cases.desk.tasks import reassigned
from services.cases.domain import acts, cases, identifying, planning
from services.cases.domain.model import SYSTEM, Actor, Case
from services.cases.domain.rules import require
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.router import Scope
from shared.messaging.turns import apart


@dataclass(frozen=True, slots=True)
class Answered:
    """What the registry says of a case's child. `within`: the trace that its handling is part of."""

    case_id: str
    child_id: str | None
    candidates: Sequence[Mapping[str, Any]]
    within: Callable[[], AbstractContextManager[object]] = nullcontext


class CaseDesk:
    """Changes cases.

    Args:
        files: where cases and reports are kept. pairs: what concerns two cases at once.
    """

    def __init__(self, files: CaseFiles, pairs: PairDesk) -> None:
        self.files = files
        self.pairs = pairs

    async def act(self, scope: Scope, case_id: str, act: acts.Act, actor: Actor, version: int) -> Case:
        """An act of a person on a case whose version they saw. Raises `Rejected` (version-changed, and the rules')."""
        if isinstance(act, acts.Merge):
            return await self.pairs.merge(scope, case_id, act, actor, version)
        if isinstance(act, acts.UndoMerge):
            return await self.pairs.undo_merge(scope, case_id, act, actor, version)
        if isinstance(act, acts.LinkSibling | acts.UnlinkSibling):
            return await self.pairs.siblings(scope, case_id, act, actor, version)
        case = await self.files.seen(scope, case_id, version)
        if isinstance(act, acts.ReassignTask):
            return await self.files.save(scope, case, await reassigned(self.files, scope, case, act, actor), actor)
        if isinstance(act, acts.ChooseChild | acts.CorrectChild):
            child = await self._described(scope, case)
            merged = {act.child_id: await store.resolved(scope.connection, act.child_id)}
            if isinstance(act, acts.ChooseChild):
                decision = identifying.choose_child(case, act, actor, child, merged)
            else:
                decision = identifying.correct_child(case, act, actor, child, merged)
            return await self.files.save(scope, case, decision, actor)
        if isinstance(act, acts.ApprovePlan):
            require(case, act.act, actor)
            said = await self._planned(scope, case)
            return await self.files.save(
                scope, case, planning.approve(case, act, self.files.world(scope.now), said), actor
            )
        return await self.files.save(scope, case, cases.decide(case, act, actor, self.files.world(scope.now)), actor)

    async def identified(
        self, scope: Scope, case_id: str, child_id: str | None, candidates: Sequence[Mapping[str, Any]]
    ) -> None:
        """The registry's answer about a case's child. One about a case that was merged helps the one that goes on."""
        case = await store.lock_case(scope.connection, case_id)
        if case is None:
            return
        if child_id is not None:
            child_id = await store.resolved(scope.connection, child_id)
        await self.files.save(scope, case, identifying.identified(case, child_id, candidates), SYSTEM, seen=False)
        while child_id is not None and case is not None and case.merged_into is not None:
            case = await store.lock_case(scope.connection, case.merged_into)
            if case is not None and case.status == "open" and case.identity != "linked":
                found = identifying.identified(case, child_id, ())
                await self.files.save(scope, case, found, SYSTEM, seen=False)

    async def identified_all(self, scope: Scope, answers: Sequence[Answered]) -> None:
        """As `identified` one after the other, written in one round trip."""
        for each_once in apart(answers, lambda answer: answer.case_id):
            found = await store.lock_cases(scope.connection, [answer.case_id for answer in each_once])
            if any(case.merged_into is not None for case in found.values()):
                # One of them may be about the case that another one's goes on in.
                for answer in each_once:
                    with answer.within():
                        await self.identified(scope, answer.case_id, answer.child_id, answer.candidates)
                continue
            named = {answer.child_id for answer in each_once if answer.child_id is not None}
            today = await store.resolved_all(scope.connection, named)
            writes = store.Writes()
            for answer in each_once:
                case = found.get(answer.case_id)
                if case is None:
                    continue
                child_id = None if answer.child_id is None else today[answer.child_id]
                with answer.within():
                    decision = identifying.identified(case, child_id, answer.candidates)
                    await self.files.save(scope, case, decision, SYSTEM, seen=False, writes=writes)
            await writes.flush(scope.connection)

    async def child_merged(self, scope: Scope, merged_id: str, child_id: str, said_at: datetime) -> None:
        """Two children were one: their cases follow, to whom the id stands for by all that was said since."""
        await store.add_alias(scope.connection, merged_id, child_id, said_at)
        child_id = await store.resolved(scope.connection, merged_id)
        for case_id in await store.cases_of_child(scope.connection, merged_id):
            case = await store.lock_case(scope.connection, case_id)
            if case is not None:
                await self.files.save(scope, case, identifying.identified(case, child_id, ()), SYSTEM, seen=False)

    async def child_split(self, scope: Scope, kept: str, parted: str, replaced: str | None, said_at: datetime) -> None:
        """One child's record was two children. Which case goes along the registry answers case by case; those that stay
        are told, so that a person looks whether they are about the right one.
        """
        if replaced is not None:
            await store.add_alias(scope.connection, replaced, parted, said_at)
        for case_id in await store.cases_of_child(scope.connection, kept):
            case = await store.lock_case(scope.connection, case_id)
            if case is not None:
                await self.files.save(scope, case, identifying.parted(case, parted), SYSTEM, seen=False)

    async def _described(self, scope: Scope, case: Case) -> ChildDescription | None:
        """What is said of the child: by the report that opened the case, else by the first that says anything."""
        files = await store.concerns_of(scope.connection, case.id)
        for file in sorted(files, key=lambda file: (file.part or file.concern.id) != case.concern_id):
            child = (await self.files.reader.report(scope.connection, file)).child
            if child is not None:
                return child
        return None

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
        early = store.Writes([(case, case) for case, decision in decided if not decision.happenings])
        await early.flush(scope.connection)
        return [case.next_moment() or scope.now for case in due]

    async def _planned(self, scope: Scope, case: Case) -> dict[str, str]:
        """What the plan that waits says of each of its services, by the service's id: what for, by whom, with what."""
        newest = await store.newest_of(scope.connection, case.id, ("plan.drafted",))
        if not newest:
            return {}
        drafted, _ = newest[0]
        rows = (await self.files.reader.words(scope.connection, drafted)).get("services", [])
        said = ["\n".join(filter(None, (row.get(name) for name in ("what-for", "who", "resources")))) for row in rows]
        planned = zip(drafted.data.get("services", ()), said, strict=False)
        return {service: words for service, words in planned if words}
