"""Fills a demo platform: the registers first, then day after day what agencies report and what people do about it.

Everything goes through the services' own doors, so every rule holds and every figure is counted. It never writes a row.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import structlog

from local.demo import choices
from local.demo.clock import TravellingClock
from local.demo.official import LATE_ON, Official
from local.demo.players import Json, Players
from local.demo.registers import Registers, born_by, is_due_long_ago
from local.demo.reporting import activity, figures, is_silent, still_heard, surge
from local.demo.schedule import DAYS, concerns_on, days_ago, is_first_of_month
from local.folder import write_private
from local.simulation.traffic import concern_event, injury_event, records_of
from local.simulation.world import Child, World
from shared.contracts.vocabulary import Request
from shared.identity.demo import HOME_UNIT
from shared.reference.calendar import LOCAL
from shared.reference.terms import Terms
from shared.reference.units import Units

CHILDREN = 2000
_SEED = 20261120
# Of two thousand children few are hurt, or the rates would be those of no province.
_INJURIES_A_DAY = 0.2
# Of a month of the pilot, told at once; and of those that a hospital hands in when the month is closed already.
_INJURIES_A_MONTH, _ACTIVITIES_A_MONTH, _LATE = 6, 12, 2
# Every so many, a clerk writes a cause that is on no list.
_UNCLEAR_EVERY = 40
_SHARE_AT_HOME = 0.18
_FRESH_AT_HOME = 6
# The ticker looks once a second: a simulated day must not be shorter.
_DAY_SECONDS = 1.05
_SETTLE_SECONDS = 0.4
# How often somebody finds time for a case in a day; what was just reported comes first.
_SHARE_WORKED_ON = {"intake": 0.7, "approval": 0.4, "carrying-out": 0.22}
_MOST_CASES = 500
_COMMUNE = "commune"
_COLLEAGUE = f"worker.{HOME_UNIT}"
# What a report asks for, and of how many children it tells beside the first.
_REQUESTS: dict[Request, int] = {"protection": 86, "counselling": 7, "prevention": 3, "information": 4}
_SIBLINGS = (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2)
_HANDLED = ("advised", "referred", "materials", "call-back")
_DISMISSED = ("not-a-matter", "not-a-matter", "already-known", "hoax")
_LOG = structlog.get_logger(__name__)
Say = Callable[[int, int], None]
# Offices work from half past seven to five; whoever sees something reports it at any hour, least at night.
_OPENS, _CLOSES = timedelta(hours=7, minutes=30), timedelta(hours=17)
_REPORTED_BY_HOUR = (*(1,) * 6, *(4,) * 12, *(3,) * 5, 1)
_SCHOOL_HOURS = (7, 17)
# Somebody's next act comes after this share of what is left of the day, at most.
_STRIDE = 0.03
_LOOKED_DAYS = 30
# Of records: how many communes verify theirs when the registers begin, and what share of a commune's children.
_VERIFYING_UNITS, _VERIFIED_SHARE = 14, 0.75
_ROUND_EVERY_DAYS, _ROUND = 4, 5
# A school's list comes in, and children are written down twice, so shortly before today that pairs still wait.
_LIST_DAYS_AGO, _TWICE = 9, (5, 3, 2, 1)


async def fill(url: str, clock: TravellingClock, marker: Path, say: Say) -> None:
    """Fill the platform at `url` once; a filling that was cut off goes on with its next day.

    Args:
        clock: the services' own. marker: file that remembers how far it is. say: told the day, and of how many.
    """
    done, started = progress_of(marker, clock())
    schedule = days_ago(started.astimezone(LOCAL).date())
    last = len(schedule) - 1
    if done >= last:
        return
    # The registers take a while, and whoever looks meanwhile is to know why all figures are nought.
    say(max(done, 0), last)
    async with aiohttp.ClientSession() as session:
        players = Players(session, url)
        filler = _Filler(players, clock, started)
        try:
            for number, ago in enumerate((None, *schedule), start=-1):
                # Days that are done are only drawn again, so that chance goes on where it was.
                await filler.day(ago, replay=number <= done)
                if number > done:
                    write_private(marker, orjson.dumps({"days": number, "today": started.isoformat()}).decode())
                    if number > 0:
                        say(number, last)
        finally:
            clock.come_home()
            # Some refusals are life (two people at once); many of one kind are a fault of the demo.
            if players.refused:
                _LOG.info("demo.refused", **players.refused)


def progress_of(marker: Path, now: datetime) -> tuple[int, datetime]:
    """The last day that is done (-2: none), and the day that a filling calls today."""
    if not marker.exists():
        return -2, now
    kept = orjson.loads(marker.read_bytes())
    return kept["days"], datetime.fromisoformat(kept["today"])


@dataclass(frozen=True, slots=True)
class _Reported:
    """What an agency publishes, and when it took it in."""

    at: datetime
    sector: Any
    document: Json


class _Filler:
    def __init__(self, players: Players, clock: TravellingClock, today: datetime) -> None:
        self._players = players
        self._records = Registers(players)
        self._official = Official(players)
        self._clock = clock
        self._today = today
        self._world = World(CHILDREN, _SEED, today, HOME_UNIT)
        self._at_home = [child for child in self._world.children if child.unit == HOME_UNIT]
        self._units = Units.load().codes()
        self._numbers = Counter[str]()
        self._first = days_ago(today.astimezone(LOCAL).date())[0]
        self._left = self._first
        self._midnight = today
        self._chance = Random(_SEED)  # noqa: S311 - made-up chance

    async def day(self, ago: int | None, *, replay: bool) -> None:
        """One day of the province, so many days ago; None: the registers. `replay`: only draw what was drawn, nothing
        is done."""
        random = Random(_SEED + DAYS - (ago or 0))  # noqa: S311 - made-up chance
        if ago is None:
            if not replay:
                await self._registers()
                await self._subscribe()
            return
        moment = self._today - timedelta(days=ago)
        self._midnight = datetime.combine(moment.astimezone(LOCAL).date(), time.min, LOCAL)
        before, self._left = self._left, ago
        reported = self._reported(moment, random)
        if replay:
            return
        if self._left == 0:
            self._clock.come_home()
        opens = self._midnight + _OPENS
        await self._send([sent for sent in reported if sent.at < opens or not self._left])
        self._be_at(opens + timedelta(minutes=random.randrange(30)))
        await self._registered_since(before, random)
        await asyncio.sleep(_SETTLE_SECONDS)  # the registry says meanwhile who the children are
        await self._triage(random, last=not ago)
        await self._official.day(self._midnight.date(), ago)
        if self._at_work():
            if ago > DAYS:
                await self._work(random)  # in the pilot there is time for a second look
            await self._work(random)
            await self._answers(random)
            await self._replies(random)
            await self._access(random)
            await self._keep_records(Random(f"records {ago}"))  # noqa: S311 - made-up chance
            if ago == 1:
                await self._leave_work(random)
        await self._send([sent for sent in reported if sent.at >= opens and self._left])
        await asyncio.sleep(_DAY_SECONDS - _SETTLE_SECONDS)

    def _be_at(self, moment: datetime) -> None:
        """Let the clock show a moment of a day that is gone, unless it is later already."""
        if self._left and moment > self._clock():
            self._clock.go(moment)

    def _at_work(self) -> bool:
        """Whether offices are open: on a day that is gone always, today by the real time."""
        return bool(self._left) or _OPENS <= self._clock() - self._midnight < _CLOSES

    def _time_passes(self) -> None:
        """Somebody's next act is some minutes later, and never after office hours."""
        left = self._midnight + _CLOSES - self._clock()
        if left > timedelta(0):
            self._be_at(self._clock() + left * self._chance.uniform(0, _STRIDE))

    async def _send(self, reported: Sequence[_Reported]) -> None:
        """Agencies publish in the order of what they took in, each at its hour; what is told at one moment together."""
        for at, told in groupby(sorted(reported, key=lambda one: one.at), key=lambda one: one.at):
            self._be_at(at)
            by_sector: dict[Any, list[Json]] = {}
            for sent in told:
                by_sector.setdefault(sent.sector, []).append(sent.document)
            for sector, documents in by_sector.items():
                await self._players.publish(sector, documents)

    async def _registers(self) -> None:
        """The registers as the pilot begins, and the figures of the years before."""
        self._clock.go(self._today - timedelta(days=self._first + 1))
        then = born_by(self._world.children, self._clock().astimezone(LOCAL).date())
        await self._record(then)
        await self._records.settled(HOME_UNIT, sum(child.unit == HOME_UNIT for child in then))
        for sent in figures(self._clock()):
            await self._players.publish(sent.sector, [sent.document])

    async def _registered_since(self, before: int, random: Random) -> None:
        """Who was born since the last day that was played, of months that are played in part; once, the first rounds
        of those who verify; each January what sectors hand in of the year."""
        last = (self._today - timedelta(days=before)).astimezone(LOCAL).date()
        if self._left >= DAYS:
            there = born_by(self._world.children, self._midnight.date())
            await self._record([child for child in there if child.birth > last])
        if is_due_long_ago(self._left) and not is_due_long_ago(before):
            for unit in [HOME_UNIT, *random.sample(self._units, _VERIFYING_UNITS)]:
                most = round(_VERIFIED_SHARE * sum(child.unit == unit for child in self._world.children))
                await self._records.go_round(unit, "collected", most, self._clock(), random)
        if last.year < self._midnight.year:
            for sent in figures(self._clock(), last.year):
                await self._players.publish(sent.sector, [sent.document])

    async def _record(self, children: Sequence[Child]) -> None:
        events = [sent for child in children for sent in records_of(child, self._clock())]
        await asyncio.gather(
            *(
                self._players.publish(sector, [sent.document for sent in events if sent.sector == sector])
                for sector in sorted({sent.sector for sent in events})
            )
        )

    async def _keep_records(self, random: Random) -> None:
        """Workers go round now and then; some children are written down twice; a school sends its list."""
        if self._left % _ROUND_EVERY_DAYS == 0 and 0 < self._left <= DAYS:
            unit = HOME_UNIT if random.random() < 0.4 else random.choice(self._units)
            await self._records.go_round(unit, "collected", _ROUND, self._clock(), random)
        there = born_by(self._at_home, self._midnight.date() - timedelta(days=DAYS))
        if self._left in _TWICE and there:
            await self._records.write_down_again(random.choice(there), random)
        if self._left == _LIST_DAYS_AGO:
            first = [
                child for child in there if child.school is not None and child.school.startswith("Trường Tiểu học")
            ]
            if first:
                await self._records.take_list_in(HOME_UNIT, first[0].school or "", first, self._midnight.date())

    async def _subscribe(self) -> None:
        """The province and a partner sign an agreement, and the partner subscribes within it."""
        today = self._clock().date()
        events = ["cases.case.*", "cases.plan.*", "cases.task.*"]
        terms = {
            "org": "mai-am-hy-vong",
            "purpose": "service",
            "legal_basis": "contract",
            "event_types": events,
            "valid_from": today.isoformat(),
            # Past the day that the demo ends on: from then on people go on with it.
            "valid_until": (self._today + timedelta(days=365)).date().isoformat(),
            "reference": "01/TT-MAHV",
        }
        proposed = await self._players.post("coordinator", "/notify/api/agreements", terms)
        if "id" in proposed:
            await self._players.post("partner", f"/notify/api/agreements/{proposed['id']}/accept", {})
        wanted = {"channel": "kafka", "name": "Mái ấm Hy Vọng", "event_types": events[:2]}
        await self._players.post("partner", "/notify/api/subscriptions", wanted)

    def _reported(self, moment: datetime, random: Random) -> list[_Reported]:
        """What agencies publish that day: concerns as they come in, today those of the last 18 hours; and injuries and
        activities of the day before, in the pilot of the month before."""
        found: list[_Reported] = []
        day = self._midnight.date()
        monthly = is_first_of_month(day, self._left)
        fresh = _FRESH_AT_HOME if self._left == 0 and self._at_home else 0
        for number in range(_drawn(concerns_on(day, self._left), random) + fresh):
            self._numbers["concern"] += 1
            # A day of the pilot stands for a week: what comes in after hours would wait for the next.
            hour = random.choices(range(24), _REPORTED_BY_HOUR)[0] if self._left <= DAYS else random.choice((5, 6))
            at = self._midnight + timedelta(hours=hour, minutes=random.randrange(55))
            if not self._left:
                at = moment - timedelta(minutes=random.randrange(5, 18 * 60))
            at_home = self._at_home and (number < fresh or random.random() < _SHARE_AT_HOME)
            child = random.choice(self._at_home) if at_home else None
            request = random.choices(list(_REQUESTS), list(_REQUESTS.values()))[0]
            siblings = random.choice(_SIBLINGS) if request == "protection" else 0
            if number < fresh:  # one of each for whoever tries the demo
                request, siblings = ("counselling", 0) if number == 0 else ("protection", 2 * (number == 1))
            concern = self._world.concern(self._numbers["concern"], at, child, request, siblings)
            if concern.sector == "education" and self._left and not _SCHOOL_HOURS[0] <= hour < _SCHOOL_HOURS[1]:
                concern = replace(concern, received_at=at.replace(hour=random.randrange(*_SCHOOL_HOURS)))
            if number >= fresh:
                concern = surge(concern, self._world.children, number, self._left)
            sent = concern_event(still_heard(concern, self._left))
            found.append(_Reported(concern.received_at, sent.sector, sent.document))
        return found + self._injuries(random, monthly=monthly) + self._activities(random, monthly=monthly)

    def _injuries(self, random: Random, *, monthly: bool) -> list[_Reported]:
        """Told in the morning: those of the day before, or of a month; and some of last month that come late."""
        days = [1] * (random.random() < _INJURIES_A_DAY) if self._left <= DAYS else []
        if monthly:
            days = [random.randrange(5, 33) for _ in range(_INJURIES_A_MONTH)]
        day = self._midnight.date()
        if day.day == LATE_ON and self._left <= DAYS:
            days += [random.randrange(LATE_ON, LATE_ON + 26) for _ in range(_LATE)]
        found = []
        for ago in days:
            self._numbers["injury"] += 1
            injury = self._world.injury(self._numbers["injury"], day - timedelta(days=ago))
            if injury.number % _UNCLEAR_EVERY == 0:
                injury = replace(injury, cause="Không rõ nguyên nhân")
            sent = injury_event(injury)
            found.append(_Reported(self._midnight + timedelta(hours=7), sent.sector, sent.document))
        return found

    def _activities(self, random: Random, *, monthly: bool) -> list[_Reported]:
        """Told in the morning of the next day, when it is over; in the pilot, of the month."""
        found = []
        for number in range(_ACTIVITIES_A_MONTH if monthly else self._left <= DAYS):
            self._numbers["activity"] += 1
            held = self._midnight - timedelta(days=2 * number, hours=8)
            sent = activity(self._numbers["activity"], held, self._units, random, self._left)
            if sent is not None:
                at = self._midnight + timedelta(hours=7, minutes=5)
                found.append(_Reported(at, sent.sector, sent.document))
        return found

    async def _triage(self, random: Random, *, last: bool) -> None:
        """Communes decide on reports that wait; today's are left for whoever tries the demo."""
        waiting = (await self._players.get("coordinator", "/cases/api/concerns")).get("concerns", [])
        for concern in waiting:
            unit, chance = concern["facts"]["unit"], random.random()
            if last or chance > 0.7 or not unit.isdigit() or self._is_left_to_visitors(unit, 3):
                continue
            if "answer" in concern["acts"]:
                act = {"act": "answer", "answer": random.choice(_HANDLED), "words": "Đã trả lời người gọi."}
            elif chance < 0.45:
                act = {"act": "open"}
            elif chance < 0.52:
                act = {"act": "forward", "to_unit": random.choice(self._units), "reason": "Sự việc ở xã bạn."}
                act = act if act["to_unit"] != unit else {"act": "open"}
            else:
                act = {"act": "dismiss", "reason": random.choice(_DISMISSED), "words": "Đã gặp gia đình."}
            self._time_passes()
            path = f"/cases/api/concerns/{concern['id']}/acts"
            await self._players.post("worker", path, {"version": concern["version"], "act": act}, unit)

    async def _work(self, random: Random) -> None:
        """People go on with some of their cases, most urgent first."""
        cases = await self._cases()
        # Of one case one thing after the other, of different cases at once, as offices do.
        await asyncio.gather(
            *(
                self._go_on(row, Random(random.random()))  # noqa: S311 - made-up chance
                for row in cases
                if random.random() < _SHARE_WORKED_ON.get(row["step"], 0.3)
            )
        )
        pairs = [(one, two) for one, two in pairwise(cases) if one["unit"] == two["unit"] != HOME_UNIT]
        if pairs and random.random() < 0.06:
            one, two = random.choice(pairs)
            act = {"act": "link-sibling", "other": two["code"], "reason": "Hai trẻ là anh em cùng mẹ."}
            await self._act(
                one["id"], "worker", one["unit"], lambda case: None if two["code"] in case["siblings"] else act
            )
        closed = await self._cases("?status=closed")
        if closed and random.random() < 0.04:
            row = random.choice(closed)
            again = {"act": "reopen", "reason": "Có tin báo mới về trẻ."}
            await self._act(row["id"], "chair", row["unit"], lambda _case: again)

    async def _cases(self, query: str = "?status=open") -> list[Json]:
        found: list[Json] = []
        after = ""
        while True:
            page = await self._players.get("coordinator", f"/cases/api/cases{query}{after}")
            found += page.get("cases", [])
            if not page.get("following") or len(found) >= _MOST_CASES:
                return found
            after = f"&after={quote(page['following'])}"

    async def _go_on(self, row: Json, random: Random) -> None:
        case_id, unit, now = row["id"], row["unit"], self._clock()
        case = await self._players.get("worker", f"/cases/api/cases/{case_id}", unit)
        asked = case.get("handover_to")
        if asked is not None and not self._is_left_to_visitors(asked, 4) and random.random() < 0.4:
            await self._act(case_id, "worker", asked, lambda case: choices.receiving_act(case, random))
            return
        # Work of every kind is left over where the people on the sign-in page work.
        if case and not self._is_left_to_visitors(unit, 3):
            await self._do(case, "worker", unit, choices.worker_act(case, now, random, self._units))
            if row["step"] == "intake":  # verified and assessed the same day: hours count
                await self._act(
                    case_id, "worker", unit, lambda case: choices.worker_act(case, now, random, self._units)
                )
        if case and choices.needs_chair(case) and not self._is_left_to_visitors(unit, 9):
            await self._act(case_id, "chair", unit, lambda case: choices.chair_act(case, now, random))

    def _is_left_to_visitors(self, unit: str, days: int) -> bool:
        return unit == HOME_UNIT and self._left < days

    async def _act(self, case_id: str, role: str, unit: str, choose: Callable[[Json], Json | None]) -> bool:
        """Whether somebody found something to do with the case as it is now, and it was taken."""
        case = await self._players.get(role, f"/cases/api/cases/{case_id}", unit)
        return await self._do(case, role, unit, choose(case) if case else None)

    async def _do(self, case: Json, role: str, unit: str, act: Json | None) -> bool:
        if act is None:
            return False
        self._time_passes()
        body = {"version": case["version"], "act": act}
        done = bool(await self._players.post(role, f"/cases/api/cases/{case['id']}/acts", body, unit))
        if done and unit == HOME_UNIT and self._left < _LOOKED_DAYS:
            # What others do after it is then news to the people on the sign-in page.
            await self._players.look(role, f"/cases/c/{case['id']}", unit)
        return done

    async def _answers(self, random: Random) -> None:
        """Sectors answer what they were asked, not always in time."""
        for sector in Terms.load("sectors").codes():
            if is_silent(sector, self._left):
                continue
            tasks = await self._tasks(_role(sector), "?awaited=sector", sector)
            chosen = [task for task in tasks if random.random() < 0.3]
            await asyncio.gather(*(self._answer(task, choices.answer(task, self._clock(), random)) for task in chosen))

    async def _tasks(self, role: str, query: str, where: str | None = None) -> list[Json]:
        found: list[Json] = (await self._players.get(role, f"/cases/api/tasks{query}", where)).get("tasks", [])
        return found

    async def _answer(self, task: Json, answer: Json) -> None:
        self._time_passes()
        path, sector = f"/cases/api/tasks/{task['id']}/answers", task["sector"]
        if sector == _COMMUNE:
            await self._players.post("worker", path, answer, task["unit"])
        else:
            await self._players.post(_role(sector), path, answer, sector)

    async def _replies(self, random: Random) -> None:
        """Communes do what sectors wait for, and remind those that are late."""
        for task in await self._tasks("coordinator", "?awaited=commune"):
            if self._is_left_to_visitors(task["unit"], 4) or random.random() > 0.5:
                continue
            if task["sector"] == _COMMUNE:
                await self._answer(task, {"answer": "done", "summary": "Xã đã thực hiện."})
            elif (reply := choices.reply(task, self._clock(), random)) is not None:
                await self._act(task["case_id"], "worker", task["unit"], _always(reply))
        for task in await self._tasks("coordinator", "?awaited=sector&overdue=true"):
            if not self._is_left_to_visitors(task["unit"], 4) and random.random() < 0.15:
                act = {"act": "remind-task", "task_id": task["id"]}
                await self._act(task["case_id"], "worker", task["unit"], _always(act))

    async def _access(self, random: Random) -> None:
        """The province opens an identity now and then, and says why; a commune's cases go to another worker."""
        cases = await self._cases()
        if cases and random.random() < 0.06:
            act = {"act": "break-glass", "purpose": "supervision", "reason": "Kiểm tra theo đơn của gia đình."}
            path = f"/cases/api/cases/{random.choice(cases)['id']}/access"
            await self._players.post("coordinator", path, act)
        mine = [row for row in cases if row["unit"] == HOME_UNIT and row["worker"] not in (None, _COLLEAGUE)]
        if mine and random.random() < 0.05 and not self._is_left_to_visitors(HOME_UNIT, 9):
            row = random.choice(mine)
            act = {"act": "assign-worker", "worker": _COLLEAGUE, "before": row["worker"], "reason": "Chia lại việc."}
            await self._players.post("chair", f"/cases/api/cases/{row['id']}/access", act, HOME_UNIT)

    async def _leave_work(self, random: Random) -> None:
        """What chance may not have left in the commune of the people on the sign-in page: one of each kind."""
        cases, now = await self._cases(f"?unit={HOME_UNIT}"), self._clock()
        ban = {"act": "request-contact-ban", "against": "Người bố", "reason": "Còn đe dọa trẻ và mẹ."}
        for role, act in (
            ("worker", ban),
            ("worker", choices.conference(now, random)),
            ("chair", choices.alternative_care(random)),
        ):
            for row in random.sample(cases, len(cases)):
                if await self._act(row["id"], role, HOME_UNIT, _where_open(act)):
                    break
        offer = {"act": "offer-handover", "to_unit": HOME_UNIT, "reason": "Trẻ và gia đình sống ở phường bạn."}
        for row in await self._cases():
            if row["unit"] != HOME_UNIT and await self._act(row["id"], "worker", row["unit"], _where_open(offer)):
                break
        if cases:
            glass = {"act": "break-glass", "purpose": "supervision", "reason": "Kiểm tra theo đơn của gia đình."}
            await self._players.post("coordinator", f"/cases/api/cases/{cases[0]['id']}/access", glass)
        tasks = await self._tasks("coordinator", f"?awaited=sector&unit={HOME_UNIT}")
        tasks = [task for task in tasks if not is_silent(task["sector"], self._left)]
        tasks.sort(key=lambda task: datetime.fromisoformat(task["due"]), reverse=True)
        said: tuple[Callable[[Json], Json], ...] = (
            lambda task: choices.new_date(task, now),
            lambda _task: choices.question(),
            lambda _task: {"answer": "declined", "reason": "Việc này thuộc đơn vị khác."},
        )
        for task, answer in zip(tasks, said, strict=False):
            await self._answer(task, answer(task))


def _role(sector: str) -> str:
    return "hotline" if sector == "hotline" else "sector"


def _always(act: Json) -> Callable[[Json], Json | None]:
    return lambda _case: act


def _where_open(act: Json) -> Callable[[Json], Json | None]:
    return lambda case: act if act["act"] in case["acts"] and not choices.asked_before(case, act["act"]) else None


def _drawn(mean: float, random: Random) -> int:
    """A number of happenings in a day."""
    whole = int(mean)
    return whole + (random.random() < mean - whole) + random.choice((-1, 0, 0, 1))
