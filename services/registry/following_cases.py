"""What the registry hears of cases: coarse facts only, for the page of the child that they are about."""

from __future__ import annotations

from services.registry.store import cases
from services.registry.store.cases import Service
from shared.contracts.cases import (
    CaseClosed,
    CaseEvent,
    CaseMerged,
    CaseOpened,
    CaseReclassified,
    CaseReopened,
    CaseServiceProvided,
    CaseServiceWithdrawn,
    CaseTransferred,
    ChildLinked,
    ChildUnlinked,
)
from shared.messaging.router import Received, Router, Scope
from shared.reference.calendar import local_day

_FOLLOWED: tuple[type[CaseEvent], ...] = (
    CaseOpened,
    ChildLinked,
    ChildUnlinked,
    CaseReclassified,
    CaseTransferred,
    CaseClosed,
    CaseReopened,
    CaseMerged,
)


def follow_cases(router: Router) -> None:
    """Add the handlers of what happens to cases."""

    async def on_case(received: Received[CaseEvent], scope: Scope) -> None:
        data = received.data
        await cases.follow(
            scope.connection, data.case_id, received.event.sequence or 0, data.facts, local_day(received.event.time)
        )

    for model in _FOLLOWED:
        router.handles(model)(on_case)

    async def on_service(received: Received[CaseServiceProvided | CaseServiceWithdrawn], scope: Scope) -> None:
        await on_case(received, scope)
        data = received.data
        told = Service(data.service, data.provided_on, data.service_sector)
        given = isinstance(data, CaseServiceProvided)
        sequence = received.event.sequence or 0
        await cases.put_service(scope.connection, data.service_id, data.case_id, sequence, told, given=given)

    for about in (CaseServiceProvided, CaseServiceWithdrawn):
        router.handles(about)(on_service)
