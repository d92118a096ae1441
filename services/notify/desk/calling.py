"""How people are called over what they carry: at once, when it is no longer quiet, or collected, as they chose.

What is urgent beyond that, an emergency, is not called here: its ladder calls, and asks nobody's preference.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import orjson
import structlog

from services.notify.desk.people import People
from services.notify.desk.queueing import Queueing
from services.notify.domain import (
    Addressed,
    Happening,
    Message,
    Told,
    candidates,
    concerns,
    is_internal,
    path_for,
    path_of,
    timed_id,
)
from services.notify.domain.preferences import (
    CHANNELS,
    DEFAULT,
    INTERRUPTING,
    NO_LOAD,
    Load,
    PersonalChannel,
    Timing,
    next_digest,
    quiet_until,
    timing,
)
from services.notify.store import digests
from services.notify.store import people as store
from services.notify.store.digests import Item
from services.notify.store.people import Contact
from services.notify.wordings import WORDINGS
from shared.contracts.base import TYPE_PREFIX
from shared.identity import Principal
from shared.messaging.outbox import stable_id
from shared.messaging.router import Scope
from shared.reference.notify_limits import NotifyLimitsByDay
from shared.reference.notify_rules import URGENCIES, Urgency
from shared.telemetry import current_traceparent

_LOG = structlog.get_logger(__name__)
# A personal subscription with this pattern is called of whatever the house tells its person.
HOUSE = "told"
DIGEST_TYPE = "notify.digest"
_MOST_ITEMS = 500
_Decided = Sequence[tuple[Message, Mapping[str, Told]]]
NotCalled = Literal["not-subscribed", "unit-not-subscribed", "other-sector", "may-not-see"]


@dataclass(frozen=True, slots=True)
class _Wish:
    """Somebody who is to be called of a message: how urgently, and over which of their subscriptions; one of many of a
    noisy rule with the others, when their time is over."""

    message: Message
    urgency: Urgency
    contacts: tuple[Contact, ...]
    gathered_until: datetime | None = None


class Calling:
    """Plans personal deliveries.

    Args:
        people: who is in which audience. queueing: makes it durable. limits: of the reference data. base_url: where
        links lead.
    """

    def __init__(self, people: People, queueing: Queueing, limits: NotifyLimitsByDay, base_url: str) -> None:
        self._people = people
        self._queueing = queueing
        self._limits = limits
        self._base_url = base_url

    async def call(self, scope: Scope, decided: _Decided) -> None:
        """Plan what a batch means for people; durable with the batch."""
        patterns = {HOUSE, *(pattern for message, _ in decided for pattern in patterns_of(message.happening))}
        contacts = await store.contacts(scope.connection, patterns=patterns)
        if not contacts:
            return
        wishes = await self._wishes(scope, decided, contacts)
        if wishes:
            await self._plan(scope, wishes)

    async def send(self, scope: Scope, message: Message, person: str) -> tuple[str, ...]:
        """Call one person of an emergency now, over everything that reaches them, whatever they chose. Out: those."""
        contacts = store.by_channel(await store.contacts(scope.connection, people=[person])).get(person, {})
        addressed = [
            Addressed(message.id, endpoint, priority="emergency") for own in contacts.values() for endpoint in own
        ]
        await self._queueing.queue(scope, [message], addressed)
        return tuple(contacts)

    async def digest(self, scope: Scope) -> bool:
        """Send one person what has waited for them until now, over what reaches them now. Out: whether there was
        anything."""
        items = await digests.take_due(scope.connection, scope.now)
        if not items:
            return False
        person = items[0].person
        principal = self._people.accounts.get(person)
        # Who has no account any more is told nothing of it; who has moved, nothing of where they were.
        items = [one for one in items if principal and _may_still_hear(principal, one)]
        contacts = store.by_channel(await store.contacts(scope.connection, people=[person])).get(person, {})
        by_channels: dict[tuple[str, ...], list[Item]] = {}
        for item in await self._reaching(scope, items, contacts):
            by_channels.setdefault(item.channels, []).append(item)
        for channels, alike in by_channels.items():
            message = self._collected(alike, scope.now)
            addressed = [
                Addressed(message.id, endpoint, priority="digest")
                for channel in channels
                for endpoint in contacts.get(channel, ())
            ]
            await self._queueing.queue(scope, [message], addressed)
        return True

    async def _reaching(self, scope: Scope, items: Sequence[Item], contacts: Mapping[str, Sequence[str]]) -> list[Item]:
        """What was collected for one person over channels that are off by now comes over others that they chose, when
        it is not quiet; where there are none, it waits for their next digest, as long as the inbox has it. In:
        `contacts`: by channel, what reaches them now. Out: what is sent now, and over what."""
        there = [item for item in items if {*item.channels} & contacts.keys()]
        off = [item for item in items if not {*item.channels} & contacts.keys()]
        if not off:
            return there
        limits, person = self._limits.on(scope.now), items[0].person
        chosen = (await store.preferences(scope.connection, [person])).get(person, DEFAULT)
        reachable = [channel for channel in CHANNELS if channel in contacts]
        planned = timing(chosen, "low", scope.now, limits, reachable=reachable)
        over: tuple[str, ...] | None = planned[0].channels if planned else None
        at = scope.now if over else next_digest(chosen, scope.now, limits)
        if over and INTERRUPTING & {*over}:
            at = quiet_until(chosen.quiet or limits.quiet, scope.now) or scope.now
        moved = [replace(item, channels=over or item.channels, due_at=at) for item in off]
        if at <= scope.now:
            return [*there, *moved]
        since = self._queueing.kept_since(scope.now)
        kept = [item for item in moved if item.created_at >= since]
        if len(kept) < len(moved):
            _LOG.info("digests.forgotten", count=len(moved) - len(kept))
        await digests.put(scope.connection, kept)
        return there

    async def _wishes(self, scope: Scope, decided: _Decided, contacts: Sequence[Contact]) -> dict[str, list[_Wish]]:
        """Person -> what they are to be called of: by the house's rules, or since they asked for the event's type."""
        of_person: dict[str, list[Contact]] = {}
        asking: dict[str, set[str]] = {}
        for contact in contacts:
            if contact.person not in self._people.accounts:
                continue
            of_person.setdefault(contact.person, []).append(contact)
            for pattern in contact.patterns:
                asking.setdefault(pattern, set()).add(contact.person)
        roster = await self._people.roster(scope.connection, scope.now)
        wishes: dict[str, list[_Wish]] = {}
        for message, told_by in decided:
            urgencies: dict[str, Urgency] = {}
            gathered: dict[str, list[datetime | None]] = {}
            for one in told_by.values():
                for instead in self._people.told_of(roster, one.audience, message.happening, scope.now):
                    urgencies[instead.person] = _more_urgent(urgencies.get(instead.person), one.urgency)
                    gathered.setdefault(instead.person, []).append(one.gathered_until)
            asked = frozenset(patterns_of(message.happening))
            # A batch is long and a province has many people: only whom it may concern is looked at.
            concerned = set(urgencies).union(*(asking.get(pattern, ()) for pattern in asked))
            for person in sorted(concerned & of_person.keys()):
                urgency = urgencies.get(person)
                # Of an emergency its ladder calls; who asked for the event's type has it as asked for besides.
                told = urgency if urgency != "emergency" else None
                wanted = tuple(
                    one for one in of_person[person] if called(self._people, one, message.happening, asked, told)
                )
                if wanted:
                    how: Urgency = "urgent" if urgency == "emergency" else urgency or "normal"
                    wish = _Wish(message, how, wanted, _until(gathered.get(person, ())))
                    wishes.setdefault(person, []).append(wish)
        return wishes

    async def _plan(self, scope: Scope, wishes: Mapping[str, Sequence[_Wish]]) -> None:
        chosen = await store.preferences(scope.connection, wishes)
        loads = await store.loads(scope.connection, wishes, scope.now)
        limits = self._limits.on(scope.now)
        addressed: list[Addressed] = []
        items: list[Item] = []
        sounds: list[tuple[str, datetime]] = []
        for person, own in wishes.items():
            preference, load = chosen.get(person, DEFAULT), loads.get(person, NO_LOAD)
            for wish in own:
                reachable = [channel for channel in CHANNELS if any(c.channel == channel for c in wish.contacts)]
                for planned in timing(preference, wish.urgency, scope.now, limits, reachable=reachable, load=load):
                    when = _gathered(planned, wish.gathered_until)
                    if when.collected:
                        items.append(_item(person, self._audience(person), wish, when, scope.now))
                        continue
                    addressed += self._addressed(wish, person, when.channels)
                    if INTERRUPTING & set(when.channels):
                        sounds.append((person, when.at))
                        load = _one_more(load, when.at)
        messages = {wish.message.happening.id: wish.message for own in wishes.values() for wish in own}
        await digests.put(scope.connection, items)
        await store.note_sounds(scope.connection, sounds)
        await self._queueing.queue(scope, list(messages.values()), addressed)

    def _addressed(self, wish: _Wish, person: str, channels: Sequence[PersonalChannel]) -> list[Addressed]:
        happening = wish.message.happening
        path = path_of(happening)
        own = path_for(self._audience(person), happening, path)
        body: bytes | None = None
        if own != path:
            document = orjson.loads(wish.message.body)
            document["data"]["link"] = self._base_url + own
            body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        return [
            Addressed(wish.message.id, contact.endpoint_id, contact.subscription_id, happening.case_id, body=body)
            for contact in wish.contacts
            if contact.channel in channels
        ]

    def _audience(self, person: str) -> str:
        """As whom somebody looks: of a sector, at its tasks."""
        member = self._people.member(person)
        return "sector/" if member is not None and member.role == "sector" else f"person/{person}"

    def _collected(self, items: Sequence[Item], now: datetime) -> Message:
        """Several as one message; one that waited alone is said by itself."""
        first = items[0]
        alone = len(items) == 1
        # Of one kind in one commune they are a line of their own, where there are words for several: how many, where.
        wording = WORDINGS.get(first.event_type)
        same = len({(item.event_type, item.unit) for item in items}) == 1
        alike = alone or (same and wording is not None and bool(wording.many))
        happening = Happening(
            id=timed_id(now, "collected", first.person, *(item.id for item in items[:_MOST_ITEMS])),
            event_type=first.event_type if alike else DIGEST_TYPE,
            time=now,
            unit=first.unit if alike else None,
            case_id=first.case_id if alone else None,
            due=first.due if alone else None,
            sector=None,
            codes={},
            case_code=first.case_code if alone else None,
        )
        path = first.path if alone else "/notify/"
        data = {"event_id": happening.id, "link": self._base_url + path, "count": len(items)}
        if not alone:
            data["items"] = [_listed(item, self._base_url) for item in items[:_MOST_ITEMS]]
        document = {"type": TYPE_PREFIX + happening.event_type, "timestamp": now.isoformat(), "data": data}
        body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        return Message(happening, body, current_traceparent())


def patterns_of(happening: Happening) -> list[str]:
    """The patterns by which somebody may have asked for what happened; none where nobody can."""
    return [] if is_internal(happening.event_type) else candidates(happening.event_type)


def called(
    people: People, contact: Contact, happening: Happening, asked: Collection[str], urgency: Urgency | None
) -> bool:
    """Whether a subscription is called of what happened."""
    return not_called(people, contact, happening, asked, urgency) is None


def not_called(
    people: People, contact: Contact, happening: Happening, asked: Collection[str], urgency: Urgency | None
) -> NotCalled | None:
    """Why a subscription is not called of what happened; None: it is. It is where the house tells its person, or where
    it names the type and the place and its person may still hear of it. In: `asked`, its `patterns_of`; `urgency`, with
    which the house tells its person; None: it does not."""
    if urgency is not None and HOUSE in contact.patterns:
        return None
    if not any(pattern in asked for pattern in contact.patterns):
        return "not-subscribed"
    if not concerns(contact.units, happening.unit, happening.places):
        return "unit-not-subscribed"
    if contact.sector is not None and happening.sector is not None and contact.sector != happening.sector:
        return "other-sector"
    return None if people.may_hear(contact.person, happening, contact.sector) else "may-not-see"


def _may_still_hear(principal: Principal, item: Item) -> bool:
    """Whether something that waited is of, or concerns, a commune that its reader sees now, or none at all."""
    named = [one for one in (item.unit, *item.places) if one]
    return not named or any(principal.may_see(one) for one in named)


def _more_urgent(known: Urgency | None, other: Urgency) -> Urgency:
    return other if known is None or URGENCIES.index(other) < URGENCIES.index(known) else known


def _one_more(load: Load, at: datetime) -> Load:
    return replace(
        load,
        hour=load.hour + 1,
        day=load.day + 1,
        hour_since=load.hour_since or at,
        day_since=load.day_since or at,
    )


def _gathered(planned: Timing, until: datetime | None) -> Timing:
    """As planned, or, one of many, with the others."""
    if until is None or planned.collected:
        return planned
    return Timing(until, planned.channels, True, "gathered")


def _until(gathered: Sequence[datetime | None]) -> datetime | None:
    """When somebody hears of one of many: where any rule tells it by itself, now."""
    moments = [moment for moment in gathered if moment is not None]
    return max(moments) if moments and len(moments) == len(gathered) else None


def _item(person: str, audience: str, wish: _Wish, when: Timing, now: datetime) -> Item:
    happening = wish.message.happening
    return Item(
        id=stable_id("collect", person, happening.id, *when.channels),
        person=person,
        channels=when.channels,
        due_at=when.at,
        why=when.why,
        message_id=happening.id,
        event_type=happening.event_type,
        unit=happening.unit,
        case_id=happening.case_id,
        case_code=happening.case_code,
        due=happening.due,
        path=path_for(audience, happening, path_of(happening)),
        urgent=wish.urgency == "urgent",
        created_at=now,
        places=happening.places or (),
    )


def _listed(item: Item, base_url: str) -> dict[str, object]:
    """One line of a digest, in codes: the channel puts it into the reader's words."""
    return {
        "event_type": item.event_type,
        "unit": item.unit,
        "case_code": item.case_code,
        "case_id": item.case_id,
        "due": item.due.isoformat() if item.due else None,
        "urgent": item.urgent,
        "at": item.created_at.isoformat(),
        "link": base_url + item.path,
    }
