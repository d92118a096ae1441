"""Fuller content for partners: sealed to their keys by the service that may open it, and only what an agreement names.

A service reads its own topic beside its work: what agreements let a partner have of an event's sealed fields is opened,
picked field by field, sealed to the partner's key and published for notify to pass on. Notify cannot read it. Nothing
that happened before an agreement was signed is sealed, and nothing whose key was erased.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import orjson
import structlog
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import CONTRACTS, TYPE_PREFIX, Contract, parse
from shared.contracts.envelope import Envelope, from_kafka
from shared.contracts.errors import Rejected
from shared.contracts.notify import AgreementChanged
from shared.contracts.sealed import CaseContentSealed, ChildContentSealed, SealedContent
from shared.database import Database
from shared.messaging.consumer import Gathering
from shared.messaging.outbox import stable_id
from shared.messaging.processing import Record
from shared.messaging.router import Clock, Received, Router, Scope
from shared.messaging.tables import SHARING
from shared.privacy import Erased, Keys, KeyUnknown, Unreadable, seal_to_platform
from shared.reference.calendar import local_day

_LOG = structlog.get_logger(__name__)
Sealer = Literal["cases", "registry"]
# For so long content may be gathered: a partner whose line is the slower way does not notice.
GATHERS_SECONDS = 0.5
# Of whom nothing is told, whatever was agreed.
_PROTECTED = frozenset({"adopted", "erased", "withdrawn"})
_MODELS: Mapping[Sealer, type[SealedContent]] = {"cases": CaseContentSealed, "registry": ChildContentSealed}


@dataclass(frozen=True, slots=True)
class Agreed:
    """An agreement as far as it lets a partner have sealed fields."""

    agreement_id: str
    org: str
    event_types: tuple[str, ...]
    units: tuple[str, ...] | None
    fields: tuple[str, ...]
    public_key: str
    kid: str
    valid_from: date
    valid_until: date
    since: datetime

    def of(self, event: Envelope, unit: str | None) -> tuple[str, ...]:
        """The dotted fields of an event that the partner may have."""
        day = local_day(event.time)
        if event.time < self.since or not self.valid_from <= day <= self.valid_until:
            return ()
        if self.units is not None and unit not in self.units:
            return ()
        name = event.type.removeprefix(TYPE_PREFIX)
        return tuple(path for named, _, path in (one.partition(":") for one in self.fields) if named == name)


class Sharing:
    """Seals what agreements allow of a service's own events.

    Args:
        service: whose events. keys: open what it sealed.
    """

    def __init__(self, service: Sealer, database: Database, keys: Keys, clock: Clock) -> None:
        self._service: Sealer = service
        self._database = database
        self._keys = keys
        self._clock = clock
        self._models = {
            name: model
            for name, model in CONTRACTS.items()
            if service == model.PUBLISHER and model.TOPIC is None and model.sealed_fields()
        }

    def heard_in(self, router: Router) -> Router:
        """The service's router, which hears of agreements too."""

        @router.handles(AgreementChanged)
        async def on_agreement(received: Received[AgreementChanged], scope: Scope) -> None:
            await self.learn(scope, received.data, received.event.sequence or 0)

        return router

    async def learn(self, scope: Scope, data: AgreementChanged, sequence: int) -> None:
        """Take over an agreement as it is now; what is older than what is known changes nothing."""
        if data.public_key is None or data.kid is None:
            return
        values = {
            "agreement_id": data.agreement_id,
            "org": data.org,
            "event_types": data.event_types,
            "units": data.units,
            "fields": data.fields,
            "public_key": data.public_key,
            "kid": data.kid,
            "valid_from": data.valid_from,
            "valid_until": data.valid_until,
            "since": data.at,
            "sequence": sequence,
            "active": data.state == "active",
        }
        statement = insert(SHARING).values(values)
        changed = {name: statement.excluded[name] for name in values if name != "agreement_id"}
        await scope.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["agreement_id"], set_=changed, where=SHARING.c.sequence < statement.excluded.sequence
            )
        )

    def begin(self) -> Gathering[list[Envelope]]:
        """Begin a batch."""
        return Gathering(self.read)

    async def read(self, records: Sequence[Record]) -> list[Envelope]:
        """Those events of a batch that have sealed fields; their data is not looked at yet. Of a bulk act partners hear
        as of one thing, so nothing of its single events is sealed to anybody."""
        found = []
        for record in records:
            try:
                event = from_kafka(record.value, record.headers)
            except Rejected:
                continue  # ours, and unreadable: whoever it concerns has put it aside
            if event.type in self._models and event.bulk is None:
                found.append(event)
        return found

    async def handle(self, events: Sequence[Envelope]) -> None:
        """Seal what agreements allow of a batch. The same batch again publishes the same ids again."""
        if not events:
            return
        async with self._database.transaction() as connection:
            agreed = await _agreed(connection)
            if not agreed:
                return
            scope = Scope(self._service, connection, self._clock())
            for event in events:
                await self._seal(scope, event, agreed)
            await scope.flush()

    async def _seal(self, scope: Scope, event: Envelope, agreed: Sequence[Agreed]) -> None:
        try:
            data = parse(self._models[event.type], event.json())
        except Rejected:
            return
        facts = getattr(data, "facts", None)
        if getattr(facts, "status", None) in _PROTECTED:
            return
        unit = getattr(data, "unit", None) or getattr(facts, "unit", None)
        for agreement in agreed:
            fields = agreement.of(event, unit)
            if not fields:
                continue
            try:
                content = await self._content(scope.connection, data, fields)
            except (Erased, KeyUnknown, Unreadable) as error:
                _LOG.info("content.unreadable", agreement=agreement.agreement_id, reason=type(error).__name__)
                return
            if content:
                await self._emit(scope, event, data, unit, agreement, content)

    async def _content(self, connection: AsyncConnection, data: Contract, fields: Sequence[str]) -> dict[str, Any]:
        """The values of dotted fields; what an event does not say is left out."""
        opened: dict[str, Any] = {}
        found: dict[str, Any] = {}
        for path in fields:
            head, _, rest = path.partition(".")
            if head not in data.sealed_fields() or getattr(data, head) is None:
                continue
            if head not in opened:
                opened[head] = await self._keys.open(connection, getattr(data, head), Any)
            value = opened[head]
            if rest:
                value = value.get(rest) if isinstance(value, dict) else None
            if value is not None:
                found[path] = value
        return found

    async def _emit(
        self,
        scope: Scope,
        event: Envelope,
        data: Contract,
        unit: str | None,
        agreement: Agreed,
        content: Mapping[str, Any],
    ) -> None:
        case_id = getattr(data, "case_id", None)
        child_id = getattr(data, "child_id", None) or getattr(getattr(data, "facts", None), "child_id", None)
        box = seal_to_platform(orjson.dumps(content), base64.b64decode(agreement.public_key), agreement.kid)
        sealed = _MODELS[self._service](
            agreement_id=agreement.agreement_id,
            org=agreement.org,
            event_source=event.source,
            event_id=event.id,
            event_type=event.type.removeprefix(TYPE_PREFIX),
            event_time=event.time,
            fields=sorted(content),
            box=box,
            unit=unit,
            case_id=case_id,
            child_id=child_id,
        )
        identifier = stable_id("content", event.source, event.id, agreement.agreement_id)
        await scope.emit(sealed, subject=case_id or child_id or event.subject, sequence=1, event_id=identifier)


async def _agreed(connection: AsyncConnection) -> list[Agreed]:
    rows = await connection.execute(
        text(
            """SELECT agreement_id, org, event_types, units, fields, public_key, kid, valid_from, valid_until, since
               FROM sharing WHERE active AND cardinality(fields) > 0"""
        )
    )
    return [
        Agreed(row[0], row[1], tuple(row[2]), None if row[3] is None else tuple(row[3]), tuple(row[4]), *row[5:])
        for row in rows
    ]
