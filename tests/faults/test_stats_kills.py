"""Statistics are killed at random moments of all that they do: figures equal a recount, each event is told once."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from local.process import ServerProcess
from services.stats.domain.periods import Period
from services.stats.store.history import count_periods
from shared.database import Database
from shared.messaging.kafka import producer
from shared.reference.indicators import Part
from tests.support.platform import Parts, everything_in, parts
from tests.support.stats_worker import CLOSED
from tests.unit.stats import events as make
from tests.unit.stats.counted import cube
from tests.unit.stats.events import UNITS, Event
from tests.unit.stats.recount import recount
from tests.unit.stats.recount_history import Happened, happened, stood

pytestmark = pytest.mark.timeout(420)
# One of the others opens the door for people.
REPLICAS = ("cases", "stats", "stats")
WORKERS = 2
SECONDS = 45.0
NOW = datetime.now(UTC)
WHOLE = Period.parse("2000..2060")
FLOWS = {"reports": ("unit", "request", "danger_now"), "openings": ("unit", "environment"), "clocks": ("unit", "state")}
STATES = {"cases": ("unit", "status", "environment"), "children": ("unit", "age", "circumstance")}


def lives(chance: random.Random, number: int) -> list[Happened]:
    """What happened to a child, a report and a case, from some day of the last twelve years on."""
    at = NOW - timedelta(days=chance.uniform(10, 365 * 12))
    found: list[Happened] = []

    def happens(event: Event) -> None:
        nonlocal at
        found.append(Happened(event, at))
        at = min(NOW, at + timedelta(hours=chance.choice([0, 2, 30, 24 * 12, 24 * 90])))

    happens(make.concern(f"c{number}", 1, unit=chance.choice(UNITS), received_at=at))
    for sequence in range(1, chance.randrange(2, 7)):
        where = chance.choice(["family", "school", None])
        status = chance.choice(["open", "closed"])
        happens(make.case(f"k{number}", sequence, unit=chance.choice(UNITS), status=status, environment=where))
    happens(make.deadline(f"d{number}", f"k{number}", 9, chance.choice(["met", "missed"]), unit="05443"))
    for sequence in range(1, chance.randrange(2, 5)):
        groups = chance.sample(["01", "04", "09"], chance.randrange(3))
        happens(make.child(f"ch{number}", sequence, unit=chance.choice(UNITS), circumstances=groups))
    if chance.random() < 0.1:
        happens(make.erased(f"ch{number}", 9))
    return found


def surge() -> list[Happened]:
    """So many reports of one commune within a week as there never were."""
    at = NOW - timedelta(days=2)
    return [Happened(make.concern(f"surge{number}", 1, unit="05455", received_at=at), at) for number in range(15)]


async def publish(stack: Parts, chance: random.Random, history: Sequence[Happened]) -> None:
    """Nearly in their order, many of them twice."""
    delivered = [*history, *chance.choices(history, k=len(history) // 4)]
    delivered.sort(key=lambda one: one.at + timedelta(days=chance.uniform(0, 60)))
    settings = stack.settings()
    async with producer(settings) as sender:
        for number, (event, at) in enumerate(delivered):
            record = event.record(time=at)
            topic = settings.topic_prefix + record.topic
            await sender.send(topic, record.value, key=record.key.encode(), headers=list(record.headers))
            if number % 100 == 0:
                await sender.flush()
                await asyncio.sleep(SECONDS * 0.6 * 100 / len(delivered))
        await sender.flush()


class Workers:
    """The processes beside the replicas."""

    def __init__(self, stack: Parts) -> None:
        self._env = {
            **stack.env,
            "VONGTAY_DATABASE_URL": stack.postgres.url("stats"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        self.processes = [
            ServerProcess(stack.folder / f"worker-{number}.pid", "stats_worker", stack.folder / f"worker-{number}.log")
            for number in range(WORKERS)
        ]

    async def start(self, process: ServerProcess) -> None:
        command = [sys.executable, "-m", "tests.support.stats_worker"]
        await asyncio.to_thread(process.start, command, env=self._env)


async def kill_at_random(stack: Parts, workers: Workers, chance: random.Random, until: float) -> int:
    """Kill one or another process, start it again, and go on."""
    killed = 0
    while asyncio.get_running_loop().time() < until:
        await asyncio.sleep(chance.uniform(0.3, 3))
        if chance.random() < 0.5:
            process = chance.choice(workers.processes)
            await asyncio.to_thread(process.kill)
            await workers.start(process)
        else:
            replica = chance.choice(stack.of("stats"))
            await asyncio.to_thread(replica.process.kill)
            await stack.start(replica)
        killed += 1
    return killed


async def rebuild_again_and_again(stack: Parts, until: float) -> None:
    while asyncio.get_running_loop().time() < until:
        await stack.ask("POST", "/stats/ops/rebuild", role="operator")
        await asyncio.sleep(4)


async def settled(stack: Parts, database: Database, seconds: float = 60) -> None:
    """Wait until both ways have counted everything, and nothing waits to be published."""
    async with asyncio.timeout(seconds):
        while True:
            answer = await stack.ask("GET", "/stats/api/progress", role="operator")
            async with database.transaction() as connection:
                waiting = (await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one()
            if answer.status == 200 and not waiting:
                progress = answer.json()
                if progress["counted"] and not progress.get("history", {"behind": 1})["behind"]:
                    return
            await asyncio.sleep(0.3)


async def test_kills_at_random_moments_of_everything_change_no_figure_and_tell_nothing_twice(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    history = [one for number in range(250) for one in lives(chance, number)] + surge()
    history.sort(key=lambda one: one.at)
    async with parts(tmp_path, REPLICAS) as stack:
        database = Database(stack.postgres.url("stats"))
        workers = Workers(stack)
        try:
            for process in workers.processes:
                await workers.start(process)
            until = asyncio.get_running_loop().time() + SECONDS
            _, killed, _ = await asyncio.gather(
                publish(stack, chance, history),
                kill_at_random(stack, workers, chance, until),
                rebuild_again_and_again(stack, until),
            )
            assert killed > 10
            await stack.ready()
            await settled(stack, database)
            await figures_equal_a_recount(stack, database, chance, history)
            await ends_well(stack, database)
            await figures_equal_a_recount(stack, database, chance, history)
            await settled(stack, database)
            await each_is_told_once(stack)
        finally:
            for process in workers.processes:
                await asyncio.to_thread(process.kill)
            await database.close()


async def figures_equal_a_recount(
    stack: Parts, database: Database, chance: random.Random, history: Sequence[Happened]
) -> None:
    checked = await stack.post("/stats/ops/check", {}, "operator")
    assert checked["agree"], checked
    assert await cube(database) == recount([event for event, _ in history])
    async with database.transaction() as connection:
        rows = await connection.execute(text("SELECT at FROM kept_moment WHERE at > '2014-01-01' ORDER BY at"))
        kept = [row.at for row in rows]
        assert kept
        for as_of in (NOW + timedelta(days=1), NOW - timedelta(days=400), *chance.sample(kept, 4)):
            for measure, by in FLOWS.items():
                found = await count_periods(connection, Part(measure, "period", {}), [WHOLE], by, None, as_of)
                expected = happened(history, measure, WHOLE.first, WHOLE.last, as_of)
                assert {row.keys: row.n for row in found[WHOLE]} == dict(expected), (measure, as_of)
            for measure, by in STATES.items():
                found = await count_periods(connection, Part(measure, "state", {}), [WHOLE], by, None, as_of)
                assert {row.keys: row.n for row in found[WHOLE]} == dict(stood(history, measure, WHOLE.last, as_of))


async def ends_well(stack: Parts, database: Database) -> None:
    """Left alone, a rebuild and compacting come to their end."""
    state = await stack.post("/stats/ops/rebuild", {}, "operator")
    async with asyncio.timeout(120):
        while state["state"] == "running":
            await asyncio.sleep(0.5)
            state = await stack.get("/stats/ops/rebuild", "operator")
        assert (state["state"], state["differing"]) == ("done", 0), state
        while (await stack.get("/stats/ops/history", "operator"))["state"] != "done":
            await asyncio.sleep(0.5)
        # Months are closed beside all that, by whoever comes to it.
        while len(closed := await _closed(database)) < len(CLOSED):
            await asyncio.sleep(0.5)
    assert closed == [(code, 0) for code in CLOSED]


async def _closed(database: Database) -> list[tuple[str, int]]:
    async with database.transaction() as connection:
        rows = await connection.execute(text("SELECT period, edition FROM closed_period ORDER BY period"))
        return [(row.period, row.edition) for row in rows]


async def each_is_told_once(stack: Parts) -> None:
    settings = stack.settings()
    told: dict[tuple[str, str, str], set[bytes]] = defaultdict(set)
    for record in await everything_in(settings, [settings.topic_prefix + "stats.indicators.v1"]):
        headers = dict(record.headers)
        what = headers["ce_type"].decode().split("stats.", 1)[1]
        told[what, headers["ce_subject"].decode(), headers["ce_sequence"].decode()].add(headers["ce_id"])
    assert [at for at, ids in told.items() if len(ids) > 1] == []
    by_kind: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for what, subject, sequence in told:
        by_kind[what].append((subject, sequence))
    assert sorted(by_kind["period.closed"]) == [(code, "1") for code in CLOSED]
    assert by_kind["surge.detected"] == [("surge/reports-received/05455", "1")]
    assert by_kind["target.missed"]
    assert {sequence for _, sequence in by_kind["target.missed"]} == {"1"}
