"""Erasure by law, through every table that holds a word of the child.

Whoever adds a table that holds words of a child adds it here: a test looks through every column of the database.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.registry.desk.adoption import Adoptions
from services.registry.domain.names import fold
from services.registry.domain.searching import KeptSearch
from services.registry.store import adoption, erasing, imports, revisions, saved
from services.registry.store import children as store
from services.registry.store import lifecycle as lives
from shared.contracts.errors import refuse
from shared.contracts.registry import ChildErased
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.failures import forget_about
from shared.messaging.outbox import OutboxRow, put
from shared.messaging.router import Scope
from shared.privacy import Keys
from shared.privacy.keys import KEYS_TOPIC


def record_name(record_id: str) -> str:
    """By which a source's record is known in what was put aside of its events."""
    return f"record/{record_id}"


async def erase(
    scope: Scope,
    keys: Keys,
    adoptions: Adoptions,
    child_id: str,
    records: Sequence[tuple[str, int]],
    ground: str,
    by: str,
) -> None:
    """Nothing is left that says who a child was, in none of the records that were one with it; its keys are destroyed.

    Args:
        child_id: the record that goes on, locked. records: what its sources said, withdrawn already, each with its
        number.
    """
    connection = scope.connection
    ids = await lives.ids_of(connection, child_id)
    said = [record for record, _ in records]
    # Should a source say one again, it goes on counting where the record stopped.
    await imports.mark_withdrawn(connection, records)
    await _forget_searches(scope, keys, await _descriptions(scope, ids))
    await erasing.forget_imports(connection, ids, await erasing.units_of(connection, ids))
    await erasing.forget_beside(connection, ids, said)
    await erasing.empty(connection, ids)
    await erasing.forget(connection, ids, [adoptions.token(one) for one in ids], scope.now, ground, by)
    for one in ids:
        gone = await store.child(connection, one)
        if gone is None:
            raise LookupError("an erased child without a row")
        await scope.emit(ChildErased(child_id=one), subject=one, sequence=gone.sequence)
        await keys.erase(connection, f"child/{one}")
    await forget_about(scope, [*(f"child/{one}" for one in ids), *map(record_name, said)])
    # After what was told under the key, so that no consumer learns of the erasure before the last event.
    await scope.flush()
    await put(connection, [OutboxRow(KEYS_TOPIC, f"child/{one}", "privacy.key", None, {}) for one in ids])


async def refuse_where_in_use(scope: Scope, adoptions: Adoptions, child_id: str) -> None:
    """What is still to be made of a record is made first. Raises `Rejected`."""
    ids = await lives.ids_of(scope.connection, child_id)
    if await erasing.import_under_way(scope.connection, ids):
        raise refuse(
            "child",
            "import-under-way",
            "Chưa xóa được: danh sách có trẻ này đang nhập dở. Hãy nhập xong hoặc hoàn tác trước.",
            "It cannot be erased: a list with this child is not wholly imported. Finish or undo it first.",
        )
    if await adoption.waits(scope.connection, [adoptions.token(one) for one in ids]):
        raise refuse(
            "child",
            "adoption-under-way",
            "Chưa xóa được: hồ sơ mới của trẻ chưa bắt đầu. Xin thử lại sau vài ngày.",
            "It cannot be erased: the child's new record has not begun. Please try again in some days.",
        )


async def _descriptions(scope: Scope, ids: Sequence[str]) -> list[ChildDescription]:
    """Everything that was ever known of a child."""
    found: list[ChildDescription] = []
    for one in ids:
        row = await store.child(scope.connection, one)
        found += [row.known.description] if row is not None else []
        found += [said.description for said in await store.statements(scope.connection, one)]
        found += [change.before.description for change in await revisions.of_child(scope.connection, one)]
    return found


async def _forget_searches(scope: Scope, keys: Keys, known: Sequence[ChildDescription]) -> None:
    names = {fold(one.name) for one in known} - {""}
    numbers = {one.number for one in known if one.number}
    gone = []
    async for kept in erasing.saved_searches(scope.connection):
        key = keys.open_private(saved.kid(kept.id), kept.wrapped)
        if keys.read_private(key, kept.sealed, KeptSearch).tells_of(names, numbers):
            gone.append(kept.id)
    await erasing.forget_searches(scope.connection, gone)
