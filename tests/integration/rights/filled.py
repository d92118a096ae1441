"""The town, with real things in it.

They are made through the services' own interfaces. They belong to one commune, one sector that was asked, one partner:
whoever else asks for them asks for somebody else's.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

import shared.runtime
from local.services import SERVICES, build_of
from services.stats.handlers.recording import HistoryBatch, record_batch
from services.stats.store.chronicle import Chronicle, HistoryCells
from shared.contracts.envelope import Envelope
from shared.identity import Directory
from shared.messaging.processing import Record
from shared.reference.forms import Forms
from shared.reference.units import Units
from shared.runtime import ServiceProcess
from shared.settings import Settings
from shared.web.app import create_app, front_door
from shared.web.pages import Pages
from tests.integration import notify_house
from tests.integration.rights.town import (
    HOME,
    NEXT,
    NOW,
    Someone,
    Town,
    Undone,
    directory,
)
from tests.support import backends, media
from tests.support.push import Browser
from tests.unit.stats import events as make

MONTH = "2026-10"
CHILD = "Nguyễn Thị Quyền Riêng"
MOTHER = "Lý Thị Bí Mật"
REPORTER = "Ngô Văn Kín Tiếng"
NOTE = "Điều chỉ nhóm vụ việc đọc"
STREET = "Ngõ Không Ai Biết"
HOOK = "https://nhan-tin.example.org/chi-cua-mai-am"
# What no refusal may say, and nobody but those who stand near the child may read anywhere.
IDENTITY = (CHILD, MOTHER, REPORTER, NOTE, STREET)


@asynccontextmanager
async def town(postgres_url: str, folder: Path) -> AsyncIterator[Town]:
    """The town with its things."""
    (folder / "master").write_bytes(base64.b64encode(b"m" * 32))
    (folder / "platform").write_bytes(base64.b64encode(b"p" * 32))
    people = directory()
    async with AsyncExitStack() as stack:
        processes: dict[str, ServiceProcess] = {}
        settings = None
        for name in SERVICES:
            settings = Settings(
                environment="test",
                demo_users=True,
                base_url="http://localhost:8600",
                session_secret=SecretStr("s" * 40),
                master_key_file=folder / "master",
                platform_key_file=folder / "platform",
                data_dir=folder,
                # No broker: nothing here waits for an event.
                kafka_bootstrap="127.0.0.1:1",
                database_url=SecretStr(await stack.enter_async_context(backends.database(postgres_url))),
            )
            process = process_of(name, settings, people)
            await process.database.migrate(process.service._app.migrations)
            stack.push_async_callback(process.database.close)
            processes[name] = process
        assert settings is not None
        profile = shared.runtime.profile_of(shared.runtime.keys_of(settings))
        front = create_app("Vòng Tay", [], Pages(unit_names=Units.load().names()), people, settings, profile=profile)
        door = front_door(front, {f"/{name}": one.app for name, one in processes.items()})
        undone = {name: Undone(one.database) for name, one in processes.items()}
        made = Town(_as_a_server(door), front, processes, undone, people)
        await _fill(made)
        yield made


def process_of(name: Any, settings: Settings, people: Directory) -> ServiceProcess:
    """A service of this directory."""
    real = shared.runtime.directory_of
    shared.runtime.directory_of = lambda _settings: people
    try:
        return ServiceProcess(build_of(name), settings, lambda: NOW)
    finally:
        shared.runtime.directory_of = real


def _as_a_server(app: ASGIApp) -> ASGIApp:
    """Paths arrive as a server hands them on: taken out of their percent signs once."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        scope["path"] = unquote(scope["path"])
        await app(scope, receive, send)

    return served


async def _fill(town: Town) -> None:
    await _fill_cases(town)
    await _fill_registry(town)
    await _fill_stats(town)
    await _fill_notify(town)


# Cases: a case of the commune with a task of the health sector, a waiting report, a file of each, an incident.


async def _fill_cases(town: Town) -> None:
    things = town.things
    mai, lan, binh = (town.someone(name) for name in ("hotline", "worker", "chair"))
    report = {
        "received_at": NOW.isoformat(),
        "channel": "hotline-111",
        "child": {"name": CHILD, "age": 8, "address": STREET},
        "reporter": {"name": REPORTER, "phone": "0912345678"},
        "what_happened": NOTE,
        "unit": HOME,
        "sex": "female",
        "age": 8,
        "kinds": ["violence"],
        "danger_now": "yes",
    }
    opened = await mai.json_of("POST", "/cases/api/concerns?report_id=R-1", report)
    waiting = await mai.json_of("POST", "/cases/api/concerns?report_id=R-2", {**report, "danger_now": "no"})
    (case,) = await town.rows("cases", "SELECT id, code FROM cases")
    things |= {"case": case.id, "code": case.code, "taken-report": opened["id"], "report": waiting["id"]}
    for row in await town.rows("cases", "SELECT id, sector FROM task"):
        things[f"{row.sector}-task"] = row.id
    await lan.must(
        "POST", f"/cases/c/{case.id}", form={"act": "note", "note.text": NOTE, "version": await _version(lan, case.id)}
    )
    await lan.must("POST", f"/cases/api/cases/{case.id}/documents", file=("a.png", media.png()))
    await town.someone("health").must(
        "POST", f"/cases/api/tasks/{things['health-task']}/documents", file=("b.png", media.png(9))
    )
    for row in await town.rows("cases", "SELECT id, task_id FROM attachment"):
        things["task-file" if row.task_id else "file"] = row.id
    await lan.must("PUT", f"/cases/drafts/case/{case.id}/note", form={"note.text": NOTE}, headers={"if-match": "0"})
    ratings = {row.code: "low" for row in Forms.load().form("02").rated}
    act = {"act": "assess-initial", "ratings": ratings, "level": "high", "conclusion": NOTE}
    version = int(await _version(lan, case.id))
    await lan.json_of("POST", f"/cases/api/cases/{case.id}/acts", {"version": version, "act": act})
    (line,) = await town.rows("cases", "SELECT id FROM entry WHERE kind = 'risk.initial'")
    things["form-line"] = str(line.id)
    incident = {"kind": "burn", "occurred_on": "2026-11-01", "outcome": "minor", "unit": HOME, "age": 4}
    program = town.someone("health-program")
    event = {
        "specversion": "1.0",
        "id": "I-1",
        "source": "/agency/health/thai-nguyen",
        "type": "vn.vongtay.agency.incident.recorded",
        "subject": "I-1",
        "time": NOW.isoformat(),
        "datacontenttype": "application/json",
        "data": incident,
    }
    await program.json_of("POST", "/cases/events", event)
    (known,) = await town.rows("cases", "SELECT id FROM incident")
    things["incident"] = known.id
    page = (await binh.must("GET", f"/cases/reassign?unit={HOME}&worker=lan.worker")).text
    chosen = re.findall(r'name="case" value="([^"]+)"', page)
    handed = {"unit": HOME, "worker": "lan.worker", "to": "minh.worker", "reason": "load", "case": chosen}
    asked = await binh.must("POST", "/cases/reassign", form=handed)
    things["handing-on"] = asked.headers["location"].rsplit("/", 1)[1]


async def _version(person: Someone, case_id: str) -> str:
    return str((await person.json_of("GET", f"/cases/api/cases/{case_id}"))["version"])


# The registry: children of the commune, a pair that waits, one merged, one parted, a sample, a round, an import.


async def _fill_registry(town: Town) -> None:
    things = town.things
    lan, binh, ha = (town.someone(name) for name in ("worker", "chair", "coordinator"))

    known: list[str] = []

    async def child(name: str, born: str = "2016-03-09", mother: str = MOTHER, **over: Any) -> str:
        said = {"name": name, "birth_date": born, "sex": "female", "carers": [{"name": mother}], **over}
        asked = {"child": said, "unit": HOME, "seen": known}
        found = await lan.json_of("POST", "/registry/api/children", asked)
        assert found["result"] == "registered", found
        known.append(found["child_id"])
        return known[-1]

    things["child"] = await child(CHILD, hamlet=STREET)
    for number, (what, name, born) in enumerate(
        (("merge", "Trần Thị Gộp Anh", "2014-05-06"), ("split", "Hoàng Thị Tách Anh", "2013-07-08"))
    ):
        kept = await child(name, born, f"Mẹ Số {number}")
        await child(_misheard(name), born, f"Mẹ Số {number}")
        pair = (await lan.json_of("GET", "/registry/api/matches"))["pair"]
        done = await lan.json_of("POST", f"/registry/api/matches/{pair}", {"decision": "same"})
        things.setdefault("merge", str(done["merge_id"]))
        if what == "split":
            page = (await lan.must("GET", f"/registry/children/{kept}/split")).text
            record = re.findall(r'name="records" value="([^"]+)"', page)[:1]
            parted = await lan.json_of(
                "POST", f"/registry/api/children/{kept}/split", {"records": record, "reason": "x"}
            )
            things["split"] = parted["split_id"]
    await child(_misheard(CHILD), hamlet=STREET)
    things["pair"] = str((await lan.json_of("GET", "/registry/api/matches"))["pair"])
    await lan.must("POST", f"/registry/children/{things['child']}/photo", file=("p.png", media.png()))
    life = f"/registry/api/children/{things['child']}/life"
    await ha.must("POST", f"{life}/hold", json={"reason": "court", "note": "12/CV"})
    things["hold"] = (await ha.json_of("GET", life))["holds"][0]["hold_id"]
    # Whom the chair is to ask again is hidden from them: not the child of all the other tries.
    for name in ("Vàng Thị Hỏi Lại", "Lò Thị Trả Lời"):
        asked = await child(name, "2015-01-02", name.replace("Thị", "Văn"))
        checked = {"on": "2026-11-24", "method": "papers", "confirmed": ["birth_date"]}
        await lan.must("POST", f"/registry/api/children/{asked}/life/verify", json=checked)
        things["asked-again" if name.endswith("Lại") else "answered"] = asked
    saved = await lan.json_of("POST", "/registry/api/searches", {"name": CHILD, "values": {"name": CHILD}})
    things["search"] = str(saved["id"])
    page = (await lan.must("GET", "/registry/field")).text
    hamlet = re.search(r'name="hamlet" value="([0-9a-f]{12})"', page)
    assert hamlet is not None, page
    begun = await lan.must("POST", "/registry/field", form={"kind": "hamlet", "unit": HOME, "hamlet": hamlet[1]})
    things["round"] = begun.headers["location"].rsplit("/", 1)[1]
    roster = f"Họ và tên,Ngày sinh,Giới tính,Họ tên mẹ,Xã\n{CHILD},09/03/2016,Nữ,{MOTHER},{HOME}\n".encode()
    sent = await lan.must("POST", "/registry/imports", file=("r.csv", roster))
    things["import"] = sent.headers["location"].rsplit("/", 1)[1].split("?")[0]
    await _read_roster(lan, f"/registry/imports/{things['import']}")
    drawn = await binh.must("POST", "/registry/samples", form={"unit": HOME, "second": "binh.chair"})
    things["sample"] = drawn.headers["location"].split("?")[0].rsplit("/", 1)[1]
    again = f"/registry/samples/{things['sample']}/children/{things['answered']}"
    await binh.must("POST", again, form={"birth_date": "02/01/2014", "sex": "female", "found": "yes"})


async def _read_roster(person: Someone, path: str) -> None:
    """Say what its columns are, as the page guesses them."""
    page = (await person.must("GET", path)).text
    values = {"kind": "commune-roster"}
    for block in re.finditer(r'<select[^>]*name="(column\d+)".*?</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]+)" selected', block[0])
        values[block[1]] = chosen[1] if chosen else ""
    if known := re.search(r'name="form"[^>]*value="([a-z-]+)"', page):
        values = {"form": known[1]}
    await person.must("POST", f"{path}/columns", form=values)


def _misheard(name: str) -> str:
    """The name as another clerk wrote it."""
    return name.replace("Anh", "Ánh").replace("Riêng", "Riềng")


# Statistics: a month that is closed and not published yet.


async def _fill_stats(town: Town) -> None:
    process = town.processes["stats"]
    opened = {"opened_at": datetime(2026, 10, 5, 3, tzinfo=UTC)}
    events = [make.case(f"case-{one}", 1, unit=(HOME, NEXT)[one % 2], **opened) for one in range(9)]
    known = datetime(2026, 10, 6, tzinfo=UTC)
    cells = HistoryCells()
    read = await HistoryBatch.read([event.record(at, time=known) for at, event in enumerate(events)], cells)
    async with process.database.transaction() as connection:
        await record_batch(connection, read, cells, Chronicle())
    periods = next(loop.__self__ for loop in process.service._app.background if loop.__name__ == "look_after_periods")  # type: ignore[attr-defined]
    await town.someone("coordinator").must("POST", f"/stats/api/periods/{MONTH}/close", json={})

    async def counted() -> bool:
        return True

    periods._counted = counted
    await periods.look_after()
    assert await town.rows("stats", "SELECT 1 FROM closed_period"), "the month was not closed"
    town.things["period"] = MONTH


# Notifications: a partner's agreement, endpoint and delivery; a worker's own; an emergency and an absence.


async def _fill_notify(town: Town) -> None:
    things = town.things
    ha, yen, lan = (town.someone(name) for name in ("coordinator", "partner", "worker"))
    terms = {
        "org": "mai-am-hy-vong",
        "purpose": "protection",
        "legal_basis": "law-task",
        "event_types": ["cases.case.opened", "cases.deadline.missed"],
        "valid_from": "2026-01-01",
        "valid_until": "2027-12-31",
    }
    things["offer"] = (await ha.json_of("POST", "/notify/api/agreements", terms))["id"]
    things["agreement"] = (await ha.json_of("POST", "/notify/api/agreements", terms))["id"]
    await yen.json_of("POST", f"/notify/api/agreements/{things['agreement']}/accept", {})
    wanted = {"channel": "webhook", "target": HOOK, "event_types": ["cases.deadline.missed"]}
    things["endpoint"] = (await yen.json_of("POST", "/notify/api/subscriptions", wanted))["id"]
    own = {"channel": "push", "target": _push(), "event_types": ["cases.deadline.missed"]}
    things["own-endpoint"] = (await lan.json_of("POST", "/notify/api/subscriptions", own))["id"]
    await _hear(town, "missed", notify_house.missed(), "concern", notify_house.concern())
    queued = "SELECT d.id, e.org FROM delivery AS d JOIN endpoint AS e ON e.id = d.endpoint_id"
    for row in await town.rows("notify", queued):
        things["delivery" if row.org else "own-delivery"] = str(row.id)
    for row in await town.rows("notify", "SELECT id, audience FROM notice"):
        if row.audience in {f"worker/{HOME}", "person/lan.worker"}:
            things["notice"] = str(row.id)
    ladder = (await town.rows("notify", "SELECT id FROM ladder ORDER BY id"))[0]
    things["emergency"] = str(ladder.id)
    away = {"begins": "2026-12-01T00:00:00+07:00", "ends": "2026-12-02T00:00:00+07:00"}
    things["absence"] = (await lan.json_of("POST", "/notify/api/absences", away))["id"]


def _push() -> str:
    return Browser("https://push.example.org/one").to_json()


async def _hear(town: Town, *said: Any) -> None:
    records = []
    for number in range(0, len(said), 2):
        data = said[number + 1]
        event = Envelope(
            said[number], f"/services/{data.PUBLISHER}", data.TYPE, notify_house.CASE, NOW,
            data.model_dump_json().encode(), sequence=1, unit=HOME,
        )  # fmt: skip
        records.append(Record("cases.cases.v1", 0, number, notify_house.CASE, event.data, tuple(event.headers())))
    results = await town.processes["notify"].service.processor.handle(records)
    assert {one.outcome for one in results} == {"accepted"}, results
