"""Parked keys tried again in order, dead letters listed, replayed or discarded: by a loop and by operators."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.errors import Rejected
from shared.database import Database, is_passing
from shared.messaging import forgetting
from shared.messaging.failures import named
from shared.messaging.processing import Processor, Record
from shared.messaging.router import Scope
from shared.messaging.waiting import pause

MAX_ATTEMPTS = 5
_LOG = structlog.get_logger(__name__)
_KEYS_A_ROUND = 100
_DUE_KEYS = text(
    """SELECT topic, key FROM parked WHERE reason IS NOT NULL AND attempts < :most AND next_attempt_at <= now()
       ORDER BY next_attempt_at LIMIT :keys"""
)
_OF_KEY = text(
    """SELECT * FROM parked WHERE topic = :topic AND key = :key ORDER BY partition, "offset" FOR UPDATE SKIP LOCKED"""
)
_ANY_OF_KEY = text("SELECT EXISTS (SELECT FROM parked WHERE topic = :topic AND key = :key)")
_KEYS_OF_TOPIC = text("SELECT DISTINCT key FROM parked WHERE topic = :topic")
_REMOVE = text('DELETE FROM parked WHERE topic = :topic AND partition = :partition AND "offset" = :offset')


class Repair:
    """Brings failed records of one service back to life."""

    def __init__(self, processor: Processor, database: Database) -> None:
        self._processor = processor
        self._database = database

    async def run(self, stop: asyncio.Event) -> None:
        """Try parked keys again, with growing waits, until they work or five attempts have failed."""
        while not stop.is_set():
            try:
                await self.release_due()
            except Exception as error:
                if not is_passing(error):
                    raise
                _LOG.warning("repair.waiting", reason=type(error).__name__)
            await pause(stop, 0.5)

    async def release_due(self) -> int:
        """One round over the keys whose next attempt is due; returns how many keys were freed."""
        async with self._database.transaction() as connection:
            due = (await connection.execute(_DUE_KEYS, {"most": MAX_ATTEMPTS, "keys": _KEYS_A_ROUND})).all()
        freed = 0
        for row in due:
            freed += await self.release(row.topic, row.key)
        return freed

    async def release_named(self, topic: str, name: str) -> bool:
        """The same for a key as `parked` names it."""
        async with self._database.transaction() as connection:
            rows = await connection.execute(_KEYS_OF_TOPIC, {"topic": topic})
            keys = [row.key for row in rows if named(topic, row.key) == name]
        return all([await self.release(topic, key) for key in keys])

    async def release(self, topic: str, key: str) -> bool:
        """Handle a key's parked records in order.

        False where one still fails and holds the rest, or somebody else is at it.
        """
        place = {"topic": topic, "key": key}
        while True:
            async with self._database.transaction() as connection:
                rows = (await connection.execute(_OF_KEY, place)).all()
                if not rows:
                    return not (await connection.execute(_ANY_OF_KEY, place)).scalar_one()
                error = await self._first(connection, rows[0])
            if error is not None:
                await self._failed_again(rows[0], error)
                return False

    async def _first(self, connection: AsyncConnection, row: Any) -> Exception | None:
        record = self._record(row)
        try:
            async with connection.begin_nested():
                await self._processor.replay(connection, record)
        except Rejected as rejected:
            scope = Scope(self._processor.service, connection, self._processor.now())
            await self._processor.failures.bury(scope, record, rejected.violations)
            await scope.flush()
        except Exception as error:
            if is_passing(error):
                raise
            return error
        await connection.execute(_REMOVE, _place(row))
        return None

    async def _failed_again(self, row: Any, error: Exception) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                text(
                    """UPDATE parked SET attempts = attempts + 1, reason = :reason,
                              next_attempt_at = now() + interval '0.5 seconds' * power(2, attempts) * (1 + random())
                       WHERE topic = :topic AND partition = :partition AND "offset" = :offset"""
                ),
                {**_place(row), "reason": type(error).__name__},
            )

    async def parked(self) -> list[dict[str, Any]]:
        """The parked keys by name: how many records wait, since when, why. No contents. At most a thousand, oldest
        first."""
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                text(
                    """SELECT topic, key, count(*) AS records, min(parked_at) AS since, max(attempts) AS attempts,
                              max(reason) AS reason FROM parked GROUP BY topic, key ORDER BY since LIMIT 1000"""
                )
            )
            return [{**row._mapping, "key": named(row.topic, row.key)} for row in rows]

    async def dead_letters(self, limit: int = 200) -> list[dict[str, Any]]:
        """Unsettled dead letters, newest first, without contents."""
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                text(
                    """SELECT id, topic, partition, "offset", event_id, event_type, violations, died_at, forgotten_as
                       FROM dead_letter
                       WHERE settled_at IS NULL ORDER BY id DESC LIMIT :limit"""
                ),
                {"limit": limit},
            )
            return [dict(row._mapping) for row in rows]

    async def replay_dead_letter(self, identifier: int) -> str:
        """Handle a dead letter again, after whatever was wrong was mended; returns its outcome.

        It stays where it is for `failed-again` (our own failure), `skipped` (no longer this service's business) and
        `forgotten` (what it said is not kept any more: its sender sends it again).
        Raises LookupError where there is none, `Rejected` where it is still wrong.
        """
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    text("SELECT * FROM dead_letter WHERE id = :id AND settled_at IS NULL FOR UPDATE"),
                    {"id": identifier},
                )
            ).first()
            if row is None:
                raise LookupError(identifier)
            if row.forgotten_as is not None:
                return "forgotten"
            record = self._record(row)
            try:
                async with connection.begin_nested():
                    result = await self._processor.replay(connection, msgspec.structs.replace(record, partition=-1))
            except Rejected:
                raise
            except Exception as error:
                if is_passing(error):
                    raise
                _LOG.error("dead-letter.failed-again", id=identifier, reason=type(error).__name__)
                return "failed-again"
            if result.outcome == "rejected":
                raise Rejected(result.violations)
            if result.outcome != "skipped":
                await _settle(connection, identifier, "replayed")
                await forgetting.forget_one(connection, identifier, "settled", self._processor.now())
            return result.outcome

    async def discard_dead_letter(self, identifier: int) -> None:
        """Mark a dead letter as needing nothing more: what it said goes. Raises LookupError where there is none."""
        async with self._database.transaction() as connection:
            if not await _settle(connection, identifier, "discarded"):
                raise LookupError(identifier)
            await forgetting.forget_one(connection, identifier, "settled", self._processor.now())

    def _record(self, row: Any) -> Record:
        value, headers = self._processor.failures.restore(row)
        return Record(row.topic, row.partition, row.offset, row.key or "", value, headers)


async def _settle(connection: AsyncConnection, identifier: int, how: str) -> bool:
    done = await connection.execute(
        text(
            """UPDATE dead_letter SET settled_at = now(), settled_as = :how
               WHERE id = :id AND settled_at IS NULL RETURNING id"""
        ),
        {"id": identifier, "how": how},
    )
    return done.first() is not None


def _place(row: Any) -> dict[str, Any]:
    return {"topic": row.topic, "partition": row.partition, "offset": row.offset}
