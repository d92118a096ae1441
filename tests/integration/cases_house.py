"""The cases service on a real database, its clock in our hand: for the tests of how cases go."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from services.cases.app import build
from services.cases.desk import Desk
from services.cases.store import Writes
from services.cases.ticker import tick
from shared.contracts.envelope import Envelope
from shared.database import Database
from shared.identity import demo_directory
from shared.messaging.outbox import new_id
from shared.messaging.processing import Processor, Record, Result
from shared.messaging.service import ServiceContext
from shared.privacy import Keys, PlatformKey
from shared.reference.deadlines import Deadlines
from shared.reference.forms import Forms
from shared.reference.units import Units
from shared.settings import Settings
from shared.web.app import create_app
from tests.support import media
from tests.support.locks import waiting
from tests.support.media import multipart
from tests.support.visitor import Answer, Visitor

UNIT = "05443"
START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
NAME = "Nguyễn Thị Thử Nghiệm"
SECRET_NAME = "anh-be-Thu-Nghiem.png"
CAPTION = "Vết bầm ở tay trái"


@dataclass
class Browser(Visitor):
    """Somebody's browser, or their program: pages, forms and JSON."""

    headers: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, params: dict[str, str] | None = None) -> Answer:
        return await self.ask(_with(path, params), headers=self.headers)

    async def post(
        self,
        path: str,
        *,
        data: dict[str, str] | None = None,
        json: Any = None,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = {**self.headers, **(headers or {})}
        if json is None:
            return await self.ask(_with(path, params), data or {}, sent)
        sent["content-type"] = "application/json"
        return await self.ask(_with(path, params), headers=sent, method="POST", body=orjson.dumps(json))


def _with(path: str, params: dict[str, str] | None) -> str:
    return f"{path}?{urlencode(params)}" if params else path


@dataclass
class House:
    """The service, its clock in our hand."""

    database: Database
    keys: Keys
    processor: Processor
    app: Any
    desk_of: Any
    now: datetime = START
    offsets: int = 0

    async def send(self, *events: tuple[str, str, dict[str, Any]], sector: str = "hotline") -> list[Result]:
        """Events of a sector: (name, id, data)."""
        records = []
        for name, identifier, data in events:
            event = Envelope(
                id=identifier,
                source=f"/agency/{sector}/thai-nguyen",
                type=f"vn.vongtay.agency.{name}",
                subject=identifier,
                time=self.now,
                data=orjson.dumps(data),
            )
            records.append(self._record(f"agency.{sector}.v1", event))
        return await self.processor.handle(records)

    async def hear(self, data: Any, subject: str) -> Result:
        """An event of the registry."""
        event = Envelope(
            id=new_id(),
            source="/services/registry",
            type=data.TYPE,
            subject=subject,
            time=self.now,
            data=data.model_dump_json().encode(),
            sequence=1,
        )
        return (await self.processor.handle([self._record("registry.children.v1", event)]))[0]

    async def said(self, short: str | None = None) -> list[dict[str, Any]]:
        """What the service told, in order: type without prefix, data, sequence."""
        async with self.database.transaction() as connection:
            rows = (
                await connection.execute(
                    text("SELECT * FROM outbox WHERE aggregatetype = 'cases.cases.v1' ORDER BY position")
                )
            ).all()
        told = [
            {
                "type": row.type.removeprefix("vn.vongtay.cases."),
                "data": orjson.loads(row.payload),
                "sequence": int(row.headers["ce_sequence"]),
                "key": row.aggregateid,
            }
            for row in rows
        ]
        return [event for event in told if short is None or event["type"] == short]

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.database.transaction() as connection:
            return list((await connection.execute(text(statement), values)).all())

    async def as_person(self, person: str) -> Browser:
        """A browser in which a made-up person is signed in."""
        identity = self.app.state.identity
        answer = Response()
        identity.sign_in(answer, identity.directory.person(person))
        name, _, value = answer.headers["set-cookie"].split(";")[0].partition("=")
        return Browser(self.app, {name: value}, "localhost:8600")

    def _record(self, topic: str, event: Envelope) -> Record:
        self.offsets += 1
        return Record(topic, 0, self.offsets, event.subject, event.data, tuple(event.headers()))


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with living(fresh_database) as made:
        yield made


@asynccontextmanager
async def living(url: str) -> AsyncIterator[House]:
    """The service on an empty database."""
    database = Database(url)
    keys = Keys(b"m" * 32, PlatformKey(b"p" * 32))
    settings = Settings(session_secret="s" * 40, demo_users=True)  # type: ignore[arg-type]
    context = ServiceContext(settings, database, keys, lambda: made.now)
    built = build(context)
    await database.migrate(built.migrations)
    processor = Processor(built.messaging, database, keys, lambda: made.now)
    router = APIRouter(prefix="/cases")
    router.include_router(built.router)
    app = create_app("cases", [router], built.pages, demo_directory(Units.load().names()), settings, prefix="/cases")
    made = House(database, keys, processor, app, built)
    yield made
    await database.close()


def concern(**changes: Any) -> dict[str, Any]:
    return {
        "received_at": START.isoformat(),
        "channel": "hotline-111",
        "child": {"name": NAME, "age": 8, "address": "Tổ 5, phố Thử"},
        "what_happened": "Bị đánh nhiều lần",
        "unit": UNIT,
        "sex": "female",
        "age": 8,
        "kinds": ["violence", "neglect"],
        "danger_now": "no",
        **changes,
    }


async def opened(house: House, **changes: Any) -> str:
    await house.send(("concern.reported", "C-1", concern(danger_now="yes", **changes)))
    return str((await house.said("case.opened"))[0]["data"]["case_id"])


async def token_of(client: Browser, path: str) -> tuple[str, str]:
    page = (await client.get(path)).text
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found, page[:2000]
    return found.group(1), page


async def tick_once(house: House, built: Any) -> int:
    desk = Desk(house.keys, Units.load(), Deadlines.load())
    return await tick(house.database, desk, lambda: house.now)


async def act_on(client: Browser, path: str, act: str, fields: dict[str, str]) -> Answer:
    token, page = await token_of(client, path)
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version, page
    return await client.post(path, data={"form_token": token, "act": act, "version": version.group(1), **fields})


async def attach(
    client: Browser, path: str, files: list[tuple[str, bytes]], token: str | None = None, **fields: str
) -> Answer:
    if token is None:
        token, _ = await token_of(client, path)
    body, kind = multipart({"form_token": token, **fields}, files)
    return await client.ask(path, headers={**client.headers, "content-type": kind}, method="POST", body=body)


async def attached(house: House, data: bytes = media.png(), name: str = SECRET_NAME) -> tuple[str, Browser, str]:
    """A case with one file. Out: the address of its files, its worker's browser, the file's id."""
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    path = f"/cases/c/{case_id}/documents"
    assert (await attach(worker, path, [(name, data)], caption=CAPTION)).status == 303
    file_id = (await house.rows("SELECT id FROM attachment"))[0].id
    return path, worker, file_id


async def everything(house: House) -> bytes:
    """All that lies in the database, as its owner would read it."""
    found = b""
    tables = await house.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for table in tables:
        for row in await house.rows(f'SELECT t::text AS line FROM "{table.tablename}" t'):
            found += row.line.encode()
    for row in await house.rows("SELECT sealed FROM attachment_part"):
        found += bytes(row.sealed)
    for row in await house.rows("SELECT payload FROM outbox"):
        found += bytes(row.payload or b"")
    return found


async def assessed(house: House) -> tuple[str, Browser]:
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    note = await act_on(worker, f"/cases/c/{case_id}", "note", {"note.text": "Đã gọi <điện> & hỏi «bà ngoại»"})
    assert note.status == 303
    client = await house.as_person("lan.worker")
    token, _ = await token_of(client, f"/cases/c/{case_id}")
    client.headers |= {"accept": "application/json", "x-form-token": token}
    one = (await client.get(f"/cases/api/cases/{case_id}")).json()
    act = {
        "act": "assess-initial",
        "ratings": {row.code: "high" if row.half == "harm" else "low" for row in Forms.load().form("02").rated},
        "level": "high",
        "conclusion": "Trẻ bị đánh, có #dấu và *sao*",
    }
    done = await client.post(f"/cases/api/cases/{case_id}/acts", json={"version": one["version"], "act": act})
    assert done.status == 200, done.text
    return case_id, worker


def hold_first_writing(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Who first writes what was decided waits with its commit. Out: set once written; to be set for it to go on."""
    written, go_on = asyncio.Event(), asyncio.Event()
    flush: Callable[..., Coroutine[Any, Any, None]] = Writes.flush

    async def flush_and_wait(writes: Writes, connection: AsyncConnection) -> None:
        await flush(writes, connection)
        if not written.is_set():
            written.set()
            await go_on.wait()

    monkeypatch.setattr(Writes, "flush", flush_and_wait)
    return written, go_on


async def waits_for_a_lock(house: House) -> None:
    """Until somebody waits for a row that somebody else has."""
    async with asyncio.timeout(60):
        while not await waiting(house):
            await asyncio.sleep(0.05)
