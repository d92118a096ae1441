"""Pages for people: search first, a child's page, register and correct, the queue of pairs, merge and undo.

No name ever stands in an address: searches are posted and answered at once. Everything works without a script.
"""

from __future__ import annotations

from fastapi import APIRouter

from services.registry.exchange.exporting import Exports
from services.registry.imports.counter import Counter
from services.registry.pages import (
    child,
    exports,
    field,
    imports,
    lifecycle,
    matches,
    quality,
    register,
    sampling,
    search,
)
from services.registry.pages.room import Room

__all__ = ["Room", "build_pages"]


def build_pages(room: Room, counter: Counter, leaving: Exports) -> APIRouter:
    """The service's pages, below /registry. Addresses with fixed words come before those with an id."""
    router = APIRouter()
    router.include_router(imports.routes(room, counter))
    router.include_router(exports.routes(room, leaving))
    for part in (search, register, matches, lifecycle, sampling, quality, field, child):
        router.include_router(part.routes(room))
    return router
