"""Looks for words of a child in every column of a database: in clear, in bytes, or sealed under a key that there is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import orjson
from sqlalchemy import text

from shared.contracts.base import SealedBox
from shared.database import Database
from shared.privacy import Erased, Keys, KeyUnknown, as_box

_COLUMNS = text(
    """SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'
       AND data_type IN ('text', 'json', 'jsonb', 'bytea', 'ARRAY', 'character varying')"""
)


def boxes(value: Any) -> Iterator[SealedBox]:
    """Every sealed box in a value of a table, however deep."""
    if isinstance(value, bytes):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return
    if isinstance(value, dict) and (box := as_box(value)) is not None:
        yield box
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from boxes(inner)


async def columns_with(database: Database, keys: Keys, words: Collection[str]) -> set[tuple[str, str]]:
    """In which columns any of the words stands, also within a box that lies in a box that our keys open."""
    seen = set()
    async with database.transaction() as connection:
        columns = [(row.table_name, row.column_name) for row in await connection.execute(_COLUMNS)]
        for table, column in columns:
            rows = await connection.execute(text(f'SELECT "{column}" FROM {table} WHERE "{column}" IS NOT NULL'))
            for (value,) in rows.all():
                plain = [value if isinstance(value, bytes) else str(value).encode()]
                waiting = list(boxes(value))
                while waiting:
                    try:
                        plain.append(await keys._plain(connection, waiting.pop()))
                    except (Erased, KeyUnknown):
                        continue
                    waiting += boxes(plain[-1])
                if any(word.encode() in one for one in plain for word in words):
                    seen.add((table, column))
    return seen
