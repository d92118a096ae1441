"""What somebody knew a moment before loses nothing, fails nothing and sends nothing out of its order. In each test
whoever decided by it is held until that has changed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.delivery.worker import Deliveries
from services.notify.desk.replays import Replays
from services.notify.domain import Attempt, Verdict
from services.notify.store import agreements, deliveries, endpoints, ladders, log, replays
from services.notify.store.deliveries import Result, Target
from shared.contracts.cases import CaseOpened, CaseTransferred
from shared.database.copying import driver
from shared.database.statements import text
from tests.integration.notify_house import (
    CASE,
    OTHER_UNIT,
    UNIT,
    House,
    concern,
    facts,
    hold_first_answer,
    loop_of,
    missed,
    reasons,
    succeeded,
    task,
    until,
)
from tests.integration.notify_partner import sign
from tests.integration.notify_queued import endpoint, say
from tests.support.locks import waiting
from tests.support.receivers import WebhookServer


class Uncommitted:
    """Holds the first transaction that has come through a step of `deliveries`, until it may go on to its commit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        self.done, self.committed = asyncio.Event(), asyncio.Event()
        self._act = getattr(deliveries, step)
        monkeypatch.setattr(deliveries, step, self._hold)

    async def _hold(self, *given: Any) -> Any:
        found = await self._act(*given)
        if not self.done.is_set():
            self.done.set()
            await self.committed.wait()
        return found


async def agreed(house: House, webhook_server: WebhookServer, *, ordered: bool) -> tuple[str, str]:
    """A partner has signed, and hears of tasks. Out: the agreement, and the endpoint."""
    signed = await sign(house, X25519PrivateKey.generate().public_key().public_bytes_raw())
    async with house.client("yen.partner") as partner:
        body = {"channel": "webhook", "target": webhook_server.url, "event_types": ["cases.task.requested"]}
        endpoint_id = (await partner.api("/subscriptions", {**body, "ordered": ordered}))["id"]
    return signed["id"], endpoint_id


async def suspend(house: House, agreement: str) -> None:
    await house.rows("UPDATE agreement SET state = 'suspended' WHERE id = CAST(:id AS uuid) RETURNING 1", id=agreement)


async def test_what_an_agreement_stopped_comes_in_its_order_when_it_is_resumed(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of a case had failed when the agreement was resumed; the second was being settled."""
    agreement, _ = await agreed(house, webhook_server, ordered=True)
    await house.hear(("e1", task()), ("e2", task()))
    order = [row.id for row in await house.rows("SELECT id::text FROM delivery_pending ORDER BY position")]
    await suspend(house, agreement)
    settler = loop_of(house, Deliveries)._settler
    settle, decided, resumed = settler.settle, asyncio.Event(), asyncio.Event()

    async def settle_the_second_late(results: Any, troubled: Any) -> bool:
        if results[0].delivery.id == order[1] and not resumed.is_set():
            decided.set()
            await resumed.wait()
        return bool(await settle(results, troubled))

    monkeypatch.setattr(settler, "settle", settle_the_second_late)
    webhook_server.answer = lambda request: 500 if request.headers["webhook-id"] == order[0] else 200
    house.start()
    await decided.wait()
    async with house.client("ha.coordinator") as coordinator:
        await coordinator.api(f"/agreements/{agreement}/resume", {})
    resumed.set()
    await until(lambda: house.rows("SELECT 1 FROM delivery_pending WHERE attempts = 1"))
    webhook_server.answer = None
    house.shift = timedelta(seconds=10)
    await until(lambda: succeeded(house, 2))
    assert [request.headers["webhook-id"] for request in webhook_server.requests] == [order[0], *order]


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("resumed", ["before it is told", "after it is told"])
async def test_what_was_on_its_way_when_an_agreement_was_suspended_has_arrived_and_is_not_sent_again(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch, ordered: bool, resumed: str
) -> None:
    held = hold_first_answer(monkeypatch)
    agreement, _ = await agreed(house, webhook_server, ordered=ordered)
    await house.hear(("e1", task()))
    house.start()
    await asyncio.wait_for(held.asked.wait(), 60)

    async def nothing(*_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(deliveries, "lease", nothing)
    async with house.client("ha.coordinator") as coordinator:
        await coordinator.api(f"/agreements/{agreement}/suspend", {"reason": "kiểm tra"})
        assert await reasons(house) == [("failed", "agreement-suspended")]
        if resumed == "before it is told":
            # As one that is resumed in the moment in which its success is being noted.
            settle = deliveries.settle_late

            async def late(*given: Any) -> Any:
                await coordinator.api(f"/agreements/{agreement}/resume", {})
                return await settle(*given)

            monkeypatch.setattr(deliveries, "settle_late", late)
        held.answered.set()
        await until(lambda: succeeded(house, 1))
        assert await reasons(house) == [("succeeded", None)]
        await house.halt()
        if resumed == "after it is told":
            await coordinator.api(f"/agreements/{agreement}/resume", {})
            assert await reasons(house) == [("succeeded", None)]
    assert len(webhook_server.requests) == 1
    (said,) = await house.published("notify.deliveries.succeeded")
    assert [(one["event_type"], one["attempts"]) for one in said["deliveries"]] == [("cases.task.requested", 1)]
    rows = await house.rows("SELECT outcome, status, attempts, sequence FROM delivery")
    assert [tuple(row) for row in rows] == [("taken", 200, 1, 3)]


async def test_what_expired_on_its_way_has_arrived_and_what_stopped_it_stays_in_the_log(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker had frozen for longer than its lease; another had tried by then, and then it was too late."""
    held = hold_first_answer(monkeypatch)
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)
        (sent,) = await say(house, one)
        house.start()
        await asyncio.wait_for(held.asked.wait(), 60)
        await house.rows(
            """UPDATE delivery_pending SET expires_at = now(), leased_until = NULL, lease = lease + 1 RETURNING 1"""
        )
        await house.upkeep.give_up()
        assert await reasons(house) == [("failed", "expired")]
        await house.rows(
            """UPDATE delivery_settled SET outcome = 'again', status = 500, attempts = 1, duration_ms = 1, response = ''
               RETURNING 1"""
        )
        held.answered.set()
        await until(lambda: succeeded(house, 1))
    async with house.database.transaction() as connection:
        logged = [(one.number, one.outcome, one.status) for one in await log.attempts(connection, sent)]
    assert logged == [(1, "again", 500), (2, "taken", 200)]


async def test_what_is_sent_again_comes_before_what_waits_behind_it(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url, ordered=True)
        order = await say(house, one, 2, key="case-1")
        webhook_server.answer = lambda request: 200 if request.headers["webhook-id"] == order[0] else 500
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM delivery_pending WHERE attempts = 1 AND leased_until IS NULL"))
        webhook_server.clear()
        # Until the first has arrived once more, the second waits.
        webhook_server.answer = lambda request: 500 if request.headers["webhook-id"] == order[0] else 200
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        await partner.api(f"/subscriptions/{one}/replay", {"since": since, "everything": True})
        await until(
            lambda: house.rows(
                "SELECT 1 FROM delivery_pending WHERE attempts = 1 AND id = CAST(:id AS uuid)", id=order[0]
            )
        )
        webhook_server.answer = None
        house.shift = timedelta(seconds=10)
        await until(lambda: succeeded(house, 2))
    assert [request.headers["webhook-id"] for request in webhook_server.requests] == [order[0], order[0], order[1]]


@pytest.mark.parametrize("first", ["come_before", "queue"])
async def test_what_is_queued_beside_what_is_sent_again_waits_for_it_whichever_is_committed_first(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url, ordered=True)
        order = await say(house, one, 1, key="case-1")
        house.start()
        await until(lambda: succeeded(house, 1))
        await house.halt()
        uncommitted = Uncommitted(monkeypatch, first)
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        replay = partner.api(f"/subscriptions/{one}/replay", {"since": since, "everything": True})
        queue = say(house, one, 1, name="next", key="case-1")
        if first == "come_before":
            running = [asyncio.create_task(replay)]
            await asyncio.wait_for(uncommitted.done.wait(), 60)
            # Whoever queues waits for nobody, and whoever lets go what waits for nothing lets nothing go too early.
            queued = [*await asyncio.wait_for(queue, 60), *await say(house, one, 1, name="other", key="case-2")]
            running.append(asyncio.create_task(house.upkeep.unblock()))
        else:
            running = [asyncio.create_task(queue)]
            await asyncio.wait_for(uncommitted.done.wait(), 60)
            running.append(asyncio.create_task(replay))
            queued = []
        await until(lambda: waiting(house))
        uncommitted.committed.set()
        await asyncio.gather(*running)
    rows = await house.rows("SELECT id::text, blocked FROM delivery_pending ORDER BY position")
    assert [(row.id == order[0], row.blocked) for row in rows][:2] == [(True, False), (False, True)]
    assert [(row.id, row.blocked) for row in rows][2:] == [(one, False) for one in queued[1:]]


async def test_who_resumes_an_agreement_and_who_passes_something_on_within_it_wait_for_each_other_once(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both take an endpoint's order and an agreement: in the same order, or the database would have to undo one."""
    agreement, one = await agreed(house, webhook_server, ordered=True)
    await suspend(house, agreement)
    within = "SELECT 1 FROM subscription WHERE endpoint_id = CAST(:one AS uuid) AND agreement_id = CAST(:id AS uuid)"
    assert await house.rows(within, one=one, id=agreement)
    queue = deliveries.queue

    async def and_ask_for_the_agreement(connection: Any, *given: Any) -> Any:
        found = await queue(connection, *given)
        resuming.append(asyncio.create_task(coordinator.api(f"/agreements/{agreement}/resume", {})))
        await until(lambda: waiting(house))
        assert await agreements.find(connection, agreement, share=True)
        return found

    resuming: list[asyncio.Task[Any]] = []
    monkeypatch.setattr(deliveries, "queue", and_ask_for_the_agreement)
    async with house.client("ha.coordinator") as coordinator:
        await say(house, one, 1, key="case-1")
        assert (await resuming[0])["state"] == "active"
    assert len(await house.rows("SELECT 1 FROM delivery_pending WHERE NOT blocked")) == 1


async def test_the_period_of_one_endpoint_holds_the_order_of_no_other(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "PORTION", 1)
    async with house.client("yen.partner") as partner:
        both = [await endpoint(partner, webhook_server.url, ordered=True) for _ in range(2)]
        for name, one in zip("ab", both, strict=True):
            await say(house, one, 2, name=name, key="case-1")
        house.start()
        await until(lambda: succeeded(house, 4))
        await house.halt()
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        for one in both:
            await partner.api(f"/subscriptions/{one}/replay", {"since": since, "everything": True})
    uncommitted = Uncommitted(monkeypatch, "come_before")
    going = asyncio.create_task(house.upkeep.replay())
    await asyncio.wait_for(uncommitted.done.wait(), 60)
    for name, one in zip("cd", both, strict=True):
        await say(house, one, 1, name=name, key="case-2")
    rows = await house.rows(
        """SELECT endpoint_id::text AS endpoint_id, blocked FROM delivery_pending WHERE order_key = 'case-2'
           ORDER BY created_at"""
    )
    assert [(row.endpoint_id, row.blocked) for row in rows] == [(both[0], True), (both[1], False)]
    uncommitted.committed.set()
    await going
    rows = await house.rows("SELECT replayed, finished_at IS NULL AS going FROM replay")
    assert [tuple(row) for row in rows] == [(2, False), (2, False)]
    free = await house.rows("SELECT order_key FROM delivery_pending WHERE NOT blocked ORDER BY order_key")
    assert [row.order_key for row in free] == ["case-1", "case-1", "case-2", "case-2"]


async def test_who_sends_again_takes_what_is_settled_in_the_order_in_which_late_successes_are_noted(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        one = await endpoint(partner, webhook_server.url)
        low, high = sorted(await say(house, one, 2))
        house.start()
        await until(lambda: succeeded(house, 2))
        await house.halt()
        # However they are looked for, the one with the higher id is found first.
        await house.rows(
            """UPDATE delivery_settled SET created_at = created_at + interval '1 ms' WHERE id = CAST(:low AS uuid)
               RETURNING 1""",
            low=low,
        )
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        hold = "SELECT 1 FROM delivery_settled WHERE id = CAST(:id AS uuid) FOR UPDATE"
        async with house.database.transaction() as connection:
            await connection.execute(text(hold), {"id": low})
            again = asyncio.create_task(
                partner.api(f"/subscriptions/{one}/replay", {"since": since, "everything": True})
            )
            await until(lambda: waiting(house))
            await connection.execute(text(hold + " NOWAIT"), {"id": high})
        assert (await again)["replayed"] == 2


async def test_the_last_attempt_at_one_that_was_brought_back_since_is_not_the_last(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = hold_first_answer(monkeypatch)
    webhook_server.status = 500
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        await house.rows("UPDATE delivery_pending SET attempts = 9 RETURNING 1")
        house.start()
        await asyncio.wait_for(held.asked.wait(), 60)
        await house.rows(
            "UPDATE endpoint SET state = 'disabled', changed_at = now(), failing_since = now() RETURNING 1"
        )
        webhook_server.status = 200
        await partner.api(f"/subscriptions/{created['id']}/resume")
        held.answered.set()
        await until(lambda: succeeded(house, 1))
        assert await house.published("notify.delivery.failed") == []


async def test_nothing_is_given_up_of_one_that_is_being_brought_back(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off for so long that what waits for it is about to be given up: its owner is there first, by a moment."""
    looked, given_up, missed_by = asyncio.Event(), asyncio.Event(), Replays.missed

    async def slowly(self: Replays, *given: Any) -> int:
        found = await missed_by(self, *given)
        looked.set()
        await given_up.wait()
        return found

    monkeypatch.setattr(Replays, "missed", slowly)
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        await house.rows("UPDATE endpoint SET state = 'disabled', changed_at = now() - interval '31 days' RETURNING 1")
        bringing = asyncio.create_task(partner.api(f"/subscriptions/{created['id']}/resume"))
        await asyncio.wait_for(looked.wait(), 60)
        upkeep = asyncio.create_task(house.upkeep.give_up())
        await asyncio.wait((upkeep,), timeout=1)
        given_up.set()
        await bringing
        await upkeep
        house.start()
        await until(lambda: succeeded(house, 1))
        assert await house.published("notify.delivery.failed") == []


async def test_who_brings_an_endpoint_back_and_who_gives_something_back_to_it_wait_for_each_other_once(
    house: House, webhook_server: WebhookServer
) -> None:
    """Both take an endpoint and deliveries of it: in the same order, or the database would have to undo one of them."""
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()), ("e2", missed()))
    now = house.context.clock()
    async with house.database.transaction() as connection:
        rooms = {created["id"]: 2}
        leased = await deliveries.lease(await driver(connection), rooms, [], 2, now, timedelta(seconds=30))
    target = Target(created["id"], webhook_server.url, (), "vi", None, now)
    stopped = Attempt("expired", 0, reason="agreement-suspended")
    refused = Attempt("again", 5, status=500, reason="http-500")
    results = [
        Result(leased[0], target, "webhook", now, stopped, Verdict("failed", None, stopped.reason)),
        Result(leased[1], target, "webhook", now, refused, Verdict("pending", now, refused.reason)),
    ]
    settler = loop_of(house, Deliveries)._settler
    async with house.database.transaction() as connection:
        await endpoints.locked(connection, [created["id"]])
        settling = asyncio.create_task(settler.settle(results, frozenset()))
        await until(lambda: waiting(house))
        await (await driver(connection)).execute("SELECT FROM delivery_pending ORDER BY id FOR UPDATE")
    assert await asyncio.wait_for(settling, 60)
    rows = await house.rows("SELECT attempts, leased_until FROM delivery_pending ORDER BY attempts")
    assert [(row.attempts, row.leased_until) for row in rows] == [(0, None), (1, None)]


async def test_the_commune_to_which_a_case_has_come_is_called_though_it_came_there_as_the_report_was_heard(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {"case_id": CASE, "facts": facts()}
    await house.hear(("opened", CaseOpened.model_validate({**about, "concern_id": "c1", "danger_now": "yes"})))
    waits, moved, hold = asyncio.Event(), asyncio.Event(), ladders.hold

    async def slowly(connection: AsyncConnection, **names: Any) -> None:
        # Whoever hears the report knows its case by now, and waits for it.
        if names.get("cases") and not waits.is_set():
            waits.set()
            await moved.wait()
        await hold(connection, **names)

    monkeypatch.setattr(ladders, "hold", slowly)
    heard = asyncio.create_task(house.hear(("reported", concern("yes"))))
    await waits.wait()
    transferred = CaseTransferred.model_validate({**about, "facts": facts(OTHER_UNIT), "from_unit": UNIT})
    await house.hear(("moved", transferred))
    moved.set()
    await heard
    assert [(row.case_id, row.unit) for row in await house.rows("SELECT case_id, unit FROM ladder")] == [
        (CASE, OTHER_UNIT)
    ]


async def test_reports_and_the_communes_of_their_cases_that_are_heard_at_the_same_moment_wait_for_each_other_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both write to the same rows: whoever was stopped by the database has begun a second time."""
    linked = {
        one: concern("no").model_copy(update={"concern_id": f"report-{one}", "case_id": f"case-{one}"}) for one in "abc"
    }
    moved = {
        one: CaseTransferred.model_validate({"case_id": f"case-{one}", "facts": facts(OTHER_UNIT), "from_unit": UNIT})
        for one in "abc"
    }
    for one in "cab":
        await house.hear((f"first {one}", linked[one]))
    begun, hold = 0, ladders.hold

    async def counted(connection: AsyncConnection, **names: Any) -> None:
        nonlocal begun
        begun += "reports" in names
        await hold(connection, **names)

    monkeypatch.setattr(ladders, "hold", counted)

    async def wait(count: int) -> bool:
        return await waiting(house) == count

    async with house.database.transaction() as connection:
        await connection.execute(text("SELECT FROM concern_case WHERE case_id = 'case-b' FOR UPDATE"))
        told = asyncio.create_task(house.hear(*((f"again {one}", linked[one]) for one in "abc")))
        await until(lambda: wait(1))
        went = asyncio.create_task(house.hear(*((f"moved {one}", moved[one]) for one in "ca")))
        await until(lambda: wait(2))
    await asyncio.gather(told, went)
    assert begun == 2
    rows = await house.rows("SELECT case_id, unit FROM concern_case ORDER BY case_id")
    assert [tuple(row) for row in rows] == [("case-a", OTHER_UNIT), ("case-b", None), ("case-c", OTHER_UNIT)]
