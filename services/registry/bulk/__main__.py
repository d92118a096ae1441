"""The process of a pass (`shared.apart`): does what is left of the one that was asked for, then ends."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.registry.bulk.sweeping import sweep
from shared.apart import end_with_starter, read_orders
from shared.database import Database


async def _main(orders: dict[str, Any]) -> None:
    end_with_starter()
    database = Database(orders["url"], pool_size=2)
    try:
        await sweep(database, lambda: datetime.now(UTC), Path(orders["folder"]))
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(_main(read_orders()))
