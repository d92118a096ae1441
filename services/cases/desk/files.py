"""Case files on the desk: loaded with a lock, changed by a decision, sealed, saved and emitted in one transaction.

Every other part of the desk changes a case or a report through here, so that there is one way for it to change.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from services.cases import store
from services.cases.domain import acts, cases, team
from services.cases.domain.model import Actor, Case, Decision, World, refuse
from services.cases.reading import Reader
from services.cases.store import ConcernFile, Line
from shared.contracts import cases as events
from shared.contracts.base import Contract, SealedBox
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.privacy import Keys
from shared.reference.calendar import LOCAL
from shared.reference.deadlines import Deadlines
from shared.reference.terms import Terms
from shared.reference.units import Units


class CaseFiles:
    """Loads, seals, saves and tells.

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
            for name in ("task-kinds", "case-outcomes", "emergency-measures", "dismissal-reasons", "access-purposes")
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
            access_purposes=self._codes["access-purposes"],
        )

    async def save(
        self, scope: Scope, before: Case | None, decision: Decision, actor: Actor, *, seen: bool = True
    ) -> Case:
        """Write what was decided and emit it, in the order it was decided.

        In: `seen=False` for what happens by itself: it does not make a form that somebody is filling in stale.
        """
        if not decision.happenings and not decision.entries:
            return decision.case
        decision = cases.follow(before, team.follow(before, decision, actor, scope.now))
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
                case.version,
            )
            for entry in decision.entries
        ]
        await store.save_case(scope.connection, before, case, lines)
        return case

    async def open(self, scope: Scope, value: object, as_type: type[Any]) -> Any:
        """The plain value of a field that may be sealed."""
        return await self.keys.open(scope.connection, value, as_type)

    async def _sealed(self, scope: Scope, event: Contract, kid: str) -> Contract:
        boxes: dict[str, SealedBox] = {}
        for name in event.sealed_fields():
            value = getattr(event, name)
            if value is not None:
                boxes[name] = await self.keys.seal(scope.connection, value, kid)
        return event.model_copy(update=boxes) if boxes else event

    async def unit_of(self, scope: Scope, code: str | None, words: object) -> str:
        """The commune of today: by code, else by its name as written, else `unclassified`."""
        found = self.units.current(code) if code else None
        if found is None and words is not None:
            found = self.units.find(await self.open(scope, words, str))
        return found or UNCLASSIFIED

    async def save_concern(self, scope: Scope, file: ConcernFile) -> ConcernFile:
        """Write a report after a decision about it, and tell of it."""
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

    async def seen(self, scope: Scope, case_id: str, version: int) -> Case:
        """A case, locked, if the actor's form was made from its present version. Raises `Rejected`."""
        case = await store.lock_case(scope.connection, case_id)
        if case is None:
            raise not_found()
        if case.version != version:
            raise acts.version_changed()
        return case


def local(scope: Scope) -> datetime:
    """The moment of the transaction, where people live by it."""
    return scope.now.astimezone(LOCAL)


def not_found() -> Rejected:
    """There is no such file, or none that the actor may know of."""
    return refuse("id", "not-found", "Không tìm thấy hồ sơ.", "The file was not found.")
