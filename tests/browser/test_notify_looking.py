"""What operators and coordinators look at in notify, in a real browser: a delivery without its words, and which of
several endpoints would be told.

`VONGTAY_TEST_SHOTS` names a folder for pictures of what people saw.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import Browser
from pydantic import SecretStr

from tests.browser.people import Company, Somebody
from tests.integration.notify_house import UNIT, make_house, missed, until
from tests.support.receivers import MailServer, WebhookServer

pytestmark = pytest.mark.timeout(180)


async def seen(somebody: Somebody, path: str, name: str) -> str:
    """A page is there, no wider than the window."""
    text = await somebody.go(path)
    await somebody.shot(name)
    await somebody.fits()
    return text


async def test_an_operator_finds_why_a_delivery_failed_and_its_partner_alone_reads_it(
    fresh_database: str, browser: Browser, webhook_server: WebhookServer
) -> None:
    shots = os.environ.get("VONGTAY_TEST_SHOTS")
    async with (
        make_house(fresh_database) as house,
        Company(browser, house.url, Path(shots) if shots else None) as company,
    ):
        webhook_server.status, webhook_server.body = 400, "Không đọc được: Nguyễn Thị Mai".encode()
        async with house.client("yen.partner") as client:
            await client.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM attempt"))
        path = (await house.rows("SELECT '/notify/deliveries/' || id AS path FROM delivery"))[0].path
        for phone in (True, False):
            wide = "" if phone else "-wide"
            operator = await company.person("son.operator", phone=phone)
            text = await seen(operator, path, f"delivery-operator{wide}")
            assert "webhook-id" in text
            assert "Mã 400" in text
            assert f"trả lời {len(webhook_server.body)} byte" in text
            assert "chỉ dành cho người của tổ chức nhận" in text
            assert "Nguyễn Thị Mai" not in text
            assert "event_id" not in text
            partner = await company.person("yen.partner", phone=phone)
            text = await seen(partner, path, f"delivery-partner{wide}")
            assert "Nguyễn Thị Mai" in text
            assert "event_id" in text
        assert company.broken() == []


async def test_the_dry_run_says_which_of_several_endpoints_is_told(
    fresh_database: str, browser: Browser, mail_server: MailServer
) -> None:
    shots = os.environ.get("VONGTAY_TEST_SHOTS")
    async with (
        make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house,
        Company(browser, house.url, Path(shots) if shots else None) as company,
    ):
        async with house.client("yen.partner") as partner, house.client("ha.coordinator") as coordinator:
            for name, pattern in (("Máy chủ chính", "cases.*"), ("Máy chủ dự phòng", "cases.*"), ("Thử", "registry.*")):
                wanted = {"channel": "webhook", "target": "http://127.0.0.1:9/x", "event_types": [pattern]}
                made = await partner.api("/subscriptions", {**wanted, "name": name})
                if name == "Máy chủ dự phòng":
                    await partner.api(f"/subscriptions/{made['id']}/pause")
            for name in ("a", "b"):
                wanted = {"channel": "email", "target": f"{name}@tinh.example", "event_types": ["told"]}
                made = await coordinator.api("/subscriptions", wanted)
            await coordinator.api(f"/subscriptions/{made['id']}/pause")
        ask = f"/notify/dry-run?event=cases.task.overdue&unit={UNIT}"
        for phone in (True, False):
            operator = await company.person("ha.coordinator", phone=phone)
            text = await seen(operator, ask, f"dry-run-endpoints{'' if phone else '-wide'}")
            assert "Máy chủ dự phòng" in text
            assert "được báo, nhưng tin chờ: điểm nhận đang tạm dừng" in text
            assert "Thư điện tử (2): đang tạm dừng" in text
        assert "told, but it waits: the endpoint is paused" in await operator.go(f"{ask}&lang=en")
        assert company.broken() == []
