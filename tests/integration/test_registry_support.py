"""Whether a child is supported follows the services that cases tell of, told once when it begins and when it ends."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from services.registry.desk import merging
from shared.contracts.cases import (
    CaseFacts,
    CaseOpened,
    CaseServiceProvided,
    CaseServiceWithdrawn,
    ChildLinked,
    ChildUnlinked,
)
from tests.integration.registry_house import HERE, LAN, NOW, House, house

__all__ = ["house"]  # the fixture

SERVICE: dict[str, Any] = {"service_id": "s1", "service": "medical", "service_sector": "health"}


def facts(child_id: str | None) -> CaseFacts:
    return CaseFacts(
        unit=HERE,
        sex="female",
        age_band="6-10",
        kind="violence",
        risk="high",
        status="open",
        step="plan",
        sector="hotline",
        channel="hotline-111",
        opened_at=NOW,
        child_id=child_id,
    )


def given(child_id: str, on: date, case_id: str = "k1", **over: Any) -> CaseServiceProvided:
    return CaseServiceProvided(case_id=case_id, facts=facts(child_id), provided_on=on, **SERVICE | over)


async def told(house: House, child_id: str) -> list[tuple[str, bool]]:
    """What was told of a child's support, with what its facts say."""
    events = [event for event in await house.events("support") if event["subject"] == child_id]
    sequences = [event["sequence"] for event in await house.events() if event["subject"] == child_id]
    assert sequences == sorted(set(sequences))
    return [(event["type"].removeprefix("child.support."), event["facts"]["supported"]) for event in events]


async def test_support_begins_with_a_service_and_ends_twelve_months_after_the_last(house: House) -> None:
    child_id = await house.register()
    await house.hear(CaseOpened(case_id="k1", facts=facts(child_id), concern_id="c", danger_now="no"), 1)
    assert await told(house, child_id) == []
    await house.hear(given(child_id, date(2026, 11, 20)), 2)
    await house.hear(given(child_id, date(2026, 11, 24), service_id="s2"), 3)
    assert await told(house, child_id) == [("started", True)]
    # Whatever is told of the child meanwhile says it too.
    await house.verify(child_id)
    (verified,) = await house.events("child.verified")
    assert verified["facts"]["supported"]
    house.now += timedelta(days=363)
    await house.tick()
    assert await told(house, child_id) == [("started", True)]
    house.now += timedelta(days=2)
    await house.tick()
    await house.tick()
    assert await told(house, child_id) == [("started", True), ("ended", False)]


async def test_a_service_that_was_not_given_after_all_supports_nobody_and_stands_on_no_page(house: House) -> None:
    child_id = await house.register()
    await house.hear(given(child_id, date(2026, 11, 20)), 1)
    gone = CaseServiceWithdrawn(case_id="k1", facts=facts(child_id), provided_on=date(2026, 11, 20), **SERVICE)
    await house.hear(gone, 2)
    assert await told(house, child_id) == [("started", True), ("ended", False)]
    assert await house.rows("SELECT * FROM child_service WHERE given") == []


async def test_a_service_of_long_ago_supports_nobody(house: House) -> None:
    child_id = await house.register()
    await house.hear(given(child_id, date(2025, 10, 1)), 1)
    assert await told(house, child_id) == []


async def test_a_case_that_proves_to_be_another_childs_takes_its_services_along(house: House) -> None:
    wrong, right = await house.register(), await house.register("Trần Văn Bình", "2015-01-02")
    await house.hear(given(wrong, date(2026, 11, 20)), 1)
    await house.hear(ChildUnlinked(case_id="k1", facts=facts(None), wrong_child_id=wrong), 2)
    await house.hear(ChildLinked(case_id="k1", facts=facts(right)), 3)
    assert await told(house, wrong) == [("started", True), ("ended", False)]
    assert await told(house, right) == [("started", True)]


async def test_of_cases_that_are_linked_together_each_childs_support_goes_on_with_its_own_cases_trace(
    house: House,
) -> None:
    children = [await house.register(name, f"201{number}-01-02") for number, name in enumerate(("An", "Bình", "Chi"))]
    for number, child_id in enumerate(children):
        await house.hear(given(child_id, date(2026, 11, 20), f"k{number}", service_id=f"s{number}"), 1)
        await house.hear(ChildUnlinked(case_id=f"k{number}", facts=facts(None), wrong_child_id=child_id), 2)
    traces = [f"00-{number + 1:032x}-{7:016x}-01" for number in range(len(children))]
    await house.hear_together(
        *(
            (ChildLinked(case_id=f"k{number}", facts=facts(child_id)), 3, traces[number])
            for number, child_id in enumerate(children)
        )
    )
    begun = {event["subject"]: event for event in await house.events("support.started")}
    assert [begun[child_id]["headers"]["traceparent"][:35] for child_id in children] == [one[:35] for one in traces]
    for child_id in children:
        assert await told(house, child_id) == [("started", True), ("ended", False), ("started", True)]


async def test_a_merged_child_brings_its_support_and_takes_it_back_when_it_is_taken_out_again(house: House) -> None:
    kept, gone = await house.register(), await house.register("Nguyễn Thị Ngọc Ánh")
    kept, gone = sorted((kept, gone))
    await house.hear(given(gone, date(2026, 11, 20)), 1)
    merge_id = await house.act(lambda scope: merging.merge(scope, house.desk, kept, gone, LAN))
    assert await told(house, kept) == [("started", True)]
    new = await house.act(lambda scope: merging.undo(scope, house.desk, merge_id, LAN))
    assert await told(house, kept) == [("started", True), ("ended", False)]
    assert await told(house, new) == [("started", True)]


@pytest.mark.parametrize("status", ["deceased", "aged-out"])
async def test_of_a_closed_record_no_support_is_told(house: House, status: str) -> None:
    child_id = await house.register()
    async with house.database.transaction() as connection:
        await connection.execute(text("UPDATE child SET status = :status"), {"status": status})
    await house.hear(given(child_id, date(2026, 11, 20)), 1)
    assert await told(house, child_id) == []


def test_a_support_event_says_nothing_of_the_case_or_the_service() -> None:
    from shared.contracts.registry import SupportStarted

    schema = orjson.dumps(SupportStarted.model_json_schema()).decode()
    assert "case" not in SupportStarted.model_fields
    assert "service_id" not in schema
