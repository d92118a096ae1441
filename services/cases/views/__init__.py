"""What pages show: texts by code (`texts`), codes and lines in the reader's language (`names`), what templates ask of
rendered parts (`markup`). It decides nothing, loads nothing and opens no seal.
"""

from services.cases.domain.acts import MOST_DECISIONS
from services.cases.views.markup import (
    LATE,
    act_address,
    beside_no_field,
    capped,
    focus_first,
    focus_start,
    is_late,
    words_typed,
)
from services.cases.views.names import Names, Shown, length, shortened
from services.cases.views.texts import (
    ACTS,
    AWAITED,
    CALL_ANSWERS,
    CALL_CHANNELS,
    CASE_STATES,
    CHAPTERS,
    CONCERN_STATES,
    CONFIRMED,
    DANGER,
    DOCUMENT_KINDS,
    FITS,
    GIVEN,
    GROUNDS,
    KIND_GROUPS,
    LEFT,
    NAMED_NO_MORE,
    OTHERS,
    READ_FOR,
    ROLES,
    SEXES,
    TASK_ANSWERS,
    TASK_CAUSES,
    TASK_STATES,
    TITLES,
    VERDICTS,
    WEEKDAYS,
    WORDS,
)

# How many decisions the form of a conference has room for.
DECISION_ROWS = MOST_DECISIONS
# Acts on one task that the case page offers beside it.
TASK_ACTS = ("reply-task", "agree-date", "refuse-date", "remind-task", "reassign-task", "do-without", "cancel-task")

__all__ = [
    "ACTS",
    "AWAITED",
    "CALL_ANSWERS",
    "CALL_CHANNELS",
    "CASE_STATES",
    "CHAPTERS",
    "CONCERN_STATES",
    "CONFIRMED",
    "DANGER",
    "DECISION_ROWS",
    "DOCUMENT_KINDS",
    "FITS",
    "GIVEN",
    "GROUNDS",
    "KIND_GROUPS",
    "LATE",
    "LEFT",
    "NAMED_NO_MORE",
    "OTHERS",
    "READ_FOR",
    "ROLES",
    "SEXES",
    "TASK_ACTS",
    "TASK_ANSWERS",
    "TASK_CAUSES",
    "TASK_STATES",
    "TITLES",
    "VERDICTS",
    "WEEKDAYS",
    "WORDS",
    "Names",
    "Shown",
    "act_address",
    "beside_no_field",
    "capped",
    "focus_first",
    "focus_start",
    "is_late",
    "length",
    "shortened",
    "words_typed",
]
