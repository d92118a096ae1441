"""The pages of notify in a real browser, on a phone and at a desk, by keyboard and without scripts.

`VONGTAY_TEST_SHOTS` names a folder for pictures of what people saw.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser
from pydantic import SecretStr

from services.notify.desk.emergencies import Links
from shared.contracts.registry import ChildRegistered
from tests.browser.people import Company, Somebody
from tests.integration.notify_house import AGREEMENT, House, concern, make_house, missed, task, until
from tests.integration.notify_partner import TERMS
from tests.support.accessibility import barriers
from tests.support.receivers import MailServer, WebhookServer

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with make_house(fresh_database) as made:
        yield made


@pytest.fixture
async def company(house: House, browser: Browser) -> AsyncIterator[Company]:
    shots = os.environ.get("VONGTAY_TEST_SHOTS")
    async with Company(browser, house.url, Path(shots) if shots else None) as made:
        yield made
        assert made.broken() == []


async def seen(somebody: Somebody, path: str, name: str) -> str:
    """A page is there, no wider than the window."""
    text = await somebody.go(path)
    await somebody.shot(name)
    await somebody.fits()
    return text


async def test_an_inbox_begins_with_what_must_be_acknowledged(house: House, company: Company) -> None:
    facts = missed().facts.model_copy(update={"code": "TN-2026-000328"})
    await house.hear(("e1", concern()), ("e2", missed().model_copy(update={"facts": facts})))
    worker = await company.person("lan.worker", phone=True)
    text = await seen(worker, "/notify/", "inbox")
    assert text.index("Chưa ai xác nhận") < text.index("TN-2026-000328") < text.index("Khẩn, chưa đọc")
    desk = await company.person("lan.worker")
    await seen(desk, "/notify/", "inbox-wide")
    await desk.go("/notify/?case=tn-2026-000328")
    assert await desk.page.locator(".timeline__item").count() == 1
    await desk.go("/notify/")
    first = desk.page.get_by_role("button", name="Tôi đã nhận và đang xử lý").first
    await first.focus()
    async with desk.page.expect_navigation():
        await desk.page.keyboard.press("Enter")
    assert "Đã có người nhận" in await desk.text()
    await desk.shot("acknowledged")


async def test_an_open_inbox_counts_and_asks_no_more_for_what_somebody_has_in_hand(
    house: House, company: Company
) -> None:
    house.start()
    chair = await company.person("binh.chair", phone=True)
    assert "Anh chị đã đọc hết thông báo." in await chair.go("/notify/")
    await chair.page.locator('[data-live-state="live"]').wait_for()
    await house.hear(("e1", concern()))
    await chair.page.get_by_role("button", name="Tôi đã nhận và đang xử lý").wait_for()
    assert "1 thông báo chưa đọc" in await chair.text()
    async with house.client("lan.worker") as worker:
        [ladder] = (await worker.get("/notify/api/emergencies")).json()
        await worker.api(f"/emergencies/{ladder['id']}/acknowledge", {})
    await chair.page.get_by_text("Không còn chờ xác nhận").wait_for()
    assert "Chưa ai xác nhận" not in await chair.text()
    assert await chair.page.get_by_role("link", name="Xem ai đã nhận").count() == 1
    await chair.fits()
    await chair.shot("in-hand")


async def test_somebody_chooses_by_keyboard_how_they_are_called(company: Company) -> None:
    worker = await company.person("lan.worker", phone=True)
    await seen(worker, "/notify/preferences", "preferences")
    desk = await company.person("lan.worker")
    await seen(desk, "/notify/preferences", "preferences-wide")
    await desk.tab_to("digest")
    await desk.page.keyboard.press("ArrowDown")
    await desk.tab_to("digest_at")
    await desk.tab_to("quiet")
    await desk.page.keyboard.press("ArrowDown")
    await desk.tab_to("quiet_from")
    await desk.page.locator('[name="quiet_from"]').fill("20:00")
    async with desk.page.expect_navigation():
        await desk.page.keyboard.press("Enter")
    assert "Đã lưu" in await desk.text()
    checked = desk.page.locator("input:checked")
    chosen = "all => all.map((e) => e.name + '=' + e.value).filter((e) => /^(dig|qui)/.test(e))"
    assert await checked.evaluate_all(chosen) == [
        "digest=daily", "quiet=own",
    ]  # fmt: skip
    assert await desk.page.locator('[name="quiet_from"]').input_value() == "20:00"


async def test_an_address_is_proven_by_keyboard_with_the_code_that_arrived_there(
    fresh_database: str, browser: Browser, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VONGTAY_NOTIFY_PROVE_DEMO", "true")
    shots = os.environ.get("VONGTAY_TEST_SHOTS")
    async with (
        make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house,
        Company(browser, house.url, Path(shots) if shots else None) as company,
    ):
        house.start()
        desk = await company.person("lan.worker")
        await seen(desk, "/notify/subscriptions/new", "address-new")
        await desk.tab_to("target")
        await desk.page.keyboard.type("lan@phandinhphung.example")
        await desk.tab_to("event_types")
        await desk.page.keyboard.press("Space")
        async with desk.page.expect_navigation():
            await desk.page.keyboard.press("Enter")
        assert "Chưa xác minh" in await desk.text()
        await desk.shot("address-unproven-wide")
        await until(lambda: came(mail_server))
        code = str(mail_server.messages[0]["Subject"])[-6:]
        phone = await company.person("lan.worker", phone=True)
        assert "Chưa xác minh" in await seen(phone, "/notify/preferences", "preferences-unproven")
        await phone.page.get_by_role("link", name="Nhập mã").click()
        await phone.fits()
        await phone.shot("address-unproven")
        await phone.tab_to("code")
        await phone.page.keyboard.type("000000" if code != "000000" else "111111")
        async with phone.page.expect_navigation():
            await phone.page.keyboard.press("Enter")
        assert "Mã không đúng" in await phone.text()
        await phone.shot("address-wrong-code")
        await phone.fits()
        await phone.tab_to("code")
        await phone.page.keyboard.type(code)
        async with phone.page.expect_navigation():
            await phone.page.keyboard.press("Enter")
        assert "Đã xác minh nơi nhận" in await phone.text()
        await phone.shot("address-proven")
        assert "Chưa xác minh" not in await phone.go("/notify/preferences")
        await phone.go("/notify/subscriptions/new?lang=en")
        assert "The platform sends a code here" in await phone.text()
        partner = await company.person("yen.partner", phone=True)
        await partner.go("/notify/subscriptions/new?lang=en")
        await house.hear(("r1", registered()), bulk="0195a000-0000-7000-8000-000000000123")
        operator = await company.person("son.operator", phone=True)
        assert "thuộc một lần nhập danh sách" in await seen(operator, "/notify/queue", "queue-unsaid")
        await seen(await company.person("son.operator"), "/notify/queue?lang=en", "queue-unsaid-wide")
        assert company.broken() == []


async def test_an_endpoint_that_has_not_answered_its_challenge_says_so(
    fresh_database: str, browser: Browser, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VONGTAY_NOTIFY_PROVE_DEMO", "true")
    shots = os.environ.get("VONGTAY_TEST_SHOTS")
    async with (
        make_house(fresh_database) as house,
        Company(browser, house.url, Path(shots) if shots else None) as company,
    ):
        webhook_server.status = 500
        async with house.client("yen.partner") as partner:
            made = await partner.webhook(webhook_server.url, "cases.*")
        house.start()
        phone = await company.person("yen.partner", phone=True)
        text = await seen(phone, f"/notify/subscriptions/{made['id']}", "endpoint-unproven")
        assert "Xác minh máy chủ nhận" in text
        assert "Gửi tin thử" not in text
        english = await seen(phone, f"/notify/subscriptions/{made['id']}?lang=en", "endpoint-unproven-en")
        assert "Verify the receiving server" in english
        webhook_server.clear()
        house.shift += timedelta(minutes=2)
        again = phone.page.get_by_role("button", name="Send another challenge")
        await again.focus()
        async with phone.page.expect_navigation():
            await phone.page.keyboard.press("Enter")
        await until(lambda: proven(house))
        assert "Not verified" not in await phone.go(f"/notify/subscriptions/{made['id']}")


async def came(mail_server: MailServer) -> bool:
    return bool(mail_server.messages)


async def proven(house: House) -> bool:
    return bool(await house.rows("SELECT 1 FROM endpoint WHERE verified_at IS NOT NULL"))


def registered() -> ChildRegistered:
    box = {"sealed": "A256GCM", "kid": "child/k1", "text": "AAAA"}
    return ChildRegistered.model_validate({"child_id": "k1", "facts": {"unit": "05443", "sex": "female"}, "child": box})


async def test_a_chair_names_who_stands_in_and_enters_a_workers_absence(company: Company) -> None:
    chair = await company.person("binh.chair", phone=True)
    await seen(chair, "/notify/absences", "absences")
    desk = await company.person("binh.chair")
    await seen(desk, "/notify/absences?person=lan.worker", "absences-wide")
    form = desk.page.locator("#enter form")
    begins = datetime.now(UTC) + timedelta(days=30)
    times = {"begins": f"{begins:%Y-%m-%d}T08:00", "ends": f"{begins + timedelta(days=3):%Y-%m-%d}T17:00"}
    await desk.fill(form, {**times, "substitute": "binh.chair"})
    await desk.send(form)
    text = await desk.text()
    assert "Đã ghi lịch vắng mặt" in text
    assert f"{begins:%d/%m/%Y}" in text
    await desk.shot("absence-entered")
    worker = await company.person("lan.worker", phone=True)
    assert "Trần Văn Bình" in await seen(worker, "/notify/absences", "absences-mine")
    async with worker.page.expect_navigation():
        await worker.page.get_by_role("button", name="Bỏ lịch này").click()
    assert "Anh chị không có lịch vắng mặt" in await worker.text()
    named = desk.page.locator('form[action="/notify/stand-ins"]').first
    await desk.fill(named, {"named": "binh.chair"})
    await desk.send(named)
    assert "Đã lưu người thay thường trực" in await desk.text()
    await worker.refused("/notify/absences?person=binh.chair")


async def test_a_partner_reads_what_there_is_tests_its_endpoint_and_replays(house: House, company: Company) -> None:
    partner = await company.person("yen.partner", phone=True)
    desk = await company.person("yen.partner")
    await seen(partner, "/notify/", "inbox")
    await seen(partner, "/notify/subscriptions", "none")
    await seen(partner, "/notify/events", "events")
    event = await seen(partner, "/notify/events/cases.deadline.missed", "event")
    assert '"type": "vn.vongtay.cases.deadline.missed"' in event
    await seen(desk, "/notify/events/cases.deadline.missed", "event-wide")
    await seen(desk, "/notify/subscriptions/new", "new")
    form = desk.page.locator("form.form")
    await form.locator("#f-event_types summary").first.click()
    await desk.fill(
        form,
        {"channel": "webhook", "target": "https://mai-am.example/hook", "name": "Máy chủ", "event_types": "cases.*"},
    )
    await desk.send(form)
    assert "whsec_" in await desk.text()
    await desk.shot("secret")
    await desk.press(desk.page.get_by_role("link", name="Tôi đã chép mã"))
    path = desk.page.url.removeprefix(house.url)
    async with desk.page.expect_navigation():
        await desk.page.get_by_role("button", name="Gửi tin thử").click()
    assert "Đã xếp hàng một tin thử" in await desk.text()
    await house.hear(("e1", missed()))
    await desk.go(f"{path}?event=cases.deadline.missed")
    assert await desk.page.locator("table").last.locator("tbody tr").count() == 1
    await house.rows(
        "INSERT INTO endpoint_hour SELECT CAST(:id AS uuid), date_trunc('hour', now()) - n * interval '5 hours', "
        "40 + n, n % 7, 900, 70 + n FROM generate_series(0, 30) AS n RETURNING 1",
        id=path.rsplit("/", 1)[-1],
    )
    await seen(partner, path, "endpoint")
    await seen(desk, path, "endpoint-wide")
    await desk.page.locator('[name="what"][value="everything"]').check()
    again = desk.page.locator(f'form[action="{path}/replay"]')
    await desk.fill(again, {"days": "own", "since": "2020-01-01T00:00"})
    await desk.send(again)
    assert "Những lần yêu cầu gửi lại" in await desk.text()
    await desk.page.get_by_text("Giới hạn tốc độ và thứ tự").click()
    limits = desk.page.locator(f'form[action="{path}/limits"]')
    await desk.fill(limits, {"at_once": "4", "per_second": "2,5", "ordered": "true"})
    await desk.send(limits)
    assert await desk.page.locator('[name="per_second"]').input_value() == "2.5"
    await desk.page.get_by_text("Đổi cách ký").click()
    await desk.page.locator('[name="signature"][value="v1a"]').check()
    await desk.send(desk.page.locator(f'form[action="{path}/rotate"]').last)
    assert "whpk_" in await desk.text()
    assert "còn kèm theo đến" in await seen(desk, path, "endpoint-rotated")
    await desk.press(desk.page.locator('td a[href^="/notify/deliveries/"]').first)
    assert "POST https://mai-am.example/hook" in await desk.text()
    await desk.shot("delivery")
    await desk.fits()
    stranger = await company.person("lan.worker")
    await stranger.refused(path)


async def test_an_operator_sees_what_hangs_and_who_was_called_and_restores_an_endpoint(
    house: House, company: Company
) -> None:
    async with house.client("yen.partner") as partner:
        created = await partner.webhook("https://mai-am.example/hook", "cases.*")
    await house.hear(("e1", concern()), ("e2", missed()))
    await house.rows(
        "UPDATE endpoint SET state = 'disabled', circuit = 'open', failing_since = now() - interval '6 days' "
        "RETURNING 1"
    )
    desk = await company.person("son.operator")
    phone = await company.person("son.operator", phone=True)
    text = await seen(desk, "/notify/queue", "queue-wide")
    assert "mai-am-hy-vong" in text
    assert "Ngắt" in text
    await seen(phone, "/notify/queue", "queue")
    async with desk.page.expect_navigation():
        await desk.page.get_by_role("button", name="Bật lại và gửi bù").click()
    assert "Đã bật lại điểm nhận" in await desk.text()
    await seen(desk, f"/notify/subscriptions/{created['id']}", "endpoint")
    assert "mai-am.example" not in await desk.text()
    await seen(phone, "/notify/emergencies", "emergencies")
    await phone.press(phone.page.locator(".timeline__title a").first)
    assert "Nguyễn Thị Lan" in await phone.text() or "Trần Văn Bình" in await phone.text()
    await phone.shot("emergency")
    await phone.fits()
    assert not await phone.page.get_by_role("button", name="Tôi đã nhận và đang xử lý").count()


async def test_a_coordinator_asks_who_would_be_told_and_why(company: Company) -> None:
    desk = await company.person("ha.coordinator")
    phone = await company.person("ha.coordinator", phone=True)
    await seen(desk, "/notify/dry-run", "dry-run")
    ask = "/notify/dry-run?event=cases.concern.received&unit=05443"
    told = await seen(desk, f"{ask}&set.facts.danger_now=yes", "dry-run-emergency")
    assert "lan.worker" in told
    assert "Nếu không ai xác nhận" in told
    calm = await seen(phone, f"{ask}&set.facts.danger_now=no", "dry-run-calm")
    assert "Nếu không ai xác nhận" not in calm
    assert "không báo: sự kiện không thỏa điều kiện" in calm
    worker = await company.person("lan.worker")
    await worker.refused("/notify/dry-run")


async def test_a_coordinator_proposes_an_agreement_and_the_partner_signs_it(company: Company) -> None:
    desk = await company.person("ha.coordinator")
    await seen(desk, "/notify/agreements", "agreements")
    await seen(desk, "/notify/agreements/new", "agreement-new")
    form = desk.page.locator("form.form")
    await form.locator("#f-event_types summary").first.click()
    await desk.fill(form, {"event_types": "cases.case.opened"})
    await desk.send(form)
    assert "Chờ tổ chức ký" in await desk.text()
    path = "/notify/agreements/" + desk.page.url.rsplit("/", 1)[-1]
    partner = await company.person("yen.partner", phone=True)
    assert "trong 20 ngày" in await seen(partner, path, "agreement")
    async with partner.page.expect_navigation():
        await partner.page.get_by_role("button", name="Ký thỏa thuận").click()
    assert "Đang hiệu lực" in await partner.text()
    await partner.refused("/notify/agreements/new")


async def test_the_pages_work_without_scripts(house: House, browser: Browser) -> None:
    await house.hear(("e1", concern()))
    context = await browser.new_context(viewport={"width": 360, "height": 740}, java_script_enabled=False)
    try:
        page = await context.new_page()
        await page.goto(f"{house.url}/identity/sign-in")
        await page.locator("form", has=page.locator('input[value="lan.worker"]')).locator("button").click()
        await page.goto(f"{house.url}/notify/")
        await page.get_by_text("Lọc thông báo").click()
        await page.locator('[name="only"]').select_option("urgent")
        await page.get_by_role("button", name="Lọc", exact=True).click()
        assert await page.locator(".timeline__item").count() == 1
        await page.goto(f"{house.url}/notify/")
        await page.get_by_role("button", name="Tôi đã nhận và đang xử lý").click()
        assert "Đã có người nhận" in await page.locator("body").inner_text()
        await page.goto(f"{house.url}/notify/preferences")
        await page.locator('[name="digest"][value="weekly"]').check()
        await page.get_by_role("button", name="Lưu").click()
        assert "Đã lưu" in await page.locator("body").inner_text()
    finally:
        await context.close()


# Who uses notify, and what each may open of it besides what they find by themselves.
_EVERYONE = ["/notify/", "/notify/?only=unread", "/notify/subscriptions", "/notify/subscriptions/new", "/notify/events"]
_PERSON = [*_EVERYONE, "/notify/preferences", "/notify/absences", "/notify/emergencies", "/notify/emergencies?all=true"]
_EVENT = "/notify/events/cases.deadline.missed"
_DRY_RUN = "/notify/dry-run?event=cases.concern.received&unit=05443&set.facts.danger_now=yes"
_PAGES = {
    "lan.worker": [*_PERSON, "{emergency}"],
    "binh.chair": [*_PERSON, "/notify/absences?person=lan.worker", "{emergency}"],
    "mai.hotline": _PERSON,
    "duc.health": _PERSON,
    "ha.coordinator": [
        *_PERSON, "/notify/agreements", "/notify/agreements/new", "{agreement}", _DRY_RUN, "{emergency}",
    ],
    "tuan.statistician": [*_EVERYONE, "/notify/preferences"],
    "yen.partner": [*_EVERYONE, _EVENT, "/notify/agreements", "{agreement}", "{endpoint}", "{delivery}"],
    "son.operator": [
        *_PERSON, "/notify/queue", "/notify/dry-run", _DRY_RUN, "{emergency}", "{endpoint}", "{delivery}",
    ],
}  # fmt: skip


@pytest.mark.parametrize("account", _PAGES)
async def test_no_page_of_notify_keeps_its_people_out(house: House, company: Company, account: str) -> None:
    found = await _something_everywhere(house)
    for phone in (False, True):
        somebody = await company.person(account, phone=phone)
        for path in _PAGES[account]:
            answer = await somebody.page.request.get(house.url + path.format(**found))
            assert answer.status == 200, (account, path)
            await somebody.go(path.format(**found))
            await somebody.fits()
        # The fixture `company` fails where axe found anything.


async def _something_everywhere(house: House) -> dict[str, str]:
    """Emergencies, notices, an endpoint that fails and one that works, a delivery that was tried. Out: their pages."""
    async with house.client("yen.partner") as partner:
        created = await partner.webhook("https://mai-am.example/hook", "cases.*")
        await partner.webhook("https://mai-am.example/other", "cases.deadline.*")
    await house.hear(("e1", concern()), ("e2", missed()), ("e3", task()))
    await house.rows(
        "UPDATE endpoint SET circuit = 'open', failing_since = now() - interval '1 hour', "
        "retry_at = now() + interval '5 minutes' WHERE id = CAST(:id AS uuid) RETURNING 1",
        id=created["id"],
    )
    await house.rows(
        "INSERT INTO endpoint_hour SELECT CAST(:id AS uuid), date_trunc('hour', now()) - n * interval '5 hours', "
        "40 + n, n % 7, 900, 70 + n FROM generate_series(0, 30) AS n RETURNING 1",
        id=created["id"],
    )
    [ladder, *_] = await house.rows("SELECT id::text AS id FROM ladder")
    [delivery, *_] = await house.rows(
        "SELECT id::text AS id FROM delivery_pending WHERE endpoint_id = CAST(:id AS uuid)", id=created["id"]
    )
    return {
        "emergency": f"/notify/emergencies/{ladder.id}",
        "agreement": f"/notify/agreements/{AGREEMENT}",
        "endpoint": f"/notify/subscriptions/{created['id']}",
        "delivery": f"/notify/deliveries/{delivery.id}",
    }


async def test_a_link_acknowledges_without_a_sign_in_and_only_once(
    house: House, company: Company, browser: Browser
) -> None:
    await house.hear(("e1", concern()))
    [call] = await house.rows("SELECT id::text AS id FROM ladder_call WHERE person = 'lan.worker'")
    key = hmac.digest(house.context.keys.master, b"vongtay acknowledge", "sha256")
    link = Links(key, house.url).url(call.id, house.context.clock() + timedelta(hours=1))
    context = await browser.new_context(viewport={"width": 360, "height": 740})
    try:
        page = await context.new_page()
        await page.goto(link)
        assert await barriers(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        assert [row.state for row in await house.rows("SELECT state FROM ladder")] == [
            "open"
        ]  # opening it is not enough
        await page.get_by_role("button", name="Tôi đã nhận").focus()
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        assert "Đã ghi nhận" in await page.locator("main").inner_text()
        assert await barriers(page) == []
        await page.goto(link)
        assert "không dùng được nữa" in await page.locator("main").inner_text()
        assert await barriers(page) == []
    finally:
        await context.close()
    chair = await company.person("binh.chair", phone=True)
    await chair.go("/notify/emergencies?all=true")
    told = await chair.press(chair.page.locator(".timeline__title a").first)
    assert "Nguyễn Thị Lan xác nhận lúc" in told
    assert "bằng đường dẫn trong tin nhắn" in told


async def test_nobody_is_led_to_a_form_that_has_no_channel(company: Company) -> None:
    """This house sends no mail, SMS or chat: only a browser can be added, by the inbox's button."""
    worker = await company.person("lan.worker", phone=True)
    for path in ("/notify/subscriptions", "/notify/subscriptions/new"):
        assert "Nền tảng này chưa gửi thư hay tin nhắn" in await worker.go(path)
        assert not await worker.page.locator('form[action="/notify/subscriptions"]').count()
    assert "nền tảng chưa có kênh này" in await worker.go("/notify/preferences")
    assert not await worker.page.get_by_role("link", name="Thêm nơi nhận").count()


async def test_what_waits_for_a_broken_endpoint_is_not_called_late(house: House, company: Company) -> None:
    await _something_everywhere(house)
    waiting = {
        row.held: row.n
        for row in await house.rows(
            "SELECT e.circuit = 'open' AS held, count(*) AS n "
            "FROM delivery_pending p JOIN endpoint e ON e.id = p.endpoint_id GROUP BY 1"
        )
    }
    operator = await company.person("son.operator")
    await operator.go("/notify/queue")
    due, later, *_ = [text.split("\n\n") for text in await operator.page.locator(".tile").all_inner_texts()]
    assert due[:2] == ["Đến hạn gửi", str(waiting[False])]
    assert later == ["Đang chờ", str(waiting[True]), f"{waiting[True]} chờ điểm nhận hoạt động lại"]


@pytest.mark.parametrize("phone", [True, False], ids=["360", "1280"])
async def test_the_first_notice_of_a_partner_stands_clear_of_the_buttons_above(
    house: House, company: Company, phone: bool
) -> None:
    async with house.client("ha.coordinator") as coordinator:
        await coordinator.api("/agreements", TERMS)
    partner = await company.person("yen.partner", phone=phone)
    await seen(partner, "/notify/", f"inbox-partner-{'phone' if phone else 'wide'}")
    buttons = await partner.page.locator("[data-live] .actions").first.bounding_box()
    first = await partner.page.locator(".timeline__item").first.bounding_box()
    assert buttons is not None
    assert first is not None
    assert first["y"] - (buttons["y"] + buttons["height"]) >= 16
