"""Who belongs to a case's team, and who looked in from outside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

LeftBecause = Literal["left", "removed", "excluded", "refused", "moved"]
Verdict = Literal["justified", "unjustified"]


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the case team, by account. `how`: by role, on request, by an act of theirs, or assigned.

    `state`: `asked` waits for the lead; `left` is remembered, so that nobody joins by mere role again.
    `unit`: the commune for which they work here, None for the province's and the sectors' people. `cause`: why they are
    no member: left by themselves, removed, excluded for a conflict of interest, refused, or the case moved away.
    """

    person: str
    role: str
    how: Literal["role", "request", "act", "assigned"]
    state: Literal["asked", "member", "left"]
    since: datetime
    unit: str | None = None
    cause: LeftBecause | None = None

    @property
    def barred(self) -> bool:
        """Whether their office opens the case to them no more, until the lead says so; being refused bars nobody."""
        return self.state == "asked" or (self.state == "left" and self.cause in ("left", "removed", "excluded"))

    @property
    def excluded(self) -> bool:
        """Whether they are kept out altogether: related to the family, or to whoever harmed the child."""
        return self.state != "member" and self.cause == "excluded"


@dataclass(frozen=True, slots=True)
class Glass:
    """Identity opened from outside the team, for a while (break-glass). The reason is in the timeline, sealed.

    `verdict`: what the chair said of it afterwards; None waits for review. `barred_until`: until when its person does
    not open the case so again, where it was not justified; no later change of the data moves it.
    """

    id: str
    person: str
    role: str
    purpose: str
    since: datetime
    until: datetime
    verdict: Verdict | None = None
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None
    barred_until: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether identity is open through it at the moment; it closes by itself."""
        return self.since <= now < self.until
