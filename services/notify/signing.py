"""Signatures after the Standard Webhooks specification 1.0, and the sealing of what only we may read.

An endpoint has a shared secret (HMAC-SHA256, `v1`) or a key pair (ed25519, `v1a`); while it is being changed both the
old and the new one sign. Secrets and addresses lie sealed in this service's own database, and are never logged or
published.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.contracts.base import SealedBox
from shared.privacy import Keys
from shared.privacy.sealing import seal_to_platform

Scheme = Literal["v1", "v1a"]
SECRET_PREFIX = "whsec_"  # noqa: S105 - tells the kind, no secret
PRIVATE_PREFIX = "whsk_"
PUBLIC_PREFIX = "whpk_"
_SECRET_BYTES = 32
# The specification: a shared secret has 24 to 64 bytes.
_FEWEST_BYTES, _MOST_BYTES = 24, 64
_SEED_BYTES = 32
_PAIR_BYTES = 64


class Signer(Protocol):
    """Something that signs for one endpoint."""

    def sign(self, signed: bytes) -> str:
        """In: id, time and body, joined by full stops. Out: the signature with its identifier."""


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """HMAC-SHA256 with a secret that both sides have."""

    key: bytes = field(repr=False)

    def sign(self, signed: bytes) -> str:
        """A `v1` signature."""
        return "v1," + base64.b64encode(hmac.digest(self.key, signed, hashlib.sha256)).decode()


@dataclass(frozen=True, slots=True)
class KeyPair:
    """ed25519: the receiver only has the public key, and can forge nothing with it."""

    private: Ed25519PrivateKey = field(repr=False)

    def sign(self, signed: bytes) -> str:
        """A `v1a` signature."""
        return "v1a," + base64.b64encode(self.private.sign(signed)).decode()

    @property
    def public(self) -> str:
        """What the receiver checks with: `whpk_` and base64."""
        return PUBLIC_PREFIX + base64.b64encode(self.private.public_key().public_bytes_raw()).decode()


def new_secret(scheme: Scheme = "v1") -> str:
    """A fresh secret in the specification's form: `whsec_` or `whsk_`, and base64 of 32 random bytes."""
    prefix = SECRET_PREFIX if scheme == "v1" else PRIVATE_PREFIX
    return prefix + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signer_of(secret: str) -> Signer:
    """What signs with a secret. Errors: ValueError for what is none."""
    if secret.startswith(PRIVATE_PREFIX):
        raw = _decoded(secret.removeprefix(PRIVATE_PREFIX))
        if len(raw) not in {_SEED_BYTES, _PAIR_BYTES}:
            raise ValueError("An ed25519 key has 32 bytes, or 64 with its public one")
        # Other libraries keep the public key behind the seed.
        return KeyPair(Ed25519PrivateKey.from_private_bytes(raw[:_SEED_BYTES]))
    raw = _decoded(secret.removeprefix(SECRET_PREFIX))
    if not _FEWEST_BYTES <= len(raw) <= _MOST_BYTES:
        raise ValueError("A secret has 24 to 64 bytes")
    return SharedSecret(raw)


def shown(secret: str) -> str:
    """What the receiver is shown of a secret: the secret itself, or of a key pair the public key only."""
    signer = signer_of(secret)
    return signer.public if isinstance(signer, KeyPair) else secret


def scheme_of(secret: str) -> Scheme:
    """How a secret signs."""
    return "v1a" if secret.startswith(PRIVATE_PREFIX) else "v1"


def headers_of(message_id: str, at: datetime, body: bytes, signers: Sequence[Signer]) -> dict[str, str]:
    """The three headers. While a secret is being changed there are two signers, hence two signatures.

    Raises: ValueError for an id with a full stop, for it could shift what is signed.
    """
    if "." in message_id:
        raise ValueError("An id must not contain a full stop")
    timestamp = str(int(at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signer.sign(signed) for signer in signers),
    }


def _decoded(text: str) -> bytes:
    try:
        # Some write base64 without its padding.
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("The secret is not base64") from None


class Vault:
    """Seals endpoint addresses and secrets to the platform's own key."""

    def __init__(self, keys: Keys) -> None:
        self._key = keys.platform

    def seal(self, text: str) -> dict[str, str]:
        """A text as it may be stored."""
        return seal_to_platform(text.encode(), self._key.public, self._key.kid).model_dump(exclude_none=True)

    def open(self, stored: object) -> str:
        """The text again. Errors: `Unreadable`."""
        return self._key.open(SealedBox.model_validate(stored)).decode()
