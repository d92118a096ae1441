"""What notify does on hearing an event: in one transaction the message, every delivery and every in-app notice are
durable, and that they are queued is published. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.notify import store
from services.notify.domain import (
    Happening,
    Rule,
    addressees,
    candidates,
    happening_of,
    path_of,
    payload_of,
    short_type,
)
from services.notify.store import Queued
from services.notify.texts import Texts
from shared.contracts import notify as said
from shared.contracts.base import CONTRACTS, Contract
from shared.messaging.outbox import stable_id
from shared.messaging.router import Received, Router, Scope

HEARD_PUBLISHERS = ("cases", "registry", "stats")


class Desk:
    """Turns events into messages.

    Args:
        rules: whom the house tells by itself. unit_name: a commune's name by its code. base_url: where links lead.
    """

    def __init__(self, rules: Sequence[Rule], unit_name: Callable[[str | None], str], base_url: str) -> None:
        self._rules = rules
        self._unit_name = unit_name
        self._base_url = base_url

    async def on_event(self, received: Received[Contract], scope: Scope) -> None:
        """Queue what the event means for whom. The same event again adds nothing: all ids follow from it."""
        event = received.event
        happening = happening_of(event, received.data, stable_id("message", event.source, event.id))
        told = addressees(self._rules, happening, received.data)
        if told:
            await self.tell_in_app(scope, happening, told)
        body = self.body(happening)
        queued = await store.queue(scope.connection, happening, candidates(happening.event_type), body, scope.now)
        await self._say(scope, happening, queued)

    async def queue_to(self, scope: Scope, happening: Happening, subscription_id: str) -> None:
        """Make one delivery durable, whatever the subscription wants otherwise: a test message."""
        body = self.body(happening)
        queued = await store.queue_to(scope.connection, happening, subscription_id, body, scope.now)
        await self._say(scope, happening, queued)

    def body(self, happening: Happening) -> bytes:
        """What partners receive of it."""
        return payload_of(happening, self._unit_name(happening.unit), self._base_url)

    async def _say(self, scope: Scope, happening: Happening, queued: Sequence[Queued]) -> None:
        for item in queued:
            event = said.MessageQueued(
                delivery_id=item.id,
                subscription_id=item.subscription_id,
                channel=item.channel,
                event_type=happening.event_type,
                case_id=happening.case_id,
            )
            await scope.emit(event, subject=item.id, sequence=1)

    async def tell_in_app(self, scope: Scope, happening: Happening, told: dict[str, bool], path: str = "") -> None:
        """Write notices. The row is what people see, so it is delivered with the commit."""
        where = path or path_of(happening)
        for notice_id in await store.put_notices(scope.connection, happening, where, told, scope.now):
            facts = {
                "delivery_id": notice_id,
                "subscription_id": "inbox",
                "channel": "inbox",
                "event_type": happening.event_type,
                "case_id": happening.case_id,
            }
            await scope.emit(said.MessageQueued.model_validate(facts), subject=notice_id, sequence=1)
            done = said.DeliverySucceeded.model_validate({**facts, "attempts": 1})
            await scope.emit(done, subject=notice_id, sequence=2)


def notifiable(texts: Texts) -> list[type[Contract]]:
    """Contracts that there are words for, of the services that are heard."""
    return [
        model
        for model in CONTRACTS.values()
        if model.PUBLISHER in HEARD_PUBLISHERS and short_type(model.TYPE) in texts.wordings
    ]


def routed(desk: Desk, texts: Texts) -> Router:
    """The desk's handler for every event that can be notified about."""
    router = Router("notify")
    for model in notifiable(texts):
        router.handles(model)(desk.on_event)
    return router
