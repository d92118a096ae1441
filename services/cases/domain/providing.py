"""Services as they are given to the child: those of the plan, and more.

Pure (Law on Children 2016, Art. 48-50; Decree 56/2017, Art. 29).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from services.cases.domain import acts
from services.cases.domain.model import (
    Case,
    Decision,
    Entry,
    Happening,
    PlannedService,
    Task,
    World,
    local_day,
    refuse,
)
from shared.contracts import cases as events


@dataclass(frozen=True, slots=True)
class Given:
    """A service that somebody says was given. `sector`: whose; `said_by`: the agency event, for its corrections;
    `said_at`: when its sender says so, for one that is said by an event."""

    kind: str
    on: date
    sector: str | None = None
    provider: str | None = None
    notes: str | None = None
    said_by: str | None = None
    said_at: datetime | None = None


def record(case: Case, act: acts.RecordService, world: World) -> Decision:
    """The commune's worker writes down that a service was given. Raises: `Rejected` (service-kind, and `give`'s)."""
    planned = next((service for service in case.services if service.id == act.service), None)
    kind = planned.kind if planned else act.service
    said = Given(kind, act.provided_on, planned.sector if planned else None, act.provider, act.notes)
    return give(case, said, world, planned, field="service", day="provided_on")


def require_part(takes_part: bool) -> None:
    """A service is only said to be given by a sector that has to do with the case (Law on Children 2016, Art. 21).

    Raises: `Rejected` (sector-not-involved).
    """
    if not takes_part:
        raise refuse(
            "data.case_id",
            "sector-not-involved",
            "Vụ việc này chưa từng nhờ ngành anh chị. Kiểm tra lại mã vụ việc; nếu mã đúng, đề nghị xã, phường giao "
            "việc cho ngành.",
            "This case has never asked anything of your sector. Check the identifier; if it is right, have the "
            "commune ask you.",
        )


def report(case: Case, said: Given, world: World) -> Decision:
    """A sector's own event says so.

    Raises: `Rejected` (case-closed, service-kind, provided-on-in-future).
    """
    if case.status != "open":
        raise refuse(
            "data.case_id",
            "case-closed",
            "Vụ việc đã kết thúc, không ghi thêm dịch vụ.",
            "The case is closed; no service is added to it.",
        )
    decision = _taken_back(case, said)
    said = replace(said, said_at=_first_said(case, said, world))
    given = give(decision.case, said, world, _meant(decision.case, said), field="data.service", day="data.provided_on")
    # A service that was given after all, as before or on another day, was never away.
    still = {happening.extra["service_id"] for happening in given.happenings}
    gone = [told for told in decision.happenings if told.extra["service_id"] not in still]
    away = [entry for entry in decision.entries if entry.data["service_id"] not in still]
    return Decision(given.case, (*gone, *given.happenings), (*away, *given.entries))


def give(case: Case, said: Given, world: World, planned: PlannedService | None, *, field: str, day: str) -> Decision:
    """A service was given: the plan's, or one beside it. In: the input's own names of the service and of its day."""
    if said.kind not in world.service_tasks:
        raise refuse(field, "service-kind", "Dịch vụ không có trong danh mục.", "The service is not listed.")
    if said.on > local_day(world.now):
        raise refuse(
            day,
            "provided-on-in-future",
            "Ngày thực hiện không thể ở phía trước.",
            "The day it was given cannot lie ahead.",
        )
    service = planned or PlannedService(world.new_id(), said.kind, said.sector, said.on, planned=False)
    told_at = _told_at(said.on, world, said.said_at)
    if service.done_on is None:
        service = replace(service, done_on=said.on, given_by=said.said_by, told_at=told_at)
    elif service.done_on == said.on and service.told_at is not None:
        service = replace(service, told_at=min(service.told_at, told_at))
    words = {name: text for name, text in (("provider", said.provider), ("notes", said.notes)) if text}
    return _told(Decision(case), service, said.on, said.sector, words)


def by_task(decision: Decision, task: Task, at: datetime) -> Decision:
    """The sector did what it was asked for: the services that wait for this task were given on the day on which it said
    so, with the task as what shows it. One that somebody said was given already is not given again."""
    on = local_day(at)
    for service in decision.case.services:
        if service.task_id == task.id and service.done_on is None:
            given = replace(service, done_on=on, given_by=task.id, told_at=at)
            decision = _told(decision, given, on, task.sector, {}, task_id=task.id)
    return decision


def not_by_task(decision: Decision, task: Task) -> Decision:
    """The task was not done after all: what was given by it alone is awaited again."""
    for service in decision.case.services:
        if service.given_by == task.id and service.done_on is not None:
            decision = _not_given(decision, service, service.done_on)
            awaited = _awaited(service)
            decision = decision.then(services=put(decision.case.services, awaited))
    return decision


def together(planned: Sequence[PlannedService], gone: Case) -> tuple[PlannedService, ...]:
    """The services of two cases that become one: no kind is awaited twice of one sector, and what was given stays.

    A service of which the other case asked its sector already is not asked for again: it waits for that task.
    """
    asked = {
        (service.kind, service.sector): service.task_id
        for service in gone.services
        if service.done_on is None and any(task.id == service.task_id and task.is_open for task in gone.tasks)
    }
    own = [
        replace(service, task_id=asked.get((service.kind, service.sector)))
        if service.task_id is None and service.done_on is None
        else service
        for service in planned
    ]
    awaited = {(service.kind, service.sector) for service in planned}
    known = {service.id for service in planned}
    more = (
        service
        for service in gone.services
        if service.id not in known and (service.done_on is not None or (service.kind, service.sector) not in awaited)
    )
    return (*own, *more)


def asked_by(decision: Decision, world: World, takers: Mapping[str, str]) -> Decision:
    """The services that wait for a task wait for the one that took its place; where that is done, they were given.

    In: `takers`: by the id of each task that ended, that of the one that took its place.
    """
    services = tuple(
        replace(service, task_id=takers.get(service.task_id or "", service.task_id))
        if service.done_on is None
        else service
        for service in decision.case.services
    )
    decision = decision.then(services=services)
    for task_id in dict.fromkeys(takers.values()):
        task = decision.case.task(task_id)
        if task is not None and task.state == "done":
            decision = by_task(decision, task, task.said_at or world.now)
    return decision


def parted(case: Case, other: Case) -> tuple[PlannedService, ...]:
    """The services of a case from which another is taken out again: what came from there and is neither given nor in
    work goes back with it; what waits for a task that ended waits to be asked for."""
    theirs = {service.id for service in other.services}
    in_work = {task.id for task in case.tasks if task.is_open}
    ended = {task.id for task in case.tasks if task.state == "cancelled"}
    left = (
        service
        for service in case.services
        if service.id not in theirs or service.done_on is not None or service.task_id in in_work
    )
    return tuple(
        replace(service, task_id=None) if service.done_on is None and service.task_id in ended else service
        for service in left
    )


def put(services: Sequence[PlannedService], service: PlannedService) -> tuple[PlannedService, ...]:
    """A service as it is from now, in its place; at the end where it is new."""
    if all(known.id != service.id for known in services):
        return (*services, service)
    return tuple(service if known.id == service.id else known for known in services)


def _told(
    decision: Decision,
    service: PlannedService,
    on: date,
    sector: str | None,
    words: Mapping[str, str],
    **more: str,
) -> Decision:
    data = {
        "service_id": service.id,
        "service": service.kind,
        "provided_on": on.isoformat(),
        "planned": service.planned,
        **more,
    }
    event = Happening(events.CaseServiceProvided, _extra(service, on, sector))
    entry = Entry("service.provided", data, words, sector)
    return decision.then(None, event, entries=(entry,), services=put(decision.case.services, service))


def _not_given(decision: Decision, service: PlannedService, on: date) -> Decision:
    event = Happening(events.CaseServiceWithdrawn, _extra(service, on, service.sector))
    data = {"service_id": service.id, "service": service.kind, "provided_on": on.isoformat()}
    return decision.then(None, event, entries=(Entry("service.withdrawn", data, sector=service.sector),))


def _awaited(service: PlannedService) -> PlannedService:
    """As if nobody had said that it was given."""
    return replace(service, done_on=None, given_by=None, told_at=None)


def _told_at(on: date, world: World, *said: datetime | None) -> datetime:
    """When it was first told that a service was given on a day, of the moments at which it is said to have been: what
    was told before that day spoke of another, and what is known now was told by now."""
    return min(at for at in (*said, world.now) if at is not None and at <= world.now and local_day(at) >= on)


def _first_said(case: Case, said: Given, world: World) -> datetime | None:
    """When an event, or what it corrects, said of a day that is not ahead that a service was given on it."""
    before = [service.told_at for service in case.services if said.said_by and service.given_by == said.said_by]
    if said.on > local_day(world.now):
        return said.said_at
    return _told_at(said.on, world, said.said_at, *before)


def _extra(service: PlannedService, on: date, sector: str | None) -> dict[str, object]:
    return {"service_id": service.id, "service": service.kind, "provided_on": on, "service_sector": sector}


def _meant(case: Case, said: Given) -> PlannedService | None:
    """The service that an event speaks of: the one that its sender's own task has told of, for the same day; else one
    still awaited, the sender's own first; else one given before."""
    of_kind = [service for service in case.services if service.kind == said.kind]
    return min(
        of_kind,
        key=lambda service: (
            not _told_by_task(service, said),
            service.done_on is not None,
            service.sector != said.sector,
            service.due,
        ),
        default=None,
    )


def _told_by_task(service: PlannedService, said: Given) -> bool:
    by_task = service.given_by is not None and service.given_by == service.task_id
    return by_task and service.sector == said.sector and service.done_on == said.on


def _taken_back(case: Case, said: Given) -> Decision:
    """A correction counts from scratch: what the same event said before is awaited again, or never was."""
    decision = Decision(case)
    if said.said_by is None:
        return decision
    for service in case.services:
        if service.given_by == said.said_by and service.done_on is not None:
            decision = _not_given(decision, service, service.done_on)
    awaited = [
        _awaited(service) if service.given_by == said.said_by else service
        for service in case.services
        if service.given_by != said.said_by or service.planned or service.kind == said.kind
    ]
    return decision.then(services=tuple(awaited))
