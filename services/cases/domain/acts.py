"""What people may do to a case, as forms: one model an act, checked at the edge, decided in `cases.py`.

Words typed by people are personal: they live in these models only until the store seals them.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from services.cases.domain.forms import Rating
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import Day, Sector

Words = Annotated[str, Field(min_length=1, max_length=20_000)]
MaybeWords = Annotated[
    Annotated[str, Field(max_length=20_000)] | None,
    BeforeValidator(lambda value: None if isinstance(value, str) and not value.strip() else value),
]
Code = Annotated[str, Field(min_length=1, max_length=60)]
EmptyIsNone = BeforeValidator(lambda value: value or None)


class _Act(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Verify(_Act):
    """Truth, safety and risk were checked."""

    act: Literal["verify"] = "verify"
    confirmed: bool
    findings: Words


class AssessInitial(_Act):
    """Form 02, rated row by row."""

    act: Literal["assess-initial"] = "assess-initial"
    ratings: dict[str, Rating]
    level: Rating
    conclusion: Words
    urgent_measures: MaybeWords = None


class AssessDetailed(_Act):
    """Form 03: what the child needs."""

    act: Literal["assess-detailed"] = "assess-detailed"
    ratings: dict[str, Rating]
    level: Rating
    conclusion: Words
    needs: MaybeWords = None


class DecideEmergency(_Act):
    """Form 07: emergency protection."""

    act: Literal["decide-emergency"] = "decide-emergency"
    measure: Code
    decision: Words


class ExtendSeparation(_Act):
    """The competent authority requires more than the 15 days of temporary separation."""

    act: Literal["extend-separation"] = "extend-separation"
    until: Day
    reason: Words


class EndSeparation(_Act):
    """The child is safe without being kept apart."""

    act: Literal["end-separation"] = "end-separation"
    reason: Words


class DraftPlan(_Act):
    """Form 04: goals, activities, who, with what, until when."""

    act: Literal["draft-plan"] = "draft-plan"
    goals: Words
    activities: Words
    resources: MaybeWords = None
    until: Annotated[date | None, EmptyIsNone] = None


class ApprovePlan(_Act):
    """Form 05: the chair's decision."""

    act: Literal["approve-plan"] = "approve-plan"
    number: MaybeWords = None
    remarks: MaybeWords = None


class ReturnPlan(_Act):
    """The plan is given back, with what is missing."""

    act: Literal["return-plan"] = "return-plan"
    reason: Words


class RequestTask(_Act):
    """A sector is asked to do something."""

    act: Literal["request-task"] = "request-task"
    kind: Code
    sector: Sector
    due: Day
    instructions: MaybeWords = None


class CancelTask(_Act):
    """What was asked of a sector is needed no more."""

    act: Literal["cancel-task"] = "cancel-task"
    task_id: Code
    reason: Words


class HoldReview(_Act):
    """Form 06: how the plan worked."""

    act: Literal["hold-review"] = "hold-review"
    outcome: Literal["close", "continue", "plan-again"]
    findings: Words


class Close(_Act):
    """No risk remains and the child is stable, or there was nothing."""

    act: Literal["close"] = "close"
    outcome: Code
    no_risk: bool = False
    stable: bool = False
    remarks: MaybeWords = None


class Reopen(_Act):
    """The case goes on."""

    act: Literal["reopen"] = "reopen"
    reason: Words
    danger_now: bool = False


class Reclassify(_Act):
    """Kind or risk was wrong, or is no longer right."""

    act: Literal["reclassify"] = "reclassify"
    kind: Literal["violence", "exploitation", "sexual-abuse", "trafficking", "abandonment", "neglect", "other"]
    risk: Annotated[Rating | None, EmptyIsNone] = None
    reason: Words


class Transfer(_Act):
    """Another commune leads."""

    act: Literal["transfer"] = "transfer"
    to_unit: Code
    reason: Words


class Merge(_Act):
    """This case is the same matter as another, named by its code."""

    act: Literal["merge"] = "merge"
    into: Code
    reason: Words


NONE_OF_THESE = "none-of-these"


class ChooseChild(_Act):
    """A person says which of the registry's candidates the child is; `none-of-these` where it is none."""

    act: Literal["choose-child"] = "choose-child"
    child_id: Code


class Note(_Act):
    """Something to remember."""

    act: Literal["note"] = "note"
    text: Words


Act = Annotated[
    Verify
    | AssessInitial
    | AssessDetailed
    | DecideEmergency
    | ExtendSeparation
    | EndSeparation
    | DraftPlan
    | ApprovePlan
    | ReturnPlan
    | RequestTask
    | CancelTask
    | HoldReview
    | Close
    | Reopen
    | Reclassify
    | Transfer
    | Merge
    | ChooseChild
    | Note,
    Field(discriminator="act"),
]
ACT: TypeAdapter[Act] = TypeAdapter(Act)


class OpenCase(_Act):
    """The concern becomes a case."""

    act: Literal["open"] = "open"


class LinkConcern(_Act):
    """The concern tells of a case that is there already, named by its code."""

    act: Literal["link"] = "link"
    case_code: Code


class DismissConcern(_Act):
    """No case follows."""

    act: Literal["dismiss"] = "dismiss"
    reason: Code
    words: Words


class ForwardConcern(_Act):
    """The concern belongs to another commune (Decree 56/2017, Art. 26(1): where it happened)."""

    act: Literal["forward"] = "forward"
    to_unit: Code
    reason: Words


ConcernAct = Annotated[
    OpenCase | LinkConcern | DismissConcern | ForwardConcern,
    Field(discriminator="act"),
]
CONCERN_ACT: TypeAdapter[ConcernAct] = TypeAdapter(ConcernAct)


def version_changed() -> Rejected:
    """Somebody else decided in the meantime: the second sees both and chooses."""
    return Rejected(
        [
            Violation(
                "version",
                "version-changed",
                "Hồ sơ đã thay đổi từ khi anh chị mở trang. Xin xem nội dung mới rồi gửi lại.",
                "The file changed after you opened the page. Please look at what is new, then send again.",
            )
        ]
    )
