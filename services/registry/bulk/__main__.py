"""`python -m services.registry.bulk FOLDER`: does what is left of the pass that was asked for, then ends."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from services.registry.bulk.sweeping import URL, sweep
from shared.database import Database


async def _main() -> None:
    database = Database(os.environ[URL], pool_size=2)
    try:
        await sweep(database, lambda: datetime.now(UTC), Path(sys.argv[1]))
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(_main())
