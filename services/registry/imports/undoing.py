"""An import taken back: what it said is said no more, what others added meanwhile stays.

A child that only this import tells of is withdrawn. One to which others have added something stays, without what the
import said where the rest can stand alone, with it where it cannot: a nameless record helps nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import orjson
from sqlalchemy import Row

from services.registry.desk import Desk, emit_link, today
from services.registry.domain.children import Statement
from services.registry.domain.names import fold
from services.registry.domain.recorded import left_record
from services.registry.domain.traits import blocking_keys, traits_of
from services.registry.store import children as store
from services.registry.store import imports, revisions
from services.registry.store.children import ChildRow
from services.registry.store.imports import ImportRow
from services.registry.store.packing import marks_of
from shared.contracts.registry import ChildWithdrawn, RecordWithdrawn
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.router import Scope
from shared.privacy import Keys

_SOME = 500


async def undo_some(scope: Scope, keys: Keys, row: ImportRow) -> Counter[str]:
    """Take back some of what an import said. Out: `seen` records (0: all are done), `withdrawn` children and
    statements, `restored` and `kept` ones."""
    said = await imports.records(scope.connection, row.id, _SOME)
    counts: Counter[str] = Counter(seen=len(said))
    if not said:
        return counts
    founded = sorted({str(record.child_id) for record in said if record.founded})
    busy = await imports.others_words(scope.connection, row.id, founded)
    alone = [child_id for child_id in founded if child_id not in busy]
    gone = await _withdraw(scope, alone, row.who)
    desk = Desk(keys)
    for record in said:
        if str(record.record_id) not in gone:
            counts[await _take_back(scope, desk, record, row)] += 1
    # What an import made of a record that was another child's is nobody's any more once that child has it back.
    empty = await imports.wordless(scope.connection, founded)
    gone |= await _withdraw(scope, [child_id for child_id in empty if child_id not in alone], row.who)
    alone += [child_id for child_id in empty if child_id not in alone]
    await imports.forget_records(scope.connection, row.id, [*(str(record.record_id) for record in said), *gone])
    counts["withdrawn"] += len(gone)
    counts["children_withdrawn"] += len(alone)
    return counts


async def _withdraw(scope: Scope, children: Sequence[str], actor: str) -> dict[str, int]:
    """Children that only the import tells of. Out: the records that went with them."""
    found = [await store.child(scope.connection, child_id, lock=True) for child_id in children]
    # Somebody may have withdrawn one before: then its sources alone are left to go.
    rows = [row for row in found if row is not None and row.status != "withdrawn"]
    for row in rows:
        await revisions.put(scope.connection, row.id, scope.now, actor, "withdrawn")
    taken_back = await imports.withdraw_children(scope.connection, children, scope.now)
    for record in taken_back:
        await _tell_withdrawn(scope, str(record.record_id), str(record.child_id), record.sequence + 1)
    for row in rows:
        facts = row.known.facts.model_copy(update={"status": "withdrawn", "circumstances": [], "disability": False})
        event = ChildWithdrawn(child_id=row.id, facts=facts, reason="import-undone")
        await scope.emit(event, subject=row.id, sequence=row.sequence + 1, unit=row.known.unit)
        await store.add_history(scope.connection, row.id, scope.now, "withdrawn", "import")
    gone = {str(record.record_id): record.sequence + 1 for record in taken_back}
    await imports.mark_withdrawn(scope.connection, list(gone.items()))
    return gone


async def _take_back(scope: Scope, desk: Desk, record: Row[Any], row: ImportRow) -> str:
    """One statement on a child that others speak of too. Out: what became of it."""
    record_id = str(record.record_id)
    found = await store.statement(scope.connection, record_id)
    if found is None or found[1].sequence != record.sequence:
        return "kept"  # its source has said something else since: that stays
    child_id, said = found
    child = await store.current(scope.connection, child_id, lock=True)
    if child is None:
        return "kept"
    if record.before is not None:
        before = replace(_restored(record.before), sequence=said.sequence + 1)
        if (first := await _given_away_by(scope, record.before, child)) is not None:
            left_id = left_record(record_id, record.before["s_sequence"])
            await _give_back(scope, desk, before, left_id, first, child, row.who)
            return "restored"
        traits = traits_of(before.description, before.unit or child.known.unit, before.as_of)
        await store.put_statement(scope.connection, child.id, before, blocking_keys(traits), scope.now)
        await emit_link(scope, child.id, before)
        await desk.refresh(scope, child, row.who, today(scope))
        return "restored"
    others = [one for one in await store.statements(scope.connection, child.id) if one.record_id != record_id]
    if not any(fold(one.description.name) for one in others):
        return "kept"
    await imports.withdraw_statement(scope.connection, record_id)
    await imports.mark_withdrawn(scope.connection, [(record_id, said.sequence + 1)])
    await _tell_withdrawn(scope, record_id, child.id, said.sequence + 1)
    await desk.refresh(scope, child, row.who, today(scope))
    return "withdrawn"


async def _given_away_by(scope: Scope, kept: dict[str, Any], child: ChildRow) -> ChildRow | None:
    """The child of whom a record told before its source gave it to another; None where it is the same one."""
    first = await store.current(scope.connection, kept["child_id"], lock=True) if kept.get("child_id") else None
    return None if first is None or first.id == child.id or first.status == "erased" else first


async def _give_back(
    scope: Scope, desk: Desk, before: Statement, left_id: str, first: ChildRow, second: ChildRow, actor: str
) -> None:
    """A record tells of its first child again, in its own name instead of the one under which that had stayed."""
    left = await store.statement(scope.connection, left_id)
    if left is not None:
        await imports.withdraw_statement(scope.connection, left_id)
        await imports.mark_withdrawn(scope.connection, [(left_id, left[1].sequence + 1)])
        await _tell_withdrawn(scope, left_id, first.id, left[1].sequence + 1)
    traits = traits_of(before.description, before.unit, before.as_of)
    await store.put_statement(scope.connection, first.id, before, blocking_keys(traits), scope.now)
    await emit_link(scope, first.id, before)
    for child in (first, second):
        await desk.refresh(scope, child, actor, today(scope))


async def _tell_withdrawn(scope: Scope, record_id: str, child_id: str, sequence: int) -> None:
    event = RecordWithdrawn(record_id=record_id, child_id=child_id)
    await scope.emit(event, subject=record_id, sequence=sequence)


def _restored(kept: dict[str, Any]) -> Statement:
    """A statement as `import_record.before` holds it: its columns."""
    return Statement(
        record_id=kept["record_id"],
        register_kind=kept["register_kind"],
        sector=kept["sector"],
        as_of=date.fromisoformat(kept["as_of"]),
        description=ChildDescription.model_validate(orjson.loads(kept["s_description"])),
        unit=kept["s_unit"],
        unit_text=kept["unit_text"],
        circumstances=tuple(kept["s_circumstances"]),
        dropped_out=kept["dropped_out"],
        sequence=kept["s_sequence"],
        probability=kept["probability"],
        marks=marks_of(orjson.loads(kept["marks"])),
    )
