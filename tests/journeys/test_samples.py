"""The agencies' sample files, published as a person would: every figure is the truth's, and twice changes nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.platform import Whole, whole

SAMPLES = Path(__file__).parents[1] / "samples"
EXPECT = SAMPLES / "expect.json"
TRUTH: dict[str, Any] = json.loads(EXPECT.read_text("utf-8"))
FILES = [str(SAMPLES / name) for name in TRUTH["files"]]
pytestmark = pytest.mark.timeout(280)


@pytest.fixture(scope="module")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with whole(tmp_path_factory.mktemp("samples")) as running:
        yield running


async def test_samples_are_counted_exactly_and_publishing_twice_changes_nothing(platform: Whole) -> None:
    first = await platform.command("publish", *FILES, "--json", seconds=220)
    assert first.code == 1, first.err  # some rows are wrong on purpose
    for report in first.json():
        truth = TRUTH["files"][report["file"]]
        assert report["rows"] == truth["rows"]
        for outcome in ("accepted", "duplicates", "corrections"):
            assert report[outcome] == truth.get(outcome, 0), (report["file"], outcome)
        assert [(item["row"], item["rule"]) for item in report["rejected"]] == [
            (item["row"], item["rule"]) for item in truth["rejected"]
        ], report["file"]
        assert all(item["message_vi"] and item["message_en"] for item in report["rejected"])
        assert report.get("waiting", 0) == 0

    verified = await platform.command("verify", "--expect", str(EXPECT), "--json")
    assert (verified.code, verified.json()) == (0, {"differences": []})

    # From other machines of the agencies, whose spool remembers nothing.
    second = await platform.command("publish", *FILES[2:], "--spool", "another.db", "--json")
    assert second.code == 1
    for report in second.json():
        truth = TRUTH["files"][report["file"]]
        assert (report["accepted"], report["corrections"]) == (0, 0), report["file"]
        assert report["duplicates"] == truth["rows"] - len(truth["rejected"])
    again = await platform.command("verify", "--expect", str(EXPECT), "--json")
    assert (again.code, again.json()) == (0, {"differences": []})


async def test_a_truth_that_differs_is_found(platform: Whole, tmp_path: Path) -> None:
    false = tmp_path / "false.json"
    false.write_text(json.dumps({"concerns": {"total": 1_000_000}}), "utf-8")
    verified = await platform.command("verify", "--expect", str(false), "--json")
    assert verified.code == 1
    [difference] = verified.json()["differences"]
    assert difference["expected"] == 1_000_000


async def test_status_says_how_each_service_is(platform: Whole) -> None:
    status = await platform.command("status", "--json")
    assert status.code == 0
    states = status.json()
    assert [state["service"] for state in states] == ["registry", "cases", "stats", "notify"]
    assert all(state["healthy"] and state["parked_keys"] == 0 for state in states)


async def test_what_cannot_be_read_is_one_sentence(platform: Whole, tmp_path: Path) -> None:
    strange = tmp_path / "strange.csv"
    strange.write_text("a,b\n1,2\n", "utf-8")
    ended = await platform.command("publish", str(strange))
    assert ended.code == 1
    assert "Traceback" not in ended.err
    away = await platform.command("status", env={"VONGTAY_URL": "http://127.0.0.1:9"})
    assert away.code == 3
    assert "Traceback" not in away.err
