"""Somebody who visits statistics' pages, as a browser does."""

from __future__ import annotations

from fastapi import APIRouter

from services.stats.app import build
from shared.database import Database
from shared.identity import demo_directory
from shared.messaging.router import Clock
from shared.messaging.service import ServiceApp, ServiceContext
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from shared.settings import Settings
from shared.web.app import create_app
from tests.support.visitor import Visitor

KEYS = Keys(bytes(32), PlatformKey(bytes(range(32))))


def visitor_of(database: Database, clock: Clock) -> Visitor:
    """A visitor of a service on a database, whose demo users may enter."""
    settings = Settings(environment="test", demo_users=True)
    return visitor_to(build(ServiceContext(settings, database, KEYS, clock)), settings)


def visitor_to(service: ServiceApp, settings: Settings) -> Visitor:
    """A visitor of this service."""
    router = APIRouter(prefix="/stats")
    router.include_router(service.router)
    directory = demo_directory(Units.load().names())
    return Visitor(create_app("stats", [router], service.pages, directory, settings, prefix="/stats"))
