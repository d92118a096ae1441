"""Whether history keeps up with what was published: nobody judges by it, nor reads it unwarned, while it does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.store.reached import standing

# So much is a moment's load; what is later than that is said.
_OVERLOOKED: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Late:
    """History is behind. `until`: all that was said before is counted; None: nothing is yet."""

    until: datetime | None


async def lateness(connection: AsyncConnection, now: datetime) -> Late | None:
    """How late history is; None where it keeps up."""
    behind, until = await standing(connection)
    if behind and (until is None or now - until > _OVERLOOKED):
        return Late(until)
    return None
