"""Data keys of children and cases: kept wrapped in each entitled service's database, shared by `privacy.keys.v1`.

A key's tombstone is erasure (architecture.md): what was sealed under it stays unreadable everywhere. Key material never
leaves this module unwrapped except into the cryptography.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import Contract, SealedBox
from shared.messaging.outbox import OutboxRow, put
from shared.messaging.tables import PRIVACY_KEY
from shared.privacy.sealing import DataKey, PlatformKey, Unreadable, seal_to_platform

T = TypeVar("T")
KEYS_TOPIC = "privacy.keys.v1"
_CACHED = 20_000


class KeyUnknown(Exception):  # noqa: N818 - it may arrive yet
    """The key has not reached this service (yet): whoever handles an event waits and tries again."""


class Erased(Exception):  # noqa: N818 - a lawful state, not a failure
    """The key was erased by law; the content is gone."""


class Keys:
    """Finds, makes, wraps and erases data keys.

    Args:
        master: 32 bytes, the master key that wraps data keys.
        platform: the platform's key pair, to open what agencies sealed.
    """

    def __init__(self, master: bytes, platform: PlatformKey) -> None:
        self._master = master
        self.platform = platform
        self._cache: OrderedDict[str, DataKey] = OrderedDict()
        # Content digests must not be guessable from outside; agencies' pseudonyms not from outside the agencies.
        self._pepper = hmac.new(master, b"vongtay pepper", hashlib.sha256).digest()
        self.agency_pepper = hmac.new(master, b"vongtay agency pepper", hashlib.sha256).digest()

    async def key_for(self, connection: AsyncConnection, kid: str, *, create: bool = False) -> DataKey:
        """The data key named `kid`, made (and published with the transaction) if `create`.

        Raises `KeyUnknown` where there is none, `Erased` where there was one.
        """
        cached = self._cache.get(kid)
        if cached is not None:
            self._cache.move_to_end(kid)
            return cached
        row = (await connection.execute(select(PRIVACY_KEY.c.wrapped).where(PRIVACY_KEY.c.kid == kid))).first()
        if row is None:
            if not create:
                raise KeyUnknown(kid)
            return await self._make(connection, kid)
        if row.wrapped is None:
            raise Erased(kid)
        key = DataKey.unwrap(kid, row.wrapped, self._master)
        self._remember(key)
        return key

    async def seal(self, connection: AsyncConnection, value: object, kid: str, *, create: bool = True) -> SealedBox:
        """A value (model or text) sealed under `kid`."""
        return (await self.key_for(connection, kid, create=create)).seal(_dump(value))

    async def open(self, connection: AsyncConnection, value: object, as_type: type[T]) -> T:
        """The plain value of a field that may be sealed. Raises `KeyUnknown`, `Erased`, `Unreadable`."""
        box = as_box(value)
        if box is None:
            return TypeAdapter(as_type).validate_python(value)
        plain = self.platform.open(box) if box.ephemeral else (await self.key_for(connection, box.kid)).open(box)
        try:
            return TypeAdapter(as_type).validate_json(plain)
        except ValidationError:
            raise Unreadable(box.kid) from None  # the error would repeat the content

    async def reseal(self, connection: AsyncConnection, value: object, kid: str) -> SealedBox | None:
        """The same content under another key; nothing stays nothing."""
        if value is None:
            return None
        return await self.seal(connection, await self.open(connection, value, object), kid)

    def seal_for_platform(self, data: Contract) -> Contract:
        """An agency's event with its plain personal fields sealed to the platform, before it is stored anywhere."""
        boxes = {}
        for name in data.sealed_fields():
            value = getattr(data, name)
            if value is not None and not isinstance(value, SealedBox):
                boxes[name] = seal_to_platform(_dump(value), self.platform.public, self.platform.kid)
        return data.model_copy(update=boxes) if boxes else data

    async def learn(self, connection: AsyncConnection, kid: str, wrapped: bytes | None) -> None:
        """Take over a key (or its erasure) heard on `privacy.keys.v1`. An erased key never comes back."""
        now = datetime.now(UTC)
        if wrapped is None:
            self._cache.pop(kid, None)
            statement = insert(PRIVACY_KEY).values(kid=kid, wrapped=None, changed_at=now)
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["kid"], set_={"wrapped": None, "changed_at": now})
            )
            return
        statement = insert(PRIVACY_KEY).values(kid=kid, wrapped=wrapped, changed_at=now)
        await connection.execute(statement.on_conflict_do_nothing())

    async def erase(self, connection: AsyncConnection, kid: str) -> None:
        """Destroy a key here; the tombstone that tells the others is the caller's event."""
        self._cache.pop(kid, None)
        await connection.execute(
            update(PRIVACY_KEY).where(PRIVACY_KEY.c.kid == kid).values(wrapped=None, changed_at=datetime.now(UTC))
        )

    async def _make(self, connection: AsyncConnection, kid: str) -> DataKey:
        key = DataKey.new(kid)
        wrapped = key.wrap(self._master)
        made = await connection.execute(
            insert(PRIVACY_KEY)
            .values(kid=kid, wrapped=wrapped, changed_at=datetime.now(UTC))
            .on_conflict_do_nothing()
            .returning(PRIVACY_KEY.c.kid)
        )
        if made.first() is None:  # another transaction was first, and has committed
            return await self.key_for(connection, kid)
        await put(connection, [OutboxRow(KEYS_TOPIC, kid, "privacy.key", orjson.dumps(_published(wrapped)), {})])
        # Not cached before the commit: a rolled-back key must not seal anything.
        return key

    def _remember(self, key: DataKey) -> None:
        self._cache[key.kid] = key
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)

    def digest(self, *parts: bytes) -> bytes:
        """A keyed 16-byte digest, for recognising a content seen before without keeping it."""
        mac = hmac.new(self._pepper, digestmod=hashlib.sha256)
        for part in parts:
            mac.update(len(part).to_bytes(8, "big"))
            mac.update(part)
        return mac.digest()[:16]


def as_box(value: object) -> SealedBox | None:
    """The value as a sealed box, if it is one (a model, or its JSON form from a table)."""
    if isinstance(value, SealedBox):
        return value
    if isinstance(value, Mapping) and "sealed" in value and "kid" in value:
        return SealedBox.model_validate(value)
    return None


def wrapped_of(value: bytes | None) -> bytes | None:
    """The wrapped key inside a record of `privacy.keys.v1`; None is a tombstone. Raises ValueError on rubbish."""
    if value is None:
        return None
    return base64.b64decode(orjson.loads(value)["wrapped"], validate=True)


def _published(wrapped: bytes) -> dict[str, Any]:
    return {"wrapped": base64.b64encode(wrapped).decode()}


def _dump(value: object) -> bytes:
    if isinstance(value, BaseModel):
        return value.model_dump_json(exclude_none=True).encode()
    return orjson.dumps(value)
