"""The life of a record on screen: work lists, and the acts on one record, each asked with its consequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from services.registry import forms, views
from services.registry.acts import Act, Acts
from services.registry.desk import VersionConflictError
from services.registry.domain.children import is_said
from services.registry.keeper import PAGE
from services.registry.pages.room import Room
from services.registry.seeing import NotThereError, Reader
from services.registry.store.lifecycle import WorkList
from shared.contracts.errors import Rejected, Violation
from shared.identity import Permission, Principal
from shared.web.forms import chosen_in, form_of

_LISTS: Sequence[WorkList] = get_args(WorkList)
_MOST_PASSED = 100_000
# Fields that several forms of one page ask for: each form has its own, `<act>_on`.
_OF_EACH_ACT = ("on", "unit", "note", "reason")


class LifePages:
    """Work lists and one record's life.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room
        self._acts = Acts(room.keeper.lifecycle, room.units.codes())

    async def work(self, request: Request, principal: Reader, passed: int = 0) -> Response:
        """One list, and how many records the others have."""
        wanted = request.query_params.get("list", "")
        name: WorkList = next((known for known in _LISTS if known == wanted), "due")
        passed = max(0, min(passed, _MOST_PASSED))
        work = await self.room.keeper.work(principal, name, passed)
        return self.room.render(
            request,
            "registry/life_lists.html",
            work=work,
            which=name,
            passed=passed,
            step=PAGE,
            lists=_LISTS,
            visited=self.room.keeper.rules.rounds.on(work.today).lists,
            may_edit=principal.may(Permission.EDIT_CHILDREN),
        )

    async def life(self, request: Request, principal: Reader, child_id: str) -> Response:
        """How a record stands, and what can be done with it."""
        return await self._life(request, principal, child_id)

    async def act(self, request: Request, principal: Reader, child_id: str) -> Response:
        """Do one thing with a record."""
        values = await form_of(request)
        name = values.get("act", "")
        said = {**values, **{field: values.get(f"{name}_{field}", "") for field in _OF_EACH_ACT}}
        if name == "origin":
            return await self._origin(request, principal, child_id, said)
        try:
            does = await self._act(request, name, said)
            permission = "hold" if name == "lift" else name
            await self.room.keeper.act(principal, child_id, permission, does)
        except NotThereError:
            raise HTTPException(404) from None
        except VersionConflictError:
            raise HTTPException(409) from None
        except Rejected as refused:
            return await self._life(request, principal, child_id, values, refused.violations)
        if name in {"adopt", "erase", "move"}:
            return RedirectResponse(f"/registry/life?said={name}", 303)
        return RedirectResponse(f"/registry/children/{child_id}/life?said={name}", 303)

    async def _act(self, request: Request, name: str, values: Mapping[str, str]) -> Act:
        """What an act does, with what its form says. Raises `Rejected`, HTTP 422 for an act that there is not."""
        acts = self._acts
        note = values.get("note", "").strip()
        if name == "check":
            return acts.check()
        if name == "verify":
            confirmed = await chosen_in(request, "confirmed")
            return acts.verify(forms.read_date(values, "on"), values.get("method", ""), confirmed)
        if name == "move":
            return acts.move(values.get("unit", ""))
        if name == "move-away":
            return acts.move_away(forms.read_date(values, "on"))
        if name == "die":
            return acts.die(forms.read_date(values, "on"), values.get("source", ""))
        if name == "withdraw":
            return acts.withdraw(values.get("reason", ""), note)
        if name == "return":
            return acts.come_back(note)
        if name == "adopt":
            carried = sorted({*await chosen_in(request, "carried")})
            new = forms.read_child(values, values.get("unit")).description
            return acts.adopt(forms.read_date(values, "on"), new, values.get("unit", ""), carried)
        if name == "erase":
            return acts.erase(values.get("ground", ""))
        if name == "hold":
            return acts.hold(values.get("reason", ""), note)
        if name == "lift":
            return acts.lift(values.get("hold", ""))
        raise HTTPException(422)

    async def _origin(
        self, request: Request, principal: Principal, child_id: str, values: Mapping[str, str]
    ) -> Response:
        try:
            other = await self.room.keeper.origin(
                principal, child_id, values.get("purpose", ""), values.get("note", "")
            )
        except NotThereError:
            raise HTTPException(404) from None
        except Rejected as refused:
            return await self._life(request, principal, child_id, values, refused.violations)
        return await self._life(request, principal, child_id, revealed=[other])

    async def _life(
        self,
        request: Request,
        principal: Principal,
        child_id: str,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        revealed: Sequence[str | None] = (),
    ) -> Response:
        try:
            file = await self.room.keeper.file(principal, child_id)
        except NotThereError:
            raise HTTPException(404) from None
        rules = self.room.keeper.rules
        act = (values or {}).get("act", "")
        violations = [
            replace(said, field=f"{act}_{said.field}") if said.field in _OF_EACH_ACT else said for said in violations
        ]
        return self.room.render(
            request,
            "registry/life.html",
            file=file,
            known=file.row.known,
            age=views.age(file.row.known, file.today),
            values=values or {},
            violations=violations,
            revealed=revealed,
            periods=rules.periods.on(file.today),
            adoption=rules.adoption.on(file.today),
            erasure=rules.erasure.on(file.today),
            unit_options=self.room.unit_options(None),
            fields=[name for name in views.FIELDS if is_said(file.row.known.value(name))],
        )


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = LifePages(room)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/life", pages.work, methods=["GET"])
    router.add_api_route("/children/{child_id}/life", pages.life, methods=["GET"])
    router.add_api_route("/children/{child_id}/life", pages.act, methods=["POST"])
    return router
