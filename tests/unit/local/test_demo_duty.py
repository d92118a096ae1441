"""The demo's people on duty: what may not wait twelve hours is seen the same evening, or the next morning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any, cast

from local.demo import choices
from local.demo.clock import TravellingClock
from local.demo.day import OPENS, Day
from local.demo.offices import Offices
from local.demo.players import Json, Players
from shared.identity.demo import HOME_UNIT
from shared.reference.calendar import LOCAL

TODAY = datetime(2026, 11, 20, 3, tzinfo=UTC)
ELSEWHERE = next(code for code in ("05443", "05455") if code != HOME_UNIT)


def day(ago: int) -> Day:
    found = Day(TravellingClock(), TODAY, 7)
    found.begin(ago)
    return found


class Platform:
    """A platform with one case of a child in danger, that knows what was done."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.verified: bool | None = None
        self.step = "intake"
        self.emergency: str | None = None
        self.done: list[tuple[str, str]] = []

    async def get(self, _role: str, path: str, _where: str | None = None) -> Json:
        if path.startswith("/cases/api/concerns"):
            return {"concerns": []}
        if path.startswith("/cases/api/cases?"):
            due = "plan-approval" if self.emergency else "emergency-12h"
            return {"cases": [{"id": "c", "unit": self.unit, "step": self.step, "due_kind": due}]}
        return {
            "id": "c",
            "version": 1,
            "acts": ["verify", "assess-initial", "decide-emergency", "close"],
            "facts": {"unit": self.unit, "step": self.step},
            "verified": self.verified,
            "emergency": self.emergency,
            "care": None,
            "deadlines": [{"kind": "emergency-12h", "state": "running"}],
        }

    async def post(self, role: str, _path: str, body: Any, _where: str | None = None) -> Json:
        act = body["act"]
        self.done.append((role, act["act"]))
        if act["act"] == "verify":
            self.verified = act["confirmed"]
        elif act["act"] == "assess-initial":
            self.step = "assessment"
        elif act["act"] == "decide-emergency":
            self.emergency = act["measure"]
        return {"done": True}

    async def look(self, *_given: object) -> str:
        return ""


async def nights(unit: str, ago: int, count: int) -> list[list[tuple[str, str]]]:
    """What is done on the evenings and nights of so many days, about a case of a child in danger."""
    found = []
    for at in range(count):
        platform = Platform(unit)
        offices = Offices(cast(Players, platform), [ELSEWHERE], day(ago + at))
        await offices.evening()
        await offices.night()
        found.append(platform.done)
    return found


async def test_a_child_in_danger_is_decided_on_the_same_night_nearly_always() -> None:
    done = await nights(ELSEWHERE, 5, 60)
    in_time = [one for one in done if ("chair", "decide-emergency") in one or ("chair", "close") in one]
    # Nobody can be reached at every hour, or the demo would show nothing to mend.
    assert 54 <= len(in_time) <= 60
    for one in in_time:
        # The chair decides on what the worker found.
        assert one.index(("worker", "verify")) < len(one) - 1
    # The same nights are played the same way.
    assert await nights(ELSEWHERE, 5, 60) == done


async def test_the_last_day_is_left_to_the_people_on_the_sign_in_page() -> None:
    assert await nights(HOME_UNIT, 1, 1) == [[]]
    assert any(await nights(HOME_UNIT, 2, 5))


def test_a_report_that_proved_unfounded_is_closed_and_no_measure_taken() -> None:
    case = {
        "acts": ["close", "decide-emergency"],
        "verified": False,
        "care": None,
        "emergency": None,
        "deadlines": [{"kind": "emergency-12h", "state": "nearing"}],
    }
    now, random = TODAY, Random(7)
    assert choices.urgent_act(case, now, random) == {"act": "close", "outcome": "unfounded"}
    taken = choices.urgent_act({**case, "verified": True}, now, random)
    assert taken is not None
    assert taken["act"] == "decide-emergency"
    assert choices.urgent_act({**case, "verified": True, "emergency": "shelter"}, now, random) is None


def test_no_twelve_hours_pass_between_two_rounds() -> None:
    played = day(10)
    rounds = [played.midnight + OPENS, played.evening, played.night, played.midnight + OPENS + timedelta(days=1)]
    gaps = [later - earlier for earlier, later in pairwise(rounds)]
    assert max(gaps) < timedelta(hours=12)
    # What a month of the pilot brings comes at six, before offices open.
    assert day(200).evening - day(200).midnight <= timedelta(hours=17)


def test_time_passes_within_a_round_and_never_beyond_it() -> None:
    clock = TravellingClock()
    played = Day(clock, TODAY, 7)
    played.begin(10)
    clock.go(played.midnight)
    played.go_on_duty(played.evening)
    begun = clock()
    for _ in range(500):
        played.time_passes()
    assert begun.astimezone(LOCAL).hour == 19
    assert timedelta(hours=1) < clock() - begun <= timedelta(hours=2, seconds=5)
    # Today is real: nobody moves its clock.
    played.begin(0)
    clock.come_home()
    before = clock()
    played.go_on_duty(played.evening)
    assert clock() - before < timedelta(seconds=5)
