"""The JSON API of notify: subscriptions, delivery log, replay and inbox, for programs with a bearer token.

It decides nothing itself: each route asks a desk, as the pages do.
"""

from __future__ import annotations

from fastapi import APIRouter

from services.notify.api import agreements, deliveries, dry_run, event_types, inbox, personal, subscriptions
from services.notify.desk.desks import Desks
from services.notify.texts import Texts
from shared.database import Database
from shared.messaging.router import Clock


def build_api(
    desks: Desks, texts: Texts, base_url: str, database: Database, clock: Clock, all_units: tuple[str, ...]
) -> APIRouter:
    """Routes below `/notify/api`."""
    api = APIRouter(prefix="/api")
    event_types.add_routes(api, desks, texts, base_url)
    subscriptions.add_routes(api, desks)
    deliveries.add_routes(api, desks)
    inbox.add_routes(api, database, clock, all_units)
    agreements.add_routes(api, desks.agreements)
    personal.add_routes(api, desks.personal)
    dry_run.add_routes(api, desks.dry_run, texts, base_url)
    return api
