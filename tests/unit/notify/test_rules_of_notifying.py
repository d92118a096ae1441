"""The pure rules: matching, whom the house tells, what may leave."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from services.notify import domain
from services.notify.domain import PUBLIC_CODES
from services.notify.handlers import notifiable
from services.notify.texts import PLACES, Fields, check_places, load_texts
from shared.contracts.base import CONTRACTS, Contract, SealedBox
from shared.contracts.cases import (
    CaseAssigned,
    CaseFacts,
    ConcernReceived,
    ContactBanRequested,
    DeadlineMissed,
    DeadlinePaused,
    GlassBroken,
    HandoverAnswered,
    HandoverOffered,
    MeetingCalled,
    TaskCancelled,
    TaskDateProposed,
    TaskFollowedCase,
    TaskQuestioned,
    TaskReminded,
    TaskReplied,
    TaskRequested,
    TeamJoined,
    TeamLeft,
    TeamRequested,
)
from shared.contracts.envelope import Envelope
from shared.contracts.registry import ChildRegistered, QualityMeasured, VerificationDigest
from shared.contracts.stats import PeriodClosed, SectorSilent, SurgeDetected, TargetMissed
from shared.identity import ALL_UNITS, Principal, Role

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
CASE = "0195a000-0000-7000-8000-00000000abcd"
FACTS = {
    "unit": "05443",
    "sex": "female",
    "age_band": "6-10",
    "kind": "neglect",
    "risk": "high",
    "status": "open",
    "step": "plan",
    "sector": "police",
    "channel": "police",
    "opened_at": NOW,
    "child_id": "0195a000-0000-7000-8000-0000000000ff",
}
CONCERN_FACTS = {
    "unit": "05443",
    "sex": "female",
    "age_band": "6-10",
    "kind": "neglect",
    "danger_now": "yes",
    "sector": "health",
    "channel": "hospital",
    "status": "received",
    "received_at": NOW,
}
BOX = SealedBox(sealed="A256GCM", kid="child/1", text="c2VhbGVk")


def happening(data: Contract) -> domain.Happening:
    event = Envelope("e1", "/services/cases", data.TYPE, "s1", NOW, b"{}")
    return domain.happening_of(event, data, "m1")


@pytest.mark.parametrize("due", [0, 7])
def test_how_many_records_are_due_is_no_moment(due: int) -> None:
    day = {"unit": "05443", "on": "2026-11-25", "due": due}
    for data in (
        VerificationDigest.model_validate({**day, "newly_due": due}),
        QualityMeasured.model_validate({**day, "children": 9, "verified": 1, "score": 80.5}),
    ):
        told = happening(data)
        assert told.due is None
        assert b'"due"' not in domain.payload_of(told, "Phú Lương", "https://vongtay.example")


def told_of(happened: domain.Happening, data: Contract) -> dict[str, bool]:
    """Audience -> whether it is told at once, by the rules of the reference data."""
    told = domain.Telling.load().addressees(happened, data, happened.time)
    return {audience: one.urgent for audience, one in told.items()}


def missed() -> DeadlineMissed:
    return DeadlineMissed.model_validate(
        {
            "case_id": CASE,
            "facts": FACTS,
            "deadline_id": "d1",
            "kind": "emergency-12h",
            "state": "missed",
            "due": NOW,
            "legal_source": "56/2017",
        }
    )


def concern(danger: str) -> ConcernReceived:
    return ConcernReceived.model_validate({"concern_id": "c1", "facts": {**CONCERN_FACTS, "danger_now": danger}})


def task() -> TaskRequested:
    return TaskRequested.model_validate(
        {
            "case_id": CASE,
            "facts": FACTS,
            "task_id": "t1",
            "task_kind": "examine",
            "task_sector": "health",
            "due": NOW,
            "instructions": BOX,
        }
    )


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("*", True),
        ("cases.*", True),
        ("cases.deadline.*", True),
        ("cases.deadline.missed", True),
        ("cases.deadline.nearing", False),
        ("cases.dead*", False),
        ("registry.*", False),
        ("cases.deadline.missed.*", False),
    ],
)
def test_a_pattern_covers_whole_words_of_a_type(pattern: str, fits: bool) -> None:
    assert domain.matches(pattern, "cases.deadline.missed") is fits


def test_a_missed_deadline_is_told_to_worker_and_chair_of_the_commune_and_to_the_coordinator() -> None:
    told = told_of(happening(missed()), missed())
    assert told == {"worker/05443": True, "chair/05443": True, "coordinator": True}


def test_danger_is_urgent_to_the_commune_and_a_report_without_danger_is_not() -> None:
    in_danger, calm = concern("yes"), concern("no")
    assert told_of(happening(in_danger), in_danger)["worker/05443"] is True
    assert told_of(happening(calm), calm) == {"worker/05443": False}


def test_a_task_is_told_to_the_sector_that_is_asked() -> None:
    assert told_of(happening(task()), task()) == {"sector/health": False}


def test_the_sector_hears_when_its_task_is_cancelled_or_comes_to_another_commune() -> None:
    asked = task().model_dump()
    cancelled = TaskCancelled.model_validate({**asked, "cause": "withdrawn"})
    assert told_of(happening(cancelled), cancelled) == {"sector/health": False}
    moved, same = (
        TaskFollowedCase.model_validate({**asked, "state": "accepted", "cause": cause})
        for cause in ("transferred", "changed")
    )
    assert told_of(happening(moved), moved) == {"sector/health": False}
    assert told_of(happening(same), same) == {}


def test_who_waits_for_whom_is_told_to_who_is_waited_for() -> None:
    asked = {**task().model_dump(), "instructions": None}
    for model, more, told in (
        (TaskQuestioned, {}, {"worker/05443": False}),
        (TaskDateProposed, {"proposed": NOW}, {"worker/05443": False}),
        (TaskReplied, {}, {"sector/health": False}),
        (TaskReminded, {}, {"sector/health": False}),
    ):
        data = model.model_validate({**asked, **more})  # type: ignore[attr-defined]
        assert told_of(happening(data), data) == told


def test_every_sector_that_is_invited_hears_of_the_meeting_and_no_other() -> None:
    called = MeetingCalled.model_validate(
        {"case_id": CASE, "facts": FACTS, "meeting": "conference", "meets_at": NOW, "sectors": ["police", "justice"]}
    )
    told = told_of(happening(called), called)
    assert told == {"sector/police": False, "sector/justice": False}


def test_a_case_that_is_offered_is_told_where_the_child_lives() -> None:
    offer = {"case_id": CASE, "facts": FACTS, "to_unit": "05455"}
    offered = HandoverOffered.model_validate(offer)
    there = {"worker/05455": False, "chair/05455": False}
    here = {"worker/05443": False, "chair/05443": False}
    assert told_of(happening(offered), offered) == there
    declined = HandoverAnswered.model_validate({**offer, "answer": "declined"})
    assert told_of(happening(declined), declined) == here
    back = HandoverAnswered.model_validate({**offer, "answer": "withdrawn"})
    assert told_of(happening(back), back) == {**here, **there}


def test_a_contact_ban_waits_for_the_chair_urgently_and_a_pause_is_told_to_the_province() -> None:
    asked = ContactBanRequested.model_validate({"case_id": CASE, "facts": FACTS})
    assert told_of(happening(asked), asked) == {"chair/05443": True}
    paused = DeadlinePaused.model_validate({**missed().model_dump(), "state": "paused", "reason": "force-majeure"})
    told = told_of(happening(paused), paused)
    assert told == {"worker/05443": False, "chair/05443": False, "coordinator": False}


def test_a_sector_is_led_to_its_task_and_never_to_a_case_it_may_not_see() -> None:
    asked = happening(task())
    path = domain.path_of(asked)
    assert path == f"/cases/c/{CASE}"
    assert domain.path_for("sector/health", asked, path) == "/cases/tasks/t1"
    assert domain.path_for("worker/05443", asked, path) == path
    called = replace(asked, event_type="cases.meeting.called", codes={})
    assert domain.path_for("sector/police", called, path) == "/cases/"
    ours = replace(asked, case_id=None, codes={})
    assert domain.path_for("sector/police", ours, "/notify/subscriptions/s1") == "/notify/subscriptions/s1"


def test_whoever_must_act_hears_of_a_surge_a_missed_target_and_a_silent_sector() -> None:
    surge = SurgeDetected(
        indicator="reports-received", unit="05443", until=NOW.date(), value=9, usual=1, level=5, as_of=NOW
    )
    assert told_of(happening(surge), surge) == {
        "worker/05443": True,
        "chair/05443": True,
        "coordinator": True,
    }
    assert domain.path_of(happening(surge)) == "/stats/indicators/reports-received"
    missed_target = TargetMissed(indicator="emergency-in-time", period="2026-09", value=50, target=100, as_of=NOW)
    assert told_of(happening(missed_target), missed_target) == {"coordinator": False}
    silent = SectorSilent(sector="health", last_heard=NOW, usual_days=1, as_of=NOW)
    assert told_of(happening(silent), silent) == {"sector/health": False, "coordinator": False}
    assert domain.path_of(happening(silent)) == "/stats"


def test_coordinators_hear_of_a_closed_period_and_are_led_to_it() -> None:
    closed = PeriodClosed(period="2026-10", number="07/2026", as_of=NOW, digest="ab")
    assert told_of(happening(closed), closed) == {"coordinator": False}
    assert domain.path_of(happening(closed)) == "/stats/periods/2026-10"


def about_team(model: type[Contract], **more: str) -> Contract:
    said = {"case_id": CASE, "facts": FACTS, "person": "mai.hotline", "role": "hotline", **more}
    return model.model_validate(said)


def test_the_commune_hears_at_once_that_identity_was_opened_or_asked_for() -> None:
    broken = about_team(GlassBroken, until=NOW.isoformat())
    asked = about_team(TeamRequested)
    for data in (broken, asked):
        assert told_of(happening(data), data) == {"worker/05443": True, "chair/05443": True}
    assert domain.path_of(happening(asked)) == f"/cases/c/{CASE}/access"


def test_who_asked_hears_the_answer_and_who_is_excluded_hears_nothing() -> None:
    told = [
        told_of(happening(data), data)
        for data in (
            about_team(TeamJoined, how="request"),
            about_team(TeamJoined, how="act"),
            about_team(TeamLeft, cause="refused"),
            about_team(TeamLeft, cause="removed"),
            about_team(TeamLeft, cause="excluded"),
            about_team(TeamLeft, cause="left"),
        )
    ]
    person = {"person/mai.hotline": False}
    assert told == [person, {}, person, person, {}, {}]


def test_what_concerns_a_case_team_alone_is_nobodys_to_subscribe_to() -> None:
    internal = (GlassBroken, TeamRequested, TeamJoined, TeamLeft, CaseAssigned)
    for role in Role:
        principal = Principal("x", "X", role, ALL_UNITS, sector="health", org="org")
        assert not any(domain.may_subscribe(principal, domain.short_type(model.TYPE)) for model in internal)


def test_people_belong_to_the_audiences_that_rules_name() -> None:
    worker = Principal("w", "W", Role.WORKER, frozenset({"05443"}))
    sector = Principal("s", "S", Role.SECTOR, ALL_UNITS, sector="health")
    coordinator = Principal("c", "C", Role.COORDINATOR, ALL_UNITS)
    told = set(told_of(happening(missed()), missed()))
    assert told & set(domain.audiences_of(worker, ["05443", "05446"])) == {"worker/05443"}
    assert "worker/05446" not in domain.audiences_of(worker, ["05443", "05446"])
    assert told & set(domain.audiences_of(coordinator, ["05443"])) == {"coordinator"}
    assert "sector/health" in domain.audiences_of(sector, [])


@pytest.mark.parametrize("data", [missed(), concern("yes"), task()])
def test_a_payload_says_codes_place_and_link_and_nothing_else(data: Contract) -> None:
    body = domain.payload_of(happening(data), "Phan Đình Phùng", "https://vongtay.example")
    allowed = {*PUBLIC_CODES, "event_id", "deadline_kind", "unit", "unit_name", "due", "link"}
    assert set(orjson.loads(body)["data"]) <= allowed
    for inside in (b"sealed", b"c2VhbGVk", b"female", b"6-10", FACTS["child_id"].encode()):  # type: ignore[attr-defined]
        assert inside not in body


def test_no_identity_of_a_registered_child_reaches_a_partner() -> None:
    child = {"name": "Nguyễn Thị Hoa", "number": "019315000123", "address": "Tổ 5"}
    facts = {"unit": "05443", "sex": "female", "birth_year": 2017, "birth_month": 4}
    data = ChildRegistered.model_validate({"child_id": "k1", "facts": facts, "child": child})
    body = domain.payload_of(happening(data), "Phan Đình Phùng", "https://vongtay.example").decode()
    assert not any(text in body for text in (*child.values(), "2017", "k1"))


def test_no_sealed_field_of_any_contract_is_among_what_may_leave() -> None:
    for model in CONTRACTS.values():
        assert not set(model.sealed_fields()) & set(PUBLIC_CODES), model.TYPE


def test_every_text_speaks_of_codes_places_and_times_only() -> None:
    texts = load_texts()
    fields = Fields("cases.deadline.missed", CASE, "Phan Đình Phùng", NOW)
    for event_type, wording in texts.wordings.items():
        for language in ("vi", "en"):
            assert wording.title, event_type
            assert texts.title(fields, language)
    assert set(PLACES) == {"event", "case", "unit", "due", "n", "what", "code"}
    assert texts.title(fields, "vi") == "Vụ việc 0000ABCD tại Phan Đình Phùng đã quá hạn: 02/03/2026 15:00"


def test_a_case_is_called_by_its_code_as_on_every_page() -> None:
    known = happening(
        missed().model_copy(update={"facts": CaseFacts.model_validate({**FACTS, "code": "TN-2026-000328"})})
    )
    assert known.case_code == "TN-2026-000328"
    fields = Fields(known.event_type, known.case_id, "Phan Đình Phùng", NOW, known.case_code)
    assert "Vụ việc TN-2026-000328 tại" in load_texts().title(fields, "vi")
    assert happening(missed()).case_code is None, "an older event has none"


@pytest.mark.parametrize("template", ["{child}", "{unit.__class__}", "{unit!r}", "{case[0]}", "{due:%Y}", "{0}"])
def test_a_text_that_reaches_for_more_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="must not speak"):
        check_places(template)


def test_every_event_of_the_other_services_has_words() -> None:
    heard = {model.TYPE for model in CONTRACTS.values() if model.PUBLISHER in {"cases", "registry", "stats"}}
    # Talk between services about one child, of which nobody is notified.
    inner = {
        "cases.child.described",
        "registry.child.identified",
        "registry.record.linked",
        "registry.record.withdrawn",
        # Sealed to one partner, to which alone it is passed on.
        "cases.content.sealed",
        "registry.content.sealed",
    }
    # Of adoption and erasure nobody is to hear, nor to be able to subscribe to it.
    inner |= {"registry.child.adopted", "registry.child.erased"}
    assert heard - {model.TYPE for model in notifiable(load_texts())} == {"vn.vongtay." + name for name in inner}


def test_people_subscribe_to_what_their_pages_show_them() -> None:
    def may(role: Role, event_type: str, **more: Any) -> bool:
        return domain.may_subscribe(Principal("p", "P", role, ALL_UNITS, **more), event_type)

    assert may(Role.WORKER, "cases.case.opened")
    assert may(Role.SECTOR, "cases.task.requested", sector="health")
    assert not may(Role.SECTOR, "cases.case.opened", sector="health")
    assert not may(Role.STATISTICIAN, "registry.child.registered")
    assert may(Role.STATISTICIAN, "stats.period.closed")
    assert may(Role.COORDINATOR, "stats.indicator.changed")
    for role in (Role.STATISTICIAN, Role.PARTNER, Role.OPERATOR):
        assert not may(role, "stats.indicator.changed"), role
    assert may(Role.PARTNER, "cases.case.opened", org="o")
