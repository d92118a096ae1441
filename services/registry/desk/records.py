"""What can be done to the registry, by events and by people alike: record, identify, correct, move, observe.

Each act works inside the caller's transaction and emits what became true. It must never register a child twice, and
never unite two that it is not sure of: those go to the queue of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from services.registry.desk import quality
from services.registry.desk.following import arrived, today
from services.registry.desk.linking import LEAD, emit_link, sector_of
from services.registry.desk.photos import Photos
from services.registry.domain import lifecycle
from services.registry.domain.children import (
    BUNDLES,
    Known,
    Mark,
    Statement,
    changed_fields,
    compose,
    marked,
    merge_corrections,
    only_changes,
    refusals,
)
from services.registry.domain.lifecycle import HIDDEN
from services.registry.domain.matching import (
    POSSIBLE,
    Identification,
    Match,
    compare,
    identify,
    is_another,
    is_called_like,
)
from services.registry.domain.recorded import left_record
from services.registry.domain.traits import Traits, blocking_keys, claim_keys, search_keys, traits_of
from services.registry.store import children as store
from services.registry.store import imports, pairs, revisions
from services.registry.store.children import ChildRow, Observation
from shared.contracts.errors import Rejected
from shared.contracts.registry import (
    ChildCorrected,
    ChildMoved,
    ChildRegistered,
    CircumstanceEnded,
    CircumstanceStarted,
)
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.outbox import new_id, stable_id
from shared.messaging.router import Scope
from shared.privacy import Keys
from shared.reference.trust import TrustOrders


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a statement: the child it is linked to, whether that child is new, and who else it may be."""

    child_id: str
    new: bool
    possible: tuple[Match, ...] = ()


class VersionConflictError(Exception):
    """Somebody else changed the child's record since it was read. Nothing was saved."""


class Desk:
    """The registry's acts.

    Args:
        keys: seals identity under each child's key.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._trust = TrustOrders.load()
        self.photos = Photos(keys)

    async def record(
        self,
        scope: Scope,
        said: Statement,
        *,
        correction: bool,
        actor: str,
        wanted: Traits | None = None,
        known: Known | None = None,
    ) -> Taken:
        """Take over what a source says of a child: on the child it surely means, else on a new one.

        Args:
            correction: the source may have sent this record before. actor: a sector or `person:<id>`, for the history.
            wanted, known: the statement's traits, and what is known of a child of whom only it speaks, where they were
                worked out before.
        """
        if correction:
            earlier = await store.statement(scope.connection, said.record_id)
            if earlier is not None:
                return await self._corrected(scope, earlier, said, actor)
        wanted = wanted or traits_of(said.description, said.unit, said.as_of)
        found = await self.identify(scope, wanted)
        if found.sure is None and not await store.claim(scope.connection, claim_keys(wanted), scope.now):
            found = await self.identify(scope, wanted)
        return await self._place(scope, said, wanted, found, actor, known)

    async def identify(self, scope: Scope, wanted: Traits, leave_out: str | None = None) -> Identification:
        """Who the described child is among those known."""
        rows = await store.candidates(scope.connection, search_keys(wanted), leave_out)
        found = identify(wanted, ((row.id, [row.traits]) for row in rows if row.status not in HIDDEN))
        if found.possible:
            return found
        # What is still told of an adopted child under its old name belongs to the closed record, or it would found
        # another; that there is one is shown to nobody. Under the new name it is the new record's, begun or not.
        closed = identify(
            wanted,
            ((row.id, [row.traits]) for row in rows if row.status == "adopted" and is_called_like(wanted, row.traits)),
        )
        return Identification(closed.sure, ())

    async def open_record(
        self, scope: Scope, description: ChildDescription, unit: str | None, actor: str, *, seen: Sequence[str] = ()
    ) -> Taken | Identification:
        """A person registers a child. Where another may be the same, nothing is saved and those are given back, unless
        the person has seen all of them (`seen`: their ids) and still says that the child is new.

        Raises: `Rejected`.
        """
        day = today(scope)
        if found := refusals(description, day, day):
            raise Rejected(found)
        wanted = traits_of(description, unit, day)
        others = await self.identify(scope, wanted)
        if not await store.claim(scope.connection, claim_keys(wanted), scope.now):
            others = await self.identify(scope, wanted)
        if any(match.child_id not in seen for match in others.possible):
            return others
        child_id = new_id()
        said = Statement(
            record_id=stable_id("registry-page", child_id),
            register_kind="registry-page",
            sector=LEAD,
            as_of=day,
            description=description,
            unit=unit,
        )
        await self.register(scope, said, others.possible, child_id=child_id)
        await store.add_history(scope.connection, child_id, scope.now, "registered", actor)
        return Taken(child_id, new=True, possible=others.possible)

    async def register(
        self,
        scope: Scope,
        said: Statement,
        possible: Sequence[Match] = (),
        *,
        child_id: str | None = None,
        wanted: Traits | None = None,
        known: Known | None = None,
    ) -> str:
        """A new child from a statement, whoever else it may be: those go to the queue. Out: the child's id.

        Args:
            wanted, known: as for `record`.
        """
        child_id = child_id or new_id()
        said = await _counted(scope, said)
        known = known or compose([said], said.groups, trust=self._trust.on(today(scope)))
        keys = blocking_keys(wanted or traits_of(said.description, said.unit, said.as_of))
        await store.insert_child(scope.connection, child_id, known, said, keys, scope.now)
        await pairs.put_pairs(scope.connection, child_id, possible, scope.now)
        await self._keys.make(scope.connection, f"child/{child_id}")
        box = await self._keys.seal(scope.connection, known.description, f"child/{child_id}")
        event = ChildRegistered(child_id=child_id, facts=known.facts, child=box, sector=sector_of(said.sector))
        await scope.emit(event, subject=child_id, sequence=1, unit=known.unit)
        sequence = 1
        for code in known.circumstances:
            sequence += 1
            started = CircumstanceStarted(child_id=child_id, facts=known.facts, circumstance=code, since=said.as_of)
            await scope.emit(started, subject=child_id, sequence=sequence, unit=known.unit)
        if sequence > 1:
            await store.save_child(scope.connection, child_id, sequence, known, scope.now)
        await quality.settle(scope, child_id)
        await emit_link(scope, child_id, said)
        return child_id

    async def confirm(self, scope: Scope, child_id: str, said: Statement, actor: str) -> str | None:
        """A person says whom a statement is of: it is linked to that child, however unsure the comparison was.

        Out: the child's id after all merges; None where there is no such child any more, and nothing was linked.
        """
        row = await store.current(scope.connection, child_id, lock=True)
        if row is None:
            return None
        await self._take_over(scope, row, said, actor)
        return row.id

    async def correct(
        self,
        scope: Scope,
        child_id: str,
        wanted: ChildDescription,
        unit: str | None,
        *,
        version: int,
        actor: str,
        reason: str | None = None,
    ) -> None:
        """A person corrects what is known, or moves the child to another commune.

        Args:
            wanted: the description as it should be; a field it does not set stays, one set to nothing is emptied.
            unit: where the child lives. version: the record's sequence as the person saw it. reason: why.
        Raises: `VersionConflictError`, `Rejected`, LookupError for a child that is not (any more) there.
        """
        row = await self._to_change(scope, child_id, version)
        day = today(scope)
        if found := refusals(wanted, day, day):
            raise Rejected(found)
        moved = unit is not None and unit != row.known.unit
        said = only_changes(row.known.description, wanted, moved=moved)
        if not said.model_fields_set and not moved:
            return
        await self._say(
            scope, row, said, unit if moved else None, Mark(day, actor, reason), "moved" if moved else "corrected"
        )

    async def settle(
        self, scope: Scope, child_id: str, field: str, record_id: str, *, version: int, actor: str, reason: str
    ) -> None:
        """A person decides which of the sources that contradict each other in a field is right. It stands until a
        newer statement contradicts it.

        Args:
            record_id: of the statement that is right.
        Raises: `VersionConflictError`, LookupError where the child or the contradiction is not there (any more).
        """
        row = await self._to_change(scope, child_id, version)
        claims = next((doubt.claims for doubt in row.known.conflicts if doubt.field == field), ())
        right = next(
            (
                said
                for said in await store.statements(scope.connection, child_id)
                if said.record_id == record_id and any(claim.record_id == record_id for claim in claims)
            ),
            None,
        )
        if right is None:
            raise LookupError("no such contradiction")
        mark = Mark(today(scope), actor, reason)
        if field == "unit":
            await self._say(scope, row, ChildDescription(), right.unit, mark, "settled")
            return
        names = (field, *BUNDLES.get(field, ()))
        said = ChildDescription(**{name: getattr(right.description, name) for name in names})
        await self._say(scope, row, said, None, mark, "settled")

    async def vouch(self, scope: Scope, child_id: str, actor: str, reason: str) -> None:
        """A person says that there is the child of a record of which no source tells any more: all that the record
        holds is that person's word from now. It must be locked. Raises LookupError.
        """
        row = await store.child(scope.connection, child_id)
        if row is None:
            raise LookupError("no such child")
        said = Statement(
            record_id=stable_id("registry-page", row.id),
            register_kind="registry-page",
            sector=LEAD,
            # Not of today: an age grows from the day on which it was told.
            as_of=row.known.confirmed_on,
            description=row.known.description,
            unit=row.known.unit,
        )
        await self._take_over(scope, row, said, actor, on=today(scope), cause="returned", reason=reason)

    async def attest(
        self, scope: Scope, row: ChildRow, fields: Sequence[str], *, on: date, by_act: str, actor: str
    ) -> ChildRow:
        """Some fields were confirmed on a day by a kind of act (a home visit, papers). `row` must be locked.

        Out: the record with it. No event is told: that is for whoever verified.
        """
        known = row.known.verified(fields, on, by_act)
        await revisions.put(scope.connection, row.id, scope.now, actor, "verified")
        await store.save_child(scope.connection, row.id, row.sequence, known, scope.now)
        return replace(row, known=known)

    async def _to_change(self, scope: Scope, child_id: str, version: int) -> ChildRow:
        row = await store.child(scope.connection, child_id, lock=True)
        if row is None or row.merged_into is not None:
            raise LookupError("no such child")
        if row.sequence != version:
            raise VersionConflictError
        return row

    async def _say(
        self, scope: Scope, row: ChildRow, said: ChildDescription, unit: str | None, mark: Mark, cause: str
    ) -> None:
        """A person's word on a child goes on top of what people said before. `unit`: where it is said too."""
        record_id = stable_id("registry-page", row.id)
        earlier = await store.statement(scope.connection, record_id)
        before = earlier[1] if earlier else None
        statement = Statement(
            record_id=record_id,
            register_kind="registry-page",
            sector=LEAD,
            # What it said before keeps its day: each field that a person corrects has its own.
            as_of=before.as_of if before else mark.on,
            description=merge_corrections(before.description, said) if before else said,
            unit=unit or (before.unit if before else None),
            circumstances=before.circumstances if before else (),
            sequence=before.sequence + 1 if before else 1,
            marks=before.marks if before else {},
        )
        others = await store.statements(scope.connection, row.id)
        names = [*said.model_fields_set, *(["unit"] if unit else [])]
        marks = {**statement.marks, **marked(names, others, statement, mark)}
        await self._take_over(
            scope, row, replace(statement, marks=marks), mark.by, on=mark.on, cause=cause, reason=mark.reason
        )

    async def observe(self, scope: Scope, row: ChildRow, seen: Observation, actor: str) -> None:
        """A circumstance begins, or ends, for a child that is known."""
        await store.put_circumstance(scope.connection, row.id, seen)
        await self.refresh(scope, row, actor, seen.since, cause="circumstance")

    async def end(
        self, scope: Scope, row: ChildRow, code: str, until: date, actor: str, *, reason: str | None = None
    ) -> None:
        """A circumstance ends, whoever told of it."""
        await store.end_circumstance(scope.connection, row.id, code, until, reason, actor)
        await self.refresh(scope, row, actor, until, cause="circumstance", reason=reason)

    async def refresh(
        self, scope: Scope, row: ChildRow, actor: str, on: date, *, cause: str = "changed", reason: str | None = None
    ) -> int:
        """Work out again what is known of a child, save it and tell what changed. `row` must be locked.

        Args:
            on: the day of which the change tells. cause, reason: what for and why, for the record's history.
        Out: the child's sequence after it.
        """
        sequence = await self._refresh(scope, row, actor, on, cause, reason)
        await quality.settle(scope, row.id)
        return sequence

    async def _refresh(self, scope: Scope, row: ChildRow, actor: str, on: date, cause: str, reason: str | None) -> int:
        connection = scope.connection
        said = await store.statements(connection, row.id)
        holding = await store.holding(connection, row.id, today(scope))
        known = replace(row.known, circumstances=tuple(sorted(holding)))
        if said:
            known = compose(said, holding, before=row.known, trust=self._trust.on(today(scope)))
        known = lifecycle.follow(row.known, known)
        changed = changed_fields(row.known, known)
        begun = sorted(set(known.circumstances) - set(row.known.circumstances))
        ended = sorted(set(row.known.circumstances) - set(known.circumstances))
        if not changed and not begun and not ended and known.conflicts == row.known.conflicts:
            if known != row.known:
                await store.save_child(connection, row.id, row.sequence, known, scope.now)
            return row.sequence
        await revisions.put(connection, row.id, scope.now, actor, cause, reason)
        sequence = await self._tell(scope, row, known, changed, on)
        for code in begun:
            sequence += 1
            started = CircumstanceStarted(
                child_id=row.id, facts=known.facts, circumstance=code, since=holding.get(code, on)
            )
            await scope.emit(started, subject=row.id, sequence=sequence, unit=known.unit)
        for code in ended:
            sequence += 1
            over = CircumstanceEnded(child_id=row.id, facts=known.facts, circumstance=code, until=on)
            await scope.emit(over, subject=row.id, sequence=sequence, unit=known.unit)
        await store.save_child(connection, row.id, sequence, known, scope.now)
        await arrived(scope, row, known)
        return sequence

    async def _tell(self, scope: Scope, row: ChildRow, known: Known, changed: Sequence[str], on: date) -> int:
        """Emit what changed in the description and the residence. Out: the sequence after it."""
        sequence = row.sequence
        moved = "unit" in changed and row.known.unit is not None
        if moved:
            sequence += 1
            event = ChildMoved(child_id=row.id, facts=known.facts, from_unit=row.known.unit, moved_on=on)
            await scope.emit(event, subject=row.id, sequence=sequence, unit=known.unit)
        if [name for name in changed if name != "unit" or not moved]:
            sequence += 1
            box = await self._keys.seal(scope.connection, known.description, f"child/{row.id}")
            corrected = ChildCorrected(child_id=row.id, facts=known.facts, child=box, changed=list(changed))
            await scope.emit(corrected, subject=row.id, sequence=sequence, unit=known.unit)
        return sequence

    async def _place(
        self,
        scope: Scope,
        said: Statement,
        wanted: Traits,
        found: Identification,
        actor: str,
        known: Known | None = None,
    ) -> Taken:
        if found.sure is not None:
            row = await store.current(scope.connection, found.sure.child_id, lock=True)
            # Whoever was found may have been erased before the record could be locked.
            if row is not None and row.status not in {"erased", "withdrawn"}:
                await self._take_over(scope, row, replace(said, probability=found.sure.probability), actor)
                return Taken(row.id, new=False)
        child_id = await self.register(scope, said, found.possible, wanted=wanted, known=known)
        return Taken(child_id, new=True, possible=found.possible)

    async def _take_over(
        self,
        scope: Scope,
        row: ChildRow,
        said: Statement,
        actor: str,
        *,
        on: date | None = None,
        cause: str = "told",
        reason: str | None = None,
    ) -> None:
        said = await _counted(scope, said)
        keys = blocking_keys(traits_of(said.description, said.unit or row.known.unit, said.as_of))
        await store.put_statement(scope.connection, row.id, said, keys, scope.now)
        await self.refresh(scope, row, actor, on or said.as_of, cause=cause, reason=reason)
        await emit_link(scope, row.id, said)
        if said.register_kind == "registry-page":
            # A person's statement holds only what it changed; the child is filed under the whole.
            fresh = await store.child(scope.connection, row.id)
            if fresh is not None:
                await store.file(scope.connection, row.id, blocking_keys(fresh.traits))

    async def _corrected(self, scope: Scope, earlier: tuple[str, Statement], said: Statement, actor: str) -> Taken:
        """A source sends its record again with other content: usually of the same child, sometimes of another."""
        child_id, before = earlier
        row = await store.current(scope.connection, child_id, lock=True)
        if row is None:
            raise LookupError("a statement without a child")
        said = replace(said, sequence=before.sequence + 1, probability=before.probability)
        others = [s for s in await store.statements(scope.connection, row.id) if s.record_id != said.record_id]
        wanted = traits_of(said.description, said.unit, said.as_of)
        if row.known.status == "withdrawn":
            # Somebody said that the record was none; the source says again, otherwise, that there is a child.
            return await self._place(scope, said, wanted, await self.identify(scope, wanted), actor)
        if row.status == "adopted" and not is_called_like(wanted, row.traits):
            # The source knows the child by its new name. Under one id its record would tie the two records together.
            told = self._keys.blind(b"adopted record", said.record_id.encode())
            apart = replace(said, record_id=str(UUID(bytes=told)), sequence=1, probability=None)
            return await self.record(scope, apart, correction=True, actor=actor, wanted=wanted)
        if others:
            rest = compose(others)
            sure = compare(wanted, traits_of(rest.description, rest.unit, rest.confirmed_on)).probability
            if sure < POSSIBLE:
                found = await self.identify(scope, wanted, leave_out=row.id)
                taken = await self._place(scope, said, wanted, found, actor)
                await self.refresh(scope, row, actor, said.as_of)
                return taken
        elif is_another(traits_of(before.description, before.unit, before.as_of), wanted):
            return await self._part(scope, row, before, said, wanted, actor)
        await self._take_over(scope, row, said, actor)
        return Taken(row.id, new=False)

    async def _part(
        self, scope: Scope, row: ChildRow, before: Statement, said: Statement, wanted: Traits, actor: str
    ) -> Taken:
        """A source gave the record's id to another child: what it said of the first stays, under an id of its own."""
        left = replace(before, record_id=left_record(before.record_id, before.sequence), sequence=1)
        keys = blocking_keys(traits_of(left.description, left.unit, left.as_of))
        await store.put_statement(scope.connection, row.id, left, keys, scope.now)
        found = await self.identify(scope, wanted, leave_out=row.id)
        taken = await self._place(scope, said, wanted, found, actor)
        await self.refresh(scope, row, actor, said.as_of)
        await emit_link(scope, row.id, left)
        return taken


async def _counted(scope: Scope, said: Statement) -> Statement:
    """A statement that is new here, with its number: one that was withdrawn before goes on where it stopped, or every
    consumer would take it for older than its withdrawal."""
    if said.sequence > 1:
        return said
    withdrawn = await imports.counted(scope.connection, said.record_id)
    return replace(said, sequence=withdrawn + 1) if withdrawn else said
