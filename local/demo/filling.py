"""Fills a demo platform: the registers first, then day after day what agencies report and what people do about it.

Everything goes through the services' own doors, so every rule holds and every figure is counted. It never writes a row.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import orjson

from local.demo.clock import TravellingClock
from local.demo.players import Json, Players
from local.folder import write_private
from local.simulation.traffic import concern_event, injury_event, records_of
from local.simulation.world import World
from shared.identity.demo import HOME_UNIT
from shared.reference.calendar import LOCAL
from shared.reference.terms import Terms

CHILDREN = 2000
DAYS = 100
_SEED = 20261120
_CONCERNS_A_DAY = 3.6
_INJURIES_A_DAY = 1.2
_SHARE_AT_HOME = 0.12
_FRESH_AT_HOME = 6
# The ticker looks once a second: a simulated day must not be shorter.
_DAY_SECONDS = 1.05
_SETTLE_SECONDS = 0.4
_RATED = ("severity", "access", "care-barriers", "resists", "knows-helpers", "seeks-help")
_LEVELS = ("high", "medium", "medium", "low")
Say = Callable[[str], None]


async def fill(url: str, clock: TravellingClock, marker: Path, say: Say) -> None:
    """Fill the platform at `url` once; a filling that was cut off goes on with its next day.

    Args:
        clock: the services' own. marker: file that remembers how far it is. say: told in a few words.
    """
    done, started = progress_of(marker, clock())
    if done >= DAYS:
        return
    async with aiohttp.ClientSession() as session:
        filler = _Filler(Players(session, url), clock, started)
        try:
            for day in range(-1, DAYS + 1):
                # Days that are done are only drawn again, so that chance goes on where it was.
                await filler.day(day, replay=day <= done)
                if day > done:
                    write_private(marker, orjson.dumps({"days": day, "today": started.isoformat()}).decode())
                    say(f"The demo's province: day {max(day, 0)} of {DAYS}")
        finally:
            clock.come_home()


def progress_of(marker: Path, now: datetime) -> tuple[int, datetime]:
    """The last day that is done (-2: none), and the day that a filling calls today."""
    if not marker.exists():
        return -2, now
    kept = orjson.loads(marker.read_bytes())
    return kept["days"], datetime.fromisoformat(kept["today"])


class _Filler:
    def __init__(self, players: Players, clock: TravellingClock, today: datetime) -> None:
        self._players = players
        self._clock = clock
        self._today = today
        self._world = World(CHILDREN, _SEED, today)
        self._at_home = [child for child in self._world.children if child.unit == HOME_UNIT]
        self._numbers = Counter[str]()
        self._left = DAYS

    async def day(self, day: int, *, replay: bool) -> None:
        """One day of the province; -1: the registers. `replay`: only draw what was drawn, nothing is done."""
        random = Random(_SEED + day)  # noqa: S311 - made-up chance
        if day < 0:
            if not replay:
                self._clock.go(self._today - timedelta(days=DAYS + 1))
                await self._registers()
                await self._subscribe()
            return
        morning = self._today - timedelta(days=DAYS - day)
        self._left = DAYS - day
        reported = self._reported(morning, random)
        if replay:
            return
        if day < DAYS:
            self._clock.go(morning)
        else:
            self._clock.come_home()
        for sector, document in reported:
            await self._players.publish(sector, [document])
        await asyncio.sleep(_SETTLE_SECONDS)  # the registry says meanwhile who the children are
        await self._triage(random, last=day == DAYS)
        await self._work(random)
        await self._answers(random)
        await asyncio.sleep(_DAY_SECONDS - _SETTLE_SECONDS)

    async def _registers(self) -> None:
        events = [sent for child in self._world.children for sent in records_of(child, self._clock())]
        await asyncio.gather(
            *(
                self._players.publish(sector, [sent.document for sent in events if sent.sector == sector])
                for sector in sorted({sent.sector for sent in events})
            )
        )

    async def _subscribe(self) -> None:
        wanted = {"channel": "kafka", "name": "Mái ấm Hy Vọng", "event_types": ["cases.case.*", "cases.plan.*"]}
        await self._players.post("partner", "/notify/api/subscriptions", wanted)

    def _reported(self, morning: datetime, random: Random) -> list[tuple[Any, Json]]:
        """What agencies publish that day: concerns of the last 18 hours, and injuries of the day before."""
        found: list[tuple[Any, Json]] = []
        fresh = _FRESH_AT_HOME if self._left == 0 and self._at_home else 0
        for number in range(_drawn(_CONCERNS_A_DAY, random) + fresh):
            self._numbers["concern"] += 1
            at = morning - timedelta(minutes=random.randrange(5, 18 * 60))
            at_home = self._at_home and (number < fresh or random.random() < _SHARE_AT_HOME)
            child = random.choice(self._at_home) if at_home else None
            sent = concern_event(self._world.concern(self._numbers["concern"], at, child))
            found.append((sent.sector, sent.document))
        for _ in range(_drawn(_INJURIES_A_DAY, random)):
            self._numbers["injury"] += 1
            day = morning.astimezone(LOCAL).date() - timedelta(days=1)
            sent = injury_event(self._world.injury(self._numbers["injury"], day))
            found.append((sent.sector, sent.document))
        return found

    async def _triage(self, random: Random, *, last: bool) -> None:
        """Communes decide on reports that wait; today's are left for whoever tries the demo."""
        waiting = (await self._players.get("coordinator", "/cases/api/concerns")).get("concerns", [])
        for concern in waiting:
            unit, chance = concern["facts"]["unit"], random.random()
            if last or chance > 0.7 or not unit.isdigit() or self._is_left_to_visitors(unit, 3):
                continue
            act = (
                {"act": "open"}
                if chance < 0.45
                else {"act": "dismiss", "reason": "not-a-matter", "words": "Đã gặp gia đình."}
            )
            path = f"/cases/api/concerns/{concern['id']}/acts"
            await self._players.post("worker", path, {"version": concern["version"], "act": act}, unit)

    async def _work(self, random: Random) -> None:
        """People go on with some of their cases, most urgent first."""
        cases = (await self._players.get("coordinator", "/cases/api/cases")).get("cases", [])
        for row in cases:
            if random.random() < 0.3:
                await self._go_on(row["id"], row["unit"], random)
        closed = (await self._players.get("coordinator", "/cases/api/cases?status=closed")).get("cases", [])
        if closed and random.random() < 0.04:
            row = random.choice(closed)
            await self._act(row["id"], row["unit"], "chair", {"act": "reopen", "reason": "Có tin báo mới về trẻ."})

    async def _go_on(self, case_id: str, unit: str, random: Random) -> None:
        # Work of every kind is left over where the people on the sign-in page work.
        for role, choose, days in (("worker", _worker_acts, 3), ("chair", _chair_acts, 9)):
            if self._is_left_to_visitors(unit, days):
                continue
            case = await self._players.get(role, f"/cases/api/cases/{case_id}", unit)
            if not case:
                return
            act = choose(case, self._clock(), random)
            if act is not None:
                await self._act(case_id, unit, role, act)

    def _is_left_to_visitors(self, unit: str, days: int) -> bool:
        return unit == HOME_UNIT and self._left < days

    async def _act(self, case_id: str, unit: str, role: str, act: Json) -> None:
        case = await self._players.get(role, f"/cases/api/cases/{case_id}", unit)
        if case:
            body = {"version": case["version"], "act": act}
            await self._players.post(role, f"/cases/api/cases/{case_id}/acts", body, unit)

    async def _answers(self, random: Random) -> None:
        """Sectors answer what they were asked, not always in time."""
        for sector in Terms.load("sectors").codes():
            role = "hotline" if sector == "hotline" else "sector"
            tasks = (await self._players.get(role, "/cases/api/tasks", sector)).get("tasks", [])
            for task in tasks:
                if random.random() < 0.3:
                    answer = _answer(task, random)
                    await self._players.post(role, f"/cases/api/tasks/{task['id']}/answers", answer, sector)


def _worker_acts(case: Json, now: datetime, random: Random) -> Json | None:
    """What a commune worker does next."""
    acts = case["acts"]
    if "verify" in acts and case["verified"] is None:
        return {"act": "verify", "confirmed": random.random() < 0.9, "findings": "Đã gặp trẻ, gia đình và hàng xóm."}
    if "assess-initial" in acts and case["facts"]["step"] == "intake":
        return {"act": "assess-initial", **_rated(random), "conclusion": "Theo kết quả gặp gỡ và xác minh."}
    if "draft-plan" in acts and random.random() < 0.75:
        until = (now + timedelta(days=60)).date().isoformat()
        goals = {"goals": "Trẻ được an toàn và trở lại trường.", "activities": "Thăm hằng tuần, hỗ trợ tâm lý."}
        return {"act": "draft-plan", **goals, "services": [_service(now, random)], "until": until}
    if "request-task" in acts and len(case["tasks"]) < 3 and random.random() < 0.3:
        return _task(now, random)
    if "hold-review" in acts and random.random() < 0.3:
        outcome = random.choice(("close", "close", "continue", "plan-again"))
        findings = "Đã rà soát cùng các bên cung cấp dịch vụ."
        return {"act": "hold-review", "outcome": outcome, "findings": findings, **_rated(random)}
    if "reclassify" in acts and random.random() < 0.03:
        return {"act": "reclassify", "kind": "neglect", "reason": "Xác minh cho thấy trẻ bị bỏ mặc."}
    return None


def _chair_acts(case: Json, _now: datetime, random: Random) -> Json | None:
    """What the chair decides."""
    acts = case["acts"]
    if (
        "decide-emergency" in acts
        and case["emergency"] is None
        and any(clock["kind"] == "emergency-12h" for clock in case["deadlines"])
    ):
        measure = random.choice(Terms.load("emergency-measures").codes())
        return {"act": "decide-emergency", "measure": measure, "decision": "Bảo đảm an toàn cho trẻ ngay trong ngày."}
    if "approve-plan" in acts:
        if random.random() < 0.12:
            return {"act": "return-plan", "reason": "Cần ghi rõ người thực hiện."}
        return {"act": "approve-plan", "number": f"{random.randrange(1, 400)}/QĐ-UBND"}
    if "close" in acts and case["facts"]["step"] == "review":
        return {"act": "close", "outcome": "stable", "no_risk": True, "stable": True}
    if "close" in acts and case["verified"] is False:
        return {"act": "close", "outcome": "unfounded"}
    return None


def _task(now: datetime, random: Random) -> Json:
    terms = Terms.load("task-kinds")
    kind = random.choice(terms.codes())
    due = (now + timedelta(days=int(terms.get(kind, "days") or 5))).date().isoformat()
    return {"act": "request-task", "kind": kind, "sector": terms.get(kind, "sector"), "due": due}


def _service(now: datetime, random: Random) -> Json:
    terms = Terms.load("service-kinds")
    kind = random.choice(terms.codes())
    due = (now + timedelta(days=random.randrange(10, 40))).date().isoformat()
    return {"kind": kind, "what-for": "Giúp trẻ ổn định trở lại.", "sector": terms.get(kind, "sector"), "due": due}


def _answer(task: Json, random: Random) -> Json:
    if task["state"] == "requested":
        if random.random() < 0.1:
            return {"answer": "declined", "reason": "Việc này thuộc đơn vị khác."}
        return {"answer": "accepted"}
    return {"answer": "done", "summary": "Đã thực hiện và bàn giao kết quả cho xã."}


def _rated(random: Random) -> Json:
    level = random.choice(_LEVELS)
    return {"ratings": dict.fromkeys(_RATED, level), "level": level}


def _drawn(mean: float, random: Random) -> int:
    """A number of happenings in a day."""
    whole = int(mean)
    return whole + (random.random() < mean - whole) + random.choice((-1, 0, 0, 1))
