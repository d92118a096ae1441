"""A case, its clocks and tasks, and a concern, as plain values; and what a decision about them consists of.

Pure: no clock, no database, no framework. Nothing here knows who a child is beyond coarse facts.
"""

from __future__ import annotations

from services.cases.domain.model.case import (
    RISK_ORDER,
    Case,
    Concern,
    Identity,
)
from services.cases.domain.model.clock import (
    AFTER,
    APPROVAL,
    BAN,
    BAN_DECISION,
    CARE_HANDOVER,
    CASE_HANDOVER,
    EMERGENCY,
    ENDS_BY_ITSELF,
    FROM_RECEIPT,
    INITIAL,
    PLAN,
    RUNNING,
    SEPARATION,
    Clock,
)
from services.cases.domain.model.decision import (
    Decision,
    Entry,
    Happening,
    at_risk,
    deadline_event,
    task_event,
)
from services.cases.domain.model.people import (
    Glass,
    LeftBecause,
    Member,
    Verdict,
)
from services.cases.domain.model.work import (
    COMMUNE,
    OPEN_TASKS,
    AnswerGiven,
    Awaited,
    Conference,
    Pending,
    PlannedService,
    Task,
)
from services.cases.domain.model.world import (
    SYSTEM,
    ZONE,
    Actor,
    Deadline,
    StartClock,
    World,
    elapsed,
    end_of_day,
)
from shared.contracts.errors import refuse
from shared.reference.calendar import local_day

__all__ = [
    "AFTER",
    "APPROVAL",
    "BAN",
    "BAN_DECISION",
    "CARE_HANDOVER",
    "CASE_HANDOVER",
    "COMMUNE",
    "EMERGENCY",
    "ENDS_BY_ITSELF",
    "FROM_RECEIPT",
    "INITIAL",
    "OPEN_TASKS",
    "PLAN",
    "RISK_ORDER",
    "RUNNING",
    "SEPARATION",
    "SYSTEM",
    "ZONE",
    "Actor",
    "AnswerGiven",
    "Awaited",
    "Case",
    "Clock",
    "Concern",
    "Conference",
    "Deadline",
    "Decision",
    "Entry",
    "Glass",
    "Happening",
    "Identity",
    "LeftBecause",
    "Member",
    "Pending",
    "PlannedService",
    "StartClock",
    "Task",
    "Verdict",
    "World",
    "at_risk",
    "deadline_event",
    "elapsed",
    "end_of_day",
    "local_day",
    "refuse",
    "task_event",
]
