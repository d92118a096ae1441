"""What the registry hears of cases: coarse facts only, for the page of the child that they are about."""

from __future__ import annotations

from services.registry.desk.support import settle_support
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
from shared.contracts.envelope import Envelope
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

    async def follow(data: CaseEvent, event: Envelope, scope: Scope) -> frozenset[str]:
        day = local_day(event.time)
        return await cases.follow(scope.connection, data.case_id, event.sequence or 0, data.facts, day)

    async def on_case(received: Received[CaseEvent], scope: Scope) -> None:
        await settle_support(scope, *await follow(received.data, received.event, scope))

    for model in _FOLLOWED:
        router.handles(model)(on_case)

    @router.handles(CaseServiceProvided)
    async def on_service(received: Received[CaseServiceProvided], scope: Scope) -> None:
        data = received.data
        children = await follow(data, received.event, scope)
        given = Service(data.service, data.provided_on, data.service_sector)
        await cases.put_service(scope.connection, data.service_id, data.case_id, given)
        await settle_support(scope, *children, *_child_of(data))

    @router.handles(CaseServiceWithdrawn)
    async def on_service_withdrawn(received: Received[CaseServiceWithdrawn], scope: Scope) -> None:
        data = received.data
        children = await follow(data, received.event, scope)
        await cases.remove_service(scope.connection, data.service_id)
        await settle_support(scope, *children, *_child_of(data))


def _child_of(data: CaseEvent) -> tuple[str, ...]:
    return () if data.facts.child_id is None else (data.facts.child_id,)
