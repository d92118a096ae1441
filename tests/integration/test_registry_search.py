"""Finding children on a real database and on the page: slips, jurisdiction, counts, what is hidden, saved searches."""

from __future__ import annotations

import re
from itertools import islice
from random import Random

import pytest
from sqlalchemy import text

from bench._many_children import SLIPS, children, fill, slipped
from services.registry.domain.searching import Wanted
from services.registry.store import finding
from services.registry.store.finding import Sight
from tests.integration.test_registry_pages import HOME, House, house, registered

__all__ = ["house"]

_COUNT = 3_000


@pytest.fixture
async def full(house: House) -> House:
    await fill(house.database, _COUNT, seed=5)
    return house


async def test_every_slip_of_a_name_still_finds_the_child_with_one_more_fact(full: House) -> None:
    random = Random(3)
    some = list(islice(children(_COUNT, seed=5), 0, _COUNT, 100))
    missed = []
    async with full.database.transaction() as connection:
        for kind in SLIPS:
            for child in some:
                typed = slipped(random, child, kind)
                if typed is None or child.birth_precision:
                    continue
                facts = [Wanted(name=typed.name, birth_date=typed.birth_date)]
                if kind != "day and month swapped":
                    facts.append(Wanted(name=typed.name, birth_year=child.birth_date.year))
                    facts.append(Wanted(name=typed.name, units=[child.unit]))
                if child.mother:
                    facts.append(Wanted(name=typed.name, carer=child.mother))
                for wanted in facts:
                    found = await finding.search(connection, wanted)
                    if child.id not in [row.id for row in found.rows[:10]]:
                        missed.append((kind, wanted.fields))
    assert len(missed) <= 0.02 * 4 * len(SLIPS) * len(some), missed


async def test_numbers_households_schools_hamlets_and_circumstances_lead_to_children(full: House) -> None:
    child = next(
        child
        for child in children(_COUNT, seed=5)
        if child.number and child.school and child.grade and child.circumstances
    )
    async with full.database.transaction() as connection:
        for wanted in (
            Wanted(number=child.number or ""),
            Wanted(number=(child.number or "")[-6:]),
            Wanted(household=child.household.lower()),
            Wanted(school=child.school or "", grade=child.grade or "", units=[child.unit]),
            Wanted(hamlet=child.hamlet, units=[child.unit], birth_year=child.birth_date.year),
            Wanted(circumstance=child.circumstances[0], units=[child.unit], state=child.state),  # type: ignore[arg-type]
        ):
            found = await finding.search(connection, wanted)
            assert child.id in [row.id for row in found.rows], wanted.fields
            if wanted.units:
                assert {row.known.unit for row in found.rows} == {child.unit}


async def test_counts_add_up_to_all_that_was_found(full: House) -> None:
    async with full.database.transaction() as connection:
        found = await finding.search(connection, Wanted(name="Nguyễn"))
        assert found.total > 100
        assert (sum(found.by_unit.values()), sum(found.by_year.values())) == (found.total, found.total)
        # What is turned over is each child once, in an order that does not change from page to page.
        seen = [row.id for row in found.rows]
        for after in (20, 40):
            page = await finding.search(connection, Wanted(name="Nguyễn"), after=after)
            seen += [row.id for row in page.rows]
        assert len(set(seen)) == 60
        unit = found.by_unit.most_common(1)[0][0]
        narrowed = await finding.search(connection, Wanted(name="Nguyễn", units=[unit or ""]))
        assert narrowed.total == found.by_unit[unit]


async def test_hidden_records_are_neither_found_nor_counted(full: House) -> None:
    child = next(children(_COUNT, seed=5))
    wanted = Wanted(name=child.name, units=[child.unit])
    async with full.database.transaction() as connection:
        before = (await finding.search(connection, wanted)).total
        assert (await finding.search(connection, wanted, Sight(without=[child.id]))).total < before
        for status in ("adopted", "erased", "withdrawn"):
            await connection.execute(
                text("UPDATE child SET status = :status WHERE id = CAST(:id AS uuid)"),
                {"status": status, "id": child.id},
            )
            found = await finding.search(connection, wanted)
            assert child.id not in [row.id for row in found.rows]
            assert found.total < before
        # Erasure empties the row, and with it what it is found by.
        await connection.execute(
            text(
                """UPDATE child SET status = 'active', name_folded = '', carers_folded = '', unit = NULL,
                       description = '{}'"""
            )
        )
        assert (await finding.search(connection, Wanted(name=child.name))).total == 0


async def test_the_page_narrows_turns_over_and_carries_on_without_a_name_in_any_address(full: House) -> None:
    ha = await full.browser("ha.coordinator")
    page = await ha.post("/registry/", name="nguyen")
    assert page.status == 200
    assert "Thu hẹp theo xã, phường" in page.text
    choice = re.search(r'name="narrow_unit" value="(\d{5})">[^<]*<b class="number">(\d+)</b>', page.text)
    assert choice
    narrowed = await ha.post("/registry/", name="nguyen", narrow_unit=choice[1])
    assert f"Tìm thấy {choice[2]} trẻ" in narrowed.text
    assert f'<input type="hidden" name="unit" value="{choice[1]}">' in narrowed.text
    second = await ha.post("/registry/", name="nguyen", after="20")
    assert "21–40 trong" in second.text
    assert not re.search(r'(?:href|action)="[^"]*nguyen', page.text)
    # Beyond what is put in order, and with no number at all, the page answers.
    for after in ("900", "-1", "x"):
        assert (await ha.post("/registry/", name="nguyen", after=after)).status == 200


async def test_nobody_finds_children_of_another_commune(full: House) -> None:
    lan = await full.browser("lan.worker")
    page = await lan.post("/registry/", name="nguyen", unit="01840", narrow_unit="01840")
    assert page.status == 200
    assert "Tìm thấy 0 trẻ" in page.text
    _, found = await lan.json("POST", "/registry/api/search", {"name": "nguyen"})
    assert {child["facts"]["unit"] for child in found["children"]} == {HOME}
    assert set(found["by_unit"]) == {HOME}


async def test_what_was_looked_for_in_vain_begins_the_form_of_a_new_child(house: House) -> None:
    lan = await house.browser("lan.worker")
    page = await lan.post("/registry/", name="Ma Thị Mỷ 2019", carer="Ma Văn Páo")
    assert "Chưa thấy trẻ nào như vậy" in page.text
    form = await lan.post("/registry/register", act="searched", name="Ma Thị Mỷ", born="2019", carer="Ma Văn Páo")
    assert form.status == 200
    for value in ("Ma Thị Mỷ", "2019", "Ma Văn Páo"):
        assert f'value="{value}"' in form.text


async def test_a_search_is_kept_asked_again_by_one_press_and_deleted_by_its_owner_alone(house: House) -> None:
    lan, thuong = await house.browser("lan.worker"), await house.browser("thuong.worker")
    child_id = await registered(lan)
    kept = await lan.post("/registry/searches", saved_name="Nhà Lan", name="ngoc anh", born="2016")
    assert "Đã lưu lượt tìm này" in kept.text
    again = re.search(r'action="(/registry/searches/[0-9a-f-]+)/run#found"', kept.text)
    assert again
    found = await lan.post(f"{again[1]}/run")
    assert f"/registry/children/{child_id}" in found.text
    assert (await thuong.post(f"{again[1]}/run")).status == 404
    assert (await thuong.post(f"{again[1]}/delete")).status == 404
    stored = " ".join(str(row) for row in await house.rows("SELECT * FROM saved_search"))
    assert "Nhà Lan" not in stored
    assert "ngoc" not in stored
    assert (await lan.post("/registry/searches", saved_name=" ", name="an")).status == 422
    # The same name again takes the place of the first.
    await lan.post("/registry/searches", saved_name="Nhà Lan", name="ngoc anh", born="2015")
    _, listed = await lan.json("GET", "/registry/api/searches")
    assert [(one["name"], one["values"]["born"]) for one in listed] == [("Nhà Lan", "2015")]
    gone = await lan.post(f"/registry/searches/{listed[0]['id']}/delete")
    assert gone.status == 303
    assert await house.rows("SELECT * FROM saved_search") == []


async def test_the_page_begins_with_the_children_one_looked_at_last(house: House) -> None:
    lan, thuong = await house.browser("lan.worker"), await house.browser("thuong.worker")
    child_id = await registered(lan)
    await lan.get(f"/registry/children/{child_id}")
    assert f"/registry/children/{child_id}" in (await lan.get("/registry/")).text
    assert f"/registry/children/{child_id}" not in (await thuong.get("/registry/")).text


async def test_the_log_says_which_fields_were_used_and_never_what_was_in_them(house: House) -> None:
    lan = await house.browser("lan.worker")
    await lan.post("/registry/", name="Nguyễn Thị Bí Mật", school="Trường Bí Mật", number="019216123456")
    (row,) = await house.rows("SELECT act, detail FROM access WHERE act = 'search'")
    assert row.detail == {"fields": ["name", "number", "school"], "found": 0}
