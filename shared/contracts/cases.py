"""What the cases service says: concerns, cases, tasks, deadlines. Every case event carries the coarse state after it,
so that a consumer needs the latest event of a case and nothing else. Identity only in sealed fields.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from shared.contracts.base import Contract, Sealed, contract
from shared.contracts.vocabulary import AgeBand, ChildDescription, DangerNow, LongText, Request, RiskLevel, Sex

CaseStatus = Literal["open", "closed", "merged"]
CaseStep = Literal["intake", "assessment", "plan", "approval", "carrying-out", "review", "closed", "merged"]
# `lapsed`: missed, and then needed no more. `paused`: stands still where the law allows it.
DeadlineState = Literal["running", "nearing", "missed", "paused", "met", "met-late", "cancelled", "lapsed"]
Meeting = Literal["needs", "conference"]
ConcernStatus = Literal["received", "opened", "linked", "answered", "dismissed"]
TaskState = Literal["requested", "accepted", "declined", "done", "overdue", "cancelled"]


class CaseFacts(BaseModel):
    """The coarse state of a case after the event."""

    unit: str
    sex: Sex
    age_band: AgeBand
    kind: str
    risk: RiskLevel
    status: CaseStatus
    step: CaseStep
    sector: str
    channel: str
    opened_at: AwareDatetime
    child_id: str | None = None
    environment: str | None = None
    harmer: str | None = None
    # What people call the case; it says nothing of the child.
    code: str | None = None


class ConcernFacts(BaseModel):
    """The coarse state of a concern after the event."""

    unit: str
    sex: Sex
    age_band: AgeBand
    kind: str
    danger_now: DangerNow
    sector: str
    channel: str
    status: ConcernStatus
    received_at: AwareDatetime
    request: Request = "protection"


class _ConcernEvent(Contract):
    concern_id: str
    case_id: str | None = None
    facts: ConcernFacts


class CaseEvent(Contract):
    """Base of all events about one case."""

    case_id: str
    facts: CaseFacts


@contract("cases.concern.received")
class ConcernReceived(_ConcernEvent):
    """A concern was taken in (first time or corrected by its sender)."""


@contract("cases.concern.dismissed")
class ConcernDismissed(_ConcernEvent):
    """No case follows; the reason is a code, its words stay in the case file."""

    reason: str


@contract("cases.concern.answered")
class ConcernAnswered(_ConcernEvent):
    """A request for advice that is no case was answered; the answer's words stay in the file."""

    answer: str


@contract("cases.child.described")
class ChildDescribed(CaseEvent):
    """Asks the registry who this child is. Sealed under the case's key until the child has one."""

    child: Sealed[ChildDescription]


@contract("cases.child.chosen")
class ChildChosen(CaseEvent):
    """A person said which of the registry's candidates the described child is; no `child_id`: none of them.

    Where it is none, the registry founds a record on the description, which is sealed under the case's key.
    `instead_of`: the child to which the case was linked by mistake, and whose record the report's words leave.
    """

    child_id: str | None = None
    instead_of: str | None = None
    child: Sealed[ChildDescription] | None = None


@contract("cases.case.opened")
class CaseOpened(CaseEvent):
    """A case begins."""

    concern_id: str
    danger_now: DangerNow


@contract("cases.case.child-linked")
class ChildLinked(CaseEvent):
    """The case's child is known (or was corrected) to be `facts.child_id`."""


@contract("cases.case.child-unlinked")
class ChildUnlinked(CaseEvent):
    """The case was linked to the wrong child: it is about `wrong_child_id` no more."""

    wrong_child_id: str


@contract("cases.case.sibling-linked")
class SiblingLinked(CaseEvent):
    """This case and `other_case_id` are of children of one family or one report."""

    other_case_id: str


@contract("cases.case.sibling-unlinked")
class SiblingUnlinked(CaseEvent):
    """The two cases have nothing to do with each other after all."""

    other_case_id: str


@contract("cases.facts.verified")
class FactsVerified(CaseEvent):
    """Truth, safety and risk were checked (Decree 56/2017, Art. 25(2))."""

    confirmed: bool


@contract("cases.risk.assessed")
class RiskAssessed(CaseEvent):
    """An assessment (form 02 initial, form 03 detailed) was completed."""

    assessment: Literal["initial", "detailed"]
    level: RiskLevel


@contract("cases.emergency.measure.decided")
class EmergencyMeasureDecided(CaseEvent):
    """Emergency protection was decided (Decree 56/2017, Art. 26(3), 31; form 07)."""

    measure: str


@contract("cases.separation.decided")
class SeparationDecided(CaseEvent):
    """The child is kept apart from who harms it (Decree 56/2017, Art. 32; form 07), until `until` at most."""

    until: AwareDatetime


@contract("cases.separation.extended")
class SeparationExtended(CaseEvent):
    """The competent authority requires the separation to last longer, until `until`."""

    until: AwareDatetime


@contract("cases.separation.ended")
class SeparationEnded(CaseEvent):
    """The separation is over."""


@contract("cases.contact-ban.requested")
class ContactBanRequested(CaseEvent):
    """A ban on contact with who harms the child was asked for (Law 13/2022 on domestic violence)."""


@contract("cases.contact-ban.decided")
class ContactBanDecided(CaseEvent):
    """The chair granted the ban, until `until`, or refused it with a reason that is in the case file."""

    granted: bool
    until: AwareDatetime | None = None


@contract("cases.contact-ban.ended")
class ContactBanEnded(CaseEvent):
    """The ban is over: its days have passed, or it was lifted."""


@contract("cases.meeting.called")
class MeetingCalled(CaseEvent):
    """People of several sectors are asked to meet about the child."""

    meeting: Meeting
    meets_at: AwareDatetime
    sectors: list[str]
    meeting_id: str | None = None


@contract("cases.meeting.held")
class MeetingHeld(CaseEvent):
    """They met; minutes and decisions are in the case file (needs meeting: Decree 56/2017, Art. 27(2))."""

    meeting: Meeting
    held_on: date
    meeting_id: str | None = None


@contract("cases.meeting.cancelled")
class MeetingCancelled(CaseEvent):
    """They do not meet after all; whoever was invited need not come."""

    meeting: Meeting
    meeting_id: str | None = None
    sectors: list[str] = Field(default_factory=list)


@contract("cases.service.provided")
class CaseServiceProvided(CaseEvent):
    """A service was given to the child."""

    service_id: str
    service: str
    provided_on: date
    service_sector: str | None = None


@contract("cases.care.decided")
class CareDecided(CaseEvent):
    """Alternative care of a kind was decided (Decree 56/2017, Art. 42; form 12); the hand-over is awaited."""

    care: str


@contract("cases.care.handed-over")
class CareHandedOver(CaseEvent):
    """The child was handed over to who cares for it."""

    care: str


@contract("cases.care.ended")
class CareEnded(CaseEvent):
    """Alternative care ended."""

    care: str


@contract("cases.plan.drafted")
class PlanDrafted(CaseEvent):
    """A support and intervention plan waits for approval (Art. 28(1); form 04)."""


@contract("cases.plan.approved")
class PlanApproved(CaseEvent):
    """The chair approved the plan (Art. 28(4); form 05)."""


@contract("cases.plan.returned")
class PlanReturned(CaseEvent):
    """The chair gave the plan back."""


class _TaskEvent(CaseEvent):
    task_id: str
    task_kind: str
    task_sector: str
    due: AwareDatetime
    # After the event: a task that is accepted when its date has passed is still overdue.
    state: TaskState | None = None


@contract("cases.task.requested")
class TaskRequested(_TaskEvent):
    """A sector is asked to do something for the child."""

    instructions: Sealed[LongText] | None = None


@contract("cases.task.accepted")
class TaskAccepted(_TaskEvent):
    """The sector will do it."""


@contract("cases.task.declined")
class TaskDeclined(_TaskEvent):
    """The sector will not do it; the reason is in the case file."""


@contract("cases.task.done")
class TaskDone(_TaskEvent):
    """The sector did it."""


@contract("cases.task.overdue")
class TaskOverdue(_TaskEvent):
    """The date passed without a result."""


@contract("cases.task.cancelled")
class TaskCancelled(_TaskEvent):
    """The task is needed no more: the commune took it back, or its case ended. Words, if any, are in the case file."""

    cause: Literal["withdrawn", "reassigned", "case-closed", "case-merged"]


@contract("cases.task.questioned")
class TaskQuestioned(_TaskEvent):
    """The sector asks something before it can go on: the commune is awaited now."""

    question: Sealed[LongText] | None = None


@contract("cases.task.replied")
class TaskReplied(_TaskEvent):
    """The commune answered the sector's question, or its proposal of another date (`agreed`)."""

    agreed: bool | None = None
    reply: Sealed[LongText] | None = None


@contract("cases.task.date-proposed")
class TaskDateProposed(_TaskEvent):
    """The sector proposes another date; the present one stands until the commune agrees."""

    proposed: AwareDatetime


@contract("cases.task.reminded")
class TaskReminded(_TaskEvent):
    """The commune reminds the sector."""


@contract("cases.task.followed-case")
class TaskFollowedCase(_TaskEvent):
    """The case's commune, kind or risk changed, and its open task goes along: `state` and date are as before."""

    state: TaskState
    cause: Literal["transferred", "changed"]


@contract("cases.review.held")
class ReviewHeld(CaseEvent):
    """The plan was reviewed (Art. 30; form 06)."""

    outcome: Literal["close", "continue", "plan-again"]


@contract("cases.case.reclassified")
class CaseReclassified(CaseEvent):
    """Kind of abuse or risk was corrected: past counts change by the difference."""


@contract("cases.case.transferred")
class CaseTransferred(CaseEvent):
    """Another commune leads from now (Law on Children, Art. 52)."""

    from_unit: str


@contract("cases.case.handover-offered")
class HandoverOffered(CaseEvent):
    """The commune where it happened offers the case to the one where the child lives, and leads until it is taken."""

    to_unit: str


@contract("cases.case.handover-answered")
class HandoverAnswered(CaseEvent):
    """The offer was taken (the transfer follows), declined or taken back."""

    to_unit: str
    answer: Literal["accepted", "declined", "withdrawn"]


@contract("cases.case.assigned")
class CaseAssigned(CaseEvent):
    """Another worker is responsible from now: `worker` is an account's id, never a name."""

    worker: str
    before: str | None = None


@contract("cases.team.requested")
class TeamRequested(CaseEvent):
    """Somebody asks the lead to join the case team: the reason is in the case file."""

    person: str
    role: str


@contract("cases.team.joined")
class TeamJoined(CaseEvent):
    """An account joined the case team."""

    person: str
    role: str
    how: Literal["role", "request", "act", "assigned"]


@contract("cases.team.left")
class TeamLeft(CaseEvent):
    """An account left the case team, or its request was refused. `cause`: by themselves, removed by the lead, excluded
    for a conflict of interest, refused, or moved away with the case."""

    person: str
    role: str
    cause: Literal["left", "removed", "excluded", "refused", "moved"] | None = None


@contract("cases.access.broken-glass")
class GlassBroken(CaseEvent):
    """Somebody outside the team opened the child's identity for a stated reason, until `until`: the lead is told."""

    person: str
    role: str
    until: AwareDatetime


@contract("cases.case.merged")
class CaseMerged(CaseEvent):
    """This case was the same matter as `into_case_id`, which goes on."""

    into_case_id: str


@contract("cases.case.closed")
class CaseClosed(CaseEvent):
    """No risk remains and the child is stable (Art. 30(1))."""

    outcome: str


@contract("cases.case.reopened")
class CaseReopened(CaseEvent):
    """The case goes on after it was closed."""


class DeadlineEvent(CaseEvent):
    """Base of the events of one legal clock."""

    deadline_id: str
    kind: str
    state: DeadlineState
    due: AwareDatetime
    legal_source: str


@contract("cases.deadline.started")
class DeadlineStarted(DeadlineEvent):
    """A clock of the law runs."""


@contract("cases.deadline.nearing")
class DeadlineNearing(DeadlineEvent):
    """Little time is left."""


@contract("cases.deadline.missed")
class DeadlineMissed(DeadlineEvent):
    """The time has passed without the act. Work goes on, and somebody hears of it."""


@contract("cases.deadline.met")
class DeadlineMet(DeadlineEvent):
    """The act was done in time (`met`) or after it (`met-late`), or needs doing no more (`cancelled`; `lapsed` where
    the time had passed before)."""


@contract("cases.deadline.paused")
class DeadlinePaused(DeadlineEvent):
    """The clock stands still for a reason that the law allows; `due` is as it was."""

    reason: str


@contract("cases.deadline.resumed")
class DeadlineResumed(DeadlineEvent):
    """The clock runs again; `due` is later by the time it stood still."""


@contract("cases.deadline.followed-case")
class DeadlineFollowedCase(DeadlineEvent):
    """The case's commune, kind or risk changed, and its running clock goes along: `state` and date are as before."""


@contract("cases.incident.recorded")
class CaseIncidentRecorded(Contract):
    """An agency's incident was taken over (first time or corrected)."""

    incident_id: str
    kind: str
    outcome: str
    place: str | None = None
    unit: str
    sex: Sex
    age_band: AgeBand
    sector: str
    occurred_on: date
