"""What is known of a child: statements of several sources put together field by field.

Every statement is kept as it was made; what is known is worked out from them, so that a correction or a separation of
two records can always be followed. Whose word stands is data (the trust order); where two are believed alike and
contradict each other, one stands for the time being and a person is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from services.registry.domain.children.statements import (
    BOUND_TO,
    BUNDLES,
    Mark,
    Statement,
    birth_text,
    ethnic_code,
    lead_of,
    writing,
)
from services.registry.domain.names import Likeness, compare_names, may_be_alike, name_of
from shared.contracts.registry import ChildFacts
from shared.contracts.vocabulary import ChildDescription, Person, RecordState, RecordStatus, Register
from shared.reference.terms import Terms
from shared.reference.trust import Trust, TrustGroup, TrustOrders

DISABILITY: Final = "04"
_MOST_CARERS: Final = 20
_PRECISION: Final = {"year": 1, "month": 2, "day": 3}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a field comes from. `verified_on`, `verified_by`: when it was last confirmed, by which kind of act."""

    record_id: str
    register_kind: Register
    sector: str
    as_of: date
    verified_on: date | None = None
    verified_by: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What one source says of a field that others contradict."""

    value: str
    record_id: str
    register_kind: Register
    sector: str
    as_of: date


@dataclass(frozen=True, slots=True)
class Conflict:
    """Sources that contradict each other in a field; the first claim stands until a person decides."""

    field: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a child, all statements together; `sources`: by field, a bundle's under its first."""

    description: ChildDescription
    unit: str | None
    birth_year: int | None
    confirmed_on: date
    circumstances: tuple[str, ...] = field(default=())
    sources: Mapping[str, Source] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    # How the record stands: not told by any source, but by what people and time did with it.
    state: RecordState = "collected"
    status: RecordStatus = "active"
    # As it was told last: it begins and ends by events of its own.
    supported: bool = False

    @property
    def facts(self) -> ChildFacts:
        """The coarse state that events carry in clear."""
        born = self.description.birth_date
        return ChildFacts(
            unit=self.unit,
            sex=self.description.sex,
            birth_year=self.birth_year,
            birth_month=born.month if born and self.description.birth_precision != "year" else None,
            ethnicity=_ethnicity(self.description),
            disability=DISABILITY in self.circumstances,
            circumstances=list(self.circumstances),
            state=self.state,
            status=self.status,
            supported=self.supported,
        )

    def value(self, name: str) -> Any:
        """What is known of a field of the description, or `unit`."""
        return self.unit if name == "unit" else getattr(self.description, name)

    def shown(self, name: str) -> Any:
        """The same for reading: a birth date as far as it is known."""
        return birth_text(self.description) if name == "birth_date" else self.value(name)

    def verified(self, names: Iterable[str], on: date, by: str) -> Known:
        """The same with some fields confirmed on a day by a kind of act. What is not known cannot be confirmed."""
        sources = dict(self.sources)
        for name in {lead_of(name) for name in names} & sources.keys():
            sources[name] = replace(sources[name], verified_on=on, verified_by=by)
        return replace(self, sources=sources)


def _ethnicity(description: ChildDescription) -> str | None:
    """The code of the child's ethnic group in the list of 1979: what somebody wrote instead does not leave in clear."""
    if description.ethnicity_code is not None:
        return ethnic_code(description.ethnicity_code, description.ethnicity_list or "121-tctk")
    return Terms.load("ethnic-groups").find(description.ethnicity) if description.ethnicity else None


@dataclass(frozen=True, slots=True)
class _Told:
    """A field as one statement has it. `value` is None where a person emptied it."""

    said: Statement
    value: Any
    on: date
    rank: int
    mark: Mark | None

    def settles(self, other: _Told) -> bool:
        """Whether a person's word was given with this one in view, or after it."""
        if self.mark is None or other is self:
            return False
        seen = self.mark.against.get(other.said.record_id)
        return other.on <= self.on or (seen is not None and seen == writing(other.value))


def compose(
    statements: Sequence[Statement],
    circumstances: Iterable[str] = (),
    *,
    before: Known | None = None,
    trust: Trust | None = None,
) -> Known:
    """What is known from at least one statement, the latest received first.

    Args:
        circumstances: those that hold now. before: what was known; what was verified then and is the same stays so.
        trust: the order of trust; the latest one where none is given.
    """
    order = trust or TrustOrders.load().latest
    if len(statements) == 1 and not statements[0].marks:
        known = _of_one(statements[0], order, circumstances)
        return known if before is None else _still_verified(before, known)
    values: dict[str, Any] = {}
    chosen: dict[str, _Told] = {}
    conflicts: list[Conflict] = []
    for name, group in order.group_of.items():
        told = _told(name, group, statements, chosen)
        if not told:
            continue
        best = _finest(told) if name == "birth_date" else told[0]
        if best.value is not None:
            chosen[name] = best
            values[name] = best.value
            values |= {part: getattr(best.said.description, part) for part in BUNDLES.get(name, ())}
        if name in group.asked and (doubt := _conflict(name, group, told)):
            conflicts.append(doubt)
        if name == "carers":
            values["carers"] = _carers(told)
    unit = values.pop("unit", None)
    if "birth_date" in values and "age" in values:
        del values["age"], chosen["age"]
    known = Known(
        description=ChildDescription(**values),
        unit=unit,
        birth_year=_birth_year(chosen),
        confirmed_on=max(said.latest for said in statements),
        circumstances=tuple(sorted(set(circumstances))),
        sources={
            name: Source(best.said.record_id, best.said.register_kind, best.said.sector, best.on)
            for name, best in chosen.items()
        },
        conflicts=tuple(conflicts),
    )
    return known if before is None else _still_verified(before, known)


def _of_one(said: Statement, order: Trust, circumstances: Iterable[str]) -> Known:
    """What is known from one source, as of most children: it says everything, and of one place."""
    told = {"unit", *said.description.model_fields_set}  # what it leaves out says nothing
    values = {name: value for name in order.group_of if name in told and (value := said.says(name)) is not None}
    if "birth_date" in values:
        values.pop("age", None)
    sources = dict.fromkeys(values, Source(said.record_id, said.register_kind, said.sector, said.as_of))
    for name in values.keys() & BUNDLES.keys():
        values |= {part: getattr(said.description, part) for part in BUNDLES[name]}
    if len(said.description.carers) > 1:
        values["carers"] = _people(said.description.carers)
    born, age = values.get("birth_date"), values.get("age")
    unit = values.pop("unit", None)
    whole = said.description
    stands = all(name in values or said.says(name) is None for name in whole.model_fields_set)
    if not stands or values.get("carers", []) != whole.carers:
        whole = ChildDescription(**values)
    return Known(
        description=whole,
        unit=unit,
        birth_year=born.year if born else said.as_of.year - age if age is not None else None,
        confirmed_on=said.as_of,
        circumstances=tuple(sorted(set(circumstances))),
        sources=sources,
    )


def _told(name: str, group: TrustGroup, statements: Sequence[Statement], chosen: Mapping[str, _Told]) -> list[_Told]:
    """Who tells a field, the most trusted first; what a person overruled is left out."""
    found = [
        _Told(said, value, said.said_on(name), group.ranks[said.register_kind], said.marks.get(name))
        for said in statements
        if (value := said.says(name)) is not None or name in said.marks
    ]
    anchor = BOUND_TO.get(name)
    if anchor is not None and anchor in chosen:
        found = _of_now(found, chosen[anchor], anchor, statements)
    if len(found) > 1:
        found.sort(key=lambda told: (told.rank, -told.on.toordinal()))
        found = [told for told in found if not any(other.settles(told) for other in found if other.mark)] or found[:1]
    if found and found[0].value is None:
        # Emptied on purpose; whoever says something since is heard again.
        found = [*[told for told in found if told.value is not None], found[0]]
    return found


def _of_now(found: list[_Told], anchor: _Told, name: str, statements: Sequence[Statement]) -> list[_Told]:
    """What belongs to the commune or school of today: what was said with another one, or before the move, does not."""
    here = writing(anchor.value)
    elsewhere = [said for said in statements if said.says(name) is not None and writing(said.says(name)) != here]
    moved = any(said.said_on(name) < anchor.on for said in elsewhere)

    def belongs(told: _Told) -> bool:
        at = told.said.says(name)
        if at is None:
            return not moved or told.on >= anchor.on
        # A person's statement is of several days: what it said before it said the new place went with the old one.
        return writing(at) == here and (anchor.mark is None or told.said is not anchor.said or told.on >= anchor.on)

    return [told for told in found if belongs(told)]


def _finest(told: Sequence[_Told]) -> _Told:
    """The most trusted birth date; a finer one of somebody else where both can be the same day."""
    best = told[0]
    if best.value is None or best.mark is not None:
        return best
    for other in told[1:]:
        if other.value is not None and _precision(other) > _precision(best) and not _differ("birth_date", best, other):
            best = other
    return best


def _precision(told: _Told) -> int:
    return _PRECISION[told.said.description.birth_precision or "day"]


def _conflict(name: str, group: TrustGroup, told: Sequence[_Told]) -> Conflict | None:
    """Who contradicts the one that stands and is believed as much, or is fresher."""
    best = told[0]
    against = [
        other
        for other in told[1:]
        if other.said.register_kind in group.heard
        and _differ(name, best, other)
        and (_alike(group, best, other) or (other.rank > best.rank and other.on > best.on))
    ]
    if best.value is None or not against or best.said.register_kind not in group.heard:
        return None
    return Conflict(name, tuple(_claim(name, each) for each in (best, *against)))


def _alike(group: TrustGroup, best: _Told, other: _Told) -> bool:
    """Two sources believed alike: of what changes in a life, only those of one day contradict each other."""
    return best.rank == other.rank and (group.steady or best.on == other.on)


def _differ(name: str, one: _Told, other: _Told) -> bool:
    if one.value is None or other.value is None:
        return False
    if name == "name":
        return compare_names(name_of(one.value), name_of(other.value)) < Likeness.UNMARKED
    if name == "birth_date":
        parts = min(_precision(one), _precision(other))
        days = [(told.value.year, told.value.month, told.value.day)[:parts] for told in (one, other)]
        return days[0] != days[1]
    return writing(one.value) != writing(other.value)


def _claim(name: str, told: _Told) -> Claim:
    said = told.said
    value = birth_text(said.description) if name == "birth_date" else told.value
    return Claim(str(value), said.record_id, said.register_kind, said.sector, told.on)


def _birth_year(chosen: Mapping[str, _Told]) -> int | None:
    if "birth_date" in chosen:
        born: date = chosen["birth_date"].value
        return born.year
    if "age" in chosen:
        return chosen["age"].on.year - int(chosen["age"].value)
    return None


def _carers(told: Sequence[_Told]) -> list[Person]:
    """Everybody any source names, once: the better source's writing stays, what it leaves out is filled."""
    return _people(carer for each in told for carer in each.value or ())


def _people(named: Iterable[Person]) -> list[Person]:
    found: list[Person] = []
    for carer in named:
        place = next((place for place, known in enumerate(found) if _same_person(known, carer)), None)
        if place is None:
            found.append(carer)
        else:
            filled = {key: value for key, value in carer if getattr(found[place], key) is None}
            found[place] = found[place].model_copy(update=filled)
    return found[:_MOST_CARERS]


def _same_person(one: Person, other: Person) -> bool:
    mine, theirs = name_of(one.name), name_of(other.name)
    return may_be_alike(mine, theirs) and compare_names(mine, theirs) >= Likeness.SLIP


def _still_verified(before: Known, known: Known) -> Known:
    """What was confirmed and is the same is still confirmed, whoever says it now."""
    kept = {
        name: replace(source, verified_on=earlier.verified_on, verified_by=earlier.verified_by)
        for name, source in known.sources.items()
        if (earlier := before.sources.get(name)) is not None
        and earlier.verified_on is not None
        and all(before.value(part) == known.value(part) for part in (name, *BUNDLES.get(name, ())))
    }
    return replace(known, sources={**known.sources, **kept}) if kept else known


def others_of(statements: Sequence[Statement], name: str, known: Known) -> list[tuple[Statement, Any]]:
    """Who else says a field than the one whose word stands, and what, for reading."""
    standing = known.sources.get(name)
    return [
        (said, birth_text(said.description) if name == "birth_date" else value)
        for said in statements
        if (value := said.says(name)) is not None and (standing is None or said.record_id != standing.record_id)
    ]


def changed_fields(before: Known, after: Known) -> list[str]:
    """Names of what differs in the description, and `unit`."""
    names = [
        name
        for name in ChildDescription.model_fields
        if getattr(before.description, name) != getattr(after.description, name)
    ]
    return [*names, "unit"] if before.unit != after.unit else names
