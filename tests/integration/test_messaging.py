"""Events in and out on a real broker and database: what arrives twice, late, broken, or while something is away."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError
from aiokafka.producer.sender import Sender
from sqlalchemy import text
from structlog.testing import capture_logs

from agency.sealing import sealed
from local.postgres import EmbeddedPostgres
from shared.contracts.base import TYPE_PREFIX
from shared.contracts.cases import ChildDescribed
from shared.contracts.envelope import Envelope, from_structured
from shared.contracts.registry import ChildIdentified, QualityMeasured
from shared.contracts.vocabulary import ChildDescription
from shared.messaging import kafka, tolerance
from shared.messaging.outbox import OutboxRow, put
from shared.messaging.processing import Processor, Record
from shared.messaging.relay import Relay
from shared.messaging.repair import named
from shared.messaging.router import Received, Router, Scope
from shared.privacy import Keys, KeyUnknown, PlatformKey
from shared.settings import Settings
from tests.support.backends import Backend
from tests.support.house import NAME, TOPIC, House, event, opened
from tests.support.platform import everything_in


@pytest.fixture
async def house(backend: Backend, fresh_database: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[House]:
    settings = backend.settings(fresh_database, topic_prefix=topic_prefix)
    async with opened(settings, tmp_path) as made:
        yield made


async def test_duplicates_and_corrections_are_recognised_and_posted_events_share_the_inbox(house: House) -> None:
    await house.start()
    first, second = event("A"), event("A", danger="yes")
    await house.publish(first, first, second, first, second)
    await house.quiet()
    effects = "SELECT id, danger, correction FROM effect ORDER BY place"
    assert await house.rows(effects) == [("A", "no", False), ("A", "yes", True)]

    intake = house.running().intake
    answers = await intake.accept([first, second, event("A", danger="unknown"), event("B")], "health")
    assert [answer.outcome for answer in answers] == ["duplicate", "duplicate", "corrected", "accepted"]
    await house.publish(event("B"), event("C"))
    await house.quiet()
    assert (await house.rows(effects))[2:] == [("A", "unknown", True), ("B", "no", False), ("C", "no", False)]


async def test_a_report_does_not_wait_for_what_another_service_answers_to_earlier_ones(house: House) -> None:
    await house.start()
    answer = ChildIdentified(case_id="c-1", result="candidates", child_id=None, candidates=[])
    told = Envelope(
        "answer-1", "/services/registry", answer.TYPE, "c-1", datetime.now(UTC), answer.model_dump_json().encode()
    )
    async with kafka.producer(house.settings) as sender:
        topic = f"{house.settings.topic_prefix}registry.children.v1"
        await sender.send_and_wait(topic, told.data, key=b"c-1", headers=told.headers())
    async with asyncio.timeout(60):
        while not house.held:
            await asyncio.sleep(0.01)
    await house.publish(event("A"))
    await house.until("SELECT id FROM effect", [("A",)])
    async with asyncio.timeout(60):  # how far the report's lane is, is told a moment later
        while (await house.running().status())["lag"] != 1:
            await asyncio.sleep(0.05)
    assert house.held, "the answer is still being taken over"
    house.gate.set()
    await house.quiet()


async def test_while_something_lies_untaken_no_question_to_the_broker_is_under_way_for_others_to_wait_for(
    house: House,
) -> None:
    tolerance.install()
    name = house.settings.topic_prefix + TOPIC
    consumer = AIOKafkaConsumer(
        **kafka.client_options(house.settings), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(name, number) for number in range(3)])
        await house.publish(event("A"))
        fetcher = consumer._fetcher
        await _until(lambda: bool(fetcher._records))
        await asyncio.sleep(0.3)  # aiokafka by itself asks again after a tenth of a second
        assert not fetcher._in_flight
        assert await consumer.getmany(timeout_ms=0)
        await _until(lambda: bool(fetcher._in_flight))
    finally:
        await consumer.stop()


async def test_what_breaks_the_contract_is_buried_sealed_and_its_sender_told(house: House) -> None:
    await house.start()
    broken = event("broken")
    broken["data"]["danger_now"] = "maybe"
    await house.publish(event("before"), broken, ("rubbish", NAME.encode()), event("after"))
    await house.until("SELECT id FROM effect ORDER BY id", [("after",), ("before",)])
    await house.quiet()
    letters = await house.rows("SELECT event_id, content::text, violations::text FROM dead_letter ORDER BY id")
    assert sorted(str(letter[0]) for letter in letters) == ["None", "broken"]
    assert all("sealed" in letter[1] and NAME not in letter[1] + letter[2] for letter in letters)

    prefix = house.settings.topic_prefix
    replies = await everything_in(house.settings, [f"{prefix}replies.health.v1"])
    answers = [orjson.loads(reply.value or b"") for reply in replies]
    told = {answer.get("event_id"): answer for answer in answers}
    assert set(told) == {"broken", None}
    assert len(replies) == 2
    assert "danger_now" in told["broken"]["violations"][0]["field"]
    assert all(dict(reply.headers)["ce_type"].decode() == f"{TYPE_PREFIX}agency.report.rejected" for reply in replies)
    # Whoever posts is told at once, and nothing is buried.
    [answer] = await house.running().intake.accept([broken], "health")
    assert (answer.outcome, len(answer.violations)) == ("rejected", 1)
    assert len(await house.rows("SELECT 1 FROM dead_letter")) == 2


async def test_characters_and_days_that_no_database_takes_are_answered_and_stop_nothing(house: House) -> None:
    await house.start()
    nul = event("nul")
    nul["data"]["channel"] = "a\x00b"
    ancient = event("ancient")
    ancient["data"]["received_at"] = "0001-01-01T00:00:00+14:00"
    far = event("far") | {"time": "9999-12-31T23:59:59-14:00"}
    async with kafka.producer(house.settings) as sender:
        for wrong in (nul, ancient):
            await house.send(sender, wrong)
        made = from_structured(event("key"))
        topic = house.settings.topic_prefix + TOPIC
        await sender.send_and_wait(topic, made.data, key=b"a\x00b", headers=list(made.headers()))
        await sender.send_and_wait(topic, b"{}", key=b"k", headers=[("ce_id", b"a\x00b"), ("a\x00b", b"x")])
        await sender.send_and_wait(topic, made.data, key=b"k" * 200_000, headers=[("ce_note", None)])
        deep = b"[" * 900 + b"]" * 900
        await sender.send_and_wait(topic, deep, key=b"k", headers=list(made.headers()))
    await house.publish(event("after"))
    await house.until("SELECT id FROM effect ORDER BY id", [("after",), ("key",)])
    await house.quiet()
    assert await house.rows("SELECT 1 FROM parked") == []
    assert len(await house.rows("SELECT 1 FROM dead_letter")) == 5
    deeper = event("deep")
    deeper["data"] = orjson.loads(deep)
    [answer] = await house.running().intake.accept([deeper], "health")
    assert (answer.outcome, answer.violations[0].rule) == ("rejected", "too-deep")
    answers = await house.running().intake.accept([nul, ancient, far], "health")
    assert [(answer.outcome, answer.violations[0].field) for answer in answers] == [
        ("rejected", "data.channel"),
        ("rejected", "data.received_at"),
        ("rejected", "time"),
    ]


async def test_what_a_sealed_field_holds_is_checked_like_what_comes_plain(house: House) -> None:
    service = house.build()
    wrong = event("wrong") | {"data": event("wrong")["data"] | {"child": {"name": NAME, "age": "mười"}}}
    platform = house.keys.platform
    for document in (wrong, sealed(wrong, platform.public, platform.kid)):
        [answer] = await service.intake.accept([document], "health")
        assert answer.outcome == "rejected"
        assert any("age" in violation.field for violation in answer.violations)
    assert await house.rows("SELECT 1 FROM parked") == []


async def test_a_failing_key_is_parked_with_all_behind_it_while_others_flow(house: House) -> None:
    house.failing = {"bad"}
    await house.start()
    await house.publish(
        event("1", key="bad"),
        event("2", key="good"),
        event("3", key="bad"),
        event("4", key="good"),
        event("5", key="bad"),
    )
    await house.until("SELECT id FROM effect ORDER BY place", [("2",), ("4",)])
    await house.until("SELECT count(*), count(reason) FROM parked WHERE key = 'bad'", [(3, 1)])
    parked = await house.running().repair.parked()
    assert [(row["key"], row["records"], row["reason"]) for row in parked] == [
        (named(TOPIC, "bad"), 3, "ZeroDivisionError")
    ]
    assert NAME not in str(await house.rows("SELECT content::text, headers::text FROM parked"))

    house.failing = set()
    await house.until("SELECT id FROM effect WHERE key = 'bad' ORDER BY place", [("1",), ("3",), ("5",)])
    assert await house.rows("SELECT 1 FROM parked") == []


async def test_after_five_attempts_a_key_waits_for_a_person(house: House) -> None:
    house.failing = {"bad"}
    service = house.build()
    data = from_structured(event("1", key="bad"))
    await service.processor.handle([Record(TOPIC, 0, 0, "bad", data.data, tuple(data.headers()))])
    for _ in range(7):
        await house.rows("UPDATE parked SET next_attempt_at = now() RETURNING 1")
        await service.repair.release_due()
    assert await house.rows("SELECT attempts FROM parked") == [(5,)]
    house.failing = set()
    assert await service.repair.release_due() == 0
    assert await service.repair.release(TOPIC, "bad")
    assert await house.rows("SELECT id FROM effect") == [("1",)]


async def test_nothing_is_skipped_while_the_database_is_away(
    backend: Backend, topic_prefix: str, tmp_path: Path
) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres", services=("cases",))
    await asyncio.to_thread(postgres.start)
    try:
        settings = backend.settings(postgres.url("cases"), topic_prefix=topic_prefix)
        async with opened(settings, tmp_path) as house:
            await house.start()
            await house.publish(event("0", key="one"))
            await house.until("SELECT id FROM effect", [("0",)])
            await asyncio.to_thread(postgres.kill)
            await house.publish(*(event(str(number), key="one") for number in range(1, 41)))
            await _until(lambda: not house.running().healthy)
            await asyncio.to_thread(postgres.start)
            everything = [(str(number),) for number in range(41)]
            await house.until("SELECT id FROM effect ORDER BY place", everything)
            await _until(lambda: house.running().healthy)
            assert await house.rows("SELECT 1 FROM parked UNION ALL SELECT 1 FROM dead_letter") == []
    finally:
        await asyncio.to_thread(postgres.stop)


async def test_one_of_two_relays_publishes_in_order_and_the_other_takes_over(house: House) -> None:
    dsn = house.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    prefix, topic = house.settings.topic_prefix, "cases.cases.v1"
    relays = [Relay(dsn, lambda: kafka.producer(house.settings), prefix) for _ in range(2)]
    running = [asyncio.create_task(relay.run(asyncio.Event())) for relay in relays]

    async def emit(first: int, last: int) -> None:
        async with house.database.transaction() as connection:
            await put(connection, [OutboxRow(topic, "key", "t", str(n).encode(), {}) for n in range(first, last)])

    try:
        await emit(0, 300)
        await _until(lambda: sum(relay.published for relay in relays) == 300)
        assert sorted(relay.published for relay in relays) == [0, 300]
        elected = max(range(2), key=lambda place: relays[place].published)
        running[elected].cancel()
        await emit(300, 600)
        await _until(lambda: relays[1 - elected].published == 300)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    records = await everything_in(house.settings, [prefix + topic])
    assert [int(record.value or b"") for record in records] == list(range(600))
    assert await house.rows("SELECT 1 FROM outbox") == []


async def test_a_relay_that_connected_and_cannot_publish_leaves_no_connection_behind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = house.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    tried, stop = asyncio.Event(), asyncio.Event()

    async def fail(_: Sender) -> None:
        tried.set()
        raise KafkaConnectionError

    monkeypatch.setattr(Sender, "start", fail)
    before = asyncio.all_tasks()  # of what other tests share
    running = asyncio.create_task(Relay(dsn, lambda: kafka.producer(house.settings), "").run(stop))
    await asyncio.wait_for(tried.wait(), 60)
    stop.set()
    await asyncio.wait_for(running, 60)
    assert not [task for task in asyncio.all_tasks() - before if "_md_synchronizer" in repr(task.get_coro())]


async def test_a_relay_whose_sending_fails_waits_longer_each_time_and_loses_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = house.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    prefix, topic = house.settings.topic_prefix, "cases.cases.v1"
    async with house.database.transaction() as connection:
        await put(connection, [OutboxRow(topic, "key", "t", b"1", {})])

    async def fail(*_: Any, **__: Any) -> Any:
        raise KafkaConnectionError

    monkeypatch.setattr(AIOKafkaProducer, "send", fail)
    stop, relay = asyncio.Event(), Relay(dsn, lambda: kafka.producer(house.settings), prefix)
    with capture_logs() as logs:
        running = asyncio.create_task(relay.run(stop))
        await _until(lambda: len(logs) >= 3)
    assert [log["seconds"] for log in logs[:3]] == [0.1, 0.2, 0.4]
    assert len(await house.rows("SELECT 1 FROM outbox")) == 1
    monkeypatch.undo()
    await _until(lambda: relay.published == 1)
    stop.set()
    await asyncio.wait_for(running, 60)
    assert len(await everything_in(house.settings, [prefix + topic])) == 1


async def test_when_all_fails_it_stops_instead_of_putting_everything_aside(house: House) -> None:
    house.fails_all = True
    await house.start()
    await house.publish(*(event(str(number)) for number in range(150)))
    await _until(lambda: house.running().health.waiting_for == "TooManyFailures")
    status = await house.running().status()
    assert not status["healthy"]
    assert status["lag"] > 0
    assert 50 <= status["parked_keys"] < 100
    assert status["dead_letters"] == 0
    house.fails_all = False
    await house.until("SELECT count(*), count(DISTINCT id) FROM effect", [(150, 150)])
    await house.quiet()
    await _until(lambda: house.running().healthy)


async def test_an_event_waits_a_moment_for_its_key_and_is_not_parked(house: House) -> None:
    other = Keys(b"m" * 32, PlatformKey(b"p" * 32))
    async with house.database.transaction() as connection:
        box = await other.seal(connection, ChildDescription(name=NAME), "case/1")
        [row] = (await connection.execute(text("DELETE FROM privacy_key RETURNING wrapped"))).all()
        await connection.execute(text("DELETE FROM outbox"))
    router, opened_names = Router("registry"), []

    @router.handles(ChildDescribed)
    async def on_described(received: Received[ChildDescribed], scope: Scope) -> None:
        child = await house.keys.open(scope.connection, received.data.child, ChildDescription)
        opened_names.append(child.name)

    processor = Processor(router, house.database, house.keys, lambda: datetime.now(UTC))
    record = _described(box.model_dump(exclude_none=True))
    handling = asyncio.create_task(processor.handle([record]))
    await asyncio.sleep(0.3)
    assert not handling.done()
    async with house.database.transaction() as connection:
        await house.keys.learn(connection, {"case/1": row.wrapped})
    assert [result.outcome for result in await handling] == ["accepted"]
    assert opened_names == [NAME]

    lost = _described({**box.model_dump(exclude_none=True), "kid": "case/2"}, offset=1)
    began = time.monotonic()
    assert [result.outcome for result in await processor.handle([lost])] == ["parked"]
    assert time.monotonic() - began < 6
    assert await house.rows("SELECT reason FROM parked") == [(KeyUnknown.__name__,)]


async def test_of_many_that_are_handled_together_a_failing_one_parks_its_own_key_and_each_key_keeps_its_order(
    house: House,
) -> None:
    router = Router("cases")
    runs: list[int] = []

    async def note(scope: Scope, key: str, event_type: str) -> None:
        await scope.connection.execute(
            text("INSERT INTO effect (id, key) VALUES (:type, :key)"), {"type": event_type, "key": key}
        )

    @router.handles_together(ChildIdentified)
    async def on_identified(received: Sequence[Received[ChildIdentified]], scope: Scope) -> None:
        runs.append(len(received))
        for one in received:
            await note(scope, one.data.case_id, "identified")
        if any(one.data.case_id == "B" for one in received):
            raise ZeroDivisionError

    @router.handles(QualityMeasured)
    async def on_measured(received: Received[QualityMeasured], scope: Scope) -> None:
        await note(scope, received.data.unit, "measured")

    processor = Processor(router, house.database, house.keys, lambda: datetime.now(UTC))
    came = [
        _said("A", 1, identified=True),
        _said("A", 2, identified=False),
        _said("B", 3, identified=True),
        _said("C", 4, identified=True),
        _said("B", 5, identified=False),
        _said("C", 4, identified=True),
        _said("A", 6, identified=True),
        _said("D", 7, identified=True),
    ]
    outcomes = [result.outcome for result in await processor.handle(came)]
    assert outcomes == ["accepted", "accepted", "parked", "accepted", "parked", "duplicate", "accepted", "accepted"]
    # All four keys' first ones at once; those of a key that came later not before what stands between.
    assert runs[0] == 4
    effects = await house.rows("SELECT key, id FROM effect ORDER BY place")
    assert [what for key, what in effects if key == "A"] == ["identified", "measured", "identified"]
    assert sorted(key for key, _ in effects) == ["A", "A", "A", "C", "D"]
    assert await house.rows("SELECT reason FROM parked ORDER BY reason NULLS LAST") == [
        (ZeroDivisionError.__name__,),
        (None,),
    ]


def _said(key: str, offset: int, *, identified: bool) -> Record:
    data: ChildIdentified | QualityMeasured
    if identified:
        data = ChildIdentified(case_id=key, result="candidates")
    else:
        data = QualityMeasured(unit=key, on=date(2026, 11, 1), children=1, verified=1, due=0, score=100)
    sent = Envelope(
        f"said-{offset}",
        "/services/registry",
        data.TYPE,
        key,
        datetime(2026, 11, 1, tzinfo=UTC),
        data.model_dump_json().encode(),
        sequence=offset,
    )
    return Record("registry.children.v1", 0, offset, key, sent.data, tuple(sent.headers()))


@pytest.mark.parametrize("in_savepoint", [False, True])
async def test_a_key_that_was_rolled_back_seals_nothing_afterwards(house: House, in_savepoint: bool) -> None:
    async with house.database.engine.connect() as connection:
        async with connection.begin_nested() if in_savepoint else nullcontext():
            first = await house.keys.seal(connection, "một", "case/1")
        assert await house.keys.open(connection, first, str) == "một"
        await house.keys.seal(connection, "hai", "case/1")
        await connection.rollback()
    async with house.database.transaction() as connection:
        with pytest.raises(KeyUnknown):
            await house.keys.key_for(connection, "case/1")
        kept = await house.keys.seal(connection, "ba", "case/1")
    other = Keys(b"m" * 32, PlatformKey(b"p" * 32))
    async with house.database.transaction() as connection:
        assert await other.open(connection, kept, str) == "ba"


async def test_identity_is_never_in_clear_in_the_broker_or_the_database(house: House) -> None:
    house.failing = {"bad"}
    await house.start()
    plain = event("posted")
    wrong = event("wrong")
    wrong["data"]["danger_now"] = "maybe"
    await house.running().intake.accept([plain, wrong, event("kept", key="bad")], "health")
    await house.publish(event("1", key="bad"), wrong, event("2"))
    await house.until("SELECT id FROM effect ORDER BY id", [("2",), ("posted",)])
    await house.quiet()
    async with house.database.transaction() as connection:
        scope = Scope("cases", connection, datetime.now(UTC))
        described = _described({"name": NAME})
        with pytest.raises(ValueError, match="unsealed"):
            await scope.emit(
                ChildDescribed.model_validate(orjson.loads(described.value or b"")), subject="1", sequence=1
            )
    prefix = house.settings.topic_prefix
    names = [topic for topic in await _topics(house.settings) if topic.startswith(prefix)]
    records = await everything_in(house.settings, names)
    assert len(records) >= 4
    seen = b"".join((record.value or b"") + (record.key or b"") + repr(record.headers).encode() for record in records)
    tables = ("outbox", "parked", "dead_letter", "inbox", "effect")
    kept = b"".join([str(await house.rows(f"SELECT t::text FROM {table} t")).encode() for table in tables])
    for spelled in (
        NAME.encode(),
        base64.b64encode(NAME.encode())[:-4],
        orjson.dumps(NAME),
        ascii(NAME).encode()[1:-1],
    ):
        assert spelled not in seen
        assert spelled not in kept


def _described(child: dict[str, Any], offset: int = 0) -> Record:
    facts = {
        "unit": "05443",
        "sex": "female",
        "age_band": "6-10",
        "kind": "neglect",
        "risk": "unassessed",
        "status": "open",
        "step": "intake",
        "sector": "health",
        "channel": "hospital",
        "opened_at": "2026-11-01T08:00:00Z",
    }
    data = {"case_id": "0195a000-0000-7000-8000-00000000abcd", "facts": facts, "child": child}
    headers = {
        "ce_specversion": "1.0",
        "ce_id": f"described-{offset}",
        "ce_source": "/services/cases",
        "ce_type": ChildDescribed.TYPE,
        "ce_subject": data["case_id"],
        "ce_time": "2026-11-01T08:00:00Z",
        "ce_sequence": "1",
        "content-type": "application/json",
    }
    pairs = tuple((name, str(value).encode()) for name, value in headers.items())
    return Record("cases.cases.v1", 0, offset, str(data["case_id"]), orjson.dumps(data), pairs)


async def _topics(settings: Settings) -> set[str]:
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(**kafka.client_options(settings))
    await admin.start()
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()


async def _until(condition: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_headers_that_are_no_text_do_not_stop_a_topic(house: House) -> None:
    await house.start()
    name = house.settings.topic_prefix + TOPIC
    async with kafka.producer(house.settings) as sender:
        await sender.send_and_wait(name, b"{}", key=b"x", headers=[("ce_id", b"\xff\xfe"), ("content-type", b"\xff")])
    await house.publish(event("after"))
    await house.until("SELECT id FROM effect", [("after",)])
    await house.until("SELECT count(*) FROM dead_letter", [(1,)])
