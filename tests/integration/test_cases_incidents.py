"""Incidents on a real database: counted, corrected, never a case, and the words for where they happened kept sealed."""

from __future__ import annotations

from unicodedata import normalize

from sqlalchemy import text

from services.cases.desk import Desk
from services.cases.upkeep import seal_places
from shared.reference.deadlines import Deadlines
from shared.reference.units import Units
from tests.integration.cases_house import UNIT, House, house

__all__ = ["house"]


async def test_an_incident_is_counted_corrected_and_never_a_case(house: House) -> None:
    incident = {"kind": "burn", "occurred_on": "2026-11-01", "outcome": "minor", "unit": UNIT, "age": 4, "sex": "male"}
    await house.send(("incident.recorded", "I-1", incident), sector="police")
    await house.send(("incident.recorded", "I-1", {**incident, "outcome": "serious"}), sector="police")
    first, second = await house.said("incident.recorded")
    assert first["data"]["incident_id"] == second["data"]["incident_id"]
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert (second["data"]["outcome"], second["data"]["age_band"], second["data"]["sector"]) == (
        "serious",
        "4-5",
        "police",
    )
    assert await house.rows("SELECT 1 FROM concern") == []


async def test_an_incident_is_opened_by_its_commune_and_the_province_and_is_not_there_for_others(house: House) -> None:
    incident = {"kind": "burn", "occurred_on": "2026-11-01", "outcome": "serious", "unit": UNIT, "age": 4}
    await house.send(("incident.recorded", "I-1", {**incident, "place_code": "road"}), sector="police")
    (known,) = await house.rows("SELECT id FROM incident")
    for person in ("lan.worker", "binh.chair", "ha.coordinator"):
        answer = await (await house.as_person(person)).get(f"/cases/incidents/{known.id}")
        assert answer.status == 200, person
        assert "Bỏng" in answer.text
        assert "4–5" in answer.text
    for person in ("thuong.worker", "tuan.statistician", "duc.health"):
        answer = await (await house.as_person(person)).get(f"/cases/incidents/{known.id}")
        assert answer.status == 404, person
    unknown = await (await house.as_person("ha.coordinator")).get("/cases/incidents/nobody")
    assert unknown.status == 404


async def test_where_an_incident_happened_is_told_as_a_code_and_words_of_no_list_stay_sealed(house: House) -> None:
    incident = {"kind": "burn", "occurred_on": "2026-11-01", "outcome": "minor", "unit": UNIT}
    private = "Nhà bà Thử Nghiệm, xóm 3"
    for name, said in (
        ("I-1", {"place": "truong hoc"}),
        ("I-2", {"place": private}),
        ("I-3", {"place_text": private}),
        ("I-4", {"place_code": "home", "place_text": private}),
        ("I-5", {"place_code": "water"}),
        ("I-6", {}),
    ):
        assert (await house.send(("incident.recorded", name, {**incident, **said})))[0].outcome == "accepted"
    told = [event["data"] for event in await house.said("incident.recorded")]
    assert [data.get("place_code") for data in told] == ["school", "unknown", "unknown", "home", "water", None]
    assert not any("place" in data for data in told)
    everything = str(await house.rows("SELECT * FROM incident")) + str(await house.rows("SELECT payload FROM outbox"))
    assert "xóm 3" not in normalize("NFC", everything)
    kept = await house.rows("SELECT place_words FROM incident WHERE place_words IS NOT NULL")
    async with house.database.transaction() as connection:
        opened_again = [await house.keys.open(connection, row.place_words, str) for row in kept]
    assert opened_again == [private] * 3
    await house.send(("incident.recorded", "I-2", {**incident, "place_code": "road"}))
    assert (await house.said("incident.recorded"))[-1]["data"]["place_code"] == "road"
    assert len(await house.rows("SELECT 1 FROM incident WHERE place_words IS NOT NULL")) == 2
    wrong = await house.send(("incident.recorded", "I-7", {**incident, "place_code": "moon"}))
    assert [violation.rule for violation in wrong[0].violations] == ["place-unknown"]


async def test_places_that_an_earlier_version_kept_in_clear_are_sealed(house: House) -> None:
    incident = {"kind": "burn", "occurred_on": "2026-11-01", "outcome": "minor", "unit": UNIT}
    await house.send(*(("incident.recorded", name, incident) for name in ("I-1", "I-2")))
    ids = sorted(row.id for row in await house.rows("SELECT id FROM incident"))
    async with house.database.transaction() as connection:
        for known, words in zip(ids, ("Ở nhà", "Nhà ông Thử, xóm 3"), strict=True):
            await connection.execute(
                text("UPDATE incident SET place = :words WHERE id = :id"), {"words": words, "id": known}
            )
    desk = Desk(house.keys, Units.load(), Deadlines.load())
    assert await seal_places(house.database, desk, lambda: house.now) == 2
    rows = await house.rows("SELECT place, place_code, place_words FROM incident ORDER BY id")
    assert [(row.place, row.place_code) for row in rows] == [(None, "home"), (None, "unknown")]
    assert rows[0].place_words is None
    async with house.database.transaction() as connection:
        assert await house.keys.open(connection, rows[1].place_words, str) == "Nhà ông Thử, xóm 3"
    assert await seal_places(house.database, desk, lambda: house.now) == 0
