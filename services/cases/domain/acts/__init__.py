"""What people may do to a case, as forms: one model an act, checked at the edge, decided in the domain's chapters.

Words typed by people are personal: they live in these models only until the store seals them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from services.cases.domain.acts.assessing import AssessDetailed, AssessInitial, Verify
from services.cases.domain.acts.base import Code, EmptyIsNone, FormAct, MaybeWords, Words, version_changed
from services.cases.domain.acts.clocks import PauseDeadline, ResumeDeadline
from services.cases.domain.acts.coordinating import (
    MOST_DECISIONS,
    AgreeDate,
    CallConference,
    CancelConference,
    CancelTask,
    ConferenceDecision,
    DoWithout,
    HoldConference,
    ReassignTask,
    RefuseDate,
    RemindTask,
    ReplyTask,
    RequestTask,
)
from services.cases.domain.acts.ending import Close, Merge, Reopen
from services.cases.domain.acts.leading import NONE_OF_THESE, ChooseChild, Note, Reclassify, Transfer
from services.cases.domain.acts.planning import (
    ApprovePlan,
    DraftPlan,
    HoldNeedsMeeting,
    HoldReview,
    RecordService,
    ReturnPlan,
)
from services.cases.domain.acts.protecting import DecideEmergency, EndSeparation, ExtendSeparation
from services.cases.domain.acts.triage import AnswerConcern, DismissConcern, ForwardConcern, LinkConcern, OpenCase

__all__ = [
    "ACT",
    "CONCERN_ACT",
    "MOST_DECISIONS",
    "NONE_OF_THESE",
    "Act",
    "AgreeDate",
    "AnswerConcern",
    "ApprovePlan",
    "AssessDetailed",
    "AssessInitial",
    "CallConference",
    "CancelConference",
    "CancelTask",
    "ChooseChild",
    "Close",
    "Code",
    "ConcernAct",
    "ConferenceDecision",
    "DecideEmergency",
    "DismissConcern",
    "DoWithout",
    "DraftPlan",
    "EmptyIsNone",
    "EndSeparation",
    "ExtendSeparation",
    "FormAct",
    "ForwardConcern",
    "HoldConference",
    "HoldNeedsMeeting",
    "HoldReview",
    "LinkConcern",
    "MaybeWords",
    "Merge",
    "Note",
    "OpenCase",
    "PauseDeadline",
    "ReassignTask",
    "Reclassify",
    "RecordService",
    "RefuseDate",
    "RemindTask",
    "Reopen",
    "ReplyTask",
    "RequestTask",
    "ResumeDeadline",
    "ReturnPlan",
    "Transfer",
    "Verify",
    "Words",
    "version_changed",
]

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
    | Note
    | ReplyTask
    | AgreeDate
    | RefuseDate
    | RemindTask
    | ReassignTask
    | DoWithout
    | CallConference
    | HoldConference
    | CancelConference
    | PauseDeadline
    | ResumeDeadline
    | HoldNeedsMeeting
    | RecordService,
    Field(discriminator="act"),
]
ACT: TypeAdapter[Act] = TypeAdapter(Act)

ConcernAct = Annotated[
    OpenCase | LinkConcern | DismissConcern | ForwardConcern | AnswerConcern,
    Field(discriminator="act"),
]
CONCERN_ACT: TypeAdapter[ConcernAct] = TypeAdapter(ConcernAct)
