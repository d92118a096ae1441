"""What agencies tell statistics themselves: activities they held, and figures that only they know.

Each is decided once, refused with its reason or told again on statistics' own topic, from which history counts it: what
lies on agencies' topics is gone after days, and a rebuild reads what services say. Nothing here is about a child.
"""

from __future__ import annotations

from services.stats.domain.measures import WHOLE
from services.stats.domain.reported import check_activity, check_figure, unit_unknown
from services.stats.store.handed import next_sequence
from shared.contracts.agency import ActivityHeld, FigureReported
from shared.contracts.stats import ActivityRecorded, FigureRecorded
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.messaging.outbox import stable_id
from shared.messaging.router import Received, Router, Scope
from shared.reference.calendar import local_day
from shared.reference.indicators import Indicators
from shared.reference.terms import Terms
from shared.reference.units import Units


def routes(units: Units, indicators: Indicators) -> Router:
    """Statistics' handlers of agencies' events."""
    router = Router("stats")

    @router.handles(ActivityHeld)
    async def on_activity(received: Received[ActivityHeld], scope: Scope) -> None:
        data = received.data
        check_activity(data, Terms.load("activities").codes(), Terms.load("audiences").codes(), local_day(scope.now))
        held = ActivityRecorded(
            activity_id=stable_id("activity", received.event.source, received.event.id),
            activity=data.activity,
            audience=data.audience,
            # In a commune that nobody knows it was held all the same: it is shown as not classified.
            unit=WHOLE if data.unit is None else units.current(data.unit, data.held_on) or UNCLASSIFIED,
            sector=received.sector or "",
            held_on=data.held_on,
            participants=data.participants,
        )
        sequence = await next_sequence(scope.connection, held.activity_id)
        await scope.emit(held, subject=held.activity_id, sequence=sequence, unit=held.unit or None)

    @router.handles(FigureReported)
    async def on_figure(received: Received[FigureReported], scope: Scope) -> None:
        data, sector = received.data, received.sector or ""
        period = check_figure(data, indicators.get(data.indicator), sector, local_day(scope.now))
        unit = WHOLE if data.unit is None else units.current(data.unit, period.last)
        if unit is None:
            raise unit_unknown()
        figure = FigureRecorded(
            figure_id=stable_id("figure", received.event.source, received.event.id),
            indicator=data.indicator,
            unit=unit,
            period=period.code,
            value=data.value,
            sector=sector,
        )
        sequence = await next_sequence(scope.connection, figure.figure_id)
        await scope.emit(figure, subject=figure.figure_id, sequence=sequence, unit=unit or None)

    return router
