"""The desk's intake: reports as they arrive, and the triage of what waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from services.cases import store
from services.cases.desk.files import CaseFiles, local, not_found
from services.cases.desk.finding import FindingDesk
from services.cases.desk.opening import Opening, codes_for
from services.cases.domain import acts, concerns, opening, team
from services.cases.domain.model import SYSTEM, Actor, Concern, Decision, refuse
from services.cases.domain.rules import require_concern
from services.cases.store import Codes, ConcernFile, Writes
from shared.contracts.agency import ConcernReported
from shared.contracts.base import SealedBox
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.outbox import stable_id
from shared.messaging.router import Scope
from shared.messaging.turns import apart
from shared.privacy import Erased

# The fields of a report that are kept sealed in its file as they came.
_SAID = ("reporter", "relation", "what_happened", "unit_text", "measures_taken", "details")
# Under which the reason is kept why a person corrected the receipt.
_RECEIPT = "receipt"
_ERASED = (
    "Báo tin này đã được xóa theo quy định, không bổ sung được nữa. Nếu có thông tin mới, hãy gửi báo tin mới.",
    "This report was erased by law and takes no correction. Send what is new as a new report.",
)
Children = Sequence[ChildDescription | None]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a report came from: the sector, the sender's own identity of it, and who typed it in, if a person did."""

    sector: str
    source: str
    id: str
    entered_by: str | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A report as it arrived, and its origin. `within`: the trace that its handling is part of."""

    report: ConcernReported
    origin: Origin
    within: Callable[[], AbstractContextManager[object]] = nullcontext

    @property
    def id(self) -> str:
        """The concern's: the sender's own identity of it makes it."""
        return stable_id("concern", self.origin.source, self.origin.id)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a report says, opened: the concern, whom it is about, the kinds; `known`: its file, else the new codes."""

    arrived: Arrived
    known: ConcernFile | Codes
    said: Concern
    children: Children
    kinds: tuple[str, ...]

    @property
    def before(self) -> ConcernFile | None:
        """Its file, where there is one."""
        return self.known if isinstance(self.known, ConcernFile) else None

    @property
    def case_codes(self) -> Sequence[str]:
        """Of the cases that it opens, where it is new."""
        return self.known.cases if isinstance(self.known, Codes) else ()

    @property
    def file_id(self) -> str:
        """Under which its words are sealed."""
        return self.before.file_id if self.before else _file_of(self.said.id)


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
            harmer-unknown, report-erased).
        """
        return (await self.take_in_all(scope, [Arrived(report, origin)]))[0]

    async def take_in_all(self, scope: Scope, arrived: Sequence[Arrived]) -> list[ConcernFile]:
        """As `take_in` one after the other; those that are new are written in one round trip. Raises: as it does."""
        for one in arrived:
            self._check(scope, one.report)
        files: list[ConcernFile] = []
        for each_once in apart(arrived, lambda one: one.id):
            files += await self._take_in_different(scope, each_once)
        return files

    async def _take_in_different(self, scope: Scope, arrived: Sequence[Arrived]) -> list[ConcernFile]:
        """In: reports no two of which have the same identity."""
        opened = [await self._children(scope, one.report) for one in arrived]
        cases = {
            one.id: codes_for(children) if concerns.opens_when_new(one.report.danger_now) else 0
            for one, children in zip(arrived, opened, strict=True)
        }
        found = await self._find(scope, cases)
        files: list[ConcernFile] = []
        # A correction reads what was written before it; those around it wait for nobody.
        together = zip(arrived, opened, found, strict=True)
        for are_new, run in groupby(together, key=lambda one: isinstance(one[2], Codes)):
            heard = [await self._hear(scope, one, children, known) for one, children, known in run]
            if are_new:
                files += await self._take_in_new(scope, heard)
                continue
            for correction in heard:
                with correction.arrived.within():
                    files.append(await self._take_in_one(scope, correction))
        return files

    async def _find(self, scope: Scope, asked: Mapping[str, int]) -> list[ConcernFile | Codes]:
        """What is known of each report; of one that is new its codes, its key made. In: by id how many cases it opens
        where it is new."""
        found = dict(zip(asked, await store.lock_concerns_or_codes(scope.connection, asked, local(scope)), strict=True))
        keys = {
            concern_id: f"case/{_file_of(concern_id)}"
            for concern_id, known in found.items()
            if isinstance(known, Codes)
        }
        made = await self.files.keys.make_all(scope.connection, keys.values())
        # What is not there yet has no row to lock. Whose key was there, another replica was taking in at the same
        # moment: it is known now.
        if late := {concern_id: asked[concern_id] for concern_id, kid in keys.items() if kid not in made}:
            found |= zip(late, await store.lock_concerns_or_codes(scope.connection, late, local(scope)), strict=True)
        return list(found.values())

    def _check(self, scope: Scope, report: ConcernReported) -> None:
        world = self.files.world(scope.now)
        concerns.check_codes(concerns.each_once(report.kinds), report.environment, report.harmer, world)
        concerns.check_received(report.received_at, world)

    async def _hear(self, scope: Scope, arrived: Arrived, children: Children, known: ConcernFile | Codes) -> _Heard:
        """What a report says, beside what was known of it."""
        report, origin = arrived.report, arrived.origin
        before, code = (None, known.report) if isinstance(known, Codes) else (known, known.concern.code)
        kinds = concerns.each_once(report.kinds)
        received_at = concerns.check_received(report.received_at, self.files.world(scope.now))
        if before is not None:
            # What a person said of the receipt stands; and nothing was received after it was told of.
            settled = _RECEIPT in before.said
            received_at = before.concern.received_at if settled else min(received_at, before.taken_in_at)
        if before is not None and origin.entered_by is not None:
            children = concerns.with_unasked(await self._read_children(scope, before), children)
        said = Concern(
            id=arrived.id,
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
        return _Heard(arrived, known, said, children, kinds)

    async def _take_in_new(self, scope: Scope, heard: Sequence[_Heard]) -> list[ConcernFile]:
        """Reports of which nothing was known: all that is written at once."""
        writes, files = Writes(), []
        for one in heard:
            with one.arrived.within():
                files.append(await self._take_in_one(scope, one, writes))
        await writes.flush(scope.connection)
        return files

    async def _take_in_one(self, scope: Scope, heard: _Heard, writes: Writes | None = None) -> ConcernFile:
        """In: `writes`: of a new report, takes what is to be written. Raises: `Rejected` (report-erased)."""
        before, said, children, origin = heard.before, heard.said, heard.children, heard.arrived.origin
        try:
            sealed = await self._seal(scope, heard.arrived.report, children, heard.file_id)
        except Erased:
            # Whoever sent it must know that nobody reads it here: it may say that a child is in danger.
            raise refuse("data", "report-erased", *_ERASED) from None
        file = ConcernFile(
            concern=concerns.correct(before.concern, said) if before else said,
            file_id=heard.file_id,
            kinds=heard.kinds,
            taken_in_at=before.taken_in_at if before else scope.now,
            entered_by=before.entered_by if before else origin.entered_by,
            said={**self._kept(before, origin), **sealed},
            reason=before.reason if before else None,
        )
        if before is not None and file.concern.case_id is not None:
            file = await self._opening.correct(scope, before, file, children)
        elif concerns.opens_at_once(file.concern):
            file = await self._opening.open(scope, file, children, SYSTEM, codes=heard.case_codes, writes=writes)
        else:
            await self.finding.learn(scope, file.file_id, children, writes=writes)
        return await self.files.save_concern(scope, file, writes=writes)

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


def _file_of(concern_id: str) -> str:
    """A new report's file, in which its first child's case will be."""
    return stable_id("case", concern_id)


def names_of(source: str, identifier: str) -> tuple[str, ...]:
    """How a sender's event is known here, be it a report or an incident: it, and the keys of its words."""
    concern_id = stable_id("concern", source, identifier)
    incident_id = stable_id("incident", source, identifier)
    return f"concern/{concern_id}", f"case/{_file_of(concern_id)}", f"incident/{incident_id}"
