"""From records to effects: decode, recognise duplicates and corrections, call handlers, park or bury what fails.

A batch is one transaction. When something in it fails, its halves get their own, so that one bad event costs the others
nothing but a little time. Nothing is skipped: a record ends accepted, duplicate, corrected, rejected or parked.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import Contract, Service, contract_of, parse
from shared.contracts.envelope import Envelope, from_kafka
from shared.contracts.errors import UNSTORABLE, Rejected, Violation
from shared.contracts.vocabulary import SECTORS
from shared.database import Database, is_conflict, is_passing, is_unstorable
from shared.database.statements import text
from shared.messaging import forgetting
from shared.messaging.failures import FailureGuard, Failures, TooManyFailures, forget_about
from shared.messaging.inbox import content_of
from shared.messaging.router import Clock, Received, Router, Scope, agency_topic
from shared.messaging.turns import in_runs
from shared.privacy import Keys, KeyUnknown

Outcome = Literal["accepted", "duplicate", "corrected", "rejected", "parked", "skipped"]
# Whoever publishes rubbish that names no owner still gets an answer, from exactly one service.
DEFAULT_OWNER: Service = "cases"
MAX_EVENT_BYTES = 1_000_000
_CONFLICT_ATTEMPTS = 5
# How long a whole batch may wait for keys before what lacks one is parked.
_KEY_SECONDS = 2.0
_KEY_POLL_SECONDS = 0.05
_AGENCY = "agency."
# Remembers what came, and which senders' identifiers had come before: both as it was before the statement.
_RECEIVE = text(
    """
    WITH fresh AS (
        INSERT INTO inbox (id, origin)
        SELECT * FROM unnest(CAST(:ids AS bytea[]), CAST(:origins AS bytea[]))
        ON CONFLICT (id) DO NOTHING RETURNING id
    )
    SELECT id, false FROM fresh
    UNION ALL SELECT DISTINCT origin, true FROM inbox WHERE origin = ANY(CAST(:asked AS bytea[]))
    """
)
_LOG = structlog.get_logger(__name__)


class Record(msgspec.Struct, frozen=True, gc=False):
    """A Kafka record, or an event posted over HTTP (partition -1). `topic` is without the deployment's prefix.

    A struct, not a dataclass: in a rush nothing is made more often.
    """

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def posted(self) -> bool:
        """Whether somebody waits for the answer over HTTP."""
        return self.partition < 0


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a record."""

    record: Record
    outcome: Outcome
    violations: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True)
class _Prepared:
    record: Record
    received: Received[Contract]
    inbox_id: bytes
    origin: bytes | None


@dataclass(frozen=True, slots=True)
class _Call:
    """A handler's call to come. `order`: those that have the same are called in the order in which they came."""

    order: tuple[str, str]
    received: Received[Contract]


class Processor:
    """Handles records of the topics a service reads.

    Args:
        router: the service's handlers. database: its own. keys: opens what agencies sealed.
        clock: now, aware UTC; the same moment for a whole batch.
    """

    def __init__(self, router: Router, database: Database, keys: Keys, clock: Clock) -> None:
        self._router = router
        self._database = database
        self._keys = keys
        self._clock = clock
        self.failures = Failures(router.service, keys, router.named, router.behind)
        self.guard = FailureGuard()

    async def handle(self, records: Sequence[Record]) -> list[Result]:
        """Take records over, in their order.

        Raises whatever says that the database is away, and `TooManyFailures`: then nothing of the batch was taken
        over, and the caller tries again later.
        """
        return await self._handle(records, time.monotonic() + _KEY_SECONDS)

    async def _handle(self, records: Sequence[Record], keys_until: float) -> list[Result]:
        while True:
            try:
                results = await self._in_one_transaction(records)
                self.guard.succeeded(len(records))
                return results
            except Exception as error:
                if is_passing(error):
                    raise
                if isinstance(error, KeyUnknown) and time.monotonic() < keys_until:
                    # Keys have a topic of their own, so an event may be here before its key: for moments only.
                    await asyncio.sleep(_KEY_POLL_SECONDS)
                    continue
                if len(records) > 1:
                    # Halves, until the failing record stands alone: the others go on in batches.
                    middle = len(records) // 2
                    return [
                        *await self._handle(records[:middle], keys_until),
                        *await self._handle(records[middle:], keys_until),
                    ]
                return [await self._settle_failure(records[0], error)]

    async def _in_one_transaction(self, records: Sequence[Record]) -> list[Result]:
        prepared = [self._prepare(record) for record in records]
        if not any(_takes_effect(item) for item in prepared):
            # Most of what a service reads is others' business.
            return [item for item in prepared if isinstance(item, Result)]
        for attempt in range(1, _CONFLICT_ATTEMPTS + 1):
            try:
                async with self._database.transaction() as connection:
                    return await self._handle_in(connection, prepared)
            except Exception as error:
                if attempt == _CONFLICT_ATTEMPTS or not is_conflict(error):
                    raise
            # Two batches about the same children stood in each other's way; apart in time they do not.
            await asyncio.sleep(random.uniform(0.01, 0.1) * attempt)  # noqa: S311
        raise AssertionError("unreachable")

    @property
    def service(self) -> Service:
        """Whose processor this is."""
        return self._router.service

    def now(self) -> datetime:
        """The clock's moment, aware UTC."""
        return self._clock()

    async def replay(self, connection: AsyncConnection, record: Record) -> Result:
        """Handle one parked or buried record inside the caller's transaction. Raises what the handler raises."""
        return (await self._handle_in(connection, [self._prepare(record)], behind_parked=False))[0]

    async def forget(self, connection: AsyncConnection, kids: Collection[str]) -> None:
        """Keys were erased: what was put aside and tells of whom they were loses its content."""
        if not kids:
            return
        names = set(kids)
        if self._router.related is not None:
            names |= set(await self._router.related(connection, kids))
        scope = Scope(self._router.service, connection, self._clock())
        await forget_about(scope, names)
        await scope.flush()

    async def forget_old(self, connection: AsyncConnection, before: datetime) -> None:
        """What was put aside at the moment of an erasure, and dead letters that are settled or died before a moment."""
        kids = await forgetting.erased_of_late(connection, self._clock(), self._router.behind)
        await self.forget(connection, kids)
        await forgetting.forget_settled(connection, before, self._clock())

    async def _handle_in(
        self, connection: AsyncConnection, prepared: Sequence[_Prepared | Result], *, behind_parked: bool = True
    ) -> list[Result]:
        parked = await self._parked_keys(connection, prepared) if behind_parked else set()
        waiting = [item for item in prepared if _is_parked(item, parked)]
        flowing = [item for item in prepared if isinstance(item, _Prepared) and not _is_parked(item, parked)]
        fresh, seen_origins = await self._receive(connection, flowing)
        scope = Scope(self._router.service, connection, self._clock())
        results: list[Result] = []
        calls: list[_Call] = []
        for item in prepared:
            if isinstance(item, Result):
                results.append(item)
                if item.outcome == "rejected" and not item.record.posted:
                    await self.failures.bury(scope, item.record, item.violations)
            elif item in waiting:
                await self.failures.park(connection, item.record, reason=None)
                results.append(Result(item.record, "parked"))
            elif item.inbox_id not in fresh:
                results.append(Result(item.record, "duplicate"))
            else:
                fresh.discard(item.inbox_id)  # a second copy in the same batch is a duplicate
                correction = item.origin is not None and item.origin in seen_origins
                if item.origin is not None:
                    seen_origins.add(item.origin)
                calls.append(_Call(_order_of(item.record), replace(item.received, correction=correction)))
                results.append(Result(item.record, "corrected" if correction else "accepted"))
        await self._call(calls, scope)
        if scope.gathered and self._router.finish is not None:
            await self._router.finish(scope)
        await scope.flush()
        return results

    async def _call(self, calls: Sequence[_Call], scope: Scope) -> None:
        if not self._router.together:
            runs = [[call] for call in calls]
        else:
            runs = in_runs(calls, lambda call: call.received.event.type, lambda call: call.order)
        for run in runs:
            event_type = run[0].received.event.type
            together = self._router.together.get(event_type)
            if together is not None:
                await together([call.received for call in run], scope)
                continue
            for call in run:
                with scope.span(call.received.event):
                    await self._router.handlers[event_type](call.received, scope)

    def _prepare(self, record: Record) -> _Prepared | Result:
        from_agency = record.topic.startswith(_AGENCY)
        event: Envelope | None = None
        try:
            if len(record.value or b"") > MAX_EVENT_BYTES:
                raise Rejected([Violation("event", "too-large", "Sự kiện quá lớn.", "The event is too large.")])
            event = from_kafka(record.value, record.headers)
            model = contract_of(event.type) if from_agency else _known(event.type)
            if from_agency and model is not None and not record.posted:
                _check_topic(record.topic, model)
            if model is None or not self._is_ours(model, from_agency):
                return Result(record, "skipped")
            return self._received(record, event, model, from_agency)
        except Rejected as rejected:
            if from_agency and not self._answers_for(event, record):
                return Result(record, "skipped")
            return Result(record, "rejected", rejected.violations)

    def _received(self, record: Record, event: Envelope, model: type[Contract], from_agency: bool) -> _Prepared:
        data = parse(model, event.json())
        if not from_agency:
            received = Received(event, data, record.topic, None, False)
            return _Prepared(record, received, self._keys.digest(event.source.encode(), event.id.encode()), None)
        sector = record.topic.split(".")[1]
        _check_source(event, sector)
        origin = self._keys.digest(event.source.encode(), event.id.encode())
        inbox_id = self._keys.digest(origin, content_of(self._keys, data))
        sealed = self._keys.seal_for_platform(data)
        return _Prepared(record, Received(event, sealed, record.topic, sector, False), inbox_id, origin)

    def _is_ours(self, model: type[Contract], from_agency: bool) -> bool:
        if from_agency and model.OWNER is None:
            raise Rejected([_not_an_agencys()])
        return model.TYPE in self._router.handlers

    def _answers_for(self, event: Envelope | None, record: Record) -> bool:
        """Whether this service is the one that tells the sender: the type's owner where it reads that topic, else the
        topic's own: one of those who read it."""
        model = None if event is None else _known(event.type)
        owner = None if model is None else model.OWNER
        if not record.posted:
            sector = record.topic.split(".")[1]
            if record.topic == agency_topic(sector, "stats"):
                owner = "stats"
            elif owner == "stats":
                owner = DEFAULT_OWNER
        return (owner or DEFAULT_OWNER) == self._router.service

    async def _parked_keys(
        self, connection: AsyncConnection, prepared: Sequence[_Prepared | Result]
    ) -> set[tuple[str, str]]:
        records = [item.record for item in prepared if isinstance(item, _Prepared)]
        if not records:
            return set()
        # FOR SHARE waits for a repair that is releasing the key right now, and then sees it gone.
        rows = await connection.execute(
            text("SELECT topic, key FROM parked WHERE topic = ANY(:topics) AND key = ANY(:keys) FOR SHARE"),
            {
                "topics": list({record.topic for record in records}),
                "keys": list({record.key for record in records}),
            },
        )
        return {(row.topic, row.key) for row in rows}

    async def _receive(self, connection: AsyncConnection, items: Sequence[_Prepared]) -> tuple[set[bytes], set[bytes]]:
        if not items:
            return set(), set()
        # Sorted, so that two replicas that got the same events cannot deadlock on each other's rows.
        ordered = sorted({item.inbox_id: item.origin for item in items}.items())
        rows = await connection.execute(
            _RECEIVE,
            {
                "ids": [inbox_id for inbox_id, _ in ordered],
                "origins": [origin for _, origin in ordered],
                "asked": [origin for _, origin in ordered if origin is not None],
            },
        )
        fresh: set[bytes] = set()
        seen: set[bytes] = set()
        for identifier, is_origin in rows:
            (seen if is_origin else fresh).add(identifier)
        return fresh, seen

    async def _settle_failure(self, record: Record, error: Exception) -> Result:
        if record.topic.startswith(_AGENCY) and is_unstorable(error):
            error = Rejected([UNSTORABLE])
        try:
            return await self._put_aside(record, error)
        except Exception as second:
            if is_passing(second) or isinstance(second, TooManyFailures):
                raise
            # What it says of itself cannot even be kept: its content can, and where it lies.
            bare = msgspec.structs.replace(record, key="", headers=())
            return replace(await self._put_aside(bare, Rejected([UNSTORABLE])), record=record)

    async def _put_aside(self, record: Record, error: Exception) -> Result:
        async with self._database.transaction() as connection:
            if isinstance(error, Rejected):
                if record.posted:  # whoever posts is told in the answer
                    return Result(record, "rejected", error.violations)
                scope = Scope(self._router.service, connection, self._clock())
                await self.failures.bury(scope, record, error.violations)
                await scope.flush()
                return Result(record, "rejected", error.violations)
            self.guard.failed()
            # The exception's type only: its text may quote what it was given.
            _LOG.error("event.parked", topic=record.topic, offset=record.offset, reason=type(error).__name__)
            await self.failures.park(connection, record, reason=type(error).__name__)
            return Result(record, "parked")


def _order_of(record: Record) -> tuple[str, str]:
    """What must stay in order. Of services' events what has the same key: different keys may come to lie in different
    partitions, which nobody reads in step. Of an agency's all: a correction may come under another key."""
    return record.topic, "" if record.topic.startswith(_AGENCY) else record.key


def _takes_effect(item: _Prepared | Result) -> bool:
    return isinstance(item, _Prepared) or item.outcome != "skipped"


def _is_parked(item: object, parked: Iterable[tuple[str, str]]) -> bool:
    return isinstance(item, _Prepared) and (item.record.topic, item.record.key) in parked


def _known(event_type: str) -> type[Contract] | None:
    try:
        return contract_of(event_type)
    except Rejected:
        return None


def _check_source(event: Envelope, sector: str) -> None:
    if sector not in SECTORS or not event.source.startswith(f"/agency/{sector}/"):
        raise Rejected(
            [
                Violation(
                    "source",
                    "source-not-yours",
                    f"Nguồn phải bắt đầu bằng «/agency/{sector}/».",
                    f"The source must begin with «/agency/{sector}/».",
                )
            ]
        )


def _not_an_agencys() -> Violation:
    return Violation(
        "type", "type-not-agency", "Cơ quan không được gửi loại sự kiện này.", "Agencies may not publish this type."
    )


def _check_topic(topic: str, model: type[Contract]) -> None:
    """Raises `Rejected` (wrong-topic): who answers for the event does not read it here, and it must not be lost."""
    right = agency_topic(topic.split(".")[1], model.OWNER)
    if topic != right:
        raise Rejected(
            [
                Violation(
                    "type",
                    "wrong-topic",
                    f"Loại sự kiện này gửi vào chủ đề «{right}».",
                    f"This event type belongs on the topic «{right}».",
                )
            ]
        )
