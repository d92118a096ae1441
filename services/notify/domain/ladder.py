"""The ladder of an emergency: who is called next, minute by minute, until somebody has acknowledged it.

A state machine without clock or channel: it takes a ladder, a moment and what happened, and gives the ladder after it
and what has to be done. It ends acknowledged, settled (somebody has plainly acted) or exhausted, which is told and
stays open to be acknowledged; it never ends unnoticed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from services.notify.domain.ids import time_of
from shared.reference.notify_ladders import LadderChannel, LadderRule

LadderState = Literal["open", "acknowledged", "settled", "exhausted"]
How = Literal["page", "link", "reply"]


@dataclass(frozen=True, slots=True)
class Ladder:
    """One emergency's ladder. Ids, codes and an account; no words.

    `step`: the highest that was climbed (0 is the first). `rounds`: how often the last one was called again. `next_at`:
    when something is to be done if nobody acknowledges; None once it has ended. `sequence` counts what was told of it.
    """

    id: str
    code: str
    message_id: str
    event_type: str
    unit: str | None
    case_id: str | None
    concern_id: str | None
    began_at: datetime
    due: datetime | None
    state: LadderState = "open"
    step: int = 0
    rounds: int = 0
    next_at: datetime | None = None
    ended_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_how: How | None = None
    acknowledged_step: int | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """Whom to call now: an audience, over everything that reaches its people; `channels`: what wakes them. `round`: 0
    the first time, then each time it is called again.
    """

    audience: str
    role: str
    step: int
    round: int
    channels: tuple[LadderChannel, ...]


@dataclass(frozen=True, slots=True)
class Climbed:
    """A ladder after something happened to it, and what to do: call, say that it was climbed, say how it ended."""

    ladder: Ladder
    calls: tuple[Call, ...] = ()
    raised: bool = False
    ended: LadderState | None = None


def begin(
    identifier: str,
    rule: LadderRule,
    message_id: str,
    event_type: str,
    now: datetime,
    *,
    unit: str | None,
    case_id: str | None,
    concern_id: str | None,
    due: datetime | None,
    acts: Mapping[str, datetime] | None = None,
) -> Climbed:
    """An emergency was heard of: the first step is called, unless somebody has acted by then.

    In: `message_id`: its first characters say when it happened. `acts`: as `hear` takes them.
    """
    ladder = Ladder(identifier, rule.code, message_id, event_type, unit, case_id, concern_id, now, due)
    heard = hear(ladder, rule, acts or {}, now)
    return heard if heard.ended else _called(ladder, rule, 0, now)


def pass_time(ladder: Ladder, rule: LadderRule, now: datetime, *, reached: bool = True) -> Climbed:
    """Nobody has acknowledged, and it is `now`.

    In: `reached`: whether anybody of the step that was just called can be reached; where not, the next is not waited
    for as long. Nothing is above the last: it is called again as slowly as ever, so that somebody who can be reached
    later still is. Out: the ladder, one step higher where it is time; after a long absence of ours one step at a time,
    each called.
    """
    if ladder.state != "open" or ladder.next_at is None:
        return Climbed(ladder)
    due_at = ladder.next_at
    if not reached and ladder.step + 1 < len(rule.steps):
        due_at = min(due_at, now + timedelta(minutes=rule.nobody_minutes))
    if now < due_at:
        return Climbed(replace(ladder, next_at=due_at))
    if ladder.step + 1 < len(rule.steps):
        return _called(ladder, rule, ladder.step + 1, now)
    if ladder.rounds < rule.again_times:
        again = replace(ladder, rounds=ladder.rounds + 1)
        return _called(again, rule, ladder.step, now)
    ended = replace(ladder, state="exhausted", next_at=None, ended_at=now, sequence=ladder.sequence + 1)
    return Climbed(ended, raised=True, ended="exhausted")


def wakes(call: Call, over: Collection[str]) -> bool:
    """Whether a call reaches somebody who was called over this. Whoever was only written to, where the step asks for
    more, sleeps on: the next step does not wait for them."""
    return bool({*over} & {*call.channels} - {"inbox"})


def longest_gap(rule: LadderRule) -> timedelta:
    """How long a ladder waits at most from one of its calls to the next."""
    between = [later.after - earlier.after for earlier, later in pairwise(rule.steps)]
    return max([*between, timedelta(minutes=rule.again_minutes)])


def acknowledge(ladder: Ladder, person: str | None, how: How, now: datetime) -> Climbed:
    """Somebody has taken it into hand. A second acknowledgement changes nothing: the first stays on the record.

    In: `person`: whose account it was; None where only a link was opened that says nothing of who. An exhausted ladder
    can still be acknowledged: better late than never.
    """
    if ladder.state not in {"open", "exhausted"}:
        return Climbed(ladder)
    ended = replace(
        ladder,
        state="acknowledged",
        next_at=None,
        ended_at=now,
        acknowledged_by=person,
        acknowledged_how=how,
        acknowledged_step=ladder.step,
        sequence=ladder.sequence + 1,
    )
    return Climbed(ended, ended="acknowledged")


def hear(ladder: Ladder, rule: LadderRule, acts: Mapping[str, datetime], now: datetime) -> Climbed:
    """Where events of the same matter show that somebody has acted since, nobody is called any more.

    In: `acts`: types of events, and when each happened last. Whether they are heard before the emergency or after it is
    chance; what counts is which happened first: who had acted before it has not acted upon it.
    """
    # Never later than it was heard of: a clock that was wrong then must not keep it from ending.
    since = min(time_of(ladder.message_id), ladder.began_at)
    if ladder.state != "open" or not any(acts[name] >= since for name in rule.settled_by if name in acts):
        return Climbed(ladder)
    ended = replace(ladder, state="settled", next_at=None, ended_at=now, sequence=ladder.sequence + 1)
    return Climbed(ended, ended="settled")


def follow(ladder: Ladder, case_id: str | None, unit: str | None) -> Ladder:
    """The report became a case, or the case came to another commune: its people are called from the next step on."""
    return replace(ladder, case_id=case_id or ladder.case_id, unit=unit or ladder.unit)


def audiences_of_steps(ladder: Ladder, rule: LadderRule) -> list[str]:
    """Whom its steps call, climbed or not."""
    return [step.role if step.of == "province" else f"{step.role}/{ladder.unit}" for step in rule.steps]


def _called(ladder: Ladder, rule: LadderRule, step: int, now: datetime) -> Climbed:
    here = rule.steps[step]
    audience = here.role if here.of == "province" else f"{here.role}/{ladder.unit}"
    called = replace(ladder, step=step, next_at=_next_at(ladder, rule, step, now), sequence=ladder.sequence + 1)
    known = here.of == "province" or ladder.unit is not None
    calls = (Call(audience, here.role, step, ladder.rounds, here.channels),) if known else ()
    return Climbed(called, calls, raised=True)


def _next_at(ladder: Ladder, rule: LadderRule, step: int, now: datetime) -> datetime:
    """When the next step is called: by the minutes of the data from the beginning, but never before people had the time
    between two steps to answer, however late we are."""
    if step + 1 < len(rule.steps):
        gap = rule.steps[step + 1].after - rule.steps[step].after
        return max(ladder.began_at + rule.steps[step + 1].after, now + gap)
    return now + timedelta(minutes=rule.again_minutes)
