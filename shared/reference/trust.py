"""Whose word on a child stands, for each group of fields: data with source and effective date.

It never says what a source's word is worth in a single case: that is for whoever composes a record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self, get_args

from shared.contracts.vocabulary import ChildDescription, Register
from shared.reference.dated import in_force, in_order
from shared.reference.files import ReferenceDataError, kept, read_yaml

_FILE = "registry.yaml: trust"
_REGISTERS = frozenset(get_args(Register))


@dataclass(frozen=True, slots=True)
class TrustGroup:
    """How the sources of some fields stand to each other; what each means is said in the data file."""

    fields: tuple[str, ...]
    ranks: Mapping[str, int]
    steady: bool
    asked: frozenset[str]
    heard: frozenset[str]


class Trust:
    """The order in force from a day on. `group_of`: by field."""

    def __init__(
        self, effective_from: date, legal_source_vi: str, legal_source_en: str, groups: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """In: an entry of the data file. Raises `ReferenceDataError` where it is not whole or names unknown things."""
        where = f"{_FILE}: {effective_from}"
        if not (isinstance(effective_from, date) and legal_source_vi and legal_source_en):
            raise ReferenceDataError(f"{where}: a date and the source in both languages are needed")
        self.effective_from = effective_from
        self.legal_source_vi = legal_source_vi
        self.legal_source_en = legal_source_en
        self.group_of: dict[str, TrustGroup] = {}
        for name, said in groups.items():
            group = _group(f"{where}: {name}", said)
            for field in group.fields:
                if field in self.group_of:
                    raise ReferenceDataError(f"{where}: {field} stands in two groups")
                self.group_of[field] = group


class TrustOrders:
    """All orders, past and present. Raises `ReferenceDataError` where there is none."""

    def __init__(self, orders: Sequence[Trust]) -> None:
        self._orders = in_order(orders)
        if not self._orders:
            raise ReferenceDataError(f"{_FILE}: no order is in force")

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        try:
            return cls([Trust(**row) for row in read_yaml("registry.yaml")["trust"]])
        except (KeyError, TypeError, AttributeError) as error:
            raise ReferenceDataError(f"{_FILE}: {error!r}") from None

    def on(self, day: date) -> Trust:
        """The order in force on a day; before the first, the first."""
        return in_force(self._orders, day)

    @property
    def latest(self) -> Trust:
        """The one that came last."""
        return self._orders[-1]

    def __len__(self) -> int:
        return len(self._orders)


def _group(where: str, said: Mapping[str, Any]) -> TrustGroup:
    group = TrustGroup(
        fields=tuple(said["fields"]),
        ranks=dict(said["ranks"]),
        steady=bool(said["steady"]),
        asked=frozenset(said.get("asked", ())),
        heard=frozenset(said.get("heard", ())),
    )
    if set(group.ranks) != _REGISTERS:
        raise ReferenceDataError(f"{where}: every source needs its rank: {', '.join(sorted(_REGISTERS))}")
    if unknown := {*group.fields} - {*ChildDescription.model_fields, "unit"}:
        raise ReferenceDataError(f"{where}: there is no field {', '.join(sorted(unknown))}")
    if not group.asked <= set(group.fields) or not group.heard <= _REGISTERS:
        raise ReferenceDataError(f"{where}: `asked` names fields of the group, `heard` sources")
    return group
