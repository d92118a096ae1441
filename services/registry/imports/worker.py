"""An import in a process of its own, so that the pages stay quick; and the loop that starts one when a file waits.

The process is told what it needs through its standard input. It may be killed at any moment.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import structlog

from services.registry.imports.jobs import Jobs
from services.registry.store import imports as store
from shared.apart import do_orders, end_with_starter, run_apart
from shared.collecting import collect_seldom
from shared.database import Database
from shared.messaging.router import Clock
from shared.messaging.service import ServiceContext
from shared.messaging.waiting import either
from shared.privacy import Keys
from shared.reference.files import lay_over
from shared.reference.units import Units

_LOG = structlog.get_logger(__name__)
_LOCKS = 7_316_005
_LOOK_SECONDS = 2.0
_ATTEMPTS = 3
_MODULE = "services.registry.imports.worker"


@dataclass
class Importing:
    """Starts the machine's work on files that wait, one after the other.

    Args:
        context: the service's. folder: where its sealed files lie.
    """

    context: ServiceContext
    folder: Path
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _failed: Counter[str] = field(default_factory=Counter)

    async def importing(self, stop: asyncio.Event) -> None:
        """The loop. Files that another replica holds are left to it."""
        while not stop.is_set():
            self.wake.clear()
            async with self.context.database.transaction() as connection:
                waiting = [row for row in await store.waiting(connection) if (self.folder / row.id).is_file()]
            for row in waiting:
                if stop.is_set():
                    return
                if await self._work(row.id, stop) == 0:
                    self._failed.pop(row.id, None)
                else:
                    await self._broke(row.id, stop)
            if not waiting:
                await either(self.wake, stop, _LOOK_SECONDS)

    async def _work(self, import_id: str, stop: asyncio.Event) -> int:
        """Run the work in a process of its own, which ends with this one. Out: its exit code."""
        return await run_apart(_MODULE, self._orders(import_id), stop)

    async def _broke(self, import_id: str, stop: asyncio.Event) -> None:
        self._failed[import_id] += 1
        _LOG.error("import.broke", attempt=self._failed[import_id])
        if self._failed[import_id] < _ATTEMPTS:
            await either(asyncio.Event(), stop, _LOOK_SECONDS)
            return
        async with self.context.database.transaction() as connection:
            row = await store.find(connection, import_id, lock=True)
            if row is not None and row.works:
                state, problem = _AFTER_BREAKING.get(row.state, ("refused", _BROKE))
                await store.change(connection, import_id, self.context.clock(), state=state, problem=problem)
        self._failed.pop(import_id, None)

    def _orders(self, import_id: str) -> dict[str, Any]:
        url = self.context.database.engine.url.render_as_string(hide_password=False)
        keys, settings = self.context.keys, self.context.settings
        return {
            "import_id": import_id,
            "url": url,
            "keys": keys.handed_over(),
            "folder": str(self.folder.resolve()),
            "reference": str(settings.reference_dir.resolve()) if settings.reference_dir else None,
        }


async def work(orders: dict[str, Any], clock: Clock) -> None:
    """Do what one import waits for, unless another process is at it."""
    collect_seldom(keep=False)
    if orders["reference"]:
        lay_over(Path(orders["reference"]))
    keys = Keys.taken_over(orders["keys"])
    dsn = orders["url"].replace("postgresql+asyncpg://", "postgresql://", 1)
    lock = await asyncpg.connect(dsn)
    database = Database(orders["url"], pool_size=3)
    try:
        # Held for as long as this connection lives, and so never longer than this process.
        if await lock.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", _LOCKS, orders["import_id"]):
            await Jobs(database, keys, Path(orders["folder"]), Units.load(), clock).run(orders["import_id"])
        else:
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        await database.close()
        await lock.close()


async def _main(orders: dict[str, Any]) -> None:
    end_with_starter()
    await work(orders, lambda: datetime.now(UTC))


_BROKE = {
    "rule": "machine",
    "vi": "Máy chủ gặp lỗi khi đọc tệp này. Phần đã nhận vẫn đúng; hãy thử tiếp tục, hoặc báo người quản trị.",
    "en": "The server failed at this file. What was taken over is right; try to go on, or tell the operator.",
    "row": None,
}

_UNDOING_BROKE = {
    "rule": "machine",
    "vi": "Máy chủ gặp lỗi khi hoàn tác. Phần đã rút lại vẫn đúng; hãy hoàn tác lần nữa, hoặc báo người quản trị.",
    "en": "The server failed while undoing. What was taken back is right; undo once more, or tell the operator.",
    "row": None,
}
# Half taken back, a file is not to be gone on with: only undone to its end.
_AFTER_BREAKING = {"taking": ("stopped", _BROKE), "undoing": ("finished", _UNDOING_BROKE)}

if __name__ == "__main__":
    do_orders(_main)
