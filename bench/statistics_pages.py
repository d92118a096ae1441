"""Pages of statistics and single figures, with a million versions of history behind them.

A real server (uvicorn) on a real PostgreSQL; one reader after the other, as a browser asks. Before each question
something happens in the province and is recorded, so that no answer may be the one given before.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

import aiohttp
from fastapi import APIRouter, FastAPI
from pydantic import SecretStr

from bench import Result
from bench._many_versions import Happening, Made, make
from bench._serving import served, signed_in
from local.postgres import EmbeddedPostgres
from services.stats.app import build
from shared.database import Database
from shared.identity import demo_directory
from shared.messaging.service import ServiceContext
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from shared.settings import Settings
from shared.web.app import create_app

NAME: Final = "statistics-pages"
NOW: Final = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
_AIM: Final = 150.0
_AIM_OF_ONE: Final = 50.0
_WARMING: Final = 3
_WORKER: Final = "lan.worker"
_COORDINATOR: Final = "ha.coordinator"
_STATISTICIAN: Final = "tuan.statistician"
_HOME: Final = "05443"


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked, by whom; `single`: one figure."""

    what: str
    person: str
    path: str
    single: bool = False


PAGES: Final = (
    Page("province", _COORDINATOR, "/stats/province"),
    Page("province last month", _COORDINATOR, "/stats/province?period=2026-10"),
    Page("an old district", _COORDINATOR, "/stats/province?place=164"),
    Page("own commune", _WORKER, "/stats/province"),
    Page("all indicators", _COORDINATOR, "/stats/indicators"),
    Page("all indicators of the own commune", _WORKER, "/stats/indicators"),
    Page("an indicator: cases opened", _COORDINATOR, "/stats/indicators/cases-opened?by=kind"),
    Page("an indicator: deadlines", _COORDINATOR, "/stats/indicators/deadlines-in-time"),
    Page("an indicator: children", _COORDINATOR, "/stats/indicators/special-share?by=ethnicity"),
    Page("an indicator: time taken", _COORDINATOR, "/stats/indicators/closure-p90"),
    Page("an indicator as known a month ago", _COORDINATOR, "/stats/indicators/cases-opened?known=2026-10-25"),
    Page("an indicator of the own commune", _WORKER, "/stats/indicators/cases-opened?by=risk"),
    Page("communes", _COORDINATOR, "/stats/communes?indicator=special-circumstances"),
    Page("a commune", _COORDINATOR, f"/stats/communes/{_HOME}"),
    Page("comparison", _COORDINATOR, f"/stats/compare?indicator=cases-opened&unit={_HOME}&unit=05455"),
    Page("quality", _COORDINATOR, "/stats/quality"),
    Page("board", _COORDINATOR, "/stats/"),
    Page("province, released", _STATISTICIAN, "/stats/province"),
    Page("all indicators, released", _STATISTICIAN, "/stats/indicators"),
    Page("an indicator, released", _STATISTICIAN, "/stats/indicators/cases-opened?by=sex"),
    Page("a commune, released", _STATISTICIAN, f"/stats/communes/{_HOME}"),
    Page("records behind many", _COORDINATOR, "/stats/indicators/cases-opened/records?period=2026"),
    Page("records behind few", _COORDINATOR, "/stats/indicators/cases-high-risk/records?period=2026-10&unit=05443"),
    Page("records behind children", _WORKER, "/stats/indicators/special-circumstances/records?period=2026"),
    Page("a figure: reports", _COORDINATOR, "/stats/api/indicators/reports-received?period=2026", single=True),
    Page("a figure: children", _COORDINATOR, "/stats/api/indicators/special-share?period=2026", single=True),
    Page("a figure: nine of ten", _COORDINATOR, "/stats/api/indicators/closure-p90?period=2026", single=True),
    Page("a figure by commune", _COORDINATOR, "/stats/api/indicators/cases-opened?period=2026&by=unit", single=True),
    Page("a figure of one commune", _WORKER, "/stats/api/indicators/deadlines-in-time?period=2026", single=True),
    Page(
        "a figure as known then",
        _COORDINATOR,
        "/stats/api/indicators/cases-opened?period=2026&as_of=2026-10-01",
        single=True,
    ),
)


async def run(quick: bool) -> list[Result]:
    """Milliseconds until a page is read to its end: the first time, and with something new before each."""
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres", services=("stats",), durable=False)
        await asyncio.to_thread(postgres.start)
        try:
            return await _measured(postgres, Path(folder), quick)
        finally:
            await asyncio.to_thread(postgres.stop)


async def _measured(postgres: EmbeddedPostgres, folder: Path, quick: bool) -> list[Result]:
    database = Database(postgres.admin_url)
    keys = Keys(bytes(range(32)), PlatformKey(bytes(range(32))))
    settings = Settings(session_secret=SecretStr("s" * 40), demo_users=True, data_dir=folder)
    built = build(ServiceContext(settings, database, keys, lambda: NOW))
    try:
        await database.migrate(built.migrations)
        made = await make(database, NOW, 20_000 if quick else 1_000_000)
        router = APIRouter(prefix="/stats")
        router.include_router(built.router)
        people = demo_directory(Units.load().names())
        app = create_app("stats", [router], built.pages, people, settings, prefix="/stats")
        async with served(app) as address:
            return await _ask_all(app, address, database, made, 5 if quick else 40)
    finally:
        await database.close()


async def _ask_all(app: FastAPI, address: str, database: Database, made: Made, times: int) -> list[Result]:
    results, first = [], (0.0, "")
    happening, number = Happening(database, NOW), count()
    async with aiohttp.ClientSession(auto_decompress=True) as session:
        for page in PAGES:
            cookie = {"Cookie": signed_in(app, page.person)}
            waits = []
            for turn in range(times + _WARMING):
                await happening.happen(next(number))
                waited = await _ask(session, address + page.path, cookie, page)
                if turn == 0:
                    first = max(first, (waited, page.what))
                if turn >= _WARMING:
                    waits.append(waited)
            cuts = statistics.quantiles(waits, n=20)
            what, aim = f"{page.what}, of {made.versions:,} versions", _AIM_OF_ONE if page.single else _AIM
            results.append(Result(NAME, f"{what}, p95", cuts[18], "ms", aim=f"≤ {aim:.0f} ms", met=cuts[18] <= aim))
            results.append(Result(NAME, f"{what}, p50", cuts[9], "ms"))
    waited, slowest = first
    results.append(Result(NAME, f"slowest page when first asked for ({slowest})", waited, "ms"))
    return results


async def _ask(session: aiohttp.ClientSession, address: str, cookie: dict[str, str], page: Page) -> float:
    began = time.perf_counter()
    async with session.get(address, headers=cookie, allow_redirects=False) as answer:
        body = await answer.read()
        waited = (time.perf_counter() - began) * 1000
        whole = page.path.startswith("/stats/api/") or re.search(rb"</html>\s*$", body)
        if answer.status != 200 or not whole:
            raise AssertionError(f"{page.path}: {answer.status}")
    return waited
