"""Who waits for whom in a database, for tests that hold somebody until another has come."""

from __future__ import annotations

from typing import Any, Protocol


class Asked(Protocol):
    """A house whose database can be asked."""

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        """The rows of a statement."""


async def waiting(house: Asked) -> int:
    """How many wait for what another transaction holds."""
    return len(
        await house.rows(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )
