"""Whose an endpoint is, and whether anything may be said there: what every act on one asks first."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import NotFoundError, owns, uuid_in
from services.notify.store import agreements, endpoints, subscriptions
from services.notify.store.endpoints import Endpoint
from shared.contracts.errors import refuse
from shared.identity import Permission, Principal
from shared.reference.calendar import local_day


def is_owner(principal: Principal, endpoint: Endpoint) -> bool:
    """Whether an endpoint is somebody's own, or their organisation's."""
    return owns(principal, endpoint.org, endpoint.person)


async def seen_endpoint(connection: AsyncConnection, principal: Principal, identifier: str) -> Endpoint:
    """An endpoint that somebody may see: its owner, and of an organisation's whoever keeps the platform up. Errors:
    `NotFoundError`."""
    found = await endpoints.find(connection, uuid_in(identifier))
    operated = found is not None and found.org is not None and principal.may(Permission.OPERATE)
    if found is None or not (operated or is_owner(principal, found)):
        raise NotFoundError(identifier)
    return found


async def own_endpoint(connection: AsyncConnection, principal: Principal, identifier: str) -> Endpoint:
    """An endpoint of somebody's own, or of their organisation. Errors: `NotFoundError`."""
    found = await seen_endpoint(connection, principal, identifier)
    if not is_owner(principal, found):
        raise NotFoundError(identifier)
    return found


def require_proven(endpoint: Endpoint) -> None:
    """Errors: `Rejected` before an address has proven whose it is."""
    if endpoint.verified_at is None:
        raise refuse("target", "address-unverified", *_UNPROVEN)


async def require_agreement(connection: AsyncConnection, endpoint: Endpoint, now: datetime) -> None:
    """Errors: `Rejected` where what was said within an agreement would be said again after it."""
    if endpoint.org is None:
        return
    within = {row.agreement_id for row in await subscriptions.of_endpoints(connection, [endpoint.id])} - {None}
    in_force = await agreements.in_force_of(connection, endpoint.org, local_day(now))
    if within - {agreement.id for agreement in in_force}:
        raise refuse("agreement", "agreement-missing", *_NOT_IN_FORCE)


_UNPROVEN = ("Nơi nhận này chưa được xác minh.", "This address has not been verified yet.")
_NOT_IN_FORCE = (
    "Thỏa thuận chia sẻ dữ liệu của đăng ký này không còn hiệu lực, nên không gửi lại được.",
    "The data-sharing agreement of this subscription is not in force, so nothing is sent again.",
)
