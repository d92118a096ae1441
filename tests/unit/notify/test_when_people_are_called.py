"""When and over what somebody is called, who stands in, and what fits into an SMS."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.preferences import DEFAULT, Absence, Load, Member, Preferences, Roster, timing
from services.notify.domain.sms import alphabet_of, length_of, plain, segments_of, short
from services.notify.domain.standing_in import check_absence, check_stand_in, may_stand_in
from services.notify.texts import load_texts
from shared.contracts.errors import Rejected
from shared.identity import ALL_UNITS, Principal, Role
from shared.reference.notify_ladders import Ladders
from shared.reference.notify_limits import NotifyLimitsByDay

NIGHT = datetime(2026, 3, 2, 18, tzinfo=UTC)  # 01:00 in Ha Noi
DAY = datetime(2026, 3, 2, 3, tzinfo=UTC)  # 10:00
MORNING = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)  # 06:30, when the house's quiet hours end
LIMITS = NotifyLimitsByDay.load().on(DAY)
HERE = frozenset({"05443"})


def called(chosen: Preferences, urgency: str, at: datetime, *channels: str, load: Load | None = None) -> list[tuple]:  # type: ignore[type-arg]
    found = timing(chosen, urgency, at, LIMITS, reachable=channels, load=load or Load())  # type: ignore[arg-type]
    return [(one.at, one.channels, one.why) for one in found]


def test_nobody_is_woken_at_night_but_for_an_emergency_and_an_e_mail_wakes_nobody() -> None:
    assert called(DEFAULT, "urgent", NIGHT, "sms", "email") == [
        (NIGHT, ("email",), "at-once"),
        (MORNING, ("sms",), "quiet-hours"),
    ]
    assert called(DEFAULT, "emergency", NIGHT, "sms", "email") == [(NIGHT, ("sms", "email"), "emergency")]


def test_an_emergency_comes_over_everything_whatever_somebody_chose() -> None:
    silent = Preferences(channels=(), digest="weekly", quiet=(time(0), time(23, 59)))
    assert called(silent, "emergency", NIGHT, "sms", "push") == [(NIGHT, ("push", "sms"), "emergency")]
    assert called(silent, "urgent", NIGHT, "sms", "push") == []


def test_quiet_hours_are_ones_own_where_chosen_over_midnight_or_not_and_may_be_none() -> None:
    siesta = Preferences(quiet=(time(9), time(11)))
    assert called(siesta, "urgent", DAY, "sms") == [(DAY + timedelta(hours=1), ("sms",), "quiet-hours")]
    assert called(siesta, "urgent", NIGHT, "sms") == [(NIGHT, ("sms",), "at-once")]
    never = Preferences(quiet=(time(0), time(0)))
    assert called(never, "urgent", NIGHT, "sms") == [(NIGHT, ("sms",), "at-once")]


def test_a_digest_comes_daily_or_on_ones_weekday_and_what_is_urgent_does_not_wait_for_it() -> None:
    daily = Preferences(digest="daily", digest_at=time(8))
    assert called(daily, "normal", DAY, "email", "sms") == [(datetime(2026, 3, 3, 1, tzinfo=UTC), ("email",), "digest")]
    weekly = Preferences(digest="weekly", digest_at=time(8), digest_weekday=5)
    assert called(weekly, "normal", DAY, "email") == [(datetime(2026, 3, 6, 1, tzinfo=UTC), ("email",), "digest")]
    assert called(weekly, "urgent", DAY, "email") == [(DAY, ("email",), "at-once")]
    assert called(DEFAULT, "low", DAY, "sms")[0][2] == "digest", "nothing low interrupts"


def test_who_was_called_often_enough_is_left_in_peace_until_the_hour_is_over_and_not_into_the_night() -> None:
    busy = Load(hour=LIMITS.per_hour, day=LIMITS.per_hour, hour_since=DAY - timedelta(minutes=20))
    assert called(DEFAULT, "urgent", DAY, "sms", load=busy) == [(DAY + timedelta(minutes=40), ("sms",), "limit")]
    evening = datetime(2026, 3, 2, 13, 30, tzinfo=UTC)  # 20:30, and the limit would end at 21:10
    late = Load(hour=LIMITS.per_hour, day=LIMITS.per_hour, hour_since=evening - timedelta(minutes=20))
    assert called(DEFAULT, "urgent", evening, "sms", load=late) == [(MORNING, ("sms",), "limit")]
    assert called(DEFAULT, "emergency", DAY, "sms", load=busy) == [(DAY, ("sms",), "emergency")]


def roster(*absences: Absence, standing: dict[tuple[str, str], str] | None = None) -> Roster:
    people = {
        "lan": Member("lan", "worker", HERE),
        "hoa": Member("hoa", "worker", HERE),
        "binh": Member("binh", "chair", HERE),
        "other": Member("other", "chair", frozenset({"05455"})),
        "ha": Member("ha", "coordinator"),
    }
    return Roster(people, absences, standing or {}, {"worker": "chair", "chair": "coordinator"})


def away(person: str, substitute: str | None = None) -> Absence:
    return Absence(person, DAY - timedelta(days=1), DAY + timedelta(days=1), substitute)


def test_the_substitute_is_told_while_somebody_is_away_and_nobody_twice() -> None:
    lan = roster().people["lan"]
    gone = roster(away("lan", "hoa"))
    assert [(one.person, one.instead_of) for one in gone.present([lan], "05443", DAY)] == [("hoa", "lan")]
    both = gone.present([lan, gone.people["hoa"]], "05443", DAY)
    assert [(one.person, one.instead_of) for one in both] == [("hoa", None)]
    assert [one.person for one in gone.present([lan], "05443", DAY + timedelta(days=2))] == ["lan"], "she is back"


def test_a_substitute_who_is_away_too_hands_on_and_a_circle_falls_to_the_chairs_choice_and_then_to_the_role() -> None:
    lan = roster().people["lan"]
    handed_on = roster(away("lan", "hoa"), away("hoa", "binh"))
    assert [one.person for one in handed_on.present([lan], "05443", DAY)] == ["binh"]
    circle = (away("lan", "hoa"), away("hoa", "lan"))
    named = roster(*circle, standing={("worker", "05443"): "binh"}).present([lan], "05443", DAY)
    assert [(one.person, one.why) for one in named] == [("binh", "standing")]
    by_role = roster(*circle).present([lan], "05443", DAY)
    assert [(one.person, one.why) for one in by_role] == [("binh", "role")], "the chair of this commune, not another's"
    assert [one.person for one in roster(*circle, away("binh")).present([lan], "05443", DAY)] == ["ha"]


LAN = Principal("lan", "Lan", Role.WORKER, HERE)
BINH = Principal("binh", "Bình", Role.CHAIR, HERE)
HA = Principal("ha", "Hà", Role.COORDINATOR, ALL_UNITS)
FAR = Principal("far", "Xa", Role.WORKER, frozenset({"05455"}))
WIDE = Principal("wide", "Rộng", Role.WORKER, frozenset({"05443", "05455"}))
DUC = Principal("duc", "Đức", Role.SECTOR, ALL_UNITS, sector="health")
QUANG = Principal("quang", "Quang", Role.SECTOR, ALL_UNITS, sector="police")


@pytest.mark.parametrize(
    ("absent", "other", "may"),
    [(LAN, BINH, True), (LAN, WIDE, True), (LAN, FAR, False), (WIDE, LAN, False), (LAN, HA, False), (BINH, HA, True),
     (BINH, LAN, False), (DUC, QUANG, False), (LAN, LAN, False)],
)  # fmt: skip
def test_only_who_may_see_as_much_stands_in(absent: Principal, other: Principal, may: bool) -> None:
    assert may_stand_in(absent, other) is may


def test_an_absence_is_entered_by_oneself_or_by_who_leads_and_ends_one_day() -> None:
    def enter(actor: Principal, absent: Principal, days: int, substitute: Principal | None = None) -> None:
        absence = Absence(absent.id, DAY, DAY + timedelta(days=days), substitute.id if substitute else None)
        check_absence(absence, absent, substitute, actor, DAY, LIMITS)

    enter(LAN, LAN, 5, BINH)
    enter(BINH, LAN, 5)
    enter(HA, BINH, 5)
    for actor, absent, days, substitute, rule in (
        (LAN, BINH, 5, None, "not-yours"),
        (BINH, FAR, 5, None, "not-yours"),
        (LAN, LAN, -1, None, "ends-before"),
        (LAN, LAN, LIMITS.away_most_days + 1, None, "too-long"),
        (LAN, LAN, 5, FAR, "may-not-stand-in"),
    ):
        with pytest.raises(Rejected) as refused:
            enter(actor, absent, days, substitute)
        assert refused.value.violations[0].rule == rule


def test_a_chair_names_who_stands_in_in_their_own_commune_only() -> None:
    check_stand_in(BINH, Role.WORKER, "05443", BINH.id, BINH)
    for actor, unit, named in ((BINH, "05455", None), (LAN, "05443", None), (BINH, "05443", FAR)):
        with pytest.raises(Rejected):
            check_stand_in(actor, Role.WORKER, unit, named and named.id, named)


# 3GPP TS 23.038, 6.2.1: 128 signs, ten more by escape; TS 23.040: 160 or 153 septets, 70 or 67 units.
@pytest.mark.parametrize(
    ("text", "alphabet", "units", "segments"),
    [
        ("a" * 160, "gsm-7", 160, 1),
        ("a" * 161, "gsm-7", 161, 2),
        ("a" * 306, "gsm-7", 306, 2),
        ("a" * 307, "gsm-7", 307, 3),
        ("€" * 80, "gsm-7", 160, 1),
        ("€" * 81, "gsm-7", 162, 2),
        ("a" * 152 + "€" + "a" * 10, "gsm-7", 164, 2),
        ("đ" * 70, "ucs-2", 70, 1),
        ("đ" * 71, "ucs-2", 71, 2),
        ("đ" * 134, "ucs-2", 134, 2),
        ("đ" * 135, "ucs-2", 135, 3),
        ("😀" * 35, "ucs-2", 70, 1),
        ("a" * 66 + "😀" + "a" * 66, "ucs-2", 134, 3),
        ("{[~]}", "gsm-7", 10, 1),
        ("Ä ö ñ Ω", "gsm-7", 7, 1),
        ("â", "ucs-2", 1, 1),
        ("`", "ucs-2", 1, 1),
        ("", "gsm-7", 0, 1),
    ],
)
def test_an_sms_is_as_long_as_the_standards_say(text: str, alphabet: str, units: int, segments: int) -> None:
    length = length_of(text)
    assert (length.alphabet, length.units, length.segments) == (alphabet, units, segments)
    assert len(segments_of(text)) == segments


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=400))
def test_segments_hold_the_whole_text_and_none_is_too_long(text: str) -> None:
    parts = segments_of(text)
    assert "".join(parts) == text
    size = {"gsm-7": 153, "ucs-2": 67}[alphabet_of(text)]
    if len(parts) > 1:
        for part in parts:
            units = length_of(part + ("" if alphabet_of(text) == "gsm-7" else "đ")).units
            assert units - (0 if alphabet_of(text) == "gsm-7" else 1) <= size


@given(st.text(alphabet="aăâbcdđeêghiklmnoôơpqrstuưvxyáàảãạĐẮỘ … – “”", max_size=100))
def test_vietnamese_without_its_marks_fits_into_gsm_7(text: str) -> None:
    assert alphabet_of(plain(text)) == "gsm-7"


def test_a_text_that_is_too_long_is_cut_at_a_word_and_its_link_stays_whole() -> None:
    link = "https://vongtay.example/notify/a/" + "x" * 44
    cut = short("một câu rất dài " * 20, 2, keep=link)
    assert cut.endswith("... " + link)
    assert length_of(cut).segments == 2
    with pytest.raises(ValueError, match="must be kept"):
        short("a", 1, keep="đ" * 71)


@pytest.mark.parametrize("event_type", sorted(load_texts().wordings))
@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_sms_is_short_and_names_no_commune(event_type: str, language: str) -> None:
    found = load_texts().preview(event_type, language, "https://vongtay.thainguyen.gov.vn", "Phường Phan Đình Phùng")  # type: ignore[arg-type]
    assert found is not None
    for sms in (found.sms, found.sms_plain):
        assert sms.length.segments <= (3 if event_type == "notify.emergency.called" else 2)
        assert "https://vongtay.thainguyen.gov.vn/" in sms.text
        assert "Phùng" not in sms.text
        assert "Phung" not in sms.text
    assert found.sms_plain.length.alphabet == "gsm-7"


@pytest.mark.parametrize("ladder", sorted(Ladders.load()))
@pytest.mark.parametrize("replies", [False, True])
def test_whom_an_emergency_wakes_reads_why_and_how_to_acknowledge(ladder: str, replies: bool) -> None:
    texts = load_texts(replies=replies)
    rule = Ladders.load()[ladder]
    for language, name, answer in (("vi", rule.vi, "Trả lời OK"), ("en", rule.en, "Reply OK")):
        base = "https://vongtay.thainguyen.gov.vn"
        found = texts.preview("notify.emergency.called", language, base, "", ladder)  # type: ignore[arg-type]
        assert found is not None
        assert name in found.sms.text
        assert plain(name) in found.sms_plain.text
        # Of a name as the sender nobody is told to answer what cannot be answered.
        assert (answer in found.sms.text) is replies
        assert (plain(answer) in found.sms_plain.text) is replies
        assert found.sms_plain.length.segments <= 2
