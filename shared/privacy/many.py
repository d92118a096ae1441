"""Keys for many things at once, within one transaction: made in memory, kept and published together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.copying import copy_rows
from shared.messaging.outbox import OutboxRow, put
from shared.messaging.tables import PRIVACY_KEY
from shared.privacy.keys import KEYS_TOPIC, Erased, Keys, published
from shared.privacy.sealing import DataKey

_SOME = text("SELECT kid, wrapped FROM privacy_key WHERE kid = ANY(CAST(:kids AS text[]))")


class ManyKeys(Keys):
    """Finds and makes keys as `Keys` does, without a statement for each.

    Args:
        keys: the service's. connection: of the transaction whose keys these are; after it, this object is of no use.
        idle: waited for before the database is asked for a single key, where others write on the connection meanwhile.
    """

    def __init__(
        self, keys: Keys, connection: AsyncConnection, idle: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        super().__init__(keys.master, keys.platform)
        self._connection = connection
        self._idle = idle
        self._known: dict[str, DataKey] = {}
        self._held: dict[str, bytes] = {}
        self._gone: set[str] = set()

    async def find(self, kids: Collection[str]) -> None:
        """Read those that there are, so that `key_for` need not ask for each."""
        for row in await self._connection.execute(_SOME, {"kids": list(kids)}):
            if row.wrapped is None:
                self._gone.add(row.kid)
            else:
                self._known[row.kid] = DataKey.unwrap(row.kid, row.wrapped, self.master)

    async def key_for(self, connection: AsyncConnection, kid: str, *, create: bool = False) -> DataKey:
        """As `Keys.key_for`. Raises `KeyUnknown`, `Erased`."""
        if kid in self._known:
            return self._known[kid]
        if kid in self._gone:
            raise Erased(kid)
        if self._idle is not None:
            await self._idle()
        return await super().key_for(self._connection, kid, create=create)

    async def make(self, connection: AsyncConnection, kid: str) -> DataKey:
        """A new key of something new: nobody else can have made one. Kept and published by `write`."""
        key = DataKey.new(kid)
        self._known[kid] = key
        self._held[kid] = key.wrap(self.master)
        return key

    async def write(self) -> None:
        """Keep and publish what was made since the last time."""
        held, self._held = self._held, {}
        if not held:
            return
        now = datetime.now(UTC)
        rows = [(kid, wrapped, now) for kid, wrapped in held.items()]
        await copy_rows(self._connection, PRIVACY_KEY.name, ("kid", "wrapped", "changed_at"), rows)
        told = [
            OutboxRow(KEYS_TOPIC, kid, "privacy.key", orjson.dumps(published(wrapped)), {})
            for kid, wrapped in held.items()
        ]
        await put(self._connection, told)
