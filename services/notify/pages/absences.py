"""When I am away, who stands in for me; a chair's workers' absences, and whom a chair names for good."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.notify.api.answers import found
from services.notify.desk.personal import Personal
from services.notify.domain.standing_in import NAMED_BY_CHAIR
from services.notify.pages.endpoint import moment_in
from services.notify.pages.room import NOTIFY, Room
from shared.contracts.errors import Rejected, Violation
from shared.identity import ALL_UNITS, Principal, Role, SignedIn
from shared.web.forms import form_of

_PATH = f"{NOTIFY}/absences"


def routes(room: Room, personal: Personal) -> APIRouter:
    """Pages below `/notify/absences`."""
    router = APIRouter()
    view = _View(room, personal)

    @router.get("/absences")
    async def show(request: Request, principal: SignedIn, person: str = "", done: str = "") -> Response:
        with found():
            absent = personal.charge(principal, person or principal.id)
        return await view.page(request, principal, absent, done=done)

    @router.post("/absences")
    async def enter(request: Request, principal: SignedIn) -> Response:
        form = await form_of(request)
        with found():
            absent = personal.charge(principal, form.get("person") or principal.id)
        try:
            begins, ends = _moment("begins", form), _moment("ends", form)
            with found():
                await personal.go_away(principal, begins, ends, form.get("substitute") or None, absent.id)
        except Rejected as rejected:
            return await view.page(request, principal, absent, status=422, values=form, violations=rejected.violations)
        return RedirectResponse(f"{_PATH}?done=entered", 303)

    @router.post("/absences/{identifier}/end")
    async def end(principal: SignedIn, identifier: str) -> Response:
        with found():
            await personal.come_back(principal, identifier)
        return RedirectResponse(f"{_PATH}?done=ended", 303)

    @router.post("/stand-ins")
    async def name(
        request: Request,
        principal: SignedIn,
        role: Annotated[Role, Form()],
        unit: Annotated[str, Form(max_length=10)],
        named: Annotated[str, Form(max_length=64)] = "",
    ) -> Response:
        try:
            with found():
                await personal.name_stand_in(principal, role, unit, named or None)
        except Rejected as rejected:
            return await view.page(request, principal, principal, status=422, violations=rejected.violations)
        return RedirectResponse(f"{_PATH}?done=named", 303)

    return router


class _View:
    """What the page shows.

    Args:
        room: renders. personal: is asked.
    """

    def __init__(self, room: Room, personal: Personal) -> None:
        self._room = room
        self._personal = personal

    async def page(
        self, request: Request, principal: Principal, absent: Principal, *, status: int = 200, **more: Any
    ) -> Response:
        """The page for entering an absence of somebody, with all that the principal may see."""
        context: dict[str, Any] = {"values": {}, "violations": (), "done": "", **more}
        mine = [(principal, one) for one in await self._personal.absences(principal)]
        return self._room.pages.render(
            request,
            "absences.html",
            status=status,
            absent=absent,
            mine=[self._line(one) for one in mine],
            others=[self._line(one) for one in await self._personal.absences_of_charges(principal)],
            charges=self._personal.charges(principal),
            substitutes=self._personal.substitutes(absent),
            standing=await self._standing(principal),
            limits=self._personal.limits(),
            **context,
        )

    def _line(self, one: tuple[Principal, Any]) -> tuple[Principal, Any, Principal | None]:
        return one[0], one[1], self._personal.named(one[1].absence.substitute)

    async def _standing(self, chair: Principal) -> list[dict[str, Any]]:
        """For each role in each commune of a chair: who stands in for good, and who may."""
        if chair.role is not Role.CHAIR or chair.units == ALL_UNITS:
            return []
        found: list[dict[str, Any]] = []
        for unit in sorted(chair.units):
            named = await self._personal.stand_ins(unit)
            found += [
                {
                    "unit": unit,
                    "role": role,
                    "named": named.get((role.value, unit), ""),
                    "candidates": self._personal.candidates(role, unit),
                }
                for role in NAMED_BY_CHAIR
            ]
        return found


def _moment(name: str, form: Mapping[str, str]) -> datetime:
    """A moment as a form's field says it, by the clocks of Viet Nam. Raises: `Rejected`."""
    moment = moment_in(form.get(name, ""))
    if moment is None:
        raise Rejected([Violation(name, "time-missing", *_WHEN)])
    return moment


_WHEN = ("Hãy ghi ngày và giờ, ví dụ 15/03/2026 08:00.", "Give a day and a time, for example 15/03/2026 08:00.")
