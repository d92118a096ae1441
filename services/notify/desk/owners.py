"""What owners hear of their endpoints: that one was switched off, is sent to again, or that something never arrived."""

from __future__ import annotations

from collections.abc import Sequence

from services.notify.desk.giving_up import tell_given_up
from services.notify.desk.telling import Desk
from services.notify.domain import Happening
from services.notify.store.endpoints import Endpoint
from services.notify.store.retention import GivenUp
from shared.contracts import notify as said
from shared.messaging.outbox import stable_id
from shared.messaging.router import Scope


class Owners:
    """Tells owners in the app, and publishes it.

    Args:
        desk: writes notices.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def disabled(self, scope: Scope, endpoint: Endpoint) -> None:
        """An endpoint was switched off."""
        since = endpoint.failing_since or scope.now
        event = said.EndpointDisabled(subscription_id=endpoint.id, since=since)
        await scope.emit(event, subject=endpoint.id, sequence=endpoint.sequence)
        await self._tell(scope, endpoint, "notify.endpoint.disabled", str(endpoint.sequence))

    async def restored(self, scope: Scope, endpoint: Endpoint, missed: int) -> None:
        """An endpoint that was switched off is sent to again."""
        event = said.EndpointRestored(subscription_id=endpoint.id, missed=missed)
        await scope.emit(event, subject=endpoint.id, sequence=endpoint.sequence)

    async def given_up(self, scope: Scope, endpoint: Endpoint, lost: Sequence[GivenUp]) -> None:
        """Deliveries will never arrive: each is published, their owner is told once for all."""
        await tell_given_up(scope, lost)
        if lost:
            await self._tell(scope, endpoint, "notify.deliveries.given-up", f"{scope.now:%Y-%m-%d}")

    async def _tell(self, scope: Scope, endpoint: Endpoint, event_type: str, what: str) -> None:
        happening = Happening(
            id=stable_id(event_type, endpoint.id, what),
            event_type=event_type,
            time=scope.now,
            unit=None,
            case_id=None,
            due=None,
            sector=None,
            codes={},
        )
        path = f"/notify/subscriptions/{endpoint.id}"
        await self._desk.tell_in_app(scope, happening, {endpoint.audience: True}, path)
