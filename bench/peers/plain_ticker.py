"""The plainest ticker, as most write it: every second it looks, and each due case has a transaction of its own."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

from services.cases.desk import Desk
from shared.database import Database
from shared.messaging.router import Scope
from shared.privacy import Keys, PlatformKey
from shared.reference.deadlines import Deadlines
from shared.reference.units import Units

EVERY_SECONDS = 1.0


async def run(url: str) -> None:
    """Tick until the process ends. In: SQLAlchemy URL of the cases database."""
    desk = Desk(Keys(b"b" * 32, PlatformKey(b"b" * 32)), Units.load(), Deadlines.load())
    database = Database(url)
    while True:
        async with database.transaction() as connection:
            scope = Scope("cases", connection, datetime.now(UTC))
            taken = await desk.cases.tick(scope, 1)
            await scope.flush()
        if not taken:
            await asyncio.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
