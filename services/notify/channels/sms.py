"""SMS to people, through the province's gateway: what happened in a few words, by when, one link; nothing of the child.

That the gateway took it does not mean that a telephone has it: the gateway tells later, and `services.notify.receipts`
hears it. The number is in memory while a message is sent, and in no log.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from services.notify.channels.smpp import Gateway, GatewayAwayError, Submission, Submitted
from services.notify.channels.wording import UnitName, said_of
from services.notify.domain import Attempt
from services.notify.domain.sms import alphabet_of, parts_of
from services.notify.store.deliveries import Delivery, Target
from services.notify.texts import Texts
from shared.messaging.outbox import OutboxRow

# SMPP 3.4, 5.1.3: what the gateway says when it has too much to do, and of a number that there is not.
_BUSY: Final = frozenset({0x14, 0x58})
_NO_SUCH_NUMBER: Final = frozenset({0x0B})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
# Left of the time of an attempt, a part is still worth beginning.
_WORTH_SECONDS = 0.5


class SmsChannel:
    """Hands short texts to the gateway.

    Args:
        gateway: a session with it. per_second: messages a second at most, as the contract with the gateway says.
        timeout: seconds for one delivery. window: messages on their way at once.
    """

    writes: bool = False

    def __init__(
        self, gateway: Gateway, texts: Texts, unit_name: UnitName, *, per_second: float, timeout: float, window: int
    ) -> None:
        self.at_once: int | None = window
        self._gateway = gateway
        self._texts = texts
        self._unit_name = unit_name
        self._pace = Pace(per_second)
        self._timeout = timeout

    async def open(self) -> None:
        """Bind to the gateway."""
        await self._gateway.open()

    async def close(self) -> None:
        """Unbind."""
        await self._gateway.close()

    async def send(self, delivery: Delivery, target: Target, now: datetime) -> Attempt:
        """One text to one number, in as many messages as it needs."""
        started = time.perf_counter()
        deadline = asyncio.get_running_loop().time() + self._timeout
        said = said_of(delivery, self._unit_name, target.language)
        text = self._texts.sms(
            said.fields, target.language, said.link, unmarked=target.plain_sms, acknowledge=said.acknowledge
        ).text
        reference = hashlib.sha256(delivery.id.encode()).digest()[0]
        parts = parts_of(text, reference)
        references = []
        for part in parts:
            wanted = Submission(
                target.address, part, alphabet_of(text), len(parts) > 1, _valid_until(delivery.expires_at)
            )
            answer = await self._submit(wanted, deadline)
            if not isinstance(answer, Submitted):
                return Attempt("again", _since(started), reason=answer, retry_after=self._pace.pause, ours=True)
            if answer.status in _NO_SUCH_NUMBER:
                return Attempt("gone", _since(started), answer.status, reason="number-refused")
            if answer.status != 0:
                # The gateway is ours: what it refuses otherwise says nothing of the number.
                reason = f"smpp-{answer.status:#04x}"
                return Attempt("again", _since(started), answer.status, reason=reason, ours=True)
            if answer.reference:
                references.append(answer.reference)
        return Attempt("taken", _since(started), 0, references=tuple(references))

    def effect(self, delivery: Delivery, target: Target, now: datetime) -> OutboxRow | None:
        """Nothing beside the log."""
        return None

    async def _submit(self, wanted: Submission, deadline: float) -> Submitted | str:
        """One message; as long as the gateway is busy, again within the time. Out: its answer, or why there is none."""
        loop = asyncio.get_running_loop()
        while True:
            if not await self._pace.turn(deadline - _WORTH_SECONDS):
                return "gateway-busy"
            try:
                answer = await self._gateway.submit(wanted, deadline - loop.time())
            except GatewayAwayError:
                return "gateway-unreachable"
            if answer.status not in _BUSY:
                self._pace.free()
                return answer
            self._pace.busy()


class Pace:
    """How fast the gateway is spoken to: never faster than agreed, and not at all for a while after it said "too much".

    Args:
        per_second: messages a second; 0: no limit.
    """

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._pause = 0.0

    @property
    def pause(self) -> timedelta | None:
        """How long the gateway is being left in peace; None where it is not."""
        return timedelta(seconds=self._pause) if self._pause else None

    async def turn(self, deadline: float) -> bool:
        """Wait for one's turn. In: the loop's time until which it is worth it. Out: whether it came."""
        loop = asyncio.get_running_loop()
        at = max(self._next, loop.time())
        if at > deadline:
            return False
        self._next = at + self._gap
        await asyncio.sleep(at - loop.time())
        return True

    def busy(self) -> None:
        """It said that it has too much to do: everybody waits, each time longer."""
        self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
        self._next = max(self._next, asyncio.get_running_loop().time() + self._pause)

    def free(self) -> None:
        """It took something."""
        self._pause = 0.0


def _valid_until(moment: datetime | None) -> str:
    """Until when the gateway tries, as SMPP 3.4, 7.1.1 writes it: what comes later would be wrong by then."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%y%m%d%H%M%S") + "000+"


def _since(started: float) -> int:
    return int((time.perf_counter() - started) * 1000)
