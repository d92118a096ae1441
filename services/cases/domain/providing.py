"""Services as they are given to the child: those of the plan, and more.

Pure (Law on Children 2016, Art. 48-50; Decree 56/2017, Art. 29).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from services.cases.domain import acts
from services.cases.domain.model import (
    Case,
    Decision,
    Entry,
    Happening,
    PlannedService,
    World,
    local_day,
    refuse,
)
from shared.contracts import cases as events


@dataclass(frozen=True, slots=True)
class Given:
    """A service that somebody says was given. `sector`: whose; `said_by`: the agency event, for its corrections."""

    kind: str
    on: date
    sector: str | None = None
    provider: str | None = None
    notes: str | None = None
    said_by: str | None = None


def record(case: Case, act: acts.RecordService, world: World) -> Decision:
    """The commune's worker writes down that a service was given. Raises: `Rejected` (service-kind, and `give`'s)."""
    planned = next((service for service in case.services if service.id == act.service), None)
    kind = planned.kind if planned else act.service
    said = Given(kind, act.provided_on, planned.sector if planned else None, act.provider, act.notes)
    return give(case, said, world, planned, field="service", day="provided_on")


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
    case = _taken_back(case, said)
    return give(case, said, world, _meant(case, said), field="data.service", day="data.provided_on")


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
    if service.done_on is None:
        service = replace(service, done_on=said.on, given_by=said.said_by)
    words = {name: text for name, text in (("provider", said.provider), ("notes", said.notes)) if text}
    data = {
        "service_id": service.id,
        "service": said.kind,
        "provided_on": said.on.isoformat(),
        "planned": service.planned,
    }
    event = Happening(
        events.CaseServiceProvided,
        {"service_id": service.id, "service": said.kind, "provided_on": said.on, "service_sector": said.sector},
    )
    entry = Entry("service.provided", data, words, said.sector)
    return Decision(case).then(None, event, entries=(entry,), services=put(case.services, service))


def put(services: Sequence[PlannedService], service: PlannedService) -> tuple[PlannedService, ...]:
    """A service as it is from now, in its place; at the end where it is new."""
    if all(known.id != service.id for known in services):
        return (*services, service)
    return tuple(service if known.id == service.id else known for known in services)


def _meant(case: Case, said: Given) -> PlannedService | None:
    """The service that an event speaks of: one still awaited, the sender's own first; else one given before."""
    of_kind = [service for service in case.services if service.kind == said.kind]
    return min(
        of_kind,
        key=lambda service: (service.done_on is not None, service.sector != said.sector, service.due),
        default=None,
    )


def _taken_back(case: Case, said: Given) -> Case:
    """A correction counts from scratch: what the same event said before is awaited again, or never was."""
    if said.said_by is None:
        return case
    awaited = [
        replace(service, done_on=None, given_by=None) if service.given_by == said.said_by else service
        for service in case.services
        if service.given_by != said.said_by or service.planned or service.kind == said.kind
    ]
    return replace(case, services=tuple(awaited))
