"""The operators' pages of a service whose events really failed: what they show, and what their buttons do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.identity import demo_directory
from shared.web.app import create_app
from shared.web.pages import Pages
from tests.support.backends import Backend
from tests.support.house import NAME, House, event, opened
from tests.support.visitor import Visitor, token_of


@pytest.fixture
async def house(backend: Backend, fresh_database: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[House]:
    settings = backend.settings(fresh_database, topic_prefix=topic_prefix)
    async with opened(settings, tmp_path) as made:
        await made.start()
        yield made


def visitor(house: House) -> Visitor:
    directory = demo_directory({"05443": "Xã Một"})
    return Visitor(create_app("cases", [house.running().http()], Pages(), directory, house.settings, prefix="/cases"))


async def test_a_failed_event_is_shown_without_its_content_and_discarded_once(house: House) -> None:
    await house.publish(event("C-1", danger="perhaps"))
    await house.until("SELECT count(*) FROM dead_letter", [(1,)])
    operator = visitor(house)
    await operator.enter("son.operator")
    page = await operator.ask("/cases/ops?lang=vi")
    assert page.status == 200
    assert "danger_now" in page.text
    assert NAME not in page.text
    form = {"form_token": token_of(page), "act": "replay", "identifier": "1"}
    assert (await operator.ask("/cases/ops/repair", form)).headers["location"] == "/cases/ops?outcome=rejected"
    said = await operator.ask("/cases/ops?outcome=rejected")
    assert "Sự kiện vẫn sai như trước" in said.text
    for outcome in ("discarded", "settled"):
        answer = await operator.ask("/cases/ops/repair", form | {"act": "discard"})
        assert answer.headers["location"] == f"/cases/ops?outcome={outcome}"
    assert "Không có gì bị giữ lại" in (await operator.ask("/cases/ops/panel")).text


async def test_a_parked_key_is_released_by_its_button_once_the_cause_is_mended(house: House) -> None:
    house.failing = {"K-1"}
    await house.publish(event("C-1", key="K-1"), event("C-2", key="K-1"))
    await house.until("SELECT count(*) FROM parked", [(2,)])
    operator = visitor(house)
    await operator.enter("son.operator")
    panel = await operator.ask("/cases/ops/panel")
    assert "<html" not in panel.text
    assert "ZeroDivisionError" in panel.text
    assert NAME not in panel.text
    form = {"form_token": token_of(panel), "act": "release", "topic": "agency.health.v1", "key": "K-1"}
    assert (await operator.ask("/cases/ops/repair", form)).headers["location"].endswith("failed-again")
    house.failing = set()
    assert (await operator.ask("/cases/ops/repair", form)).headers["location"].endswith("released")
    assert await house.rows("SELECT id FROM effect ORDER BY place") == [("C-1",), ("C-2",)]


async def test_the_page_of_all_services_is_the_operators_only(house: House) -> None:
    operator = visitor(house)
    assert (await operator.enter("son.operator")).headers["location"] == "/"
    assert (await operator.ask("/")).headers["location"] == "/ops"
    page = await operator.ask("/ops?lang=en")
    assert page.status == 200
    for service in ("registry", "cases", "stats", "notify"):
        assert f'data-panel="/{service}/ops/panel"' in page.text
    worker = visitor(house)
    await worker.enter("lan.worker")
    for path in ("/ops", "/cases/ops", "/cases/ops/panel"):
        assert (await worker.ask(path)).status == 403
