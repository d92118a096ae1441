"""The guard that stops a service rather than let it bury the world."""

from __future__ import annotations

import pytest

from shared.messaging.failures import FailureGuard, TooManyFailures


def test_a_few_failures_among_many_successes_go_on() -> None:
    guard = FailureGuard(window=100, at_least=10)
    guard.succeeded(100)
    for _ in range(20):
        guard.failed()
    assert not guard.tripped


def test_when_half_of_everything_fails_it_refuses_to_park_more() -> None:
    guard = FailureGuard(window=100, at_least=10)
    guard.succeeded(10)
    for _ in range(10):
        guard.failed()
    assert guard.tripped
    with pytest.raises(TooManyFailures):
        guard.failed()
    guard.reset()
    guard.failed()
    assert not guard.tripped
