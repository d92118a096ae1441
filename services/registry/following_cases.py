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

    async def on_case(received: Received[CaseEvent], scope: Scope) -> None:
        await settle_support(scope, *await _follow(scope, received.event, received.data))

    for model in _FOLLOWED:
        router.handles(model)(on_case)

    @router.handles(CaseServiceProvided)
    async def on_service(received: Received[CaseServiceProvided], scope: Scope) -> None:
        await _service(scope, received.event, received.data, given=True)

    @router.handles(CaseServiceWithdrawn)
    async def on_no_service(received: Received[CaseServiceWithdrawn], scope: Scope) -> None:
        await _service(scope, received.event, received.data, given=False)


async def _follow(scope: Scope, event: Envelope, data: CaseEvent) -> frozenset[str]:
    day = local_day(event.time)
    return await cases.follow(scope.connection, data.case_id, event.sequence or 0, data.facts, day)


async def _service(
    scope: Scope, event: Envelope, data: CaseServiceProvided | CaseServiceWithdrawn, *, given: bool
) -> None:
    children = await _follow(scope, event, data)
    service = Service(data.service, data.provided_on, data.service_sector)
    await cases.put_service(scope.connection, data.service_id, data.case_id, event.sequence or 0, service, given=given)
    of = data.facts.child_id
    await settle_support(scope, *children, *(() if of is None else (of,)))
