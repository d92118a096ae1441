"""Whom the house tells by itself: rules as data, and the audiences that a person belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from services.notify.domain.matching import matches
from services.notify.domain.model import Happening
from shared.contracts.base import Contract
from shared.identity import ALL_UNITS, Principal


@dataclass(frozen=True, slots=True)
class Tell:
    """One addressee of a rule: a role in the event's commune, in the whole province, in the commune that a case is
    offered to, of the asked sector or of those invited; or the account that a field of the event names, which then
    stands for the role."""

    role: str
    scope: Literal["unit", "province", "to-unit", "task-sector", "sectors", "account"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Events (patterns) that meet `when` (dotted fields with their values) are told to `tell`, urgently or not."""

    name: str
    events: tuple[str, ...]
    when: Mapping[str, str]
    tell: tuple[Tell, ...]
    urgent: bool

    def holds(self, event_type: str, data: Contract) -> bool:
        """Whether the rule speaks of this event."""
        fits = any(matches(pattern, event_type) for pattern in self.events)
        return fits and all(_field(data, path) == value for path, value in self.when.items())


def addressees(rules: Iterable[Rule], happening: Happening, data: Contract) -> dict[str, bool]:
    """Whom to tell in the app: audience -> whether it is urgent. Each audience once, however many rules name it."""
    told: dict[str, bool] = {}
    for rule in rules:
        if rule.holds(happening.event_type, data):
            for tell in rule.tell:
                for audience in _audiences(tell, happening, data):
                    told[audience] = told.get(audience, False) or rule.urgent
    return told


def _audiences(tell: Tell, happening: Happening, data: Contract) -> list[str]:
    """One, or none where the event does not say of whom; of the sectors invited, each."""
    if tell.scope == "province":
        return [tell.role]
    if tell.scope == "sectors":
        return [f"sector/{sector}" for sector in getattr(data, "sectors", None) or [_field(data, "sector")] if sector]
    within, place = {
        "account": ("person", _field(data, tell.role)),
        "task-sector": ("sector", happening.sector),
        "to-unit": (tell.role, _field(data, "to_unit")),
        "unit": (tell.role, happening.unit),
    }[tell.scope]
    return [f"{within}/{place}"] if place else []


def audiences_of(principal: Principal, all_units: Sequence[str]) -> list[str]:
    """The audiences that a person belongs to, as `addressees` names them."""
    role = principal.role.value
    units = all_units if principal.units == ALL_UNITS else sorted(principal.units)
    found = [f"person/{principal.id}", role, *(f"{role}/{unit}" for unit in units)]
    if principal.sector:
        found.append(f"sector/{principal.sector}")
    if principal.org:
        found.append(f"org/{principal.org}")
    return found


def _field(data: object, path: str) -> object:
    for name in path.split("."):
        data = getattr(data, name, None)
    return data
