"""Case files on the desk: loaded with a lock, changed by a decision, sealed, saved and emitted in one transaction.

Every other part of the desk changes a case or a report through here, so that there is one way for it to change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.cases import store
from services.cases.domain import acts, cases, team
from services.cases.domain.model import Actor, Case, Decision, Entry, World, refuse
from services.cases.reading import Reader
from services.cases.store import ConcernFile, Line, Writes
from shared.contracts import cases as events
from shared.contracts.base import Contract, SealedBox
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.privacy import Keys
from shared.reference.calendar import LOCAL
from shared.reference.deadlines import Deadlines
from shared.reference.forms import Forms
from shared.reference.intake import Intake
from shared.reference.terms import Terms, answers_in
from shared.reference.units import Units

# Opens a transaction of its own; what was emitted is written before it commits.
Scopes = Callable[[], AbstractAsyncContextManager[Scope]]


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
        self._world: World | None = None
        self._codes = {
            name: frozenset(Terms.load(name).codes())
            for name in (
                "task-kinds",
                "case-outcomes",
                "emergency-measures",
                "dismissal-reasons",
                "environments",
                "harmers",
                "care-kinds",
                "request-answers",
                "access-purposes",
            )
        }

        self._intake = Intake.load()
        self._forms = Forms.load()
        kinds = Terms.load("service-kinds")
        self._service_tasks = {code: str(kinds.get(code, "task")) for code in kinds.codes()}
        measures = Terms.load("emergency-measures")
        self._separating = frozenset(code for code in measures.codes() if measures.get(code, "separates"))
        kinds, outcomes = Terms.load("case-kinds"), Terms.load("case-outcomes")
        self._kinds = frozenset(code for code in kinds.codes() if kinds.get(code, "offered") is not False)
        self._closing = {code: frozenset(outcomes.get(code, "needs") or ()) for code in outcomes.codes()}

    def world(self, now: datetime) -> World:
        """What a decision may know at `now`: the same for all of one transaction."""
        if self._world is None or self._world.now != now:
            self._world = self._world_at(now)
        return self._world

    def _world_at(self, now: datetime) -> World:
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
            kinds=self._kinds,
            environments=self._codes["environments"],
            harmers=self._codes["harmers"],
            cares=self._codes["care-kinds"],
            closing=self._closing,
            answers=self._codes["request-answers"],
            access_purposes=self._codes["access-purposes"],
            after_pause=self.deadlines.after_pause,
            oldest_receipt=self._intake.oldest_receipt(now),
            forms=self._forms,
            codes=answers_in,
            service_tasks=self._service_tasks,
        )

    async def save(
        self,
        scope: Scope,
        before: Case | None,
        decision: Decision,
        actor: Actor,
        *,
        seen: bool = True,
        writes: Writes | None = None,
    ) -> Case:
        """Write what was decided and emit it, in the order it was decided.

        In: `seen=False` for what happens by itself: it does not make a form that somebody is filling in stale.
        `writes`: takes what is to be written, for whoever flushes them.
        """
        return (await self.save_all(scope, [(before, decision)], actor, seen=seen, writes=writes))[0]

    async def save_all(
        self,
        scope: Scope,
        decided: Sequence[tuple[Case | None, Decision]],
        actor: Actor,
        *,
        seen: bool = True,
        writes: Writes | None = None,
    ) -> list[Case]:
        """As `save`, for decisions about several cases: one round trip for all of them together."""
        after: list[Case] = []
        taken = writes or Writes()
        for before, made in decided:
            if not made.happenings and not made.entries:
                after.append(made.case)
                continue
            decision = cases.follow(before, team.follow(before, made, actor, scope.now))
            sequence = await self._emit(scope, decision)
            case = decision.case
            case = replace(case, sequence=sequence, version=case.version + 1 if seen else case.version)
            taken.lines += [await self._line(scope, case, entry, actor) for entry in decision.entries]
            taken.cases.append((before, case))
            after.append(case)
        if writes is None:
            await taken.flush(scope.connection)
        return after

    async def _emit(self, scope: Scope, decision: Decision) -> int:
        """Tell what was decided. Out: the sequence of the last event."""
        case = decision.case
        sequence, facts = case.sequence, case.facts()
        for happening in decision.happenings:
            sequence += 1
            said = happening.model.model_validate({"case_id": case.id, "facts": facts, **happening.extra})
            event = await self._sealed(scope, said, f"case/{case.id}")
            await scope.emit(event, subject=case.id, sequence=sequence, unit=case.unit)
        return sequence

    async def _line(self, scope: Scope, case: Case, entry: Entry, actor: Actor) -> Line:
        words = None
        if entry.words:
            words = await self.keys.seal(scope.connection, dict(entry.words), f"case/{case.id}")
        sector = entry.sector or actor.sector
        return Line(case.id, scope.now, entry.kind, sector, actor.id, actor.name, entry.data, words, case.version)

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

    async def save_concern(self, scope: Scope, file: ConcernFile, *, writes: Writes | None = None) -> ConcernFile:
        """Write a report after a decision about it, and tell of it; its part about another child is only written.

        In: `writes`: as `save`.
        """
        if file.part is not None:
            await store.save_part(scope.connection, file)
            return file
        concern = replace(file.concern, version=file.concern.version + 1, sequence=file.concern.sequence + 1)
        file = replace(file, concern=concern)
        taken = writes or Writes()
        taken.concerns.append(file)
        said = {"concern_id": concern.id, "case_id": concern.case_id, "facts": concern.facts()}
        event: Contract
        if concern.status == "dismissed":
            event = events.ConcernDismissed(**said, reason=file.reason or "other")
        elif concern.status == "answered":
            event = events.ConcernAnswered(**said, answer=file.reason or "advised")
        else:
            event = events.ConcernReceived(**said)
        await scope.emit(event, subject=concern.id, sequence=concern.sequence, unit=concern.unit)
        if concern.case_id is not None:
            # Who was called about the report before it was a case.
            taken.told.append((concern.case_id, concern.id))
        if writes is None:
            await taken.flush(scope.connection)
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
