"""What was taken over already: the content of an event or a report, recognised without keeping it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import Contract, parse
from shared.contracts.errors import Rejected, Violation
from shared.privacy import Keys, Unreadable, as_box

Seen = Literal["first", "again", "other"]


def content_of(keys: Keys, data: Contract, without: Collection[str] = ()) -> bytes:
    """The content with its sealed fields opened, in one canonical form: sealing twice never looks the same, and what
    came sealed is the same as what came plain. In: `without`: fields that do not count.

    Raises `Rejected`, also for what a box holds.
    """
    boxes = {name: box for name in data.sealed_fields() if (box := as_box(getattr(data, name))) is not None}
    if boxes:
        said = data.model_dump(mode="json", exclude_none=True)
        for name, box in boxes.items():
            try:
                said[name] = orjson.loads(keys.platform.open(box))
            except (Unreadable, orjson.JSONDecodeError):
                raise Rejected([_unreadable(name)]) from None
        data = parse(type(data), said)
    left = data.model_dump(mode="json", exclude_none=True, exclude=set(without))
    return orjson.dumps(left, option=orjson.OPT_SORT_KEYS)


async def recognise(connection: AsyncConnection, keys: Keys, source: str, identifier: str, content: bytes) -> Seen:
    """Whether a sender's content under its own identifier comes for the first time, again, or as something other than
    before under the same identifier. The first is remembered; whoever calls holds a lock on the identifier."""
    origin = keys.digest(source.encode(), identifier.encode())
    asked = {"id": keys.digest(origin, content), "origin": origin}
    rows = await connection.execute(text("SELECT bool_or(id = :id) AS same FROM inbox WHERE origin = :origin"), asked)
    same = rows.scalar_one()
    if same is None:
        await connection.execute(text("INSERT INTO inbox (id, origin) VALUES (:id, :origin)"), asked)
        return "first"
    return "again" if same else "other"


def _unreadable(field: str) -> Violation:
    return Violation(
        f"data.{field}",
        "sealed-unreadable",
        "Không mở được trường đã niêm phong: sai khóa hoặc bị thay đổi.",
        "The sealed field cannot be opened: wrong key, or changed on its way.",
    )
