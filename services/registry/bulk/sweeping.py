"""The pass over every record: which of them may be one child. It queues questions and never merges.

It runs in a process of its own, one at a time however many replicas there are. What it has found out is in the
database, so that a pass that was killed goes on where it was.
"""

from __future__ import annotations

import asyncio
import marshal
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

import structlog

from services.registry.bulk.proposing import Workshop, sweep_away, workshop
from services.registry.domain.matching import POSSIBLE, SURE, Match, compare
from services.registry.domain.names import Name
from services.registry.domain.traits import Traits
from services.registry.store import pairs, sweeps
from services.registry.store.children import ChildRow
from services.registry.store.sweeps import Sweep
from shared.apart import run_apart
from shared.database import Database
from shared.messaging.outbox import new_id
from shared.messaging.router import Clock
from shared.messaging.waiting import either
from shared.reference.calendar import LOCAL

_LOG = structlog.get_logger(__name__)
MODULE: Final = "services.registry.bulk"
_JUDGED_AT_ONCE: Final = 1_000
_PUT_AT_ONCE: Final = 5_000
_MOST_ATTEMPTS: Final = 3
# By night, once, where nobody asked by day: facts that came since may have made one child of two records.
_NIGHT: Final = range(1, 5)
_PAUSE: Final = timedelta(hours=20)
_LOOK_SECONDS: Final = 5.0


async def sweep(database: Database, clock: Clock, folder: Path, batch: int = _JUDGED_AT_ONCE) -> bool:
    """Do what is left of the pass that was asked for last. Out: whether there was one and nobody else is at it.

    In: `folder`: where the search for pairs keeps what does not fit in memory, while it runs; nobody else's.
    """
    async with sweeps.alone(database) as mine:
        if not mine:
            return False
        await asyncio.to_thread(sweep_away, folder)
        async with database.transaction() as connection:
            found = await sweeps.latest(connection)
            if found is None or not found.unfinished:
                return False
            if found.attempts >= _MOST_ATTEMPTS:
                await sweeps.say(connection, found.id, clock(), state="failed", reason="interrupted")
                return False
            await sweeps.say(connection, found.id, clock(), attempts=found.attempts + 1)
        try:
            if found.state != "judging":
                await _propose(database, clock, found, folder)
            await _judge(database, clock, found.id, batch)
        except Exception as error:  # in whichever library's words; what was judged stays judged
            _LOG.error("sweep.failed", reason=type(error).__name__)
            async with database.transaction() as connection:
                await sweeps.forget_proposals(connection)
                await sweeps.say(connection, found.id, clock(), state="failed", reason=type(error).__name__)
            return False
    return True


async def _propose(database: Database, clock: Clock, found: Sweep, folder: Path) -> None:
    async with database.transaction() as connection:
        await sweeps.say(connection, found.id, clock(), state="blocking")
    with workshop(folder) as shop:
        children = 0
        async with database.transaction() as connection:
            async for batch in sweeps.everybody(connection):
                children = shop.load("children", map(_record, batch))
        async with database.transaction() as connection:
            await sweeps.say(connection, found.id, clock(), children=children)
        # All or nothing: a half of the proposals would look like all of them.
        async with database.transaction() as connection:
            await sweeps.forget_proposals(connection)
            proposed = 0
            likely = _likely(shop) if children else iter(())
            while ordered := list(islice(likely, _PUT_AT_ONCE)):
                await sweeps.put_proposals(connection, proposed + 1, ordered)
                proposed += len(ordered)
            await sweeps.say(connection, found.id, clock(), state="judging", proposed=proposed, judged=0)


def _record(row: ChildRow) -> tuple[str, Traits, bytes]:
    traits = row.traits
    return row.id, traits, packed(traits)


def packed(traits: Traits) -> bytes:
    """Traits to be kept by. Plain values: classes with slots pack and unpack many times slower."""
    values = {name: getattr(traits, name) for name in Traits.__dataclass_fields__}
    values["name"] = (traits.name.tokens, traits.name.marked)
    for several in ("carers", "nicknames"):
        values[several] = [(name.tokens, name.marked) for name in values[several]]
    return marshal.dumps({**values, "birth_date": traits.birth_date and traits.birth_date.toordinal()})


def unpacked(kept: bytes) -> Traits:
    """What `packed` has packed."""
    # From this pass's own file, which nobody else can write.
    values = marshal.loads(kept)  # noqa: S302
    values["name"] = Name(*values["name"])
    for several in ("carers", "nicknames"):
        values[several] = tuple(Name(*name) for name in values[several])
    return Traits(**{**values, "birth_date": values["birth_date"] and date.fromordinal(values["birth_date"])})


def _likely(shop: Workshop) -> Iterator[tuple[str, str]]:
    """What the matcher does not throw out of what was proposed, from the traits as they were read: the lower id first.

    A few of a hundred are left; these are judged again by what is known when they are queued.
    """
    for _, proposals in groupby(shop.propose(), key=lambda proposal: proposal.other_number):
        other: Traits | None = None
        for proposal in proposals:
            other = other or unpacked(proposal.other_kept)
            if compare(unpacked(proposal.one_kept), other).probability >= POSSIBLE:
                yield min(proposal.one, proposal.other), max(proposal.one, proposal.other)


async def _judge(database: Database, clock: Clock, sweep_id: str, batch: int) -> None:
    while True:
        async with database.transaction() as connection:
            found = await sweeps.latest(connection)
            if found is None or found.id != sweep_id:
                return
            waiting = await sweeps.proposals(connection, found.judged, batch)
            if not waiting:
                await sweeps.forget_proposals(connection)
                await sweeps.say(connection, sweep_id, clock(), state="done")
                return
            known = await sweeps.children(connection, {child_id for _, *both in waiting for child_id in both})
            sure, unsure = 0, 0
            for one, match in judged(waiting, known):
                await pairs.put_pairs(connection, one, [match], clock())
                sure, unsure = sure + (match.probability >= SURE), unsure + (match.probability < SURE)
            await sweeps.say(
                connection,
                sweep_id,
                clock(),
                attempts=0,  # whoever gets on may be cut off as often as it pleases
                judged=waiting[-1][0],
                sure=found.sure + sure,
                unsure=found.unsure + unsure,
            )


def judged(waiting: Sequence[tuple[int, str, str]], known: dict[str, ChildRow]) -> list[tuple[str, Match]]:
    """What the matcher says of proposed pairs: those that a person should look at, each with the first's id."""
    found = []
    traits = {child_id: row.traits for child_id, row in known.items()}
    for _, one, other in waiting:
        if one in traits and other in traits:
            said = compare(traits[one], traits[other])
            if said.probability >= POSSIBLE:
                found.append((one, Match(other, said.probability, tuple(said.reasons), said.weight)))
    return found


class Sweeps:
    """Passes on demand and by night.

    Args:
        database: the registry's. clock: now, aware UTC. folder: where a pass may keep what does not fit in memory.
    """

    def __init__(self, database: Database, clock: Clock, folder: Path) -> None:
        self._database = database
        self._clock = clock
        self._folder = folder
        self._asked = asyncio.Event()

    async def start(self, by: str) -> dict[str, Any]:
        """Ask for a pass. Out: its state, or that of the one that runs."""
        async with self._database.transaction() as connection:
            await sweeps.ask(connection, new_id(), by, self._clock())
        self._asked.set()
        return await self.state()

    async def state(self) -> dict[str, Any]:
        """`state` (idle, asked, blocking, judging, done, failed), and `judged` of `proposed` pairs."""
        async with self._database.transaction() as connection:
            found = await sweeps.latest(connection)
        if found is None:
            return {"state": "idle", "children": 0, "proposed": 0, "judged": 0, "sure": 0, "unsure": 0}
        numbers = {name: getattr(found, name) for name in ("children", "proposed", "judged", "sure", "unsure")}
        return {
            "state": found.state,
            **numbers,
            "reason": found.reason,
            "asked_at": found.asked_at.isoformat(),
            "changed_at": found.changed_at.isoformat(),
        }

    async def sweep_when_asked(self, stop: asyncio.Event) -> None:
        """Run until `stop`: a pass whenever somebody asked, where one was cut off, and by night."""
        while not stop.is_set():
            async with self._database.transaction() as connection:
                found = await sweeps.latest(connection)
                if is_due(found, self._clock()):
                    await sweeps.ask(connection, new_id(), "night", self._clock())
                    found = await sweeps.latest(connection)
            if found is not None and found.unfinished:
                await self._in_its_own_process(stop)
            await either(self._asked, stop, _LOOK_SECONDS)
            self._asked.clear()

    async def _in_its_own_process(self, stop: asyncio.Event) -> None:
        """What a pass takes of memory and time, it takes from no page; it goes on after a stop at the next start."""
        await run_apart(MODULE, orders(self._database, self._folder), stop)


def orders(database: Database, folder: Path) -> dict[str, str]:
    """What the process of a pass is told (`shared.apart`)."""
    return {"url": database.engine.url.render_as_string(hide_password=False), "folder": str(folder)}


def is_due(last: Sweep | None, now: datetime) -> bool:
    """Whether a pass is due by night."""
    by_night = now.astimezone(LOCAL).hour in _NIGHT
    return by_night and (last is None or (not last.unfinished and now - last.asked_at > _PAUSE))
