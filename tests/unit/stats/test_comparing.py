"""Whether a figure reaches its target is said only where it can be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.stats.domain.disclosure import Shown
from services.stats.domain.periods import Period
from services.stats.domain.reading import Verdict
from services.stats.figures.comparing import Asking, Comparing, compared_with
from services.stats.figures.releasing import Releasing
from shared.identity import ALL_UNITS
from shared.identity.principal import Principal, Role
from shared.reference.indicators import Indicator, Part, Target
from tests.unit.stats.made_up_figures import indicator

NOW = datetime(2026, 6, 30, tzinfo=UTC)
ASKING = Asking(Principal("c", "C", Role.COORDINATOR, ALL_UNITS), NOW)
OPENINGS = Part("openings", "period", {})
CASES = Part("cases", "state", {})


class Told(Releasing):
    """A door behind which each period has the value that a test gave it."""

    def __init__(self, values: dict[str, float | None]) -> None:
        self._values = values

    async def release(self, *args: Any, **more: Any) -> list[Shown]:
        _, _, _, periods = args
        return [Shown(period, (), self._values.get(period.code)) for period in periods]


def aimed(part: Part, better: str, **target: Any) -> Indicator:
    aim = replace(Target(2026, "province", 10.0, "s", "s"), **target)
    return replace(indicator("i", part, targets=(aim,)), better=better)  # type: ignore[arg-type]


async def verdict(one: Indicator, period: str, values: dict[str, float | None]) -> Verdict:
    (reading,) = await Comparing(Told(values)).compared(None, ASKING, one, Period.parse(period))  # type: ignore[arg-type]
    return reading.verdict


@pytest.mark.parametrize(
    ("part", "better", "period", "value", "expected"),
    [
        # What adds up and should be little: known to be missed before the year ends, to be met only after it.
        (OPENINGS, "lower", "2026", 11, "missed"),
        (OPENINGS, "lower", "2026", 9, "running"),
        (OPENINGS, "lower", "2026-05", 11, "untold"),
        # What should be much, the other way round.
        (OPENINGS, "higher", "2026", 11, "met"),
        (OPENINGS, "higher", "2026", 9, "running"),
        # A month is not judged by its year's target; a target that lies ahead is not missed yet.
        (CASES, "lower", "2026-05", 11, "running"),
        (CASES, "lower", "2026-05", 9, "running"),
        (CASES, "lower", "2026", 11, "missed"),
        (CASES, "lower", "2025", 11, "running"),
        (CASES, "neither", "2026-05", 9, "unknown"),
        (CASES, "lower", "2026-05", None, "unknown"),
    ],
)
async def test_a_target_is_met_missed_or_open(
    part: Part, better: str, period: str, value: float | None, expected: Verdict
) -> None:
    assert await verdict(aimed(part, better), period, {period: value}) == expected


async def test_a_fall_is_measured_from_its_base_year() -> None:
    falling = aimed(CASES, "lower", value=None, change=-10.0, against="year-before", yearly=True)
    assert await verdict(falling, "2026", {"2026": 90, "2025": 100}) == "met"
    assert await verdict(falling, "2026", {"2026": 91, "2025": 100}) == "missed"
    assert await verdict(falling, "2026", {"2026": 0}) == "unknown"


async def test_a_few_late_records_of_a_year_before_recording_are_no_level_to_fall_from_or_to_compare_with() -> None:
    falling = aimed(OPENINGS, "lower", value=None, change=-5.0, against="year-before", yearly=True)

    class Late(Told):
        async def release(self, *args: Any, **more: Any) -> list[Shown]:
            return [replace(one, early=one.period.first.year < 2026) for one in await super().release(*args, **more)]

    told = Late({"2026": 19, "2025": 1})
    year = Period.parse("2026")
    (reading,) = await Comparing(told).compared(None, ASKING, falling, year)  # type: ignore[arg-type]
    assert reading.verdict == "unknown"
    assert not reading.pressing
    for beside in (reading.before, reading.year_before):
        assert beside is not None
        assert beside.reason == "before-recording"
        assert reading.moved(beside) is None
    # Looked at for itself it is told.
    (reading,) = await Comparing(told).compared(None, ASKING, falling, year.previous)  # type: ignore[arg-type]
    assert reading.value == 1


def test_what_adds_up_is_compared_with_as_many_days_where_days_are_seen() -> None:
    year, today = Period.parse("2026"), date(2026, 6, 30)
    _, before = compared_with(aimed(OPENINGS, "lower"), year, today, exact=True)
    assert (before.code, before.last) == ("2025", date(2025, 6, 30))
    for part, exact in ((OPENINGS, False), (CASES, True)):
        assert compared_with(aimed(part, "lower"), year, today, exact=exact) == (year.previous, year.previous)


async def test_girls_and_old_districts_have_no_target() -> None:
    asking = Asking(ASKING.principal, NOW, units=frozenset({"05443", "05455"}))
    assert asking.level is None
    assert Asking(ASKING.principal, NOW, by=("sex",)).level is None
    assert Asking(ASKING.principal, NOW, by=("unit",)).level == "commune"
