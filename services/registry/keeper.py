"""What people do with the life of records: work lists, acts on one record, blind samples. Each look is logged.

It must never do an act for which the reference data does not name the person's role, nor show a record not theirs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeVar

from sqlalchemy import Row

from services.registry.desk import Lifecycle, Samples, today
from services.registry.domain.lifecycle import HIDDEN, next_month
from services.registry.office import Office, units_of
from services.registry.seeing import NotThereError, is_id, reads_adoptions, seen, visible
from services.registry.store import adoption, children, finding
from services.registry.store import lifecycle as lives
from services.registry.store import samples as sample_store
from services.registry.store.children import ChildRow
from services.registry.store.lifecycle import Standing, WorkList
from services.registry.store.samples import Sample
from shared.contracts.vocabulary import ChildDescription
from shared.identity import NotAllowedError, Principal
from shared.messaging.router import Scope
from shared.reference.calendar import local_day
from shared.reference.keeping import ACTS, Keeping, Sampling

PAGE = 50
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class LifeFile:
    """Everything the page of a record's life shows. `may`: the acts open to the person; `untold`: no source tells of
    the child any more."""

    row: ChildRow
    standing: Standing
    verifications: Sequence[Row[Any]]
    holds: Sequence[Row[Any]]
    readings: Sequence[Row[Any]]
    may: frozenset[str]
    reads_adoptions: bool
    untold: bool
    today: date


@dataclass(frozen=True, slots=True)
class Work:
    """A work list, and how many records each has."""

    counts: Mapping[WorkList, int]
    rows: Sequence[tuple[ChildRow, Standing]]
    more: bool
    today: date


@dataclass(frozen=True, slots=True)
class Place:
    """A child of a sample. `row` only as far as the person may see it now."""

    child_id: str
    number: int
    answered: bool
    found: bool | None
    compared: Mapping[str, Mapping[str, Any]]
    shown: Mapping[str, str]
    row: ChildRow | None


@dataclass(frozen=True, slots=True)
class SampleFile:
    """A sample with its children."""

    sample: Sample
    places: Sequence[Place]
    mine: bool
    rules: Sampling


class Keeper:
    """The desk of records' lives for people.

    Args:
        office: opens transactions. lifecycle, samples: do what is done. rules: who may.
    """

    def __init__(self, office: Office, lifecycle: Lifecycle, samples: Samples, rules: Keeping) -> None:
        self._office = office
        self._samples = samples
        self.lifecycle = lifecycle
        self.rules = rules

    async def work(self, principal: Principal, name: WorkList, passed: int) -> Work:
        """A list of the person's communes, from a place on."""
        units = units_of(principal)
        async with self._office.scope() as scope:
            day = today(scope)
            until = next_month(day)
            counts = await lives.counts(scope.connection, units, day, until)
            found = await lives.listed(scope.connection, name, units, day, until, limit=PAGE + 1, after=passed)
            there = {row.id for row in await visible(scope, principal, [row for row, _ in found])}
            rows = [(row, how) for row, how in found[:PAGE] if row.id in there]
            await finding.log_access(scope.connection, scope.now, principal.id, "work-list", found=len(rows))
        return Work(counts, rows, len(found) > PAGE, day)

    async def file(self, principal: Principal, child_id: str) -> LifeFile:
        """How a record stands. The look is logged. Raises `NotThereError`."""
        async with self._office.scope() as scope:
            row = await seen(scope, principal, child_id)
            connection = scope.connection
            link = reads_adoptions(scope, principal)
            token = self.lifecycle.adoptions.token(row.id)
            found = LifeFile(
                row=row,
                standing=await lives.standing(connection, row.id),
                verifications=await lives.verifications(connection, row.id),
                holds=await lives.holds(connection, row.id),
                readings=await adoption.readings(connection, token) if link else (),
                may=self.acts(scope, principal),
                reads_adoptions=link,
                untold=not await children.statements(connection, row.id),
                today=today(scope),
            )
            await finding.log_access(connection, scope.now, principal.id, "child-page", row.id)
        return found

    def acts(self, scope: Scope, principal: Principal) -> frozenset[str]:
        """The acts that the person's role is named for."""
        rules = self.rules.acts.on(today(scope))
        return frozenset(act for act in ACTS if rules.may(principal.role.value, act))

    async def act(
        self, principal: Principal, child_id: str, name: str, does: Callable[[Scope, ChildRow, str], Awaitable[R]]
    ) -> R:
        """Do an act on a record, which is locked. `does`: with the record and who does it.

        Raises: `NotThereError`, `NotAllowedError`, `Rejected`.
        """
        async with self._office.scope() as scope:
            row = await seen(scope, principal, child_id, lock=True)
            self._must(scope, principal, name)
            return await does(scope, row, f"person:{principal.id}")

    async def origin(self, principal: Principal, child_id: str, purpose: str, note: str) -> str | None:
        """Which record an adopted child's other one is, for whom the law names. The reading is logged.

        Raises: `NotThereError`, `NotAllowedError`, `Rejected`.
        """
        async with self._office.scope() as scope:
            row = await seen(scope, principal, child_id)
            if not reads_adoptions(scope, principal):
                raise NotAllowedError("The role does not read adoptions")
            return await self.lifecycle.adoptions.reveal(scope, row.id, principal.id, purpose, note)

    async def samples(self, principal: Principal) -> tuple[list[Sample], bool]:
        """The samples of the person's communes, and whether they may draw another."""
        async with self._office.scope() as scope:
            found = await sample_store.samples(scope.connection, units_of(principal))
            return found, "sample" in self.acts(scope, principal)

    async def draw(self, principal: Principal, unit: str, second: str) -> Sample:
        """Draw a sample. Raises `Rejected`, `NotAllowedError`."""
        async with self._office.scope() as scope:
            self._must(scope, principal, "sample")
            if not principal.may_see(unit):
                raise NotAllowedError("Another commune")
            return await self._samples.draw(scope, unit, second, by=f"person:{principal.id}")

    async def sample(self, principal: Principal, sample_id: str) -> SampleFile:
        """A sample: for its second person what is needed to find each child, for others what came out.

        Raises `NotThereError`.
        """
        async with self._office.scope() as scope:
            found = await self._sample(scope, principal, sample_id)
            rules = self.rules.sampling.on(local_day(found.made_at))
            drawn = await sample_store.places(scope.connection, sample_id)
            current = await children.all_current(scope.connection, [str(place.child_id) for place in drawn])
            there = {row.id for row in await visible(scope, principal, list(current.values()))}
            mine = found.second == principal.id
            places = [
                _place(principal, place, current.get(str(place.child_id)), there, rules, mine=mine) for place in drawn
            ]
            await finding.log_access(scope.connection, scope.now, principal.id, "sample", found=len(places))
        return SampleFile(found, places, mine, rules)

    async def answer(
        self, principal: Principal, sample_id: str, child_id: str, answers: ChildDescription | None
    ) -> None:
        """What the second person found. Raises `NotThereError`, `Rejected`."""
        async with self._office.scope() as scope:
            await self._sample(scope, principal, sample_id)
            if not is_id(child_id):
                raise NotThereError
            try:
                await self._samples.answer(scope, sample_id, child_id, answers, person=principal.id)
            except LookupError:
                raise NotThereError from None

    async def decide(
        self, principal: Principal, sample_id: str, child_id: str, field: str, stands: Literal["first", "second"]
    ) -> None:
        """Say which of two answers is right. Raises `NotThereError`, `NotAllowedError`, `Rejected`."""
        async with self._office.scope() as scope:
            await self._sample(scope, principal, sample_id)
            self._must(scope, principal, "decide")
            await seen(scope, principal, child_id)
            try:
                await self._samples.decide(scope, sample_id, child_id, field, stands, by=f"person:{principal.id}")
            except LookupError:
                raise NotThereError from None

    async def _sample(self, scope: Scope, principal: Principal, sample_id: str) -> Sample:
        found = await sample_store.sample(scope.connection, sample_id) if is_id(sample_id) else None
        if found is None or not principal.may_see(found.unit):
            raise NotThereError
        return found

    def _must(self, scope: Scope, principal: Principal, act: str) -> None:
        if act not in self.acts(scope, principal):
            raise NotAllowedError("The role does not do this")


def _place(
    principal: Principal, place: Row[Any], row: ChildRow | None, there: Collection[str], rules: Sampling, *, mine: bool
) -> Place:
    """A child of a sample as a person may see it. `there`: the records that are the person's to see by now."""
    shown: dict[str, str] = {}
    if row is not None and mine and place.at is None and row.status not in HIDDEN and principal.may_see(row.known.unit):
        shown = {field: getattr(row.known.description, field) or "" for field in rules.shown}
    known = row if row is not None and row.id in there else None
    return Place(
        str(place.child_id),
        place.place,
        place.at is not None,
        place.found,
        (place.compared or {}) if known is not None else {},
        shown,
        known,
    )
