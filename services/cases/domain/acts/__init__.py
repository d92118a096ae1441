"""What people may do to a case, as forms: one model an act, checked at the edge, decided in the domain's chapters.

Words typed by people are personal: they live in these models only until the store seals them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from services.cases.domain.acts.assessing import AssessDetailed, AssessInitial, Verify
from services.cases.domain.acts.bans import DecideContactBan, EndContactBan, RequestContactBan
from services.cases.domain.acts.base import Code, EmptyIsNone, FormAct, MaybeWords, Words, version_changed
from services.cases.domain.acts.care import DecideAlternativeCare, EndAlternativeCare, HandOverChild
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
from services.cases.domain.acts.ending import Close, Merge, Reopen, UndoMerge
from services.cases.domain.acts.handover import AcceptHandover, DeclineHandover, OfferHandover, WithdrawHandover
from services.cases.domain.acts.leading import NONE_OF_THESE, ChooseChild, CorrectChild, Note, Reclassify, Transfer
from services.cases.domain.acts.planning import (
    ApprovePlan,
    DraftPlan,
    HoldNeedsMeeting,
    HoldReview,
    RecordService,
    ReturnPlan,
)
from services.cases.domain.acts.protecting import DecideEmergency, EndSeparation, ExtendSeparation
from services.cases.domain.acts.siblings import LinkSibling, UnlinkSibling
from services.cases.domain.acts.triage import (
    AnswerConcern,
    CorrectReceipt,
    DismissConcern,
    ForwardConcern,
    LinkConcern,
    OpenCase,
)

__all__ = [
    "ACT",
    "CONCERN_ACT",
    "MOST_DECISIONS",
    "NONE_OF_THESE",
    "AcceptHandover",
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
    "CorrectChild",
    "CorrectReceipt",
    "DecideAlternativeCare",
    "DecideContactBan",
    "DecideEmergency",
    "DeclineHandover",
    "DismissConcern",
    "DoWithout",
    "DraftPlan",
    "EmptyIsNone",
    "EndAlternativeCare",
    "EndContactBan",
    "EndSeparation",
    "ExtendSeparation",
    "FormAct",
    "ForwardConcern",
    "HandOverChild",
    "HoldConference",
    "HoldNeedsMeeting",
    "HoldReview",
    "LinkConcern",
    "LinkSibling",
    "MaybeWords",
    "Merge",
    "Note",
    "OfferHandover",
    "OpenCase",
    "PauseDeadline",
    "ReassignTask",
    "Reclassify",
    "RecordService",
    "RefuseDate",
    "RemindTask",
    "Reopen",
    "ReplyTask",
    "RequestContactBan",
    "RequestTask",
    "ResumeDeadline",
    "ReturnPlan",
    "Transfer",
    "UndoMerge",
    "UnlinkSibling",
    "Verify",
    "WithdrawHandover",
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
    | RecordService
    | RequestContactBan
    | DecideContactBan
    | EndContactBan
    | DecideAlternativeCare
    | HandOverChild
    | EndAlternativeCare
    | UndoMerge
    | OfferHandover
    | AcceptHandover
    | DeclineHandover
    | WithdrawHandover
    | CorrectChild
    | LinkSibling
    | UnlinkSibling,
    Field(discriminator="act"),
]
ACT: TypeAdapter[Act] = TypeAdapter(Act)

ConcernAct = Annotated[
    OpenCase | LinkConcern | DismissConcern | ForwardConcern | AnswerConcern | CorrectReceipt,
    Field(discriminator="act"),
]
CONCERN_ACT: TypeAdapter[ConcernAct] = TypeAdapter(ConcernAct)
