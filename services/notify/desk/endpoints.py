"""An endpoint in its owner's hands: looking, pausing, deleting and undoing that, secrets, limits, a test.

It never gives out a secret again after it was shown once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.addresses import Addresses
from services.notify.desk.entitled import is_owner, own_endpoint, require_proven, require_room, seen_endpoint
from services.notify.desk.owners import Owners
from services.notify.desk.replays import Replays
from services.notify.desk.telling import Desk
from services.notify.domain import TEST_TYPE, EndpointState, Happening, NotFoundError, timed_id
from services.notify.signing import PUBLIC_PREFIX, Scheme, Vault, new_secret, scheme_of, shown
from services.notify.store import endpoints, order, subscriptions
from services.notify.store.endpoints import Endpoint
from shared.contracts.errors import refuse
from shared.database import Database
from shared.identity import Principal
from shared.messaging.outbox import new_id
from shared.messaging.router import Clock, Scope
from shared.reference.notify_keeping import NotifyKeeping, NotifyKeepingByDay
from shared.reference.notify_limits import NotifyLimitsByDay

Change = Literal["pause", "resume", "delete", "restore"]
# Which endpoints a change is for, and what becomes of them: of others it changes nothing. So none but `restore`, which
# asks whether there is room, brings a deleted one back.
_CHANGES: Final[Mapping[Change, tuple[frozenset[EndpointState], EndpointState]]] = {
    "pause": (frozenset({"active"}), "paused"),
    "resume": (frozenset({"paused", "disabled"}), "active"),
    "delete": (frozenset({"active", "paused", "disabled"}), "deleted"),
    "restore": (frozenset({"deleted"}), "active"),
}


class Bounds(BaseModel):
    """How much an endpoint takes: at once, and a second (None: as the house has it), and whether in order."""

    model_config = ConfigDict(extra="forbid")

    ordered: bool = False
    at_once: Annotated[int, Field(ge=1, le=64)] | None = None
    per_second: Annotated[float, Field(ge=0.01, le=10_000)] | None = None


class Endpoints:
    """Does what owners ask for with what they have.

    Args:
        vault, addresses: open what is sealed, for its owner. desk: queues a test. owners: hear of what was restored.
        replays: send what was missed. limits: how many somebody may have. keeping: how long a deletion can be undone
        and an old secret signs.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        addresses: Addresses,
        desk: Desk,
        owners: Owners,
        replays: Replays,
        limits: NotifyLimitsByDay,
        keeping: NotifyKeepingByDay,
        clock: Clock,
    ) -> None:
        self._database = database
        self._vault = vault
        self._addresses = addresses
        self._desk = desk
        self._owners = owners
        self._replays = replays
        self._limits = limits
        self._keeping = keeping
        self._clock = clock

    async def mine(self, principal: Principal) -> list[Endpoint]:
        """Somebody's own endpoints and their organisation's."""
        async with self._database.transaction() as connection:
            return await endpoints.owned(connection, principal.org, principal.id)

    async def find(self, principal: Principal, identifier: str) -> Endpoint:
        """One endpoint that the principal may see. Errors: `NotFoundError`."""
        async with self._database.transaction() as connection:
            return await seen_endpoint(connection, principal, identifier)

    def address(self, principal: Principal, endpoint: Endpoint) -> str:
        """Where it leads, for its owner; nothing for an operator."""
        if not is_owner(principal, endpoint):
            return ""
        return self._addresses.shown(endpoint.channel, self._vault.open(endpoint.target))

    def public_key(self, principal: Principal, endpoint: Endpoint) -> str | None:
        """What its owner checks its messages with, where they are signed with a key pair."""
        if endpoint.secret is None or not is_owner(principal, endpoint):
            return None
        visible = shown(self._vault.open(endpoint.secret))
        return visible if visible.startswith(PUBLIC_PREFIX) else None

    async def within(self, principal: Principal, identifier: str) -> list[str]:
        """Ids of the agreements within which an organisation's endpoint is told. Errors: `NotFoundError`."""
        async with self._database.transaction() as connection:
            endpoint = await seen_endpoint(connection, principal, identifier)
            found = await subscriptions.of_endpoints(connection, [endpoint.id])
        return list(dict.fromkeys(one.agreement_id for one in found if one.agreement_id))

    def keeping(self) -> NotifyKeeping:
        """How long a deletion can be undone, and an old secret signs, as it holds today."""
        return self._keeping.on(self._clock())

    async def change(self, principal: Principal, identifier: str, change: Change) -> Endpoint:
        """Pause, resume, delete, or undo the deletion. What waits stays, and is sent when it is active again; one that
        had been switched off, and perhaps deleted then, is sent what it missed, too. Errors: `NotFoundError`,
        `Rejected`."""
        of, state = _CHANGES[change]
        async with self._database.transaction() as connection:
            before = await seen_endpoint(connection, principal, identifier)
            if before.state not in of:
                return before
            if state == "active" and before.missed_since is not None:
                await order.put_back_alone(connection, [before.id])
            # After it was looked at: what failed in the moment in which it was switched off was missed, too.
            now = self._clock()
            if before.state == "deleted":
                await self._require_undoable(connection, before, now)
            # Of the state it was looked at in, and no other: somebody else may have deleted it meanwhile.
            changed = await endpoints.change_state(connection, before.id, [before.state], state, now)
            found = await seen_endpoint(connection, principal, before.id)
            since = before.missed_since
            if changed and since is not None and found.state == "active":
                scope = Scope("notify", connection, now)
                missed = await self._replays.missed(connection, principal, found, since, now)
                await self._owners.restored(scope, found, missed)
                await scope.flush()
            return found

    async def _require_undoable(self, connection: AsyncConnection, endpoint: Endpoint, now: datetime) -> None:
        if now - endpoint.changed_at > self._keeping.on(now).undo:
            raise refuse("state", "undo-over", *_UNDO_OVER)
        await require_room(connection, endpoint.org, endpoint.person, now, self._limits.on(now), new=False)

    async def rotate(self, principal: Principal, identifier: str, signature: Scheme | None = None) -> str:
        """A new secret, shown once; for a while both sign. In: `signature`, where the way of signing changes with it.
        Errors: `NotFoundError` for what has no secret."""
        async with self._database.transaction() as connection:
            found = await own_endpoint(connection, principal, identifier)
            if found.secret is None:
                raise NotFoundError(identifier)
            secret = new_secret(signature or scheme_of(self._vault.open(found.secret)))
            now = self._clock()
            until = now + self._keeping.on(now).old_secret
            await endpoints.change_secret(connection, found.id, self._vault.seal(secret), until)
        return shown(secret)

    async def limit(self, principal: Principal, identifier: str, wanted: Bounds) -> None:
        """How much an endpoint takes at once and a second, and whether a case's messages keep their order. Errors:
        `NotFoundError` for whose it is not."""
        async with self._database.transaction() as connection:
            found = await own_endpoint(connection, principal, identifier)
            await endpoints.change_limits(
                connection,
                found.id,
                # A topic keeps the order of a case, whatever is asked.
                ordered=wanted.ordered or found.channel == "kafka",
                at_once=wanted.at_once,
                per_second=wanted.per_second,
            )

    async def send_test(self, principal: Principal, identifier: str) -> str:
        """Queue a test message to one endpoint. Out: its id. Errors: `NotFoundError`; `Rejected` before its address is
        proven."""
        async with self._database.transaction() as connection:
            found = await seen_endpoint(connection, principal, identifier)
            require_proven(found)
            scope = Scope("notify", connection, self._clock())
            happening = Happening(timed_id(scope.now, new_id()), TEST_TYPE, scope.now, None, None, None, None, {})
            await self._desk.queue_to(scope, happening, found.id)
            await scope.flush()
        return happening.id


_UNDO_OVER = (
    "Đăng ký đã xóa quá lâu nên không hoàn tác được nữa. Hãy tạo đăng ký mới.",
    "The subscription was deleted too long ago to undo it. Make a new one.",
)
