"""The JSON API of notify: subscriptions, delivery log, replay and inbox, for programs with a bearer token.

It decides nothing itself: each route asks the office, as the pages do.
"""

from __future__ import annotations

from fastapi import APIRouter

from services.notify.api import deliveries, inbox, subscriptions
from services.notify.office import Office
from shared.database import Database
from shared.messaging.router import Clock


def build_api(office: Office, database: Database, clock: Clock, all_units: tuple[str, ...]) -> APIRouter:
    """Routes below `/notify/api`."""
    api = APIRouter(prefix="/api")
    subscriptions.add_routes(api, office)
    deliveries.add_routes(api, office)
    inbox.add_routes(api, database, clock, all_units)
    return api
