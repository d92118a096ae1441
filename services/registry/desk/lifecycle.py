"""What people and time do with a record's life: check, verify, close, open again, erase; due and of age.

Each act works inside the caller's transaction, with the record locked, and emits what became true. It must never leave
a closed record to be counted, nor tell anybody which record an adopted child's new one is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Literal, get_args

import structlog

from services.registry.desk import erasing, quality
from services.registry.desk.adoption import Adoptions
from services.registry.desk.following import midnight, today
from services.registry.desk.linking import emit_link
from services.registry.desk.records import Desk
from services.registry.desk.support import settle_row
from services.registry.domain import lifecycle
from services.registry.domain.lifecycle import Life, add_months
from services.registry.store import children as store
from services.registry.store import lifecycle as lives
from services.registry.store import revisions
from services.registry.store.children import ChildRow
from shared.contracts.base import Contract
from shared.contracts.errors import refuse
from shared.contracts.registry import (
    ChildAdopted,
    ChildAgedOut,
    ChildChecked,
    ChildDeceased,
    ChildFacts,
    ChildMoved,
    ChildReturned,
    ChildVerificationDue,
    ChildVerified,
    ChildWithdrawn,
    RecordWithdrawn,
    VerificationDigest,
)
from shared.contracts.vocabulary import ChildDescription
from shared.database import is_passing
from shared.messaging.router import Scope
from shared.privacy import Keys
from shared.reference.calendar import local_day
from shared.reference.keeping import Keeping
from shared.reference.terms import Terms

_LOG = structlog.get_logger(__name__)
WithdrawnBecause = Literal["not-a-child", "made-up"]


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification came to: the record's sequence after it, and when it must be verified again."""

    sequence: int
    due_on: date


class Lifecycle:
    """The acts.

    Args:
        desk: does what changes the record itself. keys: whose erasing erases a child. keeping: the rules, as data.
    """

    def __init__(self, desk: Desk, keys: Keys, keeping: Keeping) -> None:
        self._desk = desk
        self._keys = keys
        self.rules = keeping
        self.adoptions = Adoptions(desk, keys, keeping)

    async def check(self, scope: Scope, row: ChildRow, *, by: str) -> int:
        """Somebody looked the record through. Out: its sequence after it. Raises `Rejected`."""
        before = await self._life(scope, row)
        on = today(scope)
        life = lifecycle.check(before, on)
        return await self._settle(scope, row, life, "checked", by, lambda facts: _checked(row, facts, on))

    async def verify(
        self,
        scope: Scope,
        row: ChildRow,
        *,
        confirmed: Collection[str],
        changed: Collection[str] = (),
        method: str,
        by: str,
        at: datetime,
        sample_id: str | None = None,
    ) -> Verified:
        """Somebody verified the record with the family or its papers.

        Args:
            row: the record as it is after what was changed, locked. confirmed, changed: names of fields, `unit` among
            them. method: of the reference data, or `blind` for a sample's answer. by: `person:<id>`. at: when it was
            done, which on a phone may lie before now. sample_id: of the blind sample in which it was.

        Raises: `Rejected` where the record is closed, was verified on a later day, or the method is none of the list.
        """
        on = local_day(at)
        periods = self.rules.periods.on(on)
        if sample_id is None and method not in periods.methods:
            raise refuse("method", "method-unknown", "Chọn cách xác minh.", "Choose how it was verified.")
        groups = Terms.load("circumstances")
        due_on = lifecycle.due_on(
            on,
            row.known.description,
            row.known.birth_year,
            special=any(code in groups for code in row.known.circumstances),
            periods=periods,
        )
        life = lifecycle.verify(await self._life(scope, row), on, due_on, today(scope))
        await lives.add_verification(
            scope.connection,
            row.id,
            at,
            by,
            method,
            confirmed=sorted(confirmed),
            changed=sorted(changed),
            sample_id=sample_id,
        )

        def told(facts: ChildFacts) -> Contract:
            blind = sample_id is not None
            return ChildVerified(child_id=row.id, facts=facts, verified_on=on, due_on=due_on, blind=blind)

        attested = {*confirmed, *changed}
        row = await self._desk.attest(scope, row, sorted(attested), on=on, by_act=method, actor=by)
        return Verified(await self._settle(scope, row, life, None, by, told), due_on)

    async def move(self, scope: Scope, row: ChildRow, unit: str, *, by: str) -> None:
        """The child lives in another commune of the province, which sees it as arrived, to be checked. Raises
        `Rejected`, `VersionConflictError`."""
        if unit == row.known.unit:
            raise refuse("unit", "same-unit", "Trẻ đang ở xã, phường này.", "The child lives in this commune already.")
        lifecycle.arrive(await self._kept_up(scope, row))
        await self._desk.correct(scope, row.id, row.known.description, unit, version=row.sequence, actor=by)

    async def move_away(self, scope: Scope, row: ChildRow, on: date, *, by: str) -> None:
        """The child lives in another province. Raises `Rejected`."""
        life = lifecycle.move_away(await self._life(scope, row), on, today(scope))

        def told(facts: ChildFacts) -> Contract:
            gone = facts.model_copy(update={"unit": None})
            return ChildMoved(child_id=row.id, facts=gone, from_unit=row.known.unit, moved_on=on)

        await self._settle(scope, row, life, "moved-away", by, told)

    async def die(self, scope: Scope, row: ChildRow, on: date, source: str, *, by: str) -> None:
        """The child died. `source`: who says so. Raises `Rejected`."""
        if not source.strip():
            raise refuse("source", "source-missing", "Ghi nguồn: giấy chứng tử, trạm y tế…", "Write who says so.")
        born = row.known.description.birth_date
        life = lifecycle.die(await self._life(scope, row), on, born, today(scope))
        await self._settle(
            scope,
            row,
            life,
            "deceased",
            by,
            lambda facts: ChildDeceased(child_id=row.id, facts=facts, died_on=on),
            reason=source.strip()[:300],
        )

    async def withdraw(self, scope: Scope, row: ChildRow, reason: str, *, by: str, note: str = "") -> None:
        """The record was none of a child: it counts no more, nor does what sources said for it. Raises `Rejected`."""
        why = next((known for known in get_args(WithdrawnBecause) if known == reason), None)
        if why is None:
            raise refuse(
                "reason", "reason-missing", "Chọn vì sao không có trẻ này.", "Choose why there is no such child."
            )
        life = lifecycle.withdraw(await self._life(scope, row))
        await lives.void_pairs(scope.connection, row.id, scope.now, by)
        await self._settle(
            scope,
            row,
            life,
            "withdrawn",
            by,
            lambda facts: ChildWithdrawn(child_id=row.id, facts=facts, reason=why),
            reason=note[:300] or None,
        )
        await self._withdraw_records(scope, row.id)

    async def come_back(self, scope: Scope, row: ChildRow, *, by: str, note: str = "") -> None:
        """A closed record is kept up again, to be checked anew. Raises `Rejected`.

        Of whom no source tells any more (the import that did was undone), the person who opens the record does: on what
        grounds must be said in `note`.
        """
        before = await self._life(scope, row)
        said = await store.statements(scope.connection, row.id)
        if not said and not note.strip():
            raise refuse(
                "note",
                "grounds-missing",
                "Không còn nguồn nào ghi về trẻ này. Hãy ghi căn cứ: giấy khai sinh, đến thăm nhà…",
                "No source tells of this child any more. Write on what grounds you do: birth certificate, home visit…",
            )
        renewed = before.status == "adopted" and not await self.adoptions.take_back(scope, row.id)
        life = lifecycle.come_back(before, today(scope), renewed=renewed)
        await self._settle(
            scope,
            row,
            life,
            "returned",
            by,
            lambda facts: ChildReturned(child_id=row.id, facts=facts, was=before.status),
            reason=note[:300] or None,
        )
        if not said:
            await self._desk.vouch(scope, row.id, by, note.strip()[:300])
        elif before.status == "withdrawn":
            await lives.withdraw_statements(scope.connection, row.id)
            for again in await store.statements(scope.connection, row.id):
                await emit_link(scope, row.id, again)

    async def adopt(
        self,
        scope: Scope,
        row: ChildRow,
        on: date,
        new: ChildDescription,
        unit: str,
        carried: Sequence[str],
        *,
        by: str,
    ) -> None:
        """The child was adopted: this record is closed, and one under the new identity begins later by itself.

        Args:
            new: who the child is from now. unit: where it lives. carried: circumstances that matter further on.
        Raises: `Rejected`.
        """
        life = lifecycle.adopt(await self._life(scope, row), on, today(scope))
        await self.adoptions.begin(scope, row, new, unit, carried)
        await lives.void_pairs(scope.connection, row.id, scope.now, by)
        await self._settle(
            scope, row, life, "adopted", by, lambda facts: ChildAdopted(child_id=row.id, facts=facts, on=on)
        )

    async def hold(self, scope: Scope, row: ChildRow, reason: str, note: str, *, by: str) -> None:
        """Forbid for the time being to erase the record. `reason`: of the reference data. Raises `Rejected`."""
        known = self.rules.erasure.on(today(scope)).hold_reasons
        if reason not in known:
            raise refuse("reason", "hold-reason-missing", "Chọn lý do giữ.", "Choose why it is to be kept.")
        if not note.strip():
            raise refuse("note", "note-missing", "Ghi số văn bản.", "Write the document's number.")
        await lives.put_hold(scope.connection, row.id, reason, note.strip()[:300], scope.now, by)

    async def erase(self, scope: Scope, row: ChildRow, ground: str, *, by: str) -> None:
        """Erased by law: the key is destroyed here and by its tombstone everywhere; nothing says any more who it was.

        Raises `Rejected` with what forbids it.
        """
        connection = scope.connection
        rules = self.rules.erasure.on(today(scope))
        if ground not in rules.grounds:
            raise refuse("ground", "ground-unknown", "Chọn căn cứ xóa.", "Choose on what ground.")
        lifecycle.erase(await self._life(scope, row))
        since = add_months(today(scope), -rules.case_months)
        is_open, closed = await lives.cases_since(connection, row.id, since)
        if is_open:
            raise refuse(
                "child",
                "has-open-case",
                "Chưa xóa được: trẻ đang có vụ việc chưa đóng.",
                "It cannot be erased: a case of the child is open.",
            )
        if closed:
            raise refuse(
                "child",
                "has-recent-case",
                f"Chưa xóa được: vụ việc của trẻ mới đóng chưa đủ {rules.case_months} tháng.",
                f"It cannot be erased: a case of the child was closed less than {rules.case_months} months ago.",
            )
        if await lives.holds(connection, row.id):
            raise refuse(
                "child",
                "is-held",
                "Chưa xóa được: có yêu cầu giữ hồ sơ đang còn hiệu lực.",
                "It cannot be erased: somebody asked to keep the record.",
            )
        await erasing.refuse_where_in_use(scope, self.adoptions, row.id)
        said = [
            record
            for one in await lives.ids_of(connection, row.id)
            for record in await self._withdraw_records(scope, one)
        ]
        await erasing.erase(scope, self._keys, self.adoptions, row.id, said, ground, by)

    # What time does

    async def tick(self, scope: Scope, limit: int, spoilt: set[str]) -> int:
        """Tell what fell due until today, at most `limit` records of each kind. Out: how many.

        Args:
            spoilt: records that could not be told, which are passed over; those of this turn are added.
        """
        day = today(scope)
        told = 0
        for query, tell in (
            (lives.DUE, self._fall_due),
            (lives.GROWN_UP, self._grow_up),
            (lives.GREW_YOUNGER, self._grow_up),
            (lives.UNSUPPORTED, self._support_ends),
        ):
            for row in await lives.falling(scope.connection, query, day, limit, spoilt):
                told += await self._alone(scope, row.id, partial(tell, scope, row, day), spoilt)
        for link_id in await self.adoptions.opening(scope, limit, spoilt):
            told += await self._alone(scope, link_id, partial(self.adoptions.renew, scope, link_id), spoilt)
        return told

    async def _alone(self, scope: Scope, name: str, act: Callable[[], Awaitable[None]], spoilt: set[str]) -> bool:
        """Do one thing that nothing else depends on. Out: whether it could be; raises where the database is away."""
        try:
            async with scope.connection.begin_nested():
                await act()
                await scope.flush()
        except Exception as error:
            if is_passing(error):
                raise
            scope.drop()
            spoilt.add(name)
            _LOG.error("registry.life.stuck", record=name, reason=type(error).__name__)
            return False
        return True

    async def tell_communes(self, scope: Scope) -> int:
        """Tell each commune once a day what fell due. Out: how many were told."""
        rows = await lives.tell_due(scope.connection, scope.now, midnight(scope))
        for row in rows:
            event = VerificationDigest(unit=row.unit, on=row.day, newly_due=row.newly, due=row.due)
            await scope.emit(event, subject=row.unit, sequence=row.day.toordinal(), unit=row.unit)
        return len(rows)

    async def _fall_due(self, scope: Scope, row: ChildRow, day: date) -> None:
        life = lifecycle.fall_due(await self._life(scope, row), day)
        if life is None or life.due_on is None:
            return
        due_on = life.due_on
        await self._settle(
            scope,
            row,
            life,
            "due",
            "time",
            lambda facts: ChildVerificationDue(child_id=row.id, facts=facts, due_on=due_on),
        )
        if row.known.unit is not None:
            await lives.note_due(scope.connection, row.known.unit, day)

    async def _support_ends(self, scope: Scope, row: ChildRow, _day: date) -> None:
        await settle_row(scope, row)

    async def _grow_up(self, scope: Scope, row: ChildRow, day: date) -> None:
        before = await self._life(scope, row)
        life = lifecycle.grow_up(before, day)
        if life is None:
            return
        on = life.ages_out_on or day

        def told(facts: ChildFacts) -> Contract:
            if life.status == "aged-out":
                return ChildAgedOut(child_id=row.id, facts=facts, on=on)
            return ChildReturned(child_id=row.id, facts=facts, was=before.status)

        await self._settle(scope, row, life, "aged-out" if life.status == "aged-out" else "returned", "time", told)

    async def _settle(
        self,
        scope: Scope,
        row: ChildRow,
        life: Life,
        cause: str | None,
        by: str,
        told: Callable[[ChildFacts], Contract],
        reason: str | None = None,
    ) -> int:
        """Save how the record stands now and tell it. Out: its sequence.

        Args:
            cause: for the record's history; None where its revision is kept already.
        """
        known = replace(row.known, state=life.state, status=life.status)
        sequence = row.sequence + 1
        if cause is not None:
            await revisions.put(scope.connection, row.id, scope.now, by, cause, reason)
        await scope.emit(told(known.facts), subject=row.id, sequence=sequence, unit=known.unit)
        await lives.save(scope.connection, row.id, sequence, life, scope.now)
        await quality.settle(scope, row.id)
        return sequence

    async def _withdraw_records(self, scope: Scope, child_id: str) -> list[tuple[str, int]]:
        withdrawn = await lives.withdraw_statements(scope.connection, child_id)
        for record_id, sequence in withdrawn:
            gone = RecordWithdrawn(record_id=record_id, child_id=child_id)
            await scope.emit(gone, subject=record_id, sequence=sequence)
        return withdrawn

    async def _life(self, scope: Scope, row: ChildRow) -> Life:
        return (await lives.standing(scope.connection, row.id)).life

    async def _kept_up(self, scope: Scope, row: ChildRow) -> Life:
        life = await self._life(scope, row)
        if not life.kept_up:
            raise refuse("status", f"is-{life.status}", "Hồ sơ này đã đóng.", "This record is closed.")
        return life


def _checked(row: ChildRow, facts: ChildFacts, on: date) -> Contract:
    return ChildChecked(child_id=row.id, facts=facts, checked_on=on)
