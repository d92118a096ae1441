"""What people choose for themselves: how they are called, when they are away, who stands in; and their emergencies."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notify.desk.emergencies import Emergencies
from services.notify.desk.people import People
from services.notify.domain import NotFoundError, belongs_to, uuid_in
from services.notify.domain.ladder import How, Ladder, audiences_of_steps
from services.notify.domain.links import is_acknowledgement
from services.notify.domain.preferences import CHANNELS, DEFAULT, NO_LOAD, Absence, Preferences, Timing, timing
from services.notify.domain.standing_in import (
    check_absence,
    check_number,
    check_stand_in,
    may_be_named,
    may_enter,
    may_stand_in,
)
from services.notify.store import ladders
from services.notify.store import people as store
from shared.database import Database
from shared.identity import Principal, Role
from shared.messaging.outbox import new_id
from shared.messaging.router import Clock, Scope
from shared.reference.delivering import Delivering
from shared.reference.notify_limits import NotifyLimits, NotifyLimitsByDay
from shared.reference.notify_rules import URGENCIES, Urgency
from shared.reference.text import fold
from shared.web.i18n import Language, name_key


@dataclass(frozen=True, slots=True)
class Emergency:
    """A ladder, with whom it called, for who may see it."""

    ladder: Ladder
    calls: Sequence[ladders.CallRow]


class Personal:
    """Does what people ask for themselves.

    Args:
        people: the directory as audiences. limits, delivering: of the reference data.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        people: People,
        emergencies: Emergencies,
        limits: NotifyLimitsByDay,
        delivering: Delivering,
    ) -> None:
        self._database = database
        self._clock = clock
        self._people = people
        self._emergencies = emergencies
        self._limits = limits
        self._delivering = delivering

    async def preferences(self, principal: Principal) -> Preferences:
        """What somebody chose; the house's way where they chose nothing."""
        async with self._database.transaction() as connection:
            return (await store.preferences(connection, [principal.id])).get(principal.id, DEFAULT)

    async def language(self, person: str) -> Language | None:
        """The language that an account chose; None where it chose nothing."""
        async with self._database.transaction() as connection:
            chosen = (await store.preferences(connection, [person])).get(person)
        return chosen.language if chosen else None

    async def choose(self, principal: Principal, chosen: Preferences) -> None:
        """Keep what somebody chose; it holds from the next notice on."""
        async with self._database.transaction() as connection:
            await store.choose(connection, principal.id, chosen, self._clock())

    def limits(self) -> NotifyLimits:
        """The house's bounds and hours, as they hold today."""
        return self._limits.on(self._clock())

    def kept_days(self) -> int:
        """How many days the inbox keeps a notice, and a digest what it could not send."""
        return self._delivering.on(self._clock()).keep_days

    async def outlook(self, principal: Principal) -> list[tuple[Urgency, list[Timing]]]:
        """How somebody would be called now of something of each urgency, by what they chose and where they can be
        reached; an empty list: only in the inbox."""
        now = self._clock()
        async with self._database.transaction() as connection:
            chosen = (await store.preferences(connection, [principal.id])).get(principal.id, DEFAULT)
            load = (await store.loads(connection, [principal.id], now)).get(principal.id, NO_LOAD)
            contacts = await store.contacts(connection, people=[principal.id])
        reachable = [channel for channel in CHANNELS if any(one.channel == channel for one in contacts)]
        limits = self._limits.on(now)
        return [
            (urgency, timing(chosen, urgency, now, limits, reachable=reachable, load=load)) for urgency in URGENCIES
        ]

    async def absences(self, principal: Principal) -> list[store.EnteredAbsence]:
        """Somebody's absences that are not over."""
        async with self._database.transaction() as connection:
            return await store.absences_to_come(connection, [principal.id], self._clock())

    async def go_away(
        self, actor: Principal, begins: datetime, ends: datetime, substitute: str | None, person: str | None = None
    ) -> str:
        """Enter an absence. In: `person`: whose, where not the actor's. Out: its id. Raises: `Rejected`,
        NotFoundError.
        """
        # Of an account that is not theirs to enter nobody learns here whether it is there.
        absent = self.charge(actor, person) if person else actor
        absence = Absence(absent.id, begins, ends, substitute)
        named = self._people.principals.get(substitute) if substitute else None
        now = self._clock()
        limits = self._limits.on(now)
        check_absence(absence, absent, named, actor, now, limits)
        identifier = new_id()
        async with self._database.transaction() as connection:
            check_number(await store.absences_held(connection, absent.id, now, now - timedelta(days=1)), limits)
            await store.enter_absence(connection, identifier, absence, actor.id, now)
        return identifier

    async def come_back(self, actor: Principal, identifier: str) -> None:
        """End an absence: one's own, or of somebody for whom the actor may enter one. Raises: NotFoundError."""
        async with self._database.transaction() as connection:
            person = await store.absent_person(connection, uuid_in(identifier))
            absent = self._people.principals.get(person) if person else None
            theirs = person == actor.id or (absent is not None and may_enter(actor, absent))
            if not theirs or not await store.end_absence(connection, person or "", uuid_in(identifier), self._clock()):
                raise NotFoundError(identifier)

    def charges(self, actor: Principal) -> list[Principal]:
        """The others whose absences somebody may enter, by name."""
        found = (one for one in self._people.principals.values() if one.id != actor.id and may_enter(actor, one))
        return sorted(found, key=lambda one: name_key(one.name))

    def charge(self, actor: Principal, person: str) -> Principal:
        """One of them, or the actor. Raises: NotFoundError for anybody else."""
        found = actor if person == actor.id else self._principal(person)
        if not may_enter(actor, found):
            raise NotFoundError(person)
        return found

    async def absences_of_charges(self, actor: Principal) -> list[tuple[Principal, store.EnteredAbsence]]:
        """The absences, not over, of the others whose absences somebody may enter; the next first."""
        charges = {one.id: one for one in self.charges(actor)}
        async with self._database.transaction() as connection:
            found = await store.absences_to_come(connection, charges, self._clock())
        return [(charges[one.absence.person], one) for one in found]

    def named(self, person: str | None) -> Principal | None:
        """Who an account is; None where the directory has it no more."""
        return self._people.principals.get(person or "")

    def substitutes(self, principal: Principal) -> list[Principal]:
        """Who may stand in for somebody, by name."""
        found = (other for other in self._people.principals.values() if may_stand_in(principal, other))
        return sorted(found, key=lambda other: name_key(other.name))

    def candidates(self, role: Role, unit: str) -> list[Principal]:
        """Whom a chair may name for good for a role in a commune, by name."""
        found = (other for other in self._people.principals.values() if may_be_named(role, unit, other))
        return sorted(found, key=lambda other: name_key(other.name))

    async def stand_ins(self, unit: str) -> dict[tuple[str, str], str]:
        """(role, commune) -> account of who stands in for good in a commune."""
        async with self._database.transaction() as connection:
            return await store.stand_ins(connection, unit)

    async def name_stand_in(self, actor: Principal, role: Role, unit: str, person: str | None) -> None:
        """Name who stands in for a role in a commune for good; None: nobody any more. Raises: `Rejected`."""
        check_stand_in(actor, role, unit, person, self.named(person))
        async with self._database.transaction() as connection:
            await store.name_stand_in(connection, role.value, unit, person, actor.id, self._clock())

    async def emergencies(self, principal: Principal, *, open_only: bool = False) -> list[ladders.Listed]:
        """The ladders that somebody may see: those that concern them, and for operators and coordinators all."""
        async with self._database.transaction() as connection:
            found = await ladders.listed(connection, open_only=open_only, units=principal.area)
        return [one for one in found if self._may_see(principal, one.ladder, ())]

    async def emergency(self, principal: Principal, identifier: str) -> Emergency:
        """One ladder with whom it called. Raises: NotFoundError where there is none that somebody may see."""
        async with self._database.transaction() as connection:
            ladder = await ladders.find(connection, uuid_in(identifier))
            calls = await ladders.calls_of(connection, uuid_in(identifier)) if ladder else []
        if ladder is None or not self._may_see(principal, ladder, calls):
            raise NotFoundError(identifier)
        return Emergency(ladder, calls)

    async def acknowledge(self, principal: Principal, identifier: str) -> Ladder:
        """Say that one has it in hand. Raises: NotFoundError where it is not theirs to say."""
        await self.emergency(principal, identifier)
        if principal.role is Role.OPERATOR:
            raise NotFoundError(identifier)  # whoever keeps the platform up does not act for a child
        return await self._acknowledge(identifier, principal.id, "page")

    async def language_of_link(self, text: str) -> Language | None:
        """The language of whom a link was sent to; None where they chose nothing, or it is none of ours."""
        ticket = self._emergencies.links.ticket(text, self._clock())
        if ticket is None:
            return None
        async with self._database.transaction() as connection:
            call = await ladders.call(connection, ticket.call_id)
        return await self.language(call.person) if call else None

    async def ticket(self, text: str) -> Emergency | None:
        """What a link is about, for who opens it; None where it is none of ours, too old, or was used."""
        now = self._clock()
        ticket = self._emergencies.links.ticket(text, now)
        if ticket is None:
            return None
        async with self._database.transaction() as connection:
            call = await ladders.call(connection, ticket.call_id)
            ladder = await ladders.find(connection, call.ladder_id) if call else None
        if call is None or ladder is None or call.used_at is not None or not self._is_there(call):
            return None
        return Emergency(ladder, (call,))

    async def acknowledge_by_link(self, text: str) -> Ladder | None:
        """Use a link, once. Out: the ladder after it; None where the link is no good any more."""
        now = self._clock()
        ticket = self._emergencies.links.ticket(text, now)
        if ticket is None:
            return None
        async with self._database.transaction() as connection:
            call = await ladders.call(connection, ticket.call_id)
            if call is None or not self._is_there(call) or not await ladders.use_call(connection, call.id, now):
                return None
            scope = Scope("notify", connection, now)
            ladder = await self._emergencies.acknowledge(scope, call.ladder_id, call.person, "link")
            await scope.flush()
        return ladder

    async def acknowledge_by_reply(self, people: Collection[str], text: str) -> Ladder | None:
        """Somebody answered an SMS. In: whose address it came from. Out: the ladder after it; None where they said
        something else, or nothing was asked of them.

        It answers the last SMS to that address, and only that: said twice, or of a telephone that several carry, it
        must not take another child's emergency for received.
        """
        if not is_acknowledgement(fold(text)):
            return None
        now = self._clock()
        async with self._database.transaction() as connection:
            there = [person for person in people if person in self._people.principals]
            call = await ladders.last_sms_to(connection, there, now)
            if call is None:
                return None
            scope = Scope("notify", connection, now)
            ladder = await self._emergencies.acknowledge(scope, call.ladder_id, call.person, "reply")
            await scope.flush()
        return ladder

    async def _acknowledge(self, identifier: str, person: str, how: How) -> Ladder:
        async with self._database.transaction() as connection:
            scope = Scope("notify", connection, self._clock())
            ladder = await self._emergencies.acknowledge(scope, uuid_in(identifier), person, how)
            await scope.flush()
        if ladder is None:
            raise NotFoundError(identifier)
        return ladder

    def _is_there(self, call: ladders.CallRow) -> bool:
        """Whether whom a call went to still has an account: in the name of who has none nothing is done."""
        return call.person in self._people.principals

    def roles(self, ladder: Ladder) -> tuple[str, str | None]:
        """Whom a ladder called last, and whom it calls next if nobody acknowledges, by role; None: nobody."""
        steps = self._emergencies.rule(ladder).steps
        following = steps[min(ladder.step + 1, len(steps) - 1)].role if ladder.next_at else None
        return steps[ladder.step].role, following

    def _may_see(self, principal: Principal, ladder: Ladder, calls: Sequence[ladders.CallRow]) -> bool:
        """Whoever is on a step of it, climbed or not, whoever was called in another's place, and who watches over
        all.
        """
        if principal.role is Role.OPERATOR or any(call.person == principal.id for call in calls):
            return True
        audiences = audiences_of_steps(ladder, self._emergencies.rule(ladder))
        return any(belongs_to(principal, audience) for audience in audiences)

    def _principal(self, person: str) -> Principal:
        found = self._people.principals.get(person)
        if found is None:
            raise NotFoundError(person)
        return found
