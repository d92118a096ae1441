"""A made-up world for the rules of cases: its day, its people, a report, a case as far as it is wanted."""

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from services.cases.domain import acts, cases, opening
from services.cases.domain.model import (
    APPROVAL,
    BAN,
    BAN_DECISION,
    CARE_HANDOVER,
    CASE_HANDOVER,
    EMERGENCY,
    INITIAL,
    PLAN,
    SEPARATION,
    Actor,
    Case,
    Concern,
    Decision,
    World,
)
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import ChildDescription
from shared.reference.forms import Forms
from shared.reference.terms import answers_in
from tests.support.rated import ROWS

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
UNIT = "05443"
WORKER = Actor("lan.worker", "Lan", "worker", frozenset({UNIT}))
CHAIR = Actor("binh.chair", "Bình", "chair", frozenset({UNIT}))
COORDINATOR = Actor("ha.coordinator", "Hà", "coordinator", "all")
NO_CASE = acts.DismissConcern(reason="hoax", words="Đã gọi lại")
CHILD = ChildDescription(name="Trẻ thử", age=7)
NUMBERS = itertools.count(1)
LENGTHS = {
    EMERGENCY: timedelta(hours=12),
    PLAN: timedelta(days=7),
    APPROVAL: timedelta(days=2),
    SEPARATION: timedelta(days=15),
    INITIAL: timedelta(hours=12),
    BAN_DECISION: timedelta(hours=12),
    BAN: timedelta(days=3),
    CARE_HANDOVER: timedelta(days=21),
    CASE_HANDOVER: timedelta(days=1),
}


@dataclass(frozen=True)
class Due:
    due: datetime
    nearing_at: datetime
    legal_source: str = "Nghị định 56/2017"
    working_days: bool = False
    pausable: tuple[str, ...] = ()
    pause_days: int = 0
    set_by: str | None = None


def world(now: datetime = NOW) -> World:
    return World(
        now=now,
        start=lambda kind, at, _unit="": Due(at + LENGTHS[kind], at + LENGTHS[kind] * 0.75),
        new_id=lambda: f"{now.isoformat()}-{next(NUMBERS)}",
        units=frozenset({UNIT, "05455"}),
        task_kinds=frozenset({"verification", "medical-examination"}),
        outcomes=frozenset({"safe", "unfounded"}),
        measures=frozenset({"separation", "safe-place"}),
        separating=frozenset({"separation"}),
        dismissals=frozenset({"hoax"}),
        forms=Forms.load(),
        codes=answers_in,
        service_tasks={"medical": "medical-examination", "legal": "verification"},
        kinds=frozenset({"violence", "neglect", "domestic-violence"}),
        environments=frozenset({"family", "school"}),
        harmers=frozenset({"parent", "teacher"}),
        cares=frozenset({"kinship", "facility"}),
        closing={"unfounded": frozenset({"unfounded"})},
    )


def concern(**changes: object) -> Concern:
    base = Concern(
        id="concern-1",
        code="BT-2026-000001",
        unit=UNIT,
        sex="female",
        age_band="6-10",
        kind="violence",
        danger_now="no",
        sector="hotline",
        channel="hotline-111",
        received_at=NOW,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def opened(danger: str = "no", received_at: datetime = NOW) -> Decision:
    return opening.open_case(
        concern(danger_now=danger, received_at=received_at), "case-1", "TN-2026-000001", CHILD, world(), by_person=False
    )


def said(decision: Decision) -> list[str]:
    return [happening.model.TYPE.removeprefix("vn.vongtay.cases.") for happening in decision.happenings]


def rule_of(error: pytest.ExceptionInfo[Rejected]) -> str:
    return error.value.violations[0].rule


def initial(level: str, rating: str = "medium", conclusion: str = "Trẻ cần được theo dõi thêm tại nhà.") -> acts.Act:
    return acts.ACT.validate_python(
        {
            "act": "assess-initial",
            "ratings": dict.fromkeys(ROWS, rating),
            "level": level,
            "conclusion": conclusion,
        }
    )


def do(case: Case, act: dict[str, object], actor: Actor = WORKER, now: datetime = NOW) -> Case:
    return cases.decide(case, acts.ACT.validate_python(act), actor, world(now)).case


def review(**changes: object) -> dict[str, object]:
    """A review as form 06 needs it."""
    rated = {"ratings": dict.fromkeys(ROWS, "low"), "level": "low"}
    return {"act": "hold-review", "outcome": "close", "findings": "Trẻ ổn định", **rated, **changes}


def planned() -> Case:
    case = cases.decide(opened().case, initial("medium"), WORKER, world()).case
    return do(case, {"act": "draft-plan", "goals": "An toàn", "activities": "Thăm mỗi tuần"})
