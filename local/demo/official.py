"""The province's statistics in the demo: months are closed, hospitals hand in late, and a closed month is told anew."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Final

from local.demo.players import Players
from local.demo.schedule import DAYS

CLOSES_ON: Final = 5
LATE_ON: Final = 19
_REVISES_ON: Final = 21
# Freezing takes seconds, on a busy machine a minute; a demo does not wait for ever.
_TRIES, _PAUSE = 180, 0.5
# The year before the pilot had nothing to close.
_YEAR: Final = 366
_REFERENCE: Final = "1124/SYT-NVY"


class Official:
    """The coordinator's work on figures.

    Args:
        players: who acts.
    """

    def __init__(self, players: Players) -> None:
        self._players = players

    async def day(self, day: date, ago: int) -> None:
        """What is done on a day: last month is closed, in February last year too; one month is revised."""
        if day.day == CLOSES_ON and ago <= DAYS:
            await self._close(_month_before(day))
        # By then sectors have handed in their figures of the year.
        if (day.month, day.day) == (2, CLOSES_ON) and ago < _YEAR:
            await self._close(str(day.year - 1))
        # The latest is left to whoever tries the demo: the page says how much differs by now.
        if day.day == _REVISES_ON and _REVISES_ON < ago <= DAYS - (_REVISES_ON - CLOSES_ON):
            asked = {"reason": "late", "reference": _REFERENCE}
            await self._players.post("coordinator", f"/stats/api/periods/{_month_before(day)}/revise", asked)

    async def _close(self, code: str) -> None:
        """Close a period and wait until it is frozen, so that it bears the day on which it was asked for."""
        path = f"/stats/api/periods/{code}"
        if not await self._players.post("coordinator", f"{path}/close", {}):
            return
        for _ in range(_TRIES):
            known = await self._players.get("coordinator", path)
            if known and not known["asked"]:
                return
            await asyncio.sleep(_PAUSE)


def _month_before(day: date) -> str:
    return (day.replace(day=1) - timedelta(days=1)).isoformat()[:7]
