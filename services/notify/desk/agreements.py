"""Agreements at the desk: proposed, signed, suspended, ended, and what follows from each in the same transaction.

When one ends, what waits to be delivered within it is delivered no more, the partner's endpoints receive a retraction,
and whoever seals content for it learns that it may not any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import orjson

from services.notify.desk.giving_up import tell_given_up
from services.notify.desk.people import People
from services.notify.desk.queueing import Queueing
from services.notify.desk.saying import put_in_app
from services.notify.domain import Addressed, Happening, Message, NotFoundError, is_internal, timed_id, uuid_in
from services.notify.domain import agreements as rules
from services.notify.domain.agreements import Agreement, AgreementAct, Known, Terms
from services.notify.store import agreements as store
from services.notify.store import contents, notices, waking
from services.notify.store.notices import Wanted
from shared.contracts import notify as said
from shared.contracts.base import TYPE_PREFIX
from shared.database import Database
from shared.identity import Principal
from shared.messaging.outbox import new_id, stable_id
from shared.messaging.router import Clock, Scope
from shared.reference.calendar import local_day
from shared.reference.notify_limits import NotifyLimitsByDay
from shared.reference.notify_rules import heard_contracts
from shared.reference.terms import Terms as Codes
from shared.telemetry import current_traceparent

_TYPE = "notify.agreement."
# What is said of each act to the other side; of an end both sides hear, of the rest nobody.
_TOLD: Mapping[AgreementAct, str] = {
    "propose": "proposed",
    "accept": "accepted",
    "suspend": "suspended",
    "resume": "resumed",
}
# The notice that an act answers: it asked the organisation for it, or for what there is nothing to do about any more.
_SETTLES: Mapping[AgreementAct, str] = {
    "accept": "proposed",
    "end": "proposed",
    "expire": "proposed",
    "confirm": "ended",
}
Change = Literal["suspend", "resume", "end", "confirm"]


@dataclass(frozen=True, slots=True)
class Shown:
    """An agreement with what was done with it and what was delivered within it."""

    agreement: Agreement
    acts: Sequence[store.Act]
    delivered: store.Delivered


class Agreements:
    """Does what both sides ask for.

    Args:
        queueing: makes deliveries durable. limits: of the reference data. event_types: those that there are words for.
        units: codes of communes. people: the organisations that somebody may sign in for.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        queueing: Queueing,
        limits: NotifyLimitsByDay,
        event_types: Callable[[], Sequence[str]],
        units: Sequence[str],
        base_url: str,
        people: People,
    ) -> None:
        self._database = database
        self._clock = clock
        self._queueing = queueing
        self._limits = limits
        self._event_types = event_types
        self._units = units
        self._base_url = base_url
        self.organisations = people.organisations

    def retraction_days(self) -> int:
        """Within how many days a partner deletes what it received, after an agreement has ended."""
        return self._limits.on(self._clock()).retraction_days

    async def propose(self, actor: Principal, org: str, terms: Terms) -> Agreement:
        """The province offers an agreement. Raises: `Rejected`."""
        now = self._clock()
        agreement = rules.propose(new_id(), org, terms, actor, now, self.known())
        await self._act(agreement, "propose", actor.id)
        return agreement

    async def accept(self, actor: Principal, identifier: str, public_key: str | None) -> Agreement:
        """The partner signs. Raises: `Rejected`; NotFoundError where there is none that the actor may see."""
        return await self._change(
            actor, identifier, "accept", lambda found, now: rules.accept(found, public_key, actor, now)
        )

    async def change(self, actor: Principal, identifier: str, act: Change, reason: str) -> Agreement:
        """Suspend, resume, end, or confirm that everything was deleted. Raises as `accept`."""
        if act == "confirm":
            return await self._change(actor, identifier, act, lambda found, now: rules.confirm(found, actor, now))
        return await self._change(
            actor, identifier, act, lambda found, now: rules.change(found, act, reason, actor, now)
        )

    async def of(self, actor: Principal) -> list[Agreement]:
        """The agreements that somebody may see: their organisation's; whoever keeps all of them, all."""
        async with self._database.transaction() as connection:
            found = await store.of(connection, None if rules.may_read_all(actor) else actor.org or "")
        return [agreement for agreement in found if rules.may_read(agreement, actor)]

    async def find(self, actor: Principal, identifier: str) -> Shown:
        """One agreement. Raises NotFoundError where there is none that the actor may see."""
        async with self._database.transaction() as connection:
            agreement = await store.find(connection, uuid_in(identifier))
            if agreement is None or not rules.may_read(agreement, actor):
                raise NotFoundError(identifier)
            acts = await store.history(connection, agreement.id)
            return Shown(agreement, acts, await store.glance(connection, agreement.id))

    async def expire(self) -> int:
        """End the agreements whose last day has passed, or whose legal ground is none any more. Out: how many."""
        now, bases = self._clock(), self._bases()
        async with self._database.transaction() as connection:
            scope = Scope("notify", connection, now)
            found = await store.over(connection, local_day(now), bases)
            for before in found:
                after = rules.expire(before, now, bases)
                if after is not None:
                    await self._keep(scope, before, after, "expire", "system")
            await scope.flush()
        return len(found)

    def _bases(self) -> tuple[str, ...]:
        """The grounds on which somebody may be told something: those that have not ended."""
        return Codes.load("sharing-bases").codes()

    def known(self) -> Known:
        """What terms may speak of."""
        models = heard_contracts()
        types = [name for name in self._event_types() if name in models and not is_internal(name)]
        return Known(
            purposes=Codes.load("sharing-purposes").codes(),
            legal_bases=self._bases(),
            event_types=types,
            units=self._units,
            sealed_fields={name: rules.sealed_paths(models[name]) for name in types},
            most_years=self._limits.on(self._clock()).agreement_most_years,
        )

    async def _change(
        self,
        actor: Principal,
        identifier: str,
        act: AgreementAct,
        decide: Callable[[Agreement, datetime], Agreement],
    ) -> Agreement:
        now = self._clock()
        async with self._database.transaction() as connection:
            if act == "resume":
                await store.hold_order(connection, uuid_in(identifier))
            before = await store.find(connection, uuid_in(identifier), lock=True)
            if before is None or not rules.may_read(before, actor):
                raise NotFoundError(identifier)
            after = decide(before, now)
            if act == "confirm" and any(one.act == act for one in await store.history(connection, before.id)):
                return before  # said again, it was said the first time
            scope = Scope("notify", connection, now)
            await self._keep(scope, before, after, act, actor.id)
            await scope.flush()
        return after

    async def _act(self, agreement: Agreement, act: AgreementAct, actor: str) -> None:
        async with self._database.transaction() as connection:
            scope = Scope("notify", connection, self._clock())
            await self._keep(scope, None, agreement, act, actor)
            await scope.flush()

    async def _keep(
        self, scope: Scope, before: Agreement | None, after: Agreement, act: AgreementAct, actor: str
    ) -> None:
        """Keep an agreement after an act, and do what follows from it."""
        await store.save(scope.connection, after, act, actor, scope.now)
        await scope.emit(_event(after, scope.now), subject=after.id, sequence=after.sequence)
        if before is not None and rules.stops(before, after):
            await self._stop(scope, after)
        if before is not None and before.state == "suspended" and after.state == "active":
            kept = self._queueing.kept_since(scope.now)
            await store.resume_deliveries(
                scope.connection, after.id, rules.closed_because("suspended"), scope.now, kept
            )
        if after.state == "ended":
            # Also where it had been suspended: then what was stopped waits to be sent again.
            await contents.forget(scope.connection, agreement_id=after.id)
        if act in _SETTLES:
            await self._settle(scope, after, _SETTLES[act])
        await self._tell(scope, after, act)
        if before is not None and rules.retracts(before, after):
            await self._retract(scope, after)

    async def _settle(self, scope: Scope, agreement: Agreement, name: str) -> None:
        """What was asked of the organisation waits for nobody in it any more, whoever of them has answered, nor for
        whoever joins it later. What was done, and by whom, is on the agreement's page."""
        audience = f"org/{agreement.org}"
        await notices.withdraw(scope.connection, audience, _TYPE + name, _path(agreement))
        await waking.changed_for(scope.connection, [audience])

    async def _stop(self, scope: Scope, agreement: Agreement) -> None:
        reason = rules.closed_because(agreement.state)
        await tell_given_up(scope, await store.stop_deliveries(scope.connection, agreement.id, reason, scope.now))

    async def _retract(self, scope: Scope, agreement: Agreement) -> None:
        """Ask the partner to take back what it was told: to every endpoint within the agreement, with the whole
        schedule of retries.
        """
        delivered = await store.delivered(scope.connection, agreement.id)
        delete_by = local_day(scope.now) + timedelta(days=self._limits.on(scope.now).retraction_days)
        message = self._message(
            agreement,
            "ended",
            scope.now,
            {
                "delete_by": delete_by.isoformat(),
                "delivered": delivered.count,
                "first_delivery": delivered.first.isoformat() if delivered.first else None,
                "last_delivery": delivered.last.isoformat() if delivered.last else None,
            },
        )
        addressed = [
            Addressed(message.id, endpoint) for endpoint in await store.endpoints_of(scope.connection, agreement.id)
        ]
        await self._queueing.queue(scope, [message], addressed)

    async def _tell(self, scope: Scope, agreement: Agreement, act: AgreementAct) -> None:
        """The other side hears of it in the app; of an end both do."""
        organisation = f"org/{agreement.org}"
        if act in {"end", "expire"}:
            # Under what nobody has signed nothing was received that could be deleted.
            ended = "ended" if rules.was_signed(agreement) else "withdrawn"
            told = {organisation: ended, "coordinator": "closed"}
        elif act in _TOLD:
            told = {"coordinator" if act == "accept" else organisation: _TOLD[act]}
        else:
            return
        path = _path(agreement)
        wanted = []
        for audience, name in told.items():
            message = self._message(agreement, name, scope.now, {})
            wanted.append(Wanted(stable_id("notice", message.id, audience), audience, message, path, False, None))
        await put_in_app(scope, wanted)

    def _message(self, agreement: Agreement, name: str, now: datetime, more: Mapping[str, object]) -> Message:
        happening = Happening(
            id=timed_id(now, "agreement", agreement.id, str(agreement.sequence)),
            event_type=_TYPE + name,
            time=now,
            unit=None,
            case_id=None,
            due=None,
            sector=None,
            codes={},
        )
        data = {
            "event_id": happening.id,
            "agreement_id": agreement.id,
            "reason": agreement.reason,
            "link": self._base_url + _path(agreement),
            **more,
        }
        document = {"type": TYPE_PREFIX + happening.event_type, "timestamp": now.isoformat(), "data": data}
        return Message(happening, orjson.dumps(document, option=orjson.OPT_SORT_KEYS), current_traceparent())


def _event(agreement: Agreement, now: datetime) -> said.AgreementChanged:
    terms = agreement.terms
    return said.AgreementChanged(
        agreement_id=agreement.id,
        org=agreement.org,
        state=agreement.state,
        purpose=terms.purpose,
        legal_basis=terms.legal_basis,
        event_types=list(terms.event_types),
        units=None if terms.units is None else list(terms.units),
        fields=list(terms.fields),
        public_key=agreement.public_key,
        kid=agreement.kid if agreement.public_key else None,
        valid_from=terms.valid_from,
        valid_until=terms.valid_until,
        at=now,
    )


def _path(agreement: Agreement) -> str:
    return f"/notify/agreements/{agreement.id}"
