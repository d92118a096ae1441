"""What statistics do beside counting, over and over without a rest, as a process of its own: made to be killed.

In a running service each of these is done every few minutes or once a month; here nearly every moment lies in one.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

from services.stats.desk.freezing import Freezing
from services.stats.desk.periods import PURPOSE, Periods
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.releasing import Releasing
from services.stats.figures.taking import Taking
from services.stats.store.releases import Releases
from services.stats.thresholds import Watching
from services.stats.upkeep import compacting as compacting_module
from services.stats.upkeep.checking import Upkeep
from services.stats.upkeep.compacting import Compacting
from services.stats.upkeep.progress import Progress
from shared.contracts.errors import Rejected
from shared.database import Database, is_passing
from shared.identity import ALL_UNITS, Principal, Role
from shared.privacy.signing import SigningKey
from shared.runtime import keys_of
from shared.settings import Settings
from shared.web.pages import utc_now

COORDINATOR = Principal("coordinator", "C", Role.COORDINATOR, ALL_UNITS)
CLOSED = ("2026-08", "2026-09", "2026-10")


class Worker:
    """Everything with a clock, over one database."""

    def __init__(self, settings: Settings) -> None:
        assert settings.database_url is not None
        database = Database(settings.database_url.get_secret_value(), pool_size=5)
        evaluator = Evaluator()
        releasing = Releasing(Releases(), evaluator, evaluator.indicators)
        self.upkeep = Upkeep(database, utc_now)
        self.compacting = Compacting(database, utc_now, self.upkeep)
        self.compacting.size = 20
        self.watching = Watching(database, utc_now, evaluator)
        self.periods = Periods(
            database,
            utc_now,
            Freezing(database, evaluator, releasing),
            Taking(evaluator.count, evaluator, evaluator.indicators),
            self.upkeep,
            Progress(database, settings).history_holds_all,
            SigningKey(keys_of(settings).master, PURPOSE),
            evaluator.indicators,
        )

    async def do_something(self) -> None:
        """One of the things, at random. Raises what says that a part is away."""
        match random.randrange(4):
            case 0:
                await self.watching.look()
            case 1:
                await self.compacting.begin_where_due()
                await asyncio.wait_for(self.compacting.go_on(asyncio.Event()), 1)
            case 2:
                with contextlib.suppress(Rejected):
                    await self.periods.close(COORDINATOR, random.choice(CLOSED))
                await self.periods.look_after()
            case _:
                await self.upkeep.check()


async def main() -> None:
    """Until somebody kills it."""
    compacting_module._RESTS = 0  # type: ignore[misc]
    worker = Worker(Settings())
    while True:
        try:
            await worker.do_something()
        except Exception as error:
            # While figures are swapped, or a part is being started again.
            if not is_passing(error) and not isinstance(error, TimeoutError):
                print("worker", repr(error), flush=True)
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main())
