"""Signatures after the Standard Webhooks specification 1.0 (symmetric, v1), and the sealing of what only we may read.

Secrets and addresses lie sealed in this service's own database, and are never logged or published.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime

from shared.contracts.base import SealedBox
from shared.privacy import Keys
from shared.privacy.sealing import seal_to_platform

SECRET_PREFIX = "whsec_"  # noqa: S105 - tells the kind, no secret
_SECRET_BYTES = 32


def new_secret() -> str:
    """A fresh endpoint secret in the specification's form: `whsec_` and base64 of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The bytes of a secret. Errors: ValueError."""
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("The secret is not base64") from None


def headers_of(message_id: str, at: datetime, body: bytes, keys: tuple[bytes, ...]) -> dict[str, str]:
    """The three headers. While a secret is being changed there are two keys, hence two signatures."""
    timestamp = str(int(at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


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
