"""The desk's drafts: what somebody types is kept while they type, and nobody but they sees it.

A draft's key is made for it, published nowhere, and destroyed with it: sent or thrown away, it can be opened no more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.cases import store
from services.cases.domain.model import Actor, refuse
from services.cases.store import DraftRow
from shared.contracts.errors import Rejected
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.privacy import Keys

Values = Mapping[str, Sequence[str]]
# What nobody touched for so long will not be sent: a child's name should not lie about for ever.
KEPT = timedelta(days=30)
_MOST = 100
_LONGEST = 300_000
# `report/<id>`, `case/<id>/<act>`, `task/<id>/answer`: what it belongs to, and last which form.
_KEY = re.compile(r"[a-z]{1,20}(/[A-Za-z0-9-]{1,60}){1,2}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft, opened. `version`: what the page has to name when it saves the next. No `values`: nothing is kept."""

    key: str
    form: str
    version: int = 0
    saved_at: datetime | None = None
    values: Values = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether there is anything to go on with."""
        return self.saved_at is not None

    def first(self) -> dict[str, str]:
        """The values as a form's texts by name: of several of one name the last, as a submitted form has them."""
        return {name: texts[-1] for name, texts in self.values.items() if texts}


class DraftDesk:
    """Keeps drafts.

    Args:
        keys: wrap each draft's own key.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def save(self, scope: Scope, actor: Actor, key: str, values: Values, version: int | None) -> Draft:
        """Keep what is typed so far, over what `version` had; None: over whatever there is (a form that was refused).

        Raises: `Rejected`: draft-key, draft-changed (another window saved, sent or threw away), draft-too-long,
            too-many-drafts.
        """
        form = form_of_key(key)
        if sum(len(name) + sum(map(len, texts)) for name, texts in values.items()) > _LONGEST:
            raise refuse("draft", "draft-too-long", "Bản nháp quá dài.", "The draft is too long.")
        before = await store.find_draft(scope.connection, actor.id, key, lock=True)
        latest = before.version if before else 0
        if version is not None and version != latest:
            raise _changed()
        if (before is None or before.body is None) and len(await self.listed(scope, actor)) >= _MOST:
            raise refuse(
                "draft",
                "too-many-drafts",
                "Anh chị có quá nhiều bản nháp; gửi hoặc bỏ bớt rồi viết tiếp.",
                "You have too many drafts; send or discard some first.",
            )
        data_key, wrapped = (
            self._keys.make_private(f"draft/{new_id()}")
            if before is None or before.wrapped is None or before.body is None
            else (self._keys.open_private(before.body.kid, before.wrapped), before.wrapped)
        )
        texts = {name: list(given) for name, given in values.items()}
        row = DraftRow(key, form, latest + 1, scope.now, scope.now, wrapped, self._keys.seal_private(data_key, texts))
        if not await store.save_draft(scope.connection, actor.id, row):  # two first saves at once
            if version is not None:
                raise _changed()
            return await self.save(scope, actor, key, values, None)
        return Draft(key, form, row.version, scope.now, texts)

    async def open(self, scope: Scope, actor: Actor, key: str) -> Draft:
        """What the actor has kept under a key; an empty draft with the number to go on from where there is nothing."""
        row = await store.find_draft(scope.connection, actor.id, key)
        if row is None:
            return Draft(key, form_of_key(key))
        if row.body is None or row.wrapped is None:
            return Draft(key, row.form, row.version)
        values = self._keys.read_private(
            self._keys.open_private(row.body.kid, row.wrapped), row.body, dict[str, list[str]]
        )
        return Draft(key, row.form, row.version, row.saved_at, values)

    async def listed(self, scope: Scope, actor: Actor, prefix: str = "") -> list[DraftRow]:
        """The actor's drafts whose key begins with `prefix`, the last saved first; their words stay closed."""
        return await store.drafts_of(scope.connection, actor.id, prefix, _MOST)

    async def discard(self, scope: Scope, actor: Actor, key: str) -> None:
        """Destroy a draft and its key, because it was sent (in the same transaction) or is wanted no more."""
        await store.discard_draft(scope.connection, actor.id, key, form_of_key(key), scope.now)

    async def drop(self, scope: Scope) -> int:
        """Destroy some drafts that nobody will send: untouched for long, or of a case whose key was erased. Out: how
        many; 0: none is left."""
        erased = await store.drop_erased_drafts(scope.connection, scope.now)
        return erased + await store.drop_drafts(scope.connection, scope.now - KEPT)


def form_of_key(key: str) -> str:
    """Which form a draft is of: `report`, or the act at the end of its key. Raises `Rejected` (draft-key)."""
    if not _KEY.fullmatch(key):
        raise refuse("draft", "draft-key", "Bản nháp không thuộc biểu mẫu nào.", "The draft belongs to no form.")
    parts = key.split("/")
    return parts[2] if len(parts) == 3 else parts[0]


def _changed() -> Rejected:
    return refuse(
        "draft",
        "draft-changed",
        "Bản nháp này đã được sửa, gửi hoặc bỏ ở cửa sổ khác.",
        "This draft was changed, sent or discarded in another window.",
    )
