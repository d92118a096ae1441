"""A push service and a browser behind it: the service checks who sends, the browser decrypts what it gets."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def coded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


@dataclass
class Browser:
    """One subscription. It decrypts by RFC 8291 and RFC 8188 written out here, not by the platform's library."""

    endpoint: str
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = b"0123456789abcdef"

    @property
    def point(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def to_json(self) -> str:
        """As `PushSubscription.toJSON()`."""
        keys = {"p256dh": coded(self.point), "auth": coded(self.auth)}
        return json.dumps({"endpoint": self.endpoint, "expirationTime": None, "keys": keys})

    def read(self, body: bytes) -> bytes:
        """The plain text of one record."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert length == 65
        assert len(record) <= size
        shared = self.private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        key = _derived(shared, self.auth, b"WebPush: info\0" + self.point + sender, 32)
        content = _derived(key, salt, b"Content-Encoding: aes128gcm\0", 16)
        nonce = _derived(key, salt, b"Content-Encoding: nonce\0", 12)
        plain = AESGCM(content).decrypt(nonce, record, None).rstrip(b"\0")
        assert plain[-1] == 2  # the last record
        return plain[:-1]


@dataclass
class PushService:
    """What came, and how it answers; `statuses` are used up first."""

    key: str = ""
    port: int = 0
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    refused: int = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def browser(self) -> Browser:
        """A browser that subscribed here."""
        return Browser(f"{self.origin}/push/abc")

    async def handle(self, request: web.Request) -> web.Response:
        """RFC 8030, 5: takes a message from who may send it."""
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not self._genuine(headers) or headers.get("content-encoding") != "aes128gcm" or "ttl" not in headers:
            self.refused += 1
            return web.Response(status=403)
        if len(body) > 4096:
            return web.Response(status=413)
        self.requests.append((headers, body))
        status = self.statuses.pop(0) if self.statuses else 201
        return web.Response(status=status, headers={"location": f"{self.origin}/m/1", **self.headers})

    def _genuine(self, headers: dict[str, str]) -> bool:
        """RFC 8292: a token for this origin, signed with the key that the browser was given."""
        scheme, _, said = headers.get("authorization", "").partition(" ")
        parts = dict(part.strip().split("=", 1) for part in said.split(",") if "=" in part)
        if scheme.lower() != "vapid" or parts.get("k") != self.key:
            return False
        head, claims, signature = parts["t"].split(".")
        octets = raw(signature)
        der = encode_dss_signature(int.from_bytes(octets[:32], "big"), int.from_bytes(octets[32:], "big"))
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw(self.key)).verify(
                der, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256())
            )
        except InvalidSignature:
            return False
        known: dict[str, Any] = json.loads(raw(claims))
        return (
            json.loads(raw(head))["alg"] == "ES256"
            and known["aud"] == self.origin
            and known["sub"].startswith("mailto:")
        )


@asynccontextmanager
async def push_service() -> AsyncIterator[PushService]:
    """A running push service, in the test's own loop."""
    made = PushService()
    app = web.Application()
    app.router.add_post("/{path:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()
