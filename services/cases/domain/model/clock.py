"""One legal deadline of a case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts import cases as events
from shared.contracts.cases import DeadlineState

RUNNING: frozenset[DeadlineState] = frozenset({"running", "nearing", "missed", "paused"})
# What fell due at a moment is told just after it.
AFTER = timedelta(microseconds=1)

# Kinds of the law's clocks; how long they run and by which article is the reference data's.
INITIAL = "initial-assessment"
EMERGENCY = "emergency-12h"
PLAN = "detailed-assessment-5wd"
APPROVAL = "plan-approval"
SEPARATION = "separation-15d"
BAN_DECISION = "contact-ban-decision"
BAN = "contact-ban-3d"
CARE_HANDOVER = "alternative-care-handover"
CASE_HANDOVER = "case-handover"
# Those that run from the receipt of a report.
FROM_RECEIPT = frozenset({INITIAL, EMERGENCY, PLAN})
# Clocks at whose end nothing is awaited: they end by themselves, in time, and this is told then.
ENDS_BY_ITSELF: Mapping[str, type[events.CaseEvent]] = {BAN: events.ContactBanEnded}


@dataclass(frozen=True, slots=True)
class Clock:
    """One legal deadline of a case. It carries what it needs of the rule under which it started, so that no change of
    law rewrites it: whether it counts `working_days`, for which reasons (`pausable`) and how many days in all it may
    stand still; `set_by`: the commune or province whose own shorter clock it is.

    `pause_ends_at`: when a pause is over even if nobody ends it. `stood_still`: how long it did, in earlier pauses.
    """

    id: str
    kind: str
    started_at: datetime
    due: datetime
    nearing_at: datetime
    legal_source: str
    state: DeadlineState = "running"
    settled_at: datetime | None = None
    paused_at: datetime | None = None
    pause_reason: str | None = None
    working_days: bool = False
    pausable: tuple[str, ...] = ()
    pause_days: int = 0
    set_by: str | None = None
    pause_ends_at: datetime | None = None
    stood_still: timedelta = timedelta(0)

    @property
    def runs(self) -> bool:
        """Whether the act it waits for has not been done."""
        return self.state in RUNNING

    @property
    def may_pause(self) -> bool:
        """Whether it could stand still now: the law allows it, and not all of its days are used up."""
        return bool(self.pausable) and self.state in ("running", "nearing") and self.pause_left > timedelta(0)

    @property
    def pause_left(self) -> timedelta:
        """How long it may still stand."""
        return timedelta(days=self.pause_days) - self.stood_still

    def next_moment(self) -> datetime | None:
        """When the ticker has to look at it again."""
        if self.state == "running":
            return min(self.nearing_at, self.due + AFTER)
        if self.state == "paused":
            return self.pause_ends_at
        return self.due + AFTER if self.state == "nearing" else None
