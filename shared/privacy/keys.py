"""Data keys of children and cases: kept wrapped in each entitled service's database, shared by `privacy.keys.v1`.

A key's tombstone is erasure (architecture.md): what was sealed under it stays unreadable everywhere. Key material never
leaves this module unwrapped except into the cryptography.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Self, TypeVar, cast
from weakref import WeakKeyDictionary

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import Contract, SealedBox
from shared.messaging.outbox import new_id
from shared.messaging.tables import PRIVACY_KEY
from shared.privacy.sealing import DataKey, PlatformKey, Unreadable, seal_together

T = TypeVar("T")
KEYS_TOPIC = "privacy.keys.v1"
_CACHED = 20_000
# Settled: written by a transaction that ended before this statement began, and so not by this one or a part of it.
_FIND = text(
    """SELECT wrapped, age(xmin) > age(pg_snapshot_xmin(pg_current_snapshot())::xid) AS settled
       FROM privacy_key WHERE kid = :kid"""
)
# Nearly all that a service hears it made itself: that is only looked up.
_LEARN = text(
    """INSERT INTO privacy_key (kid, wrapped, changed_at)
       SELECT kid, wrapped, :now FROM unnest(CAST(:kids AS text[]), CAST(:wrapped AS bytea[])) AS heard (kid, wrapped)
       WHERE wrapped IS NULL OR NOT EXISTS (SELECT FROM privacy_key AS known WHERE known.kid = heard.kid)
       ON CONFLICT (kid) DO UPDATE SET wrapped = NULL, changed_at = excluded.changed_at
       WHERE excluded.wrapped IS NULL AND privacy_key.wrapped IS NOT NULL"""
)
# Kept and published in one statement: a key that another transaction made is not told twice.
_MAKE = text(
    f"""WITH made AS (
            SELECT * FROM unnest(CAST(:kids AS text[]), CAST(:wrapped AS bytea[]), CAST(:ids AS uuid[]),
                                 CAST(:payloads AS bytea[])) AS made (kid, wrapped, id, payload)
        ), new AS (
            INSERT INTO privacy_key (kid, wrapped, changed_at) SELECT kid, wrapped, :now FROM made
            ON CONFLICT DO NOTHING RETURNING kid
        )
        INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers)
        SELECT id, '{KEYS_TOPIC}', kid, 'privacy.key', payload, '{{}}' FROM made JOIN new USING (kid)
        RETURNING aggregateid AS kid"""
)


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
        self.master = master
        self.platform = platform
        self._cache: OrderedDict[str, DataKey] = OrderedDict()
        self._made: WeakKeyDictionary[AsyncConnection, dict[str, DataKey]] = WeakKeyDictionary()
        # Content digests must not be guessable from outside; agencies' pseudonyms not from outside the agencies.
        self._pepper = hmac.new(master, b"vongtay pepper", hashlib.sha256).digest()
        self._blind = hmac.new(master, b"vongtay blind index", hashlib.sha256).digest()
        self.agency_pepper = hmac.new(master, b"vongtay agency pepper", hashlib.sha256).digest()

    def handed_over(self) -> dict[str, str]:
        """As text, for a process of one's own that is told it through its input (`shared.apart`): nowhere else."""
        secrets = {"master": self.master, "platform": self.platform.private}
        return {name: base64.b64encode(secret).decode() for name, secret in secrets.items()}

    @classmethod
    def taken_over(cls, orders: Mapping[str, str]) -> Self:
        """From what `handed_over` gave."""
        return cls(base64.b64decode(orders["master"]), PlatformKey(base64.b64decode(orders["platform"])))

    async def key_for(self, connection: AsyncConnection, kid: str, *, create: bool = False) -> DataKey:
        """The data key named `kid`, made (and published with the transaction) if `create`.

        Raises `KeyUnknown` where there is none, `Erased` where there was one.
        """
        cached = self._cache.get(kid)
        if cached is not None:
            self._cache.move_to_end(kid)
            return cached
        made = self._made.get(connection, {}).get(kid)
        if made is not None:
            return made
        row = (await connection.execute(_FIND, {"kid": kid})).first()
        if row is None:
            if not create:
                raise KeyUnknown(kid)
            return await self.make(connection, kid)
        if row.wrapped is None:
            raise Erased(kid)
        key = DataKey.unwrap(kid, row.wrapped, self.master)
        if row.settled:  # else it may yet be rolled back: what was sealed under it could never be opened again
            self._remember(key)
        return key

    async def seal(self, connection: AsyncConnection, value: object, kid: str, *, create: bool = True) -> SealedBox:
        """A value (model or text) sealed under `kid`."""
        return (await self.key_for(connection, kid, create=create)).seal(_dump(value))

    async def open(self, connection: AsyncConnection, value: object, as_type: type[T]) -> T:
        """The plain value of a field that may be sealed. Raises `KeyUnknown`, `Erased`, `Unreadable`."""
        box = as_box(value)
        if box is None:
            plain: T = _adapter(cast(Any, as_type)).validate_python(value)
            return plain
        try:
            plain = _adapter(cast(Any, as_type)).validate_json(await self._plain(connection, box))
        except ValidationError:
            raise Unreadable(box.kid) from None  # the error would repeat the content
        return plain

    async def reseal(self, connection: AsyncConnection, value: object, kid: str) -> SealedBox | None:
        """The same content under another key; nothing stays nothing."""
        if value is None:
            return None
        box = as_box(value)
        if box is None:
            return await self.seal(connection, value, kid)
        plain = await self._plain(connection, box)
        return (await self.key_for(connection, kid, create=True)).seal(plain)

    def seal_for_platform(self, data: Contract) -> Contract:
        """An agency's event with its plain personal fields sealed to the platform, before it is stored anywhere."""
        values = {name: getattr(data, name) for name in data.sealed_fields()}
        plain = {
            name: _dump(value)
            for name, value in values.items()
            if value is not None and not isinstance(value, SealedBox)
        }
        if not plain:
            return data
        boxes = seal_together(list(plain.values()), self.platform.public, self.platform.kid)
        return data.model_copy(update=dict(zip(plain, boxes, strict=True)))

    async def learn(self, connection: AsyncConnection, heard: Mapping[str, bytes | None]) -> None:
        """Take over keys heard on `privacy.keys.v1`, wrapped; None is an erasure. An erased key never comes back."""
        for kid, wrapped in heard.items():
            if wrapped is None:
                self._cache.pop(kid, None)
        if heard:
            # Sorted, so that two replicas cannot deadlock on each other's rows.
            kids = sorted(heard)
            values = {"kids": kids, "wrapped": [heard[kid] for kid in kids], "now": datetime.now(UTC)}
            await connection.execute(_LEARN, values)

    async def erase(self, connection: AsyncConnection, kid: str) -> None:
        """Destroy a key here; the tombstone that tells the others is the caller's event."""
        self._cache.pop(kid, None)
        await connection.execute(
            update(PRIVACY_KEY).where(PRIVACY_KEY.c.kid == kid).values(wrapped=None, changed_at=datetime.now(UTC))
        )

    async def _plain(self, connection: AsyncConnection, box: SealedBox) -> bytes:
        return self.platform.open(box) if box.ephemeral else (await self.key_for(connection, box.kid)).open(box)

    async def make(self, connection: AsyncConnection, kid: str) -> DataKey:
        """A new data key, published with the transaction; the one there is, where another transaction was first.

        Whoever knows that there is none yet need not have `key_for` look for it. Raises `Erased`.
        """
        made = await self.make_all(connection, [kid])
        # Where it is not made here, another transaction was first, and has committed.
        return made.get(kid) or await self.key_for(connection, kid)

    async def make_all(self, connection: AsyncConnection, kids: Collection[str]) -> dict[str, DataKey]:
        """As `make`, for several: one statement. Out: those that were made. One that is not among them was made by
        another transaction, which has committed: what it wrote can be seen now."""
        # Sorted, so that two replicas cannot deadlock on each other's rows.
        keys = {kid: DataKey.new(kid) for kid in sorted(kids)}
        if not keys:
            return {}
        wrapped = [key.wrap(self.master) for key in keys.values()]
        values = {
            "kids": list(keys),
            "wrapped": wrapped,
            "ids": [new_id() for _ in keys],
            "payloads": [orjson.dumps(published(each)) for each in wrapped],
            "now": datetime.now(UTC),
        }
        made = {row.kid: keys[row.kid] for row in await connection.execute(_MAKE, values)}
        # Known to its own transaction alone: one that is rolled back takes its key with it. A savepoint may be rolled
        # back within it.
        if made and not connection.in_nested_transaction():
            self._made.setdefault(connection, {}).update(made)
        return made

    def blind(self, *parts: bytes) -> bytes:
        """A keyed 16-byte token, for finding what was sealed by a word of it; no other use's token is like it."""
        return _keyed(self._blind, parts)

    def make_private(self, kid: str) -> tuple[DataKey, bytes]:
        """A data key that nobody else ever hears of, and its wrapped form for whoever made it to keep and destroy."""
        key = DataKey.new(kid)
        return key, key.wrap(self.master)

    def open_private(self, kid: str, wrapped: bytes) -> DataKey:
        """A key of `make_private`, from its wrapped form. Raises `Unreadable`."""
        return DataKey.unwrap(kid, wrapped, self.master)

    @staticmethod
    def seal_private(key: DataKey, value: object) -> SealedBox:
        """A value sealed under a key of `make_private`."""
        return key.seal(_dump(value))

    @staticmethod
    def read_private(key: DataKey, box: SealedBox, as_type: type[T]) -> T:
        """What was sealed by `seal_private`. Raises `Unreadable`."""
        plain: T = _adapter(cast(Any, as_type)).validate_json(key.open(box))
        return plain

    def _remember(self, key: DataKey) -> None:
        self._cache[key.kid] = key
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)

    def digest(self, *parts: bytes) -> bytes:
        """A keyed 16-byte digest, for recognising a content seen before without keeping it."""
        return _keyed(self._pepper, parts)


def _keyed(secret: bytes, parts: Sequence[bytes]) -> bytes:
    """16 bytes of an HMAC over parts, the length of each before it. At once: an object that is fed costs five times as
    much, and each event that comes is recognised by two of these."""
    return hmac.digest(secret, b"".join([len(part).to_bytes(8, "big") + part for part in parts]), "sha256")[:16]


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


def published(wrapped: bytes) -> dict[str, Any]:
    """A key as a record of `privacy.keys.v1` holds it."""
    return {"wrapped": base64.b64encode(wrapped).decode()}


@cache
def _adapter(as_type: Any) -> TypeAdapter[Any]:
    """Making one costs more than using it."""
    return TypeAdapter(as_type)


def _dump(value: object) -> bytes:
    if isinstance(value, BaseModel):
        return value.model_dump_json(exclude_none=True).encode()
    return orjson.dumps(value, default=_dump_inner)


def _dump_inner(value: object) -> Any:
    """A model within a list."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    raise TypeError(type(value).__name__)
