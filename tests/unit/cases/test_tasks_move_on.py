"""Whatever sectors, communes and time do to tasks in whatever order: nobody waits for nothing, and the world knows."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.cases.domain import acts, cases, tasks
from services.cases.domain.model import Case, Decision, end_of_day
from services.cases.domain.rules import RULES, refusal
from shared.contracts.cases import TaskState
from shared.contracts.errors import Rejected
from tests.support.made_up import CHAIR, NOW, WORKER, opened, world

SECTORS = ("police", "health", "unions")
WORDS = st.sampled_from([None, "", "Nội dung"])


class Conversation(RuleBasedStateMachine):
    """One case whose sectors answer, whose commune acts, and for which time passes.

    `told`: what somebody knows of each task who only hears events.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.numbers = 0
        self.told: dict[str, TaskState] = {}
        self.answers: list[tuple[str, str, str]] = []
        self.case: Case = opened("no").case
        self.hear(opened("yes"))

    def hear(self, decision: Decision) -> None:
        """Take a decision over, as the desk would."""
        for happening in decision.happenings:
            if "task_id" in happening.extra:
                event = happening.model.model_validate(
                    {"case_id": decision.case.id, "facts": decision.case.facts(), **happening.extra}
                )
                said = event.model_dump()
                self.told[said["task_id"]] = said["state"]
        self.case = decision.case

    def attempt(self, decide: Any) -> None:
        """Something that the rules may refuse."""
        with suppress(Rejected):
            self.hear(decide())

    def at(self) -> Any:
        self.numbers += 1
        made = world(self.now)
        return replace(made, new_id=lambda known=self.numbers, ids=iter(range(99)): f"{known}-{next(ids)}")

    def some_task(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from([task.id for task in self.case.tasks]))

    @rule(hours=st.integers(0, 40))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self.hear(cases.tick(self.case, self.at()))
        assert cases.tick(self.case, self.at()).happenings == ()

    @rule(
        data=st.data(),
        given=st.sampled_from(["accepted", "declined", "done", "new-date", "question"]),
        words=WORDS,
        ahead=st.integers(-5, 90),
        older=st.integers(0, 9),
        corrects=st.booleans(),
    )
    def a_sector_answers(
        self, data: st.DataObject, given: Any, words: str | None, ahead: int, older: int, corrects: bool
    ) -> None:
        task = self.case.task(self.some_task(data))
        assert task is not None
        key = task.answer_id if corrects and task.answer_id else f"answer-{self.numbers}"
        self.attempt(
            lambda: tasks.answer(
                self.case,
                self.at(),
                task.id,
                task.sector if task.sector != "commune" else None,
                given,
                reason=words,
                question=words,
                new_date=self.now + timedelta(hours=ahead),
                answer_id=key,
                said_at=self.now - timedelta(hours=older),
                correction=corrects,
            )
        )

    @rule(
        data=st.data(),
        name=st.sampled_from(
            ["reply-task", "agree-date", "refuse-date", "remind-task", "reassign-task", "do-without", "cancel-task"]
        ),
        sector=st.sampled_from(SECTORS),
        days=st.integers(-1, 9),
    )
    def the_commune_acts(self, data: st.DataObject, name: str, sector: str, days: int) -> None:
        due = (self.now + timedelta(days=days)).date()
        given = {
            "reply-task": {"reply": "Trả lời"},
            "refuse-date": {"reason": "Gấp"},
            "reassign-task": {"sector": sector, "due": due, "reason": "Nhờ"},
            "do-without": {"reason": "Thôi"},
            "cancel-task": {"reason": "Thôi"},
        }.get(name, {})
        act = acts.ACT.validate_python({"act": name, "task_id": self.some_task(data), **given})
        self.attempt(lambda: cases.decide(self.case, act, WORKER, self.at()))

    @rule(data=st.data())
    def an_officer_looks(self, data: st.DataObject) -> None:
        self.hear(tasks.see(self.case, self.at(), self.some_task(data)))

    @rule(hours=st.integers(-2, 50), decides=st.integers(0, 2), holds=st.booleans())
    def they_confer(self, hours: int, decides: int, holds: bool) -> None:
        meets_at = self.now + timedelta(hours=hours)
        call = {"meets_at": meets_at, "place": "UBND", "sectors": ["health"], "purpose": "Bàn"}
        self.attempt(lambda: self.act("call-conference", **call))
        due = end_of_day((self.now + timedelta(days=3)).date()).date()
        rows = [{"what": "Thăm", "who": who, "due": due, "kind": "verification"} for who in ("commune", "unions")]
        minutes = {"held_on": self.now.date(), "people": "A", "minutes": "B", "decisions": rows[:decides]}
        if holds:
            self.attempt(lambda: self.act("hold-conference", **minutes))

    @rule()
    def the_case_is_closed_and_opened_again(self) -> None:
        self.hear(self.act("verify", confirmed=False, findings="Không có"))
        self.hear(cases.decide(self.case, acts.Close(outcome="unfounded"), CHAIR, self.at()))
        assert {task.awaited for task in self.case.tasks} <= {"nobody"}
        assert self.case.conference() is None
        self.hear(self.act("reopen", reason="Lại có dấu hiệu"))

    def act(self, name: str, **given: Any) -> Decision:
        return cases.decide(self.case, acts.ACT.validate_python({"act": name, **given}), WORKER, self.at())

    @invariant()
    def whoever_only_hears_events_knows_how_every_task_stands(self) -> None:
        assert self.told == {task.id: task.state for task in self.case.tasks}

    @invariant()
    def everything_that_waits_has_somebody_who_can_move_it_on(self) -> None:
        for task in self.case.tasks:
            if task.awaited == "nobody":
                assert task.state in ("done", "cancelled", "declined")
                assert task.pending is None
                continue
            assert task.waits_since is not None
            assert refusal(self.case, "reassign-task", WORKER) is None
            if task.is_open:
                done = tasks.answer(self.case, self.at(), task.id, None, "done")
                assert done.case.task(task.id).awaited == "nobody"  # type: ignore[union-attr]

    @invariant()
    def what_stands_by_itself_is_consistent(self) -> None:
        for task in self.case.tasks:
            assert (task.pending == "date") <= (task.proposed_due is not None)
            assert task.seen_at is None or task.seen_at >= task.asked_at
            assert task.replaced_by is None or self.case.task(task.replaced_by) is not None
            if task.state == "cancelled":
                assert task.cancelled_at is not None
        assert sum(known.state == "called" for known in self.case.conferences) <= 1
        assert set(RULES) >= {"reply-task", "hold-conference"}


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
