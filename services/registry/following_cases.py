"""What the registry hears of cases: coarse facts only, for the page of the child that they are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

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
from shared.messaging.router import Received, Router, Scope
from shared.messaging.turns import apart
from shared.reference.calendar import local_day
from shared.telemetry import current_traceparent

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

    async def on_cases(received: Sequence[Received[CaseEvent]], scope: Scope) -> None:
        for each_once in apart(received, lambda one: one.data.case_id):
            children = await _follow(scope, each_once)
            traces: dict[str, str | None] = {}
            for one in each_once:
                with scope.span(one.event):
                    traces[one.data.case_id] = current_traceparent()
            await settle_support(scope, *children, traces={child: traces[case] for child, case in children.items()})

    for model in _FOLLOWED:
        router.handles_together(model)(on_cases)

    @router.handles(CaseServiceProvided)
    async def on_service(received: Received[CaseServiceProvided], scope: Scope) -> None:
        await _service(scope, received, given=True)

    @router.handles(CaseServiceWithdrawn)
    async def on_no_service(received: Received[CaseServiceWithdrawn], scope: Scope) -> None:
        await _service(scope, received, given=False)


async def _follow(scope: Scope, received: Sequence[Received[CaseEvent]]) -> dict[str, str]:
    return await cases.follow(
        scope.connection,
        [(one.data.case_id, one.event.sequence or 0, one.data.facts, local_day(one.event.time)) for one in received],
    )


async def _service(
    scope: Scope, received: Received[CaseServiceProvided] | Received[CaseServiceWithdrawn], *, given: bool
) -> None:
    data = received.data
    children = await _follow(scope, [cast("Received[CaseEvent]", received)])
    service = Service(data.service, data.provided_on, data.service_sector)
    sequence = received.event.sequence or 0
    await cases.put_service(scope.connection, data.service_id, data.case_id, sequence, service, given=given)
    of = data.facts.child_id
    await settle_support(scope, *children, *(() if of is None else (of,)))
