"""Tables and queries of the cases database. Personal words lie here sealed only; every statement is written whole."""

from services.cases.store.access import record_read
from services.cases.store.agenda import (
    REASONS,
    Whose,
    askers_waiting,
    cases_waiting,
    handovers_to,
    tasks_waiting,
)
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
from services.cases.store.files import case_of_task, due_cases, find_case, lock_case, next_case_code, save_case
from services.cases.store.incidents import Incident, save_incident
from services.cases.store.lists import (
    ORDERS,
    CaseFilter,
    CasePage,
    Place,
    case_counts,
    count_open,
    counts_by_unit,
    list_cases,
    tasks_of_sector,
    waiting_by_unit,
    workers_of,
)
from services.cases.store.looks import MOST_COUNTED, changed_cases, look, looked
from services.cases.store.statements import Units
from services.cases.store.timeline import CHAPTERS, Line, LineFilter, timeline, timeline_page

__all__ = [
    "CHAPTERS",
    "MOST_COUNTED",
    "ORDERS",
    "REASONS",
    "CaseFilter",
    "CasePage",
    "ConcernFile",
    "Incident",
    "Line",
    "LineFilter",
    "Place",
    "Units",
    "Whose",
    "add_alias",
    "askers_waiting",
    "case_counts",
    "case_of_task",
    "cases_of_child",
    "cases_waiting",
    "changed_cases",
    "concerns_entered_by",
    "concerns_of",
    "count_open",
    "count_waiting",
    "counts_by_unit",
    "due_cases",
    "find_case",
    "find_concern",
    "handovers_to",
    "list_cases",
    "lock_case",
    "lock_concern",
    "lock_concern_or_code",
    "look",
    "looked",
    "next_case_code",
    "record_read",
    "resolved",
    "save_case",
    "save_concern",
    "save_incident",
    "tasks_of_sector",
    "tasks_waiting",
    "timeline",
    "timeline_page",
    "waiting_by_unit",
    "waiting_concerns",
    "workers_of",
]
