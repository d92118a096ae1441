"""Blind re-verification (phúc tra), pure: who is drawn, and how a second answer stands to what the record says.

The draw follows from the sample's id alone, so that anybody can do it again and get the same children.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from typing import Any

from services.registry.domain.children import is_said
from services.registry.domain.names import Likeness, compare_names, fold, name_of
from shared.contracts.vocabulary import ChildDescription
from shared.reference.keeping import Sampling


def sample_size(verified: int, rules: Sampling) -> int:
    """How many of a commune's verified records are drawn."""
    return min(verified, max(rules.least, min(rules.most, ceil(verified * rules.share))))


def draw(sample_id: str, child_ids: Collection[str], size: int) -> list[str]:
    """The children of a sample, in the order in which they are gone through."""
    return sorted(set(child_ids), key=lambda child_id: sha256(f"{sample_id}/{child_id}".encode()).digest())[:size]


def compared(record: ChildDescription, answers: ChildDescription, fields: Iterable[str]) -> dict[str, bool]:
    """Field by field whether the second answer is that of the record. What the second person could not learn, and what
    the record does not know, is compared with nothing."""
    return {
        field: alike(field, getattr(record, field), getattr(answers, field))
        for field in fields
        if is_said(getattr(record, field)) and is_said(getattr(answers, field))
    }


def alike(field: str, one: Any, other: Any) -> bool:
    """Whether two answers say the same, however they are written."""
    if field == "name":
        return _one_name(one, other)
    if field == "carers":
        # A second person meets who is at home: each one met must be among those known.
        return all(any(_one_name(met.name, carer.name) for carer in one) for met in other if met.name)
    return fold(one) == fold(other) if isinstance(one, str) else bool(one == other)


def _one_name(one: str | None, other: str | None) -> bool:
    return compare_names(name_of(one), name_of(other)) >= Likeness.UNMARKED


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a sample came out. `by_field`: answers alike, and answers compared."""

    found: int
    agreed: int
    asked: int
    by_field: Mapping[str, tuple[int, int]]

    @property
    def share(self) -> float | None:
        """Of the answers compared, those alike; None where none was."""
        return self.agreed / self.asked if self.asked else None


def agreement(found: int, comparisons: Iterable[Mapping[str, bool]]) -> Agreement:
    """In: how many children could be reached, and each one's comparison."""
    by_field: dict[str, tuple[int, int]] = {}
    for comparison in comparisons:
        for field, same in comparison.items():
            agreed, asked = by_field.get(field, (0, 0))
            by_field[field] = (agreed + same, asked + 1)
    return Agreement(
        found,
        sum(agreed for agreed, _ in by_field.values()),
        sum(asked for _, asked in by_field.values()),
        dict(sorted(by_field.items())),
    )
