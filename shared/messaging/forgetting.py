"""What parked and buried records say goes when it may be kept no longer: whom it is about was erased, it is settled, or
its time is over. That there was a record, where it lay and what was wrong with it stays.

Only what agencies sent, and what is sealed to partners, can say who a child is once the child's key is destroyed:
services' own events hold identity under that key alone, and go on being what figures are made of.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.errors import Violation
from shared.contracts.sealed import CONTENTS_TOPIC

if TYPE_CHECKING:
    from shared.messaging.processing import Record

# What a sender's own identity of an event (source, id) makes of it here: names of keys, or of what a key is found by.
Named = Callable[[str, str], Sequence[str]]
# All names by which records may be known that concern any of some erased keys, those among them; or the other way.
Related = Callable[[AsyncConnection, Collection[str]], Awaitable[Collection[str]]]
ERASED: Final = Violation(
    "data",
    "erased",
    "Dữ liệu mà sự kiện này nói tới đã được xóa theo quy định; nội dung sự kiện không được giữ lại.",
    "What this event tells of was erased by law; what it said is not kept.",
)
# Erasures of so long ago cannot have been missed by a transaction that still runs.
_LATELY = timedelta(days=2)
_UUID = rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
# Found in bytes that may be no JSON at all: the key of a sealed box, and ids in fields of these names.
_KID = re.compile(rb'"((?:child|case|incident)/' + _UUID + rb')"')
_ID = re.compile(rb'"(child|case|task)_id"\s*:\s*"(' + _UUID + rb')"')
_MOST_NAMES = 200
_TELLS = f"(topic LIKE 'agency.%' OR topic = '{CONTENTS_TOPIC}')"
_FORGET = "content = 'null', headers = '[]', key = NULL, event_id = NULL, about = '{}', forgotten_at = :now"
_FORGET_ABOUT = text(
    f"""UPDATE dead_letter SET {_FORGET}, forgotten_as = 'erased'
        WHERE about && CAST(:names AS text[]) AND forgotten_at IS NULL AND {_TELLS}"""
)
_TAKE_ABOUT = text(
    f"""DELETE FROM parked WHERE about && CAST(:names AS text[]) AND {_TELLS}
        RETURNING topic, partition, "offset", key, headers"""
)
# Whoever waited behind one that is gone is tried in its place.
_GO_ON = text(
    """UPDATE parked SET reason = 'Erased', next_attempt_at = now()
       WHERE topic = :topic AND key = :key
         AND NOT EXISTS (SELECT FROM parked AS other WHERE other.topic = :topic AND other.key = :key
                         AND other.reason IS NOT NULL)
         AND (partition, "offset") = (SELECT partition, "offset" FROM parked AS first
                                      WHERE first.topic = :topic AND first.key = :key
                                      ORDER BY partition, "offset" LIMIT 1)"""
)
_FORGET_SETTLED = text(
    f"""UPDATE dead_letter SET {_FORGET}, forgotten_as = CASE WHEN settled_at IS NULL THEN 'expired' ELSE 'settled' END
        WHERE forgotten_at IS NULL AND (settled_at IS NOT NULL OR died_at < :before)"""
)
_FORGET_ONE = text(f"UPDATE dead_letter SET {_FORGET}, forgotten_as = :how WHERE id = :id AND forgotten_at IS NULL")
_ANY_ERASED = text("SELECT EXISTS (SELECT FROM privacy_key WHERE kid = ANY(CAST(:kids AS text[])) AND wrapped IS NULL)")
_ERASED_OF_LATE = text(
    """SELECT kid FROM privacy_key WHERE wrapped IS NULL AND changed_at > :since
       UNION SELECT kid FROM privacy_key JOIN (
           SELECT unnest(about) AS kid FROM parked
           UNION SELECT unnest(about) FROM dead_letter WHERE forgotten_at IS NULL) AS aside USING (kid)
       WHERE wrapped IS NULL"""
)
_NAMED = text(
    "SELECT unnest(about) AS name FROM parked UNION SELECT unnest(about) FROM dead_letter WHERE forgotten_at IS NULL"
)
_ERASED_OF = text("SELECT kid FROM privacy_key WHERE kid = ANY(CAST(:kids AS text[])) AND wrapped IS NULL")


def tells(topic: str) -> bool:
    """Whether records of a topic may say who a child is though the child's key is gone."""
    return topic.startswith("agency.") or topic == CONTENTS_TOPIC


def about(record: Record, named: Named | None) -> list[str]:
    """Whom and what a record concerns, by keys and ids only, as far as it can be told: also of one that is broken."""
    if not tells(record.topic):
        return []
    value = record.value or b""
    names = {match[1].decode().lower() for match in _KID.finditer(value)}
    names |= {f"{match[1].decode()}/{match[2].decode().lower()}" for match in _ID.finditer(value)}
    headers = {name.lower(): said.decode(errors="replace") for name, said in record.headers}
    names = set(sorted(names)[:_MOST_NAMES])
    if named is not None and "ce_source" in headers and "ce_id" in headers:
        names |= set(named(headers["ce_source"], headers["ce_id"]))
    return sorted(names)


async def is_erased(connection: AsyncConnection, names: Sequence[str], behind: Related | None = None) -> bool:
    """Whether any of the names is that of a key which was erased, or about whom one was: however long ago."""
    if not names:
        return False
    kids = [*names, *(await behind(connection, names) if behind is not None else ())]
    return bool((await connection.execute(_ANY_ERASED, {"kids": kids})).scalar_one())


async def erased_of_late(connection: AsyncConnection, now: datetime, behind: Related | None = None) -> list[str]:
    """Keys whose erasure a record that was put aside at the same moment may have missed, or after it was parked."""
    rows = await connection.execute(_ERASED_OF_LATE, {"since": now - _LATELY})
    kids = {row.kid for row in rows}
    if behind is not None and (names := [row.name for row in await connection.execute(_NAMED)]):
        found = await connection.execute(_ERASED_OF, {"kids": list(await behind(connection, names))})
        kids |= {row.kid for row in found}
    return sorted(kids)


async def forget_letters(connection: AsyncConnection, names: Collection[str], now: datetime) -> None:
    """The content of dead letters that are about any of the names."""
    await connection.execute(_FORGET_ABOUT, {"names": sorted(names), "now": now})


async def take_parked(connection: AsyncConnection, names: Collection[str]) -> Sequence[Row[Any]]:
    """Take out the parked records that are about any of the names; those who waited behind them go on. Out: where they
    lay, their keys and headers; what they said is gone."""
    rows = (await connection.execute(_TAKE_ABOUT, {"names": sorted(names)})).all()
    for topic, key in sorted({(row.topic, row.key) for row in rows}):
        await connection.execute(_GO_ON, {"topic": topic, "key": key})
    return rows


async def forget_settled(connection: AsyncConnection, before: datetime, now: datetime) -> int:
    """The content of dead letters that are settled, and of those that died before a moment. Out: of how many."""
    return (await connection.execute(_FORGET_SETTLED, {"before": before, "now": now})).rowcount


async def forget_one(connection: AsyncConnection, identifier: int, how: str, now: datetime) -> None:
    """The content of one dead letter."""
    await connection.execute(_FORGET_ONE, {"id": identifier, "how": how, "now": now})
