"""Takes over what other systems say of children: each record through the desk, once, however often it is sent.

Nothing is half taken over. A record that breaks a rule is told back with the field; those beside it are taken over,
unless the sender asked for all or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from services.registry.desk import Desk, sector_of
from services.registry.domain.children import Statement, circumstance_refusals, refusals
from services.registry.domain.warnings import coded
from services.registry.exchange.incoming import Incoming
from services.registry.store import children as store
from services.registry.store import exports, told
from shared.contracts.errors import UNSTORABLE, Violation
from shared.database import Database, is_conflict, is_unstorable
from shared.identity import Permission, Principal
from shared.messaging.outbox import stable_id
from shared.messaging.router import Clock, Scope
from shared.reference.calendar import local_day
from shared.reference.exchange import Exchange
from shared.reference.terms import Terms
from shared.reference.units import Units

Done = Literal["created", "updated", "unchanged", "superseded", "refused", "not-tried"]
System = Literal["fhir", "dhis2"]
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record, and of which child it is."""

    done: Done
    child_id: str | None = None
    wrong: tuple[Violation, ...] = ()
    left_out: tuple[Violation, ...] = ()


class _DryRunError(Exception):
    """Everything worked and nothing is to stay."""


class Intake:
    """Where records of other systems come in.

    Args:
        desk: records them. database, clock: the service's. units: the communes there are.
    """

    def __init__(self, desk: Desk, database: Database, clock: Clock, units: Units) -> None:
        self._desk = desk
        self._database = database
        self._clock = clock
        self._units = units

    async def take(
        self, principal: Principal, system: System, records: Sequence[Incoming], *, together: bool, dry: bool = False
    ) -> list[Outcome]:
        """Take over records in their order. Out: what became of each.

        Args:
            together: all or none. dry: only say what would become of them.
        """
        said = [self._read(principal, system, record) for record in records]
        if together and any(isinstance(one, Outcome) for one in said):
            return [
                one if isinstance(one, Outcome) else Outcome("not-tried", left_out=record.left_out)
                for one, record in zip(said, records, strict=True)
            ]
        groups = [list(range(len(said)))] if together else [[place] for place in range(len(said))]
        done: list[Outcome] = []
        for group in groups:
            if isinstance(first := said[group[0]], Outcome):
                done.append(first)
                continue
            wanted = [one for place in group if isinstance(one := said[place], Statement)]
            found = await self._recorded(principal, wanted, dry=dry)
            done += [
                replace(outcome, left_out=records[place].left_out) for place, outcome in zip(group, found, strict=True)
            ]
        return done

    def _read(self, principal: Principal, system: System, record: Incoming) -> Statement | Outcome:
        """A record as a statement of its sender, or why it cannot be one."""
        now = local_day(self._clock())
        # A source that does not say when speaks of today.
        as_of = record.as_of or now
        unit = self._unit(record)
        wrong = list(record.wrong)
        if not wrong:
            wrong += refusals(record.description, as_of, now)
            if record.source_id is None:
                wrong.append(_SOURCE_ID_MISSING)
            if record.unit and unit is None:
                wrong.append(_UNIT_UNKNOWN)
            elif not principal.may_see(unit):
                wrong.append(_NOT_YOUR_COMMUNE)
            for code in record.circumstances:
                wrong += circumstance_refusals(as_of, None, as_of, listed=code in Terms.load("circumstances"))
        if wrong or record.source_id is None:
            return Outcome("refused", wrong=tuple(dict.fromkeys(wrong)), left_out=record.left_out)
        return Statement(
            record_id=stable_id("exchange", system, principal.id, record.source_id),
            register_kind=Exchange.load().register_of(sector_of(principal.sector)),
            sector=sector_of(principal.sector),
            as_of=as_of,
            description=coded(record.description),
            unit=unit,
            unit_text=record.place,
            circumstances=record.circumstances,
        )

    def _unit(self, record: Incoming) -> str | None:
        if record.unit:
            return self._units.current(record.unit)
        return self._units.find(record.place) if record.place else None

    async def _recorded(self, principal: Principal, said: Sequence[Statement], *, dry: bool) -> list[Outcome]:
        """Statements in one transaction; again where another one at the same moment was in the way."""
        for attempt in range(_ATTEMPTS):
            try:
                return await self._once(principal, said, dry=dry)
            except Exception as error:
                if is_unstorable(error):
                    return [Outcome("refused", wrong=(UNSTORABLE,)) for _ in said]
                if not is_conflict(error) or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    async def _once(self, principal: Principal, said: Sequence[Statement], *, dry: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            async with self._database.transaction() as connection:
                scope = Scope("registry", connection, self._clock())
                # In one order, so that two senders of the same records never wait for each other.
                for record_id in sorted({one.record_id for one in said}):
                    await exports.wait_for_others(connection, record_id)
                for one in said:
                    outcomes.append(await self._one(scope, principal, one))
                if dry:
                    raise _DryRunError
                await scope.flush()
        except _DryRunError:
            pass
        return outcomes

    async def _one(self, scope: Scope, principal: Principal, said: Statement) -> Outcome:
        if principal.may(Permission.PUBLISH_EVENTS):
            # What a system has told of it reads back; what comes before what is decided below, by the day it speaks of.
            await told.note(scope.connection, said.record_id, said.as_of, scope.now)
        earlier = await store.statement(scope.connection, said.record_id)
        if earlier is not None:
            child_id, before = earlier
            if replace(before, sequence=said.sequence, probability=None) == said:
                row = await store.current(scope.connection, child_id)
                return Outcome("unchanged", row.id if row else child_id)
            if before.as_of > said.as_of:
                # Letters cross: what the sender said later stands.
                return Outcome("superseded", child_id, wrong=(_SUPERSEDED,))
        actor = said.sector if principal.machine else f"person:{principal.id}"
        taken = await self._desk.record(scope, said, correction=True, actor=actor)
        return Outcome("created" if taken.new else "updated", taken.child_id)


def may_send(principal: Principal) -> bool:
    """Who sends records: an agency's system with a sector of its own, or whoever edits children."""
    return principal.may(Permission.EDIT_CHILDREN) or (
        principal.may(Permission.PUBLISH_EVENTS) and principal.sector is not None
    )


_SOURCE_ID_MISSING = Violation(
    "source_id",
    "source-id-missing",
    "Thiếu mã của bản ghi ở hệ thống gửi; không có mã thì gửi lại sẽ thành hai trẻ.",
    "The record's own id in the sending system is missing; without it a second sending would be a second child.",
)
_UNIT_UNKNOWN = Violation("unit", "unit-unknown", "Không có xã, phường nào mang mã này.", "No commune has this code.")
_NOT_YOUR_COMMUNE = Violation(
    "unit",
    "not-your-commune",
    "Nơi ở của trẻ không thuộc địa bàn của anh chị, hoặc chưa ghi.",
    "The child's commune is not yours, or is not said.",
)
_SUPERSEDED = Violation(
    "as_of",
    "superseded",
    "Đã nhận bản mới hơn của bản ghi này; bản cũ không được ghi đè.",
    "A later version of this record was received before; the older one does not replace it.",
)
