"""How good records are, kept as they change: what each breaks, and each commune's score, once a day at least.

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
# A commune is measured again so long after its records changed last: an import is over then. One that changes all the
# time is measured so often, at most: that bounds the work, and how old a score can be.
QUIET = timedelta(minutes=2)
REST = timedelta(minutes=5)
# So often can that be on a day, at most, for the number of the event.
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
    """Measure some of the communes that were not measured today, or whose records changed since, and tell it.

    Out: how many were measured; none while another replica measures, which leaves nothing to do.
    """
    if not await store.alone(scope.connection):
        return 0
    day = today(scope)
    units = (await store.to_measure(scope.connection, scope.now, QUIET, REST))[:limit]
    if not units:
        return 0
    for one in await store.keep_measure(scope.connection, units, costs_on(day), scope.now):
        await scope.emit(_event(one), subject=one.unit, sequence=_number(one), unit=one.unit)
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
    await store.save(scope.connection, judged, scope.now)
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


def _number(one: Measured) -> int:
    """The event's number: by day, and within it by how often the commune was measured."""
    return one.day.toordinal() * _TIMES_A_DAY + min(one.times, _TIMES_A_DAY - 1)


def _event(one: Measured) -> QualityMeasured:
    return QualityMeasured(
        unit=one.unit,
        on=one.day,
        measured_at=one.at,
        children=one.children,
        verified=one.verified,
        due=one.due,
        broken=dict(one.broken),
        score=one.score,
    )
