"""From an event on Kafka to the webhooks of a hundred partners: consumer, deciding, transaction, sending.

The whole `vongtay serve notify` runs; the events are those of the cases service, in the rate of a bad day.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import Result, quantiles
from bench._webhooks import Partners, receivers
from shared.contracts.cases import CaseOpened
from shared.contracts.envelope import Envelope
from shared.messaging.kafka import producer
from shared.messaging.outbox import new_id
from tests.support.platform import Parts, parts

NAME = "report-to-partner"
_PARTNERS = 100
_RATES = (50, 25, 10)  # events a second: with all partners a hundred times as many deliveries
_LATE = 0.5


async def run(quick: bool) -> list[Result]:
    """Milliseconds from each event's send to each webhook, at the highest of some rates that this machine sustains."""
    seconds = 5 if quick else 20
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as name:
        async with receivers() as ends, parts(Path(name), ("notify",)) as stack:
            partners = Partners(stack)
            await partners.subscribe(ends.urls(_PARTNERS), ["cases.case.opened"])
            await _send(stack, 20, 10)  # the first ones fill caches and open connections
            await ends.until(20 * _PARTNERS)
            for rate in _RATES:
                events = rate * seconds
                await _send(stack, events, rate)
                waits = (await ends.until(events * _PARTNERS)).waits
                p50, p99 = quantiles(waits)
                if p99 <= _LATE:
                    break
            await partners.close()
    what = f"event to webhook, {_PARTNERS} partners, {rate * _PARTNERS:,} deliveries/s"
    return [
        Result(NAME, f"{what}, p99", p99 * 1000, "ms", aim="≤ 500 ms", met=p99 <= _LATE),
        Result(NAME, f"{what}, p50", p50 * 1000, "ms"),
    ]


async def _send(stack: Parts, events: int, rate: int) -> None:
    """Send at the rate. The time of each is in its body, as the event's own."""
    settings = stack.settings()
    topic = f"{settings.topic_prefix}cases.cases.v1"
    async with producer(settings) as sender:
        began, sending = time.perf_counter(), []
        for number in range(events):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            event = _event(new_id())
            sending.append(await sender.send(topic, event.data, key=event.subject.encode(), headers=event.headers()))
        await asyncio.gather(*sending)


def _event(case_id: str) -> Envelope:
    now = datetime.now(UTC)
    facts = {
        "unit": "05443", "sex": "female", "age_band": "6-10", "kind": "neglect", "risk": "high", "status": "open",
        "step": "plan", "sector": "police", "channel": "police", "opened_at": now,
    }  # fmt: skip
    data = CaseOpened.model_validate({"case_id": case_id, "facts": facts, "concern_id": case_id, "danger_now": "no"})
    body = data.model_dump_json().encode()
    return Envelope(new_id(), "/services/cases", data.TYPE, case_id, now, body, sequence=1, unit="05443")
