"""What people of the demo do on a day about reports, cases and tasks, each looking at what is open to them.

What they choose is in `choices`; here is who comes to what, and when. Everything goes through the services' own doors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from random import Random
from typing import Final
from urllib.parse import quote

from local.demo import choices
from local.demo.day import Day
from local.demo.players import Json, Players
from local.demo.reporting import is_silent
from shared.identity.demo import HOME_UNIT
from shared.reference.terms import Terms

# How often somebody finds time for a case in a day; what was just reported comes first.
_SHARE_WORKED_ON: Final = {"intake": 0.7, "approval": 0.4, "carrying-out": 0.22}
# Of reports that wait, how many are decided on in the morning, and in the evening.
_SHARE_TRIAGED: Final = 0.97
# Of those, how many become cases, and how many are sent on to another commune; the rest is dismissed.
_SHARE_OPENED, _SHARE_SENT_ON = 0.64, 0.1
# How often whoever is on duty is reached.
_SHARE_REACHED: Final = 0.93
# The clocks of the law that do not wait for the next day.
_URGENT: Final = ("emergency-12h", "initial-assessment")
_MOST_CASES: Final = 500
_COMMUNE: Final = "commune"
_COLLEAGUE: Final = f"worker.{HOME_UNIT}"
_HANDLED: Final = ("advised", "referred", "materials", "call-back")
_DISMISSED: Final = ("not-a-matter", "not-a-matter", "already-known", "hoax")
_LOOKED_DAYS: Final = 30


class Offices:
    """Communes, sectors and the province, at work.

    Args:
        players: who acts. units: the province's communes. day: that is played.
    """

    def __init__(self, players: Players, units: Sequence[str], day: Day) -> None:
        self._players = players
        self._units = units
        self._day = day

    async def morning(self, random: Random) -> None:
        """Communes decide on reports that wait, and whoever is on duty on what came in at night; today's are left for
        whoever tries the demo."""
        # A day of the pilot stands for a week: nothing waits.
        await self._triage(random, 1.0 if self._day.piloted else _SHARE_TRIAGED)
        await self._on_duty(Random(f"morning {self._day.ago}"))  # noqa: S311 - made-up chance

    async def work(self, random: Random) -> None:
        """A day at work; in the pilot there is time for a second look."""
        if self._day.piloted:
            await self._work(random)
        await self._work(random)
        await self._answers(random)
        await self._replies(random)
        await self._access(random)

    async def evening(self) -> None:
        """Whoever is on duty looks at what came in by day, so that no child in danger waits for the morning."""
        random = Random(f"evening {self._day.ago}")  # noqa: S311 - made-up chance
        self._day.go_on_duty(self._day.evening)
        await self._triage(random, _SHARE_TRIAGED)
        await self._on_duty(random)

    async def night(self) -> None:
        """Once more, at what came in since, and at those about whom nobody was reached."""
        random = Random(f"night {self._day.ago}")  # noqa: S311 - made-up chance
        self._day.go_on_duty(self._day.night)
        await self._triage(random, _SHARE_TRIAGED)
        await self._on_duty(random)

    async def _triage(self, random: Random, share: float) -> None:
        """Communes decide on that share of the reports that wait; those that tell of danger are cases already."""
        waiting = (await self._players.get("coordinator", "/cases/api/concerns")).get("concerns", [])
        for concern in waiting:
            unit, chance = concern["facts"]["unit"], random.random()
            if chance > share or not unit.isdigit() or self._day.is_left_to_visitors(unit, 3):
                continue
            if "answer" in concern["acts"]:
                act = {"act": "answer", "answer": random.choice(_HANDLED), "words": "Đã trả lời người gọi."}
            elif chance < _SHARE_OPENED * share:
                act = {"act": "open"}
            elif chance < (_SHARE_OPENED + _SHARE_SENT_ON) * share:
                act = {"act": "forward", "to_unit": random.choice(self._units), "reason": "Sự việc ở xã bạn."}
                act = act if act["to_unit"] != unit else {"act": "open"}
            else:
                act = {"act": "dismiss", "reason": random.choice(_DISMISSED), "words": "Đã gặp gia đình."}
            self._day.time_passes()
            path = f"/cases/api/concerns/{concern['id']}/acts"
            await self._players.post("worker", path, {"version": concern["version"], "act": act}, unit)

    async def _on_duty(self, random: Random) -> None:
        """Cases that may not wait for the next day are verified, assessed and, where a child is in danger, decided on;
        now and then nobody is reached."""
        urgent = [row for row in await self._cases() if row["due_kind"] in _URGENT]
        await asyncio.gather(
            *(
                self._see_to(row, Random(random.random()))  # noqa: S311 - made-up chance
                for row in urgent
                if random.random() < _SHARE_REACHED and not self._day.is_left_to_visitors(row["unit"], 2)
            )
        )

    async def _see_to(self, row: Json, random: Random) -> None:
        """One such case, until nothing more is to be done about it at once."""
        if row["step"] == "intake":
            for _ in range(2):  # verified, then assessed
                await self._act(
                    row["id"],
                    "worker",
                    row["unit"],
                    lambda case: choices.assessing_act(case, self._day.now(), random, self._units),
                )
        await self._act(row["id"], "chair", row["unit"], lambda case: choices.urgent_act(case, self._day.now(), random))

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
        case_id, unit, now = row["id"], row["unit"], self._day.now()
        case = await self._players.get("worker", f"/cases/api/cases/{case_id}", unit)
        asked = case.get("handover_to")
        if asked is not None and not self._day.is_left_to_visitors(asked, 4) and random.random() < 0.4:
            await self._act(case_id, "worker", asked, lambda case: choices.receiving_act(case, random))
            return
        # Work of every kind is left over where the people on the sign-in page work.
        if case and not self._day.is_left_to_visitors(unit, 3):
            await self._do(case, "worker", unit, choices.worker_act(case, now, random, self._units))
            if row["step"] == "intake":  # verified and assessed the same day: hours count
                await self._act(
                    case_id, "worker", unit, lambda case: choices.worker_act(case, now, random, self._units)
                )
        if case and choices.needs_chair(case) and not self._day.is_left_to_visitors(unit, 9):
            await self._act(case_id, "chair", unit, lambda case: choices.chair_act(case, now, random))

    async def _act(self, case_id: str, role: str, unit: str, choose: Callable[[Json], Json | None]) -> bool:
        """Whether somebody found something to do with the case as it is now, and it was taken."""
        case = await self._players.get(role, f"/cases/api/cases/{case_id}", unit)
        return await self._do(case, role, unit, choose(case) if case else None)

    async def _do(self, case: Json, role: str, unit: str, act: Json | None) -> bool:
        if act is None:
            return False
        self._day.time_passes()
        body = {"version": case["version"], "act": act}
        done = bool(await self._players.post(role, f"/cases/api/cases/{case['id']}/acts", body, unit))
        if done and unit == HOME_UNIT and self._day.ago < _LOOKED_DAYS:
            # What others do after it is then news to the people on the sign-in page.
            await self._players.look(role, f"/cases/c/{case['id']}", unit)
        return done

    async def _answers(self, random: Random) -> None:
        """Sectors answer what they were asked, not always in time."""
        for sector in Terms.load("sectors").codes():
            if is_silent(sector, self._day.ago):
                continue
            tasks = await self._tasks(_role(sector), "?awaited=sector", sector)
            chosen = [task for task in tasks if random.random() < 0.3]
            await asyncio.gather(
                *(self._answer(task, choices.answer(task, self._day.now(), random)) for task in chosen)
            )

    async def _tasks(self, role: str, query: str, where: str | None = None) -> list[Json]:
        found: list[Json] = (await self._players.get(role, f"/cases/api/tasks{query}", where)).get("tasks", [])
        return found

    async def _answer(self, task: Json, answer: Json) -> None:
        self._day.time_passes()
        path, sector = f"/cases/api/tasks/{task['id']}/answers", task["sector"]
        if sector == _COMMUNE:
            await self._players.post("worker", path, answer, task["unit"])
        else:
            await self._players.post(_role(sector), path, answer, sector)

    async def _replies(self, random: Random) -> None:
        """Communes do what sectors wait for, and remind those that are late."""
        for task in await self._tasks("coordinator", "?awaited=commune"):
            if self._day.is_left_to_visitors(task["unit"], 4) or random.random() > 0.5:
                continue
            if task["sector"] == _COMMUNE:
                await self._answer(task, {"answer": "done", "summary": "Xã đã thực hiện."})
            elif (reply := choices.reply(task, self._day.now(), random)) is not None:
                await self._act(task["case_id"], "worker", task["unit"], _always(reply))
        for task in await self._tasks("coordinator", "?awaited=sector&overdue=true"):
            if not self._day.is_left_to_visitors(task["unit"], 4) and random.random() < 0.15:
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
        if mine and random.random() < 0.05 and not self._day.is_left_to_visitors(HOME_UNIT, 9):
            row = random.choice(mine)
            act = {"act": "assign-worker", "worker": _COLLEAGUE, "before": row["worker"], "reason": "Chia lại việc."}
            await self._players.post("chair", f"/cases/api/cases/{row['id']}/access", act, HOME_UNIT)

    async def leave_work(self, random: Random) -> None:
        """What chance may not have left in the commune of the people on the sign-in page: one of each kind."""
        cases, now = await self._cases(f"?unit={HOME_UNIT}"), self._day.now()
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
        tasks = [task for task in tasks if not is_silent(task["sector"], self._day.ago)]
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
