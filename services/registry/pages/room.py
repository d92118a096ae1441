"""What the registry's pages are made with: templates, names, choices, and one way to look a child up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import HTTPException, Request
from starlette.responses import Response

from services.registry import views
from services.registry.finder import Finder
from services.registry.inspector import Inspector
from services.registry.keeper import Keeper
from services.registry.office import ChildFile, Office
from services.registry.rounds import Rounds
from services.registry.seeing import NotThereError, is_id
from shared.contracts.errors import Rejected, Violation
from shared.identity import Principal, identity_of
from shared.reference.calendar import local_day
from shared.reference.units import Units
from shared.web.i18n import name_key
from shared.web.pages import Pages, language_of


@dataclass(frozen=True, slots=True)
class Room:
    """What every page stands on.

    `office` does the work, `keeper` what concerns the life of records, `rounds` what is done at children's homes,
    `inspector` how good records are, `finder` finds them; `pages` turn templates into answers, `units` are the communes
    to choose from.
    """

    office: Office
    pages: Pages
    units: Units
    keeper: Keeper
    rounds: Rounds
    inspector: Inspector
    finder: Finder

    def render(self, request: Request, name: str, **context: Any) -> Response:
        """A page; `violations` in the context are said beside their fields and make it a 422."""

        def say(text: str) -> str:
            return self.pages.text(request, text)

        people = identity_of(request).directory

        def person(account: str) -> str:
            found = people.person(account)
            return found.name if found else account

        language = language_of(request)
        violations: Sequence[Violation] = context.setdefault("violations", ())
        wrong: defaultdict[str, str | None] = defaultdict(lambda: None)
        for violation in violations:
            wrong[violation.field] = violation.message_en if language == "en" else violation.message_vi
        context["values"] = defaultdict(str, context.get("values", {}))
        return self.pages.render(
            request,
            name,
            status=422 if violations else 200,
            v=views,
            names=views.Names(say, language, person),
            wrong=wrong,
            unit_name=self.pages.unit_name,
            said=request.query_params.get("said", ""),
            **context,
        )

    def today(self) -> date:
        """The day in the province."""
        return local_day(self.pages.clock())

    def unit(self, principal: Principal, values: Mapping[str, str]) -> str | None:
        """The commune a form names, among those of the person. Raises `Rejected`."""
        allowed = [code for code, _ in self.unit_options(principal)]
        if values.get("unit") in allowed:
            return values["unit"]
        if len(allowed) == 1:
            return allowed[0]
        raise Rejected([_UNIT_MISSING])

    def unit_options(self, principal: Principal | None) -> list[tuple[str, str]]:
        """The communes of a person, or all, sorted by name."""
        options = [
            (code, self.units.name(code)) for code in self.units.codes() if principal is None or principal.may_see(code)
        ]
        return sorted(options, key=lambda option: name_key(option[1]))

    async def file(self, principal: Principal, child_id: str) -> ChildFile:
        """A child's file; the look is logged. Raises HTTP 404."""
        try:
            return await self.office.child(principal, child_id)
        except NotThereError:
            raise HTTPException(404) from None


def id_in(request: Request, name: str) -> str | None:
    """An id in the address; nothing where it is none."""
    value = request.query_params.get(name, "")
    return value if is_id(value) else None


_UNIT_MISSING = Violation(
    "unit", "unit-missing", "Hãy chọn xã, phường nơi trẻ ở.", "Choose the commune where the child lives."
)
