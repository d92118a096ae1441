"""Registering a child and correcting what is known of it; what looks wrong is said while somebody types."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from services.registry import forms, search_form
from services.registry.desk import Taken, VersionConflictError
from services.registry.domain.children import refusals
from services.registry.domain.warnings import warnings
from services.registry.pages.room import Room
from services.registry.seeing import Editor, is_id
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import ChildDescription
from shared.identity import Principal
from shared.web.forms import form_of, number_in
from shared.web.pages import language_of

_MORE = "more-carers"
# Sent by the search page: what was looked for in vain.
_SEARCHED = "searched"


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
        if values.get("act") == _SEARCHED:
            return self._form(request, principal, search_form.as_new_child(values), address=address)
        if values.get("act") == _MORE:
            return self._form(request, principal, _one_more(values), address=address)
        try:
            filled = self._filled(principal, values)
            seen = [value for value in values.get("seen", "").split(",") if is_id(value)]
            done = await self.room.office.register(principal, filled.description, filled.unit, seen)
        except Rejected as rejected:
            return self._form(request, principal, values, address=address, violations=rejected.violations)
        if isinstance(done, Taken):
            return RedirectResponse(f"/registry/children/{done.child_id}?said=registered", 303)
        matches = await self.room.office.matches(principal, done.possible)
        return self._form(request, principal, values, address=address, matches=matches)

    async def alike(self, request: Request, principal: Editor) -> Response:
        """Who the child that somebody is typing may be already, once there is enough to ask by. Nothing is saved."""
        values = await form_of(request)
        try:
            filled = forms.read_child(values, values.get("unit") or None)
        except Rejected:
            return Response(status_code=204)
        described = filled.description
        dated = described.birth_date is not None or described.age is not None
        if len((described.name or "").split()) < 2 or not (dated or described.number or described.carers):
            return Response(status_code=204)
        found = await self.room.office.identify(principal, described, filled.unit)
        matches = await self.room.office.matches(principal, found.possible)
        answer = self.room.render(request, "registry/_alike.html", matches=matches)
        answer.headers["Cache-Control"] = "no-store"
        return answer

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
        address = f"/registry/children/{file.row.id}/correct"
        if values.get("act") == _MORE:
            return self._form(request, principal, _one_more(values), address=address, file=file)
        known = file.row.known.description
        violations: Sequence[Violation] = ()
        try:
            unit = values["unit"] if values.get("unit") in self.room.units.codes() else file.row.known.unit
            wanted, reason = self._wanted(values, known)
            version = number_in(values.get("version", "")) or 0
            await self.room.office.correct(principal, file.row.id, wanted, unit, version, reason)
        except Rejected as rejected:
            violations = rejected.violations
        except VersionConflictError:
            violations = [_CHANGED]
            values = {**values, "version": str(file.row.sequence)}
        else:
            # A child that moved away is no longer this commune's to see.
            gone = not principal.may_see(unit)
            page = "/registry?said=moved" if gone else f"/registry/children/{file.row.id}?said=corrected"
            return RedirectResponse(page, 303)
        return self._form(request, principal, values, address=address, file=file, violations=violations)

    async def warn(self, request: Request, principal: Editor) -> Response:
        """What is wrong, and what looks wrong, in a form that somebody is typing. Nothing is saved."""
        values = await form_of(request)
        language = language_of(request)
        wrong: Sequence[Violation] = ()
        try:
            forms.read_child(values, None)
        except Rejected as rejected:
            wrong = rejected.violations
        return JSONResponse(
            {"errors": _said(wrong, language), "warnings": self._warned(values, language)},
            headers={"Cache-Control": "no-store"},
        )

    def _filled(self, principal: Principal, values: Mapping[str, str]) -> forms.Filled:
        """A new child as the form has it. Raises `Rejected` with everything that is wrong at once."""
        description, wrong = _read(values)
        if description is not None:
            wrong += refusals(description, self.room.today(), self.room.today())
        unit = None
        try:
            unit = self.room.unit(principal, values)
        except Rejected as rejected:
            wrong += rejected.violations
        if description is None or wrong:
            raise Rejected(wrong)
        return forms.Filled(values, description, unit)

    def _wanted(self, values: Mapping[str, str], known: Any) -> tuple[Any, str]:
        """The description a correction asks for, and why. Raises `Rejected` with everything that is missing."""
        wrong: list[Violation] = []
        reason, wanted = "", known
        try:
            wanted = forms.as_known(known, forms.read_child(values, None).description)
            wrong += forms.not_clearable(known, wanted)
        except Rejected as rejected:
            wrong += rejected.violations
        try:
            reason = forms.read_reason(values)
        except Rejected as rejected:
            wrong += rejected.violations
        if wrong:
            raise Rejected(wrong)
        return wanted, reason

    def _warned(self, values: Mapping[str, str], language: str) -> defaultdict[str, str]:
        # What is wrong itself is said elsewhere; the rest is looked at without it.
        description, _ = _read(values)
        if description is None:
            return defaultdict(str)
        return _said(warnings(description, self.room.today()), language)

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
            warned=self._warned(values, language_of(request)),
            carers=range(1, forms.carer_lines(values) + 1),
            more_carers=forms.carer_lines(values) < forms.CARERS,
            # A child may move anywhere; a new one is registered where the person works.
            unit_options=self.room.unit_options(None if file else principal),
            all_units=self.room.unit_options(None),
        )


def _one_more(values: Mapping[str, str]) -> dict[str, str]:
    return {**values, "carers": str(forms.carer_lines(values) + 1)}


def _read(values: Mapping[str, str]) -> tuple[ChildDescription | None, list[Violation]]:
    """What a form says without what is wrong in it, and what that is; nothing where it cannot be read at all."""
    try:
        return forms.read_child(values, None).description, []
    except Rejected as rejected:
        without = {found.field: "" for found in rejected.violations if values.get(found.field)}
        if not without:
            return None, list(rejected.violations)
        description, more = _read({**values, **without})
        return description, [*rejected.violations, *more]


def _said(violations: Sequence[Violation], language: str) -> defaultdict[str, str]:
    """By field, in the reader's language; a field of which several are said has them one after the other."""
    found: defaultdict[str, str] = defaultdict(str)
    for violation in violations:
        message = violation.message_en if language == "en" else violation.message_vi
        found[violation.field] = f"{found[violation.field]} {message}".strip()
    return found


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = RegisterPages(room)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/register", pages.register_form, methods=["GET"])
    router.add_api_route("/register", pages.register, methods=["POST"])
    router.add_api_route("/alike", pages.alike, methods=["POST"])
    router.add_api_route("/warnings", pages.warn, methods=["POST"])
    router.add_api_route("/children/{child_id}/correct", pages.correct_form, methods=["GET"])
    router.add_api_route("/children/{child_id}/correct", pages.correct, methods=["POST"])
    return router


_CHANGED = Violation(
    "version",
    "changed-meanwhile",
    "Hồ sơ vừa được người khác thay đổi. Kiểm tra lại các mục rồi lưu lần nữa; nội dung anh chị gõ vẫn còn dưới đây.",
    "Somebody else has just changed the record. Check the fields and save again; what you typed is still below.",
)
