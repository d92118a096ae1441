"""Work in a process of its own: what it says when it breaks."""

from __future__ import annotations

import asyncio
import json

import pytest

from shared.apart import run_apart


async def test_what_breaks_it_is_said_without_a_word_of_what_it_was_given(capfd: pytest.CaptureFixture[str]) -> None:
    code = await run_apart("tests.support.breaking_apart", {"name": "Nguyễn Bí Mật"}, asyncio.Event())
    [line] = capfd.readouterr().err.splitlines()
    assert code == 1
    said = json.loads(line)
    assert (said["event"], said["reason"]) == ("apart.broke", "ValueError")
    assert "Mật" not in json.dumps(said, ensure_ascii=False)
