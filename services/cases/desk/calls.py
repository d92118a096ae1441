"""The desk's calls: what notify did to wake somebody for a child in danger stands in the case, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.cases import store
from services.cases.domain.model import SYSTEM
from services.cases.store import Called
from shared.contracts.notify import EscalationEnded, EscalationRaised, MessageAcknowledged
from shared.messaging.router import Scope


class CallDesk:
    """Takes down what notify says of emergencies."""

    async def raised(self, scope: Scope, said: Sequence[tuple[EscalationRaised, int]]) -> None:
        """Somebody was called: the first step, the next, or the last one again. In: each with its sequence."""
        await self._take(
            scope,
            [
                _called(
                    data,
                    sequence,
                    "called.raised",
                    SYSTEM.id,
                    role=data.role,
                    round=data.round,
                    people=data.people,
                    channels=data.channels,
                )
                for data, sequence in said
            ],
        )

    async def acknowledged(self, scope: Scope, data: MessageAcknowledged, sequence: int) -> None:
        """Somebody has taken it into hand."""
        who = data.person or SYSTEM.id
        await self._take(scope, [_called(data, sequence, "called.acknowledged", who, role=data.role, how=data.how)])

    async def ended(self, scope: Scope, data: EscalationEnded, sequence: int) -> None:
        """Nobody is called any more, though nobody answered."""
        await self._take(scope, [_called(data, sequence, f"called.{data.state}", SYSTEM.id)])

    async def _take(self, scope: Scope, called: Sequence[Called]) -> None:
        await store.keep_calls(scope.connection, called)
        await store.tell_calls(scope.connection, await store.cases_of_calls(scope.connection, called))


def _called(
    data: EscalationRaised | MessageAcknowledged | EscalationEnded, sequence: int, kind: str, who: str, **details: Any
) -> Called:
    said = {"ladder": data.ladder, **details}
    return Called(data.ladder_id, sequence, data.concern_id, data.case_id, data.at, kind, who, said)
