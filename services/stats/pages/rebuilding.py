"""Counting anew, for whoever keeps the platform up: how far it is, what differs before anything is swapped, and how
finely the past is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.responses import RedirectResponse

from services.stats import views
from services.stats.upkeep.checking import Upkeep
from services.stats.upkeep.compacting import Compacting
from services.stats.upkeep.rebuild import Rebuild
from shared.identity import Operator
from shared.web.forms import form_of
from shared.web.pages import Pages

_PATH: Final = "/stats/rebuild"


class RebuildPages:
    """Route `/stats/rebuild`.

    Args:
        rebuild, compacting, upkeep: what is shown. pages: renders.
    """

    def __init__(self, rebuild: Rebuild, compacting: Compacting, upkeep: Upkeep, pages: Pages) -> None:
        self._rebuild = rebuild
        self._compacting = compacting
        self._upkeep = upkeep
        self._pages = pages
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/rebuild", self.show, methods=["GET"])
        self.router.add_api_route("/rebuild", self.act, methods=["POST"])

    async def show(self, request: Request, _operator: Operator) -> Response:
        """How it stands."""
        state = await self._rebuild.state()
        history = await self._compacting.state()
        since = history.get("every_moment_from")
        return self._pages.render(
            request,
            "stats/rebuild.html",
            state=state,
            done=round(100 * state["done"] / state["total"]) if state["total"] else 0,
            ended=_moment(state.get("finished_at")),
            reason=views.REBUILD_REASONS.get(state.get("reason", ""), ""),
            history=history,
            history_state=views.COMPACTION_STATES[history["state"]],
            since=_moment(since),
            ends=[views.ENDS_OF[span] for span in history["ends_of"]],
            checked=await self._upkeep.last_check(),
        )

    async def act(self, request: Request, _operator: Operator) -> Response:
        """Begin, or answer one that waits."""
        act = (await form_of(request)).get("act", "")
        if act in {"swap", "drop"}:
            await self._rebuild.answer(act)
        elif act == "start":
            await self._rebuild.start(asks=True)
        return RedirectResponse(_PATH, 303)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
