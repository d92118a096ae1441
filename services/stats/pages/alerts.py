"""What somebody has to hear of at once: a commune with more reports than ever, a sector that says nothing any more.

For whoever sees figures as they are only: a surge in a commune tells of single children.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.pages.looking import Sight
from services.stats.store.crossings import Noted, noted
from shared.reference.indicators import Indicators
from shared.reference.terms import Terms
from shared.web.i18n import ZONE, format_date

# What is crossed is seen anew every few minutes; what was not seen for so long is over.
_STANDS: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to look at: what, since when, and where to look further."""

    said: str
    since: datetime
    href: str


async def alerts_of(connection: AsyncConnection, sight: Sight, indicators: Indicators) -> list[Alert]:
    """What stands now in the reader's communes, the latest first; nothing where the period is over."""
    if not sight.exact or sight.over:
        return []
    found = (
        _alert(sight, indicators, one) for one in await noted(connection, ("surge", "silence"), sight.now - _STANDS)
    )
    return [one for one in found if one is not None]


def _alert(sight: Sight, indicators: Indicators, one: Noted) -> Alert | None:
    first, _, rest = one.subject.partition("/")
    words = sight.words
    if one.watch == "silence":
        if not sight.wide:
            return None
        last = datetime.fromisoformat(rest)
        sector = Terms.load("sectors").label(first, words.language)
        said = words(
            "%(sector)s: không gửi tin nào từ ngày %(day)s", sector=sector, day=format_date(last.astimezone(ZONE))
        )
        return Alert(said, one.since, "/stats/quality")
    indicator = indicators.get(first)
    if indicator is None or (sight.units is not None and rest not in sight.units):
        return None
    said = words(
        "%(place)s: số liệu «%(indicator)s» bảy ngày qua cao hơn hẳn mức thường có",
        place=words.unit(rest),
        indicator=indicator.label(words.language),
    )
    month = sight.today.strftime("%Y-%m")
    return Alert(said, one.since, f"/stats/indicators/{indicator.code}?period={month}&place={rest}")
