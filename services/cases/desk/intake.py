"""The desk's intake: reports and incidents as they arrive, and the triage of what waits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from services.cases import store
from services.cases.desk.files import CaseFiles, local, not_found
from services.cases.domain import acts, concerns, opening, team
from services.cases.domain.model import SYSTEM, Actor, Concern, refuse
from services.cases.domain.rules import require_concern
from services.cases.store import ConcernFile
from shared.contracts import cases as events
from shared.contracts.agency import ConcernReported, IncidentRecorded
from shared.contracts.base import SealedBox
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.outbox import stable_id
from shared.messaging.router import Scope
from shared.reference.calendar import LOCAL

# The fields of a report that are kept sealed in its file.
_SAID = ("reporter", "child", "what_happened", "unit_text", "measures_taken")


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
        files: where cases and reports are kept.
    """

    def __init__(self, files: CaseFiles) -> None:
        self.files = files

    async def take_in(self, scope: Scope, report: ConcernReported, origin: Origin) -> ConcernFile:
        """A report of concern, first or corrected; it opens a case at once where the child is in danger now.

        Raises: `Rejected` (received-at-in-future).
        """
        received_at = concerns.check_received(report.received_at, scope.now)
        concern_id = stable_id("concern", origin.source, origin.id)
        found = await store.lock_concern_or_code(scope.connection, concern_id, local(scope))
        before, code = (None, found) if isinstance(found, str) else (found, found.concern.code)
        child = None if report.child is None else await self.files.open(scope, report.child, ChildDescription)
        said = Concern(
            id=concern_id,
            code=code,
            unit=await self.files.unit_of(scope, report.unit, report.unit_text),
            sex=concerns.described_sex(report.sex, child),
            age_band=concerns.described_band(report.age, child, received_at),
            kind=concerns.main_kind(report.kinds),
            danger_now=report.danger_now,
            sector=origin.sector,
            channel=report.channel,
            received_at=received_at,
        )
        file_id = before.file_id if before else stable_id("case", concern_id)
        if before is None:
            await self.files.keys.make(scope.connection, f"case/{file_id}")
        file = ConcernFile(
            concern=concerns.correct(before.concern, said) if before else said,
            file_id=file_id,
            kinds=tuple(report.kinds),
            taken_in_at=before.taken_in_at if before else scope.now,
            entered_by=before.entered_by if before else origin.entered_by,
            said=await self._seal_report(scope, report, file_id),
            reason=before.reason if before else None,
        )
        if before is not None and file.concern.case_id is not None:
            await self._correct_case(scope, before.concern, file.concern, child)
        elif concerns.opens_at_once(file.concern):
            file = await self._open_case(scope, file, child, SYSTEM)
        return await self.files.save_concern(scope, file)

    async def record_incident(self, scope: Scope, incident: IncidentRecorded, origin: Origin) -> None:
        """An agency's incident, first or corrected: counted, never a case. Raises `Rejected`."""
        concerns.check_occurred(incident.occurred_on, scope.now)
        child = None if incident.child is None else await self.files.open(scope, incident.child, ChildDescription)
        day = datetime.combine(incident.occurred_on, datetime.min.time(), LOCAL)
        row = store.Incident(
            id=stable_id("incident", origin.source, origin.id),
            kind=incident.kind,
            outcome=incident.outcome,
            place=incident.place,
            unit=await self.files.unit_of(scope, incident.unit, incident.unit_text),
            sex=concerns.described_sex(incident.sex, child),
            age_band=concerns.described_band(incident.age, child, day),
            sector=origin.sector,
            occurred_on=incident.occurred_on,
            sequence=1,
        )
        sequence = await store.save_incident(scope.connection, row)
        event = events.CaseIncidentRecorded(
            incident_id=row.id,
            kind=row.kind,
            outcome=row.outcome,
            place=row.place,
            unit=row.unit,
            sex=concerns.described_sex(incident.sex, child),
            age_band=concerns.described_band(incident.age, child, day),
            sector=row.sector,
            occurred_on=row.occurred_on,
        )
        await scope.emit(event, subject=row.id, sequence=sequence, unit=row.unit)

    async def act(self, scope: Scope, concern_id: str, act: acts.ConcernAct, actor: Actor, version: int) -> ConcernFile:
        """A decision of triage. Raises `Rejected` (version-changed, and the rules')."""
        file = await store.lock_concern(scope.connection, concern_id)
        if file is None or not actor.covers(file.concern.unit):
            raise not_found()
        if file.concern.version != version:
            raise acts.version_changed()
        require_concern(file.concern, act.act, actor)
        if isinstance(act, acts.OpenCase):
            child = (await self.files.reader.report(scope.connection, file)).child
            return await self.files.save_concern(scope, await self._open_case(scope, file, child, actor))
        if isinstance(act, acts.LinkConcern):
            return await self._link(scope, file, act, actor)
        if isinstance(act, acts.DismissConcern):
            words = await self.files.keys.seal(scope.connection, act.words, f"case/{file.file_id}")
            dismissed = replace(
                file,
                concern=concerns.dismiss(file.concern, act, actor, self.files.world(scope.now)),
                said={**file.said, "dismissal": words},
                reason=act.reason,
            )
            return await self.files.save_concern(scope, dismissed)
        forwarded = concerns.forward(file.concern, act, actor, self.files.world(scope.now))
        return await self.files.save_concern(scope, replace(file, concern=forwarded))

    async def _seal_report(self, scope: Scope, report: ConcernReported, file_id: str) -> dict[str, SealedBox]:
        boxes: dict[str, SealedBox] = {}
        for name in _SAID:
            box = await self.files.keys.reseal(scope.connection, getattr(report, name), f"case/{file_id}")
            if box is not None:
                boxes[name] = box
        return boxes

    async def _open_case(
        self, scope: Scope, file: ConcernFile, child: ChildDescription | None, actor: Actor
    ) -> ConcernFile:
        code = await store.next_case_code(scope.connection, local(scope))
        world = self.files.world(scope.now)
        decision = opening.open_case(file.concern, file.file_id, code, child, world, by_person=actor is not SYSTEM)
        await self.files.save(scope, None, decision, actor)
        return replace(file, concern=replace(file.concern, status="opened", case_id=file.file_id))

    async def _correct_case(
        self, scope: Scope, before: Concern, after: Concern, child: ChildDescription | None
    ) -> None:
        case = await store.lock_case(scope.connection, after.case_id or "")
        if case is None:
            return
        world = self.files.world(scope.now)
        await self.files.save(scope, case, opening.correct(case, before, after, child, world), SYSTEM)

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
        return await self.files.save_concern(
            scope, replace(file, concern=replace(file.concern, status="linked", case_id=case.id))
        )
