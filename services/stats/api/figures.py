"""Figures as JSON, for programs, `vongtay verify` and whoever builds on them; nobody sees more than their communes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request

from services.stats.figures.evaluating import Evaluator
from services.stats.figures.releasing import sees_all
from services.stats.figures.voices import voices
from services.stats.store.answers import see_one_moment
from services.stats.store.figures import MEASURES, Slice, ask, expected_figures
from services.stats.store.quality import quality_of
from shared.database import Database
from shared.identity import ALL_UNITS, NotAllowedError, Permission, Principal, SignedIn
from shared.messaging.router import Clock
from shared.reference.calendar import local_day
from shared.reference.disclosure import Disclosure
from shared.reference.thresholds import Thresholds

_OWN_QUERY: Final = frozenset({"measure", "by", "lang"})


async def reader(principal: SignedIn) -> Principal:
    """FastAPI dependency: whoever may see figures, if only those released. Raises NotAllowedError."""
    if not (principal.may(Permission.SEE_STATISTICS) or principal.may(Permission.OPERATE)):
        raise NotAllowedError("The role does not see statistics")
    return principal


async def live_reader(principal: Annotated[Principal, Depends(reader)]) -> Principal:
    """FastAPI dependency: whoever may see figures as they are at this moment. Raises NotAllowedError.

    Two looks at a live figure differ by one case: who may not open cases has what `releasing` releases.
    """
    if not sees_all(principal, Disclosure.load().on(datetime.now(UTC))):
        raise NotAllowedError("The role has released figures only")
    return principal


async def province_reader(principal: Annotated[Principal, Depends(live_reader)]) -> Principal:
    """FastAPI dependency: whoever may see the whole province's figures as they are. Raises NotAllowedError."""
    if principal.units != ALL_UNITS:
        raise NotAllowedError("Only the whole province has these figures")
    return principal


async def overseer(principal: Annotated[Principal, Depends(reader)]) -> Principal:
    """FastAPI dependency: whoever keeps the platform up, or may see the whole province's figures as they are. Raises
    NotAllowedError.

    How far all is counted grows by one with every word about a child: whoever looks each second sees when.
    """
    return principal if principal.may(Permission.OPERATE) else await province_reader(await live_reader(principal))


Reader = Annotated[Principal, Depends(reader)]
LiveReader = Annotated[Principal, Depends(live_reader)]
ProvinceReader = Annotated[Principal, Depends(province_reader)]
Overseer = Annotated[Principal, Depends(overseer)]


class FigureApi:
    """Routes below `/stats/api`: figures as they are at this moment, and which sectors are heard.

    Args:
        database: statistics' own. clock: now, aware UTC. evaluator: knows what is usual of each sector.
    """

    def __init__(self, database: Database, clock: Clock, evaluator: Evaluator) -> None:
        self._database = database
        self._clock = clock
        self._evaluator = evaluator
        self.router = APIRouter()
        self.router.add_api_route("/api/sectors", self.sectors, methods=["GET"])
        self.router.add_api_route("/api/figures", self.figures, methods=["GET"])
        self.router.add_api_route("/api/measures", self.measures, methods=["GET"])
        self.router.add_api_route("/api/quality", self.quality, methods=["GET"])
        self.router.add_api_route("/api/expect", self.expect, methods=["GET"])

    async def sectors(self, _principal: Overseer) -> list[dict[str, Any]]:
        """Each sector: when it last said anything, how often it usually does, and whether it has gone silent by that;
        those that need a question first."""
        now = self._clock()
        async with self._database.transaction() as connection:
            await see_one_moment(connection)
            found = await voices(connection, self._evaluator, Thresholds.load().on(now), local_day(now))
        return [one.as_json() for one in found]

    async def figures(
        self,
        request: Request,
        principal: LiveReader,
        measure: str,
        by: Annotated[list[str] | None, Query()] = None,
    ) -> dict[str, Any]:
        """A measure by any of its dimensions; every other parameter is a filter: `kind=violence&status=open`."""
        filters: dict[str, tuple[str, ...]] = {}
        for name, value in request.query_params.multi_items():
            if name not in _OWN_QUERY:
                filters[name] = (*filters.get(name, ()), value)
        question = Slice(measure, tuple(by or ()), filters)
        now = self._clock()
        today = local_day(now)
        async with self._database.transaction() as connection:
            rows = await ask(connection, question, principal.area, today)
            total = sum(row["n"] for row in rows)
            if "circumstance" in question.by:  # whoever is in two is in two rows
                total = (await ask(connection, Slice(measure, (), filters), principal.area, today))[0]["n"]
        return {
            "measure": measure,
            "by": list(question.by),
            "filters": {name: list(values) for name, values in filters.items()},
            "as_of": now.isoformat(timespec="seconds"),
            "total": total,
            "rows": rows,
        }

    async def measures(self, _principal: Reader) -> dict[str, list[str]]:
        """What may be asked: each measure's dimensions."""
        return {measure: list(columns) for measure, (_, columns) in MEASURES.items()}

    async def quality(self, principal: LiveReader, unit: str | None = None) -> dict[str, Any]:
        """How good the records of children behind the figures are; empty where that was never measured."""
        units = principal.area
        if unit is not None:
            units = frozenset({unit}) if units is None else units & {unit}
        async with self._database.transaction() as connection:
            found = await quality_of(connection, units, local_day(self._clock()))
        return {} if found is None else found.as_json()

    async def expect(self, _principal: ProvinceReader) -> dict[str, Any]:
        """The figures that a truth file holds, as they are counted now."""
        async with self._database.transaction() as connection:
            return await expected_figures(connection)
