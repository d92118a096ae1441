"""Who may subscribe to what, and whose an endpoint is."""

from __future__ import annotations

from services.notify.domain.matching import is_internal
from shared.identity import Permission, Principal


class NotFoundError(LookupError):
    """There is no such thing (an endpoint, a delivery, an agreement, an emergency), or it is somebody else's: which of
    both is not told."""


def may_subscribe(principal: Principal, event_type: str) -> bool:
    """Whether somebody's role lets them hear of an event type: the same doors as for the pages behind it."""
    if is_internal(event_type):
        return False
    publisher = event_type.split(".", 1)[0]
    if publisher == "stats" and not event_type.startswith("stats.period."):
        # Figures as they change: one child is the difference of two. Others have what a period releases.
        return principal.may(Permission.SEE_CASES)
    if principal.org is not None and principal.may(Permission.MANAGE_ENDPOINTS):
        return True  # an organisation's agreement says of what; whoever operates the platform has none
    if publisher == "cases":
        asked = event_type.startswith("cases.task.") and principal.may(Permission.ANSWER_TASKS)
        return asked or principal.may(Permission.SEE_CASES)
    if publisher == "registry":
        return principal.may(Permission.SEE_CHILDREN)
    return publisher == "stats" and principal.may(Permission.SEE_STATISTICS)


def owns(principal: Principal, org: str | None, person: str | None) -> bool:
    """Whether what belongs to an organisation or a person is the principal's."""
    if org is not None:
        return org == principal.org and principal.may(Permission.MANAGE_ENDPOINTS)
    return person == principal.id
