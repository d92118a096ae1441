"""Counting anew, for whoever keeps the platform up: how far it is, what differs before anything is swapped, and how
finely the past is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.responses import RedirectResponse

from services.stats import views
from services.stats.upkeep.checking import Upkeep
from services.stats.upkeep.compacting import Compacting
from services.stats.upkeep.rebuild import Rebuild
from shared.database import is_passing
from shared.identity import Operator
from shared.messaging.waiting import either
from shared.web.forms import form_of
from shared.web.i18n import LANGUAGES, Language
from shared.web.live import Hub, live_response
from shared.web.pages import Pages, language_of

_PATH: Final = "/stats/rebuild"
# While somebody watches one that goes on, and while nobody does.
_LOOK_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 30.0
# A stream that was just asked for does not watch yet.
_OPENING_SECONDS: Final = 10.0


class RebuildPages:
    """Routes `/stats/rebuild` and `/stats/rebuild/live`: how far it is, as it goes on.

    Args:
        rebuild, compacting, upkeep: what is shown. pages: renders.
    """

    def __init__(self, rebuild: Rebuild, compacting: Compacting, upkeep: Upkeep, pages: Pages) -> None:
        self._rebuild = rebuild
        self._compacting = compacting
        self._upkeep = upkeep
        self._pages = pages
        self._hub = Hub(per_second=2 / _LOOK_SECONDS)
        self._wake = asyncio.Event()
        self._opened_at = float("-inf")
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/rebuild", self.show, methods=["GET"])
        self.router.add_api_route("/rebuild/live", self.live, methods=["GET"])
        self.router.add_api_route("/rebuild", self.act, methods=["POST"])

    async def show(self, request: Request, _operator: Operator) -> Response:
        """How it stands."""
        state = await self._rebuild.state()
        history = await self._compacting.state()
        since = history.get("every_moment_from")
        return self._pages.render(
            request,
            "stats/rebuild.html",
            **_shown(state),
            topic=_topic(language_of(request)),
            history=history,
            history_state=views.COMPACTION_STATES[history["state"]],
            since=_moment(since),
            ends=[views.ENDS_OF[span] for span in history["ends_of"]],
            checked=await self._upkeep.last_check(),
        )

    async def live(self, request: Request, _operator: Operator) -> Response:
        """The open page's stream: how far it is, and how it ended."""
        language = language_of(request)
        # What a page was told of an earlier one is not said again.
        self._publish(await self._rebuild.state(), language)
        self._opened_at = time.monotonic()
        self._wake.set()
        return live_response(request, self._hub, [_topic(language)])

    async def follow(self, stop: asyncio.Event) -> None:
        """Run until `stop`: tell open pages how far it is; one question for all of them, none while there are none."""
        try:
            while not stop.is_set():
                watched = [language for language in LANGUAGES if self._hub.watched(_topic(language))]
                opening = time.monotonic() - self._opened_at < _OPENING_SECONDS
                await either(self._wake, stop, _LOOK_SECONDS if watched or opening else _IDLE_SECONDS)
                self._wake.clear()
                if watched and not stop.is_set():
                    try:
                        state = await self._rebuild.state()
                    except Exception as error:
                        if not is_passing(error):
                            raise
                        continue
                    for language in watched:
                        self._publish(state, language)
        finally:
            if stop.is_set():
                self._hub.close()

    def _publish(self, state: Mapping[str, Any], language: Language) -> None:
        self._hub.publish(_topic(language), self._pages.fragment("stats/_rebuild.html", language, **_shown(state)))

    async def act(self, request: Request, _operator: Operator) -> Response:
        """Begin, or answer one that waits."""
        act = (await form_of(request)).get("act", "")
        if act in {"swap", "drop"}:
            await self._rebuild.answer(act)
        elif act == "start":
            await self._rebuild.start(asks=True)
        return RedirectResponse(_PATH, 303)


def _topic(language: Language) -> str:
    return f"rebuild/{language}"


def _shown(state: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a rebuild."""
    return {
        "state": state,
        "done": round(100 * state["done"] / state["total"]) if state["total"] else 0,
        "ended": _moment(state.get("finished_at")),
        "reason": views.REBUILD_REASONS.get(state.get("reason", ""), ""),
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
