"""Registering a child and correcting what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.registry import forms
from services.registry.desk import Taken, VersionConflictError
from services.registry.office import is_id
from services.registry.pages.room import Editor, Room, form_of
from shared.contracts.errors import Rejected, Violation
from shared.identity import Principal


class RegisterPages:
    """The form of a child.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def register_form(self, request: Request, principal: Editor) -> Response:
        """An empty form."""
        return self._form(request, principal, {}, address="/registry/register")

    async def register(self, request: Request, principal: Editor) -> Response:
        """Save a new child, or show who it may be first."""
        values = await form_of(request)
        address = "/registry/register"
        try:
            filled = forms.read_child(values, self.room.unit(principal, values))
            seen = [value for value in values.get("seen", "").split(",") if is_id(value)]
            done = await self.room.office.register(principal, filled.description, filled.unit, seen)
        except Rejected as rejected:
            return self._form(request, principal, values, address=address, violations=rejected.violations)
        if isinstance(done, Taken):
            return RedirectResponse(f"/registry/children/{done.child_id}?said=registered", 303)
        matches = await self.room.office.matches(principal, done.possible)
        return self._form(request, principal, values, address=address, matches=matches)

    async def correct_form(self, request: Request, principal: Editor, child_id: str) -> Response:
        """The form with what is known."""
        file = await self.room.file(principal, child_id)
        values = forms.values_of(file.row.known.description)
        values |= {"unit": file.row.known.unit or "", "version": str(file.row.sequence)}
        return self._form(request, principal, values, address=f"/registry/children/{file.row.id}/correct", file=file)

    async def correct(self, request: Request, principal: Editor, child_id: str) -> Response:
        """Save a correction or a move; what two people change at once is not lost but shown."""
        values = await form_of(request)
        file = await self.room.file(principal, child_id)
        known = file.row.known.description
        violations: Sequence[Violation] = ()
        try:
            unit = values["unit"] if values.get("unit") in self.room.units.codes() else file.row.known.unit
            wanted = forms.keep_carers(known, forms.read_child(values, unit).description)
            if found := forms.not_clearable(known, wanted):
                raise Rejected(found)
            version = int(values["version"]) if values.get("version", "").isdigit() else 0
            await self.room.office.correct(principal, file.row.id, wanted, unit, version, forms.read_reason(values))
        except Rejected as rejected:
            violations = rejected.violations
        except VersionConflictError:
            violations = [_CHANGED]
            values = {**values, "version": str(file.row.sequence)}
        else:
            # A child that moved away is no longer this commune's to see.
            gone = not principal.may_see(unit)
            address = "/registry?said=moved" if gone else f"/registry/children/{file.row.id}?said=corrected"
            return RedirectResponse(address, 303)
        address = f"/registry/children/{file.row.id}/correct"
        return self._form(request, principal, values, address=address, file=file, violations=violations)

    def _form(
        self,
        request: Request,
        principal: Principal,
        values: Mapping[str, str],
        *,
        address: str,
        file: Any = None,
        matches: Sequence[Any] = (),
        violations: Sequence[Violation] = (),
    ) -> Response:
        return self.room.render(
            request,
            "registry/form.html",
            values=values,
            address=address,
            file=file,
            matches=matches,
            violations=violations,
            carers=range(1, forms.CARERS + 1),
            # A child may move anywhere; a new one is registered where the person works.
            unit_options=self.room.unit_options(None if file else principal),
        )


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = RegisterPages(room)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/register", pages.register_form, methods=["GET"])
    router.add_api_route("/register", pages.register, methods=["POST"])
    router.add_api_route("/children/{child_id}/correct", pages.correct_form, methods=["GET"])
    router.add_api_route("/children/{child_id}/correct", pages.correct, methods=["POST"])
    return router


_CHANGED = Violation(
    "version",
    "changed-meanwhile",
    "Hồ sơ vừa được người khác thay đổi. Kiểm tra lại các mục rồi lưu lần nữa; nội dung bạn gõ vẫn còn dưới đây.",
    "Somebody else has just changed the record. Check the fields and save again; what you typed is still below.",
)
