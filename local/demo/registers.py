"""What people do with the records of a demo's registry: go round and verify, write a child down twice, take a school's
list in. Everything goes through the registry's own doors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from random import Random
from typing import Any
from uuid import UUID

from local.demo.players import Json, Players
from local.simulation.world import Child

_ASKED = ("name", "birth_date", "carers", "hamlet", "address", "school", "grade", "circumstances")
_NOT_MET = 0.1
_CORRECTED = 0.08
_FOUND_OUT = 0.8
_HEADINGS = ("Mã học sinh", "Họ và tên", "Ngày sinh", "Giới tính", "Họ tên mẹ", "Thôn, xóm", "Lớp")
_COLUMNS = ("id", "child.name", "child.birth_date", "child.sex", "child.carers.mẹ", "child.hamlet", "child.grade")
_TRIES, _PAUSE = 240, 0.5
_FIRST_VERIFIED_DAYS = 200
# Who is shown may grow by one that was sure: asked again, it is passed over, too.
_LIKENESSES = 3


class Registers:
    """The registry of a demo.

    Args:
        players: who acts.
    """

    def __init__(self, players: Players) -> None:
        self._players = players

    async def settled(self, unit: str, expected: int) -> None:
        """Wait until the registry knows most of a commune's children, but not for ever."""
        asked = {"unit": unit, "state": "collected"}
        for _ in range(_TRIES):
            found = await self._players.post("coordinator", "/registry/api/search", asked)
            if found.get("total", 0) >= 0.9 * expected:
                return
            await asyncio.sleep(_PAUSE)

    async def go_round(self, unit: str, kind: str, most: int, now: datetime, random: Random) -> None:
        """A commune's worker goes to children of a work list at home, and says what was found.

        Args:
            kind: the work list. most: children visited.
        """
        address = await self._players.submit("worker", "/registry/field", {"kind": kind}, unit)
        if not address:
            return  # nobody is in the list
        list_id = address.rpartition("/")[2]
        listed = await self._players.post("worker", f"/registry/api/field/lists/{list_id}/download", {}, unit)
        children = listed.get("children", [])
        chosen = random.sample(children, min(most, len(children)))
        answers = [_answer(list_id, child, now, random) for child in chosen]
        if answers:
            await self._players.post("worker", "/registry/api/field/answers", {"answers": answers}, unit)

    async def write_down_again(self, child: Child, random: Random) -> None:
        """Somebody registers a child that is known, with a slip, and passes over the likeness that is shown."""
        name, birth = child.name, child.birth
        if random.random() < 0.5 and birth.day <= 12:
            birth = date(birth.year, birth.day, birth.month)
        else:
            name = " ".join([*name.split()[:-1], name.split()[-1] + "h"])
        described = {"name": name, "birth_date": birth.isoformat(), "sex": child.sex, "hamlet": child.hamlet}
        asked: Json = {"child": described, "unit": child.unit}
        for _ in range(_LIKENESSES):
            found = await self._players.post("worker", "/registry/api/children", asked, child.unit)
            alike = [other["child_id"] for other in found.get("candidates", [])]
            if found.get("result") == "existing":
                alike.append(found["child_id"])
            if found.get("result") == "registered" or not alike:
                return
            asked["seen"] = [*asked.get("seen", []), *alike]

    async def take_list_in(self, unit: str, school: str, pupils: Sequence[Child], day: date) -> None:
        """A school's list is sent, its columns are said, and it is taken over but for the rows that cannot be right."""
        sent = await self._players.upload(
            "worker", "/registry/imports", "danh-sach-hoc-sinh.csv", _roster(pupils, day), unit
        )
        if not sent:
            return
        said = {f"column{place}": column for place, column in enumerate(_COLUMNS)}
        said |= {"form": "", "kind": "school-roster", "title": school, "as_of": ""}
        await self._players.submit("worker", f"{sent}/columns", said, unit)
        for _ in range(_TRIES):
            # Where the file was refused there is nothing to wait for.
            if 'value="take"' in await self._players.look("worker", sent, unit):
                await self._players.submit("worker", sent, {"act": "take"}, unit)
                return
            await asyncio.sleep(_PAUSE)


def _answer(list_id: str, child: Json, now: datetime, random: Random) -> Json:
    """What was found at one child's home: most of it as it was recorded."""
    said: dict[str, str] = {name: "right" if child["texts"].get(name) else "unknown" for name in _ASKED}
    fixes: dict[str, str] = {}
    result = "not-met" if random.random() < _NOT_MET else "met"
    if result == "met" and random.random() < _CORRECTED:
        said["address"] = "wrong"
        fixes["address"] = f"Số {random.randint(1, 90)}, ngõ {random.randint(1, 20)}"
    if result == "met" and not child["texts"].get("hamlet") and random.random() < _FOUND_OUT:
        # Whoever stands at the door knows the hamlet: of children known from a report alone it is missing.
        said["hamlet"], fixes["hamlet"] = "wrong", f"Xóm {random.randint(1, 12)}"
    moment = now.isoformat()
    answer: dict[str, Any] = {
        "id": str(UUID(int=random.getrandbits(128), version=4)),
        "list_id": list_id,
        "child_id": child["child_id"],
        "version": child["version"],
        "result": result,
        "given_at": moment,
        "sent_at": moment,
        "seen": child["texts"],
        "said": said,
        "fixes": fixes,
    }
    return answer


def _roster(pupils: Sequence[Child], day: date) -> bytes:
    """The list as a school's clerk keeps it, with two dates that there are not."""
    lines = [_HEADINGS]
    for number, child in enumerate(pupils, start=1):
        born = f"{child.birth:%d/%m/%Y}" if number % 15 else f"31/02/{child.birth.year}"
        sex = "Nữ" if child.sex == "female" else "Nam"
        grade = min(5, max(1, day.year - child.birth.year - 5))
        lines.append(
            (f"HS{number:04}", child.name, born, sex, child.mother, child.hamlet, f"{grade}{'ABC'[number % 3]}")
        )
    return "\r\n".join(";".join(line) for line in lines).encode("utf-8-sig")


def born_by(children: Sequence[Child], day: date) -> list[Child]:
    """Those of a list who were born by that day."""
    return [child for child in children if child.birth <= day]


def is_due_long_ago(ago: int) -> bool:
    """Whether so many days ago the first were verified: long enough that some of it is due again today."""
    return ago <= _FIRST_VERIFIED_DAYS
