"""The pages on which workers, chairs and coordinators live, with a province's case files of three years behind them.

A real server (uvicorn) on a real PostgreSQL; one reader after the other, as a browser asks: compressed, signed in.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle, islice, product
from pathlib import Path

import aiohttp
from fastapi import APIRouter, FastAPI
from pydantic import SecretStr

from bench import Result
from bench._many_cases import CHAIR, COORDINATOR, HOME, WORKER, Made, make
from bench._serving import served, signed_in
from local.postgres import EmbeddedPostgres
from services.cases.app import build
from shared.database import Database
from shared.identity import demo_directory
from shared.messaging.service import ServiceContext
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from shared.settings import Settings
from shared.web.app import create_app

NAME = "case-pages"
_AIM = 100.0
_HEAVIEST = 100_000
_WARMING = 5


@dataclass(frozen=True, slots=True)
class Page:
    """A page that is measured: what it is called, who reads it, and at which addresses; or what they search for."""

    what: str
    person: str
    paths: Sequence[str] = ("/cases/search",)
    said: Sequence[str] = ()

    def asked(self, times: int) -> Iterator[tuple[str, str | None]]:
        """Address and what is searched for there, one after the other."""
        return islice(cycle(product(self.paths, self.said or (None,))), times)


async def run(quick: bool) -> list[Result]:
    """Milliseconds until a page is read to its end, and the heaviest page's bytes before compression."""
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres", services=("cases",), durable=False)
        await asyncio.to_thread(postgres.start)
        try:
            return await _measured(postgres, quick)
        finally:
            await asyncio.to_thread(postgres.stop)


async def _measured(postgres: EmbeddedPostgres, quick: bool) -> list[Result]:
    # As the administrator, who alone may fill tables without checking every row's references.
    database = Database(postgres.admin_url)
    keys = Keys(bytes(range(32)), PlatformKey(bytes(range(32))))
    settings = Settings(session_secret=SecretStr("s" * 40), demo_users=True)
    built = build(ServiceContext(settings, database, keys, lambda: datetime.now(UTC)))
    try:
        await database.migrate(built.migrations)
        made = await make(database, keys, datetime.now(UTC), 5_000 if quick else 200_000, 500 if quick else 5_000)
        router = APIRouter(prefix="/cases")
        router.include_router(built.router)
        app = create_app(
            "cases", [router], built.pages, demo_directory(Units.load().names()), settings, prefix="/cases"
        )
        async with served(app) as address:
            return await _ask_all(app, address, made, 20 if quick else 200)
    finally:
        await database.close()


def pages_of(made: Made) -> list[Page]:
    """What is measured: every page that reads more than one case, and a case's."""
    return [
        Page("worker's day", WORKER, ["/cases/"]),
        Page("worker's day, own cases", WORKER, ["/cases/?mine=1"]),
        Page("chair's day", CHAIR, ["/cases/"]),
        Page("worker's list", WORKER, ["/cases/list"]),
        Page("worker's list of closed cases", WORKER, ["/cases/list?status=closed"]),
        Page("coordinator's list", COORDINATOR, ["/cases/list"]),
        Page("coordinator's list by risk", COORDINATOR, ["/cases/list?order=risk"]),
        Page("coordinator's list, several filters", COORDINATOR, ["/cases/list?awaits=police&kind=violence&risk=high"]),
        Page("coordinator's list of closed cases", COORDINATOR, ["/cases/list?status=closed&kind=neglect"]),
        Page("coordinator's board", COORDINATOR, ["/cases/board"]),
        Page("coordinator's board, filtered", COORDINATOR, [f"/cases/board?kind=violence&unit={HOME}"]),
        Page("a case of 25 lines", WORKER, [f"/cases/c/{case_id}" for case_id in made.typical]),
        Page("a case of 25 lines, chair", CHAIR, [f"/cases/c/{case_id}" for case_id in made.typical]),
        Page("the busiest case", WORKER, [f"/cases/c/{made.busiest}"]),
        Page("the busiest case, one chapter", WORKER, [f"/cases/c/{made.busiest}?show=tasks&sector=police"]),
        Page("the busiest case, acts", WORKER, [f"/cases/c/{made.busiest}?show=acts"]),
        Page("the busiest case, papers and files", WORKER, [f"/cases/c/{made.busiest}/documents"]),
        Page("the busiest case, all plans", WORKER, [f"/cases/c/{made.busiest}/documents?form=04"]),
        Page("the busiest case, a form", WORKER, [f"/cases/c/{made.busiest}/forms/hold-review"]),
        *[
            Page(f"search by {what}, {who}", person, said=said)
            for who, person in (("worker", WORKER), ("coordinator", COORDINATOR))
            for what, said in (
                ("code", made.codes),
                ("a common name", [made.common]),
                ("a common family name", ["Trần"]),
                ("a rare name", [made.rare]),
                ("number", made.numbers),
            )
        ],
    ]


async def _ask_all(app: FastAPI, address: str, made: Made, times: int) -> list[Result]:
    results, heaviest = [], (0, "")
    async with aiohttp.ClientSession(auto_decompress=True) as session:
        for page in pages_of(made):
            cookie = {"Cookie": signed_in(app, page.person)}
            token = await _token(session, address, cookie)
            waits, size = [], 0
            for number, (path, said) in enumerate(page.asked(times + _WARMING)):
                began = time.perf_counter()
                sent = None if said is None else {"form_token": token, "said": said}
                async with session.request(
                    "GET" if sent is None else "POST",
                    address + path,
                    headers=cookie,
                    data=sent,
                    allow_redirects=False,
                ) as answer:
                    body = await answer.read()
                if number >= _WARMING:
                    waits.append((time.perf_counter() - began) * 1000)
                if not _is_answered(answer.status, body, said):
                    raise AssertionError(f"{path}: {answer.status}")
                size = max(size, len(body))
            heaviest = max(heaviest, (size, page.what))
            cuts = statistics.quantiles(waits, n=20)
            what = f"{page.what}, of {made.cases:,} cases and {made.lines:,} lines"
            results.append(Result(NAME, f"{what}, p95", cuts[18], "ms", aim=f"≤ {_AIM:.0f} ms", met=cuts[18] <= _AIM))
            results.append(Result(NAME, f"{what}, p50", cuts[9], "ms"))
    size, what = heaviest
    results.append(Result(NAME, f"heaviest page ({what})", size / 1000, "kB", aim="< 100 kB", met=size < _HEAVIEST))
    return results


def _is_answered(status: int, body: bytes, said: str | None) -> bool:
    """A page to its end, with something found where something was looked for; a code leads to its case at once."""
    if status == 303:
        return said is not None
    found = said is None or b"<table" in body
    return status == 200 and found and re.search(rb"</html>\s*$", body) is not None


async def _token(session: aiohttp.ClientSession, address: str, cookie: dict[str, str]) -> str:
    """What a form of this visitor carries."""
    async with session.get(f"{address}/cases/search", headers=cookie) as answer:
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', await answer.text())
    if found is None:
        raise AssertionError("the search page has no form")
    return found.group(1)
