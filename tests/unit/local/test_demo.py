"""The demo's clock, its people and its progress; the filling itself is seen in the journeys."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from local.demo import choices, filling, registers
from local.demo.clock import TravellingClock
from local.demo.filling import progress_of
from local.demo.reporting import activity, figures, still_heard, surge
from local.demo.schedule import DAYS, concerns_on, days_ago
from local.simulation.world import World
from services.registry.domain.fieldwork import ASKED, read
from services.stats.domain.reported import check_activity, check_figure
from shared.contracts.agency import ActivityHeld, FigureReported
from shared.contracts.vocabulary import SECTORS
from shared.identity import Role, demo_directory
from shared.identity.demo import demo_person
from shared.reference.indicators import Indicators
from shared.reference.terms import Terms
from shared.reference.units import Units


def test_the_clock_stands_in_the_past_runs_on_and_comes_home() -> None:
    clock = TravellingClock()
    past = datetime(2026, 3, 1, 8, tzinfo=UTC)
    clock.go(past)
    assert timedelta() <= clock() - past < timedelta(seconds=5)
    clock.come_home()
    assert abs(datetime.now(UTC) - clock()) < timedelta(seconds=5)


def test_every_commune_has_a_worker_and_a_chair_whom_only_programs_play() -> None:
    units = Units.load().names()
    directory = demo_directory(units)
    for code in units:
        for role in (Role.WORKER, Role.CHAIR):
            person = demo_person(directory, role, None, code)
            assert person is not None
            assert person.units == frozenset({code})
    shown = [person for person in directory.people.values() if not person.machine]
    assert len(shown) < 20
    # Whoever asks for a role alone gets one of the people on the sign-in page.
    worker = demo_person(directory, Role.WORKER, None)
    assert worker in shown


def test_the_same_seed_makes_the_same_province() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    one, other = World(50, 7, now), World(50, 7, now)
    assert one.children == other.children
    assert one.concern(1, now) == other.concern(1, now)


def testprogress_of_is_remembered(tmp_path: Path) -> None:
    marker = tmp_path / "demo.json"
    now = datetime(2026, 11, 20, tzinfo=UTC)
    assert progress_of(marker, now) == (-2, now)
    marker.write_text('{"days": 12, "today": "2026-11-20T00:00:00+00:00"}')
    assert progress_of(marker, datetime.now(UTC)) == (12, now)


async def test_that_the_province_is_being_made_is_said_before_its_registers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    class Recorder:
        def __init__(self, *_given: object) -> None:
            pass

        async def day(self, ago: int | None, *, replay: bool) -> None:
            seen.append("again" if replay else "registers" if ago is None else "day")

    monkeypatch.setattr(filling, "_Filler", Recorder)

    def say(day: int, days: int) -> None:
        seen.append(f"{day}/{days}")

    marker = tmp_path / "demo.json"
    await filling.fill("http://nowhere", TravellingClock(), marker, say)
    last = seen.count("day") - 1
    assert seen[:6] == [f"0/{last}", "registers", "day", "day", f"1/{last}", "day"]
    assert seen[-1] == f"{last}/{last}"
    # A start that goes on says how far the one before came, and one that finds all done says nothing.
    seen.clear()
    marker.write_text(marker.read_text().replace(f'"days":{last}', f'"days":{last - 1}'))
    await filling.fill("http://nowhere", TravellingClock(), marker, say)
    assert [step for step in seen if step != "again"] == [f"{last - 1}/{last}", "day", f"{last}/{last}"]
    seen.clear()
    await filling.fill("http://nowhere", TravellingClock(), marker, say)
    assert not seen


def test_what_made_up_agencies_report_is_taken_by_statistics() -> None:
    at = datetime(2026, 8, 10, 2, 0, tzinfo=UTC)
    told = figures(at)
    assert {sent.document["data"]["indicator"] for sent in told} == {
        indicator.code for indicator in Indicators.load() if indicator.reported_by in SECTORS
    }
    for sent in told:
        figure = FigureReported.model_validate(sent.document["data"])
        check_figure(figure, Indicators.load().get(figure.indicator), sent.sector, at.date())
    held = [activity(number, at, Units.load().codes(), Random(number), 100) for number in range(50)]
    assert 10 < sum(sent is not None for sent in held) < 40
    for sent in filter(None, held):
        said = ActivityHeld.model_validate(sent.document["data"])
        check_activity(said, Terms.load("activities").codes(), Terms.load("audiences").codes(), at.date())


@pytest.mark.parametrize("today", [date(2026, 11, 26), date(2027, 1, 2), date(2028, 2, 29), date(2026, 4, 15)])
def test_the_demo_begins_with_last_year_and_ends_today(today: date) -> None:
    played = days_ago(today)
    assert played == tuple(sorted(set(played), reverse=True))
    assert (today - timedelta(days=played[0])).year == today.year - 1
    assert played[-(DAYS + 1) :] == tuple(range(DAYS, -1, -1))
    # Every month since then is played, and no day in the future.
    months = {(today - timedelta(days=ago)).isoformat()[:7] for ago in played}
    assert len(months) == 12 + today.month or played[0] < DAYS
    assert all(concerns_on(today - timedelta(days=ago), ago) >= 0 for ago in played)
    assert sum(concerns_on(today - timedelta(days=ago), ago) for ago in played) < 600


def test_whoever_stands_at_the_door_writes_down_the_hamlet_that_was_missing() -> None:
    now, random = datetime(2026, 11, 20, tzinfo=UTC), Random(7)
    texts = dict.fromkeys(ASKED, "")
    known = {"child_id": "c", "version": 1, "texts": {**texts, "name": "Nguyễn Văn Nam", "address": "Số 3"}}
    answers = [registers._answer("list", known, now, random) for _ in range(50)]
    told = [answer for answer in answers if answer["fixes"].get("hamlet")]
    assert len(answers) / 2 < len(told) < len(answers)
    for answer in told:
        said = read(known["texts"], answer["said"], answer["fixes"], answer["seen"])
        assert said.fixes["hamlet"].startswith("Xóm ")
    # Who was not met is not asked, and what is known is not written again.
    assert not any(answer["fixes"] for answer in answers if answer["result"] == "not-met")
    there = {**known, "texts": {**known["texts"], "hamlet": "Xóm 4"}}
    assert not any("hamlet" in registers._answer("list", there, now, random)["fixes"] for _ in range(50))


def test_a_date_that_has_passed_meanwhile_is_refused() -> None:
    now, random = datetime(2026, 11, 20, tzinfo=UTC), Random(7)

    def said(proposed: datetime) -> set[str]:
        task = {"id": "t", "state": "accepted", "pending": "date", "proposed_due": proposed.isoformat()}
        return {(choices.reply(task, now, random) or {})["act"] for _ in range(30)}

    assert said(now - timedelta(hours=1)) == {"refuse-date"}
    assert said(now + timedelta(days=3)) == {"agree-date", "refuse-date"}


def test_figures_of_the_demo_have_something_to_show() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    world = World(2000, 7, now)
    concerns = [world.concern(number, now) for number in range(200)]
    # Reports pile up in one commune, in the last days only.
    late = [surge(concern, world.children, number, 2) for number, concern in enumerate(concerns)]
    assert max(Counter(concern.child.unit for concern in late).values()) > 60
    assert [surge(concern, world.children, number, 20) for number, concern in enumerate(concerns)] == concerns
    # One sector falls silent.
    assert any(still_heard(concern, 60).sector == "unions" for concern in concerns)
    assert not any(still_heard(concern, 3).sector == "unions" for concern in concerns)
    # And not everything gets better.
    values: dict[str, list[float]] = {}
    for sent in figures(now):
        values.setdefault(sent.document["data"]["indicator"], []).append(sent.document["data"]["value"])
    higher = {one.code for one in Indicators.load() if one.better == "higher"}
    assert 0 < sum(said[-1] < said[0] for code, said in values.items() if code in higher) < len(values) / 2
