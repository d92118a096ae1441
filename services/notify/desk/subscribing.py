"""What somebody may subscribe to, over which channels, and a new subscription with its endpoint."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.addresses import Addresses
from services.notify.desk.calling import HOUSE
from services.notify.desk.entitled import require_room
from services.notify.desk.proving import Proving
from services.notify.domain import PERSONAL, ChannelName, is_internal, matches, may_subscribe
from services.notify.signing import Scheme, Vault, new_secret, shown
from services.notify.store import agreements, endpoints, subscriptions
from services.notify.texts import Texts
from shared.contracts.errors import Rejected, Violation, refuse
from shared.database import Database
from shared.identity import ALL_UNITS, NotAllowedError, Permission, Principal
from shared.messaging.outbox import new_id
from shared.messaging.router import Clock, Scope
from shared.messaging.topics import partner_topic
from shared.reference.calendar import local_day
from shared.reference.notify_limits import NotifyLimitsByDay
from shared.reference.notify_rules import heard_contracts
from shared.web.i18n import Language

_ORG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,60}\Z")


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


@dataclass(frozen=True, slots=True)
class Created:
    """A new subscription; `secret` is shown now and never again, unless it is a public key. `verified`: whether it is
    told from now on, or only once its address has proven whose it is."""

    id: str
    secret: str | None
    verified: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """What somebody may choose from: event types, patterns that cover some of them and what is added later, communes.
    `units`: None, all that they may see. `agreed`: False for an organisation without an agreement in force."""

    types: tuple[str, ...]
    patterns: tuple[str, ...]
    units: tuple[str, ...] | None = None
    agreed: bool = True


class Subscribing:
    """Takes subscriptions.

    Args:
        channels: those that this deployment has. units: commune code -> name.
        addresses: checks what people type. proving: has them prove whose they are. make_topic: makes a partner's Kafka
        topic; False where it could not.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        texts: Texts,
        limits: NotifyLimitsByDay,
        clock: Clock,
        *,
        channels: tuple[ChannelName, ...],
        units: Mapping[str, str],
        addresses: Addresses,
        proving: Proving,
        make_topic: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._database = database
        self._vault = vault
        self._texts = texts
        self._limits = limits
        self._clock = clock
        self._channels = channels
        self._units = units
        self._addresses = addresses
        self._proving = proving
        self._make_topic = make_topic

    def event_types(self, principal: Principal) -> list[str]:
        """What somebody may subscribe to."""
        return [name for name in self._subscribable() if may_subscribe(principal, name)]

    async def offer(self, principal: Principal) -> Offer:
        """What somebody may choose: all that their role may see, or, of an organisation, what its agreements cover."""
        allowed, known = self.event_types(principal), self._subscribable()
        groups = [f"{publisher}.*" for publisher in dict.fromkeys(name.split(".", 1)[0] for name in known)]
        if principal.org is None:
            return Offer(tuple(allowed), _within(groups, known, set(allowed)))
        async with self._database.transaction() as connection:
            in_force = await agreements.in_force_of(connection, principal.org, local_day(self._clock()))
        covered = {name for name in allowed if any(one.covers([name], None, known) for one in in_force)}
        agreed = {pattern for one in in_force for pattern in one.terms.event_types if pattern.endswith("*")}
        # Who has signed for everything chooses by group, as everybody does.
        patterns = sorted(agreed - {"*"} | {*groups}) if "*" in agreed else sorted(agreed)
        places = [one.terms.units for one in in_force]
        units = None if None in places else tuple(sorted({unit for own in places for unit in own or ()}))
        types = tuple(name for name in allowed if name in covered)
        return Offer(types, _within(patterns, known, covered), units, bool(in_force))

    def channels_for(self, principal: Principal) -> tuple[ChannelName, ...]:
        """Which channels somebody may use: organisations machines', people their own."""
        machine = bool(principal.org and principal.may(Permission.MANAGE_ENDPOINTS))
        return tuple(name for name in self._channels if (name in PERSONAL) is not machine)

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
                raise refuse("channel", "topic-missing", *_NO_TOPIC)
        secret = new_secret(wanted.signature) if wanted.channel == "webhook" else None
        identifier, now = new_id(), self._clock()
        verified = self._proving.comes_proven(wanted.channel)
        endpoint: dict[str, Any] = {
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
        subscription: dict[str, Any] = {
            "id": new_id(),
            "endpoint_id": identifier,
            "patterns": sorted(set(wanted.event_types)),
            "units": self._units_of(principal, wanted),
            "sector": principal.sector,
            "now": now,
        }
        async with self._database.transaction() as connection:
            subscription["agreement_id"] = await self._agreement(connection, org, wanted) if org else None
            await require_room(connection, org, person, now, self._limits.on(now), new=True)
            await endpoints.add(connection, endpoint)
            await subscriptions.add(connection, subscription)
            if not verified:
                scope = Scope("notify", connection, now)
                owner = f"org/{org}" if org else f"person/{person}"
                await self._proving.begin(scope, identifier, wanted.channel, target, owner)
                await scope.flush()
        return Created(identifier, shown(secret) if secret else None, verified)

    async def _agreement(self, connection: AsyncConnection, org: str, wanted: Wanted) -> str:
        """The agreement within which an organisation subscribes. Errors: `Rejected` where none covers it."""
        in_force = await agreements.in_force_of(connection, org, local_day(self._clock()))
        for agreement in in_force:
            asked_for = wanted.agreement in {None, agreement.id}
            if asked_for and agreement.covers(wanted.event_types, wanted.units, self._subscribable()):
                return agreement.id
        raise refuse("agreement", "agreement-missing", *_NO_AGREEMENT)

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
            wrong.append(Violation("channel", "org-invalid", *_BAD_ORG))
        allowed = set(self.event_types(principal))
        known = self._subscribable()
        personal = wanted.channel in PERSONAL
        asked = [pattern for pattern in wanted.event_types if not (personal and pattern == HOUSE)]
        covered = [{name for name in known if matches(pattern, name)} for pattern in asked]
        if not wanted.event_types or not all(names and names <= allowed for names in covered):
            wrong.append(Violation("event_types", "event-type-unknown", *_WHICH_EVENTS))
        if any(unit not in self._units or not principal.may_see(unit) for unit in wanted.units or ()):
            wrong.append(Violation("units", "unit-unknown", *_WHICH_UNITS))
        return wrong


def _within(patterns: Sequence[str], known: Sequence[str], allowed: Collection[str]) -> tuple[str, ...]:
    """The patterns that cover something, and nothing but what is allowed."""
    covered = {pattern: {name for name in known if matches(pattern, name)} for pattern in patterns}
    return tuple(pattern for pattern, names in covered.items() if names and names <= set(allowed))


_NO_AGREEMENT = (
    "Tổ chức chưa có thỏa thuận chia sẻ dữ liệu nào đang hiệu lực cho các sự kiện và địa bàn này.",
    "The organisation has no data-sharing agreement in force that covers these events and communes.",
)
_NO_TOPIC = (
    "Chưa tạo được chủ đề Kafka của tổ chức. Hãy báo cho quản trị hệ thống.",
    "The organisation's Kafka topic could not be made. Tell the operators.",
)
_BAD_ORG = ("Tên tổ chức không dùng được.", "The name cannot be used.")
_WHICH_EVENTS = (
    "Chọn ít nhất một loại sự kiện mà vai trò của anh chị được xem.",
    "Choose at least one event type that your role may see.",
)
_WHICH_UNITS = ("Có xã, phường không thuộc địa bàn của anh chị.", "A commune is not in your area.")
