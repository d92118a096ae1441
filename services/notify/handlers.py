"""What notify hears: every event of another service that there are words for goes to the desk, with its batch in one
transaction.
"""

from __future__ import annotations

from services.notify.desk.contents import Contents
from services.notify.desk.telling import Desk
from services.notify.domain import short_type
from services.notify.texts import Texts
from shared.contracts.base import CONTRACTS, Contract
from shared.contracts.registry import ChildErased
from shared.contracts.sealed import CaseContentSealed, ChildContentSealed
from shared.messaging.router import Router

HEARD_PUBLISHERS = ("cases", "registry", "stats")


def notifiable(texts: Texts) -> list[type[Contract]]:
    """Contracts that there are words for, of the services that are heard."""
    return [
        model
        for model in CONTRACTS.values()
        if model.PUBLISHER in HEARD_PUBLISHERS and model.TOPIC is None and short_type(model.TYPE) in texts.wordings
    ]


def routed(desk: Desk, contents: Contents, texts: Texts) -> Router:
    """The desk's handler for every event that can be notified about; what was sealed to partners is passed on."""
    router = Router("notify", finish=desk.finish)
    for model in notifiable(texts):
        router.handles(model)(desk.on_event)
    for sealed in (CaseContentSealed, ChildContentSealed):
        router.handles(sealed)(contents.pass_on)
    router.handles(ChildErased)(contents.erase)
    return router
