"""How a receiver checks that a webhook is the platform's, fresh, and not one it has handled already.

By the Standard Webhooks specification: over id, time and the body's exact bytes, HMAC-SHA256 with a shared secret
(`v1`) or ed25519 with the platform's public key (`v1a`). It never parses a body whose signature does not fit.
"""

from __future__ import annotations

import base64
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

_ID, _TIME, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_KEPT_DAYS = 30
# As the specification's libraries allow; a message that is recorded and sent again later is refused.
_TOLERANCE_SECONDS = 300
_Check = Callable[[bytes, Mapping[str, str]], bool]
MAX_BODY_BYTES = 1_000_000


class NotGenuine(Exception):  # noqa: N818 - says what the message is
    """The message is not the platform's, is older than five minutes, or was changed on its way: answer 401."""


@dataclass(frozen=True, slots=True)
class Message:
    """One genuine message. `again`: it was handled before; answer 2xx and do nothing."""

    id: str
    type: str
    body: dict[str, Any]
    again: bool = False


class Receiver:
    """Checks messages and remembers their ids.

    Args:
        secrets: of the endpoint (`whsec_…`, or the public key `whpk_…`); two while it is being changed: the
            platform then signs with both.
        seen: the file that remembers handled ids, so that a restart handles none twice; in memory where None.

    Raises: `ValueError` where a secret is none.
    """

    def __init__(self, secrets: Sequence[str], seen: Path | None = None) -> None:
        if not secrets:
            raise ValueError("a receiver needs a secret")
        self._checks = [_check(secret) for secret in secrets]
        self._seen = sqlite3.connect(str(seen) if seen else ":memory:", isolation_level=None, check_same_thread=False)
        self._seen.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID")

    def check(self, body: bytes, headers: Mapping[str, str]) -> Message:
        """The message, when it is the platform's.

        Args:
            body: exactly the bytes that came. headers: as they came; upper and lower case do not matter.

        Raises: `NotGenuine`.
        """
        named = {name.lower(): value for name, value in headers.items()}
        if len(body) > MAX_BODY_BYTES or not any(check(body, named) for check in self._checks):
            raise NotGenuine
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise NotGenuine from None
        if not isinstance(document, dict):
            raise NotGenuine
        identifier = named[_ID]
        known = self._seen.execute("SELECT 1 FROM seen WHERE id = ?", (identifier,)).fetchone() is not None
        return Message(identifier, str(document.get("type", "")), document, known)

    def handled(self, message: Message) -> None:
        """Remember a message once its effect is safe: one that fails before comes again."""
        now = time.time()
        self._seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (message.id, now))
        # The platform gives a delivery up long before; ids need not be kept for ever.
        self._seen.execute("DELETE FROM seen WHERE at < ?", (now - _KEPT_DAYS * 86_400,))

    def close(self) -> None:
        """Close the file of handled ids."""
        self._seen.close()


def _check(secret: str) -> _Check:
    """How messages are checked with one secret or public key. Raises: `ValueError`."""
    if secret.startswith("whpk_"):
        return _with_public_key(Ed25519PublicKey.from_public_bytes(_decoded(secret.removeprefix("whpk_"))))
    if secret.startswith("whsk_"):
        raise ValueError("a receiver needs the public key (whpk_), never the secret one")
    return _with_secret(Webhook(_decoded(secret.removeprefix("whsec_"))))


def _decoded(text: str) -> bytes:
    coded = text.rstrip("=")
    try:
        key = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError("the secret must be whsec_ or whpk_ and base64")
    return key


def _with_secret(check: Webhook) -> _Check:
    def fits(body: bytes, headers: Mapping[str, str]) -> bool:
        try:
            check.verify(body, {name: headers.get(name, "") for name in (_ID, _TIME, _SIGNATURE)})
        except (WebhookVerificationError, ValueError, UnicodeError):
            return False
        return True

    return fits


def _with_public_key(key: Ed25519PublicKey) -> _Check:
    def fits(body: bytes, headers: Mapping[str, str]) -> bool:
        identifier, at = headers.get(_ID, ""), headers.get(_TIME, "")
        if not identifier or not (at.isascii() and at.isdecimal()):
            return False
        if abs(time.time() - int(at[:15])) > _TOLERANCE_SECONDS:
            return False
        signed = f"{identifier}.{at}.".encode() + body
        return any(_signed_by(key, one, signed) for one in headers.get(_SIGNATURE, "").split(" "))

    return fits


def _signed_by(key: Ed25519PublicKey, signature: str, signed: bytes) -> bool:
    version, _, coded = signature.partition(",")
    if version != "v1a":
        return False
    try:
        key.verify(base64.b64decode(coded, validate=True), signed)
    except (InvalidSignature, ValueError):
        return False
    return True
