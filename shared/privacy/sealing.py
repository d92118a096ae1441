"""Sealing and opening of personal fields: the cryptography, nothing else.

AES-256-GCM under a data key inside the platform (NIST SP 800-38D); X25519 with HKDF-SHA256 towards the platform for
agencies that hold no key (the construction of RFC 9180, without its framing). It never stores or logs anything.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.contracts.base import SealedBox

PLATFORM_KID = "platform/1"
# What is too large for one box is sealed in parts of this size; each is opened by itself.
PART = 256 * 1024
_NONCE = 12
_KEY = 32
# How much longer a sealed part is than the plain one: its nonce before it, its tag behind it.
PART_OVERHEAD = _NONCE + 16
_REMEMBERED = 4096


class Unreadable(Exception):  # noqa: N818 - says what the box is, not that we failed
    """The box was changed, or sealed under another key."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A 32-byte key and the name by which boxes refer to it."""

    kid: str
    secret: bytes

    def __repr__(self) -> str:
        return f"DataKey({self.kid!r})"  # the secret must not reach a log

    @classmethod
    def new(cls, kid: str) -> DataKey:
        """A fresh random key."""
        return cls(kid, os.urandom(_KEY))

    def seal(self, plain: bytes) -> SealedBox:
        """Seal bytes; the key's name is authenticated too, so that a box cannot be passed off under another child."""
        nonce = os.urandom(_NONCE)
        text = nonce + AESGCM(self.secret).encrypt(nonce, plain, self.kid.encode())
        return SealedBox(sealed="A256GCM", kid=self.kid, text=base64.b64encode(text).decode())

    def open(self, box: SealedBox) -> bytes:
        """The plain bytes. Raises `Unreadable`."""
        return _decrypt(self.secret, box)

    def seal_part(self, stream: str, number: int, plain: bytes, *, last: bool) -> bytes:
        """Seal one part of something too large for a box: part `number` (from 0) of the thing named `stream`.

        Name, position and whether it is the last part are authenticated, so that parts can be neither exchanged, left
        out nor cut off (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015, with random nonces).
        """
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self.secret).encrypt(nonce, plain, self._place(stream, number, last=last))

    def open_part(self, stream: str, number: int, sealed: bytes, *, last: bool) -> bytes:
        """The plain bytes of a part, at the very place it was sealed for. Raises `Unreadable`."""
        try:
            place = self._place(stream, number, last=last)
            return AESGCM(self.secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], place)
        except (InvalidTag, ValueError):
            raise Unreadable(self.kid) from None

    def _place(self, stream: str, number: int, *, last: bool) -> bytes:
        # Lengths go first, so that no two places read the same.
        kid, name = self.kid.encode(), stream.encode()
        return b"part:%d:%b:%d:%b:%d:%d" % (len(kid), kid, len(name), name, number, last)

    def wrap(self, master: bytes) -> bytes:
        """The key, encrypted under the master key (32 bytes), as it may be stored and published."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(master).encrypt(nonce, self.secret, b"wrap:" + self.kid.encode())

    @classmethod
    def unwrap(cls, kid: str, wrapped: bytes, master: bytes) -> DataKey:
        """The inverse of `wrap`. Raises `Unreadable` under another master key."""
        try:
            secret = AESGCM(master).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], b"wrap:" + kid.encode())
        except (InvalidTag, ValueError):
            raise Unreadable(kid) from None
        return cls(kid, secret)


def seal_to_platform(plain: bytes, public: bytes, kid: str = PLATFORM_KID) -> SealedBox:
    """Seal bytes so that only the holder of the platform's private key opens them. `public` is 32 bytes, X25519."""
    return seal_together([plain], public, kid)[0]


def seal_together(plains: Sequence[bytes], public: bytes, kid: str = PLATFORM_KID) -> list[SealedBox]:
    """As `seal_to_platform`, for what travels in one message: a key is agreed on once, which is the costly part of
    sealing and of opening. Each box has a nonce of its own."""
    ephemeral = X25519PrivateKey.generate()
    key = DataKey(kid, _derive(ephemeral.exchange(X25519PublicKey.from_public_bytes(public)), kid))
    mine = base64.b64encode(ephemeral.public_key().public_bytes_raw()).decode()
    hybrid = {"sealed": "X25519-HKDF-SHA256-A256GCM", "ephemeral": mine}
    return [key.seal(plain).model_copy(update=hybrid) for plain in plains]


class PlatformKey:
    """The platform's key pair, to which agencies seal. `private` is 32 bytes, X25519."""

    def __init__(self, private: bytes, kid: str = PLATFORM_KID) -> None:
        self._private = X25519PrivateKey.from_private_bytes(private)
        self.kid = kid
        # A box is opened when it is checked and again when it is handled; agreeing on its key is the costly part.
        self._key_of = lru_cache(_REMEMBERED)(self._agree)

    @property
    def public(self) -> bytes:
        """What agencies are given: 32 bytes."""
        return self._private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    @property
    def private(self) -> bytes:
        """For another process of the same service: 32 bytes."""
        return self._private.private_bytes_raw()

    def open(self, box: SealedBox) -> bytes:
        """The plain bytes of a hybrid box. Raises `Unreadable`."""
        try:
            key = self._key_of(box.ephemeral or "", box.kid)
        except ValueError:
            raise Unreadable(box.kid) from None
        return _decrypt(key, box)

    def _agree(self, ephemeral: str, kid: str) -> bytes:
        theirs = X25519PublicKey.from_public_bytes(base64.b64decode(ephemeral, validate=True))
        return _derive(self._private.exchange(theirs), kid)


def _derive(shared: bytes, kid: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=_KEY, salt=None, info=b"vongtay seal " + kid.encode()).derive(shared)


def _decrypt(secret: bytes, box: SealedBox) -> bytes:
    try:
        text = base64.b64decode(box.text, validate=True)
        return AESGCM(secret).decrypt(text[:_NONCE], text[_NONCE:], box.kid.encode())
    except (InvalidTag, ValueError):
        raise Unreadable(box.kid) from None
