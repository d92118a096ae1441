"""The desk's calls: what notify did to wake somebody for a child in danger stands in the case, step by step."""

from __future__ import annotations

from typing import Any

from services.cases import store
from services.cases.domain.model import SYSTEM
from services.cases.store import Called
from shared.contracts.notify import EscalationEnded, EscalationRaised, MessageAcknowledged
from shared.messaging.router import Scope


class CallDesk:
    """Takes down what notify says of emergencies."""

    async def raised(self, scope: Scope, data: EscalationRaised, sequence: int) -> None:
        """Somebody was called: the first step, the next, or the last one again."""
        details: dict[str, Any] = {
            "ladder": data.ladder,
            "role": data.role,
            "round": data.round,
            "people": data.people,
            "channels": data.channels,
        }
        await self._take(scope, data, sequence, "called.raised", SYSTEM.id, details)

    async def acknowledged(self, scope: Scope, data: MessageAcknowledged, sequence: int) -> None:
        """Somebody has taken it into hand."""
        details = {"ladder": data.ladder, "role": data.role, "how": data.how}
        await self._take(scope, data, sequence, "called.acknowledged", data.person or SYSTEM.id, details)

    async def ended(self, scope: Scope, data: EscalationEnded, sequence: int) -> None:
        """Nobody is called any more, though nobody answered."""
        await self._take(scope, data, sequence, f"called.{data.state}", SYSTEM.id, {"ladder": data.ladder})

    async def _take(
        self,
        scope: Scope,
        data: EscalationRaised | MessageAcknowledged | EscalationEnded,
        sequence: int,
        kind: str,
        who: str,
        details: dict[str, Any],
    ) -> None:
        called = Called(data.ladder_id, sequence, data.concern_id, data.case_id, data.at, kind, who, details)
        await store.keep_call(scope.connection, called)
        case_id = await store.case_of_call(scope.connection, called)
        if case_id is not None:
            await store.tell_calls(scope.connection, [(case_id, called.concern_id)])
