"""HTTP for machines and for whoever builds on the registry: the same acts as the pages, in JSON.

Names travel in bodies only, never in an address. Errors are problem+json in both languages.
"""

from __future__ import annotations

from fastapi import APIRouter

from services.registry.acts import Acts
from services.registry.api import children, field, lifecycle, search
from services.registry.finder import Finder
from services.registry.keeper import Keeper
from services.registry.office import Office
from services.registry.rounds import Rounds

__all__ = ["build_api"]


def build_api(office: Office, rounds: Rounds, finder: Finder, keeper: Keeper, acts: Acts) -> APIRouter:
    """The JSON API below /registry/api."""
    router = APIRouter(prefix="/api", tags=["registry"])
    router.include_router(search.routes(finder))
    router.include_router(children.routes(office))
    router.include_router(lifecycle.routes(keeper, acts))
    router.include_router(field.routes(rounds))
    return router
