"""The demo's partner with an agreement of its own, and what is sealed to it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared.contracts.envelope import Envelope
from shared.contracts.sealed import ChildContentSealed
from shared.messaging.processing import Record
from shared.privacy.sealing import seal_to_platform
from tests.integration.notify_house import AGREEMENT, UNIT, House

TERMS = {
    "org": "mai-am-hy-vong",
    "purpose": "service",
    "legal_basis": "contract",
    "event_types": ["cases.task.*", "registry.child.registered"],
    "units": [UNIT],
    "fields": ["registry.child.registered:child.name"],
    "valid_from": "2026-01-01",
    "valid_until": "2027-06-30",
    "reference": "12/TT-SYT",
}


async def sign(house: House, public: bytes) -> dict[str, Any]:
    """The only agreement of the demo's partner: proposed, signed, and another one ended."""
    async with house.client("ha.coordinator") as coordinator:
        await coordinator.api(f"/agreements/{AGREEMENT}/end", {"reason": "thay bằng thỏa thuận mới"})
        proposed = await coordinator.api("/agreements", TERMS)
    async with house.client("yen.partner") as partner:
        assert (await partner.try_api(f"/agreements/{proposed['id']}/accept", {})).status_code == 422
        body = {"public_key": base64.b64encode(public).decode()}
        signed: dict[str, Any] = await partner.api(f"/agreements/{proposed['id']}/accept", body)
    return signed


async def hear_sealed(house: House, event_id: str, data: Any, at: datetime) -> None:
    event = Envelope(event_id, "/services/registry", data.TYPE, "k1", at, data.model_dump_json().encode(), sequence=1)
    record = Record("sealed.contents.v1", 0, len(event_id), "k1", event.data, tuple(event.headers()))
    await house.processor.handle([record])


def content(agreement: dict[str, Any], private: X25519PrivateKey, kid: str, **more: Any) -> ChildContentSealed:
    box = seal_to_platform(b'{"child.name":"X"}', private.public_key().public_bytes_raw(), kid)
    said = {
        "agreement_id": agreement["id"], "org": agreement["org"], "event_source": "/services/registry",
        "event_id": "r1", "event_type": "registry.child.registered", "event_time": datetime.now(UTC),
        "fields": ["child.name"], "box": box, "unit": UNIT, "child_id": "k1", **more,
    }  # fmt: skip
    return ChildContentSealed.model_validate(said)


async def agreed_key(house: House) -> tuple[dict[str, Any], X25519PrivateKey, str]:
    """As `sign`, with a key of its own. Out: the agreement, the private key, the name under which it is sealed to."""
    private = X25519PrivateKey.generate()
    signed = await sign(house, private.public_key().public_bytes_raw())
    return signed, private, next(o["kid"] for o in await house.published("notify.agreement.changed") if o.get("kid"))
