"""A service as a running thing: its consumers, relay, repair and background loops, started and stopped together.

It knows no service by name beyond what it is given; what makes a service itself is its `ServiceApp`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from faststream.kafka import KafkaBroker
from sqlalchemy import text

from shared.collecting import collect_at_rest
from shared.contracts.base import Service as ServiceName
from shared.contracts.vocabulary import SECTORS
from shared.database import Database
from shared.identity import Directory
from shared.messaging import kafka
from shared.messaging.consumer import Consumer, Gathering, Health, Reading, subscribe
from shared.messaging.http import service_routes
from shared.messaging.intake import Intake
from shared.messaging.operations import ListStuck, Operations, StuckWork
from shared.messaging.processing import Processor, Record
from shared.messaging.relay import Relay
from shared.messaging.repair import Repair
from shared.messaging.router import Clock, Router, agency_topic
from shared.messaging.waiting import pause
from shared.privacy import Keys
from shared.privacy.keys import KEYS_TOPIC, wrapped_of
from shared.reference.repair_keeping import RepairKeepingByDay
from shared.settings import Settings
from shared.telemetry import HANDLED, HANDLER_SECONDS
from shared.web.pages import Pages

_LOG = structlog.get_logger(__name__)
_INBOX_DAYS = 90
_VERSION = version("vongtay")
_FINISHING_SECONDS = 5
_ASKING_SECONDS = 3
# Of a service's own handlers: small batches cost most of a report's processor time (decision 0004). What agencies
# report is waited for; what follows from it among the services takes the time that this leaves, and so do keys.
_REPORTS_PACE_SECONDS = 0.03
_REPORTS_RESTS = 1.5
_PACE_SECONDS = 0.05
_RESTS = 4.0
_KEYS_PACE_SECONDS = 0.1
BackgroundLoop = Callable[[asyncio.Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """What a service is built from."""

    settings: Settings
    database: Database
    keys: Keys
    clock: Clock
    # Who may enter, for services that reach people beside their requests.
    directory: Directory = field(default_factory=Directory)


@dataclass(frozen=True, slots=True)
class BatchConsumer:
    """A consumer of its own, beside the per-event handlers: whole batches to one function, which must be idempotent.

    `begin` begins a batch: what makes of records what `handle` takes, while the one before is still being committed.
    `gathers`: for how many seconds records may be gathered, where nobody waits for them. `pace`, `rests`: as
    `Consumer`.
    """

    name: str
    topics: Sequence[str]
    begin: Callable[[], Reading[Any]]
    handle: Callable[[Any], Awaitable[object]]
    gathers: float = 0.0
    pace: float = 0.0
    rests: float = 0.0


@dataclass(frozen=True, slots=True)
class ServiceApp:
    """What a service is: its routes (mounted under its name), pages, handlers, loops and migrations."""

    router: APIRouter
    pages: Pages
    messaging: Router
    migrations: Path
    background: Sequence[BackgroundLoop] = ()
    batches: Sequence[BatchConsumer] = ()
    learns_keys: bool = False
    stuck: ListStuck | None = None
    # For how many seconds agencies' reports may be gathered, where what follows from them is in no hurry; and keys,
    # where hardly any is needed that is not the service's own.
    gathers_reports: float = 0.0
    gathers_keys: float = 0.0


class Service:
    """Runs one service in this process."""

    def __init__(self, app: ServiceApp, context: ServiceContext) -> None:
        self.name: ServiceName = app.messaging.service
        self._app = app
        self._context = context
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._broker: KafkaBroker | None = None
        self._consumers: list[Consumer[Any]] = []
        self._known = (0, 0)
        self.health = Health()
        self.processor = Processor(app.messaging, context.database, context.keys, context.clock)
        self.repair = Repair(self.processor, context.database)
        self.intake = Intake(self.processor, self.name)
        dsn = context.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.relay = Relay(dsn, lambda: kafka.producer(context.settings), context.settings.topic_prefix)

    def http(self) -> APIRouter:
        """Everything this service answers, below `/<name>`."""
        router = APIRouter(prefix=f"/{self.name}")
        router.include_router(service_routes(self.intake, self.repair, self.status))
        router.include_router(Operations(self.name, self._app.pages, self.repair, self.status, self._stuck).router)
        router.include_router(self._app.router)
        for route in iter_route_contexts(self._app.router.routes):
            # A service's start page answers with and without the slash.
            if route.path == "/" and route.endpoint is not None:
                router.add_api_route("", route.endpoint, methods=sorted(route.methods or ()), include_in_schema=False)
        return router

    async def start(self) -> None:
        """Migrate, then consume. Raises what says that the database or the broker is away."""
        await self._context.database.migrate(self._app.migrations)
        broker = kafka.broker(self._context.settings)
        self._subscribe(broker)
        try:
            await broker.start()
        except BaseException:
            await broker.stop()
            raise
        self._broker = broker
        loops: list[tuple[str, BackgroundLoop]] = [
            ("relay", self.relay.run),
            ("repair", self.repair.run),
            ("retention", self._retention),
            ("collect", collect_at_rest),
            *((getattr(loop, "__name__", "loop"), loop) for loop in self._app.background),
        ]
        self._tasks = [asyncio.create_task(self._supervise(name, loop)) for name, loop in loops]

    async def stop(self) -> None:
        """Stop taking events, finish what is under way, close."""
        self._stop.set()
        # What is under way is committed, offsets too, while there still is a connection to commit them on.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FINISHING_SECONDS):
                await asyncio.gather(*(consumer.settled() for consumer in self._consumers))
        if self._broker is not None:
            await self._broker.stop()
        _, late = await asyncio.wait(self._tasks, timeout=_FINISHING_SECONDS) if self._tasks else (set(), set())
        for task in late:
            task.cancel()
        await self._context.database.close()

    async def status(self) -> dict[str, Any]:
        """The service's state in numbers, for operators."""
        async with self._context.database.transaction() as connection:
            row = (
                await connection.execute(
                    text(
                        """SELECT (SELECT count(*) FROM outbox) AS outbox,
                                  (SELECT extract(epoch FROM now() - min(created_at)) FROM outbox) AS outbox_seconds,
                                  (SELECT count(DISTINCT (topic, key)) FROM parked) AS parked_keys,
                                  (SELECT count(*) FROM dead_letter WHERE settled_at IS NULL) AS dead_letters"""
                    )
                )
            ).one()
        waiting_for = self.health.waiting_for
        try:
            async with asyncio.timeout(_ASKING_SECONDS):
                self._known = await self._progress()
        except (KafkaError, TimeoutError):
            waiting_for = waiting_for or "Kafka"  # and the last that was known of it
        behind, taken_over = self._known
        return {
            "service": self.name,
            "version": _VERSION,
            "healthy": self.healthy and waiting_for is None,
            "waiting_for": waiting_for,
            # Of all replicas together, so that whichever answers says the same.
            "handled": taken_over,
            "lag": behind,
            "outbox": row.outbox,
            "outbox_seconds": float(row.outbox_seconds or 0),
            "parked_keys": row.parked_keys,
            "dead_letters": row.dead_letters,
            # Since when the users file cannot be used, and who may enter is as it said before.
            "users_refused_at": self._context.directory.refused_at,
            "users_refused": self._context.directory.refused_at is not None,
        }

    async def _stuck(self) -> Sequence[StuckWork]:
        if self._app.stuck is None:
            return ()
        async with self._context.database.transaction() as connection:
            return await self._app.stuck(connection)

    @property
    def healthy(self) -> bool:
        """Whether events flow: consuming, nothing waited for, no flood of failures."""
        consuming = self._broker is not None
        return consuming and self.health.waiting_for is None and not self.processor.guard.tripped

    async def lag(self) -> int:
        """Records published but not yet taken over by any replica: what its groups have committed against the ends."""
        behind, _ = await self._progress()
        return behind

    async def _progress(self) -> tuple[int, int]:
        """Records not taken over yet, and records taken over since the topics began, by all replicas together."""
        consumers = [
            getattr(subscriber, "consumer", None) for subscriber in (self._broker.subscribers if self._broker else ())
        ]
        found = await asyncio.gather(*(_progress_of(consumer) for consumer in consumers if consumer is not None))
        return sum(behind for behind, _ in found), sum(taken_over for _, taken_over in found)

    def _subscribe(self, broker: KafkaBroker) -> None:
        settings, app = self._context.settings, self._app
        wanted = self._own_lanes()
        if app.learns_keys:
            wanted.append(
                BatchConsumer(
                    f"{self.name}-keys",
                    [KEYS_TOPIC],
                    _as_they_are,
                    self._learn,
                    gathers=app.gathers_keys,
                    pace=_KEYS_PACE_SECONDS,
                )
            )
        for each in (*wanted, *app.batches):
            own = (each.begin, each.handle, self._stop, self.health, each.pace, each.rests)
            consumer = Consumer(settings.topic_prefix, *own)
            self._consumers.append(consumer)
            subscribe(
                broker,
                consumer,
                topics=[settings.topic_prefix + topic for topic in each.topics],
                group=f"{settings.topic_prefix}{each.name}",
                gathers=each.gathers,
            )

    def _own_lanes(self) -> list[BatchConsumer]:
        """What the service's handlers read: agencies' reports in a lane of their own, beside which nothing that follows
        from earlier ones makes a report wait."""
        # Members of a group read the same topics: a service's own batches may have the plain name already.
        taken = any(each.name == self.name for each in self._app.batches)
        events, messaging = f"{self.name}-events" if taken else self.name, self._app.messaging
        lanes: list[BatchConsumer] = []
        if topics := messaging.topics():
            lanes.append(BatchConsumer(events, topics, _as_they_are, self._handle, pace=_PACE_SECONDS, rests=_RESTS))
        if "agency" in messaging.publishers():
            reports = f"{self.name}-reports" if lanes else events
            topics = [agency_topic(sector, self.name) for sector in SECTORS]
            lanes.append(
                BatchConsumer(
                    reports,
                    topics,
                    _as_they_are,
                    self._handle,
                    gathers=self._app.gathers_reports,
                    pace=_REPORTS_PACE_SECONDS,
                    rests=_REPORTS_RESTS,
                )
            )
        return lanes

    async def _handle(self, records: Sequence[Record]) -> None:
        with HANDLER_SECONDS.labels(self.name).time():
            results = await self.processor.handle(records)
        for result in results:
            if result.outcome != "skipped":
                HANDLED.labels(self.name, result.record.topic, result.outcome).inc()

    async def _learn(self, records: Sequence[Record]) -> None:
        heard: dict[str, bytes | None] = {}
        for record in records:
            try:
                wrapped = wrapped_of(record.value)
            except (ValueError, KeyError, TypeError):
                _LOG.error("key.unreadable", offset=record.offset)
                continue
            # Once erased, erased: whatever else is heard of it.
            heard[record.key] = wrapped if heard.get(record.key, wrapped) is not None else None
        keys, database = self._context.keys, self._context.database
        erased = [kid for kid, wrapped in heard.items() if wrapped is None]
        if not erased:
            async with database.statement() as connection:
                await keys.learn(connection, heard)
            return
        async with database.transaction() as connection:
            await keys.learn(connection, heard)
            await self.processor.forget(connection, erased)

    async def _retention(self, stop: asyncio.Event) -> None:
        """Forget which services' events were seen long ago (what agencies sent is recognised for ever), and what dead
        letters said that are settled or old."""
        keeping = RepairKeepingByDay.load()
        while not stop.is_set():
            async with self._context.database.transaction() as connection:
                await connection.execute(
                    text("DELETE FROM inbox WHERE origin IS NULL AND seen_at < now() - make_interval(days => :days)"),
                    {"days": _INBOX_DAYS},
                )
            now = self._context.clock()
            async with self._context.database.transaction() as connection:
                await self.processor.forget_old(connection, now - keeping.on(now).dead_letters)
            await pause(stop, 3600)

    async def _supervise(self, name: str, loop: BackgroundLoop) -> None:
        """Keep a loop running: one that dies is started again after a pause, and says so."""
        delay = 1.0
        while not self._stop.is_set():
            try:
                await loop(self._stop)
                return
            except Exception as error:
                _LOG.error("loop.restarted", service=self.name, loop=name, reason=type(error).__name__)
                await pause(self._stop, delay)
                delay = min(delay * 2, 30)


async def _themselves(records: Sequence[Record]) -> Sequence[Record]:
    return records


def _as_they_are() -> Reading[Sequence[Record]]:
    return Gathering(_themselves)


async def _progress_of(consumer: AIOKafkaConsumer) -> tuple[int, int]:
    partitions = [
        TopicPartition(topic, number)
        for topic in consumer.subscription()
        for number in consumer.partitions_for_topic(topic) or ()
    ]
    if not partitions:
        return 0, 0
    begins, ends = await asyncio.gather(consumer.beginning_offsets(partitions), consumer.end_offsets(partitions))
    committed = await asyncio.gather(*(consumer.committed(partition) for partition in partitions))
    places = list(zip(partitions, committed, strict=True))
    behind = sum(max(0, ends[partition] - max(done or 0, begins[partition])) for partition, done in places)
    return behind, sum(done or 0 for _, done in places)
