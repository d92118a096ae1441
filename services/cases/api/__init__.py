"""HTTP for machines: lists, one case, acts, reports and answers as JSON; the same desk as the pages.

Coarse facts only; a child's identity is answered by one route of its own, to those who work on the case.
"""

from __future__ import annotations

from fastapi import APIRouter

from services.cases.api import access, cases, intake, tasks
from services.cases.office import Office


def build_api(office: Office) -> APIRouter:
    """The routes below `/cases/api`."""
    api = APIRouter(prefix="/api")
    for part in (cases, intake, tasks, access):
        part.add_routes(api, office)
    return api
