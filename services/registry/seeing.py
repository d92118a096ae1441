"""Who may see a record: by place, by what became of it, and blindly where somebody is to collect it again.

One place, so that no page, list or query is a way around it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends

from services.registry.desk import today
from services.registry.store import children as store
from services.registry.store import samples
from services.registry.store.children import ChildRow
from shared.contracts.vocabulary import RecordStatus
from shared.identity import Permission, Principal, permit
from shared.messaging.router import Scope
from shared.reference.keeping import Keeping

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Reader = Annotated[Principal, Depends(permit(Permission.SEE_CHILDREN))]
Editor = Annotated[Principal, Depends(permit(Permission.EDIT_CHILDREN))]


class NotThereError(Exception):
    """There is no such child, pair or merge, or it is not for this person: which of them is not told."""


async def visible(scope: Scope, principal: Principal, rows: Sequence[ChildRow]) -> list[ChildRow]:
    """Those of some records that are there for a person, in their order.

    An adopted child's old record is so only for whom the law names; one that the person is to collect again is not
    until they have answered.
    """
    hidden = unseen(scope, principal)
    blind = await samples.asked_of(scope.connection, principal.id) if rows else ()
    return [
        row
        for row in rows
        if principal.may_see(row.known.unit) and row.known.status not in hidden and row.id not in blind
    ]


async def sees(scope: Scope, principal: Principal, row: ChildRow) -> bool:
    """Whether a record is there for a person, as `visible` says."""
    return bool(await visible(scope, principal, [row]))


async def seen(scope: Scope, principal: Principal, child_id: str, *, lock: bool = False) -> ChildRow:
    """The child that an id stands for today. `lock`: until the transaction's end. Raises `NotThereError`."""
    row = await store.current(scope.connection, child_id, lock=lock) if is_id(child_id) else None
    if row is None or not await sees(scope, principal, row):
        raise NotThereError
    return row


def reads_adoptions(scope: Scope, principal: Principal) -> bool:
    """Whether a person is one whom the law names for adopted children's records."""
    return principal.role.value in Keeping.load().adoption.on(today(scope)).link_roles


def unseen(scope: Scope, principal: Principal) -> frozenset[RecordStatus]:
    """Statuses of records that are not there for a person."""
    return frozenset({"erased"}) if reads_adoptions(scope, principal) else frozenset({"erased", "adopted"})


def is_id(value: str) -> bool:
    """Whether a text has the form of our ids: what has not, the database refuses to look for."""
    return _ID.fullmatch(value) is not None
