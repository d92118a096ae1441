"""What a form says, whatever somebody sends as one."""

from __future__ import annotations

import pytest

from shared.web.forms import number_in, text_of


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("007", 7), ("", None), ("-1", None), (" 7", None), ("²", None), ("٣", None), ("1" * 10, None)],
)
def test_a_number_is_short_and_of_our_digits(text: str, number: int | None) -> None:
    assert number_in(text) == number


def test_half_a_surrogate_pair_becomes_a_sign_that_can_be_kept() -> None:
    assert text_of("An\ud83d") == "An?"
