"""From events to what is said: in one transaction the messages, every delivery and every in-app notice are durable, and
that they are queued is published. Nothing is sent here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.desk.calling import Calling
from services.notify.desk.emergencies import Emergencies
from services.notify.desk.people import People
from services.notify.desk.queueing import Queueing
from services.notify.desk.saying import put_in_app
from services.notify.domain import (
    Addressed,
    Happening,
    Message,
    Telling,
    Told,
    happening_of,
    path_of,
    payload_of,
    short_type,
    timed_id,
)
from services.notify.domain.grouping import Group, gather, key_of
from services.notify.domain.matters import settled_by
from services.notify.domain.rules import is_too_old, told_by
from services.notify.store import groups, matters, relations, subscriptions, unsaid
from services.notify.store.notices import Wanted
from shared.contracts.base import Contract
from shared.messaging.outbox import stable_id
from shared.messaging.router import Received, Scope
from shared.telemetry import current_traceparent


@dataclass(slots=True)
class Heard:
    """An event of a batch: what it says, and, once decided, whom it is told. `bulk`: one of very many of a single act,
    of which only emergencies are told."""

    happening: Happening
    data: Contract
    message: Message
    bulk: bool = False
    told: dict[str, Told] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsaid:
    """An event of a bulk act, of which nobody is told whatever it says."""

    event_type: str


class Desk:
    """Turns events into messages.

    Args:
        telling: whom the house tells by itself. people: who they are. queueing: makes deliveries durable.
        calling: how people are called. emergencies: what must be acknowledged. unit_name: a commune's name by its code.
        base_url: where links lead.
    """

    def __init__(
        self,
        telling: Telling,
        people: People,
        queueing: Queueing,
        calling: Calling,
        emergencies: Emergencies,
        unit_name: Callable[[str | None], str],
        base_url: str,
    ) -> None:
        self.telling = telling
        self.people = people
        self._queueing = queueing
        self._calling = calling
        self._emergencies = emergencies
        self._unit_name = unit_name
        self._base_url = base_url

    async def on_event(self, received: Received[Contract], scope: Scope) -> None:
        """Note what was heard; `finish` decides on it with all the others of its batch."""
        event = received.event
        event_type = short_type(event.type)
        if event.bulk is not None and not self._must_be_read(event_type, received.data):
            scope.gathered.append(Unsaid(event_type))
            return
        happening = happening_of(event, received.data, timed_id(event.time, "message", event.source, event.id))
        scope.gathered.append(Heard(happening, received.data, self.message(happening), event.bulk is not None))

    async def finish(self, scope: Scope) -> None:
        """Decide and make durable what a batch of events means. The same events again add nothing: all ids follow from
        them."""
        heard: list[Heard] = [one for one in scope.gathered if isinstance(one, Heard)]
        passed = Counter(("bulk", one.event_type) for one in scope.gathered if isinstance(one, Unsaid))
        passed += Counter(("bulk", one.happening.event_type) for one in heard if one.bulk)
        old = await self._decide(scope.connection, heard, scope.now)
        await self._tell_in_app(scope, heard)
        settled = [found for one in heard if (found := settled_by(one.happening, one.data)) is not None]
        await matters.settle(scope.connection, settled, scope.now)
        single = [one for one in heard if not one.bulk]
        old |= await self._tell_partners(scope, single)
        await self._calling.call(scope, [(one.message, one.told) for one in single])
        await self._emergencies.hear(scope, [(one.message, one.data, one.told) for one in heard])
        passed += Counter(("past", one.happening.event_type) for one in single if one.message.id in old)
        await unsaid.count(scope.connection, passed, scope.now)

    async def queue_to(self, scope: Scope, happening: Happening, endpoint_id: str) -> None:
        """Make one delivery durable, whatever the endpoint is to hear otherwise: a test message."""
        await self._queueing.queue(scope, [self.message(happening)], [Addressed(happening.id, endpoint_id)])

    async def tell_in_app(self, scope: Scope, happening: Happening, told: Mapping[str, bool], path: str) -> None:
        """Write notices of a happening of our own, which lead to a path; the value says whether at once."""
        message = self.message(happening)
        wanted = [
            Wanted(stable_id("notice", happening.id, audience), audience, message, path, urgent, happening.due)
            for audience, urgent in told.items()
        ]
        await put_in_app(scope, wanted)

    def message(self, happening: Happening) -> Message:
        """What is said of a happening by default: no identity, only what happened, where to look, by when."""
        body = payload_of(happening, self._unit_name(happening.unit), self._base_url)
        return Message(happening, body, current_traceparent())

    async def _tell_partners(self, scope: Scope, heard: Sequence[Heard]) -> set[str]:
        """What is said to organisations: within their agreements, in the order of each case. Out: the messages that
        somebody had asked for, but that come too late."""
        known = {one.message.id: one.message for one in heard}
        addressed = [
            Addressed(
                wish.happening_id,
                wish.endpoint_id,
                wish.subscription_id,
                known[wish.happening_id].happening.case_id,
            )
            for wish in await subscriptions.wishes(
                scope.connection, [message.happening for message in known.values()], scope.now
            )
        ]
        await self._queueing.queue(scope, list(known.values()), addressed)
        wanted = {item.message_id for item in addressed}
        return {one for one in wanted if not self._queueing.is_news(known[one].happening.time, scope.now)}

    async def _decide(self, connection: AsyncConnection, heard: Sequence[Heard], now: datetime) -> set[str]:
        """Whom each event is told, in their order: how people stand to a case changes with what it says of them. Out:
        the messages of which nobody is told because they come too late."""
        old = set()
        asking = {one.happening.case_id for one in heard if self._asks_for_relations(one)}
        changing = {one.happening.case_id for one in heard if isinstance(one.data, relations.CHANGING)}
        cases = {case_id for case_id in asking | changing if case_id}
        book = await relations.read(connection, cases)
        for one in heard:
            book.hear(one.data)
            known = book.of(one.happening.case_id)
            considered = self.telling.consider(one.happening, one.data, now, known)
            one.told = told_by(considered)
            if one.bulk:
                one.told = {audience: told for audience, told in one.told.items() if told.urgency == "emergency"}
            if is_too_old(considered) and not one.told:
                old.add(one.message.id)
        if changing:
            await relations.write(connection, book)
        return old

    def _must_be_read(self, event_type: str, data: Contract) -> bool:
        """Whether an event of a bulk act is looked into: it may be an emergency, or changes how people stand to a
        case."""
        return self.telling.may_be_emergency(event_type) or isinstance(data, relations.CHANGING)

    def _asks_for_relations(self, one: Heard) -> bool:
        rules = self.telling.rules.of(one.happening.event_type)
        return any(addressee.relation is not None for rule in rules for addressee in rule.tell)

    async def _tell_in_app(self, scope: Scope, heard: Sequence[Heard]) -> None:
        """The inbox has everything: the audiences, and whoever stands in for somebody of them."""
        if not any(one.told for one in heard):
            return
        roster = await self.people.roster(scope.connection, scope.now)
        wanted: list[tuple[Heard, str, Told]] = []
        for one in heard:
            wanted += [(one, audience, told) for audience, told in one.told.items()]
            instead = self.people.substitutes(roster, one.told, one.happening, scope.now)
            first = min(one.told.values(), key=lambda told: not told.urgent, default=None)
            if first is not None:
                wanted += [
                    (one, f"person/{person}", replace(first, audience=f"person/{person}"))
                    for person in instead
                    if f"person/{person}" not in one.told
                ]
        await put_in_app(scope, await self._grouped(scope, wanted))

    async def _grouped(self, scope: Scope, wanted: Sequence[tuple[Heard, str, Told]]) -> list[Wanted]:
        """The notices to write: of a noisy rule the first few, and then one line with its number."""
        keyed = [(one, told, key_of(told, one.happening)) for one, _, told in wanted]
        known = await groups.read(scope.connection, {key for _, _, key in keyed if key is not None})
        changed: dict[str, Group] = {}
        found: list[Wanted] = []
        for one, told, key in keyed:
            alone = True
            if key is not None and told.group is not None:
                known[key], alone = gather(known.get(key), key, told.group, scope.now)
                changed[key] = known[key]
                if not alone:
                    one.told[told.audience] = replace(told, gathered_until=known[key].closes_at)
            found.append(self._notice(one, told, None if alone or key is None else known[key]))
        await groups.write(scope.connection, list(changed.values()))
        return found

    def _notice(self, one: Heard, told: Told, group: Group | None) -> Wanted:
        path = path_of(one.happening)
        if group is not None:
            # One row for a window, whose number grows: the later of a batch stands for those before it.
            identifier = stable_id("group", group.key, group.opened_at.isoformat())
            return Wanted(identifier, told.audience, one.message, path, told.urgent, None, told.rule, group.count)
        ladder = self._emergencies.ladder_id(told, one.data)
        identifier = stable_id("notice", one.happening.id, told.audience)
        due = told.by or one.happening.due
        return Wanted(identifier, told.audience, one.message, path, told.urgent, due, told.rule, ladder_id=ladder)
