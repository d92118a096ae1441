"""The rules of notifying, pure: no database, no network, no clock of its own. No identity can enter: what leaves is
picked from a short list.
"""

from services.notify.domain.entitlement import may_subscribe
from services.notify.domain.happenings import PUBLIC_CODES, happening_of, path_for, path_of, payload_of, short_type
from services.notify.domain.matching import candidates, is_internal, matches
from services.notify.domain.model import (
    TEST_TYPE,
    ChannelName,
    DeliveryState,
    Happening,
    Outcome,
    Sent,
    SubscriptionState,
)
from services.notify.domain.retrying import BACKOFF, JITTER, Verdict, outlived, retry_after, verdict
from services.notify.domain.rules import NO_RELATIONS, Relations, Telling, Told, audiences_of, belongs_to, members_of

__all__ = [
    "BACKOFF",
    "JITTER",
    "NO_RELATIONS",
    "PUBLIC_CODES",
    "TEST_TYPE",
    "ChannelName",
    "DeliveryState",
    "Happening",
    "Outcome",
    "Relations",
    "Sent",
    "SubscriptionState",
    "Telling",
    "Told",
    "Verdict",
    "audiences_of",
    "belongs_to",
    "candidates",
    "happening_of",
    "is_internal",
    "matches",
    "may_subscribe",
    "members_of",
    "outlived",
    "path_for",
    "path_of",
    "payload_of",
    "retry_after",
    "short_type",
    "verdict",
]
