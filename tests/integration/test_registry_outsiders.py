"""Whoever may not see a child does not come at it another way: lists, queues, samples, late events, wrong places."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text

from services.registry.desk import Desk
from services.registry.domain.children import Statement
from shared.contracts.vocabulary import ChildDescription, Sector
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.privacy import Keys, PlatformKey
from tests.integration.test_registry import recorded
from tests.integration.test_registry_lifecycle_pages import OTHER, TODAY
from tests.integration.test_registry_pages import FORM, HOME, NOW, Browser, House, house, registered
from tests.support.visitor import Answer

__all__ = ["house"]
KEYS = Keys(b"m" * 32, PlatformKey(b"p" * 32))
SPRING = date(2026, 3, 1)


async def act(browser: Browser, child_id: str, what: str, /, **values: str) -> Answer:
    """One act on a record's life, by its page."""
    await browser.get(f"/registry/children/{child_id}/life")
    said = {f"{what}_{name}" if name in {"on", "unit", "note"} else name: value for name, value in values.items()}
    return await browser.post(f"/registry/children/{child_id}/life", act=what, **said)


async def told(house: House, name: str, *, child: str | None = None, **said: Any) -> str:
    """A source's statement, on a child that is there or a new one. Out: the child's id."""
    description = ChildDescription.model_validate({"name": name, "birth_date": "2016-03-09", "sex": "female", **said})
    sector: Sector = "dolisa"
    record = Statement(new_id(), "commune-roster", sector, as_of=SPRING, description=description, unit=HOME)
    async with house.database.transaction() as connection:
        scope = Scope("registry", connection, NOW)
        desk = Desk(KEYS)
        if child is None:
            child = await desk.register(scope, record)
        else:
            await desk.confirm(scope, child, record, sector)
        await scope.flush()
    return child


async def contradicted(house: House, name: str = "Nguyễn Thị Ngọc Anh") -> str:
    """A child of whom two sources of like trust say two things."""
    child_id = await told(house, name)
    await told(house, name, child=child_id, birth_date="2016-09-03")
    assert await house.rows(f"SELECT 1 FROM child WHERE id = '{child_id}' AND conflicts <> '[]'")
    return child_id


async def paired(house: House, one: str, other: str) -> int:
    """A pair of records in the queue. Out: its number."""
    async with house.database.transaction() as connection:
        row = await connection.execute(
            text(
                """INSERT INTO pair (low, high, probability, reasons, made_at, low_unit, high_unit)
                   SELECT least(a.id, b.id), greatest(a.id, b.id), 0.9, '{name-same}', :now, a.unit, b.unit
                   FROM child a, child b WHERE a.id = CAST(:one AS uuid) AND b.id = CAST(:other AS uuid)
                   RETURNING id"""
            ),
            {"one": one, "other": other, "now": NOW},
        )
        return int(row.scalar_one())


async def observe(house: House, child_id: str, *, event_id: str = "OBS-1", since: str = "2026-01-01") -> Any:
    """An agency observes a circumstance. Out: the answer."""
    (answer,) = await house.intake.accept(
        [
            {
                "specversion": "1.0",
                "id": event_id,
                "source": "/agency/health/tram-y-te",
                "type": "vn.vongtay.agency.circumstance.observed",
                "subject": child_id,
                "time": NOW.isoformat(),
                "data": {"child_id": child_id, "circumstance": "05", "since": since},
            }
        ],
        "health",
    )
    return answer


# Adopted children


async def test_a_contradiction_in_an_adopted_child_s_record_is_listed_to_nobody_but_whom_the_law_names(
    house: House,
) -> None:
    lan, ha = await house.browser("lan.worker"), await house.browser("ha.coordinator")
    child_id = await contradicted(house)
    assert FORM["name"] in (await lan.get("/registry/contradictions")).text
    assert (await act(ha, child_id, "adopt", **OTHER)).status == 303
    assert FORM["name"] not in (await lan.get("/registry/contradictions")).text
    listed = await lan.get("/registry/life?list=conflicts")
    assert FORM["name"] not in listed.text
    assert await house.rows(f"SELECT 1 FROM access WHERE who = 'lan.worker' AND child_id = '{child_id}'"), (
        "the look before was logged"
    )


async def test_a_pair_with_an_adopted_child_s_record_is_shown_to_nobody(house: House) -> None:
    lan, ha = await house.browser("lan.worker"), await house.browser("ha.coordinator")
    adopted, other = await told(house, FORM["name"]), await told(house, "Nguyễn Thị Ngọc Ánh")
    assert (await act(ha, adopted, "adopt", **OTHER)).status == 303
    # A pass over everybody that read both before the adoption and queues them after it.
    number = await paired(house, adopted, other)
    third = await told(house, "Nguyễn Thị Ngọc Anh Thư")
    await paired(house, other, third)
    queue = await lan.get("/registry/matches")
    assert adopted not in queue.text
    assert third in queue.text, "the next pair is shown in its place"
    assert (await lan.post(f"/registry/matches/{number}", decision="same")).status == 404
    assert (await lan.json("GET", "/registry/api/matches"))[1]["pair"] != number
    assert not await house.rows("SELECT 1 FROM child WHERE merged_into IS NOT NULL")


async def test_a_sample_names_no_child_that_was_adopted_meanwhile_and_keeps_no_answer_on_it(house: House) -> None:
    lan, ha, binh = [await house.browser(person) for person in ("lan.worker", "ha.coordinator", "binh.chair")]
    child_id = await registered(lan)
    await act(lan, child_id, "verify", confirmed="name", method="papers", on=TODAY)
    await binh.get("/registry/samples")
    drawn = await binh.post("/registry/samples", unit=HOME, second="binh.chair")
    sample = drawn.headers["location"].split("?")[0]
    assert FORM["name"] in (await binh.get(f"{sample}/children/{child_id}")).text
    assert (await act(ha, child_id, "adopt", **OTHER)).status == 303
    for path in (sample, f"{sample}/children/{child_id}"):
        assert FORM["name"] not in (await binh.get(path)).text
    await binh.get(sample)
    sent = await binh.post(f"{sample}/children/{child_id}", birth_date="03/09/2016", sex="female", found="yes")
    assert sent.status in {303, 404}
    assert not await house.rows("SELECT 1 FROM sample_child WHERE answers IS NOT NULL AND answers <> '{}'")


async def test_a_source_that_goes_on_under_the_new_name_does_not_tie_an_adopted_child_s_records(house: House) -> None:
    ha = await house.browser("ha.coordinator")
    child = {"name": FORM["name"], "birth_date": "2016-03-09", "sex": "female"}
    await house.intake.accept([recorded("HS-1", child, unit=HOME)], "dolisa")
    (row,) = await house.rows("SELECT id FROM child")
    old = str(row.id)
    assert (await act(ha, old, "adopt", **OTHER)).status == 303
    before = await house.rows("SELECT description, sequence FROM child")
    named = {**child, "name": "Hoàng Ngọc Anh"}
    for as_of in ("2026-11-20", "2026-11-21"):
        (answer,) = await house.intake.accept([recorded("HS-1", named, unit="02176", as_of=as_of)], "dolisa")
        assert answer.outcome == "corrected"
    assert await house.rows(f"SELECT description, sequence FROM child WHERE id = '{old}'") == before
    (new,) = await house.rows(f"SELECT id FROM child WHERE id <> '{old}'")
    linked = await house.rows(
        """SELECT count(DISTINCT convert_from(payload, 'UTF8')::json ->> 'child_id') AS n
           FROM outbox WHERE type LIKE '%record.linked' GROUP BY headers ->> 'ce_subject'"""
    )
    assert sorted(row.n for row in linked) == [1, 1], "one record's events name one child"
    assert str(new.id) not in (await ha.get(f"/registry/children/{old}")).text


# Erased children


async def erased(house: House) -> str:
    lan, ha = await house.browser("lan.worker"), await house.browser("ha.coordinator")
    child_id = await registered(lan)
    assert (await act(ha, child_id, "erase", ground="request")).status == 303
    return child_id


async def test_an_erased_child_gets_no_circumstance_from_a_late_event(house: House) -> None:
    child_id = await erased(house)
    events = await house.rows("SELECT count(*) FROM outbox")
    answer = await observe(house, child_id)
    assert answer.outcome == "rejected", answer
    assert not await house.rows(f"SELECT 1 FROM circumstance WHERE child_id = '{child_id}'")
    assert not await house.rows(f"SELECT 1 FROM child WHERE id = '{child_id}' AND circumstances <> '{{}}'")
    assert await house.rows("SELECT count(*) FROM outbox") == events


async def test_a_sample_keeps_no_answer_on_a_child_erased_meanwhile(house: House) -> None:
    lan, ha, binh = [await house.browser(person) for person in ("lan.worker", "ha.coordinator", "binh.chair")]
    child_id = await registered(lan)
    await act(lan, child_id, "verify", confirmed="name", method="papers", on=TODAY)
    await binh.get("/registry/samples")
    drawn = await binh.post("/registry/samples", unit=HOME, second="binh.chair")
    sample = drawn.headers["location"].split("?")[0]
    form = await binh.get(f"{sample}/children/{child_id}")
    assert (await act(ha, child_id, "erase", ground="request")).status == 303
    assert form.status == 200
    await binh.get(sample)
    await binh.post(f"{sample}/children/{child_id}", birth_date="03/09/2016", sex="female", found="yes")
    assert not await house.rows("SELECT 1 FROM sample_child WHERE answers IS NOT NULL AND answers <> '{}'")
    assert not await house.rows(f"SELECT 1 FROM verification WHERE child_id = '{child_id}'")


# Circumstances told of the wrong child


async def test_a_circumstance_told_of_the_wrong_child_leaves_it_when_its_source_corrects_itself(house: House) -> None:
    lan = await house.browser("lan.worker")
    wrong, right = await registered(lan), await told(house, "Ma Văn Hùng")
    assert (await observe(house, wrong)).outcome == "accepted"
    assert (await observe(house, right)).outcome == "corrected"
    found = {str(row.id): row.circumstances for row in await house.rows("SELECT id, circumstances FROM child")}
    assert found == {wrong: [], right: ["05"]}
    ended = await house.rows("SELECT headers ->> 'ce_subject' AS child FROM outbox WHERE type LIKE '%.ended'")
    assert [row.child for row in ended] == [wrong]


# Places


async def test_a_child_cannot_be_moved_to_a_commune_that_there_is_not(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    (row,) = await house.rows("SELECT sequence FROM child")
    body = {"child": {"name": FORM["name"]}, "version": row.sequence, "reason": "papers"}
    status, answer = await lan.json("PUT", f"/registry/api/children/{child_id}", {**body, "unit": "99999"})
    assert (status, answer["violations"][0]["rule"]) == (422, "unit-unknown")
    assert (await house.rows("SELECT unit FROM child"))[0].unit == HOME


# Blind samples


async def test_the_queue_of_pairs_shows_no_record_to_who_is_to_collect_it_again(house: House) -> None:
    lan, binh = await house.browser("lan.worker"), await house.browser("binh.chair")
    child_id = await registered(lan)
    other = await told(house, "Nguyễn Thị Ngọc Ánh")
    await act(lan, child_id, "verify", confirmed="name", method="papers", on=TODAY)
    await paired(house, child_id, other)
    assert FORM["birth_date"] in (await binh.get("/registry/matches")).text
    await binh.get("/registry/samples")
    assert (await binh.post("/registry/samples", unit=HOME, second="binh.chair")).status == 303
    assert FORM["birth_date"] not in (await binh.get("/registry/matches")).text
    assert (await binh.json("GET", "/registry/api/matches"))[1]["pair"] is None
    assert (await lan.get("/registry/matches")).text.count(child_id), "everybody else goes on"


async def test_contradictions_show_no_record_to_who_is_to_collect_it_again(house: House) -> None:
    lan, binh = await house.browser("lan.worker"), await house.browser("binh.chair")
    child_id = await contradicted(house)
    await act(lan, child_id, "verify", confirmed="name", method="papers", on=TODAY)
    await binh.get("/registry/samples")
    assert (await binh.post("/registry/samples", unit=HOME, second="binh.chair")).status == 303
    assert child_id not in (await binh.get("/registry/contradictions")).text
    assert child_id in (await lan.get("/registry/contradictions")).text


# Numbers in addresses and forms


@pytest.mark.parametrize("number", ["²", "9" * 5000, "٣"])
async def test_a_number_that_is_none_breaks_no_page(house: House, number: str) -> None:
    lan = await house.browser("lan.worker")
    child_id = await contradicted(house)
    told = [await lan.get(f"/registry/contradictions?from={quote(number[:900])}")]
    await lan.get("/registry/")
    told.append(await lan.post("/registry/", name="nguyen", after=number))
    page = await lan.get(f"/registry/children/{child_id}")
    assert page.status == 200
    values = {"field": "school", "record": new_id(), "version": number, "reason": "papers"}
    told.append(await lan.post(f"/registry/children/{child_id}/settle", **values))
    form = {**FORM, "version": number, "reason": "papers"}
    told.append(await lan.post(f"/registry/children/{child_id}/correct", **form))
    assert all(answer.status < 500 for answer in told), [answer.status for answer in told]
