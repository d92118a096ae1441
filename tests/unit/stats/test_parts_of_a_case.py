"""Deadlines and tasks are counted where their case is now: a case decides, statistics count what it says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import text

from services.cases.domain import acts, cases, ending, opening, tasks
from services.cases.domain.model import Case, Decision, World
from services.stats.handlers.counting import Batch, apply
from services.stats.store.cube import Cells, Ledger
from shared.database import Database
from tests.support.made_up import CHAIR, UNIT, WORKER, concern, initial, world
from tests.unit.stats.events import Event, records

OTHER = "05455"
Figures = Counter[tuple[str, ...]]


class Told:
    """What a case has said so far, numbered as its desk numbers it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._numbers: Counter[str] = Counter()

    def say(self, before: Case | None, decision: Decision) -> Case:
        decision = cases.follow(before, decision)
        case = decision.case
        for happening in decision.happenings:
            self._numbers[case.id] += 1
            data = happening.model.model_validate({"case_id": case.id, "facts": case.facts(), **happening.extra})
            self.events.append(Event(data, case.id, self._numbers[case.id]))
        return case

    def open(self, name: str = "case-1", danger: str = "yes") -> Case:
        opened = opening.open_case(concern(danger_now=danger), name, f"TN-{name}", None, _world(name), by_person=False)
        return self.say(None, opened)

    def act(self, case: Case, act: dict[str, object], *, chair: bool = False) -> Case:
        done = cases.decide(case, acts.ACT.validate_python(act), CHAIR if chair else WORKER, _world(case.id))
        return self.say(case, done)


def _world(name: str) -> World:
    made = world()
    return replace(made, new_id=lambda: f"{name}-{made.new_id()}")


async def figures(database: Database, told: Told) -> Figures:
    """Deadlines and tasks by commune, kind of abuse and state, after everything told was counted."""
    cells, ledger = Cells(), Ledger()
    async with database.transaction() as connection:
        changed = await apply(connection, await Batch.read(records(told.events), cells), cells, ledger)
        assert not changed.broken
        rows = await connection.execute(
            text(
                """SELECT cell.kind, unit, extra, status, sum(n) AS n FROM cube JOIN cell ON cell.id = cube.cell
                   WHERE cell.kind IN (3, 4) GROUP BY 1, 2, 3, 4"""
            )
        )
        return +Counter({(str(row.kind), row.unit, row.extra, row.status): int(row.n) for row in rows})


async def test_a_transfer_takes_what_runs_along_and_leaves_what_was_done(database: Database) -> None:
    told = Told()
    case = told.open()
    case = told.say(case, tasks.answer(case, world(), case.tasks[0].id, None, "done"))
    told.act(case, {"act": "transfer", "to_unit": OTHER, "reason": "Trẻ sống ở đó"})
    assert await figures(database, told) == {
        ("3", OTHER, "violence", "running"): 2,
        ("4", OTHER, "violence", "requested"): 1,
        ("4", UNIT, "violence", "done"): 1,
    }


async def test_a_reclassification_counts_running_clocks_and_open_tasks_under_the_new_kind(database: Database) -> None:
    told = Told()
    case = told.open()
    case = told.say(case, tasks.answer(case, world(), case.tasks[0].id, None, "accepted"))
    told.act(case, {"act": "reclassify", "kind": "neglect", "reason": "Không phải bạo lực"})
    assert await figures(database, told) == {
        ("3", UNIT, "neglect", "running"): 2,
        ("4", UNIT, "neglect", "accepted"): 1,
        ("4", UNIT, "neglect", "requested"): 1,
    }


@pytest.mark.parametrize("level", ["medium", "low"])
async def test_a_new_risk_reaches_the_tasks_that_wait(database: Database, level: str) -> None:
    told = Told()
    case = told.open()
    told.say(case, cases.decide(case, initial(level), WORKER, _world(case.id)))
    await figures(database, told)
    async with database.transaction() as connection:
        rows = await connection.execute(
            text("SELECT DISTINCT risk FROM cube JOIN cell ON cell.id = cube.cell WHERE cell.kind = 4 AND n > 0")
        )
    assert [row.risk for row in rows] == [level]


async def test_a_merge_settles_the_clocks_and_tasks_of_the_case_that_goes(database: Database) -> None:
    told = Told()
    goes, stays = told.open("case-1"), told.open("case-2", danger="no")
    act = acts.Merge(into=stays.code, reason="Cùng một trẻ")
    gone, on = ending.merge(goes, stays, act, WORKER, _world("case-2-later"), {})
    told.say(goes, gone)
    told.say(stays, on)
    assert await figures(database, told) == {
        ("3", UNIT, "violence", "cancelled"): 2,
        ("3", UNIT, "violence", "running"): 3,
        ("4", UNIT, "violence", "cancelled"): 2,
        ("4", UNIT, "violence", "requested"): 2,
    }


async def test_closing_settles_every_clock_and_task(database: Database) -> None:
    told = Told()
    case = told.open()
    case = told.act(case, {"act": "verify", "confirmed": False, "findings": "Không có việc này"})
    told.act(case, {"act": "close", "outcome": "unfounded"}, chair=True)
    assert await figures(database, told) == {
        ("3", UNIT, "violence", "cancelled"): 2,
        ("4", UNIT, "violence", "cancelled"): 2,
    }


def test_what_changes_nothing_that_is_counted_says_nothing_again() -> None:
    told = Told()
    case = told.open()
    before = len(told.events)
    told.act(case, {"act": "verify", "confirmed": True, "findings": "Đúng"})
    assert len(told.events) == before + 1
