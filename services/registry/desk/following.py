"""What a change of the record means for how it stands: whoever writes what is known of a child asks this first."""

from __future__ import annotations

from datetime import date, datetime, time

from services.registry.domain import lifecycle
from services.registry.domain.children import Known
from services.registry.store import lifecycle as lives
from services.registry.store.children import ChildRow
from shared.messaging.router import Scope
from shared.reference.calendar import LOCAL, local_day


def today(scope: Scope) -> date:
    """The day in the province."""
    return local_day(scope.now)


def midnight(scope: Scope) -> datetime:
    """When the day began in the province."""
    return datetime.combine(today(scope), time(0), LOCAL)


async def arrived(scope: Scope, row: ChildRow, known: Known) -> None:
    """Where the child lives in another commune from now, that commune has the record to look through. `row`: as it was,
    locked; `known`: as it was saved."""
    if not lifecycle.has_moved(row.known, known):
        return
    standing = await lives.standing(scope.connection, row.id)
    life = lifecycle.arrive(standing.life)
    await lives.arrive(scope.connection, row.id, life, scope.now, today(scope), row.known.unit or "")
