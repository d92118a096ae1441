"""Adoption with the identity protected: the old record closes, a new one begins, and nothing ties the two.

The link is sealed under a key of its own and found only through a keyed token of either id. The new record begins at a
random moment, in a transaction of its own: no time, trace or sequence of events gives the two away.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Row

from services.registry.desk.following import today
from services.registry.desk.records import Desk
from services.registry.domain.children import Statement, refusals
from services.registry.domain.traits import traits_of
from services.registry.store import adoption as store
from services.registry.store.children import ChildRow
from shared.contracts.errors import Rejected, refuse
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.privacy import Keys, as_box
from shared.reference.keeping import Keeping

_ACTOR = "dolisa"  # the new record is the child-protection authority's, like any that it registers


class Link(BaseModel):
    """What is sealed: whose record was whose, and until it begins, what the new one is to hold."""

    old: str
    new: str | None = None
    child: ChildDescription | None = None
    unit: str | None = None
    carried: list[str] = []


class Adoptions:
    """Begins, renews, and gives the link to whom the law names."""

    def __init__(self, desk: Desk, keys: Keys, keeping: Keeping) -> None:
        self._desk = desk
        self._keys = keys
        self._rules = keeping

    def token(self, child_id: str) -> bytes:
        """Under what a link is found: nobody without the platform's key can work it out."""
        return self._keys.blind(b"adoption", child_id.encode())

    async def begin(
        self, scope: Scope, row: ChildRow, new: ChildDescription, unit: str, carried: Sequence[str]
    ) -> None:
        """Keep what the new record is to hold until it begins. Raises `Rejected`."""
        day = today(scope)
        if found := refusals(new, day, day):
            raise Rejected(found)
        if unknown := set(carried) - set(row.known.circumstances):
            raise refuse(
                "carried",
                "not-of-the-child",
                "Chỉ chuyển tiếp hoàn cảnh đang có của trẻ.",
                f"Only what holds for the child can be carried on ({len(unknown)} do not).",
            )
        rules = self._rules.adoption.on(day)
        span = (rules.most_hours - rules.least_hours) * 3600
        opens_at = scope.now + timedelta(hours=rules.least_hours, seconds=secrets.randbelow(max(1, int(span))))
        link = Link(old=row.id, child=new, unit=unit, carried=list(carried))
        adoption_id = new_id()
        key, wrapped = self._keys.make_private(adoption_id)
        box = self._keys.seal_private(key, link)
        await store.put(scope.connection, adoption_id, self.token(row.id), wrapped, box, opens_at)

    async def take_back(self, scope: Scope, child_id: str) -> bool:
        """The adoption was recorded by mistake. Out: whether it could be: the new record has not begun."""
        return await store.take_back(scope.connection, self.token(child_id))

    async def opening(self, scope: Scope, limit: int, spoilt: Collection[str]) -> Sequence[str]:
        """The links whose new record's moment has come, locked. `spoilt`: those to pass over."""
        return await store.opening(scope.connection, scope.now, limit, spoilt)

    async def renew(self, scope: Scope, link_id: str) -> None:
        """Begin the new record of a link that is locked."""
        row = await store.link(scope.connection, link_id)
        link = self._open(row)
        new = await self._register(scope, link)
        key = self._keys.open_private(link_id, row.wrapped)
        kept = self._keys.seal_private(key, Link(old=link.old, new=new))
        await store.opened(scope.connection, link_id, self.token(new), kept)

    async def reveal(self, scope: Scope, child_id: str, who: str, purpose: str, note: str) -> str | None:
        """Whose record was whose, for somebody whom the law names: the other record's id, None where there is none.

        The reading is logged whether or not there was anything to read. Raises `Rejected`.
        """
        if purpose not in self._rules.adoption.on(today(scope)).purposes:
            raise refuse("purpose", "purpose-unknown", "Chọn mục đích.", "Choose the purpose.")
        if not note.strip():
            raise refuse("note", "note-missing", "Ghi số văn bản hoặc lý do.", "Write the document's number or why.")
        found = await store.find(scope.connection, self.token(child_id))
        if found is None:
            return None
        await store.log(scope.connection, str(found.id), scope.now, who, purpose, note.strip()[:300])
        link = self._open(found)
        return link.new if child_id == link.old else link.old

    def _open(self, row: Row[Any]) -> Link:
        box = as_box(row.sealed)
        if box is None:
            raise ValueError("a link that is not sealed")
        return self._keys.read_private(self._keys.open_private(str(row.id), row.wrapped), box, Link)

    async def _register(self, scope: Scope, link: Link) -> str:
        if link.child is None:
            raise ValueError("nothing is known of the child's new record")
        record_id = new_id()
        said = Statement(
            record_id=record_id,
            register_kind="registry-page",
            sector=_ACTOR,
            as_of=today(scope),
            description=link.child,
            unit=link.unit,
            circumstances=tuple(link.carried),
        )
        # A register of the new home may have told of the child meanwhile. The old record is no answer.
        wanted = traits_of(link.child, link.unit, today(scope))
        found = await self._desk.identify(scope, wanted, leave_out=link.old)
        if found.sure is not None:
            there = await self._desk.confirm(scope, found.sure.child_id, said, _ACTOR)
            if there is not None:
                return there
        return await self._desk.register(scope, said, found.possible)
