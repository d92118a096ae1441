"""That an address is theirs who named it: a person types the code that arrived there, a program answers a signed
challenge with 2xx.

A code is kept nowhere. It follows from the endpoint, the number of the request and a key, so it can be made again when
it is sent and when it is typed, and no log of deliveries has it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from shared.reference.notify_limits import NotifyLimits

CODE_TYPE: Final = "notify.address.code"
CHALLENGE_TYPE: Final = "notify.endpoint.challenge"
# All that an address is sent before it is proven.
PROVING_TYPES: Final = frozenset({CODE_TYPE, CHALLENGE_TYPE})
_DIGITS: Final = 6
_NO_DIGIT: Final = re.compile(r"\D")
Refused = Literal["code-wrong", "code-over", "code-spent", "again-too-soon", "address-too-often", "owner-too-often"]


@dataclass(frozen=True, slots=True)
class Proof:
    """The last request for an endpoint: its number, when it was made, until when a code holds, how often another was
    typed."""

    number: int
    sent_at: datetime
    until: datetime
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """How often proofs were asked for within the last day: for an address, whoever named it, and by an owner."""

    address: int = 0
    owner: int = 0


class Codes:
    """Makes codes.

    Args:
        key: of this deployment, for nothing else.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def code(self, endpoint_id: str, number: int) -> str:
        """The code of a request: six digits (RFC 4226's truncation of a longer digest)."""
        digest = hmac.digest(self._key, f"{endpoint_id}\x1f{number}".encode(), hashlib.sha256)
        start = digest[-1] & 0x0F
        value = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
        return f"{value % 10**_DIGITS:0{_DIGITS}d}"

    def refused(
        self, endpoint_id: str, proof: Proof | None, typed: str, now: datetime, limits: NotifyLimits
    ) -> Refused | None:
        """Why what somebody typed proves nothing; None: it is the code. Spaces and dashes do not matter."""
        if proof is None or not proof.sent_at <= now < proof.until:
            return "code-over"
        if proof.wrong >= limits.proof_wrong:
            return "code-spent"
        same = hmac.compare_digest(self.code(endpoint_id, proof.number), _NO_DIGIT.sub("", typed))
        return None if same else "code-wrong"


def may_ask(proof: Proof | None, asked: Asked, now: datetime, limits: NotifyLimits) -> Refused | None:
    """Why no proof is asked for now; None: it may be. An address is not to be molested by whoever names it."""
    if proof is not None and now < again_at(proof, limits):
        return "again-too-soon"
    if asked.address >= limits.proof_per_day:
        return "address-too-often"
    return "owner-too-often" if asked.owner >= limits.proof_owner_per_day else None


def again_at(proof: Proof, limits: NotifyLimits) -> datetime:
    """From when on another may be asked for."""
    return proof.sent_at + timedelta(seconds=limits.proof_again_seconds)


def holds_until(now: datetime, limits: NotifyLimits) -> datetime:
    """Until when a code holds, or a challenge is attempted."""
    return now + timedelta(minutes=limits.proof_minutes)
