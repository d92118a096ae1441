"""What a change of the record means for how it stands: whoever writes what is known of a child asks this first."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time

from services.registry.domain import lifecycle
from services.registry.domain.children import Known
from services.registry.store import lifecycle as lives
from services.registry.store.children import ChildRow
from shared.messaging.router import Scope
from shared.reference.calendar import LOCAL


def today(scope: Scope) -> date:
    """The day in the province."""
    return scope.now.astimezone(LOCAL).date()


def midnight(scope: Scope) -> datetime:
    """When the day began in the province."""
    return datetime.combine(today(scope), time(0), LOCAL)


async def follow(scope: Scope, row: ChildRow, known: Known) -> Known:
    """What is known with how the record stands after it: as it stood, but that a child who lives in another
    commune from now is new to whoever works there. `row`, as it was, must be locked."""
    kept = replace(known, state=row.known.state, status=row.known.status)
    if row.known.unit is None or known.unit is None or known.unit == row.known.unit or kept.status != "active":
        return kept
    standing = await lives.standing(scope.connection, row.id)
    life = lifecycle.arrive(standing.life)
    await lives.arrive(scope.connection, row.id, life, scope.now, today(scope), row.known.unit)
    return replace(kept, state=life.state)
