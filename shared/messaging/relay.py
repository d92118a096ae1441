"""The relay: publishes a service's outbox in order, with one elected relay however many replicas run.

Rows leave once Kafka has acknowledged them: a crash in between publishes again (at least once), never loses. Order per
key holds because writers of one aggregate serialise on its row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import asyncpg
import orjson
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.database import LOST
from shared.messaging.waiting import either, pause

_LOG = structlog.get_logger(__name__)
_BATCH = 2000
_ELECTION_LOCK = 7_316_002
# What was published is forgotten and what has come since is taken in one round trip: to wake another process costs as
# much as the statement.
_NEXT = f"""
WITH forgotten AS (DELETE FROM outbox WHERE position = ANY($1))
SELECT position, aggregatetype, aggregateid, payload, headers FROM outbox
WHERE position <> ALL($1) ORDER BY position LIMIT {_BATCH}
"""
_FORGET = "DELETE FROM outbox WHERE position = ANY($1)"
# Of more it is cheaper to forget them first: each row that is taken is compared with each of them.
_FEW = 100
_SESSION = {
    # Its statements only forget what Kafka has: one that a power cut undoes publishes again, at least once. So they
    # need not wait for the disk, for which the next events would wait, too.
    "synchronous_commit": "off",
    # Between two vacuums the table is mostly rows that are gone. A scan of it reads them all each time; the index
    # remembers which are.
    "enable_seqscan": "off",
}
_IDLE_SECONDS = 1.0
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 10.0
_STANDBY_SECONDS = 2.0


class Relay:
    """Publishes one database's outbox.

    Args:
        dsn: asyncpg DSN of the service's database.
        producer: makes an idempotent producer (acks=all); made anew after a failure.
        prefix: put before each row's topic.
    """

    def __init__(self, dsn: str, producer: Callable[[], AIOKafkaProducer], prefix: str) -> None:
        self._dsn = dsn
        self._make_producer = producer
        self._prefix = prefix
        self.published = 0
        self._delay = _FIRST_DELAY

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop`; whatever is away (Kafka, PostgreSQL) is waited for."""
        while not stop.is_set():
            try:
                await self._session(stop)
            except (*LOST, KafkaError) as error:
                _LOG.warning("relay.waiting", reason=type(error).__name__, seconds=self._delay)
                await pause(stop, self._delay)
                self._delay = min(self._delay * 2, _LONGEST_DELAY)

    async def _session(self, stop: asyncio.Event) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=10, server_settings=_SESSION)
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _ELECTION_LOCK):
                if stop.is_set():
                    return
                await pause(stop, _STANDBY_SECONDS)
            producer = self._make_producer()
            try:
                # In here: one that connected and then failed is closed too.
                await producer.start()
                await self._publish(connection, producer, stop)
            finally:
                await producer.stop()
        finally:
            await connection.close(timeout=5)

    async def _publish(self, connection: asyncpg.Connection, producer: AIOKafkaProducer, stop: asyncio.Event) -> None:
        wake = asyncio.Event()
        await connection.add_listener("outbox", lambda *_: wake.set())
        sent: list[int] = []
        while True:
            wake.clear()
            forgotten, rows = len(sent), []
            if stop.is_set() or len(sent) > _FEW:
                await connection.execute(_FORGET, sent)
                sent = []
            if not stop.is_set():
                rows = await connection.fetch(_NEXT, sent)
            self.published += forgotten
            if stop.is_set():
                return
            sent = await self._send(producer, rows)
            self._delay = _FIRST_DELAY
            if not sent:
                await either(wake, stop, _IDLE_SECONDS)

    async def _send(self, producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]) -> list[int]:
        """Send rows in their order. Out: their positions, once all are acknowledged."""
        acknowledgements = [
            await producer.send(
                self._prefix + row["aggregatetype"],
                value=row["payload"],
                key=row["aggregateid"].encode(),
                headers=[(name, text.encode()) for name, text in orjson.loads(row["headers"]).items()],
            )
            for row in rows
        ]
        await asyncio.gather(*acknowledgements)
        return [row["position"] for row in rows]
