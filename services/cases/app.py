"""Puts the cases service together: its desk, handlers, pages, API, ticker and migrations."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases import store
from services.cases.api import build_api
from services.cases.desk import Desk
from services.cases.filling import check_forms
from services.cases.forms import CASE_ACTS
from services.cases.handlers import build_router
from services.cases.office import Office
from services.cases.pages import build_pages
from services.cases.settings import CasesSettings
from services.cases.ticker import ticker
from services.cases.upkeep import upkeep
from shared.messaging.operations import StuckWork
from shared.messaging.router import OWN_TOPIC
from shared.messaging.service import BatchConsumer, ServiceApp, ServiceContext
from shared.messaging.sharing import GATHERS_SECONDS, Sharing
from shared.reference.deadlines import Deadlines
from shared.reference.forms import Forms
from shared.reference.units import Units
from shared.web.pages import Pages

_MOST_STUCK = 200
# Each report's key is made here; what is heard of others' are erasures and the keys of the registry's records.
_KEYS_SECONDS = 0.25


def build(context: ServiceContext) -> ServiceApp:
    """The cases service in the given context."""
    units = Units.load()
    check_forms(Forms.load(), CASE_ACTS)
    desk = Desk(context.keys, units, Deadlines.load(), CasesSettings())
    office = Office(desk, context.database, context.clock)
    pages = Pages("services.cases", unit_names=units.names(), clock=context.clock)
    sharing = Sharing("cases", context.database, context.keys, context.clock)
    router = APIRouter()
    router.include_router(build_api(office))
    router.include_router(build_pages(office, pages, units))
    return ServiceApp(
        router=router,
        pages=pages,
        messaging=sharing.heard_in(build_router(desk)),
        migrations=Path(__file__).parent / "migrations",
        background=[ticker(context.database, desk, context.clock), upkeep(context.database, desk, context.clock)],
        batches=[
            BatchConsumer(
                "cases-contents", [OWN_TOPIC["cases"]], sharing.begin, sharing.handle, gathers=GATHERS_SECONDS
            )
        ],
        learns_keys=True,
        gathers_keys=_KEYS_SECONDS,
        stuck=_stuck,
    )


async def _stuck(connection: AsyncConnection) -> list[StuckWork]:
    return [StuckWork(**row) for row in await store.stuck_cases(connection, _MOST_STUCK)]
