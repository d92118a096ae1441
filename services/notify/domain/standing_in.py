"""Who may be away until when, and who may stand in for whom: only somebody who may see the same anyway."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.notify.domain.preferences import Absence
from shared.contracts.errors import Rejected, Violation
from shared.identity import ALL_UNITS, Principal, Role
from shared.reference.notify_limits import NotifyLimits

# Whose people may stand in for whose: nobody learns by it what their own role may not see.
_MAY_STAND_IN: dict[Role, frozenset[Role]] = {
    Role.WORKER: frozenset({Role.WORKER, Role.CHAIR}),
    Role.CHAIR: frozenset({Role.CHAIR, Role.COORDINATOR}),
    Role.COORDINATOR: frozenset({Role.COORDINATOR}),
    Role.SECTOR: frozenset({Role.SECTOR}),
    Role.HOTLINE: frozenset({Role.HOTLINE}),
    Role.STATISTICIAN: frozenset({Role.STATISTICIAN}),
    Role.OPERATOR: frozenset({Role.OPERATOR}),
}
# A chair names for good who stands in for these in the commune.
NAMED_BY_CHAIR = (Role.WORKER, Role.CHAIR)


def may_stand_in(absent: Principal, other: Principal) -> bool:
    """Whether somebody may be told in another's place: a role that sees as much, in all the other's communes, and of
    the same sector or organisation.
    """
    if other.id == absent.id or other.machine or other.role not in _MAY_STAND_IN.get(absent.role, frozenset()):
        return False
    if absent.role is Role.SECTOR and other.sector != absent.sector:
        return False
    if absent.units == ALL_UNITS:
        return other.units == ALL_UNITS
    return other.units == ALL_UNITS or absent.units <= other.units


def check_absence(
    absence: Absence,
    absent: Principal,
    substitute: Principal | None,
    actor: Principal,
    now: datetime,
    limits: NotifyLimits,
) -> None:
    """Raises: `Rejected` where an absence is not the actor's to enter, makes no sense, or names somebody who may not
    stand in. In: `substitute`: whom `absence.substitute` names, as the directory knows them.
    """
    if not may_enter(actor, absent):
        raise _refused("person", "not-yours", *_NOT_YOURS)
    if absence.ends <= absence.begins or absence.ends <= now:
        raise _refused("ends", "ends-before", *_ENDS_BEFORE)
    if absence.ends - absence.begins > timedelta(days=limits.away_most_days):
        raise _refused("ends", "too-long", *_too_long(limits.away_most_days))
    if absence.ends - now > timedelta(days=limits.away_ahead_days):
        raise _refused("ends", "too-far", *_too_far(limits.away_ahead_days))
    if absence.substitute is not None and (substitute is None or not may_stand_in(absent, substitute)):
        raise _refused("substitute", "may-not-stand-in", *_NOT_A_SUBSTITUTE)


def check_number(held: int, limits: NotifyLimits) -> None:
    """Raises: `Rejected` where somebody has as many absences as may be entered for one person. In: those that are not
    over, or were entered lately."""
    if held >= limits.absences_most:
        raise _refused("begins", "too-many", *_too_many(limits.absences_most))


def check_stand_in(actor: Principal, role: Role, unit: str, account: str | None, named: Principal | None) -> None:
    """Raises: `Rejected` unless a chair, in their commune, names somebody who may see what the role sees there. In:
    `named`: whom `account` names, as the directory knows them; an account that is not there is refused alike.
    """
    if actor.role is not Role.CHAIR or not actor.may_see(unit) or role not in NAMED_BY_CHAIR:
        raise _refused("role", "not-yours", *_NOT_CHAIR)
    if account is not None and (named is None or not may_be_named(role, unit, named)):
        raise _refused("person", "may-not-stand-in", *_NOT_A_SUBSTITUTE)


def may_be_named(role: Role, unit: str, other: Principal) -> bool:
    """Whether somebody may stand in for a role in a commune for good: they see there what the role sees."""
    return not other.machine and other.role in _MAY_STAND_IN.get(role, frozenset()) and other.may_see(unit)


def may_enter(actor: Principal, absent: Principal) -> bool:
    """Whose absence somebody may enter and end: everybody their own; a chair those of the commune's workers; a
    coordinator those of chairs and workers.
    """
    if actor.id == absent.id:
        return True
    if actor.role is Role.CHAIR and absent.role is Role.WORKER and absent.units != ALL_UNITS:
        return actor.units == ALL_UNITS or bool(actor.units & absent.units)
    return actor.role is Role.COORDINATOR and absent.role in {Role.WORKER, Role.CHAIR}


_NOT_YOURS = (
    "Anh chị không nhập được lịch vắng mặt của người này.",
    "You cannot enter this person's absence.",
)
_NOT_CHAIR = (
    "Chỉ Chủ tịch xã, phường được chỉ định người thay thế tại địa bàn của mình.",
    "Only the chair of a commune may name who stands in there.",
)
_ENDS_BEFORE = (
    "Thời điểm kết thúc phải sau thời điểm bắt đầu và chưa qua.",
    "The end must follow the beginning, and not have passed.",
)
_NOT_A_SUBSTITUTE = (
    "Người được chọn không có quyền xem những gì người vắng mặt được xem.",
    "The person chosen may not see what the absent person sees.",
)


def _too_long(days: int) -> tuple[str, str]:
    return (
        f"Mỗi lần vắng mặt nhập tối đa {days} ngày; hãy gia hạn khi cần.",
        f"An absence is entered for at most {days} days; extend it when needed.",
    )


def _too_far(days: int) -> tuple[str, str]:
    return (
        f"Thời điểm kết thúc không được quá {days} ngày kể từ hôm nay; hãy gia hạn khi cần.",
        f"The end is at most {days} days from today; extend it when needed.",
    )


def _too_many(most: int) -> tuple[str, str]:
    return (
        f"Mỗi người có tối đa {most} lần vắng mặt chưa qua hoặc mới nhập trong 24 giờ.",
        f"A person has at most {most} absences that are not over or were entered within 24 hours.",
    )


def _refused(place: str, rule: str, vi: str, en: str) -> Rejected:
    return Rejected([Violation(place, rule, vi, en)])
