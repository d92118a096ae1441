"""Need to know on a real database: who sees what of a case, by which way, and that every reading is remembered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from unicodedata import normalize

import pytest

from services.cases import store
from services.cases.desk import Desk
from services.cases.upkeep import forget_reads
from shared.reference.deadlines import Deadlines
from shared.reference.units import Units
from tests.integration.cases_house import NAME, START, UNIT, House, act_on, concern, house, token_of
from tests.integration.cases_matter import (
    HAPPENED,
    JSON,
    LIMITS,
    NOTED,
    OTHER,
    REPORTER,
    WHY,
    Matter,
    asks,
    breaks,
    broke,
    broke_without_cause,
    is_offered,
    is_refused,
    is_transferred,
    joins,
    joins_and_is_removed,
    joins_and_leaves,
    matter,
    nothing,
    own_worker_is_excluded,
    own_worker_is_let_back,
    own_worker_leaves,
    police_answer,
)

__all__ = ["house"]


# What stands on the page: nothing there (404), coarse facts, everything; of a task: also what its sector needs.
NOTHING, COARSE, ALL = "nothing", "coarse", "all"
TABLE: tuple[tuple[str, str, Callable[[Matter], Awaitable[None]], str], ...] = (
    ("own worker", "lan.worker", nothing, ALL),
    ("own chair", "binh.chair", nothing, ALL),
    ("own worker who left", "lan.worker", own_worker_leaves, COARSE),
    ("own worker excluded", "lan.worker", own_worker_is_excluded, NOTHING),
    ("own worker let back", "lan.worker", own_worker_is_let_back, ALL),
    ("own chair, others excluded", "binh.chair", own_worker_is_excluded, ALL),
    ("old worker after transfer", "lan.worker", is_transferred, NOTHING),
    ("old chair after transfer", "binh.chair", is_transferred, NOTHING),
    ("new worker after transfer", "thuong.worker", is_transferred, ALL),
    ("other worker", "thuong.worker", nothing, NOTHING),
    ("other chair", f"chair.{OTHER}", nothing, NOTHING),
    ("receiving worker", "thuong.worker", is_offered, COARSE),
    ("receiving chair", f"chair.{OTHER}", is_offered, COARSE),
    ("who asked", "thuong.worker", asks, NOTHING),
    ("who was refused", "thuong.worker", is_refused, NOTHING),
    ("member", "thuong.worker", joins, ALL),
    ("member who left", "thuong.worker", joins_and_leaves, NOTHING),
    ("member removed", "thuong.worker", joins_and_is_removed, NOTHING),
    ("coordinator", "ha.coordinator", nothing, COARSE),
    ("coordinator with glass", "ha.coordinator", breaks("ha.coordinator"), ALL),
    ("coordinator, glass expired", "ha.coordinator", broke("ha.coordinator"), COARSE),
    ("other worker with glass", "thuong.worker", breaks("thuong.worker"), ALL),
    ("other worker, glass expired", "thuong.worker", broke("thuong.worker"), NOTHING),
    ("other worker, glass of another", "thuong.worker", breaks("mai.hotline"), NOTHING),
    ("other chair with glass", f"chair.{OTHER}", breaks(f"chair.{OTHER}"), ALL),
    ("hotline", "mai.hotline", nothing, NOTHING),
    ("hotline with glass", "mai.hotline", breaks("mai.hotline"), ALL),
    ("hotline, glass expired", "mai.hotline", broke("mai.hotline"), NOTHING),
    ("hotline, glass found unjustified", "mai.hotline", broke_without_cause("mai.hotline"), NOTHING),
    ("sector with open task", "quang.police", nothing, NOTHING),
    ("sector with closed task", "quang.police", police_answer, NOTHING),
    ("sector without task", "hoa.education", nothing, NOTHING),
    ("statistician", "tuan.statistician", nothing, NOTHING),
    ("partner", "yen.partner", nothing, NOTHING),
    ("operator", "son.operator", nothing, NOTHING),
    ("agency", "agency.police", nothing, NOTHING),
)


async def test_page_and_program_show_each_role_and_relation_what_it_needs_and_no_more(house: House) -> None:
    for number, (relation, person, done, seen) in enumerate(TABLE):
        case = await matter(house, number)
        await done(case)
        client = await house.as_person(person)
        page = await client.get(f"/cases/c/{case.id}")
        json = await client.get(f"/cases/api/cases/{case.id}")
        identity = await client.get(f"/cases/api/cases/{case.id}/identity")
        report = (await house.rows("SELECT id FROM concern WHERE case_id = :id", id=case.id))[0].id
        reported = await client.get(f"/cases/concerns/{report}")
        statuses = {NOTHING: (404, 404, 404, 404), COARSE: (200, 200, 403, 200), ALL: (200, 200, 200, 200)}
        found = (page.status, json.status, identity.status, reported.status)
        assert found == statuses[seen], (relation, found)
        assert (NAME in page.text, NAME in identity.text, NAME in reported.text) == (seen == ALL,) * 3, relation
        assert (HAPPENED in page.text, NOTED in page.text, HAPPENED in reported.text) == (seen == ALL,) * 3, relation
        assert NAME not in json.text, relation
        for answer in (page, json, identity, reported):
            assert REPORTER not in answer.text, relation
            assert "0912345678" not in answer.text, relation
        if seen == COARSE:
            assert identity.json()["page"] == f"/cases/c/{case.id}/access", relation
        house.now = START


async def test_a_sector_sees_of_the_child_what_its_task_needs_and_only_while_it_waits(house: House) -> None:
    case = await matter(house)
    police = (await house.rows("SELECT id FROM task WHERE sector = 'police'"))[0].id
    seen: dict[str, tuple[int, bool]] = {}

    async def look(moment: str, *people: str) -> None:
        for person in people:
            answer = await (await house.as_person(person)).get(f"/cases/tasks/{police}")
            assert REPORTER not in answer.text
            assert NOTED not in answer.text
            seen[f"{person} {moment}"] = (answer.status, NAME in answer.text)

    await look("open", "quang.police", "hoa.education", "lan.worker", "thuong.worker", "ha.coordinator", "mai.hotline")
    await police_answer(case)
    await look("closed", "quang.police", "thao.dolisa")
    assert seen == {
        "quang.police open": (200, True),
        "hoa.education open": (404, False),
        "lan.worker open": (200, True),
        "thuong.worker open": (404, False),
        "ha.coordinator open": (200, False),
        "mai.hotline open": (404, False),
        "quang.police closed": (200, False),
        "thao.dolisa closed": (404, False),
    }
    read = await house.rows("SELECT who, basis, purpose FROM identity_read WHERE purpose = 'task' ORDER BY id")
    assert [tuple(row) for row in read] == [
        ("quang.police", "task", "task"),
        ("lan.worker", "role", "task"),
        ("quang.police", "task", "task"),
    ]


async def test_who_reported_is_known_to_intake_alone(house: House) -> None:
    said = concern(reporter={"name": REPORTER, "phone": "0912345678"})
    await house.send(("concern.reported", "C-1", said))
    report = (await house.rows("SELECT id FROM concern"))[0].id
    reader = Desk(house.keys, Units.load(), Deadlines.load()).files.reader
    assert reader is not None

    async def reporter_for(person: str) -> bool:
        from services.cases.reading import actor_of

        actor = actor_of(house.app.state.identity.directory.person(person))
        async with house.database.transaction() as connection:
            file = await store.find_concern(connection, report)
            assert file is not None
            reading = await reader.report_for(connection, file, actor, "report", house.now)
        return reading is not None and reading.reporter is not None

    people = ("lan.worker", "binh.chair", "thuong.worker", "ha.coordinator", "mai.hotline")
    assert [person for person in people if await reporter_for(person)] == ["lan.worker"]
    worker = await house.as_person("lan.worker")
    assert (await act_on(worker, f"/cases/concerns/{report}", "open", {})).status == 303
    assert [person for person in people if await reporter_for(person)] == []


async def test_glass_is_broken_for_a_reason_told_reviewed_and_closes_by_itself(house: House) -> None:
    case = await matter(house)
    hotline = await house.as_person("mai.hotline")
    found = await hotline.get("/cases/access", {"code": case.code.lower()})
    door = found.headers["location"]
    assert door == f"/cases/c/{case.id}/access"
    token, page = await token_of(hotline, door)
    assert NAME not in page
    short = {"form_token": token, "act": "break-glass", "break-glass.purpose": "new-report"}
    refused = await hotline.post(door, data={**short, "break-glass.reason": "gấp"})
    assert refused.status == 422
    assert "ít nhất 20 ký tự" in refused.text
    assert ">gấp</textarea>" in refused.text
    nowhere = await hotline.post(door, data={**short, "break-glass.purpose": "curious", "break-glass.reason": WHY})
    assert nowhere.status == 422
    opened = await hotline.post(door, data={**short, "break-glass.reason": WHY})
    assert opened.headers["location"].startswith(f"/cases/c/{case.id}?")
    seen = (await hotline.get(f"/cases/c/{case.id}")).text
    assert NAME in seen
    assert "Đang mở khẩn cấp, đến" in seen
    assert seen.index("Đang mở khẩn cấp, đến") < seen.index(NAME)
    told = (await house.said("access.broken-glass"))[0]["data"]
    assert (told["person"], told["role"], told["until"]) == ("mai.hotline", "hotline", "2026-11-24T02:00:00Z")
    everything = str(await house.rows("SELECT payload FROM outbox")) + str(await house.rows("SELECT * FROM glass"))
    everything += str(await house.rows("SELECT words, data FROM entry"))
    assert "bỏ chạy" not in normalize("NFC", everything)
    chair, worker = await house.as_person("binh.chair"), await house.as_person("lan.worker")
    assert "1 lần mở khẩn cấp chờ chủ tịch xem xét" in (await chair.get(f"/cases/c/{case.id}")).text
    assert WHY in (await worker.get(f"/cases/c/{case.id}")).text
    assert case.code in (await chair.get("/cases/access")).text
    waits = "Xem xét một lần mở danh tính khẩn"
    assert waits in (await chair.get("/cases/")).text
    assert waits not in (await worker.get("/cases/")).text
    house.now += timedelta(minutes=LIMITS.glass_minutes)
    assert (await hotline.get(f"/cases/c/{case.id}")).status == 404
    assert (await hotline.get(door)).status == 200
    token, page = await token_of(chair, door)
    assert WHY in page
    glass = (await house.rows("SELECT id FROM glass"))[0].id
    review = {"form_token": token, "act": "review-access", "review-access.glass": glass}
    unsaid = await chair.post(door, data={**review, "review-access.verdict": "justified"})
    assert unsaid.status == 422
    ruled = await chair.post(
        door, data={**review, "review-access.verdict": "justified", "review-access.words": "Đúng là gấp"}
    )
    assert ruled.status == 303, ruled.text
    for place in (f"/cases/c/{case.id}", "/cases/"):
        assert "chờ chủ tịch xem xét" not in (await chair.get(place)).text
    again = await case.does("binh.chair", "review-access", glass=glass, verdict="unjustified", words="Đổi ý")
    assert again.status == 422
    assert [tuple(row) for row in await house.rows("SELECT basis FROM identity_read WHERE who = 'mai.hotline'")] == [
        ("glass",)
    ]


async def test_whoever_opened_it_without_cause_is_told_to_ask_and_until_when(house: House) -> None:
    case = await matter(house)
    await broke_without_cause("mai.hotline")(case)
    again = await case.does("mai.hotline", "break-glass", purpose="new-report", reason=WHY)
    assert (again.status, again.json()["violations"][0]["rule"]) == (422, "ask-first")
    hotline = await house.as_person("mai.hotline")
    page = (await hotline.get(f"/cases/c/{case.id}/access")).text
    assert "Đến hết ngày 24/12/2026, muốn xem vụ việc thì đề nghị tham gia" in page
    assert 'value="break-glass"' not in page
    assert 'value="request-access"' in page
    house.now += timedelta(days=LIMITS.glass_barred_days + 1)
    assert 'value="break-glass"' in (await hotline.get(f"/cases/c/{case.id}/access")).text


async def test_who_breaks_the_glass_can_close_it_early_and_not_break_it_twice(house: House) -> None:
    case = await matter(house)
    await breaks("ha.coordinator")(case)
    twice = await case.does("ha.coordinator", "break-glass", purpose="new-report", reason=WHY)
    assert twice.json()["violations"][0]["rule"] == "inside-already"
    await case.must("ha.coordinator", "close-glass")
    coordinator = await house.as_person("ha.coordinator")
    assert (await coordinator.get(f"/cases/api/cases/{case.id}/identity")).status == 403
    await breaks("ha.coordinator")(case)
    assert len(await house.said("access.broken-glass")) == 2


@pytest.mark.parametrize("person", ["quang.police", "lan.worker"])
async def test_the_glass_is_not_for_sectors_nor_for_who_is_inside(house: House, person: str) -> None:
    case = await matter(house)
    refused = await case.does(person, "break-glass", purpose="new-report", reason=WHY)
    assert refused.status == 422
    assert await house.rows("SELECT 1 FROM glass") == []


async def test_a_door_is_no_page_for_those_who_never_see_a_child(house: House) -> None:
    case = await matter(house)
    for person in ("tuan.statistician", "yen.partner", "son.operator", "agency.police"):
        client = await house.as_person(person)
        assert (await client.get(f"/cases/c/{case.id}/access")).status == 404
        assert (await client.get("/cases/access")).status == 403
        assert (await client.get("/cases/reads")).status == 403
        assert (await client.get("/cases/reassign")).status == 403
    await case.must("binh.chair", "exclude-member", person="lan.worker", reason="Là cô của trẻ")
    excluded = await house.as_person("lan.worker")
    assert (await excluded.get(f"/cases/c/{case.id}/access")).status == 404
    assert case.code not in (await excluded.get("/cases/")).text
    assert (await excluded.get("/cases/api/cases")).json()["cases"] == []
    assert case.code in (await (await house.as_person("binh.chair")).get("/cases/")).text


async def test_joining_and_leaving_is_told_and_the_lead_decides_by_page(house: House) -> None:
    case = await matter(house)
    await asks(case)
    again = await case.does("thuong.worker", "request-access", reason="Hỏi lại")
    assert again.json()["violations"][0]["rule"] == "asked-already"
    for person in ("thuong.worker", "ha.coordinator"):
        assert (await case.does(person, "admit-member", person="thuong.worker")).status == 422
    worker = await house.as_person("lan.worker")
    assert "1 đề nghị tham gia chờ trả lời" in (await worker.get(f"/cases/c/{case.id}")).text
    door = f"/cases/c/{case.id}/access"
    token, page = await token_of(worker, door)
    assert "Trẻ hay sang xã tôi" in page
    admit = {"form_token": token, "act": "admit-member", "admit-member.person": "thuong.worker"}
    assert (await worker.post(door, data=admit)).status == 303
    assert (await worker.post(door, data=admit)).status == 422
    assert "Hoàng Thị Thương" in (await worker.get(f"/cases/c/{case.id}")).text
    assert case.code in (await (await house.as_person("thuong.worker")).get("/cases/access")).text
    await case.must("thuong.worker", "leave-team")
    told = [
        (event["type"], event["data"]["person"], event["data"].get("how"))
        for event in await house.said()
        if event["type"].startswith("team.")
    ]
    assert told == [
        ("team.requested", "thuong.worker", None),
        ("team.joined", "thuong.worker", "request"),
        ("team.left", "thuong.worker", None),
    ]
    sequences = [event["sequence"] for event in await house.said() if event["key"] == case.id]
    assert sequences == list(range(1, len(sequences) + 1))


async def test_the_first_worker_who_acts_is_responsible_until_somebody_else_is(house: House) -> None:
    case = await matter(house)
    assert (await house.rows("SELECT worker FROM cases"))[0].worker is None, "the chair's note makes nobody responsible"
    worker = await house.as_person("lan.worker")
    fields = {"verify.confirmed": "true", "verify.findings": "Đúng"}
    assert (await act_on(worker, f"/cases/c/{case.id}", "verify", fields)).status == 303
    assert [event["data"]["worker"] for event in await house.said("case.assigned")] == ["lan.worker"]
    assert case.code in (await worker.get("/cases/", {"worker": "me"})).text
    assert case.code not in (await worker.get("/cases/", {"worker": "none"})).text
    colleague = await case.does("binh.chair", "assign-worker", worker=f"worker.{UNIT}", before="lan.worker")
    assert colleague.status == 200, colleague.text
    stale = await case.does("binh.chair", "assign-worker", worker="lan.worker", before="lan.worker")
    assert stale.json()["violations"][0]["rule"] == "version-changed"
    stranger = await case.does("binh.chair", "assign-worker", worker="thuong.worker", before=f"worker.{UNIT}")
    assert stranger.json()["violations"][0]["rule"] == "worker-unknown"
    assert case.code not in (await worker.get("/cases/", {"worker": "me"})).text
    await is_transferred(case)
    assert (await house.rows("SELECT worker FROM cases"))[0].worker is None
    receiving = await house.as_person("thuong.worker")
    assert (await act_on(receiving, f"/cases/c/{case.id}", "note", {"note.text": "Đã nhận"})).status == 303
    assert (await house.rows("SELECT worker FROM cases"))[0].worker == "thuong.worker"


async def test_a_transferred_case_loses_the_old_communes_members_and_keeps_the_others(house: House) -> None:
    case = await matter(house)
    far = max(Units.load().codes())
    await case.must(f"worker.{far}", "request-access", reason="Trẻ học ở xã tôi")
    await case.must("lan.worker", "admit-member", person=f"worker.{far}")
    await case.must("binh.chair", "exclude-member", person="lan.worker", reason="Là cô của trẻ")
    await case.must("binh.chair", "admit-member", person="lan.worker")
    await asks(case)
    await is_transferred(case)
    team = {row.person: (row.state, row.cause) for row in await house.rows("SELECT * FROM member")}
    assert team == {
        f"worker.{far}": ("member", None),
        "lan.worker": ("left", "moved"),
        "thuong.worker": ("left", "moved"),
    }
    coordinator = await house.as_person("ha.coordinator")
    back = {"transfer.to_unit": UNIT, "transfer.reason": "Nhầm"}
    assert (await act_on(coordinator, f"/cases/c/{case.id}", "transfer", back)).status == 303
    assert NAME in (await (await house.as_person("lan.worker")).get(f"/cases/c/{case.id}")).text


async def test_who_left_or_is_excluded_does_nothing_to_the_case_any_more(house: House) -> None:
    case = await matter(house)
    await own_worker_leaves(case)
    worker = await house.as_person("lan.worker")
    token, _ = await token_of(worker, "/cases/access")
    act = {"version": 2, "act": {"act": "note", "text": "Vẫn ghi"}}
    refused = await worker.post(f"/cases/api/cases/{case.id}/acts", json=act, headers={"x-form-token": token, **JSON})
    assert refused.status in (409, 422)
    version = (await house.rows("SELECT version FROM cases"))[0].version
    refused = await worker.post(
        f"/cases/api/cases/{case.id}/acts", json={**act, "version": version}, headers={"x-form-token": token, **JSON}
    )
    assert refused.json()["violations"][0]["rule"] == "left-the-team"
    task = (await house.rows("SELECT id FROM task WHERE sector = 'police'"))[0].id
    assert NAME not in (await worker.get(f"/cases/tasks/{task}")).text
    await case.must("lan.worker", "request-access", reason="Tôi nhầm")
    await case.must("binh.chair", "refuse-member", person="lan.worker", reason="Đang tránh xung đột")
    assert NAME not in (await worker.get(f"/cases/c/{case.id}")).text, "a refusal gives nothing back"


async def test_a_page_is_one_reading_and_the_log_is_shown_to_who_leads(house: House) -> None:
    case = await matter(house)
    await house.send(("concern.reported", "C-9", concern(danger_now="unknown")))
    worker = await house.as_person("lan.worker")
    waiting = (await house.rows("SELECT id FROM concern WHERE status = 'received'"))[0].id
    link = {"link.case_code": case.code}
    assert (await act_on(worker, f"/cases/concerns/{waiting}", "link", link)).status == 303
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql("DELETE FROM identity_read")
    page = (await worker.get(f"/cases/c/{case.id}")).text
    assert page.count(NAME) >= 2
    assert len(await house.rows("SELECT 1 FROM identity_read")) == 1
    await breaks("mai.hotline")(case)
    await (await house.as_person("mai.hotline")).get(f"/cases/c/{case.id}")
    log = f"/cases/c/{case.id}/reads"
    for person in ("lan.worker", "binh.chair", "ha.coordinator"):
        shown = (await (await house.as_person(person)).get(log)).text
        assert "Phạm Thị Mai" in shown, person
        assert "Nguyễn Thị Lan" in shown, person
        assert NAME not in shown, person
    assert (await (await house.as_person("thuong.worker")).get(log)).status == 404
    assert (await (await house.as_person("mai.hotline")).get(log)).status == 403
    rows = (await (await house.as_person("lan.worker")).get(f"/cases/api/cases/{case.id}/reads")).json()["reads"]
    assert [(row["who"], row["basis"], row["purpose"]) for row in rows] == [
        ("mai.hotline", "glass", "case"),
        ("lan.worker", "role", "case"),
    ]
    own = await (await house.as_person("mai.hotline")).get("/cases/reads")
    assert case.code in own.text
    assert (await (await house.as_person("mai.hotline")).get("/cases/api/reads")).json()["total"] == 1
    assert len(await house.rows("SELECT 1 FROM identity_read")) == 2, "the log itself is no reading"


async def test_reading_many_children_within_an_hour_is_marked_for_the_coordinator(house: House) -> None:
    most = LIMITS.unusual_children
    insert = """INSERT INTO identity_read (who, role, file_id, case_id, purpose, basis, at)
                SELECT '{who}', 'worker', 'f' || n, NULL, 'case', 'role', TIMESTAMPTZ '{start}' {step}
                FROM generate_series(1, {number}) AS n"""
    within, slowly = "- n * INTERVAL '1 second'", "- n * INTERVAL '20 minutes'"
    async with house.database.transaction() as connection:
        for who, number, step in (
            ("lan.worker", most + 1, within),
            ("binh.chair", most, within),
            ("thuong.worker", most * 2, slowly),
        ):
            await connection.exec_driver_sql(insert.format(who=who, start=START, number=number, step=step))
        for _again in range(3):
            repeated = insert.format(who="binh.chair", start=START, number=most, step=within)
            await connection.exec_driver_sql(repeated)
    board = (await (await house.as_person("ha.coordinator")).get("/cases/access")).text
    assert "Xem nhiều bất thường" in board
    assert "Nguyễn Thị Lan" in board
    assert f"{most + 1} trẻ" in board
    assert "Trần Văn Bình" not in board
    assert "Hoàng Thị Thương" not in board
    assert "Xem nhiều bất thường" not in (await (await house.as_person("binh.chair")).get("/cases/access")).text


async def test_the_log_is_kept_as_long_as_the_data_says_and_no_longer(house: House) -> None:
    months = LIMITS.log_months
    async with house.database.transaction() as connection:
        for age in (f"{months} months 2 days", "7 months"):
            await connection.exec_driver_sql(
                f"""INSERT INTO identity_read (who, role, file_id, purpose, at)
                    VALUES ('x', 'worker', 'f', 'case', TIMESTAMPTZ '{START}' - INTERVAL '{age}')"""
            )
    desk = Desk(house.keys, Units.load(), Deadlines.load())
    assert await forget_reads(house.database, desk, house.now) == 1
    assert len(await house.rows("SELECT 1 FROM identity_read")) == 1


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_every_page_of_access_renders_in_both_languages(house: House, language: str) -> None:
    case = await matter(house)
    await asks(case)
    await own_worker_leaves(case)
    await breaks("mai.hotline")(case)
    door = f"/cases/c/{case.id}"
    paths = {
        "binh.chair": [f"{door}/access", f"{door}/reads", "/cases/access", "/cases/reads", "/cases/reassign", door],
        "lan.worker": [f"{door}/access", "/cases/access", "/cases/reads", "/cases/"],
        "thuong.worker": [f"{door}/access", "/cases/access"],
        "mai.hotline": [f"{door}/access", door, "/cases/access", "/cases/access?code=TN-1", "/cases/reads"],
        "quang.police": [f"{door}/access", "/cases/access", "/cases/"],
        "ha.coordinator": [f"{door}/access", f"{door}/reads", "/cases/access", f"/cases/reassign?unit={UNIT}&worker=-"],
    }
    for person, pages in paths.items():
        client = await house.as_person(person)
        for path in pages:
            answer = await client.get(path if "?" in path else f"{path}?lang={language}")
            assert answer.status == 200, (person, path, answer.text[:500])
            if "?" not in path:
                assert f'lang="{language}"' in answer.text


async def test_a_machine_names_the_opening_that_it_reviews_also_where_one_person_opened_twice(house: House) -> None:
    case = await matter(house)
    ids = []
    for _ in range(2):
        answer = await case.does("thuong.worker", "break-glass", purpose="new-report", reason=WHY)
        assert answer.status == 200, answer.text
        ids.append(answer.json()["glass"])
        house.now += timedelta(minutes=LIMITS.glass_minutes)
    assert len(set(ids)) == 2
    api = f"/cases/api/cases/{case.id}"
    chair = await house.as_person("binh.chair")
    seen = (await chair.get(api)).json()["glasses"]
    assert [(glass["id"], glass["person"], glass["verdict"]) for glass in seen] == [
        (glass, "thuong.worker", None) for glass in ids
    ]
    answer = await case.does("binh.chair", "review-access", glass=ids[1], verdict="unjustified", words="Không gấp")
    assert answer.status == 200, answer.text
    assert [(glass["id"], glass["verdict"]) for glass in answer.json()["glasses"]] == [
        (ids[0], None),
        (ids[1], "unjustified"),
    ]
    await breaks("mai.hotline")(case)
    # Who opened it knows their own openings, no other's.
    own = (await (await house.as_person("mai.hotline")).get(api)).json()["glasses"]
    assert {glass["person"] for glass in own} == {"mai.hotline"}
