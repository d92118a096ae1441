"""The words that events share: code lists small and stable enough to be part of a contract.

Lists that law or a province may change (units, deadlines, forms) are not here but in shared/reference.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from shared.contracts.errors import OUT_OF_CALENDAR

D = TypeVar("D", bound=date)

Sector = Literal["hotline", "health", "education", "police", "dolisa", "justice", "unions"]
SECTORS: tuple[Sector, ...] = ("hotline", "health", "education", "police", "dolisa", "justice", "unions")
Sex = Literal["male", "female", "unknown"]
DangerNow = Literal["yes", "no", "unknown"]
# What a concern asks for: protection of a child, or advice that is no case (counselling, prevention, information).
Request = Literal["protection", "counselling", "prevention", "information"]
Channel = Literal[
    "hotline-111",
    "line-18008080",
    "in-person",
    "school",
    "hospital",
    "police",
    "letter",
    "web",
    "app",
    "other",
]
RiskLevel = Literal["high", "medium", "low", "unassessed"]
AgeBand = Literal["0-3", "4-5", "6-10", "11-15", "16+", "unknown"]
# How a child's record stands: who has looked at it, and whether somebody must again (guide 3978/QĐ-BYT).
RecordState = Literal["collected", "checked", "verified", "due"]
# Whether the person is still one whose record is kept up: aged out at 16, died, lives in another province, adopted
# (identity protected), withdrawn (recorded by mistake), erased by law.
RecordStatus = Literal["active", "aged-out", "deceased", "moved-away", "adopted", "withdrawn", "erased"]
BirthPrecision = Literal["day", "month", "year"]
Register = Literal["commune-roster", "school-roster", "health-record", "registry-page", "report"]

# Five digits since Decision 124/2004; whether the commune exists is the reference data's to say.
UnitCode = Annotated[str, Field(pattern=r"^\d{5}$")]
CircumstanceGroup = Annotated[str, Field(pattern=r"^(0[1-9]|1[0-4])$")]
ShortText = Annotated[str, Field(max_length=300)]
LongText = Annotated[str, Field(max_length=20_000)]
# A code of a reference list that a province may extend: which codes there are is the reference data's to say.
ListCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
UNCLASSIFIED = "unclassified"


# Of the calendar that events of ours can have.
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2199


def in_calendar(value: date) -> bool:
    """Whether a day or moment is one that an event of ours can have: nothing here is older or further away, and at the
    ends of the calendar another time zone is an overflow."""
    return FIRST_YEAR <= value.year <= LAST_YEAR


def _refuse_others(value: D) -> D:
    if not in_calendar(value):
        raise PydanticCustomError(OUT_OF_CALENDAR, "outside the years 1900 to 2199")
    return value


Day = Annotated[date, AfterValidator(_refuse_others)]
Moment = Annotated[AwareDatetime, AfterValidator(_refuse_others)]


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


OptionalText = Annotated[ShortText | None, BeforeValidator(_blank_is_none)]
OptionalLongText = Annotated[LongText | None, BeforeValidator(_blank_is_none)]


class Person(BaseModel):
    """Somebody named by a sender: a reporter, a carer. Identity, only ever inside a sealed field."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: OptionalText = None
    phone: OptionalText = None
    address: OptionalText = None
    relation: OptionalText = None


class Stay(BaseModel):
    """Where somebody stays for a time, beside the residence. Identity, only ever inside a sealed field."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    unit: UnitCode | None = None
    address: OptionalText = None
    hamlet: OptionalText = None
    since: Day | None = None


class ChildDescription(BaseModel):
    """A child as much as a sender knows (form 01: nearly all "if known"). Identity, only ever inside a sealed field.

    `birth_precision`: how much of `birth_date` is known; nothing means the day. `ethnicity` as written;
    `ethnicity_code` of the list `ethnicity_list`: the registry keeps that of 121-TCTK/PPCĐ.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: OptionalText = None
    birth_date: Day | None = None
    age: Annotated[int | None, Field(ge=0, le=25, description="years, estimated where the birth date is unknown")] = (
        None
    )
    sex: Sex = "unknown"
    ethnicity: OptionalText = None
    number: OptionalText = None
    address: OptionalText = None
    hamlet: OptionalText = None
    school: OptionalText = None
    grade: OptionalText = None
    birth_precision: BirthPrecision | None = None
    birth_place: OptionalText = None
    birth_certificate: OptionalText = None
    ethnicity_code: ListCode | None = None
    ethnicity_list: Literal["121-tctk", "gso"] | None = None
    health_insurance: OptionalText = None
    household: OptionalText = None
    stay: Stay | None = None
    health: OptionalLongText = None
    disability_kinds: Annotated[list[ListCode], Field(max_length=10)] = Field(default_factory=list)
    disability_level: ListCode | None = None
    carers: Annotated[list[Person], Field(max_length=20)] = Field(default_factory=list)


class Parent(BaseModel):
    """A child's father or mother as form 01 asks. Identity, only ever inside a sealed field."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: OptionalText = None
    age: OptionalText = None
    job: OptionalText = None


class ReportDetails(BaseModel):
    """What form 01 asks beyond what happened and who the child is, if known. Identity, only ever inside a sealed
    field."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    condition: OptionalLongText = None
    consequence: OptionalLongText = None
    father: Parent | None = None
    mother: Parent | None = None
    family: OptionalLongText = None
    notes: OptionalLongText = None


def age_band(age: int | None) -> AgeBand:
    """The statistical age band (Circular 13/2021's groups) of an age in completed years."""
    if age is None or age < 0:
        return "unknown"
    for upper, band in ((3, "0-3"), (5, "4-5"), (10, "6-10"), (15, "11-15")):
        if age <= upper:
            return band  # type: ignore[return-value]  # mypy widens the literals in the tuple
    return "16+"


def age_on(birth: date, day: date) -> int:
    """Completed years on `day`."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
