"""Web push to people's browsers (RFC 8030), encrypted so that the push service reads nothing (RFC 8291), signed with
this deployment's key (VAPID, RFC 8292).

What is shown on a locked screen says what happened and by when; nothing of the child. The address belongs to a company
abroad: it learns that a browser was called, and when.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from datetime import UTC, datetime
from typing import Final

import http_ece
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02
from yarl import URL

from services.notify.addresses import PushSubscription
from services.notify.channels.http import Caller, Guarding
from services.notify.channels.wording import UnitName, said_of
from services.notify.domain import Attempt
from services.notify.store.deliveries import Delivery, Target
from services.notify.texts import Texts
from shared.messaging.outbox import OutboxRow

# The browser's subscription is over (RFC 8030, 7.3 and 8.1).
_GONE: Final = frozenset({404, 410})
# RFC 8292, 2: a token is good for at most 24 hours; a new one is made in time.
_TOKEN_SECONDS = 12 * 3600
_RENEWED_BEFORE = 3600
# Where nothing says how long: a push service keeps it for a browser that is switched off.
_KEPT_SECONDS = 3 * 24 * 3600
_ORDER: Final = int("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", 16)


def key_pair(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """The key by which push services know this deployment. In: a secret of its own, so that replicas agree."""
    return ec.derive_private_key(
        int.from_bytes(hashlib.sha512(seed).digest(), "big") % (_ORDER - 1) + 1, ec.SECP256R1()
    )


def public_key(private: ec.EllipticCurvePrivateKey) -> str:
    """What a browser is given when it subscribes (`applicationServerKey`)."""
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).decode().rstrip("=")


class PushChannel:
    """Hands messages to browsers' push services.

    Args:
        private: this deployment's key. contact: where a push service finds who sends (`mailto:` or `https:`).
        guarding: what requests may reach. timeout: seconds for one.
    """

    at_once: int | None = None
    writes: bool = False

    def __init__(
        self,
        private: ec.EllipticCurvePrivateKey,
        contact: str,
        texts: Texts,
        unit_name: UnitName,
        guarding: Guarding,
        timeout: float,
    ) -> None:
        self._vapid = Vapid02(private)
        self._contact = contact
        self._texts = texts
        self._unit_name = unit_name
        self._caller = Caller(guarding, timeout)
        # Signing is dear: one token serves all browsers of a push service.
        self._tokens: dict[str, tuple[str, float]] = {}

    async def open(self) -> None:
        """Open the session."""
        await self._caller.open()

    async def close(self) -> None:
        """Close the connections."""
        await self._caller.close()

    async def send(self, delivery: Delivery, target: Target, now: datetime) -> Attempt:
        """One message to one browser."""
        try:
            browser = PushSubscription.model_validate_json(target.address)
            body = sealed(self.payload(delivery, target), browser)
        except ValueError:
            return Attempt("gone", 0, reason="address-refused")
        headers = {
            "content-type": "application/octet-stream",
            "content-encoding": "aes128gcm",
            "ttl": str(_left(delivery.expires_at, now)),
            "urgency": "high" if delivery.urgent else "normal",
            # A message that is sent again takes the place of the first, where that still waits.
            "topic": base64.urlsafe_b64encode(hashlib.sha256(delivery.id.encode()).digest()[:24]).decode(),
            "authorization": self._token(browser.endpoint),
        }
        return await self._caller.post(browser.endpoint, body, headers, now, _GONE)

    def payload(self, delivery: Delivery, target: Target) -> bytes:
        """What the service worker shows."""
        said = said_of(delivery, self._unit_name, target.language)
        title = self._texts.title(said.fields, target.language)
        due = self._texts.by_when(said.fields.event_type, said.fields.due)
        shown = {
            "title": title,
            "body": self._texts.part("by-when", said.fields, target.language) if due else "",
            "link": said.acknowledge or said.link,
            "tag": delivery.message_id,
            "urgent": delivery.urgent,
            "lang": target.language,
        }
        return orjson.dumps(shown)

    def effect(self, delivery: Delivery, target: Target, now: datetime) -> OutboxRow | None:
        """Nothing beside the log."""
        return None

    def _token(self, endpoint: str) -> str:
        """The Authorization header for a push service."""
        audience = str(URL(endpoint).origin())
        known = self._tokens.get(audience)
        if known is None or known[1] - time.time() < _RENEWED_BEFORE:
            until = time.time() + _TOKEN_SECONDS
            claims = {"aud": audience, "exp": str(int(until)), "sub": self._contact}
            known = (str(self._vapid.sign(claims)["Authorization"]), until)
            if len(self._tokens) > 100:
                self._tokens.clear()  # anybody may name a push service; there are a handful
            self._tokens[audience] = known
        return known[0]


def sealed(payload: bytes, browser: PushSubscription) -> bytes:
    """A payload encrypted for one browser, one record of aes128gcm. Errors: ValueError for keys that are none."""
    body = http_ece.encrypt(
        payload,
        salt=os.urandom(16),
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=browser.public(),
        auth_secret=browser.auth(),
        version="aes128gcm",
    )
    return bytes(body)


def _left(expires_at: datetime | None, now: datetime) -> int:
    """How long the push service keeps it, in seconds."""
    if expires_at is None:
        return _KEPT_SECONDS
    return max(0, int((expires_at.astimezone(UTC) - now).total_seconds()))
