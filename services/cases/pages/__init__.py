"""Pages for people. Every change goes through the desk; nothing is shown that `reading.py` does not allow."""

from __future__ import annotations

from fastapi import APIRouter

from services.cases.office import Office
from services.cases.pages import (
    access,
    board,
    case,
    documents,
    drafts,
    forms,
    incidents,
    intake,
    reassign,
    search,
    tasks,
    work,
)
from services.cases.pages.room import Room
from shared.reference.units import Units
from shared.web.pages import Pages


def build_pages(office: Office, pages: Pages, units: Units) -> APIRouter:
    """The routes of the pages, below `/cases`."""
    room = Room(office, pages, units)
    router = APIRouter(include_in_schema=False)
    for part in (work, board, documents, intake, case, forms, tasks, drafts, search, access, reassign, incidents):
        router.include_router(part.routes(room))
    return router
