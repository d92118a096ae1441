"""Whom the rules of the reference data tell, how urgently, by when, and why nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from services.notify import domain
from services.notify.domain import NO_RELATIONS, Relations, Telling
from services.notify.domain.grouping import gather, key_of, says
from shared.contracts.base import Contract
from shared.contracts.cases import ConcernReceived, ContactBanRequested, DeadlineMissed, TaskOverdue
from shared.contracts.envelope import Envelope
from shared.reference.files import ReferenceDataError, lay_over
from shared.reference.notify_ladders import Ladders
from shared.reference.notify_rules import Addressee, By, Grouping, NotifyRule, NotifyRules

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
UNIT = "05443"
CASE = "0195a000-0000-7000-8000-00000000abcd"
FACTS = {
    "unit": UNIT, "sex": "female", "age_band": "6-10", "kind": "neglect", "risk": "high", "status": "open",
    "step": "plan", "sector": "police", "channel": "police", "opened_at": NOW,
}  # fmt: skip


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    lay_over(None)


def happening(data: Contract, at: datetime = NOW) -> domain.Happening:
    event = Envelope("e1", "/services/cases", data.TYPE, CASE, at, b"")
    return domain.happening_of(event, data, "00000000-0000-8000-8000-000000000001")


def missed(kind: str = "emergency-12h") -> DeadlineMissed:
    return DeadlineMissed.model_validate(
        {"case_id": CASE, "facts": FACTS, "deadline_id": "d1", "kind": kind, "state": "missed", "due": NOW,
         "legal_source": "56/2017"}
    )  # fmt: skip


def overdue() -> TaskOverdue:
    return TaskOverdue.model_validate(
        {"case_id": CASE, "facts": FACTS, "task_id": "t1", "task_kind": "examine", "task_sector": "health", "due": NOW}
    )


def concern(danger: str = "yes", received: datetime = NOW) -> ConcernReceived:
    facts = {
        "unit": UNIT, "sex": "female", "age_band": "6-10", "kind": "neglect", "danger_now": danger, "sector": "health",
        "channel": "hospital", "status": "received", "received_at": received,
    }  # fmt: skip
    return ConcernReceived.model_validate({"concern_id": "c1", "facts": facts})


def told(data: Contract, relations: Relations = NO_RELATIONS, now: datetime = NOW) -> dict[str, domain.Told]:
    return Telling.load().addressees(happening(data), data, now, relations)


def rule(**changed: object) -> NotifyRule:
    base = NotifyRule(
        name="probe",
        vi="Thử",
        en="Probe",
        source_vi="Nền tảng",
        source_en="Platform",
        effective_from=date(2020, 1, 1),
        events=("cases.deadline.missed",),
        urgency="normal",
        tell=(Addressee(role="worker", of="unit"),),
    )
    return replace(base, **changed)  # type: ignore[arg-type]


def test_danger_is_an_emergency_of_the_most_urgent_rule_and_must_be_acted_on_within_the_laws_twelve_hours() -> None:
    found = told(concern("yes", received=NOW - timedelta(hours=2)))
    assert {one.urgency for one in found.values()} == {"emergency"}
    assert found["worker/05443"].rule == "danger-reported"
    assert found["worker/05443"].ladder == "child-in-danger"
    assert found["worker/05443"].by == NOW + timedelta(hours=10)
    assert {one.urgency for one in told(concern("no")).values()} == {"normal"}


def test_a_request_for_a_contact_ban_is_due_as_the_law_says_though_its_event_says_nothing() -> None:
    asked = ContactBanRequested.model_validate({"case_id": CASE, "facts": FACTS})
    assert told(asked)["chair/05443"].by == NOW + timedelta(hours=12)


def test_the_responsible_worker_is_told_by_name_beside_the_commune() -> None:
    found = told(missed("plan-approval"), Relations(responsible="thuong.worker"))
    assert "person/thuong.worker" in found
    assert "worker/05443" in found


def test_every_rule_about_an_event_says_why_it_told_or_why_not() -> None:
    telling, data = Telling.load(), missed("plan-approval")
    said = {one.rule.name: one for one in telling.consider(happening(data), data, NOW)}
    assert set(said) == {"protection-clock-missed", "deadline-missed"}
    silent = said["protection-clock-missed"]
    assert not silent.told
    assert [(one.why, one.field, one.found) for one in silent.silent] == [("condition", "kind", "plan-approval")]
    ordinary = said["deadline-missed"]
    assert {one.audience for one in ordinary.told} == {"worker/05443", "chair/05443", "coordinator"}
    assert [one.why for one in ordinary.silent] == ["nobody-related"], "nobody is responsible for it yet"


def test_before_its_day_a_rule_tells_nobody_and_says_so() -> None:
    telling, asked = Telling.load(), ContactBanRequested.model_validate({"case_id": CASE, "facts": FACTS})
    before = happening(asked, datetime(2022, 1, 1, tzinfo=UTC))
    said = telling.consider(before, asked, datetime(2022, 1, 1, tzinfo=UTC))
    assert [one.silent[0].why for one in said] == ["not-in-force"]


def test_of_the_past_nobody_is_told_but_of_what_must_still_follow() -> None:
    long_after = NOW + timedelta(days=20)
    assert told(missed("plan-approval"), now=long_after) == {}
    coming = overdue().model_copy(update={"due": long_after + timedelta(days=1)})
    assert "sector/health" in told(coming, now=long_after)


def test_a_noisy_rule_tells_the_first_few_by_themselves_and_then_counts_each_commune_apart() -> None:
    happened, one = happening(overdue()), told(overdue())["coordinator"]
    assert one.group is not None
    key = key_of(one, happened)
    assert key is not None
    assert key != key_of(one, replace(happened, unit="05455"))
    group, alone = None, []
    for number in range(37):
        group, by_itself = gather(group, key, one.group, NOW + timedelta(minutes=number))
        alone.append(by_itself)
    assert group is not None
    assert alone == [True] * 3 + [False] * 34
    assert (group.count, says(group)) == (37, True)
    following, by_itself = gather(group, key, one.group, NOW + timedelta(minutes=60))
    assert by_itself
    assert following.count == 1, "a window that is over begins anew"


def test_an_emergency_is_never_one_of_many() -> None:
    assert all(key_of(one, happening(missed())) is None for one in told(missed()).values())


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"events": ("cases.deadline.forgotten",)}, "no event that is heard"),
        ({"when": {"facts.colour": ("red",)}}, "has no field facts.colour"),
        ({"when": {"facts.risk": ("huge",)}}, "facts.risk of cases.deadline.missed is never huge"),
        ({"when": {"kind": ("emergency-13h",)}}, "kind of cases.deadline.missed is never emergency-13h"),
        ({"when": {"facts.kind": ("nonsense",)}}, "is never nonsense"),
        ({"tell": (Addressee(role="queen", of="unit"),)}, "no role that is told is called queen"),
        ({"tell": (Addressee(role="partner", of="province"),)}, "no role that is told is called partner"),
        ({"tell": (Addressee(role="worker", of="to_unit"),)}, "there is no to_unit in it"),
        ({"tell": (Addressee(sector="task_sector"),)}, "there is no task_sector in it"),
        ({"tell": (Addressee(role="worker", of="unit", sector="facts.sector"),)}, "tell names one of"),
        ({"by": By(field="facts.unit")}, "facts.unit is no moment"),
        ({"by": By(deadline="someday")}, "there is no deadline someday"),
        ({"urgency": "emergency"}, "needs a ladder"),
        ({"ladder": "child-in-danger"}, "needs a ladder"),
        ({"group": Grouping(0, 60)}, "a group needs"),
        ({"units": frozenset({"99999"})}, "there is no commune 99999"),
        ({"effective_to": date(2019, 1, 1)}, "ends after it"),
    ],
)
def test_a_rule_that_speaks_of_what_is_not_there_is_refused_as_it_is_loaded(
    changed: dict[str, object], problem: str
) -> None:
    with pytest.raises(ReferenceDataError, match=problem):
        NotifyRules([rule(**changed)], Ladders.load(), ("emergency-12h",), (UNIT,))


def test_a_province_adds_to_a_rule_of_law_and_cannot_take_it_away_or_narrow_it(province: Path) -> None:
    own = province / "notify-rules.yaml"
    own.write_text("rules:\n  danger-reported:\n    tell: [{role: hotline, of: province}]\n", "utf-8")
    lay_over(province)
    assert "hotline" in told(concern("yes"))
    for text in (
        "rules:\n  danger-reported: null\n",
        "rules:\n  danger-reported: {when: {facts.kind: [neglect]}}\n",
        "rules:\n  deadline-missed: {urgency: low}\n",
    ):
        lay_over(None)
        own.write_text(text, "utf-8")
        lay_over(province)
        with pytest.raises(ReferenceDataError, match="follows from law"):
            NotifyRules.load()
    lay_over(None)
    own.write_text("rules:\n  child-died: null\n", "utf-8")
    lay_over(province)
    assert "child-died" not in {one.name for one in NotifyRules.load()}


def test_every_rule_tells_only_of_events_that_there_are_words_for() -> None:
    from services.notify.texts import load_texts

    texts = load_texts()
    for one in NotifyRules.load():
        spoken = [name for name in texts.wordings if one.speaks_of(name)]
        assert spoken, one.name
        if one.group is not None:
            assert all(texts.wordings[name].many for name in spoken), one.name
