"""The desk's intake: reports as they arrive, and the triage of what waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.cases import store
from services.cases.desk.files import CaseFiles, local, not_found
from services.cases.desk.finding import FindingDesk
from services.cases.desk.opening import Opening
from services.cases.domain import acts, concerns, opening, team
from services.cases.domain.model import SYSTEM, Actor, Concern, Decision, refuse
from services.cases.domain.rules import require_concern
from services.cases.store import ConcernFile
from shared.contracts.agency import ConcernReported
from shared.contracts.base import SealedBox
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.outbox import stable_id
from shared.messaging.router import Scope

# The fields of a report that are kept sealed in its file as they came.
_SAID = ("reporter", "relation", "what_happened", "unit_text", "measures_taken", "details")
# Under which the reason is kept why a person corrected the receipt.
_RECEIPT = "receipt"
Children = Sequence[ChildDescription | None]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a report came from: the sector, the sender's own identity of it, and who typed it in, if a person did."""

    sector: str
    source: str
    id: str
    entered_by: str | None = None


class IntakeDesk:
    """Takes reports in.

    Args:
        files: where cases and reports are kept. finding: is told whom a report is about.
    """

    def __init__(self, files: CaseFiles, finding: FindingDesk) -> None:
        self.files = files
        self.finding = finding
        self._opening = Opening(files, finding)

    async def take_in(self, scope: Scope, report: ConcernReported, origin: Origin) -> ConcernFile:
        """A report of concern, first or corrected; it opens a case for each child at once where one is in danger now.

        Raises: `Rejected` (received-at-in-future, received-at-too-old, kind-unknown, environment-unknown,
            harmer-unknown).
        """
        kinds = concerns.each_once(report.kinds)
        world = self.files.world(scope.now)
        concerns.check_codes(kinds, report.environment, report.harmer, world)
        received_at = concerns.check_received(report.received_at, world)
        concern_id = stable_id("concern", origin.source, origin.id)
        found = await store.lock_concern_or_code(scope.connection, concern_id, local(scope))
        before, code = (None, found) if isinstance(found, str) else (found, found.concern.code)
        if before is not None:
            # What a person said of the receipt stands; and nothing was received after it was told of.
            settled = _RECEIPT in before.said
            received_at = before.concern.received_at if settled else min(received_at, before.taken_in_at)
        children = await self._children(scope, report)
        if before is not None and origin.entered_by is not None:
            children = concerns.with_unasked(await self._read_children(scope, before), children)
        said = Concern(
            id=concern_id,
            code=code,
            unit=await self.files.unit_of(scope, report.unit, report.unit_text),
            sex=concerns.described_sex(report.sex, children[0]),
            age_band=concerns.described_band(report.age, children[0], received_at),
            kind=concerns.main_kind(kinds),
            danger_now=report.danger_now,
            sector=origin.sector,
            channel=report.channel,
            received_at=received_at,
            request=report.request,
            environment=report.environment,
            harmer=report.harmer,
            children=len(children),
        )
        file_id = before.file_id if before else stable_id("case", concern_id)
        if before is None:
            await self.files.keys.make(scope.connection, f"case/{file_id}")
        file = ConcernFile(
            concern=concerns.correct(before.concern, said) if before else said,
            file_id=file_id,
            kinds=kinds,
            taken_in_at=before.taken_in_at if before else scope.now,
            entered_by=before.entered_by if before else origin.entered_by,
            said={**self._kept(before, origin), **await self._seal(scope, report, children, file_id)},
            reason=before.reason if before else None,
        )
        if before is not None and file.concern.case_id is not None:
            file = await self._opening.correct(scope, before, file, children)
        elif concerns.opens_at_once(file.concern):
            file = await self._opening.open(scope, file, children, SYSTEM)
        else:
            await self.finding.learn(scope, file.file_id, children)
        return await self.files.save_concern(scope, file)

    async def act(self, scope: Scope, concern_id: str, act: acts.ConcernAct, actor: Actor, version: int) -> ConcernFile:
        """A decision of triage. Raises `Rejected` (version-changed, and the rules')."""
        file = await store.lock_concern(scope.connection, concern_id)
        if file is None:
            raise not_found()
        if isinstance(act, acts.CorrectReceipt):
            return await self._correct_receipt(scope, file, act, actor, version)
        if not actor.covers(file.concern.unit):
            raise not_found()
        if file.concern.version != version:
            raise acts.version_changed()
        require_concern(file.concern, act.act, actor)
        if isinstance(act, acts.OpenCase):
            # What was asked for as advice and is opened has proved to be about protection.
            proved = replace(file, concern=replace(file.concern, request="protection"))
            opened = await self._opening.open(scope, proved, await self._read_children(scope, file), actor)
            return await self.files.save_concern(scope, opened)
        if isinstance(act, acts.LinkConcern):
            return await self._link(scope, file, act, actor)
        return await self.files.save_concern(scope, await self._settled(scope, file, act, actor))

    async def _correct_receipt(
        self, scope: Scope, file: ConcernFile, act: acts.CorrectReceipt, actor: Actor, version: int
    ) -> ConcernFile:
        """The receipt as it was, in the report and in the case of each of its children; the reason in their files."""
        if file.concern.version != version:
            raise acts.version_changed()
        world = self.files.world(scope.now)
        parts = await store.parts_of(scope.connection, file.concern.id)
        told = [file, *(part for _, part in sorted(parts.items()))]
        found = {
            case_id: await store.lock_case(scope.connection, case_id)
            for case_id in sorted({one.concern.case_id for one in told if one.concern.case_id})
        }
        own = found.get(file.concern.case_id or "")
        after = concerns.correct_receipt(file.concern, act, actor, world, own, file.taken_in_at)
        for one in told:
            case = found.get(one.concern.case_id or "")
            if case is None:
                continue
            then, now = (replace(known, id=one.part or known.id) for known in (file.concern, after))
            moved = opening.move_receipt(Decision(case), world, then, now, {"reason": act.reason})
            found[case.id] = await self.files.save(scope, case, moved, actor)
        box = await self.files.keys.seal(scope.connection, act.reason, f"case/{file.file_id}")
        return await self.files.save_concern(scope, replace(file, concern=after, said={**file.said, _RECEIPT: box}))

    async def _settled(
        self,
        scope: Scope,
        file: ConcernFile,
        act: acts.DismissConcern | acts.AnswerConcern | acts.ForwardConcern,
        actor: Actor,
    ) -> ConcernFile:
        """Dismissed, answered or forwarded, with the words sealed into its file."""
        world = self.files.world(scope.now)
        reason: str | None
        if isinstance(act, acts.DismissConcern):
            concern, name, words, reason = (
                concerns.dismiss(file.concern, act, actor, world),
                "dismissal",
                act.words,
                act.reason,
            )
        elif isinstance(act, acts.AnswerConcern):
            concern, name, words, reason = (
                concerns.answer(file.concern, act, actor, world),
                "answer",
                act.words,
                act.answer,
            )
        else:
            concern, name, words, reason = (
                concerns.forward(file.concern, act, actor, world),
                "forwarding",
                act.reason,
                None,
            )
        box = await self.files.keys.seal(scope.connection, words, f"case/{file.file_id}")
        return replace(file, concern=concern, said={**file.said, name: box}, reason=reason)

    async def _children(self, scope: Scope, report: ConcernReported) -> Children:
        """Whom a report is about, opened: the first perhaps unknown, then the further ones."""
        first = None if report.child is None else await self.files.open(scope, report.child, ChildDescription)
        more: list[ChildDescription] = []
        if report.more_children is not None:
            more = await self.files.open(scope, report.more_children, list[ChildDescription])
        return [first, *more] if first is not None or not more else more

    async def _read_children(self, scope: Scope, file: ConcernFile) -> Children:
        reading = await self.files.reader.report(scope.connection, file)
        return [reading.child, *reading.more_children]

    async def _seal(
        self, scope: Scope, report: ConcernReported, children: Children, file_id: str
    ) -> dict[str, SealedBox]:
        values: dict[str, Any] = {name: getattr(report, name) for name in _SAID}
        values |= {"child": children[0], "more_children": list(children[1:]) or None}
        boxes: dict[str, SealedBox] = {}
        for name, value in values.items():
            box = await self.files.keys.reseal(scope.connection, value, f"case/{file_id}")
            if box is not None:
                boxes[name] = box
        return boxes

    @staticmethod
    def _kept(before: ConcernFile | None, origin: Origin) -> Mapping[str, SealedBox]:
        """What a correction does not take away: what people of the platform wrote into the file; and, where an agency's
        system leaves something out of a report that a case stands on, what it said before."""
        if before is None:
            return {}
        if before.concern.case_id is not None and origin.entered_by is None:
            return before.said
        words = ("dismissal", "answer", "forwarding", _RECEIPT)
        return {name: box for name, box in before.said.items() if name in words}

    async def _link(self, scope: Scope, file: ConcernFile, act: acts.LinkConcern, actor: Actor) -> ConcernFile:
        found = await store.find_case(scope.connection, act.case_code.strip().upper())
        case = await store.lock_case(scope.connection, found.id) if found else None
        if case is None or case.status != "open" or not team.by_role(case, actor):
            raise refuse(
                "case_code",
                "case-unknown",
                "Không có vụ việc đang mở mang mã này ở địa bàn của anh chị.",
                "There is no open case with this code in your area.",
            )
        await self.files.save(
            scope, case, opening.linked_report(case, file.concern, self.files.world(scope.now)), actor
        )
        linked = replace(file, concern=replace(file.concern, status="linked", case_id=case.id))
        if act.others == "open" and file.concern.children > 1:
            children = await self._read_children(scope, file)
            linked = await self._opening.open_others(scope, linked, children, actor, [(case.id, case.code)])
        return await self.files.save_concern(scope, linked)
