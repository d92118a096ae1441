"""What was handed in: figures of indicators that nobody here counts, each as its last event has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.periods import Period
from services.stats.domain.pieces import NEVER
from services.stats.store.answers import FIGURES, Answers


class Handed(NamedTuple):
    """A figure as it was handed in. `unit`: empty for the whole province. `period`: the one it was handed in for, which
    lies in the asked one. `weight`: of how many it is a mean, 0 where nobody says. `at`: when it was said."""

    unit: str
    period: str
    value: float
    weight: int
    sector: str
    at: datetime


async def next_sequence(connection: AsyncConnection, record_id: str) -> int:
    """The number of the next event on what an agency handed in; its row stays locked until the transaction ends."""
    number = await connection.execute(
        text(
            """INSERT INTO agency_record AS r (id, sequence) VALUES (CAST(:id AS uuid), 1)
               ON CONFLICT (id) DO UPDATE SET sequence = r.sequence + 1 RETURNING sequence"""
        ),
        {"id": record_id},
    )
    return int(number.scalar_one())


async def reported(
    connection: AsyncConnection,
    wanted: Mapping[str, Iterable[Period]],
    *,
    units: frozenset[str] | None = None,
    as_of: datetime | None = None,
    answers: Answers | None = None,
) -> dict[str, dict[Period, list[Handed]]]:
    """What was handed in for indicators of shape `reported`: in each period one figure a unit, in their order.

    It is the figure of the very period, else the last one of a period within it (of a year its last month's); of
    several of one period the one that was said last. Args: as for `history.count_all`.
    """
    changes = None if answers is None else (await answers.stamps(connection)).between(FIGURES, date.min, date.max)
    found: dict[str, dict[Period, list[Handed]]] = {}
    missing: dict[str, None] = {}
    periods: dict[Period, None] = {}
    for code, of_code in wanted.items():
        known = found[code] = {}
        for period in of_code:
            figures = None
            if answers is not None and changes is not None:
                figures = answers.get(("handed", code, period, units, as_of), changes)
            if figures is None:
                missing[code] = periods[period] = None
            else:
                known[period] = figures
    if not missing:
        return found
    told = await _told(connection, list(missing), list(periods), units, as_of)
    for code in missing:
        for period in wanted[code]:
            if period not in found[code]:
                figures = found[code][period] = told.get((code, period), [])
                if answers is not None and changes is not None:
                    answers.keep(("handed", code, period, units, as_of), changes, figures, len(figures))
    return found


async def _told(
    connection: AsyncConnection,
    codes: Sequence[str],
    periods: Sequence[Period],
    units: frozenset[str] | None,
    as_of: datetime | None,
) -> dict[tuple[str, Period], list[Handed]]:
    rows = await connection.execute(
        text(_REPORTED),
        {
            "indicators": list(codes),
            "known": NEVER if as_of is None else as_of,
            "all": units is None,
            "units": sorted(units or ()),
            "codes": [period.code for period in periods],
            "firsts": [period.first for period in periods],
            "lasts": [period.last for period in periods],
        },
    )
    found: dict[tuple[str, Period], list[Handed]] = {}
    for indicator, number, *told in rows:
        found.setdefault((indicator, periods[number - 1]), []).append(Handed(*told))
    return found


# A figure is what its last event made of it; one that was corrected to be another indicator's is here no more. Units
# are found one after the other in the index: of a figure of each day there are very many rows.
_NOW: Final = """f.at <= :known AND NOT EXISTS (
            SELECT FROM figure AS later
            WHERE later.key = f.key AND later.sequence > f.sequence AND later.at <= :known)"""
_REPORTED: Final = f"""
WITH RECURSIVE place AS (
    SELECT i.indicator, (SELECT min(f.unit) FROM figure AS f WHERE f.indicator = i.indicator) AS unit
    FROM unnest(CAST(:indicators AS text[])) AS i(indicator)
    UNION ALL
    SELECT p.indicator, (SELECT min(f.unit) FROM figure AS f WHERE f.indicator = p.indicator AND f.unit > p.unit)
    FROM place AS p WHERE p.unit IS NOT NULL
)
SELECT k.indicator, p.number, k.unit, k.period, k.value, k.weight, k.sector, k.at
FROM unnest(CAST(:codes AS text[]), CAST(:firsts AS date[]), CAST(:lasts AS date[])) WITH ORDINALITY
    AS p(code, first, last, number)
CROSS JOIN place CROSS JOIN LATERAL (
    (SELECT f.*, 1 AS turn FROM figure AS f WHERE f.indicator = place.indicator AND f.unit = place.unit
        AND f.last = p.last AND f.first = p.first AND f.period = p.code AND {_NOW}
     ORDER BY f.at DESC, f.key LIMIT 1)
    UNION ALL
    (SELECT f.*, 2 FROM figure AS f WHERE f.indicator = place.indicator AND f.unit = place.unit
        AND f.first >= p.first AND f.last <= p.last AND {_NOW}
     ORDER BY f.last DESC, f.first, f.at DESC, f.key LIMIT 1)
    ORDER BY turn LIMIT 1
) AS k
WHERE place.unit IS NOT NULL AND (:all OR place.unit = ANY(:units))
ORDER BY p.number, k.indicator, k.unit
"""
