"""Who may be meant by each of many descriptions: one question to the database for all of them, by blocking keys.

It must find whom `children.candidates` finds, less those whom the domain's comparison would put aside anyway.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import asyncpg
from sqlalchemy import Row

from services.registry.domain.matching import POSSIBLE, compare, may_be
from services.registry.domain.traits import Traits, search_keys
from services.registry.store.children import CHILD_COLUMNS, COMPARED, PER_KEY, child_of
from shared.contracts.vocabulary import RecordStatus

_REMEMBERED = 20_000
# So many descriptions are compared while the next as many are looked up, and between so many of them the event loop
# may go on with the looking up.
_PART = 200
_BREATH = 4


@dataclass(frozen=True, slots=True)
class Tables:
    """Where children and their keys lie: the registry's own, or those of a rehearsal."""

    child: str = "child"
    block: str = "block"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A child that may be meant: as much of it as a comparison needs."""

    id: str
    traits: Traits
    status: RecordStatus


class Memory:
    """What tells children apart, remembered from chunk to chunk of one import for as long as their rows stay as they
    were (`xmin` tells), and never more than a fixed number of them."""

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._most = most
        self._known: OrderedDict[str, tuple[int, Candidate]] = OrderedDict()

    def find(self, child_id: str, version: int) -> Candidate | None:
        """What is remembered of this version of a child."""
        found = self._known.get(child_id)
        if found is None or found[0] != version:
            return None
        self._known.move_to_end(child_id)
        return found[1]

    def put(self, version: int, found: Candidate) -> None:
        """Remember a version of a child."""
        self._known[found.id] = (version, found)
        self._known.move_to_end(found.id)
        while len(self._known) > self._most:
            self._known.popitem(last=False)


@dataclass(slots=True)
class Near:
    """Who is near one description.

    `keys`: those it is looked for under. `ids`: all filed under any of them. `likely`: those of them that the
    comparison leaves, and how sure it is.
    """

    keys: frozenset[int]
    ids: set[str] = field(default_factory=set)
    likely: dict[str, tuple[Candidate, float]] = field(default_factory=dict)


class Neighbourhood:
    """The children near many descriptions.

    Args:
        memory: of the import. places: the tables to look in.
    """

    def __init__(self, memory: Memory, places: Sequence[Tables] = (Tables(),)) -> None:
        self._memory = memory
        self._places = places
        # Who is filed under each key, as many as are looked at.
        self.under: dict[int, list[str]] = {}
        self._known: dict[str, Candidate] = {}
        self._asked: set[str] = set()

    async def look(self, raw: asyncpg.Connection, wanted: Sequence[Traits]) -> list[Near]:
        """Who is near each of the descriptions, in their order. The next ones are looked up while these are compared:
        the database and Python take about as long."""
        found = [Near(search_keys(traits)) for traits in wanted]
        reading = asyncio.ensure_future(self._read(raw, found[:_PART]))
        try:
            for begin in range(0, len(found), _PART):
                await reading
                end = begin + _PART
                if end < len(found):
                    reading = asyncio.ensure_future(self._read(raw, found[end : end + _PART]))
                for place in range(begin, min(end, len(found))):
                    if place % _BREATH == 0:
                        await asyncio.sleep(0)
                    found[place].likely = _likely(wanted[place], found[place].ids, self._known)
        finally:
            # Nothing else may be asked on the connection while it is at this.
            reading.cancel()
            await asyncio.wait([reading])
        return found

    async def _read(self, raw: asyncpg.Connection, part: Sequence[Near]) -> None:
        """Who is filed under the keys of some, and what tells those apart."""
        fresh = {key for near in part for key in near.keys} - self.under.keys()
        self.under |= {key: [] for key in fresh}
        for place in self._places:
            rows = await raw.fetch(
                f"""SELECT k.key, b.child_id FROM unnest($1::bigint[]) AS k(key)
                    CROSS JOIN LATERAL (SELECT child_id FROM {place.block} AS x WHERE x.key = k.key
                                        LIMIT {PER_KEY}) b""",
                sorted(fresh),
            )
            for key, child_id in rows:
                self.under[key].append(str(child_id))
        for near in part:
            near.ids.update(*(self.under[key] for key in near.keys))
        ids = set().union(*(near.ids for near in part)) - self._asked
        self._asked |= ids
        self._known |= await self._candidates(raw, ids)
        for near in part:
            near.ids &= self._known.keys()

    async def _candidates(self, raw: asyncpg.Connection, ids: Collection[str]) -> dict[str, Candidate]:
        """What tells the children apart, without those that were merged into another."""
        known: dict[str, Candidate] = {}
        for place in self._places:
            rows = await raw.fetch(
                f"""SELECT c.id, c.xmin::text::bigint FROM unnest($1::uuid[]) AS w(id)
                    CROSS JOIN LATERAL (SELECT id, xmin FROM {place.child} AS x WHERE x.id = w.id
                                        AND merged_into IS NULL OFFSET 0) c""",
                list(ids),
            )
            versions = {str(child_id): version for child_id, version in rows}
            unread = []
            for child_id, version in versions.items():
                remembered = self._memory.find(child_id, version)
                if remembered is None:
                    unread.append(child_id)
                else:
                    known[child_id] = remembered
            for row in await raw.fetch(f"SELECT {CHILD_COLUMNS} FROM {place.child} WHERE id = ANY($1::uuid[])", unread):
                child = child_of(cast("Row[Any]", _Record(row)))
                known[child.id] = Candidate(child.id, child.traits, child.status)
                self._memory.put(versions[child.id], known[child.id])
        return known


def most_telling(hits: Iterable[Sequence[str]], leave_out: str | None) -> Collection[str]:
    """Of those filed under some keys, each key's in its own list, the ones that `children.candidates` compares: who
    share the most and the rarest."""
    worth: dict[str, float] = {}
    for ids in hits:
        for child_id in ids:
            worth[child_id] = worth.get(child_id, 0.0) + 1 / len(ids)
    worth.pop(leave_out or "", None)
    if len(worth) <= COMPARED:
        return worth
    # Rounded, for the order in which parts are added up must not decide.
    return sorted(worth, key=lambda child_id: (-round(worth[child_id], 12), child_id))[:COMPARED]


def _likely(wanted: Traits, ids: Iterable[str], known: Mapping[str, Candidate]) -> dict[str, tuple[Candidate, float]]:
    found: dict[str, tuple[Candidate, float]] = {}
    for child_id in ids:
        traits = known[child_id].traits
        if may_be(wanted, traits) and (probability := compare(wanted, traits).probability) >= POSSIBLE:
            found[child_id] = (known[child_id], probability)
    return found


class _Record:
    """A row of the driver's, read as one of SQLAlchemy's."""

    __slots__ = ("_row",)

    def __init__(self, row: Any) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return self._row[name]
