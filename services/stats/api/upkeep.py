"""Upkeep as JSON: how far all is counted, whether it is right, and the operators' rebuild and compacting."""

from __future__ import annotations

from typing import Any

from aiokafka.errors import KafkaError
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from services.stats.api.figures import Overseer, Reader
from services.stats.upkeep.checking import Upkeep
from services.stats.upkeep.compacting import Compacting
from services.stats.upkeep.progress import Progress, as_json
from services.stats.upkeep.rebuild import Rebuild
from shared.contracts.errors import Violation
from shared.identity import Operator


class UpkeepApi:
    """Routes below `/stats`: `api/progress`, `api/check` and `ops/…`.

    Args:
        progress: how far is counted. rebuild, upkeep, compacting: what is asked about, and told to begin.
    """

    def __init__(self, progress: Progress, rebuild: Rebuild, upkeep: Upkeep, compacting: Compacting) -> None:
        self._progress = progress
        self._rebuild = rebuild
        self._upkeep = upkeep
        self._compacting = compacting
        self.router = APIRouter()
        self.router.add_api_route("/api/progress", self.counted, methods=["GET"])
        self.router.add_api_route("/api/check", self.checked, methods=["GET"])
        self.router.add_api_route("/ops/check", self.check, methods=["POST"])
        self.router.add_api_route("/ops/rebuild", self.start_rebuild, methods=["POST"])
        self.router.add_api_route("/ops/rebuild", self.rebuild_state, methods=["GET"])
        self.router.add_api_route("/ops/rebuild/swap", self.swap, methods=["POST"])
        self.router.add_api_route("/ops/rebuild/drop", self.drop, methods=["POST"])
        self.router.add_api_route("/ops/history", self.history, methods=["GET"])
        self.router.add_api_route("/ops/history", self.compact, methods=["POST"])

    async def counted(self, _principal: Overseer) -> Response:
        """How far each partition is counted, and its end."""
        try:
            partitions = as_json(await self._progress.partitions())
            return JSONResponse(partitions | {"history": await self._progress.history()})
        except (KafkaError, OSError, TimeoutError):
            away = Violation("kafka", "try-again", "Kafka tạm thời không trả lời.", "Kafka does not answer.")
            return JSONResponse({"violations": [away.as_dict()]}, 503, {"Retry-After": "5"})

    async def checked(self, _principal: Reader) -> dict[str, Any]:
        """When all figures were last compared with what they are made of, and what differed; empty: not yet."""
        return await self._last_check()

    async def check(self, _operator: Operator) -> dict[str, Any]:
        """Compare all figures with what they are made of, now; what another replica finds where one is at it."""
        await self._upkeep.check()
        return await self._last_check()

    async def start_rebuild(self, _operator: Operator, ask: bool = False) -> dict[str, Any]:
        """Begin counting everything anew beside the live figures; the state of the one that runs where one does. `ask`:
        where figures differ, they are not swapped before somebody answers."""
        return await self._rebuild.start(asks=ask)

    async def rebuild_state(self, _operator: Operator) -> dict[str, Any]:
        """How far the rebuild is, and what it, or the last one, found."""
        return await self._rebuild.state()

    async def swap(self, _operator: Operator) -> dict[str, Any]:
        """Let a rebuild that waits take the place of the live figures."""
        return await self._rebuild.answer("swap")

    async def drop(self, _operator: Operator) -> dict[str, Any]:
        """Keep the live figures, and forget a rebuild that waits."""
        return await self._rebuild.answer("drop")

    async def history(self, _operator: Operator) -> dict[str, Any]:
        """How finely history is kept, and how far compacting it is."""
        return await self._compacting.state()

    async def compact(self, _operator: Operator) -> dict[str, Any]:
        """Look now whether something is older than is kept finely; once a month that is looked at by itself."""
        return await self._compacting.start()

    async def _last_check(self) -> dict[str, Any]:
        known = await self._upkeep.last_check()
        if known is None:
            return {}
        return {"checked_at": known.at.isoformat(), "agree": not known.differing, "differing": known.found}
