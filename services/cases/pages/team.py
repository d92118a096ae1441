"""What pages show of a case's team: who leads, who belongs to it and why, who asks, who looked in from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.cases.domain import team
from services.cases.domain.attachments import speaks_for
from services.cases.domain.model import Actor, Case, Glass, Member
from services.cases.reading import actor_of
from services.cases.store import Line
from shared.identity import ALL_UNITS, Directory, Role

# Lines whose words say why somebody asked to read, or did.
ASKED_KINDS = ("team.requested", "access.broken-glass")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the team, ready to be shown. `words`: why they ask, for who decides about it."""

    id: str
    name: str
    role: str
    ground: str
    since: datetime | None = None
    responsible: bool = False
    words: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """Identity opened from outside the team, ready to be shown."""

    glass: Glass
    name: str
    is_open: bool
    words: str = ""


@dataclass(frozen=True, slots=True)
class Team:
    """A case's team as one reader sees it. `mine`: the reader's own way in from outside that is open now;
    `barred_until`: until when the reader cannot open one.

    `outsiders`: who never belonged and has to do with it: who broke the glass, who answers for a sector that is asked.
    """

    people: Sequence[Person]
    outsiders: Sequence[Person]
    asked: Sequence[Person]
    out: Sequence[Person]
    openings: Sequence[Opening]
    workers: Sequence[tuple[str, str]]
    acts: Sequence[str]
    leads: bool
    oversees: bool
    basis: str | None
    asks: bool
    mine: Glass | None
    barred_until: datetime | None

    @property
    def waiting(self) -> Sequence[Opening]:
        """Openings that the chair has not looked at yet."""
        return [opening for opening in self.openings if opening.glass.verdict is None]

    @property
    def open_now(self) -> Sequence[Opening]:
        """Openings by others that are open at the moment."""
        return [opening for opening in self.openings if opening.is_open and opening.glass != self.mine]


def name_of(directory: Directory, account: str) -> str:
    """What an account is called; its id, where it has left the directory."""
    person = directory.person(account)
    return person.name if person is not None else account


def workers_at(directory: Directory, unit: str) -> list[Actor]:
    """The people who work on a commune's cases, by name."""
    found = (
        actor_of(person)
        for person in directory.people.values()
        if person.role is Role.WORKER and not person.machine and person.units != ALL_UNITS and unit in person.units
    )
    return sorted(found, key=lambda actor: actor.name)


def team_of(
    case: Case, actor: Actor, now: datetime, directory: Directory, opened: Sequence[tuple[Line, Mapping[str, Any]]] = ()
) -> Team:
    """A case's team as the actor sees it. In: `opened`: lines of the timeline with words that the actor may read."""
    reasons = {
        str(line.data.get("glass_id") or line.data.get("person")): str(words.get("reason", ""))
        for line, words in reversed(opened)
        if line.kind in ASKED_KINDS
    }

    def shown(member: Member) -> Person:
        ground = (member.cause or "left") if member.state == "left" else member.how
        name, words = name_of(directory, member.person), reasons.get(member.person, "")
        return Person(member.person, name, member.role, ground, member.since, member.person == case.worker, words)

    known = {member.person for member in case.team}
    office = [
        Person(person.id, person.name, person.role.value, "role", None, person.id == case.worker)
        for person in directory.people.values()
        if person.id not in known and not person.machine and team.by_role(case, actor_of(person))
    ]
    people = [*office, *(shown(member) for member in case.team if member.state == "member")]
    if case.worker and case.worker not in {person.id for person in people}:
        people.append(Person(case.worker, case.worker_name or case.worker, "worker", "role", None, True))
    own = case.member(actor.id)
    glasses = {glass.person for glass in case.glasses}
    inside = {*known, *(person.id for person in people)}
    outsiders = [
        Person(person.id, person.name, person.role.value, "role", None, responsible=False)
        for person in directory.people.values()
        if person.id not in inside
        and not person.machine
        and person.role.value in team.ASKING
        and (person.id in glasses or any(speaks_for(actor_of(person), task, case) for task in case.tasks))
    ]
    return Team(
        outsiders=sorted(outsiders, key=lambda person: person.name),
        people=sorted(people, key=lambda person: (not person.responsible, person.role != "chair", person.name)),
        asked=[shown(member) for member in case.team if member.state == "asked"],
        out=[shown(member) for member in case.team if member.state == "left" and member.barred],
        openings=[
            Opening(glass, name_of(directory, glass.person), glass.is_open(now), reasons.get(glass.id, ""))
            for glass in reversed(case.glasses)
        ],
        workers=[
            (worker.id, worker.name)
            for worker in workers_at(directory, case.unit)
            if worker.id != case.worker and team.by_role(case, worker)
        ],
        acts=team.open_team_acts(case, actor, now),
        leads=team.leads(case, actor),
        oversees=team.oversees(case, actor),
        basis=team.basis_of(case, actor, now),
        asks=own is not None and own.state == "asked",
        mine=team.glass_of(case, actor, now),
        barred_until=team.barred_until(case, actor, now),
    )
