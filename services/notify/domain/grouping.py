"""A noisy rule is one line with its number: the first few are told as they come, the rest of their time is counted.

Pure: it keeps no time and writes nothing. What is grouped is still each by itself in the log of what happened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.notify.domain.model import Happening
from services.notify.domain.rules import Told
from shared.reference.notify_rules import Grouping


@dataclass(frozen=True, slots=True)
class Group:
    """What came of one rule to one audience since `opened_at`: `told` by themselves, `gathered` into the line."""

    key: str
    opened_at: datetime
    closes_at: datetime
    told: int = 0
    gathered: int = 0

    @property
    def count(self) -> int:
        """All of them, as the line says it."""
        return self.told + self.gathered


def key_of(told: Told, happening: Happening) -> str | None:
    """What is grouped together: one rule to one audience, of one type, for each commune or sector; None: it is not."""
    if told.group is None:
        return None
    places = {"unit": happening.unit, "sector": happening.sector}
    return "/".join([told.rule, happening.event_type, told.audience, *(places[name] or "" for name in told.group.by)])


def gather(group: Group | None, key: str, policy: Grouping, now: datetime) -> tuple[Group, bool]:
    """One more came. Out: the group after it, and whether it is told by itself.

    A window begins with its first notice and ends after the policy's minutes, however many came: somebody hears of a
    surge that goes on, and not only when it is over.
    """
    if group is None or now >= group.closes_at:
        group = Group(key, now, now + timedelta(minutes=policy.minutes))
    if group.told < policy.after:
        return replace(group, told=group.told + 1), True
    return replace(group, gathered=group.gathered + 1), False


def says(group: Group) -> bool:
    """Whether there is a line to say when the window ends."""
    return group.gathered > 0
