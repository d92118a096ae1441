"""Who may read what about a child, and the opening of what they may: need to know, and every reading is remembered.

Nothing is opened here for a role that this module does not name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases import store
from services.cases.domain.model import CASE_HANDOVER, Actor, Case, Task
from services.cases.store import ConcernFile, Line
from shared.contracts.vocabulary import ChildDescription, Person, ReportDetails
from shared.identity import Principal
from shared.privacy import Erased, Keys
from shared.reference.terms import Terms


@dataclass(frozen=True, slots=True)
class Reading:
    """An opened report: what a person with need to know may see of it."""

    child: ChildDescription | None = None
    reporter: Person | None = None
    what_happened: str | None = None
    unit_text: str | None = None
    measures_taken: str | None = None
    erased: bool = False
    relation: str | None = None
    details: ReportDetails | None = None
    more_children: Sequence[ChildDescription] = ()
    answer: str | None = None
    dismissal: str | None = None
    forwarding: str | None = None


def actor_of(principal: Principal) -> Actor:
    """The signed-in principal as the rules know it."""
    return Actor(principal.id, principal.name, principal.role.value, principal.units, principal.sector)


def may_see_case(actor: Actor, unit: str) -> bool:
    """Whether the actor sees a case of the commune at all: codes and coarse facts."""
    return actor.role in ("worker", "chair", "coordinator") and actor.covers(unit)


def is_offered(actor: Actor, case: Case) -> bool:
    """Whether the case is offered to the actor's commune, whose worker or chair takes it or declines."""
    unit = case.handover_to
    return case.status == "open" and unit is not None and actor.role in ("worker", "chair") and actor.covers(unit)


def as_offered(case: Case) -> Case:
    """What of a case the commune sees that is asked to take it: what it is about and until when it has to answer."""
    clocks = tuple(clock for clock in case.clocks if clock.kind == CASE_HANDOVER)
    return replace(case, clocks=clocks, tasks=(), care=None)


def sees_case(actor: Actor, case: Case) -> bool:
    """Whether the actor sees a case at all: their commune leads it, or is asked to."""
    return may_see_case(actor, case.unit) or is_offered(actor, case)


def may_read_identity(actor: Actor, unit: str) -> bool:
    """Whether the actor works on the child's case: the worker and the chair of that commune, nobody else."""
    return actor.role in ("worker", "chair") and actor.covers(unit)


def may_answer(actor: Actor, task: Task, unit: str) -> bool:
    """Whether the actor speaks for the sector that was asked, in the case's commune: an officer, or its own program."""
    speaks = actor.role in ("sector", "hotline", "agency") and actor.sector == task.sector
    return speaks and actor.covers(unit)


def needs_of(kind: str, sector: str) -> frozenset[str]:
    """What a sector has to know of a child for a kind of task: what the kind needs, of what the sector may know."""
    needs = frozenset(Terms.load("task-kinds").get(kind, "needs") or ())
    return needs & frozenset(Terms.load("sectors").get(sector, "knows") or ())


def may_see_concern(actor: Actor, file: ConcernFile) -> bool:
    """Whether the actor sees a report: who wrote it down, and whoever sees the commune's cases."""
    return file.entered_by == actor.id or may_see_case(actor, file.concern.unit)


def may_read_concern(actor: Actor, file: ConcernFile) -> bool:
    """Whether the actor reads what a report says of people."""
    return file.entered_by == actor.id or may_read_identity(actor, file.concern.unit)


def may_read_reporter(actor: Actor, file: ConcernFile) -> bool:
    """Whether the actor may know who reported: intake alone, that is who wrote it down, and the commune's worker as
    long as the report waits (Law on Children, Art. 51; Decree 56/2017, form 01: only if they agree)."""
    if file.entered_by == actor.id:
        return True
    return file.concern.status == "received" and actor.role == "worker" and actor.covers(file.concern.unit)


class Reader:
    """Opens reports and timelines for those who need them.

    Args:
        keys: open what was sealed.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def report(self, connection: AsyncConnection, file: ConcernFile) -> Reading:
        """A report in full. Whoever calls has decided that the reader needs it."""
        try:
            return Reading(
                child=await self._said(connection, file, "child", ChildDescription),
                reporter=await self._said(connection, file, "reporter", Person),
                what_happened=await self._said(connection, file, "what_happened", str),
                unit_text=await self._said(connection, file, "unit_text", str),
                measures_taken=await self._said(connection, file, "measures_taken", str),
                relation=await self._said(connection, file, "relation", str),
                details=await self._said(connection, file, "details", ReportDetails),
                more_children=await self._said(connection, file, "more_children", list[ChildDescription]) or (),
                answer=await self._said(connection, file, "answer", str),
                dismissal=await self._said(connection, file, "dismissal", str),
                forwarding=await self._said(connection, file, "forwarding", str),
            )
        except Erased:
            return Reading(erased=True)

    async def report_for(
        self, connection: AsyncConnection, file: ConcernFile, actor: Actor, purpose: str, now: datetime
    ) -> Reading | None:
        """A report as the actor may read it, remembered; None where they may not.

        A coordinator reads only the words about the place, and only while the commune is not known: someone has to
        forward it (Decree 56/2017, Art. 26(1)).
        """
        if may_read_concern(actor, file):
            await store.record_read(connection, actor, file.file_id, purpose, now)
            reading = await self.report(connection, file)
            return reading if may_read_reporter(actor, file) else replace(reading, reporter=None, relation=None)
        if actor.role == "coordinator" and file.concern.unit == "unclassified":
            await store.record_read(connection, actor, file.file_id, "forward", now)
            return Reading(unit_text=(await self.report(connection, file)).unit_text)
        return None

    async def for_task(
        self, connection: AsyncConnection, case: Case, task: Task, actor: Actor, now: datetime
    ) -> Reading | None:
        """What a sector needs for a task that waits for its answer, remembered.

        None where it needs nothing, or the task waits no more.
        """
        needs = needs_of(task.kind, task.sector) if task.is_open else frozenset()
        file = await store.find_concern(connection, case.concern_id)
        if not needs or file is None:
            return None
        full = await self.report(connection, file)
        await store.record_read(connection, actor, file.file_id, "task", now)
        child = None
        if full.child is not None:
            child = ChildDescription.model_validate(full.child.model_dump(include=set(needs)))
        return Reading(
            child=child,
            what_happened=full.what_happened if "what_happened" in needs else None,
            erased=full.erased,
        )

    async def words(self, connection: AsyncConnection, line: Line) -> Mapping[str, Any]:
        """Open the words of a line of the timeline; nothing, where they were erased."""
        if line.words is None:
            return {}
        try:
            opened: dict[str, Any] = await self._keys.open(connection, line.words, dict[str, Any])
        except Erased:
            return {}
        return opened

    async def _said(self, connection: AsyncConnection, file: ConcernFile, name: str, as_type: Any) -> Any:
        box = file.said.get(name)
        return None if box is None else await self._keys.open(connection, box, as_type)
