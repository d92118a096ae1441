"""Asks an address to prove whose it is, and takes the proof. Until then nothing else is queued for it.

It never keeps a code, and says nothing of an address to whoever does not own it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from services.notify.desk.queueing import Queueing
from services.notify.domain import PERSONAL, Addressed, ChannelName, Happening, Message, NotFoundError, owns, timed_id
from services.notify.domain.proving import (
    CHALLENGE_TYPE,
    CODE_TYPE,
    Codes,
    Proof,
    Refused,
    again_at,
    holds_until,
    may_ask,
)
from services.notify.store import proofs
from services.notify.store.endpoints import Endpoint
from shared.contracts.base import TYPE_PREFIX
from shared.contracts.errors import Rejected, Violation
from shared.database import Database
from shared.identity import Principal
from shared.messaging.router import Clock, Scope
from shared.reference.notify_limits import NotifyLimits, NotifyLimitsByDay
from shared.telemetry import current_traceparent


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the proof of an endpoint is, for its owner. `left`: how many codes may still be tried; `again_at`: from
    when on another may be asked for."""

    proof: Proof | None
    holds: bool
    left: int
    again_at: datetime | None


class Proving:
    """Does it.

    Args:
        key_of: by what an address is counted without being stored. open_target: opens an endpoint's sealed address.
        trusted: whether addresses come proven, as those of made-up people do.
    """

    def __init__(
        self,
        database: Database,
        queueing: Queueing,
        codes: Codes,
        limits: NotifyLimitsByDay,
        clock: Clock,
        base_url: str,
        *,
        key_of: Callable[[str], str],
        open_target: Callable[[Any], str],
        trusted: bool,
    ) -> None:
        self._database = database
        self._queueing = queueing
        self._codes = codes
        self._limits = limits
        self._clock = clock
        self._base_url = base_url
        self._key_of = key_of
        self._open_target = open_target
        self._trusted = trusted

    def comes_proven(self, channel: ChannelName) -> bool:
        """Whether there is nothing to prove: a partner's topic is the platform's own, and read with its password."""
        return self._trusted or channel == "kafka"

    async def begin(self, scope: Scope, endpoint_id: str, channel: ChannelName, target: str, owner: str) -> None:
        """Ask an address for a proof. Raises: `Rejected` where it was asked too often."""
        limits = self._limits.on(scope.now)
        address = self._key_of(target)
        asked = await proofs.asked(scope.connection, owner, address, scope.now)
        refused = may_ask(await proofs.last(scope.connection, endpoint_id, lock=True), asked, scope.now, limits)
        if refused is not None:
            raise Rejected([_said(refused, "target")])
        until = holds_until(scope.now, limits)
        number = await proofs.ask(scope.connection, endpoint_id, owner, address, scope.now, until)
        message = self._message(endpoint_id, channel, number, scope.now, until)
        await self._queueing.queue(scope, [message], [Addressed(message.id, endpoint_id, expires_at=until)])

    async def again(self, principal: Principal, endpoint: Endpoint) -> None:
        """Ask once more. Raises: `Rejected`; `NotFoundError` for whose it is not."""
        _require_owner(principal, endpoint)
        if endpoint.verified_at is not None:
            return
        async with self._database.transaction() as connection:
            scope = Scope("notify", connection, self._clock())
            target = self._open_target(endpoint.target)
            await self.begin(scope, endpoint.id, endpoint.channel, target, endpoint.audience)
            await scope.flush()

    async def prove(self, principal: Principal, endpoint: Endpoint, typed: str) -> None:
        """Take the code that somebody typed. Raises: `Rejected`; `NotFoundError` for whose it is not."""
        _require_owner(principal, endpoint)
        if endpoint.verified_at is not None:
            return
        now = self._clock()
        async with self._database.transaction() as connection:
            proof = await proofs.last(connection, endpoint.id, lock=True)
            refused = self._codes.refused(endpoint.id, proof, typed, now, self._limits.on(now))
            if endpoint.channel not in PERSONAL:
                refused = "code-over"  # a program answers its challenge
            if refused is None:
                await proofs.prove(connection, [endpoint.id], now)
            elif refused == "code-wrong":
                await proofs.note_wrong(connection, endpoint.id)
        if refused is not None:
            raise Rejected([_said(refused, "code")])

    async def standing(self, principal: Principal, endpoint: Endpoint) -> Standing | None:
        """How far the proof is; None where there is nothing to prove, or it is somebody else's."""
        if endpoint.verified_at is not None or not owns(principal, endpoint.org, endpoint.person):
            return None
        now = self._clock()
        limits: NotifyLimits = self._limits.on(now)
        async with self._database.transaction() as connection:
            proof = await proofs.last(connection, endpoint.id)
        if proof is None:
            return Standing(None, False, 0, None)
        left = max(limits.proof_wrong - proof.wrong, 0)
        later = again_at(proof, limits)
        return Standing(proof, now < proof.until and left > 0, left, later if later > now else None)

    def _message(self, endpoint_id: str, channel: ChannelName, number: int, now: datetime, until: datetime) -> Message:
        event_type = CODE_TYPE if channel in PERSONAL else CHALLENGE_TYPE
        happening = Happening(
            id=timed_id(now, "proof", endpoint_id, str(number)),
            event_type=event_type,
            time=now,
            unit=None,
            case_id=None,
            due=until,
            sector=None,
            codes={},
        )
        data: dict[str, Any] = {
            "event_id": happening.id,
            "due": until.isoformat(),
            "link": f"{self._base_url}/notify/subscriptions/{endpoint_id}",
        }
        if channel in PERSONAL:
            data["number"] = number
        document = {"type": TYPE_PREFIX + event_type, "timestamp": now.isoformat(), "data": data}
        return Message(happening, orjson.dumps(document, option=orjson.OPT_SORT_KEYS), current_traceparent())


def _require_owner(principal: Principal, endpoint: Endpoint) -> None:
    if not owns(principal, endpoint.org, endpoint.person) or endpoint.state == "deleted":
        raise NotFoundError(endpoint.id)


def _said(refused: Refused, field: str) -> Violation:
    return Violation(field, refused, *_REFUSED[refused])


_REFUSED: Final[dict[Refused, tuple[str, str]]] = {
    "code-wrong": ("Mã không đúng. Hãy xem lại tin mới nhất.", "That is not the code. Look at the newest message."),
    "code-over": ("Mã đã hết hạn. Hãy yêu cầu gửi mã mới.", "The code has expired. Ask for another one."),
    "code-spent": (
        "Đã nhập sai quá nhiều lần nên mã này không còn dùng được. Hãy yêu cầu gửi mã mới.",
        "It was typed wrongly too often, so this code holds no more. Ask for another one.",
    ),
    "again-too-soon": ("Vừa gửi xong. Hãy chờ một phút rồi thử lại.", "It was sent just now. Wait a minute, then try."),
    "address-too-often": (
        "Địa chỉ này đã được gửi quá nhiều lần trong 24 giờ qua. Hãy thử lại vào ngày mai.",
        "This address was sent too many within 24 hours. Try again tomorrow.",
    ),
    "owner-too-often": (
        "Anh chị đã yêu cầu xác minh quá nhiều lần trong 24 giờ qua. Hãy thử lại vào ngày mai.",
        "You have asked for too many within 24 hours. Try again tomorrow.",
    ),
}
