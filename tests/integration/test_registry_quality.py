"""How good records are, on a real database: findings follow each change, time and rules; scores are kept and told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.registry import assessing
from services.registry.desk import merging, quality
from services.registry.domain.children import Statement
from services.registry.store.children import ChildRow, Observation
from shared.contracts.vocabulary import ChildDescription
from shared.database import Database
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.privacy import Keys, PlatformKey
from shared.reference.files import lay_over
from shared.reference.quality import Quality
from tests.integration.registry_house import HERE, MIGRATIONS, THERE, Acts

GOOD: dict[str, Any] = {
    "name": "Nguyễn Thị Ngọc Anh",
    "birth_date": "2016-03-09",
    "sex": "female",
    "ethnicity": "Tày",
    "number": "019316001234",
    "hamlet": "Xóm Đồng Tâm",
    "school": "Trường Tiểu học Thành Công",
    "grade": "5A",
    "carers": [{"name": "Lý Thị Thu Lan", "phone": "0912345678"}],
}


def _statement(
    now: datetime, child: dict[str, Any], unit: str | None = HERE, circumstances: tuple[str, ...] = ()
) -> Statement:
    return Statement(
        new_id(),
        "commune-roster",
        "dolisa",
        as_of=now.date(),
        description=ChildDescription.model_validate(child),
        unit=unit,
        circumstances=circumstances,
    )


@dataclass
class House(Acts):
    """The registry's acts, and the looking at how good its records are."""

    async def register(self, unit: str | None = HERE, circumstances: tuple[str, ...] = (), **over: Any) -> str:
        child = {name: value for name, value in {**GOOD, **over}.items() if value is not None}
        said = _statement(self.now, child, unit, circumstances)
        return await self.act(lambda scope: self.desk.register(scope, said))

    async def correct(self, child_id: str, unit: str | None = None, **said: Any) -> None:
        async def does(scope: Scope, row: ChildRow) -> None:
            wanted = ChildDescription.model_validate({**row.known.description.model_dump(), **said})
            await self.desk.correct(scope, row.id, wanted, unit, version=row.sequence, actor="person:lan")

        await self.on(child_id, does)

    async def verify(self, child_id: str) -> None:
        await self.on(
            child_id,
            lambda scope, row: self.life.verify(
                scope, row, confirmed=["name"], method="papers", by="person:lan", at=self.now
            ),
        )

    async def settle(self) -> int:
        return await assessing.settle_all(self.database, lambda: self.now)

    async def measure(self) -> int:
        return await assessing.measure_all(self.database, lambda: self.now)

    async def findings(self, child_id: str) -> set[str]:
        return {row.rule for row in await self.rows("SELECT rule FROM finding WHERE child_id = :id", id=child_id)}

    async def told(self) -> list[dict[str, Any]]:
        rows = await self.rows("SELECT payload FROM outbox WHERE type LIKE '%quality.measured' ORDER BY position")
        return [orjson.loads(row.payload) for row in rows]


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    database = Database(fresh_database)
    await database.migrate(MIGRATIONS)
    found = House(database, Keys(b"m" * 32, PlatformKey(b"p" * 32)))
    # The rules of this process are those that records are looked at by.
    await found.act(quality.follow_rules)
    yield found
    await database.close()


async def test_a_good_record_breaks_no_rule_and_a_poor_one_its_own_at_once(house: House) -> None:
    good = await house.register()
    poor = await house.register(
        name="Trần Văn Bình", number="019316001234", sex="male", carers=None, school=None, grade=None
    )
    assert await house.findings(good) == set()
    assert await house.findings(poor) == {"number-contradicts", "carer-missing", "school-missing"}
    assert await house.rows("SELECT * FROM unsettled") == []


async def test_what_is_mended_vanishes_in_the_same_transaction(house: House) -> None:
    child = await house.register(carers=None, sex="unknown")
    assert await house.findings(child) == {"carer-missing", "sex-unknown"}
    await house.correct(child, carers=[{"name": "Lý Thị Thu Lan"}], sex="female")
    assert await house.findings(child) == set()


async def test_a_verification_takes_a_child_off_the_list_of_unverified_ones(house: House) -> None:
    child = await house.register()
    house.now = datetime(2027, 11, 25, 1, 0, tzinfo=UTC)
    assert await house.settle() == 1
    assert "unverified-year" in await house.findings(child)
    await house.verify(child)
    assert "unverified-year" not in await house.findings(child)


async def test_time_turns_a_finding_on_its_day_and_not_before(house: House) -> None:
    child = await house.register(school=None, grade=None, birth_date="2020-12-01", number=None)
    house.now = datetime(2026, 11, 30, 16, 59, tzinfo=UTC)  # the last minute before the sixth birthday, in the province
    assert await house.settle() == 0
    assert "school-missing" not in await house.findings(child)
    house.now += timedelta(minutes=1)
    assert await house.settle() == 1
    assert "school-missing" in await house.findings(child)
    assert await house.settle() == 0


async def test_a_finding_moves_with_its_child_and_keeps_its_day(house: House) -> None:
    child = await house.register(carers=None)
    house.now += timedelta(days=3)
    await house.correct(child, THERE, hamlet="Xóm Bãi")
    (row,) = await house.rows("SELECT unit, hamlet, since FROM finding WHERE rule = 'carer-missing'")
    assert tuple(row) == (THERE, "xom bai", date(2026, 11, 25))
    assert await house.findings(child) == {"carer-missing"}


async def test_a_special_circumstance_is_asked_for_its_evidence(house: House) -> None:
    child = await house.register(circumstances=("04",))
    assert await house.findings(child) == {"evidence-missing"}
    seen = Observation(new_id(), "04", date(2026, 11, 1), None, "dolisa", "Giấy xác nhận khuyết tật số 12")
    await house.on(child, lambda scope, row: house.desk.observe(scope, row, seen, "person:lan"))
    assert await house.findings(child) == set()


async def test_a_pair_that_waits_is_found_on_both_and_gone_once_decided(house: House) -> None:
    one = await house.register()
    other = await house.register(name="Nguyễn Thị Ngọc Ánh", number=None, birth_date="2016-09-03")
    await house.rows("DELETE FROM pair RETURNING id")
    await house.rows(
        """INSERT INTO pair (low, high, probability, reasons, made_at)
           VALUES (:low, :high, 0.7, '{}', now()) RETURNING id""",
        low=one,
        high=other,
    )
    await house.settle()
    assert "pair-waiting" in await house.findings(one) & await house.findings(other)
    (pair,) = await house.rows("SELECT id FROM pair")
    await house.act(lambda scope: merging.decide(scope, house.desk, pair.id, same=False, by="person:lan"))
    assert "pair-waiting" not in await house.findings(one) | await house.findings(other)


async def test_a_merged_and_a_closed_record_have_no_findings(house: House) -> None:
    one, other = await house.register(carers=None), await house.register(carers=None)
    await house.act(lambda scope: merging.merge(scope, house.desk, one, other, "person:lan"))
    assert await house.findings(max(one, other)) == set()
    kept = min(one, other)
    assert await house.findings(kept) == {"carer-missing"}
    await house.on(kept, lambda scope, row: house.life.withdraw(scope, row, "made-up", by="person:lan"))
    assert await house.findings(kept) == set()


async def test_what_comes_in_beside_the_desk_is_settled_by_the_pass_once_among_replicas(house: House) -> None:
    await house.register()
    await house.rows(
        """INSERT INTO child (id, sequence, unit, birth_year, name_folded, carers_folded, description, circumstances,
                              confirmed_on, registered_at, changed_at)
           SELECT gen_random_uuid(), 1, '05443', 2016, 'a', '', '{"name": "Lê Văn A", "age": 10}', '{}', '2026-11-01',
                  now(), now() FROM generate_series(1, 1200) RETURNING 1"""
    )
    assert sum(await asyncio.gather(house.settle(), house.settle(), house.settle())) == 1200
    counts = await house.rows("SELECT rule, count(*) AS n FROM finding GROUP BY rule")
    assert {row.rule: row.n for row in counts}["carer-missing"] == 1200
    assert await house.rows("SELECT * FROM unsettled") == []


async def test_a_new_rule_of_the_province_is_asked_of_everybody_by_data_alone(house: House, tmp_path: Path) -> None:
    child = await house.register()
    (tmp_path / "quality.yaml").write_text(
        """
rules:
  insurance-missing:
    {kind: missing, severity: slight, vi: Chưa có thẻ, en: No card, say_vi: "{n} trẻ", say_en: "{n} children",
     todo_vi: Hỏi, todo_en: Ask, act: correct, field: health_insurance, minutes: 2, effective_from: 2026-01-01,
     when: {empty: [health_insurance]}}
""",
        "utf-8",
    )
    try:
        lay_over(tmp_path)
        assert await house.settle() == 1
        assert await house.findings(child) == {"insurance-missing"}
    finally:
        lay_over(None)
    assert await house.settle() == 1
    assert await house.findings(child) == set()


async def test_a_commune_is_measured_once_a_day_and_told_once_among_replicas(house: House) -> None:
    await house.verify(await house.register())
    await house.register(carers=None, sex="unknown")
    await house.register(unit=THERE)
    await house.settle()
    assert sum(await asyncio.gather(house.measure(), house.measure())) >= 2
    told = {event["unit"]: event for event in await house.told()}
    assert len(await house.told()) == 2
    # Of 200 points, a carer and the sex cost 12 each.
    assert told[HERE] == {
        "unit": HERE,
        "on": "2026-11-25",
        "measured_at": "2026-11-25T01:00:00Z",
        "children": 2,
        "verified": 1,
        "due": 0,
        "broken": {"carer-missing": 1, "sex-unknown": 1},
        "score": 88.0,
    }
    assert told[THERE]["score"] == 100.0
    assert await house.measure() == 0
    house.now += timedelta(days=1)
    await house.measure()
    assert len(await house.told()) == 4


async def test_what_changed_is_measured_again_the_same_day_with_a_later_number_and_its_hour(house: House) -> None:
    child = await house.register(carers=None)
    await house.measure()
    first_at = house.now
    house.now += timedelta(minutes=10)
    await house.correct(child, carers=[{"name": "Lý Thị Thu Lan"}])
    assert await house.measure() == 0  # it may not be all
    house.now += quality.QUIET
    assert sum(await asyncio.gather(house.measure(), house.measure())) == 1
    assert [event["score"] for event in await house.told()] == [88.0, 100.0]
    hours = [datetime.fromisoformat(event["measured_at"]) for event in await house.told()]
    assert hours == [first_at, house.now]
    numbers = await house.rows("SELECT headers FROM outbox WHERE type LIKE '%quality.measured' ORDER BY position")
    first, second = (int(row.headers["ce_sequence"]) for row in numbers)
    assert first < second
    (kept,) = await house.rows("SELECT score, measured_at, times FROM quality")
    assert tuple(kept) == (100.0, house.now, 2)
    house.now += timedelta(hours=1)
    assert await house.measure() == 0
    assert await house.rows("SELECT * FROM unmeasured") == []


async def test_a_commune_that_changes_all_the_time_is_measured_as_often_as_it_may_and_no_oftener(house: House) -> None:
    await house.register()
    await house.measure()
    began = house.now
    for _ in range(12):
        house.now += timedelta(minutes=1)
        await house.register()
        await house.measure()
    hours = [datetime.fromisoformat(event["measured_at"]) for event in await house.told()]
    assert hours == [began, began + quality.REST, began + 2 * quality.REST]
    assert [event["children"] for event in await house.told()] == [1, 6, 11]


async def test_a_child_that_moves_away_has_both_communes_measured_again(house: House) -> None:
    child = await house.register(carers=None)
    await house.register(unit=THERE)
    await house.measure()
    house.now += timedelta(minutes=10)
    await house.correct(child, THERE)
    house.now += quality.QUIET
    await house.measure()
    told = [(event["unit"], event["children"], event["score"]) for event in await house.told()]
    assert sorted(told) == sorted([(HERE, 1, 88.0), (THERE, 1, 100.0), (HERE, 0, 100.0), (THERE, 2, 94.0)])


async def test_a_change_that_ends_while_its_commune_is_measured_is_not_taken_for_measured(house: House) -> None:
    await house.register()
    await house.measure()
    house.now += timedelta(minutes=10)
    async with house.database.transaction() as connection:
        late = Scope("registry", connection, house.now)
        await house.desk.register(late, _statement(house.now, {**GOOD, "number": None, "carers": []}))
        await late.flush()
        await house.register()
        house.now += quality.QUIET
        assert await house.measure() == 1
    house.now += quality.REST
    assert await house.measure() == 1
    assert [event["children"] for event in await house.told()] == [1, 2, 3]


async def test_who_is_killed_while_measuring_has_told_nothing_and_the_next_one_measures(house: House) -> None:
    await house.register()

    async def is_killed(scope: Scope) -> None:
        assert await quality.measure(scope) == 1
        await scope.flush()
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await house.act(is_killed)
    assert await house.told() == []
    assert await house.measure() == 1
    assert [event["children"] for event in await house.told()] == [1]


async def test_the_score_is_what_records_keep_of_their_points(house: House) -> None:
    await house.register(name="1", sex="unknown", birth_date=None, carers=None, hamlet=None, unit=HERE, number="12")
    rows = await house.rows("SELECT rule FROM finding")
    points = Quality.load().points(house.now.date())
    rules = [rule for row in rows if (rule := Quality.load().rule(row.rule)) is not None]
    lost = sum(points.of(rule.severity) for rule in rules)
    await house.measure()
    (event,) = await house.told()
    assert event["score"] == pytest.approx(max(0, 100 - lost))
