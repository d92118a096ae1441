"""What an agency puts in its spool arrives once in effect, in order, whatever happens on the way."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agency.profile import Profile, Unreachable
from agency.publisher import Outcome, Publisher, publish_file
from agency.spool import Spool, SpoolBusy, Waiting
from shared.privacy.sealing import PlatformKey

KEY = PlatformKey(bytes(range(32)))
PROFILE = Profile("http://platform", "hotline", "token", b"p" * 32, KEY.public, KEY.kid)
SAMPLES = Path(__file__).parents[2] / "samples"


class Platform:
    """Remembers what reached it; may be away, or lose its answers on the way back."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.contents: list[dict[str, Any]] = []
        self.away = 0
        self.answers_lost = 0

    async def send(self, documents: Sequence[dict[str, Any]]) -> list[Outcome]:
        if self.away:
            self.away -= 1
            raise Unreachable("away")
        outcomes = []
        for document in documents:
            known = document["id"] in self.taken
            if not known:
                self.taken.append(document["id"])
                self.contents.append(document)
            outcomes.append(Outcome("duplicate" if known else "accepted"))
        if self.answers_lost:
            self.answers_lost -= 1
            raise Unreachable("answer lost")
        return outcomes


def event(number: int) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"C{number}",
        "source": "/agency/hotline/t",
        "type": "vn.vongtay.agency.concern.reported",
        "data": {"received_at": "2026-11-01T00:00:00Z", "child": {"name": "Nguyễn Văn An"}},
    }


def ignore(_waiting: Waiting, _outcome: Outcome) -> None:
    return


async def test_what_waits_survives_the_process_and_arrives_in_order(tmp_path: Path) -> None:
    platform, path = Platform(), tmp_path / "spool.db"
    platform.away = 1000
    spool = Spool(path)
    publisher = Publisher(PROFILE, spool, platform)
    publisher.put([event(number) for number in range(500)])
    assert await publisher.flush(ignore, patience=0) == 500
    spool.close()

    platform.away, platform.answers_lost = 2, 1
    spool = Spool(path)
    assert await Publisher(PROFILE, spool, platform).flush(ignore, patience=30) == 0
    assert platform.taken == [f"C{number}" for number in range(500)]
    spool.close()


async def test_identity_is_sealed_before_it_touches_the_disk(tmp_path: Path) -> None:
    platform, path = Platform(), tmp_path / "spool.db"
    spool = Spool(path)
    publisher = Publisher(PROFILE, spool, platform)
    publisher.put([event(1)])
    spool.close()
    everything = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert "Nguyễn Văn An".encode() not in everything
    assert os.stat(path).st_mode & 0o077 == 0

    await Publisher(PROFILE, Spool(path), platform).flush(ignore)
    box = platform.contents[0]["data"]["child"]
    assert box["kid"] == KEY.kid
    assert "text" in box


async def test_two_processes_do_not_send_from_one_spool(tmp_path: Path) -> None:
    first, second = Spool(tmp_path / "spool.db"), Spool(tmp_path / "spool.db")
    with first.sending(), pytest.raises(SpoolBusy):
        await Publisher(PROFILE, second, Platform()).flush(ignore, patience=0.2)


async def test_a_files_answers_come_back_by_row(tmp_path: Path) -> None:
    platform = Platform()
    publisher = Publisher(PROFILE, Spool(tmp_path / "spool.db"), platform)
    report = await publish_file(SAMPLES / "hotline-calls.csv", publisher, pepper=PROFILE.pepper)
    # The stand-in knows ids only: corrections are duplicates to it.
    assert (report.rows, report.accepted, report.duplicates, len(report.rejected)) == (430, 396, 30, 4)
    assert report.waiting == 0
    assert {item["rule"] for item in report.rejected} == {"received-at-in-future", "received-at-invalid"}
