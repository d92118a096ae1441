"""Every figure of an edition as CSV, with codes and words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.stats.domain.measures import TOTAL
from services.stats.exporting.labels import Labels
from shared.files.problems import Cell
from shared.files.sheets import CsvTable

COLUMNS: Final = (
    "indicator",
    "name",
    "unit_of_measure",
    "period",
    "dimension",
    "category",
    "category_name",
    "value",
    "numerator",
    "denominator",
    "status",
)


def write_csv(labels: Labels) -> bytes:
    """UTF-8 with the mark by which Excel knows it; numbers with a point. `status`: shown, why a figure is
    hidden, or missing where there is none."""
    table = CsvTable(columns=COLUMNS)
    return table.start() + table.rows(_rows(labels)) + table.end()


def _rows(labels: Labels) -> Iterator[tuple[Cell, ...]]:
    for figure in labels.figures:
        named = labels.names[figure.indicator]
        whole = figure.dimension == TOTAL
        yield (
            figure.indicator,
            named.label(labels.words.language),
            named.unit,
            figure.period,
            figure.dimension,
            figure.category,
            "" if whole else labels.category(figure.indicator, figure.dimension, figure.category),
            plain(figure.value),
            figure.numerator,
            figure.denominator,
            figure.hidden or ("missing" if figure.value is None else "shown"),
        )


def plain(value: float | None) -> str | None:
    """A number as programs read it: whole where it is whole, else as exact as it is known."""
    if value is None:
        return None
    return str(int(value)) if value.is_integer() else repr(value)
