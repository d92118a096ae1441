"""The pure rules of delivering: when to try again, when to leave an endpoint in peace, and whose turn it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify import domain
from services.notify.delivery.lanes import Held, Lane, next_opening, share_out, slots_for
from services.notify.delivery.settling import news_of
from services.notify.domain import Attempt, Health, News, after, probing, verdict
from services.notify.store.deliveries import Delivery, Result, Target
from services.notify.store.partitions import partition_of
from shared.reference.delivering import Delivering, DeliveryLimits
from shared.reference.files import ReferenceDataError

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
LIMITS = Delivering.load().on(NOW)
WAITS = [timedelta(seconds=seconds) for seconds in LIMITS.wait_seconds]


def test_attempts_follow_the_schedule_over_days_and_then_end() -> None:
    failed = Attempt("again", 5, 500, reason="http-500")
    waits = []
    for attempts in range(1, len(WAITS) + 1):
        decided = verdict(failed, attempts, NOW, 0.5, LIMITS)
        assert decided.state == "pending"
        assert decided.due_at is not None
        waits.append(decided.due_at - NOW)
    assert waits == WAITS
    assert sum(waits, timedelta()) > timedelta(days=3)
    assert verdict(failed, len(WAITS) + 1, NOW, 0.5, LIMITS).state == "failed"


@given(attempts=st.integers(1, len(WAITS)), chance=st.floats(0, 1))
def test_jitter_stays_within_a_fifth(attempts: int, chance: float) -> None:
    decided = verdict(Attempt("again", 1), attempts, NOW, chance, LIMITS)
    assert decided.due_at is not None
    assert WAITS[attempts - 1] * 0.799 <= decided.due_at - NOW <= WAITS[attempts - 1] * 1.201


def test_retry_after_is_waited_for_but_not_for_ever() -> None:
    def wait(asked: timedelta) -> timedelta:
        decided = verdict(Attempt("again", 1, 429, retry_after=asked), 1, NOW, 0.5, LIMITS)
        assert decided.due_at is not None
        return decided.due_at - NOW

    assert wait(timedelta(minutes=10)) == timedelta(minutes=10)
    assert wait(timedelta(days=400)) == timedelta(hours=24)
    assert wait(timedelta(seconds=1)) == WAITS[0]


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("Mon, 02 Mar 2026 08:01:00 GMT", timedelta(minutes=1)),
        ("Mon, 02 Mar 2026 07:00:00 GMT", None),
        ("Mon, 02 Mar 2026 08:01:00", None),
        ("9" * 5000, timedelta(days=365)),
        ("٣", None),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_a_retry_after_header_is_read_or_ignored(header: str | None, wait: timedelta | None) -> None:
    assert domain.retry_after(header, NOW) == wait


@pytest.mark.parametrize("outcome", ["gone", "expired"])
def test_what_is_gone_or_expired_is_never_attempted_again(outcome: domain.Outcome) -> None:
    assert verdict(Attempt(outcome, 1, reason=outcome), 1, NOW, 0.5, LIMITS).state == "failed"


def failing(times: int, health: Health, now: datetime = NOW) -> Health:
    for _ in range(times):
        health = after(health, News(0, 1), now, 0.5, LIMITS)
    return health


def test_a_few_failures_in_a_row_open_the_circuit_and_one_success_closes_it() -> None:
    health = failing(LIMITS.open_after - 1, Health())
    assert health.circuit == "closed"
    assert health.failing_since == NOW
    health = failing(1, health, NOW + timedelta(seconds=9))
    assert health.circuit == "open"
    assert health.failing_since == NOW
    assert health.retry_at == NOW + timedelta(seconds=9 + LIMITS.open_seconds[0])
    assert after(health, News(1, 3), NOW, 0.5, LIMITS) == Health()


def test_a_circuit_is_tried_by_one_and_opens_for_longer_each_time_it_fails() -> None:
    health, now, waits = failing(LIMITS.open_after, Health()), NOW, []
    for _ in range(len(LIMITS.open_seconds) + 2):
        assert health.retry_at is not None
        waits.append((health.retry_at - now).total_seconds())
        assert probing(health, health.retry_at - timedelta(seconds=1), timedelta(seconds=30)) is None
        now = health.retry_at
        half_open = probing(health, now, timedelta(seconds=30))
        assert half_open is not None
        assert half_open.circuit == "half-open"
        assert probing(half_open, now, timedelta(seconds=30)) is None, "another replica leaves it alone"
        health = after(half_open, News(0, 1), now, 0.5, LIMITS)
    assert waits == [*LIMITS.open_seconds, LIMITS.open_seconds[-1], LIMITS.open_seconds[-1]]
    assert health.failing_since == NOW


def test_a_prober_that_died_is_followed_by_another() -> None:
    health = failing(LIMITS.open_after, Health())
    later = NOW + timedelta(hours=1)
    tried = probing(health, later, timedelta(seconds=30))
    assert tried is not None
    assert probing(tried, later + timedelta(seconds=31), timedelta(seconds=30)) is not None


def test_what_was_on_its_way_when_the_circuit_opened_opens_it_no_further() -> None:
    health = failing(LIMITS.open_after, Health())
    more = after(health, News(0, 7), NOW + timedelta(seconds=10), 0.5, LIMITS)
    assert (more.retry_at, more.opened) == (health.retry_at, 1)
    assert more.failures == LIMITS.open_after + 7


def test_an_endpoint_that_asks_to_wait_is_left_in_peace_and_never_for_longer_than_the_limit() -> None:
    asked = after(Health(), News(0, 1, wait=timedelta(minutes=10)), NOW, 0.5, LIMITS)
    assert (asked.circuit, asked.retry_at) == ("closed", NOW + timedelta(minutes=10))
    for_ever = after(Health(), News(0, 1, wait=timedelta(days=400)), NOW, 0.5, LIMITS)
    assert for_ever.retry_at == NOW + timedelta(hours=LIMITS.most_wait_hours)


def test_an_endpoint_is_outlived_after_the_limit_only() -> None:
    limit = timedelta(hours=LIMITS.disable_after_hours)
    assert not domain.outlived(Health(), NOW, LIMITS)
    assert not domain.outlived(Health(failing_since=NOW - limit + timedelta(seconds=1)), NOW, LIMITS)
    assert domain.outlived(Health(failing_since=NOW - limit), NOW, LIMITS)


def test_the_past_notifies_nobody_and_an_emergency_is_longer_news() -> None:
    day = timedelta(days=1)
    assert not domain.is_past(NOW - 2 * day, NOW, "normal", LIMITS)
    assert domain.is_past(NOW - 4 * day, NOW, "normal", LIMITS)
    assert not domain.is_past(NOW - 4 * day, NOW, "emergency", LIMITS)
    assert domain.is_past(NOW - 8 * day, NOW, "emergency", LIMITS)


def test_an_id_follows_from_what_it_names_and_begins_with_its_time() -> None:
    one = domain.timed_id(NOW, "delivery", "m", "e")
    assert one == domain.timed_id(NOW, "delivery", "m", "e")
    assert one != domain.timed_id(NOW, "delivery", "m", "f")
    assert one < domain.timed_id(NOW + timedelta(milliseconds=1), "delivery", "m", "e")
    assert domain.time_of(one) == NOW
    assert one[14] == "8"
    assert one[19] in "89ab"


def delivery(number: int, endpoint: str = "e", *, urgent: bool = False) -> Delivery:
    return Delivery(
        str(number), endpoint, None, "m", NOW, 1, 0, 1, urgent, None, None, "cases.case.opened", None, None, None, None,
        b"{}", None,
    )  # fmt: skip


def lane(at_once: int = 8, **more: object) -> Lane:
    made = Lane(Target("e", "https://partner.example", (), "vi", "o", NOW), "webhook", at_once, **more)  # type: ignore[arg-type]
    made.share = 100
    return made


def result(attempt: Attempt, endpoint: str) -> Result:
    target = Target(endpoint, "", (), "vi", None, NOW)
    return Result(delivery(1, endpoint), target, "webhook", NOW, attempt, verdict(attempt, 1, NOW, 0.5, LIMITS))


def test_successes_of_the_healthy_are_no_news_and_what_is_our_own_fault_is_not_the_endpoints() -> None:
    taken, again = Attempt("taken", 1, 200), Attempt("again", 1, 503, retry_after=timedelta(seconds=9))
    ours = Attempt("again", 1, reason="mail-server-unreachable", ours=True)
    results = [result(taken, "well"), result(taken, "back"), result(again, "sick"), result(ours, "mail")]
    assert news_of(results, frozenset({"back"})) == {
        "back": News(1, 0),
        "sick": News(0, 1, wait=timedelta(seconds=9)),
    }
    both = [result(again, "now-and-then"), result(taken, "now-and-then")]
    assert news_of(both, frozenset()) == {"now-and-then": News(1, 1, wait=timedelta(seconds=9))}
    assert news_of([result(Attempt("gone", 1, 410), "gone")], frozenset()) == {"gone": News(0, 1, gone=True)}


def test_a_lane_has_no_more_than_its_share_a_failing_one_a_few_and_a_dead_one_none() -> None:
    one = lane()
    assert one.limit() == 8
    share_out([one, lane(), lane()], 12)
    assert one.limit() == 4
    for _ in range(2):
        one.took(0.1, succeeded=False)
    assert one.limit() == 2
    one.took(0.1, succeeded=True)
    assert one.limit() == 4
    for _ in range(LIMITS.open_after):
        one.took(0.1, succeeded=False)
    assert one.limit() == 0, "nothing runs into the wall before the circuit is known to be open"


def test_emergencies_go_first_and_among_themselves_in_their_order() -> None:
    one = lane()
    for number, urgent in enumerate([False, True, True, False, True]):
        one.wait(Held(delivery(number, urgent=urgent), 0))
    assert [held.delivery.id for held in one.waiting] == ["1", "2", "4", "0", "3"]


def test_nothing_more_is_sent_to_one_that_said_that_it_is_gone() -> None:
    one = lane()
    one.took(0.1, succeeded=False, gone=True)
    assert one.limit() == one.room(1.0) == 0


def test_one_delivery_tries_a_half_open_circuit_and_no_second_one_follows_it() -> None:
    one = lane(probes=1)
    assert one.room(1.0) == 1
    one.waiting.extend(Held(delivery(number), 0) for number in range(2))
    assert one.may_start(1.0)
    assert not one.may_start(1.0)
    one.waiting.clear()
    assert one.room(1.0) == 0


def test_a_slow_lane_is_counted_apart_and_limited_by_itself_alone() -> None:
    one = lane()
    fast_room = one.room(1.0)
    for _ in range(40):
        one.took(5.0, succeeded=True)
    assert one.slow
    assert one.limit() == 8, "it waits for nobody's slots"
    share_out([one, lane()], 6)
    assert one.limit() == 3, "and takes no other slow one's"
    assert 0 < one.room(1.0) < fast_room


def test_a_request_that_hangs_holds_no_slot_of_the_quick_ones() -> None:
    one = lane()
    one.started["1"] = 100.0
    assert not one.stalled(100.2)
    assert one.stalled(100.3)


def test_a_lane_is_filled_again_only_when_half_of_it_has_gone() -> None:
    one = lane(2)
    most = one.room(1.0)
    one.waiting.extend(Held(delivery(number), 0) for number in range(most))
    assert one.room(1.0) == 0
    for _ in range(most // 2):
        one.waiting.popleft()
    assert one.room(1.0) == most - one.held


def test_what_was_leased_while_it_answered_fast_is_given_back_when_it_answers_no_more() -> None:
    one = lane()
    one.took(0.001, succeeded=True)
    one.waiting.extend(Held(delivery(number), 0) for number in range(one.room(1.0)))
    assert one.may_start(1.0)
    one.started["0"] = 1.0
    held = [each.delivery.id for each in one.waiting]
    assert not one.spare(1.2)
    spared = [each.id for each in one.spare(1.3)]
    kept = [each.delivery.id for each in one.waiting]
    assert kept + spared[::-1] == held, "the last go first"
    assert 0 < len(kept) <= 8
    assert one.room(1.3) == 0, "and they are not leased again at once"
    one.waiting.appendleft(Held(replace(delivery(9999), urgent=True), 0))
    one.failures = LIMITS.open_after
    one.spare(1.4)
    assert [each.delivery.urgent for each in one.waiting] == [True]


def test_a_rate_is_kept_and_says_when_the_next_may_go() -> None:
    one = lane(per_second=10.0)
    one.waiting.extend(Held(delivery(number), 0) for number in range(100))
    assert sum(one.may_start(50.0) for _ in range(20)) == 10
    assert one.opens_in(50.0) == pytest.approx(0.1)
    assert sum(one.may_start(50.35) for _ in range(20)) == 3


def test_a_rate_of_one_in_a_minute_keeps_nobody_from_looking_what_else_is_due() -> None:
    rare, often = lane(per_second=1 / 60), lane(per_second=4.0)
    for one in (rare, often):
        one.waiting.append(Held(delivery(1), 0))
        assert one.may_start(10.0)
        one.tokens = 0.0
    assert next_opening([rare], 10.0, 0.5) == 0.5
    assert next_opening([rare, often], 10.0, 0.5) == pytest.approx(0.25)
    assert next_opening([], 10.0, 0.5) == 0.5


def test_the_longer_the_way_the_more_requests_are_on_it() -> None:
    near, far = lane(), lane()
    near.quickest, far.quickest = 0.001, 0.1
    assert slots_for([near], 512) < 64
    assert slots_for([far], 512) == 512
    assert slots_for([], 512) > 0


def test_a_partition_is_whole_weeks_from_a_monday() -> None:
    assert partition_of(NOW, 7) == (datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))
    assert partition_of(NOW - timedelta(hours=9), 7)[1] == datetime(2026, 3, 2, tzinfo=UTC)
    assert partition_of(NOW, 1) == (datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"wait_seconds": [300, 5]}, "grow"),
        ({"wait_seconds": []}, "grow"),
        ({"open_seconds": [0]}, "grow"),
        ({"jitter": 1.0}, "jitter"),
        ({"at_once": 0}, "at least one"),
        ({"per_second": -1}, "rate"),
        ({"expire_hours": {"normal": 1}}, "expire_hours"),
        ({"past_hours": {"emergency": 720, "normal": 1, "digest": 1}}, "past"),
    ],
)
def test_limits_that_make_no_sense_stop_the_program_at_its_start(change: dict[str, object], problem: str) -> None:
    wrong: DeliveryLimits = replace(LIMITS, **change)  # type: ignore[arg-type]
    with pytest.raises(ReferenceDataError, match=problem):
        Delivering([wrong])


def test_the_limits_of_a_day_are_those_in_force_then() -> None:
    later = replace(LIMITS, effective_from=date(2027, 1, 1), at_once=2)
    both = Delivering([later, LIMITS])
    assert (both.on(NOW).at_once, both.on(datetime(2027, 6, 1, tzinfo=UTC)).at_once) == (LIMITS.at_once, 2)
