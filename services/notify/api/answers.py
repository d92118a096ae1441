"""Rows as the API answers them, and what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import HTTPException, Query

from services.notify.desk.desks import Desks
from services.notify.domain import NotFoundError
from services.notify.store.endpoints import Endpoint
from services.notify.store.log import Entry
from services.notify.store.notices import Notice
from services.notify.store.replays import Replay
from shared.identity import Principal

PAGE = 50
Limit = Annotated[int, Query(ge=1, le=200)]


def as_subscription(desks: Desks, principal: Principal, row: Endpoint) -> dict[str, Any]:
    """An endpoint with what it is to hear of; its address only for its owner."""
    return {
        "id": row.id,
        "channel": row.channel,
        "name": row.name,
        "target": desks.endpoints.address(principal, row),
        "event_types": list(row.patterns),
        "units": row.units,
        "public_key": desks.endpoints.public_key(principal, row),
        "ordered": row.ordered,
        "at_once": row.at_once,
        "per_second": row.per_second,
        "language": row.language,
        "state": row.state,
        "verified_at": row.verified_at,
        "circuit": row.circuit,
        "failing_since": row.failing_since,
        "retry_at": row.retry_at,
        "created_at": row.created_at,
    }


def as_delivery(row: Entry) -> dict[str, Any]:
    """One line of the delivery log."""
    return {
        "id": row.id,
        "event_type": row.event_type,
        "unit": row.unit,
        "case_id": row.case_id,
        "state": row.state,
        "attempts": row.attempts,
        "reason": row.reason,
        "created_at": row.created_at,
        "next_attempt_at": row.due_at if row.state == "pending" and not row.blocked else None,
        "waits_for_earlier": row.state == "pending" and row.blocked,
        "settled_at": row.settled_at,
    }


def as_notice(row: Notice) -> dict[str, Any]:
    """One notice of the inbox. `settled`: what was to be done by `due` is "done" since, or "needless"; null: it waits,
    or nothing was to be done."""
    return {
        "id": row.id,
        "event_type": row.event_type,
        "unit": row.unit,
        "case_id": row.case_id,
        "due": row.due,
        "path": row.path,
        "urgent": row.urgent,
        "created_at": row.created_at,
        "read_at": row.read_at,
        "count": row.count,
        "rule": row.rule,
        "emergency": row.ladder_id,
        "settled": row.settled,
    }


@contextmanager
def found() -> Iterator[None]:
    """What is not there, or is somebody else's, answers 404."""
    try:
        yield
    except NotFoundError:
        raise HTTPException(404) from None


def as_replay(row: Replay) -> dict[str, Any]:
    """A period that is sent again, and how far that is."""
    return {
        "id": row.id,
        "until": row.until,
        "everything": not row.only_failed,
        "requested_at": row.requested_at,
        "replayed": row.replayed,
        "finished_at": row.finished_at,
    }
