"""Pages for people: search first, a child's page, register and correct, the queue of pairs, merge and undo.

No name ever stands in an address: searches are posted and answered at once. Everything works without a script.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from services.registry import forms, views
from services.registry.desk import Taken, VersionConflictError
from services.registry.merging import NotPossibleError
from services.registry.office import NotThereError, Office, is_id, may_decide
from shared.contracts.errors import Rejected, Violation
from shared.identity import ALL_UNITS, Permission, Principal, permit
from shared.reference.units import Units
from shared.web.i18n import name_key
from shared.web.pages import Pages, language_of

Reader = Annotated[Principal, Depends(permit(Permission.SEE_CHILDREN))]
Editor = Annotated[Principal, Depends(permit(Permission.EDIT_CHILDREN))]


class RegistryPages:
    """The service's pages.

    Args:
        office: does the work. pages: turn templates into answers. units: the communes to choose from.
    """

    def __init__(self, office: Office, pages: Pages, units: Units) -> None:
        self._office = office
        self._pages = pages
        self._units = units

    def add_to(self, router: APIRouter) -> None:
        """Put the pages' addresses, below /registry, on the service's router."""
        for path, page, method in (
            ("/", self.start, "GET"),
            ("/", self.search, "POST"),
            ("/register", self.register_form, "GET"),
            ("/register", self.register, "POST"),
            ("/children/{child_id}", self.child, "GET"),
            ("/children/{child_id}/correct", self.correct_form, "GET"),
            ("/children/{child_id}/correct", self.correct, "POST"),
            ("/children/{child_id}/circumstances", self.circumstance, "POST"),
            ("/matches", self.matches, "GET"),
            ("/matches/{pair_id}", self.decide, "POST"),
            ("/merges/{merge_id}/undo", self.undo, "POST"),
        ):
            router.add_api_route(path, page, methods=[method], include_in_schema=False)

    async def start(self, request: Request, principal: Reader) -> Response:
        """Search first."""
        return await self._start(request, principal, {}, None)

    async def search(self, request: Request, principal: Reader) -> Response:
        """What was found, on the same page."""
        values = await _values(request)
        units = [values["unit"]] if values.get("unit") in self._units.codes() else None
        try:
            wanted = forms.read_search(values, units)
        except Rejected as rejected:
            return await self._start(request, principal, values, None, rejected.violations)
        return await self._start(request, principal, values, await self._office.search(principal, wanted))

    async def register_form(self, request: Request, principal: Editor) -> Response:
        """An empty form."""
        return self._form(request, principal, {}, address="/registry/register")

    async def register(self, request: Request, principal: Editor) -> Response:
        """Save a new child, or show who it may be first."""
        values = await _values(request)
        address = "/registry/register"
        try:
            filled = forms.read_child(values, self._unit(principal, values))
            seen = [value for value in values.get("seen", "").split(",") if is_id(value)]
            done = await self._office.register(principal, filled.description, filled.unit, seen)
        except Rejected as rejected:
            return self._form(request, principal, values, address=address, violations=rejected.violations)
        if isinstance(done, Taken):
            return RedirectResponse(f"/registry/children/{done.child_id}?said=registered", 303)
        matches = await self._office.matches(principal, done.possible)
        return self._form(request, principal, values, address=address, matches=matches)

    async def child(self, request: Request, principal: Reader, child_id: str) -> Response:
        """What we know of a child, from whom, how surely."""
        try:
            file = await self._office.child(principal, child_id)
        except NotThereError:
            raise HTTPException(404) from None
        if file.row.id != child_id:
            return RedirectResponse(f"/registry/children/{file.row.id}?said=followed", 303)
        return self._child(request, principal, file)

    async def correct_form(self, request: Request, principal: Editor, child_id: str) -> Response:
        """The form with what is known."""
        file = await self._file(principal, child_id)
        values = forms.values_of(file.row.known.description)
        values |= {"unit": file.row.known.unit or "", "version": str(file.row.sequence)}
        return self._form(request, principal, values, address=f"/registry/children/{file.row.id}/correct", file=file)

    async def correct(self, request: Request, principal: Editor, child_id: str) -> Response:
        """Save a correction or a move; what two people change at once is not lost but shown."""
        values = await _values(request)
        file = await self._file(principal, child_id)
        known = file.row.known.description
        violations: Sequence[Violation] = ()
        try:
            unit = values["unit"] if values.get("unit") in self._units.codes() else file.row.known.unit
            wanted = forms.keep_carers(known, forms.read_child(values, unit).description)
            if found := forms.not_clearable(known, wanted):
                raise Rejected(found)
            version = int(values["version"]) if values.get("version", "").isdigit() else 0
            await self._office.correct(principal, file.row.id, wanted, unit, version)
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

    async def circumstance(self, request: Request, principal: Editor, child_id: str) -> Response:
        """A circumstance begins or ends."""
        values = await _values(request)
        try:
            if values.get("act") == "end":
                until = forms.read_date(values, "until")
                await self._office.end(principal, child_id, values.get("circumstance", ""), until)
            else:
                since = forms.read_date(values, "since")
                evidence = values.get("evidence", "").strip()[:300] or None
                await self._office.begin(principal, child_id, values.get("circumstance", ""), since, evidence)
        except NotThereError:
            raise HTTPException(404) from None
        except Rejected as rejected:
            file = await self._file(principal, child_id)
            return self._child(request, principal, file, values=values, violations=rejected.violations)
        return RedirectResponse(f"/registry/children/{child_id}?said=circumstance", 303)

    async def matches(self, request: Request, principal: Reader, passed: int = 0) -> Response:
        """The next pair side by side."""
        passed = max(0, min(passed, 10_000))
        question, more = await self._office.question(principal, passed)
        return self._render(
            request,
            "registry/matches.html",
            question=question,
            more=more,
            passed=passed,
            waiting=await self._office.waiting(principal),
            may_decide=may_decide(principal),
            merge=_id_in(request, "merge"),
            kept=_id_in(request, "kept"),
        )

    async def decide(self, request: Request, principal: Reader, pair_id: int) -> Response:
        """The same child, or two."""
        values = await _values(request)
        if values.get("decision") not in {"same", "different"}:
            raise HTTPException(422)
        try:
            kept, merge_id = await self._office.decide(principal, pair_id, same=values["decision"] == "same")
        except NotThereError:
            raise HTTPException(404) from None
        except NotPossibleError:
            raise HTTPException(409) from None
        tail = f"&merge={merge_id}&kept={kept}" if merge_id else ""
        return RedirectResponse(f"/registry/matches?said={values['decision']}{tail}", 303)

    async def undo(self, request: Request, principal: Reader, merge_id: str) -> Response:
        """The two were not one child after all."""
        try:
            _, new = await self._office.undo(principal, merge_id)
        except NotThereError:
            raise HTTPException(404) from None
        except NotPossibleError:
            raise HTTPException(409) from None
        return RedirectResponse(f"/registry/children/{new}?said=separated", 303)

    async def _start(
        self,
        request: Request,
        principal: Principal,
        values: Mapping[str, str],
        found: Sequence[Any] | None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        rows = None
        if found is not None:
            rows = [(row, views.age(row.known.description, self._pages.clock().date())) for row in found]
        return self._render(
            request,
            "registry/start.html",
            values=values,
            rows=rows,
            violations=violations,
            waiting=await self._office.waiting(principal),
            whole_province=principal.units == ALL_UNITS,
            unit_options=self._unit_options(principal),
            may_edit=principal.may(Permission.EDIT_CHILDREN),
        )

    def _child(
        self,
        request: Request,
        principal: Principal,
        file: Any,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        active = {seen.code for seen in file.circumstances if seen.until is None or seen.until > file.today}
        return self._render(
            request,
            "registry/child.html",
            file=file,
            known=file.row.known,
            age=views.age(file.row.known.description, file.today),
            active=sorted(active),
            values=values or {},
            violations=violations,
            may_edit=principal.may(Permission.EDIT_CHILDREN) and principal.may_see(file.row.known.unit),
            may_decide=may_decide(principal),
        )

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
        return self._render(
            request,
            "registry/form.html",
            values=values,
            address=address,
            file=file,
            matches=matches,
            violations=violations,
            carers=range(1, forms.CARERS + 1),
            # A child may move anywhere; a new one is registered where the person works.
            unit_options=self._unit_options(None if file else principal),
        )

    def _render(self, request: Request, name: str, **context: Any) -> Response:
        def say(text: str) -> str:
            return self._pages.text(request, text)

        language = language_of(request)
        violations: Sequence[Violation] = context.setdefault("violations", ())
        wrong: defaultdict[str, str | None] = defaultdict(lambda: None)
        for violation in violations:
            wrong[violation.field] = violation.message_en if language == "en" else violation.message_vi
        context["values"] = defaultdict(str, context.get("values", {}))
        return self._pages.render(
            request,
            name,
            status=422 if violations else 200,
            v=views,
            names=views.Names(say, language),
            wrong=wrong,
            said=request.query_params.get("said", ""),
            **context,
        )

    def _unit(self, principal: Principal, values: Mapping[str, str]) -> str | None:
        allowed = [code for code, _ in self._unit_options(principal)]
        if values.get("unit") in allowed:
            return values["unit"]
        if len(allowed) == 1:
            return allowed[0]
        raise Rejected([_UNIT_MISSING])

    def _unit_options(self, principal: Principal | None) -> list[tuple[str, str]]:
        options = [
            (code, self._units.name(code))
            for code in self._units.codes()
            if principal is None or principal.may_see(code)
        ]
        return sorted(options, key=lambda option: name_key(option[1]))

    async def _file(self, principal: Principal, child_id: str) -> Any:
        try:
            return await self._office.child(principal, child_id)
        except NotThereError:
            raise HTTPException(404) from None


async def _values(request: Request) -> dict[str, str]:
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


def _id_in(request: Request, name: str) -> str | None:
    value = request.query_params.get(name, "")
    return value if is_id(value) else None


_UNIT_MISSING = Violation(
    "unit", "unit-missing", "Hãy chọn xã, phường nơi trẻ ở.", "Choose the commune where the child lives."
)
_CHANGED = Violation(
    "version",
    "changed-meanwhile",
    "Hồ sơ vừa được người khác thay đổi. Kiểm tra lại các mục rồi lưu lần nữa; nội dung bạn gõ vẫn còn dưới đây.",
    "Somebody else has just changed the record. Check the fields and save again; what you typed is still below.",
)
