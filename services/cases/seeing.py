"""What somebody sees of cases, for pages and machines alike: what is not theirs to see is not there (HTTP 404)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Depends, HTTPException
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Actor, Case, Task
from services.cases.reading import find_seen_case, find_seen_concern, find_seen_task
from services.cases.store import ConcernFile
from shared.identity import NotAllowedError, Permission, Principal, SignedIn

_WORK = (Permission.REPORT_CONCERN, Permission.SEE_CASES, Permission.ANSWER_TASKS)


async def _at_work(principal: SignedIn) -> Principal:
    """Errors: `NotAllowedError` for whoever neither reports, nor works on cases, nor answers what is asked."""
    if not any(principal.may(permission) for permission in _WORK):
        raise NotAllowedError("The role has no work in cases")
    return principal


AtWork = Annotated[Principal, Depends(_at_work)]


async def seen_case(connection: AsyncConnection, key: str, actor: Actor, now: datetime) -> Case:
    """The case by id or code, if the actor sees it. Raises: 404."""
    found = await find_seen_case(connection, key, actor, now)
    if found is None:
        raise HTTPException(404)
    return found


async def seen_concern(
    connection: AsyncConnection, key: str, actor: Actor, now: datetime
) -> tuple[ConcernFile, Case | None]:
    """The report with its case, if the actor sees it. Raises: 404."""
    found = await find_seen_concern(connection, key, actor, now)
    if found is None:
        raise HTTPException(404)
    return found


async def seen_task(
    connection: AsyncConnection, task_id: str, actor: Actor, now: datetime, *, with_words: bool = False
) -> tuple[Case, Task]:
    """The task with its case, if the actor's sector was asked or the actor sees the case. Raises: 404.

    In: `with_words`: and only if they read what is said about it, which the province does not.
    """
    found = await find_seen_task(connection, task_id, actor, now, with_words=with_words)
    if found is None:
        raise HTTPException(404)
    return found
