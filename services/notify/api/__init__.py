"""The JSON API of notify: subscriptions, delivery log, replay and inbox, for programs with a bearer token.

It decides nothing itself: each route asks the office, as the pages do.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

from services.notify.api import agreements, deliveries, dry_run, inbox, personal, subscriptions
from services.notify.desk.agreements import Agreements
from services.notify.desk.dry_run import DryRun
from services.notify.desk.personal import Personal
from services.notify.office import Office
from services.notify.texts import Texts
from shared.database import Database
from shared.messaging.router import Clock


@dataclass(frozen=True, slots=True)
class Desks:
    """Whom the routes ask, besides the office."""

    agreements: Agreements
    personal: Personal
    dry_run: DryRun
    texts: Texts
    base_url: str


def build_api(office: Office, desks: Desks, database: Database, clock: Clock, all_units: tuple[str, ...]) -> APIRouter:
    """Routes below `/notify/api`."""
    api = APIRouter(prefix="/api")
    subscriptions.add_routes(api, office)
    deliveries.add_routes(api, office)
    inbox.add_routes(api, database, clock, all_units)
    agreements.add_routes(api, desks.agreements)
    personal.add_routes(api, desks.personal)
    dry_run.add_routes(api, desks.dry_run, desks.texts, desks.base_url)
    return api
