"""What people do with the life of one record, asked by a page's form or by a machine: one refusal for both.

Each act is made from what was asked and done later, on the record that is locked. It must never say who may do it: that
is the keeper's to say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from services.registry import views
from services.registry.desk import Lifecycle, today
from services.registry.domain.warnings import coded
from services.registry.seeing import NotThereError, is_id
from services.registry.store import lifecycle as lives
from services.registry.store.children import ChildRow
from shared.contracts.errors import refuse, refuse_unstorable
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.router import Scope
from shared.reference.calendar import LOCAL

Act = Callable[[Scope, ChildRow, str], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Acts:
    """Makes the acts.

    Args:
        life: does them. units: codes of the communes that there are.
    """

    life: Lifecycle
    units: Collection[str]

    def check(self) -> Act:
        """The record was looked through."""
        return lambda scope, row, by: self.life.check(scope, row, by=by)

    def verify(self, on: date, method: str, confirmed: Collection[str]) -> Act:
        """It was verified with the family or its papers; out of the act: `Verified`. Raises `Rejected`."""
        fields = sorted(set(confirmed) & set(views.FIELDS))
        if not fields:
            raise refuse(
                "confirmed",
                "nothing-confirmed",
                "Chọn ít nhất một mục đã đối chiếu.",
                "Choose at least one field that was confirmed.",
            )

        async def verify(scope: Scope, row: ChildRow, by: str) -> Any:
            at = scope.now if on == today(scope) else datetime.combine(on, time(12), LOCAL)
            return await self.life.verify(scope, row, confirmed=fields, method=method, by=by, at=at)

        return verify

    def move(self, unit: str) -> Act:
        """The child lives in another commune of the province. Raises `Rejected`."""
        self._must_be_known(unit)
        return lambda scope, row, by: self.life.move(scope, row, unit, by=by)

    def move_away(self, on: date) -> Act:
        """The child lives in another province."""
        return lambda scope, row, by: self.life.move_away(scope, row, on, by=by)

    def die(self, on: date, source: str) -> Act:
        """The child died; `source` says so. Raises `Rejected`."""
        refuse_unstorable(source, "source")
        return lambda scope, row, by: self.life.die(scope, row, on, source, by=by)

    def withdraw(self, reason: str, note: str) -> Act:
        """The record was none of a child. Raises `Rejected`."""
        refuse_unstorable(note, "note")
        return lambda scope, row, by: self.life.withdraw(scope, row, reason, by=by, note=note.strip())

    def come_back(self, note: str) -> Act:
        """A closed record is kept up again. Raises `Rejected`."""
        refuse_unstorable(note, "note")
        return lambda scope, row, by: self.life.come_back(scope, row, by=by, note=note.strip())

    def adopt(self, on: date, new: ChildDescription, unit: str, carried: Sequence[str]) -> Act:
        """The child was adopted and is `new` from now. Raises `Rejected`."""
        self._must_be_known(unit)
        # It lies sealed until the new record begins, and would be refused only then.
        refuse_unstorable(new.model_dump(mode="json"), "child")
        who = coded(new)
        return lambda scope, row, by: self.life.adopt(scope, row, on, who, unit, carried, by=by)

    def erase(self, ground: str) -> Act:
        """Erased by law."""
        return lambda scope, row, by: self.life.erase(scope, row, ground, by=by)

    def hold(self, reason: str, note: str) -> Act:
        """Nobody may erase the record for the time being. Raises `Rejected`."""
        refuse_unstorable(note, "note")
        return lambda scope, row, by: self.life.hold(scope, row, reason, note.strip(), by=by)

    def lift(self, hold_id: str) -> Act:
        """A hold is lifted. Raises `NotThereError`."""
        if not is_id(hold_id):
            raise NotThereError
        return lambda scope, row, by: lives.lift_hold(scope.connection, row.id, hold_id, scope.now, by)

    def _must_be_known(self, unit: str) -> None:
        if unit not in self.units:
            raise refuse("unit", "unit-missing", "Hãy chọn xã, phường.", "Choose the commune.")
