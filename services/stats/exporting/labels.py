"""An edition's figures with the words that people read beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from services.stats.domain.closing import Edition, Frozen, Named
from services.stats.domain.measures import TOTAL, UNIT
from services.stats.domain.orders import rank_of
from services.stats.domain.periods import Period
from services.stats.views import Words
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.reference.indicators import Indicators
from shared.web.i18n import place_key

# What stands for a figure that is hidden: as statistical yearbooks write what is there and not told.
HIDDEN: Final = "…"
NONE: Final = "–"


@dataclass(frozen=True)
class Labels:
    """Words for an edition. `indicators`: today's, for the lists that their dimensions' words are in."""

    edition: Edition
    words: Words
    indicators: Indicators

    @cached_property
    def names(self) -> Mapping[str, Named]:
        """The edition's indicators by code."""
        return {indicator.code: indicator for indicator in self.edition.indicators}

    @cached_property
    def places(self) -> Mapping[tuple[str, str, str, str], Frozen]:
        """The edition's figures by which they are."""
        return self.edition.at_place()

    def total(self, code: str, period: Period | None = None) -> Frozen | None:
        """The whole province's figure of an indicator, of the period or one it is compared with."""
        return self.places.get((code, (period or self.edition.period).code, TOTAL, ""))

    @cached_property
    def figures(self) -> Sequence[Frozen]:
        """All of them as people read them: what was frozen, and is signed so, has its codes by their letters."""
        return sorted(self.edition.figures, key=self._turn)

    def own(self) -> Iterator[Frozen]:
        """The period's own figures."""
        return (figure for figure in self.figures if figure.period == self.edition.period.code)

    def of(self, code: str, dimension: str) -> list[Frozen]:
        """A breakdown of an indicator."""
        return [figure for figure in self.own() if figure.indicator == code and figure.dimension == dimension]

    def units(self) -> list[tuple[str, str]]:
        """The communes that have a figure, with their names, in the names' order."""
        codes = {figure.category for figure in self.own() if figure.dimension == UNIT}
        # What lies in no commune that is known comes last.
        return sorted(
            ((code, self.words.unit(code)) for code in codes),
            key=lambda pair: (pair[0] in {"", UNCLASSIFIED}, place_key(pair[1]), pair[0]),
        )

    def category(self, code: str, dimension: str, category: str) -> str:
        """What a category is called."""
        if dimension == UNIT:
            return self.words.unit(category)
        indicator = self.indicators.get(code)
        return category if indicator is None else self.words.value(indicator, dimension, category)

    def _turn(self, figure: Frozen) -> tuple[str, str, str, tuple[int, str]]:
        indicator, period, dimension, category = figure.place
        return indicator, period, dimension, rank_of(self.indicators.get(indicator), dimension, category)

    def amount(self, figure: Frozen | None) -> str:
        """A figure as it is read, without its unit; a sign where it is hidden or nothing can be said."""
        if figure is None or (figure.value is None and not figure.hidden):
            return NONE
        return HIDDEN if figure.hidden else self.words.number(self.names[figure.indicator], figure.value)

    def told(self, figure: Frozen | None) -> str:
        """The same with its unit."""
        if figure is None or figure.value is None:
            return self.amount(figure)
        return self.words.amount(self.names[figure.indicator], figure.value)

    def measured_in(self, named: Named) -> str:
        """The unit of an indicator's values, in a table's column."""
        return self.words.measured_in(named) or self.words("Số lượng")

    def compared(self) -> list[Period]:
        """The periods with which the whole is compared: the one before, and that of the year before."""
        period = self.edition.period
        return list(dict.fromkeys((period.previous, period.year_before)))
