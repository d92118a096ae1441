"""Reports of concern as JSON: taken in, listed, decided on."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from services.cases import store
from services.cases.api.answers import conflict
from services.cases.domain.acts import ConcernAct
from services.cases.domain.model import Case
from services.cases.domain.rules import open_concern_acts
from services.cases.office import Office, coarse
from services.cases.reading import actor_of, may_open
from services.cases.seeing import AtWork, seen_concern
from services.cases.store import ConcernFile
from shared.contracts.agency import ConcernReported
from shared.contracts.errors import Rejected, refuse_unstorable
from shared.identity import NotAllowedError, Permission, Principal, SignedIn, permit
from shared.messaging.outbox import new_id

Reporter = Annotated[Principal, Depends(permit(Permission.REPORT_CONCERN))]
_PAGE = 100


class ConcernActRequest(BaseModel):
    """A decision of triage, and the version of the report that the caller saw."""

    model_config = ConfigDict(extra="forbid")

    version: int
    act: ConcernAct


class SearchRequest(BaseModel):
    """What is looked for: a code, a name or a number."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    said: Annotated[str, Field(min_length=1, max_length=300)]


class IntakeRoutes:
    """Reports of concern, and the search, for machines.

    Args:
        office: does the work, one transaction a request.
    """

    def __init__(self, office: Office) -> None:
        self.office = office

    async def concerns(self, principal: AtWork) -> dict[str, Any]:
        """Reports that wait for triage in the caller's area; for the hotline, what the caller wrote down."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            if actor.role in ("worker", "chair", "coordinator"):
                files = await store.waiting_concerns(scope.connection, actor.units, _PAGE)
            else:
                files = await store.concerns_entered_by(scope.connection, actor.id, _PAGE)
        return {"concerns": [_concern_json(file, principal) for file in files]}

    async def report(
        self,
        data: ConcernReported,
        principal: Reporter,
        report_id: Annotated[str, Query(max_length=100, min_length=1)] | None = None,
    ) -> dict[str, Any]:
        """Report a concern (form 01). The same report under the same `report_id` again changes nothing.

        Another one under it is refused (`report-sent-already`).
        """
        refuse_unstorable(data.model_dump(mode="json"))
        async with self.office.scope() as scope:
            file = await self.office.report(scope, data, principal, report_id or new_id())
        return _concern_json(file, principal)

    async def act(self, concern_id: str, request: ConcernActRequest, principal: SignedIn) -> dict[str, Any]:
        """Decide on a report that waits: open, link, dismiss, forward, answer; and on any: when it was received."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            file, _ = await seen_concern(scope.connection, concern_id, actor, scope.now)
            try:
                after = await self.office.desk.intake.act(scope, file.concern.id, request.act, actor, request.version)
            except Rejected as rejected:
                raise conflict(rejected) from None
            now_of = await store.find_case(scope.connection, after.concern.case_id) if after.concern.case_id else None
        return _concern_json(after, principal, now_of)

    async def search(self, request: SearchRequest, principal: SignedIn) -> dict[str, Any]:
        """Cases and reports by code, child's name or personal number, in the caller's area; coarse facts only.

        A search by name or number is remembered. It is a POST because no name stands in an address.
        """
        actor = actor_of(principal)
        if actor.role not in ("worker", "chair", "coordinator", "hotline"):
            raise NotAllowedError("The role sees no cases")
        async with self.office.scope() as scope:
            found = await self.office.desk.finding.search(scope, actor, request.said)
            by_code = found.code_of
            if by_code and not await may_open(scope.connection, actor, by_code["what"], by_code["id"], scope.now):
                by_code = None
            numbered = [
                match for match in found.numbered if await may_open(scope.connection, actor, *match.matter, scope.now)
            ]
        return {
            "by_code": by_code and {"what": by_code["what"], "id": by_code["id"]},
            "too_common": found.too_common,
            "more": found.more,
            "matches": [
                {
                    "case_id": match.case_id,
                    "concern_id": match.concern_id,
                    "code": match.case_code or match.concern_code,
                    "unit": match.unit,
                    "kind": match.kind,
                    "status": match.status,
                    "received_at": match.received_at,
                }
                for match in (*found.matches, *numbered)
            ],
        }


def add_routes(api: APIRouter, office: Office) -> None:
    """The routes of this part."""
    routes = IntakeRoutes(office)
    api.get("/concerns")(routes.concerns)
    api.post("/concerns", status_code=201)(routes.report)
    api.post("/concerns/{concern_id}/acts")(routes.act)
    api.post("/search")(routes.search)


def _concern_json(file: ConcernFile, principal: Principal, case: Case | None = None) -> dict[str, Any]:
    concern = file.concern
    return {
        "id": concern.id,
        "code": concern.code,
        "version": concern.version,
        "case_id": concern.case_id,
        "facts": coarse(concern.facts()),
        "acts": open_concern_acts(concern, actor_of(principal), case),
    }
