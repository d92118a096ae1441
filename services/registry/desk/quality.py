"""How good records are, kept as they change: what each breaks, and each commune's score once a day.

Whoever changes a record settles it in the same transaction. What time turns, what a bulk import brings and what new
rules ask is settled by a pass in bounded batches, exact however many replicas run, and taken up where it was left.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import structlog

from services.registry.desk.following import today
from services.registry.domain.quality import Judged, judge
from services.registry.store import quality as store
from services.registry.store.chunked import ManyRows
from services.registry.store.quality import Assessed, Costs, Measured
from shared.contracts.registry import QualityMeasured
from shared.messaging.router import Scope
from shared.reference.quality import Quality
from shared.reference.terms import Terms

_LOG = structlog.get_logger(__name__)
# A commune is measured again on a day when a tenth of its children came or went, and more than so many.
_LEAST_CHANGE = 20
# So often can that be, at most, for the number of the event: one a minute.
_TIMES_A_DAY = 2000
JUDGED_AT_ONCE = 500
MEASURED_AT_ONCE = 20


async def settle(scope: Scope, *child_ids: str) -> None:
    """Work out what some records break now. They must be locked, or new. Those of a chunk wait for the pass instead."""
    if isinstance(scope.connection, ManyRows) or not child_ids:
        return
    await _settle(scope, child_ids)


async def settle_waiting(scope: Scope, limit: int = JUDGED_AT_ONCE) -> int:
    """Settle some of those that wait: changed by another way, or whose time has come. Out: how many."""
    ids = await store.waiting(scope.connection, today(scope), limit)
    if ids:
        await _settle(scope, ids)
    return len(ids)


async def follow_rules(scope: Scope) -> bool:
    """Where the rules are others than last time, all records wait to be settled from now. Out: whether they are."""
    return await store.mark_all(scope.connection, Quality.load().fingerprint())


async def measure(scope: Scope, limit: int = MEASURED_AT_ONCE) -> int:
    """Measure some of the communes that were not measured today, or have become others since, and tell it.

    Out: how many there were to measure; whoever comes second finds them measured and tells nothing.
    """
    day = today(scope)
    units = (await store.to_measure(scope.connection, day, _LEAST_CHANGE))[:limit]
    if not units:
        return 0
    costs = costs_on(day)
    for one in await store.keep_measure(scope.connection, units, costs, day, _LEAST_CHANGE):
        await scope.emit(_event(one, day), subject=one.unit, sequence=_number(day, one.times), unit=one.unit)
    await store.thin_out(scope.connection, day - timedelta(days=Quality.load().points(day).kept_days))
    return len(units)


def costs_on(day: date) -> Costs:
    """What each rule in force on a day costs a record."""
    quality = Quality.load()
    points = quality.points(day)
    return Costs(
        {rule.code: points.of(rule.severity) for rule in quality.on(day)}, list(Terms.load("circumstances").codes())
    )


async def _settle(scope: Scope, ids: Sequence[str]) -> None:
    day = today(scope)
    quality = Quality.load()
    judged: list[tuple[Assessed, Judged]] = []
    spoilt: list[str] = []
    for record in await store.gather(scope.connection, ids, day):
        said = _judged(record, quality, day)
        if said is None:
            spoilt.append(record.child_id)
        else:
            judged.append((record, said))
    await store.save(scope.connection, judged, day)
    if spoilt:
        await store.look_again(scope.connection, spoilt, day + timedelta(days=1))


def _judged(record: Assessed, quality: Quality, day: date) -> Judged | None:
    """None: it cannot be judged, which must never keep a record from being saved, nor the others from being judged."""
    if not record.kept_up:
        return Judged((), date.max)
    try:
        return judge(record.facts(), quality, day)
    except Exception as error:
        # The exception's type only: its text may quote what is stored.
        _LOG.error("registry.quality.unjudged", record=record.child_id, reason=type(error).__name__)
        return None


def _number(day: date, times: int) -> int:
    """The event's number: by day, and within it by how often the commune was measured."""
    return day.toordinal() * _TIMES_A_DAY + min(times, _TIMES_A_DAY - 1)


def _event(one: Measured, day: date) -> QualityMeasured:
    return QualityMeasured(
        unit=one.unit,
        on=day,
        children=one.children,
        verified=one.verified,
        due=one.due,
        broken=dict(one.broken),
        score=one.score,
    )
