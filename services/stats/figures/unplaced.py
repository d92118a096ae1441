"""What was counted under "not classified": records whose commune, kind, age or sex nobody knows, or of which a sender
said what cannot be. They are counted like all others, and shown so that somebody mends them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.measures import UNIT
from services.stats.domain.periods import Period
from services.stats.figures.evaluating import Evaluator
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.reference.indicators import Part

# The word by which each dimension says that it is not known. A birth in the future is no age.
_NOT_KNOWN: Final[Mapping[str, str]] = {
    UNIT: UNCLASSIFIED,
    "kind": UNCLASSIFIED,
    "outcome": UNCLASSIFIED,
    "age": "unknown",
    "sex": "unknown",
}
FIELDS: Final = tuple(_NOT_KNOWN)
_ALL: Final[Mapping[str, Part]] = {
    "reports": Part("reports", "period", {}),
    "openings": Part("openings", "period", {}),
    "incidents": Part("incidents", "period", {}),
    "children": Part("children", "state", {}),
}
_HAS: Final[Mapping[str, Sequence[str]]] = {
    "reports": (UNIT, "kind", "age", "sex"),
    "openings": (UNIT, "kind", "age", "sex"),
    "incidents": FIELDS,
    "children": (UNIT, "age", "sex"),
}


@dataclass(frozen=True, slots=True)
class Unplaced:
    """How many records of a measure are counted at all, and by field how many of which that is not known; a field that
    the measure has not, or that is not asked, is not there."""

    measure: str
    total: int
    by_field: Mapping[str, int]


def part_of(measure: str, field: str) -> Part | None:
    """The records of a measure of which a field is not known; None where there are none such."""
    if field not in _HAS.get(measure, ()):
        return None
    whole = _ALL[measure]
    return Part(whole.measure, whole.over, {field: (_NOT_KNOWN[field],)})


async def unplaced(
    connection: AsyncConnection, evaluator: Evaluator, period: Period, units: frozenset[str] | None
) -> list[Unplaced]:
    """What is not classified of a period; of some communes (None: all) without what lies in none."""
    found = []
    for measure, whole in _ALL.items():
        by_field = {}
        for field in _HAS[measure]:
            if field == UNIT and units is not None:
                continue
            rows = await evaluator.count(connection, whole, period=period, by=(field,), units=units)
            by_field[field] = sum(row.n for row in rows if row.keys == (_NOT_KNOWN[field],))
            total = sum(row.n for row in rows)
        found.append(Unplaced(measure, total, by_field))
    return found
