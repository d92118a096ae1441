"""Form 01, and a report with its triage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from services.cases import forms
from services.cases.domain.rules import open_concern_acts
from services.cases.domain.team import glass_of
from services.cases.pages.room import Room, form_of, typed
from services.cases.reading import actor_of, may_see_case, may_see_concern
from shared.contracts.errors import Rejected, Violation
from shared.identity import Permission, Principal, SignedIn, permit
from shared.messaging.outbox import new_id

Reporter = Annotated[Principal, Depends(permit(Permission.REPORT_CONCERN))]


class IntakePages:
    """Reports of concern.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    def report_form(
        self, request: Request, values: Mapping[str, str], kinds: Sequence[str], violations: Sequence[Violation] = ()
    ) -> Response:
        """Form 01, empty or as typed."""
        return self.room.render(
            request,
            "cases/report.html",
            values=typed(values),
            kinds=kinds,
            violations=violations,
            report_id=values.get("report_id") or new_id(),
        )

    async def report(self, request: Request, principal: Principal) -> Response:
        """Take form 01 in."""
        form = await form_of(request)
        kinds = [str(kind) for kind in (await request.form()).getlist("kinds")]
        try:
            async with self.room.office.scope() as scope:
                data = forms.report(form, kinds, scope.now)
                file = await self.room.office.report(scope, data, principal, form.get("report_id") or new_id())
        except Rejected as rejected:
            violations = [
                Violation(known.field.removeprefix("data."), known.rule, known.message_vi, known.message_en)
                for known in rejected.violations
            ]
            return self.report_form(request, form, kinds, violations)
        return RedirectResponse(f"/cases/concerns/{file.concern.id}?done=report", 303)

    async def concern(
        self,
        request: Request,
        key: str,
        principal: Principal,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        """A report, with what the reader may read of it and do with it."""
        actor = actor_of(principal)
        async with self.room.office.scope() as scope:
            file, case = await self.room.seen_concern(scope.connection, key, actor, scope.now)
            reading = await self.room.office.desk.files.reader.report_for(
                scope.connection, file, actor, "report", scope.now
            )
            glass = glass_of(case, actor, scope.now) if case is not None else None
            sees_case = case is not None and may_see_case(actor, case, scope.now)
        return self.room.render(
            request,
            "cases/concern.html",
            file=file,
            concern=file.concern,
            reading=reading,
            case=case if sees_case else None,
            glass=glass,
            acts=open_concern_acts(file.concern, actor),
            values=typed(values),
            violations=violations,
            done=request.query_params.get("done"),
        )

    async def concern_act(self, request: Request, key: str, principal: Principal) -> Response:
        """A decision of triage."""
        form = await form_of(request)
        actor = actor_of(principal)
        try:
            async with self.room.office.scope() as scope:
                file, _ = await self.room.seen_concern(scope.connection, key, actor, scope.now)
                after = await self.room.office.desk.intake.act(
                    scope, file.concern.id, forms.concern_act(form), actor, forms.version_of(form)
                )
                sees = may_see_concern(actor, after, None, scope.now)
        except Rejected as rejected:
            return await self.concern(request, key, principal, form, forms.prefixed(rejected, form.get("act", "")))
        if after.concern.case_id:
            return RedirectResponse(f"/cases/c/{after.concern.case_id}?done={form['act']}", 303)
        if not sees:
            return RedirectResponse("/cases/", 303)
        return RedirectResponse(f"/cases/concerns/{after.concern.id}?done={form['act']}", 303)


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = IntakePages(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/report")
    async def report_form(request: Request, principal: Reporter) -> Response:
        channel = "hotline-111" if principal.sector == "hotline" else "in-person"
        unit = next(iter(principal.units)) if principal.units != "all" and len(principal.units) == 1 else ""
        return pages.report_form(request, {"channel": channel, "unit": unit}, ())

    @router.post("/report")
    async def report(request: Request, principal: Reporter) -> Response:
        return await pages.report(request, principal)

    @router.get("/concerns/{key}")
    async def concern(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.concern(request, key, principal)

    @router.post("/concerns/{key}")
    async def concern_act(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.concern_act(request, key, principal)

    return router
