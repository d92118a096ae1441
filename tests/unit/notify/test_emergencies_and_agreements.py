"""The ladder of an emergency, the links that end it, and what a data-sharing agreement allows."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain import agreements as rules
from services.notify.domain.agreements import Agreement, Known, Terms
from services.notify.domain.ids import timed_id
from services.notify.domain.ladder import Climbed, Ladder, acknowledge, begin, follow, hear, pass_time
from services.notify.domain.links import Ticket, is_acknowledgement, link_of, ticket_of
from shared.contracts.cases import TaskRequested
from shared.contracts.errors import Rejected
from shared.contracts.registry import ChildRegistered
from shared.identity import ALL_UNITS, Principal, Role
from shared.privacy.sealing import seal_to_platform
from shared.reference.notify_ladders import Ladders
from shared.reference.text import fold

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
DANGER = Ladders.load()["child-in-danger"]
CALL = "0195a000-0000-7000-8000-00000000abcd"
KEY = b"k" * 32


def begun(unit: str | None = "05443") -> Climbed:
    return begin(
        "l1", DANGER, timed_id(NOW), "cases.concern.received", NOW, unit=unit, case_id=None, concern_id="c1", due=None
    )


def minutes(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


def test_the_worker_is_called_at_once_then_the_chair_then_the_coordinator_by_the_minutes_of_the_data() -> None:
    climbed, called = begun(), []
    at = 0.0
    while climbed.ladder.state == "open" and at < 600:
        called += [(round(at), call.audience, call.round) for call in climbed.calls]
        at += 0.5
        climbed = pass_time(climbed.ladder, DANGER, minutes(at))
    first = [(0, "worker/05443", 0), (15, "chair/05443", 0), (30, "coordinator", 0), (60, "coordinator", 1)]
    assert called[:4] == first
    assert [call for call in called if call[1] == "coordinator"][-1] == (210, "coordinator", DANGER.again_times)
    assert climbed.ladder.state == "exhausted"
    assert climbed.ended == "exhausted"
    assert climbed.ladder.next_at is None


def test_whoever_acknowledges_stops_it_and_stays_on_the_record() -> None:
    raised = pass_time(begun().ladder, DANGER, minutes(15))
    taken = acknowledge(raised.ladder, "binh.chair", "link", minutes(17))
    assert taken.ended == "acknowledged"
    assert pass_time(taken.ladder, DANGER, minutes(500)).calls == ()
    later = acknowledge(taken.ladder, "lan.worker", "page", minutes(20))
    assert later.ended is None
    assert (later.ladder.acknowledged_by, later.ladder.acknowledged_step) == ("binh.chair", 1)


def test_an_exhausted_ladder_can_still_be_acknowledged() -> None:
    ladder = replace(begun().ladder, state="exhausted", next_at=None)
    assert acknowledge(ladder, "ha.coordinator", "page", minutes(999)).ladder.state == "acknowledged"


def test_a_step_on_which_nobody_can_be_reached_is_not_waited_for() -> None:
    soon = pass_time(begun().ladder, DANGER, NOW, reached=False)
    assert soon.calls == ()
    assert soon.ladder.next_at == minutes(DANGER.nobody_minutes)
    assert pass_time(soon.ladder, DANGER, minutes(DANGER.nobody_minutes)).calls[0].audience == "chair/05443"


def test_after_a_day_off_it_goes_on_step_by_step_and_leaves_each_the_time_to_answer() -> None:
    late = pass_time(begun().ladder, DANGER, minutes(1440))
    assert [call.audience for call in late.calls] == ["chair/05443"]
    assert late.ladder.next_at == minutes(1440 + 15)


def test_the_last_step_is_called_again_as_slowly_where_nobody_on_it_can_be_reached() -> None:
    climbed = begun()
    for at in (15, 30):
        climbed = pass_time(climbed.ladder, DANGER, minutes(at))
    last = pass_time(climbed.ladder, DANGER, minutes(30), reached=False)
    assert last.ladder.next_at == minutes(30 + DANGER.again_minutes)
    assert last.ladder.state == "open"


def test_where_the_commune_is_unknown_its_steps_call_nobody_and_the_province_is_called_all_the_same() -> None:
    climbed = begun(None)
    assert climbed.calls == ()
    chair = pass_time(climbed.ladder, DANGER, minutes(15))
    assert pass_time(chair.ladder, DANGER, minutes(30)).calls[0].audience == "coordinator"


def test_what_shows_that_somebody_has_acted_settles_it_and_nothing_else_does() -> None:
    ladder = follow(begun().ladder, "case1", "05455")
    assert (ladder.case_id, ladder.unit) == ("case1", "05455")
    assert hear(ladder, DANGER, {"cases.case.opened": NOW}, NOW).ladder.state == "open"
    settled = hear(ladder, DANGER, {"cases.emergency.measure.decided": NOW}, NOW)
    assert settled.ended == "settled"
    assert hear(settled.ladder, DANGER, {"cases.case.closed": NOW}, NOW).ended is None


def test_what_was_done_before_the_emergency_does_not_settle_it_and_what_was_done_since_lets_nobody_be_called() -> None:
    before, since = {"cases.risk.assessed": minutes(-1)}, {"cases.risk.assessed": minutes(0)}
    assert hear(begun().ladder, DANGER, before, minutes(1)).ladder.state == "open"
    for acts, calls, ended in ((before, 1, None), (since, 0, "settled")):
        climbed = begin(
            "l1", DANGER, timed_id(NOW), "cases.concern.received", minutes(5),
            unit="05443", case_id="case1", concern_id="c1", due=None, acts=acts,
        )  # fmt: skip
        assert (len(climbed.calls), climbed.ended) == (calls, ended)


@given(st.lists(st.sampled_from(["time", "unreached", "hear", "page"]), max_size=60), st.integers(0, 10**6))
def test_whatever_happens_a_ladder_is_told_in_order_and_never_ends_unnoticed(acts: list[str], seconds: int) -> None:
    climbed, at = begun(), NOW
    for number, act in enumerate(acts):
        at += timedelta(seconds=(seconds * (number + 1)) % 4000)
        before = climbed.ladder
        climbed = _done(act, before, at)
        after = climbed.ladder
        told = climbed.raised or climbed.ended is not None
        assert after.sequence == before.sequence + told
        assert (after.state != before.state) == (climbed.ended is not None)
        assert (after.next_at is None) == (after.state != "open")
        assert after.step - before.step in {0, 1}
        assert after.rounds <= DANGER.again_times


def _done(act: str, ladder: Ladder, at: datetime) -> Climbed:
    if act == "hear":
        return hear(ladder, DANGER, {"cases.facts.verified": at}, at)
    if act == "page":
        return acknowledge(ladder, "lan", "page", at)
    return pass_time(ladder, DANGER, at, reached=act == "time")


def test_a_link_says_which_call_and_nothing_of_anybody_and_cannot_be_made_or_changed() -> None:
    link = link_of(Ticket(CALL, NOW + timedelta(hours=1)), KEY)
    assert len(link) == 44
    assert ticket_of(link, KEY, NOW) == Ticket(CALL, NOW + timedelta(hours=1))
    assert ticket_of(link, KEY, NOW + timedelta(hours=1)) is None, "too old"
    assert ticket_of(link, b"x" * 32, NOW) is None
    raw = bytearray(base64.urlsafe_b64decode(link + "=="[: -len(link) % 4]))
    for place in range(len(raw)):
        changed = bytes(raw[:place]) + bytes([raw[place] ^ 1]) + bytes(raw[place + 1 :])
        assert ticket_of(base64.urlsafe_b64encode(changed).decode().rstrip("="), KEY, NOW) is None


@given(st.text(max_size=60))
def test_what_is_no_link_is_no_ticket(text: str) -> None:
    assert ticket_of(text, KEY, NOW) is None


@given(st.uuids(), st.integers(1, 10**9))
def test_every_link_leads_back_to_its_call(call: UUID, seconds: int) -> None:
    ticket = Ticket(str(call), (NOW + timedelta(seconds=seconds)).replace(microsecond=0))
    assert ticket_of(link_of(ticket, KEY), KEY, NOW) == ticket


@pytest.mark.parametrize(
    ("reply", "yes"),
    [("OK", True), ("ok!", True), ("Đã nhận", True), ("da nhan roi", True), ("Rồi", True), ("Xác nhận", True),
     ("1", True), ("Đã nhận, tôi đến ngay", True), ("không", False), ("", False), ("ai đấy?", False), ("stop", False),
     ("Có phải lừa đảo?", False), ("OK nhưng tôi không đến được", False), ("chưa nhận", False), ("👍", False)],
)  # fmt: skip
def test_a_reply_says_that_it_was_received_or_it_does_not(reply: str, yes: bool) -> None:
    assert is_acknowledgement(fold(reply)) is yes


HA = Principal("ha.coordinator", "Hà", Role.COORDINATOR, ALL_UNITS)
YEN = Principal("yen.partner", "Yến", Role.PARTNER, ALL_UNITS, org="mai-am")
STRANGER = Principal("x.partner", "X", Role.PARTNER, ALL_UNITS, org="other")
LAN = Principal("lan.worker", "Lan", Role.WORKER, frozenset({"05443"}))
TYPES = ("cases.task.requested", "cases.case.opened", "registry.child.registered")
KNOWN = Known(
    purposes=("service",),
    legal_bases=("contract",),
    event_types=TYPES,
    units=("05443", "05455"),
    sealed_fields={
        "cases.task.requested": rules.sealed_paths(TaskRequested),
        "registry.child.registered": rules.sealed_paths(ChildRegistered),
    },
)
TERMS = Terms(
    "service",
    "contract",
    ("cases.task.*", "registry.child.registered"),
    ("05443",),
    ("registry.child.registered:child.name", "cases.task.requested:instructions"),
    date(2026, 1, 1),
    date(2026, 12, 31),
    "12/TT",
)
PUBLIC = base64.b64encode(bytes(range(32))).decode()


def signed() -> Agreement:
    return rules.accept(rules.propose("a1", "mai-am", TERMS, HA, NOW, KNOWN), PUBLIC, YEN, NOW)


def test_what_may_be_agreed_on_is_the_sealed_fields_of_an_event_and_nothing_else() -> None:
    assert rules.sealed_paths(TaskRequested) == ("instructions",)
    assert "child.name" in rules.sealed_paths(ChildRegistered)
    assert "child.sealed" not in rules.sealed_paths(ChildRegistered)


def test_nothing_is_told_before_both_have_signed_outside_its_days_or_beyond_what_it_names() -> None:
    proposed = rules.propose("a1", "mai-am", TERMS, HA, NOW, KNOWN)
    told = "cases.task.requested", "05443"
    assert proposed.not_told(*told, NOW) == "not-signed"
    agreement = rules.accept(proposed, PUBLIC, YEN, NOW)
    assert agreement.not_told(*told, NOW) is None
    assert agreement.not_told("cases.case.opened", "05443", NOW) == "event-not-covered"
    assert agreement.not_told("cases.task.requested", "05455", NOW) == "unit-not-covered"
    assert agreement.not_told("cases.task.requested", None, NOW) == "unit-not-covered"
    assert agreement.not_told(*told, datetime(2025, 12, 31, tzinfo=UTC)) == "not-yet"
    assert agreement.not_told(*told, datetime(2026, 12, 31, 16, 59, tzinfo=UTC)) is None, "its last minute in Ha Noi"
    assert agreement.not_told(*told, datetime(2026, 12, 31, 17, tzinfo=UTC)) == "over"
    everything = replace(agreement, terms=replace(TERMS, event_types=("*",)))
    assert everything.not_told("cases.team.joined", "05443", NOW) == "event-not-covered", "the house's own affair"


def test_fields_are_those_of_their_own_event_type() -> None:
    assert signed().fields_of("registry.child.registered") == ("child.name",)
    assert signed().fields_of("registry.child.corrected") == ()


def test_another_key_has_another_name() -> None:
    other = replace(signed(), public_key=base64.b64encode(bytes(32)).decode())
    assert other.kid != signed().kid
    assert signed().kid.startswith("partner/mai-am/")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"purpose": "profit"}, "purpose"),
        ({"legal_basis": "whim"}, "legal_basis"),
        ({"legal_basis": "consent"}, "legal_basis"),
        ({"event_types": ()}, "event_types"),
        ({"event_types": ("stats.*",)}, "event_types"),
        ({"units": ("99999",)}, "units"),
        ({"units": ()}, "units"),
        ({"fields": ("registry.child.registered:child.soul",)}, "fields"),
        ({"fields": ("registry.child.registered:facts.unit",)}, "fields"),
        ({"fields": ("cases.case.opened:child.name",)}, "fields"),
        ({"valid_until": date(2025, 12, 31)}, "valid_until"),
        ({"valid_until": date(2032, 1, 1)}, "valid_until"),
    ],
)
def test_terms_that_name_what_is_not_there_are_refused_with_the_field(changed: dict[str, object], field: str) -> None:
    with pytest.raises(Rejected) as refused:
        rules.propose("a1", "mai-am", replace(TERMS, **changed), HA, NOW, KNOWN)  # type: ignore[arg-type]
    assert refused.value.violations[0].field == field


def test_the_province_proposes_the_partner_signs_with_its_key_and_nobody_else_does_either() -> None:
    proposed = rules.propose("a1", "mai-am", TERMS, HA, NOW, KNOWN)
    for actor in (YEN, LAN):
        with pytest.raises(Rejected):
            rules.propose("a1", "mai-am", TERMS, actor, NOW, KNOWN)
    for actor, key, rule in (
        (STRANGER, PUBLIC, "not-yours"),
        (HA, PUBLIC, "not-yours"),
        (YEN, None, "key-missing"),
        (YEN, "short", "key-invalid"),
    ):
        with pytest.raises(Rejected) as refused:
            rules.accept(proposed, key, actor, NOW)
        assert refused.value.violations[0].rule == rule


def test_it_is_suspended_resumed_and_ended_with_a_reason_and_the_end_is_final() -> None:
    suspended = rules.change(signed(), "suspend", "kiểm tra", HA, NOW)
    assert rules.stops(signed(), suspended)
    assert not rules.retracts(signed(), suspended)
    resumed = rules.change(suspended, "resume", "", HA, NOW)
    assert resumed.state == "active"
    ended = rules.change(resumed, "end", "hết nhu cầu", YEN, NOW)
    assert rules.stops(resumed, ended)
    assert rules.retracts(resumed, ended)
    assert [one.sequence for one in (signed(), suspended, resumed, ended)] == [2, 3, 4, 5]
    assert rules.confirm(ended, YEN, NOW).state == "ended"
    for act in ("suspend", "resume", "end"):
        with pytest.raises(Rejected):
            rules.change(ended, act, "x", HA, NOW)  # type: ignore[arg-type]
    for actor, reason in ((STRANGER, "x"), (LAN, "x"), (HA, " ")):
        with pytest.raises(Rejected):
            rules.change(signed(), "end", reason, actor, NOW)
    with pytest.raises(Rejected):
        rules.change(signed(), "suspend", "x", YEN, NOW)


def test_it_ends_by_itself_after_its_last_day() -> None:
    assert rules.expire(signed(), datetime(2026, 12, 31, 12, tzinfo=UTC), ["contract"]) is None
    over = rules.expire(signed(), datetime(2026, 12, 31, 17, tzinfo=UTC), ["contract"])
    assert over is not None
    assert (over.state, over.reason) == ("ended", "expired")
    groundless = rules.expire(signed(), NOW, ["law-task"])
    assert groundless is not None
    assert (groundless.state, groundless.reason) == ("ended", "ground-ended")
    assert rules.expire(groundless, NOW, ["law-task"]) is None


def test_a_subscription_stays_within_its_agreement() -> None:
    agreement = signed()
    assert agreement.covers(["cases.task.requested"], ["05443"], TYPES)
    assert agreement.covers(["cases.task.*"], None, TYPES), "all that the agreement has"
    assert not agreement.covers(["cases.*"], ["05443"], TYPES)
    assert not agreement.covers(["cases.task.requested"], ["05455"], TYPES)
    assert not agreement.covers(["cases.nothing"], ["05443"], TYPES)


def test_the_documents_way_to_open_sealed_content_opens_it() -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/receive-as-a-partner.md").read_text("utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.S)[0]
    names: dict[str, Any] = {}
    exec(code, names)
    private = X25519PrivateKey.generate()
    box = seal_to_platform('{"child.name": "Nguyễn"}'.encode(), private.public_key().public_bytes_raw(), signed().kid)
    opened = names["open_content"](box.model_dump(exclude_none=True), private.private_bytes_raw())
    assert opened == {"child.name": "Nguyễn"}
