"""What is hidden from whoever may only see aggregates, as data: threshold, days to settle, who sees all.

The rule is one for all its roles: two of them who lay their tables side by side must not find more than each has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from shared.reference.files import kept
from shared.reference.limits import Limits, LimitsByDay, read_limits

_FILE: Final = "disclosure.yaml"
_BASES: Final = ("quarter", "half-year", "year")
_LEAST: Final = 3


@dataclass(frozen=True, slots=True)
class Rule(Limits):
    """The rule in force from a day on; what each part means is said in the data file."""

    threshold: int
    settle_days: int
    first_year: int
    exact_roles: Sequence[str]
    open_measures: Sequence[str]
    monthly: Sequence[str]
    measures: Mapping[str, Mapping[str, Any]]

    def problems(self) -> Iterator[str]:
        """What makes no sense."""
        if self.threshold < _LEAST:
            yield f"a threshold under {_LEAST} hides one figure and gives it back with the next"
        if (self.effective_from.month, self.effective_from.day) != (1, 1):
            yield "a rule begins with a year: within one, what it shows would be laid beside what another showed"
        if self.settle_days < 0:
            yield "nothing settles before its period is over"
        for measure, row in self.measures.items():
            if set(row) - {"base", "not_by", "balance"}:
                yield f"{measure}: only base, not_by and balance are known"
            if row.get("base") not in _BASES:
                yield f"{measure}: base is one of {', '.join(_BASES)}"

    def base(self, measure: str) -> str:
        """For how long a time a measure's tables are released; a measure that nobody named is released by the year."""
        return str(self.measures.get(measure, {}).get("base", "year"))

    def offers(self, measure: str, dimension: str) -> bool:
        """Whether a measure is released by a dimension."""
        return dimension not in self.measures.get(measure, {}).get("not_by", ())

    def balance(self, measure: str) -> Sequence[str]:
        """What comes and goes of what a measure says stands: known with two states, one gives the other."""
        return tuple(self.measures.get(measure, {}).get("balance", ()))


class Disclosure(LimitsByDay[Rule]):
    """All rules, past and present. Raises `ReferenceDataError` where one makes no sense or has no source."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        super().__init__(_FILE, rules)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        return cls(read_limits(_FILE, Rule))
