"""Time in the cases service: told once by whichever replica, the moment it comes, whatever one case is like."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.cases.desk import Desk, Origin
from services.cases.domain import acts
from services.cases.domain.model import INITIAL, PLAN, SEPARATION, Actor
from services.cases.store import due
from services.cases.ticker import tick, ticker
from shared.contracts.agency import ConcernReported
from shared.database import Database
from shared.messaging.router import Scope
from shared.reference.calendar import LOCAL, WorkCalendar
from shared.reference.deadlines import DeadlineRule, Deadlines
from shared.reference.units import Units
from shared.telemetry import STUCK_CASES
from tests.integration.cases_house import NAME, START, UNIT, House, act_on, concern, house, opened

__all__ = ["house"]

CHAIR = Actor("binh.chair", "Bình", "chair", frozenset({UNIT}))
LATE = START + timedelta(hours=13)


def desk_of(house: House, law: Deadlines | None = None) -> Desk:
    return Desk(house.keys, Units.load(), law or Deadlines.load())


async def many(house: House, cases: int) -> None:
    """Cases of children in danger: of each, two clocks and two tasks fall due at the same moment."""
    await house.send(*(("concern.reported", f"C-{number}", concern(danger_now="yes")) for number in range(cases)))


async def told_once(house: House, cases: int) -> None:
    """Of each case the missed clocks and both tasks, in this order, numbered on without a gap."""
    told = await house.said()
    late = [event for event in told if event["type"] in ("deadline.missed", "task.overdue", "deadline.nearing")]
    assert Counter(event["type"] for event in late) == {"deadline.missed": 2 * cases, "task.overdue": 2 * cases}
    for key in {event["key"] for event in late}:
        mine = [event for event in told if event["key"] == key]
        assert [event["sequence"] for event in mine] == list(range(1, len(mine) + 1))
        assert [event["type"] for event in mine[-4:]] == 2 * ["deadline.missed"] + 2 * ["task.overdue"]


async def test_three_replicas_tell_what_falls_due_in_one_second_once_and_in_order(
    house: House, fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many(house, 60)
    monkeypatch.setattr("services.cases.ticker.BATCH", 7)
    house.now = LATE
    replicas = [Database(fresh_database, pool_size=2) for _ in range(3)]
    try:
        counts = await asyncio.gather(*(tick(replica, desk_of(house), lambda: house.now) for replica in replicas))
    finally:
        for replica in replicas:
            await replica.close()
    assert sum(counts) == 60
    await told_once(house, 60)
    assert await tick(house.database, desk_of(house), lambda: house.now) == 0


async def test_a_deadline_is_told_the_moment_it_is_missed(house: House) -> None:
    await many(house, 1)
    due = START + timedelta(hours=12)
    loop = asyncio.get_running_loop()
    began = loop.time()
    stop = asyncio.Event()

    def clock() -> datetime:
        return due - timedelta(seconds=0.5) + timedelta(seconds=loop.time() - began)

    ticking = asyncio.create_task(ticker(house.database, desk_of(house), clock)(stop))
    try:
        async with asyncio.timeout(60):
            while not (told := await house.rows("SELECT headers FROM outbox WHERE type LIKE '%deadline.missed'")):
                await asyncio.sleep(0.05)
    finally:
        stop.set()
        await ticking
    after = datetime.fromisoformat(told[0].headers["ce_time"]) - due
    assert timedelta(0) < after < timedelta(seconds=0.3)


@pytest.mark.parametrize(
    ("spoil", "mend"),
    [
        # A row that no rule understands.
        ("UPDATE cases SET sex = 'nobody knows' WHERE id = :id", "UPDATE cases SET sex = 'female' WHERE id = :id"),
        # A row that the database does not take.
        (
            "ALTER TABLE deadline ADD CONSTRAINT spoilt CHECK (case_id <> '{id}' OR state <> 'missed')",
            "ALTER TABLE deadline DROP CONSTRAINT spoilt",
        ),
    ],
)
async def test_a_case_whose_time_cannot_be_told_stops_no_other_and_is_tried_again(
    house: House, spoil: str, mend: str
) -> None:
    await many(house, 5)
    poisoned = str((await house.said("case.opened"))[2]["data"]["case_id"])
    await change(house, spoil, poisoned)
    house.now = LATE
    with capture_logs() as logs:
        assert await tick(house.database, desk_of(house), lambda: house.now) == 5
    assert {event["key"] for event in await house.said("deadline.missed")} == {
        event["key"] for event in await house.said("case.opened")
    } - {poisoned}
    (line,) = [line for line in logs if line["event"] == "case.stuck"]
    assert (line["case"], line["attempts"]) == (poisoned, 1)
    assert NAME not in str(line)
    assert "nobody knows" not in str(line)
    # Not again at once, but ever later.
    assert await tick(house.database, desk_of(house), lambda: house.now) == 0
    for attempts, wait in ((2, 10), (3, 20)):
        house.now += timedelta(seconds=wait)
        await tick(house.database, desk_of(house), lambda: house.now)
        (row,) = await house.rows("SELECT * FROM stuck")
        assert (row.case_id, row.attempts, row.again - house.now) == (poisoned, attempts, timedelta(seconds=wait))
    stop = asyncio.Event()
    await once(house, stop)
    assert STUCK_CASES._value.get() == 1
    await change(house, mend, poisoned)
    house.now += timedelta(seconds=20)
    await once(house, asyncio.Event())
    assert STUCK_CASES._value.get() == 0
    assert await house.rows("SELECT * FROM stuck") == []
    await told_once(house, 5)


async def change(house: House, statement: str, case_id: str) -> None:
    if "{id}" in statement or ":id" not in statement:
        await ddl(house, statement.replace("{id}", case_id))
    else:
        await ddl(house, statement.replace(":id", f"'{case_id}'"))


async def ddl(house: House, statement: str) -> None:
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql(statement)


async def once(house: House, stop: asyncio.Event) -> None:
    """One round of the ticker's loop."""
    running = asyncio.create_task(ticker(house.database, desk_of(house), lambda: house.now)(stop))
    await asyncio.sleep(0.5)
    stop.set()
    await running


_HALF_A_TICK = """
import asyncio, sys
from datetime import datetime
from services.cases.desk import Desk
from shared.database import Database
from shared.messaging.router import Scope
from shared.privacy import Keys, PlatformKey
from shared.reference.deadlines import Deadlines
from shared.reference.units import Units
from shared.telemetry import STUCK_CASES

async def main():
    desk = Desk(Keys(b"m" * 32, PlatformKey(b"p" * 32)), Units.load(), Deadlines.load())
    async with Database(sys.argv[1]).transaction() as connection:
        scope = Scope("cases", connection, datetime.fromisoformat(sys.argv[2]))
        await desk.cases.tick(scope, 200)
        await scope.flush()
        print("told", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_a_replica_that_is_killed_before_its_commit_has_told_nothing(house: House, fresh_database: str) -> None:
    await many(house, 8)
    house.now = LATE
    replica = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HALF_A_TICK, fresh_database, LATE.isoformat(), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert replica.stdout is not None
        assert await asyncio.wait_for(replica.stdout.readline(), 60) == b"told\n"
        # While it holds the rows, nobody else touches them.
        assert await tick(house.database, desk_of(house), lambda: house.now) == 0
    finally:
        replica.send_signal(signal.SIGKILL)
        await replica.wait()
    taken = 0
    async with asyncio.timeout(60):
        while taken < 8:
            taken += await tick(house.database, desk_of(house), lambda: house.now)
    await told_once(house, 8)


async def test_when_to_look_again_is_corrected_where_nothing_is_due_yet(house: House) -> None:
    await many(house, 1)
    await ddl(house, "UPDATE cases SET next_moment = opened_at")
    house.now = START + timedelta(hours=1)
    assert await tick(house.database, desk_of(house), lambda: house.now) == 1
    assert await tick(house.database, desk_of(house), lambda: house.now) == 0
    (row,) = await house.rows("SELECT next_moment FROM cases")
    assert row.next_moment == START + timedelta(hours=6)


def plan_rule(**changes: Any) -> DeadlineRule:
    rule: dict[str, Any] = {
        "kind": PLAN,
        "vi": "Kế hoạch",
        "en": "Plan",
        "starts": "receipt",
        "nearing": 24,
        "legal_source_vi": "luật",
        "legal_source_en": "law",
        "effective_from": date(2017, 7, 1),
        "working_days": 5,
        "pausable": ("force-majeure",),
        "pause_days": 10,
        "pause_source_vi": "luật dừng",
        "pause_source_en": "pausing law",
    }
    return DeadlineRule(**{**rule, **changes})


def law(*rules: DeadlineRule) -> Deadlines:
    initial = plan_rule(kind=INITIAL, nearing=6, hours=12, working_days=None, pausable=(), pause_days=0)
    return Deadlines([initial, *rules], WorkCalendar.load(), (), ["force-majeure"], [UNIT], "19")


async def test_a_law_that_changes_in_the_middle_of_a_case_leaves_its_clocks_as_they_started(house: House) -> None:
    rest = {"hours": 360, "working_days": None, "pausable": (), "pause_days": 0}
    separation = plan_rule(kind=SEPARATION, nearing=48, **rest)
    before = desk_of(house, law(plan_rule(), separation))
    # The service starts again with the new law in its data, three days later.
    after = desk_of(
        house,
        law(
            plan_rule(effective_to=date(2026, 11, 26)),
            plan_rule(effective_from=date(2026, 11, 26), working_days=2, pausable=(), pause_days=0),
            plan_rule(kind=SEPARATION, nearing=48, effective_to=date(2026, 11, 26), **rest),
            plan_rule(kind=SEPARATION, nearing=10, effective_from=date(2026, 11, 26), **{**rest, "hours": 100}),
        ),
    )
    report = ConcernReported.model_validate(concern())
    async with house.database.transaction() as connection:
        scope = Scope("cases", connection, START)
        file = await before.intake.take_in(scope, report, Origin("hotline", "/agency/hotline/x", "C-1"))
        worker = Actor("lan.worker", "Lan", "worker", frozenset({UNIT}))
        file = await before.intake.act(scope, file.concern.id, acts.OpenCase(), worker, file.concern.version)
        assert file.concern.case_id is not None
        separate = acts.DecideEmergency(measure="separation", decision="Cách ly")
        case = await before.cases.act(scope, file.concern.case_id, separate, CHAIR, 1)
        await scope.flush()
    plan, apart = (next(clock for clock in case.clocks if clock.kind == kind) for kind in (PLAN, SEPARATION))
    assert apart.due == START + timedelta(days=15)

    async def act(desk: Desk, act: acts.Act, now: datetime, version: int) -> dict[str, Any]:
        async with house.database.transaction() as connection:
            scope = Scope("cases", connection, now)
            done = await desk.cases.act(scope, case.id, act, CHAIR, version)
            await scope.flush()
        return {clock.id: clock for clock in done.clocks}

    changed = START + timedelta(days=3)
    stands = await act(
        after, acts.PauseDeadline(deadline=plan.id, reason="force-majeure", words="Lũ"), changed, case.version
    )
    assert stands[plan.id].pause_ends_at == changed + timedelta(days=10)
    runs = await act(after, acts.ResumeDeadline(deadline=plan.id), changed + timedelta(days=3), case.version + 1)
    # Five working days from the 24th, a holiday; one of them stood still, from Friday to Monday.
    assert plan.due == datetime(2026, 12, 2, tzinfo=LOCAL)
    assert runs[plan.id].due == datetime(2026, 12, 3, tzinfo=LOCAL)
    longer = await act(
        after,
        acts.ExtendSeparation(until=date(2026, 12, 20), reason="Tòa án yêu cầu"),
        changed + timedelta(days=4),
        case.version + 2,
    )
    extended = next(clock for clock in longer.values() if clock.kind == SEPARATION and clock.runs)
    assert extended.legal_source == apart.legal_source
    # It warns as long before its end as the law under which the separation began.
    assert extended.due - extended.nearing_at == timedelta(hours=48)


async def test_the_chair_pauses_a_clock_on_its_page_and_the_worker_only_reads_of_it(house: House) -> None:
    await house.send(("concern.reported", "C-1", concern()))
    chair, worker = await house.as_person("binh.chair"), await house.as_person("lan.worker")
    concern_id = (await house.said("concern.received"))[0]["data"]["concern_id"]
    await act_on(chair, f"/cases/concerns/{concern_id}", "open", {})
    case_id = (await house.said("case.opened"))[0]["data"]["case_id"]
    path = f"/cases/c/{case_id}"
    page = (await chair.get(path)).text
    assert "Tạm dừng thời hạn" in page
    assert "Bộ luật Dân sự 91/2015/QH13, khoản 1 Điều 156" in page
    assert 'value="pause-deadline"' not in (await worker.get(path)).text
    deadline = re.search(
        r'<option value="([^"]+)">Kế hoạch hỗ trợ, can thiệp \(5 ngày làm việc\) · tối đa 30 ngày', page
    )
    assert deadline, page
    missing = await act_on(chair, path, "pause-deadline", {"pause-deadline.deadline": deadline.group(1)})
    assert 'id="f-pause-deadline-reason-error"' in missing.text
    fields = {"deadline": deadline.group(1), "reason": "force-majeure", "words": "Lũ cuốn cầu, xã bị chia cắt"}
    done = await act_on(
        chair, path, "pause-deadline", {f"pause-deadline.{name}": text for name, text in fields.items()}
    )
    assert done.status in (302, 303)
    (told,) = await house.said("deadline.paused")
    assert (told["data"]["state"], told["data"]["reason"]) == ("paused", "force-majeure")
    assert "Lũ cuốn" not in str(told)
    read = (await worker.get(path)).text
    assert "Tạm dừng tính thời hạn" in read
    assert "Lũ cuốn cầu, xã bị chia cắt" in read
    assert "Thiên tai, dịch bệnh, sự kiện bất khả kháng" in read
    rows = await house.rows("SELECT words::text AS words FROM entry WHERE kind = 'deadline.paused'")
    assert "Lũ" not in rows[0].words
    house.now = datetime(2026, 12, 20, tzinfo=UTC)
    assert await tick(house.database, desk_of(house), lambda: house.now) == 1
    done = await act_on(chair, path, "resume-deadline", {"resume-deadline.deadline": deadline.group(1)})
    assert done.status in (302, 303)
    assert len(await house.said("deadline.resumed")) == 1
    assert [event["data"]["kind"] for event in await house.said("deadline.missed")] == [INITIAL]


async def test_a_case_that_another_transaction_holds_is_told_as_soon_as_it_is_let_go(house: House) -> None:
    case_id = await opened(house)
    house.now = LATE
    stop = asyncio.Event()
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql(f"SELECT 1 FROM cases WHERE id = '{case_id}' FOR UPDATE")
        ticking = asyncio.create_task(ticker(house.database, desk_of(house), lambda: house.now)(stop))
        await asyncio.sleep(0.3)
        assert await house.said("deadline.missed") == []
    try:
        async with asyncio.timeout(60):
            while not await house.said("deadline.missed"):
                await asyncio.sleep(0.02)
    finally:
        stop.set()
        await ticking


async def test_what_falls_due_is_found_by_its_index_among_many_cases(house: House) -> None:
    await many(house, 1)
    columns = (
        "unit, sex, age_band, kind, risk, status, step, sector, channel, danger_now, received_at, opened_at, identity"
    )
    await ddl(
        house,
        f"""INSERT INTO cases (id, code, concern_id, {columns}, candidates, version, sequence, next_moment)
            SELECT 'other-' || number, 'other-' || number, 'c', {columns}, '[]', 1, 1,
                   next_moment + number * interval '1 s'
            FROM cases, generate_series(1, 20000) AS number""",
    )
    await ddl(house, "ANALYZE cases")
    for statement in (due.DUE, due.NEXT):
        plan = await house.rows(f"EXPLAIN {statement}", **({"now": START, "limit": 100} if ":now" in statement else {}))
        assert "cases_next_moment" in str(plan)
        assert "Seq Scan" not in str(plan)
