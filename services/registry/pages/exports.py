"""Taking children's records along in a file, and who took what."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from services.registry.domain import circumstances
from services.registry.domain.exporting import KINDS, Filter, Kind
from services.registry.domain.lifecycle import HIDDEN
from services.registry.exchange.exporting import Asked, BusyError, Exports
from services.registry.exchange.sending import sending
from services.registry.pages.room import Room
from services.registry.seeing import Reader
from services.registry.views import SEXES, STATES, STATUSES
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import RecordState, Sex
from shared.identity import NotAllowedError, Principal, Role
from shared.web.forms import chosen_in, form_of

_PER_PAGE = 30
_LEAVING = {code: name for code, name in STATUSES.items() if code not in HIDDEN}
_LONGEST = 300
# What nearly every list needs; anything more is chosen by whoever takes it along.
_FIRST = frozenset({"id", "name", "birth_date", "sex", "unit", "hamlet"})


class ExportPages:
    """The form of an export, and the list of those made.

    Args:
        room: what pages are made with. exports: does the work.
    """

    def __init__(self, room: Room, exports: Exports) -> None:
        self.room = room
        self._exports = exports

    async def form(self, request: Request, principal: Reader) -> Response:
        """Choose, and see what was exported."""
        chosen = [field.code for field in self._exports.fields(principal) if field.code in _FIRST]
        return await self._page(request, principal, {"status": "active", "kind": "xlsx"}, chosen)

    async def act(self, request: Request, principal: Reader) -> Response:
        """Count the children of a filter, or take the file along."""
        values = {name: value.strip() for name, value in (await form_of(request)).items()}
        chosen = [*await chosen_in(request, "fields"), *await chosen_in(request, "sensitive")]
        units = [unit for unit in await chosen_in(request, "unit") if unit]
        try:
            wanted = read_filter(values, units)
            if values.get("act") == "count":
                found = await self._exports.count(principal, wanted)
                return await self._page(request, principal, values, chosen, found=found)
            kind = cast(Kind, values.get("kind") if values.get("kind") in KINDS else "xlsx")
            asked = Asked(kind, values.get("purpose", ""), wanted, frozenset(chosen))
            return sending(await self._exports.begin(principal, asked))
        except Rejected as rejected:
            return await self._page(request, principal, values, chosen, violations=rejected.violations)
        except BusyError:
            raise HTTPException(503, headers={"Retry-After": "60"}) from None

    async def _page(
        self,
        request: Request,
        principal: Principal,
        values: Mapping[str, str],
        chosen: Collection[str],
        *,
        found: int | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        fields = self._exports.fields(principal)
        if not fields:
            raise NotAllowedError("The role does not export children")
        limits = self._exports.limits()
        return self.room.render(
            request,
            "registry/exports.html",
            values=values,
            chosen=chosen,
            fields=fields,
            labels={field.code: field for field in self._exports.all_fields()},
            found=found,
            violations=violations,
            limits=limits,
            quota=limits.roles[principal.role.value],
            rows=await self._exports.listed(principal, _PER_PAGE),
            everybody=principal.role is Role.COORDINATOR,
            unit_options=self.room.unit_options(principal),
            statuses=_LEAVING,
        )


def read_filter(values: Mapping[str, str], units: Sequence[str]) -> Filter:
    """The filter a form holds. Raises `Rejected`."""
    wrong: list[Violation] = []

    def year(name: str) -> int | None:
        said = values.get(name, "")
        if said and not (len(said) == 4 and said.isdecimal() and 1990 <= int(said) <= 2100):
            wrong.append(
                Violation(
                    name,
                    "year-invalid",
                    "Ghi năm bằng bốn chữ số, ví dụ 2016.",
                    "Write the year with four digits, such as 2016.",
                )
            )
            return None
        return int(said) if said else None

    def one_of(name: str, codes: Collection[str]) -> str | None:
        said = values.get(name, "")
        if said and said not in codes:
            wrong.append(Violation(name, "not-listed", "Không có trong danh mục.", "It is not in the list."))
        return said or None

    wanted = Filter(
        units=tuple(unit[:5] for unit in units) or None,
        hamlet=values.get("hamlet", "")[:_LONGEST] or None,
        born_from=year("born_from"),
        born_to=year("born_to"),
        sex=cast(Sex | None, one_of("sex", SEXES)),
        circumstance=one_of("circumstance", circumstances.codes()),
        school=values.get("school", "")[:_LONGEST] or None,
        state=cast(RecordState | None, one_of("state", STATES)),
        status=one_of("status", _LEAVING),
    )
    if wrong:
        raise Rejected(wrong)
    return wanted


def routes(room: Room, exports: Exports) -> APIRouter:
    """The routes of these pages."""
    pages = ExportPages(room, exports)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/exports", pages.form, methods=["GET"])
    router.add_api_route("/exports", pages.act, methods=["POST"])
    return router
