"""Adoption on a real database: two records that nothing ties, and a mistake that is taken back."""

from __future__ import annotations

from datetime import date, timedelta

import orjson

from services.registry.store.children import ChildRow
from shared.contracts.vocabulary import ChildDescription, Person
from shared.messaging.router import Scope
from tests.integration.registry_house import HERE, LAN, NOW, THERE, House, house, refused

__all__ = ["house"]  # the fixture


async def test_an_adopted_child_s_two_records_are_tied_by_nothing_that_anybody_sees(house: House) -> None:
    child_id = await house.register(circumstances=("02", "04"))
    new = ChildDescription(name="Hoàng Bảo Châu", birth_date=date(2016, 3, 9), sex="female")

    async def adopt(scope: Scope, row: ChildRow) -> None:
        await house.life.adopt(scope, row, date(2026, 11, 20), new, THERE, ["04"], by="person:ha.coordinator")

    await house.on(child_id, adopt)
    assert await house.tick() == 0, "the new record begins later, by itself"
    house.now += timedelta(hours=73)
    assert await house.tick() == 1
    (new_id_,) = [
        event["child_id"] for event in await house.events("child.registered") if event["child_id"] != child_id
    ]
    fresh = await house.child(new_id_)
    assert (fresh.known.description.name, fresh.known.circumstances, fresh.known.unit) == (
        "Hoàng Bảo Châu",
        ("04",),
        THERE,
    )
    assert await refused(house.on(child_id, lambda s, row: house.life.come_back(s, row, by=LAN))) == "has-a-new-record"
    said = await house.events()
    old = [event for event in said if event["subject"] == child_id]
    young = [event for event in said if event["subject"] == new_id_]
    for event in young:
        assert child_id not in orjson.dumps(event).decode()
    assert not {event["headers"]["ce_time"] for event in old} & {event["headers"]["ce_time"] for event in young}
    # No table holds both ids, or either of them in the link.
    for table in [
        row.tablename for row in await house.rows("SELECT tablename FROM pg_tables WHERE schemaname='public'")
    ]:
        for (line,) in await house.rows(f"SELECT t::text FROM {table} t"):
            assert not (child_id in line and new_id_ in line), table
            assert table != "adoption" or (child_id not in line and new_id_ not in line)
    # What is told under the old name goes to the closed record, and nobody else is asked about.
    async with house.database.transaction() as connection:
        scope = Scope("registry", connection, house.now)
        from services.registry.domain.traits import traits_of

        old_name = ChildDescription(
            name="Nguyễn Thị Ngọc Anh", birth_date=date(2016, 3, 9), carers=[Person(name="Lý Thị Thu Lan")]
        )
        found = await house.desk.identify(scope, traits_of(old_name, HERE, house.now.date()))
        assert (found.sure.child_id if found.sure else None, found.possible) == (child_id, ())
    read = house.life.adoptions.reveal
    assert (
        await refused(house.act(lambda s: read(s, child_id, "ha.coordinator", "curiosity", "x"))) == "purpose-unknown"
    )
    assert await house.act(lambda s: read(s, child_id, "ha.coordinator", "court", "12/CV-TA")) == new_id_
    assert await house.act(lambda s: read(s, new_id_, "ha.coordinator", "origin", "Đơn ngày 1/12")) == child_id
    assert [tuple(row) for row in await house.rows("SELECT who, purpose FROM adoption_reading ORDER BY at, id")] == [
        ("ha.coordinator", "court"),
        ("ha.coordinator", "origin"),
    ]


async def test_an_adoption_recorded_by_mistake_is_taken_back_before_the_new_record_begins(house: House) -> None:
    child_id = await house.register()
    new = ChildDescription(name="Hoàng Bảo Châu", birth_date=date(2016, 3, 9))
    await house.on(child_id, lambda s, row: house.life.adopt(s, row, NOW.date(), new, THERE, [], by=LAN))
    assert [row.protected for row in await house.rows("SELECT protected FROM child")] == [True]
    await house.on(child_id, lambda s, row: house.life.come_back(s, row, by=LAN))
    assert [row.protected for row in await house.rows("SELECT protected FROM child")] == [False], "exported as before"
    house.now += timedelta(days=10)
    assert await house.tick() == 0
    assert len(await house.events("child.registered")) == 1
