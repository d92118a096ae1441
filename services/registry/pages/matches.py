"""The queue of pairs, two records side by side; merge, split, and the undoing of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from services.registry import views
from services.registry.desk.merging import NotPossibleError, own_correction
from services.registry.office import ChildFile, may_decide
from services.registry.pages.room import Room, id_in
from services.registry.seeing import NotThereError, Reader
from shared.contracts.errors import Rejected, Violation
from shared.identity import Principal
from shared.web.forms import chosen_in, form_of, number_in


class MatchPages:
    """Two records that may be one child.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def matches(self, request: Request, principal: Reader, passed: int = 0, unit: str = "") -> Response:
        """The next pair side by side, of all of the person's communes or of one."""
        return await self._matches(request, principal, passed, unit)

    async def _matches(
        self, request: Request, principal: Principal, passed: int, unit: str, violations: Sequence[Violation] = ()
    ) -> Response:
        passed = max(0, min(passed, 10_000))
        options = self.room.unit_options(principal)
        unit = unit if any(unit == code for code, _ in options) else ""
        question, more = await self.room.office.question(principal, passed, unit or None)
        kept = id_in(request, "kept")
        return self.room.render(
            request,
            "registry/matches.html",
            question=question,
            more=more,
            passed=passed,
            waiting=await self.room.office.waiting(principal, unit or None),
            unit=unit,
            unit_options=options,
            differs=views.differing(question.one.row.known, question.other.row.known) if question else {},
            may_decide=may_decide(principal),
            merge=id_in(request, "merge"),
            kept=kept,
            doubts=await self.room.office.doubts(principal, kept) if kept else (),
            violations=violations,
        )

    async def decide(self, request: Request, principal: Reader, pair_id: int) -> Response:
        """The same child, or two."""
        values = await form_of(request)
        if values.get("decision") not in {"same", "different"}:
            raise HTTPException(422)
        try:
            kept, merge_id = await self.room.office.decide(principal, pair_id, same=values["decision"] == "same")
        except NotThereError:
            raise HTTPException(404) from None
        except NotPossibleError:
            raise HTTPException(409) from None
        except Rejected as refused:
            return await self._matches(request, principal, 0, values.get("unit", ""), refused.violations)
        unit = values.get("unit", "")
        here = f"&unit={unit}" if number_in(unit) is not None else ""
        tail = f"&merge={merge_id}&kept={kept}" if merge_id else ""
        return RedirectResponse(f"/registry/matches?said={values['decision']}{here}{tail}", 303)

    async def undo(self, request: Request, principal: Reader, merge_id: str) -> Response:
        """The two were not one child after all."""
        try:
            _, new = await self.room.office.undo(principal, merge_id)
        except NotThereError:
            raise HTTPException(404) from None
        except NotPossibleError:
            raise HTTPException(409) from None
        return RedirectResponse(f"/registry/children/{new}?said=separated", 303)

    async def parting(self, request: Request, principal: Reader, child_id: str) -> Response:
        """Which of a child's sources are another child's."""
        file = await self.room.file(principal, child_id)
        return self._parting(request, principal, file, {}, [])

    async def part(self, request: Request, principal: Reader, child_id: str) -> Response:
        """A person parts a record."""
        chosen = await chosen_in(request, "records")
        values = await form_of(request)
        try:
            split_id, new = await self.room.office.split(principal, child_id, chosen, values.get("reason", ""))
        except NotThereError:
            raise HTTPException(404) from None
        except NotPossibleError:
            raise HTTPException(409) from None
        except Rejected as rejected:
            file = await self.room.file(principal, child_id)
            return self._parting(request, principal, file, values, chosen, rejected.violations)
        return RedirectResponse(f"/registry/children/{new}/split?said=parted&split={split_id}", 303)

    async def put_together(self, request: Request, principal: Reader, split_id: str) -> Response:
        """The two are one child after all."""
        try:
            child_id = await self.room.office.undo_split(principal, split_id)
        except NotThereError:
            raise HTTPException(404) from None
        except NotPossibleError:
            raise HTTPException(409) from None
        return RedirectResponse(f"/registry/children/{child_id}", 303)

    def _parting(
        self,
        request: Request,
        principal: Principal,
        file: ChildFile,
        values: Mapping[str, str],
        chosen: Sequence[str],
        violations: Sequence[Violation] = (),
    ) -> Response:
        own = own_correction(file.row.id)
        told = {said.record_id for said in file.statements}
        return self.room.render(
            request,
            "registry/split.html",
            file=file,
            known=file.row.known,
            statements=[said for said in file.statements if said.record_id != own],
            observations=[seen for seen in file.circumstances if seen.record_id not in told],
            values=values,
            chosen=chosen,
            violations=violations,
            may_decide=may_decide(principal),
            splits=file.splits,
        )


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = MatchPages(room)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/matches", pages.matches, methods=["GET"])
    router.add_api_route("/matches/{pair_id}", pages.decide, methods=["POST"])
    router.add_api_route("/merges/{merge_id}/undo", pages.undo, methods=["POST"])
    router.add_api_route("/children/{child_id}/split", pages.parting, methods=["GET"])
    router.add_api_route("/children/{child_id}/split", pages.part, methods=["POST"])
    router.add_api_route("/splits/{split_id}/undo", pages.put_together, methods=["POST"])
    return router
