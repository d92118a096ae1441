"""Who would be told of an event, and why, and why nobody else: the very rules that tell, without telling anybody.

It writes nothing. Accounts and codes only: whoever asks sees no name, no address and nothing of a child.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.notify.desk.calling import called, emergency_channels, patterns_of
from services.notify.desk.people import People
from services.notify.domain import Happening, Relations, Telling, Told, happening_of
from services.notify.domain.agreements import Agreement
from services.notify.domain.preferences import CHANNELS, DEFAULT, PersonalChannel, Preferences, Roster, Timing, timing
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
class PersonTold:
    """Somebody who would be told: by which rules, in whose place, and when over what."""

    person: str
    role: str
    audience: str
    rule: str
    urgency: Urgency
    instead_of: str | None
    substitute_by: str
    timings: tuple[Timing, ...]
    reachable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PartnerTold:
    """A subscription of an organisation: whether it would be told, or why not."""

    org: str
    subscription_id: str
    channel: str
    agreement_id: str | None
    why_not: str | None
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
            [_partner(row, now.agreed.get(row.agreement_id or ""), happening, now.at) for row in now.subscribed],
            self._steps(told, happening, now),
        )

    async def _now(self, happening: Happening, data: Contract) -> _Now:
        at = self._clock()
        async with self._database.transaction() as connection:
            book = await relations.read(connection, {happening.case_id} if happening.case_id else set())
            book.hear(data)
            contacts = await people.contacts(connection)
            return _Now(
                at,
                await self._people.roster(connection, at),
                _by_person(contacts),
                await people.preferences(connection, {contact.person for contact in contacts}),
                await subscriptions.of_organisations(connection),
                {one.id: one for one in await agreements.of(connection, limit=10_000)},
                book.of(happening.case_id),
            )

    def _told(self, told: Mapping[str, Told], happening: Happening, now: _Now) -> list[PersonTold]:
        found: dict[str, PersonTold] = {}
        limits = self._telling.limits.on(now.at)
        for one in sorted(told.values(), key=lambda each: URGENCIES.index(each.urgency)):
            for instead in self._people.told(now.roster, one.audience, happening.unit, now.at):
                if instead.person in found:
                    continue
                member = self._people.member(instead.person)
                reachable = self._reachable(now.contacts.get(instead.person, ()), happening, one.urgency)
                chosen = now.chosen.get(instead.person, DEFAULT)
                found[instead.person] = PersonTold(
                    instead.person,
                    member.role if member else "",
                    one.audience,
                    one.rule,
                    one.urgency,
                    instead.instead_of,
                    instead.why,
                    tuple(timing(chosen, one.urgency, now.at, limits, reachable=reachable)),
                    reachable,
                )
        return list(found.values())

    def _reachable(
        self, contacts: Sequence[Contact], happening: Happening, urgency: Urgency
    ) -> tuple[PersonalChannel, ...]:
        """Over what somebody would be called of this: all they have in an emergency, else what they asked for."""
        asked = patterns_of(happening)
        found = {
            one.channel
            for one in contacts
            if urgency == "emergency" or called(self._people, one, happening, asked, urgency)
        }
        return tuple(channel for channel in CHANNELS if channel in found)

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
                own = dict.fromkeys(contact.channel for contact in now.contacts.get(person, ()))
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


def _partner(row: OfOrganisation, agreement: Agreement | None, happening: Happening, now: datetime) -> PartnerTold:
    why: str | None = None
    if not set(patterns_of(happening)) & set(row.patterns):
        why = "not-subscribed"
    elif row.units is not None and happening.unit not in row.units:
        why = "unit-not-subscribed"
    elif row.sector is not None and happening.sector is not None and row.sector != happening.sector:
        why = "other-sector"
    elif agreement is not None:
        why = agreement.not_told(happening.event_type, happening.unit, now)
    fields = agreement.fields_of(happening.event_type) if agreement is not None and why is None else ()
    return PartnerTold(row.org, row.id, row.channel, row.agreement_id, why, fields)


_NOT_HEARD = (
    "Loại sự kiện này không được dùng để thông báo.",
    "Nobody is notified of this event type.",
)
