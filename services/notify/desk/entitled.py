"""Whose an endpoint is, and whether anything may be said there: what every act on one asks first."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import NotFoundError, owns, uuid_in
from services.notify.store import agreements, endpoints, subscriptions
from services.notify.store.endpoints import Endpoint
from shared.contracts.errors import refuse
from shared.identity import Permission, Principal
from shared.reference.calendar import local_day
from shared.reference.notify_limits import NotifyLimits


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


async def require_room(
    connection: AsyncConnection, org: str | None, person: str | None, now: datetime, limits: NotifyLimits, *, new: bool
) -> None:
    """Errors: `Rejected` where somebody has as many endpoints as they may, or has made too many lately. In: `new`:
    whether another is made, or a deleted one brought back. Until the transaction ends their number stays."""
    held = await endpoints.held(connection, org, person, now - timedelta(days=1))
    if held.there >= limits.endpoints_most:
        raise refuse("name", "too-many", *_too_many(limits.endpoints_most))
    if new and held.made >= limits.endpoints_per_day:
        raise refuse("name", "too-many-made", *_too_many_made(limits.endpoints_per_day))


def _too_many(most: int) -> tuple[str, str]:
    return (
        f"Mỗi tổ chức hoặc tài khoản có tối đa {most} đăng ký. Hãy xóa đăng ký không dùng.",
        f"An organisation or an account has at most {most} subscriptions. Delete those that are not used.",
    )


def _too_many_made(most: int) -> tuple[str, str]:
    return (
        f"Đã tạo {most} đăng ký trong 24 giờ qua, kể cả những đăng ký đã xóa. Hãy thử lại vào ngày mai.",
        f"{most} subscriptions were made within 24 hours, deleted ones included. Try again tomorrow.",
    )


_UNPROVEN = ("Nơi nhận này chưa được xác minh.", "This address has not been verified yet.")
_NOT_IN_FORCE = (
    "Thỏa thuận chia sẻ dữ liệu của đăng ký này không còn hiệu lực, nên không gửi lại được.",
    "The data-sharing agreement of this subscription is not in force, so nothing is sent again.",
)
