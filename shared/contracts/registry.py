"""What the registry says of children: in clear only ids and coarse facts, identity sealed under the child's key."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field

from shared.contracts.base import Contract, Sealed, contract
from shared.contracts.vocabulary import ChildDescription, RecordState, RecordStatus, Register, Sector, Sex


class ChildFacts(BaseModel):
    """The coarse state of a child after the event, enough for whoever counts."""

    unit: str | None = None
    sex: Sex
    birth_year: int | None = None
    birth_month: int | None = None
    # The code of the list of 1979 (121-TCTK/PPCĐ).
    ethnicity: str | None = None
    disability: bool = False
    circumstances: list[str] = Field(default_factory=list)
    state: RecordState = "collected"
    status: RecordStatus = "active"
    # Whether a service was given in a case of the child within the last twelve months.
    supported: bool = False


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


@contract("registry.child.support.started")
class SupportStarted(_ChildEvent):
    """A service was given in a case of the child: it is supported from now."""


@contract("registry.child.support.ended")
class SupportEnded(_ChildEvent):
    """The last service lies too long ago, or was not given after all: the child is supported no more."""


@contract("registry.child.merged")
class ChildMerged(_ChildEvent):
    """Two records were one child: `child_id` goes on, `merged_id` points to it from now, whose child lived in
    `merged_unit`, as far as that was known."""

    merged_id: str
    merged_unit: str | None = None


@contract("registry.child.split")
class ChildSplit(_ChildEvent):
    """One record was two children: part of what was said of `from_child_id` is `child_id`'s from now.

    Where a merge was undone, `replaces_id` is the record that had been merged: whoever knows it means `child_id`.
    `from_unit`: where the other child lives, as far as that is known.
    """

    from_child_id: str
    from_unit: str | None = None
    replaces_id: str | None = None


@contract("registry.child.checked")
class ChildChecked(_ChildEvent):
    """Somebody looked the record through for gaps and contradictions (guide 3978/QĐ-BYT: kiểm tra)."""

    checked_on: date


@contract("registry.child.verified")
class ChildVerified(_ChildEvent):
    """Somebody verified the record with the family or its papers. `due_on`: when it must be verified again."""

    verified_on: date
    due_on: date
    blind: bool = Field(default=False, description="a second person who did not see the first answers")


@contract("registry.child.verification.due")
class ChildVerificationDue(_ChildEvent):
    """The record has not been verified for as long as the rules allow."""

    due_on: date


@contract("registry.child.aged-out")
class ChildAgedOut(_ChildEvent):
    """The 16th birthday (Law on Children 102/2016, Art. 1): counted among children no more from `on`."""

    on: date


@contract("registry.child.deceased")
class ChildDeceased(_ChildEvent):
    """The child died."""

    died_on: date


@contract("registry.child.adopted")
class ChildAdopted(_ChildEvent):
    """The child was adopted: this record is closed. That a new one exists under a new identity is told to nobody."""

    on: date


@contract("registry.child.withdrawn")
class ChildWithdrawn(_ChildEvent):
    """The record was made by mistake (an import that was undone) and counts no more."""

    reason: Literal["import-undone", "not-a-child", "made-up"]


@contract("registry.child.returned")
class ChildReturned(_ChildEvent):
    """A closed record is kept up again: it had been closed by mistake, or what withdrew it was undone."""

    was: RecordStatus


@contract("registry.child.erased")
class ChildErased(Contract):
    """Erased by law: the key is gone, and with it whatever was sealed for the child, wherever it lies."""

    child_id: str


@contract("registry.record.withdrawn")
class RecordWithdrawn(Contract):
    """A source's statement counts no more (an import that was undone)."""

    record_id: str
    child_id: str


@contract("registry.reverification.completed")
class ReverificationCompleted(Contract):
    """A blind sample of a commune was collected again by second persons (guide 3978/QĐ-BYT: phúc tra)."""

    sample_id: str
    unit: str
    size: Annotated[int, Field(ge=0)]
    found: Annotated[int, Field(ge=0, description="children of the sample that the second person could reach")]
    agreed: Annotated[int, Field(ge=0, description="answers alike")]
    asked: Annotated[int, Field(ge=0, description="answers compared")]
    by_field: dict[str, tuple[int, int]] = Field(default_factory=dict, description="field: alike, compared")


@contract("registry.verification.digest")
class VerificationDigest(Contract):
    """Once a day, where any fell due: how many of a commune's records must be verified again."""

    unit: str
    on: date
    newly_due: Annotated[int, Field(ge=0)]
    due: Annotated[int, Field(ge=0, description="in all, those of earlier days among them")]


@contract("registry.quality.measured")
class QualityMeasured(Contract):
    """How good a commune's records are on a day: how many break each rule, of how many children. Measured again when
    they have changed; the last of a day, which has the greatest sequence, stands for it."""

    unit: str
    on: date
    measured_at: Annotated[AwareDatetime | None, Field(description="the moment of which the figures are")] = None
    children: Annotated[int, Field(ge=0)]
    verified: Annotated[int, Field(ge=0)]
    due: Annotated[int, Field(ge=0)]
    broken: dict[str, int] = Field(default_factory=dict, description="rule: children whose record breaks it")
    score: Annotated[float, Field(ge=0, le=100)]


@contract("registry.import.finished")
class ImportFinished(Contract):
    """A file was taken over, or an import undone. The events of its rows bear its id as `bulk`; of each of them nobody
    is told, of this one whoever asked for it.

    `units`: the communes of which it may speak; None: all of the province.
    """

    import_id: str
    kind: str
    unit: str | None = None
    units: list[str] | None = None
    rows: Annotated[int, Field(ge=0)]
    taken: Annotated[int, Field(ge=0)]
    rejected: Annotated[int, Field(ge=0)]
    new_children: Annotated[int, Field(ge=0)]
    undone: bool = False


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
