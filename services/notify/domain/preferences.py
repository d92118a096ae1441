"""When and over what somebody is called: what they chose, quiet hours, digests, limits. Never for an emergency.

Times of day are those of Asia/Ho_Chi_Minh, where everybody lives who is called; moments that come out are aware UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Literal, get_args

from shared.reference.calendar import LOCAL
from shared.reference.notify_limits import NotifyLimits
from shared.reference.notify_rules import Urgency
from shared.web.i18n import Language

# Where a person can be called. The inbox in the app is no choice: whoever may be told finds everything there.
PersonalChannel = Literal["push", "chat", "sms", "email"]
CHANNELS: tuple[PersonalChannel, ...] = get_args(PersonalChannel)
# What sounds on somebody's table at night; an e-mail waits by itself until it is read.
INTERRUPTING: frozenset[PersonalChannel] = frozenset({"push", "chat", "sms"})
Digest = Literal["none", "daily", "weekly"]
# Why somebody is called when and how they are.
TimingWhy = Literal["at-once", "emergency", "ladder", "quiet-hours", "digest", "limit", "gathered"]


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a person chose. `channels`: over which they are called at once; what they have no address for is passed
    over.

    `digest`: what is not urgent comes collected, every day or once a week. `quiet`: None, as the house has it; equal
    times, none. `digest_at`, `digest_weekday` (1: Monday): None, as the house has it. `plain_sms`: Vietnamese without
    its marks, of which 160 letters fit into one SMS instead of 70.
    """

    language: Language = "vi"
    channels: tuple[PersonalChannel, ...] = CHANNELS
    digest: Digest = "none"
    digest_at: time | None = None
    digest_weekday: int | None = None
    quiet: tuple[time, time] | None = None
    plain_sms: bool = True


DEFAULT = Preferences()


@dataclass(frozen=True, slots=True)
class Timing:
    """When somebody is called, over what, and whether by itself or as part of a digest."""

    at: datetime
    channels: tuple[PersonalChannel, ...]
    collected: bool
    why: TimingWhy


@dataclass(frozen=True, slots=True)
class Load:
    """How often a person was called lately, emergencies left out; `since`: when the oldest of each time was."""

    hour: int = 0
    day: int = 0
    hour_since: datetime | None = None
    day_since: datetime | None = None


NO_LOAD = Load()


def timing(
    chosen: Preferences,
    urgency: Urgency,
    now: datetime,
    limits: NotifyLimits,
    *,
    reachable: Collection[PersonalChannel],
    load: Load = NO_LOAD,
) -> list[Timing]:
    """When somebody is called over which channels; those alike are one entry, none where only the inbox has it.

    In: what they chose, how urgent it is, over what they can be reached, how often they were called lately. An
    emergency comes at once over everything that reaches them, whatever they chose.
    """
    everything = tuple(channel for channel in CHANNELS if channel in reachable)
    if urgency == "emergency":
        return [Timing(now, everything, False, "emergency")] if everything else []
    channels = tuple(channel for channel in everything if channel in chosen.channels)
    if not channels:
        return []
    if urgency == "low" or (chosen.digest != "none" and urgency == "normal"):
        # Nothing low interrupts: who asked for no digest has it with the house's daily one.
        return [Timing(next_digest(chosen, now, limits), _of_digest(channels), True, "digest")]
    silent = tuple(channel for channel in channels if channel not in INTERRUPTING)
    loud = tuple(channel for channel in channels if channel in INTERRUPTING)
    found = [Timing(now, silent, False, "at-once")] if silent else []
    return [*found, _interrupting(chosen, loud, now, limits, load)] if loud else found


def _interrupting(
    chosen: Preferences, channels: tuple[PersonalChannel, ...], now: datetime, limits: NotifyLimits, load: Load
) -> Timing:
    """What makes a telephone sound: not in quiet hours, and not more often than somebody bears."""
    quiet = chosen.quiet or limits.quiet
    free = free_again(load, now, limits)
    at = quiet_until(quiet, free or now) or free or now
    if at <= now:
        return Timing(now, channels, False, "at-once")
    return Timing(at, channels, True, "limit" if free is not None else "quiet-hours")


def quiet_until(quiet: tuple[time, time], now: datetime) -> datetime | None:
    """When the quiet hours end in which a moment lies; None where it lies in none."""
    begins, ends = quiet
    if begins == ends:
        return None
    clock = now.astimezone(LOCAL).time()
    within = begins <= clock < ends if begins < ends else clock >= begins or clock < ends
    return _next_at(ends, now) if within else None


def free_again(load: Load, now: datetime, limits: NotifyLimits) -> datetime | None:
    """When somebody who was called too often may be called again; None where they were not."""
    waits = []
    if load.hour >= limits.per_hour:
        waits.append((load.hour_since or now) + timedelta(hours=1))
    if load.day >= limits.per_day:
        waits.append((load.day_since or now) + timedelta(days=1))
    return max((moment for moment in waits if moment > now), default=None)


def next_digest(chosen: Preferences, now: datetime, limits: NotifyLimits) -> datetime:
    """When the person's next digest comes, after `now`."""
    at = chosen.digest_at or limits.digest_time
    if chosen.digest != "weekly":
        return _next_at(at, now)
    weekday = chosen.digest_weekday or limits.digest_weekday
    moment = _next_at(at, now)
    while moment.astimezone(LOCAL).isoweekday() != weekday:
        moment = _next_at(at, moment)
    return moment


def _next_at(at: time, now: datetime) -> datetime:
    """The next moment, after `now`, at which clocks show `at`."""
    here = now.astimezone(LOCAL)
    moment = datetime.combine(here.date(), at, LOCAL)
    if moment <= here:
        moment = datetime.combine(here.date() + timedelta(days=1), at, LOCAL)
    return moment.astimezone(UTC)


def _of_digest(channels: Sequence[PersonalChannel]) -> tuple[PersonalChannel, ...]:
    """A digest is read, not heard: by e-mail where there is one, else over one other channel."""
    return ("email",) if "email" in channels else tuple(channels[:1])


# Substitutes


@dataclass(frozen=True, slots=True)
class Absence:
    """Somebody is away from one moment until another; `substitute`: who they named, if anybody."""

    person: str
    begins: datetime
    ends: datetime
    substitute: str | None = None

    def covers(self, now: datetime) -> bool:
        """Whether they are away at a moment."""
        return self.begins <= now < self.ends


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who may be told: account and role, no name. `units`: their communes; None: everywhere."""

    person: str
    role: str
    units: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Instead:
    """Who is told of what an audience is told, and in whose place (None: their own)."""

    person: str
    instead_of: str | None = None
    why: Literal["member", "named", "standing", "role"] = "member"


@dataclass(frozen=True, slots=True)
class Roster:
    """Who is away and who stands in.

    `standing`: (role, commune) -> whom the chair named for good. `away_role`: who is told in the place of a role whose
    person is away and for whom nobody was named. `people`: everybody, by account.
    """

    people: dict[str, Member] = field(default_factory=dict)
    absences: tuple[Absence, ...] = ()
    standing: dict[tuple[str, str], str] = field(default_factory=dict)
    away_role: dict[str, str] = field(default_factory=dict)

    def absent(self, person: str, now: datetime) -> Absence | None:
        """The absence in which somebody is now."""
        return next((one for one in self.absences if one.person == person and one.covers(now)), None)

    def present(self, members: Sequence[Member], unit: str | None, now: datetime) -> list[Instead]:
        """In: an audience's people and the commune it is about. Out: who is told: those who are there, and for each who
        is away a substitute: whom they named, else whom the chair named for the role, else, where nobody of the
        audience is there, the people of the role that stands in for it. Nobody is told twice.
        """
        found: dict[str, Instead] = {}
        away: list[Member] = []
        for member in members:
            if self.absent(member.person, now) is None:
                found.setdefault(member.person, Instead(member.person))
            else:
                away.append(member)
        for member in away:
            named = self._named(member, unit, now)
            if named is not None:
                found.setdefault(named.person, named)
        if away and not found:
            for stand_in in self._of_role(away[0].role, unit, now):
                found.setdefault(stand_in, Instead(stand_in, away[0].person, "role"))
        return list(found.values())

    def _named(self, member: Member, unit: str | None, now: datetime) -> Instead | None:
        """Along the substitutes of substitutes, for who is named may be away too; a circle ends where it began."""
        passed, person = {member.person}, member.person
        while (absence := self.absent(person, now)) is not None:
            following = absence.substitute
            if following is None or following in passed or following not in self.people:
                break
            passed.add(following)
            person = following
        if self.absent(person, now) is None:
            return Instead(person, member.person, "named")
        standing = self.standing.get((member.role, unit or ""))
        if standing and standing in self.people and standing != member.person and self.absent(standing, now) is None:
            return Instead(standing, member.person, "standing")
        return None

    def _of_role(self, role: str, unit: str | None, now: datetime) -> list[str]:
        """The people who stand in for a role; for theirs too, if all of them are away."""
        passed = {role}
        following = self.away_role.get(role)
        while following is not None and following not in passed:
            passed.add(following)
            there = [
                member.person
                for member in self.people.values()
                if member.role == following
                and (unit is None or member.units is None or unit in member.units)
                and self.absent(member.person, now) is None
            ]
            if there:
                return sorted(there)
            following = self.away_role.get(following)
        return []
