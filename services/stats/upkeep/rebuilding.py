"""A rebuild in a process of its own, which gives way to everybody else; and the loop that starts one when it is asked.

Beside requests it would keep each of them waiting for its pieces, and they would keep it from half of a processor.
"""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from pydantic import SecretStr

from services.stats.upkeep.rebuild import Rebuild
from shared.apart import do_orders, end_with_starter, run_apart
from shared.collecting import collect_seldom
from shared.database import Database, is_passing
from shared.messaging.waiting import either
from shared.privacy import Keys
from shared.reference.files import lay_over
from shared.settings import Settings
from shared.telemetry import setup_logs

if TYPE_CHECKING:  # a web server takes a fifth of the time that the process needs to begin
    from shared.messaging.service import ServiceContext

_LOG = structlog.get_logger(__name__)
_MODULE: Final = "services.stats.upkeep.rebuilding"
_LOOK_SECONDS: Final = 5.0
# What is under way takes a second at most; then it says that it is to be begun again.
_GRACE_SECONDS: Final = 4.0
# The figures of people who wait go before.
_NICE: Final = 10
_CONNECTIONS: Final = 3


class Rebuilding:
    """Rebuilds whenever somebody asked, also where who was asked died before it was done.

    Args:
        context: the service's. rebuild: what was asked for.
    """

    def __init__(self, context: ServiceContext, rebuild: Rebuild) -> None:
        self._context = context
        self._rebuild = rebuild

    async def rebuild_when_asked(self, stop: asyncio.Event) -> None:
        """Run until `stop`."""
        while not stop.is_set():
            self._rebuild.asked.clear()
            try:
                # While another replica rebuilds, a process every few seconds would be for nothing.
                wanted = await self._rebuild.wanted()
                if wanted is not None:
                    code = await run_apart(_MODULE, self._orders(), stop, grace=_GRACE_SECONDS)
                    if code:
                        _LOG.error("rebuild.process.broke", code=code)
                        await self._rebuild.count_broken(wanted)
            except Exception as error:
                if not is_passing(error):
                    raise
            await either(self._rebuild.asked, stop, _LOOK_SECONDS)

    def _orders(self) -> dict[str, Any]:
        keys, settings = self._context.keys, self._context.settings
        told = {name: _revealed(value) for name, value in settings}
        told["database_url"] = self._context.database.engine.url.render_as_string(hide_password=False)
        return {
            "settings": told,
            "batch": self._rebuild.batch,
            "keys": keys.handed_over(),
            # A demo lives by a clock of its own.
            "ahead": (self._context.clock() - datetime.now(UTC)).total_seconds(),
        }


def _revealed(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.resolve()) if isinstance(value, Path) else value


async def _work(orders: dict[str, Any]) -> None:
    """Do what was asked, unless another process is at it."""
    end_with_starter()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = Settings(**orders["settings"])
    setup_logs(settings.log_level)
    if settings.reference_dir is not None:
        lay_over(settings.reference_dir)
    keys = Keys.taken_over(orders["keys"])
    ahead = timedelta(seconds=orders["ahead"])
    database = Database(orders["settings"]["database_url"], pool_size=_CONNECTIONS)
    try:
        rebuild = Rebuild(database, keys, settings, lambda: datetime.now(UTC) + ahead)
        rebuild.batch = orders["batch"]
        collect_seldom()
        await rebuild.run(stop)
    finally:
        await database.close()


if __name__ == "__main__":
    os.nice(_NICE)
    do_orders(_work)
