"""The operators' pages of a service whose events really failed: what they show, and what their buttons do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter

from agency.sealing import sealed as sealed_for
from local.kafka import EmbeddedKafka
from shared.contracts.envelope import from_structured
from shared.identity import demo_directory
from shared.messaging.operations import Operations, StuckWork
from shared.messaging.processing import Record
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


def binary(house: House, document: dict[str, Any]) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    platform = house.keys.platform
    made = from_structured(sealed_for(document, platform.public, platform.kid))
    return made.data, tuple(made.headers())


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
    unstorable = {"form_token": token_of(page), "act": "release", "topic": "a\x00b", "key": "k"}
    assert (await operator.ask("/cases/ops/repair", unstorable)).status == 422
    assert "Không có gì bị giữ lại" in (await operator.ask("/cases/ops/panel")).text


async def test_work_that_is_stuck_is_counted_on_the_common_page_and_listed_on_the_services_own(house: House) -> None:
    service, since = house.running(), datetime(2026, 11, 24, 1, tzinfo=UTC)
    found = [StuckWork("TN-2026-000001", "KeyError", since, 3, since)]

    async def stuck() -> list[StuckWork]:
        return found

    router = APIRouter(prefix="/cases")
    router.include_router(Operations("cases", Pages(), service.repair, service.status, stuck).router)
    directory = demo_directory({"05443": "Xã Một"})
    operator = Visitor(create_app("cases", [router], Pages(), directory, house.settings, prefix="/cases"))
    await operator.enter("son.operator")
    panel = (await operator.ask("/cases/ops/panel")).text
    assert 'href="/cases/ops#stuck"' in panel
    assert "Việc bị mắc" in panel
    assert "TN-2026-000001" not in panel
    page = (await operator.ask("/cases/ops?lang=vi")).text
    assert all(said in page for said in ('id="stuck"', "TN-2026-000001", "KeyError"))
    found.clear()
    assert "Việc bị mắc" not in (await operator.ask("/cases/ops/panel")).text


async def test_a_parked_key_is_released_by_its_button_once_the_cause_is_mended(house: House) -> None:
    # The key is its sender's choice, and this one chose badly.
    house.failing = {NAME}
    await house.publish(event("C-1", key=NAME), event("C-2", key=NAME))
    await house.until("SELECT count(*) FROM parked", [(2,)])
    operator = visitor(house)
    await operator.enter("son.operator")
    panel = await operator.ask("/cases/ops/panel")
    assert "<html" not in panel.text
    assert "ZeroDivisionError" in panel.text
    assert NAME not in panel.text
    [name] = re.findall(r'name="key" value="(#[0-9a-f]{12})"', panel.text)
    form = {"form_token": token_of(panel), "act": "release", "topic": "agency.health.v1", "key": name}
    assert (await operator.ask("/cases/ops/repair", form)).headers["location"].endswith("failed-again")
    house.failing = set()
    assert (await operator.ask("/cases/ops/repair", form)).headers["location"].endswith("released")
    assert await house.rows("SELECT id FROM effect ORDER BY place") == [("C-1",), ("C-2",)]


async def test_a_replay_that_fails_by_our_fault_leaves_the_dead_letter_where_it_is(house: House) -> None:
    await house.publish(event("C-1", danger="perhaps"))
    await house.until("SELECT count(*) FROM dead_letter", [(1,)])
    repaired = event("C-1")
    repaired["data"]["danger_now"] = "yes"
    service = house.running()
    house.failing = {"C-1"}
    # The platform mended what made it wrong: what lies there is now right, and our handler fails on it.
    sealed = service.processor.failures._kept(Record("agency.health.v1", 0, 0, "C-1", *binary(house, repaired)), [])
    await house.rows(
        "UPDATE dead_letter SET content = CAST(:content AS jsonb), headers = CAST(:headers AS jsonb) RETURNING 1",
        content=sealed["content"],
        headers=sealed["headers"],
    )
    operator = visitor(house)
    await operator.enter("son.operator")
    form = {"form_token": token_of(await operator.ask("/cases/ops")), "act": "replay", "identifier": "1"}
    assert (await operator.ask("/cases/ops/repair", form)).headers["location"].endswith("failed-again")
    house.failing = set()
    assert (await operator.ask("/cases/ops/repair", form)).headers["location"].endswith("accepted")
    assert await house.rows("SELECT id FROM effect") == [("C-1",)]


async def test_the_panel_answers_while_kafka_is_away(
    backend: Backend, fresh_database: str, topic_prefix: str, tmp_path: Path
) -> None:
    kafka = EmbeddedKafka(tmp_path / "kafka", heap_mb=256)
    await asyncio.to_thread(kafka.start)
    try:
        settings = backend.settings(fresh_database, topic_prefix=topic_prefix).model_copy(update=kafka.connection())
        async with opened(settings, tmp_path) as house:
            await house.start()
            operator = visitor(house)
            await operator.enter("son.operator")
            assert "Đang chạy" in (await operator.ask("/cases/ops/panel")).text
            await asyncio.to_thread(kafka.kill)
            panel = await operator.ask("/cases/ops/panel")
            assert panel.status == 200
            assert "chờ Kafka" in panel.text
    finally:
        await asyncio.to_thread(kafka.kill)


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
