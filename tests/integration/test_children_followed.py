"""Who else knows a child follows what the registry does with its records: statistics and cases, on real databases, by
the registry's own events, in whatever order partitions deliver them.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import services.stats
from services.cases import store as case_store
from services.cases.app import build as build_cases
from services.registry.desk import merging
from services.registry.handlers import routes
from services.registry.store import children as store
from services.stats.handlers.counting import Batch, apply
from services.stats.store.cube import Cells, Ledger
from shared.database import Database
from shared.messaging.intake import Intake
from shared.messaging.processing import Processor, Record
from shared.messaging.service import ServiceContext
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from shared.settings import Settings
from tests.integration.cases_house import concern
from tests.integration.registry_house import House
from tests.integration.test_registry import CHILD, MIGRATIONS, NOW, Registry, recorded
from tests.support import backends
from tests.unit.stats.counted import cube
from tests.unit.stats.recount import Cube

WORKER = "person:lan.worker"
SISTER = {"name": "Nguyễn Thị Ngọc Ánh", "birth_date": "2017-04-10", "sex": "female"}
COUSIN = {"name": "Lý Thị Ngọc", "birth_date": "2015-01-02", "sex": "female"}


class Province:
    """The registry, whose clock goes on with every act, and who hears of it: cases and statistics."""

    def __init__(self, registry: Database, cases: Database, stats: Database) -> None:
        self.keys = Keys(b"m" * 32, PlatformKey(b"p" * 32))
        self.registry = Registry(registry, self.keys)
        self.life = House(registry, self.keys)
        # What the registry does happens one after the other.
        self.registry.processor = Processor(
            routes(self.registry.desk, self.keys, Units.load()), registry, self.keys, self.later
        )
        self.cases = cases
        settings = Settings(session_secret="s" * 40, demo_users=True)  # type: ignore[arg-type]
        built = build_cases(ServiceContext(settings, cases, self.keys, lambda: NOW))
        self.migrations = built.migrations
        self.to_cases = Processor(built.messaging, cases, self.keys, lambda: NOW)
        self.stats = stats
        self.told = 0
        self.known_cases: set[str] = set()

    def later(self) -> Any:
        self.life.now += timedelta(seconds=1)
        return self.life.now

    async def act(self, does: Any) -> Any:
        self.later()
        return await self.life.act(does)

    async def child(self, record: str, child: dict[str, Any], **over: Any) -> str:
        """A source records a child. Out: its id."""
        await self.registry.send(recorded(record, child, **over))
        return str((await self.registry.events("record.linked"))[-1]["child_id"])

    async def case(self, number: str, child: dict[str, Any], child_id: str) -> str:
        """A case, of which a person says whose it is."""
        event = {
            "specversion": "1.0",
            "id": number,
            "source": "/agency/hotline/thai-nguyen",
            "type": "vn.vongtay.agency.concern.reported",
            "subject": number,
            "time": NOW.isoformat(),
            "data": concern(child=child, danger_now="yes"),
        }
        await Intake(self.to_cases, "cases").accept([event], "hotline")
        async with self.cases.transaction() as connection:
            rows = await connection.execute(text("SELECT id FROM cases ORDER BY opened_at DESC, id DESC"))
            (case_id,) = {row.id for row in rows} - self.known_cases
        self.known_cases.add(case_id)
        await self.registry.described(child, case_id, chosen=child_id)
        return str(case_id)

    async def outbox(self) -> list[Record]:
        """What the registry has told and nobody has heard of, in its order."""
        async with self.registry.database.transaction() as connection:
            rows = await connection.execute(
                text(
                    """SELECT position, aggregatetype, aggregateid, payload, headers FROM outbox
                       WHERE aggregatetype LIKE 'registry%' AND position > :told ORDER BY position"""
                ),
                {"told": self.told},
            )
            found = [
                Record(
                    row.aggregatetype,
                    0,
                    row.position,
                    row.aggregateid,
                    row.payload,
                    tuple((name, value.encode()) for name, value in row.headers.items()),
                )
                for row in rows
            ]
        self.told = found[-1].offset if found else self.told
        return found

    async def true_figures(self) -> Cube:
        """What statistics must say, counted from the registry's own tables."""
        true: Cube = Counter()
        async with self.registry.database.transaction() as connection:
            for row in await connection.execute(
                text("SELECT unit, circumstances FROM child WHERE merged_into IS NULL AND status = 'active'")
            ):
                true["child", row.unit or "unclassified", "+".join(sorted(row.circumstances))] += 1
            registers: defaultdict[str, set[str]] = defaultdict(set)
            said = await connection.execute(
                text(
                    """SELECT s.*, c.id AS child FROM statement s JOIN child c ON c.id = s.child_id
                       WHERE c.status NOT IN ('withdrawn', 'erased')"""
                )
            )
            for row in said:
                dropped = "dropped-out" if row.dropped_out else ""
                groups = "+".join(sorted(set(row.circumstances)))
                true["record", row.unit or "unclassified", row.register_kind, dropped, groups] += 1
                child = await store.current(connection, str(row.child))
                assert child is not None
                registers[child.id].add(row.register_kind)
            for known in registers.values():
                true["membership", "+".join(sorted(known))] += 1
        return true

    async def whose(self, case_id: str) -> str | None:
        async with self.cases.transaction() as connection:
            rows = await connection.execute(text("SELECT child_id FROM cases WHERE id = :id"), {"id": case_id})
            return str(rows.scalar_one())


@pytest.fixture
async def province(postgres_url: str) -> AsyncIterator[Province]:
    async with (
        backends.database(postgres_url) as one,
        backends.database(postgres_url) as two,
        backends.database(postgres_url) as three,
    ):
        registry, cases, stats = Database(one), Database(two), Database(three)
        made = Province(registry, cases, stats)
        await registry.migrate(MIGRATIONS)
        await cases.migrate(made.migrations)
        await stats.migrate(Path(services.stats.__file__).parent / "migrations")
        yield made
        for database in (registry, cases, stats):
            await database.close()


def delivered(records: Sequence[Record], seed: int) -> list[Record]:
    """The records as partitions deliver them: each key's in their order, keys in any, some twice."""
    chance = random.Random(seed)
    waiting: defaultdict[str | None, list[Record]] = defaultdict(list)
    for record in records:
        waiting[record.key].append(record)
    found: list[Record] = []
    while waiting:
        key = chance.choice(sorted(waiting, key=str))
        found.append(waiting[key].pop(0))
        if not waiting[key]:
            del waiting[key]
        if chance.random() < 0.1:
            found.append(chance.choice(found))
    return found


@pytest.mark.parametrize("seed", range(6))
async def test_statistics_and_cases_follow_what_the_registry_does_with_records(province: Province, seed: int) -> None:
    registry, desk = province.registry, province.registry.desk
    kept = await province.child("r1", CHILD)
    gone = await province.child("r2", SISTER)
    cousin = await province.child("r3", COUSIN)
    wrong = await province.child("s1", {**CHILD, "school": "Trường A"}, kind="school-roster", circumstances=["02"])
    assert (wrong, len({kept, gone, cousin})) == (kept, 3)
    own = await province.case("C-1", SISTER, gone)
    through = await province.case("C-2", COUSIN, cousin)
    stays = await province.case("C-3", CHILD, kept)
    if seed % 2:  # half of the time consumers have heard the beginning before anything is merged
        await hear(province, seed)
    await province.act(lambda scope: merging.merge(scope, desk, gone, cousin, WORKER))
    merge_id = await province.act(lambda scope: merging.merge(scope, desk, kept, gone, WORKER))
    new = await province.act(lambda scope: merging.undo(scope, desk, merge_id, WORKER))
    school = next(
        link["record_id"] for link in await registry.events("record.linked") if link["register_kind"] == "school-roster"
    )
    split_id, parted = await province.act(lambda scope: merging.split(scope, desk, kept, [school], "hai trẻ", WORKER))
    if seed % 3 == 0:
        await province.act(lambda scope: merging.undo_split(scope, desk, split_id, WORKER))
    elif seed % 3 == 1:
        await province.life.on(parted, lambda scope, row: province.life.life.withdraw(scope, row, "made-up", by=WORKER))
    await hear(province, seed + 100)
    assert await cube(province.stats) == await province.true_figures()
    assert [await province.whose(case_id) for case_id in (own, through, stays)] == [new, new, kept]
    # A case that still names a child by an old id means whom that id stands for by now.
    async with province.cases.transaction() as connection:
        assert {await case_store.resolved(connection, one) for one in (gone, cousin, new)} == {new}


async def hear(province: Province, seed: int) -> None:
    """Statistics and cases hear what was told since they last did, each in an order of its own."""
    records = await province.outbox()
    cells, ledger = Cells(), Ledger()
    for record in delivered(records, seed):
        async with province.stats.transaction() as connection:
            changed = await apply(connection, await Batch.read([record], cells), cells, ledger)
        cells.remember(changed.new_cells)
    results = await province.to_cases.handle(delivered(records, seed + 1))
    assert {one.outcome for one in results} <= {"accepted", "duplicate", "ignored", "skipped"}, results
