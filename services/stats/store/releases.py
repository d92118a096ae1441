"""What is released, written down once: the first who writes a period down wins, and everybody reads that.

The database refuses to change or delete it, and no rebuild touches it. It holds what was counted, small figures too:
what may be shown of it is worked out from it alone (`figures.released`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.releases import Counted, Tabled, Taken
from services.stats.store.locks import Lock, wait_for

_SEPARATOR: Final = "+"


async def write_down(connection: AsyncConnection, period: str, known_at: datetime, at: datetime, taken: Taken) -> bool:
    """Write a period down. Out: whether this was the first; what another wrote is left as it is."""
    # Whoever is second waits, and then sees the first one's.
    await wait_for(connection, Lock.RELEASES)
    row = await connection.execute(
        text(
            """INSERT INTO release (period, known_at, at) VALUES (:period, :known_at, :at)
               ON CONFLICT DO NOTHING RETURNING period"""
        ),
        {"period": period, "known_at": known_at, "at": at},
    )
    if row.first() is None:
        return False
    counts = [{"period": period, **_key(tabled), **_content(counted)} for tabled, counted in taken.counts.items()]
    if counts:
        await connection.execute(text(_COUNTS), counts)
    figures = [
        {"period": period, "indicator": indicator, "of_period": of_period, "value": value}
        for (indicator, of_period), value in taken.figures.items()
    ]
    if figures:
        await connection.execute(text(_FIGURES), figures)
    return True


class Releases:
    """What is written down, for whoever answers from it."""

    def __init__(self) -> None:
        self._periods: WeakKeyDictionary[AsyncConnection, frozenset[str]] = WeakKeyDictionary()

    async def periods(self, connection: AsyncConnection) -> frozenset[str]:
        """The periods that are, as a transaction saw them when it first asked: all figures of a page agree."""
        found = self._periods.get(connection)
        if found is None:
            rows = await connection.execute(text("SELECT period FROM release"))
            found = self._periods[connection] = frozenset(row.period for row in rows)
        return found

    async def tables(
        self, connection: AsyncConnection, measure: str, periods: Sequence[str]
    ) -> Mapping[str, Mapping[Tabled, tuple[str, ...]]]:
        """Which tables of a measure there are of each period, and by which dimensions of the hub."""
        found: dict[str, dict[Tabled, tuple[str, ...]]] = {period: {} for period in periods}
        for row in await connection.execute(text(_TABLES), {"measure": measure, "periods": list(periods)}):
            tabled = Tabled(measure, _parts(row.circumstances), _parts(row.by_what))
            found[row.period][tabled] = _parts(row.hub)
        return found

    async def counts(
        self, connection: AsyncConnection, tabled: Tabled, periods: Sequence[str]
    ) -> Mapping[str, Counted]:
        """A table as it was written down of each period."""
        rows = await connection.execute(text(_READ), {**_key(tabled), "periods": list(periods)})
        return {row.period: Counted(_parts(row.hub), [(tuple(keys), n) for keys, n in row.counts]) for row in rows}

    async def figure(self, connection: AsyncConnection, indicator: str, period: str) -> tuple[float | None] | None:
        """What was handed in of a period: a figure, or none; None where that was not written down."""
        row = await connection.execute(text(_FIGURE), {"indicator": indicator, "period": period})
        found = row.one_or_none()
        return None if found is None else (found.value,)


def _key(tabled: Tabled) -> dict[str, Any]:
    return {
        "measure": tabled.measure,
        "circumstances": _SEPARATOR.join(tabled.circumstances),
        "by_what": _SEPARATOR.join(tabled.by),
    }


def _content(counted: Counted) -> dict[str, Any]:
    return {"hub": _SEPARATOR.join(counted.hub), "counts": orjson.dumps(counted.rows).decode()}


def _parts(said: str) -> tuple[str, ...]:
    return tuple(said.split(_SEPARATOR)) if said else ()


_COUNTS: Final = """
INSERT INTO release_count (period, measure, circumstances, by_what, hub, counts)
VALUES (:period, :measure, :circumstances, :by_what, :hub, CAST(:counts AS jsonb))
"""
_FIGURES: Final = """
INSERT INTO release_figure (period, indicator, of_period, value) VALUES (:period, :indicator, :of_period, :value)
"""
_TABLES: Final = """
SELECT period, circumstances, by_what, hub FROM release_count WHERE measure = :measure AND period = ANY(:periods)
"""
_READ: Final = """
SELECT period, hub, counts FROM release_count
WHERE measure = :measure AND circumstances = :circumstances AND by_what = :by_what AND period = ANY(:periods)
"""
_FIGURE: Final = "SELECT value FROM release_figure WHERE indicator = :indicator AND of_period = :period"
