"""Where the registry's parts meet: lives of records, merges, imports and cases, and what each leaves to the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any

import pytest

from services.registry.desk import merging
from services.registry.desk.merging import own_correction
from services.registry.domain.matching import Match
from services.registry.store import pairs
from services.registry.store.children import ChildRow
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.router import Scope
from tests.integration.registry_house import HERE, LAN, House, house, refused
from tests.integration.test_registry import CHILD, NOW, Registry, recorded, registry

__all__ = ["house", "registry"]  # the fixtures
CHILD_NEW = ChildDescription(name="Hoàng Bảo Châu", birth_date=date(2016, 3, 9), sex="female")
Act = Callable[[Scope, ChildRow], Awaitable[Any]]


def died(house: House) -> Act:
    return lambda scope, row: house.life.die(scope, row, NOW.date(), "Giấy chứng tử", by=LAN)


def left(house: House) -> Act:
    return lambda scope, row: house.life.move_away(scope, row, NOW.date(), by=LAN)


def withdrawn(house: House) -> Act:
    return lambda scope, row: house.life.withdraw(scope, row, "made-up", by=LAN)


def returned(house: House) -> Act:
    return lambda scope, row: house.life.come_back(scope, row, by=LAN, note="Ghi nhầm")


async def adopted(house: House, child_id: str) -> None:
    new = CHILD_NEW.model_copy()
    await house.on(
        child_id, lambda scope, row: house.life.adopt(scope, row, NOW.date(), new, HERE, [], by="person:ha.coordinator")
    )


async def two(house: House) -> tuple[str, str]:
    """Two records that may be one child, in the queue."""
    one = await house.register()
    other = await house.register("Nguyễn Thị Ngọc Ánh")
    await house.act(lambda scope: pairs.put_pairs(scope.connection, one, [Match(other, 0.8, ("name",))], NOW))
    return min(one, other), max(one, other)


async def merged(house: House, one: str, other: str) -> str:
    return await house.act(lambda scope: merging.merge(scope, house.desk, one, other, LAN))


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(("act", "rule"), [(died, "one-is-deceased"), (left, "one-is-moved-away")])
async def test_a_merge_declares_nobody_dead_or_gone_nor_alive_or_back(
    house: House, place: int, act: Callable[[House], Act], rule: str
) -> None:
    both = await two(house)
    await house.on(both[place], act(house))
    assert await refused(merged(house, *both)) == rule
    assert {row.merged_into for row in await house.rows("SELECT merged_into FROM child")} == {None}
    await house.on(both[1 - place], act(house))
    merge_id = await merged(house, *both)
    kept = await house.child(both[0])
    # Parted again, who was known to be so stays so, and is told so.
    new = await house.act(lambda scope: merging.undo(scope, house.desk, merge_id, LAN))
    assert (await house.child(new)).known.status == kept.known.status != "active"
    assert (await house.events("child.split"))[-1]["facts"]["status"] == kept.known.status


async def test_a_record_that_nobody_finds_is_merged_with_none_and_asked_about_no_more(house: House) -> None:
    both = await two(house)
    await house.on(both[0], withdrawn(house))
    assert await refused(merged(house, *both)) == "is-withdrawn"
    assert [row.state for row in await house.rows("SELECT state FROM pair")] == ["void"]
    again = [Match(both[1], 0.9, ("name", "birth-date"))]
    await house.act(lambda scope: pairs.put_pairs(scope.connection, both[0], again, NOW))
    assert [row.state for row in await house.rows("SELECT state FROM pair")] == ["void"]
    await house.on(both[0], returned(house))
    await house.act(lambda scope: pairs.put_pairs(scope.connection, both[0], again, NOW))
    assert [row.state for row in await house.rows("SELECT state FROM pair")] == ["open"]
    await adopted(house, both[1])
    assert await refused(merged(house, *both)) == "is-adopted"
    assert [row.state for row in await house.rows("SELECT state FROM pair")] == ["void"]


async def test_a_withdrawn_record_is_parted_only_once_it_is_open_again(house: House) -> None:
    both = await two(house)
    merge_id = await merged(house, *both)
    await house.on(both[0], withdrawn(house))
    undo: Callable[[], Awaitable[str]] = lambda: house.act(  # noqa: E731
        lambda scope: merging.undo(scope, house.desk, merge_id, LAN)
    )
    assert await refused(undo()) == "is-withdrawn"
    await house.on(both[0], returned(house))
    await undo()


async def test_what_protects_an_identity_goes_along_with_a_merge_and_its_undoing(house: House) -> None:
    both = await two(house)
    # As a record is whose child was adopted before it died, say; one closed by the adoption itself merges with none.
    await house.rows(f"UPDATE child SET protected = true WHERE id = '{both[1]}' RETURNING id")
    merge_id = await merged(house, *both)
    assert {row.protected for row in await house.rows("SELECT protected FROM child")} == {True}
    new = await house.act(lambda scope: merging.undo(scope, house.desk, merge_id, LAN))
    (row,) = await house.rows(f"SELECT protected FROM child WHERE id = '{new}'")
    assert row.protected


async def test_a_report_of_a_child_that_died_is_of_that_child_and_makes_nobody_alive(registry: Registry) -> None:
    case_id = "case-1"
    first = await registry.described({**CHILD, "carers": []}, case_id)
    assert first["result"] == "new"
    await registry.send(recorded("r1", {"name": "Lý A Páo", "birth_date": "2014-02-02"}))
    dead = (await registry.events("child.registered"))[-1]["child_id"]
    life = House(registry.database, registry.keys)
    await life.on(dead, died(life))
    answer = await registry.described(CHILD, case_id, chosen=dead)
    kept = min(dead, first["child_id"])
    assert (answer["result"], answer["child_id"]) == ("existing", kept)
    assert answer["facts"]["status"] == "deceased"
    (merge,) = await life.rows("SELECT id, kept_status FROM merge")
    new = await life.act(lambda scope: merging.undo(scope, life.desk, str(merge.id), LAN))
    assert {(await life.child(kept)).known.status, (await life.child(new)).known.status} == {"active", "deceased"}
    assert (await life.child(new)).known.status == "deceased"
    assert (await registry.events("child.returned"))[-1]["was"] == "deceased"


async def test_nobody_links_a_case_to_a_record_that_was_withdrawn(registry: Registry) -> None:
    await registry.send(recorded("r1", {"name": "Lý A Páo", "birth_date": "2014-02-02"}))
    child_id = (await registry.events("child.registered"))[-1]["child_id"]
    life = House(registry.database, registry.keys)
    await life.on(child_id, withdrawn(life))
    answer = await registry.described(CHILD, "case-1", chosen=child_id)
    assert (answer["result"], answer.get("child_id")) == ("candidates", None)


@pytest.mark.parametrize("how", ["withdrawn", "erased"])
async def test_what_a_source_says_again_goes_on_counting_where_it_was_withdrawn(registry: Registry, how: str) -> None:
    await registry.send(recorded("r1", CHILD))
    child_id = (await registry.events("child.registered"))[-1]["child_id"]
    life = House(registry.database, registry.keys)
    if how == "withdrawn":
        await life.on(child_id, withdrawn(life))
    else:
        await life.on(child_id, lambda scope, row: life.life.erase(scope, row, "request", by=LAN))
    (gone,) = await registry.events("record.withdrawn")
    await registry.send(recorded("r1", {**CHILD, "school": "Tiểu học Ba Bể"}))
    last = (await registry.events("record.linked"))[-1]
    assert last["record_id"] == gone["record_id"]
    assert last["sequence"] == gone["sequence"] + 1
    assert last["child_id"] != child_id


async def test_a_record_of_which_no_source_tells_is_opened_on_a_person_s_grounds(house: House) -> None:
    child_id = await house.register(born=None, child={"age": 10}, as_of=date(2025, 10, 31))
    async with house.database.transaction() as connection:
        from services.registry.imports.undoing import _withdraw

        scope = Scope("registry", connection, NOW)
        await _withdraw(scope, [child_id], LAN)
        await scope.flush()
    back = house.life.come_back
    assert await refused(house.on(child_id, lambda s, row: back(s, row, by=LAN, note=" "))) == "grounds-missing"
    await house.on(child_id, lambda s, row: back(s, row, by=LAN, note="Giấy khai sinh số 12"))
    row = await house.child(child_id)
    assert (row.known.status, row.known.birth_year, row.known.description.name) == (
        "active",
        2015,
        "Nguyễn Thị Ngọc Anh",
    )
    link = (await house.events("record.linked"))[-1]
    assert (link["record_id"], link["register_kind"]) == (own_correction(child_id), "registry-page")
    assert {one.record_id for one in row.known.sources.values()} == {own_correction(child_id)}
    # Who comes again is found, instead of founding a second record.
    house.now += timedelta(days=1)
    found = await house.act(lambda scope: house.desk.identify(scope, row.traits))
    assert [match.child_id for match in found.possible] == [child_id]
