"""Corrections of reports whose children were erased: none waits for ever, and none holds up what is about others."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from shared.contracts.envelope import Envelope
from shared.messaging.processing import Record
from shared.messaging.repair import Repair
from shared.messaging.tables import add_forgetting
from tests.integration.cases_house import NAME, START, House, concern, house
from tests.support.words import columns_with

__all__ = ["house"]

SIBLINGS = [{"name": "Trần Thị Em", "age": 5}, {"name": "Trần Văn Út", "age": 2}]


async def test_a_correction_of_an_erased_report_is_refused_and_what_comes_with_it_is_taken_in(house: House) -> None:
    await house.send(("concern.reported", "An", concern(danger_now="yes")))
    await _erase(house, "SELECT file_id FROM concern")
    correction = concern(danger_now="yes", what_happened="Nói lại cho rõ")
    outcomes = [
        result.outcome
        for result in await house.send(
            ("concern.reported", "Bình", concern(danger_now="yes")),
            ("concern.reported", "An", correction),
            ("concern.reported", "Cúc", concern()),
        )
    ]
    assert outcomes == ["accepted", "rejected", "accepted"]
    assert await house.rows("SELECT 1 FROM parked") == []
    [letter] = await house.rows("SELECT violations FROM dead_letter")
    assert letter.violations[0]["rule"] == "report-erased"


async def test_one_childs_erasure_keeps_no_correction_from_the_others_of_the_report(house: House) -> None:
    said = concern(danger_now="yes", more_children=SIBLINGS)
    await house.send(("concern.reported", "An", said))
    await _erase(house, "SELECT file_id FROM concern_child WHERE position = 2")
    later = {**said, "what_happened": "Nói lại cho rõ", "more_children": [SIBLINGS[0], {**SIBLINGS[1], "age": 3}]}
    assert [result.outcome for result in await house.send(("concern.reported", "An", later))] == ["corrected"]
    changed = await house.rows("SELECT case_id FROM entry WHERE kind = 'report.corrected'")
    others = await house.rows("SELECT case_id FROM concern_child WHERE position = 3 UNION SELECT case_id FROM concern")
    assert {row.case_id for row in changed} == {row.case_id for row in others}


async def test_of_a_refused_correction_of_an_erased_report_no_word_is_kept_and_its_sender_is_told(house: House) -> None:
    await house.send(("concern.reported", "An", concern(danger_now="yes")))
    words = (NAME, "Bị đánh nhiều lần")
    assert await columns_with(house.database, house.keys, words)
    await _erase(house, "SELECT file_id FROM concern")
    await house.send(("concern.reported", "An", concern(danger_now="yes", measures_taken="Đã báo công an")))
    [letter] = await house.rows("SELECT forgotten_as, content, headers, key, event_id FROM dead_letter")
    assert tuple(letter) == ("erased", None, [], None, None)
    assert await columns_with(house.database, house.keys, words) == set()
    [reply] = await house.rows("SELECT payload FROM outbox WHERE aggregatetype = 'replies.hotline.v1'")
    assert orjson.loads(reply.payload)["event_id"] == "An"


async def test_what_was_put_aside_of_a_report_loses_its_content_once_a_child_of_it_is_erased(house: House) -> None:
    said = concern(danger_now="yes", more_children=SIBLINGS)
    await house.send(("concern.reported", "An", said))
    broken = {**said, "received_at": "hôm qua"}
    await house.send(("concern.reported", "An", broken), ("concern.reported", "Bình", {**broken, "child": {}}))
    [child] = await house.rows("SELECT file_id FROM concern_child WHERE position = 2")
    task = {"task_id": "00000000-0000-4000-8000-000000000000", "answer": "done", "summary": "Trần Thị Em đã về nhà"}
    case = {"case_id": child.file_id, "service": "x" * 999, "provided_on": "2026-11-24", "notes": "Trần Thị Em khỏe"}
    await house.send(("task.answered", "T", {**task, "answer": "có lẽ"}), ("service.provided", "D", case))
    async with house.database.transaction() as connection:
        for offset, name in ((101, "An"), (102, "Cúc")):
            await house.processor.failures.park(connection, _record(name, said, offset), "ValueError")
    assert {("dead_letter", "content"), ("parked", "content")} <= await columns_with(house.database, house.keys, [NAME])
    await _tombstone(house, child.file_id)
    letters = await house.rows('SELECT "offset", event_type, forgotten_as FROM dead_letter ORDER BY "offset"')
    gone = [(row.offset, row.event_type.rsplit(".", 2)[1]) for row in letters if row.forgotten_as == "erased"]
    assert gone == [(2, "concern"), (5, "service"), (101, "concern")]
    assert [row.offset for row in await house.rows('SELECT "offset" FROM parked')] == [102]


@pytest.mark.parametrize("days", [0, 9])
async def test_an_erasure_that_was_missed_by_what_was_put_aside_at_the_same_moment_is_made_up_for(
    house: House, days: int
) -> None:
    await house.send(("concern.reported", "An", concern(danger_now="yes")))
    async with house.database.transaction() as connection:
        await house.processor.failures.park(connection, _record("An", concern(), 101), "ValueError")
    await _erase(house, "SELECT file_id FROM concern")
    await house.rows(
        "UPDATE privacy_key SET changed_at = changed_at - make_interval(days => :days) RETURNING 1", days=days
    )
    assert await columns_with(house.database, house.keys, [NAME]) == {("parked", "content")}
    await _tidy(house)
    assert await columns_with(house.database, house.keys, [NAME]) == set()
    assert await house.rows("SELECT 1 FROM parked") == []


async def test_what_is_put_aside_long_after_an_erasure_is_found_by_whom_it_is_about(house: House) -> None:
    """The key of the case is there; the child's went weeks ago."""
    await house.send(("concern.reported", "An", concern(danger_now="yes")))
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE cases SET child_id = '00000000-0000-4000-8000-000000000001'")
        await house.keys.learn(connection, {"child/00000000-0000-4000-8000-000000000001": None})
        await connection.exec_driver_sql(
            "UPDATE privacy_key SET changed_at = now() - interval '30 days' WHERE wrapped IS NULL"
        )
    broken = {**concern(), "received_at": "hôm qua"}
    await house.send(("concern.reported", "An", broken), ("concern.reported", "Bình", broken))
    assert await _kept(house) == {2: "erased", 3: None}
    async with house.database.transaction() as connection:
        for offset, name in ((101, "An"), (102, "Cúc")):
            await house.processor.failures.park(connection, _record(name, concern(), offset), "ValueError")
    await _tidy(house)
    assert await _kept(house) == {2: "erased", 3: None, 101: "erased"}
    assert [row.offset for row in await house.rows('SELECT "offset" FROM parked')] == [102]


async def test_a_dead_letters_content_goes_when_it_is_settled_and_when_its_time_is_over(house: House) -> None:
    broken = {**concern(), "received_at": "hôm qua"}
    await house.send(("concern.reported", "An", broken), ("concern.reported", "Bình", broken))
    repair = Repair(house.processor, house.database)
    [second, first] = await repair.dead_letters()
    await repair.discard_dead_letter(first["id"])
    assert await _kept(house) == {1: "settled", 2: None}
    await _tidy(house, timedelta(days=1))
    assert await _kept(house) == {1: "settled", 2: None}
    await _tidy(house, timedelta(0))
    assert await _kept(house) == {1: "settled", 2: "expired"}
    assert await columns_with(house.database, house.keys, [NAME]) == set()
    # It is still there to be seen, and says why it cannot be handled.
    assert await repair.replay_dead_letter(second["id"]) == "forgotten"
    assert [row["forgotten_as"] for row in await repair.dead_letters()] == ["expired"]
    await repair.discard_dead_letter(second["id"])
    assert await repair.dead_letters() == []


async def test_a_database_from_before_learns_to_forget(house: House) -> None:
    await house.send(("concern.reported", "An", {**concern(), "received_at": "hôm qua"}))
    async with house.database.transaction() as connection:
        for statement in (
            "ALTER TABLE parked DROP COLUMN about",
            "ALTER TABLE dead_letter DROP COLUMN about, DROP COLUMN forgotten_at, DROP COLUMN forgotten_as",
        ):
            await connection.exec_driver_sql(statement)
        await connection.run_sync(add_forgetting)
    await _tidy(house)
    assert await _kept(house) == {1: None}
    await _tidy(house, timedelta(0))
    assert await _kept(house) == {1: "expired"}


async def _kept(house: House) -> dict[int, str | None]:
    return {row.offset: row.forgotten_as for row in await house.rows('SELECT "offset", forgotten_as FROM dead_letter')}


async def _tidy(house: House, kept: timedelta = timedelta(days=30)) -> None:
    async with house.database.transaction() as connection:
        [now] = (await connection.exec_driver_sql("SELECT clock_timestamp()")).one()
        await house.processor.forget_old(connection, now - kept)


async def _tombstone(house: House, file_id: str) -> None:
    """As the service hears it."""
    async with house.database.transaction() as connection:
        await house.keys.learn(connection, {f"case/{file_id}": None})
        await house.processor.forget(connection, [f"case/{file_id}"])


def _record(identifier: str, data: dict[str, object], offset: int) -> Record:
    event = Envelope(
        id=identifier,
        source="/agency/hotline/thai-nguyen",
        type="vn.vongtay.agency.concern.reported",
        subject=identifier,
        time=START,
        data=orjson.dumps(data),
    )
    return Record("agency.hotline.v1", 0, offset, identifier, event.data, tuple(event.headers()))


async def _erase(house: House, files: str) -> None:
    [row] = await house.rows(files)
    async with house.database.transaction() as connection:
        await house.keys.erase(connection, f"case/{row.file_id}")
