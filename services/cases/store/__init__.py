"""Tables and queries of the cases database. Personal words lie here sealed only; every statement is written whole."""

from services.cases.store.access import record_read
from services.cases.store.children import add_alias, cases_of_child, resolved
from services.cases.store.concerns import (
    ConcernFile,
    concerns_entered_by,
    concerns_of,
    count_waiting,
    fates_of,
    find_concern,
    lock_concern,
    lock_concern_or_code,
    part_id,
    parts_of,
    save_concern,
    save_part,
    waiting_concerns,
)
from services.cases.store.drafts import DraftRow, discard_draft, drafts_of, drop_drafts, find_draft, save_draft
from services.cases.store.files import case_of_task, due_cases, find_case, lock_case, next_case_code, save_case
from services.cases.store.finding import (
    COMMON,
    RARE,
    Tokens,
    drop_erased_tokens,
    file_by_code,
    files_like,
    keep_tokens,
    rarity,
)
from services.cases.store.incidents import Incident, save_incident
from services.cases.store.links import link_cases, linked_cases, unlink_cases
from services.cases.store.lists import CaseFilter, case_counts, list_cases, tasks_of_sector
from services.cases.store.statements import Units
from services.cases.store.timeline import Line, timeline

__all__ = [
    "COMMON",
    "RARE",
    "CaseFilter",
    "ConcernFile",
    "DraftRow",
    "Incident",
    "Line",
    "Tokens",
    "Units",
    "add_alias",
    "case_counts",
    "case_of_task",
    "cases_of_child",
    "concerns_entered_by",
    "concerns_of",
    "count_waiting",
    "discard_draft",
    "drafts_of",
    "drop_drafts",
    "drop_erased_tokens",
    "due_cases",
    "fates_of",
    "file_by_code",
    "files_like",
    "find_case",
    "find_concern",
    "find_draft",
    "keep_tokens",
    "link_cases",
    "linked_cases",
    "list_cases",
    "lock_case",
    "lock_concern",
    "lock_concern_or_code",
    "next_case_code",
    "part_id",
    "parts_of",
    "rarity",
    "record_read",
    "resolved",
    "save_case",
    "save_concern",
    "save_draft",
    "save_incident",
    "save_part",
    "tasks_of_sector",
    "timeline",
    "unlink_cases",
    "waiting_concerns",
]
