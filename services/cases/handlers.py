"""One function an incoming event: load, decide, save, emit, in the one transaction that the inbox row is part of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeVar

from services.cases.desk import Answered, Arrived, Desk, Origin
from services.cases.desk.intake import names_of
from services.cases.store.erasing import behind, related
from shared.contracts.agency import ConcernReported, IncidentRecorded, ServiceProvided, TaskAnswered
from shared.contracts.base import Contract
from shared.contracts.notify import EscalationEnded, EscalationRaised, MessageAcknowledged
from shared.contracts.registry import ChildIdentified, ChildMerged, ChildSplit
from shared.messaging.router import Received, Router, Scope

C = TypeVar("C", bound=Contract)


def build_router(desk: Desk) -> Router:
    """The service's handlers around its desk."""
    router = Router("cases", named=names_of, related=related, behind=behind)

    @router.handles_together(ConcernReported)
    async def on_concerns(received: Sequence[Received[ConcernReported]], scope: Scope) -> None:
        await desk.intake.take_in_all(
            scope, [Arrived(one.data, _origin(one), partial(scope.span, one.event)) for one in received]
        )

    @router.handles(IncidentRecorded)
    async def on_incident(received: Received[IncidentRecorded], scope: Scope) -> None:
        await desk.incidents.record(scope, received.data, _origin(received))

    @router.handles(TaskAnswered)
    async def on_answer(received: Received[TaskAnswered], scope: Scope) -> None:
        await desk.tasks.take_answer(
            scope, received.data, _origin(received), said_at=received.event.time, correction=received.correction
        )

    @router.handles(ServiceProvided)
    async def on_service(received: Received[ServiceProvided], scope: Scope) -> None:
        await desk.services.provided(scope, received.data, _origin(received), said_at=received.event.time)

    @router.handles_together(ChildIdentified)
    async def on_identified(received: Sequence[Received[ChildIdentified]], scope: Scope) -> None:
        await desk.cases.identified_all(scope, [_answered(one, scope) for one in received])

    @router.handles(ChildMerged)
    async def on_merged(received: Received[ChildMerged], scope: Scope) -> None:
        await desk.cases.child_merged(scope, received.data.merged_id, received.data.child_id, received.event.time)

    @router.handles(ChildSplit)
    async def on_split(received: Received[ChildSplit], scope: Scope) -> None:
        data = received.data
        await desk.cases.child_split(scope, data.from_child_id, data.child_id, data.replaces_id, received.event.time)

    @router.handles_together(EscalationRaised)
    async def on_raised(received: Sequence[Received[EscalationRaised]], scope: Scope) -> None:
        for one in received:
            with scope.span(one.event):
                pass  # nothing is told of it: its trace ends here
        await desk.calls.raised(scope, [(one.data, one.event.sequence or 0) for one in received])

    @router.handles(MessageAcknowledged)
    async def on_acknowledged(received: Received[MessageAcknowledged], scope: Scope) -> None:
        await desk.calls.acknowledged(scope, received.data, received.event.sequence or 0)

    @router.handles(EscalationEnded)
    async def on_ended(received: Received[EscalationEnded], scope: Scope) -> None:
        await desk.calls.ended(scope, received.data, received.event.sequence or 0)

    return router


def _origin(received: Received[C]) -> Origin:
    return Origin(received.sector or "", received.event.source, received.event.id)


def _answered(received: Received[ChildIdentified], scope: Scope) -> Answered:
    data = received.data
    candidates = [candidate.model_dump() for candidate in data.candidates]
    return Answered(data.case_id, data.child_id, candidates, partial(scope.span, received.event))
