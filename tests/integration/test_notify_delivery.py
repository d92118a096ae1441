"""How deliveries get through: order, circuits, replays, expiry, surges, partitions, workers that stop or break."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from typing import Any, NoReturn

import asyncpg
import pytest

from services.notify.channels.webhook import WebhookChannel
from services.notify.delivery.endpoints import Lanes
from services.notify.delivery.lanes import Lane
from services.notify.delivery.lines import Line
from services.notify.delivery.settling import Settler
from services.notify.desk.queueing import Queueing
from services.notify.domain import Addressed, Happening, Message, timed_id
from services.notify.store import deliveries, partitions, replays
from shared.database import Database
from shared.database.copying import driver
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.reference.delivering import Delivering
from tests.integration.notify_house import CASE, UNIT, House, make_house, missed, succeeded, until
from tests.integration.notify_queued import endpoint, say
from tests.support.nasty import receiver
from tests.support.receivers import WebhookRequest, WebhookServer
from tests.support.receivers import webhook_server as receiving

LIMITS = Delivering.load().on(datetime.now(UTC))


async def test_what_concerns_one_case_arrives_in_its_order_while_other_cases_go_on(
    house: House, webhook_server: WebhookServer
) -> None:
    refused: list[str] = []

    def answer(request: WebhookRequest) -> int:
        if b'"n":0}' in request.body and b"first" not in b"".join(r.encode() for r in refused):
            refused.append("first")
            return 500
        return 200

    webhook_server.answer = answer
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url, ordered=True)
        mine = await say(house, one, 5, name="mine", key="case-1")
        others = await say(house, one, 3, name="others", key="case-2")
        house.start()
        await until(lambda: succeeded(house, 3))
        await asyncio.sleep(0.5)
        arrived = [request.headers["webhook-id"] for request in webhook_server.requests]
        assert sorted(set(arrived)) == sorted({mine[0], *others} if arrived.count(mine[0]) == 1 else {*mine, others[0]})
        house.shift = timedelta(seconds=10)
        await until(lambda: succeeded(house, 8))
        arrived = [request.headers["webhook-id"] for request in webhook_server.requests]
        for case in (mine, others):
            firsts = [identifier for identifier in dict.fromkeys(reversed(arrived)) if identifier in case]
            assert list(reversed(firsts)) == case


async def test_an_event_that_comes_while_the_last_of_its_case_is_settled_is_not_forgotten(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url, ordered=True)
        await say(house, one, 1, name="stuck", key="case-1")
        # As if it had been queued in that moment: it waits for one that is there no more.
        await house.rows("UPDATE delivery_pending SET blocked = true RETURNING 1")
        house.start()
        await asyncio.sleep(0.8)
        assert not webhook_server.requests
        await house.upkeep.unblock()
        await until(lambda: succeeded(house, 1))


async def test_a_dead_endpoints_circuit_opens_and_closes_again_and_nothing_is_lost(
    house: House, webhook_server: WebhookServer
) -> None:
    webhook_server.status = 500
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)
        await say(house, one, 40)
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM endpoint WHERE circuit = 'open'"))
        await asyncio.sleep(1.0)
        tried = len(webhook_server.requests)
        assert tried < 20, "what waits does not run into the wall"
        shown = (await partner.get(f"/notify/api/subscriptions/{one}")).json()
        assert (shown["circuit"], shown["state"]) == ("open", "active")
        house.shift = timedelta(seconds=LIMITS.open_seconds[0] * 1.3)
        await until(lambda: _more(webhook_server, tried))
        await asyncio.sleep(1.0)
        assert len(webhook_server.requests) == tried + 1, "one delivery tries whether it is back"
        webhook_server.status = 200
        house.shift += timedelta(seconds=LIMITS.open_seconds[1] * 1.3)
        await until(lambda: succeeded(house, 40 - tried - 1))
        house.shift += timedelta(minutes=10)
        await until(lambda: succeeded(house, 40))
        assert (await house.rows("SELECT circuit, failures FROM endpoint"))[0] == ("closed", 0)


async def _more(server: WebhookServer, than: int) -> bool:
    return len(server.requests) > than


async def test_an_emergency_goes_before_everything_that_waits(house: House, webhook_server: WebhookServer) -> None:
    webhook_server.delay = 0.05
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url, at_once=1)
        await say(house, one, 300, name="many")
        house.start()
        await until(lambda: succeeded(house, 3))
        urgent = (await say(house, one, 1, name="urgent", priority="emergency"))[0]
        before = len(webhook_server.requests)
        await until(lambda: _arrived(webhook_server, urgent))
        at = [request.headers["webhook-id"] for request in webhook_server.requests].index(urgent)
        assert at - before < 12


async def _arrived(server: WebhookServer, identifier: str) -> bool:
    return any(request.headers["webhook-id"] == identifier for request in server.requests)


async def test_what_comes_too_late_is_not_sent_and_its_owner_is_told(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)
        await partner.api(f"/subscriptions/{one}/pause")
        soon = house.context.clock() + timedelta(minutes=5)
        lost = await say(house, one, 2, name="lost", expires_at=soon)
        kept = await say(house, one, 1, name="kept")
        house.shift = timedelta(minutes=6)
        await house.upkeep.give_up()
        assert await house.states() == {"pending": 1, "failed": 2}
        assert {item["reason"] for item in await house.published("notify.delivery.failed")} == {"expired"}
        inbox = (await partner.get("/notify/api/inbox")).json()["notices"]
        assert [item["event_type"] for item in inbox] == ["notify.deliveries.given-up"]
        again = await say(house, one, 1, name="soon", expires_at=house.context.clock() + timedelta(seconds=1))
        house.shift = timedelta(minutes=7)
        await partner.api(f"/subscriptions/{one}/resume")
        house.start()
        await until(lambda: succeeded(house, 1))
        await until(lambda: house.rows("SELECT 1 FROM delivery WHERE state = 'failed' HAVING count(*) = 3"))
        assert [request.headers["webhook-id"] for request in webhook_server.requests] == kept
        # Whoever wants it all the same asks for it.
        await partner.api(f"/deliveries/{lost[0]}/replay")
        await until(lambda: succeeded(house, 2))
        assert again[0] not in {request.headers["webhook-id"] for request in webhook_server.requests}


async def test_a_digest_waits_for_its_hour(house: House, webhook_server: WebhookServer) -> None:
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)
        await say(house, one, 1, priority="digest", not_before=house.context.clock() + timedelta(hours=3))
        house.start()
        await asyncio.sleep(0.8)
        assert not webhook_server.requests
        house.shift = timedelta(hours=3, seconds=1)
        await until(lambda: succeeded(house, 1))


async def test_a_period_is_sent_again_whole_in_portions_with_the_same_ids(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "PORTION", 20)
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)
        began = house.context.clock()
        sent = await say(house, one, 50)
        house.start()
        await until(lambda: succeeded(house, 50))
        period = {"since": began.isoformat(), "everything": True}
        assert await partner.api(f"/subscriptions/{one}/replay", period) == {"replayed": 20}
        await house.upkeep.replay()
        await until(lambda: _count(webhook_server, 100))
        await until(lambda: succeeded(house, 50))
        arrived = [request.headers["webhook-id"] for request in webhook_server.requests]
        assert sorted(arrived) == sorted(sent * 2)
        listed = (await partner.get(f"/notify/api/subscriptions/{one}/replays")).json()
        assert (listed[0]["replayed"], listed[0]["finished_at"] is not None) == (50, True)
        tries = (await partner.get(f"/notify/api/deliveries/{sent[0]}")).json()["tries"]
        assert [item["status"] for item in tries] == [200, 200]
        assert await partner.api(f"/subscriptions/{one}/replay", {"since": began.isoformat()}) == {"replayed": 0}


async def _count(server: WebhookServer, number: int) -> bool:
    return len(server.requests) >= number


async def test_the_replay_of_a_topic_notifies_nobody_about_the_past(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner, house.client("lan.worker") as worker:
        await partner.webhook(webhook_server.url, "cases.*")
        long_ago = house.context.clock() - timedelta(days=20)
        house.happened = {f"old-{number}": long_ago for number in range(500)}
        assert set(await house.hear(*((event, missed()) for event in house.happened))) == {"accepted"}
        assert await house.states() == {}
        assert (await worker.get("/notify/api/inbox")).json()["unread"] == 0
        await house.hear(("new", missed()))
        assert await house.states() == {"pending": 1}


async def test_the_same_again_is_nothing_new_also_when_it_has_long_arrived(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)
        now = house.context.clock()
        happening = Happening(timed_id(now, "x"), "cases.case.opened", now, UNIT, CASE, None, None, {})
        message, addressed = Message(happening, b"{}"), Addressed(timed_id(now, "x"), one)

        async def queue(*wanted: Addressed) -> int:
            async with house.database.transaction() as connection:
                scope = Scope("notify", connection, house.context.clock())
                return len(await Queueing(Delivering.load()).queue(scope, [message], wanted))

        assert await queue(addressed, addressed) == 1
        assert await queue(addressed) == 0
        house.start()
        await until(lambda: succeeded(house, 1))
        assert await queue(addressed) == 0
        assert await queue(addressed, replace(addressed, again="second round")) == 1
        await until(lambda: succeeded(house, 2))


async def test_partitions_are_made_before_they_are_needed_and_dropped_whole(house: House) -> None:
    await house.upkeep.forget()
    async with house.database.transaction() as connection:
        known = await partitions.bounds(connection)
        now = house.context.clock()
        assert known[0][0] <= now - timedelta(days=LIMITS.keep_days)
        assert known[-1][1] > now + timedelta(days=14)
        assert all(before[1] == after[0] for before, after in pairwise(known)), "no gap"
    house.shift = timedelta(days=21)
    await house.upkeep.forget()
    async with house.database.transaction() as connection:
        later = await partitions.bounds(connection)
    assert later[0][0] > known[0][0]
    assert later[-1][1] > known[-1][1]
    for parent in ("delivery_settled", "attempt"):
        rows = await house.rows("SELECT 1 FROM pg_inherits WHERE inhparent = CAST(:parent AS regclass)", parent=parent)
        assert len(rows) == len(later)


async def test_partitions_that_an_undone_transaction_made_are_made_again(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        target = await endpoint(partner, webhook_server.url)
    now, queueing = house.context.clock() - timedelta(days=200), Queueing(Delivering.load())
    for undone in (True, False, False):
        async with house.database.engine.connect() as connection:
            scope = Scope("notify", connection, now)
            for number in range(2):
                happening = Happening(timed_id(now, new_id()), "cases.case.opened", now, UNIT, CASE, None, None, {})
                message = Message(happening, b'{"n":%d}' % number)
                await queueing.queue(scope, [message], [Addressed(happening.id, target)])
            await scope.flush()
            await (connection.rollback() if undone else connection.commit())
    assert await house.states() == {"pending": 4}


async def test_a_clock_that_jumps_sends_nothing_twice_and_holds_nothing_back(
    house: House, webhook_server: WebhookServer
) -> None:
    webhook_server.delay = 0.2
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)
        await say(house, one, 60, name="first")
        house.start()
        await until(lambda: _count(webhook_server, 5))
        house.shift = timedelta(hours=5)
        await asyncio.sleep(0.5)
        house.shift = timedelta(hours=-5)
        await say(house, one, 20, name="back")
        await until(lambda: succeeded(house, 80))
        arrived = [request.headers["webhook-id"] for request in webhook_server.requests]
        assert len(arrived) == len(set(arrived)) == 80


async def test_two_replicas_keep_the_order_and_send_each_once(
    house: House, fresh_database: str, webhook_server: WebhookServer
) -> None:
    async with make_house(fresh_database) as twin, house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url, ordered=True)
        cases = [await say(house, one, 25, name=f"c{case}", key=f"case-{case}") for case in range(6)]
        house.start()
        twin.start()
        await until(lambda: succeeded(house, 150))
    arrived = [request.headers["webhook-id"] for request in webhook_server.requests]
    assert len(arrived) == len(set(arrived)) == 150
    for case in cases:
        assert [identifier for identifier in arrived if identifier in set(case)] == case


async def test_what_is_leased_again_while_it_is_on_its_way_is_tried_again_when_that_fails(
    house: House, webhook_server: WebhookServer
) -> None:
    """And not only when the second lease ends, which nobody uses."""
    webhook_server.delay, webhook_server.statuses = 1.0, [500]
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)
        await say(house, one)
        house.start()
        await until(lambda: _count(webhook_server, 1))
        await house.rows("UPDATE delivery_pending SET leased_until = NULL RETURNING 1")  # as a clock that jumps ends it
        await until(lambda: house.rows("SELECT 1 FROM delivery_pending WHERE lease = 2"))
        await until(lambda: succeeded(house, 1))
    assert len(webhook_server.requests) == 2


async def test_what_comes_while_it_is_asked_what_is_due_is_asked_for_again(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notify.delivery.worker._POLL_SECONDS", 3600.0)
    lease = deliveries.lease
    said: list[str] = []
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)

        async def slowly(*asked: Any) -> list[deliveries.Delivery]:
            found = await lease(*asked)
            if not said:
                said.extend(await say(house, one))
                await asyncio.sleep(0.3)  # so that it is heard before this answer
            return found

        monkeypatch.setattr(deliveries, "lease", slowly)
        house.start()
        await until(lambda: succeeded(house, 1))


async def test_what_changes_right_after_another_change_is_learnt_without_waiting_for_more(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notify.delivery.worker._POLL_SECONDS", 3600.0)
    monkeypatch.setattr("services.notify.delivery.endpoints._REFRESH_WHEN_CHANGED", 2.0)
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)
        await say(house, one)
        await partner.api(f"/subscriptions/{one}/pause")
        looked, refresh = asyncio.Event(), Lanes.refresh

        async def looking(self: Lanes) -> bool:
            learnt = await refresh(self)
            looked.set()
            return learnt

        monkeypatch.setattr(Lanes, "refresh", looking)
        house.start()
        await asyncio.wait_for(looked.wait(), 60)
        await partner.api(f"/subscriptions/{one}/resume")
        await until(lambda: succeeded(house, 1))


async def test_a_rate_limit_is_kept_and_slows_nobody_else(house: House, webhook_server: WebhookServer) -> None:
    async with house.client("yen.partner") as partner:
        slow = await endpoint(partner, webhook_server.url + "/slow", per_second=20)
        quick = await endpoint(partner, webhook_server.url + "/quick")
        await say(house, slow, 60, name="slow")
        await say(house, quick, 200, name="quick")
        house.start()
        began = time.monotonic()
        await until(lambda: succeeded(house, 200))
        assert time.monotonic() - began < 2.5
        await until(lambda: succeeded(house, 260))
        assert 1.5 < time.monotonic() - began < 6


async def test_ten_thousand_for_a_dead_endpoint_cost_its_neighbour_nothing(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        dead = await endpoint(partner, "http://127.0.0.1:9/")
        await say(house, dead, 10_000, name="dead")
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM endpoint WHERE circuit = 'open'"))
        good = await endpoint(partner, webhook_server.url)
        waits = []
        for number in range(20):
            began = time.monotonic()
            identifier = (await say(house, good, 1, name=f"good-{number}"))[0]
            await until(lambda name=identifier: _arrived(webhook_server, name))  # type: ignore[misc]
            waits.append(time.monotonic() - began)
        assert sorted(waits)[-2] < 0.5
        page = await partner.get(f"/notify/subscriptions/{dead}")
        assert page.status_code == 200


async def test_who_answers_fast_and_then_not_at_all_takes_nobodys_memory(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch, webhook_server: WebhookServer
) -> None:
    monkeypatch.setenv("VONGTAY_NOTIFY_LEASED_AT_MOST", "60")
    monkeypatch.setenv("VONGTAY_NOTIFY_TIMEOUT_SECONDS", "60")
    monkeypatch.setenv("VONGTAY_NOTIFY_LEASE_SECONDS", "120")
    async with make_house(fresh_database) as house, receiving() as hanging, house.client("yen.partner") as partner:
        one = await endpoint(partner, hanging.url)
        good = await endpoint(partner, webhook_server.url)

        def answer(request: WebhookRequest) -> int:
            hanging.delay = 60.0 if len(hanging.requests) >= 40 else 0.0
            return 200

        hanging.answer = answer
        await say(house, one, 400, name="hanging")
        house.start()
        await until(lambda: _count(hanging, 48))
        await asyncio.sleep(0.5)  # so that all that it may have is leased to it
        told = await say(house, good, 1, name="good")
        await until(lambda: _arrived(webhook_server, told[0]))


async def test_a_slow_endpoint_with_many_at_once_leaves_other_slow_ones_their_slots(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch, webhook_server: WebhookServer
) -> None:
    monkeypatch.setenv("VONGTAY_NOTIFY_SLOW_AT_ONCE", "2")
    numbers = count()

    async def greedily(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # No two of them end at the same moment, so that one slot after the other is free.
        await asyncio.sleep(0.6 + next(numbers) * 0.618 % 0.7)
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")

    webhook_server.delay = 1.5
    async with (
        make_house(fresh_database) as house,
        receiver(greedily) as greedy,
        house.client("yen.partner") as partner,
    ):
        one = await endpoint(partner, greedy.url, at_once=64)
        other = await endpoint(partner, webhook_server.url)
        await say(house, other, 1, name="first")
        house.start()
        await until(lambda: succeeded(house, 1))  # from now on it is known as slow
        await say(house, one, 400, name="greedy")
        await until(lambda: house.rows("SELECT 1 FROM delivery_pending HAVING count(*) BETWEEN 1 AND 330"))
        told = await say(house, other, 1, name="second")
        await until(lambda: _arrived(webhook_server, told[0]), 6)


async def test_a_worker_that_stops_gives_back_what_it_had_not_sent(house: House, webhook_server: WebhookServer) -> None:
    webhook_server.delay = 0.1
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)
        await say(house, one, 100)
        house.start()
        await until(lambda: _count(webhook_server, 10))
        await house.halt()
        async with house.database.transaction() as connection:
            free = await deliveries.lease(
                await driver(connection), {one: 200}, [], 200, house.context.clock(), timedelta(seconds=30)
            )
        sent = {request.headers["webhook-id"] for request in webhook_server.requests}
        assert len(free) + len(sent) == 100
        assert not sent & {one.id for one in free}


@pytest.mark.parametrize("part", ["settled", "took"])
async def test_a_worker_of_which_a_part_dies_ends_whole_and_is_started_anew(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """`settled`: what takes results over; `took`: what sends one."""
    webhook_server.delay = 0.02
    died = asyncio.Event()

    def die(*_: object, **__: object) -> NoReturn:
        died.set()
        raise LookupError("as if a fault of ours were in it")

    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)
        sent = await say(house, one, 200)
        with monkeypatch.context() as broken:
            house.start()
            await until(lambda: _count(webhook_server, 10))
            broken.setattr(Lanes if part == "settled" else Lane, part, die)
            await asyncio.wait_for(died.wait(), 60)
            broken.undo()
            with pytest.raises(LookupError):
                await asyncio.wait_for(house.running.pop(0), 60)
        await house.halt()
        house.start()
        await until(lambda: succeeded(house, 200))
    arrived = [request.headers["webhook-id"] for request in webhook_server.requests]
    assert set(arrived) == set(sent)
    assert len(arrived) <= 210, "of what was on its way, only what the dead part had in its hands comes again"


async def test_what_does_not_close_keeps_nothing_else_open(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    async def close(self: Line | Settler | WebhookChannel) -> None:
        closed.append(type(self).__name__)
        if isinstance(self, Line):
            raise TimeoutError

    async with house.client("yen.partner") as partner:
        await endpoint(partner, webhook_server.url)
        with monkeypatch.context() as broken:
            for kind in (Line, Settler, WebhookChannel):
                broken.setattr(kind, "close", close)
            house.start()
            await until(lambda: house.rows("SELECT 1"))
            with pytest.raises(TimeoutError):
                await house.halt()
    assert closed == ["Line", "Settler", "WebhookChannel"]
    house.running = []


async def test_a_connection_that_does_not_say_good_bye_is_cut_off_and_the_next_is_another(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(fresh_database)
    line = Line(database)
    try:
        first = await line.get()

        async def silent(*_: object, **__: object) -> NoReturn:
            raise TimeoutError

        with monkeypatch.context() as hanging:
            hanging.setattr(asyncpg.Connection, "close", silent)
            await line.close()
        assert first.is_closed()
        assert await (await line.get()).fetchval("SELECT 1") == 1
    finally:
        await line.close()
        await database.close()


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_worker_that_broke_in_the_middle_goes_on_where_it_was(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    webhook_server.delay = 0.05
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)
        await say(house, one, 300)
        with monkeypatch.context() as broken:
            house.start()
            await until(lambda: _count(webhook_server, 10))

            async def fault(*_: object) -> NoReturn:
                raise LookupError("as if an answer of the database had been cut off")

            # Neither can anything be leased, nor what was sent be noted, nor be given back.
            for name in ("lease", "settle_taken", "give_back"):
                broken.setattr(deliveries, name, fault)
            if hangs:  # nor be said good-bye

                async def never(*_: object) -> NoReturn:
                    raise TimeoutError

                broken.setattr(Line, "close", never)
            with pytest.raises(TimeoutError if hangs else LookupError):
                await house.running.pop(0)
        await house.halt()
        await house.rows("UPDATE delivery_pending SET leased_until = NULL RETURNING 1")  # long ago
        house.start()
        await until(lambda: succeeded(house, 300))
