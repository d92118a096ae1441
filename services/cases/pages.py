"""Pages for people: my work today, form 01, a report, a case with its timeline, a sector's task.

Every change goes through the desk; nothing is shown that `reading.py` does not allow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import RedirectResponse, Response

from services.cases import forms, store
from services.cases import views as v
from services.cases.domain import forms as rated
from services.cases.domain.model import Actor, Case
from services.cases.domain.rules import open_acts, open_concern_acts
from services.cases.office import Office
from services.cases.reading import actor_of, may_read_identity, may_see_case, may_see_concern
from services.cases.store import CaseFilter, ConcernFile
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import SECTORS
from shared.identity import NotAllowedError, Permission, Principal, SignedIn, permit
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.reference.units import Units
from shared.web.i18n import format_datetime
from shared.web.pages import Pages, language_of

Reporter = Annotated[Principal, Depends(permit(Permission.REPORT_CONCERN))]
_PAGE = 30
_WAITING = 20


class CasePages:
    """The service's pages.

    Args:
        office: does the work. pages: turn templates into answers. units: the communes to choose from.
    """

    def __init__(self, office: Office, pages: Pages, units: Units) -> None:
        self._office = office
        self._pages = pages
        self._units = units

    def render(self, request: Request, name: str, **context: Any) -> Response:
        """A page with what every page of the service knows: names of codes, communes, tables of choices."""
        names = self.names(request)
        status = 422 if context.get("violations") else 200
        return self._pages.render(
            request, name, status=status, names=names, v=v, units=self._unit_options(), **{"violations": (), **context}
        )

    def names(self, request: Request) -> v.Names:
        """Names of codes in the request's language."""

        def say(text: str) -> str:
            return self._pages.text(request, text)

        return v.Names(say, language_of(request), self._pages.unit_name)

    async def work(self, request: Request, principal: Principal) -> Response:
        """Where each role's day begins."""
        actor = actor_of(principal)
        if actor.role == "sector":
            return await self._sector_work(request, actor)
        if actor.role == "hotline":
            async with self._office.scope() as scope:
                files = await store.concerns_entered_by(scope.connection, actor.id, _PAGE)
            return self.render(request, "cases/hotline.html", files=files)
        if actor.role not in ("worker", "chair", "coordinator"):
            raise NotAllowedError("The role sees no cases")
        return await self._worklist(request, actor)

    async def _worklist(self, request: Request, actor: Actor) -> Response:
        asked = request.query_params
        status = asked.get("status", "open")
        wanted = CaseFilter(
            status=status if status in ("open", "closed", "merged") else "open",
            unit=asked.get("unit") or None,
            risk=asked.get("risk") or None,
            step=asked.get("step") or None,
            due=asked.get("due") or None,
            code=(asked.get("code") or "").strip().upper() or None,
        )
        number = asked.get("page", "1")
        page = max(1, int(number)) if number.isdecimal() and len(number) < 7 else 1
        if wanted.code:
            wanted = CaseFilter(status="", code=wanted.code)
        async with self._office.scope() as scope:
            counts = await store.case_counts(scope.connection, actor.units, scope.now)
            waiting = await store.waiting_concerns(scope.connection, actor.units, _WAITING)
            waiting_count = await store.count_waiting(scope.connection, actor.units)
            rows, total = await store.list_cases(
                scope.connection, actor.units, wanted, scope.now, limit=_PAGE, offset=(page - 1) * _PAGE
            )
        return self.render(
            request,
            "cases/work.html",
            counts=counts,
            waiting=waiting,
            waiting_count=waiting_count,
            rows=rows,
            total=total,
            wanted=wanted,
            first=(page - 1) * _PAGE + 1,
            previous=_address(asked, page - 1) if page > 1 else None,
            following=_address(asked, page + 1) if page * _PAGE < total else None,
        )

    async def _sector_work(self, request: Request, actor: Actor) -> Response:
        sector = actor.sector or ""
        async with self._office.scope() as scope:
            waiting = await store.tasks_of_sector(scope.connection, sector, actor.units, answered=False, limit=100)
            answered = await store.tasks_of_sector(scope.connection, sector, actor.units, answered=True, limit=_PAGE)
        return self.render(request, "cases/sector.html", waiting=waiting, answered=answered, sector=sector)

    def report_form(
        self, request: Request, values: Mapping[str, str], kinds: Sequence[str], violations: Sequence[Violation] = ()
    ) -> Response:
        """Form 01, empty or as typed."""
        return self.render(
            request,
            "cases/report.html",
            values=_typed(values),
            kinds=kinds,
            violations=violations,
            report_id=values.get("report_id") or new_id(),
        )

    async def report(self, request: Request, principal: Principal) -> Response:
        """Take form 01 in."""
        form = await _form(request)
        kinds = [str(kind) for kind in (await request.form()).getlist("kinds")]
        try:
            async with self._office.scope() as scope:
                data = forms.report(form, kinds, scope.now)
                file = await self._office.report(scope, data, principal, form.get("report_id") or new_id())
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
        async with self._office.scope() as scope:
            file = await self._seen_concern(scope.connection, key, actor)
            reading = await self._office.desk.reader.report_for(scope.connection, file, actor, "report", scope.now)
            case = await store.find_case(scope.connection, file.concern.case_id) if file.concern.case_id else None
        return self.render(
            request,
            "cases/concern.html",
            file=file,
            concern=file.concern,
            reading=reading,
            case=case if case and may_see_case(actor, case.unit) else None,
            acts=open_concern_acts(file.concern, actor),
            values=_typed(values),
            violations=violations,
            done=request.query_params.get("done"),
        )

    async def concern_act(self, request: Request, key: str, principal: Principal) -> Response:
        """A decision of triage."""
        form = await _form(request)
        actor = actor_of(principal)
        try:
            async with self._office.scope() as scope:
                file = await self._seen_concern(scope.connection, key, actor)
                after = await self._office.desk.concern_act(
                    scope, file.concern.id, forms.concern_act(form), actor, forms.version_of(form)
                )
        except Rejected as rejected:
            return await self.concern(request, key, principal, form, forms.prefixed(rejected, form.get("act", "")))
        if after.concern.case_id:
            return RedirectResponse(f"/cases/c/{after.concern.case_id}?done={form['act']}", 303)
        if not may_see_concern(actor, after):
            return RedirectResponse("/cases/", 303)
        return RedirectResponse(f"/cases/concerns/{after.concern.id}?done={form['act']}", 303)

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
        async with self._office.scope() as scope:
            case = await self._seen_case(scope.connection, key, actor)
            if case.code == key:
                return RedirectResponse(f"/cases/c/{case.id}", 303)
            reports = await store.concerns_of(scope.connection, case.id)
            reader, reads = self._office.desk.reader, may_read_identity(actor, case.unit)
            readings = [
                (file, await reader.report_for(scope.connection, file, actor, "case", scope.now) if reads else None)
                for file in reports
            ]
            lines = await store.timeline(scope.connection, case.id)
            names = self.names(request)
            shown = [
                names.line(line, await reader.words(scope.connection, line) if reads else {}, format_datetime)
                for line in lines
            ]
            target = await store.find_case(scope.connection, case.merged_into) if case.merged_into else None
        return self.render(
            request,
            "cases/case.html",
            case=case,
            readings=readings,
            reads=reads,
            history=shown,
            target=target,
            acts=open_acts(case, actor),
            may_answer=actor.role in ("worker", "chair"),
            rated=rated,
            sectors=SECTORS,
            values=_typed(values),
            violations=violations,
            done=request.query_params.get("done"),
        )

    async def case_act(self, request: Request, key: str, principal: Principal) -> Response:
        """An act on a case; what was typed comes back with what is wrong."""
        form = await _form(request)
        actor = actor_of(principal)
        try:
            async with self._office.scope() as scope:
                case = await self._seen_case(scope.connection, key, actor)
                after = await self._office.desk.act(scope, case.id, forms.case_act(form), actor, forms.version_of(form))
        except Rejected as rejected:
            return await self.case(request, key, principal, form, forms.prefixed(rejected, form.get("act", "")))
        if not may_see_case(actor, after.unit):
            return RedirectResponse("/cases/", 303)
        return RedirectResponse(f"/cases/c/{after.id}?done={form['act']}", 303)

    async def task(
        self,
        request: Request,
        task_id: str,
        principal: Principal,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        """A sector's task: what is asked, by when, and what of the child it needs while it waits for the answer."""
        actor = actor_of(principal)
        async with self._office.scope() as scope:
            case = await self._task_case(scope, task_id, actor)
            task = next(task for task in case.tasks if task.id == task_id)
            reading = None
            if task.is_open:
                reading = await self._office.desk.reader.for_task(scope.connection, case, task.sector, actor, scope.now)
            lines = [
                line for line in await store.timeline(scope.connection, case.id) if line.data.get("task_id") == task_id
            ]
            names = self.names(request)
            shown = [
                names.line(line, await self._office.desk.reader.words(scope.connection, line), format_datetime)
                for line in lines
            ]
        return self.render(
            request,
            "cases/task.html",
            case=case,
            task=task,
            reading=reading,
            history=shown,
            sees_case=may_see_case(actor, case.unit),
            values=_typed(values),
            violations=violations,
            done=request.query_params.get("done"),
        )

    async def answer(self, request: Request, task_id: str, principal: Principal) -> Response:
        """A sector's answer, by its officer or written down by the commune."""
        form = await _form(request)
        actor = actor_of(principal)
        try:
            async with self._office.scope() as scope:
                await self._task_case(scope, task_id, actor)
                await self._office.desk.answer(
                    scope,
                    task_id,
                    actor,
                    _answer_of(form),
                    reason=form.get("reason") or None,
                    summary=form.get("summary") or None,
                    new_date=forms.local_moment(form.get("new_date", ""), end_of_day=True),
                )
        except Rejected as rejected:
            violations = [
                Violation(known.field.removeprefix("data."), known.rule, known.message_vi, known.message_en)
                for known in rejected.violations
            ]
            return await self.task(request, task_id, principal, form, violations)
        return RedirectResponse(f"/cases/tasks/{task_id}?done=answer", 303)

    async def _seen_case(self, connection: AsyncConnection, key: str, actor: Actor) -> Case:
        found = await store.find_case(connection, key)
        if found is None or not may_see_case(actor, found.unit):
            raise HTTPException(404)
        return found

    async def _seen_concern(self, connection: AsyncConnection, key: str, actor: Actor) -> ConcernFile:
        found = await store.find_concern(connection, key)
        if found is None or not may_see_concern(actor, found):
            raise HTTPException(404)
        return found

    async def _task_case(self, scope: Scope, task_id: str, actor: Actor) -> Case:
        case_id = await store.case_of_task(scope.connection, task_id)
        case = await store.find_case(scope.connection, case_id) if case_id else None
        task = next((task for task in case.tasks if task.id == task_id), None) if case else None
        if case is None or task is None:
            raise HTTPException(404)
        asked = actor.role == "sector" and task.sector == actor.sector and actor.covers(case.unit)
        if not asked and not may_read_identity(actor, case.unit):
            raise HTTPException(404)
        return case

    def _unit_options(self) -> list[tuple[str, str]]:
        return sorted(((code, self._units.name(code)) for code in self._units.codes()), key=lambda pair: pair[1])


def build_pages(office: Office, pages: Pages, units: Units) -> APIRouter:
    """The routes of the pages, below `/cases`."""
    room = CasePages(office, pages, units)
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def work(request: Request, principal: SignedIn) -> Response:
        return await room.work(request, principal)

    @router.get("/report")
    async def report_form(request: Request, principal: Reporter) -> Response:
        channel = "hotline-111" if principal.sector == "hotline" else "in-person"
        unit = next(iter(principal.units)) if principal.units != "all" and len(principal.units) == 1 else ""
        return room.report_form(request, {"channel": channel, "unit": unit}, ())

    @router.post("/report")
    async def report(request: Request, principal: Reporter) -> Response:
        return await room.report(request, principal)

    @router.get("/concerns/{key}")
    async def concern(request: Request, key: str, principal: SignedIn) -> Response:
        return await room.concern(request, key, principal)

    @router.post("/concerns/{key}")
    async def concern_act(request: Request, key: str, principal: SignedIn) -> Response:
        return await room.concern_act(request, key, principal)

    @router.get("/c/{key}")
    async def case(request: Request, key: str, principal: SignedIn) -> Response:
        return await room.case(request, key, principal)

    @router.post("/c/{key}")
    async def case_act(request: Request, key: str, principal: SignedIn) -> Response:
        return await room.case_act(request, key, principal)

    @router.get("/tasks/{task_id}")
    async def task(request: Request, task_id: str, principal: SignedIn) -> Response:
        return await room.task(request, task_id, principal)

    @router.post("/tasks/{task_id}")
    async def answer(request: Request, task_id: str, principal: SignedIn) -> Response:
        return await room.answer(request, task_id, principal)

    return router


def _typed(values: Mapping[str, str] | None) -> Mapping[str, str]:
    """What somebody typed, with nothing for what they left out: templates refuse names they do not know."""
    return defaultdict(str, values or {})


async def _form(request: Request) -> dict[str, str]:
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _answer_of(form: Mapping[str, str]) -> Any:
    given = form.get("answer", "")
    if given not in ("accepted", "declined", "done", "new-date"):
        raise Rejected([Violation("answer", "answer-missing", "Chọn một câu trả lời.", "Choose an answer.")])
    return given


def _address(asked: Mapping[str, str], page: int) -> str:
    return "/cases/?" + urlencode({**asked, "page": page})
