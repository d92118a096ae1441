"""Coarser cells in which history is summed besides its own, so that a figure costs what it shows.

Pure. A margin keeps some of a measure's dimensions and sums over all others (a marginal total); it stands beside the
measure's cells with a number of its own, and changes in the same statement. It must never be asked for what it does
not keep.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from services.stats.domain.measures import HistoryCell, Measure, columns, number_of


@dataclass(frozen=True, slots=True)
class Margin:
    """Some of a measure's dimensions. `number`: stands where a measure's number does; it is stored, and never given to
    another margin."""

    number: int
    measure: Measure
    columns: tuple[str, ...]


# Each keeps the dimensions that tell a measure's indicators apart, and one or two more, by which they are broken down.
# Of several that would do the first one is asked: the smallest of a measure stands first.
_KEPT: Final = (
    (13, Measure.REPORTS, ("request", "channel", "sector", "danger_now")),
    (14, Measure.REPORTS, ("request", "channel", "sex", "age")),
    (15, Measure.REPORTS, ("request", "channel", "kind")),
    (16, Measure.REPORTS, ("unit", "request", "channel")),
    (17, Measure.OPENINGS, ("kind", "risk")),
    (18, Measure.OPENINGS, ("kind", "sex", "age")),
    (19, Measure.OPENINGS, ("kind", "environment", "harmer")),
    (20, Measure.OPENINGS, ("kind", "sector", "channel")),
    (21, Measure.OPENINGS, ("unit", "kind")),
    (22, Measure.CLOSINGS, ("outcome",)),
    (23, Measure.CLOSINGS, ("sex", "age")),
    (24, Measure.CLOSINGS, ("kind", "risk")),
    (25, Measure.CLOSINGS, ("unit",)),
    (26, Measure.CLOCKS, ("clock", "state", "risk")),
    (27, Measure.CLOCKS, ("clock", "state", "sex", "age")),
    (28, Measure.CLOCKS, ("clock", "state", "kind")),
    (29, Measure.CLOCKS, ("unit", "clock", "state")),
    (30, Measure.SPANS, ("span", "hours")),
    (31, Measure.SERVICES, ("service", "sector")),
    (32, Measure.SERVICES, ("service", "sex", "age")),
    (33, Measure.SERVICES, ("service", "kind")),
    (34, Measure.SERVICES, ("unit", "service")),
    (35, Measure.INCIDENTS, ("kind", "outcome", "place")),
    (36, Measure.INCIDENTS, ("kind", "outcome", "sex", "age")),
    (37, Measure.INCIDENTS, ("unit", "kind", "outcome")),
    (38, Measure.ACTIVITIES, ("activity", "audience", "sector")),
    (39, Measure.ACTIVITIES, ("unit",)),
    (40, Measure.PEOPLE_REACHED, ("activity", "audience", "sector")),
    (41, Measure.PEOPLE_REACHED, ("unit",)),
    (42, Measure.CASES, ("status", "risk", "step")),
    (43, Measure.CASES, ("status", "risk", "sex", "age")),
    (44, Measure.CASES, ("status", "risk", "kind")),
    (45, Measure.CASES, ("status", "risk", "sector", "channel")),
    (46, Measure.CASES, ("unit", "status", "risk")),
    (47, Measure.TASKS, ("status", "sector", "task")),
    (48, Measure.TASKS, ("status", "kind", "risk")),
    (49, Measure.TASKS, ("unit", "status")),
    (50, Measure.CHILDREN, ("state", "sex")),
    (51, Measure.CHILDREN, ("unit", "state")),
    (52, Measure.CHILDREN, ("born", "state")),
    (53, Measure.CHILDREN, ("born", "state", "supported", "disability")),
    (54, Measure.CHILDREN, ("born", "circumstance", "supported", "state")),
    (55, Measure.CHILDREN, ("born", "circumstance", "supported", "state", "ethnicity")),
    (56, Measure.CHILDREN, ("born", "circumstance", "supported", "state", "sex")),
    (57, Measure.CHILDREN, ("unit", "born")),
    (58, Measure.CHILDREN, ("unit", "born", "circumstance", "supported")),
    (59, Measure.CHILDREN, ("unit", "born", "circumstance", "supported", "state")),
    (60, Measure.SPANS, ("unit", "span")),
    (61, Measure.SPANS, ("span", "kind", "risk")),
    (62, Measure.SPANS, ("span", "sector")),
)
MARGINS: Final = tuple(Margin(*kept) for kept in _KEPT)
# Every number from here on is a margin's.
FIRST: Final = 13
_OF: Final = {measure: tuple(one for one in MARGINS if one.measure is measure) for measure in Measure}


def margin_for(measure: Measure, wanted: Collection[str]) -> Margin | None:
    """A margin that keeps all of some columns; None: there is none, and the measure's own cells are asked."""
    return next((one for one in _OF[measure] if set(wanted) <= set(one.columns)), None)


def margins_of(cell: HistoryCell) -> list[tuple[int, dict[str, str]]]:
    """The margins that a cell counts in: the number of each one's cell, and its values by column."""
    named = dict(zip(columns(cell.measure), cell.values, strict=True))
    found = []
    for margin in _OF[cell.measure]:
        kept = {name: named[name] for name in margin.columns}
        found.append((number_of(margin.number, f"margin-{margin.number}", kept.values()), kept))
    return found
