"""The quality of records for people: whose lists they see, where each child is mended, what is logged, and in JSON."""

from __future__ import annotations

import re
from datetime import timedelta

import orjson

from services.registry import assessing
from tests.integration.test_registry_pages import FORM, NOW, House, house, registered

__all__ = ["house"]


async def test_a_worker_goes_from_the_rule_to_the_wrong_field_and_the_child_leaves_the_list(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan, sex="unknown")
    board = await lan.get("/registry/quality")
    assert board.status == 200
    assert "/registry/quality/sex-unknown?unit=05443" in board.text
    work = await lan.get("/registry/quality/sex-unknown?unit=05443")
    assert f"/registry/children/{child_id}/correct#f-sex" in work.text
    form = await lan.get(f"/registry/children/{child_id}/correct")
    assert 'id="f-sex"' in form.text
    version = re.search(r'name="version" id="f-version" value="(\d+)"', form.text)
    assert version is not None
    mended = {**FORM, "sex": "female", "version": version.group(1), "reason": "papers"}
    assert (await lan.post(f"/registry/children/{child_id}/correct", **mended)).status == 303
    assert child_id not in (await lan.get("/registry/quality/sex-unknown?unit=05443")).text
    (access,) = await house.rows("SELECT act, detail FROM access WHERE act = 'quality-list' ORDER BY id LIMIT 1")
    assert access.detail == {"rule": "sex-unknown", "found": 1}


async def test_another_commune_unknown_rules_and_nonsense_are_not_there(house: House) -> None:
    thuong = await house.browser("thuong.worker")
    for path in (
        "/registry/quality?unit=05443",
        "/registry/quality/sex-unknown?unit=05443",
        "/registry/quality/sex-unknown?unit=none",
        "/registry/quality/no-such-rule",
        "/registry/api/quality?unit=05443",
        "/registry/api/quality/sex-unknown?unit=05443",
    ):
        assert (await thuong.get(path)).status == 404, path
    assert (await thuong.get("/registry/quality/sex-unknown?after=x&hamlet=y")).status == 200
    assert (await thuong.get("/registry/quality?sort=x")).status == 200


async def test_a_list_goes_on_by_pages_and_is_narrowed_to_a_hamlet_without_naming_it(house: House) -> None:
    lan = await house.browser("lan.worker")
    await house.rows(
        """INSERT INTO child (id, sequence, unit, birth_year, name_folded, carers_folded, description, circumstances,
                              confirmed_on, registered_at, changed_at)
           SELECT gen_random_uuid(), 1, '05443', 2016, 'a', '', jsonb_build_object('name', 'Lê Văn A', 'sex', 'unknown',
                  'hamlet', 'Xóm ' || n % 2), '{}', '2026-10-01', now(), now()
           FROM generate_series(1, 120) n RETURNING 1"""
    )
    await assessing.settle_all(house.database, lambda: NOW)
    seen: list[str] = []
    address = "/registry/api/quality/sex-unknown?unit=05443"
    after = ""
    while True:
        page = orjson.loads((await lan.get(address + after)).text)
        seen += [row["child_id"] for row in page["rows"]]
        if page["after"] is None:
            break
        after = f"&after={page['after']}"
    assert len(seen) == len(set(seen)) == 120
    key = next(one["key"] for one in page["hamlets"] if one["name"] == "Xóm 1")
    assert re.fullmatch("[0-9a-f]{12}", key)
    assert orjson.loads((await lan.get(f"{address}&hamlet={key}")).text)["children"] == 60


async def test_the_line_of_a_score_ends_with_the_figure_that_stands_above_it(house: House) -> None:
    lan = await house.browser("lan.worker")
    await registered(lan)
    await assessing.measure_all(house.database, lambda: NOW - timedelta(days=1))
    await assessing.measure_all(house.database, lambda: NOW)
    morning = (await lan.get("/registry/quality?lang=en")).text
    await registered(lan, name="Hoàng Văn Tú", sex="unknown")
    await assessing.measure_all(house.database, lambda: NOW + timedelta(minutes=10))
    now = (await lan.get("/registry/quality?lang=en")).text
    figure, said = (re.compile(pattern) for pattern in (r'value">\s*([\d.]+)', r"([\d.]+) on [^,]+, ([\d.]+) on "))
    for page in (morning, now):
        score, course = figure.search(page), said.search(page)
        assert score is not None
        assert course is not None
        assert course.group(2) == score.group(1)
    assert said.findall(morning) != said.findall(now)


async def test_a_commune_and_its_coordinator_are_shown_the_same_measure_with_its_hour(house: House) -> None:
    lan, ha = await house.browser("lan.worker"), await house.browser("ha.coordinator")
    await registered(lan)
    await assessing.measure_all(house.database, lambda: NOW)
    await registered(lan, name="Hoàng Văn Tú", sex="unknown")
    for minutes, children in ((0, 1), (10, 2)):
        await assessing.measure_all(house.database, lambda: NOW + timedelta(minutes=minutes))  # noqa: B023
        own = orjson.loads((await lan.get("/registry/api/quality?unit=05443")).text)
        (line,) = orjson.loads((await ha.get("/registry/api/quality")).text)["communes"]
        assert own["measured"] == {key: line[key] for key in own["measured"]}
        assert line["children"] == children
        assert {rule["rule"] for rule in own["rules"]} >= {"sex-unknown"}  # work is as it is now
        hour = (NOW + timedelta(hours=7, minutes=minutes)).strftime("%d/%m/%Y %H:%M")
        for visitor in (lan, ha):
            assert f"đo lúc {hour}" in (await visitor.get("/registry/quality")).text


async def test_at_midnight_those_that_are_not_measured_yet_stay_on_the_board(house: House) -> None:
    lan, ha = await house.browser("lan.worker"), await house.browser("ha.coordinator")
    await registered(lan)
    await assessing.measure_all(house.database, lambda: NOW - timedelta(days=1))
    await house.rows(
        f"""INSERT INTO quality (unit, day, children, verified, due, broken, score, measures, measured_at)
            VALUES ('05455', '{NOW:%Y-%m-%d}', 4, 0, 0, '{{}}', 50, '{{}}', '{NOW.isoformat()}') RETURNING 1"""
    )
    communes = orjson.loads((await ha.get("/registry/api/quality")).text)["communes"]
    assert {one["unit"] for one in communes} == {"05443", "05455"}


async def test_a_coordinator_compares_communes_and_sorts_them_by_the_address(house: House) -> None:
    lan = await house.browser("lan.worker")
    await registered(lan, sex="unknown")
    await assessing.measure_all(house.database, lambda: NOW)
    ha = await house.browser("ha.coordinator")
    for sort in ("score", "unit", "change", "verified", "missing", "doubts"):
        page = await ha.get(f"/registry/quality?sort={sort}&lang=en")
        assert page.status == 200
        assert "Phan Đình Phùng" in page.text
    (commune,) = orjson.loads((await ha.get("/registry/api/quality")).text)["communes"]
    assert commune["unit"] == "05443"
    assert commune["broken"]["sex-unknown"] == 1
