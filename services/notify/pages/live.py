"""The inbox while it is open: a new notice reaches the page of everybody it is for, from whichever replica wrote it.

It must never render for a page that nobody has open.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from services.notify.domain import audiences_of
from services.notify.store import waking
from shared.database import Database
from shared.identity import Principal
from shared.messaging.listening import listen
from shared.messaging.waiting import either, pause
from shared.web.i18n import Language
from shared.web.live import Hub, live_response

_GATHER_SECONDS = 0.1
_IDLE_SECONDS = 60.0
# A page that has just asked for its stream is not in the hub for a moment.
_OPENING_SECONDS = 60.0
Render = Callable[[Principal, Language], Awaitable[str]]


class LiveInbox:
    """Publishes a person's list to their open pages.

    Args:
        render: a person's list as HTML. all_units: codes that "everywhere" stands for.
    """

    def __init__(self, database: Database, render: Render, all_units: tuple[str, ...]) -> None:
        self._database = database
        self._render = render
        self._all_units = all_units
        self._watching: dict[str, tuple[Principal, Language, frozenset[str], float]] = {}
        self._told: set[str | None] = set()
        self._wake = asyncio.Event()
        self.hub = Hub()

    def topic(self, principal: Principal, language: Language) -> str:
        """The name of a person's list. It shows in the page, so it is not their id."""
        return f"inbox/{hashlib.sha256(principal.id.encode()).hexdigest()[:24]}/{language}"

    def stream(self, request: Request, principal: Principal, language: Language) -> Response:
        """The open page's stream: this person's topic only."""
        topic = self.topic(principal, language)
        audiences = frozenset(audiences_of(principal, self._all_units))
        self._watching[topic] = (principal, language, audiences, asyncio.get_running_loop().time())
        return live_response(request, self.hub, [topic])

    async def live_inbox(self, stop: asyncio.Event) -> None:
        """Run until `stop`: hear of notices, gather for a moment, render for who watches."""

        def heard(_channel: str, audience: str | None) -> None:
            self._told.add(audience)
            self._wake.set()

        listening = asyncio.create_task(listen(self._database, [waking.NOTICED], heard, stop))
        try:
            while not stop.is_set():
                await either(self._wake, stop, _IDLE_SECONDS)
                if stop.is_set():
                    return
                if not self._wake.is_set():
                    continue
                await pause(stop, _GATHER_SECONDS)
                self._wake.clear()
                told, self._told = self._told, set()
                await self._publish(told)
        finally:
            self.hub.close()
            listening.cancel()

    async def _publish(self, told: set[str | None]) -> None:
        now = asyncio.get_running_loop().time()
        for topic, (principal, language, audiences, since) in list(self._watching.items()):
            if not self.hub.watched(topic) and now - since > _OPENING_SECONDS:
                del self._watching[topic]
            elif None in told or told & audiences:  # None: nobody knows whom, the connection was away
                self.hub.publish(topic, await self._render(principal, language))
