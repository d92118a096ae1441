"""The records behind a figure, for whoever may open them: links and nothing else, for statistics know no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.stats.api.figures import Reader
from services.stats.api.indicators import IndicatorApi, may_open
from services.stats.pages.looking import Asked, Looking, Sight
from services.stats.store.behind import opened
from shared.reference.indicators import Indicator
from shared.web.pages import Pages

# Digits of a commune's code; an old district's has fewer.
_UNIT: Final = 5


def records_of(sight: Sight, indicator: Indicator) -> str:
    """The address of the records behind a look's figure; empty where there are none that the reader may open."""
    place = {("unit" if len(sight.place) == _UNIT else "district"): sight.place}
    return _address(sight, indicator, place)


def records_of_communes(sight: Sight, indicator: Indicator) -> str:
    """The beginning of the addresses of those behind each commune's figure, which a commune's code ends."""
    address = _address(sight, indicator, {})
    return f"{address}&unit=" if address else ""


def _address(sight: Sight, indicator: Indicator, place: Mapping[str, str]) -> str:
    part = indicator.numerator
    if part is None or not may_open(sight.principal, part, sight.now) or opened(part) is None:
        return ""
    kept = {"period": sight.period.code, **place, "as_of": sight.known.isoformat() if sight.known else ""}
    said = urlencode({name: value for name, value in kept.items() if value})
    return f"/stats/indicators/{indicator.code}/records?{said}"


class RecordPages:
    """Route `/stats/indicators/{code}/records`.

    Args:
        api: what programs get, by the same rules. looking: knows the indicators. pages: renders.
    """

    def __init__(self, api: IndicatorApi, looking: Looking, pages: Pages) -> None:
        self._api = api
        self._looking = looking
        self._pages = pages
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/indicators/{code}/records", self.show, methods=["GET"])

    async def show(
        self,
        request: Request,
        principal: Reader,
        code: str,
        period: Asked = "",
        unit: Annotated[list[str] | None, Query(max_length=100)] = None,
        district: Asked = "",
        as_of: Asked = "",
        part: Annotated[str, Query(pattern="^(numerator|denominator)$")] = "numerator",
        after: UUID | None = None,
    ) -> Response:
        """A page of links, in no order that says anything."""
        indicator = self._looking.indicator(code)
        found = await self._api.records(request, principal, code, period, unit, district, as_of, part, after)
        place = (unit or [""])[0] or district
        sight = await self._looking.sight(request, principal, period, place)
        return self._pages.render(
            request,
            "stats/records.html",
            sight=sight,
            words=sight.words,
            indicator=indicator,
            place=self._looking.place_name(sight),
            total=found["total"],
            records=found["records"],
            following=_following(request, found),
        )


def _following(request: Request, found: Mapping[str, object]) -> str | None:
    if found["after"] is None:
        return None
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    return f"{request.url.path}?{urlencode([*kept, ('after', str(found['after']))])}"
