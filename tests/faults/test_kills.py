"""Every part is killed in the middle of dirty traffic and started again: nothing is lost, nothing counts twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.platform import everything_in, parts
from tests.support.receivers import WebhookServer

pytestmark = pytest.mark.timeout(290)
# Two replicas of the services that share partitions, clocks and figures among their copies.
REPLICAS = ("registry", "cases", "cases", "stats", "stats", "notify")
HEARD = "cases.concern.received"


async def test_kills_in_the_middle_of_dirty_traffic_change_no_figure(
    tmp_path: Path, webhook_server: WebhookServer
) -> None:
    async with parts(tmp_path, REPLICAS) as stack:
        terms = {
            "org": "mai-am-hy-vong", "purpose": "protection", "legal_basis": "law-task", "event_types": [HEARD],
            "valid_from": "2026-01-01", "valid_until": "2030-12-31",
        }  # fmt: skip
        agreed = await stack.post("/notify/api/agreements", terms, "coordinator")
        await stack.post(f"/notify/api/agreements/{agreed['id']}/accept", {}, "partner")
        wanted = {"channel": "webhook", "target": webhook_server.url, "event_types": [HEARD]}
        subscription = await stack.post("/notify/api/subscriptions", wanted, "partner")
        truth = tmp_path / "truth.json"
        words = ("--children", "60", "--reports", "120", "--dirty", "0.2", "--rate", "8", "--expect", str(truth))
        simulation = await stack.begin("simulate", *words, "--patience", "200", "--json")

        for service in ("registry", "cases", "stats", "notify"):
            await asyncio.sleep(1)
            assert simulation.returncode is None, "the traffic ended before the kills"
            for replica in stack.of(service):
                await asyncio.to_thread(replica.process.kill)
            await asyncio.gather(*(stack.start(replica) for replica in stack.of(service)))
        for kill, start in (
            (stack.kafka.kill, stack.kafka.start),
            (stack.postgres.kill, stack.postgres.start),
        ):
            await asyncio.sleep(3)
            assert simulation.returncode is None, "the traffic ended before the kills"
            await _kill_and_start(kill, start)
        # One replica of two: the other goes on with its partitions.
        await asyncio.to_thread(stack.of("cases")[0].process.kill)
        await asyncio.to_thread(stack.of("stats")[0].process.kill)
        await asyncio.gather(stack.start(stack.of("cases")[0]), stack.start(stack.of("stats")[0]))

        out, err = await asyncio.wait_for(simulation.communicate(), 150)
        assert simulation.returncode == 0, err.decode()
        assert "waiting" not in json.loads(out)
        await stack.ready()
        verified = await stack.command("verify", "--expect", str(truth), "--timeout", "100", "--json")
        assert (verified.code, verified.out and verified.json()) == (0, {"differences": []}), verified.err

        records = await everything_in(stack.settings())
        total = json.loads(truth.read_bytes())["concerns"]["total"]
        await _each_report_was_told(records, webhook_server, subscription["id"], total)
        # The same decision is the same event, however often it had to be published.
        by_place: dict[tuple[str, bytes, bytes], set[bytes]] = {}
        for record in records:
            headers = dict(record.headers)
            if record.topic == "vongtay.cases.cases.v1" and headers["ce_source"] == b"/services/cases":
                place = (record.topic, headers["ce_subject"], headers["ce_sequence"])
                by_place.setdefault(place, set()).add(headers["ce_id"])
        assert by_place
        assert [place for place, ids in by_place.items() if len(ids) > 1] == []


async def _kill_and_start(kill: Callable[[], None], start: Callable[[], None]) -> None:
    await asyncio.to_thread(kill)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(start)


async def _each_report_was_told(records: list[Any], hooks: WebhookServer, subscription: str, total: int) -> None:
    told = [
        dict(record.headers)
        for record in records
        if record.topic == "vongtay.cases.cases.v1" and dict(record.headers)["ce_type"].endswith(HEARD.encode())
    ]
    assert len({headers["ce_subject"] for headers in told}) == total
    happened = {headers["ce_id"] for headers in told}
    queued = {
        one["delivery_id"]
        for record in records
        if record.topic == "vongtay.notify.deliveries.v1"
        and dict(record.headers)["ce_type"].endswith(b"deliveries.queued")
        for one in json.loads(record.value)["deliveries"]
        if one["endpoint_id"] == subscription
    }
    assert len(queued) == len(happened)
    # What failed once while a part was away is tried again after five seconds.
    async with asyncio.timeout(60):
        while {request.headers["webhook-id"] for request in hooks.requests} < queued:
            await asyncio.sleep(0.2)
    assert {request.headers["webhook-id"] for request in hooks.requests} == queued
