"""What partners, people and operators may do with subscriptions: one place for pages and the JSON API alike.

Every act asks first whose it is. It never gives out a secret again after it was shown once.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.addresses import Addresses
from services.notify.delivery.telling import Owners
from services.notify.desk.calling import HOUSE
from services.notify.desk.proving import Proving
from services.notify.desk.telling import Desk
from services.notify.domain import (
    PERSONAL,
    TEST_TYPE,
    ChannelName,
    EndpointState,
    Happening,
    NotFoundError,
    is_internal,
    matches,
    may_subscribe,
    owns,
    timed_id,
)
from services.notify.signing import PUBLIC_PREFIX, Scheme, Vault, new_secret, scheme_of, shown
from services.notify.store import agreements, endpoints, log, replays, subscriptions, unsaid
from services.notify.store.endpoints import Endpoint
from services.notify.store.log import LoggedAttempt as Logged
from services.notify.store.replays import Replay
from services.notify.texts import Texts
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import Moment
from shared.database import Database
from shared.identity import ALL_UNITS, NotAllowedError, Permission, Principal
from shared.messaging.outbox import new_id
from shared.messaging.router import Clock, Scope
from shared.messaging.topics import partner_topic
from shared.reference.calendar import local_day
from shared.reference.delivering import Delivering
from shared.reference.notify_rules import heard_contracts
from shared.web.i18n import Language

# How long the old secret signs beside the new one, as the specification advises for a change without a gap.
OLD_SECRET = timedelta(hours=24)
_MOST_SUBSCRIPTIONS = 50
_ORG = re.compile(r"[a-z0-9][a-z0-9-]{0,60}\Z")
Change = Literal["pause", "resume", "delete", "restore"]
_STATES: dict[Change, EndpointState] = {"pause": "paused", "resume": "active", "delete": "deleted", "restore": "active"}


class Wanted(BaseModel):
    """A subscription as somebody asks for it. `target` is the URL of a webhook, an e-mail's address, a telephone
    number, a browser's push subscription as JSON, or an account of the chat.

    `agreement`: within which an organisation is told; without, the one in force that covers it. A person's event type
    `told` stands for whatever the house tells them by its rules.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    channel: ChannelName
    name: Annotated[str, Field(max_length=100)] = ""
    target: Annotated[str, Field(max_length=2000)] = ""
    event_types: Annotated[list[str], Field(max_length=100)]
    units: Annotated[list[str], Field(max_length=500)] | None = None
    language: Language = "vi"
    signature: Scheme = Field(default="v1", description="v1: a shared secret (HMAC-SHA256); v1a: a key pair (ed25519)")
    ordered: bool = Field(default=False, description="what concerns one case arrives in its order")
    at_once: Annotated[int, Field(ge=1, le=64)] | None = None
    per_second: Annotated[float, Field(ge=0.01, le=10_000)] | None = None
    agreement: Annotated[str, Field(max_length=36)] | None = None


class Bounds(BaseModel):
    """How much an endpoint takes: at once, and a second (None: as the house has it), and whether in order."""

    model_config = ConfigDict(extra="forbid")

    ordered: bool = False
    at_once: Annotated[int, Field(ge=1, le=64)] | None = None
    per_second: Annotated[float, Field(ge=0.01, le=10_000)] | None = None


class Period(BaseModel):
    """What is to be sent again, by when it was queued: what failed, or everything. `until`: now, if it is not said."""

    model_config = ConfigDict(extra="forbid")

    since: Moment
    until: Moment | None = None
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Created:
    """A new subscription; `secret` is shown now and never again, unless it is a public key. `verified`: whether it is
    told from now on, or only once its address has proven whose it is."""

    id: str
    secret: str | None
    verified: bool


@dataclass(frozen=True, slots=True)
class Operations:
    """What operators look at."""

    queue: log.Queue
    channels: Sequence[log.ChannelQueue]
    troubles: Sequence[log.Trouble]
    unsaid: Sequence[unsaid.Passed]


class Office:
    """Does what owners ask for.

    Args:
        channels: those that this deployment has. units: commune code -> name.
        addresses: checks what people type. proving: has them prove whose they are. make_topic: makes a partner's Kafka
        topic; False where it could not.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        desk: Desk,
        owners: Owners,
        texts: Texts,
        limits: Delivering,
        clock: Clock,
        *,
        channels: Sequence[ChannelName],
        units: Mapping[str, str],
        addresses: Addresses,
        proving: Proving,
        make_topic: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._database = database
        self._vault = vault
        self._desk = desk
        self._owners = owners
        self._texts = texts
        self._limits = limits
        self._clock = clock
        self._units = units
        self._addresses = addresses
        self._make_topic = make_topic
        self.proving = proving
        self.channels = tuple(channels)

    def event_types(self, principal: Principal) -> list[str]:
        """What somebody may subscribe to."""
        return [name for name in self._subscribable() if may_subscribe(principal, name)]

    def channels_for(self, principal: Principal) -> tuple[ChannelName, ...]:
        """Which channels somebody may use: organisations machines', people their own."""
        machine = bool(principal.org and principal.may(Permission.MANAGE_ENDPOINTS))
        return tuple(name for name in self.channels if (name in PERSONAL) is not machine)

    async def create(self, principal: Principal, wanted: Wanted) -> Created:
        """Add a subscription. Errors: `Rejected` naming each field; `NotAllowedError`."""
        if wanted.channel not in self.channels_for(principal):
            raise NotAllowedError("The channel is not for this role")
        violations = self._violations(principal, wanted)
        if violations:
            raise Rejected(violations)
        org = None if wanted.channel in PERSONAL else principal.org
        person = None if org else principal.id
        target = self._addresses.tidy(wanted.channel, wanted.target)
        if wanted.channel == "kafka":
            target = partner_topic(org or "").name
            if not await self._make_topic(org or ""):
                raise Rejected([_wrong("channel", "topic-missing", *_NO_TOPIC)])
        secret = new_secret(wanted.signature) if wanted.channel == "webhook" else None
        identifier, now = new_id(), self._clock()
        verified = self.proving.comes_proven(wanted.channel)
        endpoint = {
            "id": identifier,
            "channel": wanted.channel,
            "name": wanted.name or wanted.channel,
            "org": org,
            "person": person,
            "language": wanted.language,
            # A topic keeps the order of a case; an endpoint asks for it.
            "ordered": wanted.ordered or wanted.channel == "kafka",
            "at_once": wanted.at_once,
            "per_second": wanted.per_second,
            "target": self._vault.seal(target),
            "secret": self._vault.seal(secret) if secret else None,
            "address_key": self._addresses.key(target) if wanted.channel == "sms" else None,
            "verified_at": now if verified else None,
            "now": now,
        }
        subscription = {
            "id": new_id(),
            "endpoint_id": identifier,
            "patterns": sorted(set(wanted.event_types)),
            "units": self._units_of(principal, wanted),
            "sector": principal.sector,
            "now": now,
        }
        async with self._database.transaction() as connection:
            subscription["agreement_id"] = await self._agreement(connection, org, wanted) if org else None
            if len(await endpoints.owned(connection, org, person)) >= _MOST_SUBSCRIPTIONS:
                raise Rejected([_wrong("name", "too-many", *_TOO_MANY)])
            await endpoints.add(connection, endpoint)
            await subscriptions.add(connection, subscription)
            if not verified:
                scope = Scope("notify", connection, now)
                owner = f"org/{org}" if org else f"person/{person}"
                await self.proving.begin(scope, identifier, wanted.channel, target, owner)
                await scope.flush()
        return Created(identifier, shown(secret) if secret else None, verified)

    async def mine(self, principal: Principal) -> list[Endpoint]:
        """Somebody's own subscriptions and their organisation's."""
        async with self._database.transaction() as connection:
            return await endpoints.owned(connection, principal.org, principal.id)

    async def find(self, principal: Principal, identifier: str) -> Endpoint:
        """One subscription that the principal may see. Errors: `NotFoundError`."""
        async with self._database.transaction() as connection:
            return await self._find(connection, principal, identifier)

    def address(self, principal: Principal, endpoint: Endpoint) -> str:
        """Where it leads, for its owner; nothing for an operator."""
        if not _owns(principal, endpoint):
            return ""
        return self._addresses.shown(endpoint.channel, self._vault.open(endpoint.target))

    async def change(self, principal: Principal, identifier: str, change: Change) -> Endpoint:
        """Pause, resume, delete, or undo the deletion. What waits stays, and is sent when it is active again; one that
        had been switched off is sent what it missed, too."""
        now = self._clock()
        async with self._database.transaction() as connection:
            before = await self._find(connection, principal, identifier)
            await endpoints.change_state(connection, identifier, _STATES[change], now)
            found = await self._find(connection, principal, identifier)
            if before.state == "disabled" and found.state == "active":
                scope = Scope("notify", connection, now)
                # What was queued before it failed may have failed since.
                everything = Period(since=self._kept(now))
                since = before.failing_since or before.changed_at
                missed = await self._replay(connection, principal, found, everything, since)
                await self._owners.restored(scope, found, missed)
                await scope.flush()
            return found

    def public_key(self, principal: Principal, endpoint: Endpoint) -> str | None:
        """What its owner checks its messages with, where they are signed with a key pair."""
        if endpoint.secret is None or not _owns(principal, endpoint):
            return None
        visible = shown(self._vault.open(endpoint.secret))
        return visible if visible.startswith(PUBLIC_PREFIX) else None

    async def rotate(self, principal: Principal, identifier: str, signature: Scheme | None = None) -> str:
        """A new secret, shown once; for a day both sign. In: `signature`, where the way of signing changes with it.
        Errors: `NotFoundError` for what has no secret."""
        async with self._database.transaction() as connection:
            found = await self._find(connection, principal, identifier)
            if found.secret is None or not _owns(principal, found):
                raise NotFoundError(identifier)
            secret = new_secret(signature or scheme_of(self._vault.open(found.secret)))
            until = self._clock() + OLD_SECRET
            await endpoints.change_secret(connection, identifier, self._vault.seal(secret), until)
        return shown(secret)

    async def limit(self, principal: Principal, identifier: str, wanted: Bounds) -> None:
        """How much an endpoint takes at once and a second, and whether a case's messages keep their order. Errors:
        `NotFoundError` for whose it is not."""
        async with self._database.transaction() as connection:
            found = await self._find(connection, principal, identifier)
            if not _owns(principal, found):
                raise NotFoundError(identifier)
            await endpoints.change_limits(
                connection,
                identifier,
                # A topic keeps the order of a case, whatever is asked.
                ordered=wanted.ordered or found.channel == "kafka",
                at_once=wanted.at_once,
                per_second=wanted.per_second,
            )

    async def within(self, principal: Principal, identifier: str) -> list[str]:
        """Ids of the agreements within which an organisation's endpoint is told."""
        async with self._database.transaction() as connection:
            await self._find(connection, principal, identifier)
            found = await subscriptions.of_endpoints(connection, [identifier])
        return list(dict.fromkeys(one.agreement_id for one in found if one.agreement_id))

    async def send_test(self, principal: Principal, identifier: str) -> str:
        """Queue a test message to one subscription. Out: its id. Errors: `Rejected` before its address is proven."""
        async with self._database.transaction() as connection:
            found = await self._find(connection, principal, identifier)
            _require_verified(found)
            scope = Scope("notify", connection, self._clock())
            happening = Happening(timed_id(scope.now, new_id()), TEST_TYPE, scope.now, None, None, None, None, {})
            await self._desk.queue_to(scope, happening, found.id)
            await scope.flush()
        return happening.id

    async def entries(self, principal: Principal, identifier: str, sought: log.Sought, limit: int) -> list[log.Entry]:
        """The delivery log of one subscription, newest first."""
        async with self._database.transaction() as connection:
            await self._find(connection, principal, identifier)
            return await log.entries(connection, identifier, sought, limit)

    async def entry(self, principal: Principal, delivery_id: str) -> tuple[Endpoint, log.Entry, list[Logged]]:
        """One delivery with its attempts. Errors: `NotFoundError`."""
        async with self._database.transaction() as connection:
            subscription, found = await self._entry(connection, principal, delivery_id)
            return subscription, found, await log.attempts(connection, delivery_id)

    async def figures(self, principal: Principal, identifier: str) -> log.Figures:
        """How an endpoint has done in the last 24 hours."""
        async with self._database.transaction() as connection:
            await self._find(connection, principal, identifier)
            return await log.figures(connection, identifier, self._clock())

    async def hours(self, principal: Principal, identifier: str, since: datetime) -> list[log.Hour]:
        """How an endpoint has done since a time, hour by hour."""
        async with self._database.transaction() as connection:
            await self._find(connection, principal, identifier)
            return await log.hours(connection, identifier, since)

    async def replay(self, principal: Principal, delivery_id: str) -> str:
        """Send one delivery again. Out: its endpoint's id. Errors: `NotFoundError`."""
        now = self._clock()
        async with self._database.transaction() as connection:
            endpoint, _ = await self._entry(connection, principal, delivery_id)
            _require_verified(endpoint)
            await self._require_agreement(connection, endpoint)
            await replays.one(connection, delivery_id, now, self._kept(now))
            return endpoint.id

    async def replay_period(self, principal: Principal, identifier: str, period: Period) -> int:
        """Send again what was queued in a period: what failed, or all. Out: how many were at once; a long period goes
        on beside (`replays`)."""
        async with self._database.transaction() as connection:
            endpoint = await self._find(connection, principal, identifier)
            return await self._replay(connection, principal, endpoint, period)

    async def replays(self, principal: Principal, identifier: str) -> list[Replay]:
        """The last periods that were asked for, and how far they are."""
        async with self._database.transaction() as connection:
            await self._find(connection, principal, identifier)
            return await replays.of_endpoint(connection, identifier)

    async def _replay(
        self,
        connection: AsyncConnection,
        principal: Principal,
        endpoint: Endpoint,
        period: Period,
        settled_since: datetime | None = None,
    ) -> int:
        now = self._clock()
        _require_verified(endpoint)
        await self._require_agreement(connection, endpoint)
        wanted = Replay(
            id=new_id(),
            endpoint_id=endpoint.id,
            since=period.since,
            until=period.until or now,
            only_failed=not period.everything,
            settled_since=settled_since or period.since,
            requested_at=now,
            replayed=0,
            finished_at=None,
        )
        await replays.add(connection, wanted, principal.id)
        return await replays.go_on(connection, wanted, now, self._kept(now))

    def _kept(self, now: datetime) -> datetime:
        return now - timedelta(days=self._limits.on(now).keep_days)

    async def operations(self) -> Operations:
        """The queue and the endpoints in trouble, for operators."""
        now = self._clock()
        async with self._database.transaction() as connection:
            return Operations(
                await log.queue(connection, now),
                await log.by_channel(connection, now),
                await log.troubles(connection),
                await unsaid.lately(connection, now),
            )

    async def _entry(
        self, connection: AsyncConnection, principal: Principal, delivery_id: str
    ) -> tuple[Endpoint, log.Entry]:
        found = await log.entry(connection, _uuid(delivery_id))
        if found is None:
            raise NotFoundError(delivery_id)
        return await self._find(connection, principal, found[0]), found[1]

    async def _find(self, connection: AsyncConnection, principal: Principal, identifier: str) -> Endpoint:
        found = await endpoints.find(connection, _uuid(identifier))
        operated = found is not None and found.org is not None and principal.may(Permission.OPERATE)
        if found is None or not (operated or _owns(principal, found)):
            raise NotFoundError(identifier)
        return found

    async def _agreement(self, connection: AsyncConnection, org: str, wanted: Wanted) -> str:
        """The agreement within which an organisation subscribes. Errors: `Rejected` where none covers it."""
        in_force = await agreements.in_force_of(connection, org, local_day(self._clock()))
        for agreement in in_force:
            asked_for = wanted.agreement in {None, agreement.id}
            if asked_for and agreement.covers(wanted.event_types, wanted.units, self._subscribable()):
                return agreement.id
        raise Rejected([_wrong("agreement", "agreement-missing", *_NO_AGREEMENT)])

    async def _require_agreement(self, connection: AsyncConnection, endpoint: Endpoint) -> None:
        """Errors: `Rejected` where what was said within an agreement would be said again after it."""
        if endpoint.org is None:
            return
        within = {row.agreement_id for row in await subscriptions.of_endpoints(connection, [endpoint.id])} - {None}
        in_force = await agreements.in_force_of(connection, endpoint.org, local_day(self._clock()))
        if within - {agreement.id for agreement in in_force}:
            raise Rejected([_wrong("agreement", "agreement-missing", *_NOT_IN_FORCE)])

    def _subscribable(self) -> list[str]:
        return [name for name in heard_contracts() if name in self._texts.wordings and not is_internal(name)]

    def _units_of(self, principal: Principal, wanted: Wanted) -> list[str] | None:
        if wanted.units:
            return sorted(set(wanted.units))
        return None if principal.units == ALL_UNITS else sorted(principal.units)

    def _violations(self, principal: Principal, wanted: Wanted) -> list[Violation]:
        wrong: list[Violation] = []
        wrong += self._addresses.violations(wanted.channel, wanted.target)
        if wanted.channel == "kafka" and not _ORG.match(principal.org or ""):
            wrong.append(_wrong("channel", "org-invalid", "Tên tổ chức không dùng được.", "The name cannot be used."))
        allowed = set(self.event_types(principal))
        known = self._subscribable()
        personal = wanted.channel in PERSONAL
        asked = [pattern for pattern in wanted.event_types if not (personal and pattern == HOUSE)]
        covered = [{name for name in known if matches(pattern, name)} for pattern in asked]
        if not wanted.event_types or not all(names and names <= allowed for names in covered):
            wrong.append(_wrong("event_types", "event-type-unknown", *_WHICH_EVENTS))
        if any(unit not in self._units or not principal.may_see(unit) for unit in wanted.units or ()):
            wrong.append(_wrong("units", "unit-unknown", *_WHICH_UNITS))
        return wrong


_NO_AGREEMENT = (
    "Tổ chức chưa có thỏa thuận chia sẻ dữ liệu nào đang hiệu lực cho các sự kiện và địa bàn này.",
    "The organisation has no data-sharing agreement in force that covers these events and communes.",
)
_NOT_IN_FORCE = (
    "Thỏa thuận chia sẻ dữ liệu của đăng ký này không còn hiệu lực, nên không gửi lại được.",
    "The data-sharing agreement of this subscription is not in force, so nothing is sent again.",
)
_UNVERIFIED = ("Nơi nhận này chưa được xác minh.", "This address has not been verified yet.")
_NO_TOPIC = (
    "Chưa tạo được chủ đề Kafka của tổ chức. Hãy báo cho quản trị hệ thống.",
    "The organisation's Kafka topic could not be made. Tell the operators.",
)
_TOO_MANY = (
    f"Mỗi tổ chức có tối đa {_MOST_SUBSCRIPTIONS} đăng ký. Hãy xóa đăng ký không dùng.",
    f"At most {_MOST_SUBSCRIPTIONS} subscriptions. Delete those that are not used.",
)
_WHICH_EVENTS = (
    "Chọn ít nhất một loại sự kiện mà vai trò của anh chị được xem.",
    "Choose at least one event type that your role may see.",
)
_WHICH_UNITS = ("Có xã, phường không thuộc địa bàn của anh chị.", "A commune is not in your area.")


def _owns(principal: Principal, endpoint: Endpoint) -> bool:
    return owns(principal, endpoint.org, endpoint.person)


def _require_verified(endpoint: Endpoint) -> None:
    if endpoint.verified_at is None:
        raise Rejected([_wrong("target", "address-unverified", *_UNVERIFIED)])


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise NotFoundError(text) from None


def _wrong(field: str, rule: str, vi: str, en: str) -> Violation:
    return Violation(field, rule, vi, en)
