"""What every page of the service needs: names of codes, communes, the desk, and what the reader may open at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData
from starlette.responses import Response

from services.cases import views as v
from services.cases.office import Office
from shared.reference.units import Units
from shared.web.forms import number_in, text_of
from shared.web.i18n import place_key
from shared.web.pages import Pages, language_of


class Room:
    """What pages are made with.

    Args:
        office: does the work. pages: turn templates into answers. units: the communes to choose from.
    """

    def __init__(self, office: Office, pages: Pages, units: Units) -> None:
        self.office = office
        self.pages = pages
        self.units = units
        self._options = sorted(
            ((code, units.name(code)) for code in units.codes()), key=lambda pair: place_key(pair[1])
        )

    def render(self, request: Request, name: str, **context: Any) -> Response:
        """A page with what every page of the service knows: names of codes, communes, tables of choices."""
        names = self.names(request)
        violations = context.get("violations", ())
        # 409: nothing is wrong with what was sent, somebody was faster.
        status = 409 if v.is_late(violations) else 422 if violations else 200
        return self.pages.render(
            request, name, status=status, names=names, v=v, units=self.unit_options(), **{"violations": (), **context}
        )

    def fragment(self, request: Request, name: str, **context: Any) -> Response:
        """A part of a page, for a script that puts it in its place; kept by no cache."""
        html = self.pages.fragment(name, language_of(request), names=self.names(request), v=v, **context)
        return Response(html, media_type="text/html; charset=utf-8", headers={"Cache-Control": "no-store"})

    def names(self, request: Request) -> v.Names:
        """Names of codes in the request's language."""

        def say(text: str) -> str:
            return self.pages.text(request, text)

        return v.Names(say, language_of(request), self.pages.unit_name)

    def unit_options(self) -> list[tuple[str, str]]:
        """Today's communes, by code and name, in the order of their names."""
        return self._options


def typed(values: Mapping[str, str] | None) -> Mapping[str, str]:
    """What somebody typed, with nothing for what they left out: templates refuse names they do not know."""
    return defaultdict(str, values or {})


def several(form: FormData, without: Sequence[str] = ()) -> dict[str, list[str]]:
    """A submitted form's texts by name, all of one name in their order."""
    texts: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str) and name not in without:
            texts.setdefault(name, []).append(text_of(value))
    return texts


def page_of(request: Request, digits: int = 4) -> int:
    """Which page of a list an address asks for, from 1; the first where it says no number, or one of more digits."""
    return max(1, number_in(request.query_params.get("page", ""), digits) or 1)
