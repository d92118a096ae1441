"""Counts everything anew from the topics' beginning, in tables beside the live ones, and swaps them: the board's
figures in one transaction, and then history's.

Live figures are served and counted all the while. A rebuild that dies leaves them as they are: its tables are nobody's
until the swap. It must never pass over a record that the live figures hold, nor swap before it holds them all. Where
Kafka has let go of the first events it begins with the last snapshot, and counts what came since.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import asyncpg
import orjson
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from sqlalchemy import Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.cells import KINDS
from services.stats.domain.margins import FIRST as MARGINS
from services.stats.domain.measures import COLUMNS, MEASURE_BITS, Measure
from services.stats.handlers import TOPICS, Counting
from services.stats.progress import partitions_of
from services.stats.recording import TOPICS as HISTORY_TOPICS
from services.stats.recording import Recording
from services.stats.store import snapshots
from services.stats.store.chronicle import HISTORY_PROGRESS, RECORDED, Chronicle
from services.stats.store.cube import CHANNEL, COUNTED, LIVE, PROGRESS, Ledger
from shared.database import Database
from shared.messaging.consumer import record_of
from shared.messaging.kafka import client_options
from shared.messaging.processing import Record
from shared.messaging.router import Clock
from shared.messaging.waiting import either
from shared.privacy import Keys
from shared.settings import Settings

_LOG = structlog.get_logger(__name__)
_SHADOW: Final = "rebuild"
# Held by whoever rebuilds, over its own connection: it is let go when that process dies, however it dies.
_LOCK: Final = 7_316_103
_BATCH: Final = 2000
_POLL_MS: Final = 200
_STATE_SECONDS: Final = 0.5
# Live counting waits no longer than this for a swap; one that needs longer lets go and catches up first.
_SWAP_SECONDS: Final = 5.0
_MAX_DIFFERENCES: Final = 500
_KIND_WORDS: Final = {int(kind): word for word, kind in KINDS.items()}
Position = tuple[str, int]


class RebuildError(Exception):
    """A rebuild cannot go on; its reason is a word for operators. The live figures are as they were."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Rebuild:
    """Rebuilds on demand, one at a time however many replicas there are.

    Args:
        database: statistics' own. keys: for `Counting`. settings: where Kafka is. clock: now, aware UTC.
    """

    def __init__(self, database: Database, keys: Keys, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._settings = settings
        self._clock = clock
        self._asked = asyncio.Event()
        self.batch = _BATCH

    async def start(self) -> dict[str, Any]:
        """Ask for a rebuild. Out: the state, `running` from now on."""
        async with self._database.transaction() as connection:
            if not await _somebody_rebuilds(connection):
                await connection.execute(
                    text(
                        """INSERT INTO rebuild
                               (id, state, done, total, reason, differences, differing, started_at, finished_at)
                           VALUES (true, 'asked', 0, 0, '', '[]', 0, :now, NULL)
                           ON CONFLICT (id) DO UPDATE SET state = 'asked', done = 0, total = 0, reason = '',
                               differences = '[]', differing = 0, started_at = :now, finished_at = NULL"""
                    ),
                    {"now": self._clock()},
                )
        self._asked.set()
        return await self.state()

    async def state(self) -> dict[str, Any]:
        """`state` (idle, running, done, failed), `done` of `total` records (each is counted both ways), `differences`
        that the last one found."""
        async with self._database.transaction() as connection:
            row = (await connection.execute(text("SELECT * FROM rebuild"))).one_or_none()
            alive = await _somebody_rebuilds(connection)
        if row is None:
            return {"state": "idle", "done": 0, "total": 0, "differing": 0, "differences": []}
        state, reason = row.state, row.reason
        if state == "asked" or alive:
            state = "running"
        elif state == "running":
            state, reason = "failed", "interrupted"
        return {
            "state": state,
            "done": row.done,
            "total": row.total,
            "reason": reason,
            "differing": row.differing,
            "differences": row.differences,
            "started_at": row.started_at.isoformat(),
            "finished_at": row.finished_at and row.finished_at.isoformat(),
        }

    async def rebuild_when_asked(self, stop: asyncio.Event) -> None:
        """Run until `stop`: rebuild whenever somebody asked, also where who was asked died before it began."""
        while not stop.is_set():
            if await self._is_asked():
                await self.run(stop)
            await either(self._asked, stop, 5)
            self._asked.clear()

    async def run(self, stop: asyncio.Event) -> bool:
        """Rebuild now. Out: whether it swapped; False too where another replica is at it."""
        async with self._alone() as mine:
            if not mine:
                return False
            try:
                await self._count_and_swap(stop)
            except RebuildError as error:
                await self._say(state="failed", reason=error.reason, finished_at=self._clock())
                return False
            except Exception as error:  # in whichever library's words; the live figures are untouched
                _LOG.error("rebuild.failed", reason=type(error).__name__)
                await self._say(state="failed", reason=type(error).__name__, finished_at=self._clock())
                return False
            return True

    async def _count_and_swap(self, stop: asyncio.Event) -> None:
        """The board's figures first, for which somebody waits; then history's."""
        await self._say(state="running")
        parts = (self._database, self._keys, self._clock)
        counting = Counting(*parts, ledger=Ledger(_SHADOW), buries=False)
        done = await self._count_lane(_BOARD, counting, stop, before=0, lanes=2)
        chronicle = Chronicle(_SHADOW, collecting=True)
        recording = Recording(*parts, chronicle=chronicle, buries=False)
        done += await self._count_lane(_HISTORY, recording, stop, before=done, lanes=1, finish=chronicle.derive)
        await self._say(state="done", done=done, total=done, finished_at=self._clock())
        _LOG.info("rebuild.done", records=done)

    async def _count_lane(
        self,
        lane: _Lane,
        counts: _Counts,
        stop: asyncio.Event,
        *,
        before: int,
        lanes: int,
        finish: Callable[[AsyncConnection], Awaitable[None]] | None = None,
    ) -> int:
        """Count one way anew, and swap its tables. Out: of how many records.

        Args:
            before: records counted before it, and `lanes`: ways still to count, for whoever asks how far it is.
            finish: what is worked out once nearly all is counted.
        """
        await self._make_shadow(lane)
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        await consumer.start()
        try:
            partitions = await partitions_of(self._settings, lane.topics)
            consumer.assign(partitions)
            replay = _Replay(consumer, partitions, counts, self._settings.topic_prefix, self.batch)
            if not await replay.begin():
                await self._begin_with_snapshot(replay, lane)

            async def tell(total: int) -> None:
                await self._say(done=before + replay.done, total=before + total * lanes)

            await self._catch_up(replay, lane, stop, tell)
            if finish is not None:
                async with self._database.transaction() as connection:
                    await finish(connection)
                await self._catch_up(replay, lane, stop, tell)
            while not await self._swap(replay, lane):
                await self._catch_up(replay, lane, stop, tell)
            return replay.done
        finally:
            await consumer.stop()

    async def _begin_with_snapshot(self, replay: _Replay, lane: _Lane) -> None:
        """Raises `RebuildError` where there is none, or it ends before the first event that Kafka still has."""
        async with self._database.transaction() as connection:
            if not replay.go_on(await snapshots.positions(connection, lane.progress)):
                # What only the live figures still know would be lost.
                raise RebuildError("history-incomplete")
            await snapshots.restore(connection, _SHADOW, lane.tables)

    async def _catch_up(
        self, replay: _Replay, lane: _Lane, stop: asyncio.Event, tell: Callable[[int], Awaitable[None]]
    ) -> None:
        """Count until nothing that the live figures hold is missing, following them as they go on."""
        said_at = float("-inf")
        loop = asyncio.get_running_loop()
        while True:
            async with self._database.transaction() as connection:
                targets = await _positions(connection, lane.progress)
            reached = replay.reached(targets)
            if reached or loop.time() - said_at > _STATE_SECONDS:
                said_at = loop.time()
                await tell(replay.total(targets))
            if reached:
                return
            if stop.is_set():
                raise RebuildError("stopped")
            await replay.advance(targets)

    async def _swap(self, replay: _Replay, lane: _Lane) -> bool:
        """Stop live counting for a moment, count its last records, compare, swap. False: it took too long; go on."""
        try:
            async with asyncio.timeout(_SWAP_SECONDS), self._database.transaction() as connection:
                await connection.execute(text("SET LOCAL lock_timeout = '2s'"))
                names = ", ".join(f"{LIVE}.{table.name}" for table in lane.tables)
                await connection.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))
                targets = await _positions(connection, lane.progress)
                while not replay.reached(targets):
                    await replay.advance(targets)
                differing, differences = await (_compare if lane is _BOARD else _compare_history)(connection)
                for table in lane.tables:
                    await connection.execute(text(f"DROP TABLE {LIVE}.{table.name}"))
                    await connection.execute(text(f"ALTER TABLE {_SHADOW}.{table.name} SET SCHEMA {LIVE}"))
                await connection.execute(text(f"DROP SCHEMA {_SHADOW}"))
                await connection.execute(
                    text(
                        """UPDATE rebuild SET differing = differing + :differing,
                           differences = differences || CAST(:differences AS jsonb)"""
                    ),
                    {"differing": differing, "differences": orjson.dumps(differences).decode()},
                )
                await connection.execute(text(f"SELECT pg_notify('{CHANNEL}', '')"))
        except (TimeoutError, DBAPIError) as error:
            _LOG.warning("rebuild.swap.later", reason=type(error).__name__)
            await asyncio.sleep(0.2)
            return False
        return True

    async def _make_shadow(self, lane: _Lane) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(text(f"DROP SCHEMA IF EXISTS {_SHADOW} CASCADE"))
            await connection.execute(text(f"CREATE SCHEMA {_SHADOW}"))
            for table in lane.tables:
                name = f"{_SHADOW}.{table.name}"
                await connection.execute(text(f"CREATE TABLE {name} (LIKE {LIVE}.{table.name} INCLUDING ALL)"))
                # LIKE leaves out how full pages may be.
                options = (
                    await connection.execute(
                        text("SELECT reloptions FROM pg_class WHERE oid = CAST(:name AS regclass)"),
                        {"name": f"{LIVE}.{table.name}"},
                    )
                ).scalar()
                if options:
                    await connection.execute(text(f"ALTER TABLE {name} SET ({', '.join(options)})"))

    async def _is_asked(self) -> bool:
        async with self._database.transaction() as connection:
            return (await connection.execute(text("SELECT state = 'asked' FROM rebuild"))).scalar() is True

    async def _say(self, **values: Any) -> None:
        changes = ", ".join(f"{name} = :{name}" for name in values)
        async with self._database.transaction() as connection:
            await connection.execute(text(f"UPDATE rebuild SET {changes}"), values)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[bool]:
        dsn = self._database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            yield bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK))
        finally:
            await connection.close(timeout=5)


class _Counts(Protocol):
    """Whoever takes records: the board's counting, or history's."""

    async def count(self, records: Sequence[Record]) -> None:
        """Count records; one that was counted before changes nothing."""


@dataclass(frozen=True, slots=True)
class _Lane:
    """One way of counting: what it reads, its tables, and the one of them that says how far it is."""

    topics: Sequence[str]
    tables: Sequence[Table]
    progress: str


_BOARD: Final = _Lane(TOPICS, COUNTED, PROGRESS.name)
_HISTORY: Final = _Lane(HISTORY_TOPICS, RECORDED, HISTORY_PROGRESS.name)


class _Replay:
    """Reads the topics from their beginning and counts each partition up to a target, never beyond it.

    So at the swap both sides hold the same records, and every difference between them is a real one.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        partitions: Sequence[TopicPartition],
        counting: _Counts,
        prefix: str,
        batch: int,
    ) -> None:
        self._consumer = consumer
        self._partitions = partitions
        self._counting = counting
        self._prefix = prefix
        self._batch = batch
        self._next: dict[Position, int] = {}
        self._waiting: dict[Position, list[ConsumerRecord[bytes, bytes]]] = {}
        self._begins: dict[Position, int] = {}
        self.done = 0

    async def begin(self) -> bool:
        """Go to the beginning. Out: whether that is the first record there ever was."""
        begins = await self._consumer.beginning_offsets(self._partitions) if self._partitions else {}
        for partition, offset in begins.items():
            self._consumer.seek(partition, offset)
            self._begins[self._place(partition)] = self._next[self._place(partition)] = offset
        return not any(self._begins.values())

    def go_on(self, positions: Mapping[Position, int]) -> bool:
        """Go to where a snapshot ends. Out: whether Kafka has everything since; a partition that the snapshot does not
        know had no record then."""
        for partition in self._partitions:
            place = self._place(partition)
            first = positions.get(place, 0)
            if first < self._begins[place]:
                return False
            self._consumer.seek(partition, first)
            self._begins[place] = self._next[place] = first
        return True

    def reached(self, targets: Mapping[Position, int]) -> bool:
        """Whether every record up to the targets (each the last offset that counts) is counted."""
        return all(self._next.get(place, target + 1) > target for place, target in targets.items())

    def total(self, targets: Mapping[Position, int]) -> int:
        """How many offsets lie between the beginning and the targets."""
        return sum(max(0, target + 1 - self._begins.get(place, target + 1)) for place, target in targets.items())

    async def advance(self, targets: Mapping[Position, int]) -> None:
        """Count one batch of what lies up to the targets."""
        if not any(self._ready(place, targets) for place in self._waiting):
            fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=self._batch)
            for partition, records in fetched.items():
                self._waiting.setdefault(self._place(partition), []).extend(records)
            await self._skip_gaps(targets)
        ready = {place: count for place in self._waiting if (count := self._ready(place, targets))}
        batch = [record for place, count in ready.items() for record in self._waiting[place][:count]]
        if not batch:
            return
        # Whatever happens in here, the batch still waits: counting it a second time changes nothing.
        await self._counting.count([record_of(record, self._prefix) for record in batch])
        for place, count in ready.items():
            self._next[place] = self._waiting[place][count - 1].offset + 1
            del self._waiting[place][:count]
        self.done += len(batch)

    async def _skip_gaps(self, targets: Mapping[Position, int]) -> None:
        """Offsets without a record (a transaction's marks, what retention took) count as passed."""
        for partition in self._partitions:
            place = self._place(partition)
            if place in targets and not self._waiting.get(place) and self._next[place] <= targets[place]:
                self._next[place] = max(self._next[place], await self._consumer.position(partition))

    def _ready(self, place: Position, targets: Mapping[Position, int]) -> int:
        target = targets.get(place, -1)
        return sum(1 for record in self._waiting[place] if record.offset <= target)

    def _place(self, partition: TopicPartition) -> Position:
        return partition.topic.removeprefix(self._prefix), partition.partition


async def _somebody_rebuilds(connection: AsyncConnection) -> bool:
    # Looked up and not tried: trying would for a moment keep a rebuild from beginning.
    held = text(
        """SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock AND classid = 0 AND
           objsubid = 1 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""
    )
    return bool((await connection.execute(held, {"lock": _LOCK})).scalar())


async def _positions(connection: AsyncConnection, progress: str) -> Mapping[Position, int]:
    rows = await connection.execute(text(f'SELECT topic, partition, "offset" FROM {LIVE}.{progress}'))
    return {(row.topic, row.partition): row.offset for row in rows}


async def _compare(connection: AsyncConnection) -> tuple[int, list[dict[str, Any]]]:
    """Cells whose count differs: how many, and the first of them in words."""
    rows = await connection.execute(
        text(
            f"""SELECT c.*, coalesce(live.n, 0) AS counted, coalesce(anew.n, 0) AS rebuilt, count(*) OVER () AS of
                FROM {LIVE}.cube live FULL JOIN {_SHADOW}.cube anew USING (cell) JOIN cell c ON c.id = cell
                WHERE coalesce(live.n, 0) <> coalesce(anew.n, 0)
                ORDER BY abs(coalesce(live.n, 0) - coalesce(anew.n, 0)) DESC, c.id LIMIT {_MAX_DIFFERENCES}"""
        )
    )
    found = rows.mappings().all()
    differences = []
    for row in found:
        words = [f"{name}={row[name]}" for name in row if name not in _NOT_SHOWN and row[name]]
        figure = " ".join([_KIND_WORDS.get(row["kind"], str(row["kind"])), *words])
        differences.append({"figure": figure, "counted": row["counted"], "rebuilt": row["rebuilt"]})
    return (found[0]["of"] if found else 0), differences


async def _compare_history(connection: AsyncConnection) -> tuple[int, list[dict[str, Any]]]:
    """The same of what history sums up for months."""
    rows = await connection.execute(
        text(
            f"""SELECT c.*, first, coalesce(live.n, 0) AS counted, coalesce(anew.n, 0) AS rebuilt,
                    count(*) OVER () AS of
                FROM (SELECT * FROM {LIVE}.standing WHERE months = 1 AND measure < {MARGINS}) AS live
                FULL JOIN (SELECT * FROM {_SHADOW}.standing WHERE months = 1 AND measure < {MARGINS}) AS anew
                USING (first, cell)
                JOIN history_cell AS c ON c.id = cell
                WHERE coalesce(live.n, 0) <> coalesce(anew.n, 0)
                ORDER BY abs(coalesce(live.n, 0) - coalesce(anew.n, 0)) DESC, c.id, first LIMIT {_MAX_DIFFERENCES}"""
        )
    )
    found = rows.mappings().all()
    differences = []
    for row in found:
        words = [f"{name}={row[name]}" for name in COLUMNS if row[name]]
        figure = " ".join([Measure(row["id"] >> MEASURE_BITS).word, f"month={row['first']:%Y-%m}", *words])
        differences.append({"figure": figure, "counted": row["counted"], "rebuilt": row["rebuilt"]})
    return (found[0]["of"] if found else 0), differences


_NOT_SHOWN: Final = frozenset({"id", "kind", "counted", "rebuilt", "of"})
