"""Reports of concern and incidents: what corrects them, what is refused, what triage decides."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.cases.domain import acts, concerns, opening
from services.cases.domain.model import (
    EMERGENCY,
)
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import ChildDescription
from tests.support.made_up import (
    CHILD,
    COORDINATOR,
    NO_CASE,
    NOW,
    UNIT,
    WORKER,
    concern,
    opened,
    planned,
    rule_of,
    said,
    world,
)


def test_a_correction_moves_a_case_at_intake_and_leaves_a_later_one_to_people() -> None:
    before, after = concern(), concern(kind="neglect", unit="05455", danger_now="yes")
    decision = opening.correct(replace(opened().case, identity="linked"), before, after, CHILD, world())
    assert (decision.case.kind, decision.case.unit, decision.case.risk) == ("neglect", "05455", "high")
    assert said(decision)[0] == "case.reclassified"
    assert decision.case.clock(EMERGENCY) is not None
    calmer = replace(after, danger_now="no")
    assert (
        opening.correct(replace(opened().case, worker="lan.worker"), before, calmer, CHILD, world()).case.unit == UNIT
    )
    for begun in (planned(), replace(opened().case, verified=True)):
        later = opening.correct(begun, before, calmer, CHILD, world())
        assert later.happenings == ()
        assert (later.case.kind, later.case.unit) == ("violence", UNIT)
        assert [entry.kind for entry in later.entries] == ["report.corrected"]


def test_a_correction_that_tells_of_danger_is_heeded_at_any_time_from_when_it_is_said() -> None:
    later = world(NOW + timedelta(days=3))
    decision = opening.correct(planned(), concern(), concern(danger_now="yes", unit="05455"), CHILD, later)
    clock = decision.case.clock(EMERGENCY)
    assert clock is not None
    assert (clock.started_at, decision.case.risk, decision.case.unit) == (later.now, "high", UNIT)
    assert {task.sector for task in decision.case.tasks} == {"police", "health"}


def test_a_second_report_of_danger_starts_the_clock_at_its_own_receipt() -> None:
    second = concern(id="concern-2", danger_now="yes", received_at=NOW - timedelta(hours=1))
    decision = opening.linked_report(opened("no", NOW - timedelta(days=9)).case, second, world())
    clock = decision.case.clock(EMERGENCY)
    assert clock is not None
    assert clock.started_at == NOW - timedelta(hours=1)
    assert decision.case.risk == "high"


def test_a_receipt_of_tomorrow_is_refused_and_one_of_later_today_counts_from_now() -> None:
    assert concerns.check_received(NOW + timedelta(hours=2), world()) == NOW
    with pytest.raises(Rejected) as error:
        concerns.check_received(NOW + timedelta(days=1), world())
    assert rule_of(error) == "received-at-in-future"


def test_danger_that_another_report_told_of_outlives_a_correction_of_the_first() -> None:
    second = replace(concern(danger_now="yes"), id="concern-2")
    endangered = opening.linked_report(opened("no").case, second, world()).case
    later = opening.correct(endangered, concern(), concern(channel="web"), CHILD, world()).case
    assert (later.danger_now, later.channel) == ("yes", "web")
    unsure = opening.correct(opened("no").case, concern(), concern(danger_now="unknown"), CHILD, world()).case
    assert unsure.danger_now == "unknown", "what nobody else said follows its sender"


def test_an_incident_of_tomorrow_or_of_before_what_is_still_entered_is_refused() -> None:
    known = replace(world(), oldest_receipt=date(2021, 11, 24))
    concerns.check_occurred(date(2026, 11, 24), known)
    concerns.check_occurred(date(2021, 11, 24), known)
    for day, rule in ((date(2026, 11, 25), "occurred-on-in-future"), (date(2021, 11, 23), "occurred-on-too-old")):
        with pytest.raises(Rejected) as error:
            concerns.check_occurred(day, known)
        assert rule_of(error) == rule


def test_the_age_band_is_of_the_day_of_receipt() -> None:
    child = ChildDescription(birth_date=date(2015, 11, 25))
    assert concerns.described_band(None, child, NOW) == "6-10"
    assert concerns.described_band(None, child, NOW + timedelta(days=1)) == "11-15"
    assert concerns.described_band(4, None, NOW) == "4-5"
    assert concerns.described_band(None, None, NOW) == "unknown"


def test_triage_dismisses_forwards_and_refuses_what_is_decided() -> None:
    dismissed = concerns.dismiss(concern(), NO_CASE, WORKER, world())
    assert dismissed.status == "dismissed"
    with pytest.raises(Rejected) as error:
        concerns.dismiss(dismissed, NO_CASE, WORKER, world())
    assert rule_of(error) == "not-at-this-step"
    unplaced = concern(unit="unclassified")
    moved = concerns.forward(unplaced, acts.ForwardConcern(to_unit=UNIT, reason="Theo địa chỉ"), COORDINATOR, world())
    assert moved.unit == UNIT
    with pytest.raises(Rejected):
        concerns.dismiss(unplaced, NO_CASE, WORKER, world())


def test_a_dismissed_concern_that_turns_out_to_be_danger_opens_after_all() -> None:
    dismissed = replace(concern(), status="dismissed")
    assert not concerns.opens_at_once(concerns.correct(dismissed, concern()))
    assert concerns.opens_at_once(concerns.correct(dismissed, concern(danger_now="yes")))
