"""The life of a record on screen: who may do what, what is asked before it, and what nobody finds any more."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from services.registry import keeper
from tests.integration.test_registry_pages import FORM, HOME, NOW, House, house, registered

__all__ = ["house"]  # the fixture
TODAY = "24/11/2026"
OTHER = {"name": "Hoàng Bảo Châu", "birth_date": "09/03/2016", "sex": "female", "unit": "02176", "on": TODAY}


async def act(browser: Any, child_id: str, what: str, /, **values: str) -> Any:
    page = await browser.get(f"/registry/children/{child_id}/life")
    ids = re.findall(r' id="([^"]+)"', page.text)
    assert len(ids) == len(set(ids)), "a label would lead to another form's field"
    values = {
        f"{what}_{name}" if name in {"on", "unit", "note", "reason"} else name: said for name, said in values.items()
    }
    return await browser.post(f"/registry/children/{child_id}/life", act=what, **values)


async def test_a_worker_checks_verifies_and_hands_a_child_over(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    page = await lan.get(f"/registry/children/{child_id}")
    assert "Mới thu thập" in page.text
    assert (await act(lan, child_id, "check")).status == 303
    wrong = await act(lan, child_id, "verify", method="home-visit", on=TODAY)
    assert wrong.status == 422
    assert "Chọn ít nhất một mục" in wrong.text
    wrong = await act(lan, child_id, "verify", confirmed="name", method="home-visit", on="31/02/2026")
    assert wrong.status == 422
    wrong = await act(lan, child_id, "verify", confirmed="name", method="home-visit", on="25/11/2026")
    assert "ngày hôm nay" in wrong.text
    done = await act(lan, child_id, "verify", confirmed="name", method="home-visit", on=TODAY)
    assert done.headers["location"] == f"/registry/children/{child_id}/life?said=verify"
    page = await lan.get(f"/registry/children/{child_id}/life?lang=en")
    assert "Verified" in page.text
    assert "home visit" in page.text.lower()
    assert (await act(lan, child_id, "move", unit="")).status == 422
    assert (await act(lan, child_id, "move", unit="02176")).status == 303
    assert (await lan.get(f"/registry/children/{child_id}/life")).status == 404
    ha = await house.browser("ha.coordinator")
    arrived = await ha.get("/registry/life?list=arrived")
    assert FORM["name"] in arrived.text
    assert (await ha.get("/registry/life?list=rubbish&passed=99999999999")).status == 200
    for name in ("due", "collected", "conflicts", "growing-up", "closed"):
        assert (await ha.get(f"/registry/life?list={name}")).status == 200


@pytest.mark.parametrize(
    ("person", "name"),
    [
        ("binh.chair", "verify"),
        ("lan.worker", "erase"),
        ("lan.worker", "adopt"),
        ("lan.worker", "hold"),
        ("binh.chair", "die"),
        ("lan.worker", "origin"),
    ],
)
async def test_what_a_role_is_not_named_for_is_refused(house: House, person: str, name: str) -> None:
    child_id = await registered(await house.browser("lan.worker"))
    browser = await house.browser(person)
    values = {
        **OTHER,
        "confirmed": "name",
        "method": "papers",
        "ground": "request",
        "reason": "court",
        "note": "1/CV",
        "source": "Trạm y tế",
        "purpose": "court",
    }
    answer = await act(browser, child_id, name, **values)
    assert answer.status == 403
    assert await house.rows("SELECT 1 FROM child WHERE status <> 'active'") == []


async def test_every_act_s_refusal_is_said_on_the_page_and_nothing_else_breaks(house: House) -> None:
    lan, ha = await house.browser("lan.worker"), await house.browser("ha.coordinator")
    child_id = await registered(lan)
    assert (await act(lan, child_id, "die", on="", source="x")).status == 422
    assert (await act(lan, child_id, "die", on=TODAY, source=" ")).status == 422
    assert (await act(lan, child_id, "dance")).status == 422
    for reason in ("tired", "", "import-undone"):
        refused = await act(lan, child_id, "withdraw", reason=reason)
        assert refused.status == 422
        assert "Chọn vì sao" in refused.text
    assert (await act(ha, child_id, "adopt", **{**OTHER, "name": ""})).status == 422
    assert (await act(ha, child_id, "hold", reason="court", note="")).status == 422
    assert "Chọn lý do giữ" in (await act(ha, child_id, "hold", reason="", note="12/CV")).text
    assert (await act(ha, child_id, "erase", ground="")).status == 422
    assert (await act(ha, child_id, "hold", reason="court", note="12/CV")).status == 303
    refused = await act(ha, child_id, "erase", ground="request")
    assert refused.status == 422
    assert "giữ hồ sơ" in refused.text
    (hold,) = await house.rows("SELECT id FROM hold")
    assert (await act(ha, child_id, "lift", hold=str(hold.id))).status == 303
    assert (await act(ha, child_id, "erase", ground="request")).headers["location"] == "/registry/life?said=erase"
    assert (await ha.get(f"/registry/children/{child_id}")).status == 404
    # What was typed is carried on by the page's forms: whether she is found is seen by the links to records.
    assert "/registry/children/" not in (await ha.post("/registry/", name=FORM["name"])).text.split("<h2", 1)[1]


async def test_an_adopted_child_s_record_is_found_by_nobody_but_whom_the_law_names(house: House) -> None:
    lan, ha = await house.browser("lan.worker"), await house.browser("ha.coordinator")
    child_id = await registered(lan)
    assert (await act(ha, child_id, "adopt", **OTHER)).status == 303
    for path in (f"/registry/children/{child_id}", f"/registry/children/{child_id}/life"):
        assert (await lan.get(path)).status == 404
    await lan.get("/registry/")
    found = await lan.post("/registry/", name=FORM["name"])
    assert child_id not in found.text
    status, who = await lan.json("POST", "/registry/api/identify", {"child": {"name": FORM["name"]}, "unit": HOME})
    assert (status, who["result"]) == (200, "nobody")
    closed = await lan.get("/registry/life?list=closed")
    assert FORM["name"] not in closed.text
    page = await act(ha, child_id, "origin", purpose="court", note="12/CV-TA")
    assert page.status == 200
    assert "chưa bắt đầu" in page.text
    assert [tuple(row) for row in await house.rows("SELECT who, purpose FROM adoption_reading")] == [
        ("ha.coordinator", "court")
    ]
    assert await house.rows("SELECT 1 FROM access WHERE act ILIKE '%adopt%'") == []


async def test_the_second_person_sees_no_record_before_answering(house: House) -> None:
    lan, binh = await house.browser("lan.worker"), await house.browser("binh.chair")
    child_id = await registered(lan)
    await act(lan, child_id, "verify", confirmed="name", method="papers", on=TODAY)
    await binh.get("/registry/samples")
    assert (await binh.post("/registry/samples", unit=HOME, second="")).status == 422
    drawn = await binh.post("/registry/samples", unit=HOME, second="binh.chair")
    assert drawn.status == 303, drawn.text
    sample = drawn.headers["location"].split("?")[0]
    for path in (f"/registry/children/{child_id}", f"/registry/children/{child_id}/life"):
        assert (await binh.get(path)).status == 404
    await binh.get("/registry/")
    assert child_id not in (await binh.post("/registry/", name=FORM["name"])).text
    await house.rows("""UPDATE child SET conflicts = '[{"field": "sex", "claims": []}]' RETURNING 1""")
    other = await registered(lan, carer1_name="Lý Thị Lan", seen=child_id)
    assert await house.rows(f"SELECT 1 FROM pair WHERE high = '{other}'") != []
    for path in ("/registry/matches", "/registry/contradictions"):
        assert child_id in (await lan.get(path)).text, path
        assert child_id not in (await binh.get(path)).text, path
    form = await binh.get(f"{sample}/children/{child_id}")
    assert FORM["name"] in form.text
    assert FORM["birth_date"] not in form.text
    assert FORM["carer1_name"] not in form.text
    assert (await lan.get(f"{sample}/children/{child_id}")).status == 404
    wrong = await binh.post(f"{sample}/children/{child_id}", birth_date="99/99/2016", found="yes")
    assert wrong.status == 422
    answered = await binh.post(f"{sample}/children/{child_id}", birth_date="03/09/2016", sex="female", found="yes")
    assert answered.status == 303
    assert (await binh.post(f"{sample}/children/{child_id}", birth_date="03/09/2016", found="yes")).status in {404, 422}
    page = await binh.get(sample)
    assert "09/03/2016" in page.text
    assert "03/09/2016" in page.text
    await lan.get(sample)
    decided = await lan.post(f"{sample}/children/{child_id}/decision", field="birth_date", stands="second")
    assert decided.status == 303, decided.text
    assert "03/09/2016" in (await lan.get(f"/registry/children/{child_id}")).text
    overview = await binh.get("/registry/samples?lang=en")
    assert "50" in overview.text
    assert "Agreement by field" in overview.text


async def test_a_list_goes_on_page_by_page(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "PAGE", 2)
    lan = await house.browser("lan.worker")
    for number in range(3):
        born = (NOW - timedelta(days=3000 + 400 * number)).strftime("%d/%m/%Y")
        await registered(lan, name=f"Trần Thị Thứ {'ABC'[number]}", birth_date=born, carer1_name=f"Mẹ {number} Khác")
    first = await lan.get("/registry/life?list=collected")
    assert "passed=" in first.text
    second = await lan.get("/registry/life?list=collected&passed=2")
    names = [f"Trần Thị Thứ {letter}" for letter in "ABC"]
    assert sorted([*(n for n in names if n in first.text), *(n for n in names if n in second.text)]) == names


async def test_a_machine_does_the_same_acts_and_is_refused_for_the_same_reasons(house: House) -> None:
    lan, ha = await house.browser("lan.worker"), await house.browser("ha.coordinator")
    child_id = await registered(lan)
    await ha.get("/registry/")
    life = f"/registry/api/children/{child_id}/life"
    day = "2026-11-24"

    async def rule(browser: Any, act: str, **asked: Any) -> Any:
        status, said = await browser.json("POST", f"{life}/{act}", asked)
        return said["violations"][0]["rule"] if status == 422 else status

    assert await rule(lan, "check") == 204
    assert await rule(lan, "check") == "checked-already"
    assert await rule(lan, "verify", on=day, method="papers", confirmed=[]) == "nothing-confirmed"
    assert await rule(lan, "verify", on=day, method="guess", confirmed=["name"]) == "method-unknown"
    assert await rule(lan, "verify", on="2026-11-25", method="papers", confirmed=["name"]) == "on-in-future"
    assert await rule(lan, "verify", on=day, method="papers", confirmed=["name"], version=1) == 409
    version = (await lan.json("GET", life))[1]["version"]
    status, done = await lan.json(
        "POST", f"{life}/verify", {"on": day, "method": "papers", "confirmed": ["name"], "version": version}
    )
    assert (status, done["due_on"], done["version"]) == (200, "2027-11-24", version + 1)
    assert await rule(lan, "move", unit=HOME) == "same-unit"
    assert await rule(lan, "move", unit="99999") == "unit-missing"
    assert await rule(lan, "die", on=day, source=" ") == "source-missing"
    assert await rule(lan, "die", on="2010-01-01", source="Trạm y tế") == "died-before-birth"
    assert await rule(lan, "die", on=day, source="Trạm \x00") == "nul-character"
    assert await rule(lan, "withdraw", reason="import-undone") == "reason-missing"
    assert await rule(lan, "return") == "not-returnable"
    assert await rule(lan, "erase", ground="request") == 403
    assert await rule(ha, "adopt", on=day, unit=HOME, child={"name": "Hoàng\x00"}) == "nul-character"
    assert await rule(ha, "adopt", on=day, unit=HOME, child={"name": "Hoàng Lan"}, carried=["02"]) == "not-of-the-child"
    assert await rule(ha, "erase", ground="whim") == "ground-unknown"
    assert await rule(ha, "hold", reason="court", note=" ") == "note-missing"
    assert await rule(ha, "hold", reason="court", note="12/CV") == 204
    (hold,) = (await ha.json("GET", life))[1]["holds"]
    assert await rule(ha, "erase", ground="request") == "is-held"
    assert (await ha.json("DELETE", f"{life}/holds/{hold['hold_id']}"))[0] == 204
    assert (await ha.json("DELETE", f"{life}/holds/nonsense"))[0] == 404
    assert await rule(lan, "withdraw", reason="made-up", note="Ghi nhầm") == 204
    assert await rule(lan, "check") == "is-withdrawn"
    assert await rule(lan, "return", note="Có trẻ này") == 204
    assert await rule(lan, "move-away", on=day) == 204
    assert await rule(lan, "die", on=day, source="Gia đình") == 204
    stands = (await lan.json("GET", life))[1]
    assert (stands["status"], stands["holds"], "erase" in stands["may"]) == ("deceased", [], False)
    assert await rule(ha, "erase", ground="decision") == 204
    assert (await ha.json("GET", life))[0] == 404
    assert await rule(ha, "erase", ground="decision") == 404
    assert (await lan.json("POST", "/registry/api/children/x/life/check", {}))[0] == 404


async def test_a_pair_of_which_one_died_is_shown_with_what_keeps_it_from_being_merged(house: House) -> None:
    lan = await house.browser("lan.worker")
    one = await registered(lan)
    other = await registered(lan, name="Nguyễn Thị Ngọc Ánh", seen=one)
    await act(lan, one, "die", on=TODAY, source="Trạm y tế")
    page = await lan.get("/registry/matches")
    assert "Một hồ sơ ghi trẻ đã mất" in page.text
    assert 'value="same"' not in page.text
    assert 'value="different"' in page.text
    assert f"/registry/children/{one}/life" in page.text
    status, asked = await lan.json("GET", "/registry/api/matches")
    assert (status, asked["obstacle"]["rule"]) == (200, "one-is-deceased")
    refused = await lan.post(f"/registry/matches/{asked['pair']}", decision="same")
    assert refused.status == 422
    assert "Một hồ sơ ghi trẻ đã mất" in refused.text
    status, said = await lan.json("POST", f"/registry/api/matches/{asked['pair']}", {"decision": "same"})
    assert (status, said["violations"][0]["rule"]) == (422, "one-is-deceased")
    await act(lan, one, "return", note="Nhầm trẻ khác")
    assert 'value="same"' in (await lan.get("/registry/matches")).text
    await act(lan, other, "die", on=TODAY, source="Trạm y tế")
    await act(lan, one, "die", on=TODAY, source="Trạm y tế")
    assert (await lan.json("GET", "/registry/api/matches"))[1]["obstacle"] is None
    assert (await lan.json("POST", f"/registry/api/matches/{asked['pair']}", {"decision": "same"}))[0] == 200
