"""What the exchange's readers ask: one child, a search, a comparison; each look is logged, nothing typed is.

People see the children of their communes with the fields of their role. An agency's system sees a child that its own
sector's systems have told of, with what that sector may know; of another it learns at most which record it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from services.registry.desk import today
from services.registry.domain.exporting import Leaving
from services.registry.domain.matching import Match
from services.registry.domain.searching import Wanted
from services.registry.domain.traits import search_keys, traits_of
from services.registry.exchange.incoming import Incoming
from services.registry.finder import Finder
from services.registry.office import Office
from services.registry.seeing import NotThereError, is_id
from services.registry.store import children, exports, finding, samples
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import ChildDescription
from shared.identity import NotAllowedError, Permission, Principal
from shared.messaging.router import Scope
from shared.reference.registry_fields import RegistryFields
from shared.reference.terms import Terms
from shared.reference.units import Units


@dataclass(frozen=True, slots=True)
class Read:
    """A child as somebody may see it, or (`replaced_by`) the record that its id stands for now."""

    leaving: Leaving | None
    fields: frozenset[str] = frozenset()
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a search gives: at least a name, a birth date or year, or a number."""

    name: str = ""
    birth_date: date | None = None
    birth_year: int | None = None
    number: str | None = None
    child_id: str | None = None
    sex: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A child that may be the one described; `sure` where it surely is. `fields`: what the asker may see of it."""

    leaving: Leaving
    match: Match
    sure: bool
    fields: frozenset[str]


class Readers:
    """Reading for other systems.

    Args:
        office: compares. finder: finds by name and birth. units: the communes there are.
    """

    def __init__(self, office: Office, finder: Finder, units: Units) -> None:
        self._office = office
        self._finder = finder
        self._units = units

    async def child(self, principal: Principal, child_id: str, include: Collection[str]) -> Read:
        """A child. `include`: sensitive fields asked for by name. Raises `NotThereError`, `NotAllowedError`."""
        async with self._office.scope() as scope:
            leaving, merged = await exports.child(scope.connection, child_id) if is_id(child_id) else (None, None)
            if merged is not None:
                row = await children.current(scope.connection, merged)
                kept = (await exports.child(scope.connection, row.id))[0] if row else None
                if kept is None or not await self._may_see(scope, principal, kept):
                    raise NotThereError
                return Read(None, replaced_by=kept.id)
            if leaving is None or not await self._may_see(scope, principal, leaving):
                raise NotThereError
            fields = fields_for(principal, include)
            await finding.log_access(
                scope.connection, scope.now, principal.id, "exchange", child_id, fields=sorted(fields)
            )
        return Read(leaving, fields)

    async def search(self, principal: Principal, wanted: Criteria, include: Collection[str]) -> list[Read]:
        """Children that fit, in the person's communes. Raises `NotAllowedError`."""
        if not principal.may(Permission.SEE_CHILDREN):
            raise NotAllowedError("The role does not search children")
        fields = fields_for(principal, include)
        ids = await self._ids(principal, wanted)
        async with self._office.scope() as scope:
            found = [
                leaving
                for leaving in await exports.those(scope.connection, ids)
                if _fits(leaving, wanted) and await self._may_see(scope, principal, leaving)
            ]
            for leaving in found:
                await finding.log_access(scope.connection, scope.now, principal.id, "exchange", leaving.id)
        return [Read(leaving, fields) for leaving in found]

    async def match(
        self, principal: Principal, described: Incoming, *, certain: bool, include: Collection[str]
    ) -> list[Candidate]:
        """Who a described child may be, the likeliest first. Raises `Rejected`, `NotAllowedError`."""
        sees = principal.may(Permission.SEE_CHILDREN)
        if not sees and not (principal.may(Permission.PUBLISH_EVENTS) and principal.sector):
            raise NotAllowedError("The role does not look for children")
        if not described.description.name:
            raise Rejected([_NAME_MISSING])
        unit = self._units.current(described.unit) if described.unit else None
        found = await self._office.identify(principal, described.description, unit)
        # An agency that has not told of a child learns of it only where it is surely the one described.
        matches = [found.sure] if found.sure else []
        if sees and not certain:
            matches += [match for match in found.possible if match != found.sure]
        async with self._office.scope() as scope:
            by_id = {one.id: one for one in await exports.those(scope.connection, [m.child_id for m in matches])}
            candidates = []
            for match in matches:
                leaving = by_id.get(match.child_id)
                if leaving is None:
                    continue
                told = await self._may_see(scope, principal, leaving)
                fields = fields_for(principal, include) if told else frozenset[str]()
                await finding.log_access(scope.connection, scope.now, principal.id, "exchange", leaving.id)
                candidates.append(Candidate(leaving, match, match == found.sure, fields))
        return candidates

    async def _ids(self, principal: Principal, wanted: Criteria) -> Sequence[str]:
        if wanted.child_id is not None:
            return [wanted.child_id] if is_id(wanted.child_id) else []
        if wanted.number is not None:
            async with self._office.scope() as scope:
                keys = search_keys(traits_of(ChildDescription(number=wanted.number), None, today(scope)))
                rows = await children.candidates(scope.connection, keys)
                return [row.id for row in rows if row.known.description.number == wanted.number]
        asked = Wanted(name=wanted.name, birth_date=wanted.birth_date, birth_year=wanted.birth_year)
        return [row.id for row in (await self._finder.search(principal, asked)).rows]

    async def _may_see(self, scope: Scope, principal: Principal, leaving: Leaving) -> bool:
        if principal.may(Permission.SEE_CHILDREN):
            # Whoever is to collect a child again does so without having seen what is known.
            blind = await samples.asked_of(scope.connection, principal.id)
            return principal.may_see(leaving.unit) and leaving.id not in blind
        return (
            principal.may(Permission.PUBLISH_EVENTS)
            and principal.sector is not None
            and principal.may_see(leaving.unit)
            and await exports.told_by(scope.connection, leaving.id, principal.sector)
        )


def fields_for(principal: Principal, include: Collection[str]) -> frozenset[str]:
    """What a principal is told of a child: the fields of the role or the sector, sensitive ones only where asked for.

    Raises: `Rejected` where `include` names a field that is not the principal's.
    """
    known = RegistryFields.load()
    if principal.may(Permission.SEE_CHILDREN):
        allowed = known.of(principal.role.value)
    else:
        knows = {"id", *(Terms.load("sectors").get(principal.sector or "", "knows") or ())}
        allowed = tuple(field for field in known.all() if field.code in knows)
    if set(include) - {field.code for field in allowed}:
        raise Rejected([_INCLUDE])
    return frozenset(field.code for field in allowed if not field.sensitive or field.code in include)


def _fits(leaving: Leaving, wanted: Criteria) -> bool:
    """Searches by likeness find neighbours too; a criterion of FHIR is kept to."""
    said = leaving.description
    if wanted.sex is not None and said.sex != wanted.sex:
        return False
    if wanted.birth_date is not None and said.birth_date != wanted.birth_date:
        return False
    return wanted.birth_year is None or leaving.birth_year == wanted.birth_year


_NAME_MISSING = Violation("name", "name-missing", "Phải có họ và tên của trẻ.", "The child's name is required.")
_INCLUDE = Violation(
    "include",
    "not-allowed",
    "Có mục trong «include» mà anh chị không được xem.",
    "«include» names a field that is not yours to see.",
)
