"""Corrections of reports whose children were erased: none waits for ever, and none holds up what is about others."""

from __future__ import annotations

from tests.integration.cases_house import House, concern, house

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


async def _erase(house: House, files: str) -> None:
    [row] = await house.rows(files)
    async with house.database.transaction() as connection:
        await house.keys.erase(connection, f"case/{row.file_id}")
