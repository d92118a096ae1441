"""Blind samples on screen: draw, answer without the record in sight, and see how the two agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from services.registry import forms
from services.registry.pages.room import Room
from services.registry.seeing import NotThereError, Reader
from shared.contracts.errors import Rejected, Violation
from shared.identity import Principal
from shared.web.forms import form_of


class SamplePages:
    """Samples.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def samples(self, request: Request, principal: Reader) -> Response:
        """The samples of the person's communes, and how well the two answers agreed over time."""
        return await self._samples(request, principal)

    async def draw(self, request: Request, principal: Reader) -> Response:
        """Draw a sample."""
        values = await form_of(request)
        try:
            unit = self.room.unit(principal, values)
            second = values.get("second", "").strip()[:100]
            made = await self.room.keeper.draw(principal, unit or "", second)
        except Rejected as refused:
            return await self._samples(request, principal, values, refused.violations)
        return RedirectResponse(f"/registry/samples/{made.id}?said=drawn", 303)

    async def sample(self, request: Request, principal: Reader, sample_id: str) -> Response:
        """A sample."""
        return await self._sample(request, principal, sample_id)

    async def form(self, request: Request, principal: Reader, sample_id: str, child_id: str) -> Response:
        """What is asked of a child, blindly."""
        return await self._form(request, principal, sample_id, child_id)

    async def answer(self, request: Request, principal: Reader, sample_id: str, child_id: str) -> Response:
        """What the second person found."""
        values = await form_of(request)
        try:
            found = values.get("found") != "no"
            answers = forms.read_child(values, None).description if found else None
            await self.room.keeper.answer(principal, sample_id, child_id, answers)
        except NotThereError:
            raise HTTPException(404) from None
        except Rejected as refused:
            return await self._form(request, principal, sample_id, child_id, values, refused.violations)
        return RedirectResponse(f"/registry/samples/{sample_id}?said=answered", 303)

    async def decide(self, request: Request, principal: Reader, sample_id: str, child_id: str) -> Response:
        """Which of two answers is right."""
        values = await form_of(request)
        stands = values.get("stands")
        if stands not in {"first", "second"}:
            raise HTTPException(422)
        try:
            chosen = "second" if stands == "second" else "first"
            await self.room.keeper.decide(principal, sample_id, child_id, values.get("field", ""), chosen)  # type: ignore[arg-type]
        except NotThereError:
            raise HTTPException(404) from None
        except Rejected as refused:
            return await self._sample(request, principal, sample_id, refused.violations)
        return RedirectResponse(f"/registry/samples/{sample_id}?said=decided", 303)

    async def _samples(
        self,
        request: Request,
        principal: Principal,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        found, may_draw = await self.room.keeper.samples(principal)
        return self.room.render(
            request,
            "registry/samples.html",
            samples=found,
            may_draw=may_draw,
            values=values or {},
            violations=violations,
            rules=self.room.keeper.rules.sampling.on(self.room.today()),
            unit_options=self.room.unit_options(principal),
        )

    async def _sample(
        self, request: Request, principal: Principal, sample_id: str, violations: Sequence[Violation] = ()
    ) -> Response:
        try:
            file = await self.room.keeper.sample(principal, sample_id)
        except NotThereError:
            raise HTTPException(404) from None
        may_decide = self.room.keeper.rules.acts.on(self.room.today()).may(principal.role.value, "decide")
        return self.room.render(
            request, "registry/sample.html", file=file, violations=violations, may_decide=may_decide
        )

    async def _form(
        self,
        request: Request,
        principal: Principal,
        sample_id: str,
        child_id: str,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        try:
            file = await self.room.keeper.sample(principal, sample_id)
        except NotThereError:
            raise HTTPException(404) from None
        place = next((place for place in file.places if place.child_id == child_id), None)
        if place is None or not file.mine or place.answered:
            raise HTTPException(404)
        return self.room.render(
            request,
            "registry/sample_form.html",
            file=file,
            place=place,
            values=values or {},
            violations=violations,
            carers=range(1, forms.CARERS + 1),
        )


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = SamplePages(room)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/samples", pages.samples, methods=["GET"])
    router.add_api_route("/samples", pages.draw, methods=["POST"])
    router.add_api_route("/samples/{sample_id}", pages.sample, methods=["GET"])
    router.add_api_route("/samples/{sample_id}/children/{child_id}", pages.form, methods=["GET"])
    router.add_api_route("/samples/{sample_id}/children/{child_id}", pages.answer, methods=["POST"])
    router.add_api_route("/samples/{sample_id}/children/{child_id}/decision", pages.decide, methods=["POST"])
    return router
