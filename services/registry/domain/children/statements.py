"""What sources say of a child, each kept as it was made; and what a person's correction says more than they.

Nothing here decides whose word stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from services.registry.domain.names import name_of
from shared.contracts.vocabulary import ChildDescription, Register
from shared.reference.terms import Terms

DROPPED_OUT: Final = "dropped-out"
# Fields that mean nothing without another one: they are told, taken over and corrected together with it.
BUNDLES: Final[Mapping[str, tuple[str, ...]]] = {
    "birth_date": ("birth_precision",),
    "ethnicity": ("ethnicity_code", "ethnicity_list"),
    "disability_kinds": ("disability_level",),
}
# What means nothing beside another commune or school than the one it was said with.
BOUND_TO: Final = {"address": "unit", "hamlet": "unit", "household": "unit", "grade": "school"}
_LEADS: Final = {follower: lead for lead, followers in BUNDLES.items() for follower in followers}
_NOTHING: Final[tuple[object, ...]] = (None, "", [], "unknown")


@dataclass(frozen=True, slots=True)
class Mark:
    """A person's word on one field: when, who, why; `against`: what records said then and were overruled in."""

    on: date
    by: str
    reason: str | None = None
    against: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """What one source says of one child. `record_id` is the same for each later version of it.

    `marks`: of a person's statement, the fields that were corrected or decided, each with its own day; one without a
    value was emptied on purpose.
    """

    record_id: str
    register_kind: Register
    sector: str
    as_of: date
    description: ChildDescription
    unit: str | None = None
    unit_text: str | None = None
    circumstances: tuple[str, ...] = ()
    dropped_out: bool = False
    sequence: int = 1
    probability: float | None = None  # how sure the link is; None where the statement founded the child's record
    marks: Mapping[str, Mark] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[str, ...]:
        """The circumstances it tells of, dropping out of school among them."""
        return (*self.circumstances, DROPPED_OUT) if self.dropped_out else self.circumstances

    @property
    def latest(self) -> date:
        """The last day of which it says anything."""
        return max((self.as_of, *(mark.on for mark in self.marks.values())))

    def says(self, name: str) -> Any:
        """What it says of a field or of `unit`; None where it says nothing."""
        value = self.unit if name == "unit" else getattr(self.description, name)
        return value if is_said(value) else None

    def said_on(self, name: str) -> date:
        """The day of which it says a field."""
        return self.marks[name].on if name in self.marks else self.as_of


@dataclass(frozen=True, slots=True)
class Period:
    """A circumstance for a time; without `until` it goes on. `until` is the first day on which it holds no more."""

    code: str
    since: date
    until: date | None

    def overlaps(self, other: Period) -> bool:
        """Whether there is a day on which both hold."""
        starts, ends = max(self.since, other.since), [end for end in (self.until, other.until) if end is not None]
        return all(starts < end for end in ends)


def is_said(value: object) -> bool:
    """Whether a field's value says anything."""
    return value not in _NOTHING


def birth_text(description: ChildDescription) -> str | None:
    """A birth date as far as it is known: 2016-03-09, 2016-03 or 2016."""
    if description.birth_date is None:
        return None
    return description.birth_date.isoformat()[: {"month": 7, "year": 4}.get(description.birth_precision or "day", 10)]


def lead_of(name: str) -> str:
    """The field with which another one goes; itself where it stands alone."""
    return _LEADS.get(name, name)


def writing(value: Any) -> str:
    """A value for recognising it again: however a name is spaced or spelt out, whatever stands between digits."""
    if isinstance(value, str):
        return " ".join(name_of(value).marked)
    return "" if value is None else str(value)


def only_changes(known: ChildDescription, wanted: ChildDescription, *, moved: bool = False) -> ChildDescription:
    """The part of a person's correction that says something new: what registers later correct stays theirs.

    A field that `wanted` does not set is none of its business; one that it sets to nothing is emptied. Whoever moves a
    child (`moved`) or changes its school says anew what belongs to the place.
    """
    given = wanted.model_fields_set
    names = {lead_of(name) for name in given if getattr(wanted, name) != getattr(known, name)}
    places = names | {"unit"} if moved else names
    names |= {name for name, place in BOUND_TO.items() if place in places and name in given}
    said = {
        member: getattr(wanted, member)
        for name in ChildDescription.model_fields
        if name in names
        for member in (name, *BUNDLES.get(name, ()))
    }
    return ChildDescription(**said)


def merge_corrections(earlier: ChildDescription, later: ChildDescription) -> ChildDescription:
    """Two corrections by people on the same child, the later one above."""
    return earlier.model_copy(update={name: getattr(later, name) for name in later.model_fields_set})


def marked(names: Iterable[str], statements: Sequence[Statement], chosen: Statement, mark: Mark) -> dict[str, Mark]:
    """A person's word on some fields, remembering what everybody else said then.

    Args:
        chosen: the person's statement as it will be. mark: without `against`.
    """
    found: dict[str, Mark] = {}
    for name in sorted({lead_of(name) for name in names}):
        value = writing(chosen.says(name))
        against = {
            said.record_id: writing(said.says(name))
            for said in statements
            if said.record_id != chosen.record_id and said.says(name) is not None and writing(said.says(name)) != value
        }
        found[name] = Mark(mark.on, mark.by, mark.reason, against)
    return found


def ethnic_code(code: str, of_list: str) -> str | None:
    """A code of either list (`121-tctk`, `gso`) in the list of 1979; None where the list does not have it."""
    groups = Terms.load("ethnic-groups")
    if of_list == "121-tctk":
        return code if code in groups else None
    return next((known for known in groups.codes() if groups.get(known, "gso") == code), None)
