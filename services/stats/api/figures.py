"""Figures as JSON, for programs, `vongtay verify` and whoever builds on them; nobody sees more than their communes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from services.stats.figures.evaluating import Evaluator
from services.stats.figures.releasing import sees_all
from services.stats.figures.voices import voices
from services.stats.store.answers import see_one_moment
from services.stats.store.figures import MEASURES, Slice, ask, expected_figures
from services.stats.store.quality import quality_of
from services.stats.upkeep.checking import Upkeep
from services.stats.upkeep.compacting import Compacting
from services.stats.upkeep.progress import Progress, as_json
from services.stats.upkeep.rebuild import Rebuild
from shared.contracts.errors import Violation
from shared.database import Database
from shared.identity import ALL_UNITS, NotAllowedError, Operator, Permission, Principal, SignedIn
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


async def checked_figures(upkeep: Upkeep) -> dict[str, Any]:
    """The last comparison of all figures, for programs."""
    known = await upkeep.last_check()
    if known is None:
        return {}
    return {"checked_at": known.at.isoformat(), "agree": not known.differing, "differing": known.found}


def api_routes(
    database: Database,
    clock: Clock,
    evaluator: Evaluator,
    progress: Progress,
    rebuild: Rebuild,
    upkeep: Upkeep,
    compacting: Compacting,
) -> APIRouter:
    """Routes below `/stats`: `api/…` and `ops/…`."""
    router = APIRouter()

    @router.get("/api/sectors")
    async def sectors(_principal: Overseer) -> list[dict[str, Any]]:
        """Each sector: when it last said anything, how often it usually does, and whether it has gone silent by that;
        those that need a question first."""
        now = clock()
        async with database.transaction() as connection:
            await see_one_moment(connection)
            found = await voices(connection, evaluator, Thresholds.load().on(now), local_day(now))
        return [one.as_json() for one in found]

    @router.get("/api/figures")
    async def figures(
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
        units = None if principal.units == ALL_UNITS else frozenset(principal.units)
        now = clock()
        today = local_day(now)
        async with database.transaction() as connection:
            rows = await ask(connection, question, units, today)
            total = sum(row["n"] for row in rows)
            if "circumstance" in question.by:  # whoever is in two is in two rows
                total = (await ask(connection, Slice(measure, (), filters), units, today))[0]["n"]
        return {
            "measure": measure,
            "by": list(question.by),
            "filters": {name: list(values) for name, values in filters.items()},
            "as_of": now.isoformat(timespec="seconds"),
            "total": total,
            "rows": rows,
        }

    @router.get("/api/measures")
    async def measures(_principal: Reader) -> dict[str, list[str]]:
        """What may be asked: each measure's dimensions."""
        return {measure: list(columns) for measure, (_, columns) in MEASURES.items()}

    @router.get("/api/quality")
    async def quality(principal: LiveReader, unit: str | None = None) -> dict[str, Any]:
        """How good the records of children behind the figures are; empty where that was never measured."""
        units = None if principal.units == ALL_UNITS else frozenset(principal.units)
        if unit is not None:
            units = frozenset({unit}) if units is None else units & {unit}
        async with database.transaction() as connection:
            found = await quality_of(connection, units, local_day(clock()))
        return {} if found is None else found.as_json()

    @router.get("/api/expect")
    async def expect(_principal: ProvinceReader) -> dict[str, Any]:
        """The figures that a truth file holds, as they are counted now."""
        async with database.transaction() as connection:
            return await expected_figures(connection)

    _proof_routes(router, progress, upkeep)
    _operator_routes(router, rebuild, upkeep, compacting)
    return router


def _proof_routes(router: APIRouter, progress: Progress, upkeep: Upkeep) -> None:
    @router.get("/api/progress")
    async def counted(_principal: Overseer) -> Response:
        """How far each partition is counted, and its end."""
        try:
            return JSONResponse(as_json(await progress.partitions()) | {"history": await progress.history()})
        except (KafkaError, OSError, TimeoutError):
            away = Violation("kafka", "try-again", "Kafka tạm thời không trả lời.", "Kafka does not answer.")
            return JSONResponse({"violations": [away.as_dict()]}, 503, {"Retry-After": "5"})

    @router.get("/api/check")
    async def checked(_principal: Reader) -> dict[str, Any]:
        """When all figures were last compared with what they are made of, and what differed; empty: not yet."""
        return await checked_figures(upkeep)


def _operator_routes(router: APIRouter, rebuild: Rebuild, upkeep: Upkeep, compacting: Compacting) -> None:
    @router.post("/ops/check")
    async def check(_operator: Operator) -> dict[str, Any]:
        """Compare all figures with what they are made of, now; what another replica finds where one is at it."""
        await upkeep.check()
        return await checked_figures(upkeep)

    @router.post("/ops/rebuild")
    async def start_rebuild(_operator: Operator, ask: bool = False) -> dict[str, Any]:
        """Begin counting everything anew beside the live figures; the state of the one that runs where one does. `ask`:
        where figures differ, they are not swapped before somebody answers."""
        return await rebuild.start(asks=ask)

    @router.get("/ops/rebuild")
    async def rebuild_state(_operator: Operator) -> dict[str, Any]:
        """How far the rebuild is, and what it, or the last one, found."""
        return await rebuild.state()

    @router.post("/ops/rebuild/swap")
    async def swap(_operator: Operator) -> dict[str, Any]:
        """Let a rebuild that waits take the place of the live figures."""
        return await rebuild.answer("swap")

    @router.post("/ops/rebuild/drop")
    async def drop(_operator: Operator) -> dict[str, Any]:
        """Keep the live figures, and forget a rebuild that waits."""
        return await rebuild.answer("drop")

    @router.get("/ops/history")
    async def history(_operator: Operator) -> dict[str, Any]:
        """How finely history is kept, and how far compacting it is."""
        return await compacting.state()

    @router.post("/ops/history")
    async def compact(_operator: Operator) -> dict[str, Any]:
        """Look now whether something is older than is kept finely; once a month that is looked at by itself."""
        return await compacting.start()
