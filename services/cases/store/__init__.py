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
from services.cases.store.drafts import DraftRow, discard_draft, drafts_of, drop_drafts, find_draft, save_draft
from services.cases.store.due import count_stuck, due_case, due_cases, due_ids, next_moment, put_aside
from services.cases.store.files import case_of_task, find_case, lock_case, next_case_code, save_cases
from services.cases.store.incidents import Incident, save_incident
from services.cases.store.links import link_cases, linked_cases, unlink_cases
from services.cases.store.lists import CaseFilter, case_counts, list_cases, tasks_of_sector
from services.cases.store.merges import merge_of, offered_cases
from services.cases.store.statements import Units
from services.cases.store.timeline import Line, timeline

__all__ = [
    "CaseFilter",
    "ConcernFile",
    "DraftRow",
    "Incident",
    "Line",
    "Units",
    "add_alias",
    "case_counts",
    "case_of_task",
    "cases_of_child",
    "concerns_entered_by",
    "concerns_of",
    "count_stuck",
    "count_waiting",
    "discard_draft",
    "drafts_of",
    "drop_drafts",
    "due_case",
    "due_cases",
    "due_ids",
    "find_case",
    "find_concern",
    "find_draft",
    "link_cases",
    "linked_cases",
    "list_cases",
    "lock_case",
    "lock_concern",
    "lock_concern_or_code",
    "merge_of",
    "next_case_code",
    "next_moment",
    "offered_cases",
    "put_aside",
    "record_read",
    "resolved",
    "save_cases",
    "save_concern",
    "save_draft",
    "save_incident",
    "tasks_of_sector",
    "timeline",
    "unlink_cases",
    "waiting_concerns",
]
