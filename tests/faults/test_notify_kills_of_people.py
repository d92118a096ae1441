"""What calls people is killed, or freezes, in the middle of a step of a ladder and in the middle of a digest: nobody is
called twice by the same step, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.ladder import Ladder
from services.notify.signing import Vault
from services.notify.store import digests, endpoints, ladders, subscriptions
from services.notify.store.digests import Item
from shared.database import Database
from shared.messaging.outbox import new_id
from shared.runtime import keys_of
from shared.settings import Settings
from tests.support.platform import Parts, parts
from tests.support.receivers import MailServer

pytestmark = pytest.mark.timeout(290)
UNIT = "05443"
CHAIR, OFFICER = "binh.chair", "duc.health"
# Of what a step and a digest write, the first and the last.
CALLED_IN = ("delivery_pending", "outbox")
COLLECTED_IN = ("delivery_pending", "outbox")


@dataclass
class Stage:
    """A platform with one notify, its database, and mail for two people."""

    stack: Parts
    database: Database
    mail: MailServer

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        async with self.database.transaction() as connection:
            return list((await connection.execute(text(sql), values)).all())

    async def killed_in(self, table: str, begin: Callable[[], Awaitable[str]], signum: int = signal.SIGKILL) -> str:
        """Begin something, and kill what does it as it is about to write to a table. Out: what `begin` gave."""
        replica = self.stack.of("notify")[0]
        async with self.database.transaction() as connection:
            await connection.execute(text(f"LOCK TABLE {table} IN SHARE MODE"))
            name = await begin()
            await until(lambda: self._waits_in_a_transaction(connection, table))
            pid = replica.process.pid
            assert pid is not None
            if signum == signal.SIGKILL:
                await asyncio.to_thread(replica.process.kill)
            else:
                os.kill(pid, signum)
        return name

    async def _waits_in_a_transaction(self, connection: AsyncConnection, table: str) -> bool:
        """Whether something that holds a ladder or a person's digest waits to write to the table."""
        found = await connection.execute(
            text(
                """SELECT 1 FROM pg_locks waiting JOIN pg_locks held USING (pid)
                   WHERE waiting.relation = CAST(:table AS regclass) AND NOT waiting.granted AND held.granted
                     AND ((held.relation = CAST('ladder' AS regclass) AND held.mode = 'RowExclusiveLock')
                          OR (held.locktype = 'advisory' AND held.classid <> 0))"""
            ),
            {"table": table},
        )
        return bool(found.all())


@pytest.fixture
async def stage(tmp_path: Path, mail_server: MailServer) -> AsyncIterator[Stage]:
    async with parts(tmp_path, ("notify",)) as stack:
        stack.env = {**stack.env, "VONGTAY_SMTP_URL": mail_server.url}
        replica = stack.of("notify")[0]
        await asyncio.to_thread(replica.process.stop)
        async with _database(stack) as database:
            for person in (CHAIR, OFFICER):
                await _mailbox(stack, database, person)
            await stack.start(replica)
            await stack.ready()
            yield Stage(stack, database, mail_server)


async def test_a_kill_in_the_middle_of_a_ladders_step_calls_nobody_twice_and_forgets_nobody(stage: Stage) -> None:
    replica = stage.stack.of("notify")[0]
    for table in CALLED_IN:
        name = await stage.killed_in(table, lambda: _emergency(stage.database))
        await stage.stack.start(replica)
        await until(lambda name=name: _arrived(stage, name), 60)  # type: ignore[misc]
        await _called_once(stage, name)
    # Killed while the mail server has the call, and has not said so: the same mail again, by which it is known.
    stage.mail.clear()
    stage.mail.silent = True
    name = await _emergency(stage.database)
    await until(lambda: _mails(stage, 1), 60)
    await asyncio.to_thread(replica.process.kill)
    stage.mail.silent = False
    await stage.stack.start(replica)
    await until(lambda: _arrived(stage, name), 60)
    assert len({mail["Message-ID"] for mail in stage.mail.messages}) == 1
    await _called_once(stage, name)


async def test_a_replica_that_freezes_in_the_middle_of_a_step_does_not_keep_the_emergency(stage: Stage) -> None:
    frozen, other = stage.stack.of("notify")[0], stage.stack.add("notify")
    await stage.stack.start(other)
    await stage.stack.ready()
    other_pid = other.process.pid
    assert other_pid is not None
    os.kill(other_pid, signal.SIGSTOP)
    name = await stage.killed_in("ladder_call", lambda: _emergency(stage.database), signal.SIGSTOP)
    pid = frozen.process.pid
    assert pid is not None
    try:
        os.kill(other_pid, signal.SIGCONT)
        await until(lambda: stage.rows("SELECT 1 FROM ladder WHERE id = CAST(:id AS uuid) AND step = 1", id=name), 60)
    finally:
        os.kill(pid, signal.SIGCONT)
    await until(lambda: _arrived(stage, name), 60)
    await asyncio.sleep(2)
    await _called_once(stage, name)


async def test_a_kill_in_the_middle_of_a_digest_sends_it_once_with_everything_in_it(stage: Stage) -> None:
    replica = stage.stack.of("notify")[0]
    for table in COLLECTED_IN:
        stage.mail.clear()
        await stage.killed_in(table, lambda: _collect(stage.database, 3))
        await _collect(stage.database, 2)
        await stage.stack.start(replica)
        await until(lambda: _mails(stage, 1), 60)
        await asyncio.sleep(2)
        assert [_count_of(mail) for mail in stage.mail.messages] == [5]
        assert not await stage.rows("SELECT 1 FROM digest_item")
    stage.mail.clear()
    stage.mail.silent = True
    await _collect(stage.database, 3)
    await until(lambda: _mails(stage, 1), 60)
    await asyncio.to_thread(replica.process.kill)
    stage.mail.silent = False
    await stage.stack.start(replica)
    await until(lambda: _nothing_waits(stage), 60)
    assert len({mail["Message-ID"] for mail in stage.mail.messages}) == 1
    assert {_count_of(mail) for mail in stage.mail.messages} == {3}


async def _called_once(stage: Stage, ladder: str) -> None:
    """The second step of a ladder called its chair once, over mail once, and said so once."""
    calls = await stage.rows("SELECT person, step FROM ladder_call WHERE ladder_id = CAST(:id AS uuid)", id=ladder)
    assert [(row.person, row.step) for row in calls if row.step == 1 and row.person == CHAIR] == [(CHAIR, 1)]
    assert max(Counter((row.person, row.step) for row in calls).values()) == 1
    case = f"case-{ladder}"
    sent = await stage.rows(
        """SELECT count(*) AS n FROM delivery d JOIN message m ON m.id = d.message_id AND m.at = d.message_at
           WHERE m.case_id = :case AND m.event_type = 'notify.emergency.called'""",
        case=case,
    )
    assert [row.n for row in sent] == [1]
    noticed = await stage.rows(
        """SELECT audience, count(*) AS n FROM notice WHERE ladder_id = CAST(:id AS uuid) GROUP BY audience""",
        id=ladder,
    )
    assert {row.audience: row.n for row in noticed}[f"chair/{UNIT}"] == 1


async def _arrived(stage: Stage, ladder: str) -> bool:
    rows = await stage.rows(
        """SELECT 1 FROM delivery_settled d JOIN message m ON m.id = d.message_id AND m.at = d.message_at
           WHERE m.case_id = :case AND d.state = 'succeeded'""",
        case=f"case-{ladder}",
    )
    return bool(rows)


async def _mails(stage: Stage, number: int) -> bool:
    return len(stage.mail.messages) >= number


async def _nothing_waits(stage: Stage) -> bool:
    return not await stage.rows("SELECT 1 FROM delivery_pending")


def _count_of(mail: Any) -> int:
    """How many things a digest lists."""
    plain = mail.get_body(("plain",)).get_content()
    return sum(line.startswith("- ") for line in plain.splitlines())


async def _emergency(database: Database) -> str:
    """A ladder whose second step is due now. Out: its id."""
    now, identifier = datetime.now(UTC), new_id()
    ladder = Ladder(
        identifier, "child-in-danger", new_id(), "cases.concern.received", UNIT, f"case-{identifier}", None,
        now - timedelta(minutes=16), None, next_at=now - timedelta(seconds=1), sequence=1,
    )  # fmt: skip
    async with database.transaction() as connection:
        await ladders.save(connection, ladder, None)
    return identifier


async def _collect(database: Database, number: int) -> str:
    """So many things that the officer is to hear of now."""
    now = datetime.now(UTC)
    items = [
        Item(
            new_id(), OFFICER, ("email",), now, "digest", new_id(), "cases.task.requested", UNIT, "c1", "0000ABCD",
            None, f"/cases/tasks/{at}", False, now,
        )
        for at in range(number)
    ]  # fmt: skip
    async with database.transaction() as connection:
        await digests.put(connection, items)
    return OFFICER


async def _mailbox(stack: Parts, database: Database, person: str) -> None:
    env = {name.removeprefix("VONGTAY_").lower(): value for name, value in stack.env.items()}
    vault = Vault(keys_of(Settings(**env)))  # type: ignore[arg-type]
    identifier, now = new_id(), datetime.now(UTC)
    row = {
        "id": identifier, "channel": "email", "name": "email", "org": None, "person": person, "language": "vi",
        "ordered": False, "at_once": None, "per_second": None, "target": vault.seal(f"{person}@xa.example"),
        "secret": None, "verified_at": now, "now": now,
    }  # fmt: skip
    wanted = {
        "id": new_id(),
        "endpoint_id": identifier,
        "patterns": ["told"],
        "units": None,
        "sector": None,
        "now": now,
    }
    async with database.transaction() as connection:
        await endpoints.add(connection, row)
        await subscriptions.add(connection, wanted)


@asynccontextmanager
async def _database(stack: Parts) -> AsyncIterator[Database]:
    database = Database(stack.postgres.url("notify"))
    try:
        yield database
    finally:
        await database.close()


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)
