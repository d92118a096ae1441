"""The link by which an emergency is acknowledged without a sign-in: it names a call, and nothing of anybody.

A link is the call's id, until when it is good, and a keyed digest of both. Whoever has it may do one thing, once: say
that it was received. That it is used once is the store's to keep; it never opens a case.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

_DIGEST = 12
_EPOCH_BYTES = 5


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a link says: which call, and until when it may be used."""

    call_id: str
    until: datetime


def link_of(ticket: Ticket, key: bytes) -> str:
    """The last part of the link: 44 characters, so that it fits into an SMS."""
    body = uuid.UUID(ticket.call_id).bytes + int(ticket.until.timestamp()).to_bytes(_EPOCH_BYTES, "big")
    return base64.urlsafe_b64encode(body + _digest(body, key)).decode().rstrip("=")


def ticket_of(text: str, key: bytes, now: datetime) -> Ticket | None:
    """In: the last part of a link. Out: its ticket; None where it was made up, changed, or is too old."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    body, digest = raw[:-_DIGEST], raw[-_DIGEST:]
    if len(body) != 16 + _EPOCH_BYTES or not hmac.compare_digest(digest, _digest(body, key)):
        return None
    until = datetime.fromtimestamp(int.from_bytes(body[16:], "big"), UTC)
    return Ticket(str(uuid.UUID(bytes=body[:16])), until) if now < until else None


def _digest(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"vongtay acknowledge\x00" + body, hashlib.sha256)[:_DIGEST]


# What somebody answers to an SMS, folded. One word alone may be short; in a sentence only what is plain counts, and no
# sentence that says "not": a child in danger is not left to a misread answer.
_ALONE = frozenset({"ok", "oke", "roi", "nhan", "co", "yes", "y", "1"})
_BEGINS = frozenset({"danhan", "xacnhan", "ok", "oke", "yes"})
_NOT = frozenset({"khong", "chua", "ko", "k", "no", "not"})
_WORD = re.compile(r"\w+")


def is_acknowledgement(folded: str) -> bool:
    """In: a reply's text, folded. Out: whether it plainly says "received"."""
    words = _WORD.findall(folded)
    if not words or _NOT & set(words):
        return False
    if len(words) == 1:
        return words[0] in _ALONE or words[0] in _BEGINS
    return words[0] in _BEGINS or "".join(words[:2]) in _BEGINS
