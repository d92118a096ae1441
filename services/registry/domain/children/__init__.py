"""What is known of a child: what sources say, whose word stands, and what cannot be taken over."""

from services.registry.domain.children.changes import Change, Revision, changes
from services.registry.domain.children.known import (
    Claim,
    Conflict,
    Known,
    Source,
    changed_fields,
    compose,
    others_of,
)
from services.registry.domain.children.rules import ADULT_AGE, circumstance_refusals, is_adult, refusals
from services.registry.domain.children.statements import (
    BUNDLES,
    DROPPED_OUT,
    Mark,
    Period,
    Statement,
    birth_text,
    is_said,
    lead_of,
    marked,
    merge_corrections,
    only_changes,
)

__all__ = [
    "ADULT_AGE",
    "BUNDLES",
    "DROPPED_OUT",
    "Change",
    "Claim",
    "Conflict",
    "Known",
    "Mark",
    "Period",
    "Revision",
    "Source",
    "Statement",
    "birth_text",
    "changed_fields",
    "changes",
    "circumstance_refusals",
    "compose",
    "is_adult",
    "is_said",
    "lead_of",
    "marked",
    "merge_corrections",
    "only_changes",
    "others_of",
    "refusals",
]
