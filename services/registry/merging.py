"""Two records become one child, because a person said so; and the way back.

An id that was merged stands for the other for ever, since whoever counts has followed: a child taken out again gets a
new id, and every statement is linked anew. Nothing here is ever done without a person.
"""

from __future__ import annotations

from dataclasses import replace

from services.registry.desk import Desk, emit_link, today
from services.registry.domain.matching import blocking_keys, traits_of
from services.registry.store import children as store
from services.registry.store import pairs
from services.registry.store.children import ChildRow
from services.registry.store.pairs import Merge
from shared.contracts.registry import ChildMerged
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope


class NotPossibleError(Exception):
    """The records are no longer what they were: merged already, undone already, or one and the same."""


async def decide(scope: Scope, desk: Desk, pair_id: int, *, same: bool, by: str) -> str | None:
    """A person decides a pair. Out: the merge's id where the two are one. Raises `NotPossibleError`, LookupError."""
    found = await pairs.pair(scope.connection, pair_id)
    if found is None:
        raise LookupError("no such pair")
    if found.state != "open":
        raise NotPossibleError
    if not same:
        await pairs.decide_pair(scope.connection, pair_id, "different", scope.now, by)
        return None
    return await merge(scope, desk, found.low, found.high, by, pair_id=pair_id)


async def merge(scope: Scope, desk: Desk, one: str, other: str, by: str, *, pair_id: int | None = None) -> str:
    """Two records are one child; the elder id goes on. Out: the merge's id, to undo it.

    Raises `NotPossibleError`, LookupError.
    """
    connection = scope.connection
    # Ids are made in the order of time, and locked in that order by everybody.
    kept, gone = [await _live(scope, child_id) for child_id in sorted({one, other})] if one != other else (None, None)
    if kept is None or gone is None:
        raise NotPossibleError
    moved = await store.statements(connection, gone.id)
    records = await pairs.unite(connection, gone.id, kept.id, scope.now)
    merge_id = new_id()
    await pairs.put_merge(
        connection, Merge(merge_id, kept.id, gone.id, tuple(records), pair_id, scope.now, by, undone_at=None)
    )
    sequence = await desk.refresh(scope, kept, by, today(scope))
    after = await _live(scope, kept.id)
    event = ChildMerged(child_id=kept.id, facts=after.known.facts, merged_id=gone.id)
    await scope.emit(event, subject=kept.id, sequence=sequence + 1, unit=after.known.unit)
    await store.save_child(connection, kept.id, sequence + 1, after.known, scope.now)
    for said in moved:
        later = replace(said, sequence=said.sequence + 1)
        await store.put_statement(connection, kept.id, later, (), scope.now)
        await emit_link(scope, kept.id, later)
    await _settle_pairs(scope, kept.id, gone.id, by)
    for child_id in (kept.id, gone.id):
        await store.add_history(connection, child_id, scope.now, "merged", by, kept=kept.id, gone=gone.id)
    return merge_id


async def undo(scope: Scope, desk: Desk, merge_id: str, by: str) -> str:
    """The two were not one child after all: what came by the merge goes to a new record. Out: the new child's id.

    Raises `NotPossibleError`, LookupError.
    """
    connection = scope.connection
    found = await pairs.merge(connection, merge_id)
    if found is None:
        raise LookupError("no such merge")
    if found.undone_at is not None:
        raise NotPossibleError
    kept = await _live(scope, found.kept)
    back = [said for said in await store.statements(connection, kept.id) if said.record_id in found.records]
    if not back:
        raise NotPossibleError
    # A person's correction is only a part of a description: it does not found a record.
    back.sort(key=lambda said: said.register_kind == "registry-page")
    first, *rest = [replace(said, sequence=said.sequence + 1) for said in back]
    child_id = await desk.register(scope, replace(first, probability=None))
    await pairs.take_back(connection, found.records, kept.id, child_id)
    for said in rest:
        keys = blocking_keys(traits_of(said.description, said.unit, said.as_of))
        await store.put_statement(connection, child_id, said, keys, scope.now)
        await emit_link(scope, child_id, said)
    await desk.refresh(scope, await _live(scope, child_id), by, today(scope))
    await desk.refresh(scope, kept, by, today(scope))
    for row_id in (kept.id, child_id):
        row = await _live(scope, row_id)
        await store.file(connection, row_id, blocking_keys(row.traits))
    for said in await store.statements(connection, kept.id):
        keys = blocking_keys(traits_of(said.description, said.unit or kept.known.unit, said.as_of))
        await store.file(connection, kept.id, keys)
    await pairs.point(connection, found.gone, child_id, scope.now)
    await pairs.mark_undone(connection, merge_id, scope.now, by)
    if found.pair_id is not None:
        await pairs.decide_pair(connection, found.pair_id, "different", scope.now, by)
    for row_id in (kept.id, child_id):
        await store.add_history(connection, row_id, scope.now, "separated", by, kept=kept.id, new=child_id)
    return child_id


async def _live(scope: Scope, child_id: str) -> ChildRow:
    row = await store.child(scope.connection, child_id, lock=True)
    if row is None:
        raise LookupError("no such child")
    if row.merged_into is not None:
        raise NotPossibleError
    return row


async def _settle_pairs(scope: Scope, kept: str, gone: str, by: str) -> None:
    """The pair itself is decided; what else `gone` was compared with is compared with `kept`."""
    for found in await pairs.pairs_of(scope.connection, gone):
        other = found.high if found.low == gone else found.low
        state = "same" if other == kept else "void"
        await pairs.decide_pair(scope.connection, found.id, state, scope.now, by)
        if state == "void":
            await pairs.move_pair(scope.connection, found, kept, other, scope.now)
