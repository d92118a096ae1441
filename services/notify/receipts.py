"""What the SMS gateway says by itself: which messages a telephone has, which never arrived, and what people answer.

A receipt is durable before the next one is taken; of a message that never arrived its owner is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from services.notify.channels.smpp import Receipt, Reply
from services.notify.desk.owners import Owners
from services.notify.desk.personal import Personal
from services.notify.store import endpoints, receipts
from shared.database import Database, is_passing
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import pause
from shared.reference.notify_keeping import NotifyKeepingByDay

_LOG = structlog.get_logger(__name__)
_EVERY_SECONDS = 1.0
_LONGEST_DELAY = 10.0


class Receipts:
    """Hears the gateway.

    Args:
        owners: hear of what never arrived. personal: acknowledges what somebody answers. number_key: by what a number
        is found. keeping: how long a receipt waits for its delivery.
    """

    def __init__(
        self,
        database: Database,
        owners: Owners,
        personal: Personal,
        number_key: Callable[[str], str],
        keeping: NotifyKeepingByDay,
        clock: Clock,
    ) -> None:
        self._database = database
        self._owners = owners
        self._personal = personal
        self._number_key = number_key
        self._keeping = keeping
        self._clock = clock

    async def hear(self, said: Receipt | Reply) -> None:
        """Take one thing that the gateway said; a database that is away is waited for, for it is said only once."""
        delay = _EVERY_SECONDS
        while True:
            try:
                if isinstance(said, Receipt):
                    await self._note(said)
                else:
                    await self._answer(said)
            except Exception as error:
                if not is_passing(error):
                    _LOG.error("sms.unheard", reason=type(error).__name__)
                    return
                _LOG.warning("sms.waiting", reason=type(error).__name__, seconds=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY)
            else:
                return

    async def receipts(self, stop: asyncio.Event) -> None:
        """Bring receipts and deliveries together until `stop`."""
        while not stop.is_set():
            try:
                await self.once()
            except Exception as error:
                if not is_passing(error):
                    raise
                _LOG.warning("sms.waiting", reason=type(error).__name__)
            await pause(stop, _EVERY_SECONDS)

    async def once(self) -> None:
        """One round."""
        now = self._clock()
        async with self._database.transaction() as connection:
            scope = Scope("notify", connection, now)
            for outcome in await receipts.settle(connection, now):
                lost = outcome.lost
                endpoint = await endpoints.find(connection, lost.endpoint_id) if lost else None
                if lost is not None and endpoint is not None:
                    await self._owners.given_up(scope, endpoint, [lost])
            await receipts.forget(connection, now - self._keeping.on(now).receipts)
            await scope.flush()

    async def _note(self, said: Receipt) -> None:
        async with self._database.transaction() as connection:
            await receipts.hear(connection, said.reference, said.state, self._clock())

    async def _answer(self, said: Reply) -> None:
        async with self._database.transaction() as connection:
            people = await receipts.people_at(connection, self._number_key(said.number))
        await self._personal.acknowledge_by_reply(people, said.text)
