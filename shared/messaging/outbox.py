"""The outbox: events written in the transaction that decided them, published afterwards by the relay."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import orjson
import uuid_utils
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.copying import copy_rows
from shared.database.statements import text
from shared.messaging.tables import OUTBOX

# From so many rows on, COPY costs less than its own round trip.
_MANY = 100
_COLUMNS = ("id", "aggregatetype", "aggregateid", "type", "payload", "headers")
_PUT = text(
    f"""INSERT INTO outbox ({", ".join(_COLUMNS)})
        SELECT id, topic, key, type, payload, CAST(headers AS jsonb)
        FROM unnest(CAST(:ids AS uuid[]), CAST(:topics AS text[]), CAST(:keys AS text[]), CAST(:types AS text[]),
                    CAST(:payloads AS bytea[]), CAST(:headers AS text[]))
             AS row (id, topic, key, type, payload, headers)"""
)


def new_id() -> str:
    """A UUIDv7 (RFC 9562): ids made later sort later, which keeps indexes compact."""
    return str(uuid_utils.uuid7())


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One record to publish: topic without prefix, Kafka key, type, value (None: tombstone) and headers."""

    topic: str
    key: str
    type: str
    value: bytes | None
    headers: Mapping[str, str]
    id: str = field(default_factory=new_id)


# What is asked for one report in several places.
@lru_cache(4096)
def stable_id(*parts: str) -> str:
    """The same parts give the same UUID, on every machine and after every crash."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "vongtay:" + "\x1f".join(parts)))


async def put(connection: AsyncConnection, rows: Sequence[OutboxRow]) -> None:
    """Write rows in their order; the trigger wakes the relay at commit."""
    if len(rows) >= _MANY:
        await copy_rows(
            connection,
            OUTBOX.name,
            _COLUMNS,
            (
                (row.id, row.topic, row.key, row.type, row.value, orjson.dumps(dict(row.headers)).decode())
                for row in rows
            ),
        )
    elif rows:
        await connection.execute(
            _PUT,
            {
                "ids": [row.id for row in rows],
                "topics": [row.topic for row in rows],
                "keys": [row.key for row in rows],
                "types": [row.type for row in rows],
                "payloads": [row.value for row in rows],
                "headers": [orjson.dumps(dict(row.headers)).decode() for row in rows],
            },
        )
