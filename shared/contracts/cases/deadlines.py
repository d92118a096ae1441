"""Deadlines of law, and what was refused at the door."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import AwareDatetime

from shared.contracts.base import Contract, contract
from shared.contracts.cases.facts import CaseEvent
from shared.contracts.vocabulary import AgeBand, Sex

# `lapsed`: missed, and then needed no more. `paused`: stands still where the law allows it.
DeadlineState = Literal["running", "nearing", "missed", "paused", "met", "met-late", "cancelled", "lapsed"]


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


@contract("cases.deadline.moved")
class DeadlineMoved(DeadlineEvent):
    """The receipt from which the clock runs was corrected: `due` is earlier or later, and so may `state` be."""


@contract("cases.deadline.followed-case")
class DeadlineFollowedCase(DeadlineEvent):
    """The case's commune, kind or risk changed, and its running clock goes along: `state` and date are as before."""


@contract("cases.incident.recorded")
class CaseIncidentRecorded(Contract):
    """An agency's incident was taken over (first time or corrected)."""

    incident_id: str
    kind: str
    outcome: str
    # Once the sender's words, which may say too much: nothing is said in it any more.
    place: str | None = None
    place_code: str | None = None
    unit: str
    sex: Sex
    age_band: AgeBand
    sector: str
    occurred_on: date
