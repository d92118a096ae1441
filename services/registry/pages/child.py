"""A child's page: what we know, from whom, how surely; circumstances, contradictions, photograph, cases, history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from services.registry import forms, views
from services.registry.desk import VersionConflictError
from services.registry.desk.photos import MEGABYTES, too_large
from services.registry.domain.children import others_of
from services.registry.domain.dates import read_day
from services.registry.domain.warnings import circumstance_warnings, warnings
from services.registry.office import ChildFile, may_decide
from services.registry.pages.room import Room
from services.registry.seeing import Editor, NotThereError, Reader
from shared.contracts.errors import Rejected, Violation
from shared.identity import NotAllowedError, Permission, Principal, Role, Uploading
from shared.web.forms import form_of, number_in
from shared.web.uploads import Gathered, read_upload

# The case's own page decides in the end; who could not open it is not told of it here.
_SEE_CASES = frozenset({Role.WORKER, Role.CHAIR, Role.COORDINATOR})
_EVENTS_SHOWN = 8
_LISTED = 50


class ChildPages:
    """One child.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def child(self, request: Request, principal: Reader, child_id: str) -> Response:
        """What we know of a child, from whom, how surely."""
        file = await self.room.file(principal, child_id)
        if file.row.id != child_id:
            return RedirectResponse(f"/registry/children/{file.row.id}?said=followed", 303)
        return self._child(request, principal, file)

    async def circumstance(self, request: Request, principal: Editor, child_id: str) -> Response:
        """A circumstance begins or ends."""
        values = await form_of(request)
        try:
            if values.get("act") == "end":
                until, reason = forms.read_date(values, "until"), forms.read_end(values)
                await self.room.office.end(principal, child_id, values.get("circumstance", ""), until, reason)
            else:
                await self.room.office.begin(principal, child_id, forms.read_begun(values))
        except NotThereError:
            raise HTTPException(404) from None
        except Rejected as rejected:
            return await self._again(request, principal, child_id, values, rejected.violations)
        return RedirectResponse(f"/registry/children/{child_id}?said=circumstance", 303)

    async def settle(self, request: Request, principal: Editor, child_id: str) -> Response:
        """A person decides which source is right, saying why."""
        values = await form_of(request)
        try:
            if not values.get("record"):
                raise Rejected([_CHOOSE])
            reason = forms.read_reason(values)
            version = number_in(values.get("version", "")) or 0
            await self.room.office.settle(
                principal, child_id, values.get("field", ""), values["record"], version, reason
            )
        except NotThereError:
            raise HTTPException(404) from None
        except Rejected as rejected:
            return await self._again(request, principal, child_id, values, rejected.violations)
        except VersionConflictError:
            return await self._again(request, principal, child_id, values, [_CHANGED])
        return RedirectResponse(f"/registry/children/{child_id}?said=settled", 303)

    async def history(self, request: Request, principal: Reader, child_id: str) -> Response:
        """All that changed, and with a day in the address (`on`) the record as it was known then."""
        file = await self.room.file(principal, child_id)
        asked = request.query_params.get("on", "")
        day, was, violations = None, None, []
        if asked:
            try:
                day = read_day(asked)
                _, was = await self.room.office.as_it_was(principal, child_id, day)
            except (ValueError, OverflowError):
                violations = [forms.bad_date("on")]
        return self.room.render(
            request,
            "registry/history.html",
            file=file,
            day=day,
            was=was,
            age=None if was is None or day is None else views.age(was, day),
            values={"on": asked},
            violations=violations,
        )

    async def contradictions(self, request: Request, principal: Reader) -> Response:
        """Children whose sources contradict each other, those waiting longest first."""
        passed = number_in(request.query_params.get("from", ""), 5) or 0
        rows, more = await self.room.office.contradictions(principal, passed, _LISTED)
        return self.room.render(
            request,
            "registry/contradictions.html",
            rows=rows,
            previous=f"?from={max(0, passed - _LISTED)}" if passed else None,
            next=f"?from={passed + _LISTED}" if more else None,
        )

    async def photo(self, principal: Reader, child_id: str) -> Response:
        """A child's photograph. It is kept by no cache, and nothing in it is run."""
        try:
            photo, plain = await self.room.office.photo(principal, child_id)
        except NotThereError:
            raise HTTPException(404) from None
        headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Content-Disposition": "inline",
        }
        return Response(plain, headers=headers, media_type=photo.media)

    async def add_photo(self, request: Request, principal: Uploading, child_id: str) -> Response:
        """A photograph arrives."""
        if not principal.may(Permission.EDIT_CHILDREN):
            raise NotAllowedError("The role does not allow this")
        values: Mapping[str, str] = {}
        try:
            upload = await read_upload(request, MEGABYTES, Gathered(), too_large())
            values = upload.fields
            if upload.problem is not None:
                raise upload.problem
            taken_on = forms.read_date(values, "taken_on") if values.get("taken_on", "").strip() else None
            await self.room.office.add_photo(principal, child_id, upload.content, taken_on)
        except NotThereError:
            raise HTTPException(404) from None
        except Rejected as rejected:
            return await self._again(request, principal, child_id, values, rejected.violations)
        return RedirectResponse(f"/registry/children/{child_id}?said=photo", 303)

    async def drop_photo(self, principal: Editor, child_id: str) -> Response:
        """The photograph is taken away."""
        try:
            await self.room.office.drop_photo(principal, child_id)
        except NotThereError:
            raise HTTPException(404) from None
        return RedirectResponse(f"/registry/children/{child_id}?said=photo-dropped", 303)

    async def _again(
        self,
        request: Request,
        principal: Principal,
        child_id: str,
        values: Mapping[str, str],
        violations: Sequence[Violation],
    ) -> Response:
        file = await self.room.file(principal, child_id)
        return self._child(request, principal, file, values=values, violations=violations)

    def _child(
        self,
        request: Request,
        principal: Principal,
        file: ChildFile,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        known = file.row.known
        seen = file.circumstances
        return self.room.render(
            request,
            "registry/child.html",
            file=file,
            known=known,
            age=views.age(known, file.today),
            active=sorted({each.code for each in seen if _holds(each.until, file.today)}),
            others={name: others_of(file.statements, name, known) for name in views.FIELDS},
            odd=[*warnings(known.description, file.today), *circumstance_warnings([each.period for each in seen])],
            cases=[case for case in file.cases if principal.role in _SEE_CASES and principal.may_see(case.unit)],
            shown_events=_EVENTS_SHOWN,
            values=values or {},
            violations=violations,
            may_edit=principal.may(Permission.EDIT_CHILDREN) and principal.may_see(known.unit),
            may_decide=may_decide(principal),
            megabytes=MEGABYTES,
        )


def _holds(until: date | None, today: date) -> bool:
    return until is None or until > today


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = ChildPages(room)
    router = APIRouter(include_in_schema=False)
    routed: Sequence[tuple[str, Any, str]] = (
        ("/contradictions", pages.contradictions, "GET"),
        ("/children/{child_id}", pages.child, "GET"),
        ("/children/{child_id}/history", pages.history, "GET"),
        ("/children/{child_id}/circumstances", pages.circumstance, "POST"),
        ("/children/{child_id}/settle", pages.settle, "POST"),
        ("/children/{child_id}/photo", pages.photo, "GET"),
        ("/children/{child_id}/photo", pages.add_photo, "POST"),
        ("/children/{child_id}/photo/drop", pages.drop_photo, "POST"),
    )
    for path, endpoint, method in routed:
        router.add_api_route(path, endpoint, methods=[method])
    return router


_CHOOSE = Violation(
    "record",
    "record-missing",
    "Hãy chọn nguồn đúng; nếu không nguồn nào đúng, hãy sửa thông tin của trẻ.",
    "Choose the source that is right; if none is, correct the child's record.",
)
_CHANGED = Violation(
    "record",
    "changed-meanwhile",
    "Hồ sơ vừa được người khác thay đổi. Hãy xem lại rồi chọn lần nữa.",
    "Somebody else has just changed the record. Please look again and choose once more.",
)
