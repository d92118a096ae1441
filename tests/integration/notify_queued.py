"""Messages that tests queue for an endpoint of their own, as a decider would."""

from __future__ import annotations

from typing import Any

from services.notify.desk.queueing import Queueing
from services.notify.domain import Addressed, Happening, Message, timed_id
from shared.messaging.router import Scope
from shared.reference.delivering import Delivering
from tests.integration.notify_house import CASE, UNIT, House, Person


async def say(
    house: House, endpoint: str, count: int = 1, *, name: str = "m", key: str | None = None, **more: Any
) -> list[str]:
    """Queue so many messages for an endpoint. In: `key`: by which they keep their order; `more`: of `Addressed`. Out:
    ids of the deliveries."""
    now = house.context.clock()
    async with house.database.transaction() as connection:
        scope = Scope("notify", connection, now)
        messages, addressed = [], []
        for number in range(count):
            identifier = timed_id(now, "test", name, str(number))
            happening = Happening(identifier, "cases.case.opened", now, UNIT, CASE, None, None, {})
            messages.append(
                Message(happening, b'{"type":"x","timestamp":"2026-01-01T00:00:00Z","data":{"n":%d}}' % number)
            )
            addressed.append(Addressed(identifier, endpoint, order_key=key, **more))
        queued = await Queueing(Delivering.load()).queue(scope, messages, addressed)
        await scope.flush()
    return [item.id for item in queued]


async def endpoint(partner: Person, url: str, **more: Any) -> str:
    """An endpoint that hears nothing but what tests queue for it."""
    body = {"channel": "webhook", "target": url, "event_types": ["cases.care.ended"], **more}
    created: dict[str, str] = await partner.api("/subscriptions", body)
    return created["id"]
