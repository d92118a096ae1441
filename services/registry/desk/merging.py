"""Two records become one child, because a person said so; and the way back.

An id that was merged stands for the other for ever, since whoever counts has followed: a child taken out again gets a
new id, and every statement is linked anew. A split is a merge's undoing without the merge. Nothing here is ever done
without a person.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from services.registry.desk import quality
from services.registry.desk.following import today
from services.registry.desk.linking import emit_link
from services.registry.desk.records import Desk
from services.registry.desk.support import settle_support
from services.registry.domain import lifecycle
from services.registry.domain.children import Statement
from services.registry.domain.matching import Match, compare
from services.registry.domain.names import fold
from services.registry.domain.traits import blocking_keys, traits_of
from services.registry.store import children as store
from services.registry.store import identifications, imports, pairs
from services.registry.store import lifecycle as lives
from services.registry.store.children import ChildRow
from services.registry.store.pairs import Merge
from shared.contracts.registry import ChildIdentified, ChildMerged, ChildReturned, ChildSplit
from shared.contracts.vocabulary import RecordStatus
from shared.messaging.outbox import new_id, stable_id
from shared.messaging.router import Scope

_ENDED: Final = frozenset({"deceased", "moved-away", "aged-out"})


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
        # What speaks for one child now: the pair comes back only where something else does later.
        rows = [await _live(scope, child_id) for child_id in (found.low, found.high)]
        said = compare(rows[0].traits, rows[1].traits)
        now_known = [Match(found.high, said.probability, tuple(said.reasons))]
        await pairs.put_pairs(scope.connection, found.low, now_known, scope.now)
        await pairs.decide_pair(scope.connection, pair_id, "different", scope.now, by)
        await quality.settle(scope, found.low, found.high)
        return None
    return await merge(scope, desk, found.low, found.high, by, pair_id=pair_id)


async def merge(
    scope: Scope, desk: Desk, one: str, other: str, by: str, *, pair_id: int | None = None, lead: str | None = None
) -> str:
    """Two records are one child; the elder id goes on. Out: the merge's id, to undo it.

    Args:
        lead: whose death, move or return stands, where the other record is nothing but a report that nobody has looked
            at; None: both records must say the same of it.
    Raises `NotPossibleError`, `Rejected` where the one or the other is closed so that they cannot be one, LookupError.
    """
    connection = scope.connection
    # Ids are made in the order of time, and locked in that order by everybody.
    kept, gone = [await _live(scope, child_id) for child_id in sorted({one, other})] if one != other else (None, None)
    if kept is None or gone is None:
        raise NotPossibleError
    stood = [(await lives.standing(connection, row.id)).life for row in (kept, gone)]
    status = lifecycle.unite(*stood).status if lead is None else stood[lead == gone.id].status
    moved = await store.statements(connection, gone.id)
    records = await pairs.unite(connection, gone.id, kept.id, scope.now)
    merge_id = new_id()
    await pairs.put_merge(
        connection,
        Merge(
            merge_id,
            kept.id,
            gone.id,
            tuple(records),
            pair_id,
            scope.now,
            by,
            undone_at=None,
            kept_status=stood[0].status,
        ),
    )
    await pairs.protect_like(connection, kept.id, gone.id)
    sequence = await desk.refresh(scope, kept, by, today(scope), cause="merged")
    if status != stood[0].status:
        await _stand(scope, kept.id, sequence, status)
    after = await _live(scope, kept.id)
    event = ChildMerged(child_id=kept.id, facts=after.known.facts, merged_id=gone.id, merged_unit=gone.known.unit)
    await scope.emit(event, subject=kept.id, sequence=sequence + 1, unit=after.known.unit)
    await store.save_child(connection, kept.id, sequence + 1, after.known, scope.now)
    for said in moved:
        later = replace(said, sequence=said.sequence + 1)
        await store.put_statement(connection, kept.id, later, (), scope.now)
        await emit_link(scope, kept.id, later)
    await imports.follow(connection, [said.record_id for said in moved], gone.id, kept.id)
    await _settle_pairs(scope, kept.id, gone.id, by)
    await settle_support(scope, kept.id)
    await quality.settle(scope, kept.id, gone.id)
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
    child_id = await _part(scope, desk, kept, found.records, by, replaces=found.gone)
    await pairs.point(connection, found.gone, child_id, scope.now)
    await _return(scope, found)
    await pairs.mark_undone(connection, merge_id, scope.now, by)
    await settle_support(scope, found.kept, child_id)
    if found.pair_id is not None:
        await pairs.decide_pair(connection, found.pair_id, "different", scope.now, by)
    return child_id


async def split(
    scope: Scope, desk: Desk, child_id: str, records: Collection[str], reason: str, by: str
) -> tuple[str, str]:
    """One record is two children: a person says which statements and observations are the other child's.

    Out: the split's id, to undo it, and the new child's. Something must stay, and something must go that can found a
    record; what people corrected on this very record stays with it. Raises `NotPossibleError`, LookupError.
    """
    kept = await _live(scope, child_id)
    said = await store.statements(scope.connection, child_id)
    if not may_part(kept.id, said, records):
        raise NotPossibleError
    parted = await _part(scope, desk, kept, records, by, reason=reason)
    split_id = new_id()
    await pairs.put_split(scope.connection, split_id, kept.id, parted, records, reason, scope.now, by)
    return split_id, parted


async def undo_split(scope: Scope, desk: Desk, split_id: str, by: str) -> str:
    """The two are one child after all. Out: the id that goes on. Raises `NotPossibleError`, LookupError."""
    found = await pairs.split(scope.connection, split_id)
    if found is None:
        raise LookupError("no such split")
    if found.undone_at is not None:
        raise NotPossibleError
    await merge(scope, desk, found.kept, found.parted, by)
    await pairs.mark_split_undone(scope.connection, split_id, scope.now, by)
    await pairs.settle(scope.connection, found.kept, found.parted, "same", scope.now, by)
    return min(found.kept, found.parted)


def may_part(child_id: str, said: Sequence[Statement], records: Collection[str]) -> bool:
    """Whether the chosen records can be taken from a child: one that tells of a child goes, and one stays."""
    chosen = [statement for statement in said if statement.record_id in records]
    own = own_correction(child_id)
    # A correction names only what it changed, and cannot found a record.
    founding = any(fold(statement.description.name) for statement in chosen)
    return founding and len(chosen) < len(said) and all(statement.record_id != own for statement in chosen)


def own_correction(child_id: str) -> str:
    """The record under which people's corrections of a child are kept."""
    return stable_id("registry-page", child_id)


async def _part(
    scope: Scope,
    desk: Desk,
    kept: ChildRow,
    records: Collection[str],
    by: str,
    *,
    replaces: str | None = None,
    reason: str = "",
) -> str:
    """What `records` say goes to a new child. Out: its id. Raises `NotPossibleError` where they say nothing."""
    connection = scope.connection
    lifecycle.part((await lives.standing(connection, kept.id)).life)
    back = [said for said in await store.statements(connection, kept.id) if said.record_id in records]
    if not back:
        raise NotPossibleError
    # A person's correction is only a part of a description: it does not found a record.
    back.sort(key=lambda said: said.register_kind == "registry-page")
    first, *rest = [replace(said, sequence=said.sequence + 1) for said in back]
    child_id = await desk.register(scope, replace(first, probability=None))
    await pairs.take_back(connection, list(records), kept.id, child_id)
    for said in rest:
        keys = blocking_keys(traits_of(said.description, said.unit, said.as_of))
        await store.put_statement(connection, child_id, said, keys, scope.now)
        await emit_link(scope, child_id, said)
    await imports.follow(connection, [said.record_id for said in back], kept.id, child_id)
    sequence = await desk.refresh(scope, await _live(scope, child_id), by, today(scope), cause="separated")
    before = await store.child(connection, replaces) if replaces is not None else None
    if before is not None:
        # Who was known to be dead or gone before the merge is so after it.
        await pairs.protect_like(connection, child_id, before.id)
        if before.status in _ENDED:
            await _stand(scope, child_id, sequence, before.status)
    await desk.refresh(scope, kept, by, today(scope), cause="separated")
    for row_id in (kept.id, child_id):
        row = await _live(scope, row_id)
        await store.file(connection, row_id, blocking_keys(row.traits))
    for said in await store.statements(connection, kept.id):
        keys = blocking_keys(traits_of(said.description, said.unit or kept.known.unit, said.as_of))
        await store.file(connection, kept.id, keys)
    await _tell_split(scope, kept.id, child_id, back, replaces)
    await _decided_different(scope, kept.id, child_id, by)
    for row_id in (kept.id, child_id):
        detail = {"reason": reason} if reason else {}
        await store.add_history(connection, row_id, scope.now, "separated", by, kept=kept.id, new=child_id, **detail)
    return child_id


async def _stand(scope: Scope, child_id: str, sequence: int, status: RecordStatus) -> None:
    """A record stands otherwise by a merge or its undoing; the event that follows tells it."""
    life = (await lives.standing(scope.connection, child_id)).life
    if status == "active":  # whoever comes back is looked at anew
        life = replace(life, state="collected", checked_on=None)
    await lives.save(scope.connection, child_id, sequence, replace(life, status=status, due_on=None), scope.now)


async def _return(scope: Scope, undone: Merge) -> None:
    """The record that went on stands as it did before the merge, where that is what changed it."""
    kept = await _live(scope, undone.kept)
    gone = await store.child(scope.connection, undone.gone)
    if gone is None or kept.status in {undone.kept_status, "withdrawn", "adopted"} or kept.status != gone.status:
        return
    await _stand(scope, kept.id, kept.sequence + 1, undone.kept_status)
    after = await _live(scope, kept.id)
    event = ChildReturned(child_id=kept.id, facts=after.known.facts, was=kept.status)
    await scope.emit(event, subject=kept.id, sequence=after.sequence, unit=after.known.unit)


async def _tell_split(scope: Scope, kept: str, child_id: str, moved: Sequence[Statement], replaces: str | None) -> None:
    """Tell everybody, and each case that was about the child that was taken out whom it is about now."""
    row = await _live(scope, child_id)
    event = ChildSplit(
        child_id=child_id,
        facts=row.known.facts,
        from_child_id=kept,
        from_unit=(await _live(scope, kept)).known.unit,
        replaces_id=replaces,
    )
    await scope.emit(event, subject=child_id, sequence=row.sequence + 1, unit=row.known.unit)
    await store.save_child(scope.connection, child_id, row.sequence + 1, row.known, scope.now)
    records = {said.record_id for said in moved}
    # Cases may know the child by an id that had been merged into the one that was taken out.
    own = set(await lives.ids_of(scope.connection, replaces)) if replaces is not None else set()
    for case_id, before in await identifications.cases_of(scope.connection, [kept, *own]):
        if before in own or stable_id("case", case_id) in records:
            sequence = await identifications.put(scope.connection, case_id, child_id)
            answer = ChildIdentified(case_id=case_id, result="existing", child_id=child_id, facts=row.known.facts)
            await scope.emit(answer, subject=case_id, sequence=sequence, unit=row.known.unit)


async def _decided_different(scope: Scope, one: str, other: str, by: str) -> None:
    """Whoever parted them said that they are two: nobody is asked again."""
    found = compare((await _live(scope, one)).traits, (await _live(scope, other)).traits)
    match = Match(other, found.probability, tuple(found.reasons))
    await pairs.put_pairs(scope.connection, one, [match], scope.now)
    await pairs.settle(scope.connection, one, other, "different", scope.now, by)


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
