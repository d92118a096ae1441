"""HTTP for machines: lists, one case, acts, reports and answers as JSON; the same desk as the pages.

Coarse facts only; a child's identity is answered by one route of its own, to those who work on the case.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases import store
from services.cases.domain.acts import Act, ConcernAct, MaybeWords
from services.cases.domain.model import Case
from services.cases.domain.rules import open_acts, open_concern_acts
from services.cases.office import Office, coarse
from services.cases.reading import actor_of, may_read_identity, may_see_case, may_see_concern
from services.cases.store import CaseFilter, ConcernFile
from shared.contracts.agency import ConcernReported
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import Moment
from shared.identity import NotAllowedError, Permission, Principal, SignedIn, permit
from shared.messaging.outbox import new_id

Reporter = Annotated[Principal, Depends(permit(Permission.REPORT_CONCERN))]
_PAGE = 100


class ActRequest(BaseModel):
    """An act, and the version of the case that the caller saw."""

    model_config = ConfigDict(extra="forbid")

    version: int
    act: Act


class ConcernActRequest(BaseModel):
    """A decision of triage, and the version of the report that the caller saw."""

    model_config = ConfigDict(extra="forbid")

    version: int
    act: ConcernAct


class AnswerRequest(BaseModel):
    """A sector's answer to a task."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    answer: Literal["accepted", "declined", "done", "new-date"]
    reason: MaybeWords = None
    summary: MaybeWords = None
    new_date: Moment | None = None


def build_api(office: Office) -> APIRouter:
    """The routes below `/cases/api`."""
    api = APIRouter(prefix="/api")
    _case_routes(api, office)
    _concern_routes(api, office)
    _task_routes(api, office)
    return api


def _case_routes(api: APIRouter, office: Office) -> None:
    @api.get("/cases")
    async def cases(
        principal: SignedIn,
        status: Literal["open", "closed", "merged"] = "open",
        unit: str | None = None,
        risk: str | None = None,
        step: str | None = None,
        due: Literal["missed", "today"] | None = None,
        page: Annotated[int, Query(ge=1)] = 1,
    ) -> dict[str, Any]:
        """Cases of the caller's area, most urgent first."""
        if not principal.may(Permission.SEE_CASES) or actor_of(principal).role == "hotline":
            raise NotAllowedError("The role sees no cases")
        wanted = CaseFilter(status, unit, risk, step, due)
        async with office.scope() as scope:
            rows, total = await store.list_cases(
                scope.connection, principal.units, wanted, scope.now, limit=_PAGE, offset=(page - 1) * _PAGE
            )
        return {"total": total, "page": page, "cases": [dict(row) for row in rows]}

    @api.get("/cases/{key}")
    async def case(key: str, principal: SignedIn) -> dict[str, Any]:
        """One case by id or code: coarse facts, clocks, tasks, and the acts open to the caller."""
        async with office.scope() as scope:
            return _case_json(await _seen_case(scope.connection, key, principal), principal)

    @api.get("/cases/{key}/identity")
    async def identity(key: str, principal: SignedIn) -> dict[str, Any]:
        """Who the child is, as reported; to the commune that works on the case, and remembered."""
        actor = actor_of(principal)
        async with office.scope() as scope:
            found = await _seen_case(scope.connection, key, principal)
            if not may_read_identity(actor, found.unit):
                raise NotAllowedError("The role works on no case")
            reports = await store.concerns_of(scope.connection, found.id)
            readings = [
                await office.desk.reader.report_for(scope.connection, file, actor, "api", scope.now) for file in reports
            ]
        children = [reading.child.model_dump(mode="json") for reading in readings if reading and reading.child]
        return {"case_id": found.id, "child_id": found.child_id, "described": children}

    @api.post("/cases/{case_id}/acts")
    async def act(case_id: str, request: ActRequest, principal: SignedIn) -> dict[str, Any]:
        """Do something to a case. 409 where somebody was faster, 422 with rule and law where it is not open."""
        async with office.scope() as scope:
            await _seen_case(scope.connection, case_id, principal)
            try:
                after = await office.desk.act(scope, case_id, request.act, actor_of(principal), request.version)
            except Rejected as rejected:
                raise _conflict(rejected) from None
            return _case_json(after, principal)


def _concern_routes(api: APIRouter, office: Office) -> None:
    @api.get("/concerns")
    async def concerns(principal: SignedIn) -> dict[str, Any]:
        """Reports that wait for triage in the caller's area; for the hotline, what the caller wrote down."""
        actor = actor_of(principal)
        async with office.scope() as scope:
            if actor.role in ("worker", "chair", "coordinator"):
                files = await store.waiting_concerns(scope.connection, actor.units, _PAGE)
            else:
                files = await store.concerns_entered_by(scope.connection, actor.id, _PAGE)
        return {"concerns": [_concern_json(file, principal) for file in files]}

    @api.post("/concerns", status_code=201)
    async def report(
        data: ConcernReported,
        principal: Reporter,
        report_id: Annotated[str, Query(max_length=100, min_length=1)] | None = None,
    ) -> dict[str, Any]:
        """Report a concern (form 01). The same `report_id` again changes nothing."""
        async with office.scope() as scope:
            file = await office.report(scope, data, principal, report_id or new_id())
        return _concern_json(file, principal)

    @api.post("/concerns/{concern_id}/acts")
    async def act(concern_id: str, request: ConcernActRequest, principal: SignedIn) -> dict[str, Any]:
        """Decide on a report that waits: open, link, dismiss, forward."""
        actor = actor_of(principal)
        async with office.scope() as scope:
            file = await store.find_concern(scope.connection, concern_id)
            if file is None or not may_see_concern(actor, file):
                raise HTTPException(404)
            try:
                after = await office.desk.concern_act(scope, file.concern.id, request.act, actor, request.version)
            except Rejected as rejected:
                raise _conflict(rejected) from None
        return _concern_json(after, principal)


def _task_routes(api: APIRouter, office: Office) -> None:
    @api.get("/tasks")
    async def tasks(principal: SignedIn, answered: bool = False) -> dict[str, Any]:
        """What is asked of the caller's sector."""
        if not principal.may(Permission.ANSWER_TASKS) or principal.sector is None:
            raise NotAllowedError("The role answers no tasks")
        async with office.scope() as scope:
            rows = await store.tasks_of_sector(
                scope.connection, principal.sector, principal.units, answered=answered, limit=_PAGE
            )
        hidden = {"answer_id", "risk"}
        return {"tasks": [{name: row[name] for name in row if name not in hidden} for row in rows]}

    @api.post("/tasks/{task_id}/answers")
    async def answer(task_id: str, request: AnswerRequest, principal: SignedIn) -> dict[str, Any]:
        """Answer a task: the sector that was asked, or the case's commune on its behalf."""
        actor = actor_of(principal)
        if not principal.may(Permission.ANSWER_TASKS) and actor.role not in ("worker", "chair"):
            raise NotAllowedError("The role answers no tasks")
        async with office.scope() as scope:
            after = await office.desk.answer(
                scope,
                task_id,
                actor,
                request.answer,
                reason=request.reason,
                summary=request.summary,
                new_date=request.new_date,
            )
        task = next(task for task in after.tasks if task.id == task_id)
        return {"task_id": task.id, "state": task.state, "due": task.due}


async def _seen_case(connection: AsyncConnection, key: str, principal: Principal) -> Case:
    """The case, if the caller sees it; otherwise it does not exist for them."""
    found = await store.find_case(connection, key)
    if found is None or not may_see_case(actor_of(principal), found.unit):
        raise HTTPException(404)
    return found


def _conflict(rejected: Rejected) -> Exception:
    if any(violation.rule == "version-changed" for violation in rejected.violations):
        return HTTPException(409)
    return rejected


def _case_json(case: Case, principal: Principal) -> dict[str, Any]:
    return {
        "id": case.id,
        "code": case.code,
        "version": case.version,
        "facts": coarse(case.facts()),
        "identity": case.identity,
        "verified": case.verified,
        "emergency": case.emergency,
        "merged_into": case.merged_into,
        "deadlines": [
            {
                "id": clock.id,
                "kind": clock.kind,
                "state": clock.state,
                "due": _iso(clock.due),
                "law": clock.legal_source,
            }
            for clock in case.clocks
        ],
        "tasks": [
            {"id": task.id, "kind": task.kind, "sector": task.sector, "state": task.state, "due": _iso(task.due)}
            for task in case.tasks
        ],
        "acts": open_acts(case, actor_of(principal)),
    }


def _concern_json(file: ConcernFile, principal: Principal) -> dict[str, Any]:
    concern = file.concern
    return {
        "id": concern.id,
        "code": concern.code,
        "version": concern.version,
        "case_id": concern.case_id,
        "facts": coarse(concern.facts()),
        "acts": open_concern_acts(concern, actor_of(principal)),
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat()
