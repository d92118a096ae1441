"""The list behind a figure: links to the records it counts, for whoever may open them. It holds ids, no names."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.stats.api.figures import Reader
from services.stats.evaluating import Evaluator
from services.stats.opening import PAGE, listed, may_open, narrowed, open_records
from services.stats.pages.looking import Asked, Looking
from services.stats.views import RECORDS
from shared.identity import NotAllowedError
from shared.web.pages import Pages


class RecordPages:
    """Route `/stats/indicators/{code}/records`."""

    def __init__(self, looking: Looking, pages: Pages, evaluator: Evaluator) -> None:
        self._looking = looking
        self._pages = pages
        self._evaluator = evaluator
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/indicators/{code}/records", self.show, methods=["GET"])

    async def show(
        self,
        request: Request,
        principal: Reader,
        code: str,
        period: Asked = "",
        place: Asked = "",
        known: Asked = "",
        by: Asked = "",
        value: Asked = "",
        after: Asked = "",
    ) -> Response:
        """A page of the list. `by`, `value`: of one value of a dimension only. `after`: the last id of the page before.

        Raises NotAllowedError for who may not open such records, and for what has no list.
        """
        indicator = self._looking.indicators.get(code)
        sight = self._looking.sight(request, principal, period, place, known)
        if indicator is None or indicator.numerator is None or not may_open(principal, indicator.numerator, sight.now):
            raise NotAllowedError("The role sees no records behind this figure")
        if not listed(principal, indicator, sight.now):
            raise NotAllowedError("What this figure counts has no page of its own")
        chosen = {by: (value,)} if by in indicator.by and value else {}
        async with self._looking.database.transaction() as connection:
            found = await open_records(
                connection,
                self._evaluator,
                principal,
                narrowed(indicator.numerator, chosen),
                sight.period,
                units=sight.units,
                as_of=self._as_of(sight.as_of, sight.now),
                after=after if _is_id(after) else "",
            )
        assert found is not None
        following = found.ids[-1] if len(found.ids) == PAGE else ""
        return self._pages.render(
            request,
            "stats/records.html",
            sight=sight,
            words=sight.words,
            indicator=indicator,
            place=self._looking.place_name(sight),
            chosen=[(sight.words.dimension(by), sight.words.value(indicator, by, value))] if chosen else [],
            found=found,
            name=sight.words(RECORDS[found.path]),
            query={"by": by, "value": value} if chosen else {},
            following=following,
        )

    @staticmethod
    def _as_of(asked: datetime | None, now: datetime) -> datetime:
        return now if asked is None else min(asked, now)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
