"""Whose an address is: codes, how long they hold, how often they are tried and sent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.notify.domain.proving import Asked, Codes, Proof, again_at, holds_until, may_ask
from shared.reference.files import ReferenceDataError
from shared.reference.notify_limits import NotifyLimits, NotifyLimitsByDay

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
LIMITS = NotifyLimitsByDay.load().on(NOW)
ENDPOINT = "0195a000-0000-7000-8000-00000000abcd"
CODES = Codes(b"k" * 32)
PROOF = Proof(1, NOW, holds_until(NOW, LIMITS))


def test_a_code_is_six_digits_and_another_for_each_request_endpoint_and_deployment() -> None:
    made = {
        CODES.code(ENDPOINT, 1),
        CODES.code(ENDPOINT, 2),
        CODES.code(ENDPOINT.replace("a", "b"), 1),
        Codes(b"l" * 32).code(ENDPOINT, 1),
    }
    assert len(made) == 4
    assert all(len(code) == 6 and code.isdigit() for code in made)
    assert CODES.code(ENDPOINT, 1) == CODES.code(ENDPOINT, 1)
    spread = {CODES.code(ENDPOINT, number) for number in range(1000)}
    assert len(spread) > 990
    assert len({code[0] for code in spread}) == 10


def test_the_code_counts_however_it_is_spaced_and_no_other_does() -> None:
    code = CODES.code(ENDPOINT, 1)
    other = f"{(int(code) + 1) % 1_000_000:06d}"
    for typed in (code, f" {code[:3]} {code[3:]} ", f"{code[:3]}-{code[3:]}"):
        assert CODES.refused(ENDPOINT, PROOF, typed, NOW, LIMITS) is None
    for typed in (other, "", code[:5], code + "0", CODES.code(ENDPOINT, 2)):
        assert CODES.refused(ENDPOINT, PROOF, typed, NOW, LIMITS) == "code-wrong"


def test_a_code_ends_with_its_time_and_with_too_many_wrong_ones() -> None:
    code = CODES.code(ENDPOINT, 1)
    assert CODES.refused(ENDPOINT, None, code, NOW, LIMITS) == "code-over"
    assert CODES.refused(ENDPOINT, PROOF, code, PROOF.until, LIMITS) == "code-over"
    assert CODES.refused(ENDPOINT, PROOF, code, NOW - timedelta(hours=1), LIMITS) == "code-over", "a clock set back"
    last = replace(PROOF, wrong=LIMITS.proof_wrong - 1)
    assert CODES.refused(ENDPOINT, last, code, NOW, LIMITS) is None
    spent = replace(PROOF, wrong=LIMITS.proof_wrong)
    assert CODES.refused(ENDPOINT, spent, code, NOW, LIMITS) == "code-spent", "not even the right one"


def test_an_address_is_not_molested_whoever_names_it() -> None:
    later = again_at(PROOF, LIMITS)
    assert may_ask(None, Asked(), NOW, LIMITS) is None
    assert may_ask(PROOF, Asked(), NOW, LIMITS) == "again-too-soon"
    assert may_ask(PROOF, Asked(1, 1), later, LIMITS) is None
    assert may_ask(PROOF, Asked(LIMITS.proof_per_day, 1), later, LIMITS) == "address-too-often"
    assert may_ask(None, Asked(0, LIMITS.proof_owner_per_day), NOW, LIMITS) == "owner-too-often"


@pytest.mark.parametrize(
    "change", [{"proof_wrong": 0}, {"proof_per_day": 0}, {"proof_owner_per_day": 1}, {"proof_wrong": 30}]
)
def test_limits_that_make_no_sense_or_let_codes_be_guessed_are_refused(change: dict[str, int]) -> None:
    wrong: NotifyLimits = replace(LIMITS, **change)  # type: ignore[arg-type]
    with pytest.raises(ReferenceDataError):
        NotifyLimitsByDay([wrong])
