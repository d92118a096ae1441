"""The indicators that statistics can answer: the data's rows, each checked against what is counted.

A word that no list knows would count nothing and look like a good year: it stops the program at start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final, get_args

from services.stats.domain.measures import HOURS, MEASURES, PLACES, UNIT, list_of
from services.stats.store.questions import MeasureError, checked
from shared.contracts.vocabulary import SECTORS, UNCLASSIFIED, AgeBand, DangerNow, RecordState, Sex
from shared.reference.deadlines import Deadlines
from shared.reference.files import ReferenceDataError, kept
from shared.reference.indicators import Indicator, Indicators, Part
from shared.reference.terms import Terms
from shared.reference.units import Units

# Who hands figures in beside the sectors: a service that works them out.
REPORTERS: Final = (*SECTORS, "registry")
_FIXED: Final[Mapping[str, Collection[str]]] = {
    "sex": get_args(Sex),
    "age": get_args(AgeBand),
    "danger_now": get_args(DangerNow),
    "children.state": get_args(RecordState),
    "supported": ("yes", "no"),
    "disability": ("yes", "no"),
    "span": ("report-assessment", "report-plan", "report-service", "report-closure", "task-answer"),
}


@kept
def load_indicators() -> Indicators:
    """All indicators, checked. Raises `ReferenceDataError` for one that cannot be answered."""
    indicators = Indicators.load()
    for indicator in indicators:
        for problem in problems(indicator):
            raise ReferenceDataError(f"indicators.yaml: {indicator.code}: {problem}")
    return indicators


def problems(indicator: Indicator) -> Iterator[str]:
    """What statistics cannot answer of an indicator, said in words."""
    if indicator.reported_by is not None and indicator.reported_by not in REPORTERS:
        yield f"reported_by is none of {', '.join(REPORTERS)}"
    if indicator.shape == "reported" and indicator.by:
        yield "what is handed in is broken down by place only"
    for part in (indicator.numerator, indicator.denominator):
        if part is not None:
            yield from _unanswerable(indicator, part)


def _unanswerable(indicator: Indicator, part: Part) -> Iterator[str]:
    by = (*indicator.by, HOURS) if indicator.shape == "percentile" else indicator.by
    try:
        checked(part, by)
    except MeasureError as error:
        yield str(error)
        return
    for dimension, values in part.where.items():
        known = known_values(part.measure, dimension)
        for value in values:
            if known is not None and value not in {*known, UNCLASSIFIED, ""}:
                yield f"{part.measure} knows no {dimension} {value}; it knows {', '.join(known)}"


def known_values(measure: str, dimension: str) -> Collection[str] | None:
    """The values that a dimension of a measure may have; None where they are on no list."""
    for name in (f"{measure}.{dimension}", dimension):
        if name in _FIXED:
            return _FIXED[name]
    if dimension == "circumstance":
        return circumstances()
    if dimension == "clock":
        return Deadlines.load().kinds()
    if dimension == UNIT:
        return Units.load().codes()
    listed = list_of(measure, dimension)
    return None if listed is None else Terms.load(listed).codes()


def circumstances() -> tuple[str, ...]:
    """The groups of special circumstances, and what else is noted of a child in that place."""
    return (*Terms.load("circumstances").codes(), *Terms.load("flags").codes())


def dimensions(indicator: Indicator) -> tuple[str, ...]:
    """By what an indicator may be asked, places among it."""
    if indicator.numerator is None:
        return PLACES
    parts = [part for part in (indicator.numerator, indicator.denominator) if part is not None]
    placed = all(UNIT in MEASURES[part.measure].dimensions for part in parts)
    return (*indicator.by, *(PLACES if placed else ()))
