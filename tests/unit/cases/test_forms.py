"""Forms filled in: what each field takes, what is refused beside which, plans whose services are asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cases import answered, filling, forms
from services.cases.domain import acts, cases, planning, providing
from services.cases.domain.forms import answers_of, checked, filled, missing
from services.cases.domain.model import EMERGENCY, SEPARATION, Case, Decision
from services.cases.domain.rules import open_acts
from shared.contracts.errors import Rejected, Violation
from shared.reference.forms import Form, FormField, Forms
from tests.support.made_up import CHAIR, NOW, WORKER, do, initial, opened, planned, review, said, world
from tests.support.rated import ROWS

TODAY = date(2026, 11, 24)
COLUMNS = (FormField("name", "Tên", "Name"), FormField("on", "Ngày", "Day", "known", type="date"))
FIELDS = [
    FormField("note", "Ghi chú", "Note", "known"),
    FormField("story", "Diễn biến", "Story", type="long"),
    FormField("day", "Ngày", "Day", "known", type="date"),
    FormField("distance", "Khoảng cách", "Distance", "known", type="number"),
    FormField("safe", "An toàn", "Safe", "known", type="yes-no"),
    FormField("sector", "Ngành", "Sector", "known", "sectors", "choice"),
    FormField("measures", "Biện pháp", "Measures", "known", "emergency-measures", "choices"),
    FormField("people", "Những người", "People", "known", type="rows", fields=COLUMNS),
]
FORM = Form("t", "Mẫu", "Form", "luật", "law", date(2020, 1, 1), FIELDS)


def codes(name: str) -> set[str]:
    return {"health", "police"} if name == "sectors" else {"separation", "safe-place"}


def read(**answers: Any) -> tuple[dict[str, Any], dict[str, str]]:
    violations: list[Violation] = []
    kept = checked(FORM, {"story": "Đã gặp trẻ", **answers}, codes, violations)
    return kept, {violation.field: violation.rule for violation in violations}


def rules_of(act: dict[str, object], case: Case, actor: Any = WORKER) -> dict[str, str]:
    with pytest.raises(Rejected) as error:
        do(case, act, actor)
    return {violation.field: violation.rule for violation in error.value.violations}


def detailed(**changes: object) -> dict[str, object]:
    rated = {"ratings": dict.fromkeys(ROWS, "medium"), "level": "medium"}
    return {"act": "assess-detailed", "conclusion": "Trẻ cần được hỗ trợ thêm tại nhà.", **rated, **changes}


def draft(*services: dict[str, object], **changes: object) -> dict[str, object]:
    return {"act": "draft-plan", "goals": "An toàn", "services": list(services), **changes}


def service(kind: str = "medical", sector: str | None = "health", **changes: object) -> dict[str, object]:
    return {"kind": kind, "due": "2026-12-10", **({"sector": sector} if sector else {}), **changes}


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("note", "  Một ", "Một"),
        ("day", "2026-11-24", "2026-11-24"),
        ("day", "24/11/2026", "2026-11-24"),
        ("day", TODAY, "2026-11-24"),
        ("distance", "1.250", 1250),
        ("distance", "2,5", 2.5),
        ("distance", "-3", -3),
        ("distance", 1.125, 1.125),
        ("safe", "true", True),
        ("safe", False, False),
        ("sector", "health", "health"),
        ("measures", ["separation", "separation"], ["separation"]),
        ("people", [{"name": "Lan", "on": "1/2/2026"}, {"name": " "}], [{"name": "Lan", "on": "2026-02-01"}]),
    ],
)
def test_each_type_is_kept_in_one_way_however_it_was_written(field: str, given: Any, kept: Any) -> None:
    answers, wrong = read(**{field: given})
    assert wrong == {}
    assert answers[field] == kept


@pytest.mark.parametrize(
    ("field", "given", "where", "rule"),
    [
        ("story", " ", "answers.story", "answer-missing"),
        ("note", 5, "answers.note", "not-text"),
        ("note", "a\x00", "answers.note", "not-text"),
        ("note", "x" * 2001, "answers.note", "too-long"),
        ("day", "2026-02-30", "answers.day", "not-a-day"),
        ("day", "0001-01-01", "answers.day", "not-a-day"),
        ("day", "20260101", "answers.day", "not-a-day"),
        ("day", "٢/١/٢٠٢٦٠", "answers.day", "not-a-day"),
        ("distance", "xa", "answers.distance", "not-a-number"),
        ("distance", True, "answers.distance", "not-a-number"),
        ("distance", float("nan"), "answers.distance", "not-a-number"),
        ("distance", 10**400, "answers.distance", "not-a-number"),
        ("safe", "maybe", "answers.safe", "not-yes-no"),
        ("sector", "army", "answers.sector", "not-listed"),
        ("sector", ["health"], "answers.sector", "not-listed"),
        ("measures", "separation", "answers.measures", "not-listed"),
        ("measures", ["separation", {}], "answers.measures", "not-listed"),
        ("people", {"0": {"name": "a"}}, "answers.people", "not-rows"),
        ("people", ["Lan"], "answers.people", "not-rows"),
        ("people", [{"name": "a"}] * 51, "answers.people", "too-many-rows"),
        ("people", [{}, {"on": "2026-01-01"}], "answers.people.1.name", "answer-missing"),
        ("people", [{"name": "a", "height": "2"}], "answers.people.0.height", "field-unknown"),
        ("height", "2", "answers.height", "field-unknown"),
    ],
)
def test_what_is_wrong_is_said_of_its_field(field: str, given: Any, where: str, rule: str) -> None:
    assert read(**{field: given})[1] == {where: rule}


def test_a_refusal_has_the_forms_own_label_and_never_what_was_typed() -> None:
    violations: list[Violation] = []
    checked(FORM, {"sector": "Nguyễn Văn A", "Nguyễn Văn B": "x"}, codes, violations)
    words = [(violation.message_vi, violation.message_en) for violation in violations]
    assert ("Mục «Ngành» có lựa chọn ngoài danh mục.", "«Sector» has a choice that is not listed.") in words
    assert "Nguyễn" not in str(violations)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([field.code for field in FIELDS]) | st.text(max_size=5), JSON, max_size=8))
def test_no_answer_that_a_program_may_send_breaks_the_check(answers: dict[str, Any]) -> None:
    violations: list[Violation] = []
    kept = checked(FORM, answers, codes, violations)
    again: list[Violation] = []
    assert checked(FORM, kept, codes, again) == kept, "what is kept is what would be kept of it"


@given(st.dictionaries(st.from_regex(r"assess-detailed(\.[a-z0-9-]{1,9}){1,5}", fullmatch=True), st.text(), max_size=9))
def test_no_names_that_a_page_may_send_break_the_reading(values: dict[str, str]) -> None:
    form = Forms.load().form("03")
    assert filling.given(form, "assess-detailed", filling.tidied(form, "assess-detailed", values)) is not None


def test_a_page_says_everything_that_is_wrong_at_once_in_the_forms_words() -> None:
    with pytest.raises(Rejected) as error:
        forms.case_act({"act": "assess-initial", "assess-initial.answers.assessed-on": "hôm qua"}, TODAY)
    said_of = {violation.field: violation.message_vi for violation in error.value.violations}
    assert said_of["assess-initial.conclusion"] == "Mục «Kết luận và lý do» còn trống."
    assert "Ngày đánh giá" in said_of["assess-initial.answers.assessed-on"]
    assert {f"assess-initial.ratings.{row}" for row in ROWS} < set(said_of)


def test_what_a_page_sends_comes_back_as_the_page_had_it() -> None:
    values = {
        "draft-plan.goals": "An toàn",
        "draft-plan.services.0.kind": "medical",
        "draft-plan.services.0.due": "2026-12-10",
        "draft-plan.services.1.kind": "legal",
        "draft-plan.services.1.due": "2026-12-11",
        "draft-plan.answers.problems": "Mẹ đi làm xa",
    }
    form = Forms.load().form("04")
    assert filling.flat(form, "draft-plan", filling.given(form, "draft-plan", values).answers) == values
    gaps = {name.replace("services.1", "services.7"): text for name, text in values.items()}
    assert filling.tidied(form, "draft-plan", {**gaps, "draft-plan.services.3.kind": " "}) == values


def test_a_form_says_what_it_lacks_in_its_own_order() -> None:
    form = Forms.load().form("02")
    given = {"conclusion": "Có"}
    lacking = [known.name for known in missing(form, given, {"severity": "high"})]
    assert lacking == [*(f"ratings.{row}" for row in ROWS[1:]), "level"]
    plan = Forms.load().form("04")
    rows = [{"kind": "medical"}, {}, {"due": "2026-12-10"}]
    said_of = {known.name: known.label("vi") for known in missing(plan, {"goals": "An toàn", "services": rows}, {})}
    assert said_of == {
        "services.0.due": "Dịch vụ, hoạt động hỗ trợ 1: Xong trước ngày",
        "services.2.kind": "Dịch vụ, hoạt động hỗ trợ 3: Dịch vụ",
    }


def test_a_form_begun_before_a_change_of_the_law_stays_with_its_edition() -> None:
    old = replace(Forms.load().form("03"), beside=None)
    new = replace(old, effective_from=date(2026, 11, 1), fields=[*old.fields, FormField("home", "Nhà", "Home")])
    both = replace(world(), forms=Forms([old, new], ["risk-levels"], []))
    begun = acts.AssessDetailed.model_validate({**detailed(), "form_of": "2017-07-01"})
    assert filled(begun, both).data()["form_of"] == "2017-07-01"
    with pytest.raises(Rejected) as error:
        filled(acts.AssessDetailed.model_validate(detailed()), both)
    assert [violation.field for violation in error.value.violations] == ["answers.home"]
    with pytest.raises(Rejected) as error:
        filled(acts.AssessDetailed.model_validate({**detailed(), "form_of": "2026-12-01"}), both)
    assert error.value.violations[0].rule == "form-edition"


def test_a_line_of_the_timeline_holds_every_answer_and_coarse_ones_alone_in_clear() -> None:
    act = detailed(answers={"health": "Gầy", "people-met": [{"name": "Bà Tư", "met-on": "2026-11-23"}]})
    case = cases.decide(opened().case, initial("medium"), WORKER, world()).case
    entry = cases.decide(case, acts.ACT.validate_python(act), WORKER, world()).entries[0]
    assert entry.data == {
        "form": "03",
        "form_of": "2017-07-01",
        "level": "medium",
        "suggested": "medium",
        "harm": {"high": 0, "medium": 3, "low": 0},
        "protection": {"high": 0, "medium": 3, "low": 0},
    }
    assert entry.words["people-met"] == [{"name": "Bà Tư", "met-on": "2026-11-23"}]
    form = answered.form_of(entry.data)
    assert form is not None
    assert answers_of(form, entry.data, entry.words)["level"] == "medium"
    shown = dict(answered.said(form, entry.words, "vi"))
    assert shown["Những người đã gặp"] == "Họ và tên: Bà Tư; Ngày gặp: 23/11/2026"
    assert shown["Mức độ trẻ bị tổn hại"] == "Trung bình"


def test_a_version_says_what_it_changed_of_the_one_before() -> None:
    form = Forms.load().form("03")
    one = {"ratings": {"severity": "low"}, "conclusion": "Ổn", "health": "Gầy"}
    two = {"ratings": {"severity": "high"}, "conclusion": "Ổn", "mind": "Sợ"}
    changes = answered.changed((form, {"level": "low"}, one), (form, {"level": "high"}, two), "vi")
    assert set(changes) == {
        ("Mức độ trẻ bị tổn hại", "Thấp", "Cao"),
        ("Kết luận mức độ nguy cơ", "Thấp", "Cao"),
        ("Tình trạng thể chất", "Gầy", ""),
        ("Tâm lý, tình cảm", "", "Sợ"),
    }


def test_assessments_are_made_again_until_the_review_and_the_step_stays_once_a_plan_is_under_way() -> None:
    case = planned()
    assert case.step == "approval"
    again = cases.decide(case, acts.ACT.validate_python(detailed(level="high")), WORKER, world())
    assert (again.case.step, again.case.risk) == ("approval", "high")
    clock = again.case.clock(EMERGENCY)
    assert clock is not None
    assert clock.started_at == case.received_at, "12 hours from receipt, whenever it is found out"
    calm = cases.decide(again.case, acts.ACT.validate_python(detailed()), WORKER, world()).case
    assert calm.clock(EMERGENCY) is None
    assert "assess-initial" not in open_acts(case, WORKER)


def test_the_chair_holds_the_needs_meeting_between_receipt_and_today() -> None:
    case = cases.decide(opened().case, initial("medium"), WORKER, world()).case
    minutes: dict[str, object] = {
        "act": "hold-needs-meeting",
        "held_on": "2026-11-24",
        "answers": {"chair": "Bình", "attendees": [{"name": "Cô Hoa"}], "needs": "Học lại", "decisions": "Giao trường"},
    }
    decision = cases.decide(replace(case, meeting="needs"), acts.ACT.validate_python(minutes), CHAIR, world())
    assert said(decision) == ["meeting.held"]
    assert decision.happenings[0].extra == {"meeting": "needs", "held_on": TODAY}
    assert decision.case.meeting is None
    assert decision.entries[0].data == {"form": "minutes-needs", "form_of": "2017-07-01", "held_on": "2026-11-24"}
    for day in ("2026-11-23", "2026-11-25"):
        assert rules_of({**minutes, "held_on": day}, case, CHAIR) == {"held_on": "held-on"}
    assert rules_of(minutes, case) == {"act": "not-your-role"}
    assert rules_of({**minutes, "answers": {}}, case, CHAIR) == {
        f"answers.{code}": "answer-missing" for code in ("chair", "attendees", "needs", "decisions")
    }


def test_a_plan_has_something_to_do_and_services_that_are_listed_and_lie_ahead() -> None:
    case = cases.decide(opened().case, initial("medium"), WORKER, world()).case
    assert rules_of(draft(), case) == {"services": "plan-empty"}
    assert rules_of(draft(service(kind="magic", due="x")), case) == {
        "services.0.kind": "not-listed",
        "services.0.due": "not-a-day",
    }
    assert rules_of(draft(service(), *[service(due="2026-11-01")] * 2), case) == {
        "services.1.due": "due-past",
        "services.2.due": "due-past",
    }
    assert rules_of(draft(service(sector="army")), case) == {"services.0.sector": "not-listed"}


def approved(*services: dict[str, object]) -> Decision:
    case = cases.decide(opened().case, initial("medium"), WORKER, world()).case
    case = do(case, draft(*services))
    words = {case.services[0].id: "Khám vết bầm"}
    return planning.approve(case, acts.ApprovePlan(number="12/QĐ"), world(), words)


def test_approval_asks_each_sector_for_its_service_and_leaves_the_communes_own_to_it() -> None:
    decision = approved(service(), service("legal", None))
    assert said(decision) == ["plan.approved", "deadline.met", "task.requested"]
    asked = decision.happenings[-1].extra
    assert (asked["task_kind"], asked["task_sector"], asked["instructions"]) == (
        "medical-examination",
        "health",
        "Khám vết bầm",
    )
    assert decision.case.tasks[0].due.isoformat() == "2026-12-10T16:59:59+00:00"
    assert [known.task_id for known in decision.case.services] == [decision.case.tasks[0].id, None]
    assert decision.entries[0].words == {"number": "12/QĐ"}


def test_a_plan_approved_after_a_services_date_leaves_the_sector_the_next_day() -> None:
    case = cases.decide(opened().case, initial("medium"), WORKER, world()).case
    case = do(case, draft(service(due="2026-11-24")))
    late = world(NOW + timedelta(days=5))
    assert planning.approve(case, acts.ApprovePlan(), late, {}).case.tasks[0].due.date() == date(2026, 11, 30)


def test_a_new_plan_keeps_what_is_given_or_asked_and_asks_no_sector_twice() -> None:
    case = approved(service(), service("legal", None)).case
    case = do(case, review(outcome="plan-again", level="medium", findings="Cần thêm thời gian và hỗ trợ"))
    case = do(case, draft(service(), service("legal", "justice")))
    assert len(case.services) == 3, "the commune's own service that was never given belonged to the old plan"
    decision = planning.approve(case, acts.ApprovePlan(), world(), {})
    assert said(decision).count("task.requested") == 1
    assert {known.task_id for known in decision.case.services} == {task.id for task in decision.case.tasks}


def test_a_plan_given_back_asks_nobody() -> None:
    case = cases.decide(opened().case, initial("medium"), WORKER, world()).case
    case = do(do(case, draft(service())), {"act": "return-plan", "reason": "Thiếu kinh phí"}, CHAIR)
    assert case.tasks == ()
    assert len(do(case, draft(service("legal"))).services) == 1


def test_a_service_is_recorded_by_the_worker_and_more_than_the_plan_asked_for_counts_too() -> None:
    case = approved(service()).case
    wanted: dict[str, object] = {"act": "record-service", "service": case.services[0].id, "provided_on": "2026-11-24"}
    decision = cases.decide(case, acts.ACT.validate_python({**wanted, "provider": "Trạm y tế"}), WORKER, world())
    assert said(decision) == ["service.provided"]
    assert decision.happenings[0].extra["service_sector"] == "health"
    assert decision.case.services[0].done_on == TODAY
    assert decision.entries[0].words == {"provider": "Trạm y tế"}
    more = do(decision.case, {**wanted, "service": "legal"}).services[1]
    assert (more.kind, more.planned, more.done_on) == ("legal", False, TODAY)
    assert rules_of({**wanted, "service": "magic"}, case) == {"service": "service-kind"}
    assert rules_of({**wanted, "provided_on": "2026-11-25"}, case) == {"provided_on": "provided-on-in-future"}


def test_a_sectors_event_meets_the_awaited_service_first_and_its_correction_counts_once() -> None:
    case = approved(service(), service()).case
    event = providing.Given("medical", TODAY, "health", said_by="e1")
    once = providing.report(case, event, world()).case
    assert [known.done_on for known in once.services] == [TODAY, None]
    corrected = providing.report(once, replace(event, on=date(2026, 11, 20)), world()).case
    assert [known.done_on for known in corrected.services] == [date(2026, 11, 20), None]
    again = providing.report(corrected, replace(event, said_by="e2"), world())
    assert [known.done_on for known in again.case.services] == [date(2026, 11, 20), TODAY]
    repeated = providing.report(again.case, replace(event, said_by="e3"), world())
    assert repeated.case.services == again.case.services
    assert said(repeated) == ["service.provided"]
    other = providing.report(case, replace(event, kind="legal"), world()).case
    mistaken = providing.report(other, event, world()).case
    assert [(known.kind, known.done_on) for known in mistaken.services] == [("medical", TODAY), ("medical", None)]
    with pytest.raises(Rejected) as error:
        providing.report(replace(case, status="closed", step="closed"), event, world())
    assert error.value.violations[0].rule == "case-closed"


def test_a_review_is_rated_and_one_that_finds_high_risk_starts_twelve_hours_now() -> None:
    case = approved(service()).case
    later = world(NOW + timedelta(days=40))
    assert set(rules_of({**review(), "ratings": {}}, case)) == {f"ratings.{row}" for row in ROWS}
    found = review(outcome="continue", level="high", ratings=dict.fromkeys(ROWS, "high"))
    decision = cases.decide(case, acts.ACT.validate_python(found), WORKER, later)
    clock = decision.case.clock(EMERGENCY)
    assert clock is not None
    assert (clock.started_at, decision.case.risk) == (later.now, "high")
    assert decision.entries[0].data["outcome"] == "continue"
    mild = review(level="low", ratings=dict.fromkeys(ROWS, "medium"), findings="Ổn")
    assert rules_of(mild, case) == {"findings": "conclusion-reason"}


def test_a_separation_may_be_shorter_than_the_law_has_and_never_longer() -> None:
    case = opened("yes").case
    act: dict[str, object] = {"act": "decide-emergency", "measure": "safe-place", "decision": "Ở nhà bà"}
    assert rules_of({**act, "until": "2026-12-01"}, case, CHAIR) == {"until": "not-separating"}
    apart = {**act, "further": ["separation"]}
    for day in ("2026-12-10", "2026-11-23"):
        assert rules_of({**apart, "until": day}, case, CHAIR) == {"until": "not-within-law"}
    clock = do(case, {**apart, "until": "2026-12-01"}, CHAIR).clock(SEPARATION)
    assert clock is not None
    assert clock.due.isoformat() == "2026-12-01T16:59:59+00:00"
    assert do(case, apart, CHAIR).clock(SEPARATION) is not None
    assert rules_of({**act, "further": ["magic"]}, case, CHAIR) == {"further": "not-listed"}
