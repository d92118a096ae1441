"""Events of cases as services publish them, many and fast: who and where is made up, all else is real."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path
from uuid import UUID

import orjson

import services.stats
from services.stats.handlers.counting import Batch
from services.stats.store.cube import Cells, Ledger
from shared.contracts.cases import CaseFacts, CaseReclassified
from shared.contracts.envelope import Envelope
from shared.database import Database
from shared.messaging.kafka import producer
from shared.messaging.processing import Record
from shared.reference.units import Units
from shared.settings import Settings

TOPIC = "cases.cases.v1"
NOW = datetime(2026, 10, 31, 5, 0, tzinfo=UTC)
STEPS = ("intake", "assessment", "plan", "approval", "carrying-out", "review")
RISKS = ("high", "medium", "low")
_WAITING = 20_000
_BATCH = 4_000  # as the service takes them


def case_id(number: int) -> str:
    """The id of a case: no two are near each other, as ids made of a report's are."""
    return str(UUID(bytes=md5(str(number).encode(), usedforsecurity=False).digest()))


class Cases:
    """Cases that go on: each event is the next of its case."""

    def __init__(self, seed: int = 1) -> None:
        self._chance = random.Random(seed)
        self._units = Units.load().codes()
        self._facts: dict[int, dict[str, object]] = {}
        self._sequences: dict[int, int] = {}
        self._offset = 0
        made = CaseReclassified(case_id=case_id(0), facts=self._home())
        envelope = Envelope("", "/services/cases", made.TYPE, case_id(0), NOW, b"", sequence=1, unit="05443")
        self._headers = dict(envelope.headers())

    @property
    def known(self) -> int:
        """How many cases there are."""
        return len(self._sequences)

    def events(self, count: int, among: int) -> Iterator[Record]:
        """So many events, of cases chosen by chance out of so many."""
        for _ in range(count):
            yield self.next(self._chance.randrange(among))

    def next(self, number: int, after: int = 0) -> Record:
        """The next event of a case. `after`: the sequence that it had before, where that was not of here."""
        sequence = self._sequences[number] = self._sequences.get(number, after) + 1
        facts = self._facts.get(number)
        if facts is None:
            # A case keeps where, who and what it is about; what is known of its risk and its step go on.
            facts = self._facts[number] = self._home().model_dump(mode="json", exclude_none=True)
        facts["risk"] = self._chance.choice(RISKS) if sequence > 1 else "unassessed"
        facts["step"] = STEPS[min(sequence, len(STEPS)) - 1]
        facts["status"] = "closed" if sequence > len(STEPS) else "open"
        key = case_id(number)
        own = {
            "ce_id": f"{number:012d}-{sequence}".encode(),
            "ce_subject": key.encode(),
            "ce_sequence": str(sequence).encode(),
            "ce_unit": str(facts["unit"]).encode(),
        }
        self._offset += 1
        value = orjson.dumps({"case_id": key, "facts": facts})
        return Record(TOPIC, 0, self._offset, key, value, tuple((self._headers | own).items()))

    def _home(self) -> CaseFacts:
        chance = self._chance
        return CaseFacts(
            unit=chance.choice(self._units),
            sex=chance.choice(("male", "female")),
            age_band=chance.choice(("0-3", "4-5", "6-10", "11-15")),
            kind=chance.choice(("violence", "neglect", "sexual-abuse", "exploitation", "trafficking", "other")),
            risk="unassessed",
            status="open",
            step="intake",
            sector=chance.choices(("hotline", "education", "health"), (60, 20, 20))[0],
            channel="hotline-111",
            opened_at=NOW,
        )


async def publish(settings: Settings, records: Iterable[Record]) -> int:
    """Publish records in their order. Out: how many."""
    count = 0
    async with producer(settings) as sender:
        waiting = []
        for record in records:
            topic = settings.topic_prefix + record.topic
            waiting.append(await sender.send(topic, record.value, record.key.encode(), headers=list(record.headers)))
            count += 1
            if len(waiting) >= _WAITING:
                await waiting[-1]
                waiting.clear()
        await sender.flush()
    return count


async def bare_statement(url: str, records: Sequence[Record]) -> float:
    """Events a second of statistics' statement alone, fed from memory by one connection: the limit of what counts so.

    In: SQLAlchemy URL of an empty database.
    """
    database = Database(url)
    await database.migrate(Path(services.stats.__file__).parent / "migrations")
    cells, ledger = Cells(), Ledger()
    read = [await Batch.read(records[at : at + _BATCH], cells) for at in range(0, len(records), _BATCH)]
    began = time.perf_counter()
    for batch in read:
        rows, fresh = cells.fresh(batch.new_cells)
        async with database.statement() as connection:
            await ledger.count(connection, batch.columns, rows)
        cells.remember(fresh)
    seconds = time.perf_counter() - began
    await database.close()
    return len(records) / seconds
