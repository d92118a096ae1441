"""The life of a record on a real database: acts, time, erasure; and what the topic alone says."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.registry.desk import merging
from services.registry.domain.children import Statement
from services.registry.domain.lifecycle import ages_out_on
from services.registry.store import children as store
from services.registry.store import lifecycle as lives
from services.registry.store.children import ChildRow
from shared.contracts.cases import CaseClosed, CaseFacts, CaseReopened
from shared.contracts.vocabulary import ChildDescription, Person
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.privacy import Erased
from tests.integration.registry_house import HERE, LAN, NOW, THERE, House, house, refused

__all__ = ["house"]  # the fixture


async def test_a_record_is_checked_verified_and_falls_due_once(house: House) -> None:
    child_id = await house.register()
    await house.on(child_id, lambda scope, row: house.life.check(scope, row, by=LAN))
    assert await refused(house.on(child_id, lambda s, row: house.life.check(s, row, by=LAN))) == "checked-already"
    assert await refused(house.verify(child_id, method="guessing")) == "method-unknown"
    await house.verify(child_id)
    assert (await house.child(child_id)).known.state == "verified"
    assert (await house.child(child_id)).known.sources["name"].verified_by == "home-visit"
    assert await house.tick() == 0
    house.now = datetime(2027, 11, 24, 16, 59, tzinfo=UTC)  # the last minute of the day before, in the province
    assert await house.tick() == 0
    house.now += timedelta(minutes=1)
    assert await house.tick() == 1
    assert await house.tick() == 0
    said = await house.events("child.")
    assert [event["type"] for event in said] == [
        "child.registered",
        "child.checked",
        "child.verified",
        "child.verification.due",
    ]
    assert [event["sequence"] for event in said] == [1, 2, 3, 4]
    assert [event["facts"]["state"] for event in said] == ["collected", "checked", "verified", "due"]
    assert said[-1]["due_on"] == said[-2]["due_on"] == "2027-11-25"
    (digest,) = await house.events("digest")
    assert (digest["unit"], digest["newly_due"], digest["due"]) == (HERE, 1, 1)


async def test_after_days_off_three_replicas_tell_each_record_once_and_each_commune_once(house: House) -> None:
    for number in range(30):
        unit = HERE if number % 2 else THERE
        await house.verify(await house.register(f"Nguyễn Văn Số {number}", f"2016-01-{number % 28 + 1:02d}", unit=unit))
    await house.register("Trần Văn Lớn", "2010-12-01")
    house.now += timedelta(days=400)
    told = await asyncio.gather(*(house.tick() for _ in range(3)))
    assert sum(told) == 31
    due = Counter(event["subject"] for event in await house.events("verification.due"))
    assert len(due) == 30
    assert set(due.values()) == {1}
    assert sorted(event["unit"] for event in await house.events("digest")) == [THERE, HERE]
    (grown,) = await house.events("aged-out")
    assert (grown["on"], grown["facts"]["status"]) == ("2026-12-01", "aged-out")


async def test_a_record_that_cannot_be_told_keeps_no_other_from_being_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await house.register(f"Nguyễn Văn Số {n}", "2016-01-01") for n in range(3)]
    for child_id in ids:
        await house.verify(child_id)
    settle = house.life._settle

    async def broken(scope: Scope, row: ChildRow, *rest: Any, **more: Any) -> int:
        done = await settle(scope, row, *rest, **more)
        if row.id == ids[0]:
            raise ValueError("spoilt")
        return done

    monkeypatch.setattr(house.life, "_settle", broken)
    house.now += timedelta(days=400)
    assert await house.tick() == 2
    assert {event["subject"] for event in await house.events("verification.due")} == set(ids[1:])
    monkeypatch.undo()
    assert await house.tick() == 1
    assert len(await house.events("verification.due")) == 3


async def test_the_database_works_out_the_sixteenth_birthday_as_the_rules_do(house: House) -> None:
    cases: list[dict[str, Any]] = [
        {"birth_date": "2012-02-29"},
        {"birth_date": "2016-12-31"},
        {"birth_date": "2016-12-05", "birth_precision": "month"},
        {"birth_date": "2016-05-05", "birth_precision": "year"},
        {"age": 9},
        {},
    ]
    for number, child in enumerate(cases):
        child_id = await house.register(f"Trẻ Thứ {number}", None, child=child)
        known = (await house.child(child_id)).known
        (row,) = await house.rows(f"SELECT ages_out_on FROM child WHERE id = '{child_id}'")
        assert row.ages_out_on == ages_out_on(known.description, known.birth_year), child


async def test_a_birth_date_that_proves_to_be_later_brings_the_child_back(house: House) -> None:
    child_id = await house.register(born="2010-12-01")
    house.now += timedelta(days=30)
    assert await house.tick() == 1
    assert await refused(house.on(child_id, lambda s, row: house.life.come_back(s, row, by=LAN))) == "of-age"

    async def correct(scope: Scope, row: ChildRow) -> None:
        right = row.known.description.model_copy(update={"birth_date": date(2012, 12, 1)})
        await house.desk.correct(scope, row.id, right, None, version=row.sequence, actor=LAN, reason="papers")

    await house.on(child_id, correct)
    assert await house.tick() == 1
    back = (await house.events())[-1]
    assert (back["type"], back["was"], back["facts"]["status"]) == ("child.returned", "aged-out", "active")


async def test_a_child_that_moves_arrives_to_be_checked_and_is_due_no_more(house: House) -> None:
    child_id = await house.register()
    await house.verify(child_id)
    await house.on(child_id, lambda scope, row: house.life.move(scope, row, THERE, by=LAN))
    (row,) = await house.rows("SELECT state, due_on, arrived_from, unit FROM child")
    assert tuple(row) == ("collected", None, HERE, THERE)
    moved = (await house.events("child.moved"))[-1]
    assert (moved["facts"]["state"], moved["from_unit"]) == ("collected", HERE)
    async with house.database.transaction() as connection:
        arrived = await lives.listed(connection, "arrived", [THERE], NOW.date(), NOW.date(), limit=10, after=0)
    assert [found.id for found, _ in arrived] == [child_id]
    await house.on(child_id, lambda scope, row: house.life.check(scope, row, by=LAN))
    (row,) = await house.rows("SELECT arrived_from, arrived_on FROM child")
    assert tuple(row) == (None, None)


async def test_a_closed_record_follows_its_sources_and_is_counted_no_more(house: House) -> None:
    child_id = await house.register()
    await house.on(child_id, lambda s, row: house.life.die(s, row, date(2026, 11, 20), "Giấy chứng tử", by=LAN))
    for act in (house.life.check, house.life.come_back):
        if act == house.life.check:
            assert await refused(house.on(child_id, lambda s, row: house.life.check(s, row, by=LAN))) == "is-deceased"
    again = Statement(
        new_id(),
        "school-roster",
        "education",
        as_of=date(2026, 11, 1),
        description=ChildDescription(
            name="Nguyễn Thị Ngọc Anh",
            birth_date=date(2016, 3, 9),
            carers=[Person(name="Lý Thị Thu Lan")],
            school="Tiểu học Ba Bể",
        ),
        unit=HERE,
    )
    taken = await house.act(lambda scope: house.desk.record(scope, again, correction=False, actor="education"))
    assert (taken.child_id, taken.new) == (child_id, False)
    assert {event["facts"]["status"] for event in await house.events("child.corrected")} == {"deceased"}
    await house.on(child_id, lambda s, row: house.life.come_back(s, row, by=LAN, note="Nhầm người"))
    assert (await house.events())[-1]["was"] == "deceased"


async def test_a_withdrawn_record_takes_its_sources_along_and_brings_them_back(house: House) -> None:
    child_id = await house.register()
    await house.on(child_id, lambda s, row: house.life.withdraw(s, row, "made-up", by=LAN))
    (gone,) = await house.events("record.withdrawn")
    (linked,) = await house.events("record.linked")
    assert (gone["record_id"], gone["sequence"]) == (linked["record_id"], linked["sequence"] + 1)
    await house.on(child_id, lambda s, row: house.life.come_back(s, row, by=LAN))
    assert (await house.events("record.linked"))[-1]["sequence"] == gone["sequence"] + 1


def case(child_id: str, status: str, case_id: str) -> dict[str, Any]:
    facts = CaseFacts.model_validate(
        {
            "unit": HERE,
            "sex": "female",
            "age_band": "6-10",
            "kind": "violence",
            "risk": "high",
            "status": status,
            "step": "intake" if status == "open" else "closed",
            "sector": "hotline",
            "channel": "hotline-111",
            "opened_at": NOW,
            "child_id": child_id,
        }
    )
    return {"case_id": case_id, "facts": facts}


async def test_nobody_is_erased_while_a_case_or_a_hold_forbids_it_and_then_nothing_is_left(house: House) -> None:
    child_id = await house.register(child={"address": "Số 7 phố Bến Oánh", "number": "019316000123"})
    await house.verify(child_id)
    kept = f"'{new_id()}', '{child_id}'"
    await house.rows(
        """INSERT INTO import (id, who, kind, digest, file_name, size, state, made_at, changed_at)
           VALUES (gen_random_uuid(), 'person:lan', 'commune-roster', '', 'x', 1, 'finished', now(), now())
           RETURNING 1"""
    )
    await house.rows(
        f"""INSERT INTO import_record (import_id, record_id, child_id, founded, sequence, before)
            SELECT id, {kept}, false, 2, '{{"s_description": "Ngọc Anh"}}' FROM import RETURNING 1"""
    )
    await house.rows(
        f"""INSERT INTO split (id, kept, parted, records, at, by, reason)
            VALUES (gen_random_uuid(), {kept}, '{{}}', now(), 'person:lan', 'Ngọc Anh là trẻ khác') RETURNING 1"""
    )

    async def erase() -> None:
        await house.on(child_id, lambda s, row: house.life.erase(s, row, "request", by="person:ha.coordinator"))

    await house.hear(CaseReopened.model_validate({**case(child_id, "open", "case-1"), "reason": "x"}), 1)
    assert await refused(erase()) == "has-open-case"
    await house.hear(CaseClosed.model_validate({**case(child_id, "closed", "case-1"), "outcome": "safe"}), 2)
    assert await refused(erase()) == "has-recent-case"
    house.now += timedelta(days=366)
    await house.act(lambda s: lives.put_hold(s.connection, child_id, "court", "12/CV", house.now, "person:ha"))
    assert await refused(erase()) == "is-held"
    (hold,) = await house.rows("SELECT id FROM hold")
    await house.act(lambda s: lives.lift_hold(s.connection, child_id, str(hold.id), house.now, "person:ha"))
    await erase()
    said = await house.events()
    assert said[-1]["type"] == "child.erased"
    assert said[-1]["sequence"] == max(e["sequence"] for e in said if e["subject"] == child_id)
    (tomb,) = await house.rows("SELECT payload FROM outbox WHERE aggregatetype = 'privacy.keys.v1' AND payload IS NULL")
    assert tomb.payload is None
    for table in [
        row.tablename for row in await house.rows("SELECT tablename FROM pg_tables WHERE schemaname='public'")
    ]:
        for (line,) in await house.rows(f"SELECT t::text FROM {table} t"):
            for word in ("Ngọc Anh", "ngoc anh", "Thu Lan", "thu lan", "Bến Oánh", "019316000123", "2016-03-09"):
                assert word not in line, (table, word)
    async with house.database.transaction() as connection:
        with pytest.raises(Erased):
            await house.keys.open(connection, said[0]["child"], ChildDescription)
    assert await refused(erase()) == "is-erased"


async def test_a_new_consumer_rebuilds_every_child_from_the_topic_alone(house: House) -> None:
    ids = [await house.register(f"Nguyễn Văn Số {n}", f"2014-01-{n + 1:02d}", circumstances=("04",)) for n in range(8)]
    await house.on(ids[0], lambda s, row: house.life.check(s, row, by=LAN))
    await house.verify(ids[1])
    await house.on(ids[2], lambda s, row: house.life.move(s, row, THERE, by=LAN))
    await house.on(ids[3], lambda s, row: house.life.die(s, row, NOW.date(), "Trạm y tế", by=LAN))
    await house.on(ids[4], lambda s, row: house.life.withdraw(s, row, "not-a-child", by=LAN))
    await house.on(ids[5], lambda s, row: house.life.move_away(s, row, NOW.date(), by=LAN))
    await house.on(ids[6], lambda s, row: house.life.erase(s, row, "decision", by=LAN))
    new = ChildDescription(name="Hoàng Bảo Châu", birth_date=date(2014, 1, 8))
    await house.on(ids[7], lambda s, row: house.life.adopt(s, row, NOW.date(), new, THERE, ["04"], by=LAN))
    await house.act(lambda s: merging.merge(s, house.desk, ids[0], ids[1], LAN))
    house.now += timedelta(days=500)
    await house.tick()
    built: dict[str, dict[str, Any]] = {}
    for event in await house.events("child."):
        known = built.setdefault(event["child_id"], {"sequence": 0})
        assert event["sequence"] == known["sequence"] + 1, event
        known["sequence"] = event["sequence"]
        if event["type"] == "child.erased":
            built[event["child_id"]] = {"sequence": event["sequence"], "erased": True}
            continue
        known["facts"] = event["facts"]
        known["child"] = event.get("child", known.get("child"))
        if event["type"] == "child.merged":
            built[event["merged_id"]] = {"sequence": built[event["merged_id"]]["sequence"], "into": event["child_id"]}
    async with house.database.transaction() as connection:
        for child_id, known in built.items():
            row = await store.child(connection, child_id)
            assert row is not None
            assert row.sequence == known["sequence"]
            if known.get("erased"):
                assert row.known.status == "erased"
            elif "into" in known:
                assert row.merged_into == known["into"]
            else:
                told = row.known.facts.model_dump(exclude_none=True)
                if row.known.status == "moved-away":
                    told.pop("unit")
                assert known["facts"] == told
                assert await house.keys.open(connection, known["child"], ChildDescription) == row.known.description
    assert len(built) == 9
    assert {known["facts"]["status"] for known in built.values() if "facts" in known} == {
        "active",
        "deceased",
        "withdrawn",
        "moved-away",
        "adopted",
    }


async def test_what_falls_due_is_found_by_an_index(house: House) -> None:
    for query in (lives.DUE, lives.GROWN_UP, lives.GREW_YOUNGER):
        async with house.database.transaction() as connection:
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
            rows = await connection.execute(text("EXPLAIN " + query), {"today": NOW.date(), "limit": 10, "spoilt": []})
            plan = "\n".join(row[0] for row in rows)
        assert "Index" in plan, plan
        assert "Seq Scan" not in plan, plan
