"""Which sectors are heard from, how often each usually is, and which have gone silent: one rule for whoever tells
people and for every page that shows it. It knows sectors and days, nothing of what was said.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.periods import Period
from services.stats.domain.surges import Heard, usual_spacing, working_days_after
from services.stats.figures.evaluating import Evaluator
from services.stats.store.quality import last_heard
from shared.contracts.vocabulary import SECTORS
from shared.reference.calendar import WorkCalendar, local_day
from shared.reference.indicators import Part
from shared.reference.thresholds import Watch

_URGENCY: Final[dict[Heard, int]] = {"silent": 0, "never": 1, "seldom": 2, "heard": 3}


@dataclass(frozen=True, slots=True)
class Voice:
    """A sector. `last`: when it last said anything; `usual_days`: between two days on which it did; None: too few to
    tell. `broke_its_habit`: it is silent by the rule that alarms."""

    sector: str
    last: datetime | None
    usual_days: float | None
    state: Heard
    broke_its_habit: bool = False

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "sector": self.sector,
            "state": self.state,
            "last_heard": self.last and self.last.isoformat(),
            "usual_days": self.usual_days and round(self.usual_days, 1),
        }


async def voices(connection: AsyncConnection, evaluator: Evaluator, watch: Watch, today: date) -> list[Voice]:
    """Every sector, those first that need a question: the silent ones, the longest silent before the others.

    In: `watch`: what counts as a sign, how long is too long. `today`: the day here. Raises what says that the database
    is away.
    """
    told = await last_heard(connection)
    days = await _days_heard(connection, evaluator, watch, today)
    found = [_voice(sector, told.get(sector), days[sector], watch, today) for sector in SECTORS]
    return sorted(found, key=lambda one: (_URGENCY[one.state], one.last.timestamp() if one.last else 0.0))


def _voice(sector: str, last: datetime | None, days: set[date], watch: Watch, today: date) -> Voice:
    if last is None:
        return Voice(sector, None, None, "never")
    silence = (today - local_day(last)).days
    if len(days) < watch.silent_known:
        return Voice(sector, last, None, "silent" if silence > watch.silent_window else "seldom")
    spacing = usual_spacing(days, today - timedelta(days=watch.silent_window), max(days))
    quiet = working_days_after(local_day(last), today, WorkCalendar.load().is_working_day)
    broke = quiet >= watch.silent_least and silence >= watch.silent_factor * spacing
    return Voice(sector, last, spacing, "silent" if broke else "heard", broke)


async def _days_heard(
    connection: AsyncConnection, evaluator: Evaluator, watch: Watch, today: date
) -> dict[str, set[date]]:
    """On which days of the window something of each sector happened, as far as it is known."""
    window = [Period.containing(today - timedelta(days=back), "day") for back in range(watch.silent_window + 1)]
    found: dict[str, set[date]] = defaultdict(set)
    for measure in watch.silent_measures:
        counted = await evaluator.count_periods(connection, Part(measure, "period", {}), window, by=("sector",))
        for day, rows in counted.items():
            for keys, _ in rows:
                found[keys[0]].add(day.first)
    return found
