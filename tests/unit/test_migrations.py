"""Each service's migrations follow one another in one line: two that were written side by side are found here."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

SERVICES = Path(__file__).parents[2] / "services"


@pytest.mark.parametrize("service", ["registry", "cases", "stats", "notify"])
def test_migrations_follow_one_another_in_the_order_of_their_names(service: str) -> None:
    files = sorted((SERVICES / service / "migrations").glob("[0-9]*.py"))
    said = []
    for file in files:
        text = file.read_text("utf-8")
        before = re.search(r'^down_revision = (?:None|"(\w+)")', text, re.MULTILINE)
        revision = re.search(r'^revision = "(\w+)"', text, re.MULTILINE)
        assert before, file
        assert revision, file
        said.append((before[1], revision[1]))
    assert said[0][0] is None
    for (_, earlier), (before_it, _) in pairwise(said):
        assert before_it == earlier
