"""The process of a pass (`shared.apart`): does what is left of the one that was asked for, then ends."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.registry.bulk.sweeping import sweep
from shared.apart import do_orders, end_with_starter
from shared.database import Database


async def _main(orders: dict[str, Any]) -> None:
    end_with_starter()
    database = Database(orders["url"], pool_size=2)
    try:
        await sweep(database, lambda: datetime.now(UTC), Path(orders["folder"]))
    finally:
        await database.close()


if __name__ == "__main__":
    do_orders(_main)
