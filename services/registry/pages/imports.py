"""Rosters in: a file is sent, its columns are said, what it holds is looked through, tried, taken over, undone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from services.registry.imports.counter import Counter, may_import, shown
from services.registry.imports.rejects import rejected_rows
from services.registry.office import units_of
from services.registry.pages.room import Room
from services.registry.seeing import NotThereError
from services.registry.store.imports import ImportRow
from shared.contracts.errors import Rejected, Violation
from shared.files.making import FIELDS, KINDS
from shared.files.sheets import CsvTable, XlsxTable, pieces
from shared.files.tables import FileProblem
from shared.identity import NotAllowedError, Principal, SignedIn, Uploading
from shared.web.forms import form_of


async def _importer(principal: SignedIn) -> Principal:
    if not may_import(principal):
        raise NotAllowedError("The role brings no rosters in")
    return principal


Importer = Annotated[Principal, Depends(_importer)]


@dataclass(frozen=True, slots=True)
class ImportPages:
    """The way of a file. `room`: what pages are made with; `counter`: what they do."""

    room: Room
    counter: Counter

    async def start(self, request: Request, principal: Importer) -> Response:
        """The files so far, and a form for the next one."""
        return await self._start(request, principal)

    async def receive(self, request: Request, principal: Uploading) -> Response:
        """A file arrives."""
        try:
            row, same = await self.counter.receive(request, principal)
        except Rejected as rejected:
            return await self._start(request, principal, rejected.violations)
        if same:
            try:
                await self.counter.find(principal, row.id)
            except NotThereError:
                return await self._start(request, principal, [_SAME])
        return RedirectResponse(f"/registry/imports/{row.id}{'?said=same-file' if same else ''}", 303)

    async def show(
        self, request: Request, principal: Importer, import_id: str, rule: str = "", after: int = 0
    ) -> Response:
        """Where a file stands; while a machine is at it the page loads itself again.

        `rule`: whose refused rows are open; where all broke the same one, it is.
        """
        row = await self._find(principal, import_id)
        if row.state == "received":
            return await self._columns(request, principal, row)
        if rule not in row.rules:
            rule = next(iter(row.rules)) if len(row.rules) == 1 else ""
        return self.room.render(
            request,
            "registry/import.html",
            row=row,
            rule=rule,
            rejects=await self.counter.rejects(row, rule, max(0, min(after, 2_000_000_000))) if rule else (),
            after=after,
        )

    async def columns(self, request: Request, principal: Importer, import_id: str) -> Response:
        """The columns again, for a file that was looked through with the wrong ones."""
        row = await self._find(principal, import_id)
        if row.state not in {"received", "checked", "refused"}:
            return RedirectResponse(f"/registry/imports/{row.id}", 303)
        return await self._columns(request, principal, row)

    async def choose(self, request: Request, principal: Importer, import_id: str) -> Response:
        """How the file is read."""
        row = await self._find(principal, import_id)
        values = await form_of(request)
        try:
            seen = await self.counter.look(row)
            forms = await self.counter.forms(principal, row, seen)
            chosen = next((one for one in forms if one.name == values.get("form")), None)
            made = {
                label: values[f"column{place}"]
                for place, label in enumerate(seen.labels)
                if values.get(f"column{place}")
            }
            await self.counter.choose(principal, import_id, form=chosen, made=made, answers=values)
        except NotThereError:
            raise HTTPException(409) from None
        except Rejected as rejected:
            return await self._columns(request, principal, row, values, rejected.violations)
        except (FileProblem, LookupError):
            return await self._columns(request, principal, row, values)
        return RedirectResponse(f"/registry/imports/{import_id}", 303)

    async def act(self, request: Request, principal: Importer, import_id: str) -> Response:
        """Try, take over or go on, stop, undo, discard."""
        act = (await form_of(request)).get("act", "")
        try:
            if act == "discard":
                await self.counter.discard(principal, import_id)
                return RedirectResponse("/registry/imports?said=discarded", 303)
            await self.counter.act(principal, import_id, act)
        except NotThereError:
            # Two people may have pressed at once: the page says how it stands.
            await self._find(principal, import_id)
        return RedirectResponse(f"/registry/imports/{import_id}", 303)

    async def rejects(self, request: Request, principal: Importer, import_id: str, ending: str) -> Response:
        """The refused rows as a file."""
        row = await self._find(principal, import_id)
        if row.mapping is None or ending not in {"csv", "xlsx"}:
            raise HTTPException(404)
        counter = self.counter
        headers = {
            "content-disposition": f'attachment; filename="tu-choi-{row.made_at:%Y%m%d-%H%M}.{ending}"',
            "cache-control": "no-store",
        }
        rows = rejected_rows(row, counter.folder, counter.keys, counter.units)
        try:
            first = await asyncio.to_thread(lambda: list(islice(rows, 1)))
            await counter.note_rejects(principal, row)
        except (LookupError, FileProblem):
            raise HTTPException(410) from None
        table: CsvTable | XlsxTable = CsvTable()
        if ending == "xlsx":
            table = XlsxTable(title="Dòng bị từ chối", author="", at=row.made_at)
        return StreamingResponse(pieces(table, chain(first, rows)), media_type=table.media, headers=headers)

    async def _find(self, principal: Principal, import_id: str) -> ImportRow:
        try:
            return await self.counter.find(principal, import_id)
        except NotThereError:
            raise HTTPException(404) from None

    async def _start(self, request: Request, principal: Principal, violations: Sequence[Violation] = ()) -> Response:
        everywhere = units_of(principal) is None
        return self.room.render(
            request,
            "registry/imports.html",
            rows=await self.counter.newest(principal),
            violations=violations,
            megabytes=self.counter.settings.import_megabytes,
            days=self.counter.settings.import_days,
            unit_options=self.room.unit_options(principal),
            whole_province=everywhere,
        )

    async def _columns(
        self,
        request: Request,
        principal: Principal,
        row: ImportRow,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        seen: Any = None
        forms: Sequence[Any] = ()
        try:
            seen = await self.counter.look(row)
            forms = await self.counter.forms(principal, row, seen)
        except FileProblem as problem:
            violations = [*violations, shown(problem)]
        except LookupError:
            violations = [*violations, _GONE]
        return self.room.render(
            request,
            "registry/import_columns.html",
            row=row,
            look=seen,
            forms=forms,
            fields=FIELDS,
            kinds=list(KINDS),
            answered=values is not None,
            values=values or {},
            violations=violations,
        )


def routes(room: Room, counter: Counter) -> APIRouter:
    """The routes of these pages."""
    pages = ImportPages(room, counter)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/imports", pages.start, methods=["GET"])
    router.add_api_route("/imports", pages.receive, methods=["POST"])
    router.add_api_route("/imports/{import_id}", pages.show, methods=["GET"])
    router.add_api_route("/imports/{import_id}", pages.act, methods=["POST"])
    router.add_api_route("/imports/{import_id}/columns", pages.columns, methods=["GET"])
    router.add_api_route("/imports/{import_id}/columns", pages.choose, methods=["POST"])
    router.add_api_route("/imports/{import_id}/rejects.{ending}", pages.rejects, methods=["GET"])
    return router


_SAME = Violation(
    "file",
    "same-file",
    "Tệp này đã được người ở địa bàn khác gửi lên rồi.",
    "Somebody of another commune has sent this very file already.",
)
_GONE = Violation(
    "file",
    "file-gone",
    "Tệp không còn trên máy chủ; hãy gửi lại.",
    "The file is no longer on the server; send it again.",
)
