"""Reports that come together are taken in together: the same tables and the same events as one by one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson
import pytest
from sqlalchemy import event as event_api
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import TYPE_PREFIX
from shared.contracts.envelope import Envelope
from shared.contracts.notify import EscalationRaised
from shared.messaging.outbox import stable_id
from shared.messaging.processing import Record
from shared.privacy import as_box
from shared.privacy.keys import KEYS_TOPIC
from tests.integration.cases_house import START, UNIT, House, concern, living
from tests.support import backends

SOURCE = "/agency/hotline/thai-nguyen"
Sent = tuple[str, str, dict[str, Any]]
# What is made anew each time: an id of a thing by itself, and numbers that a transaction taken back used up.
_NEW_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_CODE = re.compile(r"(?:TN|BT)-2026-\d{6}")
_TABLES = (
    "concern", "concern_child", "cases", "deadline", "task", "member", "conference", "glass", "entry", "case_link",
    "finding", "called", "incident", "inbox", "parked", "dead_letter", "privacy_key", "outbox",
)  # fmt: skip
# When it was written, and where in what order: told by the order of the rows where there is one.
_UNCOMPARED = {"seen_at", "created_at", "changed_at", "died_at", "position", "offset", "partition", "wrapped"}
_IN_ORDER = {"entry": "id", "outbox": "position"}


@pytest.fixture
async def houses(postgres_url: str) -> AsyncIterator[tuple[House, House]]:
    async with (
        backends.database(postgres_url) as one,
        backends.database(postgres_url) as other,
        living(one) as together,
        living(other) as apart,
    ):
        yield together, apart


def child(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "age": 8, **more}


def report(name: str, **changes: Any) -> Sent:
    said = concern(**{"child": child(f"Nguyễn Văn {name}", number="079215000123"), **changes})
    return "concern.reported", name, said


FIRST: Sequence[Sent] = (
    report("An"),
    report("Bình", danger_now="yes"),
    report("An"),  # a copy
    report("An", what_happened="Nói lại cho rõ"),  # a correction beside what it corrects
    report("Sai", kinds=["no-such-kind"]),
    report("Cúc", danger_now="yes", more_children=[child("Trần Thị Em"), child("Trần Văn Út", age=2)]),
    ("incident.recorded", "I-1", {"kind": "burn", "occurred_on": "2026-11-01", "outcome": "minor", "unit": UNIT}),
    report("Dung", unit=None, unit_text="Xã Nơi Nào"),
    report("Vỡ", danger_now="maybe"),
    report("Bình", danger_now="yes", child=child("Nguyễn Văn Bính")),  # of one that has its case
    report("Dung", danger_now="yes"),  # a correction that opens
    report("Mai sau", received_at="2027-11-24T01:00:00+00:00"),
    report("Giang", child=None),
    report("Em", danger_now="yes", child=None, more_children=[child("Lê Thị Chị")]),
)
SECOND: Sequence[Sent] = (
    report("Hoa", danger_now="yes"),
    report("Giang", danger_now="yes"),  # about whom somebody was called before it was a case
    report("Khoa"),
    report("An", danger_now="yes", more_children=[child("Trần Thị Thêm")]),
    report("Cúc", danger_now="yes", more_children=[child("Trần Thị Em"), child("Trần Văn Út"), child("Trần Bé")]),
    report("Lan", danger_now="yes"),
    report("Khoa"),
    report("Lan", danger_now="no"),
    report("Minh", danger_now="yes"),
)


async def test_a_mixed_batch_does_to_tables_and_events_what_one_by_one_does(houses: tuple[House, House]) -> None:
    together, apart = houses
    outcomes = [await _send(together, FIRST), [one for sent in FIRST for one in await _send(apart, [sent])]]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].count("rejected") == 3
    assert {"accepted", "duplicate", "corrected"} < set(outcomes[0])
    for house in houses:
        await _call(house, stable_id("concern", SOURCE, "Giang"))
    outcomes = [await _send(together, SECOND), [one for sent in SECOND for one in await _send(apart, [sent])]]
    assert outcomes[0] == outcomes[1]
    for table in _TABLES:
        rows = [await _all_of(house, table) for house in houses]
        assert rows[0] == rows[1], table
        assert rows[0] or table in {"conference", "glass", "parked", "member"}, f"{table}: nothing is compared"
    told = await together.rows("SELECT kind FROM entry WHERE kind LIKE 'called.%'")
    assert len(told) == 1
    names = {stable_id("concern", SOURCE, name): name for _, name, _ in (*FIRST, *SECOND)}
    rows = await together.rows("SELECT aggregateid, headers FROM outbox WHERE type LIKE '%cases.concern.received'")
    assert len(rows) > len(FIRST)
    assert all(_trace(names[row.aggregateid]) == row.headers["traceparent"][:35] for row in rows)


async def test_reports_that_come_together_cost_no_statement_each(houses: tuple[House, House]) -> None:
    house, _ = houses
    await _send(house, [report("Làm ấm", danger_now="yes")])
    few = await _statements(house, [report(f"Ít {number}", danger_now="yes") for number in range(2)])
    many = await _statements(house, [report(f"Nhiều {number}", danger_now="yes") for number in range(40)])
    assert many <= few


async def _send(house: House, sent: Sequence[Sent]) -> list[str]:
    records = []
    for name, identifier, data in sent:
        house.offsets += 1
        # Each goes on with the trace of its own sending.
        trace = f"{_trace(identifier)}-00f067aa0ba902b7-01"
        event = Envelope(
            id=identifier,
            source=SOURCE,
            type=f"{TYPE_PREFIX}agency.{name}",
            subject=identifier,
            time=house.now,
            data=orjson.dumps(data),
            traceparent=trace,
        )
        records.append(Record("agency.hotline.v1", 0, house.offsets, identifier, event.data, tuple(event.headers())))
    return [result.outcome for result in await house.processor.handle(records)]


def _trace(name: str) -> str:
    return f"00-{stable_id('trace', name).replace('-', '')}"


async def _call(house: House, concern_id: str) -> None:
    said = {
        "ladder_id": "l1", "ladder": "child-in-danger", "event_type": "cases.concern.received", "unit": UNIT,
        "step": 0, "at": START, "role": "worker", "people": 1, "channels": ["inbox"], "concern_id": concern_id,
    }  # fmt: skip
    data = EscalationRaised.model_validate(said)
    event = Envelope("n1", "/services/notify", data.TYPE, "l1", START, data.model_dump_json().encode(), 1)
    record = Record("notify.decisions.v1", 0, 1, "l1", event.data, tuple(event.headers()))
    assert [result.outcome for result in await house.processor.handle([record])] == ["accepted"]


async def _statements(house: House, sent: Sequence[Sent]) -> int:
    """How many statements a batch costs."""
    count = 0

    def heard(*_: Any) -> None:
        nonlocal count
        count += 1

    engine = house.database.engine.sync_engine
    event_api.listen(engine, "before_cursor_execute", heard)
    try:
        assert set(await _send(house, sent)) == {"accepted"}
    finally:
        event_api.remove(engine, "before_cursor_execute", heard)
    return count


async def _all_of(house: House, table: str) -> list[str]:
    """The rows of a table, opened, without what is made anew each time; where their order says nothing, sorted."""
    async with house.database.transaction() as connection:
        order = f" ORDER BY {_IN_ORDER[table]}" if table in _IN_ORDER else ""
        found = await connection.execute(text(f"SELECT * FROM {table}{order}"))
        rows = []
        for row in found.mappings().all():
            values = {name: value for name, value in row.items() if name not in _UNCOMPARED}
            if table in ("entry", "outbox", "dead_letter"):
                del values["id"]
            if table == "outbox":
                values["headers"].pop("ce_id", None)
                values["payload"] = _payload(row)
            rows.append(await _opened(house, connection, values))
    said = [orjson.dumps(row, default=_as_text, option=orjson.OPT_SORT_KEYS).decode() for row in rows]
    codes = sorted({code for row in said for code in _CODE.findall(row)})
    said = [_CODE.sub(lambda code: f"code {codes.index(code[0])}", _NEW_ID.sub("new", row)) for row in said]
    if table == "outbox":
        # Of each topic in its order; keys are of nothing but themselves.
        topics = [row["aggregatetype"] for row in rows]
        by_topic = sorted(zip(topics, said, strict=True), key=lambda pair: pair[0])
        return [row for topic, row in by_topic if topic != KEYS_TOPIC] + sorted(
            row for topic, row in by_topic if topic == KEYS_TOPIC
        )
    return said if table in _IN_ORDER else sorted(said)


def _payload(row: Any) -> Any:
    """What is published; of a key, which is random, that it is one."""
    return "key" if row["aggregatetype"] == KEYS_TOPIC else orjson.loads(row["payload"])


async def _opened(house: House, connection: AsyncConnection, value: Any) -> Any:
    box = as_box(value)
    if box is not None:
        return {"under": box.kid, "plain": await house.keys.open(connection, box, Any)}
    if isinstance(value, Mapping):
        return {name: await _opened(house, connection, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [await _opened(house, connection, inner) for inner in value]
    return value


def _as_text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
