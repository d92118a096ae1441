"""A platform that is told to stop stops its servers in order, and goes on where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.platform import Whole, whole

pytestmark = pytest.mark.timeout(180)


def stopped_in_order(platform: Whole) -> bool:
    """Whether Kafka and PostgreSQL said so themselves; one that was killed would have to recover."""
    kafka = platform.data / "kafka" / "data" / ".kafka_cleanshutdown"
    postgres = (platform.data / "postgres" / "postgres.log").read_text("utf-8", "replace")
    return kafka.exists() and postgres.rstrip().endswith("database system is shut down")


async def test_a_signal_stops_everything_in_order_and_a_second_start_goes_on(tmp_path: Path) -> None:
    async with whole(tmp_path) as platform:
        await platform.stop()
        assert stopped_in_order(platform)
        await platform.start()
        assert not stopped_in_order(platform)
        assert (await platform.ask("GET", "/healthz")).status == 200
