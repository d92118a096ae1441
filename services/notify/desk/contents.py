"""Content that another service sealed to a partner: passed on within its agreement, and never read here.

It is a message of its own, after the one that says what happened: who may have the first need not have the second.
"""

from __future__ import annotations

from datetime import timedelta

import orjson

from services.notify.desk.giving_up import tell_given_up
from services.notify.desk.queueing import Queueing
from services.notify.domain import Addressed, Happening, Message, candidates, timed_id
from services.notify.store import agreements, contents
from shared.contracts.base import TYPE_PREFIX
from shared.contracts.registry import ChildErased
from shared.contracts.sealed import SealedContent
from shared.messaging.failures import forget_about
from shared.messaging.router import Received, Scope
from shared.telemetry import current_traceparent

# It is of the moment of its event, and one after it: partners whose endpoints ask for order have the event first.
_AFTER = timedelta(milliseconds=1)


class Contents:
    """Passes sealed content on.

    Args:
        queueing: makes deliveries durable. base_url: where links lead.
    """

    def __init__(self, queueing: Queueing, base_url: str) -> None:
        self._queueing = queueing
        self._base_url = base_url

    async def pass_on(self, received: Received[SealedContent], scope: Scope) -> None:
        """Queue a box for the endpoints of its agreement, if that is still in force."""
        data = received.data
        agreement = await agreements.find(scope.connection, data.agreement_id, share=True)
        if agreement is None or agreement.not_told(data.event_type, data.unit, scope.now) is not None:
            return
        if agreement.kid != data.box.kid or not set(data.fields) <= set(agreement.fields_of(data.event_type)):
            return
        # Events and contents travel apart: the erasure may have been heard first.
        if data.child_id is not None and await contents.erased(scope.connection, data.child_id):
            return
        message = self._message(received)
        wanted = await contents.endpoints_of(scope.connection, agreement.id, candidates(data.event_type), data.unit)
        addressed = [Addressed(message.id, endpoint, subscription, data.case_id) for endpoint, subscription in wanted]
        if await self._queueing.queue(scope, [message], addressed):
            at = message.happening.time
            await contents.keep(scope.connection, (message.id, at), agreement.id, data.case_id, data.child_id)

    async def erase(self, received: Received[ChildErased], scope: Scope) -> None:
        """A child was erased by law: what waits about it is sent no more, what was sent is not kept here."""
        child_id = received.data.child_id
        await contents.note_erased(scope.connection, child_id, scope.now)
        await tell_given_up(scope, await contents.stop_child(scope.connection, child_id, scope.now))
        await contents.forget(scope.connection, child_id=child_id)
        await forget_about(scope, [f"child/{child_id}"])

    def _message(self, received: Received[SealedContent]) -> Message:
        data, at = received.data, received.data.event_time + _AFTER
        event_type = type(data).TYPE.removeprefix(TYPE_PREFIX)
        happening = Happening(
            id=timed_id(at, "content", received.event.source, received.event.id),
            event_type=event_type,
            time=at,
            unit=data.unit,
            case_id=data.case_id,
            due=None,
            sector=None,
            codes={},
        )
        document = {
            "type": TYPE_PREFIX + event_type,
            "timestamp": data.event_time.isoformat(),
            "data": {
                # The same as of the message that said what happened.
                "event_id": timed_id(data.event_time, "message", data.event_source, data.event_id),
                "event_type": TYPE_PREFIX + data.event_type,
                "agreement_id": data.agreement_id,
                "fields": data.fields,
                "sealed": data.box.model_dump(exclude_none=True),
                "link": f"{self._base_url}/notify/agreements/{data.agreement_id}",
            },
        }
        return Message(happening, orjson.dumps(document, option=orjson.OPT_SORT_KEYS), current_traceparent())
