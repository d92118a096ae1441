"""How a report becomes cases: one for each child it tells of, each under a key of its own, all linked as siblings.

The first child's case has the report's own file; each further child gets a part of the report in a file of its own, so
that one child's erasure leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.cases import store
from services.cases.desk.files import CaseFiles, local
from services.cases.desk.finding import FindingDesk
from services.cases.domain import opening
from services.cases.domain.model import SYSTEM, Actor, Decision
from services.cases.store import ConcernFile, Writes
from shared.contracts.base import SealedBox
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.outbox import stable_id
from shared.messaging.router import Scope
from shared.privacy import Erased

# What each child's part repeats of the report. Who reported stays in the report alone.
_SHARED = ("what_happened", "unit_text", "measures_taken", "details")
SAME_REPORT = "same-report"
Children = Sequence[ChildDescription | None]


@dataclass(frozen=True, slots=True)
class _New:
    """A further child of a report whose case is about to be opened: its place in the report, its case's code."""

    place: int
    child: ChildDescription
    code: str


class Opening:
    """Opens cases from reports.

    Args:
        files: where they are kept. finding: is told whom each file is about.
    """

    def __init__(self, files: CaseFiles, finding: FindingDesk) -> None:
        self._files = files
        self._finding = finding

    async def open(
        self,
        scope: Scope,
        file: ConcernFile,
        children: Children,
        actor: Actor,
        *,
        codes: Sequence[str] = (),
        writes: Writes | None = None,
    ) -> ConcernFile:
        """A case for each child of a report. Out: the report, with the first child's case.

        In: `codes`: of these cases, where they were taken before (else none), as many as `codes_for` says; `writes`: as
        `CaseFiles.save`.
        """
        code, *further = codes or await store.next_case_codes(scope.connection, local(scope), codes_for(children))
        world = self._files.world(scope.now)
        decision = opening.open_case(
            file.concern, file.file_id, code, children[0], world, by_person=actor is not SYSTEM
        )
        await self._files.save(scope, None, decision, actor, writes=writes)
        await self._finding.learn(scope, file.file_id, children[:1], writes=writes)
        opened = replace(file, concern=replace(file.concern, status="opened", case_id=file.file_id))
        if not further:
            return _without_others(opened)
        if writes is not None:
            await writes.flush(scope.connection)
        return await self.open_others(scope, opened, children, actor, [(file.file_id, code)], codes=further)

    async def open_others(
        self,
        scope: Scope,
        file: ConcernFile,
        children: Children,
        actor: Actor,
        siblings: Sequence[tuple[str, str]],
        *,
        known: int = 1,
        codes: Sequence[str] | None = None,
    ) -> ConcernFile:
        """A case for each child after the first `known`, linked to each other and to `siblings` (id and code).

        In: `codes`: of these cases, where they were taken before. Out: the report without these children: they are in
        their own parts now.
        """
        found = [(place, child) for place, child in enumerate(children[known:], start=known + 1) if child is not None]
        if codes is None:
            codes = await store.next_case_codes(scope.connection, local(scope), len(found))
        new = [_New(place, child, code) for (place, child), code in zip(found, codes, strict=True)]
        family = list(siblings)
        for one in new:
            others = [code for _, code in siblings] + [other.code for other in new if other is not one]
            family.append(await self._open_part(scope, file, one, actor, family, others))
        for case_id, _ in siblings if new else ():
            case = await store.lock_case(scope.connection, case_id)
            if case is not None:
                told = opening.with_siblings(Decision(case), [one.code for one in new], ())
                await self._files.save(scope, case, told, actor)
        return _without_others(file)

    async def correct(self, scope: Scope, before: ConcernFile, after: ConcernFile, children: Children) -> ConcernFile:
        """The sender corrected a report that has its cases: each follows as far as it may; a child named only now gets
        a case too, one named no more keeps its own."""
        world = self._files.world(scope.now)
        siblings: list[tuple[str, str]] = []
        case = await store.lock_case(scope.connection, after.concern.case_id or "")
        if case is not None:
            siblings.append((case.id, case.code))
            decision = opening.correct(case, before.concern, after.concern, children[0], world)
            await self._files.save(scope, case, decision, SYSTEM)
        parts = await store.parts_of(scope.connection, after.concern.id)
        has_others = bool(parts) or after.concern.status == "opened"
        # A linked report whose further children were known already keeps them with itself.
        await self._finding.learn(scope, after.file_id, children[:1] if has_others else children)
        for place, part in sorted(parts.items()):
            case = await store.lock_case(scope.connection, part.concern.case_id or "")
            if case is None:
                continue
            siblings.append((case.id, case.code))
            child = children[place - 1] if place <= len(children) else None
            if child is None:
                await self._files.save(scope, case, opening.named_no_more(case, after.concern.sector), SYSTEM)
                continue
            try:
                said = replace(part, said=await self._said(scope, after, child, part.file_id))
            except Erased:  # nothing is kept of this child any more; the others' files go on
                continue
            await store.save_part(scope.connection, said)
            await self._finding.learn(scope, part.file_id, [child])
            then, now = (
                opening.about_child(known, child, case.concern_id) for known in (before.concern, after.concern)
            )
            await self._files.save(scope, case, opening.correct(case, then, now, child, world), SYSTEM)
        if not has_others:
            return after
        known = max(before.concern.children, *parts, 1)
        return await self.open_others(scope, after, children, SYSTEM, siblings, known=known)

    async def _open_part(
        self,
        scope: Scope,
        file: ConcernFile,
        new: _New,
        actor: Actor,
        family: Sequence[tuple[str, str]],
        others: Sequence[str],
    ) -> tuple[str, str]:
        """One further child's case, linked to the `family` there is; its timeline names the codes of all `others`.

        Out: its id and code.
        """
        part, child, code = store.part_id(file.concern.id, new.place), new.child, new.code
        case_id = stable_id("case", part)
        await self._files.keys.make(scope.connection, f"case/{case_id}")
        concern = opening.about_child(file.concern, child, part)
        decision = opening.open_case(
            replace(concern, id=file.concern.id),
            case_id,
            code,
            child,
            self._files.world(scope.now),
            by_person=actor is not SYSTEM,
            part=part,
        )
        decision = opening.with_siblings(decision, others, [other for other, _ in family])
        await self._files.save(scope, None, decision, actor)
        for other, _ in family:
            await store.link_cases(scope.connection, case_id, other, SAME_REPORT, scope.now)
        said = await self._said(scope, file, child, case_id)
        own = replace(file, concern=replace(file.concern, case_id=case_id), file_id=case_id, said=said, part=part)
        await store.save_part(scope.connection, own)
        await self._finding.learn(scope, case_id, [child])
        return case_id, code

    async def _said(
        self, scope: Scope, file: ConcernFile, child: ChildDescription, file_id: str
    ) -> dict[str, SealedBox]:
        keys, kid = self._files.keys, f"case/{file_id}"
        said = {"child": await keys.seal(scope.connection, child, kid)}
        for name in _SHARED:
            box = await keys.reseal(scope.connection, file.said.get(name), kid)
            if box is not None:
                said[name] = box
        return said


def codes_for(children: Children) -> int:
    """How many cases a report about these children opens."""
    return 1 + sum(child is not None for child in children[1:])


def _without_others(file: ConcernFile) -> ConcernFile:
    return replace(file, said={name: box for name, box in file.said.items() if name != "more_children"})
