"""Subscriptions over HTTP: add, look, rotate, test, replay, pause, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.notify.api.answers import as_replay, as_subscription, found
from services.notify.desk.desks import Desks
from services.notify.desk.endpoints import Bounds, Change
from services.notify.desk.replays import Period
from services.notify.desk.subscribing import Wanted
from services.notify.signing import Scheme
from shared.identity import SignedIn


class Typed(BaseModel):
    """The code that somebody found where they are to be told."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(min_length=1, max_length=20)]


def add_routes(router: APIRouter, desks: Desks) -> None:
    """Routes below `/notify/api/subscriptions`."""

    @router.post("/subscriptions", status_code=201)
    async def create(principal: SignedIn, wanted: Wanted) -> dict[str, Any]:
        """Add a subscription. The secret is in this answer only; of a key pair (`v1a`) it is the public key.

        It is told nothing until it is `verified`: a person sends the code that arrives there, a webhook answers the
        signed `notify.endpoint.challenge` with 2xx.
        """
        created = await desks.subscribing.create(principal, wanted)
        return {"id": created.id, "secret": created.secret, "verified": created.verified}

    @router.get("/subscriptions")
    async def subscriptions(principal: SignedIn) -> list[dict[str, Any]]:
        """The principal's own and their organisation's."""
        return [as_subscription(desks, principal, row) for row in await desks.endpoints.mine(principal)]

    @router.get("/subscriptions/{identifier}")
    async def subscription(principal: SignedIn, identifier: str) -> dict[str, Any]:
        """One of them."""
        with found():
            return as_subscription(desks, principal, await desks.endpoints.find(principal, identifier))

    @router.post("/subscriptions/{identifier}/rotate")
    async def rotate(principal: SignedIn, identifier: str, signature: Scheme | None = None) -> dict[str, str]:
        """A new secret, in this answer only; for a while (`old_secret_hours`) the old one signs too. `signature`:
        sign that way from now on; of a key pair the answer has the public key."""
        with found():
            return {"secret": await desks.endpoints.rotate(principal, identifier, signature)}

    @router.post("/subscriptions/{identifier}/test", status_code=202)
    async def send_test(principal: SignedIn, identifier: str) -> dict[str, str]:
        """Queue a test message."""
        with found():
            return {"message_id": await desks.endpoints.send_test(principal, identifier)}

    _add_proofs(router, desks)
    _add_replays(router, desks)
    _add_changes(router, desks)


def _add_proofs(router: APIRouter, desks: Desks) -> None:
    """How an address is proven to be one's own."""

    @router.post("/subscriptions/{identifier}/verify")
    async def verify(principal: SignedIn, identifier: str, typed: Typed) -> dict[str, Any]:
        """Prove that an address is one's own, by the code that arrived there."""
        with found():
            await desks.proving.prove(principal, await desks.endpoints.find(principal, identifier), typed.code)
            return as_subscription(desks, principal, await desks.endpoints.find(principal, identifier))

    @router.post("/subscriptions/{identifier}/proof", status_code=202)
    async def ask_again(principal: SignedIn, identifier: str) -> dict[str, Any]:
        """Have another code, or challenge, sent."""
        with found():
            row = await desks.endpoints.find(principal, identifier)
            await desks.proving.again(principal, row)
            return as_subscription(desks, principal, await desks.endpoints.find(principal, identifier))


def _add_replays(router: APIRouter, desks: Desks) -> None:
    """What is sent again."""

    @router.post("/subscriptions/{identifier}/replay", status_code=202)
    async def replay(principal: SignedIn, identifier: str, period: Period) -> dict[str, int]:
        """Send again what failed in a period, or everything; a long period goes on beside."""
        with found():
            return {"replayed": await desks.replays.period(principal, identifier, period)}

    @router.get("/subscriptions/{identifier}/replays")
    async def replays(principal: SignedIn, identifier: str) -> list[dict[str, Any]]:
        """The last periods that were asked for, and how far they are."""
        with found():
            return [as_replay(row) for row in await desks.replays.listed(principal, identifier)]


def _add_changes(router: APIRouter, desks: Desks) -> None:
    """How it is told, and whether. The last of the routes: the name of a change stands where theirs do."""

    @router.put("/subscriptions/{identifier}/limits", status_code=204)
    async def limit(principal: SignedIn, identifier: str, bounds: Bounds) -> None:
        """How much it takes at once and a second, and whether a case's messages arrive in their order."""
        with found():
            await desks.endpoints.limit(principal, identifier, bounds)

    @router.post("/subscriptions/{identifier}/{change}")
    async def change(principal: SignedIn, identifier: str, change: Change) -> dict[str, Any]:
        """Pause, resume, delete, restore."""
        with found():
            return as_subscription(desks, principal, await desks.endpoints.change(principal, identifier, change))
