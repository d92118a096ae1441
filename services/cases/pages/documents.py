"""Papers and files of a case: forms to print, files attached, the copy of the whole; and a task's own files.

Everything here but a blank form is a reading of identity: allowed by `reading.py`, remembered with its purpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from services.cases import store
from services.cases.archive import archive, gather
from services.cases.documents import Document, blank
from services.cases.domain.model import Case, Task
from services.cases.downloads import paper_answer
from services.cases.filing import Filing
from services.cases.pages.papers import Documents, all_documents, documents_of_task
from services.cases.pages.room import Room, typed
from services.cases.printing import Printing
from services.cases.reading import actor_of, concern_basis, may_follow_case, reads_task_files
from services.cases.seeing import seen_case, seen_concern
from services.cases.views import Names
from shared.contracts.errors import Rejected, Violation
from shared.identity import NotAllowedError, Principal, SignedIn, Uploading
from shared.reference.forms import Forms
from shared.web.downloads import DOCX_TYPE, PDF_TYPE, ZIP_TYPE, headers_for
from shared.web.forms import form_of

Ending = Annotated[Literal["pdf", "docx"], Path()]
LineId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class DocumentPages:
    """Papers and files.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room
        self.office = room.office
        self.filing = Filing(room.office)
        self.desk = self.filing.desk
        names = Names(lambda text: text, "vi", room.pages.unit_name)
        self.printing = Printing(self.office.desk.files.reader, names, self.desk.limits.papers_at_once)

    async def documents(
        self,
        request: Request,
        key: str,
        principal: Principal,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        """A case's papers and files on a page of their own."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            case = await seen_case(scope.connection, key, actor, scope.now)
            if not may_follow_case(actor, case, scope.now):
                raise HTTPException(404)
            documents = await all_documents(self.room, request, scope, case, actor)
            if documents.reads:
                await self.office.desk.files.reader.admit(scope.connection, case, actor, "documents", scope.now)
        return self._page(request, case, None, documents, values, violations)

    async def task_documents(
        self,
        request: Request,
        task_id: str,
        principal: Principal,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        """A task's files: to a sector, those of its own task while it is open, and nothing else of the case."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            case, task = await self.filing.task(scope, task_id, actor)
            reads = reads_task_files(case, task, actor, scope.now)
            files = await store.attachments_of_task(scope.connection, task_id) if reads else []
            if files:
                await self.office.desk.files.reader.remember_task(scope.connection, case, actor, scope.now)
            documents = await documents_of_task(self.room, request, scope, case, task, actor, files, reads=reads)
        return self._page(request, case, task, documents, values, violations)

    async def add(self, request: Request, key: str, principal: Principal) -> Response:
        """Attach a file to a case."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            case = await seen_case(scope.connection, key, actor, scope.now)
        _, fields, violations = await self.filing.take_in(request, actor, case.id, None)
        if violations:
            return await self.documents(request, key, principal, fields, violations)
        return RedirectResponse(f"/cases/c/{case.id}/documents?done=added", 303)

    async def add_to_task(self, request: Request, task_id: str, principal: Principal) -> Response:
        """Attach a file to a task's answer."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            case, _ = await self.filing.task(scope, task_id, actor)
        _, fields, violations = await self.filing.take_in(request, actor, case.id, task_id)
        if violations:
            return await self.task_documents(request, task_id, principal, fields, violations)
        return RedirectResponse(f"/cases/tasks/{task_id}/documents?done=added", 303)

    async def remove(
        self, request: Request, file_id: str, principal: Principal, *, key: str = "", task_id: str | None = None
    ) -> Response:
        """Remove a file, with the reason."""
        actor = actor_of(principal)
        form = await form_of(request)
        address = f"/cases/tasks/{task_id}/documents" if task_id else f"/cases/c/{key}/documents"
        try:
            await self.filing.remove(file_id, actor, form.get("reason", ""), key=key, task_id=task_id)
        except Rejected as rejected:
            if task_id:
                return await self.task_documents(request, task_id, principal, form, rejected.violations)
            return await self.documents(request, key, principal, form, rejected.violations)
        return RedirectResponse(f"{address}?done=removed", 303)

    async def printed(self, key: str, line_id: int, ending: str, principal: Principal) -> Response:
        """A filled-in form as a paper."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            case = await self.filing.case(scope, key, actor)
            line = await store.find_line(scope.connection, case.id, line_id)
            heading = self.printing.heading(scope, case.unit, case.code, actor)
            document = (
                await self.printing.form(scope, line, heading, await self.printing.child(scope, case)) if line else None
            )
            if document is None:
                raise HTTPException(404)
            await self.office.desk.files.reader.admit(scope.connection, case, actor, "print", scope.now)
        name = document.label.lower().replace("mẫu số ", "mau-") or "bien-ban"
        return await self._paper(document, f"{case.code}-{name}", ending)

    async def sheet(self, key: str, ending: str, principal: Principal) -> Response:
        """The case's own sheet as a paper."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            case = await self.filing.case(scope, key, actor)
            lines = await store.timeline(scope.connection, case.id)
            heading = self.printing.heading(scope, case.unit, case.code, actor)
            document = await self.printing.sheet(scope, case, lines, heading)
            await self.office.desk.files.reader.admit(scope.connection, case, actor, "print", scope.now)
        return await self._paper(document, f"{case.code}-phieu-vu-viec", ending)

    async def concern(self, key: str, ending: str, principal: Principal) -> Response:
        """A report as form 01."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            file, case = await seen_concern(scope.connection, key, actor, scope.now)
            reader = self.office.desk.files.reader
            reading = await reader.report_for(scope.connection, file, actor, "print", scope.now)
            if reading is None or concern_basis(actor, file, case, scope.now) is None:
                raise NotAllowedError("The role does not read the report")
            heading = self.printing.heading(scope, file.concern.unit, file.concern.code, actor)
            document = self.printing.concern(file, reading, heading)
        return await self._paper(document, f"{file.concern.code}-mau-01", ending)

    async def blank(self, code: str, ending: str) -> Response:
        """An empty form, to be filled in by hand."""
        if code not in Forms.load().codes():
            raise HTTPException(404)
        name = f"mau-{code}" if code.isdecimal() else code
        return await self._paper(blank(Forms.load().form(code)), f"{name}-trong", ending)

    async def export_page(
        self,
        request: Request,
        key: str,
        principal: Principal,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        """Asks what a copy of the whole file is for."""
        async with self.office.scope() as scope:
            case = await self.filing.case(scope, key, actor_of(principal))
        return self.room.render(request, "cases/export.html", case=case, values=typed(values), violations=violations)

    async def export(self, request: Request, key: str, principal: Principal) -> Response:
        """The copy, remembered with its purpose before anything leaves."""
        actor = actor_of(principal)
        form = await form_of(request)
        try:
            async with self.office.scope() as scope:
                case = await self.filing.case(scope, key, actor)
                purpose = form.get("purpose", "")
                case = await self.desk.export(scope, case.id, actor, purpose)
            # Remembered and let go of: nobody waits for the case while all of it is opened, nor for a connection while
            # paper is made.
            async with self.office.scope() as scope:
                papers = await gather(scope, self.office, self.printing, case, actor, purpose.strip())
        except Rejected as rejected:
            return await self.export_page(request, key, principal, form, rejected.violations)
        name = f"{case.code}-ho-so.zip"
        sheet = await self.printing.pdf([papers.sheet])
        body = archive(self.office, self.printing, papers, sheet)
        return StreamingResponse(body, headers=headers_for(name, name), media_type=ZIP_TYPE)

    def _page(
        self,
        request: Request,
        case: Case,
        task: Task | None,
        documents: Documents,
        values: Mapping[str, str] | None,
        violations: Sequence[Violation],
    ) -> Response:
        return self.room.render(
            request,
            "cases/documents.html",
            case=case,
            task=task,
            documents=documents,
            blanks=[Forms.load().form(code) for code in Forms.load().codes()] if task is None else [],
            values=typed(values),
            violations=violations,
            done=request.query_params.get("done"),
        )

    async def _paper(self, document: Document, name: str, ending: str) -> Response:
        if ending == "pdf":
            return paper_answer(await self.printing.pdf([document]), f"{name}.pdf", PDF_TYPE)
        return paper_answer(await self.printing.docx([document]), f"{name}.docx", DOCX_TYPE)


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = DocumentPages(room)
    router = APIRouter(include_in_schema=False)
    _paper_routes(router, pages)
    _file_routes(router, pages)
    return router


def _paper_routes(router: APIRouter, pages: DocumentPages) -> None:
    @router.get("/forms/{code}.{ending}")
    async def blank_form(code: str, ending: Ending, _principal: SignedIn) -> Response:
        return await pages.blank(code, ending)

    @router.get("/concerns/{key}/form-01.{ending}")
    async def concern(key: str, ending: Ending, principal: SignedIn) -> Response:
        return await pages.concern(key, ending, principal)

    @router.get("/c/{key}/forms/{line_id}.{ending}")
    async def form(key: str, line_id: LineId, ending: Ending, principal: SignedIn) -> Response:
        return await pages.printed(key, line_id, ending, principal)

    @router.get("/c/{key}/sheet.{ending}")
    async def sheet(key: str, ending: Ending, principal: SignedIn) -> Response:
        return await pages.sheet(key, ending, principal)

    @router.get("/c/{key}/export")
    async def export_page(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.export_page(request, key, principal)

    @router.post("/c/{key}/export")
    async def export(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.export(request, key, principal)


def _file_routes(router: APIRouter, pages: DocumentPages) -> None:
    @router.get("/c/{key}/documents")
    async def documents(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.documents(request, key, principal)

    @router.post("/c/{key}/documents")
    async def add(request: Request, key: str, principal: Uploading) -> Response:
        return await pages.add(request, key, principal)

    @router.get("/c/{key}/documents/{file_id}")
    async def file(request: Request, key: str, file_id: str, principal: SignedIn) -> Response:
        return await pages.filing.opened(request, file_id, actor_of(principal), key=key)

    @router.post("/c/{key}/documents/{file_id}/remove")
    async def remove(request: Request, key: str, file_id: str, principal: SignedIn) -> Response:
        return await pages.remove(request, file_id, principal, key=key)

    @router.get("/tasks/{task_id}/documents")
    async def task_documents(request: Request, task_id: str, principal: SignedIn) -> Response:
        return await pages.task_documents(request, task_id, principal)

    @router.post("/tasks/{task_id}/documents")
    async def add_to_task(request: Request, task_id: str, principal: Uploading) -> Response:
        return await pages.add_to_task(request, task_id, principal)

    @router.get("/tasks/{task_id}/documents/{file_id}")
    async def task_file(request: Request, task_id: str, file_id: str, principal: SignedIn) -> Response:
        return await pages.filing.opened(request, file_id, actor_of(principal), task_id=task_id)

    @router.post("/tasks/{task_id}/documents/{file_id}/remove")
    async def remove_from_task(request: Request, task_id: str, file_id: str, principal: SignedIn) -> Response:
        return await pages.remove(request, file_id, principal, task_id=task_id)
