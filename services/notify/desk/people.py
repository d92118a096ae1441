"""Who is in which audience, who is away, and who is told instead: the directory and the absences, put together.

Accounts only; no name leaves the directory here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import Happening, audiences_of, may_subscribe
from services.notify.domain.preferences import Absence, Instead, Member, Roster
from services.notify.store import people as store
from shared.identity import ALL_UNITS, Directory, Principal
from shared.reference.notify_limits import NotifyLimitsByDay

# Audiences whose second part is no commune.
_OF_NO_COMMUNE = frozenset({"person", "sector", "org"})
_Looked = tuple[datetime, list[Absence], dict[tuple[str, str], str]]


@dataclass(frozen=True, slots=True)
class _Known:
    """A directory of one version, as audiences."""

    version: int
    principals: Mapping[str, Principal]
    accounts: Mapping[str, Principal]
    members: dict[str, Member]
    audiences: Mapping[str, list[Member]]

    @classmethod
    def of(cls, directory: Directory, all_units: tuple[str, ...]) -> _Known:
        version, accounts = directory.version, {person.id: person for person in directory.people.values()}
        principals = {person.id: person for person in accounts.values() if not person.machine}
        members = {person.id: _member(person) for person in principals.values()}
        audiences: dict[str, list[Member]] = {}
        for person in principals.values():
            for audience in audiences_of(person, all_units):
                audiences.setdefault(audience, []).append(members[person.id])
        return cls(version, principals, accounts, members, audiences)


class People:
    """The directory as audiences, and today's substitutes.

    Args:
        directory: who may enter. all_units: codes that "everywhere" stands for.
    """

    def __init__(self, directory: Directory, all_units: tuple[str, ...], limits: NotifyLimitsByDay) -> None:
        self._directory = directory
        self._all_units = all_units
        self._limits = limits
        self._known = _Known.of(directory, all_units)
        # By transaction: its moment, who is away then, and who stands in for whom.
        self._looked: WeakKeyDictionary[AsyncConnection, _Looked] = WeakKeyDictionary()

    def _now(self) -> _Known:
        """As the directory is now: it may have taken over another file."""
        if self._known.version != self._directory.version:
            self._known = _Known.of(self._directory, self._all_units)
        return self._known

    @property
    def principals(self) -> Mapping[str, Principal]:
        """Everybody who may be told, by account."""
        return self._now().principals

    @property
    def accounts(self) -> Mapping[str, Principal]:
        """With programs: they subscribe as people do, but no rule tells them."""
        return self._now().accounts

    def organisations(self) -> list[str]:
        """The partner organisations that somebody may sign in for."""
        return sorted({person.org for person in self.accounts.values() if person.org})

    def members(self, audience: str) -> list[Member]:
        """Who is in an audience, away or not."""
        return self._now().audiences.get(audience, [])

    def member(self, person: str) -> Member | None:
        """One account; None where the directory has it no more."""
        return self._now().members.get(person)

    def may_hear(self, person: str, happening: Happening, sector: str | None) -> bool:
        """Whether somebody may still be told what they once asked for: they are there, and in a role, a commune and a
        sector that see it. In: `sector` for which they asked."""
        principal = self.accounts.get(person)
        if principal is None or not may_subscribe(principal, happening.event_type):
            return False
        seen = happening.places is None or any(principal.may_see(one) for one in happening.communes or (None,))
        return seen and sector in {None, principal.sector}

    def commune(self, audience: str, happening: Happening) -> str | None:
        """For which commune an audience is told of what concerns several, so that whoever stands in is of that one: a
        role's own, or, of those that it concerns, the first of a person's."""
        kind, _, place = audience.partition("/")
        if kind not in _OF_NO_COMMUNE:
            return place or happening.unit
        member = self._now().members.get(place) if kind == "person" else None
        if member is None or member.units is None:
            return happening.unit
        return next((one for one in happening.communes if one in member.units), happening.unit)

    async def roster(self, connection: AsyncConnection, now: datetime) -> Roster:
        """Who is away now and who stands in; one look at the database for a whole batch."""
        looked = self._looked.get(connection)
        if looked is None or looked[0] != now:
            away = await store.absences(connection, now)
            looked = self._looked[connection] = (now, away, await store.stand_ins(connection) if away else {})
        _, away, standing = looked
        return Roster(self._now().members, tuple(away), standing, dict(self._limits.on(now).away))

    def told(self, roster: Roster, audience: str, unit: str | None, now: datetime) -> list[Instead]:
        """Who of an audience is told now, and who in whose place."""
        return roster.present(self.members(audience), unit, now)

    def told_of(self, roster: Roster, audience: str, happening: Happening, now: datetime) -> list[Instead]:
        """Who of an audience is told of what happened, and who in whose place."""
        return self.told(roster, audience, self.commune(audience, happening), now)

    def substitutes(
        self, roster: Roster, audiences: Iterable[str], happening: Happening, now: datetime
    ) -> dict[str, Instead]:
        """Who is told beside the audiences themselves, because somebody of them is away."""
        found: dict[str, Instead] = {}
        if not roster.absences:
            return found
        for audience in audiences:
            for one in self.told_of(roster, audience, happening, now):
                if one.instead_of is not None:
                    found.setdefault(one.person, one)
        return found


def _member(person: Principal) -> Member:
    return Member(person.id, person.role.value, None if person.units == ALL_UNITS else person.units)
