"""Where decisions meet the database: load with a lock, decide, seal, save, emit; all in the caller's one transaction.

Handlers, pages, the API and the ticker all come through here, so that there is one way for a case to change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.cases import store
from services.cases.domain import acts, cases, clocks, concerns
from services.cases.domain.model import SYSTEM, Actor, Case, Concern, Decision, World, refuse
from services.cases.domain.rules import require_concern
from services.cases.reading import Reader
from services.cases.store import ConcernFile, Line
from shared.contracts import cases as events
from shared.contracts.agency import ConcernReported, IncidentRecorded, TaskAnswered
from shared.contracts.base import Contract, SealedBox
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import UNCLASSIFIED, ChildDescription
from shared.messaging.outbox import new_id, stable_id
from shared.messaging.router import Scope
from shared.privacy import Keys
from shared.reference.calendar import LOCAL
from shared.reference.deadlines import Deadlines
from shared.reference.terms import Terms
from shared.reference.units import Units

# The fields of a report that are kept sealed in its file.
_SAID = ("reporter", "child", "what_happened", "unit_text", "measures_taken")
_PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a report came from: the sector, the sender's own identity of it, and who typed it in, if a person did."""

    sector: str
    source: str
    id: str
    entered_by: str | None = None


class Desk:
    """Decides and remembers.

    Args:
        keys: seal and open personal words. units, deadlines: reference data.
    """

    def __init__(self, keys: Keys, units: Units, deadlines: Deadlines) -> None:
        self.keys = keys
        self.reader = Reader(keys)
        self.units = units
        self.deadlines = deadlines
        self._codes = {
            name: frozenset(Terms.load(name).codes())
            for name in ("task-kinds", "case-outcomes", "emergency-measures", "dismissal-reasons")
        }

        measures = Terms.load("emergency-measures")
        self._separating = frozenset(code for code in measures.codes() if measures.get(code, "separates"))

    def world(self, now: datetime) -> World:
        """What a decision may know at `now`."""
        return World(
            now=now,
            start=self.deadlines.start,
            new_id=new_id,
            units=frozenset(self.units.codes()),
            task_kinds=self._codes["task-kinds"],
            outcomes=self._codes["case-outcomes"],
            measures=self._codes["emergency-measures"],
            separating=self._separating,
            dismissals=self._codes["dismissal-reasons"],
        )

    async def take_in(self, scope: Scope, report: ConcernReported, origin: Origin) -> ConcernFile:
        """A report of concern, first or corrected; it opens a case at once where the child is in danger now.

        Raises: `Rejected` (received-at-in-future).
        """
        received_at = concerns.check_received(report.received_at, scope.now)
        concern_id = stable_id("concern", origin.source, origin.id)
        found = await store.lock_concern_or_code(scope.connection, concern_id, _local(scope))
        before, code = (None, found) if isinstance(found, str) else (found, found.concern.code)
        child = None if report.child is None else await self._open(scope, report.child, ChildDescription)
        said = Concern(
            id=concern_id,
            code=code,
            unit=await self._unit(scope, report.unit, report.unit_text),
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
            await self.keys.make(scope.connection, f"case/{file_id}")
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
        return await self._save_concern(scope, file)

    async def record_incident(self, scope: Scope, incident: IncidentRecorded, origin: Origin) -> None:
        """An agency's incident, first or corrected: counted, never a case. Raises `Rejected`."""
        concerns.check_occurred(incident.occurred_on, scope.now)
        child = None if incident.child is None else await self._open(scope, incident.child, ChildDescription)
        day = datetime.combine(incident.occurred_on, datetime.min.time(), LOCAL)
        row = store.Incident(
            id=stable_id("incident", origin.source, origin.id),
            kind=incident.kind,
            outcome=incident.outcome,
            place=incident.place,
            unit=await self._unit(scope, incident.unit, incident.unit_text),
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

    async def take_answer(self, scope: Scope, data: TaskAnswered, origin: Origin, *, correction: bool) -> None:
        """A sector's answer by event. Raises `Rejected` (task-unknown, task-closed, task-of-another-sector, …)."""
        reason = None if data.reason is None else await self._open(scope, data.reason, str)
        summary = None if data.summary is None else await self._open(scope, data.summary, str)
        case = await self._case_of_task(scope, data.task_id)
        decision = clocks.answer(
            case,
            self.world(scope.now),
            data.task_id,
            origin.sector,
            data.answer,
            reason=reason,
            summary=summary,
            new_date=data.new_date,
            answer_id=stable_id("answer", origin.source, origin.id),
            correction=correction,
        )
        await self.save(scope, case, decision, replace(SYSTEM, id=f"agency/{origin.sector}"))

    async def answer(
        self,
        scope: Scope,
        task_id: str,
        actor: Actor,
        given: clocks.Answer,
        *,
        reason: str | None = None,
        summary: str | None = None,
        new_date: datetime | None = None,
    ) -> Case:
        """A person's answer: the sector's own officer, or the commune that writes down what the sector said."""
        case = await self._case_of_task(scope, task_id)
        if actor.role in ("worker", "chair"):
            if not actor.covers(case.unit):
                raise clocks.task_unknown()
            sector = None
        else:
            sector = actor.sector or "none"
        decision = clocks.answer(
            case,
            self.world(scope.now),
            task_id,
            sector,
            given,
            reason=reason,
            summary=summary,
            new_date=new_date,
        )
        return await self.save(scope, case, decision, actor)

    async def act(self, scope: Scope, case_id: str, act: acts.Act, actor: Actor, version: int) -> Case:
        """An act of a person on a case whose version they saw. Raises `Rejected` (version-changed, and the rules')."""
        if isinstance(act, acts.Merge):
            return await self._merge(scope, case_id, act, actor, version)
        case = await self._seen(scope, case_id, version)
        if isinstance(act, acts.ChooseChild):
            file = await store.find_concern(scope.connection, case.concern_id)
            child = (await self.reader.report(scope.connection, file)).child if file else None
            merged = {act.child_id: await store.resolved(scope.connection, act.child_id)}
            return await self.save(scope, case, cases.choose_child(case, act, actor, child, merged), actor)
        return await self.save(scope, case, cases.decide(case, act, actor, self.world(scope.now)), actor)

    async def concern_act(
        self, scope: Scope, concern_id: str, act: acts.ConcernAct, actor: Actor, version: int
    ) -> ConcernFile:
        """A decision of triage. Raises `Rejected` (version-changed, and the rules')."""
        file = await store.lock_concern(scope.connection, concern_id)
        if file is None or not actor.covers(file.concern.unit):
            raise _not_found()
        if file.concern.version != version:
            raise acts.version_changed()
        require_concern(file.concern, act.act, actor)
        if isinstance(act, acts.OpenCase):
            child = (await self.reader.report(scope.connection, file)).child
            return await self._save_concern(scope, await self._open_case(scope, file, child, actor))
        if isinstance(act, acts.LinkConcern):
            return await self._link(scope, file, act, actor)
        if isinstance(act, acts.DismissConcern):
            words = await self.keys.seal(scope.connection, act.words, f"case/{file.file_id}")
            dismissed = replace(
                file,
                concern=concerns.dismiss(file.concern, act, actor, self.world(scope.now)),
                said={**file.said, "dismissal": words},
                reason=act.reason,
            )
            return await self._save_concern(scope, dismissed)
        forwarded = concerns.forward(file.concern, act, actor, self.world(scope.now))
        return await self._save_concern(scope, replace(file, concern=forwarded))

    async def identified(
        self, scope: Scope, case_id: str, child_id: str | None, candidates: list[dict[str, Any]]
    ) -> None:
        """The registry's answer about a case's child."""
        case = await store.lock_case(scope.connection, case_id)
        if case is None:
            return
        if child_id is not None:
            child_id = await store.resolved(scope.connection, child_id)
        await self.save(scope, case, cases.identified(case, child_id, candidates), SYSTEM, seen=False)

    async def child_merged(self, scope: Scope, merged_id: str, child_id: str) -> None:
        """Two children were one: their cases follow."""
        await store.add_alias(scope.connection, merged_id, child_id)
        for case_id in await store.cases_of_child(scope.connection, merged_id):
            case = await store.lock_case(scope.connection, case_id)
            if case is not None:
                await self.save(scope, case, cases.identified(case, child_id, ()), SYSTEM, seen=False)

    async def tick(self, scope: Scope, limit: int = _PAGE_SIZE) -> int:
        """Tell what fell due; out: how many cases were looked at (fewer than `limit`: nothing more is due)."""
        due = await store.due_cases(scope.connection, scope.now, limit)
        world = self.world(scope.now)
        for case in due:
            await self.save(scope, case, clocks.tick(case, world), SYSTEM, seen=False)
        return len(due)

    async def save(
        self, scope: Scope, before: Case | None, decision: Decision, actor: Actor, *, seen: bool = True
    ) -> Case:
        """Write what was decided and emit it, in the order it was decided.

        In: `seen=False` for what happens by itself: it does not make a form that somebody is filling in stale.
        """
        if not decision.happenings and not decision.entries:
            return decision.case
        decision = clocks.follow(before, decision)
        case = decision.case
        sequence = case.sequence
        kid = f"case/{case.id}"
        facts = case.facts()
        for happening in decision.happenings:
            sequence += 1
            event = await self._sealed(
                scope, happening.model.model_validate({"case_id": case.id, "facts": facts, **happening.extra}), kid
            )
            await scope.emit(event, subject=case.id, sequence=sequence, unit=case.unit)
        case = replace(case, sequence=sequence, version=case.version + 1 if seen else case.version)
        lines = [
            Line(
                case.id,
                scope.now,
                entry.kind,
                entry.sector or actor.sector,
                actor.id,
                actor.name,
                entry.data,
                await self.keys.seal(scope.connection, dict(entry.words), kid) if entry.words else None,
            )
            for entry in decision.entries
        ]
        await store.save_case(scope.connection, before, case, lines)
        return case

    async def _open(self, scope: Scope, value: object, as_type: type[Any]) -> Any:
        return await self.keys.open(scope.connection, value, as_type)

    async def _sealed(self, scope: Scope, event: Contract, kid: str) -> Contract:
        boxes: dict[str, SealedBox] = {}
        for name in event.sealed_fields():
            value = getattr(event, name)
            if value is not None:
                boxes[name] = await self.keys.seal(scope.connection, value, kid)
        return event.model_copy(update=boxes) if boxes else event

    async def _seal_report(self, scope: Scope, report: ConcernReported, file_id: str) -> dict[str, SealedBox]:
        boxes: dict[str, SealedBox] = {}
        for name in _SAID:
            box = await self.keys.reseal(scope.connection, getattr(report, name), f"case/{file_id}")
            if box is not None:
                boxes[name] = box
        return boxes

    async def _unit(self, scope: Scope, code: str | None, words: object) -> str:
        """The commune of today: by code, else by its name as written, else `unclassified`."""
        found = self.units.current(code) if code else None
        if found is None and words is not None:
            found = self.units.find(await self._open(scope, words, str))
        return found or UNCLASSIFIED

    async def _save_concern(self, scope: Scope, file: ConcernFile) -> ConcernFile:
        concern = replace(file.concern, version=file.concern.version + 1, sequence=file.concern.sequence + 1)
        file = replace(file, concern=concern)
        await store.save_concern(scope.connection, file)
        said = {"concern_id": concern.id, "case_id": concern.case_id, "facts": concern.facts()}
        event: Contract = (
            events.ConcernDismissed(**said, reason=file.reason or "other")
            if concern.status == "dismissed"
            else events.ConcernReceived(**said)
        )
        await scope.emit(event, subject=concern.id, sequence=concern.sequence, unit=concern.unit)
        return file

    async def _open_case(
        self, scope: Scope, file: ConcernFile, child: ChildDescription | None, actor: Actor
    ) -> ConcernFile:
        code = await store.next_case_code(scope.connection, _local(scope))
        world = self.world(scope.now)
        decision = cases.open_case(file.concern, file.file_id, code, child, world, by_person=actor is not SYSTEM)
        await self.save(scope, None, decision, actor)
        return replace(file, concern=replace(file.concern, status="opened", case_id=file.file_id))

    async def _correct_case(
        self, scope: Scope, before: Concern, after: Concern, child: ChildDescription | None
    ) -> None:
        case = await store.lock_case(scope.connection, after.case_id or "")
        if case is None:
            return
        world = self.world(scope.now)
        await self.save(scope, case, cases.correct(case, before, after, child, world), SYSTEM)

    async def _link(self, scope: Scope, file: ConcernFile, act: acts.LinkConcern, actor: Actor) -> ConcernFile:
        found = await store.find_case(scope.connection, act.case_code.strip().upper())
        case = await store.lock_case(scope.connection, found.id) if found else None
        if case is None or case.status != "open" or not actor.covers(case.unit):
            raise refuse(
                "case_code",
                "case-unknown",
                "Không có vụ việc đang mở mang mã này ở địa bàn của anh chị.",
                "There is no open case with this code in your area.",
            )
        await self.save(scope, case, cases.linked_report(case, file.concern, self.world(scope.now)), actor)
        return await self._save_concern(
            scope, replace(file, concern=replace(file.concern, status="linked", case_id=case.id))
        )

    async def _merge(self, scope: Scope, case_id: str, act: acts.Merge, actor: Actor, version: int) -> Case:
        target_found = await store.find_case(scope.connection, act.into.strip().upper())
        if target_found is None or not actor.covers(target_found.unit):
            raise refuse(
                "into",
                "case-unknown",
                "Không có vụ việc đang mở mang mã này ở địa bàn của anh chị.",
                "There is no open case with this code in your area.",
            )
        moving = await store.concerns_of(scope.connection, case_id, lock=True)
        for locked in sorted({case_id, target_found.id}):
            await store.lock_case(scope.connection, locked)
        case = await self._seen(scope, case_id, version)
        target = await store.lock_case(scope.connection, target_found.id)
        if target is None:
            raise _not_found()
        asked = await self._asked(scope, case)
        gone, on = cases.merge(case, target, act, actor, self.world(scope.now), asked)
        await self.save(scope, case, gone, actor)
        survivor = await self.save(scope, target, on, actor)
        for file in moving:
            await self._save_concern(
                scope, replace(file, concern=replace(file.concern, status="linked", case_id=target.id))
            )
        return survivor

    async def _asked(self, scope: Scope, case: Case) -> dict[str, str]:
        """The words with which a case's open tasks were asked, by task id."""
        waiting = {task.id for task in case.tasks if task.is_open}
        asked: dict[str, str] = {}
        for line in await store.timeline(scope.connection, case.id) if waiting else ():
            task_id = line.data.get("task_id")
            if line.kind == "task.requested" and task_id in waiting:
                asked[task_id] = (await self.reader.words(scope.connection, line)).get("instructions", "")
        return asked

    async def _seen(self, scope: Scope, case_id: str, version: int) -> Case:
        case = await store.lock_case(scope.connection, case_id)
        if case is None:
            raise _not_found()
        if case.version != version:
            raise acts.version_changed()
        return case

    async def _case_of_task(self, scope: Scope, task_id: str) -> Case:
        case_id = await store.case_of_task(scope.connection, task_id)
        case = await store.lock_case(scope.connection, case_id) if case_id else None
        if case is None:
            raise clocks.task_unknown()
        return case


def _local(scope: Scope) -> datetime:
    return scope.now.astimezone(LOCAL)


def _not_found() -> Rejected:
    return refuse("id", "not-found", "Không tìm thấy hồ sơ.", "The file was not found.")
