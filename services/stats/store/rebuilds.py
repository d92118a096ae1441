"""How a rebuild stands: one row, of the one that runs or of the last one, and whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.store.locks import Lock

# One of these is asked for, or goes on.
UNDER_WAY: Final = ("asked", "running", "waiting")


@dataclass(frozen=True, slots=True)
class Standing:
    """A rebuild. `state`: asked, running, waiting (for an answer), done, failed. `done` of `total` records.

    `answer`: swap, drop, or nothing yet. `tries`: how often it was begun.
    """

    state: str
    done: int
    total: int
    reason: str
    differing: int
    differences: Sequence[Mapping[str, Any]]
    started_at: datetime
    finished_at: datetime | None
    answer: str
    tries: int


class Which(NamedTuple):
    """Which one it is, of all that were ever begun."""

    started_at: datetime
    tries: int


async def standing(connection: AsyncConnection) -> Standing | None:
    """The last one; None: there never was any."""
    row = (await connection.execute(text(_STANDING))).one_or_none()
    return None if row is None else Standing(*row)


async def ask(connection: AsyncConnection, now: datetime, *, asks: bool) -> None:
    """Ask for one in the place of the last. `asks`: where figures differ, it waits for an answer."""
    await connection.execute(text(_ASK), {"now": now, "asks": asks})


async def answer(connection: AsyncConnection, word: str) -> None:
    """Answer one that waits; without effect on any other."""
    await connection.execute(text("UPDATE rebuild SET answer = :word WHERE state = 'waiting'"), {"word": word})


async def begin(connection: AsyncConnection) -> Which:
    """Begin the one that is asked for, once more where it was begun before."""
    return Which(*(await connection.execute(text(_BEGIN))).one())


async def which(connection: AsyncConnection) -> Which:
    """The one that is under way; to the end of the transaction nobody begins another."""
    return Which(*(await connection.execute(text("SELECT started_at, tries FROM rebuild FOR UPDATE"))).one())


async def broke(connection: AsyncConnection, known: Which) -> None:
    """Whoever was to go on with it broke before it could begin: that is a try, too. Without effect where somebody began
    it meanwhile, or it is another one."""
    await connection.execute(text(_BROKE), {**known._asdict(), "states": list(UNDER_WAY)})


async def count(connection: AsyncConnection, done: int, total: int) -> None:
    """Say how far it is."""
    await connection.execute(text("UPDATE rebuild SET done = :done, total = :total"), {"done": done, "total": total})


async def put_back(connection: AsyncConnection) -> None:
    """It is begun by somebody else, or later, as if it had not been begun."""
    await connection.execute(text("UPDATE rebuild SET state = 'asked', tries = 0"))


async def report(connection: AsyncConnection, differing: int, differences: Sequence[Mapping[str, Any]]) -> bool:
    """Say what differs. Out: whether it waits for an answer now."""
    row = await connection.execute(
        text(_REPORT), {"differing": differing, "differences": orjson.dumps(differences).decode()}
    )
    return bool(row.scalar_one() == "waiting")


async def finish(connection: AsyncConnection, done: int, now: datetime) -> None:
    """It is done: in the transaction that swaps, so that none is begun again that was."""
    await connection.execute(
        text("UPDATE rebuild SET state = 'done', done = :done, total = :done, finished_at = :now"),
        {"done": done, "now": now},
    )


async def fail(connection: AsyncConnection, reason: str, now: datetime) -> None:
    """It is given up, for a reason in one word."""
    await connection.execute(
        text("UPDATE rebuild SET state = 'failed', reason = :reason, finished_at = :now"),
        {"reason": reason, "now": now},
    )


async def somebody_rebuilds(connection: AsyncConnection) -> bool:
    """Whether some process is at it: looked up and not tried, for trying would for a moment keep one from beginning."""
    return bool((await connection.execute(text(_HELD), {"lock": int(Lock.REBUILDING)})).scalar())


_STANDING: Final = """
SELECT state, done, total, reason, differing, differences, started_at, finished_at, answer, tries FROM rebuild
"""
_ASK: Final = """
INSERT INTO rebuild AS r (id, state, done, total, reason, differences, differing, started_at, asks)
VALUES (true, 'asked', 0, 0, '', '[]', 0, :now, :asks)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, done = excluded.done, total = excluded.total,
    reason = excluded.reason, differences = excluded.differences, differing = excluded.differing,
    started_at = excluded.started_at, finished_at = NULL, asks = excluded.asks, answer = '', tries = 0
"""
_BEGIN: Final = """
UPDATE rebuild SET state = 'running', reason = '', answer = '', tries = tries + 1, done = 0, total = 0, differing = 0,
    differences = '[]', finished_at = NULL
RETURNING started_at, tries
"""
_BROKE: Final = """
UPDATE rebuild SET tries = tries + 1
WHERE started_at = :started_at AND tries = :tries AND state = ANY(CAST(:states AS text[]))
"""
_REPORT: Final = """
UPDATE rebuild SET differing = CAST(:differing AS bigint), differences = CAST(:differences AS jsonb),
    state = CASE WHEN asks AND CAST(:differing AS bigint) > 0 THEN 'waiting' ELSE state END
RETURNING state
"""
_HELD: Final = """
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock AND classid = 0 AND objsubid = 1
    AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
