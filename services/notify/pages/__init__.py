"""The pages of notify: inbox, subscriptions with their delivery log, and the operators' view.

They show what the office gives out and decide nothing; every one works without JavaScript.
"""

from __future__ import annotations

from fastapi import APIRouter

from services.notify.desk.agreements import Agreements
from services.notify.desk.personal import Personal
from services.notify.pages import agreements, deliveries, emergencies, inbox, subscriptions
from services.notify.pages.live import LiveInbox
from services.notify.pages.room import Room


def build_pages(room: Room, live: LiveInbox, personal: Personal, signed: Agreements) -> APIRouter:
    """The routes of the pages, below `/notify`."""
    router = APIRouter(include_in_schema=False)
    router.include_router(inbox.routes(room, live))
    router.include_router(emergencies.routes(room, personal))
    router.include_router(agreements.routes(room, signed))
    for part in (subscriptions, deliveries):
        router.include_router(part.routes(room))
    return router
