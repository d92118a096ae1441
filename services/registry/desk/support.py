"""Whether a child is supported: a service was given in one of its cases lately. Told when it begins, and when it ends.

It follows what cases tell, merges and splits included; it never says which service, or of which case.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from services.registry.desk.following import today
from services.registry.domain.lifecycle import add_months
from services.registry.store import cases
from services.registry.store import children as store
from services.registry.store import lifecycle as lives
from services.registry.store.children import ChildRow
from shared.contracts.registry import SupportEnded, SupportStarted
from shared.messaging.router import Scope
from shared.reference.keeping import Keeping


async def settle_support(scope: Scope, *child_ids: str, traces: Mapping[str, str | None] | None = None) -> None:
    """Work out anew until when children (those whom the ids stand for today) are supported, and tell what changed.

    In: `traces`: of whom it is decided for something else than what is running, that thing's trace parent.
    """
    if not child_ids:
        return
    found = await store.all_current(scope.connection, sorted(set(child_ids)), lock=True)
    rows = {row.id: (asked, row) for asked, row in found.items()}
    last = await cases.last_services(scope.connection, list(rows))
    for child_id, (asked, row) in sorted(rows.items()):
        await _settle(scope, row, last.get(child_id), (traces or {}).get(asked))


async def settle_row(scope: Scope, row: ChildRow) -> None:
    """The same of a record that is locked."""
    await _settle(scope, row, (await cases.last_services(scope.connection, [row.id])).get(row.id))


async def _settle(scope: Scope, row: ChildRow, last: date | None, traceparent: str | None = None) -> None:
    """In: the day of the last service in a case of the child."""
    day = today(scope)
    until = None if last is None else add_months(last, Keeping.load().support.on(day).months)
    if until is not None and until <= day:
        until = None
    supported, sequence = until is not None, row.sequence
    if not supported and not row.known.supported:
        return
    # Of a closed record nobody counts anything; it says so when it is opened again.
    if supported != row.known.supported and row.status == "active":
        sequence += 1
        facts = row.known.facts.model_copy(update={"supported": supported})
        event = SupportStarted if supported else SupportEnded
        told = event(child_id=row.id, facts=facts)
        unit = row.known.unit
        await scope.emit(told, subject=row.id, sequence=sequence, unit=unit, traceparent=traceparent)
    await lives.save_support(scope.connection, row.id, sequence, until)
