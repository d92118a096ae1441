"""Who acts, in which role, for which communes: the one answer every page, handler and query asks for.

It must never reach for a database or a request: whoever resolved the principal passes it on.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from shared.contracts.vocabulary import Sector

AllUnits = Literal["all"]
ALL_UNITS: AllUnits = "all"


class Permission(StrEnum):
    """One thing somebody may do. Pages ask for a permission where several roles share it."""

    REPORT_CONCERN = "report-concern"
    SEE_CHILDREN = "see-children"
    EDIT_CHILDREN = "edit-children"
    SEE_CASES = "see-cases"
    WORK_CASES = "work-cases"
    DECIDE_CASES = "decide-cases"
    ANSWER_TASKS = "answer-tasks"
    SEE_STATISTICS = "see-statistics"
    EXPORT_STATISTICS = "export-statistics"
    MANAGE_ENDPOINTS = "manage-endpoints"
    OPERATE = "operate"
    PUBLISH_EVENTS = "publish-events"


class Role(StrEnum):
    """What somebody is to the platform. The permissions of a role are in `PERMISSIONS`."""

    WORKER = "worker"
    CHAIR = "chair"
    HOTLINE = "hotline"
    SECTOR = "sector"
    COORDINATOR = "coordinator"
    STATISTICIAN = "statistician"
    PARTNER = "partner"
    OPERATOR = "operator"
    AGENCY = "agency"


PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.WORKER: frozenset(
        {
            Permission.REPORT_CONCERN,
            Permission.SEE_CHILDREN,
            Permission.EDIT_CHILDREN,
            Permission.SEE_CASES,
            Permission.WORK_CASES,
            Permission.SEE_STATISTICS,
        }
    ),
    Role.CHAIR: frozenset(
        {
            Permission.SEE_CHILDREN,
            Permission.SEE_CASES,
            Permission.DECIDE_CASES,
            Permission.SEE_STATISTICS,
        }
    ),
    Role.HOTLINE: frozenset({Permission.REPORT_CONCERN, Permission.SEE_CASES}),
    Role.SECTOR: frozenset({Permission.REPORT_CONCERN, Permission.ANSWER_TASKS, Permission.SEE_STATISTICS}),
    Role.COORDINATOR: frozenset(
        {
            Permission.REPORT_CONCERN,
            Permission.SEE_CHILDREN,
            Permission.SEE_CASES,
            Permission.SEE_STATISTICS,
            Permission.EXPORT_STATISTICS,
        }
    ),
    # Figures without people: a statistician and an operator never see a child or a case.
    Role.STATISTICIAN: frozenset({Permission.SEE_STATISTICS, Permission.EXPORT_STATISTICS}),
    Role.PARTNER: frozenset({Permission.MANAGE_ENDPOINTS}),
    Role.OPERATOR: frozenset({Permission.OPERATE, Permission.MANAGE_ENDPOINTS}),
    Role.AGENCY: frozenset({Permission.PUBLISH_EVENTS, Permission.REPORT_CONCERN, Permission.ANSWER_TASKS}),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or a machine that has proved who it is.

    `units` are commune codes (5 digits, strings) or "all"; `sector` is the sector it speaks for, `org` the partner
    organisation it belongs to.
    """

    id: str
    name: str
    role: Role
    units: frozenset[str] | AllUnits
    sector: Sector | None = None
    org: str | None = None
    machine: bool = False

    def __repr__(self) -> str:
        """The role only: a principal ends up in logs and exceptions, where no name belongs."""
        return f"Principal(role={self.role.value})"

    def may(self, permission: Permission) -> bool:
        """Whether the role carries the permission; says nothing about the place."""
        return permission in PERMISSIONS[self.role]

    @property
    def area(self) -> frozenset[str] | None:
        """The communes that the principal sees; None: the whole province."""
        return None if self.units == ALL_UNITS else self.units

    def may_see(self, unit: str | None) -> bool:
        """In: a commune code, None where the place is unknown. Out: whether the principal's area covers it.

        An unknown place is seen by those who see the whole province, so that nothing falls between communes.
        """
        if self.units == ALL_UNITS:
            return True
        return unit is not None and unit in self.units
