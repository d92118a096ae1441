"""The registry's desk on a real database, without Kafka and without people; the clock is ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pytest
from sqlalchemy import text

from services.registry.desk import Desk, Lifecycle, Samples
from services.registry.domain.children import Statement
from services.registry.handlers import routes
from services.registry.store import children as store
from services.registry.store.children import ChildRow
from services.registry.ticker import tick
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import ChildDescription
from shared.database import Database
from shared.messaging.outbox import new_id
from shared.messaging.processing import Processor, Record
from shared.messaging.router import Scope
from shared.privacy import Keys, PlatformKey
from shared.reference.keeping import Keeping
from shared.reference.units import Units

NOW = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)
MIGRATIONS = Path(store.__file__).parents[1] / "migrations"
HERE, THERE = "05443", "02176"
LAN = "person:lan.worker"
R = TypeVar("R")


@dataclass
class Acts:
    """The registry's acts without Kafka and without people; the clock is ours."""

    database: Database
    keys: Keys
    now: datetime = NOW
    desk: Desk = field(init=False)
    life: Lifecycle = field(init=False)

    def __post_init__(self) -> None:
        self.desk = Desk(self.keys)
        self.life = Lifecycle(self.desk, self.keys, Keeping.load())

    async def act(self, does: Callable[[Scope], Awaitable[R]]) -> R:
        async with self.database.transaction() as connection:
            scope = Scope("registry", connection, self.now)
            done = await does(scope)
            await scope.flush()
        return done

    async def on(self, child_id: str, does: Callable[[Scope, ChildRow], Awaitable[R]]) -> R:
        async def with_row(scope: Scope) -> R:
            row = await store.child(scope.connection, child_id, lock=True)
            assert row is not None
            return await does(scope, row)

        return await self.act(with_row)

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.database.transaction() as connection:
            return list((await connection.execute(text(statement), values)).all())


@dataclass
class House(Acts):
    """The whole service so, with what it hears."""

    samples: Samples = field(init=False)
    processor: Processor = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.samples = Samples(self.desk, self.life, Keeping.load())
        router = routes(self.desk, self.keys, Units.load())
        self.processor = Processor(router, self.database, self.keys, lambda: self.now)

    async def register(self, name: str = "Nguyễn Thị Ngọc Anh", born: str | None = "2016-03-09", **over: Any) -> str:
        said = {"unit": HERE, "circumstances": (), "as_of": date(2026, 10, 31), **over}
        child = {"name": name, "birth_date": born, "sex": "female", "carers": [{"name": "Lý Thị Thu Lan"}]}
        child |= said.pop("child", {})
        description = ChildDescription.model_validate({key: value for key, value in child.items() if value is not None})
        statement = Statement(new_id(), "commune-roster", "dolisa", description=description, **said)
        return await self.act(lambda scope: self.desk.register(scope, statement))

    async def verify(self, child_id: str, **over: Any) -> None:
        said = {"confirmed": ["name", "birth_date"], "method": "home-visit", "by": LAN, "at": self.now, **over}
        await self.on(child_id, lambda scope, row: self.life.verify(scope, row, **said))

    async def tick(self) -> int:
        return await tick(self.database, self.life, lambda: self.now)

    async def child(self, child_id: str) -> ChildRow:
        async with self.database.transaction() as connection:
            found = await store.child(connection, child_id)
        assert found is not None
        return found

    async def events(self, name: str = "") -> list[dict[str, Any]]:
        rows = await self.rows(
            """SELECT aggregatetype, aggregateid, type, payload, headers FROM outbox
               WHERE aggregatetype LIKE 'registry%' ORDER BY position"""
        )
        found = [
            {
                "type": row.type.removeprefix("vn.vongtay.registry."),
                "subject": row.headers["ce_subject"],
                "sequence": int(row.headers["ce_sequence"]),
                "headers": row.headers,
                **orjson.loads(row.payload),
            }
            for row in rows
        ]
        return [event for event in found if name in event["type"]]

    async def hear(self, data: Any, sequence: int) -> None:
        await self.hear_together((data, sequence, None))

    async def hear_together(self, *heard: tuple[Any, int, str | None]) -> None:
        """Events of cases in one batch: each one's data, its sequence and its trace parent."""
        results = await self.processor.handle([self._record(*one) for one in heard])
        assert {result.outcome for result in results} == {"accepted"}, results

    def _record(self, data: Any, sequence: int, traceparent: str | None) -> Record:
        event = Envelope(
            new_id(),
            "/services/cases",
            data.TYPE,
            data.case_id,
            self.now,
            data.model_dump_json().encode(),
            sequence=sequence,
            traceparent=traceparent,
        )
        return Record("cases.cases.v1", 0, sequence, data.case_id, event.data, tuple(event.headers()))


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    database = Database(fresh_database)
    await database.migrate(MIGRATIONS)
    yield House(database, Keys(b"m" * 32, PlatformKey(b"p" * 32)))
    await database.close()


async def refused(act: Awaitable[Any]) -> str:
    with pytest.raises(Rejected) as caught:
        await act
    return caught.value.violations[0].rule
