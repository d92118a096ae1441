"""One function an incoming event: what agencies record and observe, and whom a case's child is.

An agency's statement that breaks a rule is told back to it with the field; a description in a case never is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.desk import Desk, sector_of, today
from services.registry.desk.erasing import record_name
from services.registry.desk.merging import merge
from services.registry.desk.quality import settle as settle_quality
from services.registry.domain.children import (
    Known,
    Statement,
    circumstance_refusals,
    is_adult,
    refusals,
)
from services.registry.domain.circumstances import is_listed
from services.registry.domain.lifecycle import HIDDEN
from services.registry.domain.matching import Identification
from services.registry.domain.names import fold
from services.registry.domain.recorded import statement_of
from services.registry.domain.traits import Traits, claim_keys, traits_of, with_keys
from services.registry.following_cases import follow_cases
from services.registry.seeing import is_id
from services.registry.store import children as store
from services.registry.store import identifications, imports, told
from services.registry.store.children import ChildRow, Observation
from services.registry.store.chunk import Chunk
from services.registry.store.nearby import Memory
from shared.contracts.agency import ChildRecorded, CircumstanceObserved
from shared.contracts.base import SealedBox
from shared.contracts.cases import CaseEvent, ChildChosen, ChildDescribed
from shared.contracts.errors import Rejected, Violation
from shared.contracts.registry import Candidate, ChildIdentified
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.outbox import stable_id
from shared.messaging.router import Received, Router, Scope
from shared.privacy import Erased, Keys, ManyKeys
from shared.reference.calendar import local_day
from shared.reference.units import Units
from shared.telemetry import current_traceparent


def routes(desk: Desk, keys: Keys, units: Units) -> Router:
    """The registry's handlers."""
    router = Router("registry", named=_names_of)

    @router.handles(ChildRecorded)
    async def on_recorded(received: Received[ChildRecorded], scope: Scope) -> None:
        data = received.data
        description = await keys.open(scope.connection, data.child, ChildDescription)
        place = None if data.unit_text is None else await keys.open(scope.connection, data.unit_text, str)
        sector, event = sector_of(received.sector), received.event
        said = statement_of(
            data,
            description,
            place,
            source=event.source,
            event_id=event.id,
            sector=sector,
            today=today(scope),
            units=units,
        )
        if found := refusals(description, said.as_of, today(scope)):
            raise Rejected([_in_data(violation) for violation in found])
        await _must_be_newest(scope, said.record_id, received.event.time, data.as_of)
        await desk.record(scope, said, correction=received.correction, actor=sector)

    @router.handles(CircumstanceObserved)
    async def on_observed(received: Received[CircumstanceObserved], scope: Scope) -> None:
        data = received.data
        listed = is_listed(data.circumstance)
        found = circumstance_refusals(data.since, data.until, today(scope), listed=listed)
        if found:
            raise Rejected([_in_data(violation) for violation in found])
        record_id = stable_id("record", received.event.source, received.event.id)
        before = await store.observed_child(scope.connection, record_id) if received.correction else None
        row, left = await _both(scope, data.child_id, before)
        if row is None or row.status in _NO_CHILD:
            raise Rejected([_CHILD_UNKNOWN])
        await _must_be_newest(scope, record_id, received.event.time)
        sector = sector_of(received.sector)
        seen = Observation(
            record_id=record_id,
            code=data.circumstance,
            since=data.since,
            until=data.until,
            sector=sector,
            evidence=data.evidence,
        )
        await desk.observe(scope, row, seen, sector)
        if left is not None:
            await desk.refresh(scope, left, sector, data.since, cause="circumstance")

    _identify_children_of_cases(router, desk, keys)
    follow_cases(router)
    return router


def _names_of(source: str, identifier: str) -> tuple[str, ...]:
    return (record_name(stable_id("record", source, identifier)),)


def _identify_children_of_cases(router: Router, desk: Desk, keys: Keys) -> None:
    @router.handles_together(ChildDescribed)
    async def on_described(received: Sequence[Received[ChildDescribed]], scope: Scope) -> None:
        if len(received) > 1:
            await identify_many(keys, scope, received)
            return
        described = received[0].data
        with scope.span(received[0].event):
            try:
                description = await keys.open(scope.connection, described.child, ChildDescription)
            except Erased:  # the case was erased by law meanwhile: nobody is left to identify
                return
            said = _said_in_case(scope, described, description)
            await _answer(scope, await identify_described(desk, scope, described.case_id, said, _traits_in(said)))

    @router.handles(ChildChosen)
    async def on_chosen(received: Received[ChildChosen], scope: Scope) -> None:
        if received.data.child is None:
            return
        try:
            description = await keys.open(scope.connection, received.data.child, ChildDescription)
        except Erased:  # as above: nothing is left to link
            return
        await settle_chosen(desk, scope, received.data, description)


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a case is told of who its child is, and the trace that this belongs to."""

    event: ChildIdentified
    unit: str | None
    traceparent: str | None


async def identify_many(keys: Keys, scope: Scope, received: Sequence[Received[ChildDescribed]]) -> None:
    """As `identify_described` for one after the other, with a round trip a table for all of them: on a chunk, as an
    import's rows are taken over."""
    connection = scope.connection
    chunk = Chunk(connection, scope.now, Memory())
    many = ManyKeys(keys, connection)
    await many.find([one.data.child.kid for one in received if isinstance(one.data.child, SealedBox)])
    described: list[tuple[Received[ChildDescribed], Statement]] = []
    for one in received:
        try:
            description = await many.open(connection, one.data.child, ChildDescription)
        except Erased:  # as for one alone
            continue
        described.append((one, _said_in_case(scope, one.data, description)))
    withdrawn = await imports.withdrawn(connection, [said.record_id for _, said in described])
    described = [
        (one, replace(said, sequence=withdrawn[said.record_id] + 1) if said.record_id in withdrawn else said)
        for one, said in described
    ]
    wanted = [with_keys(_traits_in(said)) for _, said in described]
    await chunk.load([said for _, said in described], wanted, [None] * len(described))
    await many.find([f"child/{child_id}" for child_id in chunk.kids()])
    desk, answers = Desk(many), []
    # The chunk answers in the connection's place.
    scope.connection = cast("AsyncConnection", chunk)
    try:
        for place, (one, said) in enumerate(described):
            chunk.turn(place)
            with scope.span(one.event):
                answers.append(await identify_described(desk, scope, one.data.case_id, said, wanted[place]))
        await chunk.settle()
    finally:
        scope.connection = connection
    await many.write()
    await settle_quality(scope, *chunk.touched())
    await _answer(scope, *answers)


async def identify_described(desk: Desk, scope: Scope, case_id: str, said: Statement, wanted: Traits) -> _Answered:
    """Who a case's child is.

    `existing`: one child, surely. `candidates`: several may be the one, a person chooses; also nobody, where the
    description has no name (or is of somebody of 16 or more) and so cannot found a record. `new`: nobody is near and a
    name is known: the child is registered from the report. A case that describes its child again, after it founded a
    record, corrects that record.
    """
    if await store.statement(scope.connection, said.record_id) is not None:
        taken = await desk.record(scope, said, correction=True, actor=said.sector)
        return await _answered(scope, case_id, "new" if taken.new else "existing", taken.child_id)
    found = await desk.identify(scope, wanted)
    can_found = _can_found(said)
    if can_found and not found.possible and not await store.claim(scope.connection, claim_keys(wanted), scope.now):
        found = await desk.identify(scope, wanted)
    if found.sure is not None:
        return await _answered(scope, case_id, "existing", found.sure.child_id, found)
    if found.possible or not can_found:
        return await _answered(scope, case_id, "candidates", None, found)
    child_id = await desk.register(scope, said, wanted=wanted)
    return await _answered(scope, case_id, "new", child_id)


async def settle_chosen(desk: Desk, scope: Scope, chosen: ChildChosen, description: ChildDescription) -> None:
    """A person chose between the candidates of a case, or corrected the wrong child (`instead_of`): the report is
    linked to the chosen child, or founds a new one; a record that it leaves is worked out again without it.

    A description that can found no record (no name, 16 or older), and a child that is not there, are answered by
    `candidates` without any.
    """
    said = _said_in_case(scope, chosen, description)
    earlier = await store.statement(scope.connection, said.record_id)
    before = earlier[0] if earlier else None
    if earlier is not None:
        said = replace(said, sequence=earlier[1].sequence + 1)
    alone = before is not None and await _is_only_the_report(scope, before)
    if chosen.child_id is not None:
        child_id = await _linked(desk, scope, said, chosen.child_id, before, alone=alone)
        await _answer(scope, await _answered(scope, chosen.case_id, "existing" if child_id else "candidates", child_id))
    elif before is not None and (chosen.instead_of is None or alone):
        # Where the record is this report and nothing else, it is the child's own: there is nothing to part.
        await _answer(scope, await _answered(scope, chosen.case_id, "existing", before))
    elif _can_found(said):
        # Whoever looked at the candidates said that they are others: no pair is left to be looked at again.
        founded = await desk.register(scope, said)
        await _without(desk, scope, before, said)
        await _answer(scope, await _answered(scope, chosen.case_id, "new", founded))
    else:
        await _answer(scope, await _answered(scope, chosen.case_id, "candidates", None))


async def _linked(
    desk: Desk, scope: Scope, said: Statement, chosen: str, before: str | None, *, alone: bool
) -> str | None:
    """The report is of the chosen child. Out: its id; None where there is no such child."""
    wanted = await store.current(scope.connection, chosen) if is_id(chosen.lower()) else None
    if wanted is None or wanted.status in HIDDEN:
        return None
    if before is None or before == wanted.id:
        return await desk.confirm(scope, wanted.id, said, said.sector)
    if alone:
        # A record founded on this report alone is the chosen child under another id.
        await merge(scope, desk, before, wanted.id, said.sector, lead=wanted.id)
        return await desk.confirm(scope, wanted.id, said, said.sector)
    for both in sorted((before, wanted.id)):
        await store.child(scope.connection, both, lock=True)
    child_id = await desk.confirm(scope, wanted.id, said, said.sector)
    await _without(desk, scope, before, said)
    return child_id


async def _is_only_the_report(scope: Scope, child_id: str) -> bool:
    """Whether a record is one report and nothing else; that of an adopted child is its own, whatever is left of it."""
    row = await store.child(scope.connection, child_id)
    return row is not None and row.status != "adopted" and len(await store.statements(scope.connection, child_id)) == 1


async def _without(desk: Desk, scope: Scope, before: str | None, said: Statement) -> None:
    """A child's record after a statement left it."""
    row = await store.child(scope.connection, before, lock=True) if before else None
    if row is not None:
        await desk.refresh(scope, row, said.sector, said.as_of)


def _said_in_case(scope: Scope, event: CaseEvent, description: ChildDescription) -> Statement:
    facts = event.facts
    return Statement(
        record_id=stable_id("case", event.case_id),
        register_kind="report",
        sector=sector_of(facts.sector),
        as_of=today(scope),
        description=description,
        unit=None if facts.unit == "unclassified" else facts.unit,
    )


def _can_found(said: Statement) -> bool:
    born = said.description.birth_date
    named = bool(fold(said.description.name))
    return named and not is_adult(said.description, said.as_of) and not (born is not None and born > said.as_of)


def _traits_in(said: Statement) -> Traits:
    return traits_of(said.description, said.unit, said.as_of)


async def _answered(
    scope: Scope, case_id: str, result: str, child_id: str | None, found: Identification | None = None
) -> _Answered:
    row = await store.current(scope.connection, child_id) if child_id else None
    known: Known | None = row.known if row else None
    event = ChildIdentified.model_validate(
        {
            "case_id": case_id,
            "result": result,
            "child_id": row.id if row else None,
            "candidates": [
                Candidate(child_id=match.child_id, probability=match.probability, reasons=list(match.reasons))
                for match in (found.possible if found and result == "candidates" else ())
            ],
            "facts": known.facts if known else None,
        }
    )
    return _Answered(event, known.unit if known else None, current_traceparent())


async def _answer(scope: Scope, *answers: _Answered) -> None:
    """Remember and tell what cases are answered."""
    told = [(one.event.case_id, one.event.child_id) for one in answers]
    numbers = await identifications.put_all(scope.connection, told) if told else []
    for one, number in zip(answers, numbers, strict=True):
        await scope.emit(
            one.event, subject=one.event.case_id, sequence=number, unit=one.unit, traceparent=one.traceparent
        )


async def _must_be_newest(scope: Scope, record_id: str, at: datetime, as_of: date | None = None) -> None:
    """Letters cross: what the source said later stands. Raises `Rejected`."""
    at = min(at, scope.now)  # a clock that goes ahead must not keep out what comes after
    if not await told.note(scope.connection, record_id, as_of or local_day(at), at):
        raise Rejected([_SUPERSEDED])


async def _both(scope: Scope, child_id: str, before: str | None) -> tuple[ChildRow | None, ChildRow | None]:
    """The child that is told of now, and the other one that was told of before, if any: both locked, in one order."""
    ids = {child_id, *([before] if before else [])}
    rows = [await store.current(scope.connection, one, lock=True) for one in sorted(ids) if is_id(one.lower())]
    found = {row.id: row for row in rows if row is not None}
    row = await store.current(scope.connection, child_id) if is_id(child_id.lower()) else None
    left = [other for other in found.values() if row is not None and other.id != row.id]
    return found.get(row.id) if row else None, left[0] if left else None


def _in_data(violation: Violation) -> Violation:
    field = "data" if violation.field in ChildRecorded.model_fields else "data.child"
    if violation.field in CircumstanceObserved.model_fields:
        field = "data"
    return replace(violation, field=f"{field}.{violation.field}")


# Of whom nothing more is taken down: the record was none of a child, or the child's is gone by law.
_NO_CHILD = frozenset({"withdrawn", "erased"})
_SUPERSEDED = Violation(
    "data.as_of",
    "superseded",
    "Đã nhận bản mới hơn của bản ghi này (theo «as_of», rồi «time»); bản cũ không được ghi đè.",
    "A later version of this record was received before (by `as_of`, then `time`); the older one does not replace it.",
)
_CHILD_UNKNOWN = Violation(
    "data.child_id",
    "child-unknown",
    "Không có trẻ nào mang mã này trong sổ đăng ký.",
    "No child in the registry has this id.",
)
