"""The plainest relay there can be, as a peer: a table, a loop, no headers, no election, no traces, no recovery.

`python -m bench.peers.plain_relay DSN BOOTSTRAP TOPIC` publishes the rows of `plain_outbox` until it is ended.
"""

from __future__ import annotations

import asyncio
import sys

import asyncpg
from aiokafka import AIOKafkaProducer

BATCH = 2000
TABLE = """
CREATE TABLE plain_outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, aggregateid text, payload text);
CREATE FUNCTION plain_wake() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('plain_outbox', ''); RETURN NULL; END $$;
CREATE TRIGGER plain_wake AFTER INSERT ON plain_outbox FOR EACH STATEMENT EXECUTE FUNCTION plain_wake();
"""
_TAKE = f"""DELETE FROM plain_outbox WHERE id IN (SELECT id FROM plain_outbox ORDER BY id LIMIT {BATCH})
            RETURNING id, aggregateid, payload"""


async def relay(dsn: str, bootstrap: str, topic: str) -> None:
    """Publish for ever."""
    connection = await asyncpg.connect(dsn)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", linger_ms=2)
    await producer.start()
    wake = asyncio.Event()
    await connection.add_listener("plain_outbox", lambda *_: wake.set())
    while True:
        wake.clear()
        async with connection.transaction():
            rows = sorted(await connection.fetch(_TAKE), key=lambda row: row["id"])
            acknowledgements = [
                await producer.send(topic, row["payload"].encode(), key=row["aggregateid"].encode()) for row in rows
            ]
            await asyncio.gather(*acknowledgements)
        if len(rows) < BATCH:
            try:
                await asyncio.wait_for(wake.wait(), 1)
            except TimeoutError:
                continue


if __name__ == "__main__":
    asyncio.run(relay(*sys.argv[1:4]))
