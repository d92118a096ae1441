"""Need to know as rules: who belongs to a team, what each act on it asks for, that no sequence opens a way in."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cases.domain import team
from services.cases.domain.acts import team as acts
from services.cases.domain.model import SYSTEM, Actor, Case, Decision, World, end_of_day, local_day
from services.cases.reading import may_read_identity, may_see_case
from services.cases.upkeep import months_before
from services.cases.views import ACTS, GROUNDS, LEFT, TITLES
from shared.contracts.errors import Rejected
from shared.reference.access import Access, AccessLimits
from shared.reference.files import ReferenceDataError
from shared.reference.forms import Forms

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
UNIT, OTHER = "05443", "05455"
LIMITS = Access.load().on(NOW)
WHY = "Trẻ bỏ chạy khỏi nhà, mẹ trẻ vừa gọi"


def actor(name: str, role: str, *units: str) -> Actor:
    return Actor(name, name.title(), role, frozenset(units) if units else "all")


WORKER, COLLEAGUE = actor("worker", "worker", UNIT), actor("colleague", "worker", UNIT)
CHAIR, OTHER_CHAIR = actor("chair", "chair", UNIT), actor("other-chair", "chair", OTHER)
NEIGHBOUR = actor("neighbour", "worker", OTHER)
COORDINATOR, HOTLINE = actor("coordinator", "coordinator"), actor("hotline", "hotline")
SECTOR, FIGURES = actor("sector", "sector"), actor("figures", "statistician")
EVERYBODY = (WORKER, COLLEAGUE, CHAIR, OTHER_CHAIR, NEIGHBOUR, COORDINATOR, HOTLINE, SECTOR, FIGURES)
PEOPLE = {known.id: known for known in EVERYBODY}


def case(**changes: object) -> Case:
    base = Case(
        id="case-1",
        code="TN-2026-000001",
        concern_id="concern-1",
        unit=UNIT,
        sex="female",
        age_band="6-10",
        kind="violence",
        risk="high",
        status="open",
        step="assessment",
        sector="hotline",
        channel="hotline-111",
        danger_now="yes",
        received_at=NOW,
        opened_at=NOW,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def world(now: datetime = NOW) -> World:
    none: frozenset[str] = frozenset()
    return World(
        now=now,
        start=lambda _kind, _at: (_ for _ in ()).throw(AssertionError("no clock runs here")),
        new_id=lambda: f"id-{now.isoformat()}",
        units=frozenset({UNIT, OTHER}),
        task_kinds=none,
        outcomes=none,
        measures=none,
        separating=none,
        dismissals=none,
        forms=Forms.load(),
        codes=lambda _name: none,
        service_tasks={},
        access_purposes=frozenset({"new-report"}),
    )


def do(before: Case, who: Actor, act: str, now: datetime = NOW, **fields: object) -> Case:
    asked = acts.TEAM_ACT.validate_python({"act": act, **fields})
    return team.decide(before, asked, who, world(now), LIMITS, PEOPLE.get).case


def rule_of(before: Case, who: Actor, act: str, **fields: object) -> str:
    with pytest.raises(Rejected) as error:
        do(before, who, act, **fields)
    return error.value.violations[0].rule


def broken(before: Case, who: Actor, now: datetime = NOW) -> Case:
    return do(before, who, "break-glass", now, purpose="new-report", reason=WHY)


def test_every_act_has_a_name_and_every_refusal_its_law_in_both_languages() -> None:
    assert set(team.LAWS) <= set(ACTS)
    for act in team.LAWS:
        violation = team.refusal(case(), act, FIGURES, NOW)
        assert violation is not None
        assert re.search(r"Luật Trẻ em 2016, Điều \d", violation.message_vi)
        assert re.search(r"Law on Children 2016, Art. \d", violation.message_en)
        assert violation.message_en.isascii()


def test_office_opens_the_case_of_the_leading_commune_and_nothing_else_does() -> None:
    reading = [known.id for known in EVERYBODY if may_read_identity(known, case(), NOW)]
    assert reading == ["worker", "colleague", "chair"]
    seeing = [known.id for known in EVERYBODY if may_see_case(known, case(handover_to=OTHER), NOW)]
    assert seeing == ["worker", "colleague", "chair", "other-chair", "neighbour", "coordinator"]


def test_the_responsible_worker_or_the_chair_decides_who_joins() -> None:
    asked = do(case(worker="worker"), NEIGHBOUR, "request-access", reason="Trẻ ở xã tôi")
    assert rule_of(asked, COLLEAGUE, "admit-member", person="neighbour") == "not-your-role"
    assert rule_of(asked, COORDINATOR, "admit-member", person="neighbour") == "not-your-role"
    for lead in (WORKER, CHAIR):
        assert may_read_identity(NEIGHBOUR, do(asked, lead, "admit-member", person="neighbour"), NOW)
    assert may_read_identity(
        NEIGHBOUR, do(replace(asked, worker=None), COLLEAGUE, "admit-member", person="neighbour"), NOW
    )


def test_a_coordinator_never_lets_themselves_or_a_colleague_in() -> None:
    asked = do(case(), COORDINATOR, "request-access", reason="Kiểm tra")
    assert "admit-member" not in team.open_team_acts(asked, COORDINATOR, NOW)
    admitted = do(asked, CHAIR, "admit-member", person="coordinator")
    left = do(admitted, COORDINATOR, "leave-team")
    assert not may_read_identity(COORDINATOR, left, NOW)
    second = replace(COORDINATOR, id="second")
    assert rule_of(left, second, "admit-member", person="coordinator") == "not-your-role"


def test_a_conflict_of_interest_ends_everything_and_only_chair_or_coordinator_ends_it() -> None:
    for who, whom in ((CHAIR, WORKER), (COORDINATOR, CHAIR)):
        out = do(case(worker="worker"), who, "exclude-member", person=whom.id, reason="Là họ hàng")
        assert not may_see_case(whom, out, NOW)
        assert out.worker == (None if whom is WORKER else "worker")
        assert rule_of(out, whom, "request-access", reason="Xin lại") == "excluded"
        assert rule_of(out, whom, "break-glass", purpose="new-report", reason=WHY) in ("excluded", "not-your-role")
        assert may_read_identity(whom, do(out, who, "admit-member", person=whom.id), NOW)
    assert rule_of(case(), WORKER, "exclude-member", person="colleague", reason="?") == "not-your-role"
    assert rule_of(case(), CHAIR, "exclude-member", person="chair", reason="?") == "oneself"
    assert rule_of(case(), CHAIR, "exclude-member", person="gone-account", reason="?") == "person-unknown"
    kept_out = do(case(), CHAIR, "exclude-member", person="neighbour", reason="Họ hàng")
    assert (kept_out.team[-1].state, kept_out.team[-1].cause) == ("left", "excluded")


def test_an_excluded_persons_open_glass_closes_with_it() -> None:
    asked = do(case(), NEIGHBOUR, "request-access", reason="Trẻ ở xã tôi")
    opened = broken(asked, NEIGHBOUR)
    assert may_read_identity(NEIGHBOUR, opened, NOW)
    assert not may_read_identity(
        NEIGHBOUR, do(opened, CHAIR, "exclude-member", person="neighbour", reason="Họ hàng"), NOW
    )


def test_glass_lasts_as_long_as_the_data_says() -> None:
    opened = broken(case(), HOTLINE)
    end = NOW + timedelta(minutes=LIMITS.glass_minutes)
    assert may_read_identity(HOTLINE, opened, end - timedelta(microseconds=1))
    assert not may_read_identity(HOTLINE, opened, end)
    assert rule_of(case(), HOTLINE, "break-glass", purpose="new-report", reason="ngắn") == "reason-too-short"
    assert rule_of(case(), HOTLINE, "break-glass", purpose="other", reason=WHY) == "purpose"
    for who in (WORKER, CHAIR, SECTOR, FIGURES):
        rule_of(case(), who, "break-glass", purpose="new-report", reason=WHY)
    # A role that lost its right reads nothing through a glass that it broke before.
    assert not may_read_identity(replace(HOTLINE, role="statistician"), opened, NOW)


def test_only_the_leading_communes_chair_reviews_and_once() -> None:
    opened = broken(case(), OTHER_CHAIR)
    glass = opened.glasses[0].id
    said = {"glass": glass, "verdict": "unjustified", "words": "Không cần"}
    for who in (OTHER_CHAIR, WORKER, COORDINATOR, HOTLINE):
        assert rule_of(opened, who, "review-access", **said) == "not-your-role"
    seen = do(opened, CHAIR, "review-access", **said)
    assert not may_read_identity(OTHER_CHAIR, seen, NOW)
    assert rule_of(seen, CHAIR, "review-access", **said) == "not-your-role"


def test_whoever_opened_it_without_cause_asks_first_for_as_long_as_the_data_says() -> None:
    opened = broken(case(), HOTLINE)
    said = {"glass": opened.glasses[0].id, "words": "Không cần"}
    end = end_of_day(local_day(NOW) + timedelta(days=LIMITS.glass_barred_days))
    last = end - timedelta(microseconds=1)
    seen = do(opened, CHAIR, "review-access", verdict="unjustified", **said)
    for moment in (NOW, last):
        with pytest.raises(Rejected) as error:
            broken(seen, HOTLINE, moment)
        assert error.value.violations[0].rule == "ask-first"
        assert f"{local_day(end):%d/%m/%Y}" in error.value.violations[0].message_vi
    assert may_read_identity(HOTLINE, broken(seen, HOTLINE, end), end)
    assert may_read_identity(COORDINATOR, broken(seen, COORDINATOR), NOW), "nobody else is barred"
    asked = do(seen, HOTLINE, "request-access", reason="Trẻ gọi lại tổng đài")
    assert may_read_identity(HOTLINE, do(asked, CHAIR, "admit-member", person="hotline"), NOW)
    justified = do(opened, CHAIR, "review-access", verdict="justified", **said)
    later = NOW + timedelta(minutes=LIMITS.glass_minutes)
    assert may_read_identity(HOTLINE, broken(justified, HOTLINE, later), later)


def test_a_verdict_on_an_earlier_opening_closes_the_one_that_followed_it() -> None:
    later = NOW + timedelta(minutes=LIMITS.glass_minutes)
    again = broken(broken(case(), HOTLINE), HOTLINE, later)
    seen = do(again, CHAIR, "review-access", later, glass=again.glasses[0].id, verdict="unjustified", words="Không cần")
    assert not may_read_identity(HOTLINE, seen, later)


def test_a_merged_case_takes_no_new_members() -> None:
    for act in team.LAWS:
        if act != "review-access":
            violation = team.refusal(case(status="merged"), act, CHAIR, NOW)
            assert violation is not None
            assert violation.rule == "case-merged"


def test_what_time_or_an_agency_does_makes_nobody_responsible() -> None:
    for who in (SYSTEM, CHAIR, COORDINATOR, SECTOR, NEIGHBOUR):
        assert team.follow(case(), Decision(case(verified=True)), who, NOW).case.worker is None
    followed = team.follow(case(), Decision(case(verified=True)), WORKER, NOW)
    assert (followed.case.worker, [happening.model.TYPE for happening in followed.happenings]) == (
        "worker",
        ["vn.vongtay.cases.case.assigned"],
    )
    closed = case(status="closed", step="closed")
    assert team.follow(case(), Decision(closed), WORKER, NOW).case.worker is None


def test_who_takes_a_case_over_by_an_act_joins_and_is_responsible() -> None:
    before = case(worker="worker", handover_to=OTHER)
    after = team.follow(before, Decision(replace(before, unit=OTHER, handover_to=None)), NEIGHBOUR, NOW).case
    assert (after.worker, [(member.person, member.how) for member in after.team]) == (
        "neighbour",
        [("neighbour", "act")],
    )
    assert not may_read_identity(WORKER, after, NOW)


def test_every_ground_cause_and_line_has_words() -> None:
    assert {"role", "request", "act", "assigned", "glass", "task", "entered", "forward"} <= set(GROUNDS)
    assert {"left", "removed", "excluded", "refused", "moved"} == set(LEFT)
    kinds = {"team.requested", "team.joined", "team.left", "case.assigned", "access.broken-glass", "access.reviewed"}
    assert kinds <= set(TITLES)


@given(st.lists(st.tuples(st.sampled_from(EVERYBODY), st.sampled_from(sorted(team.LAWS)), st.sampled_from(EVERYBODY))))
def test_no_sequence_of_acts_lets_anybody_in_without_a_lead_or_a_glass(
    steps: list[tuple[Actor, str, Actor]],
) -> None:
    """Whoever reads was let in by an act of somebody else, holds the office, or broke the glass; figures never read."""
    now = case()
    moment = NOW
    for who, act, whom in steps:
        moment += timedelta(minutes=7)
        words = {"reason": WHY, "purpose": "new-report", "person": whom.id, "worker": whom.id, "words": WHY}
        words |= {"glass": now.glasses[-1].id if now.glasses else "none", "verdict": "justified", "before": now.worker}
        model = next(model for model in acts.TeamAct.__origin__.__args__ if model.model_fields["act"].default == act)
        asked = model(**{name: value for name, value in words.items() if name in model.model_fields})
        could = {known.id for known in EVERYBODY if may_read_identity(known, now, moment)}
        try:
            now = team.decide(now, asked, who, world(moment), LIMITS, PEOPLE.get).case
        except Rejected:
            continue
        gained = {known.id for known in EVERYBODY if may_read_identity(known, now, moment)} - could
        by_themselves = {who.id} if act == "break-glass" else set()
        assert who.id not in gained or by_themselves, (who, act)
        assert len({member.person for member in now.team}) == len(now.team)
        assert not may_read_identity(FIGURES, now, moment)
        # Somebody can always go on: the chair decides, or the coordinator lets the chair back in.
        assert team.by_role(now, CHAIR) or "admit-member" in team.open_team_acts(now, COORDINATOR, moment)


def test_the_log_is_never_kept_shorter_than_the_law_asks() -> None:
    limits = AccessLimits(date(2026, 1, 1), "Luật", "Law", 60, 20, 30, 15, 60, 5, 6)
    with pytest.raises(ReferenceDataError, match="at least 6 months"):
        Access([limits])
    assert Access([replace(limits, log_months=6)]).on(NOW).log_months == 6
    assert months_before(datetime(2026, 3, 31, tzinfo=UTC), 24) == datetime(2024, 3, 28, tzinfo=UTC)
    assert months_before(datetime(2026, 1, 5, tzinfo=UTC), 1) == datetime(2025, 12, 5, tzinfo=UTC)
