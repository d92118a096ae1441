"""Ids that follow from what they name and begin with its time, as UUIDv7 does.

The same event gives the same ids again, on every machine and after every crash; what happened together lies together in
the indexes; and an id tells in which partition its row is.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.notify.domain.entitlement import NotFoundError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TIME_BITS = 48


def timed_id(at: datetime, *parts: str) -> str:
    """A UUID of version 8 (RFC 9562): the milliseconds of `at`, then what a hash makes of the parts."""
    milliseconds = max(0, (at - _EPOCH) // _MILLISECOND) & ((1 << _TIME_BITS) - 1)
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    raw = bytearray(milliseconds.to_bytes(6, "big") + digest[:10])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def time_of(identifier: str) -> datetime:
    """When that was of which an id is, to the millisecond. In: an id of `timed_id`, or any UUIDv7."""
    return _EPOCH + int(identifier.replace("-", "")[:12], 16) * _MILLISECOND


def uuid_in(text: str) -> str:
    """An id that somebody asks by, as the tables write it. Errors: `NotFoundError` for what is none: there is nothing
    of that name."""
    try:
        return str(UUID(text))
    except ValueError:
        raise NotFoundError(text) from None
