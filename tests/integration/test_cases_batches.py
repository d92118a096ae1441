"""Reports that come together are taken in together: the same tables and the same events as one by one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
import pytest
from sqlalchemy import event as event_api
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import TYPE_PREFIX, Contract
from shared.contracts.envelope import Envelope
from shared.contracts.notify import EscalationRaised
from shared.contracts.registry import ChildIdentified, ChildMerged
from shared.messaging.outbox import stable_id
from shared.messaging.processing import Record
from shared.privacy import as_box
from shared.privacy.keys import KEYS_TOPIC
from tests.integration.cases_house import START, UNIT, House, concern, living
from tests.support import backends

SOURCE = "/agency/hotline/thai-nguyen"
Sent = tuple[str, str, dict[str, Any]]
# What is made anew each time: an id of a thing by itself, and numbers: a transaction taken back used some up, and those
# of a batch's new cases are given out together.
_NEW_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_CODE = re.compile(r"(?:TN|BT)-2026-\d{6}")
_TABLES = (
    "concern", "concern_child", "cases", "deadline", "task", "member", "conference", "glass", "entry", "case_link",
    "finding", "called", "incident", "inbox", "parked", "dead_letter", "privacy_key", "outbox",
)  # fmt: skip
# When it was written, and where in what order: told by the order of the rows where there is one.
_UNCOMPARED = {"seen_at", "created_at", "changed_at", "died_at", "position", "offset", "partition", "wrapped"}
_IN_ORDER = {"entry": "id", "outbox": "position"}
# Of several cases' events only those of one have an order: all of a type are handled together.
_IN_ORDER_OF_EACH = {"entry": "case_id, id", "outbox": "aggregatetype, aggregateid, position"}


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


async def test_answers_and_calls_that_come_together_do_what_they_do_one_by_one(houses: tuple[House, House]) -> None:
    names = [*"ABCDEFG"]
    case = {name: stable_id("case", stable_id("concern", SOURCE, name)) for name in names}
    said = [
        _identified(case["A"], "child-a"),
        _identified(case["B"], None, "child-x", "child-y"),
        _identified(case["C"], None),
        _identified("no-such-case", "child-a"),
        _identified(case["B"], "child-b"),  # again, and otherwise
        _identified(case["B"], "child-b"),
        _identified(case["D"], "child-old"),  # who is another by now
        _called(0, case["A"], None, step=0),
        _called(0, case["A"], None, step=1),
        _called(1, None, stable_id("concern", SOURCE, "B"), step=0),
        _called(2, "no-such-case", "no-such-report", step=0),
        _called(1, None, stable_id("concern", SOURCE, "B"), step=0),  # the same again
        _identified(case["E"], "child-e"),
        _identified(case["F"], "child-f"),  # whose case was merged: for the one that goes on
        _identified(case["G"], None),
    ]
    merged = {"unit": UNIT, "sex": "female", "birth_year": 2018, "birth_month": 1}
    for house, single in zip(houses, (False, True), strict=True):
        assert set(await _send(house, [report(name, danger_now="yes") for name in names])) == {"accepted"}
        await house.hear(
            ChildMerged.model_validate({"child_id": "child-d", "merged_id": "child-old", "facts": merged}), "child-d"
        )
        await house.rows(
            "UPDATE cases SET status = 'merged', merged_into = :into WHERE id = :id RETURNING id",
            id=case["F"],
            into=case["G"],
        )
        for some in [[one] for one in said] if single else [said]:
            await _hear(house, some)
    for table in ("cases", "entry", "called", "outbox"):
        rows = [await _all_of(house, table, _IN_ORDER_OF_EACH) for house in houses]
        assert rows[0] == rows[1], table
    together = houses[0]
    linked = dict(await together.rows("SELECT id, child_id FROM cases WHERE child_id IS NOT NULL"))
    wanted = {"A": "child-a", "B": "child-b", "D": "child-d", "E": "child-e", "F": "child-f", "G": "child-f"}
    assert linked == {case[name]: child_id for name, child_id in wanted.items()}
    told = await together.rows("SELECT case_id FROM entry WHERE kind = 'called.raised' ORDER BY id")
    assert [row.case_id for row in told] == [case["A"], case["A"], case["B"]]


async def test_answers_and_calls_that_come_together_cost_no_statement_each(houses: tuple[House, House]) -> None:
    house, _ = houses
    names = [f"{number}" for number in range(30)]
    await _send(house, [report(name, danger_now="yes") for name in names])
    case = [stable_id("case", stable_id("concern", SOURCE, name)) for name in names]

    def both(some: Sequence[int]) -> list[Contract]:
        answers: list[Contract] = [_identified(case[at], f"child-{at}") for at in some]
        return answers + [_called(at, case[at], None, step=0) for at in some]

    few = await _counted(house, lambda: _hear(house, both(range(2))))
    many = await _counted(house, lambda: _hear(house, both(range(2, 30))))
    assert many <= few


def _identified(case_id: str, child_id: str | None, *candidates: str) -> ChildIdentified:
    found = [{"child_id": candidate, "probability": 0.7, "reasons": ["Tên"]} for candidate in candidates]
    result = "existing" if child_id else "candidates"
    return ChildIdentified.model_validate(
        {"case_id": case_id, "result": result, "child_id": child_id, "candidates": found}
    )


def _called(ladder: int, case_id: str | None, concern_id: str | None, *, step: int) -> EscalationRaised:
    said = {
        "ladder_id": f"l{ladder}", "ladder": "child-in-danger", "event_type": "cases.concern.received", "unit": UNIT,
        "step": step, "at": START, "role": "worker", "people": 1, "channels": ["inbox"], "concern_id": concern_id,
        "case_id": case_id,
    }  # fmt: skip
    return EscalationRaised.model_validate(said)


async def _hear(house: House, said: Sequence[Contract]) -> None:
    """Let a house hear in one batch what registry and notify say; all that a ladder says has its step as sequence."""
    records = []
    for data in said:
        house.offsets += 1
        called = isinstance(data, EscalationRaised)
        topic, sequence = ("notify.decisions.v1", data.step + 1) if called else ("registry.children.v1", house.offsets)
        identifier = stable_id("heard", str(house.offsets))
        source = f"/services/{topic.split('.')[0]}"
        event = Envelope(identifier, source, data.TYPE, "s", START, data.model_dump_json().encode(), sequence)
        records.append(Record(topic, 0, house.offsets, "s", event.data, tuple(event.headers())))
    assert {result.outcome for result in await house.processor.handle(records)} == {"accepted"}


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
    """How many statements a batch of reports costs."""

    async def takes_in() -> None:
        assert set(await _send(house, sent)) == {"accepted"}

    return await _counted(house, takes_in)


async def _counted(house: House, does: Callable[[], Awaitable[None]]) -> int:
    """How many statements something costs."""
    count = 0

    def heard(*_: Any) -> None:
        nonlocal count
        count += 1

    engine = house.database.engine.sync_engine
    event_api.listen(engine, "before_cursor_execute", heard)
    try:
        await does()
    finally:
        event_api.remove(engine, "before_cursor_execute", heard)
    return count


async def _all_of(house: House, table: str, in_order: Mapping[str, str] = _IN_ORDER) -> list[str]:
    """The rows of a table, opened, without what is made anew each time; where their order says nothing, sorted."""
    async with house.database.transaction() as connection:
        order = f" ORDER BY {in_order[table]}" if table in in_order else ""
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
    files = await house.rows("SELECT code, id FROM cases UNION ALL SELECT code, id FROM concern")
    of = {file.code: f"code of {file.id}" for file in files}
    said = [_CODE.sub(lambda code: of.get(code[0], "nobody's code"), _NEW_ID.sub("new", row)) for row in said]
    if table == "outbox":
        # Of each topic in its order; keys are of nothing but themselves.
        topics = [row["aggregatetype"] for row in rows]
        by_topic = sorted(zip(topics, said, strict=True), key=lambda pair: pair[0])
        return [row for topic, row in by_topic if topic != KEYS_TOPIC] + sorted(
            row for topic, row in by_topic if topic == KEYS_TOPIC
        )
    return said if table in in_order else sorted(said)


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
