"""The notify service on a real database, with people at its pages and a clock that tests may move."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy import text

from services.notify.app import build
from services.notify.channels.webhook import WebhookChannel
from services.notify.domain import Attempt
from services.notify.store.deliveries import Delivery, Target
from services.notify.upkeep import Upkeep
from shared.contracts.base import Contract
from shared.contracts.cases import ConcernReceived, DeadlineMissed, TaskOverdue, TaskRequested
from shared.contracts.envelope import Envelope
from shared.database import Database
from shared.identity import demo_directory
from shared.messaging.processing import Processor, Record
from shared.messaging.service import Service, ServiceApp, ServiceContext
from shared.privacy import Keys
from shared.privacy.sealing import PlatformKey
from shared.reference.units import Units
from shared.settings import Settings
from shared.web.app import create_app

UNIT = "05443"
OTHER_UNIT = next(code for code in Units.load().codes() if code > UNIT)
CASE = "0195a000-0000-7000-8000-00000000abcd"
AGREEMENT = "0195a000-0000-7000-8000-0000000a9ee0"
BASE = "http://vongtay.test"
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


@dataclass
class House:
    """The notify service on a database, its worker started by hand, its clock ours."""

    database: Database
    app: ServiceApp
    context: ServiceContext
    url: str
    shift: timedelta = timedelta()
    happened: dict[str, datetime] = field(default_factory=dict)
    running: list[asyncio.Task[None]] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.processor = Processor(self.app.messaging, self.database, self.context.keys, self.context.clock)

    async def hear(self, *events: tuple[str, Contract], unit: str = UNIT, bulk: str | None = None) -> list[str]:
        """Events of a service, handled as the consumer would; `bulk`: of an import. Out: outcomes."""
        records = []
        for number, (event_id, data) in enumerate(events):
            # The same event happened at the same time, however often it is heard.
            happened = self.happened.setdefault(event_id, self.context.clock())
            event = Envelope(
                event_id,
                f"/services/{data.PUBLISHER}",
                data.TYPE,
                CASE,
                happened,
                data.model_dump_json().encode(),
                sequence=1,
                unit=unit,
                bulk=bulk,
            )
            records.append(Record("cases.cases.v1", 0, number, CASE, event.data, tuple(event.headers())))
        return [result.outcome for result in await self.processor.handle(records)]

    def start(self, *, receipts: bool = False) -> None:
        """Start the delivery worker and the live inbox; `receipts`: what hears the SMS gateway, too."""
        self.stop = asyncio.Event()
        wanted = {"deliver", "live_inbox", *(["receipts"] if receipts else [])}
        loops = [loop for loop in self.app.background if loop.__name__ in wanted]  # type: ignore[attr-defined]
        self.running = [asyncio.create_task(loop(self.stop)) for loop in loops]

    async def halt(self) -> None:
        self.stop.set()
        await asyncio.gather(*self.running)
        self.running = []

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        async with self.database.transaction() as connection:
            return list((await connection.execute(text(sql), values)).all())

    async def published(self, name: str) -> list[dict[str, Any]]:
        rows = await self.rows(
            "SELECT payload FROM outbox WHERE type = :type ORDER BY position", type=f"vn.vongtay.{name}"
        )
        return [json.loads(row.payload) for row in rows]

    async def states(self) -> dict[str, int]:
        rows = await self.rows("SELECT state, count(*) AS n FROM delivery GROUP BY state")
        return {row.state: row.n for row in rows}

    @property
    def upkeep(self) -> Upkeep:
        """The service's own upkeep, to be done when a test wants it."""
        found: Upkeep = next(loop.__self__ for loop in self.app.background if loop.__name__ == "upkeep")  # type: ignore[attr-defined]
        return found

    def client(self, person: str) -> Person:
        return Person(self.url, person)


@dataclass
class Answer:
    """An HTTP answer, read."""

    status_code: int
    text: str
    headers: Mapping[str, str]

    def json(self) -> Any:
        return json.loads(self.text)


class Person:
    """Somebody at the pages, signed in by the demo's one-click form."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self._name = name
        self._token = ""

    async def __aenter__(self) -> Person:
        self.http = aiohttp.ClientSession(self.url, cookie_jar=aiohttp.CookieJar(unsafe=True))
        page = await self.get("/identity/sign-in")
        form = {"form_token": _token(page.text), "person": self._name, "next": "/notify/"}
        assert (await self._ask("POST", "/identity/sign-in/demo", data=form)).status_code == 303
        self._token = _token((await self.get("/notify/")).text)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def get(self, path: str) -> Answer:
        return await self._ask("GET", path)

    async def post(self, path: str, **form: Any) -> Answer:
        pairs = [("form_token", self._token)]
        for name, value in form.items():
            pairs += [(name, item) for item in (value if isinstance(value, list) else [value])]
        return await self._ask("POST", path, data=aiohttp.FormData(pairs))

    async def try_api(self, path: str, body: Any = None) -> Answer:
        return await self._ask("POST", f"/notify/api{path}", json=body, headers={"x-form-token": self._token})

    async def api(self, path: str, body: Any = None) -> Any:
        answer = await self.try_api(path, body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def _ask(self, method: str, path: str, **more: Any) -> Answer:
        async with self.http.request(method, path, allow_redirects=False, **more) as answer:
            return Answer(answer.status, await answer.text(), answer.headers)

    async def webhook(self, url: str, *patterns: str, units: list[str] | None = None) -> dict[str, str]:
        body = {"channel": "webhook", "name": "Đầu nhận", "target": url, "event_types": list(patterns), "units": units}
        created: dict[str, str] = await self.api("/subscriptions", body)
        return created

    async def mailbox(self, address: str, *patterns: str, **more: Any) -> str:
        """Be told by e-mail of what they name; of what the house tells, where they name nothing. Out: its id."""
        body = {"channel": "email", "target": address, "event_types": list(patterns or ["told"]), **more}
        return str((await self.api("/subscriptions", body))["id"])


def _token(html: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', html)
    assert found, "no form token in the page"
    return found[1]


@asynccontextmanager
async def make_house(url: str, **settings: Any) -> AsyncIterator[House]:
    database = Database(url, pool_size=5)
    made = Settings(environment="test", demo_users=True, base_url=BASE, database_url=SecretStr(url), **settings)
    house: House | None = None

    def clock() -> datetime:
        return datetime.now(UTC) + (house.shift if house else timedelta())

    directory = demo_directory(Units.load().names())
    context = ServiceContext(made, database, Keys(bytes(32), PlatformKey(bytes(range(32)))), clock, directory)
    app = build(context)
    await database.migrate(app.migrations)
    await agree(database)
    pages = create_app("notify", [Service(app, context).http()], app.pages, directory, made, prefix="/notify")
    server = uvicorn.Server(uvicorn.Config(pages, port=0, lifespan="off", log_level="error"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    sockets = [socket.create_server(("127.0.0.1", 0))]
    serving = asyncio.create_task(server.serve(sockets))
    house = House(database, app, context, f"http://127.0.0.1:{sockets[0].getsockname()[1]}")
    try:
        yield house
    finally:
        await house.halt()
        server.should_exit = True
        await serving
        await database.close()


async def agree(database: Database) -> None:
    """The demo's partner has signed for everything, for as long as the tests' clock may be moved."""
    async with database.transaction() as connection:
        await connection.execute(
            text(
                """
                INSERT INTO agreement (id, org, state, purpose, legal_basis, event_types, fields, valid_from,
                                       valid_until, reference, proposed_by, accepted_by, changed_at, created_at,
                                       sequence)
                VALUES (CAST(:id AS uuid), 'mai-am-hy-vong', 'active', 'protection', 'law-task', '{*}', '{}',
                        '2020-01-01', '2099-12-31', '', 'ha.coordinator', 'yen.partner', now(), now(), 2)
                ON CONFLICT DO NOTHING
                """
            ),
            {"id": AGREEMENT},
        )


def missed(unit: str = UNIT) -> DeadlineMissed:
    return DeadlineMissed.model_validate(
        {"case_id": CASE, "facts": facts(unit), "deadline_id": "d1", "kind": "emergency-12h", "state": "missed",
         "due": NOW, "legal_source": "56/2017"}
    )  # fmt: skip


def task(sector: str = "health") -> TaskRequested:
    return TaskRequested.model_validate(
        {"case_id": CASE, "facts": facts(UNIT), "task_id": "t1", "task_kind": "examine", "task_sector": sector,
         "due": NOW}
    )  # fmt: skip


def concern(danger: str = "yes") -> ConcernReceived:
    facts = {
        "unit": UNIT, "sex": "female", "age_band": "6-10", "kind": "neglect", "danger_now": danger, "sector": "health",
        "channel": "hospital", "status": "received", "received_at": NOW,
    }  # fmt: skip
    return ConcernReceived.model_validate({"concern_id": "c1", "facts": facts})


def facts(unit: str = UNIT) -> dict[str, Any]:
    """What an event about a case says of it in clear."""
    return {
        "unit": unit, "sex": "female", "age_band": "6-10", "kind": "neglect", "risk": "high", "status": "open",
        "step": "plan", "sector": "police", "channel": "police", "opened_at": NOW,
    }  # fmt: skip


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.03)


async def succeeded(house: House, count: int) -> bool:
    return (await house.states()).get("succeeded", 0) >= count


def overdue(number: int, unit: str = UNIT) -> tuple[str, TaskOverdue]:
    data = {
        "case_id": f"case-{number}", "facts": facts(unit), "task_id": f"t{number}", "task_kind": "examine",
        "task_sector": "health", "due": NOW,
    }  # fmt: skip
    return f"overdue-{unit}-{number}", TaskOverdue.model_validate(data)


def loop_of(house: House, kind: type) -> Any:
    """The object behind one of the service's loops."""
    return next(loop.__self__ for loop in house.app.background if isinstance(getattr(loop, "__self__", None), kind))


async def put(person: Person, path: str, body: Any) -> int:
    answer = await person._ask("PUT", f"/notify/api{path}", json=body, headers={"x-form-token": person._token})
    return answer.status_code


async def reasons(house: House) -> list[tuple[str, str | None]]:
    rows = await house.rows("SELECT state, reason FROM delivery ORDER BY state, reason")
    return [(row.state, row.reason) for row in rows]


async def failed(house: House, count: int = 1) -> bool:
    return (await house.states()).get("failed", 0) >= count


@dataclass
class Held:
    """The first answer of a webhook, held back: `asked` once it is there, told to the worker once it is `answered`."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)


def hold_first_answer(monkeypatch: pytest.MonkeyPatch) -> Held:
    """Let the worker learn how its first request ended only when it is told to."""
    held, send = Held(), WebhookChannel.send

    async def slowly(self: WebhookChannel, delivery: Delivery, target: Target, now: datetime) -> Attempt:
        attempt = await send(self, delivery, target, now)
        if not held.asked.is_set():
            held.asked.set()
            await held.answered.wait()
        return attempt

    monkeypatch.setattr(WebhookChannel, "send", slowly)
    return held
