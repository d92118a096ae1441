"""Many statements at once: the desk's own `record` for each, on a chunk that is read and written as a whole.

What comes of it is what comes of the same rows one by one (docs/decisions/0022-bulk-import.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.desk import Desk
from services.registry.domain.children import Known, Statement
from services.registry.domain.traits import Traits, traits_of, with_keys
from services.registry.store.chunk import Chunk
from services.registry.store.chunk_writing import Packed
from services.registry.store.nearby import Memory
from shared.messaging.router import Scope
from shared.privacy import Keys, ManyKeys

What = Literal["new", "known", "corrected", "unchanged", "superseded"]
# So many rows are decided while those before them are written.
_PART = 500
# Between so many the event loop may go on with the writing: deciding a row never waits for anything.
_BREATH = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row: `what` (`superseded`: what is there is of a later day, and stays), of which child;
    `unsure`: how many others it may be; `before`: what its record said until then, and of which child (`was`);
    `sequence`: the record's, after it."""

    what: What
    child_id: str
    unsure: int
    before: Statement | None
    sequence: int
    was: str | None = None


async def take_over(
    connection: AsyncConnection,
    keys: Keys,
    said: Sequence[Statement],
    now: datetime,
    *,
    actor: str,
    bulk: str | None = None,
    memory: Memory,
    rehearsal: bool = False,
    wanted: Sequence[Traits] | None = None,
    packed: Sequence[Packed] | None = None,
) -> list[Outcome]:
    """Record each of the statements, in their order, within the transaction.

    Args:
        actor: for the children's history. bulk: the import, whose events bear its id. memory: of the whole import.
        rehearsal: only say what would become of them. wanted, packed: the statements' traits, and what is known of a
            child of whom only one speaks, where they were worked out before.
    """
    wanted = wanted or [with_keys(traits_of(one.description, one.unit, one.as_of)) for one in said]
    alone: Sequence[Packed | None] = packed or [None] * len(said)
    chunk = Chunk(connection, now, memory, rehearsal=rehearsal)
    await chunk.load(said, wanted, alone)
    many = ManyKeys(keys, connection, chunk.idle)
    await many.find([f"child/{child_id}" for child_id in chunk.kids()])
    desk = Desk(many)
    outcomes = []
    try:
        for begin in range(0, len(said), _PART):
            # The chunk answers in the connection's place.
            scope = Scope("registry", cast("AsyncConnection", chunk), now, bulk=bulk)
            for place in range(begin, min(begin + _PART, len(said))):
                chunk.turn(place)
                one = alone[place]
                outcomes.append(
                    await _record(desk, scope, chunk, said[place], actor, wanted[place], one.known if one else None)
                )
                if place % _BREATH == 0:
                    await asyncio.sleep(0)
            then = () if rehearsal else (many.write, partial(_tell, scope, connection))
            await chunk.write_behind(*then)
        await chunk.idle()
    except BaseException:
        await chunk.give_up()
        raise
    return outcomes


async def _tell(scope: Scope, connection: AsyncConnection) -> None:
    scope.connection = connection
    await scope.flush()


async def _record(
    desk: Desk, scope: Scope, chunk: Chunk, said: Statement, actor: str, wanted: Traits, known: Known | None
) -> Outcome:
    earlier = await chunk.statement(said.record_id)
    if earlier is not None and same_content(earlier[1], said):
        return Outcome("unchanged", earlier[0], 0, None, earlier[1].sequence)
    if earlier is not None and earlier[1].as_of > said.as_of:
        # An older list was found in a drawer: what the source said later stands.
        return Outcome("superseded", earlier[0], 0, None, earlier[1].sequence)
    taken = await desk.record(scope, said, correction=True, actor=actor, wanted=wanted, known=known)
    what: What = "new" if taken.new else "known" if earlier is None else "corrected"
    if earlier is None:
        return Outcome(what, taken.child_id, len(taken.possible), None, said.sequence)
    was, before = earlier
    return Outcome(what, taken.child_id, len(taken.possible), before, before.sequence + 1, was)


def same_content(one: Statement, other: Statement) -> bool:
    """Whether a source says again what it said."""
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("register_kind", "sector", "as_of", "description", "unit", "circumstances", "dropped_out")
    )
