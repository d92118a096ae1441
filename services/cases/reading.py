"""Who may read what about a child, and the opening of what they may: need to know, and every reading is remembered.

The one place that says so, for pages and machines alike. Nothing is opened here for a role that it does not name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases import store
from services.cases.domain import team
from services.cases.domain.attachments import speaks_for
from services.cases.domain.model import CASE_HANDOVER, Actor, Case, Task
from services.cases.store import ConcernFile, Line, Read
from shared.contracts.vocabulary import ChildDescription, Person, ReportDetails
from shared.identity import Directory, Principal
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
    receipt: str | None = None


def actor_of(principal: Principal) -> Actor:
    """The signed-in principal as the rules know it."""
    return Actor(principal.id, principal.name, principal.role.value, principal.units, principal.sector)


def people_of(directory: Directory) -> team.People:
    """The accounts of a directory as the rules know them."""

    def person(account: str) -> Actor | None:
        found = directory.person(account)
        return None if found is None else actor_of(found)

    return person


def sees_cases_of(actor: Actor, unit: str) -> bool:
    """Whether the actor's office sees the cases of a commune, coarsely: its own people, and the coordinator."""
    return actor.role in (*team.COMMUNE, "coordinator") and actor.covers(unit)


def may_see_case(actor: Actor, case: Case, now: datetime) -> bool:
    """Whether the actor sees a case at all: who follows it, and the commune that is asked to take it."""
    if team.kept_out(case, actor):
        return False
    return may_follow_case(actor, case, now) or is_offered(actor, case)


def may_follow_case(actor: Actor, case: Case, now: datetime) -> bool:
    """Whether the actor sees what is done in a case, in codes and coarse facts.

    The leading commune, the coordinator, and whoever may read its identity. Somebody with a conflict of interest sees
    nothing of it.
    """
    if team.kept_out(case, actor):
        return False
    return team.basis_of(case, actor, now) is not None or sees_cases_of(actor, case.judged.unit)


def is_offered(actor: Actor, case: Case) -> bool:
    """Whether the case is offered to the actor's commune, whose worker or chair takes it or declines."""
    unit = case.handover_to
    return case.status == "open" and unit is not None and actor.role in ("worker", "chair") and actor.covers(unit)


async def find_seen_case(connection: AsyncConnection, key: str, actor: Actor, now: datetime) -> Case | None:
    """A case by id or code, if the actor sees it; otherwise there is none for them."""
    found = await store.find_case(connection, key)
    return found if found is not None and may_see_case(actor, found, now) else None


async def find_seen_task(
    connection: AsyncConnection, task_id: str, actor: Actor, now: datetime, *, with_words: bool = False
) -> tuple[Case, Task] | None:
    """A task with its case, if the actor's sector was asked or the actor sees the case; otherwise there is none for
    them. `with_words`: and only if they read what is said about it, which the province does not."""
    case_id = await store.case_of_task(connection, task_id)
    case = await store.find_case(connection, case_id) if case_id else None
    task = case.task(task_id) if case else None
    if case is None or task is None:
        return None
    sees = may_read_identity(actor, case, now) if with_words else may_see_case(actor, case, now)
    return (case, task) if sees or may_answer(actor, task, case) else None


async def find_seen_concern(
    connection: AsyncConnection, key: str, actor: Actor, now: datetime
) -> tuple[ConcernFile, Case | None] | None:
    """A report by id, with the case that came of it, if the actor sees it; otherwise there is none for them."""
    file = await store.find_concern(connection, key)
    case_id = file.concern.case_id if file is not None else None
    case = await store.find_case(connection, case_id) if case_id else None
    return (file, case) if file is not None and may_see_concern(actor, file, case, now) else None


def as_offered(case: Case) -> Case:
    """What of a case the commune sees that is asked to take it: what it is about and until when it has to answer."""
    clocks = tuple(clock for clock in case.clocks if clock.kind == CASE_HANDOVER)
    return replace(
        case,
        clocks=clocks,
        tasks=(),
        services=(),
        conferences=(),
        team=(),
        glasses=(),
        care=None,
        worker=None,
        worker_name="",
    )


def may_read_identity(actor: Actor, case: Case, now: datetime) -> bool:
    """Whether the actor reads who the child is and what was said: the team, and who broke the glass, while it lasts."""
    return team.basis_of(case, actor, now) is not None


def may_answer(actor: Actor, task: Task, case: Case) -> bool:
    """Whether the actor speaks for the sector that was asked, in the case's commune: an officer, or its own program;
    nobody whom the case's commune excluded."""
    return speaks_for(actor, task, case)


def reads_task_files(case: Case, task: Task, actor: Actor, now: datetime) -> bool:
    """Whether the actor opens a task's files and reads what they are called: the commune always, a sector while its
    answer is awaited."""
    return task.is_open or may_read_identity(actor, case, now)


def needs_of(kind: str, sector: str) -> frozenset[str]:
    """What a sector has to know of a child for a kind of task: what the kind needs, of what the sector may know."""
    needs = frozenset(Terms.load("task-kinds").get(kind, "needs") or ())
    return needs & frozenset(Terms.load("sectors").get(sector, "knows") or ())


def may_find_case(actor: Actor, case: Case) -> bool:
    """Whether the actor may learn, by its code, that a case exists and who leads it: to ask for access to it."""
    return actor.role in team.ASKING and not team.kept_out(case, actor)


def may_see_concern(actor: Actor, file: ConcernFile, case: Case | None, now: datetime) -> bool:
    """Whether the actor sees a report: who wrote it down, the commune where it waits, whoever sees its case."""
    if case is not None:
        mine = file.entered_by == actor.id and not team.kept_out(case, actor)
        return mine or may_see_case(actor, case, now)
    mine = file.entered_by == actor.id
    return mine or (actor.role in (*team.COMMUNE, "coordinator") and actor.covers(file.concern.unit))


def concern_basis(actor: Actor, file: ConcernFile, case: Case | None, now: datetime) -> store.Basis | None:
    """On what ground the actor reads what a report says of people; None where they may not.

    Once a case came of it, its team decides; until then the commune where it waits.
    """
    if not may_see_concern(actor, file, case, now):
        return None
    inside = team.basis_of(case, actor, now) if case is not None else None
    if inside is not None:
        return inside
    if file.entered_by == actor.id:
        return "entered"
    waits = case is None and actor.role in team.COMMUNE and actor.covers(file.concern.unit)
    return "role" if waits else None


def may_read_reporter(actor: Actor, file: ConcernFile) -> bool:
    """Whether the actor may know who reported: intake alone, that is who wrote it down, and the commune's worker as
    long as the report waits (Law on Children, Art. 51; Decree 56/2017, form 01: only if they agree)."""
    if file.entered_by == actor.id:
        return True
    return file.concern.status == "received" and actor.role == "worker" and actor.covers(file.concern.unit)


async def may_open(connection: AsyncConnection, actor: Actor, what: str, identifier: str, now: datetime) -> bool:
    """Whether the actor sees what a code stands for: a case, or a report (`what`: concern)."""
    if what == "case":
        return await find_seen_case(connection, identifier, actor, now) is not None
    return await find_seen_concern(connection, identifier, actor, now) is not None


class Reader:
    """Opens reports and timelines for those who need them.

    Args:
        keys: open what was sealed.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def admit(
        self, connection: AsyncConnection, case: Case, actor: Actor, purpose: str, now: datetime
    ) -> team.Basis | None:
        """The one gate to a case's identity and words: on what ground, remembered as one reading; None: closed.

        Whoever passes opens the case's reports with `shown` and its lines with `words`, without another row.
        """
        basis = team.basis_of(case, actor, now)
        if basis is not None:
            await store.record_read(connection, actor, Read(case.id, case.id, purpose, basis), now)
        return basis

    async def report(self, connection: AsyncConnection, file: ConcernFile) -> Reading:
        """A report in full, also who reported. For the desk's own work; nobody is shown it."""
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
                receipt=await self._said(connection, file, "receipt", str),
            )
        except Erased:
            return Reading(erased=True)

    async def shown(self, connection: AsyncConnection, file: ConcernFile, actor: Actor) -> Reading:
        """A report as the reader may see it whom `admit` let in: the reporter hidden from all but intake."""
        full = await self.report(connection, file)
        return full if may_read_reporter(actor, file) else replace(full, reporter=None, relation=None)

    async def report_for(
        self, connection: AsyncConnection, file: ConcernFile, actor: Actor, purpose: str, now: datetime
    ) -> Reading | None:
        """A report as the actor may read it, remembered; None where they may not.

        A coordinator reads only the words about the place, and only while the commune is not known: someone has to
        forward it (Decree 56/2017, Art. 26(1)).
        """
        case = await store.find_case(connection, file.concern.case_id) if file.concern.case_id else None
        basis = concern_basis(actor, file, case, now)
        case_id = case.id if case is not None else None
        if basis is not None:
            await store.record_read(connection, actor, Read(file.file_id, case_id, purpose, basis), now)
            return await self.shown(connection, file, actor)
        if actor.role == "coordinator" and case is None and file.concern.unit == "unclassified":
            await store.record_read(connection, actor, Read(file.file_id, None, "forward", "forward"), now)
            return Reading(unit_text=(await self.report(connection, file)).unit_text)
        return None

    async def for_task(self, connection: AsyncConnection, case: Case, task: Task) -> Reading | None:
        """What a sector needs for a task that waits for its answer; whoever asks has called `remember_task`.

        None where it needs nothing, or the task waits no more.
        """
        needs = needs_of(task.kind, task.sector) if task.is_open else frozenset()
        file = await store.find_concern(connection, case.concern_id)
        if not needs or file is None:
            return None
        full = await self.report(connection, file)
        child = None
        if full.child is not None:
            child = ChildDescription.model_validate(full.child.model_dump(include=set(needs)))
        return Reading(
            child=child,
            what_happened=full.what_happened if "what_happened" in needs else None,
            erased=full.erased,
        )

    async def remember_task(self, connection: AsyncConnection, case: Case, actor: Actor, now: datetime) -> None:
        """A task's words are opened to whoever was asked, also after it was answered: remembered as one reading."""
        basis = team.basis_of(case, actor, now) or "task"
        await store.record_read(connection, actor, Read(case.id, case.id, "task", basis), now)

    async def places(
        self, connection: AsyncConnection, calls: Mapping[str, Line], actor: Actor, now: datetime
    ) -> dict[str, str]:
        """Where conferences meet to which the actor's sector is invited, each remembered as a reading of its case.

        In: the lines by which they were called, by conference. Out: those that say where.
        """
        said = {key: (await self.words(connection, line)).get("place") for key, line in calls.items()}
        reads = [Read(line.case_id, line.case_id, "meeting", "invited") for line in calls.values() if line.words]
        await store.record_reads(connection, actor, reads, now)
        return {key: str(place) for key, place in said.items() if place}

    async def task_words(
        self, connection: AsyncConnection, line: Line, case: Case, task: Task, actor: Actor, now: datetime
    ) -> Mapping[str, Any]:
        """As `words`, of a line of a task: what its files are called is closed as the files are."""
        if line.kind.startswith("document.") and not reads_task_files(case, task, actor, now):
            return {}
        return await self.words(connection, line)

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
