"""What is to be done next: by the clocks first, then by the step; and never what is not open."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.cases.domain.agenda import AWAITED, STEPS, likely_act, next_acts
from services.cases.domain.model import INITIAL, PLAN, Actor, Clock
from services.cases.domain.rules import RULES, open_acts
from tests.support.made_up import CHAIR, COORDINATOR, NOW, WORKER, opened, planned


def test_the_soonest_clock_says_what_comes_first() -> None:
    case = replace(opened("yes").case, verified=True)
    plan = Clock("clock-1", PLAN, NOW, NOW + timedelta(days=7), NOW + timedelta(days=6), "law")
    initial = Clock("clock-2", INITIAL, NOW, NOW + timedelta(hours=12), NOW + timedelta(hours=6), "law")
    assert next_acts(replace(case, step="assessment", clocks=(plan, initial)), WORKER) == [
        "assess-initial",
        "draft-plan",
    ]
    urgent = replace(plan, due=NOW + timedelta(hours=1))
    assert next_acts(replace(case, step="assessment", clocks=(urgent, initial)), WORKER)[0] == "draft-plan"
    assert next_acts(opened("yes").case, CHAIR) == ["decide-emergency"]


def test_what_is_verified_needs_no_verifying_and_a_plan_that_waits_is_the_chairs() -> None:
    assert "verify" in next_acts(opened().case, WORKER)
    assert "verify" not in next_acts(replace(opened().case, verified=True), WORKER)
    assert next_acts(planned(), CHAIR) == ["approve-plan", "return-plan"]
    assert "approve-plan" not in next_acts(planned(), WORKER)
    assert next_acts(planned(), COORDINATOR) == []


@pytest.mark.parametrize("actor", [WORKER, CHAIR, COORDINATOR])
@pytest.mark.parametrize("danger", ["yes", "no"])
def test_nothing_is_offered_that_is_not_open(actor: Actor, danger: str) -> None:
    for case in (opened(danger).case, planned()):
        assert set(next_acts(case, actor, 99)) <= set(open_acts(case, actor))


def test_a_line_of_a_list_names_the_act_of_the_reader_or_none() -> None:
    assert likely_act("chair", "approval", "linked", True, ["plan-approval"]) == "approve-plan"
    assert likely_act("worker", "approval", "linked", True, ["plan-approval"]) is None
    assert likely_act("worker", "approval", "candidates", True, []) == "choose-child"
    assert likely_act("coordinator", "intake", "none", None, ["emergency-12h"]) is None
    assert likely_act("worker", "intake", "none", None, ["a-clock-of-tomorrow"]) == "verify"


def test_every_step_has_its_acts_in_the_table_of_rules() -> None:
    named = {act for acts in STEPS.values() for act in acts}
    assert named <= set(RULES)
    assert AWAITED
