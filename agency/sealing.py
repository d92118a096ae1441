"""Seals an event's personal fields to the platform's public key, before it is written anywhere or sent.

It never opens anything: an agency holds no private key of the platform.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import orjson

from shared.contracts.base import CONTRACTS
from shared.privacy.keys import as_box
from shared.privacy.sealing import seal_together


def sealed(document: dict[str, Any], public_key: bytes, key_id: str) -> dict[str, Any]:
    """In: a structured CloudEvent; the platform's public key (32 bytes, X25519) and its name. Out: the same event with
    every personal field sealed. What is no event of a known type is returned as it is, for the platform to refuse."""
    model = CONTRACTS.get(str(document.get("type")))
    data = document.get("data")
    if model is None or not isinstance(data, dict):
        return document
    plain = {
        name: orjson.dumps(data[name])
        for name in model.sealed_fields()
        if data.get(name) is not None and as_box(data[name]) is None
    }
    if not plain:
        return document
    boxes = seal_together(list(plain.values()), public_key, key_id)
    sealed_data = {name: box.model_dump(exclude_none=True) for name, box in zip(plain, boxes, strict=True)}
    return document | {"data": data | sealed_data}


def content_digest(document: dict[str, Any], pepper: bytes) -> bytes | None:
    """What makes two events the same to the spool: source, id and plain content, keyed so that it tells nothing.

    None for what has no id or source: such things are never the same.
    """
    source, identifier = document.get("source"), document.get("id")
    if not isinstance(source, str) or not isinstance(identifier, str) or not identifier:
        return None
    said = [source, identifier, document.get("type"), document.get("data")]
    return hmac.new(pepper, orjson.dumps(said, option=orjson.OPT_SORT_KEYS), hashlib.sha256).digest()
