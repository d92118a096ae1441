"""The form of the report on the province's plan for children: its head, its sections, their indicators; as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from shared.reference.files import kept
from shared.reference.limits import Limits, LimitsByDay, read_limits

_FILE: Final = "plan-report.yaml"
_WIDEST: Final = 5


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the report and the codes of its indicators, in order. `charts`: those that are drawn after its
    table, and by which dimension."""

    title: str
    indicators: tuple[str, ...]
    charts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PlanForm(Limits):
    """The form in force from a day on; what each part means is said in the data file."""

    issuer: Sequence[str]
    place: str
    title: str
    subtitle: str
    signatures: Sequence[str]
    sections: Sequence[Mapping[str, Any]]
    by_unit: Sequence[str]

    def parts(self) -> tuple[Section, ...]:
        """Its sections."""
        return tuple(
            Section(row["title"], tuple(row["indicators"]), tuple(row.get("charts", {}).items()))
            for row in self.sections
        )

    def problems(self) -> Iterator[str]:
        """What makes no sense."""
        for row in self.sections:
            if not {"title", "indicators"} <= set(row) <= {"title", "indicators", "charts"}:
                yield "a section has a title, its indicators and perhaps charts"
                return
            if not isinstance(row.get("charts", {}), dict):
                yield "charts are indicators, each with what it is broken down by"
                return
        codes = [code for section in self.parts() for code in section.indicators]
        if len(set(codes)) < len(codes):
            yield "an indicator stands in two sections"
        for section in self.parts():
            if not {code for code, _ in section.charts} <= {*section.indicators}:
                yield "what is drawn stands in its section"
        if len(self.by_unit) > _WIDEST:
            yield f"the annex by commune has room for {_WIDEST} indicators"


class PlanForms(LimitsByDay[PlanForm]):
    """All forms, past and present. An indicator that a province took away is left out of its section by the printer."""

    def __init__(self, forms: Sequence[PlanForm]) -> None:
        super().__init__(_FILE, forms)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        return cls(read_limits(_FILE, PlanForm))
