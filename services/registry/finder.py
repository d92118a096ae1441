"""Finding children for a person, in their communes only: searches, saved ones, and whom they looked at last.

It must never find a record that is hidden from the person, nor log what somebody typed. Every search is logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.registry.domain.lifecycle import HIDDEN
from services.registry.domain.searching import KeptSearch, Wanted
from services.registry.office import Office, units_of
from services.registry.seeing import NotThereError, is_id, reads_adoptions, visible
from services.registry.store import finding, samples, saved
from services.registry.store.children import ChildRow
from services.registry.store.finding import Found, Sight
from shared.contracts.errors import Rejected, Violation
from shared.identity import Principal
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.privacy import Keys

# So many a person keeps: more is a list nobody reads.
MOST_SAVED = 30
_RECENT = 8


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search that a person keeps: what they called it, and what they had typed, field by field."""

    id: str
    name: str
    values: Mapping[str, str]


class Finder:
    """Searches.

    Args:
        office: whose transactions are used. keys: seals what is saved.
    """

    def __init__(self, office: Office, keys: Keys) -> None:
        self._office = office
        self._keys = keys

    async def search(self, principal: Principal, wanted: Wanted, after: int = 0) -> Found:
        """Children in the person's communes that are like the one looked for, from a place on."""
        allowed = units_of(principal)
        if allowed is not None:
            asked = allowed if wanted.units is None else [unit for unit in wanted.units if unit in allowed]
            wanted = replace(wanted, units=asked)
        async with self._office.scope() as scope:
            sight = await _sight(scope, principal)
            found = await finding.search(scope.connection, wanted, sight, after=after)
            found.rows = await visible(scope, principal, found.rows)
            await finding.log_access(
                scope.connection, scope.now, principal.id, "search", fields=wanted.fields, found=found.total
            )
        return found

    async def recent(self, principal: Principal) -> list[ChildRow]:
        """The children whom the person looked at last, as far as they are still there for them."""
        async with self._office.scope() as scope:
            rows = await finding.looked_at(scope.connection, principal.id, _RECENT)
            return await visible(scope, principal, rows)

    async def save(self, principal: Principal, name: str, values: Mapping[str, str]) -> str:
        """Keep a search; one of the same name is replaced. Out: its id. Raises `Rejected`."""
        name = " ".join(name.split())[:100]
        if not name:
            raise Rejected([_NAME_MISSING])
        async with self._office.scope() as scope:
            kept = await self._saved(scope, principal)
            same = [one.id for one in kept if one.name == name]
            if not same and len(kept) >= MOST_SAVED:
                raise Rejected([_TOO_MANY])
            for search_id in same:
                await saved.delete(scope.connection, principal.id, search_id)
            search_id = new_id()
            key, wrapped = self._keys.make_private(saved.kid(search_id))
            box = self._keys.seal_private(key, KeptSearch(name=name, values=dict(values)))
            await saved.put(scope.connection, search_id, principal.id, wrapped, box, scope.now)
        return search_id

    async def saved(self, principal: Principal) -> list[SavedSearch]:
        """The person's searches, by their names."""
        async with self._office.scope() as scope:
            return sorted(await self._saved(scope, principal), key=lambda one: one.name.casefold())

    async def again(self, principal: Principal, search_id: str) -> SavedSearch:
        """A search that is asked again. Raises `NotThereError`."""
        async with self._office.scope() as scope:
            kept = [one for one in await self._saved(scope, principal) if one.id == search_id]
            if not kept:
                raise NotThereError
            await saved.used(scope.connection, search_id, scope.now)
        return kept[0]

    async def forget(self, principal: Principal, search_id: str) -> None:
        """Keep a search no more. Raises `NotThereError`."""
        async with self._office.scope() as scope:
            if not is_id(search_id) or not await saved.delete(scope.connection, principal.id, search_id):
                raise NotThereError

    async def _saved(self, scope: Scope, principal: Principal) -> list[SavedSearch]:
        found = []
        for row in await saved.of(scope.connection, principal.id):
            key = self._keys.open_private(saved.kid(row.id), row.wrapped)
            kept = self._keys.read_private(key, row.sealed, KeptSearch)
            found.append(SavedSearch(row.id, kept.name, kept.values))
        return found


async def _sight(scope: Scope, principal: Principal) -> Sight:
    hidden = HIDDEN - {"adopted"} if reads_adoptions(scope, principal) else HIDDEN
    return Sight(hidden, sorted(await samples.asked_of(scope.connection, principal.id)))


_NAME_MISSING = Violation(
    "saved_name", "name-missing", "Hãy đặt tên cho lượt tìm cần lưu.", "Give the search a name to save it."
)
_TOO_MANY = Violation(
    "saved_name",
    "too-many-saved",
    "Đã lưu nhiều lượt tìm. Hãy xóa bớt trước khi lưu thêm.",
    "Many searches are saved already. Delete some before you save another.",
)
