"""HTTP for machines and for whoever builds on the registry: the same acts as the pages, in JSON.

Names travel in bodies only, never in an address. Errors are problem+json in both languages.
"""

from __future__ import annotations

from fastapi import APIRouter

from services.registry.api import children, exchange
from services.registry.exchange.exporting import Exports
from services.registry.exchange.intake import Intake
from services.registry.exchange.readers import Readers
from services.registry.office import Office
from shared.reference.units import Units

__all__ = ["build_api"]


def build_api(office: Office, exports: Exports, intake: Intake, units: Units) -> APIRouter:
    """The JSON API below /registry/api."""
    router = APIRouter(prefix="/api", tags=["registry"])
    for part in (children,):
        router.include_router(part.routes(office))
    router.include_router(exchange.routes(exports, intake, Readers(office, units), units))
    return router
