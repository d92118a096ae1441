"""Puts the registry together: its desk, handlers, pages, API and migrations."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from fastapi import APIRouter

from services.registry.acts import Acts
from services.registry.api import build_api, exchange, operate, quality
from services.registry.assessing import assessor
from services.registry.bulk.sweeping import Sweeps
from services.registry.desk import Desk, Lifecycle, Samples
from services.registry.exchange.exporting import Exports
from services.registry.exchange.intake import Intake
from services.registry.exchange.readers import Readers
from services.registry.finder import Finder
from services.registry.handlers import routes
from services.registry.imports.counter import Counter
from services.registry.imports.worker import Importing
from services.registry.inspector import Inspector
from services.registry.keeper import Keeper
from services.registry.office import Office
from services.registry.pages import Room, build_pages
from services.registry.rounds import Rounds
from services.registry.settings import RegistrySettings
from services.registry.store import children
from services.registry.ticker import ticker
from shared.messaging.router import OWN_TOPIC
from shared.messaging.service import BackgroundLoop, BatchConsumer, ServiceApp, ServiceContext
from shared.messaging.sharing import GATHERS_SECONDS, Sharing
from shared.messaging.waiting import pause
from shared.reference.keeping import Keeping
from shared.reference.units import Units
from shared.web.pages import Pages

# Claims keep apart transactions that run at the same time; none runs for an hour.
_CLAIM_LIFE = timedelta(hours=1)
# Nearly all that agencies send is concerns, which are not the registry's: so many at once are passed over.
_REPORTS_SECONDS = 0.1


def build(context: ServiceContext) -> ServiceApp:
    """The registry in the given context."""
    units = Units.load()
    desk = Desk(context.keys)
    rules = Keeping.load()
    lifecycle = Lifecycle(desk, context.keys, rules)
    office = Office(desk, context.database, context.clock)
    keeper = Keeper(office, lifecycle, Samples(desk, lifecycle, rules), rules)
    rounds = Rounds(office, desk, lifecycle, context.keys, rules)
    pages = Pages("services.registry", unit_names=units.names(), clock=context.clock)
    inspector = Inspector(office)
    sharing = Sharing("registry", context.database, context.keys, context.clock)
    router = APIRouter()
    sweeps = Sweeps(context.database, context.clock, context.settings.data_dir / "sweep")
    finder = Finder(office, context.keys)
    router.include_router(build_api(office, rounds, finder, keeper, Acts(lifecycle, units.codes())))
    router.include_router(quality.routes(inspector), prefix="/api")
    exports = Exports(context.database, context.clock, units.name)
    intake = Intake(desk, context.database, context.clock, units)
    router.include_router(exchange.routes(exports, intake, Readers(office, finder, units), units), prefix="/api")
    router.include_router(operate.routes(sweeps))
    folder = context.settings.data_dir / "imports"
    importing = Importing(context, folder)
    counter = Counter(office, context.keys, folder, units, RegistrySettings(), importing.wake.set)
    router.include_router(build_pages(Room(office, pages, units, keeper, rounds, inspector, finder), counter, exports))
    return ServiceApp(
        router=router,
        pages=pages,
        messaging=sharing.heard_in(routes(desk, context.keys, units)),
        migrations=Path(__file__).parent / "migrations",
        background=[
            _forgetting(context, counter),
            ticker(context.database, lifecycle, context.clock),
            assessor(context.database, context.clock),
            sweeps.sweep_when_asked,
            importing.importing,
        ],
        batches=[
            BatchConsumer(
                "registry-contents", [OWN_TOPIC["registry"]], sharing.begin, sharing.handle, gathers=GATHERS_SECONDS
            )
        ],
        learns_keys=True,
        gathers_reports=_REPORTS_SECONDS,
    )


def _forgetting(context: ServiceContext, counter: Counter) -> BackgroundLoop:
    async def forget(stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with context.database.transaction() as connection:
                await children.forget_claims(connection, context.clock() - _CLAIM_LIFE)
            await counter.forget_old()
            await pause(stop, _CLAIM_LIFE.total_seconds())

    return forget
