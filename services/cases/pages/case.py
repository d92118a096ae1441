"""A case: its clocks, the child, what can be done, one timeline of all sectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.cases import forms, store
from services.cases.documents import FORM_KINDS
from services.cases.domain.model import local_day
from services.cases.domain.rules import open_acts
from services.cases.pages.documents import documents_of
from services.cases.pages.forms import FormPages
from services.cases.pages.room import Room, form_of, typed
from services.cases.reading import actor_of, as_offered, may_read_identity, may_see_case, sees_case
from services.cases.views import Shown
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import SECTORS
from shared.identity import Principal, SignedIn
from shared.reference.forms import Forms
from shared.web.i18n import format_datetime


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
            case = await self.room.seen_case(scope.connection, key, actor)
            if case.code == key:
                return RedirectResponse(f"/cases/c/{case.id}", 303)
            # The commune to which a case is offered sees what it is, not what was done in it.
            led = may_see_case(actor, case.unit)
            reports = await store.concerns_of(scope.connection, case.id) if led else []
            reader, reads = self.room.office.desk.files.reader, may_read_identity(actor, case.unit)
            readings = [
                (file, await reader.report_for(scope.connection, file, actor, "case", scope.now) if reads else None)
                for file in reports
            ]
            lines = await store.timeline(scope.connection, case.id, always=FORM_KINDS) if led else []
            names = self.room.names(request)
            documents = await documents_of(self.room, request, scope, case, lines, actor)
            opened = [(line, await reader.words(scope.connection, line) if reads else {}) for line in lines]
            shown = names.history(opened, format_datetime)
            begun = await self.room.office.desk.drafts.listed(scope, actor, f"case/{case.id}/")
            target = await store.find_case(scope.connection, case.merged_into) if case.merged_into else None
            siblings = await store.linked_cases(scope.connection, case.id) if led else []
        return self.room.render(
            request,
            "cases/case.html",
            case=case if led else as_offered(case),
            readings=readings,
            reads=reads,
            history=shown,
            target=target,
            documents=documents,
            offered=not led,
            siblings=[(row, may_see_case(actor, row.unit)) for row in siblings],
            acts=open_acts(case, actor),
            may_answer=actor.role in ("worker", "chair"),
            today=local_day(scope.now),
            begun={draft.form for draft in begun},
            news=_news(shown, values, violations),
            sectors=SECTORS,
            values=typed(values),
            violations=violations,
            done=request.query_params.get("done"),
        )

    async def case_act(self, request: Request, key: str, principal: Principal) -> Response:
        """An act on a case; what was typed comes back with what is wrong."""
        form = await form_of(request)
        if Forms.load().of_act(form.get("act", "")) is not None:
            return await FormPages(self.room).submit(request, key, form["act"], principal, form)
        actor = actor_of(principal)
        try:
            async with self.room.office.scope() as scope:
                case = await self.room.seen_case(scope.connection, key, actor)
                after = await self.room.office.desk.cases.act(
                    scope, case.id, forms.case_act(form, local_day(scope.now)), actor, forms.version_of(form)
                )
        except Rejected as rejected:
            return await self.case(request, key, principal, form, forms.prefixed(rejected, form.get("act", "")))
        if not sees_case(actor, after):
            return RedirectResponse("/cases/", 303)
        return RedirectResponse(f"/cases/c/{after.id}?done={form['act']}", 303)


def _news(shown: Sequence[Shown], values: Mapping[str, str] | None, violations: Sequence[Violation]) -> Sequence[Shown]:
    """What happened since the page was made from which somebody acted too late; nothing where nobody did."""
    if not any(known.rule == "version-changed" for known in violations):
        return ()
    seen = forms.version_of(values or {})
    return [line for line in shown if line.version > seen >= 0]


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
