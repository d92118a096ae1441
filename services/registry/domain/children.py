"""What is known of a child: statements of several sources put together field by field, and when one is taken over.

Every statement is kept as it was made; what is known is worked out from them, so that a correction or a separation of
two records can always be followed. A source of lower rank fills gaps and never overrides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from services.registry.domain.names import Likeness, compare_names, fold, name_of
from shared.contracts.errors import Violation
from shared.contracts.registry import ChildFacts
from shared.contracts.vocabulary import ChildDescription, Person, RecordState, RecordStatus, Register, age_on

# Law on Children 102/2016, Art. 1: a child is a person under 16.
ADULT_AGE: Final = 16
DISABILITY: Final = "04"
DROPPED_OUT: Final = "dropped-out"
# A person's correction stands above the registers, and what somebody on the telephone said below them.
_RANK: Final[dict[Register, int]] = {
    "registry-page": 0,
    "commune-roster": 1,
    "health-record": 2,
    "school-roster": 3,
    "report": 4,
}
_RESIDENCE: Final[frozenset[Register]] = frozenset({"registry-page", "commune-roster"})
_PLAIN_FIELDS: Final = ("name", "ethnicity", "number", "address", "hamlet")
_SCHOOL_FIELDS: Final = ("school", "grade")
_MOST_CARERS: Final = 20


@dataclass(frozen=True, slots=True)
class Statement:
    """What one source says of one child. `record_id` is the same for each later version of it."""

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

    @property
    def groups(self) -> tuple[str, ...]:
        """The circumstances it tells of, dropping out of school among them."""
        return (*self.circumstances, DROPPED_OUT) if self.dropped_out else self.circumstances


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a child, all statements together."""

    description: ChildDescription
    unit: str | None
    birth_year: int | None
    confirmed_on: date
    circumstances: tuple[str, ...] = field(default=())
    # How the record stands: not told by any source, but by what people and time did with it.
    state: RecordState = "collected"
    status: RecordStatus = "active"

    @property
    def facts(self) -> ChildFacts:
        """The coarse state that events carry in clear."""
        born = self.description.birth_date
        return ChildFacts(
            unit=self.unit,
            sex=self.description.sex,
            birth_year=self.birth_year,
            birth_month=born.month if born else None,
            ethnicity=self.description.ethnicity,
            disability=DISABILITY in self.circumstances,
            circumstances=list(self.circumstances),
            state=self.state,
            status=self.status,
        )


def compose(statements: Sequence[Statement], circumstances: Iterable[str] = ()) -> Known:
    """What is known from at least one statement, the latest received first. `circumstances`: those that hold now."""
    ranked = sorted(statements, key=lambda s: (_RANK[s.register_kind], -s.as_of.toordinal()))
    schools = sorted(ranked, key=lambda s: s.register_kind not in {"registry-page", "school-roster"})
    homes = sorted(ranked, key=lambda s: (s.register_kind not in _RESIDENCE, -s.as_of.toordinal()))
    values: dict[str, Any] = {name: _first(ranked, name) for name in _PLAIN_FIELDS}
    values |= {name: _first(schools, name) for name in _SCHOOL_FIELDS}
    values["sex"] = next((s.description.sex for s in ranked if s.description.sex != "unknown"), "unknown")
    born = _first(ranked, "birth_date")
    aged = next((s for s in ranked if s.description.age is not None), None)
    values["birth_date"] = born
    year: int | None = born.year if born else None
    if born is None and aged is not None and aged.description.age is not None:
        values["age"] = aged.description.age
        year = aged.as_of.year - aged.description.age
    values["carers"] = _carers(ranked)
    return Known(
        description=ChildDescription(**values),
        unit=next((s.unit for s in homes if s.unit is not None), None),
        birth_year=year,
        confirmed_on=max(s.as_of for s in statements),
        circumstances=tuple(sorted(set(circumstances))),
    )


def _first(statements: Iterable[Statement], name: str) -> Any:
    return next((value for s in statements if (value := getattr(s.description, name)) is not None), None)


def _carers(statements: Iterable[Statement]) -> list[Person]:
    """Everybody any source names, once: the better source's writing stays, what it leaves out is filled."""
    found: list[Person] = []
    for carer in (carer for statement in statements for carer in statement.description.carers):
        place = next((place for place, known in enumerate(found) if _same_person(known, carer)), None)
        if place is None:
            found.append(carer)
        else:
            filled = {key: value for key, value in carer if getattr(found[place], key) is None}
            found[place] = found[place].model_copy(update=filled)
    return found[:_MOST_CARERS]


def _same_person(one: Person, other: Person) -> bool:
    return compare_names(name_of(one.name), name_of(other.name)) >= Likeness.SLIP


def changed_fields(before: Known, after: Known) -> list[str]:
    """Names of what differs in the description, and `unit`."""
    names = [
        name
        for name in ChildDescription.model_fields
        if getattr(before.description, name) != getattr(after.description, name)
    ]
    return [*names, "unit"] if before.unit != after.unit else names


def only_changes(known: ChildDescription, wanted: ChildDescription) -> ChildDescription:
    """The part of a person's correction that says something new: what registers later correct stays theirs."""
    said = {
        name: getattr(wanted, name)
        for name in ChildDescription.model_fields
        if getattr(wanted, name) != getattr(known, name)
    }
    return ChildDescription(**said)


def merge_corrections(earlier: ChildDescription, later: ChildDescription) -> ChildDescription:
    """Two corrections by people on the same child, the later one above."""
    said = {name: getattr(later, name) for name in later.model_fields_set}
    return earlier.model_copy(
        update={name: value for name, value in said.items() if value not in (None, [], "unknown")}
    )


def refusals(description: ChildDescription, as_of: date, today: date, *, named: bool = True) -> list[Violation]:
    """Why a statement on a child cannot be taken over; empty where it can.

    Args:
        as_of: the source's own date. today: in the province. named: whether a name is asked for.
    """
    found: list[Violation] = []
    if as_of > today:
        found.append(
            Violation(
                "as_of",
                "as-of-in-future",
                "Thời điểm của sổ không được sau ngày hôm nay.",
                "The register's date must not be after today.",
            )
        )
    if named and not fold(description.name):
        found.append(Violation("name", "name-missing", "Phải có họ và tên của trẻ.", "The child's name is required."))
    born = description.birth_date
    if born is not None and born > min(as_of, today):
        found.append(
            Violation(
                "birth_date",
                "birth-date-in-future",
                "Ngày sinh không được sau thời điểm của sổ.",
                "The birth date must not be after the register's date.",
            )
        )
    elif is_adult(description, as_of):
        found.append(
            Violation(
                "birth_date",
                "not-a-child",
                "Người này đã từ 16 tuổi trở lên vào thời điểm của sổ (Luật Trẻ em 2016, Điều 1).",
                "This person was 16 or older on the register's date (Law on Children 2016, Art. 1).",
            )
        )
    return found


def is_adult(description: ChildDescription, day: date) -> bool:
    """Whether the described person was 16 or more on `day`, as far as one can tell."""
    if description.birth_date is not None:
        return age_on(description.birth_date, day) >= ADULT_AGE
    return description.age is not None and description.age >= ADULT_AGE


def circumstance_refusals(since: date, until: date | None, today: date, *, listed: bool) -> list[Violation]:
    """Why a circumstance cannot be taken over. `listed`: whether the reference data knows its code."""
    found: list[Violation] = []
    if not listed:
        found.append(
            Violation(
                "circumstance",
                "circumstance-unknown",
                "Hoàn cảnh không có trong danh mục.",
                "The circumstance is not in the list.",
            )
        )
    if since > today:
        found.append(
            Violation(
                "since",
                "since-in-future",
                "Ngày bắt đầu không được sau ngày hôm nay.",
                "The first day must not be after today.",
            )
        )
    if until is not None and until < since:
        found.append(
            Violation(
                "until",
                "until-before-since",
                "Ngày kết thúc không được trước ngày bắt đầu.",
                "The last day must not be before the first.",
            )
        )
    return found
