"""What the registry says of children: in clear only ids and coarse facts, identity sealed under the child's key."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from shared.contracts.base import Contract, Sealed, contract
from shared.contracts.vocabulary import ChildDescription, Register, Sector, Sex


class ChildFacts(BaseModel):
    """The coarse state of a child after the event, enough for whoever counts."""

    unit: str | None = None
    sex: Sex
    birth_year: int | None = None
    birth_month: int | None = None
    ethnicity: str | None = None
    disability: bool = False
    circumstances: list[str] = Field(default_factory=list)


class _ChildEvent(Contract):
    child_id: str
    facts: ChildFacts


@contract("registry.child.registered")
class ChildRegistered(_ChildEvent):
    """A child is recorded for the first time."""

    child: Sealed[ChildDescription]
    sector: Sector | None = None


@contract("registry.child.corrected")
class ChildCorrected(_ChildEvent):
    """A later or better statement changed what is known."""

    child: Sealed[ChildDescription]
    sector: Sector | None = None
    changed: list[str] = Field(default_factory=list, description="names of the fields that changed")


@contract("registry.child.moved")
class ChildMoved(_ChildEvent):
    """Residence changed to another commune."""

    from_unit: str | None = None
    moved_on: date


@contract("registry.child.circumstance.started")
class CircumstanceStarted(_ChildEvent):
    """A special circumstance or flag holds from `since`."""

    circumstance: str
    since: date


@contract("registry.child.circumstance.ended")
class CircumstanceEnded(_ChildEvent):
    """A special circumstance or flag ended."""

    circumstance: str
    until: date


@contract("registry.child.merged")
class ChildMerged(_ChildEvent):
    """Two records were one child: `child_id` goes on, `merged_id` points to it from now."""

    merged_id: str


class Candidate(BaseModel):
    """A child who may be the one described, with how sure the matcher is (probability 0..1) and why."""

    child_id: str
    probability: Annotated[float, Field(ge=0, le=1)]
    reasons: list[str]


@contract("registry.child.identified")
class ChildIdentified(Contract):
    """Answer to `cases.child.described`: this child, a new one, or candidates between whom a person chooses."""

    case_id: str
    result: Literal["existing", "new", "candidates"]
    child_id: str | None = None
    candidates: list[Candidate] = Field(default_factory=list)
    facts: ChildFacts | None = None


@contract("registry.record.linked")
class RecordLinked(Contract):
    """One source's statement on a child was taken over: what rosters are counted by."""

    record_id: str
    child_id: str
    register_kind: Register
    sector: Sector
    unit: str | None = None
    sex: Sex
    birth_year: int | None = None
    circumstances: list[str] = Field(default_factory=list)
    dropped_out: bool = False
