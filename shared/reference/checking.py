"""Whether all reference data can be loaded and speaks of nothing that is not there: asked before a process starts."""

from __future__ import annotations

from datetime import date

from shared.reference.access import Access
from shared.reference.calendar import WorkCalendar
from shared.reference.deadlines import Deadlines
from shared.reference.delivering import Delivering
from shared.reference.disclosure import Disclosure
from shared.reference.exchange import Dhis2Words, Exchange
from shared.reference.files import ReferenceDataError
from shared.reference.forms import Forms
from shared.reference.history import History
from shared.reference.indicators import Indicators
from shared.reference.intake import Intake
from shared.reference.keeping import Keeping
from shared.reference.notify_chat import ChatShapes
from shared.reference.notify_keeping import NotifyKeepingByDay
from shared.reference.notify_ladders import Ladders
from shared.reference.notify_limits import NotifyLimitsByDay
from shared.reference.notify_rules import NotifyRules
from shared.reference.plan_report import PlanForms
from shared.reference.quality import Quality
from shared.reference.registry_fields import RegistryFields
from shared.reference.repair_keeping import RepairKeepingByDay
from shared.reference.terms import Terms
from shared.reference.thresholds import Thresholds
from shared.reference.trust import TrustOrders
from shared.reference.units import Units


def check() -> dict[str, int]:
    """How many there are of each. Raises `ReferenceDataError` at the first fault."""
    WorkCalendar.load()
    units = Units.load()
    task_kinds, sectors = Terms.load("task-kinds"), Terms.load("sectors")
    for code in task_kinds.codes():
        if task_kinds.get(code, "sector") not in sectors:
            raise ReferenceDataError(f"terms.yaml: task-kinds.{code} is asked of no known sector")
        if not isinstance(days := task_kinds.get(code, "days"), int) or days < 1:
            raise ReferenceDataError(f"terms.yaml: task-kinds.{code} needs its usual days, at least 1")
    services = Terms.load("service-kinds")
    for code in services.codes():
        if services.get(code, "sector") not in sectors:
            raise ReferenceDataError(f"terms.yaml: service-kinds.{code} is given by no known sector")
        if services.get(code, "task") not in task_kinds:
            raise ReferenceDataError(
                f"terms.yaml: service-kinds.{code} needs the kind of `task` by which it is asked for"
            )
    return {
        "units": len(units.codes()),
        "predecessors": len({unit for code in units.codes() for unit in units.predecessors(code)}),
        "deadlines": len(Deadlines.load().kinds()),
        "notify-delivery": len(Delivering.load()),
        "notify-chat": len(ChatShapes.load()),
        "forms": len(Forms.load().codes()),
        "access": len(Access.load()),
        "disclosure": len(Disclosure.load()),
        "plan-reports": len(PlanForms.load()),
        "indicators": len(Indicators.load()),
        "thresholds": len(Thresholds.load()),
        "history": len(History.load()),
        "registry-fields": len(RegistryFields.load()),
        "fhir-relations": len(Exchange.load().fhir.relations),
        "dhis2-attributes": len(Dhis2Words.load().attributes),
        "acts": len(Keeping.load().acts.on(date.max).roles),
        "trust": len(TrustOrders.load()),
        "quality": len(Quality.load().rules),
        "intake": len(Intake.load()),
        "notify-rules": len(NotifyRules.load()),
        "notify-ladders": len(Ladders.load()),
        "notify-keeping": len(NotifyKeepingByDay.load()),
        "notify-limits": len(NotifyLimitsByDay.load()),
        "repair-keeping": len(RepairKeepingByDay.load()),
        **{name: len(Terms.load(name).codes()) for name in Terms.names()},
    }
