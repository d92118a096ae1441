"""Tables and queries of the cases database. Personal words lie here sealed only; every statement is written whole."""

from services.cases.store.access import record_read
from services.cases.store.children import add_alias, cases_of_child, resolved
from services.cases.store.concerns import (
    ConcernFile,
    concerns_entered_by,
    concerns_of,
    count_waiting,
    find_concern,
    lock_concern,
    lock_concern_or_code,
    save_concern,
    waiting_concerns,
)
from services.cases.store.files import due_cases, find_case, lock_case, next_case_code, save_case
from services.cases.store.incidents import Incident, save_incident
from services.cases.store.lists import CaseFilter, case_counts, list_cases
from services.cases.store.statements import Units
from services.cases.store.tasks import (
    COUNTED,
    TaskFilter,
    case_of_task,
    conference_line,
    list_tasks,
    meetings_of_sector,
    place_of_task,
    sector_figures,
    task_lines,
    tasks_of_sector,
)
from services.cases.store.timeline import Line, timeline

__all__ = [
    "COUNTED",
    "CaseFilter",
    "ConcernFile",
    "Incident",
    "Line",
    "TaskFilter",
    "Units",
    "add_alias",
    "case_counts",
    "case_of_task",
    "cases_of_child",
    "concerns_entered_by",
    "concerns_of",
    "conference_line",
    "count_waiting",
    "due_cases",
    "find_case",
    "find_concern",
    "list_cases",
    "list_tasks",
    "lock_case",
    "lock_concern",
    "lock_concern_or_code",
    "meetings_of_sector",
    "next_case_code",
    "place_of_task",
    "record_read",
    "resolved",
    "save_case",
    "save_concern",
    "save_incident",
    "sector_figures",
    "task_lines",
    "tasks_of_sector",
    "timeline",
    "waiting_concerns",
]
