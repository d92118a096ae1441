"""Who would be told of an event, and why, and why nobody else: the very rules that tell, without telling anybody.

It writes nothing. Accounts and codes only: whoever asks sees no name, no address and nothing of a child.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notify.desk.calling import HOUSE, not_called, patterns_of
from services.notify.desk.people import People
from services.notify.domain import Happening, Relations, Telling, Told, concerns, happening_of, is_past
from services.notify.domain import ladder as steps
from services.notify.domain.agreements import Agreement
from services.notify.domain.ladder import Call
from services.notify.domain.preferences import (
    CHANNELS,
    DEFAULT,
    NO_LOAD,
    Instead,
    Load,
    PersonalChannel,
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
    """A step of the ladder that would begin: whom it would call, and when, if nobody acknowledged. `wakes`: whether any
    of them has what wakes them; where not, the next step waits no longer than `nobody_minutes`."""

    after_minutes: int
    audience: str
    people: tuple[str, ...]
    channels: tuple[str, ...]
    wakes: bool


@dataclass(frozen=True, slots=True)
class Run:
    """The whole answer. `ladder`: which would begin, if any."""

    happening: Happening
    considered: Sequence[Considered]
    people: Sequence[PersonTold]
    partners: Sequence[PartnerTold]
    steps: Sequence[StepTold]
    ladder: str | None = None


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
        climbed = self._steps(told, happening, now)
        return Run(
            happening,
            considered,
            self._told(told, climbed, happening, now),
            [self._partner(row, now.agreed.get(row.agreement_id or ""), happening, now.at) for row in now.subscribed],
            climbed,
            _ladder_of(told),
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

    def _told(
        self, told: Mapping[str, Told], climbed: Sequence[StepTold], happening: Happening, now: _Now
    ) -> list[PersonTold]:
        found: dict[str, PersonTold] = {}
        calls: dict[str, datetime] = {}
        for step in climbed:
            for person in step.people:
                calls.setdefault(person, now.at + timedelta(minutes=step.after_minutes))
        for one in sorted(told.values(), key=lambda each: URGENCIES.index(each.urgency)):
            for instead in self._people.told_of(now.roster, one.audience, happening, now.at):
                if instead.person not in found and instead.person in self._people.accounts:
                    found[instead.person] = self._person(instead, one, calls.get(instead.person), happening, now)
        for person in sorted(now.contacts.keys() - found.keys()):
            if person in self._people.accounts:
                asked = self._person(Instead(person), None, None, happening, now)
                if any(way.why_not not in _NOT_ASKED for way in asked.ways):
                    found[person] = asked
        return list(found.values())

    def _person(
        self, instead: Instead, told: Told | None, call_at: datetime | None, happening: Happening, now: _Now
    ) -> PersonTold:
        """Somebody whom the house tells, or, without `told`, who may have asked for it themselves. In: `call_at`: when
        the ladder of an emergency calls them; None: it does not."""
        account = self._people.accounts[instead.person]
        contacts = now.contacts.get(instead.person, ())
        urgency: Urgency = told.urgency if told else "normal"
        whys: dict[str, str | None] = {}
        timings: list[Timing] = []
        if urgency == "emergency":
            # Its ladder calls, over everything; who asked for the event's type has it as asked for besides.
            asked = {one.subscription_id: self._why_not(one, None, happening, now) for one in contacts}
            for one in contacts:
                why = asked[one.subscription_id]
                if call_at is not None:
                    why = _silent(one)
                elif why == "not-subscribed" and HOUSE in one.patterns:
                    why = "not-on-ladder"
                whys[one.subscription_id] = why
            if call_at is not None and (over := _over(contacts, whys)):
                timings.append(Timing(call_at, over, False, "emergency" if call_at <= now.at else "ladder"))
            timings += self._timings(instead.person, "urgent", _over(contacts, asked), now)
        else:
            whys = {one.subscription_id: self._why_not(one, told, happening, now) for one in contacts}
            timings += self._timings(instead.person, urgency, _over(contacts, whys), now)
        at: dict[str, datetime] = {}
        for when in sorted(timings, key=lambda one: one.at):
            for channel in when.channels:
                at.setdefault(channel, when.at)
        return PersonTold(
            instead.person,
            account.role.value,
            told.audience if told else f"person/{instead.person}",
            told.rule if told else None,
            urgency,
            instead.instead_of,
            instead.why,
            tuple(timings),
            _over(contacts, whys),
            tuple(_ways(contacts, whys, at)),
        )

    def _timings(
        self, person: str, urgency: Urgency, reachable: tuple[PersonalChannel, ...], now: _Now
    ) -> list[Timing]:
        return timing(
            now.chosen.get(person, DEFAULT),
            urgency,
            now.at,
            self._telling.limits.on(now.at),
            reachable=reachable,
            load=now.loads.get(person, NO_LOAD),
        )

    def _why_not(self, contact: Contact, told: Told | None, happening: Happening, now: _Now) -> str | None:
        """Why an endpoint of somebody gets nothing of what happened, no emergency; None: it is called."""
        why: str | None = not_called(
            self._people, contact, happening, patterns_of(happening), told.urgency if told else None
        )
        if why is None and self._is_past(happening, now.at):
            why = "long-past"
        return why or _silent(contact)

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
        code = _ladder_of(told)
        if code is None:
            return []
        rule, at = self._ladders.on(code, local_day(now.at)), now.at
        found: list[StepTold] = []
        climbed = steps.begin(
            "",
            rule,
            happening.id,
            happening.event_type,
            at,
            unit=happening.unit,
            case_id=happening.case_id,
            concern_id=None,
            due=happening.due,
        )
        # As it would be climbed, minute by minute, were there nobody to acknowledge it.
        while len(found) < len(rule.steps):
            ladder, minutes = climbed.ladder, round((at - now.at) / timedelta(minutes=1))
            step = self._step(next(iter(climbed.calls), None), rule.steps[ladder.step].role, minutes, happening, now)
            found.append(step)
            if climbed.calls and not step.wakes:
                ladder = steps.pass_time(ladder, rule, at, reached=False).ladder
            at = ladder.next_at or at
            climbed = steps.pass_time(ladder, rule, at)
        return found

    def _step(self, call: Call | None, role: str, minutes: int, happening: Happening, now: _Now) -> StepTold:
        """Whom a step calls; nobody, without `call`, where the event does not say of which commune."""
        if call is None:
            return StepTold(minutes, role, (), (), False)
        called = [one.person for one in self._people.told(now.roster, call.audience, happening.unit, now.at)]
        own = {person: {one.channel for one in now.contacts.get(person, ()) if one.reaches} for person in called}
        reached = set().union(*own.values())
        over = ("inbox", *(channel for channel in CHANNELS if channel in reached))
        wakes = any(steps.wakes(call, channels) for channels in own.values())
        return StepTold(minutes, call.audience, tuple(called), over, wakes)


def _by_person(contacts: Sequence[Contact]) -> dict[str, list[Contact]]:
    found: dict[str, list[Contact]] = {}
    for contact in contacts:
        found.setdefault(contact.person, []).append(contact)
    return found


def _ladder_of(told: Mapping[str, Told]) -> str | None:
    return next((one.ladder for one in told.values() if one.ladder), None)


def _silent(contact: Contact) -> str | None:
    """Why an endpoint takes nothing now; None: it does."""
    if contact.reaches:
        return None
    return contact.state if contact.state != "active" else "not-verified"


def _over(contacts: Sequence[Contact], whys: Mapping[str, str | None]) -> tuple[PersonalChannel, ...]:
    """The channels of those subscriptions of which nothing says why not."""
    found = {one.channel for one in contacts if whys[one.subscription_id] is None}
    return tuple(channel for channel in CHANNELS if channel in found)


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
