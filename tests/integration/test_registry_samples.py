"""Blind re-verification on a real database: a second person answers, what differs waits."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import date

import pytest

from services.registry.store import samples as sample_store
from shared.contracts.vocabulary import ChildDescription, Person
from tests.integration.registry_house import HERE, House, house, refused

__all__ = ["house"]  # the fixture


async def test_a_second_person_answers_blindly_and_what_differs_waits_for_a_person(house: House) -> None:
    ids = [await house.register(f"Nguyễn Văn Số {n}", f"2016-01-{n + 1:02d}") for n in range(4)]
    for child_id in ids[:3]:
        await house.verify(child_id)
    await house.verify(ids[3], by="person:hoa.second")
    made = await house.act(lambda s: house.samples.draw(s, HERE, "hoa.second", by="person:binh.chair"))
    async with house.database.transaction() as connection:
        drawn = [str(row.child_id) for row in await sample_store.places(connection, made.id)]
        assert await sample_store.asked_of(connection, "hoa.second") == set(ids[:3])
    assert set(drawn) == set(ids[:3]), "neither who was not verified, nor whom the second person verified"
    right = ChildDescription(birth_date=date(2016, 1, 1), sex="female", carers=[Person(name="Lý Thị Thu Lan")])

    def answer(child_id: str, said: ChildDescription | None, who: str = "hoa.second") -> Awaitable[None]:
        return house.act(lambda s: house.samples.answer(s, made.id, child_id, said, person=who))

    assert await refused(answer(ids[0], right, "lan.worker")) == "not-the-second"
    await answer(ids[0], right)
    assert await refused(answer(ids[0], right)) == "answered"
    await answer(ids[1], ChildDescription(birth_date=date(2016, 2, 2), sex="female"))
    assert not await house.events("reverification")
    await answer(ids[2], None)
    (done,) = await house.events("reverification")
    assert (done["size"], done["found"], done["agreed"], done["asked"]) == (3, 2, 4, 5)
    assert done["by_field"]["birth_date"] == [1, 2]
    assert [event["blind"] for event in await house.events("child.verified")] == [False, False, False, False, True]
    decide = house.samples.decide
    await house.act(lambda s: decide(s, made.id, ids[1], "birth_date", "second", by="person:binh.chair"))
    assert (await house.child(ids[1])).known.description.birth_date == date(2016, 2, 2)
    with pytest.raises(LookupError):
        await house.act(lambda s: decide(s, made.id, ids[1], "birth_date", "first", by="person:binh.chair"))
