"""The pages of the cases service on a real database: the day's work, the board, the lists behind it, one timeline."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest

from services.cases.store import (
    CaseFilter,
    LineFilter,
    Place,
    count_open,
    counts_by_unit,
    list_cases,
    timeline_page,
    waiting_by_unit,
)
from shared.reference.units import Units
from shared.web.i18n import place_key
from tests.integration.cases_house import (
    NAME,
    START,
    UNIT,
    Browser,
    House,
    act_on,
    concern,
    house,
    opened,
    tick_once,
)
from tests.support.rated import ROWS

__all__ = ["house"]
OTHER = next(code for code in Units.load().codes() if code != UNIT)


async def many(house: House, n: int, **changes: Any) -> list[str]:
    """Cases opened one after the other, an hour apart. Out: their ids, the oldest first."""
    for number in range(n):
        received = house.now.isoformat()
        await house.send(
            ("concern.reported", f"M-{number}", concern(danger_now="yes", received_at=received, **changes))
        )
        house.now += timedelta(hours=1)
    return [row.id for row in await house.rows("SELECT id FROM cases ORDER BY opened_at, id")]


async def noted(client: Browser, case_id: str, words: str) -> None:
    assert (await act_on(client, f"/cases/c/{case_id}", "note", {"note.text": words})).status == 303


def section(page: str, id_: str) -> str:
    """The part of the day's page under a heading; empty where there is none."""
    found = re.search(rf'<section class="todos" aria-labelledby="{id_}">.*?</section>', page, re.DOTALL)
    return found.group(0) if found else ""


async def assessed(client: Browser, case_id: str) -> None:
    ratings = {f"assess-initial.ratings.{row}": "medium" for row in ROWS}
    fields = {**ratings, "assess-initial.level": "medium", "assess-initial.conclusion": "Cần theo dõi thêm ở nhà"}
    assert (await act_on(client, f"/cases/c/{case_id}", "assess-initial", fields)).status == 303


async def test_the_day_begins_with_what_is_overdue_then_due_then_new_reports(house: House) -> None:
    await house.send(("concern.reported", "C-1", concern(danger_now="yes")))
    house.now = START + timedelta(hours=13)
    later = house.now.isoformat()
    await house.send(("concern.reported", "C-2", concern(danger_now="yes", received_at=later)))
    await house.send(("concern.reported", "C-3", concern(danger_now="unknown", received_at=later)))
    house.now += timedelta(hours=4)
    page = (await (await house.as_person("lan.worker")).get("/cases/")).text
    places = [page.index(f'<h2 id="{id_}">') for id_ in ("missed", "today", "waiting")]
    assert places == sorted(places)
    first, second = [row.code for row in await house.rows("SELECT code FROM cases ORDER BY opened_at")]
    assert first in section(page, "missed")
    assert second not in section(page, "missed")
    assert second in section(page, "today")
    assert "Đã qua 4 giờ / 12 giờ" in section(page, "waiting")
    assert NAME not in page


async def test_each_line_of_the_day_leads_to_the_very_act_with_its_form_open(house: House) -> None:
    case_id = await opened(house)
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    for client, act in ((worker, "assess-initial"), (chair, "decide-emergency")):
        line = section((await client.get("/cases/")).text, "today")
        assert f'href="/cases/c/{case_id}/forms/{act}"' in line
        assert f'name="act" value="{act}"' in (await client.get(f"/cases/c/{case_id}/forms/{act}")).text
    page = (await worker.get(f"/cases/c/{case_id}?act=verify")).text
    assert 'id="act-verify" open' in page
    assert page.count('<details class="card" id="act-') > page.count(" open>")
    await assessed(worker, case_id)
    decision = {"decide-emergency.measure": "safe-place", "decide-emergency.decision": "Đưa trẻ đến nơi an toàn"}
    assert (await act_on(chair, f"/cases/c/{case_id}", "decide-emergency", decision)).status == 303
    plan = {"draft-plan.goals": "An toàn", "draft-plan.activities": "Thăm hằng tuần"}
    assert (await act_on(worker, f"/cases/c/{case_id}", "draft-plan", plan)).status == 303
    assert "/forms/approve-plan" in section((await chair.get("/cases/")).text, "decisions")
    assert "approve-plan" not in (await worker.get("/cases/")).text


async def test_what_is_mine_is_what_i_am_responsible_for(house: House) -> None:
    await many(house, 2)
    mine = (await house.rows("SELECT id, code FROM cases ORDER BY opened_at LIMIT 1"))[0]
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE cases SET worker = 'lan.worker' WHERE id = '{mine.id}'")
        await connection.exec_driver_sql(f"UPDATE cases SET worker = 'somebody' WHERE id <> '{mine.id}'")
    worker = await house.as_person("lan.worker")
    everything, own = (await worker.get("/cases/")).text, (await worker.get("/cases/?mine=1")).text
    assert everything.count('class="todo__code">TN-') == 2
    assert own.count('class="todo__code">TN-') == 1
    assert mine.code in own


async def test_a_day_without_work_says_what_to_do_next(house: House) -> None:
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    assert "Ghi báo tin mới" in (await worker.get("/cases/")).text
    assert "việc chờ anh chị quyết định hiện ở đây" in (await chair.get("/cases/")).text
    assert "Xem việc của cả xã, phường" in (await worker.get("/cases/?mine=1")).text


async def test_a_sector_that_asks_is_late_or_declines_waits_on_the_day_until_it_is_seen_to(house: House) -> None:
    case_id = await opened(house)
    [police] = await house.rows("SELECT id FROM task WHERE sector = 'police'")
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE task SET pending = 'question' WHERE sector = 'health'")
        await connection.exec_driver_sql("UPDATE task SET state = 'declined' WHERE sector = 'police'")
    worker = await house.as_person("lan.worker")
    waiting = section((await worker.get("/cases/")).text, "decisions")
    assert "Trả lời câu hỏi của ngành" in waiting
    assert "Ngành từ chối" in waiting
    assert f"/cases/tasks/{police.id}" in waiting
    again = {
        "request-task.kind": "verification",
        "request-task.sector": "unions",
        "request-task.due": "2026-11-30",
        "request-task.instructions": "Xác minh giúp",
    }
    house.now += timedelta(minutes=1)
    asked = await act_on(worker, f"/cases/c/{case_id}", "request-task", again)
    assert asked.status == 303, asked.text
    assert "Ngành từ chối" not in section((await worker.get("/cases/")).text, "decisions")


async def test_lines_of_others_are_new_until_seen_and_stay_marked_for_the_visit(house: House) -> None:
    case_id = await opened(house)
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    path = f"/cases/c/{case_id}"
    assert "Mới từ lần xem trước" not in (await worker.get(path)).text, "the first look marks nothing"
    assert "Chưa xem" in (await chair.get("/cases/list")).text
    await noted(worker, case_id, "Ghi chú của tôi")
    assert "dòng mới" not in (await worker.get("/cases/list")).text, "one's own acts are no news"
    house.now += timedelta(hours=1)
    await noted(chair, case_id, "Ghi chú của chủ tịch")
    assert "1 dòng mới" in (await worker.get("/cases/list")).text
    assert "1 dòng mới" in section((await worker.get("/cases/")).text, "changed")
    seen = (await worker.get(path)).text
    assert seen.count("Mới từ lần xem trước") == 1
    assert 'class="plain fresh"' in seen
    assert "dòng mới" not in (await worker.get("/cases/list")).text
    assert (await worker.get(path)).text.count("Mới từ lần xem trước") == 1, "a reload is the same visit"
    house.now += timedelta(hours=2)
    assert "Mới từ lần xem trước" not in (await worker.get(path)).text


async def test_a_filtered_timeline_does_not_count_as_having_seen_the_rest(house: House) -> None:
    case_id = await opened(house)
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    await worker.get(f"/cases/c/{case_id}")
    house.now += timedelta(hours=1)
    await noted(chair, case_id, "Ghi chú của chủ tịch")
    filtered = (await worker.get(f"/cases/c/{case_id}?show=tasks")).text
    assert "Ghi chú của chủ tịch" not in filtered
    assert "1 dòng mới" in (await worker.get("/cases/list")).text


async def test_a_long_timeline_is_shown_a_hundred_lines_at_a_time_and_filtered_by_the_address(house: House) -> None:
    case_id = await opened(house)
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql(
            f"""INSERT INTO entry (case_id, at, kind, sector, who, who_name, data)
                SELECT '{case_id}', '2026-11-24 02:00+00'::timestamptz + n * interval '1 minute', 'note',
                       CASE WHEN n % 2 = 0 THEN 'police' END, 'x', 'Người ' || n, '{{}}'
                FROM generate_series(1, 230) n"""
        )
    worker = await house.as_person("lan.worker")
    path: str | None = f"/cases/c/{case_id}"
    shown: list[str] = []
    pages = 0
    while path:
        answer = await worker.get(path)
        assert len(answer.body) < 100_000
        shown += re.findall(r'<li class="[a-z ]*" id="l(\d+)">', answer.text)
        pages += 1
        older = re.search(r'rel="next" href="\?([^#"]+)#history"', answer.text)
        path = f"/cases/c/{case_id}?{older.group(1).replace('&amp;', '&')}" if older else None
    everything = await house.rows("SELECT id FROM entry WHERE case_id = :id ORDER BY id DESC", id=case_id)
    assert [int(id_) for id_ in shown] == [row.id for row in everything]
    assert pages == 3
    notes = (await worker.get(f"/cases/c/{case_id}?show=notes&sector=police")).text
    assert len(re.findall(r'<li class="[a-z ]*" id="l', notes)) == 100
    assert "Người 230" in notes
    assert "Người 229" not in notes
    assert "Mở vụ việc</b>" not in notes
    for wrong in ("show=nonsense", "sector=%00", "before=x", "before=99999999999999999999", "line=-1", "act=%22%3E"):
        assert (await worker.get(f"/cases/c/{case_id}?{wrong}")).status == 200


async def test_the_timeline_of_a_case_has_what_was_merged_into_it_through_any_number_of_merges(house: House) -> None:
    first, second, third = await many(house, 3)
    worker = await house.as_person("lan.worker")
    codes = {row.id: row.code for row in await house.rows("SELECT id, code FROM cases")}
    await noted(worker, first, "Từ vụ thứ nhất")
    for goes, stays in ((first, second), (second, third)):
        house.now += timedelta(hours=1)
        merge = {"merge.into": codes[stays], "merge.reason": "Cùng một trẻ"}
        assert (await act_on(worker, f"/cases/c/{goes}", "merge", merge)).status == 303
    assert "Từ vụ thứ nhất" in (await worker.get(f"/cases/c/{third}")).text
    async with house.database.transaction() as connection:
        lines = await timeline_page(connection, third, LineFilter(), 500)
    assert {line.case_id for line in lines} == {first, second, third}
    assert [line.id for line in lines] == sorted((line.id for line in lines), reverse=True)


async def test_a_long_text_is_cut_in_the_timeline_and_whole_one_tap_away(house: House) -> None:
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    await noted(worker, case_id, "Bắt đầu " + "lời kể dài " * 200 + "kết thúc")
    page = (await worker.get(f"/cases/c/{case_id}")).text
    assert "kết thúc</p>" not in page
    whole = re.search(r'href="\?before=(\d+)&amp;line=(\d+)#l\2">Xem toàn văn', page)
    assert whole
    opened_line = (await worker.get(f"/cases/c/{case_id}?before={whole.group(1)}&line={whole.group(2)}")).text
    assert "kết thúc</p>" in opened_line


async def test_clocks_stand_as_a_band_what_runs_first_and_what_is_settled_folded_away(house: House) -> None:
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    page = (await worker.get(f"/cases/c/{case_id}")).text
    assert '<details class="settled">' not in page
    assert '<p class="band__label">Can thiệp khẩn cấp (12 giờ)</p>' in page
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql(
            "UPDATE deadline SET state = 'met', settled_at = '2026-11-24 02:00+00' WHERE kind = 'emergency-12h'"
        )
        await connection.exec_driver_sql(
            f"""INSERT INTO deadline (id, case_id, kind, started_at, due, nearing_at, legal_source, state, paused_at)
                VALUES ('paused-1', '{case_id}', 'plan-approval', '2026-11-24 01:00+00', '2026-11-26 01:00+00',
                        '2026-11-25 01:00+00', 'Art. 28', 'paused', '2026-11-24 02:00+00')"""
        )
    page = (await worker.get(f"/cases/c/{case_id}")).text
    bands, settled = page.split('<div class="bands">')[1].split('<details class="settled">')
    assert "Can thiệp khẩn cấp" not in bands
    assert "Tạm dừng từ 24/11/2026 09:00" in bands
    assert "Can thiệp khẩn cấp" in settled.split("</details>")[0]


async def test_the_board_counts_what_the_lists_behind_it_show(house: House) -> None:
    await many(house, 3)
    await house.send(("concern.reported", "W-1", concern()))
    await house.send(("concern.reported", "O-1", concern(danger_now="yes", unit=OTHER, kinds=["neglect"])))
    coordinator = await house.as_person("ha.coordinator")
    house.now += timedelta(hours=10)
    page = (await coordinator.get("/cases/board")).text
    name = Units.load().name(UNIT)
    row = re.search(rf'<th scope="row">{name}</th>(.*?)</tr>', page, re.DOTALL)
    assert row
    links = re.findall(r'<a href="([^"]+)">(\d+)</a>', row.group(1))
    assert links
    for address, number in links:
        behind = (await coordinator.get(address.replace("&amp;", "&"))).text
        assert len(re.findall(r'<a href="/cases/(?:c|concerns)/', behind)) == int(number), address
    total = re.search(r'class="matrix__total">(.*?)</tr>', page, re.DOTALL)
    assert total
    assert ">4</a>" in total.group(1)
    only = (await coordinator.get("/cases/board?kind=neglect")).text
    assert re.search(r'class="matrix__total">.*?kind=neglect&amp;unit=">1</a>', only, re.DOTALL)
    assert 'option value="neglect" selected' in only


async def test_the_board_is_in_the_order_of_the_column_that_the_address_names(house: House) -> None:
    await many(house, 2)
    await house.send(("concern.reported", "O-1", concern(danger_now="yes", unit=OTHER)))
    coordinator = await house.as_person("ha.coordinator")

    async def first(sort: str) -> str:
        page = (await coordinator.get(f"/cases/board?sort={sort}")).text
        return re.findall(r'<th scope="row">([^<]+)</th>', page)[1]

    assert await first("open") == Units.load().name(UNIT)
    assert await first("name") == min((Units.load().name(code) for code in (UNIT, OTHER)), key=place_key)
    assert 'aria-sort="descending"' in (await coordinator.get("/cases/board?sort=open")).text
    part = (await coordinator.get("/cases/board?part=1&sort=open")).text
    assert 'href="/cases/board"' in part, "and back to what presses"
    assert "<html" not in part


@pytest.mark.parametrize("order", ["due", "risk", "opened", "oldest"])
async def test_a_list_page_by_page_shows_every_case_once_in_its_order(house: House, order: str) -> None:
    ids = await many(house, 7)
    async with house.database.transaction() as connection:
        # One moment for several, none for one: the order is still a whole one.
        await connection.exec_driver_sql("UPDATE cases SET next_due = '2026-11-25 00:00+00', risk = 'low'")
        await connection.exec_driver_sql(f"UPDATE cases SET next_due = NULL, risk = 'high' WHERE id = '{ids[0]}'")
    found: list[str] = []
    after: Place | None = None
    async with house.database.transaction() as connection:
        while True:
            page = await list_cases(
                connection, frozenset({UNIT}), CaseFilter(), house.now, limit=3, order=order, after=after
            )
            found += [row["id"] for row in page.rows]
            if page.following is None:
                break
            after = Place.read(order, str(page.following))
            assert after == page.following
    assert sorted(found) == sorted(ids)
    if order == "oldest":
        assert found == ids
    if order == "opened":
        assert found == ids[::-1]
    assert (found[0] == ids[0]) is (order in ("risk", "oldest"))
    assert (found[-1] == ids[0]) is (order in ("due", "opened"))


async def test_a_place_that_is_none_of_the_list_begins_it_anew(house: House) -> None:
    await many(house, 1)
    worker = await house.as_person("lan.worker")
    for wrong in ("x", "2026~", "9999-12-31T23:59:59+00:00~x", "infinity~y", "%00~%00", "~~~", "1~infinity~z"):
        for order in ("due", "risk", "opened", "nonsense"):
            assert (await worker.get(f"/cases/list?order={order}&after={wrong}")).status == 200
    client = await house.as_person("lan.worker")
    client.headers["accept"] = "application/json"
    assert (await client.get("/cases/api/cases?after=x")).status == 422


async def test_filters_narrow_lists_and_unknown_codes_are_left_out(house: House) -> None:
    first, second = await many(house, 2)
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE cases SET worker = 'lan.worker' WHERE id = '{first}'")
        await connection.exec_driver_sql(f"UPDATE cases SET worker = NULL WHERE id = '{second}'")
        await connection.exec_driver_sql(f"UPDATE task SET state = 'done' WHERE case_id = '{second}'")
        mine = frozenset({UNIT})

        async def shown(wanted: CaseFilter) -> list[str]:
            page = await list_cases(connection, mine, wanted, house.now, limit=10)
            assert await count_open(connection, mine, wanted, house.now) == len(page.rows)
            return [row["id"] for row in page.rows]

        assert await shown(CaseFilter(awaits="police")) == [first]
        assert await shown(CaseFilter(worker="lan.worker")) == [first]
        assert await shown(CaseFilter(worker="none")) == [second]
        assert await shown(CaseFilter(kind="neglect")) == []
        assert await shown(CaseFilter(unit=OTHER)) == []
        assert await count_open(connection, mine, CaseFilter(status="closed"), house.now) is None
        assert set(await counts_by_unit(connection, "all", CaseFilter(risk="high"), house.now)) == {UNIT}
        assert await waiting_by_unit(connection, "all", CaseFilter()) == {}
    worker = await house.as_person("lan.worker")
    for wrong in ("status=x&risk=y", "unit=%00", "worker=%F0%9F%98%80", "due=never", "kind=" + "k" * 300):
        assert (await worker.get(f"/cases/list?{wrong}")).status == 200
    assert "Không có vụ việc nào như vậy" in (await worker.get(f"/cases/list?unit={OTHER}")).text


async def test_a_case_from_which_somebody_is_kept_out_is_in_none_of_their_lists(house: House) -> None:
    case_id = await opened(house)
    code = (await house.rows("SELECT code FROM cases"))[0].code
    worker = await house.as_person("lan.worker")
    assert code in (await worker.get("/cases/list")).text
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql(
            f"""INSERT INTO member (case_id, person, role, how, state, since, cause)
                VALUES ('{case_id}', 'lan.worker', 'worker', 'role', 'left', now(), 'excluded')
                ON CONFLICT (case_id, person) DO UPDATE SET state = 'left', cause = 'excluded'"""
        )
    for path in ("/cases/", "/cases/list", "/cases/list?as=csv", "/cases/board"):
        answer = await worker.get(path)
        assert answer.status == 200
        assert code not in answer.text
    board = (await worker.get("/cases/board")).text
    assert ">1</a>" not in board


async def test_the_download_has_coarse_facts_of_all_that_match_and_no_name(house: House) -> None:
    await many(house, 35)
    coordinator = await house.as_person("ha.coordinator")
    answer = await coordinator.get("/cases/list?as=csv&risk=high")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert len(rows) == 35
    assert {row["Xã, phường"] for row in rows} == {Units.load().name(UNIT)}
    assert all(row["Mã"].startswith("TN-") and row["Việc phải làm"] for row in rows)
    assert NAME not in answer.text
    english = await coordinator.get("/cases/list?as=csv&risk=low", params=None)
    assert len(english.text.splitlines()) == 1


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_every_page_speaks_both_languages_and_is_light(house: House, language: str) -> None:
    ids = await many(house, 12)
    await house.send(("concern.reported", "W-1", concern(danger_now="unknown")))
    house.now += timedelta(hours=14)
    await tick_once(house, house.desk_of)
    people = {
        "lan.worker": ["/cases/", "/cases/?mine=1", "/cases/list", "/cases/waiting", f"/cases/c/{ids[0]}"],
        "binh.chair": ["/cases/", "/cases/list?status=closed", "/cases/board", f"/cases/c/{ids[0]}?act=close"],
        "ha.coordinator": [
            "/cases/",
            "/cases/board",
            f"/cases/board?unit={UNIT}&risk=high&sort=missed",
            "/cases/list?order=risk",
            "/cases/waiting",
        ],
    }
    vietnamese = "ạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹđơưăâêô"
    for person, paths in people.items():
        client = await house.as_person(person)
        for path in paths:
            answer = await client.get(f"{path}{'&' if '?' in path else '?'}lang={language}")
            assert answer.status == 200, (path, answer.text[:500])
            assert len(answer.body) < 100_000, path
            said = re.sub(r"<[^>]+>", "\n", answer.text)
            headings = re.findall(r"<h2[^>]*>([^<]+)", answer.text)
            assert said
            assert (language == "vi") or not any(set(vietnamese) & set(text.lower()) for text in headings), headings


async def test_roles_without_cases_see_no_board_and_no_list(house: House) -> None:
    for person in ("mai.hotline", "quang.police", "tuan.statistician"):
        client = await house.as_person(person)
        for path in ("/cases/board", "/cases/list", "/cases/waiting", "/cases/list?as=csv"):
            assert (await client.get(path)).status == 403
