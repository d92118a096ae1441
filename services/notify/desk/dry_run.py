"""Who would be told of an event, and why, and why nobody else: the very rules that tell, without telling anybody.

It writes nothing. Accounts and codes only: whoever asks sees no name, no address and nothing of a child.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.notify.desk.calling import emergency_channels, not_called, patterns_of
from services.notify.desk.people import People
from services.notify.domain import Happening, Relations, Telling, Told, concerns, happening_of, is_past
from services.notify.domain.agreements import Agreement
from services.notify.domain.preferences import (
    CHANNELS,
    DEFAULT,
    NO_LOAD,
    Instead,
    Load,
    Preferences,
    Roster,
    Timing,
    timing,
)
from services.notify.domain.rules import Considered
from services.notify.store import agreements, people, relations, subscriptions
from services.notify.store.people import Contact
from services.notify.store.subscriptions import OfOrganisation
from shared.contracts.base import TYPE_PREFIX, Contract, contract_of, parse
from shared.contracts.envelope import Envelope
from shared.contracts.errors import refuse
from shared.database import Database
from shared.messaging.router import Clock
from shared.reference.calendar import local_day
from shared.reference.notify_ladders import Ladders
from shared.reference.notify_rules import URGENCIES, Urgency, heard_contracts


@dataclass(frozen=True, slots=True)
class WayTold:
    """One of a person's endpoints: when something would come there, or why nothing would. `number` tells several of one
    channel apart, the oldest first."""

    endpoint_id: str
    channel: str
    number: int
    at: datetime | None
    why_not: str | None


@dataclass(frozen=True, slots=True)
class PersonTold:
    """Somebody who would be told: by which rule, or None for their own subscription; in whose place, and when over
    what."""

    person: str
    role: str
    audience: str
    rule: str | None
    urgency: Urgency
    instead_of: str | None
    substitute_by: str
    timings: tuple[Timing, ...]
    reachable: tuple[str, ...]
    ways: tuple[WayTold, ...]


@dataclass(frozen=True, slots=True)
class PartnerTold:
    """A subscription of an organisation: whether it would be told, or why not; told, why it `waits`."""

    org: str
    subscription_id: str
    endpoint_id: str
    name: str
    channel: str
    agreement_id: str | None
    why_not: str | None
    waits: str | None = None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepTold:
    """A step of the ladder that would begin: whom it would call if nobody acknowledged."""

    after_minutes: int
    audience: str
    people: tuple[str, ...]
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """The whole answer."""

    happening: Happening
    considered: Sequence[Considered]
    people: Sequence[PersonTold]
    partners: Sequence[PartnerTold]
    steps: Sequence[StepTold]


@dataclass(frozen=True, slots=True)
class _Now:
    """What stands in the database at this moment, on which the answer depends."""

    at: datetime
    roster: Roster
    contacts: Mapping[str, Sequence[Contact]]
    chosen: Mapping[str, Preferences]
    loads: Mapping[str, Load]
    subscribed: Sequence[OfOrganisation]
    agreed: Mapping[str, Agreement]
    relations: Relations


class DryRun:
    """Answers who would be told.

    Args:
        telling, ladders: of the reference data. people: the directory as audiences.
    """

    def __init__(self, database: Database, clock: Clock, telling: Telling, ladders: Ladders, people: People) -> None:
        self._database = database
        self._clock = clock
        self._telling = telling
        self._ladders = ladders
        self._people = people

    async def run(self, event_type: str, data: object, at: datetime | None = None) -> Run:
        """In: an event's type, short or whole, its data, when it happened. Raises: `Rejected` where it breaks its
        contract.
        """
        model = contract_of(event_type if event_type.startswith(TYPE_PREFIX) else TYPE_PREFIX + event_type)
        if model.TYPE.removeprefix(TYPE_PREFIX) not in heard_contracts():
            raise refuse("type", "type-not-heard", *_NOT_HEARD)
        parsed = parse(model, data)
        event = Envelope("dry-run", "/dry-run", model.TYPE, "dry-run", at or self._clock(), b"")
        happening = happening_of(event, parsed, "00000000-0000-0000-0000-000000000000")
        now = await self._now(happening, parsed)
        considered = self._telling.consider(happening, parsed, now.at, now.relations)
        told = self._telling.addressees(happening, parsed, now.at, now.relations)
        return Run(
            happening,
            considered,
            self._told(told, happening, now),
            [self._partner(row, now.agreed.get(row.agreement_id or ""), happening, now.at) for row in now.subscribed],
            self._steps(told, happening, now),
        )

    async def _now(self, happening: Happening, data: Contract) -> _Now:
        at = self._clock()
        async with self._database.transaction() as connection:
            book = await relations.read(connection, {happening.case_id} if happening.case_id else set())
            book.hear(data)
            contacts = await people.contacts(connection, silent=True)
            persons = {contact.person for contact in contacts}
            return _Now(
                at,
                await self._people.roster(connection, at),
                _by_person(contacts),
                await people.preferences(connection, persons),
                await people.loads(connection, persons, at),
                await subscriptions.of_organisations(connection),
                {one.id: one for one in await agreements.of(connection, limit=10_000)},
                book.of(happening.case_id),
            )

    def _told(self, told: Mapping[str, Told], happening: Happening, now: _Now) -> list[PersonTold]:
        found: dict[str, PersonTold] = {}
        for one in sorted(told.values(), key=lambda each: URGENCIES.index(each.urgency)):
            for instead in self._people.told_of(now.roster, one.audience, happening, now.at):
                if instead.person not in found and instead.person in self._people.accounts:
                    found[instead.person] = self._person(instead, one, happening, now)
        for person in sorted(now.contacts.keys() - found.keys()):
            if person in self._people.accounts:
                asked = self._person(Instead(person), None, happening, now)
                if any(way.why_not not in _NOT_ASKED for way in asked.ways):
                    found[person] = asked
        return list(found.values())

    def _person(self, instead: Instead, told: Told | None, happening: Happening, now: _Now) -> PersonTold:
        """Somebody whom the house tells, or, without `told`, who may have asked for it themselves."""
        account = self._people.accounts[instead.person]
        contacts = now.contacts.get(instead.person, ())
        urgency: Urgency = told.urgency if told else "normal"
        whys = {
            one.subscription_id: self._why_not(one, told.urgency if told else None, happening, now) for one in contacts
        }
        wanted = {one.channel for one in contacts if whys[one.subscription_id] is None}
        reachable = tuple(channel for channel in CHANNELS if channel in wanted)
        timings = timing(
            now.chosen.get(instead.person, DEFAULT),
            urgency,
            now.at,
            self._telling.limits.on(now.at),
            reachable=reachable,
            load=now.loads.get(instead.person, NO_LOAD),
        )
        at: dict[str, datetime] = {channel: when.at for when in timings for channel in when.channels}
        return PersonTold(
            instead.person,
            account.role.value,
            told.audience if told else f"person/{instead.person}",
            told.rule if told else None,
            urgency,
            instead.instead_of,
            instead.why,
            tuple(timings),
            reachable,
            tuple(_ways(contacts, whys, at)),
        )

    def _why_not(self, contact: Contact, urgency: Urgency | None, happening: Happening, now: _Now) -> str | None:
        """Why an endpoint of somebody gets nothing of what happened; None: all that one has is called in an emergency,
        else what asked for it."""
        why: str | None = None
        if urgency != "emergency":
            why = not_called(self._people, contact, happening, patterns_of(happening), urgency)
            if why is None and self._is_past(happening, now.at):
                why = "long-past"
        if why is None and not contact.reaches:
            why = contact.state if contact.state != "active" else "not-verified"
        return why

    def _partner(
        self, row: OfOrganisation, agreement: Agreement | None, happening: Happening, at: datetime
    ) -> PartnerTold:
        why: str | None = None
        if not set(patterns_of(happening)) & set(row.patterns):
            why = "not-subscribed"
        elif not concerns(row.units, happening.unit, happening.places):
            why = "unit-not-subscribed"
        elif row.sector is not None and happening.sector is not None and row.sector != happening.sector:
            why = "other-sector"
        elif agreement is not None:
            why = _outside(agreement, happening, at)
        if why is None and not row.proven:
            why = "not-verified"
        if why is None and self._is_past(happening, at):
            why = "long-past"
        waits = None
        if why is None and (row.state != "active" or row.circuit != "closed"):
            # What is said to a partner waits for its endpoint.
            waits = row.state if row.state != "active" else "circuit-open"
        fields = agreement.fields_of(happening.event_type) if agreement is not None and why is None else ()
        return PartnerTold(
            row.org, row.id, row.endpoint_id, row.name, row.channel, row.agreement_id, why, waits, fields
        )

    def _is_past(self, happening: Happening, at: datetime) -> bool:
        return is_past(happening.time, at, "normal", self._telling.delivering.on(at))

    def _steps(self, told: Mapping[str, Told], happening: Happening, now: _Now) -> list[StepTold]:
        code = next((one.ladder for one in told.values() if one.ladder), None)
        if code is None:
            return []
        steps = []
        for step in self._ladders.on(code, local_day(now.at)).steps:
            audience = step.role if step.of == "province" else f"{step.role}/{happening.unit}"
            called = [one.person for one in self._people.told(now.roster, audience, happening.unit, now.at)]
            reached: set[str] = set()
            for person in called:
                own = dict.fromkeys(contact.channel for contact in now.contacts.get(person, ()) if contact.reaches)
                reached |= set(emergency_channels(own, step.channels))
            over = tuple(channel for channel in CHANNELS if channel in reached)
            inbox = ("inbox",) if "inbox" in step.channels else ()
            steps.append(StepTold(step.after_minutes, audience, tuple(called), inbox + over))
        return steps


def _by_person(contacts: Sequence[Contact]) -> dict[str, list[Contact]]:
    found: dict[str, list[Contact]] = {}
    for contact in contacts:
        found.setdefault(contact.person, []).append(contact)
    return found


def _ways(contacts: Sequence[Contact], whys: Mapping[str, str | None], at: Mapping[str, datetime]) -> Iterator[WayTold]:
    """Each endpoint of a person; one with several subscriptions is called if any of them is."""
    numbers: dict[str, int] = {}
    by_endpoint: dict[str, list[Contact]] = {}
    for contact in contacts:
        by_endpoint.setdefault(contact.endpoint_id, []).append(contact)
    for endpoint_id, own in by_endpoint.items():
        channel = own[0].channel
        numbers[channel] = numbers.get(channel, 0) + 1
        found = [whys[one.subscription_id] for one in own]
        why = None if None in found else found[0]
        when = at.get(channel) if why is None else None
        if why is None and when is None:
            why = "channel-not-chosen"
        yield WayTold(endpoint_id, channel, numbers[channel], when, why)


def _outside(agreement: Agreement, happening: Happening, at: datetime) -> str | None:
    """Why something lies outside an agreement; what may concern several communes lies within where one of them does."""
    why = agreement.not_told(happening.event_type, happening.unit, at)
    if why == "unit-not-covered" and concerns(agreement.terms.units, happening.unit, happening.places):
        return None
    return why


# A person of whom all endpoints say this is not spoken of: they have asked for something else.
_NOT_ASKED = frozenset({"not-subscribed", "unit-not-subscribed", "other-sector", "may-not-see"})
_NOT_HEARD = (
    "Loại sự kiện này không được dùng để thông báo.",
    "Nobody is notified of this event type.",
)
