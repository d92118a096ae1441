"""Whatever people do, whoever they are, in whatever order, and however time passes: no case is left without a way on,
no deadline is lost, no task is orphaned, and what is refused changes nothing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pydantic import ValidationError

from services.cases.desk.files import CaseFiles
from services.cases.domain import acts, cases, ending, identifying, opening, siblings, tasks
from services.cases.domain.ending import Merged
from services.cases.domain.model import (
    BAN_DECISION,
    SEPARATION,
    Actor,
    Case,
    Concern,
    Decision,
    World,
    refuse,
)
from services.cases.domain.rules import RULES, open_acts, refusal
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import ChildDescription
from shared.privacy import Keys, PlatformKey
from shared.reference.deadlines import Deadlines
from shared.reference.units import Units
from tests.support.acted import CHILDREN, HERE, MODELS, THERE, inputs, way

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
CHILD = ChildDescription(name="Trẻ thử", age=7)
FILES = CaseFiles(Keys(b"m" * 32, PlatformKey(b"p" * 32)), Units.load(), Deadlines.load())
LOCAL_PEOPLE = [
    Actor(f"{role}.{unit}", role, role, frozenset({unit})) for unit in (HERE, THERE) for role in ("worker", "chair")
]
COORDINATOR = Actor("ha", "Hà", "coordinator", "all")
PEOPLE = [
    *LOCAL_PEOPLE,
    COORDINATOR,
    Actor("duc", "Đức", "sector", "all", sector="health"),
    Actor("mai", "Mai", "hotline", "all", sector="hotline"),
    Actor("tuan", "Tuấn", "statistician", "all"),
]
QUOTES = str.maketrans("«»", '""')
NOT_OPEN = {"not-your-role", "not-your-commune", "not-at-this-step"}
LAW_VI = re.compile(r"\((Nghị định|Luật|Bộ luật) [^)]*Điều \d")
LAW_EN = re.compile(r"\((Decree|Law|Civil Code) [^)]*Art\. \d")
LIVE = {"running", "nearing", "missed", "paused"}
# How a case is brought to its end, from wherever it is: the first of these that is open is done.
WAY_ON: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("end-alternative-care", {"reason": "Hết cần"}),
    ("close", {"outcome": "stable", "no_risk": True, "stable": True}),
    ("hold-review", {"outcome": "close"}),
    ("approve-plan", {}),
    ("draft-plan", {"activities": "Thăm hằng tuần"}),
    ("assess-initial", {"level": "low"}),
)
# Acts that something in the case waits for: they are open to few, and for a short time.
AWAITED = frozenset(
    {
        "reply-task",
        "agree-date",
        "refuse-date",
        "do-without",
        "end-separation",
        "extend-separation",
        "decide-contact-ban",
        "end-contact-ban",
        "accept-handover",
        "decline-handover",
        "withdraw-handover",
        "resume-deadline",
        "hand-over-child",
    }
)
SPANS = [timedelta(hours=hours) for hours in (0.1, 5, 13, 49, 217, 700)]
SEEDS = st.integers(0, 2**32)


@dataclass
class Files:
    """The cases, and what lies beside them, as the desk keeps it."""

    cases: dict[str, Case] = field(default_factory=dict)
    reports: dict[str, str] = field(default_factory=dict)
    merges: dict[str, Merged] = field(default_factory=dict)
    links: set[frozenset[str]] = field(default_factory=set)


class EverySequence(RuleBasedStateMachine):
    """Random people, acts, answers and weeks, on one desk."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.files = Files()
        self.numbers = itertools.count(1)

    # What happens

    @rule(
        danger=st.sampled_from(["yes", "no", "unknown"]),
        unit=st.sampled_from([HERE, THERE]),
        late=st.sampled_from([timedelta(0), timedelta(hours=20), timedelta(days=30)]),
        described=st.booleans(),
    )
    def report(self, danger: str, unit: str, late: timedelta, described: bool) -> None:
        if len(self.files.cases) >= 3:
            return
        number = next(self.numbers)
        said = concern(number, danger, unit, self.now - late)
        code = f"TN-2026-{number:06d}"
        child = CHILD if described else None
        decision = opening.open_case(said, f"case-{number}", code, child, self.world(), by_person=danger != "yes")
        self.files.reports[said.id] = decision.case.id
        self.save(None, decision)

    @precondition(lambda self: self.files.cases)
    @rule(seed=SEEDS, danger=st.sampled_from(["yes", "no"]))
    def another_report(self, seed: int, danger: str) -> None:
        case = self.some_case(self.dice(seed))
        if case.status == "open":
            said = concern(next(self.numbers), danger, case.unit, self.now)
            self.save(case, opening.linked_report(case, said, self.world()))
            self.files.reports[said.id] = case.id

    @precondition(lambda self: self.files.cases)
    @rule(seed=SEEDS)
    def the_worker_works(self, seed: int) -> None:
        self.does_what_is_open(self.dice(seed), ["worker"])

    @precondition(lambda self: self.files.cases)
    @rule(seed=SEEDS)
    def the_chair_decides(self, seed: int) -> None:
        self.does_what_is_open(self.dice(seed), ["chair"])

    @precondition(lambda self: self.files.cases)
    @rule(seed=SEEDS)
    def worker_and_chair_work_for_a_while(self, seed: int) -> None:
        dice = self.dice(seed)
        for _ in range(8):
            self.does_what_is_open(dice, ["worker", "chair"])

    @precondition(lambda self: self.files.cases)
    @rule(seed=SEEDS)
    def a_case_goes_its_way(self, seed: int) -> None:
        case = self.some_case(self.dice(seed))
        found = None if case.status != "open" else way_on(case, *office_of(case.unit))
        if found is not None:
            self.do(case, found[0]["act"], found[0], found[1], fits=True)

    @precondition(lambda self: self.files.cases)
    @rule(seed=SEEDS)
    def the_province_moves_a_case(self, seed: int) -> None:
        dice = self.dice(seed)
        offered = [case for case in self.files.cases.values() if case.handover_to is not None]
        case = dice.choice(offered or list(self.files.cases.values()))
        if "transfer" in open_acts(case, COORDINATOR):
            self.do(case, "transfer", self.inputs(dice, case, "transfer"), COORDINATOR, fits=True)

    def does_what_is_open(self, dice: Random, roles: list[str]) -> None:
        """Somebody of the communes does one thing that their page offers, as the form should be filled in."""
        case = self.some_case(dice)
        offered = [(name, actor) for actor in LOCAL_PEOPLE if actor.role in roles for name in open_acts(case, actor)]
        if offered:
            # What somebody waits for comes first, as often as not; notes are few: they change nothing.
            waiting = [one for one in offered if one[0] in AWAITED and dice.random() < 0.5]
            name, actor = dice.choice(
                waiting or [one for one in offered if one[0] != "note" or dice.random() < 0.1] or offered
            )
            self.do(case, name, self.inputs(dice, case, name), actor, fits=True)

    @precondition(lambda self: self.files.cases)
    @rule(seed=SEEDS, name=st.sampled_from(sorted(MODELS)), actor=st.sampled_from(PEOPLE))
    def anybody_tries_anything(self, seed: int, name: str, actor: Actor) -> None:
        dice = self.dice(seed)
        case = self.some_case(dice)
        self.do(case, name, self.inputs(dice, case, name, wrong=dice.random() < 0.5), actor)

    @precondition(lambda self: any(case.tasks for case in self.files.cases.values()))
    @rule(seed=SEEDS, given=st.sampled_from(["accepted", "declined", "done", "new-date", "question"]))
    def sector_answers(self, seed: int, given: tasks.Answer) -> None:
        dice = self.dice(seed)
        case = dice.choice([case for case in self.files.cases.values() if case.tasks])
        task = dice.choice([task for task in case.tasks if task.is_open] or case.tasks)
        sector = dice.choice([task.sector, task.sector, task.sector, "unions", None])
        when = self.now + dice.choice([timedelta(days=2), timedelta(days=9), timedelta(days=-2)])
        words = dice.choice([None, "Đã rõ", "Đã rõ", "Đã rõ"])
        try:
            decision = tasks.answer(
                case,
                self.world(),
                task.id,
                sector,
                given,
                reason=words,
                summary=words,
                question=words,
                new_date=when,
            )
        except Rejected as rejected:
            speaks_both(rejected)
        else:
            self.save(case, decision)

    @precondition(lambda self: self.files.cases)
    @rule(seed=SEEDS, found=st.sampled_from(["none", "one", "candidates"]))
    def registry_answers(self, seed: int, found: str) -> None:
        dice = self.dice(seed)
        case, child = self.some_case(dice), dice.choice(CHILDREN)
        candidates = [{"child_id": child, "probability": 0.6, "reasons": []}] if found == "candidates" else []
        self.save(case, identifying.identified(case, child if found == "one" else None, candidates))

    @rule(gone=st.sampled_from(CHILDREN), kept=st.sampled_from(CHILDREN))
    def registry_merges_children(self, gone: str, kept: str) -> None:
        for case in [case for case in self.files.cases.values() if case.child_id == gone and gone != kept]:
            self.save(case, identifying.identified(case, kept, ()))

    @rule(span=st.sampled_from(SPANS))
    def time_passes(self, span: timedelta) -> None:
        self.now += span
        for case in list(self.files.cases.values()):
            self.save(case, cases.tick(case, self.world()))
            after = self.files.cases[case.id]
            assert cases.tick(after, self.world()).happenings == ()
            for clock in after.clocks:
                if clock.runs and clock.state not in ("missed", "paused"):
                    assert clock.due >= self.now
            assert all(task.state == "overdue" or task.due >= self.now for task in after.tasks if task.is_open)

    # What must be so, always

    @invariant()
    def every_clock_that_runs_will_be_looked_at(self) -> None:
        for case in self.files.cases.values():
            for clock in case.clocks:
                if clock.runs and clock.state != "missed":
                    moment, next_of_case = clock.next_moment(), case.next_moment()
                    assert moment is not None
                    assert next_of_case is not None
                    assert next_of_case <= moment

    @invariant()
    def what_has_ended_waits_for_nothing(self) -> None:
        for case in self.files.cases.values():
            if case.status == "open":
                continue
            assert not [clock.kind for clock in case.clocks if clock.state in LIVE]
            assert not [task for task in case.tasks if task.is_open]
            assert (case.handover_to, case.meeting, case.meets_at) == (None, None, None)
            assert case.care is None or (case.care_placed and case.status == "closed")
            assert case.next_moment() is None

    @invariant()
    def every_open_task_can_be_ended(self) -> None:
        for case in self.files.cases.values():
            for task in case.tasks:
                if task.is_open:
                    assert task.due is not None
                    assert any("cancel-task" in open_acts(case, actor) for actor in LOCAL_PEOPLE)

    @invariant()
    def what_waits_has_its_clock(self) -> None:
        for case in self.files.cases.values():
            if case.status == "open":
                assert (case.clock("case-handover") is not None) == (case.handover_to is not None)
                assert case.handover_to != case.unit
                assert (case.clock("alternative-care-handover") is not None) == (
                    case.care is not None and not case.care_placed
                )

    @invariant()
    def a_service_is_given_when_its_task_is_done_and_waits_for_no_other_case_s_task(self) -> None:
        for case in self.files.cases.values():
            if case.status != "open":
                continue
            elsewhere = {
                task.id
                for other in self.files.cases.values()
                if other is not case
                for task in other.tasks
                if task.is_open
            }
            for service in case.services:
                task = case.task(service.task_id or "")
                assert service.done_on is not None or task is None or task.state != "done"
                assert service.done_on is not None or service.task_id not in elsewhere

    @invariant()
    def every_open_case_has_a_way_to_its_end(self) -> None:
        for case in self.files.cases.values():
            if case.status == "open":
                assert brought_to_its_end(case, self.world()).status == "closed"

    @invariant()
    def every_case_that_ended_can_go_on_or_points_to_one(self) -> None:
        for case in self.files.cases.values():
            if case.status == "closed":
                assert any("reopen" in open_acts(case, actor) for actor in LOCAL_PEOPLE)
            if case.status == "merged":
                assert case.merged_into in self.files.cases

    @invariant()
    def every_report_belongs_to_a_case_that_is_not_merged(self) -> None:
        for case_id in self.files.reports.values():
            assert self.files.cases[case_id].status != "merged"

    # How it is done

    def inputs(self, dice: Random, case: Case, name: str, *, wrong: bool = False) -> dict[str, Any]:
        codes = [known.code for known in self.files.cases.values()]
        return inputs(dice, case, name, self.world(), codes, wrong=wrong)

    def world(self) -> World:
        return replace(FILES.world(self.now), new_id=lambda: f"id-{next(self.numbers)}")

    def dice(self, seed: int) -> Random:
        """Chances that come again when a sequence is played again, and differ from step to step."""
        return Random(f"{seed}/{next(self.numbers)}")

    def some_case(self, dice: Random) -> Case:
        return dice.choice(list(self.files.cases.values()))

    def do(self, case: Case, name: str, inputs: dict[str, Any], actor: Actor, *, fits: bool = False) -> None:
        """An act, as the desk does it: all of it or nothing; and what the page offers is what the rules allow.

        In: `fits`: the form is filled in as its model wants it.
        """
        offered = name in open_acts(case, actor)
        try:
            act = acts.ACT.validate_python(inputs)
        except ValidationError:
            assert not fits, (name, inputs)
            return
        before = replace(self.files, cases=dict(self.files.cases), reports=dict(self.files.reports))
        try:
            self.decided(case, act, actor)
        except Rejected as rejected:
            assert (self.files.cases, self.files.reports) == (before.cases, before.reports)
            speaks_both(rejected)
            refused = {violation.rule for violation in rejected.violations}
            if offered:
                assert not refused & NOT_OPEN, (name, refused)
            else:
                violation = refusal(case, name, actor)
                assert violation is not None
                assert LAW_VI.search(violation.message_vi)
                assert LAW_EN.search(violation.message_en)
        else:
            assert offered, (name, actor.id, case.step)

    def decided(self, case: Case, act: Any, actor: Actor) -> None:
        world = self.world()
        if isinstance(act, acts.Merge):
            self.merged(case, act, actor, world)
        elif isinstance(act, acts.UndoMerge):
            self.parted(case, act, actor, world)
        elif isinstance(act, acts.LinkSibling | acts.UnlinkSibling):
            other = self.by_code(act.other)
            pair = frozenset({case.id, other.id})
            decide: Callable[..., Any] = siblings.link if isinstance(act, acts.LinkSibling) else siblings.unlink
            here, there = decide(case, other, act, actor, linked=pair in self.files.links)
            self.save(case, here)
            self.save(other, there)
            self.files.links ^= {pair}
        elif isinstance(act, acts.ChooseChild):
            self.save(case, identifying.choose_child(case, act, actor, CHILD, {}))
        elif isinstance(act, acts.CorrectChild):
            self.save(case, identifying.correct_child(case, act, actor, CHILD, {}))
        else:
            self.save(case, cases.decide(case, act, actor, world))

    def merged(self, case: Case, act: acts.Merge, actor: Actor, world: World) -> None:
        target = self.by_code(act.into)
        reports = [report for report, holder in self.files.reports.items() if holder == case.id]
        gone, on = ending.merge(case, target, act, actor, world, {}, reports)
        data = next(entry.data for entry in gone.entries if entry.kind == "case.merged")
        was = ending.remembered(data)
        assert was is not None
        self.files.merges[case.id] = was
        self.save(case, gone)
        self.save(target, on)
        nothing_is_forgotten(case, self.files.cases[case.id], self.files.cases[target.id])
        self.files.reports |= dict.fromkeys(reports, target.id)

    def parted(self, case: Case, act: acts.UndoMerge, actor: Actor, world: World) -> None:
        target = self.files.cases[case.merged_into or case.id]
        before = self.files.merges.get(case.id)
        back, on = ending.undo_merge(case, target, act, actor, world, before, {}, CHILD)
        self.save(target, on)
        self.save(case, back)
        assert before is not None
        assert (back.case.step, back.case.status) == (before.step, "open")
        self.files.reports |= dict.fromkeys(before.reports, case.id)

    def by_code(self, code: str) -> Case:
        found = next((case for case in self.files.cases.values() if case.code == code), None)
        if found is None:
            raise refuse("other", "case-unknown", "Không có vụ việc mang mã này.", "There is no case with this code.")
        return found

    def save(self, before: Case | None, decision: Decision) -> None:
        """As `CaseFiles.save`: each event fits its contract, with the facts as they are after it."""
        if not decision.happenings and not decision.entries:
            return
        decision = cases.follow(before, decision)
        case, facts = decision.case, decision.case.facts()
        for happening in decision.happenings:
            happening.model.model_validate({"case_id": case.id, "facts": facts, **happening.extra})
        if before is not None:
            nothing_is_lost(before, decision)
            assert case.version == before.version
            # A case that takes services over goes on counting behind the other's events; none counts backwards.
            assert case.sequence >= before.sequence
        sequence = case.sequence + len(decision.happenings)
        self.files.cases[case.id] = replace(case, version=case.version + 1, sequence=sequence)


def concern(number: int, danger: Any, unit: str, received_at: datetime) -> Concern:
    return Concern(
        id=f"concern-{number}",
        code=f"BT-2026-{number:06d}",
        unit=unit,
        sex="female",
        age_band="6-10",
        kind="violence",
        danger_now=danger,
        sector="hotline",
        channel="hotline-111",
        received_at=received_at,
    )


def speaks_both(rejected: Rejected) -> None:
    for violation in rejected.violations:
        assert violation.rule
        assert violation.message_vi
        assert violation.message_en.translate(QUOTES).isascii()
        assert violation.message_vi != violation.message_en


def nothing_is_lost(before: Case, decision: Decision) -> None:
    """Every clock and task is still there, and each change of one is told."""
    after = decision.case
    told = {happening.extra.get(name) for happening in decision.happenings for name in ("deadline_id", "task_id")}
    for name in ("clocks", "tasks"):
        was = {part.id: part for part in getattr(before, name)}
        now = {part.id: part for part in getattr(after, name)}
        assert was.keys() <= now.keys()
        for part_id, part in now.items():
            if part_id not in was or was[part_id].state != part.state:
                assert part_id in told, part
    last = {h.extra["deadline_id"]: h.extra["state"] for h in decision.happenings if "deadline_id" in h.extra}
    assert all(clock.state == last[clock.id] for clock in after.clocks if clock.id in last)


def nothing_is_forgotten(before: Case, gone: Case, on: Case) -> None:
    """What a case waited for and what protected its child goes on in the one that it was merged into."""
    going_on = {task.id: task for task in on.tasks if task.is_open or task.state == "done"}
    for task in gone.tasks:
        if any(task.id == was.id and was.is_open for was in before.tasks):
            taker = going_on.get(task.replaced_by or "")
            assert taker is not None, task
            assert (taker.kind, taker.sector) == (task.kind, task.sector)
    for kind in (SEPARATION, BAN_DECISION):
        assert before.clock(kind) is None or on.clock(kind) is not None
    assert before.care is None or on.care is not None


def brought_to_its_end(case: Case, world: World) -> Case:
    """The case, after the acts that lead from where it is to its end."""
    for _ in range(8):
        if case.status == "closed":
            return case
        found = way_on(case, *office_of(case.unit))
        assert found is not None, f"no way on from {case.step}"
        case = cases.decide(case, acts.ACT.validate_python(found[0]), found[1], world).case
    raise AssertionError(f"the way from {case.step} has no end")


def office_of(unit: str) -> tuple[Actor, Actor]:
    return Actor("worker", "Lan", "worker", frozenset({unit})), Actor("chair", "Bình", "chair", frozenset({unit}))


def way_on(case: Case, worker: Actor, chair: Actor) -> tuple[dict[str, Any], Actor] | None:
    """The next act on the way to the case's end, filled in, and who does it."""
    for name, wanted in WAY_ON:
        for actor in (worker, chair):
            if refusal(case, name, actor) is None and (name != "close" or case.step == "review"):
                return {**way(name), **wanted, "act": name}, actor
    return None


def test_every_act_of_the_table_has_a_form_and_every_form_is_in_the_table() -> None:
    assert set(MODELS) == set(RULES)


EverySequence.TestCase.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
TestEverySequence = EverySequence.TestCase
