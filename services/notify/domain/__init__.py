"""The rules of notifying, pure: no database, no network, no clock of its own. No identity can enter: what leaves is
picked from a short list.
"""

from services.notify.domain.circuit import CircuitState, Health, News, after, outlived, probing
from services.notify.domain.entitlement import NotFoundError, may_subscribe, owns
from services.notify.domain.happenings import PUBLIC_CODES, happening_of, path_for, path_of, payload_of, short_type
from services.notify.domain.ids import time_of, timed_id, uuid_in
from services.notify.domain.lateness import believable, expires_at, is_past, kept_since
from services.notify.domain.matching import candidates, concerns, is_internal, matches
from services.notify.domain.model import (
    PERSONAL,
    TEST_TYPE,
    Addressed,
    Attempt,
    ChannelName,
    DeliveryState,
    EndpointState,
    Happening,
    Message,
    Outcome,
)
from services.notify.domain.retrying import SUCCEEDED, Verdict, longest_wait, retry_after, spread, verdict
from services.notify.domain.rules import NO_RELATIONS, Relations, Telling, Told, audiences_of, belongs_to, members_of

__all__ = [
    "NO_RELATIONS",
    "PERSONAL",
    "PUBLIC_CODES",
    "SUCCEEDED",
    "TEST_TYPE",
    "Addressed",
    "Attempt",
    "ChannelName",
    "CircuitState",
    "DeliveryState",
    "EndpointState",
    "Happening",
    "Health",
    "Message",
    "News",
    "NotFoundError",
    "Outcome",
    "Relations",
    "Telling",
    "Told",
    "Verdict",
    "after",
    "audiences_of",
    "believable",
    "belongs_to",
    "candidates",
    "concerns",
    "expires_at",
    "happening_of",
    "is_internal",
    "is_past",
    "kept_since",
    "longest_wait",
    "matches",
    "may_subscribe",
    "members_of",
    "outlived",
    "owns",
    "path_for",
    "path_of",
    "payload_of",
    "probing",
    "retry_after",
    "short_type",
    "spread",
    "time_of",
    "timed_id",
    "uuid_in",
    "verdict",
]
