"""The demo's clock, its people and its progress; the filling itself is seen in the journeys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.demo.clock import TravellingClock
from local.demo.filling import progress_of
from local.simulation.world import World
from shared.identity import Role, demo_directory
from shared.identity.demo import demo_person
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
