"""A case: its clocks, the child, what can be done, one timeline of all sectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.cases import forms, store
from services.cases.domain import forms as rated
from services.cases.domain.agenda import next_acts
from services.cases.domain.model import Case, Clock
from services.cases.domain.rules import open_acts
from services.cases.pages.history import Asked, history_of
from services.cases.pages.room import Room, form_of, typed
from services.cases.pages.team import team_of
from services.cases.reading import actor_of, may_see_case
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import SECTORS
from shared.identity import Principal, SignedIn, identity_of


@dataclass(frozen=True, slots=True)
class Clocks:
    """A case's clocks as its page shows them: what runs, the soonest first; what stands still; what is settled."""

    running: Sequence[Clock]
    paused: Sequence[Clock]
    settled: Sequence[Clock]

    @classmethod
    def of(cls, case: Case) -> Clocks:
        """From a case."""
        by_due = sorted(case.clocks, key=lambda clock: clock.due)
        return cls(
            [clock for clock in by_due if clock.runs],
            [clock for clock in by_due if clock.state == "paused"],
            [clock for clock in reversed(by_due) if not clock.runs and clock.state != "paused"],
        )


class CasePage:
    """One case.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def case(
        self,
        request: Request,
        key: str,
        principal: Principal,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        """A case: its clocks, the child, what can be done, and one timeline of all sectors."""
        actor = actor_of(principal)
        async with self.room.office.scope() as scope:
            case = await self.room.seen_case(scope.connection, key, actor, scope.now)
            if case.code == key:
                return RedirectResponse(f"/cases/c/{case.id}", 303)
            reports = await store.concerns_of(scope.connection, case.id)
            reader = self.room.office.desk.files.reader
            reads = await reader.admit(scope.connection, case, actor, "case", scope.now) is not None
            readings = [
                (file, await reader.shown(scope.connection, file, actor) if reads else None) for file in reports
            ]
            history = await history_of(
                scope, case, actor, reader, self.room.names(request), Asked.read(request.query_params), reads
            )
            team = team_of(case, actor, scope.now, identity_of(request).directory, history.opened)
            target = await store.find_case(scope.connection, case.merged_into) if case.merged_into else None
        return self.room.render(
            request,
            "cases/case.html",
            case=case,
            readings=readings,
            reads=reads,
            history=history,
            clocks=Clocks.of(case),
            first_acts=next_acts(case, actor),
            opening=request.query_params.get("act", ""),
            team=team,
            target=target,
            acts=open_acts(case, actor),
            may_answer=actor.role in ("worker", "chair"),
            rated=rated,
            sectors=SECTORS,
            values=typed(values),
            violations=violations,
            done=request.query_params.get("done"),
        )

    async def case_act(self, request: Request, key: str, principal: Principal) -> Response:
        """An act on a case; what was typed comes back with what is wrong."""
        form = await form_of(request)
        actor = actor_of(principal)
        try:
            async with self.room.office.scope() as scope:
                case = await self.room.seen_case(scope.connection, key, actor, scope.now)
                after = await self.room.office.desk.cases.act(
                    scope, case.id, forms.case_act(form), actor, forms.version_of(form)
                )
                sees = may_see_case(actor, after, scope.now)
        except Rejected as rejected:
            return await self.case(request, key, principal, form, forms.prefixed(rejected, form.get("act", "")))
        if not sees:
            return RedirectResponse("/cases/", 303)
        return RedirectResponse(f"/cases/c/{after.id}?done={form['act']}", 303)


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = CasePage(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/c/{key}")
    async def case(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.case(request, key, principal)

    @router.post("/c/{key}")
    async def case_act(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.case_act(request, key, principal)

    return router
