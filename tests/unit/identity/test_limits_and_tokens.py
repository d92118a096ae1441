"""Guessing is slow, and a token serves one purpose, one session and one time."""

import pytest

from shared.identity.limiter import FailureLimiter, TooManyTriesError
from shared.identity.passwords import Passwords, hash_password
from shared.identity.sessions import Signer

SECRET = "a-secret-for-tests-that-is-long-enough"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_try_after_the_last_allowed_one_waits_until_the_first_is_forgotten() -> None:
    clock = Clock()
    limiter = FailureLimiter(3, 60, clock)
    for second in (0, 10, 20):
        clock.now = second
        limiter.check("a")
        limiter.failed("a")
    with pytest.raises(TooManyTriesError) as refusal:
        limiter.check("a")
    assert refusal.value.retry_after == 40
    limiter.check("b")
    clock.now = 60
    limiter.check("a")


def test_a_success_forgets_the_failures_before_it() -> None:
    limiter = FailureLimiter(1, 60, Clock())
    limiter.failed("a")
    limiter.succeeded("a")
    limiter.check("a")


def test_guessing_many_names_does_not_fill_the_memory() -> None:
    limiter = FailureLimiter(1, 60, Clock(), max_keys=2)
    for name in ("a", "b", "c"):
        limiter.failed(name)
    limiter.check("a")
    with pytest.raises(TooManyTriesError):
        limiter.check("c")


def test_a_session_ends_when_the_password_changes() -> None:
    signer = Signer(SECRET)
    cookie = signer.session_cookie("lan", "old")
    session = signer.session(cookie, lambda _: "old")
    assert session is not None
    assert session.person_id == "lan"
    assert signer.session(cookie, lambda _: "new") is None
    assert signer.session(cookie, lambda _: None) is None


def test_a_session_ends_after_its_time() -> None:
    assert Signer(SECRET, max_age=-1).session(Signer(SECRET).session_cookie("lan", "s"), lambda _: "s") is None


def test_a_cookie_signed_with_another_secret_is_nothing() -> None:
    forged = Signer("another-secret-that-is-long-enough").session_cookie("lan", "s")
    assert Signer(SECRET).session(forged, lambda _: "s") is None
    assert Signer(SECRET).session("garbage", lambda _: "s") is None


def test_a_form_token_fits_its_own_session_only() -> None:
    signer = Signer(SECRET)
    token = signer.form_token("one")
    assert signer.form_token_fits("one", token)
    assert not signer.form_token_fits("two", token)
    assert not signer.form_token_fits("one", "ă")


def test_a_session_cookie_is_no_demo_token() -> None:
    signer = Signer(SECRET)
    assert signer.demo_person(signer.demo_token("lan")) == "lan"
    assert signer.demo_person(signer.session_cookie("lan", "demo")) is None
    assert signer.demo_person("vongtay-demo." + signer.session_cookie("lan", "demo")) is None


async def test_a_password_fits_its_own_hash_only_and_nobodys_hash_never() -> None:
    passwords = Passwords()
    stored = hash_password("mot mat khau dai")
    assert await passwords.match(stored, "mot mat khau dai")
    assert not await passwords.match(stored, "mot mat khau khac")
    assert not await passwords.match(None, "mot mat khau dai")
    assert not await passwords.match("$argon2id$broken", "x")
