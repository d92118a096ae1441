"""What pages and the JSON API do for a signed-in person: search, read, register, correct, decide; each look is logged.

It must never show a child outside the person's communes, and never log what somebody typed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Row

from services.registry.desk import Desk, Taken, VersionConflictError, merging, today
from services.registry.domain import lifecycle
from services.registry.domain.children import Change, Known, Revision, Statement, changes, circumstance_refusals
from services.registry.domain.circumstances import is_listed
from services.registry.domain.matching import Comparison, Identification, Match, compare
from services.registry.domain.traits import traits_of
from services.registry.seeing import NotThereError, is_id, seen, sees, unseen, visible
from services.registry.store import cases, finding, pairs, photos, revisions, samples
from services.registry.store import children as store
from services.registry.store import lifecycle as lives
from services.registry.store.cases import CaseSeen
from services.registry.store.children import ChildRow, Observation
from services.registry.store.lifecycle import Standing
from services.registry.store.pairs import Merge, Pair, Split
from services.registry.store.photos import Photo
from shared.contracts.errors import Rejected, Violation, refuse_unstorable
from shared.contracts.vocabulary import ChildDescription
from shared.database import Database
from shared.files.contents import Content
from shared.identity import ALL_UNITS, NotAllowedError, Permission, Principal, Role
from shared.messaging.outbox import stable_id
from shared.messaging.router import Clock, Scope
from shared.reference.calendar import LOCAL
from shared.reference.units import Units

_REASON_LENGTH = 300
_TAKEN_LATER = Violation(
    "taken_on",
    "taken-in-future",
    "Ngày chụp không được sau ngày hôm nay.",
    "The day it was taken must not be after today.",
)


@dataclass(frozen=True, slots=True)
class ChildFile:
    """Everything a child's page shows."""

    row: ChildRow
    statements: Sequence[Statement]
    circumstances: Sequence[Observation]
    history: Sequence[Row[Any]]
    revisions: Sequence[Revision]
    merges: Sequence[Merge]
    splits: Sequence[Split]
    accesses: Sequence[Row[Any]]
    waiting: int
    today: date
    standing: Standing
    photo_added_at: datetime | None
    cases: Sequence[CaseSeen]

    @property
    def changes(self) -> list[Change]:
        """What changed, the newest first."""
        return changes(self.revisions, self.row.known)

    @property
    def told(self) -> list[Any]:
        """The same with what else was done to the record, the newest first."""
        done = [event for event in self.history if event.kind != "registered"]
        return sorted([*self.changes, *done], key=lambda event: event.at, reverse=True)


@dataclass(frozen=True, slots=True)
class Begun:
    """A circumstance as a person records it: codes of the reference lists, and words on the evidence."""

    code: str
    since: date
    subgroup: str | None = None
    evidence_kind: str | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Two records side by side. `obstacle`: why they cannot be merged as they stand."""

    pair: Pair
    one: ChildFile
    other: ChildFile
    comparison: Comparison
    obstacle: Violation | None


def units_of(principal: Principal) -> Collection[str] | None:
    """The communes whose children the person may look for; None: all."""
    return None if principal.units == ALL_UNITS else sorted(principal.units)


def _asked(principal: Principal, unit: str | None) -> Collection[str] | None:
    """The communes of a question: the one named where the person may see it, else all of the person's."""
    return [unit] if unit is not None and principal.may_see(unit) else units_of(principal)


async def _open_pairs(
    scope: Scope, principal: Principal, unit: str | None, *, limit: int, after: int = 0
) -> list[Pair]:
    """Pairs that wait for the person, of the commune named or of all of theirs."""
    blind = await samples.asked_of(scope.connection, principal.id)
    return await pairs.open_pairs(scope.connection, _asked(principal, unit), limit, after, without=blind)


async def _closed_to(scope: Scope, principal: Principal, rows: Sequence[ChildRow]) -> bool:
    """Whether one of two records is hidden from the person by its status, or because they are to collect it again."""
    blind = await samples.asked_of(scope.connection, principal.id)
    hidden = unseen(scope, principal)
    return any(row.status in hidden or row.id in blind for row in rows)


def may_decide(principal: Principal) -> bool:
    """Who decides pairs: who edits children, and the coordinator, for pairs that lie in two communes."""
    return principal.may(Permission.EDIT_CHILDREN) or principal.role is Role.COORDINATOR


class Office:
    """The registry's desk for people.

    Args:
        desk: does what is done. database, clock: the service's.
    """

    def __init__(self, desk: Desk, database: Database, clock: Clock) -> None:
        self._desk = desk
        self._database = database
        self._clock = clock

    def now(self) -> datetime:
        """The service's clock."""
        return self._clock()

    @asynccontextmanager
    async def scope(self) -> AsyncIterator[Scope]:
        """One transaction; what was emitted in it leaves with it."""
        async with self._database.transaction() as connection:
            scope = Scope("registry", connection, self._clock())
            yield scope
            await scope.flush()

    async def identify(self, principal: Principal, description: ChildDescription, unit: str | None) -> Identification:
        """Who a described child is, among those the person may see."""
        async with self.scope() as scope:
            wanted = traits_of(description, unit, today(scope))
            found = await self._desk.identify(scope, wanted)
            shown = [match for match in found.possible if await self._visible(scope, principal, match)]
            sure = found.sure if found.sure is not None and found.sure in shown else None
            await finding.log_access(scope.connection, scope.now, principal.id, "identify", found=len(shown))
        return Identification(sure, tuple(shown))

    async def child(self, principal: Principal, child_id: str) -> ChildFile:
        """A child's file; the look is logged. An id that was merged gives the child it stands for."""
        async with self.scope() as scope:
            row = await seen(scope, principal, child_id)
            found = await self._file(scope, row)
            await finding.log_access(scope.connection, scope.now, principal.id, "child-page", row.id)
        return found

    async def matches(self, principal: Principal, matches: Sequence[Match]) -> list[tuple[Match, ChildRow | None]]:
        """Rows of matches; None for a child of another commune."""
        async with self.scope() as scope:
            found: list[tuple[Match, ChildRow | None]] = []
            for match in matches:
                row = await store.current(scope.connection, match.child_id)
                visible = row if row is not None and await sees(scope, principal, row) else None
                if visible is not None:
                    await finding.log_access(scope.connection, scope.now, principal.id, "match", visible.id)
                found.append((match, visible))
        return found

    async def register(
        self, principal: Principal, description: ChildDescription, unit: str | None, seen: Sequence[str]
    ) -> Taken | Identification:
        """Register a child; see `Desk.open_record`. Raises `Rejected`, `NotAllowedError`."""
        _must_edit(principal, unit)
        async with self.scope() as scope:
            return await self._desk.open_record(scope, description, unit, _actor(principal), seen=seen)

    async def correct(
        self,
        principal: Principal,
        child_id: str,
        wanted: ChildDescription,
        unit: str | None,
        version: int,
        reason: str,
    ) -> None:
        """Correct or move a child, saying why.

        Raises: `Rejected`, `VersionConflictError`, `NotThereError`, `NotAllowedError`.
        """
        async with self.scope() as scope:
            row = await seen(scope, principal, child_id)
            _must_edit(principal, row.known.unit)
            said = _reason(reason)
            if unit != row.known.unit:
                _must_exist(unit)
            try:
                await self._desk.correct(
                    scope, row.id, wanted, unit, version=version, actor=_actor(principal), reason=said
                )
            except LookupError:  # merged into another since it was looked up
                raise VersionConflictError from None

    async def settle(
        self, principal: Principal, child_id: str, field: str, record_id: str, version: int, reason: str
    ) -> None:
        """Decide which source is right where several contradict each other, saying why.

        Raises: `Rejected`, `VersionConflictError`, `NotThereError`, `NotAllowedError`.
        """
        async with self.scope() as scope:
            row = await seen(scope, principal, child_id)
            _must_edit(principal, row.known.unit)
            said = _reason(reason)
            try:
                await self._desk.settle(
                    scope, row.id, field, record_id, version=version, actor=_actor(principal), reason=said
                )
            except LookupError:
                raise NotThereError from None

    async def as_it_was(self, principal: Principal, child_id: str, day: date) -> tuple[ChildRow, Known | None]:
        """What was known of a child at the end of a day; None: nothing, it was not recorded yet. The look is logged.

        Raises: `NotThereError`.
        """
        async with self.scope() as scope:
            row = await seen(scope, principal, child_id)
            moment = datetime.combine(day + timedelta(days=1), time(), LOCAL)
            change = await revisions.following(scope.connection, row.id, moment)
            await finding.log_access(scope.connection, scope.now, principal.id, "child-page", row.id)
        if row.registered_at >= moment:
            return row, None
        return row, change.before if change else row.known

    async def begin(self, principal: Principal, child_id: str, begun: Begun) -> None:
        """A circumstance begins. Raises `Rejected`, `NotThereError`, `NotAllowedError`."""
        async with self.scope() as scope:
            row = await seen(scope, principal, child_id, lock=True)
            _must_edit(principal, row.known.unit)
            if found := circumstance_refusals(begun.since, None, today(scope), listed=is_listed(begun.code)):
                raise Rejected(found)
            begins = Observation(
                record_id=stable_id("circumstance", row.id, begun.code, begun.since.isoformat()),
                code=begun.code,
                since=begun.since,
                until=None,
                sector="dolisa",
                evidence=begun.evidence,
                subgroup=begun.subgroup,
                evidence_kind=begun.evidence_kind,
            )
            await self._desk.observe(scope, row, begins, _actor(principal))

    async def end(self, principal: Principal, child_id: str, code: str, until: date, reason: str) -> None:
        """A circumstance ends, saying why. Raises `Rejected`, `NotThereError`, `NotAllowedError`."""
        async with self.scope() as scope:
            row = await seen(scope, principal, child_id, lock=True)
            _must_edit(principal, row.known.unit)
            holding = await store.holding(scope.connection, row.id, today(scope))
            first = holding.get(code)
            found = circumstance_refusals(first or until, until, today(scope), listed=first is not None)
            if found:
                raise Rejected(found)
            await self._desk.end(scope, row, code, until, _actor(principal), reason=_reason(reason))

    async def photo(self, principal: Principal, child_id: str) -> tuple[Photo, bytes]:
        """A child's photograph; the look is logged. Raises `NotThereError`."""
        async with self.scope() as scope:
            row = await seen(scope, principal, child_id)
            found = await self._desk.photos.open(scope, row.id)
            if found is None:
                raise NotThereError
            await finding.log_access(scope.connection, scope.now, principal.id, "photo", row.id)
        return found

    async def add_photo(self, principal: Principal, child_id: str, content: Content, taken_on: date | None) -> None:
        """Keep a child's photograph. Raises `Rejected`, `NotThereError`, `NotAllowedError`."""
        async with self.scope() as scope:
            row = await seen(scope, principal, child_id, lock=True)
            _must_edit(principal, row.known.unit)
            if taken_on is not None and taken_on > today(scope):
                raise Rejected([_TAKEN_LATER])
            await self._desk.photos.add(scope, row, content, taken_on, _actor(principal))

    async def drop_photo(self, principal: Principal, child_id: str) -> None:
        """Take a child's photograph away. Raises `NotThereError`, `NotAllowedError`."""
        async with self.scope() as scope:
            row = await seen(scope, principal, child_id, lock=True)
            _must_edit(principal, row.known.unit)
            await self._desk.photos.drop(scope, row, _actor(principal))

    async def contradictions(self, principal: Principal, passed: int, limit: int) -> tuple[list[ChildRow], bool]:
        """Children in the person's communes whose sources contradict each other, from place `passed` (from 0) on, and
        whether others follow."""
        async with self.scope() as scope:
            found = await finding.contradicted(scope.connection, units_of(principal), passed, limit + 1)
            shown = await visible(scope, principal, found[:limit])
            for row in shown:
                await finding.log_access(scope.connection, scope.now, principal.id, "match", row.id)
        return shown, len(found) > limit

    async def doubts(self, principal: Principal, child_id: str) -> list[str]:
        """In which fields of a child its sources contradict each other; none where the child is not the person's."""
        async with self.scope() as scope:
            row = await store.current(scope.connection, child_id)
            there = row is not None and await sees(scope, principal, row)
            return [doubt.field for doubt in row.known.conflicts] if row is not None and there else []

    async def question(
        self, principal: Principal, passed: int, unit: str | None = None
    ) -> tuple[Question | None, bool]:
        """The pair that waits at place `passed` (from 0), and whether another follows. Both looks are logged.

        In: `unit`: only pairs of that commune, where it is the person's.
        """
        async with self.scope() as scope:
            found = await _open_pairs(scope, principal, unit, limit=2, after=passed)
            if not found:
                return None, False
            files = [
                await self._file(scope, await self._existing(scope, child_id))
                for child_id in (found[0].low, found[0].high)
            ]
            for file in files:
                await finding.log_access(scope.connection, scope.now, principal.id, "match", file.row.id)
            comparison = compare(files[0].row.traits, files[1].row.traits)
            obstacle = _obstacle(files[0].standing, files[1].standing)
            return Question(found[0], files[0], files[1], comparison, obstacle), len(found) > 1

    async def waiting(self, principal: Principal, unit: str | None = None, most: int = 100) -> int:
        """How many pairs wait, counted up to `most`."""
        async with self.scope() as scope:
            return len(await _open_pairs(scope, principal, unit, limit=most))

    async def decide(self, principal: Principal, pair_id: int, *, same: bool) -> tuple[str, str | None]:
        """Decide a pair. Out: the child that goes on, and the merge where there is one.

        Raises `NotThereError`, `NotAllowedError`, `merging.NotPossibleError`, `Rejected` where the records, as they
        stand, cannot be one.
        """
        if not may_decide(principal):
            raise NotAllowedError("The role does not decide pairs")
        async with self.scope() as scope:
            found = await pairs.pair(scope.connection, pair_id)
            if found is None:
                raise NotThereError
            rows = [await self._existing(scope, child_id) for child_id in (found.low, found.high)]
            if not any(principal.may_see(row.known.unit) for row in rows) or await _closed_to(scope, principal, rows):
                raise NotThereError
            merge_id = await merging.decide(scope, self._desk, pair_id, same=same, by=_actor(principal))
            return min(found.low, found.high), merge_id

    async def undo(self, principal: Principal, merge_id: str) -> tuple[str, str]:
        """Undo a merge. Out: the child that went on, and the one that has a record of its own again.

        Raises `NotThereError`, `NotAllowedError`, `merging.NotPossibleError`.
        """
        if not may_decide(principal):
            raise NotAllowedError("The role does not decide pairs")
        async with self.scope() as scope:
            found = await pairs.merge(scope.connection, merge_id) if is_id(merge_id) else None
            if found is None:
                raise NotThereError
            kept = await seen(scope, principal, found.kept)
            return kept.id, await merging.undo(scope, self._desk, merge_id, _actor(principal))

    async def split(
        self, principal: Principal, child_id: str, records: Collection[str], reason: str
    ) -> tuple[str, str]:
        """One record is two children; see `merging.split`. Out: the split, and the child taken out.

        Raises `Rejected`, `NotThereError`, `NotAllowedError`, `merging.NotPossibleError`.
        """
        if not may_decide(principal):
            raise NotAllowedError("The role does not part records")
        async with self.scope() as scope:
            row = await seen(scope, principal, child_id, lock=True)
            if not reason.strip():
                raise Rejected([_REASON_MISSING])
            chosen = sorted({record for record in records if is_id(record)})
            said = await store.statements(scope.connection, row.id)
            if not merging.may_part(row.id, said, chosen):
                raise Rejected([_NOTHING_TO_PART])
            return await merging.split(scope, self._desk, row.id, chosen, reason.strip()[:300], _actor(principal))

    async def undo_split(self, principal: Principal, split_id: str) -> str:
        """Undo a split. Out: the child that goes on.

        Raises `NotThereError`, `NotAllowedError`, `merging.NotPossibleError`.
        """
        if not may_decide(principal):
            raise NotAllowedError("The role does not part records")
        async with self.scope() as scope:
            found = await pairs.split(scope.connection, split_id) if is_id(split_id) else None
            if found is None:
                raise NotThereError
            await seen(scope, principal, found.kept)
            return await merging.undo_split(scope, self._desk, split_id, _actor(principal))

    async def _file(self, scope: Scope, row: ChildRow) -> ChildFile:
        connection = scope.connection
        return ChildFile(
            row=row,
            statements=await store.statements(connection, row.id),
            circumstances=await store.circumstances(connection, row.id),
            history=await store.history(connection, row.id),
            revisions=await revisions.of_child(connection, row.id),
            merges=await pairs.merges_into(connection, row.id),
            splits=await pairs.splits_of(connection, row.id),
            accesses=await finding.accesses(connection, row.id),
            waiting=len(await pairs.pairs_of(connection, row.id)),
            today=today(scope),
            standing=await lives.standing(connection, row.id),
            photo_added_at=await photos.added_at(connection, row.id),
            cases=await cases.of_child(connection, row.id),
        )

    async def _existing(self, scope: Scope, child_id: str) -> ChildRow:
        row = await store.current(scope.connection, child_id)
        if row is None:
            raise NotThereError
        return row

    async def _visible(self, scope: Scope, principal: Principal, match: Match) -> bool:
        row = await store.current(scope.connection, match.child_id)
        return row is not None and await sees(scope, principal, row)


def _obstacle(one: Standing, other: Standing) -> Violation | None:
    try:
        lifecycle.unite(one.life, other.life)
    except Rejected as refused:
        return refused.violations[0]
    return None


def _actor(principal: Principal) -> str:
    return f"person:{principal.id}"


def _must_edit(principal: Principal, unit: str | None) -> None:
    if not principal.may(Permission.EDIT_CHILDREN) or not principal.may_see(unit):
        raise NotAllowedError("The role or the place does not allow this")


def _must_exist(unit: str | None) -> None:
    """A child in a commune that there is not would be in nobody's. Raises `Rejected`."""
    if unit is not None and unit not in Units.load().codes():
        raise Rejected([_UNIT_UNKNOWN])


def _reason(text: str) -> str:
    """Why a record is corrected. Raises `Rejected`."""
    refuse_unstorable(text, "reason")
    said = " ".join(text.split())
    if not said:
        raise Rejected(
            [
                Violation(
                    "reason",
                    "reason-missing",
                    "Hãy nêu lý do: căn cứ vào đâu, vì sao sửa.",
                    "Say why: on what grounds, what for.",
                )
            ]
        )
    return said[:_REASON_LENGTH]


_UNIT_UNKNOWN = Violation("unit", "unit-unknown", "Không có xã, phường nào mang mã này.", "No commune has this code.")
_REASON_MISSING = Violation(
    "reason", "reason-missing", "Hãy ghi vì sao đây là hai trẻ.", "Say why these are two children."
)
_NOTHING_TO_PART = Violation(
    "records",
    "nothing-to-part",
    "Chọn ít nhất một nguồn ghi về trẻ kia và để lại ít nhất một nguồn; phần cán bộ sửa ở hồ sơ này thì ở lại.",
    "Choose at least one source on the other child and leave at least one; what people corrected here stays here.",
)
