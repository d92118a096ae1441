"""Lists and figures of tasks on a real database: what is kept for them is what the rules say, and they stay quick."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from shared.reference.units import Units
from tests.integration.cases_house import (
    START,
    UNIT,
    House,
    concern,
    house,
    opened,
    tick_once,
)
from tests.integration.cases_requests import HOUR, answer, request, task_of

__all__ = ["house"]


async def test_what_is_kept_of_who_is_awaited_is_what_the_rules_say(house: House) -> None:
    case_id = await opened(house)
    police, health = await task_of(house), await task_of(house, "health")
    await answer(house, police.id, "question", "A-1", question="?")
    await answer(house, health.id, "declined", "A-2", sector="health", reason="Không")
    await request(house, case_id, "unions", "home-visit")
    awaited = {row.sector: row.awaited for row in await house.rows("SELECT * FROM task")}
    assert awaited == {"police": "commune", "health": "commune", "unions": "sector"}
    worker, coordinator = await house.as_person("lan.worker"), await house.as_person("ha.coordinator")
    mine = (await worker.get("/cases/tasks")).text
    assert [task.id in mine for task in (police, health)] == [True, True]
    assert "unions" not in [row.sector for row in (police, health)]
    house.now += 13 * HOUR
    await tick_once(house, house.desk_of)
    board = (await coordinator.get("/cases/tasks?awaited=commune&sector=police&overdue=1")).text
    assert police.id in board
    assert health.id not in board
    assert "Các ngành trả lời ra sao" in board
    for odd in ("?sector=x&state=y&awaited=z&page=-1&unit=%00", "?page=99999999999", "?page=900"):
        assert (await coordinator.get(f"/cases/tasks{odd}")).status in (200, 422)


async def test_figures_of_sectors_are_medians_of_hours_to_the_first_answer(house: House) -> None:
    await house.send(*[("concern.reported", f"C-{number}", concern(danger_now="yes")) for number in range(4)])
    rows = await house.rows("SELECT id FROM task WHERE sector = 'police' ORDER BY id")
    for hours, row in zip((1, 2, 9), rows, strict=False):
        house.now = START + hours * HOUR
        assert (await answer(house, row.id, "accepted", f"A-{hours}")).outcome == "accepted"
    house.now = START + 10 * HOUR
    assert (await answer(house, rows[0].id, "done", "A-10")).outcome == "accepted"
    page = (await (await house.as_person("ha.coordinator")).get("/cases/tasks")).text
    police = page[page.index("sector=police") :][:1500]
    assert ">2,0<" in police
    assert ">7,6<" in police, "nine of ten, between the two latest"
    assert "3 trong 4" in police


async def test_lists_and_figures_are_read_from_indexes_among_many_tasks(house: House) -> None:
    units = list(Units.load().codes())
    async with house.database.transaction() as connection:
        await connection.execute(text("SELECT setseed(0.5)"))
        await connection.execute(
            text(
                """INSERT INTO cases (id, code, concern_id, unit, sex, age_band, kind, risk, status, step, sector,
                                      channel, danger_now, received_at, opened_at, identity, candidates, version,
                                      sequence)
                   SELECT 'c' || n, 'X-' || n, 'k' || n, (CAST(:units AS text[]))[1 + n % :many], 'female', '6-10',
                          'violence', 'low', CASE WHEN n % 10 = 0 THEN 'open' ELSE 'closed' END, 'intake', 'hotline',
                          'web', 'no', now(), now(), 'none', '[]', 1, 1
                   FROM generate_series(1, 20000) AS n"""
            ),
            {"units": units, "many": len(units)},
        )
        await connection.execute(
            text(
                """INSERT INTO task (id, case_id, kind, sector, state, asked_at, due, answered_at, responded_at, unit,
                                     awaited)
                   SELECT 't' || n, 'c' || (1 + n % 20000), 'verification',
                          (ARRAY['police', 'health', 'education', 'dolisa', 'justice', 'unions'])[1 + n % 6],
                          CASE WHEN n % 20 = 0 THEN 'accepted' ELSE 'done' END,
                          CAST(:now AS timestamptz) - n * interval '20 minutes',
                          CAST(:now AS timestamptz) - n * interval '20 minutes' + interval '3 days',
                          :now, CAST(:now AS timestamptz) - n * interval '20 minutes' + random() * interval '40 hours',
                          (CAST(:units AS text[]))[1 + (1 + n % 20000) % :many],
                          CASE WHEN n % 100 = 0 THEN 'commune' WHEN n % 20 = 0 THEN 'sector' ELSE 'nobody' END
                   FROM generate_series(1, 50000) AS n"""
            ),
            {"units": units, "many": len(units), "now": house.now},
        )
    async with house.database.engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text("ANALYZE task"))
        await plain.execute(text("ANALYZE cases"))
    coordinator = await house.as_person("ha.coordinator")
    worker = await house.as_person("lan.worker")
    for client, address in (
        (worker, "/cases/tasks"),
        (coordinator, "/cases/tasks"),
        (coordinator, "/cases/tasks?awaited=nobody&sector=health"),
        (coordinator, "/cases/tasks?state=done"),
    ):
        assert (await client.get(address)).status == 200
    from services.cases.store import tasks as statements

    plans = await _plans(house, statements)
    for name, plan in plans.items():
        assert "Seq Scan on task" not in plan, (name, plan)


async def _plans(house: House, statements: Any) -> dict[str, str]:
    """How PostgreSQL means to answer what the pages ask: every statement of the lists, explained."""
    asked: list[tuple[str, str, dict[str, Any]]] = []

    class Watching:
        def __init__(self, connection: Any) -> None:
            self.connection = connection

        async def execute(self, statement: Any, values: Any = None) -> Any:
            asked.append((str(statement), str(statement), dict(values or {})))
            return await self.connection.execute(statement, values)

    wanted = statements.TaskFilter
    async with house.database.transaction() as connection:
        watched: Any = Watching(connection)
        mine: Any = frozenset({UNIT})
        await statements.list_tasks(watched, mine, wanted("commune"), house.now, limit=40)
        await statements.list_tasks(watched, "all", wanted(""), house.now, limit=40)
        await statements.list_tasks(watched, "all", wanted("nobody", sector="health"), house.now, limit=40)
        await statements.tasks_of_sector(watched, "health", "all", "sector", "quang.police", 100)
        await statements.tasks_of_sector(watched, "health", "all", "nobody", "quang.police", 30)
        await statements.sector_figures(watched, mine, house.now, house.now - timedelta(days=90))
        plans = {}
        for number, (_, statement, values) in enumerate(asked):
            rows = await connection.execute(text("EXPLAIN " + statement), values)
            plans[f"{number}: {statement[:60]}"] = "\n".join(row[0] for row in rows)
    return plans
