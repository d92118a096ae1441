"""The pages of notify: inbox, subscriptions with their delivery log, and the operators' view.

They show what the desks give out and decide nothing; every one works without JavaScript.
"""

from __future__ import annotations

from fastapi import APIRouter

from services.notify.pages import (
    absences,
    agreements,
    deliveries,
    dry_run,
    emergencies,
    events,
    inbox,
    operations,
    preferences,
    subscriptions,
)
from services.notify.pages.live import LiveInbox
from services.notify.pages.room import Room


def build_pages(room: Room, live: LiveInbox, base_url: str) -> APIRouter:
    """The routes of the pages, below `/notify`."""
    router, desks = APIRouter(include_in_schema=False), room.desks
    router.include_router(inbox.routes(room, live))
    router.include_router(emergencies.routes(room, desks.personal))
    router.include_router(preferences.routes(room, desks.personal))
    router.include_router(absences.routes(room, desks.personal))
    router.include_router(agreements.routes(room, desks.agreements))
    router.include_router(events.routes(room, desks.agreements, base_url))
    router.include_router(dry_run.routes(room, desks.dry_run, base_url))
    router.include_router(operations.routes(room, desks.personal))
    for part in (subscriptions, deliveries):
        router.include_router(part.routes(room))
    return router
